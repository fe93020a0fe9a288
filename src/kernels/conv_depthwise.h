/* Inner loops of the depthwise method, one table per instruction set. Private to src/kernels. Channels lie in vectors. */
#ifndef PS_KERNELS_CONV_DEPTHWISE_H
#define PS_KERNELS_CONV_DEPTHWISE_H

#include <stdbool.h>

#include "kernels/conv_sweep.h"
#include "kernels/simd.h"

enum { PS_DEPTHWISE_LINES = 64 }; /* most lines of a kernel: kd * kh */

/* The source lines inside the input that one target line reads, with their weights [kw][c]. */
typedef struct {
    int count;
    const float *source[PS_DEPTHWISE_LINES];
    const float *weights[PS_DEPTHWISE_LINES];
} ps_depthwise_lines;

typedef struct {
    /* One line of the target, w.count positions w.target_step apart from `target` on, overwritten or added to. */
    void (*line)(const ps_conv_sweep *sweep, const ps_depthwise_lines *lines, const float *bias, bool accumulate, float *target);
    /* dw [kw][c] += the products of a line of dy and one source line. */
    void (*gradient)(const ps_conv_sweep *sweep, const float *source, const float *dy, float *dw);
} ps_depthwise_kernels;

PS_SIMD_DECLARE(const ps_depthwise_kernels *, ps_depthwise_kernels_of, void);

#endif
