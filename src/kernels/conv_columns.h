/* The columns of a convolution (im2col, vol2col in 3D): what its output positions read of the input, one row of a
 * matrix for each position, taps in order and a group's channels within a tap. Shared by the methods gemm and unfold.
 * Private to src/kernels. */
#ifndef PS_KERNELS_CONV_COLUMNS_H
#define PS_KERNELS_CONV_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/conv_shape.h"

enum { PS_COLUMNS_TAPS = 4096 }; /* most of a kernel: the offsets of one position live on the stack */

typedef struct {
    const ps_conv_shape *s;
    int od, oh, ow, cg, kg; /* cg, kg: channels and filters of a group */
    size_t row;             /* floats of a position: taps * cg */
    size_t positions;       /* n * od * oh * ow */
    bool direct;            /* rows are x itself (1x1) */
} ps_columns;

ps_columns ps_columns_of(const ps_conv_shape *shape);
/* Positions [first, first + count) of a group, from x to rows; padding is zero. */
void ps_columns_copy(const ps_columns *columns, const float *x, size_t first, size_t count, int group, float *rows);
/* And back: dx += what of the rows lies inside. */
void ps_columns_add(const ps_columns *columns, const float *rows, size_t first, size_t count, int group, float *dx);

#endif
