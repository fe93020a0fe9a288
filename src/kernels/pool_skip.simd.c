#include <string.h>

#include "kernels/pool_skip_method.h"
#include "kernels/rows_simd.h"

/* A NaN takes over from anything, a number never from a NaN (as kernels/pooling). */
PS_INLINE int takes_over(float value, float best) { return value > best || value != value; }

/* taps is a constant at every call, so that the taps unroll and the channels vectorise. */
PS_INLINE void window_winners(const float *y, const size_t *offset, int taps, size_t c, uint8_t *winners, float *values) {
#pragma GCC ivdep
    for (size_t k = 0; k < c; k++) {
        float best = y[k];
        int winner = 0;
#pragma GCC unroll 16
        for (int t = 1; t < taps; t++) {
            float value = y[offset[t] + k];
            int take = takes_over(value, best);
            best = take ? value : best;
            winner = take ? t : winner;
        }
        winners[k] = (uint8_t)winner;
        if (values) values[k] = best;
    }
}

static void window_winners_any(const float *y, const size_t *offset, int taps, size_t c, uint8_t *winners, float *values) {
    enum { STRIP = 64 };
    for (size_t start = 0; start < c; start += STRIP) {
        size_t count = c - start < STRIP ? c - start : STRIP;
        float best[STRIP];
        memcpy(best, y + start, count * sizeof *best);
        memset(winners + start, 0, count);
        for (int t = 1; t < taps; t++) {
            const float *value = y + offset[t] + start;
            for (size_t k = 0; k < count; k++) {
                int take = takes_over(value[k], best[k]);
                best[k] = take ? value[k] : best[k];
                winners[start + k] = (uint8_t)(take ? t : winners[start + k]);
            }
        }
        if (values) memcpy(values + start, best, count * sizeof *best);
    }
}

void PS_SIMD_NAME(ps_pool_skip_find_winners)(const ps_pool_skip_grid *grid, const ps_pool_skip_band *band, const float *y,
                                             uint8_t *winners, float *values) {
    size_t offset[256], c = (size_t)grid->shape.c;
    int taps = 0;
    for (int z = 0; z < grid->ed; z++)
        for (int h = 0; h < grid->e; h++)
            for (int w = 0; w < grid->e; w++)
                offset[taps++] = (((size_t)z * (size_t)grid->shape.h + (size_t)h) * (size_t)grid->shape.w + (size_t)w) * c;
    const float *row = y + ps_pool_skip_row(grid, band->image, band->z, band->y);
    for (int x = 0; x < grid->windows_w; x++, row += (size_t)grid->e * c) {
        size_t at = ((size_t)band->window + (size_t)x) * c;
        uint8_t *to = winners + at;
        if (values == NULL && taps == 4) window_winners(row, offset, 4, c, to, NULL);
        else if (values == NULL && taps == 8) window_winners(row, offset, 8, c, to, NULL);
        else if (values == NULL && taps == 16) window_winners(row, offset, 16, c, to, NULL);
        else if (values == NULL) window_winners_any(row, offset, taps, c, to, NULL);
        else if (taps == 4) window_winners(row, offset, 4, c, to, values + at);
        else if (taps == 8) window_winners(row, offset, 8, c, to, values + at);
        else if (taps == 16) window_winners(row, offset, 16, c, to, values + at);
        else window_winners_any(row, offset, taps, c, to, values + at);
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

/* What the path is at column x of row (z, y) of a band. */
PS_INLINE path_kind kind_at(const ps_pool_skip_merge *job, const ps_pool_skip_band *band, int z, int y, int x, position *p) {
    const ps_pool_skip_grid *g = job->grid;
    if (job->added == NULL) return PATH_NONE;
    if (!job->select) return PATH_ALL;
    int window = x / g->e, tap = (z * g->e + y) * g->e + x % g->e;
    if (band->window < 0 || window >= g->windows_w) return PATH_NONE;
    if (job->winners == NULL) return tap == 0 ? PATH_ALL : PATH_NONE;
    p->winner = job->winners + ((size_t)band->window + (size_t)window) * (size_t)g->shape.c;
    if (job->packed) p->added = job->added + (p->winner - job->winners);
    p->tap = (uint8_t)tap;
    return PATH_WINNER;
}

void PS_SIMD_NAME(ps_pool_skip_merge_band)(const ps_pool_skip_merge *job, const ps_pool_skip_band *band, double *slot) {
    const ps_pool_skip_grid *g = job->grid;
    size_t c = (size_t)g->shape.c, depth = 0;
    float *running = slot ? ps_rows_slot_floats(slot, c, PS_POOL_SKIP_COLUMNS) : NULL;
    for (int z = 0; z < band->slices; z++)
        for (int y = 0; y < band->rows; y++) {
            size_t at = ps_pool_skip_row(g, band->image, band->z + z, band->y + y);
            for (int x = 0; x < g->shape.w; x++, at += c) {
                position p = {.scale = job->scale, .out = job->out ? job->out + at : running + PS_POOL_SKIP_SUMS * c};
                p.identity = job->identity ? job->identity + at : job->zeros;
                p.added = job->added && !job->packed ? job->added + at : job->zeros;
                p.old = job->out && job->accumulate ? job->out + at : job->zeros;
                merge_any(&p, c, kind_at(job, band, z, y, x, &p), running);
                if (running && ++depth == PS_ROWS_FLOAT_DEPTH) {
                    flush(slot, running, PS_POOL_SKIP_SUMS * c);
                    depth = 0;
                }
            }
        }
    if (running) flush(slot, running, PS_POOL_SKIP_SUMS * c);
}
