/* Pooling on channels-last arrays. Windows are kernel x stride with padding, per dimension (2D: depth 1). Ties: the
 * first index in scan order (d, then h, then w), as PyTorch; NaN wins (the last one of a window) and propagates, as
 * PyTorch. Padding is at most half a window, so that every window holds a position. */
#ifndef PS_KERNELS_POOLING_H
#define PS_KERNELS_POOLING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parallel/threads.h"
#include "core/shape.h"

typedef struct {
    ps_shape in, out; /* out is given: floor((size + 2 pad - kernel) / stride) + 1 */
    int kd, kh, kw, stride_d, stride_h, stride_w, pad_d, pad_h, pad_w;
} ps_pool_window;

/* y [out], index [out]: flat position (z * h + y) * w + x within the image's own input volume, per channel.
 * Padding never wins. index may be NULL. */
void ps_maxpool_forward(const ps_pool_window *window, const float *x, float *y, int32_t *index, ps_threads *threads);
/* Turns near-ties, after ps_maxpool_forward: where the maximum of a window and another value of it differ by no more
 * than PS_ROUNDING_TURN of their bounds [in] together, y and index take the last such value instead. Values alike in
 * themselves and in their bounds are exact ties, which no rounding parts: they stay as they are. */
void ps_maxpool_turn(const ps_pool_window *window, const float *x, const float *bound, float *y, int32_t *index,
                     ps_threads *threads);
/* dx [in] is overwritten or added to: dy goes to each window's winner. */
void ps_maxpool_backward(const ps_pool_window *window, const float *dy, const int32_t *index, float *dx,
                         bool accumulate, ps_threads *threads);
/* y [in shape] is zero except y[index] = x; backward gathers. Indices of one image and channel must differ (stride >=
 * kernel). */
void ps_maxunpool_forward(ps_shape pooled, ps_shape full, const float *x, const int32_t *index, float *y,
                          ps_threads *threads);
void ps_maxunpool_backward(ps_shape pooled, ps_shape full, const float *dy, const int32_t *index, float *dx,
                           bool accumulate, ps_threads *threads);
/* Mean over each window; padded zeros are counted in the divisor (PyTorch's default). */
void ps_avgpool_forward(const ps_pool_window *window, const float *x, float *y, ps_threads *threads);
void ps_avgpool_backward(const ps_pool_window *window, const float *dy, float *dx, bool accumulate,
                         ps_threads *threads);
/* Mean over all positions of an image: y [n][c]. */
void ps_global_avgpool_forward(ps_shape in, const float *x, float *y, ps_threads *threads);
void ps_global_avgpool_backward(ps_shape in, const float *dy, float *dx, bool accumulate, ps_threads *threads);

#endif
