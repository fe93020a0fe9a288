#include "analysis/sensitivity.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"

const char *ps_sensitivity_verdict_name(const ps_sensitivity_row *row) {
    return row->affected ? ps_verdict_name(row->verdict) : "not_affected";
}

static bool says_something(const ps_sensitivity_row *row) {
    return row->affected && row->verdict != PS_VERDICT_NOT_TESTABLE;
}

double ps_sensitivity_same(const ps_sensitivity *sensitivity, const ps_sensitivity_row *row) {
    return says_something(row) ? (double)(row->verdict == sensitivity->primary) : ps_absent();
}

static void fill_row(ps_sensitivity_row *row, const ps_variation *variation, const ps_prediction_result *r,
                     bool affected) {
    static const char prefix[] = "Not testable: ";
    *row =
        (ps_sensitivity_row){variation, affected, r->verdict, r->n, r->estimate, r->interval.low, r->interval.high, ""};
    if (!affected) {
        row->n = 0;
        row->estimate = row->low = row->high = ps_absent();
        snprintf(row->note, sizeof row->note, "does not rest on it");
    } else if (r->verdict == PS_VERDICT_NOT_TESTABLE) {
        bool prefixed = strncmp(r->sentence, prefix, sizeof prefix - 1) == 0;
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

static const char *in_words(ps_verdict verdict) {
    return verdict == PS_VERDICT_NOT_TESTABLE ? "not testable" : ps_verdict_name(verdict);
}

/* "; inconclusive with windows joined in pairs, windows joined in fours" for the rows of one verdict. */
static void add_list(ps_sensitivity *s, ps_verdict verdict) {
    int found = 0;
    for (int v = 0; v < s->count; v++) {
        const ps_sensitivity_row *row = &s->rows[v];
        if (!row->affected || row->verdict != verdict) continue;
        if (found++ == 0) add(s, "; %s with ", in_words(verdict));
        else add(s, ", ");
        add(s, "%s", row->variation->title);
    }
}

static void say(ps_sensitivity *s) {
    int affected = 0, judged = 0, same = 0;
    for (int v = 0; v < s->count; v++) {
        affected += s->rows[v].affected;
        judged += says_something(&s->rows[v]);
        same += says_something(&s->rows[v]) && s->rows[v].verdict == s->primary;
    }
    if (affected == 0) add(s, "Not affected by any of the %d variations", s->count);
    else if (judged == 0) add(s, "Not testable under any of the %d variations that touch it", affected);
    else if (same == affected) add(s, "%s under all %d variations that touch it", in_words(s->primary), affected);
    else add(s, "%s under %d of the %d variations that touch it", in_words(s->primary), same, affected);
    for (ps_verdict verdict = PS_VERDICT_INCONCLUSIVE; judged > 0 && verdict <= PS_VERDICT_REFUTED; verdict++)
        if (verdict != s->primary) add_list(s, verdict);
    if (judged > 0) add_list(s, PS_VERDICT_NOT_TESTABLE);
    add(s, ".");
    if (s->sentence[0] >= 'a' && s->sentence[0] <= 'z') s->sentence[0] = (char)(s->sentence[0] - 'a' + 'A');
}

ps_status ps_sensitivity_judge(const ps_arms *arms, bool faulty, const ps_prediction_result *primary,
                               ps_sensitivity *out) {
    int variations, count;
    const ps_variation *list = ps_variations(&variations);
    const ps_prediction *const *predictions = ps_predictions(&count);
    ps_prediction_result *results;
    ps_status status = PS_OK;
    PS_TRY(PS_ALLOC((size_t)count, &results, "results under a variation"));
    for (int i = 0; i < count; i++) {
        memset(&out[i], 0, sizeof out[i]);
        out[i].prediction = primary[i].prediction; /* in the words of the task */
        out[i].primary = primary[i].verdict;
        out[i].count = variations;
    }
    for (int v = 0; status == PS_OK && v < variations; v++) {
        status = ps_predictions_judge_varied(arms, v, faulty, primary, results);
        for (int i = 0; status == PS_OK && i < count; i++)
            fill_row(&out[i].rows[v], &list[v], &results[i], ps_prediction_affected(predictions[i], v));
        ps_predictions_clear(results);
    }
    for (int i = 0; status == PS_OK && i < count; i++) say(&out[i]);
    ps_free(results);
    return status;
}
