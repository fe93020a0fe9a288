/* Inside of rounding.c: loops compiled once per instruction set. Not for other rooms. */
#ifndef PS_KERNELS_ROUNDING_SIMD_H
#define PS_KERNELS_ROUNDING_SIMD_H

#include "kernels/rounding.h"
#include "kernels/simd.h"

/* Of a wide row (see rows.h); all vectors are spread along it, and size is |mean scale| + |beta|, each times
 * PS_ROUNDING_FEW. */
typedef struct {
    size_t width;
    const float *x, *residual, *x_bound, *residual_bound;
    const float *mean, *scale, *beta, *size;
    bool rectified; /* the bound is that of what leaves the gate */
    float *bound;   /* elementwise, or NULL: */
    /* [width] of the chunk each; overwritten, and running is scratch [2][width] */
    float *low, *high, *most, *running;
    double *sums; /* [2][width]: of v and of its square */
} ps_rounding_entry_job;

PS_SIMD_DECLARE(void, ps_rounding_entry_chunk, const ps_rounding_entry_job *job, size_t begin, size_t end);
/* norm[i] of count stretches of `length` floats each. */
PS_SIMD_DECLARE(void, ps_rounding_norms_chunk, const float *x, size_t count, size_t length, float *norm);
PS_SIMD_DECLARE(void, ps_rounding_largest_chunk, const float *x, size_t count, size_t length, float *most);
/* One output position, `count` channels; factor: of the biases, few: of what is added to. */
typedef struct {
    float norm, moved, factor;
    const float *added_to, *start, *row, *row_moved, *bias;
    float *bound;
} ps_rounding_spread_job;
PS_SIMD_DECLARE(void, ps_rounding_spread_row, const ps_rounding_spread_job *job, size_t count);
/* `positions` of them, `step` floats apart in what is [k] per position: norm is the root of squares[i], moved is
 * moved[i]. */
PS_SIMD_DECLARE(void, ps_rounding_spread_rows, const ps_rounding_spread_job *first, const double *squares,
                const float *moved, size_t positions, size_t step, size_t count);

/* A line of output positions of a depthwise convolution. x: the first source position of the line along w, at the first
 * tap along d and h within reach, of taps[axis] there, their floats step[axis] apart. */
typedef struct {
    const float *x;
    size_t taps[2], step[2];
    size_t w, taps_w, stride, dilation, pad; /* along w */
    size_t outputs, channels;
    const float *row, *bias; /* [channels]; bias: NULL: 0 */
    float factor;
    float *bound; /* [outputs][channels] */
} ps_rounding_depthwise_job;
/* 0: not done, for the kernel is too wide. */
PS_SIMD_DECLARE(int, ps_rounding_spread_depthwise, const ps_rounding_depthwise_job *job);

/* squares[i] += norm[i step]^2, most[i] = the larger of itself and moved[i step] (NULL: not wanted). */
PS_SIMD_DECLARE(void, ps_rounding_add_reach, const float *norm, const float *moved, size_t step, size_t count,
                double *squares, float *most);

#endif
