/* Inside of attention.c: a block of scores [rows][columns], compiled once per instruction set. Not for other rooms. */
#ifndef PS_KERNELS_ATTENTION_SIMD_H
#define PS_KERNELS_ATTENTION_SIMD_H

#include <stddef.h>

#include "kernels/simd.h"

/* Scores become weights. kept [rows][2]: the largest scaled score of each row and one over its sum, which `again` reads
 * instead of finding them. */
PS_SIMD_DECLARE(void, ps_attention_weigh, float *scores, size_t rows, size_t columns, float scale, float *kept,
                int again);
PS_SIMD_DECLARE(void, ps_attention_multiply, const float *factor, size_t count, float *weights);
/* A row of weights p becomes f p, and the gradients g of these become those of the scores, (f p g - p mean) scale.
 * factor NULL: 1. */
PS_SIMD_DECLARE(void, ps_attention_row_gradient, float *weights, float *gradient, const float *factor, size_t count,
                float mean, float scale);
/* below[i] = scale scores[i] - largest: at most 0. */
PS_SIMD_DECLARE(void, ps_attention_below, const float *scores, size_t count, float scale, float largest, float *below);
PS_SIMD_DECLARE(double, ps_attention_dot, const float *a, const float *b, size_t count);

#endif
