/* Inside of curve.c: the loops of one chunk [begin, end) of wide rows, compiled once per instruction set. Not for other
 * rooms. */
#ifndef PS_KERNELS_CURVE_SIMD_H
#define PS_KERNELS_CURVE_SIMD_H

#include "kernels/curve.h"
#include "kernels/simd.h"

/* Sums per column in a slot (rows.h): zeros, or squares and the slope's gradient, or what is flat. */
enum { PS_CURVE_MOST_SUMS = 2 };

typedef struct {
    ps_curve curve;
    const float *slope; /* of PReLU, spread along a wide row; NULL: the curve */
    size_t width;
    const float *x, *dy;
    float *y, *dx; /* dx NULL: not wanted */
    bool accumulate, square;
    float least; /* below it a derivative is flat */
} ps_curve_job;

/* slot NULL: nothing is counted. PReLU's slot holds the slope's gradient first, then the squares. */
PS_SIMD_DECLARE(void, ps_curve_forward_chunk, const ps_curve_job *job, size_t begin, size_t end, double *slot);
PS_SIMD_DECLARE(void, ps_curve_backward_chunk, const ps_curve_job *job, size_t begin, size_t end, double *slot);
PS_SIMD_DECLARE(void, ps_curve_flat_chunk, const ps_curve_job *job, size_t begin, size_t end, double *slot);
PS_SIMD_DECLARE(void, ps_prelu_forward_chunk, const ps_curve_job *job, size_t begin, size_t end, double *slot);
PS_SIMD_DECLARE(void, ps_prelu_backward_chunk, const ps_curve_job *job, size_t begin, size_t end, double *slot);

#endif
