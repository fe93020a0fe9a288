/* Transforms and products of the stem method for one instruction set; see conv_stem.h. Vectors run along tiles in the
 * input's transform, then along filters. */
#include "kernels/conv_stem.h"
#include "kernels/winograd_simd.h"

enum {
    TOGETHER = LANES == 16 ? 4 : 2,    /* tiles whose products share a load of weights, six registers each */
    OUTER_TOGETHER = LANES > 4 ? 8 : 4 /* tiles of dy transformed before their products are added */
};

typedef float planes_of_tiles[PS_STEM_PRODUCTS * PS_STEM_PLANES * LANES] __attribute__((aligned(64)));

/* Lines of a tile turned together: what they hold of one channel fills half a vector of 16. */
enum { PAIR = LANES == 16 ? 2 : 1 };

INLINE vf load_pair(const float *first, const float *second) {
#if LANES == 16
    __m512 low = _mm512_castps256_ps512(_mm256_loadu_ps(first));
    return (vf)_mm512_insertf32x8(low, _mm256_loadu_ps(second), 1);
#else
    (void)second;
    return load(first);
#endif
}

/* inputs[i][j] of LANES tiles of one channel, whose lines begin at `at`. */
INLINE void turn_lines(const float *const at[LANES], size_t line, vf inputs[][PS_STEM_INPUTS]) {
    for (int i = 0; i < PS_STEM_INPUTS; i += PAIR) {
        vf block[LANES > 8 ? LANES : 8];
        size_t from = (size_t)i * line;
        for (int part = 0; part < 8; part += LANES) {
            vf *turned = block + part;
            for (int lane = 0; lane < LANES; lane++)
                turned[lane] = load_pair(at[lane] + from + part, at[lane] + from + line + part);
            transpose(turned);
        }
        for (int row = 0; row < PAIR; row++)
            for (int j = 0; j < PS_STEM_INPUTS; j++) inputs[i + row][j] = block[8 * row + j];
    }
}

/* The input's transform of a plane. */
INLINE void transform_plane(const vf inputs[PS_STEM_INPUTS][PS_STEM_INPUTS], float *v, int step) {
    vf half[PS_STEM_INPUTS][PS_STEM_INPUTS];
#pragma GCC unroll 6
    for (int j = 0; j < PS_STEM_INPUTS; j++) {
        vf in[PS_STEM_INPUTS], out[PS_STEM_INPUTS];
        for (int i = 0; i < PS_STEM_INPUTS; i++) in[i] = inputs[i][j];
        unit_input_line(in, out);
        for (int i = 0; i < PS_STEM_INPUTS; i++) half[i][j] = out[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < PS_STEM_INPUTS; i++) {
        vf out[PS_STEM_INPUTS];
        unit_input_line(half[i], out);
        for (int j = 0; j < PS_STEM_INPUTS; j++) store(v + (6 * i + j) * step, out[j]);
    }
}

/* The inputs of LANES tiles from `first` on (beyond the last one: the last one again), product by product, plane by
 * plane. */
static void transform_input(const ps_stem_unit *unit, size_t first, float *v) {
    const ps_stem_filters *f = &unit->filters;
    int c = f->c, outputs = ps_stem_outputs(f->taps);
    const float *at[LANES];
    for (size_t lane = 0; lane < LANES; lane++) {
        size_t tile = first + lane < unit->tiles ? first + lane : unit->tiles - 1;
        at[lane] = unit->lines + tile / unit->tiles_w * (size_t)outputs * unit->line +
                   tile % unit->tiles_w * (size_t)(outputs * c);
    }
    for (int td = 0; td < f->kd; td++) {
        vf planes[PS_STEM_INPUTS][PS_STEM_INPUTS * PS_STEM_CHANNELS + LANES], inputs[PS_STEM_INPUTS][PS_STEM_INPUTS];
        for (int lane = 0; lane < LANES && td > 0; lane++) at[lane] += unit->slice;
        if (c == 1) {
            turn_lines(at, unit->line, inputs);
            transform_plane(inputs, v + td * LANES, f->planes * LANES);
            continue;
        }
        for (int i = 0; i < PS_STEM_INPUTS; i++)
            for (int e = 0; e < PS_STEM_INPUTS * c; e += LANES) {
                vf *block = planes[i] + e;
                for (int lane = 0; lane < LANES; lane++)
                    block[lane] = load(at[lane] + (size_t)i * unit->line + (size_t)e);
                transpose(block);
            }
        for (int channel = 0; channel < c; channel++) {
            for (int i = 0; i < PS_STEM_INPUTS; i++)
                for (int j = 0; j < PS_STEM_INPUTS; j++) inputs[i][j] = planes[i][j * c + channel];
            transform_plane(inputs, v + (td * c + channel) * LANES, f->planes * LANES);
        }
    }
}

/* The outputs of a tile that lie inside, and the first of them. */
typedef struct {
    int height, width;
    size_t at;
} tile_outputs;

INLINE int at_most(int value, int most) { return value < most ? value : most; }

INLINE tile_outputs outputs_of(const ps_stem_unit *unit, size_t tile) {
    int outputs = ps_stem_outputs(unit->filters.taps);
    int y = (int)(tile / unit->tiles_w) * outputs, x = (int)(tile % unit->tiles_w) * outputs;
    return (tile_outputs){at_most(unit->height - y, outputs), at_most(unit->width - x, outputs),
                          ((size_t)y * (size_t)unit->width + (size_t)x) * (size_t)unit->filters.k};
}

/* Memory that is not near comes faster in its own order and past the nearest cache, a little at a time. */
INLINE size_t fetch(const ps_stem_unit *unit, const float *outputs, size_t at, int vectors) {
    size_t end = at + (size_t)(vectors * LANES);
    if (end > unit->ahead_end) end = unit->ahead_end;
    for (; at < end; at += 16) __builtin_prefetch(outputs + at, 0, 2);
    return at;
}

INLINE void output_line(int taps, const vf in[6], vf *out) {
    if (taps == 3) unit_output_line(in, out);
    else five_output_line(in, out);
}

INLINE void write_tile(int taps, int height, int width, vf half[4][6], vf bias, int channels, float *to, size_t line,
                       size_t pixel) {
#pragma GCC unroll 4
    for (int i = 0; i < ps_stem_outputs(taps); i++) {
        vf out[4];
        if (i >= height) return;
        output_line(taps, half[i], out);
#pragma GCC unroll 4
        for (int j = 0; j < ps_stem_outputs(taps); j++) {
            if (j >= width) break;
            store_upto(to + (size_t)i * line + (size_t)j * pixel, out[j] + bias, channels);
        }
    }
}

/* Tiles [tile, tile + TOGETHER) of those in v, of which `count` are written, for one vector of filters. Returns what of
 * the output is fetched by then. */
INLINE size_t forward_tiles(int taps, const ps_stem_unit *unit, const float *v, size_t tile, int count, const float *u,
                            vf bias, int k, size_t ahead) {
    enum { share = TOGETHER * 16 / 6 + 1 };
    int planes = unit->filters.planes, channels = unit->filters.k - k;
    vf half[TOGETHER][4][6];
#pragma GCC unroll 1
    for (int j = 0; j < 6; j++) {
        vf m[TOGETHER][6];
        ahead = fetch(unit, unit->y, ahead, taps == 3 ? share : share / 4 + 1);
#pragma GCC unroll 4
        for (int r = 0; r < TOGETHER; r++) {
#pragma GCC unroll 6
            for (int i = 0; i < 6; i++) m[r][i] = splat(0.0f);
        }
        for (int p = 0; p < planes; p++) {
#pragma GCC unroll 6
            for (int i = 0; i < 6; i++) {
                int at = ((6 * i + j) * planes + p) * LANES;
                vf right = load(u + at);
#pragma GCC unroll 4
                for (int r = 0; r < TOGETHER; r++) m[r][i] = fma_(splat(v[at + r]), right, m[r][i]);
            }
        }
#pragma GCC unroll 4
        for (int r = 0; r < TOGETHER; r++) {
            vf out[4];
            output_line(taps, m[r], out);
#pragma GCC unroll 4
            for (int i = 0; i < ps_stem_outputs(taps); i++) half[r][i][j] = out[i];
        }
    }
    size_t pixel = (size_t)unit->filters.k, line = (size_t)unit->width * pixel;
    int outputs = ps_stem_outputs(taps);
    for (int r = 0; r < count; r++) {
        tile_outputs o = outputs_of(unit, tile + (size_t)r);
        float *to = unit->y + o.at + k;
        if (o.height == outputs && o.width == outputs && channels >= LANES)
            write_tile(taps, outputs, outputs, half[r], bias, LANES, to, line, pixel);
        else write_tile(taps, o.height, o.width, half[r], bias, channels, to, line, pixel);
    }
    return ahead;
}

INLINE void forward_unit(int taps, const ps_stem_unit *unit, const float *u, const float *bias) {
    planes_of_tiles v;
    size_t panel = (size_t)(PS_STEM_PRODUCTS * unit->filters.planes * LANES), ahead = unit->ahead;
    for (size_t first = 0; first < unit->tiles; first += LANES) {
        int count = unit->tiles - first < LANES ? (int)(unit->tiles - first) : LANES;
        transform_input(unit, first, v);
        for (int k = 0; k < unit->filters.k; k += LANES) {
            vf add = bias != NULL ? load_upto(bias + k, unit->filters.k - k) : splat(0.0f);
            for (int t = 0; t < count; t += TOGETHER)
                ahead = forward_tiles(taps, unit, v + t, first + (size_t)t, at_most(count - t, TOGETHER),
                                      u + (size_t)(k / LANES) * panel, add, k, ahead);
        }
    }
}

static void forward(const ps_stem_unit *unit, const float *u, const float *bias) {
    if (unit->filters.taps == 3) forward_unit(3, unit, u, bias);
    else forward_unit(5, unit, u, bias);
}

INLINE void gradient_line(int taps, const vf *y, vf out[6]) {
    if (taps == 3) unit_gradient_line(y, out);
    else five_gradient_line(y, out);
}

/* A tile of dy at the points: product t goes to g[t]. */
INLINE void transform_dy(int taps, const ps_stem_unit *unit, size_t tile, int k, vf *g) {
    tile_outputs o = outputs_of(unit, tile);
    size_t pixel = (size_t)unit->filters.k, line = (size_t)unit->width * pixel;
    int outputs = ps_stem_outputs(taps), channels = unit->filters.k - k;
    const float *from = unit->dy + o.at + k;
    bool whole = o.height == outputs && o.width == outputs && channels >= LANES;
    vf half[6][4];
#pragma GCC unroll 4
    for (int j = 0; j < outputs; j++) {
        vf y[4], out[6];
#pragma GCC unroll 4
        for (int i = 0; i < outputs; i++) {
            const float *at = from + (size_t)i * line + (size_t)j * pixel;
            if (whole) y[i] = load(at);
            else y[i] = i < o.height && j < o.width ? load_upto(at, channels) : splat(0.0f);
        }
        gradient_line(taps, y, out);
#pragma GCC unroll 6
        for (int i = 0; i < 6; i++) half[i][j] = out[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < 6; i++) {
        vf out[6];
        gradient_line(taps, half[i], out);
#pragma GCC unroll 6
        for (int j = 0; j < 6; j++) g[6 * i + j] = out[j];
    }
}

/* sums[product][plane] += the products of `count` tiles; `products` at a time hide the latency of their additions. */
INLINE void add_outer(int planes, int products, const float *v, const vf *g, int count, float *sums) {
    for (int t = 0; t < PS_STEM_PRODUCTS; t += products) {
        vf sum[4][PS_STEM_PLANES];
        float *to = sums + t * planes * LANES;
        const float *factor = v + t * planes * LANES;
#pragma GCC unroll 4
        for (int b = 0; b < products; b++) {
#pragma GCC unroll 5
            for (int p = 0; p < planes; p++) sum[b][p] = load(to + (b * planes + p) * LANES);
        }
        for (int r = 0; r < count; r++) {
#pragma GCC unroll 4
            for (int b = 0; b < products; b++) {
                vf right = g[r * PS_STEM_PRODUCTS + t + b];
#pragma GCC unroll 5
                for (int p = 0; p < planes; p++)
                    sum[b][p] = fma_(splat(factor[(b * planes + p) * LANES + r]), right, sum[b][p]);
            }
        }
#pragma GCC unroll 4
        for (int b = 0; b < products; b++) {
#pragma GCC unroll 5
            for (int p = 0; p < planes; p++) store(to + (b * planes + p) * LANES, sum[b][p]);
        }
    }
}

static void add_planes(int planes, const float *v, const vf *g, int count, float *sums) {
    switch (planes) {
        case 1: add_outer(1, 4, v, g, count, sums); break;
        case 2: add_outer(2, 4, v, g, count, sums); break;
        case 3: add_outer(3, 4, v, g, count, sums); break;
        case 4: add_outer(4, 3, v, g, count, sums); break;
        default: add_outer(5, 2, v, g, count, sums); break;
    }
}

INLINE void outer_unit(int taps, const ps_stem_unit *unit, float *sums) {
    planes_of_tiles v;
    vf g[PS_STEM_PRODUCTS * OUTER_TOGETHER];
    size_t panel = (size_t)(PS_STEM_PRODUCTS * unit->filters.planes * LANES), ahead = unit->ahead;
    for (size_t first = 0; first < unit->tiles; first += LANES) {
        int count = unit->tiles - first < LANES ? (int)(unit->tiles - first) : LANES;
        transform_input(unit, first, v);
        for (int k = 0; k < unit->filters.k; k += LANES)
            for (int t = 0; t < count; t += OUTER_TOGETHER) {
                int tiles = at_most(count - t, OUTER_TOGETHER);
                for (int r = 0; r < tiles; r++) {
                    ahead = fetch(unit, unit->dy, ahead, ps_stem_outputs(taps) * ps_stem_outputs(taps));
                    transform_dy(taps, unit, first + (size_t)(t + r), k, g + r * PS_STEM_PRODUCTS);
                }
                add_planes(unit->filters.planes, v + t, g, tiles, sums + (size_t)(k / LANES) * panel);
            }
    }
}

static void outer(const ps_stem_unit *unit, float *sums, bool accumulate) {
    size_t vectors = (size_t)((unit->filters.k + LANES - 1) / LANES),
           floats = vectors * (size_t)(PS_STEM_PRODUCTS * unit->filters.planes * LANES);
    for (size_t i = 0; i < floats && !accumulate; i += LANES) store(sums + i, splat(0.0f));
    if (unit->filters.taps == 3) outer_unit(3, unit, sums);
    else outer_unit(5, unit, sums);
}

/* Where a tap of a filter's plane lies among the weights. */
INLINE size_t weight_at(const ps_stem_filters *f, int k, int plane, int tap) {
    int taps = f->taps * f->taps;
    return ((size_t)(k * f->kd + plane / f->c) * (size_t)taps + (size_t)tap) * (size_t)f->c + (size_t)(plane % f->c);
}

INLINE void weights_line(int taps, const vf *g, vf out[6]) {
    if (taps == 3) unit_weights_line(g, out);
    else five_weights_line(g, out);
}

INLINE void transform_weights(int taps, const vf *g, float *u, size_t step) {
    vf half[6][5];
    for (int j = 0; j < taps; j++) {
        vf column[5], out[6];
        for (int i = 0; i < taps; i++) column[i] = g[taps * i + j];
        weights_line(taps, column, out);
        for (int i = 0; i < 6; i++) half[i][j] = out[i];
    }
    for (int i = 0; i < 6; i++) {
        vf out[6];
        weights_line(taps, half[i], out);
        for (int j = 0; j < 6; j++) store(u + (size_t)(6 * i + j) * step, out[j]);
    }
}

static void weights(const ps_stem_filters *f, const float *w, float *u) {
    for (int k = 0; k < f->k; k += LANES, u += PS_STEM_PRODUCTS * f->planes * LANES)
        for (int plane = 0; plane < f->planes; plane++) {
            vf g[25];
            for (int tap = 0; tap < f->taps * f->taps; tap++)
                for (int lane = 0; lane < LANES; lane++)
                    g[tap][lane] = k + lane < f->k ? w[weight_at(f, k + lane, plane, tap)] : 0.0f;
            float *to = u + plane * LANES;
            if (f->taps == 3) transform_weights(3, g, to, (size_t)(f->planes * LANES));
            else transform_weights(5, g, to, (size_t)(f->planes * LANES));
        }
}

INLINE void weights_gradient_line(int taps, const vf in[6], vf *out) {
    if (taps == 3) unit_weights_gradient_line(in, out);
    else five_weights_gradient_line(in, out);
}

INLINE void transform_sums(int taps, const float *sums, size_t step, vf *g) {
    vf half[5][6];
    for (int j = 0; j < 6; j++) {
        vf in[6], out[5];
        for (int i = 0; i < 6; i++) in[i] = load(sums + (size_t)(6 * i + j) * step);
        weights_gradient_line(taps, in, out);
        for (int i = 0; i < taps; i++) half[i][j] = out[i];
    }
    for (int i = 0; i < taps; i++) weights_gradient_line(taps, half[i], g + taps * i);
}

static void gradient(const ps_stem_filters *f, const float *sums, float *dw) {
    for (int k = 0; k < f->k; k += LANES, sums += PS_STEM_PRODUCTS * f->planes * LANES)
        for (int plane = 0; plane < f->planes; plane++) {
            vf g[25];
            const float *from = sums + plane * LANES;
            if (f->taps == 3) transform_sums(3, from, (size_t)(f->planes * LANES), g);
            else transform_sums(5, from, (size_t)(f->planes * LANES), g);
            for (int tap = 0; tap < f->taps * f->taps; tap++)
                for (int lane = 0; lane < LANES && k + lane < f->k; lane++)
                    dw[weight_at(f, k + lane, plane, tap)] = g[tap][lane];
        }
}

const ps_stem_kernels *PS_SIMD_NAME(ps_stem_kernels_of)(void) {
    static const ps_stem_kernels kernels = {LANES, weights, forward, outer, gradient};
    return &kernels;
}
