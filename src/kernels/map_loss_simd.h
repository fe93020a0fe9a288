/* Inside of map_loss.c: loops over blocks of rows, compiled once per instruction set. Not for other rooms. */
#ifndef PS_KERNELS_MAP_LOSS_SIMD_H
#define PS_KERNELS_MAP_LOSS_SIMD_H

#include "kernels/simd.h"

#include <stddef.h>

enum { PS_MAP_BLOCK = 64 /* rows: a multiple of the lanes of a vector */ };

/* Of rows x[0..rows) of c channels, rows <= PS_MAP_BLOCK: p[k][r] the softmax (0 for r >= rows), top[r] the largest
 * output of the row, sum[r] the sum of exp(x - top). */
PS_SIMD_DECLARE(void, ps_map_softmax, const float *x, size_t rows, size_t c, float *p, float *top, float *sum);
/* sum[k] += sum over r of p[k][r] on[r], k < c. */
PS_SIMD_DECLARE(void, ps_map_add, const float *p, const float *on, size_t c, double *sum);

#endif
