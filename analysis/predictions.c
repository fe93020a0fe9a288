#include "analysis/predictions.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/fixed.h"
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
    static const char *const names[] = {
#define VERDICT(name, word) word,
        PS_VERDICTS(VERDICT)
#undef VERDICT
    };
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

/* ---- who is compared ---- */

static bool alone(const ps_prediction_part *part) {
    return part->arm == part->against && part->arm_size == part->against_size;
}

/* Averages and events over the course of a run. */
static bool is_over_time(const ps_prediction_part *part) {
    return part->statistic[0] == '@' || strcmp(part->statistic, "dead_mean") == 0;
}

/* A contrast of them starts from one function and equal states in both arms: what the arms begin with is no effect of
 * what they do. */
static bool needs_cohort(const ps_prediction_part *part) { return !alone(part) && is_over_time(part); }

static bool has_size(const ps_arm *arm, int wanted) { return wanted == 0 || arm->pool_size == wanted; }

static bool same_size(const ps_arm *a, const ps_arm *b) {
    return a->pool_size == 0 || b->pool_size == 0 || a->pool_size == b->pool_size;
}

static const ps_arm *partner_arm(const ps_arms *arms, const ps_prediction_part *part, const ps_arm *arm) {
    for (int a = 0; a < arms->count; a++) {
        const ps_arm *other = &arms->arms[a];
        if (other->role != part->against || !has_size(other, part->against_size)) continue;
        if (other != arm && (part->against_size != 0 || same_size(arm, other))) return other;
    }
    return NULL;
}

static bool common_function(const ps_arm_run *a, const ps_arm_run *b) {
    return (a->fork != NULL && b->fork != NULL && strcmp(a->fork, b->fork) == 0) || (a->starts_zero && b->starts_zero);
}

/* Whether both arms are one cohort at the first probe: by design, and with all nodes in equal states, in every pair.
 * Both are known before any outcome. The number of pairs that differ, in either way. */
typedef struct {
    int pairs, other_function, other_states;
} cohort_check;

static cohort_check check_cohort(const ps_arm *arm, const ps_arm *against, int variation) {
    cohort_check check = {0, 0, 0};
    for (int i = 0; i < arm->run_count; i++) {
        const ps_arm_run *run = &arm->runs[i], *partner = ps_arm_find_seed(against, run->seed);
        if (partner == NULL) continue;
        check.pairs++;
        check.other_function += !common_function(run, partner);
        check.other_states += !ps_summary_same_start(summary_of(run, variation), summary_of(partner, variation));
    }
    return check;
}

static bool is_cohort(const ps_arm *arm, const ps_arm *against, int variation) {
    cohort_check check = check_cohort(arm, against, variation);
    return check.other_function == 0 && check.other_states == 0;
}

/* Whether the arm has a partner for every part. */
static bool serves(const ps_arms *arms, const ps_prediction *prediction, const ps_arm *arm) {
    for (int i = 0; i < prediction->part_count; i++) {
        const ps_prediction_part *part = &prediction->parts[i];
        const ps_arm *against = alone(part) ? NULL : partner_arm(arms, part, arm);
        if (alone(part)) continue;
        if (against == NULL || (needs_cohort(part) && !is_cohort(arm, against, PRIMARY))) return false;
    }
    return true;
}

/* One arm for all parts of a prediction: of those with the role one that serves, e = 2 first; else the first with the
 * role, so that the sentence can say what it lacks. */
static const ps_arm *choose_arm(const ps_arms *arms, const ps_prediction *prediction) {
    const ps_arm *first = NULL;
    for (int pass = 0; pass < 2; pass++)
        for (int a = 0; a < arms->count; a++) {
            const ps_arm *arm = &arms->arms[a];
            bool preferred = arm->pool_size == 2;
            if (arm->role != prediction->parts[0].arm || !has_size(arm, prediction->parts[0].arm_size)) continue;
            if (preferred != (pass == 0)) continue;
            if (first == NULL) first = arm;
            if (serves(arms, prediction, arm)) return arm;
        }
    return first;
}

/* ---- one part: values, effects, test ---- */

/* Effects stand apart from the result: they are of no use after the test. */
typedef struct {
    ps_prediction_part_result *r;
    const ps_prediction *prediction;
    const ps_prediction_part *part;
    double *effects; /* positive: beyond the margin in the predicted direction */
} part_work;

static size_t cohort_size(const ps_summary *summary) {
    size_t nodes = 0;
    for (size_t i = 0; i < summary->alive_count; i++) nodes += (size_t)summary->alive[i].nodes;
    return nodes;
}

enum { ALL_LAYERS = -1 };

/* How many of the nodes that an entry of the cohort stands for the other run saw on the edge at the first probe. */
static int on_edge_of(const ps_summary *own, const ps_summary *other, size_t entry) {
    int nodes = 0;
    if (own->alive_of == NULL) return ps_summary_starts_on_edge(other, own->alive[entry].node);
    for (int node = own->alive[entry].node; node < other->start_nodes && nodes < own->alive[entry].nodes; node++)
        nodes += own->alive_of[node] == (int)entry && ps_summary_starts_on_edge(other, node);
    return nodes;
}

/* Both arms' nodes of one layer, or of all, in a cohort fixed at the first probe; times count from there. Nodes that
 * either arm saw on the edge there are in neither cohort. ps_free frees *out. */
static ps_status gather_cohort(const ps_summary *reference, const ps_summary *arm, bool reopening, int layer,
                               ps_stats_spell **out, size_t *nodes) {
    size_t room = reference->spell_count + arm->spell_count + cohort_size(reference) + cohort_size(arm) + 1, count = 0;
    ps_stats_spell *spells;
    PS_TRY(PS_ALLOC(room, &spells, "cohort"));
    for (int treated = 0; treated < 2; treated++) {
        const ps_summary *s = treated ? arm : reference, *other = treated ? reference : arm;
        for (size_t i = 0; reopening && i < s->spell_count; i++) {
            const ps_summary_spell *spell = &s->spells[i];
            if (spell->at_start && spell->start == s->start_step && !ps_summary_starts_on_edge(other, spell->node) &&
                (layer == ALL_LAYERS || spell->layer == layer))
                spells[count++] =
                    (ps_stats_spell){0, (double)(spell->end - spell->start), spell->layer, spell->revived, treated};
        }
        for (size_t i = 0; !reopening && i < s->alive_count; i++) {
            const ps_summary_cohort *member = &s->alive[i];
            bool in = layer == ALL_LAYERS || member->layer == layer;
            int members = in ? member->nodes - on_edge_of(s, other, i) : 0;
            for (int node = 0; node < members; node++)
                spells[count++] = (ps_stats_spell){0, (double)member->end, member->layer, member->died, treated};
        }
    }
    *out = spells;
    *nodes = count;
    return PS_OK;
}

ps_status ps_prediction_log_hazard_ratio(const ps_summary *reference, const ps_summary *arm, bool reopening,
                                         ps_prediction_value *v) {
    ps_stats_spell *spells;
    size_t nodes;
    PS_TRY(gather_cohort(reference, arm, reopening, ALL_LAYERS, &spells, &nodes));
    ps_stats_logrank sum = ps_stats_logrank_of(spells, nodes);
    ps_free(spells);
    v->no_event = nodes > 0 && sum.variance == 0;
    v->value = v->no_event ? 0 : ps_ratio(sum.observed - sum.expected, sum.variance);
    v->cases = (double)nodes;
    v->observed = sum.observed;
    v->expected = sum.expected;
    v->variance = sum.variance;
    return PS_OK;
}

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

/* Whether the run's trace announces the quantity; runs of one arm may differ in it. */
static bool recorded(const ps_arm_run *run, ps_trace_quantity quantity) {
    const cJSON *item;
    cJSON_ArrayForEach(item, run->quantities) {
        const cJSON *known = cJSON_GetObjectItemCaseSensitive(item, "name");
        if (cJSON_IsString(known) && strcmp(known->valuestring, ps_quantity_name(quantity)) == 0) return true;
    }
    return false;
}

/* Whether the words, separated by blanks, name the quantity. */
static bool lists(const char *words, ps_trace_quantity quantity) {
    const char *name = ps_quantity_name(quantity);
    size_t length = strlen(name);
    for (const char *at = words; (at = strstr(at, name)) != NULL; at += length)
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0')) return true;
    return false;
}

static bool needs(const ps_prediction *prediction, int variation, ps_trace_quantity quantity) {
    int count;
    return lists(prediction->needs, quantity) ||
           (variation != PRIMARY && lists(ps_variations(&count)[variation].needs, quantity));
}

/* The first needed quantity that one of the runs has not recorded, NULL: none. */
static const char *first_missing(const ps_prediction *prediction, int variation, const ps_arm_run *run,
                                 const ps_arm_run *partner) {
    for (int q = 0; q < PS_Q_COUNT; q++)
        if (needs(prediction, variation, (ps_trace_quantity)q) &&
            (!recorded(run, (ps_trace_quantity)q) || (partner != NULL && !recorded(partner, (ps_trace_quantity)q))))
            return ps_quantity_name((ps_trace_quantity)q);
    return NULL;
}

static bool all_recorded(const ps_arm *arm, ps_trace_quantity quantity) {
    for (int i = 0; i < arm->run_count; i++)
        if (!recorded(&arm->runs[i], quantity)) return false;
    return true;
}

/* Needed quantities that some run of the arms has not recorded. */
static void list_missing(const ps_prediction *prediction, int variation, const ps_prediction_part_result *part,
                         char *missing, size_t size) {
    missing[0] = '\0';
    for (int q = 0; q < PS_Q_COUNT; q++) {
        size_t used = strlen(missing);
        ps_trace_quantity quantity = (ps_trace_quantity)q;
        if (!needs(prediction, variation, quantity)) continue;
        if (all_recorded(part->arm, quantity) && (part->against == NULL || all_recorded(part->against, quantity)))
            continue;
        snprintf(missing + used, size - used, "%s%s", used > 0 ? " " : "", ps_quantity_name(quantity));
    }
}

static void leave_out(ps_prediction_part_result *r, long long seed, const char *reason, const char *detail, bool lost) {
    r->left[r->left_count++] = (ps_prediction_left_out){seed, reason, detail, lost};
    r->lost += lost;
}

/* What is known before any value is read; true where the seed was left out. */
static bool left_by_design(part_work *work, const ps_arm_run *run, const ps_arm_run *partner, int variation) {
    ps_prediction_part_result *r = work->r;
    const char *key = NULL, *lacking;
    if (r->against != NULL && partner == NULL) {
        leave_out(r, run->seed, "has no run in arm", r->against->name, false);
        return true;
    }
    ps_pair pair = partner != NULL ? ps_arms_pair(run, partner, &key) : PS_PAIR_GOOD;
    ps_moment moment = is_over_time(work->part)                       ? PS_OVER_TIME
                       : ps_summary_is_of_loss(work->part->statistic) ? PS_AT_LAST_LOSS
                                                                      : PS_AT_END;
    const char *at = NULL, *unequal = ps_arms_unequal(r->arm, run, r->against, partner, moment, &at);
    if (pair == PS_PAIR_UNVERIFIED) leave_out(r, run->seed, "the pairing objects of its traces are empty", NULL, true);
    else if (pair == PS_PAIR_DIFFERS) leave_out(r, run->seed, "is no pair: differs in", key, true);
    else if (unequal != NULL) leave_out(r, run->seed, unequal, at, true);
    if (pair != PS_PAIR_GOOD || unequal != NULL) return true;
    lacking = first_missing(work->prediction, variation, run, partner);
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
    const ps_summary *mine = summary_of(run, variation),
                     *other = partner != NULL ? summary_of(partner, variation) : NULL;
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
        PS_TRY(add_run(work, run, r->against != NULL ? ps_arm_find_seed(r->against, run->seed) : NULL, variation));
    }
    for (int i = 0; r->against != NULL && i < r->against->run_count; i++)
        if (ps_arm_find_seed(r->arm, r->against->runs[i].seed) == NULL)
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

/* Mean over the seeds; missing where one run does not tell. */
static double edge_of(const ps_arm *arm, int variation) {
    double sum = 0;
    if (arm == NULL) return ps_absent();
    for (int i = 0; i < arm->run_count; i++) {
        double edge = ps_summary_get(summary_of(&arm->runs[i], variation), "edge_mean");
        if (ps_is_absent(edge)) return edge;
        sum += edge;
    }
    return sum / arm->run_count;
}

/* r->arm and r->against are set. */
static ps_status measure_part(const ps_prediction *prediction, const ps_prediction_part *part, int variation,
                              ps_prediction_part_result *r) {
    part_work work = {r, prediction, part, NULL};
    size_t room = (size_t)r->arm->run_count + (r->against != NULL ? (size_t)r->against->run_count : 0) + 1;
    ps_status status = PS_OK;
    PS_TRY(PS_ALLOC(room, &r->values, "values of a prediction"));
    PS_TRY(PS_ALLOC(room, &r->left, "left-out seeds of a prediction"));
    PS_TRY(PS_ALLOC(room, &work.effects, "effects of a prediction"));
    status = add_runs(&work, variation);
    if (status == PS_OK && r->n > 0) status = sum_up(&work, variation == PRIMARY);
    ps_free(work.effects);
    return status;
}

static int measured(const ps_prediction_part_result *r) { return r->n - r->diverged; }

static bool too_many_lost(const ps_prediction_part_result *r) {
    return r->lost > 0 && (double)r->lost > PS_MOST_LOST * (double)(r->lost + r->n);
}

/* ---- verdict ---- */

/* "seed 3 has no case to count, seed 5 is no pair: differs in order", cut after a few. */
static void list_left(const ps_prediction_part_result *r, char *out, size_t size) {
    enum { SHOWN = 4 };
    out[0] = '\0';
    for (int i = 0; i < r->left_count && i <= SHOWN; i++) {
        const ps_prediction_left_out *l = &r->left[i];
        size_t used = strlen(out);
        if (i == SHOWN) snprintf(out + used, size - used, " and %d more", r->left_count - SHOWN);
        else
            snprintf(out + used, size - used, "%sseed %lld %s%s%s", i > 0 ? ", " : "", l->seed, l->reason,
                     l->detail != NULL ? " " : "", l->detail != NULL ? l->detail : "");
    }
}

static bool any_arm(const ps_arms *arms, ps_arm_role role, int size) {
    for (int a = 0; a < arms->count; a++)
        if (arms->arms[a].role == role && has_size(&arms->arms[a], size)) return true;
    return false;
}

static void say_no_arm(const ps_arms *arms, ps_prediction_result *result, const ps_prediction_part *part,
                       const ps_arm *arm) {
    bool first = arm == NULL, other_size = !first && any_arm(arms, part->against, part->against_size);
    const char *words = ps_role_words(first ? part->arm : part->against);
    int wanted = first ? part->arm_size : part->against_size;
    char size[24] = "";
    if (wanted != 0) snprintf(size, sizeof size, " e = %d", wanted);
    if (other_size)
        snprintf(result->sentence, sizeof result->sentence,
                 "Not testable: no arm %s%s has the pool size of arm %s (%d); only equal sizes are compared.", words,
                 size, arm->name, arm->pool_size);
    else snprintf(result->sentence, sizeof result->sentence, "Not testable: there is no arm %s%s.", words, size);
}

/* Whether the arms of a hazard ratio are no cohort; says why. */
static bool say_no_cohort(ps_prediction_result *result, const ps_prediction_part_result *r, int variation) {
    cohort_check check = check_cohort(r->arm, r->against, variation);
    char *out = result->sentence;
    size_t size = sizeof result->sentence;
    if (check.other_function > 0)
        snprintf(out, size,
                 "Not testable: in %d of %d pairs arms %s and %s are not forked from the same checkpoint, and have "
                 "modules that do not start at zero, "
                 "so they do not start as the same function.",
                 check.other_function, check.pairs, r->arm->name, r->against->name);
    else if (check.other_states > 0)
        snprintf(out, size,
                 "Not testable: in %d of %d pairs nodes of both arms are in other states at the first probe, so no "
                 "cohort is common to both "
                 "arms; fork the arms from one checkpoint with modules that start at zero.",
                 check.other_states, check.pairs);
    return out[0] != '\0';
}

/* Whether this measured part leaves the prediction untestable; says why. */
static bool say_untestable(ps_prediction_result *result, const ps_prediction_part_result *r) {
    char *out = result->sentence, left[512];
    size_t size = sizeof result->sentence;
    list_left(r, left, sizeof left);
    if (result->missing[0] != '\0' && measured(r) == 0)
        snprintf(out, size, "Not testable: not recorded in arm %s%s%s: %s.", r->arm->name,
                 r->against != NULL ? " or " : "", r->against != NULL ? r->against->name : "", result->missing);
    else if (r->n == 0 && r->lost == 0)
        snprintf(out, size, "Not testable: arms %s and %s have no seed in common.", r->arm->name,
                 r->against != NULL ? r->against->name : "?");
    else if (too_many_lost(r))
        snprintf(out, size, "Not testable: %d of %d seeds give no value, more than a third (counted over: %s): %s.",
                 r->lost, r->lost + r->n, result->prediction->population, left);
    else if (measured(r) == 0 && !result->prediction->divergence_decides)
        snprintf(out, size, "Not testable: a run of every pair diverged, so that no number was measured.");
    return out[0] != '\0';
}

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

static void init_result(const ps_prediction *prediction, ps_prediction_result *result) {
    const ps_stats_interval none = {ps_absent(), ps_absent(), ps_absent(), "none"};
    memset(result, 0, sizeof *result);
    result->prediction = prediction;
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
    r->against = arm == NULL || alone(p) ? NULL : partner_arm(arms, p, arm);
    result->arm = r->arm;
    result->against = r->against;
    result->part = part;
    *testable = false;
    if (arm == NULL || (r->against == NULL && !alone(p))) {
        say_no_arm(arms, result, p, arm);
        return PS_OK;
    }
    if ((prediction->rests & PS_RESTS_DEATH) != 0) {
        r->edge_arm = edge_of(r->arm, variation);
        r->edge_against = edge_of(r->against, variation);
    }
    list_missing(prediction, variation, r, result->missing, sizeof result->missing);
    PS_TRY(measure_part(prediction, p, variation, r));
    if (needs_cohort(p) && say_no_cohort(result, r, variation)) return PS_OK;
    *testable = !say_untestable(result, r);
    return PS_OK;
}

static ps_status judge_one(const ps_arms *arms, const ps_prediction *prediction, int variation,
                           ps_prediction_result *result) {
    init_result(prediction, result);
    const ps_arm *arm = choose_arm(arms, prediction);
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
    bool supported = r->p_holm <= level;
    for (int i = 0; i < r->prediction->part_count; i++) supported = supported && wholly(r, i, true);
    if (supported) r->verdict = PS_VERDICT_SUPPORTED;
    else if (r->p_refute_holm <= level && wholly(r, refuting_part(r), false)) {
        r->verdict = PS_VERDICT_REFUTED;
        show_part(r, refuting_part(r));
    }
}

static void __attribute__((format(printf, 2, 3))) add_words(ps_prediction_result *r, const char *format, ...) {
    size_t used = strlen(r->sentence);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(r->sentence + used, sizeof r->sentence - used, format, arguments);
    va_end(arguments);
}

static const char *interval_in_words(const ps_stats_interval *interval) {
    if (strcmp(interval->name, "range") == 0) return "range";
    return strcmp(interval->name, "median95") == 0 ? "95 % interval of the median" : "95 % interval";
}

static const char *verdict_in_words(ps_verdict verdict) {
    return verdict == PS_VERDICT_SUPPORTED ? "Supported" : verdict == PS_VERDICT_REFUTED ? "Refuted" : "Inconclusive";
}

static void say_edge(ps_prediction_result *r, const ps_prediction_part_result *part) {
    if (ps_is_absent(part->edge_arm) || (r->against != NULL && ps_is_absent(part->edge_against))) {
        add_words(r, "; how many nodes stood on the edge is not known");
        return;
    }
    add_words(r, "; on the edge stood %.2g %% of the nodes of %s", 100 * part->edge_arm, r->arm->name);
    if (r->against != NULL) add_words(r, ", %.2g %% of those of %s", 100 * part->edge_against, r->against->name);
}

static void say(ps_prediction_result *r) {
    const ps_prediction *p = r->prediction;
    const ps_prediction_part_result *part = &r->parts[r->part];
    const char *plural = r->n == 1 ? "" : "s";
    char left[1536];
    list_left(part, left, sizeof left);
    add_words(r, "%s: %s", verdict_in_words(r->verdict), p->statistic);
    if (p->part_count > 1) add_words(r, " (part %d)", r->part + 1);
    add_words(r, " in %s", r->arm->name);
    if (r->against != NULL) add_words(r, " against %s", r->against->name);
    add_words(r, " is %.4g (%s %.4g to %.4g over %d seed%s%s), margin %s %.4g", r->estimate,
              interval_in_words(&r->interval), r->interval.low, r->interval.high, r->n, plural,
              part->diverged > 0 ? ", diverged runs ranked worst, median" : "", p->greater ? "above" : "below",
              p->parts[r->part].margin);
    add_words(r, "; p = %.3g for, %.3g against, after Holm %.3g and %.3g", r->p, r->p_refute, r->p_holm,
              r->p_refute_holm);
    add_words(r, "; %d seed%s can show p = %.3g at best (%.3g after Holm)%s", r->n, plural, r->best_p,
              fmin(1, r->best_p_holm), r->best_p_holm > level ? ", so nothing can be decided at 5 %" : "");
    if ((p->rests & PS_RESTS_DEATH) != 0) say_edge(r, part);
    if (left[0] != '\0') add_words(r, "; left out: %s", left);
    add_words(r, ".");
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
    double p[PREDICTIONS], q[PREDICTIONS], p_holm[PREDICTIONS], q_holm[PREDICTIONS];
    memset(results, 0, PREDICTIONS * sizeof *results);
    for (int i = 0; i < PREDICTIONS; i++) {
        if (ps_prediction_affected(&list[i], variation)) PS_TRY(judge_one(arms, &list[i], variation, &results[i]));
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
    return PS_OK;
}

ps_status ps_predictions_judge(const ps_arms *arms, bool faulty, ps_prediction_result *results) {
    return judge(arms, PRIMARY, faulty, NULL, results);
}

ps_status ps_predictions_judge_varied(const ps_arms *arms, int variation, bool faulty,
                                      const ps_prediction_result *primary, ps_prediction_result *results) {
    return judge(arms, variation, faulty, primary, results);
}

static int layers_of(const ps_summary *summary) {
    int count = 0;
    for (size_t i = 0; i < summary->spell_count; i++)
        if (summary->spells[i].layer >= count) count = summary->spells[i].layer + 1;
    for (size_t i = 0; i < summary->alive_count; i++)
        if (summary->alive[i].layer >= count) count = summary->alive[i].layer + 1;
    return count;
}

/* The first time behind `after` at which something happened, INFINITY: none. */
static double next_event(const ps_stats_spell *spells, size_t count, double after) {
    double next = INFINITY;
    for (size_t i = 0; i < count; i++)
        if (spells[i].event && spells[i].time > after) next = fmin(next, spells[i].time);
    return next;
}

/* What the events at one time add to the sums: those of the nodes at risk then, when all that comes later is censored.
 * room: count. */
static ps_stats_logrank events_at(const ps_stats_spell *spells, size_t count, double time, ps_stats_spell *room) {
    size_t at_risk = 0;
    for (size_t i = 0; i < count; i++) {
        if (spells[i].time < time) continue;
        room[at_risk] = spells[i];
        room[at_risk].event = spells[i].event && spells[i].time == time;
        room[at_risk++].time = time;
    }
    return ps_stats_logrank_of(room, at_risk);
}

/* A pair of runs whose hazards are compared. */
typedef struct {
    const char *statistic;
    const ps_arm *arm;
    const ps_arm_run *run, *partner;
    ps_tables *tables;
} hazard_pair;

/* The layer's probe so long after the first one, in the run's own trace; ps_absent(): none. */
static double line_after(const ps_arm_run *run, double time, int layer) {
    uint64_t line = ps_summary_probe_line(&run->summary, run->summary.start_step + (long long)time, layer);
    return line > 0 ? (double)line : ps_absent();
}

static ps_status write_events(const hazard_pair *pair, int layer) {
    const ps_arm_run *run = pair->run, *partner = pair->partner;
    ps_stats_spell *spells, *room;
    size_t count;
    char name[32];
    PS_TRY(gather_cohort(&partner->summary, &run->summary, strcmp(pair->statistic, "@reopening") == 0, layer, &spells,
                         &count));
    ps_status status = PS_ALLOC(count + 1, &room, "nodes at risk");
    snprintf(name, sizeof name, "#%d", layer);
    for (double time = 0; status == PS_OK && isfinite(time = next_event(spells, count, time));) {
        ps_stats_logrank term = events_at(spells, count, time, room);
        ps_tables_row(pair->tables, PS_TABLE_prediction_rows, "sslsdddddsds", pair->statistic, pair->arm->name,
                      run->seed, name, ps_absent(), (double)run->summary.start_step + time,
                      term.observed - term.expected, term.variance, line_after(run, time, layer), run->path,
                      line_after(partner, time, layer), partner->path);
    }
    if (status == PS_OK) ps_free(room);
    ps_free(spells);
    return status;
}

static ps_status write_hazards(const ps_prediction_part *part, const ps_prediction_part_result *r,
                               const ps_prediction_value *v, ps_tables *tables) {
    hazard_pair pair = {part->statistic, r->arm, ps_arm_find_seed(r->arm, v->seed),
                        ps_arm_find_seed(r->against, v->seed), tables};
    for (int l = 0; !v->diverged && l < layers_of(&pair.run->summary); l++) PS_TRY(write_events(&pair, l));
    return PS_OK;
}

ps_status ps_predictions_write_terms(const ps_prediction_result *results, ps_tables *tables) {
    for (int i = 0; i < PREDICTIONS; i++)
        for (int p = 0; p < list[i].part_count; p++)
            for (int v = 0; list[i].parts[p].statistic[0] == '@' && v < results[i].parts[p].n; v++)
                PS_TRY(write_hazards(&list[i].parts[p], &results[i].parts[p], &results[i].parts[p].values[v], tables));
    return PS_OK;
}

void ps_predictions_clear(ps_prediction_result *results) {
    for (int i = 0; i < PREDICTIONS; i++) clear_parts(&results[i]);
}
