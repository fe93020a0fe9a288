/* The evaluation of a segmentation sample by sample, for evaluations of a run and for predictions that are written. */
#ifndef PS_TASK_SEGMENTATION_H
#define PS_TASK_SEGMENTATION_H

#include "task/cases.h"

typedef struct ps_segmentation ps_segmentation;

/* Of one sample: what `found` says, and each measure of the task of each class (of means over cases the case's own
 * number): value [measures][classes], NaN: none. Borrowed until the next. */
typedef struct {
    ps_case found;
    const double *value;
} ps_segmentation_case;

/* on is borrowed, and must stay until closing. */
ps_status ps_segmentation_open(const ps_task_split *on, ps_segmentation **out);
void ps_segmentation_close(ps_segmentation *segmentation);
/* Sample `index` of the split; each is to be asked for once. */
ps_status ps_segmentation_run(ps_segmentation *segmentation, int index, ps_segmentation_case *out);
/* The measures of all samples so far. */
void ps_segmentation_sum_up(const ps_segmentation *segmentation, ps_evaluation *out);

#endif
