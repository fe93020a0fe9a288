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

/* Blocks of even height: one low block at the end would wait for its own sums. */
static void multiply(const ps_lines_product *p) {
    int vectors = p->channels > LANES ? 2 : 1, most = vectors == 2 ? ROWS : ROWS_OF_ONE;
    size_t blocks = (p->count + (size_t)most - 1) / (size_t)most;
    for (size_t block = 0; block < blocks; block++) {
        size_t first = p->count * block / blocks;
        int rows = (int)(p->count * (block + 1) / blocks - first);
        for (size_t i = first; p->ahead != NULL && i < first + (size_t)rows; i++)
            fetch(vectors, p->ahead + i * (size_t)(vectors * LANES));
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

static int are_neighbours(const ps_lines_outer *o, int row, int rows) {
    for (int r = 1; r < rows; r++) {
        if (o->from[row + r] != o->from[row] + r) return 0;
    }
    return 1;
}

static void outer(const ps_lines_outer *o) {
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
