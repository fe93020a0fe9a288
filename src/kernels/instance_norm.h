/* Instance normalisation, fused with what follows it as in norm.h: the moments are those of each channel of each sample
 * over its positions, in every mode; there are no running statistics. Channels-last.
 *   mu, var: biased moments of (sample, channel)      v = gamma (x - mu) / sqrt(var + eps) + beta (+ residual)
 * Activation, NaN and the error of the moments: norm.h. What is summed over a sample is added in the order of its
 * chunks, over the batch along its tree (parallel/reduce.h). Source: Ulyanov, Vedaldi & Lempitsky 2016. */
#ifndef PS_KERNELS_INSTANCE_NORM_H
#define PS_KERNELS_INSTANCE_NORM_H

#include "kernels/norm.h"

size_t ps_instance_norm_workspace_bytes(ps_shape shape);

/* mean, inverse_std [n][c]. */
void ps_instance_norm_statistics(const float *x, ps_shape shape, double eps, float *mean, float *inverse_std,
                                 void *workspace, ps_threads *threads);
/* As ps_norm_apply, with mean and inverse_std [n][c]; gamma and beta may be NULL together: 1 and 0. */
void ps_instance_norm_apply(const ps_norm_apply_call *call, void *workspace, ps_threads *threads);
/* As ps_norm_backward, with mean and inverse_std [n][c] and never frozen; gamma, dgamma and dbeta may be NULL. */
void ps_instance_norm_backward(const ps_norm_backward_call *call, void *workspace, ps_threads *threads);

#endif
