/* Softmax cross-entropy over the channels of each row (rows = n for classification, all positions for segmentation). */
#ifndef PS_KERNELS_SOFTMAX_H
#define PS_KERNELS_SOFTMAX_H

#include <stddef.h>
#include <stdint.h>

#include "parallel/threads.h"

/* How labels become targets. With smoothing s, c channels and K of them, a target gives its label the weight 1 - s and
 * every channel s / K besides; where there is another label, the two share that weight. */
typedef struct {
    const int32_t *other; /* [rows] in [0, c) where the row counts; NULL: no other label */
    double share;         /* what the row's own label has of it; the other has 1 - share */
    double smoothing;     /* in [0, 1) */
} ps_soft_labels;

/* rows = samples * rows_per_sample. logits [rows][c]; label [rows] in [0, c), negative: row ignored; a label of c or
 * more makes the loss NaN. Returns the loss summed over the batch's rows that count (double, natural log, along the
 * batch's tree); *correct: rows of the batch whose first maximum is the label, of two the one that has the larger share
 * (NaN is larger than all); *counted: rows of the batch that count. dlogits [rows][c] (NULL: not wanted) = (softmax -
 * target) / counted; zero rows where ignored. soft: NULL where a label is all of its target. */
double ps_softmax_cross_entropy(const float *logits, const int32_t *label, const ps_soft_labels *soft, size_t samples,
                                size_t rows_per_sample, int c, float *dlogits, size_t *correct, size_t *counted,
                                ps_threads *threads);
/* Rows of the batch that count. */
size_t ps_softmax_count(const int32_t *label, size_t rows);

#endif
