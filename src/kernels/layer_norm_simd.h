/* Inside of layer_norm.c: the loops over some rows, compiled once per instruction set. Not for other rooms. */
#ifndef PS_KERNELS_LAYER_NORM_SIMD_H
#define PS_KERNELS_LAYER_NORM_SIMD_H

#include "kernels/layer_norm.h"
#include "kernels/simd.h"

/* Sums per column in a slot (rows.h): gradients of beta and gamma, squares of dx. */
enum { PS_LAYER_NORM_SUMS = 3 };

typedef struct {
    size_t c, width; /* width: columns of a slot, at least c; those behind c stay 0 */
    double eps;
    const float *x, *dy, *gamma, *beta;
    float *y, *mean, *inverse_std, *dx;
    bool accumulate, square;
} ps_layer_norm_job;

PS_SIMD_DECLARE(void, ps_layer_norm_forward_rows, const ps_layer_norm_job *job, size_t first, size_t last);
PS_SIMD_DECLARE(void, ps_layer_norm_backward_rows, const ps_layer_norm_job *job, size_t first, size_t last,
                double *slot);

#endif
