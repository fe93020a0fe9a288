/* Layer normalisation over the channels at each position, channels-last; a row is one of the n * d * h * w positions:
 *   mu, var: the row's biased moments    xhat = (x - mu) / sqrt(var + eps)    y = gamma xhat + beta
 * Source: Ba, Kiros & Hinton 2016. A row's moments are two passes over it in single precision; what is summed over
 * rows goes along the batch's tree (parallel/reduce.h), as in norm.h. */
#ifndef PS_KERNELS_LAYER_NORM_H
#define PS_KERNELS_LAYER_NORM_H

#include <stdbool.h>
#include <stddef.h>

#include "core/shape.h"
#include "parallel/threads.h"

size_t ps_layer_norm_workspace_bytes(ps_shape shape);

/* mean, inverse_std: [rows], for backward. y may alias x. */
void ps_layer_norm_forward(const float *x, ps_shape shape, double eps, const float *gamma, const float *beta, float *y,
                           float *mean, float *inverse_std, ps_threads *threads);

typedef struct {
    const float *x, *dy;
    ps_shape shape;
    const float *mean, *inverse_std, *gamma;
    float *dx; /* NULL: not wanted; may alias dy */
    bool accumulate;
    float *dgamma, *dbeta; /* [c], overwritten */
    double *dx_squares;    /* [c], ADDED to; NULL: not wanted */
} ps_layer_norm_backward_call;
void ps_layer_norm_backward(const ps_layer_norm_backward_call *call, void *workspace, ps_threads *threads);

#endif
