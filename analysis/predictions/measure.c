/* One part of a prediction, measured: who is left out, values, test and bounds. */
#include "analysis/predictions/predictions_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/relation.h"
#include "analysis/stats/order.h"
#include "analysis/stats/sequential.h"
#include "core/memory.h"

typedef struct {
    ps_prediction_part_result *r;
    const ps_prediction *prediction;
    const ps_prediction_part *part;
    const ps_registration *registration; /* of a judged question; NULL: all pairs that gave a value are tested */
    double *difference;                  /* of the values: in the predicted direction, NaN for neither side */
    ps_stats_risk_set *sets;             /* of "@...": of all pairs, one behind another */
    size_t sets_count, sets_capacity;
} part_work;

/* The pair's risk sets are kept beside the others', for the one ratio that fits them all. */
static ps_status hazard_value(part_work *work, const ps_summary *reference, const ps_summary *arm,
                              ps_prediction_value *v) {
    ps_stats_risk_set *sets = NULL;
    size_t count = 0;
    bool reopening = strcmp(work->part->statistic, "@reopening") == 0;
    PS_TRY(ps_prediction_log_hazard_ratio(reference, arm, reopening, work->part->margin, v, &sets, &count));
    ps_status status = PS_GROW(&work->sets, &work->sets_capacity, work->sets_count + count + 1, "risk sets");
    if (status == PS_OK && count > 0) memcpy(work->sets + work->sets_count, sets, count * sizeof *sets);
    if (status == PS_OK) work->sets_count += count;
    ps_free(sets);
    return status;
}

static ps_status pair_value(part_work *work, const ps_summary *reference, const ps_summary *arm,
                            ps_prediction_value *v) {
    const char *statistic = work->part->statistic;
    if (statistic[0] == '@') return hazard_value(work, reference, arm, v);
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
    if (work->registration != NULL && !ps_registration_has_seed(work->registration, run->seed)) {
        leave_out(r, run->seed, "is none of the registered seeds", NULL, false);
        return true;
    }
    if (r->against != NULL && partner == NULL) {
        leave_out(r, run->seed, "has no run in arm", r->against->name, false);
        return true;
    }
    const ps_relation_pair *pair = partner != NULL ? ps_relation_pair_of(r->arm, run, r->against) : NULL;
    bool any_pair = work->prediction->any_pair; /* it asks of whole runs, whatever else they differ in */
    bool differs = pair != NULL && pair->differs[0] != '\0' && !any_pair;
    bool unverified = pair != NULL && pair->unverified && !any_pair;
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

/* Where a pair lies of which a run diverged: on the worst side, on the best one where the partner alone did, on neither
 * where both did. */
static double diverged_difference(const part_work *work, const ps_arm_run *run, const ps_arm_run *partner) {
    bool arm = run->status == PS_RUN_DIVERGED, other = partner->status == PS_RUN_DIVERGED;
    double worst = work->prediction->divergence_favours ? INFINITY : -INFINITY;
    return arm && other ? (double)NAN : arm ? worst : -worst;
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
    if (isinf(v->value)) return size;
    return size + (ps_is_absent(v->value_arm) ? fabs(v->value) : fabs(v->value_arm) + fabs(v->value_against));
}

static double sign_of(const ps_prediction *prediction) { return prediction->greater ? 1 : -1; }

static ps_status add_run(part_work *work, const ps_arm_run *run, const ps_arm_run *partner, int variation) {
    ps_prediction_part_result *r = work->r;
    const ps_summary *mine = ps_prediction_summary(run, variation),
                     *other = partner != NULL ? ps_prediction_summary(partner, variation) : NULL;
    const char *statistic = work->part->statistic;
    ps_prediction_value *v = &r->values[r->n];
    if (left_by_design(work, run, partner, variation)) return PS_OK;
    *v = (ps_prediction_value){.seed = run->seed, .value = NAN, .trace = run->path};
    v->value_arm = v->value_against = v->observed = v->expected = ps_absent();
    v->events_arm = v->events_against = ps_absent();
    v->against_trace = partner != NULL ? partner->path : NULL;
    v->first_line = line_of(mine, statistic);
    v->against_line = other != NULL ? line_of(other, statistic) : 0;
    v->diverged = is_ranked(run, partner);
    if (!v->diverged) PS_TRY(pair_value(work, other, mine, v));
    bool infinite_ratio = statistic[0] == '@' && isinf(v->value);
    if (!v->diverged && !v->no_event && !isfinite(v->value) && !infinite_ratio) {
        leave_out(r, run->seed, reason_without(work->prediction, run, v), NULL, true);
        return PS_OK;
    }
    if (!v->diverged && !v->no_event) r->size = fmax(r->size, size_of(v, work->part->margin));
    work->difference[r->n++] = v->diverged   ? diverged_difference(work, run, partner)
                               : v->no_event ? (double)NAN
                                             : sign_of(work->prediction) * v->value;
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

/* ---- the test ---- */

/* What is tested: of a judged question every registered seed in its order, NaN where it has no value. */
static int gather(const part_work *work, double *d) {
    const ps_prediction_part_result *r = work->r;
    if (work->registration == NULL) {
        memcpy(d, work->difference, (size_t)r->n * sizeof *d);
        return r->n;
    }
    for (int s = 0; s < work->registration->seeds; s++) {
        d[s] = NAN;
        for (int i = 0; i < r->n; i++)
            if (r->values[i].seed == work->registration->seed[s]) d[s] = work->difference[i];
    }
    return work->registration->seeds;
}

bool ps_prediction_seed_ended(const ps_prediction_part_result *part, long long seed) {
    const ps_arm_run *run = ps_arm_find_seed(part->arm, seed);
    const ps_arm_run *partner = part->against != NULL ? ps_arm_find_seed(part->against, seed) : run;
    return run != NULL && partner != NULL && run->status != PS_RUN_UNFINISHED && partner->status != PS_RUN_UNFINISHED;
}

/* How many of the registered seeds, from the first on, were looked at: up to the last one that came to an outcome. One
 * before it that has none is for neither side; it can only keep a look from a verdict that its value would allow. */
static int registered_so_far(const part_work *work) {
    const ps_registration *registration = work->registration;
    int seen = 0;
    for (int s = 0; s < registration->seeds; s++)
        if (ps_prediction_seed_ended(work->r, registration->seed[s])) seen = s + 1;
    return seen;
}

/* level: PS_SIGN_LEVEL, or a part of it, which a sequential design has no bounds for. */
static void find_bounds(part_work *work, const double *d, int n, double level, ps_stats_bounds *bounds) {
    if (work->registration == NULL || !work->registration->sequential)
        *bounds = ps_stats_sign_bounds(d, n, ps_stats_sign_needed(n, level));
    else if (level < PS_SIGN_LEVEL) *bounds = (ps_stats_bounds){-INFINITY, INFINITY, NAN, false};
    else *bounds = ps_looks_bounds(&ps_looks_early, d, work->r->look);
}

/* Seeds of the latest look that was reached. */
static int latest_look(const part_work *work) {
    int reached = registered_so_far(work), look = 0;
    for (int k = 0; k < ps_looks_early.count; k++)
        if (ps_looks_early.seeds[k] <= reached) look = ps_looks_early.seeds[k];
    return look;
}

static double images_of(const ps_arm_run *run) {
    return run != NULL ? ps_summary_get(&run->summary, "test_images") : ps_absent();
}

/* Whether the share is one of so many images: an average over batches of unequal size is not, and stays as it is. */
static bool is_count(double share, double images) {
    return ps_is_absent(share) || fabs(share * images - round(share * images)) < 1e-3;
}

/* The recorded resolution of a share of test images: a difference of two counts. 0: how many there were is not known,
 * or not the same in all runs that were measured, or their shares are no counts. */
static double resolution_of(const part_work *work) {
    const ps_prediction_part_result *r = work->r;
    double images = 0;
    if (work->part->unit != PS_UNIT_SHARE || !ps_summary_is_of_loss(work->part->statistic)) return 0;
    for (int i = 0; i < r->n; i++) {
        const ps_arm_run *run = ps_arm_find_seed(r->arm, r->values[i].seed);
        double own = images_of(run);
        bool equal = r->against == NULL || images_of(ps_relation_partner(r->arm, run, r->against)) == own;
        if (r->values[i].diverged) continue;
        if (!(own > 0) || !equal || (images > 0 && own != images)) return 0;
        if (!is_count(r->values[i].value_arm, own) || !is_count(r->values[i].value_against, own)) return 0;
        images = own;
    }
    return images > 0 ? 1 / images : 0;
}

/* Median, mean and spread of what was tested, for the reader. */
static void describe(part_work *work, double *d, int n) {
    ps_prediction_part_result *r = work->r;
    double sign = sign_of(work->prediction), sum = 0, squares = 0;
    int finite = 0, known = 0;
    for (int i = 0; i < n; i++) {
        if (isnan(d[i])) continue;
        d[known++] = d[i];
        if (!isfinite(d[i])) continue;
        sum += d[i];
        finite++;
    }
    double mean = finite > 0 ? sum / finite : ps_absent();
    for (int i = 0; i < known; i++)
        if (isfinite(d[i])) squares += (d[i] - mean) * (d[i] - mean);
    double median = ps_stats_median(d, (size_t)known);
    r->median = ps_is_absent(median) ? median : sign * median;
    r->mean = finite > 0 ? sign * mean : ps_absent();
    r->sd = finite > 1 ? sqrt(squares / (finite - 1)) : ps_absent();
}

/* All on the scale of differences in the predicted direction; bounds are turned to that of the values at the end. */
static void test(part_work *work) {
    ps_prediction_part_result *r = work->r;
    const ps_prediction *p = work->prediction;
    double d[PS_MOST_SEEDS], margin = sign_of(p) * work->part->margin, error = ps_stats_rounding(r->size);
    double step = resolution_of(work);
    int n = gather(work, d);
    /* Counts of images again: what is left is the rounding of a division, whether the margin is a count or not. */
    for (int i = 0; i < n; i++) d[i] = ps_stats_round_to(d[i], step);
    ps_stats_bounds refuting;
    bool sequential = work->registration != NULL && work->registration->sequential;
    r->look = sequential ? latest_look(work) : 0;
    find_bounds(work, d, n, PS_SIGN_LEVEL, &r->bounds);
    find_bounds(work, d, n, PS_SIGN_LEVEL / p->part_count, &refuting);
    int tested = sequential ? r->look : n;
    r->sign = ps_stats_sign_test(d, tested, margin, error);
    ps_claim claim = margin < 0 ? PS_CLAIM_NOT_WORSE : PS_CLAIM_BEYOND;
    const ps_stats_bounds *b = &r->bounds;
    r->shown = b->given && ps_claim_is_shown(claim, b->low, b->high, fabs(margin), error);
    r->shown_not = refuting.given && ps_claim_is_refuted(claim, refuting.low, refuting.high, fabs(margin), error);
    r->word = r->bounds.given ? ps_word_of(r->bounds.low, r->bounds.high, fabs(margin), error) : PS_WORD_UNDECIDED;
    r->refuting_bound = sign_of(p) * refuting.high;
    if (!p->greater) {
        double low = r->bounds.low;
        r->bounds.low = -r->bounds.high;
        r->bounds.high = -low;
    }
    describe(work, d, tested);
    r->pooled = work->sets_count > 0 ? ps_stats_pooled_log_ratio(work->sets, work->sets_count) : ps_absent();
}

ps_status ps_prediction_measure(const ps_prediction *prediction, const ps_prediction_part *part, int variation,
                                const ps_registration *registration, ps_prediction_part_result *r) {
    part_work work = {.r = r, .prediction = prediction, .part = part, .registration = registration};
    size_t room = (size_t)r->arm->run_count + (r->against != NULL ? (size_t)r->against->run_count : 0) + 1;
    ps_status status = PS_OK;
    PS_TRY(PS_ALLOC(room, &r->values, "values of a prediction"));
    PS_TRY(PS_ALLOC(room, &r->left, "left-out seeds of a prediction"));
    PS_TRY(PS_ALLOC(room, &work.difference, "differences of a prediction"));
    status = add_runs(&work, variation);
    if (status == PS_OK && r->n > 0) test(&work);
    ps_free(work.difference);
    ps_free_array(work.sets);
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
