/* Inside of Pool Skip: the plan, how maps are walked, and the loops compiled once per instruction set. Not for other
 * rooms.
 *
 * A band is the rows of one row of windows (e rows; e slices of e rows in 3D) or, past the last whole window, of the
 * remainder. Bands are the unit of work; a chunk is a run of bands with its own slot of partial sums. */
#ifndef PS_KERNELS_POOL_SKIP_METHOD_H
#define PS_KERNELS_POOL_SKIP_METHOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/conv.h"
#include "kernels/pool_skip.h"
#include "kernels/simd.h"

typedef struct {
    ps_shape shape;
    int e, ed;                           /* window size; along depth (1 in 2D) */
    int windows_d, windows_h, windows_w; /* whole windows */
    int bands_d, bands_h;                /* bands, the remainder's included */
    size_t bands, pooled;                /* over the batch; pooled: windows of the batch */
} ps_pool_skip_grid;

struct ps_pool_skip_plan {
    ps_pool_skip_options options;
    ps_pool_skip_grid grid;
    ps_conv_plan conv; /* valid when options.conv */
    bool pools;        /* false: u = y */
    bool sparse;
};

/* Where a band lies: image, first slice and row, and how many of each; window row (negative: remainder, no windows). */
typedef struct {
    size_t image;
    int z, y, slices, rows;
    long window; /* index of its first window in the batch's windows, or -1 */
} ps_pool_skip_band;

static inline ps_pool_skip_band ps_pool_skip_band_at(const ps_pool_skip_grid *g, size_t band) {
    int by = (int)(band % (size_t)g->bands_h), bz = (int)(band / (size_t)g->bands_h % (size_t)g->bands_d);
    ps_pool_skip_band b = {.image = band / (size_t)g->bands_h / (size_t)g->bands_d, .z = bz * g->ed, .y = by * g->e};
    b.slices = b.z + g->ed > g->shape.d ? g->shape.d - b.z : g->ed;
    b.rows = b.y + g->e > g->shape.h ? g->shape.h - b.y : g->e;
    bool whole = bz < g->windows_d && by < g->windows_h;
    b.window = whole ? (((long)b.image * g->windows_d + bz) * g->windows_h + by) * g->windows_w : -1;
    return b;
}

/* First float of row (z, y) of an image. */
static inline size_t ps_pool_skip_row(const ps_pool_skip_grid *g, size_t image, int z, int y) {
    return ((image * (size_t)g->shape.d + (size_t)z) * (size_t)g->shape.h + (size_t)y) * (size_t)g->shape.w *
           (size_t)g->shape.c;
}

/* What one merge does, forward or backward:  out = (accumulate ? out : 0) + identity + path, with
 * path = added * scale, everywhere or only at the winners. */
typedef struct {
    const ps_pool_skip_grid *grid;
    const float *identity;  /* NULL: none */
    const float *added;     /* NULL: no path */
    bool select;            /* path only at the winners */
    bool packed;            /* added is [pooled][c], one value a window and channel */
    const uint8_t *winners; /* [pooled][c]; NULL: the first position of each window */
    const float *scale;     /* [c] */
    float *out;             /* NULL: only the sums are wanted */
    bool accumulate;
    const float *zeros; /* [c], stand in for what is not there */
} ps_pool_skip_merge;

/* Squares of identity, path, and identity + path, and identity times path. A slot has one column more, whose floats
 * take what is not to be written.
 */
enum { PS_POOL_SKIP_SUMS = 4, PS_POOL_SKIP_COLUMNS = 5 };

/* winners of a band's windows, and their values unless NULL; both [pooled][c]. */
PS_SIMD_DECLARE(void, ps_pool_skip_find_winners, const ps_pool_skip_grid *grid, const ps_pool_skip_band *band,
                const float *y, uint8_t *winners, float *values);
/* Turns near-ties, after find_winners: as ps_maxpool_turn. bound is laid out as y. */
PS_SIMD_DECLARE(void, ps_pool_skip_turn_winners, const ps_pool_skip_grid *grid, const ps_pool_skip_band *band,
                const float *y, const float *bound, uint8_t *winners, float *values);
/* One band; slot NULL: nothing is summed, and out must not be NULL. slot holds PS_POOL_SKIP_COLUMNS columns of c (see
 * rows.h), added to. */
PS_SIMD_DECLARE(void, ps_pool_skip_merge_band, const ps_pool_skip_merge *job, const ps_pool_skip_band *band,
                double *slot);

#endif
