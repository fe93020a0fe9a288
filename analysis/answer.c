#include "analysis/answer.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/outcomes.h"
#include "analysis/stats/sequential.h"
#include "core/memory.h"

static const ps_prediction_result *find_question(const ps_verdict_document *v, int order) {
    for (int i = 0; i < v->questions.count; i++)
        if (v->questions.order[i] == order) return &v->predictions[i];
    return NULL;
}

/* ---- the registered questions ---- */

/* "ps2 against baseline higher by more than 2 points (median pair +3 points, bounds +2.2 points to +4 points)". */
static void describe_part(const ps_prediction_result *r, int part, char *text, size_t size) {
    const ps_prediction *p = r->prediction;
    const ps_prediction_part_result *of = &r->parts[part];
    char words[PS_PART_WORDS], median[PS_PREDICTION_AMOUNT], low[PS_PREDICTION_AMOUNT], high[PS_PREDICTION_AMOUNT];
    ps_prediction_unit unit = p->parts[part].unit;
    ps_prediction_part_words(r, part, words);
    int used = snprintf(text, size, "%s%s%s: %s (median %s %s", of->arm->name, of->against != NULL ? " against " : "",
                        of->against != NULL ? of->against->name : "", words, of->against != NULL ? "pair" : "seed",
                        ps_prediction_amount(unit, of->median, p->level, median));
    if (of->bounds.given && used > 0 && (size_t)used < size)
        used += snprintf(text + used, size - (size_t)used, ", bounds %s to %s",
                         ps_prediction_amount(unit, of->bounds.low, p->level, low),
                         ps_prediction_amount(unit, of->bounds.high, p->level, high));
    if (used > 0 && (size_t)used < size)
        snprintf(text + used, size - (size_t)used, "; %d of %d seeds beyond the margin)", of->sign.beyond, of->sign.n);
}

static ps_status say_question(ps_verdict_document *v, const ps_prediction_result *r) {
    char place[32] = "Primary question", text[1024];
    const ps_prediction *p = r->prediction;
    if (r->order != PS_PRIMARY_QUESTION) snprintf(place, sizeof place, "Secondary question %d", r->order);
    if (r->verdict == PS_VERDICT_NOT_TESTABLE || r->verdict == PS_VERDICT_NOT_JUDGED)
        return ps_verdict_add_sentence(v, "%s, \"%s\" (%s): %s%s", place, p->title, p->id,
                                       r->verdict == PS_VERDICT_NOT_JUDGED ? "no verdict. " : "", r->sentence);
    describe_part(r, r->part, text, sizeof text);
    return ps_verdict_add_sentence(v, "%s, \"%s\" (%s): %s. %s.", place, p->title, p->id, ps_verdict_words(r->verdict),
                                   text);
}

static ps_status say_questions(ps_verdict_document *v) {
    const ps_registration *registration = v->questions.registration;
    if (registration == NULL)
        return ps_verdict_add_sentence(
            v,
            "No question was registered before these runs, so all of this is exploratory: effects, their bounds and "
            "uncorrected p, and no verdict.");
    for (int order = 0; order <= registration->secondaries; order++) {
        const ps_prediction_result *r = find_question(v, order);
        if (r != NULL) PS_TRY(say_question(v, r));
    }
    return PS_OK;
}

/* ---- outcomes ---- */

static ps_status say_outcomes(ps_verdict_document *v) {
    char list[2048] = "", text[PS_OUTCOME_TEXT];
    for (int a = 0; a < v->arms->count && strlen(list) + 400 < sizeof list; a++) {
        const ps_arm *arm = &v->arms->arms[a];
        ps_stats_mcnemar test = ps_outcomes_mcnemar(&v->arms->arms[0], arm);
        size_t used = strlen(list);
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%.64s: %s", a > 0 ? "; " : "", arm->name,
                                 ps_outcomes_say(arm, text));
        if (a > 0 && test.arm_only + test.partner_only >= ps_stats_mcnemar_fewest(PS_SIGN_LEVEL))
            snprintf(list + used, sizeof list - used, ", McNemar p = %.3g", test.two_sided);
    }
    return ps_verdict_add_sentence(v, "Collapses: %s.", list);
}

/* Who did not learn: its dead shares speak of a network that does nothing. */
static ps_status say_unlearned(ps_verdict_document *v) {
    char list[1024] = "";
    for (int a = 0; a < v->arms->count && strlen(list) + 100 < sizeof list; a++) {
        const ps_arm *arm = &v->arms->arms[a];
        ps_outcome_counts c = ps_outcomes_count(arm);
        size_t used = strlen(list);
        if (c.unlearned + c.diverged > 0)
            snprintf(list + used, sizeof list - used, "%s%.64s (%d of %d)", used > 0 ? ", " : "", arm->name,
                     c.unlearned + c.diverged, c.runs);
    }
    if (list[0] == '\0') return PS_OK;
    return ps_verdict_add_sentence(
        v, "Runs that learned nothing, so that their dead nodes are those of such networks: %s.", list);
}

/* ---- the next step ---- */

static ps_status __attribute__((format(printf, 2, 3))) set_next(ps_verdict_document *v, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return ps_string_copy(text, &v->next);
}

/* Registered seeds that have come to an outcome in both arms. */
static int registered_present(const ps_registration *registration, const ps_prediction_part_result *part) {
    int present = 0;
    for (int s = 0; s < registration->seeds; s++) present += ps_prediction_seed_ended(part, registration->seed[s]);
    return present;
}

static ps_status choose_sequential(ps_verdict_document *v, const ps_prediction_part_result *part) {
    int next = ps_looks_next(&ps_looks_early, part->look);
    if (next < 0) v->settled = true;
    if (next < 0)
        return set_next(v, "All registered looks are used up: further seeds are exploratory, or a new registration.");
    bool reachable = ps_looks_can_reach(&ps_looks_early, part->look, part->sign.beyond) ||
                     ps_looks_can_reach(&ps_looks_early, part->look, part->sign.against);
    v->settled = !reachable;
    if (!reachable)
        return set_next(v,
                        "No later look can reach a verdict on either side: stop here, and register a new question or "
                        "a new number of seeds.");
    return set_next(v, "The next registered look is at %d seeds: run the same experiment with --sequential again.",
                    ps_looks_early.seeds[next]);
}

static ps_status choose_next(ps_verdict_document *v) {
    const ps_registration *registration = v->questions.registration;
    const ps_prediction_result *primary = find_question(v, PS_PRIMARY_QUESTION);
    if (registration == NULL)
        return set_next(v,
                        "Write \"primary\": \"P2\" (or the question you have) into the experiment's file, or give "
                        "`poolscope train --register FILE`, and run seeds that were not looked at yet.");
    const ps_prediction_part_result *part = &primary->parts[primary->part];
    if (primary->early != NULL)
        return set_next(v,
                        "The question came after some of its runs: list seeds that were not trained yet, and run "
                        "those.");
    if (primary->verdict == PS_VERDICT_NOT_TESTABLE)
        return set_next(v, "The primary question cannot be tested on these runs; its sentence says what is missing.");
    v->settled = primary->verdict == PS_VERDICT_SHOWN || primary->verdict == PS_VERDICT_SHOWN_NOT;
    if (primary->verdict == PS_VERDICT_SHOWN || primary->verdict == PS_VERDICT_SHOWN_NOT)
        return set_next(v,
                        "The primary question is answered; further seeds would be exploratory, or a new "
                        "registration.");
    if (registration->sequential) return choose_sequential(v, part);
    int present = registered_present(registration, part);
    if (present < registration->seeds)
        return set_next(v, "%d of the %d registered seeds are still to be run.", registration->seeds - present,
                        registration->seeds);
    return set_next(v,
                    "The registered seeds are used up: further ones are exploratory. To decide it, register anew with "
                    "seeds that were not used; `poolscope plan-seeds` says how many.");
}

ps_status ps_answer_say(ps_verdict_document *verdict) {
    PS_TRY(say_questions(verdict));
    PS_TRY(say_outcomes(verdict));
    PS_TRY(say_unlearned(verdict));
    PS_TRY(choose_next(verdict));
    return verdict->next != NULL ? ps_verdict_add_sentence(verdict, "Next: %s", verdict->next) : PS_OK;
}
