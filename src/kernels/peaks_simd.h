/* Multiply-adds that never touch memory, once per instruction set. */
#ifndef PS_KERNELS_PEAKS_SIMD_H
#define PS_KERNELS_PEAKS_SIMD_H

#include <stddef.h>

#include "kernels/simd.h"

/* Does `rounds` rounds and says in *flops how many operations that were. The result is returned so that none of it can
 * be left out. */
PS_SIMD_DECLARE(float, ps_peak_multiply_adds, size_t rounds, double *flops);

#endif
