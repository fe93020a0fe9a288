#include "analysis/sensitivity.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "analysis/metric.h"
#include "core/memory.h"

const char *ps_sensitivity_verdict_name(const ps_sensitivity_row *row) {
    if (!row->affected) return "not_affected";
    if (row->verdict != PS_VERDICT_NOT_JUDGED) return ps_verdict_name(row->verdict);
    return row->beyond == 1 ? "beyond_margin" : "short_of_margin";
}

static bool says_something(const ps_sensitivity_row *row) {
    return row->affected && row->verdict != PS_VERDICT_NOT_TESTABLE;
}

static bool is_same(const ps_sensitivity *s, const ps_sensitivity_row *row) {
    return strcmp(ps_sensitivity_verdict_name(row), ps_sensitivity_verdict_name(&s->primary)) == 0;
}

double ps_sensitivity_same(const ps_sensitivity *sensitivity, const ps_sensitivity_row *row) {
    return says_something(row) ? (double)is_same(sensitivity, row) : ps_absent();
}

/* judged: the words of the design are those of a registered question alone; another one has numbers. */
static void fill_row(ps_sensitivity_row *row, const ps_variation *variation, const ps_prediction_result *r,
                     bool affected, bool judged) {
    static const char prefix[] = "Not testable: ";
    const ps_prediction_part_result *part = &r->parts[r->part];
    double margin = r->prediction->parts[r->part].margin;
    *row = (ps_sensitivity_row){.variation = variation,
                                .affected = affected,
                                .verdict = r->verdict == PS_VERDICT_NOT_TESTABLE ? r->verdict
                                           : judged                              ? r->outcome
                                                                                 : PS_VERDICT_NOT_JUDGED,
                                .beyond = r->prediction->greater ? part->median > margin : part->median < margin,
                                .n = part->n,
                                .estimate = part->median,
                                .low = part->bounds.low,
                                .high = part->bounds.high};
    if (!affected) {
        row->n = 0;
        row->estimate = row->low = row->high = row->beyond = ps_absent();
        snprintf(row->note, sizeof row->note, "does not rest on it");
    } else if (r->verdict == PS_VERDICT_NOT_TESTABLE) {
        bool prefixed = strncmp(r->sentence, prefix, sizeof prefix - 1) == 0;
        row->estimate = row->low = row->high = row->beyond = ps_absent();
        snprintf(row->note, sizeof row->note, "%s", r->sentence + (prefixed ? sizeof prefix - 1 : 0));
    }
}

/* ---- the sentence ---- */

static void __attribute__((format(printf, 2, 3))) add(ps_sensitivity *s, const char *format, ...) {
    size_t used = strlen(s->sentence);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(s->sentence + used, sizeof s->sentence - used, format, arguments);
    va_end(arguments);
}

static const char *in_words(const ps_sensitivity_row *row) {
    switch (row->verdict) {
        case PS_VERDICT_NOT_TESTABLE: return "not testable";
        case PS_VERDICT_NOT_JUDGED:
            return row->beyond == 1 ? "the median lies beyond the margin" : "the median lies short of the margin";
        case PS_VERDICT_SHOWN: return "shown";
        case PS_VERDICT_SHOWN_NOT: return "shown not to hold";
        case PS_VERDICT_UNDECIDED: break;
    }
    return "undecided";
}

/* "; undecided with windows joined in pairs, windows joined in fours": all rows that say what this first one says. */
static void add_list(ps_sensitivity *s, int first) {
    for (int v = 0; v < first; v++)
        if (s->rows[v].affected && strcmp(in_words(&s->rows[v]), in_words(&s->rows[first])) == 0) return; /* was said */
    for (int v = first; v < s->count; v++) {
        const ps_sensitivity_row *row = &s->rows[v];
        if (!row->affected || strcmp(in_words(row), in_words(&s->rows[first])) != 0) continue;
        if (v == first) add(s, "; %s with ", in_words(row));
        else add(s, ", ");
        add(s, "%s", row->variation->title);
    }
}

static void say(ps_sensitivity *s) {
    int affected = 0, judged = 0, same = 0;
    for (int v = 0; v < s->count; v++) {
        affected += s->rows[v].affected;
        judged += says_something(&s->rows[v]);
        same += says_something(&s->rows[v]) && is_same(s, &s->rows[v]);
    }
    if (affected == 0) add(s, "Not affected by any of the %d variations", s->count);
    else if (judged == 0) add(s, "Not testable under any of the %d variations that touch it", affected);
    else if (same == affected) add(s, "%s under all %d variations that touch it", in_words(&s->primary), affected);
    else add(s, "%s under %d of the %d variations that touch it", in_words(&s->primary), same, affected);
    for (int v = 0; judged > 0 && v < s->count; v++)
        if (s->rows[v].affected && !is_same(s, &s->rows[v])) add_list(s, v);
    add(s, ".");
    if (s->sentence[0] >= 'a' && s->sentence[0] <= 'z') s->sentence[0] = (char)(s->sentence[0] - 'a' + 'A');
}

static bool is_judged(const ps_prediction_result *r) {
    return r->verdict == PS_VERDICT_SHOWN || r->verdict == PS_VERDICT_SHOWN_NOT || r->verdict == PS_VERDICT_UNDECIDED;
}

ps_status ps_sensitivity_judge(const ps_arms *arms, const ps_questions *questions, bool faulty,
                               const ps_prediction_result *primary, ps_sensitivity *out) {
    int variations, count = questions->count;
    const ps_variation *list = ps_variations(&variations);
    ps_prediction_result *results;
    ps_status status = PS_OK;
    PS_TRY(PS_ALLOC((size_t)count, &results, "results under a variation"));
    for (int i = 0; i < count; i++) {
        memset(&out[i], 0, sizeof out[i]);
        out[i].prediction = primary[i].prediction; /* in the words of the task */
        out[i].count = variations;
        fill_row(&out[i].primary, NULL, &primary[i], true, is_judged(&primary[i]));
    }
    for (int v = 0; status == PS_OK && v < variations; v++) {
        status = ps_predictions_judge_varied(arms, questions, v, faulty, primary, results);
        for (int i = 0; status == PS_OK && i < count; i++)
            fill_row(&out[i].rows[v], &list[v], &results[i], ps_prediction_affected(questions->prediction[i], v),
                     is_judged(&primary[i]));
        ps_predictions_clear(results, count);
    }
    for (int i = 0; status == PS_OK && i < count; i++) say(&out[i]);
    ps_free(results);
    return status;
}
