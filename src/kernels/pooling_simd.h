/* Inside of the pooling kernels: loops over channels, compiled once per instruction set. Not for other rooms. */
#ifndef PS_KERNELS_POOLING_SIMD_H
#define PS_KERNELS_POOLING_SIMD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/pointwise_simd.h"
#include "kernels/simd.h"

/* One position of a window: best and index (may be NULL) take x where it is larger or NaN, or everywhere when
 * `first`. */
PS_SIMD_DECLARE(void, ps_pool_max_tap, const float *x, size_t c, int32_t place, bool first, float *best,
                int32_t *index);
/* mean[c_used] over `count` rows of stride c; sums in double. c_used <= 64. */
PS_SIMD_DECLARE(void, ps_pool_mean_strip, const float *x, size_t count, size_t c, size_t c_used, float *mean);

#endif
