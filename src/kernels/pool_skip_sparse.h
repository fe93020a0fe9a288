/* Inside of Pool Skip: the sparse method, which never builds u. Not for other rooms.
 *
 * Of each window and channel one value is kept, so the 3x3 convolution needs 1 / e^2 (1 / e^3) of the dense
 * multiplications. Output channels are walked in panels of one vector. A slab is one row of windows (2D) or one slice
 * of them (3D) of a group of images; its outputs (forward) or output gradients (backward) of one panel lie in a small
 * padded tile that stays in the nearest cache:
 *
 *   tile [image of the group][e + 2 rows or slices][plane][lanes]      plane: a padded row (w + 2) or slice ((h + 2)(w
 *                                                                      + 2))
 *
 * so that every kept value is nine (27) multiply-adds of a vector at places known from its winner alone, without edge
 * cases. Weights are packed as [panel][channel][tap][lanes]. */
#ifndef PS_KERNELS_POOL_SKIP_SPARSE_H
#define PS_KERNELS_POOL_SKIP_SPARSE_H

#include "kernels/pool_skip_method.h"

/* Of each window, the channels of every block of PS_POOL_SKIP_BLOCK are ordered by the place that won them; entries are
 * channel numbers, the last of each run of equal places marked with PS_POOL_SKIP_RUN_END. A block's packed weights
 * (nine vectors a channel) stay in a near cache while the windows of a slab are walked. */
enum { PS_POOL_SKIP_BLOCK = 64, PS_POOL_SKIP_CHANNEL = 0x7fff, PS_POOL_SKIP_RUN_END = 0x8000 };

/* A window of a slab: its first element in [pooled][c], and the first float of its first position in the tile. */
typedef struct {
    size_t first, at;
} ps_pool_skip_place;

typedef struct {
    const ps_pool_skip_grid *grid;
    int lanes, taps;
    size_t panels;
    int size, slabs, window_slabs; /* outermost dimension: its size, slabs, and slabs that hold windows */
    size_t row, plane;             /* positions of a padded row and of a plane */
    size_t slab_windows;           /* of one image */
    size_t place[256];             /* position of a winner from its window's first one */
    size_t places_at;              /* bytes from a tile to the list of its windows */
} ps_pool_skip_tiles;

/* Images [first, first + images) whose slabs are walked together, so that weights serve several windows. */
typedef struct {
    size_t first, images;
} ps_pool_skip_group;

typedef struct {
    const ps_pool_skip_tiles *tiles;
    const uint8_t *winners; /* [pooled][c] */
    const float *values;    /* [pooled][c] */
    const uint16_t *order;  /* [pooled][c] */
    const float *weights;   /* packed */
    const float *identity, *bias;
    float *o; /* NULL: only the sums are wanted */
    const float *d_o;
    float *du;        /* [pooled][c] */
    float *d_weights; /* packed: of the channels that a call is for */
} ps_pool_skip_sparse_job;

/* One panel of the outputs of a group: o = identity (unless NULL) + bias + convolution. sums [3][c] (see
 * PS_POOL_SKIP_SUMS) are added to, unless NULL. */
PS_SIMD_DECLARE(void, ps_pool_skip_sparse_forward, const ps_pool_skip_sparse_job *job, ps_pool_skip_group group,
                size_t panel, float *tile, double *sums);
/* du of channels [c_begin, c_end) of a group, over all panels. c_begin is a multiple of PS_POOL_SKIP_BLOCK. */
PS_SIMD_DECLARE(void, ps_pool_skip_sparse_data, const ps_pool_skip_sparse_job *job, ps_pool_skip_group group,
                size_t c_begin, size_t c_end, float *tile);
/* Adds a group's share of the weights' gradient for one panel and channels [c_begin, c_end). */
PS_SIMD_DECLARE(void, ps_pool_skip_sparse_weights, const ps_pool_skip_sparse_job *job, ps_pool_skip_group group,
                size_t panel, size_t c_begin, size_t c_end, float *tile);
/* Between [k][tap][c] and the packed layout, one panel. */
PS_SIMD_DECLARE(void, ps_pool_skip_sparse_pack, const float *w, size_t c, int taps, size_t panel, float *packed);
PS_SIMD_DECLARE(void, ps_pool_skip_sparse_unpack, const float *packed, size_t c, int taps, size_t panel, float *w);

/* Whether this shape can be done, and whether it is then the method of choice. */
bool ps_pool_skip_sparse_can(const ps_pool_skip_plan *plan);
bool ps_pool_skip_sparse_wins(const ps_pool_skip_plan *plan);
size_t ps_pool_skip_sparse_workspace_bytes(const ps_pool_skip_plan *plan, int threads);
/* What forward keeps for backward, all [pooled][c]. */
typedef struct {
    const uint8_t *winners;
    const float *values;
    const uint16_t *order;
} ps_pool_skip_kept;
/* order from the winners of window number `window`. */
void ps_pool_skip_sparse_order(const ps_pool_skip_grid *grid, const uint8_t *winners, size_t window, uint16_t *order);
/* sums: identity, path, output, identity times path; any may be NULL. */
void ps_pool_skip_sparse_run_forward(const ps_pool_skip_plan *plan, ps_pool_skip_kept kept, const float *identity,
                                     const float *w, const float *bias, float *o, double *const sums[PS_POOL_SKIP_SUMS],
                                     void *workspace, ps_threads *threads);
/* du [pooled][c]: gradient at the kept values (NULL: not wanted); dw, dbias are overwritten. */
void ps_pool_skip_sparse_run_backward(const ps_pool_skip_plan *plan, ps_pool_skip_kept kept, const float *w,
                                      const float *d_o, float *du, float *dw, float *dbias, void *workspace,
                                      ps_threads *threads);

#endif
