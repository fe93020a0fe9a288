/* The predictions with their verdicts, and the instrument checks. */
#include "reports/html.h"
#include "reports/html_cells.h"

#include <math.h>
#include <string.h>

#include "reports/escape.h"

/* Every seed as a dot on a line with zero and the margin marked. */
static void print_strip(FILE *stream, const cJSON *prediction) {
    enum { width = 136, height = 24, margin = 8 };
    const cJSON *values = cJSON_GetObjectItemCaseSensitive(prediction, "values"), *item;
    double bar = ps_report_number(prediction, "margin"), low = isfinite(bar) ? fmin(0, bar) : 0,
           high = isfinite(bar) ? fmax(0, bar) : 0;
    int count = 0;
    cJSON_ArrayForEach(item, values) {
        double value = ps_report_number(item, "value");
        if (!isfinite(value)) continue;
        low = fmin(low, value);
        high = fmax(high, value);
        count++;
    }
    if (count == 0) return;
    double scale = high > low ? (width - 2 * margin) / (high - low) : 0;
    fprintf(stream,
            "<svg class=\"strip\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%d seeds\"><line x1=\"0\" x2=\"%d\" "
            "y1=\"%d\" y2=\"%d\"/>"
            "<line class=\"zero\" x1=\"%.1f\" x2=\"%.1f\" y1=\"2\" y2=\"%d\"/>",
            width, height, count, width, height / 2, height / 2, margin - low * scale, margin - low * scale,
            height - 2);
    if (isfinite(bar) && bar != 0)
        fprintf(stream, "<line class=\"bar\" x1=\"%.1f\" x2=\"%.1f\" y1=\"2\" y2=\"%d\"/>",
                margin + (bar - low) * scale, margin + (bar - low) * scale, height - 2);
    cJSON_ArrayForEach(item, values) {
        double value = ps_report_number(item, "value");
        if (!isfinite(value)) continue;
        fprintf(stream, "<circle cx=\"%.1f\" cy=\"%d\" r=\"4\"%s/>", margin + (value - low) * scale, height / 2,
                cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "diverged")) ? " class=\"diverged\"" : "");
    }
    fputs("</svg>", stream);
}

static void print_interval(FILE *stream, const cJSON *prediction) {
    char low[PS_ESCAPE_NUMBER], high[PS_ESCAPE_NUMBER], coverage[PS_ESCAPE_NUMBER];
    const char *kind = ps_report_text(prediction, "interval");
    if (!isfinite(ps_report_number(prediction, "low")) && !isfinite(ps_report_number(prediction, "high"))) {
        fputs("<td class=\"n\">–</td>", stream);
        return;
    }
    fprintf(stream, "<td class=\"n\">%s to %s<small>", ps_escape_number(low, ps_report_number(prediction, "low")),
            ps_escape_number(high, ps_report_number(prediction, "high")));
    ps_escape_html(stream, strcmp(kind, "bca95") == 0 ? "bootstrap" : kind);
    double share = ps_report_number(prediction, "coverage");
    if (isfinite(share)) fprintf(stream, ", covers %s&nbsp;%%", ps_escape_percent(coverage, share, 0));
    fputs("</small></td>", stream);
}

static void print_p(FILE *stream, const cJSON *prediction) {
    char p[PS_ESCAPE_NUMBER], best[PS_ESCAPE_NUMBER];
    double value = ps_report_number(prediction, "p_holm"), least = ps_report_number(prediction, "best_p_holm");
    fprintf(stream, "<td class=\"n\">%s", ps_escape_number(p, value));
    if (isfinite(least)) fprintf(stream, "<small>at best %s</small>", ps_escape_number(best, least));
    fputs("</td>", stream);
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

static void print_direction(FILE *stream, const cJSON *prediction) {
    char number[PS_ESCAPE_NUMBER];
    const char *direction = ps_report_text(prediction, "direction");
    if (!*direction) return;
    print_label(stream, "Predicted direction");
    ps_escape_html(stream, direction);
    fprintf(stream, " than the margin %s</p>", ps_escape_number(number, ps_report_number(prediction, "margin")));
}

/* What was fixed beforehand, and what of it these runs lack. */
static void print_design(FILE *stream, const cJSON *prediction) {
    static const char *const keys[][2] = {{"statement", "Statement"},     {"population", "Counted over"},
                                          {"statistic", "Statistic"},     {"test", "Test"},
                                          {"supports", "Supported when"}, {"refutes", "Refuted when"}};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *text = ps_report_text(prediction, keys[i][0]);
        if (!*text) continue;
        print_label(stream, keys[i][1]);
        ps_escape_html(stream, text);
        fputs("</p>", stream);
    }
    print_direction(stream, prediction);
    print_fixed(stream, prediction);
    print_words(stream, prediction, "needs", "Needed quantities");
    print_words(stream, prediction, "missing", "Not recorded");
}

/* The sentence and how the prediction was tested, folded away. */
static void print_more(FILE *stream, const cJSON *prediction) {
    fputs("<details><summary>In words, and how it was tested</summary><p class=\"small\">", stream);
    ps_escape_html(stream, ps_report_text(prediction, "sentence"));
    fputs("</p>", stream);
    print_design(stream, prediction);
    fputs("</details>", stream);
}

/* "P1 dead nodes reopen sooner (ps2 against baseline)" */
static void print_claim(FILE *stream, const cJSON *prediction) {
    const char *arm = ps_report_text(prediction, "arm"), *against = ps_report_text(prediction, "against");
    ps_escape_html(stream, ps_report_text(prediction, "id"));
    fputs(" ", stream);
    ps_escape_html(stream, ps_report_text(prediction, "title"));
    if (!*arm) return;
    fputs("<small>", stream);
    ps_escape_html(stream, arm);
    fputs(*against ? " against " : "", stream);
    ps_escape_html(stream, against);
    fputs("</small>", stream);
}

static void print_prediction(FILE *stream, const cJSON *prediction) {
    const char *verdict = ps_report_text(prediction, "verdict");
    fputs("<tr><th scope=\"row\" class=\"words\">", stream);
    print_claim(stream, prediction);
    print_more(stream, prediction);
    fputs("</th><td><span class=\"badge ", stream);
    ps_escape_html(stream, verdict);
    fputs("\">", stream);
    ps_escape_html(stream, ps_report_verdict_word(verdict));
    fputs("</span></td>", stream);
    ps_report_html_number(stream, ps_report_number(prediction, "estimate"));
    print_interval(stream, prediction);
    fputs("<td>", stream);
    print_strip(stream, prediction);
    fputs("</td>", stream);
    print_p(stream, prediction);
    fputs("</tr>\n", stream);
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

static void print_tested(FILE *stream, const cJSON *predictions) {
    const cJSON *prediction;
    fputs(
        "<div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Predictions\"><table "
        "class=\"predictions\"><caption><span>Every "
        "prediction with one primary statistic. Dots are seeds, the solid bar is zero, the dotted bar the margin to be "
        "passed. p: exact sign-flip test of the predicted direction, corrected for the number of predictions (Holm), "
        "with "
        "the smallest value that so many seeds can reach.</span></caption>"
        "<thead><tr><th scope=\"col\">Prediction</th><th scope=\"col\">Verdict</th><th scope=\"col\" "
        "class=\"n\">Effect</th><th scope=\"col\" class=\"n\">Interval</th>"
        "<th scope=\"col\">Seeds</th><th scope=\"col\" class=\"n\">p</th></tr></thead><tbody>\n",
        stream);
    cJSON_ArrayForEach(prediction, predictions) if (!is_untested(prediction)) print_prediction(stream, prediction);
    fputs("</tbody></table></div>\n", stream);
}

void ps_report_html_predictions(FILE *stream, const ps_report_content *content) {
    const cJSON *predictions = cJSON_GetObjectItemCaseSensitive(content->verdict, "predictions"), *prediction;
    int all = cJSON_GetArraySize(predictions), untested = 0;
    cJSON_ArrayForEach(prediction, predictions) untested += is_untested(prediction);
    fputs("<section aria-labelledby=\"h-predictions\"><h2 id=\"h-predictions\">Predictions</h2>\n", stream);
    if (all == untested)
        fputs("<p>No prediction was tested: most need at least two arms that share seeds.</p>\n", stream);
    else print_tested(stream, predictions);
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
