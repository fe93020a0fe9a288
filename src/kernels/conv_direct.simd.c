/* Gathering, packing and products of the direct method for one instruction set; see conv_direct.h. */
#include "kernels/conv_direct.h"
#include "kernels/simd_vector.h"

INLINE void copy(const float *from, size_t count, float *to) {
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) store(to + i, load(from + i));
    if (i < count) store_part(to + i, load_part(from + i, (int)(count - i)), (int)(count - i));
}

INLINE void clear(float *to, size_t count) {
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) store(to + i, splat(0.0f));
    if (i < count) store_part(to + i, splat(0.0f), (int)(count - i));
}

typedef struct {
    int n, d, h, w;
} place;

INLINE place place_of(const ps_conv_sweep *s, size_t position) {
    place p;
    p.w = (int)(position % (size_t)s->w.count), position /= (size_t)s->w.count;
    p.h = (int)(position % (size_t)s->h.count), position /= (size_t)s->h.count;
    p.d = (int)(position % (size_t)s->d.count);
    p.n = (int)(position / (size_t)s->d.count);
    return p;
}

INLINE void next_place(const ps_conv_sweep *s, place *p) {
    if (++p->w < s->w.count) return;
    p->w = 0;
    if (++p->h < s->h.count) return;
    p->h = 0;
    if (++p->d < s->d.count) return;
    p->d = 0;
    p->n++;
}

/* The taps of one row of the source (NULL: the row lies in the padding). */
INLINE float *gather_row(const ps_conv_sweep *s, const float *row, int w0, float *to) {
    size_t c = (size_t)s->source_group, channels = (size_t)s->source_channels;
    int taps = s->w.taps, first = w0 + s->w.delta[0], last = w0 + s->w.delta[taps - 1];
    if (row == NULL) {
        clear(to, (size_t)taps * c);
    } else if (s->wide_rows && first >= 0 && last < s->w.source_size) {
        copy(row + (size_t)first * channels, (size_t)taps * c, to);
    } else {
        for (int tap = 0; tap < taps; tap++) {
            int w = w0 + s->w.delta[tap];
            if (w >= 0 && w < s->w.source_size) copy(row + (size_t)w * channels, c, to + (size_t)tap * c);
            else clear(to + (size_t)tap * c, c);
        }
    }
    return to + (size_t)taps * c;
}

static void gather(const ps_conv_sweep *s, const float *source, int group, size_t first, size_t count, float *matrix,
                   size_t row_step) {
    place p = place_of(s, first);
    size_t row_floats = (size_t)s->w.source_size * (size_t)s->source_channels;
    source += (size_t)group * (size_t)s->source_group;
    for (size_t i = 0; i < count; i++, next_place(s, &p)) {
        float *to = matrix + i * row_step;
        for (int td = 0; td < s->d.taps; td++) {
            int d = p.d * s->d.source_step + s->d.delta[td];
            bool inside = d >= 0 && d < s->d.source_size;
            for (int th = 0; th < s->h.taps; th++) {
                int h = p.h * s->h.source_step + s->h.delta[th];
                const float *row = NULL;
                if (inside && h >= 0 && h < s->h.source_size) {
                    size_t line =
                        ((size_t)p.n * (size_t)s->d.source_size + (size_t)d) * (size_t)s->h.source_size + (size_t)h;
                    row = source + line * row_floats;
                }
                to = gather_row(s, row, p.w * s->w.source_step, to);
            }
        }
        store(to, splat(0.0f));
    }
}

static void pack_forward(const float *w, size_t depth, int k, int filters, float *panel) {
    int vectors = filters - k > LANES ? 2 : 1;
    size_t width = (size_t)vectors * LANES;
    for (int vector = 0; vector < vectors; vector++) {
        const float *from = w + (size_t)(k + vector * LANES) * depth;
        int left = filters - k - vector * LANES;
        for (size_t i = 0; i < depth; i += LANES) {
            vf square[LANES];
            int columns = depth - i < LANES ? (int)(depth - i) : LANES;
            for (int r = 0; r < LANES; r++)
                square[r] = r < left ? load_upto(from + (size_t)r * depth + i, columns) : splat(0.0f);
            transpose(square);
            for (int r = 0; r < columns; r++)
                store(panel + (i + (size_t)r) * width + (size_t)vector * LANES, square[r]);
        }
    }
}

static void pack_backward(const ps_conv_sweep *s, int kernel_taps, int kh, int kw, const float *w, int c,
                          float *panel) {
    int vectors = s->target_group - c > LANES ? 2 : 1;
    for (int td = 0; td < s->d.taps; td++) {
        for (int th = 0; th < s->h.taps; th++) {
            for (int tw = 0; tw < s->w.taps; tw++) {
                int tap = (s->d.tap[td] * kh + s->h.tap[th]) * kw + s->w.tap[tw];
                for (int k = 0; k < s->source_group; k++) {
                    const float *from =
                        w + ((size_t)k * (size_t)kernel_taps + (size_t)tap) * (size_t)s->target_group + c;
                    for (int v = 0; v < vectors; v++, panel += LANES) {
                        store(panel, load_upto(from + v * LANES, s->target_group - c - v * LANES));
                    }
                }
            }
        }
    }
}

/* As product_block, but the sums go from the registers to scattered rows of the target. */
INLINE void multiply_rows(int rows, int vectors, const float *a, size_t row_step, const float *b, size_t depth,
                          int channels, const float *bias, bool accumulate, float *const *target) {
    sums_block sum;
    start_block(rows, vectors, bias, channels, sum);
    add_products(rows, vectors, a, row_step, 1, b, (size_t)(vectors * LANES), depth, sum);
    if (channels == vectors * LANES && !accumulate) {
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) store(target[r] + v * LANES, sum[r][v]);
        }
        return;
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            int count = channels - v * LANES;
            vf value = sum[r][v];
            if (accumulate) value += load_upto(target[r] + v * LANES, count);
            store_upto(target[r] + v * LANES, value, count);
        }
    }
}

static void multiply(const ps_conv_sweep *s, size_t count, const float *matrix, size_t row_step, const float *panel,
                     int channels, const float *bias, bool accumulate, float *const *target) {
    int vectors = channels > LANES ? 2 : 1, most = vectors == 2 ? ROWS : ROWS_OF_ONE;
    for (size_t i = 0; i < count; i += (size_t)most) {
        int rows = count - i < (size_t)most ? (int)(count - i) : most;
        const float *a = matrix + i * row_step;
#define CALL2(n) multiply_rows(n, 2, a, row_step, panel, s->depth, channels, bias, accumulate, target + i)
#define CALL1(n) multiply_rows(n, 1, a, row_step, panel, s->depth, channels, bias, accumulate, target + i)
        if (vectors == 2) WITH_CONSTANT_ROWS(rows, CALL2)
        else WITH_ROWS_TO_12(rows, CALL1)
#undef CALL1
#undef CALL2
    }
}

static void outer(size_t count, int filters, int columns, const float *dy, size_t dy_step, const float *matrix,
                  size_t row_step, float *dw, size_t dw_step, bool accumulate) {
    for (int column = 0; column < columns; column += 2 * LANES) {
        int vectors = columns - column > LANES ? 2 : 1, most = vectors == 2 ? ROWS : ROWS_OF_ONE;
        for (int k = 0; k < filters; k += most) {
            int rows = filters - k < most ? filters - k : most;
            float *to = dw + (size_t)k * dw_step + column;
#define CALL2(n) product_block(n, 2, dy + k, 1, dy_step, matrix + column, row_step, count, to, dw_step, accumulate)
#define CALL1(n) product_block(n, 1, dy + k, 1, dy_step, matrix + column, row_step, count, to, dw_step, accumulate)
            if (vectors == 2) WITH_CONSTANT_ROWS(rows, CALL2)
            else WITH_ROWS_TO_12(rows, CALL1)
#undef CALL1
#undef CALL2
        }
    }
}

const ps_direct_kernels *PS_SIMD_NAME(ps_direct_kernels_of)(void) {
    static const ps_direct_kernels kernels = {LANES, ROWS, gather, pack_forward, pack_backward, multiply, outer};
    return &kernels;
}
