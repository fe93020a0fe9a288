/* One part of a prediction, measured: who is left out, values, effects, estimate, test and interval. */
#include "analysis/predictions/predictions_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/relation.h"
#include "analysis/stats/order.h"
#include "core/memory.h"

/* Effects stand apart from the result: they are of no use after the test. */
typedef struct {
    ps_prediction_part_result *r;
    const ps_prediction *prediction;
    const ps_prediction_part *part;
    double *effects; /* positive: beyond the margin in the predicted direction */
} part_work;

static ps_status pair_value(const char *statistic, const ps_summary *reference, const ps_summary *arm,
                            ps_prediction_value *v) {
    if (statistic[0] == '@')
        return ps_prediction_log_hazard_ratio(reference, arm, strcmp(statistic, "@reopening") == 0, v);
    const ps_summary_item *item = ps_summary_find(arm, statistic);
    v->value = ps_summary_get(arm, statistic);
    v->cases = item != NULL ? item->cases : 0;
    if (reference == NULL) return PS_OK;
    v->value_arm = v->value;
    v->value_against = ps_summary_get(reference, statistic);
    bool absent = ps_is_absent(v->value_arm) || ps_is_absent(v->value_against);
    v->value = absent ? ps_absent() : v->value_arm - v->value_against;
    return PS_OK;
}

static void leave_out(ps_prediction_part_result *r, long long seed, const char *reason, const char *detail, bool lost) {
    r->left[r->left_count++] = (ps_prediction_left_out){seed, reason, detail, lost};
    r->lost += lost;
}

/* What is known before any value is read; true where the seed was left out. */
static bool left_by_design(part_work *work, const ps_arm_run *run, const ps_arm_run *partner, int variation) {
    ps_prediction_part_result *r = work->r;
    const char *lacking;
    if (r->against != NULL && partner == NULL) {
        leave_out(r, run->seed, "has no run in arm", r->against->name, false);
        return true;
    }
    const ps_relation_pair *pair = partner != NULL ? ps_relation_pair_of(r->arm, run, r->against) : NULL;
    bool differs = pair != NULL && pair->differs[0] != '\0', unverified = pair != NULL && pair->unverified;
    ps_moment moment = ps_prediction_over_time(work->part)            ? PS_OVER_TIME
                       : ps_summary_is_of_loss(work->part->statistic) ? PS_AT_LAST_LOSS
                                                                      : PS_AT_END;
    const char *at = NULL, *unequal = ps_arms_unequal(r->arm, run, r->against, partner, moment, &at);
    if (differs) leave_out(r, run->seed, "is no pair: differs in", pair->differs, true);
    else if (unverified) leave_out(r, run->seed, "the pairing objects of its traces are empty", NULL, true);
    else if (unequal != NULL) leave_out(r, run->seed, unequal, at, true);
    if (differs || unverified || unequal != NULL) return true;
    lacking = ps_prediction_first_missing(work->prediction, variation, run, partner);
    if (lacking != NULL) leave_out(r, run->seed, "has not recorded", lacking, true);
    return lacking != NULL;
}

static uint64_t line_of(const ps_summary *summary, const char *statistic) {
    return ps_summary_line(summary, statistic[0] == '@' ? "dead_mean" : statistic);
}

/* Of a contrast alone: its statistic is what came out, of which a divergence is the worst. What one arm's nodes do is
 * told by what was recorded up to the last finite probe (metric.h); nothing is worst or best there. */
static bool is_ranked(const ps_arm_run *run, const ps_arm_run *partner) {
    return partner != NULL && (run->status == PS_RUN_DIVERGED || partner->status == PS_RUN_DIVERGED);
}

/* The effect of a pair of which a run diverged: the worst there is, the best where the partner alone did, none where
 * both did. */
static double diverged_effect(const ps_arm_run *run, const ps_arm_run *partner) {
    bool arm = run->status == PS_RUN_DIVERGED, other = partner->status == PS_RUN_DIVERGED;
    return arm && other ? 0 : arm ? -INFINITY : INFINITY;
}

/* Why a run or pair gives no finite number. */
static const char *reason_without(const ps_prediction *prediction, const ps_arm_run *run,
                                  const ps_prediction_value *v) {
    if (!ps_is_absent(v->value)) return "gives a number that is not finite";
    if (run->status == PS_RUN_DIVERGED) return "diverged before it had a case to count";
    return prediction->absent != NULL ? prediction->absent : "has no case to count";
}

/* Of the numbers of which an effect is the difference. */
static double size_of(const ps_prediction_value *v, double margin) {
    double size = fabs(margin);
    if (!ps_is_absent(v->observed) && v->variance > 0) return size + (v->observed + v->expected) / v->variance;
    return size + (ps_is_absent(v->value_arm) ? fabs(v->value) : fabs(v->value_arm) + fabs(v->value_against));
}

static ps_status add_run(part_work *work, const ps_arm_run *run, const ps_arm_run *partner, int variation) {
    ps_prediction_part_result *r = work->r;
    const ps_summary *mine = ps_prediction_summary(run, variation),
                     *other = partner != NULL ? ps_prediction_summary(partner, variation) : NULL;
    const char *statistic = work->part->statistic;
    ps_prediction_value *v = &r->values[r->n];
    if (left_by_design(work, run, partner, variation)) return PS_OK;
    *v = (ps_prediction_value){.seed = run->seed, .value = NAN, .trace = run->path};
    v->value_arm = v->value_against = v->observed = v->expected = v->variance = ps_absent();
    v->against_trace = partner != NULL ? partner->path : NULL;
    v->first_line = line_of(mine, statistic);
    v->against_line = other != NULL ? line_of(other, statistic) : 0;
    v->diverged = is_ranked(run, partner);
    if (!v->diverged) PS_TRY(pair_value(statistic, other, mine, v));
    if (!v->diverged && !isfinite(v->value)) {
        leave_out(r, run->seed, reason_without(work->prediction, run, v), NULL, true);
        return PS_OK;
    }
    double beyond = (work->prediction->greater ? 1 : -1) * (v->value - work->part->margin);
    double size = size_of(v, work->part->margin);
    if (fabs(beyond) <= ps_stats_rounding(size)) beyond = 0; /* at the margin, whatever rounding made of it */
    if (!v->diverged) r->size = fmax(r->size, size);
    work->effects[r->n++] = v->diverged ? diverged_effect(run, partner) : v->no_event ? 0 : beyond;
    r->diverged += v->diverged;
    return PS_OK;
}

static int by_seed(const void *a, const void *b) {
    const ps_prediction_left_out *x = a, *y = b;
    return (x->seed > y->seed) - (x->seed < y->seed);
}

static ps_status add_runs(part_work *work, int variation) {
    ps_prediction_part_result *r = work->r;
    for (int i = 0; i < r->arm->run_count && r->n < PS_MOST_SEEDS; i++) {
        const ps_arm_run *run = &r->arm->runs[i];
        PS_TRY(add_run(work, run, r->against != NULL ? ps_relation_partner(r->arm, run, r->against) : NULL, variation));
    }
    for (int i = 0; r->against != NULL && i < r->against->run_count; i++)
        if (ps_relation_partner(r->against, &r->against->runs[i], r->arm) == NULL)
            leave_out(r, r->against->runs[i].seed, "has no run in arm", r->arm->name, false);
    qsort(r->left, (size_t)r->left_count, sizeof *r->left, by_seed);
    return PS_OK;
}

/* Estimate and interval on the scale of the values, on which a diverged run is infinite, or stands at the margin where
 * both diverged. */
static ps_status sum_up(part_work *work, bool primary) {
    ps_prediction_part_result *r = work->r;
    double values[PS_MOST_SEEDS];
    for (int i = 0; i < r->n; i++)
        values[i] = r->values[i].diverged ? work->part->margin + (work->prediction->greater ? 1 : -1) * work->effects[i]
                                          : r->values[i].value;
    double error = ps_stats_rounding(r->size);
    ps_stats_test test = ps_stats_signflip_within(work->effects, r->n, error);
    r->p = test.greater;
    r->p_refute = test.less;
    r->best_p = test.best_one_sided;
    /* shown in no other place */
    if (primary) r->p_wilcoxon = ps_stats_wilcoxon_within(work->effects, r->n, error).greater;
    if (r->diverged == 0) {
        r->estimate = ps_stats_mean(values, (size_t)r->n);
        return ps_stats_interval_of_mean(values, r->n, &r->interval);
    }
    r->interval = ps_stats_interval_of_median(values, r->n);
    r->estimate = ps_stats_median(values, (size_t)r->n);
    return PS_OK;
}

ps_status ps_prediction_measure(const ps_prediction *prediction, const ps_prediction_part *part, int variation,
                                ps_prediction_part_result *r) {
    part_work work = {r, prediction, part, NULL};
    size_t room = (size_t)r->arm->run_count + (r->against != NULL ? (size_t)r->against->run_count : 0) + 1;
    ps_status status = PS_OK;
    PS_TRY(PS_ALLOC(room, &r->values, "values of a prediction"));
    PS_TRY(PS_ALLOC(room, &r->left, "left-out seeds of a prediction"));
    PS_TRY(PS_ALLOC(room, &work.effects, "effects of a prediction"));
    status = add_runs(&work, variation);
    if (status == PS_OK && r->n > 0) status = sum_up(&work, variation == PS_PRIMARY);
    ps_free(work.effects);
    return status;
}

double ps_prediction_edge(const ps_arm *arm, int variation) {
    double sum = 0;
    if (arm == NULL) return ps_absent();
    for (int i = 0; i < arm->run_count; i++) {
        double edge = ps_summary_get(ps_prediction_summary(&arm->runs[i], variation), "edge_mean");
        if (ps_is_absent(edge)) return edge;
        sum += edge;
    }
    return sum / arm->run_count;
}

int ps_prediction_measured(const ps_prediction_part_result *r) { return r->n - r->diverged; }

bool ps_prediction_too_many_lost(const ps_prediction_part_result *r) {
    return r->lost > 0 && (double)r->lost > PS_MOST_LOST * (double)(r->lost + r->n);
}
