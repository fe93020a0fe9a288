/* Inside of attention.c: a block of scores [rows][columns], compiled once per instruction set. Not for other rooms. */
#ifndef PS_KERNELS_ATTENTION_SIMD_H
#define PS_KERNELS_ATTENTION_SIMD_H

#include <stddef.h>

#include "kernels/simd.h"

/* Rows of scores `step` floats apart, which is a multiple of 16: what lies behind a row is read and written with it. */
typedef struct {
    float *scores;
    size_t rows, columns, step;
    float scale;
} ps_attention_scores;

/* weights [rows][columns], rows `step` floats apart: of the scores, in whose place they may lie; the scores are spent.
 * kept [rows][2]: the largest scaled score of each row and one over its sum. */
PS_SIMD_DECLARE(void, ps_attention_weigh, const ps_attention_scores *scores, float *kept, float *weights, size_t step);
/* The same weights of the same scores in their place, by what was kept. */
PS_SIMD_DECLARE(void, ps_attention_weigh_again, const ps_attention_scores *scores, const float *kept);
PS_SIMD_DECLARE(void, ps_attention_multiply, const float *weights, const float *factor, size_t count, float *dropped);
/* The gradients g of a row's dropped weights d = f p become those of the scores, (d g - p mean) scale. dropped may be
 * the weights p themselves. factor NULL: nothing is dropped, nor written to it. */
PS_SIMD_DECLARE(void, ps_attention_row_gradient, const float *weights, float *gradient, const float *factor,
                size_t count, float mean, float scale, float *dropped);
/* out[r * out_row] = the product of row r of a and b [size]. */
PS_SIMD_DECLARE(void, ps_attention_dots, const float *a, size_t a_row, size_t rows, const float *b, size_t size,
                float *out, size_t out_row);
/* below[i] = scale scores[i] - largest: at most 0. */
PS_SIMD_DECLARE(void, ps_attention_below, const float *scores, size_t count, float scale, float largest, float *below);
PS_SIMD_DECLARE(float, ps_attention_dot, const float *a, const float *b, size_t count);

#endif
