/* What rules ask of series over steps: where they stand, how low they were, and whether a run has learned. */
#ifndef PS_ANALYSIS_FINDINGS_CURVE_H
#define PS_ANALYSIS_FINDINGS_CURVE_H

#include "analysis/findings/finding.h"
#include "analysis/json_scan.h"

/* Median of the values from index `first` up to `end`, which is not among them; what is not finite counts as infinite.
 * ps_absent(): none. */
double ps_curve_median(const ps_fact_series *series, size_t first, size_t end);
/* The same of the first, and of the last, `share` of the values, one at least. */
double ps_curve_head(const ps_fact_series *series, double share);
double ps_curve_tail(const ps_fact_series *series, double share);
/* Line of the trace of a value; 0: there is none. */
uint64_t ps_curve_line(const ps_fact_series *series, size_t index);
uint64_t ps_curve_last_line(const ps_fact_series *series);

/* The course of the training loss, by medians of blocks of a tenth of the steps, three at least. */
typedef struct {
    double start, last, low; /* of the first block, of the last, and of the lowest */
    size_t low_at;           /* index of the lowest block's last value */
} ps_loss_course;
/* false: fewer than ten steps were recorded. */
bool ps_loss_course_of(const ps_facts *facts, ps_loss_course *out);

/* Whether the run has learned something: its loss has come down from what a guess costs (or, where that is not known,
 * from its start) by a twentieth. PS_JUDGED_UNKNOWN: too few steps. */
ps_judgement ps_curve_learned(const ps_facts *facts);

/* The training loss at so large a share of the way from the least that the labels allow up to what a guess costs. */
double ps_curve_level(const ps_facts *facts, double share);

/* Median over the layers with weights of their own of a fact's medians over the last half of the run (or, with peak, of
 * its largest values); ps_absent(): known of none. */
double ps_curve_of_layers(const ps_facts *facts, ps_layer_fact fact, bool peak);

#endif
