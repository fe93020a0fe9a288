/* Inside of the kernels: how rows x channels arrays are walked. Not for other rooms.
 *
 * Narrow maps are folded: `fold` neighbouring rows are walked as one wide row of fold * c floats, so that four channels
 * fill a vector as well as four hundred do; column j of a wide row belongs to channel j % c. Wide rows are cut into at
 * most PS_ROWS_MAX_CHUNKS chunks by shape, each with its own slot of partial sums; slots are added in chunk order. */
#ifndef PS_KERNELS_ROWS_H
#define PS_KERNELS_ROWS_H

#include <stddef.h>
#include <string.h>

#include "parallel/threads.h"

/* PS_ROWS_GRAIN: floats of a chunk, some five microseconds of reading. PS_ROWS_FLOAT_DEPTH: rows summed in single
 * precision before they are added to a double, which bounds the rounding of any sum to that of a few dozen terms. */
enum { PS_ROWS_GRAIN = 16384, PS_ROWS_MAX_CHUNKS = 32, PS_ROWS_MIN_WIDTH = 64, PS_ROWS_FLOAT_DEPTH = 64 };

typedef struct {
    size_t c, width, count; /* channels; floats of a wide row; floats in all (the last wide row may be short) */
    size_t wide_rows, chunks;
} ps_rows;

static inline ps_rows ps_rows_of(size_t rows, int c) {
    ps_rows r = {.c = (size_t)c, .count = rows * (size_t)c};
    size_t fold = c < PS_ROWS_MIN_WIDTH && c > 0 ? (PS_ROWS_MIN_WIDTH + (size_t)c - 1) / (size_t)c : 1;
    r.width = fold * r.c;
    r.wide_rows = r.width ? (r.count + r.width - 1) / r.width : 0;
    r.chunks = ps_threads_chunks(r.count, PS_ROWS_GRAIN);
    if (r.chunks > PS_ROWS_MAX_CHUNKS) r.chunks = PS_ROWS_MAX_CHUNKS;
    if (r.chunks > r.wide_rows) r.chunks = r.wide_rows;
    return r;
}

/* First float of a chunk. */
static inline size_t ps_rows_chunk_start(const ps_rows *r, size_t chunk) {
    size_t start = ps_threads_chunk_start(r->wide_rows, r->chunks, chunk) * r->width;
    return start < r->count ? start : r->count;
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

/* Adds the slots in chunk order, then the folded columns in order, into slot 0; total of sum s, channel k: result[s *
 * width + k]. */
static inline const double *ps_rows_reduce(void *slots, const ps_rows *r, int sums) {
    double *total = ps_rows_slot(slots, r->width, sums, 0);
    for (size_t chunk = 1; chunk < r->chunks; chunk++) {
        const double *part = ps_rows_slot(slots, r->width, sums, chunk);
        for (size_t j = 0; j < r->width * (size_t)sums; j++) total[j] += part[j];
    }
    for (size_t s = 0; s < (size_t)sums; s++)
        for (size_t j = r->c; j < r->width; j++) total[s * r->width + j % r->c] += total[s * r->width + j];
    return total;
}

/* Repeats a per-channel vector along a wide row. */
static inline void ps_rows_spread(const float *values, size_t c, size_t width, float *wide) {
    for (size_t j = 0; j < width; j += c) memcpy(wide + j, values, c * sizeof *values);
}

#endif
