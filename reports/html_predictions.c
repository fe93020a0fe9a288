/* The predictions: registered questions with their verdicts, then what is exploratory; and the instrument checks. */
#include "reports/html.h"
#include "reports/html_cells.h"

#include <math.h>
#include <string.h>

#include "reports/effect.h"
#include "reports/escape.h"

static bool is_level(const cJSON *prediction) {
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(prediction, "level"));
}

static void print_amount(FILE *stream, const cJSON *prediction, const cJSON *part, const char *key) {
    char text[PS_EFFECT_TEXT];
    ps_escape_html(stream, ps_effect_of(text, part, is_level(prediction), key));
}

static void print_bounds(FILE *stream, const cJSON *prediction, const cJSON *part) {
    char coverage[PS_ESCAPE_NUMBER];
    double share = ps_report_number(part, "coverage");
    if (!isfinite(share)) {
        fputs("<td class=\"n\">none</td>", stream);
        return;
    }
    fputs("<td class=\"n\">", stream);
    print_amount(stream, prediction, part, "low");
    fputs(" to ", stream);
    print_amount(stream, prediction, part, "high");
    fprintf(stream, "<small>both right with %s&nbsp;%%</small></td>", ps_escape_percent(coverage, share, 0));
}

/* How many seeds lie beyond the margin, and which margin. */
static void print_count(FILE *stream, const cJSON *prediction, const cJSON *part) {
    double n = ps_report_number(part, "n"), beyond = ps_report_number(part, "beyond");
    fprintf(stream, "<td class=\"n\">%.0f of %.0f<small>%s ", isfinite(beyond) ? beyond : 0, isfinite(n) ? n : 0,
            strcmp(ps_report_text(prediction, "direction"), "greater") == 0 ? "above" : "below");
    print_amount(stream, prediction, part, "margin");
    fputs("</small></td>", stream);
}

static void print_p(FILE *stream, const cJSON *part) {
    char p[PS_ESCAPE_NUMBER], other[PS_ESCAPE_NUMBER];
    fprintf(stream, "<td class=\"n\">%s<small>against %s</small></td>",
            ps_escape_number(p, ps_report_number(part, "p")),
            ps_escape_number(other, ps_report_number(part, "p_against")));
}

static void print_label(FILE *stream, const char *label) { fprintf(stream, "<p class=\"small\"><b>%s:</b> ", label); }

static void print_words(FILE *stream, const cJSON *prediction, const char *key, const char *label) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(prediction, key), *item;
    if (cJSON_GetArraySize(list) == 0) return;
    print_label(stream, label);
    cJSON_ArrayForEach(item, list) {
        if (item != list->child) fputs(", ", stream);
        ps_escape_html(stream, cJSON_IsString(item) ? item->valuestring : "");
    }
    fputs("</p>", stream);
}

static void print_fixed(FILE *stream, const cJSON *prediction) {
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(prediction, "fixed"), *item;
    char number[PS_ESCAPE_NUMBER];
    if (cJSON_GetArraySize(list) == 0) return;
    print_label(stream, "Numbers fixed beforehand");
    cJSON_ArrayForEach(item, list) {
        if (item != list->child) fputs(", ", stream);
        ps_escape_html(stream, ps_report_text(item, "name"));
        fprintf(stream, " = %s", ps_escape_number(number, ps_report_number(item, "value")));
    }
    fputs("</p>", stream);
}

/* What was fixed beforehand, and what of it these runs lack. */
static void print_design(FILE *stream, const cJSON *prediction) {
    static const char *const keys[][2] = {
        {"statement", "Statement"},  {"population", "Counted over"},           {"statistic", "Statistic"},
        {"claim_of", "Whose claim"}, {"supports", "Holds when the median is"}, {"refutes", "Does not hold when it is"}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *text = ps_report_text(prediction, keys[i][0]);
        if (!*text) continue;
        print_label(stream, keys[i][1]);
        ps_escape_html(stream, text);
        fputs("</p>", stream);
    }
    print_fixed(stream, prediction);
    print_words(stream, prediction, "needs", "Needed quantities");
    print_words(stream, prediction, "missing", "Not recorded");
}

/* Mean and spread, and of hazards the one ratio for all seeds: description, no verdict rests on them. */
static void print_description(FILE *stream, const cJSON *prediction) {
    const cJSON *parts = cJSON_GetObjectItemCaseSensitive(prediction, "parts"), *part;
    cJSON_ArrayForEach(part, parts) {
        char mean[PS_EFFECT_TEXT], pooled[PS_EFFECT_TEXT], sd[PS_ESCAPE_NUMBER];
        if (!isfinite(ps_report_number(part, "mean"))) continue;
        print_label(stream, "Description");
        ps_escape_html(stream, ps_report_text(part, "measure"));
        fprintf(stream, ": mean %s, standard deviation %s", ps_effect_of(mean, part, is_level(prediction), "mean"),
                ps_escape_number(sd, ps_report_number(part, "sd")));
        if (isfinite(ps_report_number(part, "pooled")))
            fprintf(stream, ", all seeds together %s", ps_effect_of(pooled, part, false, "pooled"));
        fputs("</p>", stream);
    }
}

/* The sentence and how the prediction was tested, folded away. */
static void print_more(FILE *stream, const cJSON *prediction) {
    fputs("<details><summary>In words, and how it was tested</summary><p class=\"small\">", stream);
    ps_escape_html(stream, ps_report_text(prediction, "sentence"));
    fputs("</p>", stream);
    print_design(stream, prediction);
    print_description(stream, prediction);
    fputs("</details>", stream);
}

/* "P2 dead nodes reopen sooner, at a hazard 10 % higher", and whose claim that is. */
static void print_claim(FILE *stream, const cJSON *prediction) {
    ps_escape_html(stream, ps_report_text(prediction, "id"));
    fputs(" ", stream);
    ps_escape_html(stream, ps_report_text(prediction, "title"));
    fputs("<small>claim of ", stream);
    ps_escape_html(stream, ps_report_text(prediction, "claim_of"));
    fputs("</small>", stream);
}

/* Who is compared, and of a prediction of several parts by what. */
static void print_compared(FILE *stream, const cJSON *part, int number, int parts) {
    const char *arm = ps_report_text(part, "arm"), *against = ps_report_text(part, "against");
    fputs("<small>", stream);
    if (parts > 1) {
        fprintf(stream, "part %d, ", number);
        ps_escape_html(stream, ps_report_text(part, "measure"));
        fputs(": ", stream);
    }
    ps_escape_html(stream, arm);
    fputs(*against ? " against " : "", stream);
    ps_escape_html(stream, against);
    fputs("</small>", stream);
}

static bool is_registered(const cJSON *prediction) {
    const char *place = ps_report_text(prediction, "place");
    return *place && strcmp(place, "exploratory") != 0;
}

/* The verdict is the prediction's, the words are each part's. */
static void print_verdict(FILE *stream, const cJSON *prediction, const cJSON *part, bool first) {
    const char *verdict = ps_report_text(prediction, "verdict"), *words = ps_report_text(part, "words");
    fputs("<td>", stream);
    if (first) {
        fputs("<span class=\"badge ", stream);
        ps_escape_html(stream, verdict);
        fputs("\">", stream);
        ps_escape_html(stream, ps_report_verdict_word(verdict));
        fputs("</span>", stream);
    }
    fputs("<small>", stream);
    if (!first || strcmp(words, verdict) != 0) ps_escape_html(stream, words);
    fputs("</small></td>", stream);
}

static void print_place(FILE *stream, const cJSON *prediction) {
    fputs("<small>", stream);
    ps_escape_html(stream, ps_report_text(prediction, "place"));
    fputs(" question</small>", stream);
}

static void print_part(FILE *stream, const cJSON *prediction, const cJSON *part, int number, int parts) {
    fputs(number > 1 ? "<tr class=\"further\"><th scope=\"row\" class=\"words\">"
                     : "<tr><th scope=\"row\" class=\"words\">",
          stream);
    if (number == 1) {
        print_claim(stream, prediction);
        if (is_registered(prediction)) print_place(stream, prediction);
    } else {
        ps_escape_html(stream, ps_report_text(prediction, "id"));
        fputs(" ", stream);
    }
    print_compared(stream, part, number, parts);
    if (number == 1) print_more(stream, prediction);
    fputs("</th>", stream);
    if (is_registered(prediction)) print_verdict(stream, prediction, part, number == 1);
    fputs("<td class=\"n\">", stream);
    print_amount(stream, prediction, part, "estimate");
    fputs("</td>", stream);
    print_bounds(stream, prediction, part);
    fputs("<td>", stream);
    ps_effect_picture(stream, prediction, part, false);
    fputs("</td>", stream);
    print_count(stream, prediction, part);
    print_p(stream, part);
    fputs("</tr>\n", stream);
}

static void print_prediction(FILE *stream, const cJSON *prediction) {
    const cJSON *parts = cJSON_GetObjectItemCaseSensitive(prediction, "parts"), *part;
    int number = 0, count = cJSON_GetArraySize(parts);
    cJSON_ArrayForEach(part, parts) print_part(stream, prediction, part, ++number, count);
}

static bool is_untested(const cJSON *prediction) {
    return strcmp(ps_report_text(prediction, "verdict"), "not_testable") == 0;
}

/* Predictions that these runs cannot speak to, each with what is missing. */
static void print_untested(FILE *stream, const cJSON *predictions, int count) {
    const cJSON *prediction;
    fprintf(stream, "<details class=\"card\"><summary>%d prediction%s not testable on these runs</summary><ul>\n",
            count, count == 1 ? " is" : "s are");
    cJSON_ArrayForEach(prediction, predictions) {
        if (!is_untested(prediction)) continue;
        fputs("<li><b>", stream);
        print_claim(stream, prediction);
        fputs("</b> ", stream);
        ps_escape_html(stream, ps_report_text(prediction, "sentence"));
        fputs("<details><summary>How it would be tested</summary>", stream);
        print_design(stream, prediction);
        fputs("</details></li>\n", stream);
    }
    fputs("</ul></details>\n", stream);
}

static void open_table(FILE *stream, bool registered) {
    fprintf(stream,
            "<div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\"><table "
            "class=\"predictions%s\"><caption><span>",
            registered ? "Registered questions" : "Exploratory", registered ? " judged" : "");
    fputs(registered
              ? "Registered before training, in the order they are judged in: the next one only after the claim before "
                "it was shown. "
              : "Not registered before these runs, so nothing is concluded here: effects, bounds and p-values that are "
                "not corrected for how many there are. ",
          stream);
    fputs(
        "Effect: the median over seeds. Dots are seeds, the bar beneath them the bounds (each right with 95&nbsp;%) "
        "with "
        "the median; shaded: where the claim holds, grey: smaller than the margin. p: exact sign test beyond the "
        "margin, "
        "and short of it.</span></caption><thead><tr><th scope=\"col\">",
        stream);
    fputs(registered ? "Question</th><th scope=\"col\">Verdict</th>" : "Prediction</th>", stream);
    fputs(
        "<th scope=\"col\" class=\"n\">Effect</th><th scope=\"col\" class=\"n\">Bounds</th><th "
        "scope=\"col\">Seeds</th><th scope=\"col\" class=\"n\">Beyond</th><th scope=\"col\" class=\"n\">p</th>"
        "</tr></thead><tbody>\n",
        stream);
}

static void close_table(FILE *stream) { fputs("</tbody></table></div>\n", stream); }

/* The registered ones in their order, those that could not be tested among them. */
static void print_registered(FILE *stream, const ps_report_content *content) {
    const cJSON *question = ps_report_question(content, "primary");
    char place[32];
    if (!question) return;
    fputs("<h3>Registered questions</h3>\n", stream);
    open_table(stream, true);
    for (int i = 1; question; i++) {
        print_prediction(stream, question);
        snprintf(place, sizeof place, "secondary %d", i);
        question = ps_report_question(content, place);
    }
    close_table(stream);
}

static void print_exploratory(FILE *stream, const cJSON *predictions) {
    const cJSON *prediction;
    fputs("<h3>Exploratory</h3>\n", stream);
    open_table(stream, false);
    cJSON_ArrayForEach(prediction, predictions) {
        if (!is_untested(prediction) && !is_registered(prediction)) print_prediction(stream, prediction);
    }
    close_table(stream);
}

void ps_report_html_predictions(FILE *stream, const ps_report_content *content) {
    const cJSON *predictions = cJSON_GetObjectItemCaseSensitive(content->verdict, "predictions"), *prediction;
    int all = cJSON_GetArraySize(predictions), untested = 0, exploratory = 0;
    cJSON_ArrayForEach(prediction, predictions) {
        bool registered = is_registered(prediction);
        untested += is_untested(prediction) && !registered;
        exploratory += !is_untested(prediction) && !registered;
    }
    fputs("<section aria-labelledby=\"h-predictions\"><h2 id=\"h-predictions\">Questions and predictions</h2>\n",
          stream);
    if (all == untested)
        fputs("<p>No prediction was tested: most need at least two arms that share seeds.</p>\n", stream);
    print_registered(stream, content);
    if (exploratory) print_exploratory(stream, predictions);
    if (untested) print_untested(stream, predictions, untested);
    fputs("</section>\n", stream);
}

void ps_report_html_checks(FILE *stream, const ps_report_content *content) {
    const cJSON *checks = cJSON_GetObjectItemCaseSensitive(content->verdict, "checks"), *check;
    int held = 0, broken = 0, open = 0;
    cJSON_ArrayForEach(check, checks) {
        const cJSON *holds = cJSON_GetObjectItemCaseSensitive(check, "holds");
        if (cJSON_IsTrue(holds)) held++;
        else if (cJSON_IsFalse(holds)) broken++;
        else open++;
    }
    if (held + broken + open == 0) return;
    fprintf(stream,
            "<details class=\"card\"%s><summary>Instrument checks: %d held, %d did not, %d not recorded</summary>"
            "<p class=\"small\">These are identities: true by construction, so they test the instrument and are no "
            "evidence "
            "for anything.</p><ul>\n",
            broken ? " open" : "", held, broken, open);
    cJSON_ArrayForEach(check, checks) {
        const cJSON *holds = cJSON_GetObjectItemCaseSensitive(check, "holds");
        char number[PS_ESCAPE_NUMBER];
        fprintf(stream, "<li><b>%s</b> ",
                cJSON_IsTrue(holds)    ? "held"
                : cJSON_IsFalse(holds) ? "did not hold"
                                       : "not recorded");
        ps_escape_html(stream, ps_report_text(check, "statement"));
        fprintf(stream, " <span class=\"small\">(%.0f cases, %.0f violations", ps_report_number(check, "cases"),
                ps_report_number(check, "violations"));
        if (isfinite(ps_report_number(check, "worst")))
            fprintf(stream, ", worst %s", ps_escape_number(number, ps_report_number(check, "worst")));
        fputs(")</span></li>\n", stream);
    }
    fputs("</ul></details>\n", stream);
}
