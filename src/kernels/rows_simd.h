/* Inside of the *.simd.c kernels over rows: the walk over a chunk in groups of four wide rows, and the activation. */
#ifndef PS_KERNELS_ROWS_SIMD_H
#define PS_KERNELS_ROWS_SIMD_H

#include <stddef.h>
#include <string.h>

#include "kernels/norm.h"
#include "kernels/rows.h"

#define PS_INLINE static inline __attribute__((always_inline))

/* Four rows share one load and store of the running sums. */
enum { GROUP = 4 };

typedef struct {
    size_t at, end, width;
    size_t rows, length; /* of the current group: GROUP whole rows, or one row of `length` floats */
    size_t depth;        /* rows in the running sums */
} row_walk;

PS_INLINE row_walk walk_start(size_t begin, size_t end, size_t width) { return (row_walk){begin, end, width, 0, 0, 0}; }

PS_INLINE int walk_next(row_walk *walk) {
    walk->at += walk->rows * walk->length;
    if (walk->at >= walk->end) return 0;
    size_t left = walk->end - walk->at;
    walk->rows = left >= GROUP * walk->width ? GROUP : 1;
    walk->length = left < walk->width ? left : walk->width;
    walk->depth += walk->rows;
    return 1;
}

/* Whether the running sums are to be flushed after the current group. */
PS_INLINE int walk_flushes(row_walk *walk) {
    if (walk->depth < PS_ROWS_FLOAT_DEPTH && walk->at + walk->rows * walk->length < walk->end) return 0;
    walk->depth = 0;
    return 1;
}

PS_INLINE void flush(double *restrict sums, float *restrict running, size_t count) {
    for (size_t j = 0; j < count; j++) {
        sums[j] += (double)running[j];
        running[j] = 0;
    }
}

PS_INLINE float *slot_clear(double *slot, size_t width, int sums) {
    memset(slot, 0, ps_rows_slot_bytes(width, sums));
    return ps_rows_slot_floats(slot, width, sums);
}

/* NaN passes: comparisons with it are false. ReLU gives +0 for every v <= 0. */
PS_INLINE float activate(ps_activation activation, float slope, float v) {
    float bent = activation == PS_ACT_RELU ? 0.0f : slope * v;
    return activation == PS_ACT_NONE ? v : v <= 0 ? bent : v;
}

/* A shut ReLU gives exactly 0, whatever dy is; a NaN output passes dy on. */
PS_INLINE float activate_gradient(ps_activation activation, float slope, float y, float dy) {
    float bent = activation == PS_ACT_RELU ? 0.0f : slope * dy;
    return activation == PS_ACT_NONE ? dy : y <= 0 ? bent : dy;
}

#endif
