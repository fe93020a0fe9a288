/* Element-wise kernels and per-channel reductions, channels-last; a row is one of the shape's n * d * h * w positions.
 * Reductions ADD to their result: runs of at most 64 terms in single precision, these in double per chunk, chunks along
 * the batch's tree (parallel/reduce.h; relative error below 1e-6 of the sum of magnitudes; squares of values beyond
 * 1e19 overflow). */
#ifndef PS_KERNELS_POINTWISE_H
#define PS_KERNELS_POINTWISE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/shape.h"
#include "parallel/threads.h"

/* Scratch for any function below that takes a workspace. */
size_t ps_pointwise_workspace_bytes(ps_shape shape);

/* y = x > 0 ? x : slope * x (slope 0: ReLU; +0 for every x <= 0; NaN passes through). y may alias x. zeros[c] may be
 * NULL.
 */
void ps_activation_forward(const float *x, ps_shape shape, float slope, float *y, double *zeros, void *workspace,
                           ps_threads *threads);
/* dx = y <= 0 ? slope * dy : dy, from the output y; overwritten or added to; may alias dy. dx_squares[c] may be NULL.
 * A shut ReLU gives exactly 0 whatever dy is, NaN included; where y is NaN, dy passes (as PyTorch). */
void ps_activation_backward(const float *y, const float *dy, ps_shape shape, float slope, float *dx, bool accumulate,
                            double *dx_squares, void *workspace, ps_threads *threads);

void ps_vector_fill(float *y, size_t count, float value, ps_threads *threads);
void ps_vector_copy(const float *x, size_t count, float *y, ps_threads *threads);
void ps_vector_add(const float *a, const float *b, size_t count, float *y,
                   ps_threads *threads); /* y = a + b; may alias */
void ps_vector_axpy(float alpha, const float *x, size_t count, float *y, ps_threads *threads); /* y += alpha x */
double ps_vector_sum_squares(const float *x, size_t count, ps_threads *threads); /* in double, not over a batch */
bool ps_vector_all_finite(const float *x, size_t count);

/* What a gate's output says of each channel, in one pass; any result pointer may be NULL. All are ADDED to.
 * nonzero[c]: elements != 0 (NaN counts); sum, sum_abs, sum_squares[c];
 * images_active[c]: samples with at least one nonzero element. */
typedef struct {
    double *nonzero, *sum, *sum_abs, *sum_squares, *images_active;
} ps_channel_sums;
void ps_channel_summarise(const float *x, ps_shape shape, ps_channel_sums sums, void *workspace, ps_threads *threads);
/* How far images lie from one of them: most[k] = max(most[k], |x[i][k] - first[k]|) over images i, [count] each. What
 * is not finite stays as NaN. */
void ps_vector_spread(const float *x, size_t images, size_t count, const float *first, float *most,
                      ps_threads *threads);
/* squares[c] += sum over rows of x^2. */
void ps_channel_sum_squares(const float *x, ps_shape shape, double *squares, void *workspace, ps_threads *threads);

#endif
