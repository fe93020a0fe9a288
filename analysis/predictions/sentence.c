/* The sentence of a result: what came out, or why nothing can be said. */
#include "analysis/predictions/predictions_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "analysis/metric.h"
#include "analysis/relation.h"

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
        if (arms->arms[a].role == role && ps_prediction_size_fits(&arms->arms[a], size)) return true;
    return false;
}

void ps_prediction_say_no_arm(const ps_arms *arms, ps_prediction_result *result, const ps_prediction_part *part,
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

bool ps_prediction_say_no_margin(ps_prediction_result *result) {
    const ps_trace_measure *measure = result->prediction->measure;
    if (measure == NULL || ps_trace_measure_is_share(measure)) return false;
    snprintf(result->sentence, sizeof result->sentence,
             "Not testable: the margin is fixed in points of a share, and \"%s\" is none (unit \"%s\").", measure->name,
             measure->unit);
    return true;
}

bool ps_prediction_say_no_cohort(ps_prediction_result *result, const ps_prediction_part_result *r, int variation) {
    ps_cohort_check check = ps_cohort_check_of(r->arm, r->against, variation);
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

bool ps_prediction_say_untestable(ps_prediction_result *result, const ps_prediction_part_result *r) {
    char *out = result->sentence, left[512];
    size_t size = sizeof result->sentence;
    list_left(r, left, sizeof left);
    if (r->n == 0 && r->against != NULL && ps_relation_has_no_pair(r->arm, r->against))
        snprintf(out, size,
                 "Not testable: it needs runs that differ in the arm alone, and arms %s and %s differ in %s, too.",
                 r->arm->name, r->against->name, ps_relation_of(r->arm, r->against)->differs);
    else if (result->missing[0] != '\0' && ps_prediction_measured(r) == 0)
        snprintf(out, size, "Not testable: not recorded in arm %s%s%s: %s.", r->arm->name,
                 r->against != NULL ? " or " : "", r->against != NULL ? r->against->name : "", result->missing);
    else if (r->n == 0 && r->lost == 0)
        snprintf(out, size, "Not testable: arms %s and %s have no seed in common.", r->arm->name,
                 r->against != NULL ? r->against->name : "?");
    else if (ps_prediction_too_many_lost(r))
        snprintf(out, size, "Not testable: %d of %d seeds give no value, more than a third (counted over: %s): %s.",
                 r->lost, r->lost + r->n, result->prediction->population, left);
    else if (ps_prediction_measured(r) == 0 && !result->prediction->divergence_decides)
        snprintf(out, size, "Not testable: a run of every pair diverged, so that no number was measured.");
    return out[0] != '\0';
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

void ps_prediction_say(ps_prediction_result *r) {
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
              fmin(1, r->best_p_holm),
              r->best_p_holm > PS_PREDICTION_LEVEL ? ", so nothing can be decided at 5 %" : "");
    if ((p->rests & PS_RESTS_DEATH) != 0) say_edge(r, part);
    if (left[0] != '\0') add_words(r, "; left out: %s", left);
    add_words(r, ".");
}
