#include "reports/html.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "reports/escape.h"
#include "reports/svg.h"

void ps_report_html_cell(FILE *stream, const char *text) {
    fputs("<td>", stream);
    ps_escape_html(stream, text);
    fputs("</td>", stream);
}

void ps_report_html_number(FILE *stream, double value) {
    char buffer[PS_ESCAPE_NUMBER];
    fprintf(stream, "<td class=\"n\">%s</td>", ps_escape_number(buffer, value));
}

void ps_report_html_share(FILE *stream, double value, int is_signed) {
    char buffer[PS_ESCAPE_NUMBER];
    fprintf(stream, "<td class=\"n\">%s%s</td>", ps_escape_percent(buffer, value, is_signed),
            !isfinite(value) ? ""
            : is_signed      ? "&nbsp;<abbr title=\"percentage points\">pp</abbr>"
                             : "&nbsp;%");
}

/* A file of the share folder as it is (style, script). */
static ps_status print_share_file(FILE *stream, const ps_report_content *content, const char *name) {
    char *path = NULL, *text = NULL;
    size_t size = 0;
    PS_TRY(ps_file_join(content->share, name, &path));
    ps_status status = ps_file_read(path, &text, &size);
    if (status == PS_OK) fwrite(text, 1, size, stream);
    free(text);
    free(path);
    return status;
}

/* ---- head and first screen ---- */

static ps_status print_head(FILE *stream, const ps_report_content *content) {
    /* The policy forbids the page to load anything at all, whatever a name may have smuggled in. */
    fputs(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        "script-src "
        "'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'\">\n"
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"generator\" "
        "content=\"poolscope\">\n<title>",
        stream);
    ps_escape_html(stream, content->question);
    fputs(" – poolscope report</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>\n", stream);
    PS_TRY(print_share_file(stream, content, "page.css"));
    fputs("</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the verdict</a>\n", stream);
    return PS_OK;
}

static void print_first_words(FILE *stream, const ps_report_content *content) {
    fputs(
        "<header>\n<div class=\"brand\"><span>poolscope report</span><button type=\"button\" id=\"theme\" "
        "class=\"theme\" "
        "hidden>Dark page</button></div>\n<h1>",
        stream);
    ps_escape_html(stream, content->question);
    fputs("</h1>\n</header>\n<main id=\"main\">\n", stream);
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(content->verdict, "faulty")))
        fputs(
            "<p class=\"alarm\" role=\"alert\">An instrument check did not hold, so no prediction of this comparison "
            "counts. See the checks below.</p>\n",
            stream);
    fputs("<p class=\"answer\">", stream);
    ps_escape_html(stream, content->answer);
    if (content->numbers) {
        fputs("<small>", stream);
        ps_escape_html(stream, content->numbers);
        fputs("</small>", stream);
    }
    fputs("</p>\n", stream);
}

/* What else the comparison says, after the first sentence; a long summary is folded. */
static void print_summary(FILE *stream, const ps_report_content *content) {
    const cJSON *summary = cJSON_GetObjectItemCaseSensitive(content->verdict, "summary");
    int count = cJSON_GetArraySize(summary);
    if (count < 2) return;
    fprintf(stream, "<details class=\"card\"%s><summary>What else to know</summary><ul>\n", count <= 6 ? " open" : "");
    for (int i = 1; i < count; i++) {
        fputs("<li>", stream);
        const char *sentence = cJSON_GetStringValue(cJSON_GetArrayItem(summary, i));
        ps_escape_html(stream, sentence ? sentence : "");
        fputs("</li>\n", stream);
    }
    fputs("</ul></details>\n", stream);
}

/* ---- at a glance ---- */

typedef struct {
    const char *column, *title;
    int share;
} glance_column;

static const glance_column glance[] = {{"dead_mean", "Dead, time average", 1},
                                       {"dead_end", "Dead at the end", 1},
                                       {"edge_mean", "On the edge", 1},
                                       {"revival_rate", "Revived per window", 1},
                                       {"death_rate", "Newly dead per window", 1},
                                       {"loss_end", "Training loss, end", 0},
                                       {"test_accuracy", "Test accuracy", 1}};
enum { glance_count = sizeof glance / sizeof *glance };

/* Mean over an arm's seeds, with the lowest and highest beneath. */
static void print_glance_cell(FILE *stream, const ps_report_content *content, const char *arm,
                              const glance_column *what) {
    const ps_table *runs = &content->runs;
    int arm_column = ps_table_column(runs, "arm"), column = ps_table_column(runs, what->column), count = 0;
    double sum = 0, low = INFINITY, high = -INFINITY;
    char a[PS_ESCAPE_NUMBER], b[PS_ESCAPE_NUMBER], c[PS_ESCAPE_NUMBER];
    for (int row = ps_table_find(runs, 0, arm_column, arm); row >= 0;
         row = ps_table_find(runs, row + 1, arm_column, arm)) {
        double value = ps_table_number(runs, row, column);
        if (!isfinite(value)) continue;
        sum += value;
        low = fmin(low, value);
        high = fmax(high, value);
        count++;
    }
    if (count == 0) {
        fputs("<td class=\"n\">–</td>", stream);
        return;
    }
    if (what->share) fprintf(stream, "<td class=\"n\">%s&nbsp;%%", ps_escape_percent(a, sum / count, 0));
    else fprintf(stream, "<td class=\"n\">%s", ps_escape_number(a, sum / count));
    if (count > 1 && what->share)
        fprintf(stream, "<small>%s to %s</small>", ps_escape_percent(b, low, 0), ps_escape_percent(c, high, 0));
    else if (count > 1) fprintf(stream, "<small>%s to %s</small>", ps_escape_number(b, low), ps_escape_number(c, high));
    fputs("</td>", stream);
}

static void print_glance(FILE *stream, const ps_report_content *content) {
    const ps_table *arms = &content->arms;
    if (content->runs.rows == 0) return;
    fputs(
        "<div class=\"card scroll glance\" tabindex=\"0\" role=\"region\" aria-label=\"At a "
        "glance\"><table><caption><span>At a glance: mean over each arm's seeds, lowest and highest seed "
        "beneath.</span></caption>"
        "<thead><tr><th scope=\"col\">Arm</th>",
        stream);
    for (int i = 0; i < glance_count; i++) fprintf(stream, "<th scope=\"col\" class=\"n\">%s</th>", glance[i].title);
    fputs("</tr></thead><tbody>\n", stream);
    for (int row = 0; row < arms->rows; row++) {
        const char *arm = ps_table_text(arms, row, ps_table_column(arms, "arm"));
        double diverged = ps_table_number(arms, row, ps_table_column(arms, "diverged"));
        double unfinished = ps_table_number(arms, row, ps_table_column(arms, "unfinished"));
        double nonfinite = ps_table_number(arms, row, ps_table_column(arms, "nonfinite"));
        fprintf(stream,
                "<tr><th scope=\"row\"><svg class=\"key\" viewBox=\"0 0 9 9\" aria-hidden=\"true\"><rect width=\"9\" "
                "height=\"9\" style=\"fill:var(--arm%d)\"/></svg>",
                row % 8 + 1);
        ps_escape_html(stream, arm);
        if (diverged > 0) fprintf(stream, "<small>%.0f diverged</small>", diverged);
        if (unfinished > 0) fprintf(stream, "<small>%.0f unfinished</small>", unfinished);
        if (nonfinite > 0) fprintf(stream, "<small>%.0f not finite at the end</small>", nonfinite);
        fputs("</th>", stream);
        for (int i = 0; i < glance_count; i++) print_glance_cell(stream, content, arm, &glance[i]);
        fputs("</tr>\n", stream);
    }
    fputs("</tbody></table></div>\n", stream);
}

/* ---- what was run ---- */

/* A fact where it is known. */
static void print_fact(FILE *stream, const char *name, const char *value) {
    if (!*value || strcmp(value, "NA") == 0) return;
    fprintf(stream, "<div><dt>%s</dt><dd>", name);
    ps_escape_html(stream, value);
    fputs("</dd></div>\n", stream);
}

/* Value of a column of runs.tsv where all runs agree, else "differs". */
static const char *common_value(const ps_report_content *content, const char *column) {
    int at = ps_table_column(&content->runs, column);
    if (at < 0 || content->runs.rows == 0) return "";
    const char *first = ps_table_text(&content->runs, 0, at);
    for (int row = 1; row < content->runs.rows; row++)
        if (strcmp(first, ps_table_text(&content->runs, row, at)) != 0) return "differs between runs";
    return first;
}

static void print_identity(FILE *stream, const ps_report_content *content) {
    char text[128], paired[1024], number[PS_ESCAPE_NUMBER];
    int seed = ps_table_column(&content->runs, "seed"), arm = ps_table_column(&content->runs, "arm"), seeds = 0;
    const char *reference =
        content->arms.rows ? ps_table_text(&content->arms, 0, ps_table_column(&content->arms, "arm")) : "";
    for (int row = ps_table_find(&content->runs, 0, arm, reference); row >= 0 && seed >= 0;
         row = ps_table_find(&content->runs, row + 1, arm, reference))
        seeds++;
    fputs("<section class=\"card\" aria-label=\"What was run\"><dl class=\"facts\">\n", stream);
    print_fact(stream, "Network", common_value(content, "model"));
    print_fact(stream, "Data", ps_report_identity(content, "data.source"));
    print_fact(stream, "Its digest", ps_report_identity(content, "data.digest"));
    snprintf(text, sizeof text, "%d arm%s, %d run%s", content->arms.rows, content->arms.rows == 1 ? "" : "s",
             content->runs.rows, content->runs.rows == 1 ? "" : "s");
    print_fact(stream, "Arms", text);
    snprintf(text, sizeof text, "%d", seeds);
    print_fact(stream, "Seeds of the reference", text);
    ps_report_write_seeds(ps_report_meta(content, "paired_seeds"), paired, sizeof paired);
    print_fact(stream, "Paired seeds", paired);
    print_fact(stream, "Training steps", common_value(content, "steps"));
    if (*ps_report_identity(content, "config.lr")) {
        snprintf(text, sizeof text, "%.40s, lr %.20s, batch %.20s", ps_report_identity(content, "config.optimiser"),
                 ps_report_identity(content, "config.lr"), ps_report_identity(content, "config.batch"));
        print_fact(stream, "Optimiser", text);
    }
    print_fact(stream, "Nodes with a private gate", common_value(content, "nodes"));
    print_fact(stream, "Probe images", common_value(content, "probe_images"));
    double cost = ps_report_runs_mean(content, "record_cost");
    if (isfinite(cost)) {
        snprintf(text, sizeof text, "%s %% of the training time", ps_escape_percent(number, cost, 0));
        print_fact(stream, "Cost of recording", text);
    }
    print_fact(stream, "Recorded by", common_value(content, "producer"));
    print_fact(stream, "Instruction set", ps_report_identity(content, "machine.simd"));
    fputs("</dl></section>\n", stream);
}

/* ---- predictions ---- */

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

static void print_predictions(FILE *stream, const ps_report_content *content) {
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

/* ---- checks, comparison, runs ---- */

static void print_checks(FILE *stream, const ps_report_content *content) {
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

static void print_measure(FILE *stream, double value, int share, int is_signed) {
    char buffer[PS_ESCAPE_NUMBER];
    if (share) ps_report_html_share(stream, value, is_signed);
    else
        fprintf(stream, "<td class=\"n\">%s%s</td>", is_signed && value > 0 ? "+" : "",
                ps_escape_number(buffer, value));
}

/* The arm, with the pairs that take no part beneath. */
static void print_compared_arm(FILE *stream, const ps_table *table, int row) {
    int left_out = ps_table_column(table, "left_out");
    const char *reasons = left_out >= 0 ? ps_table_text(table, row, left_out) : "";
    fputs("<td>", stream);
    ps_escape_html(stream, ps_table_text(table, row, ps_table_column(table, "arm")));
    if (*reasons && strcmp(reasons, "NA") != 0) {
        fputs("<small>left out: ", stream);
        ps_escape_html(stream, reasons);
        fputs("</small>", stream);
    }
    fputs("</td>", stream);
}

/* The row of one arm; the first of a measure carries the measure's name for all of them. */
static void print_comparison_row(FILE *stream, const ps_table *table, int row, int span) {
    const char *better = ps_table_text(table, row, ps_table_column(table, "better"));
    int share = ps_report_is_share(ps_table_text(table, row, ps_table_column(table, "unit"))),
        wanted = strcmp(better, "lower") == 0 || strcmp(better, "higher") == 0;
    char buffer[PS_ESCAPE_NUMBER];
    fputs("<tr>", stream);
    if (span) {
        fprintf(stream, "<th scope=\"rowgroup\" rowspan=\"%d\" class=\"words\">", span);
        ps_escape_html(stream, ps_table_text(table, row, ps_table_column(table, "title")));
        fprintf(stream, "<small>%s%s</small></th>", wanted ? better : "", wanted ? " is better" : "");
    }
    print_compared_arm(stream, table, row);
    print_measure(stream, ps_table_number(table, row, ps_table_column(table, "mean_reference")), share, 0);
    print_measure(stream, ps_table_number(table, row, ps_table_column(table, "mean_arm")), share, 0);
    print_measure(stream, ps_table_number(table, row, ps_table_column(table, "mean_difference")), share, 1);
    print_measure(stream, ps_table_number(table, row, ps_table_column(table, "min_difference")), share, 1);
    print_measure(stream, ps_table_number(table, row, ps_table_column(table, "max_difference")), share, 1);
    fprintf(stream, "<td class=\"n\">%s</td><td class=\"n\">",
            ps_escape_number(buffer, ps_table_number(table, row, ps_table_column(table, "p"))));
    ps_escape_html(stream, wanted ? ps_table_text(table, row, ps_table_column(table, "wins")) : "–");
    fputs(wanted ? " of " : "", stream);
    ps_escape_html(stream, wanted ? ps_table_text(table, row, ps_table_column(table, "n")) : "");
    fputs("</td></tr>\n", stream);
}

/* Rows come arm by arm; the page sets the arms of a measure side by side. */
static void print_comparison_rows(FILE *stream, const ps_table *table) {
    int measure = ps_table_column(table, "measure");
    for (int row = 0; row < table->rows; row++) {
        const char *name = ps_table_text(table, row, measure);
        if (ps_table_find(table, 0, measure, name) != row) continue;
        int span = 0;
        for (int at = row; at >= 0; at = ps_table_find(table, at + 1, measure, name)) span++;
        fputs("<tbody>\n", stream);
        for (int at = row; at >= 0; at = ps_table_find(table, at + 1, measure, name))
            print_comparison_row(stream, table, at, at == row ? span : 0);
        fputs("</tbody>\n", stream);
    }
}

static void print_comparison(FILE *stream, const ps_report_content *content) {
    const ps_table *table = &content->comparison;
    if (table->rows == 0) return;
    fputs(
        "<section aria-labelledby=\"h-comparison\"><h2 id=\"h-comparison\">Arms against the reference</h2>\n"
        "<div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Arms against the "
        "reference\"><table class=\"versus\"><caption><span>Means over paired seeds (where a run diverged and a "
        "direction is "
        "wanted, medians in which it is infinitely bad), and the difference of each pair "
        "(arm minus reference; shares in percentage points): mean, lowest and highest seed. p: exact two-sided "
        "sign-flip "
        "test, not corrected.</span></caption>"
        "<thead><tr><th scope=\"col\">Measure</th><th scope=\"col\">Arm</th><th scope=\"col\" "
        "class=\"n\">Reference</th><th "
        "scope=\"col\" class=\"n\">Arm</th>"
        "<th scope=\"col\" class=\"n\">Difference</th><th scope=\"col\" class=\"n\">Lowest</th><th scope=\"col\" "
        "class=\"n\">Highest</th><th scope=\"col\" class=\"n\">p</th>"
        "<th scope=\"col\" class=\"n\">Arm better</th></tr></thead>\n",
        stream);
    print_comparison_rows(stream, table);
    fputs("</table></div></section>\n", stream);
}

/* Value of a key in an arm, "" where it has none. */
static const char *identity_of(const ps_table *identity, const char *arm, const char *key) {
    int arm_column = ps_table_column(identity, "arm"), key_column = ps_table_column(identity, "key");
    for (int row = ps_table_find(identity, 0, key_column, key); row >= 0;
         row = ps_table_find(identity, row + 1, key_column, key))
        if (strcmp(ps_table_text(identity, row, arm_column), arm) == 0)
            return ps_table_text(identity, row, ps_table_column(identity, "value"));
    return "";
}

static bool identity_differs(const ps_report_content *content, const char *key) {
    const ps_table *arms = &content->arms;
    int column = ps_table_column(arms, "arm");
    for (int row = 1; row < arms->rows; row++)
        if (strcmp(identity_of(&content->identity, ps_table_text(arms, row, column), key),
                   identity_of(&content->identity, ps_table_text(arms, 0, column), key)) != 0)
            return true;
    return false;
}

static void print_identity_row(FILE *stream, const ps_report_content *content, const char *key) {
    int column = ps_table_column(&content->arms, "arm");
    fputs("<tr><th scope=\"row\">", stream);
    ps_escape_html(stream, key);
    fputs("</th>", stream);
    for (int arm = 0; arm < content->arms.rows; arm++)
        ps_report_html_cell(stream, identity_of(&content->identity, ps_table_text(&content->arms, arm, column), key));
    fputs("</tr>\n", stream);
}

/* The keys in which arms differ, or those in which they agree. */
static void print_identity_rows(FILE *stream, const ps_report_content *content, bool differing) {
    const ps_table *identity = &content->identity;
    int column = ps_table_column(identity, "key");
    for (int row = 0; row < identity->rows; row++) {
        const char *key = ps_table_text(identity, row, column);
        if (ps_table_find(identity, 0, column, key) == row && identity_differs(content, key) == differing)
            print_identity_row(stream, content, key);
    }
}

static void print_configuration(FILE *stream, const ps_report_content *content) {
    if (content->identity.rows == 0) return;
    int column = ps_table_column(&content->arms, "arm");
    fputs(
        "<details class=\"card screen\"><summary>Configuration, data and versions of every arm</summary><div "
        "class=\"scroll\" "
        "tabindex=\"0\" role=\"region\" aria-label=\"Configuration\"><table>"
        "<caption><span>From the header of each arm's first trace; what differs between arms comes "
        "first.</span></caption><thead><tr><th scope=\"col\">Key</th>",
        stream);
    for (int arm = 0; arm < content->arms.rows; arm++) {
        fputs("<th scope=\"col\">", stream);
        ps_escape_html(stream, ps_table_text(&content->arms, arm, column));
        fputs("</th>", stream);
    }
    fputs("</tr></thead><tbody class=\"differing\">\n", stream);
    print_identity_rows(stream, content, true);
    fputs("</tbody><tbody>\n", stream);
    print_identity_rows(stream, content, false);
    fputs("</tbody></table></div></details>\n", stream);
}

/* Six digits of a number that the table has in full; what is no finite number stands as there. */
static void print_shortened(FILE *stream, const ps_table *table, int row, int column) {
    double value = ps_table_number(table, row, column);
    char text[32];
    snprintf(text, sizeof text, "%.6g", value);
    ps_report_html_cell(stream, isfinite(value) ? text : column >= 0 ? ps_table_text(table, row, column) : "NA");
}

/* Every run and every key of meta.tsv, folded away. */
static void print_runs(FILE *stream, const ps_report_content *content) {
    const ps_table *runs = &content->runs, *meta = &content->meta;
    static const struct {
        const char *name;
        bool measured;
    } columns[] = {{"arm", false},           {"seed", false},       {"status", false},       {"steps", false},
                   {"steps_planned", false}, {"loss_end", true},    {"test_accuracy", true}, {"dead_start", true},
                   {"dead_end", true},       {"record_cost", true}, {"parameters", false},   {"trace", false}};
    enum { count = sizeof columns / sizeof *columns };
    fputs(
        "<details class=\"card screen\"><summary>Every run, and the definitions used</summary><div class=\"scroll\" "
        "tabindex=\"0\" "
        "role=\"region\" aria-label=\"Runs\"><table>"
        "<caption><span>The runs. More columns stand in tables/runs.tsv.</span></caption><thead><tr>",
        stream);
    for (int c = 0; c < count; c++) fprintf(stream, "<th scope=\"col\">%s</th>", columns[c].name);
    fputs("</tr></thead><tbody>\n", stream);
    for (int row = 0; row < runs->rows; row++) {
        fputs("<tr>", stream);
        for (int c = 0; c < count; c++) {
            int column = ps_table_column(runs, columns[c].name);
            if (columns[c].measured) print_shortened(stream, runs, row, column);
            else ps_report_html_cell(stream, column >= 0 ? ps_table_text(runs, row, column) : "NA");
        }
        fputs("</tr>\n", stream);
    }
    fputs("</tbody></table></div><dl class=\"facts\">\n", stream);
    for (int row = 0; row < meta->rows; row++) {
        fputs("<div><dt>", stream);
        ps_escape_html(stream, ps_table_text(meta, row, ps_table_column(meta, "key")));
        fputs("</dt><dd>", stream);
        ps_escape_html(stream, ps_table_text(meta, row, ps_table_column(meta, "value")));
        fputs("</dd></div>\n", stream);
    }
    fputs("</dl></details>\n", stream);
}

/* ---- plots ---- */

static ps_status print_picture(FILE *stream, const ps_report_content *content, const ps_plot *plot) {
    char *path = NULL, *labels = NULL;
    bool allowed = false;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(ps_string_format(&path, "%s/%s.svg", content->plots.folder, plot->id));
    PS_TRY_CLEANUP(ps_string_format(&labels, "t-%s c-%s", plot->id, plot->id));
    fprintf(stream, "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Drawing\">");
    PS_TRY_CLEANUP(ps_svg_inline(stream, path, plot->id, labels, &allowed));
    if (!allowed)
        fputs("<p>The drawing holds elements that are not expected of gnuplot, so it was left out of the page.</p>",
              stream);
    fputs("</div>", stream);
cleanup:
    free(path);
    free(labels);
    return status;
}

static void print_absent(FILE *stream, const ps_plot *plot) {
    const char *words = plot->state == PS_PLOT_NOT_RECORDED ? "Not recorded, or nothing to count: no value in "
                        : plot->state == PS_PLOT_FAILED     ? "This plot could not be drawn: "
                                                            : "Not drawn, because gnuplot is missing.";
    fprintf(stream, "<p>%s", words);
    ps_escape_html(stream, plot->note ? plot->note : "");
    fputs(".</p>", stream);
}

static ps_status print_lacks(FILE *stream, const ps_report_content *content, const ps_plot *plot) {
    char *sentence;
    int row = 0;
    for (;;) {
        PS_TRY(ps_report_next_lack(content, plot->id, &row, &sentence));
        if (sentence == NULL) return PS_OK;
        fputs("<p>", stream);
        ps_escape_html(stream, sentence);
        fputs("</p>", stream);
        free(sentence);
    }
}

static ps_status print_plot(FILE *stream, const ps_report_content *content, const ps_plot *plot) {
    bool drawn = plot->state == PS_PLOT_DRAWN;
    fprintf(stream, "<figure id=\"%s\"%s><h3 id=\"t-%s\">", plot->id, drawn ? "" : " class=\"absent\"", plot->id);
    ps_escape_html(stream, plot->title);
    fputs("</h3>\n", stream);
    if (drawn) PS_TRY(print_picture(stream, content, plot));
    else print_absent(stream, plot);
    fprintf(stream, "<figcaption id=\"c-%s\">", plot->id);
    ps_escape_html(stream, plot->caption);
    fputs("</figcaption>", stream);
    PS_TRY(print_lacks(stream, content, plot));
    if (drawn)
        fprintf(stream,
                "<p class=\"files\">Files beside this page: <a href=\"plots/%s.svg\">SVG</a>, <a "
                "href=\"plots/%s.png\">PNG</a>, "
                "<a href=\"plots/%s.gp\">script</a>, <a href=\"plots/data/\">data</a></p>",
                plot->id, plot->id, plot->id);
    fputs("</figure>\n", stream);
    return PS_OK;
}

/* The plots number layers: which is which. Rows of the table are many (one an arm and step); the first of each number
 * counts. */
static void print_layers(FILE *stream, const ps_report_content *content) {
    const ps_table *layers = &content->layers;
    int position = ps_table_column(layers, "position"), kind = ps_table_column(layers, "kind"), next = 0;
    if (layers->rows == 0 || position < 0) return;
    fputs(
        "<details class=\"card\" id=\"layers\"><summary>Layers by their numbers in the plots</summary><ul "
        "class=\"numbers\">\n",
        stream);
    for (int row = 0; row < layers->rows; row++) {
        if (ps_table_number(layers, row, position) != next) continue;
        fprintf(stream, "<li><b>%d</b> ", next++);
        ps_escape_html(stream, ps_table_text(layers, row, ps_table_column(layers, "layer")));
        if (strcmp(ps_table_text(layers, row, kind), "shared") == 0) fputs(" <small>shared gate</small>", stream);
        fputs("</li>\n", stream);
    }
    fputs("</ul></details>\n", stream);
}

static ps_status print_plots(FILE *stream, const ps_report_content *content) {
    const char *section = "";
    int number = 0;
    for (int i = 0; i < content->plots.count; i++) {
        const ps_plot *plot = &content->plots.plots[i];
        if (strcmp(plot->section, section) != 0) {
            if (number) fputs("</section>\n", stream);
            section = plot->section;
            fprintf(stream, "<section aria-labelledby=\"s%d\"><h2 id=\"s%d\">", number, number);
            ps_escape_html(stream, section);
            fputs("</h2>\n", stream);
            number++;
        }
        PS_TRY(print_plot(stream, content, plot));
    }
    if (number) fputs("</section>\n", stream);
    return PS_OK;
}

static void print_navigation(FILE *stream, const ps_report_content *content) {
    const char *section = "";
    int number = 0;
    fputs("<nav aria-label=\"Sections\"><div><a href=\"#main\">Verdict</a><a href=\"#h-predictions\">Predictions</a>",
          stream);
    if (content->comparison.rows) fputs("<a href=\"#h-comparison\">Comparison</a>", stream);
    for (int i = 0; i < content->plots.count; i++) {
        if (strcmp(content->plots.plots[i].section, section) == 0) continue;
        section = content->plots.plots[i].section;
        fprintf(stream, "<a href=\"#s%d\">", number++);
        ps_escape_html(stream, section);
        fputs("</a>", stream);
    }
    fputs("<a href=\"#h-nodes\">Nodes</a></div></nav>\n", stream);
}

static void print_footer(FILE *stream) {
    fputs(
        "</main>\n<footer><p>A node is an output channel with its own gate. Dead: no gate output differs from 0 on any "
        "element of the probe set, with batch statistics. "
        "Inert: the gradient-driven path of its weights in a window is shorter than a thousandth of their norm. The "
        "seed is "
        "the unit of every test; a diverged run stays in, and contrasts rank it worst.</p>"
        "<p>Made from tables/ and verdict.json beside this page; it loads nothing from a network. Colours: Okabe and "
        "Ito; "
        "viridis.</p></footer>\n<script>\n",
        stream);
}

static ps_status print_page(FILE *stream, const ps_report_content *content) {
    PS_TRY(print_head(stream, content));
    print_first_words(stream, content);
    print_glance(stream, content);
    print_summary(stream, content);
    print_identity(stream, content);
    print_navigation(stream, content);
    print_predictions(stream, content);
    print_checks(stream, content);
    print_configuration(stream, content);
    print_runs(stream, content);
    print_comparison(stream, content);
    if (!content->plots.gnuplot)
        fputs(
            "<p class=\"alarm\">No plot could be drawn: the program gnuplot is missing. Install it (on Debian: apt "
            "install "
            "gnuplot-nox) and run `poolscope report` again.</p>\n",
            stream);
    print_layers(stream, content);
    PS_TRY(print_plots(stream, content));
    PS_TRY(ps_report_html_nodes(stream, content));
    print_footer(stream);
    PS_TRY(print_share_file(stream, content, "page.js"));
    fputs("</script>\n</body>\n</html>\n", stream);
    return PS_OK;
}

ps_status ps_report_write_html(const ps_report_content *content, const char *path) {
    ps_file_writer writer;
    PS_TRY(ps_file_writer_open(&writer, path));
    ps_status status = print_page(writer.stream, content);
    if (status == PS_OK) return ps_file_writer_commit(&writer);
    ps_file_writer_discard(&writer);
    return status;
}
