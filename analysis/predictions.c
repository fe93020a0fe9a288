#include "analysis/predictions.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/metric.h"
#include "analysis/stats/order.h"
#include "analysis/stats/survival.h"
#include "analysis/variation.h"
#include "core/memory.h"

static const double level = 0.05;

static const ps_prediction list[] = {
#include "analysis/predictions.def"
};
enum { PREDICTIONS = sizeof list / sizeof *list };
_Static_assert((int)PREDICTIONS <= (int)PS_MOST_PREDICTIONS, "room for every prediction");

const ps_prediction *ps_predictions(int *count) {
    *count = PREDICTIONS;
    return list;
}

const char *ps_verdict_name(ps_verdict verdict) {
    static const char *const names[] = {"not_testable", "inconclusive", "supported", "refuted"};
    return names[verdict];
}

enum { PRIMARY = -1 }; /* in the place of a variation */

static const ps_summary *summary_of(const ps_arm_run *run, int variation) {
    return variation == PRIMARY ? &run->summary : &run->varied[variation];
}

bool ps_prediction_affected(const ps_prediction *prediction, int variation) {
    int count;
    return variation == PRIMARY || (prediction->rests & ps_variation_touches(&ps_variations(&count)[variation])) != 0;
}

/* ---- one part: values, effects, test ---- */

typedef struct {
    const ps_arm *arm, *against;
    int n;
    ps_prediction_value values[PS_MOST_SEEDS];
    double effects[PS_MOST_SEEDS]; /* positive: beyond the margin in the predicted direction */
    ps_stats_test test, wilcoxon;
    ps_stats_interval interval;
    double mean;
    int without_cases, changed_start; /* paired runs left out, and why */
} part_result;

static bool alone(const ps_prediction_part *part) {
    return part->arm == part->against && part->arm_size == part->against_size;
}

static size_t cohort_size(const ps_summary *summary) {
    size_t nodes = 0;
    for (size_t i = 0; i < summary->alive_count; i++) nodes += (size_t)summary->alive[i].nodes;
    return nodes;
}

/* Peto's one-step estimate of the log hazard ratio, in a cohort fixed at the first probe. */
static ps_status log_hazard_ratio(const ps_summary *reference, const ps_summary *arm, bool reopening,
                                  ps_prediction_value *v) {
    size_t room = reference->spell_count + arm->spell_count + cohort_size(reference) + cohort_size(arm) + 1, count = 0;
    ps_stats_spell *spells;
    PS_TRY(PS_ALLOC(room, &spells, "cohort"));
    for (int treated = 0; treated < 2; treated++) {
        const ps_summary *s = treated ? arm : reference;
        for (size_t i = 0; reopening && i < s->spell_count; i++)
            if (s->spells[i].at_start)
                spells[count++] = (ps_stats_spell){0, (double)(s->spells[i].end - s->spells[i].start), s->spells[i].layer,
                                                   s->spells[i].revived, treated};
        for (size_t i = 0; !reopening && i < s->alive_count; i++)
            for (int node = 0; node < s->alive[i].nodes; node++)
                spells[count++] = (ps_stats_spell){0, (double)s->alive[i].end, s->alive[i].layer, s->alive[i].died, treated};
    }
    ps_stats_logrank sum = ps_stats_logrank_of(spells, count);
    ps_free(spells);
    v->value = ps_ratio(sum.observed - sum.expected, sum.variance);
    v->cases = (double)count;
    v->observed = sum.observed;
    v->expected = sum.expected;
    v->variance = sum.variance;
    return PS_OK;
}

static ps_status pair_value(part_result *r, const char *statistic, const ps_summary *reference, const ps_summary *arm,
                            ps_prediction_value *v) {
    v->value = v->observed = v->expected = v->variance = ps_absent();
    v->cases = 0;
    if (statistic[0] != '@') {
        const ps_summary_item *item = ps_summary_find(arm, statistic);
        v->value = ps_summary_get(arm, statistic);
        if (reference != NULL) {
            double other = ps_summary_get(reference, statistic);
            v->value = ps_is_absent(v->value) || ps_is_absent(other) ? ps_absent() : v->value - other;
        }
        v->cases = item != NULL ? item->cases : 0;
        return PS_OK;
    }
    if (reference->start_digest != arm->start_digest) {
        r->changed_start++;
        return PS_OK;
    }
    return log_hazard_ratio(reference, arm, strcmp(statistic, "@reopening") == 0, v);
}

static void add_value(part_result *r, const ps_prediction *prediction, const ps_prediction_part *part, const ps_arm_run *arm,
                      const ps_arm_run *reference, ps_prediction_value value) {
    bool bad = arm->status == PS_RUN_DIVERGED, reference_bad = reference != NULL && reference->status == PS_RUN_DIVERGED;
    const ps_summary_item *item = ps_summary_find(&arm->summary, part->statistic[0] == '@' ? "dead_mean" : part->statistic);
    double effect = (prediction->greater ? 1 : -1) * (value.value - part->margin);
    /* A diverged run is the worst that can happen to the prediction, unless its partner diverged as well. */
    if (bad && !reference_bad) effect = -INFINITY;
    if (!bad && reference_bad) effect = INFINITY;
    if (isnan(effect)) effect = 0;
    r->effects[r->n] = effect;
    value.seed = arm->seed;
    value.diverged = bad || reference_bad;
    value.trace = arm->path;
    value.first_line = item != NULL ? item->first_line : 0;
    r->values[r->n++] = value;
}

/* Whether all pairs of both arms start with their nodes in equal states: a property of the design, known before any outcome.
 */
static bool equal_starts(const ps_arm *arm, const ps_arm *against, int variation) {
    for (int i = 0; i < arm->run_count; i++) {
        const ps_arm_run *partner = ps_arm_find_seed(against, arm->runs[i].seed);
        if (partner == NULL) continue;
        if (summary_of(partner, variation)->start_digest != summary_of(&arm->runs[i], variation)->start_digest) return false;
    }
    return true;
}

/* A cohort needs equal starts: where several arms have the role, one with modules that start at zero goes first. */
static const ps_arm *choose_arm(const ps_arms *arms, const ps_prediction_part *part, const ps_arm *against,
                                int variation) {
    const ps_arm *chosen = ps_arms_of_role(arms, part->arm, part->arm_size);
    if (part->statistic[0] != '@' || chosen == NULL || against == NULL || equal_starts(chosen, against, variation))
        return chosen;
    for (int a = 0; a < arms->count; a++)
        if (arms->arms[a].role == part->arm && equal_starts(&arms->arms[a], against, variation)) return &arms->arms[a];
    return chosen;
}

static ps_status measure_part(const ps_arms *arms, const ps_prediction *prediction, const ps_prediction_part *part,
                              int variation, part_result *r) {
    double values[PS_MOST_SEEDS];
    memset(r, 0, sizeof *r);
    r->against = alone(part) ? NULL : ps_arms_of_role(arms, part->against, part->against_size);
    r->arm = choose_arm(arms, part, r->against, variation);
    if (r->arm == NULL || (r->against == NULL && !alone(part))) return PS_OK;
    for (int i = 0; i < r->arm->run_count && r->n < PS_MOST_SEEDS; i++) {
        const ps_arm_run *run = &r->arm->runs[i];
        const ps_arm_run *partner = r->against != NULL ? ps_arm_find_seed(r->against, run->seed) : NULL;
        ps_prediction_value value;
        if (r->against != NULL && partner == NULL) continue;
        const ps_summary *other = partner != NULL ? summary_of(partner, variation) : NULL;
        PS_TRY(pair_value(r, part->statistic, other, summary_of(run, variation), &value));
        if (ps_is_absent(value.value)) r->without_cases++;
        else add_value(r, prediction, part, run, partner, value);
    }
    for (int i = 0; i < r->n; i++) values[i] = r->values[i].value;
    r->mean = ps_stats_mean(values, (size_t)r->n);
    r->test = ps_stats_signflip(r->effects, r->n);
    if (variation == PRIMARY) r->wilcoxon = ps_stats_wilcoxon(r->effects, r->n); /* shown in no other place */
    return ps_stats_interval_of_mean(values, r->n, &r->interval);
}

/* ---- verdict ---- */

static bool recorded(const ps_arm *arm, const char *name) {
    const cJSON *item;
    cJSON_ArrayForEach(item, arm->runs[0].quantities) {
        const cJSON *known = cJSON_GetObjectItemCaseSensitive(item, "name");
        if (cJSON_IsString(known) && strcmp(known->valuestring, name) == 0) return true;
    }
    return false;
}

/* Needed quantities that the arm's trace does not announce. */
static void list_missing(const ps_prediction *prediction, int variation, const ps_arm *arm, char *missing, size_t size) {
    char needs[256], *rest = needs, *name;
    int count;
    snprintf(needs, sizeof needs, "%s %s", prediction->needs,
             variation == PRIMARY ? "" : ps_variations(&count)[variation].needs);
    missing[0] = '\0';
    while (arm != NULL && (name = strsep(&rest, " ")) != NULL) {
        size_t used = strlen(missing);
        if (name[0] != '\0' && !recorded(arm, name))
            snprintf(missing + used, size - used, "%s%s", used > 0 ? " " : "", name);
    }
}

static const char *role_name(ps_role role, int size) {
    static const char *const names[] = {"baseline",
                                        "Pool Skip",
                                        "grid mask",
                                        "energy-matched grid mask",
                                        "conv+skip",
                                        "Pool Skip with its gradient cut",
                                        "Pool Skip with its output cut",
                                        "LeakyReLU",
                                        "dead nodes re-initialised",
                                        "other"};
    if (role == PS_ROLE_MODULE && size == 2) return "Pool Skip e = 2";
    if (role == PS_ROLE_MODULE && size == 4) return "Pool Skip e = 4";
    return names[role];
}

static void say_untestable(const ps_arms *arms, ps_prediction_result *result, const ps_prediction_part *part,
                           const part_result *r) {
    char *out = result->sentence;
    size_t size = sizeof result->sentence;
    if (ps_arms_of_role(arms, part->arm, part->arm_size) == NULL)
        snprintf(out, size, "Not testable: there is no arm with %s.", role_name(part->arm, part->arm_size));
    else if (!alone(part) && r->against == NULL)
        snprintf(out, size, "Not testable: there is no arm with %s.", role_name(part->against, part->against_size));
    else if (result->missing[0] != '\0')
        snprintf(out, size, "Not testable: not recorded in arm %s: %s.", r->arm->name, result->missing);
    else if (r->changed_start > 0)
        snprintf(
            out, size,
            "Not testable: in %d of the pairs nodes of both arms are in other states at the first probe, so no cohort is "
            "common to both arms; fork the arms from one checkpoint with modules that start at zero.",
            r->changed_start);
    else if (r->without_cases > 0)
        snprintf(out, size, "Not testable: none of the %d runs of arm %s has a case to count (%s).", r->without_cases,
                 r->arm->name, result->prediction->population);
    else
        snprintf(out, size, "Not testable: arms %s and %s have no seed in common.", r->arm->name,
                 r->against ? r->against->name : "?");
}

static double refute_p(const part_result *parts, int count) {
    double p = 1;
    for (int i = 0; i < count; i++) p = fmin(p, parts[i].test.less);
    return fmin(1, p * count); /* any one part refutes: Bonferroni over the parts */
}

static ps_status judge_one(const ps_arms *arms, const ps_prediction *prediction, int variation,
                           ps_prediction_result *result, part_result *parts) {
    memset(result, 0, sizeof *result);
    result->prediction = prediction;
    result->estimate = result->p = result->p_refute = result->p_holm = result->p_refute_holm = ps_absent();
    result->best_p = result->best_p_holm = result->p_wilcoxon = ps_absent();
    result->interval = (ps_stats_interval){ps_absent(), ps_absent(), ps_absent(), "none"};
    for (int i = 0; i < prediction->part_count; i++) {
        PS_TRY(measure_part(arms, prediction, &prediction->parts[i], variation, &parts[i]));
        list_missing(prediction, variation, parts[i].arm, result->missing, sizeof result->missing);
        if (parts[i].n > 0) continue;
        result->arm = parts[i].arm;
        result->against = parts[i].against;
        say_untestable(arms, result, &prediction->parts[i], &parts[i]);
        return PS_OK;
    }
    for (int i = 1; i < prediction->part_count; i++)
        if (parts[i].test.greater > parts[result->part].test.greater) result->part = i;
    const part_result *r = &parts[result->part];
    result->verdict = PS_VERDICT_INCONCLUSIVE; /* until Holm has seen the family */
    result->arm = r->arm;
    result->against = r->against;
    result->n = r->n;
    result->estimate = r->mean;
    result->interval = r->interval;
    result->p = r->test.greater;
    result->p_wilcoxon = r->wilcoxon.greater;
    result->p_refute = refute_p(parts, prediction->part_count);
    result->best_p = r->test.best_one_sided;
    PS_TRY(PS_ALLOC((size_t)r->n, &result->values, "values of a prediction"));
    memcpy(result->values, r->values, (size_t)r->n * sizeof *r->values);
    return PS_OK;
}

/* From PS_BCA_FROM seeds on the interval must agree with the test. */
static bool beyond(const ps_prediction_result *r, bool support) {
    double margin = r->prediction->parts[r->part].margin;
    if (strcmp(r->interval.name, "bca95") != 0) return true;
    return r->prediction->greater == support ? r->interval.low > margin : r->interval.high < margin;
}

static void decide(ps_prediction_result *r) {
    if (r->p_holm <= level && beyond(r, true)) r->verdict = PS_VERDICT_SUPPORTED;
    /* Another part than the shown one may refute; the interval speaks for the shown one alone. */
    else if (r->p_refute_holm <= level && (r->prediction->part_count > 1 || beyond(r, false)))
        r->verdict = PS_VERDICT_REFUTED;
}

static void say(ps_prediction_result *r) {
    const ps_prediction *p = r->prediction;
    char versus[128] = "", power[200] = "";
    int diverged = 0;
    for (int i = 0; i < r->n; i++) diverged += r->values[i].diverged;
    if (r->against != NULL) snprintf(versus, sizeof versus, " against %.60s", r->against->name);
    if (r->best_p_holm > level)
        snprintf(power, sizeof power,
                 "; %d seed%s can show p = %.3g at best (%.3g after Holm), so nothing can be decided at 5 %%", r->n,
                 r->n == 1 ? "" : "s", r->best_p, fmin(1, r->best_p_holm));
    const char *verdict = r->verdict == PS_VERDICT_SUPPORTED ? "Supported"
                          : r->verdict == PS_VERDICT_REFUTED ? "Refuted"
                                                             : "Inconclusive";
    snprintf(r->sentence, sizeof r->sentence,
             "%s: %.160s in %.60s%s is %.4g (%s %.4g to %.4g over %d seed%s%s), margin %s %.4g; p = %.3g for, %.3g against, "
             "after Holm "
             "%.3g and %.3g%s.",
             verdict, p->statistic, r->arm->name, versus, r->estimate,
             strcmp(r->interval.name, "bca95") == 0 ? "95 % interval" : "range", r->interval.low, r->interval.high, r->n,
             r->n == 1 ? "" : "s", diverged > 0 ? ", diverged runs ranked worst" : "", p->greater ? "above" : "below",
             p->parts[r->part].margin, r->p, r->p_refute, r->p_holm, r->p_refute_holm, power);
}

/* What a prediction that is not affected brings into the family. */
static void keep_primary(const ps_prediction_result *primary, ps_prediction_result *result) {
    *result = *primary;
    result->values = NULL;
    if (primary->verdict != PS_VERDICT_NOT_TESTABLE) result->verdict = PS_VERDICT_INCONCLUSIVE;
}

static ps_status judge(const ps_arms *arms, int variation, bool faulty, const ps_prediction_result *primary,
                       ps_prediction_result *results) {
    double p[PREDICTIONS], q[PREDICTIONS], p_holm[PREDICTIONS], q_holm[PREDICTIONS];
    part_result *parts;
    ps_status status = PS_OK;
    memset(results, 0, PREDICTIONS * sizeof *results);
    PS_TRY(PS_ALLOC(PS_MOST_PARTS, &parts, "parts of a prediction"));
    for (int i = 0; i < PREDICTIONS; i++) {
        if (ps_prediction_affected(&list[i], variation))
            PS_TRY_CLEANUP(judge_one(arms, &list[i], variation, &results[i], parts));
        else keep_primary(&primary[i], &results[i]);
        p[i] = results[i].p;
        q[i] = results[i].p_refute;
    }
    int family = ps_stats_holm(p, PREDICTIONS, p_holm);
    ps_stats_holm(q, PREDICTIONS, q_holm);
    for (int i = 0; i < PREDICTIONS; i++) {
        ps_prediction_result *r = &results[i];
        if (r->verdict == PS_VERDICT_NOT_TESTABLE) continue;
        r->p_holm = p_holm[i];
        r->p_refute_holm = q_holm[i];
        r->best_p_holm = fmin(1, r->best_p * family);
        if (!faulty) decide(r);
        if (variation == PRIMARY) say(r);
        if (!faulty) continue;
        r->verdict = PS_VERDICT_NOT_TESTABLE;
        snprintf(r->sentence, sizeof r->sentence,
                 "Not testable: an instrument check did not hold, so the recorded quantities contradict "
                 "each other (see the checks).");
    }
cleanup:
    ps_free(parts);
    return status;
}

ps_status ps_predictions_judge(const ps_arms *arms, bool faulty, ps_prediction_result *results) {
    return judge(arms, PRIMARY, faulty, NULL, results);
}

ps_status ps_predictions_judge_varied(const ps_arms *arms, int variation, bool faulty, const ps_prediction_result *primary,
                                      ps_prediction_result *results) {
    return judge(arms, variation, faulty, primary, results);
}

void ps_predictions_clear(ps_prediction_result *results) {
    for (int i = 0; i < PREDICTIONS; i++) {
        ps_free(results[i].values);
        results[i].values = NULL;
    }
}
