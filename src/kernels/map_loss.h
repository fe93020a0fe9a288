/* Losses of label maps: cross-entropy with a weight for each class, soft Dice, or their sum, of the softmax over the
 * channels of each row. Made for maps of millions of rows with few channels.
 *
 * Cross-entropy, as PyTorch's: sum over the rows that count of w[label] (-log p[label]), over the sum of their w.
 * Soft Dice, as nnU-Net's (MemoryEfficientSoftDiceLoss): of each class and sample, over the rows that count,
 *     dice = (2 sum p[label is k] + smooth) / max(sum p + sum [label is k] + smooth, 1e-8);
 * the loss is 1 - its mean over samples and classes (nnU-Net's own number is smaller by 1). With `batch_dice` the sums
 * run over the batch. Class 0 counts with `background` alone. */
#ifndef PS_KERNELS_MAP_LOSS_H
#define PS_KERNELS_MAP_LOSS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "parallel/threads.h"

enum { PS_MAP_LOSS_MOST_CHANNELS = 256 };

typedef struct {
    bool cross_entropy, dice; /* what is added up */
    const float *weight;      /* [c] of each class in the cross-entropy; NULL: all 1 */
    bool batch_dice, background;
    double smooth;
} ps_map_loss;

/* Outputs x [samples][rows][c], label [samples][rows] in [0, c), negative: does not count. */
typedef struct {
    const float *x;
    const int32_t *label;
    size_t samples, rows;
    int c; /* at most PS_MAP_LOSS_MOST_CHANNELS; with Dice without background at least 2 */
} ps_map_batch;

/* Doubles of scratch memory for the two below; for so many samples or fewer. */
size_t ps_map_loss_room(size_t samples, int c);
/* dx [samples][rows][c], overwritten: the gradient; NULL: not wanted. *counted: rows of the batch that count; 0 where
 * none has a weight. The loss is NaN where nothing counts and where a label is c or more. Cross-entropy is no part of a
 * sum with Dice where all that counts has weight 0. */
double ps_map_loss_value(const ps_map_loss *loss, const ps_map_batch *batch, float *dx, size_t *counted, double *room,
                         ps_threads *threads);
/* dx_dot [samples][rows][c], overwritten: how that gradient moves as x moves along x_dot. */
void ps_map_loss_tangent(const ps_map_loss *loss, const ps_map_batch *batch, const float *x_dot, float *dx_dot,
                         double *room, ps_threads *threads);

/* p [rows][c] = softmax of each row of x [rows][c]. */
void ps_map_probabilities(const float *x, size_t rows, int c, float *p, ps_threads *threads);

#endif
