/* Transforms and products of the Winograd method for one instruction set; see conv_winograd.h. Channels lie in vectors, so every
 * transform works on whole vectors and the matrices need no shuffling, but for the forward weights (transposed on the way). */
#include "kernels/conv_winograd.h"
#include "kernels/simd_vector.h"

#define T PS_WINOGRAD_PRODUCTS

/* Interpolation points +-A and +-B, their squares and cubes. All exact in binary. */
#define A 0.625f
#define B 1.5f
#define A2 0.390625f
#define B2 2.25f
#define A3 0.244140625f
#define B3 3.375f

/* Rows of the input transform: coefficients of m(x) / (x - p) for m = x (x^2 - A2) (x^2 - B2). */
INLINE void input_line(const vf d[6], vf out[6]) {
    vf even_a = fma_(splat(-B2), d[2], d[4]), odd_a = splat(A) * fma_(splat(-B2), d[1], d[3]);
    vf even_b = fma_(splat(-A2), d[2], d[4]), odd_b = splat(B) * fma_(splat(-A2), d[1], d[3]);
    out[0] = fma_(splat(A2 * B2), d[0], fma_(splat(-(A2 + B2)), d[2], d[4]));
    out[1] = even_a + odd_a;
    out[2] = even_a - odd_a;
    out[3] = even_b + odd_b;
    out[4] = even_b - odd_b;
    out[5] = fma_(splat(A2 * B2), d[1], fma_(splat(-(A2 + B2)), d[3], d[5]));
}

/* Values of the polynomial with these coefficients at the points (the transpose of output_line). */
INLINE void gradient_line(const vf y[4], vf out[6]) {
    vf even_a = fma_(splat(A2), y[2], y[0]), odd_a = fma_(splat(A3), y[3], splat(A) * y[1]);
    vf even_b = fma_(splat(B2), y[2], y[0]), odd_b = fma_(splat(B3), y[3], splat(B) * y[1]);
    out[0] = y[0];
    out[1] = even_a + odd_a;
    out[2] = even_a - odd_a;
    out[3] = even_b + odd_b;
    out[4] = even_b - odd_b;
    out[5] = y[3];
}

INLINE void output_line(const vf m[6], vf out[4]) {
    vf sum_a = m[1] + m[2], difference_a = m[1] - m[2], sum_b = m[3] + m[4], difference_b = m[3] - m[4];
    out[0] = m[0] + sum_a + sum_b;
    out[1] = fma_(splat(A), difference_a, splat(B) * difference_b);
    out[2] = fma_(splat(A2), sum_a, splat(B2) * sum_b);
    out[3] = fma_(splat(A3), difference_a, fma_(splat(B3), difference_b, m[5]));
}

/* The filter at the points, over N(p) = product of the distances to the other points. */
#define N0 (1.0f / (A2 * B2))
#define NA (1.0f / (2.0f * A2 * (A2 - B2)))
#define NB (1.0f / (2.0f * B2 * (B2 - A2)))

INLINE void weights_line(const vf g[3], vf out[6]) {
    vf even_a = fma_(splat(A2 * NA), g[2], splat(NA) * g[0]), odd_a = splat(A * NA) * g[1];
    vf even_b = fma_(splat(B2 * NB), g[2], splat(NB) * g[0]), odd_b = splat(B * NB) * g[1];
    out[0] = splat(N0) * g[0];
    out[1] = even_a + odd_a;
    out[2] = even_a - odd_a;
    out[3] = even_b + odd_b;
    out[4] = even_b - odd_b;
    out[5] = g[2];
}

/* The transpose of weights_line. */
INLINE void weights_gradient_line(const vf u[6], vf out[3]) {
    vf sum_a = u[1] + u[2], sum_b = u[3] + u[4];
    out[0] = fma_(splat(N0), u[0], fma_(splat(NA), sum_a, splat(NB) * sum_b));
    out[1] = fma_(splat(A * NA), u[1] - u[2], splat(B * NB) * (u[3] - u[4]));
    out[2] = fma_(splat(A2 * NA), sum_a, fma_(splat(B2 * NB), sum_b, u[5]));
}

typedef struct {
    int n, d, y, x; /* y, x: in tiles */
} tile_place;

INLINE tile_place place_of(const ps_winograd_map *map, size_t tile) {
    tile_place p;
    p.x = (int)(tile % (size_t)map->tiles_w), tile /= (size_t)map->tiles_w;
    p.y = (int)(tile % (size_t)map->tiles_h), tile /= (size_t)map->tiles_h;
    p.d = (int)(tile % (size_t)map->od);
    p.n = (int)(tile / (size_t)map->od);
    return p;
}

/* Where each of the 6x6 inputs of a tile lies; padding points at zeros. */
static void input_places(const ps_winograd_map *map, const float *x, tile_place p, int td, const float *from[T]) {
    int z = p.d + td - map->pad_d, y0 = 4 * p.y - map->pad_h, x0 = 4 * p.x - map->pad_w;
    const float *slice = x + ((size_t)p.n * (size_t)map->d + (size_t)(z < 0 ? 0 : z)) * (size_t)map->h * (size_t)map->w * (size_t)map->c;
    bool depth_inside = z >= 0 && z < map->d;
    for (int i = 0; i < 6; i++) {
        bool row_inside = depth_inside && y0 + i >= 0 && y0 + i < map->h;
        for (int j = 0; j < 6; j++) {
            bool inside = row_inside && x0 + j >= 0 && x0 + j < map->w;
            from[6 * i + j] = inside ? slice + ((size_t)(y0 + i) * (size_t)map->w + (size_t)(x0 + j)) * (size_t)map->c : map->zeros;
        }
    }
}

INLINE void input_vector(const float *const from[T], int c, int count, float *v, size_t step) {
    vf half[6][6];
#pragma GCC unroll 6
    for (int j = 0; j < 6; j++) {
        vf d[6], out[6];
#pragma GCC unroll 6
        for (int i = 0; i < 6; i++) d[i] = load_upto(from[6 * i + j] + c, count);
        input_line(d, out);
#pragma GCC unroll 6
        for (int i = 0; i < 6; i++) half[i][j] = out[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < 6; i++) {
        vf out[6];
        input_line(half[i], out);
#pragma GCC unroll 6
        for (int j = 0; j < 6; j++) store(v + (size_t)(6 * i + j) * step, out[j]);
    }
}

INLINE size_t column_at(const ps_winograd_matrices *m, int column) {
    if (m->panel == 0) return (size_t)column;
    return (size_t)column / m->panel * m->panel_step + (size_t)column % m->panel;
}

static void input(const ps_winograd_map *map, const float *x, size_t first, size_t count, ps_winograd_matrices v) {
    for (size_t tile = 0; tile < count; tile++) {
        tile_place p = place_of(map, first + tile);
        for (int td = 0; td < map->kd; td++) {
            const float *from[T];
            input_places(map, x, p, td, from);
            float *to = v.data + tile * v.row_step;
            int c = 0, column = td * map->c;
            for (; c + LANES <= map->c; c += LANES) input_vector(from, c, LANES, to + column_at(&v, column + c), v.step);
            if (c < map->c) input_vector(from, c, map->c - c, to + column_at(&v, column + c), v.step);
        }
    }
}

INLINE void gradient_vector(const float *const from[16], int k, int count, float *v, size_t step) {
    vf half[6][4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
        vf y[4], out[6];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) y[i] = load_upto(from[4 * i + j] + k, count);
        gradient_line(y, out);
#pragma GCC unroll 6
        for (int i = 0; i < 6; i++) half[i][j] = out[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < 6; i++) {
        vf out[6];
        gradient_line(half[i], out);
#pragma GCC unroll 6
        for (int j = 0; j < 6; j++) store(v + (size_t)(6 * i + j) * step, out[j]);
    }
}

static void gradient(const ps_winograd_map *map, const float *dy, size_t first, size_t count, ps_winograd_matrices v) {
    for (size_t tile = 0; tile < count; tile++) {
        tile_place p = place_of(map, first + tile);
        const float *from[16];
        for (int i = 0; i < 16; i++) {
            int y = 4 * p.y + i / 4, x = 4 * p.x + i % 4;
            size_t row = ((size_t)p.n * (size_t)map->od + (size_t)p.d) * (size_t)map->oh + (size_t)y;
            from[i] = y < map->oh && x < map->ow ? dy + (row * (size_t)map->ow + (size_t)x) * (size_t)map->k : map->zeros;
        }
        float *to = v.data + tile * v.row_step;
        int k = 0;
        for (; k + LANES <= map->k; k += LANES) gradient_vector(from, k, LANES, to + column_at(&v, k), v.step);
        if (k < map->k) gradient_vector(from, k, map->k - k, to + column_at(&v, k), v.step);
    }
}

INLINE void weights_vector(const vf g[9], float *u, size_t step) {
    vf half[6][3];
#pragma GCC unroll 3
    for (int j = 0; j < 3; j++) {
        vf column[3] = {g[j], g[3 + j], g[6 + j]}, out[6];
        weights_line(column, out);
#pragma GCC unroll 6
        for (int i = 0; i < 6; i++) half[i][j] = out[i];
    }
#pragma GCC unroll 6
    for (int i = 0; i < 6; i++) {
        vf out[6];
        weights_line(half[i], out);
#pragma GCC unroll 6
        for (int j = 0; j < 6; j++) store(u + (size_t)(6 * i + j) * step, out[j]);
    }
}

/* LANES filters from k on by LANES channels of depth tap td: nine blocks are transposed so that filters lie in vectors. */
static void weights_square(const ps_winograd_map *map, const float *w, int k, int td, int c, float *u, ps_winograd_matrices to) {
    vf block[9][LANES];
    size_t filter = (size_t)map->kd * 9 * (size_t)map->c;
    int channels = map->c - c < LANES ? map->c - c : LANES;
    for (int tap = 0; tap < 9; tap++) {
        const float *from = w + ((size_t)td * 9 + (size_t)tap) * (size_t)map->c + (size_t)c;
        for (int i = 0; i < LANES; i++) {
            block[tap][i] = k + i < map->k ? load_upto(from + (size_t)(k + i) * filter, channels) : splat(0.0f);
            /* The next square: a few cache lines from each of many pages, which no hardware foresees. */
            __builtin_prefetch(from + (size_t)(k + i) * filter + LANES);
        }
        transpose(block[tap]);
    }
    for (int i = 0; i < channels; i++) {
        vf g[9];
        for (int tap = 0; tap < 9; tap++) g[tap] = block[tap][i];
        weights_vector(g, u + (size_t)i * to.row_step, to.step);
    }
}

static void weights_forward(const ps_winograd_map *map, const float *w, int panel, int first, int last, ps_winograd_matrices u) {
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

/* Backward-data: filters are the columns, input channels (map->k here) lie in vectors already, taps are turned round. */
static void weights_backward(const ps_winograd_map *map, const float *w, int panel, int first, int last, ps_winograd_matrices u) {
    enum { ahead = 6 }; /* filters fetched in advance */
    size_t filter = (size_t)map->kd * 9 * (size_t)map->k;
    for (int vector = 0; vector < 2; vector++) {
        int k = (2 * panel + vector) * LANES;
        if (k >= map->k) return;
        for (int td = 0; td < map->kd; td++) {
            for (int c = first; c < last; c++) {
                const float *from = w + ((size_t)c * (size_t)map->kd + (size_t)(map->kd - 1 - td)) * 9 * (size_t)map->k + k;
                vf g[9];
                for (int tap = 0; tap < 9; tap++) {
                    const float *row = from + (size_t)(8 - tap) * (size_t)map->k;
                    g[tap] = load_upto(row, map->k - k);
                    __builtin_prefetch(row + (size_t)ahead * filter);
                }
                size_t row = (size_t)td * (size_t)(last - first) + (size_t)(c - first);
                weights_vector(g, u.data + row * u.row_step + (size_t)vector * LANES, u.step);
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
static void multiply_block(int rows, int vectors, const float *v, size_t v_step, const float *u, size_t u_step, size_t depth,
                           float *m, size_t m_step, bool accumulate) {
#define CALL2(n) product_block(n, 2, v, v_step, 1, u, u_step, depth, m, m_step, accumulate)
#define CALL1(n) product_block(n, 1, v, v_step, 1, u, u_step, depth, m, m_step, accumulate)
    if (vectors == 2) WITH_CONSTANT_ROWS(rows, CALL2)
    else WITH_ROWS_TO_12(rows, CALL1)
#undef CALL1
#undef CALL2
}

static void multiply(size_t count, size_t depth, int vectors, ps_winograd_matrices v, ps_winograd_matrices u,
                     ps_winograd_matrices m, bool accumulate) {
    for (size_t t = 0; t < T; t++) {
        size_t most = vectors == 2 ? ROWS : ROWS_OF_ONE;
        for (size_t tile = 0; tile < count; tile += most) {
            int rows = count - tile < most ? (int)(count - tile) : (int)most;
            multiply_block(rows, vectors, v.data + t * v.step + tile * v.row_step, v.row_step, u.data + t * u.step, u.row_step,
                           depth, m.data + t * m.step + tile * m.row_step, m.row_step, accumulate);
        }
    }
}

INLINE void output_vector(const float *m, size_t step, vf bias, int height, int width, int channels, bool accumulate, float *y,
                          size_t row_step, size_t column_step) {
    vf half[4][6];
#pragma GCC unroll 6
    for (int j = 0; j < 6; j++) {
        vf in[6], out[4];
#pragma GCC unroll 6
        for (int i = 0; i < 6; i++) in[i] = load(m + (size_t)(6 * i + j) * step);
        output_line(in, out);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) half[i][j] = out[i];
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        if (i >= height) return;
        vf out[4];
        output_line(half[i], out);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            if (j >= width) break;
            float *to = y + (size_t)i * row_step + (size_t)j * column_step;
            vf value = out[j] + bias;
            if (accumulate) value += load_upto(to, channels);
            store_upto(to, value, channels);
        }
    }
}

static void output(const ps_winograd_map *map, ps_winograd_matrices m, size_t first, size_t count, int channel, int vectors,
                   const float *bias, bool accumulate, float *y) {
    size_t column_step = (size_t)map->k, row_step = (size_t)map->ow * column_step;
    for (size_t tile = 0; tile < count; tile++) {
        tile_place p = place_of(map, first + tile);
        int height = map->oh - 4 * p.y < 4 ? map->oh - 4 * p.y : 4, width = map->ow - 4 * p.x < 4 ? map->ow - 4 * p.x : 4;
        size_t row = ((size_t)p.n * (size_t)map->od + (size_t)p.d) * (size_t)map->oh + 4 * (size_t)p.y;
        float *to = y + row * row_step + 4 * (size_t)p.x * column_step;
        for (int vector = 0; vector < vectors; vector++) {
            int k = channel + vector * LANES, channels = map->k - k;
            vf add = bias != NULL ? load_upto(bias + k, channels) : splat(0.0f);
            const float *from = m.data + tile * m.row_step + (size_t)vector * LANES;
            if (height == 4 && width == 4 && channels >= LANES) {
                output_vector(from, m.step, add, 4, 4, LANES, accumulate, to + k, row_step, column_step);
            } else {
                output_vector(from, m.step, add, height, width, channels, accumulate, to + k, row_step, column_step);
            }
        }
    }
}

static void outer_block(int rows, int vectors, const float *g, size_t g_step, const float *v, size_t v_step, size_t count, float *u,
                        size_t u_step, bool accumulate) {
#define CALL2(n) product_block(n, 2, g, 1, g_step, v, v_step, count, u, u_step, accumulate)
#define CALL1(n) product_block(n, 1, g, 1, g_step, v, v_step, count, u, u_step, accumulate)
    if (vectors == 2) WITH_CONSTANT_ROWS(rows, CALL2)
    else WITH_ROWS_TO_12(rows, CALL1)
#undef CALL1
#undef CALL2
}

static void outer(size_t count, int rows, int columns, ps_winograd_matrices g, ps_winograd_matrices v, ps_winograd_matrices u,
                  bool accumulate) {
    for (size_t t = 0; t < T; t++) {
        for (int column = 0; column < columns; column += 2 * LANES) {
            int vectors = columns - column > LANES ? 2 : 1, most = vectors == 2 ? ROWS : ROWS_OF_ONE;
            for (int row = 0; row < rows; row += most) {
                outer_block(rows - row < most ? rows - row : most, vectors, g.data + t * g.step + row, g.row_step,
                            v.data + t * v.step + column, v.row_step, count,
                            u.data + t * u.step + (size_t)row * u.row_step + column, u.row_step, accumulate);
            }
        }
    }
}

INLINE void weights_gradient_vector(const float *u, size_t step, size_t groups, size_t group_step, float *dw, size_t tap_step,
                                    int channels) {
    vf half[3][6];
#pragma GCC unroll 6
    for (int j = 0; j < 6; j++) {
        vf in[6], out[3];
        for (int i = 0; i < 6; i++) {
            const float *from = u + (size_t)(6 * i + j) * step;
            in[i] = load(from);
            for (size_t group = 1; group < groups; group++) in[i] += load(from + group * group_step);
        }
        weights_gradient_line(in, out);
#pragma GCC unroll 3
        for (int i = 0; i < 3; i++) half[i][j] = out[i];
    }
#pragma GCC unroll 3
    for (int i = 0; i < 3; i++) {
        vf out[3];
        weights_gradient_line(half[i], out);
#pragma GCC unroll 3
        for (int j = 0; j < 3; j++) store_upto(dw + (size_t)(3 * i + j) * tap_step, out[j], channels);
    }
}

static void weights_gradient(const ps_winograd_map *map, ps_winograd_matrices u, size_t groups, size_t group_step, int k0, int rows,
                             int td, int c0, int channels, float *dw) {
    for (int row = 0; row < rows; row++) {
        float *to = dw + (((size_t)(k0 + row) * (size_t)map->kd + (size_t)td) * 9) * (size_t)map->c + (size_t)c0;
        for (int c = 0; c < channels; c += LANES) {
            weights_gradient_vector(u.data + (size_t)row * u.row_step + c, u.step, groups, group_step, to + c, (size_t)map->c,
                                    channels - c);
        }
    }
}

const ps_winograd_kernels *PS_SIMD_NAME(ps_winograd_kernels_of)(void) {
    static const ps_winograd_kernels kernels = {LANES, ROWS, input, gradient, weights, multiply, output, outer, weights_gradient};
    return &kernels;
}
