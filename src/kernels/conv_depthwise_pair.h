/* Depthwise convolution by kernels of 3 x 3, two lines of the target at a time; one table of inner loops per
 * instruction set. Private to src/kernels; nothing is owned. The depthwise method (conv_depthwise.c) uses it wherever
 * it fits. */
#ifndef PS_KERNELS_CONV_DEPTHWISE_PAIR_H
#define PS_KERNELS_CONV_DEPTHWISE_PAIR_H

#include <stdbool.h>

#include "kernels/conv_shape.h"
#include "kernels/simd.h"
#include "parallel/threads.h"

/* Weights and their gradients lie in blocks of channels: [channels / 16, rounded up][9 taps][16], zeros beyond the last
 * channel. */
enum { PS_PAIR_BLOCK = 16, PS_PAIR_TAPS = 9, PS_PAIR_LINES = 5 };

typedef struct {
    const float *from; /* NULL: nothing */
    size_t floats;
} ps_depthwise_ahead;

/* One or two lines of y (or of dx) and the lines that they read, of one grid: neighbours of a line lie x_step and
 * y_step floats apart. */
typedef struct {
    int rows, channels;
    int count;   /* positions of a line of y */
    int columns; /* of a line of x */
    int low;     /* the column that the first position's first tap reads: 0, or -1 in the padding */
    size_t x_step, y_step;
    const float *x[PS_PAIR_LINES]; /* NULL in the padding */
    bool accumulate;
    /* What the next pair reads of x and of y beyond this one, fetched meanwhile; in order, since lines of memory that
     * are not near come twice as fast so, and past the nearest cache, which has room for few that are under way. */
    ps_depthwise_ahead ahead[2];
} ps_depthwise_pair;

typedef struct {
    /* y[row][position] (+)= bias + the products of taps [3][3]; stride 1 or 2. Line th + stride * row of x is row's
     * line th. bias may be NULL. */
    void (*sweep)(const ps_depthwise_pair *pair, int stride, const float *weights, const float *bias, float *const *y);
    /* Backward-data of stride 2 and padding 1: two lines (rows 1: the first of them) of dx, `columns` long, from two
     * lines x of dy, `count` long; x[1] may be NULL. */
    void (*spread)(const ps_depthwise_pair *pair, const float *weights, float *const *dx);
    /* sums += the products of x and one or two lines of dy, laid out as for sweep. */
    void (*gradient)(const ps_depthwise_pair *pair, int stride, const float *const *dy, float *sums);
} ps_depthwise_pair_kernels;

PS_SIMD_DECLARE(const ps_depthwise_pair_kernels *, ps_depthwise_pair_kernels_of, void);

/* Whether the pass of a depthwise shape can be done so: 3 x 3, equal strides of 1 or 2, padding that reaches one column
 * of its grid. */
bool ps_depthwise_pair_fits(const ps_conv_shape *shape, ps_conv_pass pass);

/* Floats of weights or of their gradient. */
size_t ps_depthwise_pair_floats(const ps_conv_shape *shape);

/* room: ps_depthwise_pair_floats. */
void ps_depthwise_pair_forward(const ps_conv_shape *shape, const float *x, const float *w, const float *bias, float *y,
                               float *room, ps_threads *threads);
void ps_depthwise_pair_backward_data(const ps_conv_shape *shape, const float *dy, const float *w, float *dx,
                                     bool accumulate, float *room, ps_threads *threads);
/* sums = the gradient over lines [first, last) of dy, lines of all samples counted through. */
void ps_depthwise_pair_gradient(const ps_conv_shape *shape, const float *x, const float *dy, size_t first, size_t last,
                                float *sums);

#endif
