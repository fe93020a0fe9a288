/* Transforms and products of the Winograd method for one instruction set; see conv_winograd.h. Channels lie in vectors,
 * so every transform works on whole vectors and the matrices need no shuffling, but for the forward weights (transposed
 * on the way). */
#include "kernels/conv_winograd.h"
#include "kernels/winograd_simd.h"

/* Sizes along one axis; `kind` is a constant wherever it matters for speed. */
INLINE bool is_unit(ps_winograd_kind kind) { return kind == PS_WINOGRAD_UNIT || kind == PS_WINOGRAD_FIVE; }
INLINE int inputs_of(ps_winograd_kind kind) { return is_unit(kind) ? 6 : kind == PS_WINOGRAD_STRIDED ? 9 : 5; }
INLINE int products_of(ps_winograd_kind kind) { return is_unit(kind) ? 6 : 9; }
INLINE int outputs_of(ps_winograd_kind kind) {
    return kind == PS_WINOGRAD_TRANSPOSED ? 8 : kind == PS_WINOGRAD_FIVE ? 2 : 4;
}
INLINE int input_step_of(ps_winograd_kind kind) {
    return kind == PS_WINOGRAD_STRIDED ? 8 : kind == PS_WINOGRAD_FIVE ? 2 : 4;
}
INLINE int gradients_of(ps_winograd_kind kind) { return kind == PS_WINOGRAD_FIVE ? 2 : 4; } /* of a tile of dy */
INLINE int taps_of(ps_winograd_kind kind) { return kind == PS_WINOGRAD_FIVE ? 5 : 3; }
enum { MOST = 9 }; /* of any of them */

/* The same for a kernel of 2 with points 0, 1, -1, 2 and infinity. */
INLINE void pair_input_line(const vf d[5], vf out[5]) {
    vf two = splat(2.0f);
    out[0] = fma_(two, d[0] - d[2], d[3] - d[1]);
    out[1] = d[3] - fma_(two, d[1], d[2]);
    out[2] = fma_(two, d[1], d[3]) - splat(3.0f) * d[2];
    out[3] = d[3] - d[1];
    out[4] = fma_(two, d[1] - d[3], d[4] - d[2]);
}

INLINE void pair_gradient_line(const vf y[4], vf out[5]) {
    vf even = y[0] + y[2], odd = y[1] + y[3];
    out[0] = y[0];
    out[1] = even + odd;
    out[2] = even - odd;
    out[3] = fma_(splat(2.0f), y[1], fma_(splat(4.0f), y[2], fma_(splat(8.0f), y[3], y[0])));
    out[4] = y[3];
}

INLINE void pair_output_line(const vf m[5], vf out[4]) {
    vf sum = m[1] + m[2], difference = m[1] - m[2];
    out[0] = m[0] + sum + m[3];
    out[1] = fma_(splat(2.0f), m[3], difference);
    out[2] = fma_(splat(4.0f), m[3], sum);
    out[3] = fma_(splat(8.0f), m[3], difference + m[4]);
}

/* The transforms of one axis for each kind. With stride 2, entries 0 to 4 are those of the outer taps and the last ones
 * those of the middle tap, which needs no transform. */
INLINE void input_line(ps_winograd_kind kind, const vf *d, vf *out) {
    if (is_unit(kind)) {
        unit_input_line(d, out);
    } else if (kind == PS_WINOGRAD_STRIDED) {
        vf outer[5] = {d[0], d[2], d[4], d[6], d[8]};
        pair_input_line(outer, out);
        for (int i = 0; i < 4; i++) out[5 + i] = d[2 * i + 1];
    } else {
        pair_input_line(d, out);
        for (int i = 0; i < 4; i++) out[5 + i] = d[i];
    }
}

INLINE void gradient_line(ps_winograd_kind kind, const vf *y, vf *out) {
    if (kind == PS_WINOGRAD_UNIT) {
        unit_gradient_line(y, out);
    } else if (kind == PS_WINOGRAD_FIVE) {
        five_gradient_line(y, out);
    } else {
        pair_gradient_line(y, out);
        for (int i = 0; i < 4; i++) out[5 + i] = y[i];
    }
}

INLINE void output_line(ps_winograd_kind kind, const vf *m, vf *out) {
    vf outer[4];
    if (kind == PS_WINOGRAD_UNIT) {
        unit_output_line(m, out);
        return;
    }
    if (kind == PS_WINOGRAD_FIVE) {
        five_output_line(m, out);
        return;
    }
    pair_output_line(m, outer);
    for (int i = 0; i < 4; i++) {
        if (kind == PS_WINOGRAD_STRIDED) {
            out[i] = outer[i] + m[5 + i];
        } else {
            out[2 * i] = m[5 + i];
            out[2 * i + 1] = outer[i];
        }
    }
}

INLINE void weights_line(ps_winograd_kind kind, const vf *g, vf out[6]) {
    if (kind == PS_WINOGRAD_UNIT) {
        unit_weights_line(g, out);
        return;
    }
    if (kind == PS_WINOGRAD_FIVE) {
        five_weights_line(g, out);
        return;
    }
    out[0] = splat(0.5f) * g[0];
    out[1] = splat(-0.5f) * (g[0] + g[2]);
    out[2] = splat(1.0f / 6.0f) * (g[2] - g[0]);
    out[3] = splat(1.0f / 6.0f) * fma_(splat(2.0f), g[2], g[0]);
    out[4] = g[2];
    out[5] = g[1];
}

INLINE void weights_gradient_line(ps_winograd_kind kind, const vf u[6], vf *out) {
    if (kind == PS_WINOGRAD_UNIT) {
        unit_weights_gradient_line(u, out);
        return;
    }
    if (kind == PS_WINOGRAD_FIVE) {
        five_weights_gradient_line(u, out);
        return;
    }
    vf sixth = splat(1.0f / 6.0f), half = splat(0.5f);
    out[0] = fma_(half, u[0] - u[1], sixth * (u[3] - u[2]));
    out[1] = u[5];
    out[2] = fma_(sixth, fma_(splat(2.0f), u[3], u[2]), u[4] - half * u[1]);
}

typedef struct {
    int n, d, y, x; /* y, x: in tiles */
} tile_place;

/* slices: of the array whose tiles are counted, the input or the output. */
INLINE tile_place place_of(const ps_winograd_map *map, int slices, size_t tile) {
    tile_place p;
    p.x = (int)(tile % (size_t)map->tiles_w), tile /= (size_t)map->tiles_w;
    p.y = (int)(tile % (size_t)map->tiles_h), tile /= (size_t)map->tiles_h;
    p.d = (int)(tile % (size_t)slices);
    p.n = (int)(tile / (size_t)slices);
    return p;
}

/* The first line (or column) of a tile of `size`, of each grid of so many interleaved ones its next. */
INLINE int first_line(int tile, int size, int dilation, int grids) {
    return dilation == 1 ? size * tile : tile / grids * size * dilation + tile % grids;
}

/* Lines of a grid from its line `first` on, of `size` in all. */
INLINE int lines_from(int first, int size, int dilation) {
    return dilation == 1 ? size - first : (size - first + dilation - 1) / dilation;
}

/* Slice number `at` of those that input() counts. */
INLINE int slice_at(const ps_winograd_map *map, int at) {
    int even = (map->d + 1) / 2;
    if (map->slice_order == 1) return at;
    return at < even ? 2 * at : 2 * (at - even) + 1;
}

/* The inputs of a tile; with a selection, an input counts only where its window's winner is its own number. */
typedef struct {
    const float *from[MOST * MOST];
    const uint8_t *winner[MOST * MOST];
    uint8_t number[MOST * MOST];
} tile_inputs;

/* Where each input of a tile lies; padding points at zeros. */
INLINE void input_places(ps_winograd_kind kind, const ps_winograd_map *map, const float *x, tile_place p,
                         const float **from) {
    int size = inputs_of(kind), step = input_step_of(kind);
    int y0 = first_line(p.y, step, map->dilation_h, map->grids_h) - map->pad_h;
    int x0 = first_line(p.x, step, map->dilation_w, map->grids_w) - map->pad_w;
    ptrdiff_t column_step = (ptrdiff_t)map->dilation_w * map->x_pixel,
              line_step = (ptrdiff_t)map->dilation_h * map->w * map->x_pixel;
    ptrdiff_t first =
        (((ptrdiff_t)p.n * map->d + p.d) * map->h + y0) * map->w * map->x_pixel + (ptrdiff_t)x0 * map->x_pixel;
    for (int i = 0, line = y0; i < size; i++, line += map->dilation_h, first += line_step) {
        bool row_inside = (unsigned)line < (unsigned)map->h;
        ptrdiff_t at = first;
        for (int j = 0, column = x0; j < size; j++, column += map->dilation_w, at += column_step)
            from[size * i + j] = row_inside && (unsigned)column < (unsigned)map->w ? x + at : map->zeros;
    }
}

/* The winners behind the inputs; those outside every window point at zeros. */
static void select_places(const ps_winograd_map *map, tile_place p, tile_inputs *in) {
    const ps_winograd_selection *s = map->selection;
    const uint8_t *firsts = (const uint8_t *)map->zeros;
    int z = p.d, size = inputs_of(PS_WINOGRAD_UNIT), e = s->e;
    for (int i = 0; i < size; i++)
        for (int j = 0; j < size; j++) {
            int at = size * i + j, y = 4 * p.y - map->pad_h + i, x = 4 * p.x - map->pad_w + j;
            in->winner[at] = firsts, in->number[at] = 0;
            if (in->from[at] == map->zeros) continue;
            bool inside = z / s->ed < s->windows_d && y / e < s->windows_h && x / e < s->windows_w;
            int number = (z % s->ed * e + y % e) * e + x % e;
            if (!inside || (s->winners == NULL && number > 0)) {
                in->from[at] = map->zeros;
            } else if (s->winners != NULL) {
                size_t slice = (size_t)p.n * (size_t)s->windows_d + (size_t)(z / s->ed);
                size_t window =
                    (slice * (size_t)s->windows_h + (size_t)(y / e)) * (size_t)s->windows_w + (size_t)(x / e);
                in->winner[at] = s->winners + window * (size_t)map->c;
                in->number[at] = (uint8_t)number;
            }
        }
}

/* count lanes of p where winner[lane] == number, zero elsewhere: also in place of NaN. */
#if defined(PS_ISA_avx512)
INLINE vf load_selected(const float *p, const uint8_t *winner, uint8_t number, int count) {
    __mmask16 there = count >= LANES ? (__mmask16)0xffff : (__mmask16)((1u << count) - 1u);
    __m128i won =
        count >= LANES ? _mm_loadu_si128((const __m128i *)(const void *)winner) : _mm_maskz_loadu_epi8(there, winner);
    return (vf)_mm512_maskz_loadu_ps(_mm_mask_cmpeq_epi8_mask(there, won, _mm_set1_epi8((char)number)), p);
}
#else
INLINE vf load_selected(const float *p, const uint8_t *winner, uint8_t number, int count) {
    typedef unsigned char bytes __attribute__((vector_size(LANES), aligned(1), may_alias));
    vi own;
    if (count >= LANES) own = __builtin_convertvector(*(const bytes *)winner, vi) == (int)number;
    else
        for (int i = 0; i < LANES; i++) own[i] = i < count && winner[i] == number ? -1 : 0;
    return (vf)((vi)load_upto(p, count) & own);
}
#endif

/* Floats from a tile's inputs or outputs to those of the line's next tile, of interleaved grids the next one's. */
INLINE size_t next_tile(int size, int dilation, int grids, int pixel) {
    return (size_t)first_line(1, size, dilation, grids) * (size_t)pixel;
}

/* Meanwhile what follows is fetched: the next tile's inputs lie `ahead` floats on (but for those that neighbours
 * without dilation share), and the next vector's products a vector on, each in a page of its own. */
INLINE void input_vector(ps_winograd_kind kind, const tile_inputs *in, bool selected, int c, int count, size_t ahead,
                         float *v, size_t step) {
    int inputs = inputs_of(kind), products = products_of(kind), shared = inputs - input_step_of(kind);
    vf half[MOST][MOST];
#pragma GCC unroll 9
    for (int j = 0; j < inputs; j++) {
        vf d[MOST], out[MOST];
#pragma GCC unroll 9
        for (int i = 0; i < inputs; i++) {
            int at = inputs * i + j;
            d[i] = selected ? load_selected(in->from[at] + c, in->winner[at] + c, in->number[at], count)
                            : load_upto(in->from[at] + c, count);
            if (j >= shared) fetch_after(in->from[at], (size_t)c + ahead);
        }
        input_line(kind, d, out);
#pragma GCC unroll 9
        for (int i = 0; i < products; i++) half[i][j] = out[i];
    }
#pragma GCC unroll 9
    for (int i = 0; i < products; i++) {
        vf out[MOST];
        input_line(kind, half[i], out);
#pragma GCC unroll 9
        for (int j = 0; j < products; j++) {
            float *to = v + (size_t)(products * i + j) * step;
            store(to, out[j]);
            fetch_to_write(to, LANES);
        }
    }
}

INLINE size_t column_at(const ps_winograd_matrices *m, int column) {
    if (m->panel == 0) return (size_t)column;
    return (size_t)column / m->panel * m->panel_step + (size_t)column % m->panel;
}

INLINE void input_tiles(ps_winograd_kind kind, bool selected, const ps_winograd_map *map, const float *x, size_t first,
                        size_t count, ps_winograd_matrices v) {
    for (size_t tile = 0; tile < count; tile++) {
        tile_place p = place_of(map, map->d, first + tile);
        tile_inputs in;
        p.d = slice_at(map, p.d);
        input_places(kind, map, x, p, in.from);
        if (selected) select_places(map, p, &in);
        float *to = v.data + tile * v.row_step;
        int c = map->columns.first, end = map->columns.end;
        size_t ahead = next_tile(input_step_of(kind), map->dilation_w, map->grids_w, map->x_pixel);
        for (; c + LANES <= end; c += LANES)
            input_vector(kind, &in, selected, c, LANES, ahead, to + column_at(&v, c), v.step);
        if (c < end) input_vector(kind, &in, selected, c, end - c, ahead, to + column_at(&v, c), v.step);
    }
}

/* Calls a function whose first argument is the kind with that kind as a constant. */
#define WITH_CONSTANT_KIND(kind, function, ...)                                      \
    switch (kind) {                                                                  \
        case PS_WINOGRAD_UNIT: function(PS_WINOGRAD_UNIT, __VA_ARGS__); break;       \
        case PS_WINOGRAD_STRIDED: function(PS_WINOGRAD_STRIDED, __VA_ARGS__); break; \
        case PS_WINOGRAD_FIVE: function(PS_WINOGRAD_FIVE, __VA_ARGS__); break;       \
        default: function(PS_WINOGRAD_TRANSPOSED, __VA_ARGS__); break;               \
    }

static void input(const ps_winograd_map *map, const float *x, size_t first, size_t count, ps_winograd_matrices v) {
    if (map->selection != NULL) input_tiles(PS_WINOGRAD_UNIT, true, map, x, first, count, v);
    else WITH_CONSTANT_KIND(map->kind, input_tiles, false, map, x, first, count, v)
}

INLINE void gradient_vector(ps_winograd_kind kind, const float *const from[16], int k, int count, size_t ahead,
                            float *v, size_t step) {
    int products = products_of(kind), size = gradients_of(kind);
    vf half[MOST][4];
#pragma GCC unroll 4
    for (int j = 0; j < size; j++) {
        vf y[4], out[MOST];
#pragma GCC unroll 4
        for (int i = 0; i < size; i++) {
            y[i] = load_upto(from[size * i + j] + k, count);
            fetch_after(from[size * i + j], (size_t)k + ahead);
        }
        gradient_line(kind, y, out);
#pragma GCC unroll 9
        for (int i = 0; i < products; i++) half[i][j] = out[i];
    }
#pragma GCC unroll 9
    for (int i = 0; i < products; i++) {
        vf out[MOST];
        gradient_line(kind, half[i], out);
#pragma GCC unroll 9
        for (int j = 0; j < products; j++) {
            float *to = v + (size_t)(products * i + j) * step;
            store(to, out[j]);
            fetch_to_write(to, LANES);
        }
    }
}

INLINE void gradient_tiles(ps_winograd_kind kind, const ps_winograd_map *map, const float *dy, size_t first,
                           size_t count, ps_winograd_matrices v) {
    int size = gradients_of(kind);
    for (size_t tile = 0; tile < count; tile++) {
        tile_place p = place_of(map, map->od, first + tile);
        const float *from[16];
        int y0 = first_line(p.y, size, map->dilation_h, map->grids_h),
            x0 = first_line(p.x, size, map->dilation_w, map->grids_w);
        for (int i = 0; i < size * size; i++) {
            int y = y0 + i / size * map->dilation_h, x = x0 + i % size * map->dilation_w;
            size_t row = ((size_t)p.n * (size_t)map->od + (size_t)p.d) * (size_t)map->oh + (size_t)y;
            bool inside = y < map->oh && x < map->ow;
            from[i] = inside ? dy + (row * (size_t)map->ow + (size_t)x) * (size_t)map->y_pixel : map->zeros;
        }
        float *to = v.data + tile * v.row_step;
        int k = map->rows.first, end = map->rows.end;
        size_t ahead = next_tile(size, map->dilation_w, map->grids_w, map->y_pixel);
        for (; k + LANES <= end; k += LANES)
            gradient_vector(kind, from, k, LANES, ahead, to + column_at(&v, k), v.step);
        if (k < end) gradient_vector(kind, from, k, end - k, ahead, to + column_at(&v, k), v.step);
    }
}

static void gradient(const ps_winograd_map *map, const float *dy, size_t first, size_t count, ps_winograd_matrices v) {
    if (map->kind == PS_WINOGRAD_UNIT) gradient_tiles(PS_WINOGRAD_UNIT, map, dy, first, count, v);
    else if (map->kind == PS_WINOGRAD_FIVE) gradient_tiles(PS_WINOGRAD_FIVE, map, dy, first, count, v);
    else gradient_tiles(PS_WINOGRAD_STRIDED, map, dy, first, count, v);
}

INLINE void weights_vector(ps_winograd_kind kind, const vf *g, float *u, size_t step) {
    int taps = taps_of(kind);
    vf half[6][5];
#pragma GCC unroll 5
    for (int j = 0; j < taps; j++) {
        vf column[5], out[6];
#pragma GCC unroll 5
        for (int i = 0; i < taps; i++) column[i] = g[taps * i + j];
        weights_line(kind, column, out);
#pragma GCC unroll 6
        for (int i = 0; i < 6; i++) half[i][j] = out[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < 6; i++) {
        vf out[6];
        weights_line(kind, half[i], out);
#pragma GCC unroll 6
        for (int j = 0; j < 6; j++) store(u + (size_t)(6 * i + j) * step, out[j]);
    }
}

enum { MOST_TAPS = 25 };

INLINE void store_weights(const ps_winograd_map *map, const vf *g, float *u, size_t step) {
    if (map->kind == PS_WINOGRAD_UNIT) weights_vector(PS_WINOGRAD_UNIT, g, u, step);
    else if (map->kind == PS_WINOGRAD_FIVE) weights_vector(PS_WINOGRAD_FIVE, g, u, step);
    else weights_vector(PS_WINOGRAD_STRIDED, g, u, step);
}

/* LANES filters from k on by LANES channels of depth tap td: a block of each tap is transposed so that
 * filters lie in vectors. */
static void weights_square(const ps_winograd_map *map, const float *w, int k, int td, int c, float *u,
                           ps_winograd_matrices to) {
    vf block[MOST_TAPS][LANES];
    int taps = (int)ps_winograd_taps(map->kind);
    size_t filter = (size_t)map->kd * (size_t)taps * (size_t)map->c;
    int channels = map->c - c < LANES ? map->c - c : LANES;
    for (int tap = 0; tap < taps; tap++) {
        const float *from = w + ((size_t)td * (size_t)taps + (size_t)tap) * (size_t)map->c + (size_t)c;
        for (int i = 0; i < LANES; i++) {
            block[tap][i] = k + i < map->k ? load_upto(from + (size_t)(k + i) * filter, channels) : splat(0.0f);
            /* The next square: a few cache lines from each of many pages, which no hardware foresees. */
            fetch_after(from, (size_t)(k + i) * filter + LANES);
        }
        transpose(block[tap]);
    }
    for (int i = 0; i < channels; i++) {
        vf g[MOST_TAPS];
        for (int tap = 0; tap < taps; tap++) g[tap] = block[tap][i];
        store_weights(map, g, u + (size_t)i * to.row_step, to.step);
    }
}

static void weights_forward(const ps_winograd_map *map, const float *w, int panel, int first, int last,
                            ps_winograd_matrices u) {
    for (int vector = 0; vector < 2; vector++) {
        int k = (2 * panel + vector) * LANES;
        if (k >= map->k) return;
        for (int td = 0; td < map->kd; td++) {
            for (int c = first; c < last; c += LANES) {
                size_t row = (size_t)td * (size_t)(last - first) + (size_t)(c - first);
                weights_square(map, w, k, td, c, u.data + row * u.row_step + (size_t)vector * LANES, u);
            }
        }
    }
}

/* Backward-data: filters are the columns, input channels (map->k here) lie in vectors already, taps are turned
 * round. */
static void weights_backward(const ps_winograd_map *map, const float *w, int panel, int first, int last,
                             ps_winograd_matrices u) {
    enum { ahead = 6 }; /* filters fetched in advance */
    int taps = (int)ps_winograd_taps(map->kind);
    size_t filter = (size_t)map->kd * (size_t)taps * (size_t)map->k;
    for (int vector = 0; vector < 2; vector++) {
        int k = (2 * panel + vector) * LANES;
        if (k >= map->k) return;
        for (int td = 0; td < map->kd; td++) {
            for (int c = first; c < last; c++) {
                size_t slice = (size_t)c * (size_t)map->kd + (size_t)(map->kd - 1 - td);
                const float *from = w + slice * (size_t)taps * (size_t)map->k + k;
                vf g[MOST_TAPS];
                for (int tap = 0; tap < taps; tap++) {
                    const float *row = from + (size_t)(taps - 1 - tap) * (size_t)map->k;
                    g[tap] = load_upto(row, map->k - k);
                    fetch_after(row, (size_t)ahead * filter);
                }
                size_t row = (size_t)td * (size_t)(last - first) + (size_t)(c - first);
                store_weights(map, g, u.data + row * u.row_step + (size_t)vector * LANES, u.step);
            }
        }
    }
}

static void weights(const ps_winograd_map *map, const float *w, bool flipped, int panel, int first, int last,
                    ps_winograd_matrices u) {
    if (flipped) weights_backward(map, w, panel, first, last, u);
    else weights_forward(map, w, panel, first, last, u);
}

/* One row block of one of the 36 products. */
INLINE void multiply_rows(int rows, int vectors, const ps_winograd_product *p, const float *v, size_t v_step,
                          const float *u, size_t u_step, float *m, size_t m_step) {
    sums_block sum;
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int i = 0; i < vectors; i++)
            sum[r][i] = p->accumulate ? load(m + (size_t)r * m_step + i * LANES) : splat(0.0f);
    }
    for (size_t tap = 0; tap < p->taps; tap++, v += p->v_tap, u += p->u_tap)
        add_products(rows, vectors, v, v_step, 1, u, u_step, p->depth, sum);
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int i = 0; i < vectors; i++) store(m + (size_t)r * m_step + i * LANES, sum[r][i]);
    }
}

static void multiply_block(int rows, const ps_winograd_product *p, const float *v, size_t v_step, const float *u,
                           size_t u_step, float *m, size_t m_step) {
#define CALL2(n) multiply_rows(n, 2, p, v, v_step, u, u_step, m, m_step)
#define CALL1(n) multiply_rows(n, 1, p, v, v_step, u, u_step, m, m_step)
    if (p->vectors == 2) WITH_CONSTANT_ROWS(rows, CALL2)
    else WITH_ROWS_TO_12(rows, CALL1)
#undef CALL1
#undef CALL2
}

/* The weights that product t uses. */
INLINE size_t weights_of(ps_winograd_kind kind, size_t t) {
    if (is_unit(kind)) return t;
    size_t i = t / 9, j = t % 9;
    return 6 * (i < 5 ? i : 5) + (j < 5 ? j : 5);
}

static void multiply(const ps_winograd_product *p, ps_winograd_matrices v, ps_winograd_matrices u,
                     ps_winograd_matrices m) {
    size_t most = p->vectors == 2 ? ROWS : ROWS_OF_ONE;
    for (size_t t = 0; t < ps_winograd_products(p->kind); t++) {
        const float *panel = u.data + weights_of(p->kind, t) * u.step;
        for (size_t tile = 0; tile < p->count; tile += most) {
            int rows = p->count - tile < most ? (int)(p->count - tile) : (int)most;
            multiply_block(rows, p, v.data + t * v.step + tile * v.row_step, v.row_step, panel, u.row_step,
                           m.data + t * m.step + tile * m.row_step, m.row_step);
        }
    }
}

INLINE void output_vector(ps_winograd_kind kind, const float *m, size_t step, vf bias, int height, int width,
                          int channels, bool accumulate, float *y, size_t row_step, size_t column_step) {
    int products = products_of(kind), outputs = outputs_of(kind);
    vf half[MOST][MOST];
#pragma GCC unroll 9
    for (int j = 0; j < products; j++) {
        vf in[MOST], out[MOST];
#pragma GCC unroll 9
        for (int i = 0; i < products; i++) in[i] = load(m + (size_t)(products * i + j) * step);
        output_line(kind, in, out);
#pragma GCC unroll 8
        for (int i = 0; i < outputs; i++) half[i][j] = out[i];
    }
#pragma GCC unroll 8
    for (int i = 0; i < outputs; i++) {
        if (i >= height) return;
        vf out[MOST];
        output_line(kind, half[i], out);
#pragma GCC unroll 8
        for (int j = 0; j < outputs; j++) {
            if (j >= width) break;
            float *to = y + (size_t)i * row_step + (size_t)j * column_step;
            vf value = out[j] + bias;
            if (accumulate) value += load_upto(to, channels);
            store_upto(to, value, channels);
        }
    }
}

INLINE int at_most(int value, int most) { return value < most ? value : most; }

INLINE void output_tiles(ps_winograd_kind kind, const ps_winograd_map *map, ps_winograd_matrices m, size_t first,
                         size_t count, int channel, int vectors, const float *bias, bool accumulate, float *y) {
    size_t pixel = (size_t)map->y_pixel, line = (size_t)map->ow * pixel;
    size_t column_step = pixel * (size_t)map->dilation_w, row_step = line * (size_t)map->dilation_h;
    int size = outputs_of(kind);
    for (size_t tile = 0; tile < count; tile++) {
        tile_place p = place_of(map, map->od, first + tile);
        int y0 = first_line(p.y, size, map->dilation_h, map->grids_h),
            x0 = first_line(p.x, size, map->dilation_w, map->grids_w);
        int height = at_most(lines_from(y0, map->oh, map->dilation_h), size),
            width = at_most(lines_from(x0, map->ow, map->dilation_w), size);
        if (height < 1 || width < 1) continue;
        size_t row = ((size_t)p.n * (size_t)map->od + (size_t)p.d) * (size_t)map->oh + (size_t)y0;
        float *to = y + row * line + (size_t)x0 * pixel;
        for (int vector = 0; vector < vectors; vector++) {
            int k = channel + vector * LANES, channels = map->k - k;
            vf add = bias != NULL ? load_upto(bias + k, channels) : splat(0.0f);
            const float *from = m.data + tile * m.row_step + (size_t)vector * LANES;
            if (height == size && width == size && channels >= LANES) {
                output_vector(kind, from, m.step, add, size, size, LANES, accumulate, to + k, row_step, column_step);
            } else {
                output_vector(kind, from, m.step, add, height, width, channels, accumulate, to + k, row_step,
                              column_step);
            }
        }
    }
}

static void output(const ps_winograd_map *map, ps_winograd_matrices m, size_t first, size_t count, int channel,
                   int vectors, const float *bias, bool accumulate, float *y) {
    WITH_CONSTANT_KIND(map->kind, output_tiles, map, m, first, count, channel, vectors, bias, accumulate, y)
}

static void outer_block(int rows, int vectors, const float *g, size_t g_step, const float *v, size_t v_step,
                        size_t count, float *u, size_t u_step, bool accumulate) {
#define CALL2(n) product_block(n, 2, g, 1, g_step, v, v_step, count, u, u_step, accumulate)
#define CALL1(n) product_block(n, 1, g, 1, g_step, v, v_step, count, u, u_step, accumulate)
    if (vectors == 2) WITH_CONSTANT_ROWS(rows, CALL2)
    else WITH_ROWS_TO_12(rows, CALL1)
#undef CALL1
#undef CALL2
}

/* Whether t is the first product that uses its weights. */
INLINE bool is_first(ps_winograd_kind kind, size_t t) { return is_unit(kind) || (t / 9 <= 5 && t % 9 <= 5); }

static void outer(ps_winograd_kind kind, size_t count, int rows, int columns, ps_winograd_matrices g,
                  ps_winograd_matrices v, ps_winograd_matrices u, bool accumulate) {
    for (size_t t = 0; t < ps_winograd_products(kind); t++) {
        float *sum = u.data + weights_of(kind, t) * u.step;
        bool add = accumulate || !is_first(kind, t);
        for (int column = 0; column < columns; column += 2 * LANES) {
            int vectors = columns - column > LANES ? 2 : 1, most = vectors == 2 ? ROWS : ROWS_OF_ONE;
            for (int row = 0; row < rows; row += most) {
                outer_block(at_most(rows - row, most), vectors, g.data + t * g.step + row, g.row_step,
                            v.data + t * v.step + column, v.row_step, count, sum + (size_t)row * u.row_step + column,
                            u.row_step, add);
            }
        }
    }
}

INLINE void weights_gradient_vector(ps_winograd_kind kind, const float *u, size_t step, size_t groups,
                                    size_t group_step, float *dw, size_t tap_step, int channels) {
    int taps = taps_of(kind);
    vf half[5][6];
#pragma GCC unroll 6
    for (int j = 0; j < 6; j++) {
        vf in[6], out[5];
        for (int i = 0; i < 6; i++) {
            const float *from = u + (size_t)(6 * i + j) * step;
            in[i] = load(from);
            for (size_t group = 1; group < groups; group++) in[i] += load(from + group * group_step);
        }
        weights_gradient_line(kind, in, out);
#pragma GCC unroll 5
        for (int i = 0; i < taps; i++) half[i][j] = out[i];
    }
#pragma GCC unroll 5
    for (int i = 0; i < taps; i++) {
        vf out[5];
        weights_gradient_line(kind, half[i], out);
#pragma GCC unroll 5
        for (int j = 0; j < taps; j++) store_upto(dw + (size_t)(taps * i + j) * tap_step, out[j], channels);
    }
}

static void weights_gradient(const ps_winograd_map *map, ps_winograd_matrices u, size_t groups, size_t group_step,
                             int k0, int rows, int td, int c0, int channels, float *dw) {
    for (int row = 0; row < rows; row++) {
        size_t slice = ((size_t)(k0 + row) * (size_t)map->kd + (size_t)td) * ps_winograd_taps(map->kind);
        float *to = dw + slice * (size_t)map->c + (size_t)c0;
        for (int c = 0; c < channels; c += LANES) {
            const float *from = u.data + (size_t)row * u.row_step + c;
            size_t tap_step = (size_t)map->c;
            if (map->kind == PS_WINOGRAD_UNIT) {
                weights_gradient_vector(PS_WINOGRAD_UNIT, from, u.step, groups, group_step, to + c, tap_step,
                                        channels - c);
            } else if (map->kind == PS_WINOGRAD_FIVE) {
                weights_gradient_vector(PS_WINOGRAD_FIVE, from, u.step, groups, group_step, to + c, tap_step,
                                        channels - c);
            } else {
                weights_gradient_vector(PS_WINOGRAD_STRIDED, from, u.step, groups, group_step, to + c, tap_step,
                                        channels - c);
            }
        }
    }
}

const ps_winograd_kernels *PS_SIMD_NAME(ps_winograd_kernels_of)(void) {
    static const ps_winograd_kernels kernels = {LANES,    ROWS,   input, gradient,        weights,
                                                multiply, output, outer, weights_gradient};
    return &kernels;
}
