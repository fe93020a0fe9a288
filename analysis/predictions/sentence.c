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
    const char *named = first ? part->arm_name : part->against_name;
    const char *words = ps_role_words(first ? part->arm : part->against);
    int wanted = first ? part->arm_size : part->against_size;
    char size[24] = "";
    if (named != NULL) {
        snprintf(result->sentence, sizeof result->sentence, "Not testable: there is no arm %s.", named);
        return;
    }
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

/* The first layer of the arm with a gate that dies by zeros, or (never) that cannot be exactly dead; NULL: none. */
static const ps_arm_layer *find_layer(const ps_arm *arm, bool never) {
    for (int i = 0; arm != NULL && i < arm->run_count; i++)
        for (int l = 0; l < arm->runs[i].layer_count; l++) {
            const ps_arm_layer *layer = &arm->runs[i].layers[l];
            if (never ? layer->death == PS_DEATH_NEVER : layer->tells_dead || layer->death == PS_DEATH_UNKNOWN)
                return layer;
        }
    return NULL;
}

bool ps_prediction_say_no_death(ps_prediction_result *result, const ps_prediction_part_result *r) {
    const ps_prediction *prediction = result->prediction;
    const ps_arm *const arms[] = {r->arm, r->against};
    bool death = ps_prediction_asks_for(prediction, PS_Q_nonzero),
         saturation = ps_prediction_asks_for(prediction, PS_Q_saturated);
    for (int a = 0; a < 2 && arms[a] != NULL; a++) {
        const ps_arm_layer *never = find_layer(arms[a], true), *mortal = find_layer(arms[a], false);
        if (death && mortal == NULL && never != NULL)
            snprintf(result->sentence, sizeof result->sentence,
                     "Not testable: no node of arm %s can be exactly dead (its activations, %.60s first, let gradient "
                     "through on both sides).",
                     arms[a]->name, never->activation);
        else if (saturation && never == NULL && mortal != NULL)
            snprintf(
                result->sentence, sizeof result->sentence,
                "Not testable: it asks of nodes that cannot be exactly dead, and arm %s has none (its activations, "
                "%.60s first, are rectifiers).",
                arms[a]->name, mortal->activation);
        else continue;
        return true;
    }
    return false;
}

bool ps_prediction_say_no_cohort(ps_prediction_result *result, const ps_prediction_part_result *r, int variation,
                                 const ps_registration *registration) {
    ps_cohort_check check = ps_cohort_check_of(r->arm, r->against, variation, registration);
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
    else if (r->n == 0)
        snprintf(out, size, "Not testable: none of %d seeds gives a value (counted over: %s): %s.", r->lost,
                 result->prediction->population, left);
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

static void say_edge(ps_prediction_result *r, const ps_prediction_part_result *part) {
    if (ps_is_absent(part->edge_arm) || (part->against != NULL && ps_is_absent(part->edge_against))) {
        add_words(r, "; how many nodes stood on the edge is not known");
        return;
    }
    add_words(r, "; on the edge stood %.2g %% of the nodes of %s", 100 * part->edge_arm, part->arm->name);
    if (part->against != NULL) add_words(r, ", %.2g %% of those of %s", 100 * part->edge_against, part->against->name);
}

/* ---- the words of the design: where the bounds lie ---- */

static const char *level_words(const ps_prediction *p, const ps_prediction_part_result *r, const char *margin,
                               char text[PS_PART_WORDS]) {
    const char *side = p->greater ? "above" : "below", *other = p->greater ? "below" : "above";
    if (r->shown) snprintf(text, PS_PART_WORDS, "%s %s", side, margin);
    else if (r->shown_not) snprintf(text, PS_PART_WORDS, "not %s %s, but %s", side, margin, other);
    else snprintf(text, PS_PART_WORDS, "undecided: on which side of %s is open", margin);
    return text;
}

/* up: the predicted direction. No margin: its size is 0, and a direction is all that can be asked. */
static const char *difference_words(ps_word word, const char *up, const char *down, const char *size, bool margin,
                                    char text[PS_PART_WORDS]) {
    switch (word) {
        case PS_WORD_BEYOND: snprintf(text, PS_PART_WORDS, margin ? "%s by more than %s" : "%s", up, size); break;
        case PS_WORD_SMALLER: snprintf(text, PS_PART_WORDS, "%s, by less than %s", up, size); break;
        case PS_WORD_SAME_DIRECTION:
            snprintf(text, PS_PART_WORDS, "%s; whether by more than %s is open", up, size);
            break;
        case PS_WORD_OPPOSITE_BEYOND:
            snprintf(text, PS_PART_WORDS, margin ? "%s by more than %s" : "%s", down, size);
            break;
        case PS_WORD_OPPOSITE_SMALLER: snprintf(text, PS_PART_WORDS, "%s, by less than %s", down, size); break;
        case PS_WORD_OPPOSITE: snprintf(text, PS_PART_WORDS, "%s; whether by more than %s is open", down, size); break;
        case PS_WORD_EQUIVALENT:
            snprintf(text, PS_PART_WORDS, "equivalent: different by less than %s, either way", size);
            break;
        case PS_WORD_NOT_BEYOND: snprintf(text, PS_PART_WORDS, "not %s by %s; the direction is open", up, size); break;
        case PS_WORD_UNDECIDED:
        case PS_WORD_COUNT: snprintf(text, PS_PART_WORDS, "undecided"); break;
    }
    return text;
}

const char *ps_prediction_part_words(const ps_prediction_result *result, int part, char text[PS_PART_WORDS]) {
    const ps_prediction *p = result->prediction;
    const ps_prediction_part *of = &p->parts[part];
    const ps_prediction_part_result *r = &result->parts[part];
    const char *up = p->greater ? "higher" : "lower", *down = p->greater ? "lower" : "higher";
    char size[PS_PREDICTION_AMOUNT];
    text[0] = '\0';
    if (result->verdict != PS_VERDICT_SHOWN && result->verdict != PS_VERDICT_SHOWN_NOT &&
        result->verdict != PS_VERDICT_UNDECIDED)
        return text;
    if (p->level) return level_words(p, r, ps_prediction_amount(of->unit, of->margin, true, size), text);
    return difference_words(r->word, up, down, ps_prediction_size(of->unit, fabs(of->margin), size), of->margin != 0,
                            text);
}

/* ---- what came out ---- */

static void say_effect(ps_prediction_result *r, int part) {
    const ps_prediction *p = r->prediction;
    const ps_prediction_part_result *of = &r->parts[part];
    const ps_prediction_unit unit = p->parts[part].unit;
    char median[PS_PREDICTION_AMOUNT], low[PS_PREDICTION_AMOUNT], high[PS_PREDICTION_AMOUNT], words[PS_PART_WORDS];
    add_words(r, " in %s", of->arm->name);
    if (of->against != NULL) add_words(r, " against %s", of->against->name);
    ps_prediction_part_words(r, part, words);
    if (words[0] != '\0') add_words(r, ": %s", words);
    add_words(r, "; %s %s", of->against != NULL ? "median pair" : "median seed",
              ps_prediction_amount(unit, of->median, p->level, median));
    if (of->bounds.given)
        add_words(r, ", bounds %s to %s (each right with 95 %%, both with %.1f %%)",
                  ps_prediction_amount(unit, of->bounds.low, p->level, low),
                  ps_prediction_amount(unit, of->bounds.high, p->level, high), 100 * of->bounds.coverage);
    else add_words(r, ", no bounds: fewer than 5 seeds have none at 95 %%");
    add_words(r, "; %d of %d seed%s beyond the margin of %s, %d short of it", of->sign.beyond, of->sign.n,
              of->sign.n == 1 ? "" : "s", ps_prediction_amount(unit, p->parts[part].margin, p->level, median),
              of->sign.against);
    if (of->sign.ties + of->sign.neither > 0) add_words(r, ", %d on neither side", of->sign.ties + of->sign.neither);
    add_words(r, ", p = %.3g", of->sign.p);
}

/* Why its numbers are exploratory although it was registered. */
static void say_why_not(ps_prediction_result *r) {
    if (r->early != NULL)
        add_words(r, "; not judged, for seed %lld was trained before the question was registered, or under another one",
                  r->early->seed);
    else if (r->behind != NULL) add_words(r, "; not judged, for %s, registered before it, was not shown", r->behind);
}

static void say_hazard(ps_prediction_result *r, const ps_prediction_part_result *part) {
    double arm = 0, against = 0;
    char pooled[PS_PREDICTION_AMOUNT];
    if (ps_is_absent(part->pooled)) return;
    for (int i = 0; i < part->n; i++) {
        arm += ps_is_absent(part->values[i].events_arm) ? 0 : part->values[i].events_arm;
        against += ps_is_absent(part->values[i].events_against) ? 0 : part->values[i].events_against;
    }
    add_words(r, "; all seeds together fit %s, from %.0f events in %s and %.0f in %s",
              ps_prediction_amount(PS_UNIT_LOG_RATIO, part->pooled, false, pooled), arm, part->arm->name, against,
              part->against->name);
}

void ps_prediction_say(ps_prediction_result *r) {
    const ps_prediction *p = r->prediction;
    const ps_prediction_part_result *part = &r->parts[r->part];
    char left[1536];
    list_left(part, left, sizeof left);
    add_words(r, "%s: %s", ps_verdict_words(r->verdict), p->statistic);
    for (int i = 0; i < p->part_count; i++) {
        if (p->part_count > 1) add_words(r, "%s part %d", i > 0 ? ";" : ",", i + 1);
        say_effect(r, i);
        say_hazard(r, &r->parts[i]);
    }
    say_why_not(r);
    if ((p->rests & PS_RESTS_DEATH) != 0) say_edge(r, part);
    if (left[0] != '\0') add_words(r, "; left out: %s", left);
    add_words(r, ".");
}
