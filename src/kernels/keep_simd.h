/* Inside of keep.c and attention.c: which elements are kept at random, compiled once per instruction set. Not for other
 * rooms. */
#ifndef PS_KERNELS_KEEP_SIMD_H
#define PS_KERNELS_KEEP_SIMD_H

#include "kernels/keep.h"
#include "kernels/simd.h"

/* factor[i] = 0 or `scale`, for the numbers that ps_rng_uniform draws from index `first` on. */
PS_SIMD_DECLARE(void, ps_keep_factors, ps_rng_key key, uint64_t first, size_t count, float p, float scale,
                float *factor);
PS_SIMD_DECLARE(void, ps_keep_uniform_span, ps_rng_key key, uint64_t first, size_t count, float *out);
/* ps_keep_scale of `count` elements, whose first has the number `first`. */
PS_SIMD_DECLARE(void, ps_keep_scale_span, const ps_keep *keep, const float *x, size_t first, size_t count, bool add,
                float *y);
/* y = x factor, or y += (add). */
PS_SIMD_DECLARE(void, ps_keep_scale_by, const float *x, float factor, size_t count, bool add, float *y);

#endif
