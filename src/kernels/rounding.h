/* How far rounding may have moved a value: bounds of the absolute error beside the values of a layer, [n][d][h][w][c]
 * like these.
 *
 * A sum of n products in single precision, added up one after another, errs by at most n 2^-24 times the sum of its
 * terms' sizes; as errors have either sign, about sqrt(n) 2^-24 times the norm of the partial sums is what it errs by
 * (Higham, "Accuracy and Stability of Numerical Algorithms", 2.8), and these are at most ||w|| ||x||. The bound is
 *      PS_ROUNDING_FACTOR sqrt(n) 2^-24 (||w|| ||x|| + |bias|),     0 where all x are 0: then the sum is the bias.
 * The factor stands for what is not carried along: the errors of the x themselves, which earlier layers made.
 * Carried through every layer in turn, worst case upon worst case, these would outgrow the values within a few layers.
 * Independent errors d_i of the values that a sum reads move it by ||w|| max |d_i|. */
#ifndef PS_KERNELS_ROUNDING_H
#define PS_KERNELS_ROUNDING_H

#include <stdbool.h>
#include <stddef.h>

#include "parallel/threads.h"
#include "core/shape.h"
#include "kernels/conv.h"

#define PS_ROUNDING_FACTOR 8.0
/* Of the sum of two bounds: how near two values must be for rounding to decide which is larger. Errors were measured
 * at a hundredth of their bounds, a tenth at most but for single nodes; a pass in which everything within the whole
 * bounds is turned differs so widely from every real one that it tells little about them. Half of it is too little:
 * tests/calibrate/edge.py looks at 8 networks of 976 nodes under 11 roundings each (AMD EPYC, AVX-512), and at 1/32 one
 * node is dead under one of them and alive under another, with 131 nodes on the edge; at 1/16 none is, with 175. */
#ifndef PS_ROUNDING_TURN
#define PS_ROUNDING_TURN (1.0 / 16)
#endif
#define PS_ROUNDING_UNIT (1.0 / (1 << 24))
/* Of a value made by a few operations: some units of the size of what it is made of. */
#define PS_ROUNDING_FEW (16.0 * PS_ROUNDING_UNIT)

/* PS_ROUNDING_FACTOR sqrt(terms) 2^-24. */
float ps_rounding_of_sum(double terms);
/* norm[row] = factor times the norm of each row of w [rows][length]. */
void ps_rounding_row_norms(const float *w, size_t rows, size_t length, float factor, float *norm);

/* The norm of the values of every position and group of x [positions][groups][group]: norm [positions][groups]. */
void ps_rounding_norms(const float *x, size_t positions, int groups, int group, float *norm, ps_threads *threads);
/* The largest of each position's values: most [positions]. */
void ps_rounding_largest(const float *x, size_t positions, int c, float *most, ps_threads *threads);

/* Of what a convolution adds up at each output position: Q is the norm of all values within reach, R the largest of
 * their own bounds. The sum may be added to another value.
 *      bound = Q row + R row_moved + (Q > 0 ? factor |bias| : 0) + start
 *              + least(few (|bias| + |added_to|), sum, |added_to|)
 * with few = PS_ROUNDING_FEW and sum = Q row_moved + |bias|, the largest that the sum can be: nothing rounds where
 * one of both is 0. */
typedef struct {
    const ps_conv_shape *shape;
    const float *norm;     /* [n][d][h][w][groups]; of either sign, as the values of a depthwise convolution are */
    const float *moved;    /* [n][d][h][w]; NULL: exact */
    const float *added_to; /* [n][od][oh][ow][k], and its bound; both NULL: to nothing */
    const float *start;
    const float *row;       /* [k] */
    const float *row_moved; /* [k]: norms of the rows, with moved */
    const float *bias;      /* [k]; NULL: 0 */
    float factor;
    float *bound; /* [n][od][oh][ow][k] */
} ps_rounding_reach;
void ps_rounding_spread(const ps_rounding_reach *reach, ps_threads *threads);

/* Bounds of ps_conv_forward_plain. workspace: ps_rounding_conv_bytes. */
size_t ps_rounding_conv_bytes(const ps_conv_shape *shape);
void ps_rounding_conv(const ps_conv_shape *shape, const float *x, const float *w, const float *bias, float *bound,
                      void *workspace, ps_threads *threads);

/* bound[i] += PS_ROUNDING_FEW |y[i]|. */
void ps_rounding_add_few(const float *y, size_t count, float *bound, ps_threads *threads);

/* What enters a gate: v = (x - mean) scale + beta + residual, with its bound. All but x may be NULL (mean, scale, beta
 * together). */
typedef struct {
    const float *x, *residual;
    const float *x_bound, *residual_bound; /* both NULL: exact */
    const float *mean, *scale, *beta;      /* [c] */
    const float *extra;                    /* [c], with mean: added to every bound of the channel; NULL: nothing */
    ps_shape shape;
    bool rectified; /* what leaves the gate is bounded: nothing moves it where v cannot reach 0 */
} ps_rounding_entry;
/* The bound of v for every element, or of what leaves. workspace of both: ps_rounding_entry_bytes. */
void ps_rounding_entry_bound(const ps_rounding_entry *entry, float *bound, void *workspace, ps_threads *threads);
/* Of each channel [c]: the largest v - bound, v + bound and v itself, NaN where a value is NaN; the variance of v and
 * the sum of its squares (as accurate as kernels/pointwise.h's). All are overwritten. */
typedef struct {
    float *low, *high, *most, *variance;
    double *squares;
} ps_rounding_extremes;
void ps_rounding_edges(const ps_rounding_entry *entry, ps_rounding_extremes out, void *workspace, ps_threads *threads);
size_t ps_rounding_entry_bytes(ps_shape shape);

#endif
