/* Inside of the kernels: how rows x channels arrays are walked. Not for other rooms.
 *
 * Narrow maps are folded: `fold` neighbouring rows are walked as one wide row of fold * c floats, so that four channels
 * fill a vector as well as four hundred do; column j of a wide row belongs to channel j % c. Chunks are leaves of the
 * batch's tree (parallel/reduce.h), each of whole rows and with its own slot of partial sums; a chunk folds its rows
 * from its own first one on. */
#ifndef PS_KERNELS_ROWS_H
#define PS_KERNELS_ROWS_H

#include <stddef.h>
#include <string.h>

#include "core/shape.h"
#include "parallel/reduce.h"

/* PS_ROWS_GRAIN: floats of a chunk, some five microseconds of reading. PS_ROWS_FLOAT_DEPTH: rows summed in single
 * precision before they are added to a double, which bounds the rounding of any sum to that of a few dozen terms. */
enum { PS_ROWS_GRAIN = 16384, PS_ROWS_MAX_CHUNKS = 32, PS_ROWS_MIN_WIDTH = 64, PS_ROWS_FLOAT_DEPTH = 64 };

typedef struct {
    size_t c, width, count; /* channels; floats of a wide row; floats in all */
    size_t chunks;
    double batch_rows; /* rows of the whole batch */
    ps_leaves leaves;
} ps_rows;

static inline ps_rows ps_rows_of(ps_shape shape) {
    size_t c = (size_t)shape.c, rows = ps_shape_positions(ps_shape_with_batch(shape, 1));
    ps_rows r = {.c = c, .count = ps_shape_elements(shape)};
    size_t fold = c < PS_ROWS_MIN_WIDTH && c > 0 ? (PS_ROWS_MIN_WIDTH + c - 1) / c : 1;
    r.width = fold * c;
    size_t batch = ps_reduce_batch((size_t)shape.n), wanted = ps_threads_chunks(batch * rows * c, PS_ROWS_GRAIN);
    r.batch_rows = (double)batch * (double)rows;
    if (wanted > PS_ROWS_MAX_CHUNKS) wanted = PS_ROWS_MAX_CHUNKS;
    r.leaves = ps_leaves_of((size_t)shape.n, rows, wanted);
    r.chunks = r.count > 0 ? r.leaves.count : 0;
    return r;
}

/* First float of a chunk. */
static inline size_t ps_rows_chunk_start(const ps_rows *r, size_t chunk) {
    return ps_leaves_start(&r->leaves, chunk) * r->c;
}

/* A slot: `sums` double columns of partial sums, then as many float columns of running sums. */
static inline size_t ps_rows_slot_bytes(size_t width, int sums) {
    return (width * (size_t)sums * (sizeof(double) + sizeof(float)) + 63) / 64 * 64;
}
static inline double *ps_rows_slot(void *slots, size_t width, int sums, size_t chunk) {
    return (double *)((char *)slots + chunk * ps_rows_slot_bytes(width, sums));
}
static inline float *ps_rows_slot_floats(double *slot, size_t width, int sums) {
    return (float *)(slot + width * (size_t)sums);
}

/* Adds the slots along the tree, then the folded columns in order, into slot 0; total of sum s, channel k: result[s *
 * width + k]. */
static inline const double *ps_rows_reduce(void *slots, const ps_rows *r, int sums) {
    double *total = ps_rows_slot(slots, r->width, sums, 0);
    ps_reduce_doubles(total, r->chunks, ps_rows_slot_bytes(r->width, sums) / sizeof(double), r->width * (size_t)sums);
    for (size_t s = 0; s < (size_t)sums; s++)
        for (size_t j = r->c; j < r->width; j++) total[s * r->width + j % r->c] += total[s * r->width + j];
    return total;
}

/* Repeats a per-channel vector along a wide row. */
static inline void ps_rows_spread(const float *values, size_t c, size_t width, float *wide) {
    for (size_t j = 0; j < width; j += c) memcpy(wide + j, values, c * sizeof *values);
}

#endif
