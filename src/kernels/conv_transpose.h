/* Transposed convolution on plain channels-last float arrays: a convolution's backward-data as a forward pass.
 *
 *   x  [n][d][h][w][c]          w  [k][kd][kh][kw][c / groups]   (row k is output channel k's filter: one node)
 *   y  [n][od][oh][ow][k]       bias [k] or NULL
 *   y(n,o,k) = bias(k) + sum over taps t, positions i with i * stride - pad + t * dilation = o, and channels c of
 *                        x(n, i, c) * w(k, t, c)
 *   od = (d - 1) stride_d - 2 pad_d + dilation_d (kd - 1) + output_pad_d + 1, and so on.
 *
 * Every pass is one of the convolution from y to x, whose weights [c][kd][kh][kw][k / groups] are turned for it; where
 * kernel and stride along w are equal, the taps along w stand beside the channels of y, so that each line of y comes
 * from one matrix product. Errors are those of the convolution's methods. */
#ifndef PS_KERNELS_CONV_TRANSPOSE_H
#define PS_KERNELS_CONV_TRANSPOSE_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/conv.h"

typedef struct {
    ps_conv_shape shape; /* of the convolution from y to x: its c is this one's k */
    ps_conv_plan plan;   /* of that, or of the same with taps beside the channels */
    int merged;          /* taps along w that stand beside a channel; 1: none */
} ps_conv_transpose_plan;

/* shape: of the convolution from y to x; its input positions are y's. */
ps_status ps_conv_transpose_plan_init(ps_conv_transpose_plan *plan, const ps_conv_shape *shape);
size_t ps_conv_transpose_workspace_bytes(const ps_conv_transpose_plan *plan, int threads);

/* y is overwritten. plain: as ps_conv_forward_plain. workspace of all: ps_conv_transpose_workspace_bytes, 64-byte
 * aligned. */
void ps_conv_transpose_forward(const ps_conv_transpose_plan *plan, bool plain, const float *x, const float *w,
                               const float *bias, float *y, void *workspace, ps_threads *threads);
/* dx is overwritten, or added to when accumulate. */
void ps_conv_transpose_backward_data(const ps_conv_transpose_plan *plan, const float *dy, const float *w, float *dx,
                                     bool accumulate, void *workspace, ps_threads *threads);
/* dw is overwritten; dbias [k] is overwritten unless NULL. */
void ps_conv_transpose_backward_weights(const ps_conv_transpose_plan *plan, const float *x, const float *dy, float *dw,
                                        float *dbias, void *workspace, ps_threads *threads);

/* Bounds of the plain forward pass (kernels/rounding.h). workspace: ps_conv_transpose_rounding_bytes. */
void ps_conv_transpose_rounding(const ps_conv_transpose_plan *plan, const float *x, const float *w, const float *bias,
                                float *bound, void *workspace, ps_threads *threads);
size_t ps_conv_transpose_rounding_bytes(const ps_conv_transpose_plan *plan);

#endif
