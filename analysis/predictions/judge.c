/* From measured parts to verdicts: what was registered, in its order; all else is exploratory. */
#include "analysis/predictions/predictions_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/metric.h"
#include "core/memory.h"

typedef struct {
    const ps_arms *arms;
    const ps_questions *questions;
    int variation;
    bool faulty;
    ps_prediction_result *results;
} judging;

static void clear_parts(ps_prediction_result *result) {
    for (int i = 0; i < PS_MOST_PARTS; i++) {
        ps_free(result->parts[i].values);
        ps_free(result->parts[i].left);
        result->parts[i].values = NULL;
        result->parts[i].left = NULL;
    }
}

static void init_result(const ps_trace_task *task, const ps_prediction *prediction, int order,
                        ps_prediction_result *result) {
    memset(result, 0, sizeof *result);
    result->prediction = ps_prediction_of_task(prediction, task, &result->tasked);
    result->order = order;
    for (int i = 0; i < PS_MOST_PARTS; i++) {
        ps_prediction_part_result *r = &result->parts[i];
        r->median = r->mean = r->sd = r->pooled = r->edge_arm = r->edge_against = ps_absent();
        r->refuting_bound = ps_absent();
        r->sign.p = r->sign.p_against = ps_absent();
        r->bounds = (ps_stats_bounds){-INFINITY, INFINITY, NAN, false};
        r->word = PS_WORD_UNDECIDED;
    }
}

/* A registered seed of these arms that was trained before the question was registered, or under another registration;
 * NULL: all were registered before their first step. */
static const ps_arm_run *find_early(const ps_registration *registration, const ps_arm *arm) {
    for (int s = 0; arm != NULL && s < registration->seeds; s++) {
        const ps_arm_run *run = ps_arm_find_seed(arm, registration->seed[s]);
        if (run != NULL && strcmp(run->registration, registration->digest) != 0) return run;
    }
    return NULL;
}

/* Whether the question is judged by its registration; *early: the run that was there before it. */
static bool is_judged(const judging *j, const ps_prediction_result *result, const ps_prediction_part_result *r,
                      const ps_arm_run **early) {
    *early = NULL;
    if (result->order == PS_EXPLORATORY) return false;
    *early = find_early(j->questions->registration, r->arm);
    if (*early == NULL) *early = find_early(j->questions->registration, r->against);
    return *early == NULL;
}

/* Measures the part; *testable is false, and the sentence says why, where it cannot be tested. */
static ps_status measure_part(const judging *j, const ps_arm *arm, int part, ps_prediction_result *result,
                              bool *testable) {
    const ps_prediction *prediction = result->prediction;
    const ps_prediction_part *p = &prediction->parts[part];
    ps_prediction_part_result *r = &result->parts[part];
    const ps_arm_run *early;
    r->arm = arm;
    r->against = arm == NULL || ps_prediction_alone(p) ? NULL : ps_prediction_partner(j->arms, p, arm);
    result->part = part;
    *testable = false;
    if (arm == NULL || (r->against == NULL && !ps_prediction_alone(p))) {
        ps_prediction_say_no_arm(j->arms, result, p, arm);
        return PS_OK;
    }
    if (ps_prediction_say_no_death(result, r)) return PS_OK;
    if ((prediction->rests & PS_RESTS_DEATH) != 0) {
        r->edge_arm = ps_prediction_edge(r->arm, j->variation);
        r->edge_against = ps_prediction_edge(r->against, j->variation);
    }
    bool judged = is_judged(j, result, r, &early);
    if (early != NULL) result->early = early;
    ps_prediction_list_missing(prediction, j->variation, r, result->missing, sizeof result->missing);
    const ps_registration *registration = judged ? j->questions->registration : NULL;
    PS_TRY(ps_prediction_measure(prediction, p, j->variation, registration, r));
    if (ps_prediction_needs_cohort(prediction, p) && ps_prediction_say_no_cohort(result, r, j->variation, registration))
        return PS_OK;
    *testable = !ps_prediction_say_untestable(result, r);
    return PS_OK;
}

/* The part that a reader is led to. */
static int deciding_part(const ps_prediction_result *result) {
    int parts = result->prediction->part_count;
    for (int i = 0; i < parts; i++)
        if (result->parts[i].shown_not) return i;
    for (int i = 0; i < parts; i++)
        if (!result->parts[i].shown) return i;
    return 0;
}

/* What the bounds of its parts say, whether it is judged or not. */
static ps_verdict outcome_of(const ps_prediction_result *result) {
    bool all = true;
    for (int i = 0; i < result->prediction->part_count; i++) {
        if (result->parts[i].shown_not) return PS_VERDICT_SHOWN_NOT;
        all = all && result->parts[i].shown;
    }
    return all ? PS_VERDICT_SHOWN : PS_VERDICT_UNDECIDED;
}

static ps_status measure_one(const judging *j, int question) {
    ps_prediction_result *result = &j->results[question];
    init_result(&j->arms->task, j->questions->prediction[question], j->questions->order[question], result);
    if (ps_prediction_say_no_margin(result)) return PS_OK;
    const ps_arm *arm = ps_prediction_arm(j->arms, result->prediction);
    for (int i = 0; i < result->prediction->part_count; i++) {
        bool testable;
        PS_TRY(measure_part(j, arm, i, result, &testable));
        if (!testable) return PS_OK;
    }
    result->outcome = outcome_of(result);
    result->verdict = PS_VERDICT_NOT_JUDGED;
    result->part = deciding_part(result);
    return PS_OK;
}

/* One after another, as long as each is shown. */
static void judge_in_order(const judging *j) {
    const char *before = NULL;
    int registered = j->questions->registration != NULL ? j->questions->registration->secondaries + 1 : 0;
    for (int order = 0; order < registered; order++)
        for (int i = 0; i < j->questions->count; i++) {
            ps_prediction_result *r = &j->results[i];
            if (j->questions->order[i] != order) continue;
            r->behind = before;
            if (r->verdict == PS_VERDICT_NOT_JUDGED && before == NULL && r->early == NULL) r->verdict = r->outcome;
            if (before == NULL && r->verdict != PS_VERDICT_SHOWN) before = r->prediction->id;
        }
}

/* What a question that is not affected keeps. */
static void keep_primary(const ps_prediction_result *primary, ps_prediction_result *result) {
    *result = *primary;
    for (int i = 0; i < PS_MOST_PARTS; i++) {
        result->parts[i].values = NULL;
        result->parts[i].left = NULL;
    }
}

static void make_untestable(ps_prediction_result *r) {
    r->verdict = PS_VERDICT_NOT_TESTABLE;
    snprintf(r->sentence, sizeof r->sentence,
             "Not testable: an instrument check did not hold, so the recorded quantities contradict "
             "each other (see the checks).");
}

static ps_status judge(const judging *j, const ps_prediction_result *primary) {
    memset(j->results, 0, (size_t)j->questions->count * sizeof *j->results);
    for (int i = 0; i < j->questions->count; i++)
        if (ps_prediction_affected(j->questions->prediction[i], j->variation)) PS_TRY(measure_one(j, i));
        else keep_primary(&primary[i], &j->results[i]);
    if (!j->faulty && j->variation == PS_PRIMARY) judge_in_order(j);
    for (int i = 0; i < j->questions->count; i++) {
        ps_prediction_result *r = &j->results[i];
        if (r->verdict == PS_VERDICT_NOT_TESTABLE) continue;
        if (j->faulty) make_untestable(r);
        else if (j->variation == PS_PRIMARY) ps_prediction_say(r);
    }
    return PS_OK;
}

ps_status ps_predictions_judge(const ps_arms *arms, const ps_questions *questions, bool faulty,
                               ps_prediction_result *results) {
    return judge(&(judging){arms, questions, PS_PRIMARY, faulty, results}, NULL);
}

ps_status ps_predictions_judge_varied(const ps_arms *arms, const ps_questions *questions, int variation, bool faulty,
                                      const ps_prediction_result *primary, ps_prediction_result *results) {
    return judge(&(judging){arms, questions, variation, faulty, results}, primary);
}

void ps_predictions_clear(ps_prediction_result *results, int count) {
    for (int i = 0; i < count; i++) clear_parts(&results[i]);
}
