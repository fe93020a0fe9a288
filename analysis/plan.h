/* What a registration's seeds can and cannot decide, before any compute, and how many a registered effect needs. All
 * powers are those of the exact sign test for normal differences (analysis/stats/sign_test.h, planning.h). */
#ifndef PS_ANALYSIS_PLAN_H
#define PS_ANALYSIS_PLAN_H

#include <stdio.h>

#include "core/status.h"
#include "trace/trace_registration.h"
#include "trace/trace_task.h"

/* The spread of a question's differences over the seeds of a pilot. */
typedef struct {
    int seeds; /* 0: there was no pilot */
    double sd;
    long long seed[PS_REGISTRATION_MOST_SEEDS];
} ps_pilot;

/* Reads it from DIRECTORY/tables of a comparison (prediction_seeds.tsv, else pairs.tsv for a contrast). Of several
 * parts the widest counts. PS_ERR_INPUT where the comparison has no two values of the question. */
ps_status ps_pilot_read(const char *directory, const ps_question *question, ps_pilot *pilot);

/* Pilot seeds leave the test: PS_ERR_INPUT names those that the registration has, too. */
ps_status ps_pilot_check(const ps_pilot *pilot, const ps_registration *registration);

/* What the primary's claim needs: its margin and direction on the scale of its statistic. part: of a prediction with
 * several, the one with the largest margin. */
typedef struct {
    char title[PS_QUESTION_TITLE], claim_of[160];
    double margin;      /* in the predicted direction: below 0 for "not lower by" */
    double lies_beyond; /* by how much the registered effect lies beyond it; NaN where no effect was registered */
    bool level;
} ps_planned_question;
/* task: what the runs are trained for, NULL where no data have been looked at yet. */
ps_status ps_plan_question(const ps_question *question, const ps_trace_task *task, ps_planned_question *planned);

/* A few lines on what these seeds can show, at best and at usual effects. task: as above. */
void ps_plan_describe(const ps_registration *registration, const ps_trace_task *task, FILE *stream);
/* The table of `plan-seeds`: power by number of seeds, and the numbers that the effect needs. power: wanted. */
ps_status ps_plan_print(const ps_registration *registration, const ps_pilot *pilot, double power, FILE *stream);

#endif
