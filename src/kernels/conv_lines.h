/* Inner loops of the lines method (products along lines of the source, nothing gathered), one table per instruction
 * set. Private to src/kernels. See conv_sweep.h for sweeps. */
#ifndef PS_KERNELS_CONV_LINES_H
#define PS_KERNELS_CONV_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/simd.h"

enum {
    PS_LINES_SEGMENTS = 128, /* most stretches of memory that make up a row of the product */
    PS_LINES_ROWS = 12,      /* rows of a block of the weight gradient */
    PS_LINES_RUN_ROWS = 25,  /* and of one whose rows come in runs, with a single vector of 16 lanes */
    PS_LINES_LEAST_RUN = 3,
    PS_LINES_MOST_RUN = 5
};

/* Stretch i of the row of position p: `length` floats at from + p * step, times the panel's rows from `at` on. */
typedef struct {
    const float *from;
    size_t at, length;
} ps_lines_segment;

/* `count` positions of one line: sums over the segments to channels [0, channels) of each target, at most two
 * vectors. */
typedef struct {
    ps_lines_segment segment[PS_LINES_SEGMENTS];
    int segments, channels;
    size_t count, step, target_step;
    const float *panel; /* [depth][2 vectors], one vector where that is enough */
    const float *bias;  /* NULL: from zero */
    bool accumulate;    /* onto the target */
    float *target;
    const float *ahead; /* NULL, or what is fetched meanwhile for later: as many floats as the target gets */
} ps_lines_product;

/* sum[r][0..2 vectors) += over lines and positions of from[r][line * line_step + p * step] * dy[line * dy_line + p *
 * dy_step]. */
typedef struct {
    const float *from[PS_LINES_RUN_ROWS];
    int rows, channels;
    int run; /* 0, or so many rows at a time are next to each other in memory; rows is a multiple of it */
    size_t lines, count, line_step, step, dy_line, dy_step, sum_step;
    const float *dy;
    bool accumulate;
    float *sum;
    const float *ahead; /* NULL, or what is fetched meanwhile for later: as many floats as are read of dy */
} ps_lines_outer;

typedef struct {
    int lanes;
    void (*multiply)(const ps_lines_product *product);
    void (*outer)(const ps_lines_outer *outer);
    /* dw[k][j] = sums[j][k] for `rows` j and `channels` k. */
    void (*turn)(const float *sums, size_t sum_step, size_t rows, size_t channels, float *dw, size_t dw_step);
} ps_lines_kernels;

PS_SIMD_DECLARE(const ps_lines_kernels *, ps_lines_kernels_of, void);

#endif
