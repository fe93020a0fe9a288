/* Inner loops of the depthwise method, one table per instruction set. Private to src/kernels. Channels lie in
 * vectors. */
#ifndef PS_KERNELS_CONV_DEPTHWISE_H
#define PS_KERNELS_CONV_DEPTHWISE_H

#include <stdbool.h>

#include "kernels/conv_sweep.h"
#include "kernels/simd.h"

enum { PS_DEPTHWISE_LINES = 64 }; /* most lines of a kernel: kd * kh */
enum { PS_DEPTHWISE_AHEAD = 2 };  /* most lines of the source to fetch while one line is worked on */

/* The source lines inside the input that one target line reads, with their weights [kw][c]; and what to fetch into the
 * cache for the line after it: lines of the source that no earlier line read, and the target (NULL: none). */
typedef struct {
    int count, ahead_count;
    const float *source[PS_DEPTHWISE_LINES];
    const float *weights[PS_DEPTHWISE_LINES];
    const float *ahead[PS_DEPTHWISE_AHEAD];
    const float *target_ahead;
} ps_depthwise_lines;

/* A line of dy and the source lines that the kernel's lines read for it, NULL in the padding; and what to fetch
 * meanwhile. */
typedef struct {
    int ahead_count;
    const float *dy;
    const float *source[PS_DEPTHWISE_LINES];
    const float *ahead[PS_DEPTHWISE_AHEAD];
    const float *dy_ahead;
} ps_depthwise_products;

typedef struct {
    /* A line of the target, c channels, overwritten or added to: the positions of one axis after another, which share
     * the source lines (several axes: the residues of a stride). bias may be NULL. */
    void (*line)(const ps_conv_axis *axes, int count, int channels, const ps_depthwise_lines *lines, const float *bias,
                 bool accumulate, float *target);
    /* dw [lines][kw][c] += the products of `count` lines of dy and their sources. */
    void (*gradient)(const ps_conv_axis *axis, int channels, const ps_depthwise_products *products, int count,
                     int lines, float *dw);
} ps_depthwise_kernels;

PS_SIMD_DECLARE(const ps_depthwise_kernels *, ps_depthwise_kernels_of, void);

#endif
