/* From measured parts to verdicts: the deciding part, Holm over the family, both rules. */
#include "analysis/predictions/predictions_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/metric.h"
#include "analysis/stats/order.h"
#include "core/memory.h"

/* The part with the smallest p against. */
static int refuting_part(const ps_prediction_result *result) {
    int part = 0;
    for (int i = 1; i < result->prediction->part_count; i++)
        if (result->parts[i].p_refute < result->parts[part].p_refute) part = i;
    return part;
}

static void show_part(ps_prediction_result *result, int part) {
    const ps_prediction_part_result *r = &result->parts[part];
    result->part = part;
    result->arm = r->arm;
    result->against = r->against;
    result->n = r->n;
    result->estimate = r->estimate;
    result->interval = r->interval;
    result->p_wilcoxon = r->p_wilcoxon;
}

static void clear_parts(ps_prediction_result *result) {
    for (int i = 0; i < PS_MOST_PARTS; i++) {
        ps_free(result->parts[i].values);
        ps_free(result->parts[i].left);
        result->parts[i].values = NULL;
        result->parts[i].left = NULL;
    }
}

static void init_result(const ps_trace_task *task, const ps_prediction *prediction, ps_prediction_result *result) {
    const ps_stats_interval none = {ps_absent(), ps_absent(), ps_absent(), "none"};
    memset(result, 0, sizeof *result);
    result->prediction = ps_prediction_of_task(prediction, task, &result->tasked);
    result->estimate = result->p = result->p_refute = result->p_holm = result->p_refute_holm = ps_absent();
    result->best_p = result->best_p_holm = result->p_wilcoxon = ps_absent();
    result->interval = none;
    for (int i = 0; i < PS_MOST_PARTS; i++) {
        ps_prediction_part_result *r = &result->parts[i];
        r->estimate = r->p = r->p_refute = r->p_wilcoxon = r->best_p = ps_absent();
        r->edge_arm = r->edge_against = ps_absent();
        r->interval = none;
    }
}

/* Measures the part; *testable is false, and the sentence says why, where it cannot be judged. */
static ps_status judge_part(const ps_arms *arms, const ps_arm *arm, int part, int variation,
                            ps_prediction_result *result, bool *testable) {
    const ps_prediction *prediction = result->prediction;
    const ps_prediction_part *p = &prediction->parts[part];
    ps_prediction_part_result *r = &result->parts[part];
    r->arm = arm;
    r->against = arm == NULL || ps_prediction_alone(p) ? NULL : ps_prediction_partner(arms, p, arm);
    result->arm = r->arm;
    result->against = r->against;
    result->part = part;
    *testable = false;
    if (arm == NULL || (r->against == NULL && !ps_prediction_alone(p))) {
        ps_prediction_say_no_arm(arms, result, p, arm);
        return PS_OK;
    }
    if ((prediction->rests & PS_RESTS_DEATH) != 0) {
        r->edge_arm = ps_prediction_edge(r->arm, variation);
        r->edge_against = ps_prediction_edge(r->against, variation);
    }
    ps_prediction_list_missing(prediction, variation, r, result->missing, sizeof result->missing);
    PS_TRY(ps_prediction_measure(prediction, p, variation, r));
    if (ps_prediction_needs_cohort(p) && ps_prediction_say_no_cohort(result, r, variation)) return PS_OK;
    *testable = !ps_prediction_say_untestable(result, r);
    return PS_OK;
}

static ps_status judge_one(const ps_arms *arms, const ps_prediction *fixed, int variation,
                           ps_prediction_result *result) {
    init_result(&arms->task, fixed, result);
    const ps_prediction *prediction = result->prediction;
    if (ps_prediction_say_no_margin(result)) return PS_OK;
    const ps_arm *arm = ps_prediction_arm(arms, prediction);
    for (int i = 0; i < prediction->part_count; i++) {
        bool testable;
        PS_TRY(judge_part(arms, arm, i, variation, result, &testable));
        if (!testable) return PS_OK;
    }
    int decides = 0;
    for (int i = 1; i < prediction->part_count; i++)
        if (result->parts[i].p > result->parts[decides].p) decides = i;
    result->verdict = PS_VERDICT_INCONCLUSIVE; /* until Holm has seen the family */
    show_part(result, decides);
    result->p = result->parts[decides].p;
    result->best_p = result->parts[decides].best_p;
    /* Any one part refutes: Bonferroni over the parts. */
    result->p_refute = fmin(1, prediction->part_count * result->parts[refuting_part(result)].p_refute);
    return PS_OK;
}

/* Whether the printed interval of the part lies wholly beyond the margin (support) or wholly short of it. */
static bool wholly(const ps_prediction_result *r, int part, bool support) {
    const ps_stats_interval *interval = &r->parts[part].interval;
    double margin = r->prediction->parts[part].margin, size = r->parts[part].size;
    return r->prediction->greater == support ? ps_stats_exceeds(interval->low, margin, size)
                                             : ps_stats_exceeds(margin, interval->high, size);
}

static void decide(ps_prediction_result *r) {
    bool supported = r->p_holm <= PS_PREDICTION_LEVEL;
    for (int i = 0; i < r->prediction->part_count; i++) supported = supported && wholly(r, i, true);
    if (supported) r->verdict = PS_VERDICT_SUPPORTED;
    else if (r->p_refute_holm <= PS_PREDICTION_LEVEL && wholly(r, refuting_part(r), false)) {
        r->verdict = PS_VERDICT_REFUTED;
        show_part(r, refuting_part(r));
    }
}

/* What a prediction that is not affected brings into the family. */
static void keep_primary(const ps_prediction_result *primary, ps_prediction_result *result) {
    *result = *primary;
    for (int i = 0; i < PS_MOST_PARTS; i++) {
        result->parts[i].values = NULL;
        result->parts[i].left = NULL;
    }
    if (primary->verdict != PS_VERDICT_NOT_TESTABLE) result->verdict = PS_VERDICT_INCONCLUSIVE;
}

static ps_status judge(const ps_arms *arms, int variation, bool faulty, const ps_prediction_result *primary,
                       ps_prediction_result *results) {
    double p[PS_MOST_PREDICTIONS], q[PS_MOST_PREDICTIONS], p_holm[PS_MOST_PREDICTIONS], q_holm[PS_MOST_PREDICTIONS];
    int count;
    const ps_prediction *const *list = ps_predictions(&count);
    memset(results, 0, (size_t)count * sizeof *results);
    for (int i = 0; i < count; i++) {
        if (ps_prediction_affected(list[i], variation)) PS_TRY(judge_one(arms, list[i], variation, &results[i]));
        else keep_primary(&primary[i], &results[i]);
        p[i] = results[i].p;
        q[i] = results[i].p_refute;
    }
    int family = ps_stats_holm(p, count, p_holm);
    ps_stats_holm(q, count, q_holm);
    for (int i = 0; i < count; i++) {
        ps_prediction_result *r = &results[i];
        if (r->verdict == PS_VERDICT_NOT_TESTABLE) continue;
        r->p_holm = p_holm[i];
        r->p_refute_holm = q_holm[i];
        r->best_p_holm = fmin(1, r->best_p * family);
        if (!faulty) decide(r);
        if (variation == PS_PRIMARY) ps_prediction_say(r);
        if (!faulty) continue;
        r->verdict = PS_VERDICT_NOT_TESTABLE;
        snprintf(r->sentence, sizeof r->sentence,
                 "Not testable: an instrument check did not hold, so the recorded quantities contradict "
                 "each other (see the checks).");
    }
    return PS_OK;
}

ps_status ps_predictions_judge(const ps_arms *arms, bool faulty, ps_prediction_result *results) {
    return judge(arms, PS_PRIMARY, faulty, NULL, results);
}

ps_status ps_predictions_judge_varied(const ps_arms *arms, int variation, bool faulty,
                                      const ps_prediction_result *primary, ps_prediction_result *results) {
    return judge(arms, variation, faulty, primary, results);
}

void ps_predictions_clear(ps_prediction_result *results) {
    int count;
    ps_predictions(&count);
    for (int i = 0; i < count; i++) clear_parts(&results[i]);
}
