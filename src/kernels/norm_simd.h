/* Inside of norm.c: the loops of one chunk [begin, end) of wide rows, compiled once per instruction set. Not for other
 * rooms. */
#ifndef PS_KERNELS_NORM_SIMD_H
#define PS_KERNELS_NORM_SIMD_H

#include <stddef.h>

#include "kernels/norm.h"
#include "kernels/simd.h"

/* Sums per column in a slot of each pass (see rows.h). */
enum {
    PS_NORM_MOMENT_SUMS = 2,
    PS_NORM_APPLY_SUMS = 1,
    PS_NORM_REDUCE_SUMS = 2, /* and one more for the squares */
    PS_NORM_DX_SUMS = 1,
    PS_NORM_MOST_SUMS = 3
};

/* All vectors are spread along a wide row. */
typedef struct {
    size_t width;
    const float *x, *residual;
    const float *mean, *scale, *beta; /* scale = gamma * inverse_std */
    ps_activation activation;         /* never LEAKY with slope 0 */
    float slope;
    float *y;
} ps_norm_apply_job;

typedef struct {
    size_t width;
    const float *x, *y, *dy;
    const float *mean, *inverse_std;     /* pass 1 */
    const float *scale, *offset, *slant; /* pass 2: dx = scale g - offset - slant (x - mean) */
    ps_activation activation;
    float slope;
    float *dx, *dresidual;
    const float *zero_row; /* stands in for the old value where a result is overwritten */
    bool accumulate_x, accumulate_residual;
} ps_norm_backward_job;

/* Sums of (x - pivot) and its square. */
PS_SIMD_DECLARE(void, ps_norm_moments_chunk, const float *x, const float *pivot, size_t width, size_t begin, size_t end,
                double *slot);
/* slot NULL: zeros are not counted. */
PS_SIMD_DECLARE(void, ps_norm_apply_chunk, const ps_norm_apply_job *job, size_t begin, size_t end, double *slot);
/* Sums of g and g * xhat, and with `squares` of g * g. */
PS_SIMD_DECLARE(void, ps_norm_reduce_chunk, const ps_norm_backward_job *job, bool squares, size_t begin, size_t end,
                double *slot);
/* Writes dx and dresidual; slot NULL: squares are not summed. */
PS_SIMD_DECLARE(void, ps_norm_dx_chunk, const ps_norm_backward_job *job, size_t begin, size_t end, double *slot);

#endif
