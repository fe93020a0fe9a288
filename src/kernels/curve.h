/* Activations that are not straight on both sides, element by element, channels-last:
 *   GELU   x Phi(x), Phi the normal distribution (Hendrycks & Gimpel 2016, exact)   SILU   x / (1 + exp(-x))
 *   ELU    x > 0 ? x : alpha (exp(x) - 1)                                           RELU6  min(max(x, 0), 6)
 *   PReLU  x > 0 ? x : slope[c] x (He et al. 2015)
 * Values and derivatives are within a few units in the last place, in both tails; what is smaller than 1e-38 is 0. NaN
 * passes both ways. Reductions ADD to their result and round as those of pointwise.h. */
#ifndef PS_KERNELS_CURVE_H
#define PS_KERNELS_CURVE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/shape.h"
#include "parallel/threads.h"

typedef enum { PS_CURVE_GELU, PS_CURVE_SILU, PS_CURVE_ELU, PS_CURVE_RELU6 } ps_curve_kind;

typedef struct {
    ps_curve_kind kind;
    float alpha; /* of ELU */
} ps_curve;

/* Where RELU6 is cut off. */
#define PS_CURVE_CEILING 6.0f

/* Scratch for any function below. */
size_t ps_curve_workspace_bytes(ps_shape shape);

/* y may alias x. zeros[c] may be NULL: exact zeros of y. */
void ps_curve_forward(ps_curve curve, const float *x, ps_shape shape, float *y, double *zeros, void *workspace,
                      ps_threads *threads);
/* dx = f'(x) dy, overwritten or added to; may alias dy. RELU6 may be given its output for x: what is 0 or less or 6 or
 * more gives exactly 0, whatever dy is. dx_squares[c] may be NULL. */
void ps_curve_backward(ps_curve curve, const float *x, const float *dy, ps_shape shape, float *dx, bool accumulate,
                       double *dx_squares, void *workspace, ps_threads *threads);
/* count[c]: elements of x at which the size of the derivative is below `least`. */
void ps_curve_count_flat(ps_curve curve, const float *x, ps_shape shape, float least, double *count, void *workspace,
                         ps_threads *threads);

/* y may not alias x: backward reads it. slope[c]. */
void ps_prelu_forward(const float *x, ps_shape shape, const float *slope, float *y, double *zeros, void *workspace,
                      ps_threads *threads);
/* dx as above, NULL where it is not wanted; dslope[c]: the sum of x dy where x is not above 0. */
void ps_prelu_backward(const float *x, const float *dy, ps_shape shape, const float *slope, float *dx, bool accumulate,
                       double *dslope, double *dx_squares, void *workspace, ps_threads *threads);

#endif
