/* Batch normalisation fused with what follows it: residual add and (leaky) ReLU, in as few passes over memory as
 * possible. Channels-last; a row is one of the shape's n * d * h * w positions.
 *   mu, var: biased batch moments per channel     xhat = (x - mu) / sqrt(var + eps)     v = gamma xhat + beta (+
 *                                                 residual)
 *   y = v > 0 or no activation ? v : slope * v    (slope 0: ReLU, +0 for every v <= 0, derivative 0 there as in
 *                                                 PyTorch)
 * NaN passes the activation both ways; a shut ReLU gives exactly zero gradient, whatever arrives. Statistics are taken
 * about a pivot near the mean: runs of at most 64 rows in single precision, these in double per chunk, chunks along the
 * batch's tree (parallel/reduce.h; relative error of the variance below 1e-6 while |mean| is below 1000 standard
 * deviations). Source: Ioffe & Szegedy
 * 2015. */
#ifndef PS_KERNELS_NORM_H
#define PS_KERNELS_NORM_H

#include <stdbool.h>
#include <stddef.h>

#include "core/shape.h"
#include "parallel/threads.h"

#define PS_ACTIVATIONS(ACTIVATION) \
    ACTIVATION(NONE, "none")       \
    ACTIVATION(RELU, "relu")       \
    ACTIVATION(LEAKY_RELU, "leaky_relu")
typedef enum {
#define ACTIVATION(name, word) PS_ACT_##name,
    PS_ACTIVATIONS(ACTIVATION)
#undef ACTIVATION
        PS_ACTIVATION_COUNT
} ps_activation;

size_t ps_norm_workspace_bytes(ps_shape shape);

/* mean[c], inverse_std[c] of the batch; unbiased_variance[c] (biased when there is one row; for the running buffer)
 * unless NULL. */
void ps_norm_statistics(const float *x, ps_shape shape, double eps, float *mean, float *inverse_std,
                        float *unbiased_variance, void *workspace, ps_threads *threads);

/* One forward pass. What is NULL or 0 may be left out. */
typedef struct {
    const float *x, *residual; /* residual NULL: there is none */
    ps_shape shape;
    const float *mean, *inverse_std, *gamma, *beta; /* [c] */
    ps_activation activation;
    float slope;
    float *y;      /* overwritten; may alias x or residual */
    double *zeros; /* [c], may be NULL: the number of exact zeros of y per channel is ADDED to it */
} ps_norm_apply_call;

void ps_norm_apply(const ps_norm_apply_call *call, void *workspace, ps_threads *threads);

/* One backward pass. What is NULL, false or 0 may be left out. */
typedef struct {
    const float *x, *dy;
    const float *y; /* the forward output: its sign is the activation's mask; ignored for PS_ACT_NONE */
    ps_shape shape;
    const float *mean, *inverse_std, *gamma; /* [c] */
    ps_activation activation;
    float slope;
    bool frozen;                            /* mean and inverse_std are constants; else statistics of this batch */
    float *dx;                              /* NULL: neither dx nor dresidual is wanted; may alias dy */
    float *dresidual;                       /* NULL: there is none; may alias dy when dx does not */
    bool accumulate_x, accumulate_residual; /* added to dx or dresidual, which else are overwritten */
    float *dgamma, *dbeta;                  /* [c], overwritten */
    /* [c], each may be NULL; ADDED to: the sum of squares of this call's contribution to dx, and of the gradient behind
     * the activation, dL/dv. */
    double *dx_squares, *gate_squares;
} ps_norm_backward_call;

/* Gradients through activation, residual add and normalisation. */
void ps_norm_backward(const ps_norm_backward_call *call, void *workspace, ps_threads *threads);

#endif
