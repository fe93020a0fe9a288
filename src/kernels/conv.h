/* Convolution on plain channels-last float arrays (the cross-correlation of the deep-learning literature).
 *
 *   x  [n][d][h][w][c]          w  [k][kd][kh][kw][c / groups]   (row k is output channel k's filter: one node)
 *   y  [n][od][oh][ow][k]       bias [k] or NULL
 *   y(n,o,k) = bias(k) + sum over taps t and channels c of  x(n, o * stride - pad + t * dilation, c) * w(k, t, c)
 *   od = (d + 2 pad_d - dilation_d (kd - 1) - 1) / stride_d + 1, and so on; positions outside x count as zero.
 *
 * A plan fixes the method for one shape. The choice is a pure function of the shape and the processor class in use
 * (processor.h; never of the number of threads or of a timing), so that traces stay identical; ps_conv_plan_describe
 * names it. Every method keeps its work in chunks by shape and class and adds the sums over the batch along the
 * batch's tree (parallel/reduce.h).
 *
 * Numerical error, relative L2 against double precision, is stated beside each method and bounded by the tests. */
#ifndef PS_KERNELS_CONV_H
#define PS_KERNELS_CONV_H

#include <stdbool.h>
#include <stddef.h>

#include "parallel/threads.h"
#include "core/status.h"
#include "kernels/conv_shape.h"

struct ps_conv_method;
typedef struct {
    ps_conv_shape shape;
    const struct ps_conv_method *method[PS_CONV_PASSES];
    const struct ps_conv_method *plain; /* forward where rounding decides something: see ps_conv_forward_plain */
    const struct ps_conv_method *plain_transposed; /* the same of ps_conv_transposed */
} ps_conv_plan;

/* Chooses a method for every pass. Allocates nothing. The environment variable PS_CONV names a method to be taken
 * wherever it can do the pass ("gemm", "reference"): a run can so be repeated with other roundings to see what they do
 * to it (as PS_SIMD and PS_CLASS do). Of the plain forward method only the plain ones may take the place. */
ps_status ps_conv_plan_init(ps_conv_plan *plan, const ps_conv_shape *shape);
/* Forces a method by name for every pass it supports ("reference", "gemm", "winograd4", ...); for tests and benchmarks.
 * Fails (PS_ERR_USAGE) where it cannot do this shape. */
ps_status ps_conv_plan_force(ps_conv_plan *plan, const char *method_name);
/* "forward winograd4, backward-data winograd4, backward-weights gemm" */
void ps_conv_plan_describe(const ps_conv_plan *plan, char *text, size_t size);
/* Bytes of scratch memory one call may use with that many threads (largest over the passes); contents need not
 * survive. */
size_t ps_conv_workspace_bytes(const ps_conv_plan *plan, int threads);

/* y is overwritten. workspace: 64-byte aligned, ps_conv_workspace_bytes; NULL allowed where that is 0. */
void ps_conv_forward(const ps_conv_plan *plan, const float *x, const float *w, const float *bias, float *y,
                     void *workspace, ps_threads *threads);
/* The same by a method that errs as a plain sum does (ps_rounding_conv bounds it) and adds up every position in the
 * same order: equal patches give equal bits wherever they lie, a patch of zeros gives the bias itself. */
void ps_conv_forward_plain(const ps_conv_plan *plan, const float *x, const float *w, const float *bias, float *y,
                           void *workspace, ps_threads *threads);
/* dx is overwritten, or added to when accumulate. */
void ps_conv_backward_data(const ps_conv_plan *plan, const float *dy, const float *w, float *dx, bool accumulate,
                           void *workspace, ps_threads *threads);
/* Backward-data as a forward pass, which is what a transposed convolution is: dx is overwritten by it, with bias [c]
 * added to each channel (NULL: none). plain: as ps_conv_forward_plain. */
void ps_conv_transposed(const ps_conv_plan *plan, bool plain, const float *dy, const float *w, const float *bias,
                        float *dx, void *workspace, ps_threads *threads);
/* Gradient of that bias: dbias [c] is overwritten by the sums of `dx`, the gradient of what it was added to. */
void ps_conv_transposed_bias(const ps_conv_shape *shape, const float *dx, float *dbias, void *workspace,
                             ps_threads *threads);
/* Scratch of both. */
size_t ps_conv_transposed_bytes(const ps_conv_plan *plan, int threads);
/* dw is overwritten; dbias [k] is overwritten unless NULL. */
void ps_conv_backward_weights(const ps_conv_plan *plan, const float *x, const float *dy, float *dw, float *dbias,
                              void *workspace, ps_threads *threads);
/* dbias [k] is overwritten. */
void ps_conv_backward_bias(const ps_conv_plan *plan, const float *dy, float *dbias, void *workspace,
                           ps_threads *threads);

#endif
