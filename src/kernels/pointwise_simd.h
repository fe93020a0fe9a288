/* Inside of pointwise.c: the loops of one chunk, compiled once per instruction set. Not for other rooms. */
#ifndef PS_KERNELS_POINTWISE_SIMD_H
#define PS_KERNELS_POINTWISE_SIMD_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/simd.h"

/* Sums per column in a slot (see rows.h): nonzero, sum, sum of |x|, sum of squares; one for the others. */
enum { PS_SUMMARY_SUMS = 4, PS_POINTWISE_MOST_SUMS = 5 };

/* slot NULL: nothing is counted. Slope 0 is the ReLU. */
PS_SIMD_DECLARE(void, ps_activation_forward_chunk, const float *x, float slope, float *y, size_t width, size_t begin,
                size_t end, double *slot);
/* old: dx, or NULL to overwrite it; zero_row [width] of zeros. */
PS_SIMD_DECLARE(void, ps_activation_backward_chunk, const float *y, const float *dy, float slope, float *dx,
                bool accumulate, const float *zero_row, size_t width, size_t begin, size_t end, double *slot);
/* Adds `images` images of `count` floats each to the slot's sums (c channels, folded to width); sum number
 * PS_SUMMARY_SUMS counts, in its first c columns, the images with a non-zero element. */
PS_SIMD_DECLARE(void, ps_summarise_images, const float *x, size_t images, size_t count, size_t c, size_t width,
                double *slot);
PS_SIMD_DECLARE(void, ps_squares_chunk, const float *x, size_t width, size_t begin, size_t end, double *slot);

PS_SIMD_DECLARE(void, ps_vector_fill_span, float *y, size_t count, float value);
PS_SIMD_DECLARE(void, ps_vector_add_span, const float *a, const float *b, size_t count, float *y);
PS_SIMD_DECLARE(void, ps_vector_axpy_span, float alpha, const float *x, size_t count, float *y);
PS_SIMD_DECLARE(void, ps_vector_scale_span, float alpha, size_t count, float *y);
PS_SIMD_DECLARE(double, ps_vector_squares_span, const float *x, size_t count);
/* x: images of `stride` floats each, of which `count` from x on are looked at. */
PS_SIMD_DECLARE(void, ps_vector_spread_span, const float *x, size_t images, size_t stride, size_t count,
                const float *first, float *most);
PS_SIMD_DECLARE(bool, ps_vector_finite_span, const float *x, size_t count);

#endif
