/* What is kept or dropped at random (dropout): number i has the factor 0 where ps_rng_uniform(key, i) is below p, else
 * `scale`. Nothing is stored: whoever asks again draws the same. */
#ifndef PS_KERNELS_KEEP_H
#define PS_KERNELS_KEEP_H

#include <stdbool.h>
#include <stddef.h>

#include "core/rng.h"
#include "parallel/threads.h"

typedef struct {
    ps_rng_key key;
    float p, scale;
} ps_keep;

/* y = x times the factors of its elements, or y += (add). x may be y. A factor of 0 multiplies: NaN survives. */
void ps_keep_scale(const ps_keep *keep, const float *x, size_t count, bool add, float *y, ps_threads *threads);
/* The same of x[blocks][count], with one factor for each block. */
void ps_keep_scale_blocks(const ps_keep *keep, const float *x, size_t blocks, size_t count, bool add, float *y,
                          ps_threads *threads);

/* The numbers themselves: out[i] = ps_rng_uniform(key, first + i). */
void ps_keep_uniforms(ps_rng_key key, uint64_t first, size_t count, float *out);

#endif
