/* Inside of resize.c: loops over lines, compiled once per instruction set. Not for other rooms. */
#ifndef PS_KERNELS_RESIZE_SIMD_H
#define PS_KERNELS_RESIZE_SIMD_H

#include <stddef.h>

#include "kernels/simd.h"

/* out[i] = a[i] + l (b[i] - a[i]); out may be a or b. */
PS_SIMD_DECLARE(void, ps_resize_between, const float *a, const float *b, float l, size_t count, float *out);
/* Of `positions` positions of c channels: position o lies between first[o] and second[o] of the line, l[o] from the
 * first. */
PS_SIMD_DECLARE(void, ps_resize_along, const float *line, const int *first, const int *second, const float *l,
                size_t positions, size_t c, float *out);
/* sum[i] += weight x[i]. */
PS_SIMD_DECLARE(void, ps_resize_add, const float *x, float weight, size_t count, float *sum);

#endif
