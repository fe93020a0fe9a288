/* Packing and register blocks of matrix products for one instruction set; see product_simd.h. */
#include "kernels/product_simd.h"
#include "kernels/simd_vector.h"

enum {
    STRETCH = 16, /* of the depth, after which some of what comes next is fetched */
    FETCHES = 12, /* cache lines at a time, more where there are few products to fetch them beside, */
    MOST_FETCHES = 48
};

INLINE int at_most(size_t count, int most) { return count < (size_t)most ? (int)count : most; }

static void copy(const float *from, size_t from_step, size_t lines, size_t length, float *to, size_t to_step) {
    for (size_t line = 0; line < lines; line++, from += from_step, to += to_step) {
        size_t i = 0;
        for (; i + LANES <= length; i += LANES) store(to + i, load(from + i));
        if (i < length) store_part(to + i, load_part(from + i, (int)(length - i)), (int)(length - i));
    }
}

static void pack(const float *b, size_t step, size_t depth, size_t columns, float *panels) {
    for (size_t column = 0; column < columns; column += 2 * LANES) {
        size_t left = columns - column, vectors = left > LANES ? 2 : 1;
        const float *from = b + column;
        for (size_t d = 0; d < depth; d++, from += step)
            for (size_t v = 0; v < vectors; v++, panels += LANES)
                store(panels, load_upto(from + v * LANES, at_most(left - v * LANES, LANES)));
    }
}

/* A square of LANES columns at a time, transposed; the next columns are fetched, each from a page of its own. */
INLINE void turn_square(const float *from, size_t step, int height, int width, bool more, float *to, size_t to_step) {
    vf square[LANES];
    for (int r = 0; r < LANES; r++) {
        square[r] = r < height ? load_upto(from + (size_t)r * step, width) : splat(0.0f);
        if (more) __builtin_prefetch(from + (size_t)(LANES + r) * step);
    }
    transpose(square);
    for (int d = 0; d < width; d++) store(to + (size_t)d * to_step, square[d]);
}

static void pack_turned(const float *b, size_t step, size_t depth, size_t columns, float *panels) {
    for (size_t column = 0; column < columns; column += 2 * LANES) {
        size_t left = columns - column, width = left > LANES ? 2 * LANES : LANES;
        for (size_t v = 0; v < width; v += LANES) {
            const float *from = b + (column + v) * step;
            int height = at_most(left - v, LANES);
            bool more = left - v >= 2 * LANES;
            for (size_t d = 0; d < depth; d += LANES)
                turn_square(from + d, step, height, at_most(depth - d, LANES), more, panels + d * width + v, width);
        }
        panels += depth * width;
    }
}

#if defined(PS_ISA_avx512)
INLINE void store_past(float *p, vf v) { _mm512_stream_ps(p, (__m512)v); }
INLINE void end_of_stream(void) { _mm_sfence(); }
#elif defined(PS_ISA_avx2)
INLINE void store_past(float *p, vf v) { _mm256_stream_ps(p, (__m256)v); }
INLINE void end_of_stream(void) { _mm_sfence(); }
#else
INLINE void store_past(float *p, vf v) { store(p, v); }
INLINE void end_of_stream(void) {}
#endif

/* How far the fetching has come. */
typedef struct {
    ps_product_next left, then;
    size_t line, each;
} fetcher;

INLINE void fetch_some(fetcher *f) {
    for (size_t i = 0; i < f->each && f->left.rows > 0; i++) {
        __builtin_prefetch(f->left.data + f->line * PS_PRODUCT_LINE);
        if (++f->line < f->left.lines) continue;
        f->line = 0;
        f->left.data += f->left.step;
        if (--f->left.rows > 0) continue;
        f->left = f->then;
        f->then.rows = 0;
    }
}

/* `rows` x `vectors` sums over the whole depth of the block; constants at every call, so that the loops unroll. */
INLINE void multiply_rows(int rows, int vectors, const ps_product_block *p, size_t row, size_t column,
                          const float *panel, fetcher *f) {
    sums_block sum;
    int channels = at_most(p->columns - column, vectors * LANES);
    const float *a = p->a + row * p->row_step;
    float *c = p->c + row * p->c_row + column;
    start_block(rows, vectors, p->bias != NULL ? p->bias + column : NULL, channels, sum);
    if (p->accumulate) {
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++)
                sum[r][v] = load_upto(c + (size_t)r * p->c_row + v * LANES, channels - v * LANES);
        }
    }
    size_t b_step = p->b_step > 0 ? p->b_step : (size_t)(vectors * LANES), d = 0;
    for (; d < p->depth; d += STRETCH) {
        size_t stretch = p->depth - d < STRETCH ? p->depth - d : STRETCH;
        fetch_some(f);
        add_products(rows, vectors, a + d * p->depth_step, p->row_step, p->depth_step, panel + d * b_step, b_step,
                     stretch, sum);
    }
    if (p->stream && channels == vectors * LANES) {
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) store_past(c + (size_t)r * p->c_row + v * LANES, sum[r][v]);
        }
        return;
    }
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            store_upto(c + (size_t)r * p->c_row + v * LANES, sum[r][v], channels - v * LANES);
    }
}

static fetcher start_fetching(const ps_product_block *p) {
    fetcher f = {.left = p->next[0], .then = p->next[1], .each = FETCHES};
    size_t lines = f.left.rows * f.left.lines + f.then.rows * f.then.lines;
    size_t panels = (p->columns + 2 * LANES - 1) / (2 * LANES), blocks = (p->rows + ROWS - 1) / ROWS;
    size_t times = panels * blocks * ((p->depth + STRETCH - 1) / STRETCH);
    if (times > 0 && lines > f.each * times) f.each = lines / times + 1;
    if (f.each > MOST_FETCHES) f.each = MOST_FETCHES;
    if (f.left.rows == 0) f.left = f.then, f.then.rows = 0;
    return f;
}

/* Blocks of even height: one low block at the end would wait for its own sums. */
static void multiply(const ps_product_block *p) {
    const float *panel = p->b;
    fetcher f = start_fetching(p);
    for (size_t column = 0; column < p->columns; column += 2 * LANES) {
        int vectors = p->columns - column > LANES ? 2 : 1, most = vectors == 2 ? ROWS : ROWS_OF_ONE;
        size_t blocks = (p->rows + (size_t)most - 1) / (size_t)most;
        for (size_t block = 0; block < blocks; block++) {
            size_t row = p->rows * block / blocks;
            int rows = (int)(p->rows * (block + 1) / blocks - row);
#define CALL2(n) multiply_rows(n, 2, p, row, column, panel, &f)
#define CALL1(n) multiply_rows(n, 1, p, row, column, panel, &f)
            if (vectors == 2) WITH_CONSTANT_ROWS(rows, CALL2)
            else WITH_ROWS_TO_12(rows, CALL1)
#undef CALL1
#undef CALL2
        }
        panel += p->b_step > 0 ? 2 * LANES : p->depth * (size_t)(vectors * LANES);
    }
    /* Stores past the caches are not ordered with later ones, and so with those that tell another thread of them. */
    if (p->stream) end_of_stream();
}

const ps_product_kernels *PS_SIMD_NAME(ps_product_kernels_of)(void) {
    static const ps_product_kernels kernels = {2 * LANES, copy, pack, pack_turned, multiply};
    return &kernels;
}
