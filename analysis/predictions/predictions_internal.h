/* What the files of this folder share. Downwards: judge.c uses choose.c, measure.c and sentence.c; choose.c and
 * sentence.c use cohort.c; measure.c uses needs.c and hazard.c, which uses cohort.c. */
#ifndef PS_ANALYSIS_PREDICTIONS_INTERNAL_H
#define PS_ANALYSIS_PREDICTIONS_INTERNAL_H

#include "analysis/predictions/predictions.h"
#include "analysis/stats/survival.h"

enum { PS_PRIMARY = -1 }; /* in the place of a variation */

static inline const ps_summary *ps_prediction_summary(const ps_arm_run *run, int variation) {
    return variation == PS_PRIMARY ? &run->summary : &run->varied[variation];
}

/* ---- choose.c: who is compared ---- */

/* The measure of one arm itself, no contrast. */
bool ps_prediction_alone(const ps_prediction_part *part);
/* Averages and events over the course of a run. */
bool ps_prediction_over_time(const ps_prediction_part *part);
/* A contrast of them starts from one function and equal states in both arms: what the arms begin with is no effect of
 * what they do. */
bool ps_prediction_needs_cohort(const ps_prediction *prediction, const ps_prediction_part *part);
/* wanted: 0, any size will do. */
bool ps_prediction_size_fits(const ps_arm *arm, int wanted);
/* The arm that this one is compared with: of several one whose runs were registered, then one that it makes pairs with;
 * NULL: there is none. */
const ps_arm *ps_prediction_partner(const ps_arms *arms, const ps_prediction_part *part, const ps_arm *arm);
/* One arm for all parts of a prediction: of those with the role one that has a partner for every part, those whose runs
 * were registered first (what is compared besides them changes nothing), then e = 2; else the first with the role, so
 * that the sentence can say what it lacks. NULL: no arm has the role. */
const ps_arm *ps_prediction_arm(const ps_arms *arms, const ps_prediction *prediction);

/* ---- cohort.c ---- */

/* Whether both arms are one cohort at the first probe: by design, and with all nodes in equal states, in every pair.
 * Both are known before any outcome. The number of pairs that differ, in either way. */
typedef struct {
    int pairs, other_function, other_states;
} ps_cohort_check;
/* registration: only pairs of its seeds are looked at; NULL: all are. */
ps_cohort_check ps_cohort_check_of(const ps_arm *arm, const ps_arm *against, int variation,
                                   const ps_registration *registration);

enum { PS_COHORT_ALL_LAYERS = -1 };
/* Both arms' nodes of one layer, or of all, in a cohort fixed at the first probe; times count from there. Nodes that
 * either arm saw on the edge there are in neither cohort. ps_free frees *out. */
ps_status ps_cohort_gather(const ps_summary *reference, const ps_summary *arm, bool reopening, int layer,
                           ps_stats_spell **out, size_t *nodes);

/* ---- needs.c: what must be recorded ---- */

/* The first needed quantity that one of the runs has not recorded, NULL: none. */
const char *ps_prediction_first_missing(const ps_prediction *prediction, int variation, const ps_arm_run *run,
                                        const ps_arm_run *partner);
/* Needed quantities that some run of the arms has not recorded, separated by blanks. */
void ps_prediction_list_missing(const ps_prediction *prediction, int variation, const ps_prediction_part_result *part,
                                char *missing, size_t size);

/* ---- measure.c: one part ---- */

/* r->arm and r->against are set. registration: of a question that is judged, so that its seeds are tested; NULL: all
 * pairs that have a value are. */
ps_status ps_prediction_measure(const ps_prediction *prediction, const ps_prediction_part *part, int variation,
                                const ps_registration *registration, ps_prediction_part_result *r);
/* Share of nodes on the edge, mean over the seeds; ps_absent() where one run does not tell. */
double ps_prediction_edge(const ps_arm *arm, int variation);
/* How many values are numbers, and not ranks of runs that diverged. */
int ps_prediction_measured(const ps_prediction_part_result *r);

/* ---- sentence.c: what a result says, and why another says nothing ---- */

void ps_prediction_say_no_arm(const ps_arms *arms, ps_prediction_result *result, const ps_prediction_part *part,
                              const ps_arm *arm);
/* Whether the margin is in points of a share, and the measure of the task is none; says so. */
bool ps_prediction_say_no_margin(ps_prediction_result *result);
/* Of what speaks of death where no node can be exactly dead, and of saturation where every node can. */
bool ps_prediction_say_no_death(ps_prediction_result *result, const ps_prediction_part_result *r);
/* Whether it names the quantity among those it needs. */
bool ps_prediction_asks_for(const ps_prediction *prediction, ps_trace_quantity quantity);
/* Whether the arms of a contrast are no cohort; says why. registration as in ps_cohort_check_of. */
bool ps_prediction_say_no_cohort(ps_prediction_result *result, const ps_prediction_part_result *r, int variation,
                                 const ps_registration *registration);
/* Whether this measured part leaves the prediction untestable; says why. */
bool ps_prediction_say_untestable(ps_prediction_result *result, const ps_prediction_part_result *r);
/* What came out, of a prediction that was tested. */
void ps_prediction_say(ps_prediction_result *r);

#endif
