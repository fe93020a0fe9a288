/* Pool Skip as one fused operation:  o = y + conv3x3(u),  u = unpool_e(pool_e(y)),  never building u where that wins.
 * Source: Sun et al. 2025 (arXiv 2409.13154); variants as in the reference note (ablations and grid controls).
 *
 * Windows are e x e (e x e x e when depth > 1), stride e, floor division: the remainder rows and columns of a map whose
 * size is not divisible by e belong to no window and get zero in u (PyTorch's floor pooling with output_size given).
 * Ties: first index in scan order; NaN wins (the last one of a window), as in kernels/pooling.h. e = 1: u = y. e is at
 * most 16 (6 in 3D), and the map holds at least one window. */
#ifndef PS_KERNELS_POOL_SKIP_H
#define PS_KERNELS_POOL_SKIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parallel/threads.h"
#include "core/shape.h"
#include "core/status.h"

typedef enum {
    PS_POOL_SKIP_MAX,  /* keep each window's maximum at its place */
    PS_POOL_SKIP_GRID, /* keep the window's first position instead: same sparsity and parameters */
    PS_POOL_SKIP_DENSE /* no pooling: u = y (the conv+skip ablation, and e = 1) */
} ps_pool_skip_select;

typedef struct {
    ps_shape shape; /* of y, u and o */
    int e;
    ps_pool_skip_select select;
    bool skip; /* o = y + path; false: o = path (the pool+conv ablation) */
    bool conv; /* path = conv(u); false: path = u (the pool+skip ablation; no parameters) */
    /* grid only: u is scaled per channel so that its energy on this batch equals the max-pooled one's; the scale is
     * treated as a constant in backward */
    bool match_energy;
    bool cut_forward;  /* mechanism arm: the path is computed and its gradient flows, but it is not added to o */
    bool cut_gradient; /* mechanism arm: the path is added but sends no gradient to y */
} ps_pool_skip_options;

struct ps_pool_skip_plan;
typedef struct ps_pool_skip_plan ps_pool_skip_plan;

/* Chooses the method (a pure function of shape, e and instruction set). Free with ps_pool_skip_plan_destroy. */
ps_status ps_pool_skip_plan_create(const ps_pool_skip_options *options, ps_pool_skip_plan **out);
void ps_pool_skip_plan_destroy(ps_pool_skip_plan *plan);
void ps_pool_skip_plan_describe(const ps_pool_skip_plan *plan, char *text, size_t size);
/* Forces "dense" (u is built) or "sparse" (it is not), for tests and benchmarks; fails where it cannot. */
ps_status ps_pool_skip_plan_force(ps_pool_skip_plan *plan, const char *method_name);
/* Bytes kept from forward to backward (winners' places, packed values), and bytes of scratch. */
size_t ps_pool_skip_save_bytes(const ps_pool_skip_plan *plan);
size_t ps_pool_skip_workspace_bytes(const ps_pool_skip_plan *plan, int threads);

/* Per-channel sums for the instruments; any pointer may be NULL; all are ADDED to. [c], double.
 * forward:  identity_squares sum y^2 (0 without skip), path_squares sum path^2, output_squares sum o^2 and cross, sum
 *           identity * path, added up by itself: output = identity + path + 2 cross within rounding (with cut_forward
 *           the path is not part of o: output = identity, cross stays 0, and the path is worked out only when
 *           forward_path is wanted)
 * backward: the same of the identity's and the path's part of dL/dy and of the whole. */
typedef struct {
    double *forward_identity, *forward_path, *forward_output;
    double *backward_identity, *backward_path, *backward_total;
    double *forward_cross, *backward_cross;
} ps_pool_skip_sums;

/* w [c][3][3][c] (2D) or [c][3][3][3][c] (depth > 1), bias [c]; both NULL when !conv. o is overwritten; it must not
 * alias y.
 */
void ps_pool_skip_forward(const ps_pool_skip_plan *plan, const float *y, const float *w, const float *bias, float *o,
                          void *save, ps_pool_skip_sums sums, void *workspace, ps_threads *threads);
/* The same by methods that err as a plain sum does, without sums and without what backward needs. turn_bound [shape of
 * y]: windows whose runner-up lies within reach of its maximum hand that on (see ps_maxpool_turn); NULL: none does. */
void ps_pool_skip_forward_plain(const ps_pool_skip_plan *plan, const float *y, const float *turn_bound, const float *w,
                                const float *bias, float *o, void *workspace, ps_threads *threads);
/* Bounds of the rounding of o after that call, with the workspace as it left it; y_bound: those of y (rounding.h). That
 * another value of a window wins is not part of them: it moves o by whole values. */
void ps_pool_skip_rounding(const ps_pool_skip_plan *plan, const float *y, const float *y_bound, const float *w,
                           const float *bias, float *bound, void *workspace, ps_threads *threads);
/* dy is overwritten or added to (it must not alias d_o); dw, dbias are overwritten (NULL when !conv).
 * y: the forward input, unchanged; w and save as in forward. */
void ps_pool_skip_backward(const ps_pool_skip_plan *plan, const float *y, const float *w, const float *d_o,
                           const void *save, float *dy, bool accumulate, float *dw, float *dbias,
                           ps_pool_skip_sums sums, void *workspace, ps_threads *threads);

#endif
