/* What a run can be compared by: the numbers of measure_list.def, and the measures of the task on the test split. */
#ifndef PS_ANALYSIS_MEASURES_H
#define PS_ANALYSIS_MEASURES_H

#include "analysis/arms.h"
#include "analysis/contrast.h"

typedef struct {
    const char *name, *title, *unit; /* borrowed: constant, or the arms' */
    ps_better better;
    ps_moment moment;
} ps_run_measure;

/* Those of the list; *count of them. */
const ps_run_measure *ps_run_measures(int *count);
/* Measure m of the arms' task. */
ps_run_measure ps_run_measure_of_task(const ps_arms *arms, int m);
/* By its name in tables; false where there is none of it. arms NULL: of the list alone. */
bool ps_run_measure_find(const ps_arms *arms, const char *name, ps_run_measure *out);

#endif
