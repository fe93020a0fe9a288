#include <string.h>

#include "kernels/pool_skip_method.h"
#include "kernels/rounding.h"
#include "kernels/rows_simd.h"
#include "kernels/simd_vector.h"

enum { MOST_TAPS = 256 }; /* their numbers fit a byte */

typedef uint8_t bytes __attribute__((vector_size(LANES)));

INLINE vi chosen(vi mask, vi yes, vi no) { return (yes & mask) | (no & ~mask); }

/* Channels k to k + count - 1 of the window that begins at y. A NaN takes over from anything, a number never from a NaN
 * (as kernels/pooling). */
INLINE void window_winners(const float *y, const size_t *offset, int taps, size_t k, int count, uint8_t *winners,
                           float *values) {
    vf best = load_upto(y + k, count);
    vi winner = {0};
#pragma GCC unroll 4
    for (int t = 1; t < taps; t++) {
        vf value = load_upto(y + offset[t] + k, count);
        vi takes_over = (value > best) | (value != value);
        best = (vf)chosen(takes_over, (vi)value, (vi)best);
        winner = chosen(takes_over, (vi){0} + t, winner);
    }
    bytes narrow = __builtin_convertvector(winner, bytes);
    memcpy(winners + k, &narrow, count >= LANES ? LANES : (size_t)count);
    if (values != NULL) store_upto(values + k, best, count);
}

INLINE void window_winners_of(const float *y, const size_t *offset, int taps, size_t c, uint8_t *winners,
                              float *values) {
    size_t k = 0;
    for (; k + LANES <= c; k += LANES) window_winners(y, offset, taps, k, LANES, winners, values);
    if (k < c) window_winners(y, offset, taps, k, (int)(c - k), winners, values);
}

/* Of a window's positions from its first one, in scan order; returns how many. */
static int window_offsets(const ps_pool_skip_grid *grid, size_t offset[MOST_TAPS]) {
    int taps = 0;
    for (int z = 0; z < grid->ed; z++)
        for (int h = 0; h < grid->e; h++)
            for (int w = 0; w < grid->e; w++) {
                size_t row = (size_t)z * (size_t)grid->shape.h + (size_t)h;
                offset[taps++] = (row * (size_t)grid->shape.w + (size_t)w) * (size_t)grid->shape.c;
            }
    return taps;
}

void PS_SIMD_NAME(ps_pool_skip_find_winners)(const ps_pool_skip_grid *grid, const ps_pool_skip_band *band,
                                             const float *y, uint8_t *winners, float *values) {
    size_t offset[MOST_TAPS], c = (size_t)grid->shape.c;
    int taps = window_offsets(grid, offset);
    const float *row = y + ps_pool_skip_row(grid, band->image, band->z, band->y);
    for (int x = 0; x < grid->windows_w; x++, row += (size_t)grid->e * c) {
        size_t at = ((size_t)band->window + (size_t)x) * c;
        float *kept = values != NULL ? values + at : NULL;
        if (taps == 4) window_winners_of(row, offset, 4, c, winners + at, kept);
        else if (taps == 16) window_winners_of(row, offset, 16, c, winners + at, kept);
        else window_winners_of(row, offset, taps, c, winners + at, kept);
    }
}

/* Channels k to k + count - 1 of a window: the last value within reach of the winner takes its place. */
INLINE void turn_window(const float *y, const float *bound, const size_t *offset, int taps, size_t k, int count,
                        uint8_t *winners, float *values) {
    bytes narrow = {0};
    memcpy(&narrow, winners + k, count >= LANES ? LANES : (size_t)count);
    vi winner = __builtin_convertvector(narrow, vi), turned = winner;
    vf best = splat(0.0f), best_bound = splat(0.0f);
    for (int t = 0; t < taps; t++) {
        best = (vf)chosen(winner == t, (vi)load_upto(y + offset[t] + k, count), (vi)best);
        best_bound = (vf)chosen(winner == t, (vi)load_upto(bound + offset[t] + k, count), (vi)best_bound);
    }
    vf value = best, share = splat((float)PS_ROUNDING_TURN);
    for (int t = 0; t < taps; t++) {
        vf other = load_upto(y + offset[t] + k, count), other_bound = load_upto(bound + offset[t] + k, count);
        vi same = (best == other) & (best_bound == other_bound);
        vi near = (best - other <= (best_bound + other_bound) * share) & ~same;
        near &= winner != t;
        value = (vf)chosen(near, (vi)other, (vi)value);
        turned = chosen(near, (vi){0} + t, turned);
    }
    narrow = __builtin_convertvector(turned, bytes);
    memcpy(winners + k, &narrow, count >= LANES ? LANES : (size_t)count);
    if (values != NULL) store_upto(values + k, value, count);
}

void PS_SIMD_NAME(ps_pool_skip_turn_winners)(const ps_pool_skip_grid *grid, const ps_pool_skip_band *band,
                                             const float *y, const float *bound, uint8_t *winners, float *values) {
    size_t offset[MOST_TAPS], c = (size_t)grid->shape.c, first = ps_pool_skip_row(grid, band->image, band->z, band->y);
    int taps = window_offsets(grid, offset);
    for (int x = 0; x < grid->windows_w; x++, first += (size_t)grid->e * c) {
        size_t at = ((size_t)band->window + (size_t)x) * c;
        for (size_t k = 0; k < c; k += LANES)
            turn_window(y + first, bound + first, offset, taps, k, c - k < LANES ? (int)(c - k) : LANES, winners + at,
                        values != NULL ? values + at : NULL);
    }
}

/* How one position's path comes about: none, the whole of `added`, or `added` where this tap won. */
typedef enum { PATH_NONE, PATH_ALL, PATH_WINNER } path_kind;

typedef struct {
    const float *identity, *added, *old, *scale;
    const uint8_t *winner;
    float *out;
    uint8_t tap;
} position;

PS_INLINE void merge_position(const position *p, size_t c, path_kind kind, int sum, float *sums) {
    const float *identity = p->identity, *added = p->added, *old = p->old, *scale = p->scale;
    const uint8_t *winner = p->winner;
    float *out = p->out;
    uint8_t tap = p->tap;
#pragma GCC ivdep
    for (size_t k = 0; k < c; k++) {
        float path = kind == PATH_NONE ? 0.0f : added[k] * scale[k];
        if (kind == PATH_WINNER) path = winner[k] == tap ? path : 0.0f;
        float whole = identity[k] + path;
        if (sum) {
            sums[k] += identity[k] * identity[k];
            sums[c + k] += path * path;
            sums[2 * c + k] += whole * whole;
            sums[3 * c + k] += identity[k] * path;
        }
        out[k] = old[k] + whole;
    }
}

PS_INLINE void merge_any(const position *p, size_t c, path_kind kind, float *sums) {
    if (sums && kind == PATH_NONE) merge_position(p, c, PATH_NONE, 1, sums);
    else if (sums && kind == PATH_ALL) merge_position(p, c, PATH_ALL, 1, sums);
    else if (sums) merge_position(p, c, PATH_WINNER, 1, sums);
    else if (kind == PATH_NONE) merge_position(p, c, PATH_NONE, 0, sums);
    else if (kind == PATH_ALL) merge_position(p, c, PATH_ALL, 0, sums);
    else merge_position(p, c, PATH_WINNER, 0, sums);
}

/* What the path is at column x of row (z, y) of a band, where it is selected. */
PS_INLINE path_kind kind_at(const ps_pool_skip_merge *job, const ps_pool_skip_band *band, int z, int y, int x,
                            position *p) {
    const ps_pool_skip_grid *g = job->grid;
    int window = x / g->e, tap = (z * g->e + y) * g->e + x % g->e;
    if (band->window < 0 || window >= g->windows_w) return PATH_NONE;
    if (job->winners == NULL) return tap == 0 ? PATH_ALL : PATH_NONE;
    p->winner = job->winners + ((size_t)band->window + (size_t)window) * (size_t)g->shape.c;
    if (job->packed) p->added = job->added + (p->winner - job->winners);
    p->tap = (uint8_t)tap;
    return PATH_WINNER;
}

/* ---- whole windows: one position of each channel has the path, so that its sums are taken once a window ---- */

INLINE vi winners_upto(const uint8_t *winner, int count) {
    bytes b = {0};
    memcpy(&b, winner, count >= LANES ? LANES : (size_t)count);
    return __builtin_convertvector(b, vi);
}

INLINE vf masked(vf v, vi mask) { return (vf)((vi)v & mask); }
INLINE vf united(vf a, vf b) { return (vf)((vi)a | (vi)b); }

/* After `positions` more in the running sums (NULL: none are kept): into the doubles before single precision tells. */
INLINE void bound_depth(double *slot, float *running, size_t c, size_t positions, size_t *depth) {
    *depth += positions;
    if (running == NULL || *depth < PS_ROWS_FLOAT_DEPTH) return;
    flush(slot, running, PS_POOL_SKIP_SUMS * c);
    *depth = 0;
}

INLINE void add_sum(float *sums, vf value, int count) { store_upto(sums, load_upto(sums, count) + value, count); }

/* Channels k to k + count - 1 of a window whose first position is `first`; offset: of its positions, in scan order. */
INLINE void merge_window(const position *first, bool has_identity, bool packed, bool accumulate, const size_t *offset,
                         int taps, size_t k, int count, size_t c, float *sums) {
    vi winner = winners_upto(first->winner + k, count);
    vf scale = load_upto(first->scale + k, count), zero = splat(0.0f);
    vf added = packed ? load_upto(first->added + k, count) * scale : zero;
    vf path_won = zero, identity_won = zero, identity_squares = zero, whole_squares = zero;
#pragma GCC unroll 4
    for (int t = 0; t < taps; t++) {
        vi won = winner == t;
        float *out = first->out + offset[t] + k;
        vf path = masked(packed ? added : load_upto(first->added + offset[t] + k, count) * scale, won);
        vf identity = has_identity ? load_upto(first->identity + offset[t] + k, count) : zero, whole = identity + path;
        store_upto(out, accumulate ? load_upto(out, count) + whole : whole, count);
        if (sums == NULL) continue;
        path_won = united(path_won, path);
        identity_won = united(identity_won, masked(identity, won));
        identity_squares = fma_(identity, identity, identity_squares);
        whole_squares = fma_(whole, whole, whole_squares);
    }
    if (sums == NULL) return;
    add_sum(sums + k, identity_squares, count);
    add_sum(sums + c + k, path_won * path_won, count);
    add_sum(sums + 2 * c + k, whole_squares, count);
    add_sum(sums + 3 * c + k, identity_won * path_won, count);
}

INLINE void merge_windows(const ps_pool_skip_merge *job, const position *first, const size_t *offset, int taps,
                          size_t c, float *sums) {
    bool usual = job->identity != NULL && job->packed && !job->accumulate;
    for (size_t k = 0; k < c; k += LANES) {
        int count = c - k < LANES ? (int)(c - k) : LANES;
        if (usual && sums != NULL && count == LANES)
            merge_window(first, true, true, false, offset, taps, k, LANES, c, sums);
        else if (usual && sums == NULL) merge_window(first, true, true, false, offset, taps, k, count, c, NULL);
        else merge_window(first, job->identity != NULL, job->packed, job->accumulate, offset, taps, k, count, c, sums);
    }
}

INLINE bool takes_windows(const ps_pool_skip_merge *job, const ps_pool_skip_band *band) {
    return job->winners != NULL && job->out != NULL && band->window >= 0;
}

static void merge_band_windows(const ps_pool_skip_merge *job, const ps_pool_skip_band *band, double *slot,
                               float *running, size_t *depth) {
    const ps_pool_skip_grid *g = job->grid;
    size_t c = (size_t)g->shape.c, offset[MOST_TAPS], at = ps_pool_skip_row(g, band->image, band->z, band->y);
    int taps = window_offsets(g, offset);
    for (int x = 0; x < g->windows_w; x++, at += (size_t)g->e * c) {
        size_t window = ((size_t)band->window + (size_t)x) * c;
        position first = {.scale = job->scale, .winner = job->winners + window, .out = job->out + at};
        first.identity = job->identity != NULL ? job->identity + at : NULL;
        first.added = job->added + (job->packed ? window : at);
        if (taps == 4) merge_windows(job, &first, offset, 4, c, running);
        else if (taps == 16) merge_windows(job, &first, offset, 16, c, running);
        else merge_windows(job, &first, offset, taps, c, running);
        bound_depth(slot, running, c, (size_t)taps, depth);
    }
}

/* ---- runs of positions with the same path: all of `added`, or none ---- */

enum { RUN = 16 }; /* positions whose sums stay in registers */

INLINE void merge_run(const ps_pool_skip_merge *job, size_t at, int positions, size_t k, int count, size_t c,
                      float *sums) {
    vf zero = splat(0.0f), scale = job->added != NULL ? load_upto(job->scale + k, count) : zero;
    vf identity_squares = zero, path_squares = zero, whole_squares = zero, products = zero;
    at += k;
    for (int x = 0; x < positions; x++, at += c) {
        vf identity = job->identity != NULL ? load_upto(job->identity + at, count) : zero;
        vf path = job->added != NULL ? load_upto(job->added + at, count) * scale : zero, whole = identity + path;
        if (job->out != NULL)
            store_upto(job->out + at, job->accumulate ? load_upto(job->out + at, count) + whole : whole, count);
        if (sums == NULL) continue;
        identity_squares = fma_(identity, identity, identity_squares);
        path_squares = fma_(path, path, path_squares);
        whole_squares = fma_(whole, whole, whole_squares);
        products = fma_(identity, path, products);
    }
    if (sums == NULL) return;
    add_sum(sums + k, identity_squares, count);
    add_sum(sums + c + k, path_squares, count);
    add_sum(sums + 2 * c + k, whole_squares, count);
    add_sum(sums + 3 * c + k, products, count);
}

static void merge_band_runs(const ps_pool_skip_merge *job, const ps_pool_skip_band *band, double *slot,
                            float *running) {
    const ps_pool_skip_grid *g = job->grid;
    size_t c = (size_t)g->shape.c, depth = 0;
    for (int row = 0; row < band->slices * band->rows; row++) {
        size_t at = ps_pool_skip_row(g, band->image, band->z + row / band->rows, band->y + row % band->rows);
        for (int x = 0, positions; x < g->shape.w; x += positions, at += (size_t)positions * c) {
            positions = g->shape.w - x < RUN ? g->shape.w - x : RUN;
            size_t k = 0;
            for (; k + LANES <= c; k += LANES) merge_run(job, at, positions, k, LANES, c, running);
            if (k < c) merge_run(job, at, positions, k, (int)(c - k), c, running);
            bound_depth(slot, running, c, (size_t)positions, &depth);
        }
    }
    if (running != NULL) flush(slot, running, PS_POOL_SKIP_SUMS * c);
}

void PS_SIMD_NAME(ps_pool_skip_merge_band)(const ps_pool_skip_merge *job, const ps_pool_skip_band *band, double *slot) {
    const ps_pool_skip_grid *g = job->grid;
    size_t c = (size_t)g->shape.c, depth = 0;
    float *running = slot ? ps_rows_slot_floats(slot, c, PS_POOL_SKIP_COLUMNS) : NULL;
    if (job->added == NULL || !job->select) {
        merge_band_runs(job, band, slot, running);
        return;
    }
    int first = 0; /* column after the whole windows */
    if (takes_windows(job, band)) {
        merge_band_windows(job, band, slot, running, &depth);
        first = g->windows_w * g->e;
    }
    for (int z = 0; z < band->slices; z++)
        for (int y = 0; y < band->rows; y++) {
            size_t at = ps_pool_skip_row(g, band->image, band->z + z, band->y + y) + (size_t)first * c;
            for (int x = first; x < g->shape.w; x++, at += c) {
                position p = {.scale = job->scale, .out = job->out ? job->out + at : running + PS_POOL_SKIP_SUMS * c};
                p.identity = job->identity ? job->identity + at : job->zeros;
                p.added = !job->packed ? job->added + at : job->zeros;
                p.old = job->out && job->accumulate ? job->out + at : job->zeros;
                merge_any(&p, c, kind_at(job, band, z, y, x, &p), running);
                bound_depth(slot, running, c, 1, &depth);
            }
        }
    if (running) flush(slot, running, PS_POOL_SKIP_SUMS * c);
}
