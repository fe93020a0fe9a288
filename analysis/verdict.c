#include "analysis/verdict.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/outcomes.h"
#include "analysis/relation.h"
#include "core/json.h"
#include "core/memory.h"

ps_status ps_verdict_add_sentence(ps_verdict_document *verdict, const char *format, ...) {
    char sentence[4096];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    if (verdict->sentence_count == PS_MOST_SENTENCES) return PS_OK;
    return ps_string_copy(sentence, &verdict->sentences[verdict->sentence_count++]);
}

void ps_verdict_clear(ps_verdict_document *verdict) {
    for (int i = 0; i < verdict->sentence_count; i++) free(verdict->sentences[i]);
    free(verdict->traces_from);
    free(verdict->next);
    ps_predictions_clear(verdict->predictions, verdict->questions.count);
    ps_questions_clear(&verdict->questions);
    ps_free(verdict->sensitivity);
    ps_free_array(verdict->contrasts);
    ps_free_array(verdict->checks);
    memset(verdict, 0, sizeof *verdict);
}

/* ---- JSON: a thin layer that keeps track of commas ---- */

typedef struct {
    FILE *stream;
    int depth;
    bool first;
} json_out;

static void separate(json_out *out) {
    if (!out->first) putc(',', out->stream);
    out->first = false;
    putc('\n', out->stream);
    for (int i = 0; i < out->depth; i++) fputs("  ", out->stream);
}

static void key(json_out *out, const char *name) {
    separate(out);
    if (name == NULL) return;
    ps_json_print_text(out->stream, name);
    fputs(": ", out->stream);
}

static void open_item(json_out *out, const char *name, char bracket) {
    key(out, name);
    putc(bracket, out->stream);
    out->depth++;
    out->first = true;
}

static void close_item(json_out *out, char bracket) {
    out->depth--;
    if (!out->first) {
        putc('\n', out->stream);
        for (int i = 0; i < out->depth; i++) fputs("  ", out->stream);
    }
    putc(bracket, out->stream);
    out->first = false;
}

static void text(json_out *out, const char *name, const char *value) {
    key(out, name);
    if (value == NULL) fputs("null", out->stream);
    else ps_json_print_text(out->stream, value);
}

static void number(json_out *out, const char *name, double value) {
    key(out, name);
    if (ps_is_absent(value)) fputs("null", out->stream);
    else ps_json_print_double(out->stream, value);
}

static void flag(json_out *out, const char *name, bool value) {
    key(out, name);
    fputs(value ? "true" : "false", out->stream);
}

static void words(json_out *out, const char *name, const char *list) {
    char copy[256], *rest = copy, *word;
    snprintf(copy, sizeof copy, "%s", list);
    open_item(out, name, '[');
    while ((word = strsep(&rest, " ")) != NULL)
        if (word[0] != '\0') text(out, NULL, word);
    close_item(out, ']');
}

static void comma_words(json_out *out, const char *name, const char *list) {
    open_item(out, name, '[');
    for (const char *at = list; *at != '\0';) {
        char word[128];
        size_t length = strcspn(at, ",");
        snprintf(word, sizeof word, "%.*s", (int)length, at);
        text(out, NULL, word);
        at += length + strspn(at + length, ", ");
    }
    close_item(out, ']');
}

static void write_differences(json_out *out, const char *name, const ps_differences *all) {
    open_item(out, name, '[');
    for (size_t i = 0; i < all->count; i++) {
        open_item(out, NULL, '{');
        text(out, "key", all->list[i].key);
        text(out, "arm", all->list[i].own);
        text(out, "reference", all->list[i].other);
        close_item(out, '}');
    }
    close_item(out, ']');
}

static void write_relation(json_out *out, const ps_relation *relation) {
    text(out, "side_by_side", ps_relation_way(relation));
    comma_words(out, "shares", relation->shares);
    write_differences(out, "differs", &relation->keys);
    write_differences(out, "settings", &relation->settings);
}

static void write_arms(json_out *out, const ps_arms *arms) {
    open_item(out, "arms", '[');
    for (int a = 0; a < arms->count; a++) {
        const ps_arm *arm = &arms->arms[a];
        open_item(out, NULL, '{');
        text(out, "name", arm->name);
        flag(out, "reference", a == 0);
        flag(out, "pool_skip", arm->has_module);
        if (a > 0) write_relation(out, ps_relation_of(arm, &arms->arms[0]));
        open_item(out, "runs", '[');
        for (int r = 0; r < arm->run_count; r++) {
            open_item(out, NULL, '{');
            number(out, "seed", (double)arm->runs[r].seed);
            text(out, "trace", arm->runs[r].path);
            text(out, "status", ps_run_status_name(arm->runs[r].status));
            flag(out, "paired", arm->runs[r].paired);
            number(out, "steps", (double)arm->runs[r].steps);
            number(out, "steps_planned", arm->runs[r].planned > 0 ? (double)arm->runs[r].planned : ps_absent());
            number(out, "edge_nodes", ps_summary_get(&arm->runs[r].summary, "edge_nodes"));
            number(out, "edge_mean", ps_summary_get(&arm->runs[r].summary, "edge_mean"));
            close_item(out, '}');
        }
        close_item(out, ']');
        close_item(out, '}');
    }
    close_item(out, ']');
}

static void write_seeds(json_out *out, const ps_arms *arms) {
    char copy[4096], *rest = copy, *part;
    open_item(out, "seeds", '{');
    open_item(out, "paired", '[');
    for (int r = 0; r < arms->arms[0].run_count; r++)
        if (arms->arms[0].runs[r].paired) number(out, NULL, (double)arms->arms[0].runs[r].seed);
    close_item(out, ']');
    open_item(out, "unpaired", '[');
    snprintf(copy, sizeof copy, "%s", arms->unpaired);
    while ((part = strsep(&rest, ";")) != NULL)
        if (part[strspn(part, " ")] != '\0') text(out, NULL, part + strspn(part, " "));
    close_item(out, ']');
    close_item(out, '}');
}

static void write_checks(json_out *out, const ps_verdict_document *verdict) {
    open_item(out, "checks", '[');
    for (size_t i = 0; i < verdict->check_count; i++) {
        const ps_verdict_check *check = &verdict->checks[i];
        open_item(out, NULL, '{');
        text(out, "id", check->id);
        text(out, "statement", check->statement);
        if (check->cases > 0) flag(out, "holds", check->violations == 0);
        else text(out, "holds", NULL);
        number(out, "cases", check->cases);
        number(out, "violations", check->violations);
        text(out, "first_violation", check->first[0] != '\0' ? check->first : NULL);
        close_item(out, '}');
    }
    close_item(out, ']');
}

static void write_bounds(json_out *out, const ps_stats_bounds *bounds) {
    number(out, "low", bounds->given ? bounds->low : ps_absent());
    number(out, "high", bounds->given ? bounds->high : ps_absent());
    text(out, "interval", bounds->given ? "bounds95" : "none");
    number(out, "coverage", bounds->given ? bounds->coverage : ps_absent());
}

static void write_contrast(json_out *out, const ps_verdict_contrast *v) {
    const ps_contrast *c = &v->contrast;
    open_item(out, NULL, '{');
    text(out, "measure", v->measure);
    text(out, "title", v->title);
    text(out, "unit", v->unit);
    text(out, "better", ps_better_name(v->better));
    text(out, "arm", v->arm->name);
    number(out, "n", c->n);
    text(out, "centre", ps_contrast_centre_name(c));
    number(out, "mean_reference", c->centre_reference);
    number(out, "mean_arm", c->centre_arm);
    number(out, "mean_difference", c->centre);
    write_bounds(out, &c->bounds);
    number(out, "p", c->n > 0 ? c->p : ps_absent());
    number(out, "best_p", c->n > 0 ? c->best_p : ps_absent());
    open_item(out, "differences", '[');
    for (int i = 0; i < c->n; i++) {
        open_item(out, NULL, '{');
        number(out, "seed", (double)c->seed[i]);
        if (c->reference_seed[i] != c->seed[i]) number(out, "reference_seed", (double)c->reference_seed[i]);
        number(out, "value", c->difference[i]);
        number(out, "value_arm", c->arm[i]);
        number(out, "value_reference", c->reference[i]);
        flag(out, "diverged", c->diverged[i]);
        text(out, "trace", c->trace[i]);
        number(out, "first_line", (double)c->line[i]);
        text(out, "reference_trace", c->reference_trace[i]);
        number(out, "reference_line", (double)c->reference_line[i]);
        close_item(out, '}');
    }
    close_item(out, ']');
    open_item(out, "left_out", '[');
    for (int i = 0; i < c->left_count; i++) {
        const ps_contrast_left_out *l = &c->left[i];
        char reason[256];
        snprintf(reason, sizeof reason, "%s %.200s", l->reason, l->detail);
        open_item(out, NULL, '{');
        number(out, "seed", (double)l->seed);
        text(out, "reason", reason);
        close_item(out, '}');
    }
    close_item(out, ']');
    close_item(out, '}');
}

static void write_values(json_out *out, const ps_prediction_part_result *r) {
    open_item(out, "values", '[');
    for (int i = 0; i < r->n; i++) {
        const ps_prediction_value *v = &r->values[i];
        open_item(out, NULL, '{');
        number(out, "seed", (double)v->seed);
        number(out, "value", v->value);
        flag(out, "diverged", v->diverged);
        flag(out, "no_event", v->no_event);
        number(out, "cases", v->cases);
        number(out, "value_arm", v->value_arm);
        number(out, "value_against", v->value_against);
        number(out, "observed", v->observed);
        number(out, "expected", v->expected);
        number(out, "events_arm", v->events_arm);
        number(out, "events_against", v->events_against);
        text(out, "trace", v->trace);
        number(out, "first_line", (double)v->first_line);
        text(out, "against_trace", v->against_trace);
        number(out, "against_line", v->against_trace != NULL ? (double)v->against_line : ps_absent());
        close_item(out, '}');
    }
    close_item(out, ']');
    open_item(out, "left_out", '[');
    for (int i = 0; i < r->left_count; i++) {
        const ps_prediction_left_out *l = &r->left[i];
        char reason[256];
        snprintf(reason, sizeof reason, "%s%s%s", l->reason, l->detail != NULL ? " " : "",
                 l->detail != NULL ? l->detail : "");
        open_item(out, NULL, '{');
        number(out, "seed", (double)l->seed);
        text(out, "reason", reason);
        flag(out, "lost", l->lost);
        close_item(out, '}');
    }
    close_item(out, ']');
}

/* What a part was tested by and found. */
static void write_test(json_out *out, const ps_prediction_result *result, int part) {
    const ps_prediction_part_result *r = &result->parts[part];
    char words_of[PS_PART_WORDS];
    number(out, "n", r->sign.n);
    number(out, "beyond", r->sign.beyond);
    number(out, "against_it", r->sign.against);
    number(out, "ties", r->sign.ties);
    number(out, "neither", r->sign.neither);
    number(out, "estimate", r->median);
    number(out, "low", r->bounds.low);
    number(out, "high", r->bounds.high);
    number(out, "coverage", r->bounds.given ? r->bounds.coverage : ps_absent());
    number(out, "mean", r->mean);
    number(out, "sd", r->sd);
    number(out, "pooled", r->pooled);
    number(out, "p", r->sign.p);
    number(out, "p_against", r->sign.p_against);
    number(out, "look", r->look);
    text(out, "words", ps_prediction_part_words(result, part, words_of));
}

static void write_parts(json_out *out, const ps_prediction_result *result) {
    open_item(out, "parts", '[');
    for (int i = 0; i < result->prediction->part_count; i++) {
        const ps_prediction_part *part = &result->prediction->parts[i];
        const ps_prediction_part_result *r = &result->parts[i];
        open_item(out, NULL, '{');
        text(out, "measure", part->statistic);
        number(out, "margin", part->margin);
        text(out, "unit", ps_prediction_unit_name(part->unit));
        text(out, "arm", r->arm != NULL ? r->arm->name : NULL);
        text(out, "against", r->against != NULL ? r->against->name : NULL);
        write_test(out, result, i);
        number(out, "edge_arm", r->edge_arm);
        number(out, "edge_against", r->edge_against);
        write_values(out, r);
        close_item(out, '}');
    }
    close_item(out, ']');
}

static void write_sensitivity(json_out *out, const ps_sensitivity *s) {
    open_item(out, "sensitivity", '{');
    text(out, "sentence", s->sentence);
    open_item(out, "variations", '[');
    for (int v = 0; v < s->count; v++) {
        const ps_sensitivity_row *row = &s->rows[v];
        double same = ps_sensitivity_same(s, row);
        open_item(out, NULL, '{');
        text(out, "variation", row->variation->id);
        text(out, "title", row->variation->title);
        text(out, "kind", ps_variation_kind_name(row->variation->kind));
        text(out, "verdict", ps_sensitivity_verdict_name(row));
        number(out, "n", row->affected ? row->n : ps_absent());
        number(out, "estimate", row->estimate);
        number(out, "low", row->low);
        number(out, "high", row->high);
        if (ps_is_absent(same)) text(out, "same", NULL);
        else flag(out, "same", same == 1);
        text(out, "note", row->note);
        close_item(out, '}');
    }
    close_item(out, ']');
    close_item(out, '}');
}

static void write_prediction(json_out *out, const ps_prediction_result *r, const ps_sensitivity *sensitivity) {
    const ps_prediction *p = r->prediction;
    const ps_prediction_part_result *part = &r->parts[r->part];
    ps_prediction_text words_of;
    char place[24];
    open_item(out, NULL, '{');
    text(out, "id", p->id);
    text(out, "place", ps_question_place(r->order, place));
    text(out, "title", p->title);
    ps_prediction_statement(p, words_of);
    text(out, "statement", words_of);
    text(out, "population", p->population);
    text(out, "statistic", p->statistic);
    text(out, "measure", p->parts[r->part].statistic);
    ps_prediction_supports(p, words_of);
    text(out, "supports", words_of);
    ps_prediction_refutes(p, words_of);
    text(out, "refutes", words_of);
    text(out, "claim_of", p->claim_of);
    open_item(out, "fixed", '[');
    for (int i = 0; i < PS_MOST_FIXED && p->fixed[i].name != NULL; i++) {
        open_item(out, NULL, '{');
        text(out, "name", p->fixed[i].name);
        number(out, "value", p->fixed[i].value);
        close_item(out, '}');
    }
    close_item(out, ']');
    text(out, "direction", p->greater ? "greater" : "less");
    number(out, "margin", p->parts[r->part].margin);
    flag(out, "level", p->level);
    text(out, "arm", part->arm != NULL ? part->arm->name : NULL);
    text(out, "against", part->against != NULL ? part->against->name : NULL);
    text(out, "verdict", ps_verdict_name(r->verdict));
    write_test(out, r, r->part);
    words(out, "needs", p->needs);
    words(out, "missing", r->missing);
    words(out, "tables", p->tables);
    text(out, "sentence", r->sentence);
    number(out, "part", r->part + 1);
    write_values(out, &r->parts[r->part]);
    write_parts(out, r);
    write_sensitivity(out, sensitivity);
    close_item(out, '}');
}

/* As the file or the traces say it; null where nothing was registered. */
static void write_registration(json_out *out, const ps_questions *questions) {
    char *json = NULL;
    key(out, "registration");
    if (questions->registration != NULL && ps_registration_text(questions->registration, &json) == PS_OK)
        fputs(json, out->stream);
    else fputs("null", out->stream);
    free(json);
}

static void write_outcomes(json_out *out, const ps_arms *arms) {
    open_item(out, "outcomes", '[');
    for (int a = 0; a < arms->count; a++) {
        ps_outcome_counts c = ps_outcomes_count(&arms->arms[a]);
        ps_stats_mcnemar test = ps_outcomes_mcnemar(&arms->arms[0], &arms->arms[a]);
        char sentence[PS_OUTCOME_TEXT];
        open_item(out, NULL, '{');
        text(out, "arm", arms->arms[a].name);
        number(out, "runs", c.runs);
        number(out, "diverged", c.diverged);
        number(out, "unlearned", c.unlearned);
        number(out, "unknown", c.unknown);
        number(out, "collapsed", c.collapsed);
        number(out, "upper", c.upper);
        number(out, "mcnemar_p", a > 0 ? test.two_sided : ps_absent());
        text(out, "sentence", ps_outcomes_say(&arms->arms[a], sentence));
        close_item(out, '}');
    }
    close_item(out, ']');
}

void ps_verdict_write(const ps_verdict_document *verdict, FILE *stream) {
    json_out out = {stream, 1, true};
    int count = verdict->questions.count;
    putc('{', stream);
    text(&out, "format", "poolscope-verdict");
    number(&out, "version", 2);
    text(&out, "reference", verdict->arms->arms[0].name);
    flag(&out, "faulty", verdict->faulty);
    text(&out, "traces_from", verdict->traces_from);
    write_arms(&out, verdict->arms);
    write_seeds(&out, verdict->arms);
    open_item(&out, "summary", '[');
    for (int i = 0; i < verdict->sentence_count; i++) text(&out, NULL, verdict->sentences[i]);
    close_item(&out, ']');
    number(&out, "answer_sentences", verdict->answer_count);
    write_registration(&out, &verdict->questions);
    write_outcomes(&out, verdict->arms);
    text(&out, "next", verdict->next);
    write_checks(&out, verdict);
    open_item(&out, "comparison", '[');
    for (size_t i = 0; i < verdict->contrast_count; i++) write_contrast(&out, &verdict->contrasts[i]);
    close_item(&out, ']');
    open_item(&out, "predictions", '[');
    for (int i = 0; i < count; i++) write_prediction(&out, &verdict->predictions[i], &verdict->sensitivity[i]);
    close_item(&out, ']');
    fputs("\n}\n", stream);
}
