/* How far two label maps agree, from one confusion matrix: counts [classes][classes], [truth][predicted]. Pure
 * functions; all arrays are the caller's. A class that is in neither map has no number (NaN), and is left out of means.
 */
#ifndef PS_TASK_OVERLAP_H
#define PS_TASK_OVERLAP_H

#include <stddef.h>
#include <stdint.h>

/* Adds a pair of maps. Positions whose true label is outside of [0, classes) do not count; predicted ones must be in
 * it. */
void ps_confusion_add(uint64_t *count, int classes, const int16_t *truth, const int16_t *predicted, size_t positions);
/* Adds another matrix. */
void ps_confusion_sum(uint64_t *count, int classes, const uint64_t *more);

/* Share of positions whose class is right; NaN where none counts. */
double ps_confusion_right(const uint64_t *count, int classes);
/* Of class k: intersection over union, TP / (TP + FP + FN), and Dice, 2 TP / (2 TP + FP + FN). */
double ps_confusion_iou(const uint64_t *count, int classes, int k);
double ps_confusion_dice(const uint64_t *count, int classes, int k);

/* Mean of what is a number among `values`; NaN where nothing is. */
double ps_mean_of_numbers(const double *values, size_t count);

#endif
