/* Products along lines for one instruction set; see conv_lines.h. */
#include "kernels/conv_lines.h"
#include "kernels/simd_vector.h"

/* `rows` x `vectors` sums stay in registers over all segments. Constants at every call, so that the loops unroll. */
INLINE void multiply_rows(int rows, int vectors, const ps_lines_product *p, size_t first) {
    sums_block sum;
    int channels = p->channels;
    float *target = p->target + first * p->target_step;
    start_block(rows, vectors, p->bias, channels, sum);
    size_t step = p->step;
    for (int i = 0; i < p->segments; i++) {
        const float *a = p->segment[i].from + first * step,
                    *b = p->panel + p->segment[i].at * (size_t)(vectors * LANES);
        add_products(rows, vectors, a, step, 1, b, (size_t)(vectors * LANES), p->segment[i].length, sum);
    }
    if (channels == vectors * LANES && !p->accumulate) {
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) store(target + (size_t)r * p->target_step + v * LANES, sum[r][v]);
        }
        return;
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
            int count = channels - v * LANES;
            float *to = target + (size_t)r * p->target_step + v * LANES;
            store_upto(to, p->accumulate ? sum[r][v] + load_upto(to, count) : sum[r][v], count);
        }
    }
}

/* Memory that is not near comes faster in its own order, and past the nearest cache. */
INLINE void fetch(int vectors, const float *from) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) __builtin_prefetch(from + v * LANES, 0, 2);
}

/* Out of line: within, it would take registers that the products need. */
static __attribute__((noinline)) void fetch_rows(int vectors, const ps_lines_product *p, size_t first, int rows) {
    size_t floats = (size_t)(vectors * LANES);
    for (size_t i = first; i < first + (size_t)rows; i++) fetch(vectors, p->ahead + i * floats);
}

#if LANES == 16
enum { TALL_ROWS = 24 };

/* One vector of channels and positions whose rows begin a float apart: as many sums as there are registers for, since
 * every load of weights serves more products then. */
INLINE void multiply_tall(int rows, const ps_lines_product *p, size_t first) {
    if (p->ahead != NULL) fetch_rows(1, p, first, rows);
    vf sum[TALL_ROWS], start = p->bias != NULL ? load_upto(p->bias, p->channels) : splat(0.0f);
    float *target = p->target + first * p->target_step;
#pragma GCC unroll 24
    for (int r = 0; r < rows; r++) sum[r] = start;
    for (int i = 0; i < p->segments; i++) {
        const float *a = p->segment[i].from + first, *b = p->panel + p->segment[i].at * LANES;
        for (size_t at = 0; at < p->segment[i].length; at++, a++, b += LANES) {
            vf right = load(b);
            /* Or the compiler carries what the next depth reads again over in registers, of which there are none. */
            __asm__("" : "+r"(a));
#pragma GCC unroll 24
            for (int r = 0; r < rows; r++) sum[r] = fma_(splat(a[r]), right, sum[r]);
        }
    }
#pragma GCC unroll 24
    for (int r = 0; r < rows; r++) {
        float *to = target + (size_t)r * p->target_step;
        store_upto(to, p->accumulate ? sum[r] + load_upto(to, p->channels) : sum[r], p->channels);
    }
}

static void multiply_tall_blocks(const ps_lines_product *p) {
    size_t first = 0;
    for (; first + TALL_ROWS <= p->count; first += TALL_ROWS) multiply_tall(TALL_ROWS, p, first);
    if (first + 16 <= p->count) multiply_tall(16, p, first), first += 16;
    if (first + 8 <= p->count) multiply_tall(8, p, first), first += 8;
    if (first + 4 <= p->count) multiply_tall(4, p, first), first += 4;
    for (; first < p->count; first++) multiply_tall(1, p, first);
}
#else
static void multiply_tall_blocks(const ps_lines_product *p) { (void)p; }
#endif

/* Blocks of even height: one low block at the end would wait for its own sums. */
static void multiply(const ps_lines_product *p) {
    int vectors = p->channels > LANES ? 2 : 1, most = vectors == 2 ? ROWS : ROWS_OF_ONE;
    size_t blocks = (p->count + (size_t)most - 1) / (size_t)most;
    if (LANES == 16 && vectors == 1 && p->step == 1) {
        multiply_tall_blocks(p);
        return;
    }
    for (size_t block = 0; block < blocks; block++) {
        size_t first = p->count * block / blocks;
        int rows = (int)(p->count * (block + 1) / blocks - first);
        if (p->ahead != NULL) fetch_rows(vectors, p, first, rows);
#define CALL2(n) multiply_rows(n, 2, p, first)
#define CALL1(n) multiply_rows(n, 1, p, first)
        if (vectors == 2) WITH_CONSTANT_ROWS(rows, CALL2)
        else WITH_ROWS_TO_12(rows, CALL1)
#undef CALL1
#undef CALL2
    }
}

/* neighbours: the rows are next to each other in memory (channels of one tap), one pointer is enough. */
INLINE void outer_rows(int rows, int vectors, int neighbours, const ps_lines_outer *o, int row) {
    vf sum[12][2];
    const float *from[12];
    float *to = o->sum + (size_t)row * o->sum_step;
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
        from[r] = o->from[row + r];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            sum[r][v] = o->accumulate ? load(to + (size_t)r * o->sum_step + v * LANES) : splat(0.0f);
    }
    for (size_t line = 0; line < o->lines; line++) {
        const float *dy = o->dy + line * o->dy_line;
        const float *ahead =
            row == 0 && o->ahead != NULL ? o->ahead + line * o->count * (size_t)(vectors * LANES) : NULL;
        size_t at = line * o->line_step;
        for (size_t p = 0; p < o->count; p++, at += o->step, dy += o->dy_step) {
            vf right[2];
            if (ahead != NULL) fetch(vectors, ahead + p * (size_t)(vectors * LANES));
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) right[v] = load_upto(dy + v * LANES, o->channels - v * LANES);
#pragma GCC unroll 12
            for (int r = 0; r < rows; r++) {
                vf factor = splat(neighbours ? from[0][at + (size_t)r] : from[r][at]);
#pragma GCC unroll 2
                for (int v = 0; v < vectors; v++) sum[r][v] = fma_(factor, right[v], sum[r][v]);
            }
        }
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) store(to + (size_t)r * o->sum_step + v * LANES, sum[r][v]);
    }
}

#if LANES == 16
/* One vector of channels, `lines` runs of `run` rows each: a pointer for each run, so that there are registers for all,
 * and more sums than in two vectors. */
INLINE void outer_runs(int run, int lines, const ps_lines_outer *o) {
    vf sum[PS_LINES_RUN_ROWS];
    const float *from[PS_LINES_RUN_ROWS / PS_LINES_LEAST_RUN];
#pragma GCC unroll 8
    for (int i = 0; i < lines; i++) from[i] = o->from[i * run];
#pragma GCC unroll 25
    for (int r = 0; r < lines * run; r++) sum[r] = o->accumulate ? load(o->sum + (size_t)r * o->sum_step) : splat(0.0f);
    for (size_t line = 0; line < o->lines; line++) {
        const float *dy = o->dy + line * o->dy_line;
        size_t at = line * o->line_step;
        for (size_t p = 0; p < o->count; p++, at += o->step, dy += o->dy_step) {
            vf right = load_upto(dy, o->channels);
            if (o->ahead != NULL) fetch(1, o->ahead + (line * o->count + p) * LANES);
#pragma GCC unroll 8
            for (int i = 0; i < lines; i++) {
#pragma GCC unroll 5
                for (int t = 0; t < run; t++)
                    sum[i * run + t] = fma_(splat(from[i][at + (size_t)t]), right, sum[i * run + t]);
            }
        }
    }
#pragma GCC unroll 25
    for (int r = 0; r < lines * run; r++) store(o->sum + (size_t)r * o->sum_step, sum[r]);
}

static void outer_in_runs(const ps_lines_outer *o) {
    switch (o->run * 10 + o->rows / o->run) {
        case 31: outer_runs(3, 1, o); break;
        case 32: outer_runs(3, 2, o); break;
        case 33: outer_runs(3, 3, o); break;
        case 34: outer_runs(3, 4, o); break;
        case 35: outer_runs(3, 5, o); break;
        case 36: outer_runs(3, 6, o); break;
        case 37: outer_runs(3, 7, o); break;
        case 38: outer_runs(3, 8, o); break;
        case 41: outer_runs(4, 1, o); break;
        case 42: outer_runs(4, 2, o); break;
        case 43: outer_runs(4, 3, o); break;
        case 44: outer_runs(4, 4, o); break;
        case 45: outer_runs(4, 5, o); break;
        case 46: outer_runs(4, 6, o); break;
        case 51: outer_runs(5, 1, o); break;
        case 52: outer_runs(5, 2, o); break;
        case 53: outer_runs(5, 3, o); break;
        case 54: outer_runs(5, 4, o); break;
        default: outer_runs(5, 5, o); break;
    }
}
#else
static void outer_in_runs(const ps_lines_outer *o) { (void)o; }
#endif

static int are_neighbours(const ps_lines_outer *o, int row, int rows) {
    for (int r = 1; r < rows; r++) {
        if (o->from[row + r] != o->from[row] + r) return 0;
    }
    return 1;
}

static void outer(const ps_lines_outer *o) {
    if (LANES == 16 && o->run > 0) {
        outer_in_runs(o);
        return;
    }
    int vectors = o->channels > LANES ? 2 : 1, most = vectors == 2 ? ROWS : ROWS_OF_ONE;
    int blocks = (o->rows + most - 1) / most;
    for (int block = 0; block < blocks; block++) {
        int row = o->rows * block / blocks, rows = o->rows * (block + 1) / blocks - row;
        int neighbours = are_neighbours(o, row, rows);
#define CALL2(n) outer_rows(n, 2, 0, o, row)
#define CALL1(n) outer_rows(n, 1, 0, o, row)
#define NEAR2(n) outer_rows(n, 2, 1, o, row)
#define NEAR1(n) outer_rows(n, 1, 1, o, row)
        if (vectors == 2 && neighbours) WITH_CONSTANT_ROWS(rows, NEAR2)
        else if (vectors == 2) WITH_CONSTANT_ROWS(rows, CALL2)
        else if (neighbours) WITH_ROWS_TO_12(rows, NEAR1)
        else WITH_ROWS_TO_12(rows, CALL1)
#undef NEAR1
#undef NEAR2
#undef CALL1
#undef CALL2
    }
}

static void turn(const float *sums, size_t sum_step, size_t rows, size_t channels, float *dw, size_t dw_step) {
    for (size_t k = 0; k < channels; k += LANES) {
        size_t filters = channels - k < LANES ? channels - k : LANES;
        for (size_t j = 0; j < rows; j += LANES) {
            vf square[LANES];
            size_t height = rows - j < LANES ? rows - j : LANES;
            for (size_t r = 0; r < LANES; r++)
                square[r] = r < height ? load(sums + (j + r) * sum_step + k) : splat(0.0f);
            transpose(square);
            for (size_t f = 0; f < filters; f++) store_upto(dw + (k + f) * dw_step + j, square[f], (int)height);
        }
    }
}

const ps_lines_kernels *PS_SIMD_NAME(ps_lines_kernels_of)(void) {
    static const ps_lines_kernels kernels = {LANES, multiply, outer, turn};
    return &kernels;
}
