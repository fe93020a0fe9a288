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
    fprintf(stream, "<td class=\"n\">%s%s</td>", ps_escape_percent(buffer, value, is_signed), isfinite(value) ? "&nbsp;%" : "");
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
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
          "img-src data:; base-uri 'none'; form-action 'none'\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"generator\" content=\"poolscope\">\n<title>", stream);
    ps_escape_html(stream, content->question);
    fputs(" – poolscope report</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>\n", stream);
    PS_TRY(print_share_file(stream, content, "page.css"));
    fputs("</style>\n</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the verdict</a>\n", stream);
    return PS_OK;
}

static void print_first_words(FILE *stream, const ps_report_content *content) {
    fputs("<header>\n<div class=\"brand\"><span>poolscope report</span><button type=\"button\" id=\"theme\" class=\"theme\" hidden>Dark page</button></div>\n<h1>", stream);
    ps_escape_html(stream, content->question);
    fputs("</h1>\n</header>\n<main id=\"main\">\n", stream);
    if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(content->verdict, "faulty")))
        fputs("<p class=\"alarm\" role=\"alert\">An instrument check did not hold, so no prediction of this comparison counts. See the checks below.</p>\n", stream);
    fputs("<p class=\"answer\">", stream);
    ps_escape_html(stream, content->answer);
    fputs("</p>\n", stream);
}

/* What else the comparison says, after the first sentence. */
static void print_summary(FILE *stream, const ps_report_content *content) {
    const cJSON *summary = cJSON_GetObjectItemCaseSensitive(content->verdict, "summary");
    if (cJSON_GetArraySize(summary) < 2) return;
    fputs("<details class=\"card\"><summary>The whole summary</summary><ul>\n", stream);
    for (int i = 1; i < cJSON_GetArraySize(summary); i++) {
        fputs("<li>", stream);
        const char *sentence = cJSON_GetStringValue(cJSON_GetArrayItem(summary, i));
        ps_escape_html(stream, sentence ? sentence : "");
        fputs("</li>\n", stream);
    }
    fputs("</ul></details>\n", stream);
}

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
    char text[128], number[PS_ESCAPE_NUMBER];
    int seed = ps_table_column(&content->runs, "seed"), arm = ps_table_column(&content->runs, "arm"), seeds = 0;
    const char *reference = content->arms.rows ? ps_table_text(&content->arms, 0, ps_table_column(&content->arms, "arm")) : "";
    for (int row = ps_table_find(&content->runs, 0, arm, reference); row >= 0 && seed >= 0; row = ps_table_find(&content->runs, row + 1, arm, reference)) seeds++;
    fputs("<section class=\"card\" aria-label=\"What was run\"><dl class=\"facts\">\n", stream);
    print_fact(stream, "Network", common_value(content, "model"));
    print_fact(stream, "Data", ps_report_meta(content, "data"));
    snprintf(text, sizeof text, "%d arms, %d runs", content->arms.rows, content->runs.rows);
    print_fact(stream, "Arms", text);
    snprintf(text, sizeof text, "%d", seeds);
    print_fact(stream, "Seeds of the reference", text);
    print_fact(stream, "Paired seeds", ps_report_meta(content, "paired_seeds"));
    print_fact(stream, "Training steps", common_value(content, "steps"));
    print_fact(stream, "Nodes with a private gate", common_value(content, "nodes"));
    print_fact(stream, "Probe images", common_value(content, "probe_images"));
    double cost = ps_report_runs_mean(content, "record_cost");
    if (isfinite(cost)) {
        snprintf(text, sizeof text, "%s %% of the training time", ps_escape_percent(number, cost, 0));
        print_fact(stream, "Cost of recording", text);
    }
    print_fact(stream, "Recorded by", common_value(content, "producer"));
    print_fact(stream, "Compared by", ps_report_meta(content, "version"));
    fputs("</dl></section>\n", stream);
}

/* ---- predictions ---- */

/* Every seed as a dot on a line with zero marked. */
static void print_strip(FILE *stream, const cJSON *values) {
    enum { width = 136, height = 24, margin = 8 };
    double low = 0, high = 0;
    const cJSON *item;
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
    fprintf(stream, "<svg class=\"strip\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%d seeds\"><line x1=\"0\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/>"
            "<line class=\"zero\" x1=\"%.1f\" x2=\"%.1f\" y1=\"2\" y2=\"%d\"/>", width, height, count, width, height / 2, height / 2,
            margin - low * scale, margin - low * scale, height - 2);
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

static void print_more(FILE *stream, const cJSON *prediction) {
    static const char *const keys[][2] = {{"statement", "Statement"}, {"population", "Counted over"}, {"statistic", "Statistic"},
                                          {"supports", "Supported by"}, {"refutes", "Refuted by"}};
    fputs("<details><summary>How it was tested</summary>", stream);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *text = ps_report_text(prediction, keys[i][0]);
        if (!*text) continue;
        fprintf(stream, "<p class=\"small\"><b>%s:</b> ", keys[i][1]);
        ps_escape_html(stream, text);
        fputs("</p>", stream);
    }
    fputs("</details>", stream);
}

static void print_prediction(FILE *stream, const cJSON *prediction) {
    const char *verdict = ps_report_text(prediction, "verdict"), *arm = ps_report_text(prediction, "arm"), *against = ps_report_text(prediction, "against");
    fputs("<tr><th scope=\"row\">", stream);
    ps_escape_html(stream, ps_report_text(prediction, "id"));
    fputs(" ", stream);
    ps_escape_html(stream, ps_report_text(prediction, "title"));
    if (*arm) {
        fputs("<small>", stream);
        ps_escape_html(stream, arm);
        fputs(*against ? " against " : "", stream);
        ps_escape_html(stream, against);
        fputs("</small>", stream);
    }
    fputs("</th><td><span class=\"badge ", stream);
    ps_escape_html(stream, verdict);
    fputs("\">", stream);
    ps_escape_html(stream, ps_report_verdict_word(verdict));
    fputs("</span></td>", stream);
    ps_report_html_number(stream, ps_report_number(prediction, "estimate"));
    print_interval(stream, prediction);
    fputs("<td>", stream);
    print_strip(stream, cJSON_GetObjectItemCaseSensitive(prediction, "values"));
    fputs("</td>", stream);
    print_p(stream, prediction);
    fputs("<td class=\"words\">", stream);
    ps_escape_html(stream, ps_report_text(prediction, "sentence"));
    print_more(stream, prediction);
    fputs("</td></tr>\n", stream);
}

static void print_predictions(FILE *stream, const ps_report_content *content) {
    const cJSON *predictions = cJSON_GetObjectItemCaseSensitive(content->verdict, "predictions"), *prediction;
    fputs("<section aria-labelledby=\"h-predictions\"><h2 id=\"h-predictions\">Predictions</h2>\n", stream);
    if (cJSON_GetArraySize(predictions) == 0) {
        fputs("<p>No prediction was tested: that needs at least two arms that share seeds.</p></section>\n", stream);
        return;
    }
    fputs("<div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Predictions\"><table><caption><span>Every prediction with one primary statistic. Dots are seeds, the bar is zero; "
          "p is exact, two-sided, corrected for the number of predictions (Holm), with the smallest value that so many seeds can reach.</span></caption>"
          "<thead><tr><th scope=\"col\">Prediction</th><th scope=\"col\">Verdict</th><th scope=\"col\" class=\"n\">Effect</th><th scope=\"col\" class=\"n\">Interval</th>"
          "<th scope=\"col\">Seeds</th><th scope=\"col\" class=\"n\">p</th><th scope=\"col\">In words</th></tr></thead><tbody>\n", stream);
    cJSON_ArrayForEach(prediction, predictions) print_prediction(stream, prediction);
    fputs("</tbody></table></div></section>\n", stream);
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
    fprintf(stream, "<details class=\"card\"%s><summary>Instrument checks: %d held, %d did not, %d not recorded</summary>"
            "<p class=\"small\">These are identities: true by construction, so they test the instrument and are no evidence for anything.</p><ul>\n",
            broken ? " open" : "", held, broken, open);
    cJSON_ArrayForEach(check, checks) {
        const cJSON *holds = cJSON_GetObjectItemCaseSensitive(check, "holds");
        char number[PS_ESCAPE_NUMBER];
        fprintf(stream, "<li><b>%s</b> ", cJSON_IsTrue(holds) ? "held" : cJSON_IsFalse(holds) ? "did not hold" : "not recorded");
        ps_escape_html(stream, ps_report_text(check, "statement"));
        fprintf(stream, " <span class=\"small\">(%.0f cases, %.0f violations", ps_report_number(check, "cases"), ps_report_number(check, "violations"));
        if (isfinite(ps_report_number(check, "worst"))) fprintf(stream, ", worst %s", ps_escape_number(number, ps_report_number(check, "worst")));
        fputs(")</span></li>\n", stream);
    }
    fputs("</ul></details>\n", stream);
}

static void print_measure(FILE *stream, double value, int share, int is_signed) {
    if (share) ps_report_html_share(stream, value, is_signed);
    else ps_report_html_number(stream, value);
}

static void print_comparison_row(FILE *stream, const ps_table *table, int row) {
    const char *better = ps_table_text(table, row, ps_table_column(table, "better"));
    int share = ps_report_is_share(ps_table_text(table, row, ps_table_column(table, "unit")));
    char buffer[PS_ESCAPE_NUMBER];
    fputs("<tr><th scope=\"row\">", stream);
    ps_escape_html(stream, ps_table_text(table, row, ps_table_column(table, "title")));
    fprintf(stream, "<small>%s</small></th>", strcmp(better, "lower") == 0 ? "lower is better" : strcmp(better, "higher") == 0 ? "higher is better" : "");
    ps_report_html_cell(stream, ps_table_text(table, row, ps_table_column(table, "arm")));
    print_measure(stream, ps_table_number(table, row, ps_table_column(table, "mean_reference")), share, 0);
    print_measure(stream, ps_table_number(table, row, ps_table_column(table, "mean_arm")), share, 0);
    print_measure(stream, ps_table_number(table, row, ps_table_column(table, "mean_difference")), share, 1);
    print_measure(stream, ps_table_number(table, row, ps_table_column(table, "min_difference")), share, 1);
    print_measure(stream, ps_table_number(table, row, ps_table_column(table, "max_difference")), share, 1);
    fprintf(stream, "<td class=\"n\">%s</td>", ps_escape_number(buffer, ps_table_number(table, row, ps_table_column(table, "p"))));
    fputs("<td class=\"n\">", stream);
    ps_escape_html(stream, ps_table_text(table, row, ps_table_column(table, "wins")));
    fputs(" of ", stream);
    ps_escape_html(stream, ps_table_text(table, row, ps_table_column(table, "n")));
    fputs("</td></tr>\n", stream);
}

static void print_comparison(FILE *stream, const ps_report_content *content) {
    const ps_table *table = &content->comparison;
    if (table->rows == 0) return;
    fputs("<section aria-labelledby=\"h-comparison\"><h2 id=\"h-comparison\">Arms against the reference</h2>\n"
          "<div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Arms against the reference\"><table><caption><span>Means over paired seeds, and the difference of each pair "
          "(arm minus reference): mean, lowest and highest seed. p: exact two-sided sign-flip test, not corrected.</span></caption>"
          "<thead><tr><th scope=\"col\">Measure</th><th scope=\"col\">Arm</th><th scope=\"col\" class=\"n\">Reference</th><th scope=\"col\" class=\"n\">Arm</th>"
          "<th scope=\"col\" class=\"n\">Difference</th><th scope=\"col\" class=\"n\">Lowest</th><th scope=\"col\" class=\"n\">Highest</th><th scope=\"col\" class=\"n\">p</th>"
          "<th scope=\"col\" class=\"n\">Arm better</th></tr></thead><tbody>\n", stream);
    for (int row = 0; row < table->rows; row++) print_comparison_row(stream, table, row);
    fputs("</tbody></table></div></section>\n", stream);
}

/* Every run and every key of meta.tsv, folded away. */
static void print_runs(FILE *stream, const ps_report_content *content) {
    const ps_table *runs = &content->runs, *meta = &content->meta;
    static const char *const columns[] = {"arm", "seed", "status", "steps", "loss_end", "test_accuracy", "dead_start", "dead_end", "record_cost", "parameters", "trace"};
    enum { count = sizeof columns / sizeof *columns };
    fputs("<details class=\"card\"><summary>Every run, configuration and versions</summary><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Runs\"><table>"
          "<caption><span>The runs. More columns stand in tables/runs.tsv.</span></caption><thead><tr>", stream);
    for (int c = 0; c < count; c++) fprintf(stream, "<th scope=\"col\">%s</th>", columns[c]);
    fputs("</tr></thead><tbody>\n", stream);
    for (int row = 0; row < runs->rows; row++) {
        fputs("<tr>", stream);
        for (int c = 0; c < count; c++) ps_report_html_cell(stream, ps_table_text(runs, row, ps_table_column(runs, columns[c])));
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
    PS_TRY_CLEANUP(ps_string_format(&path, "%s/plots/%s.svg", content->directory, plot->id));
    PS_TRY_CLEANUP(ps_string_format(&labels, "t-%s c-%s", plot->id, plot->id));
    fprintf(stream, "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Drawing\">");
    PS_TRY_CLEANUP(ps_svg_inline(stream, path, plot->id, labels, &allowed));
    if (!allowed) fputs("<p>The drawing holds elements that are not expected of gnuplot, so it was left out of the page.</p>", stream);
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
    if (drawn)
        fprintf(stream, "<p class=\"files\">Files beside this page: <a href=\"plots/%s.svg\">SVG</a>, <a href=\"plots/%s.png\">PNG</a>, "
                "<a href=\"plots/%s.gp\">script</a>, <a href=\"plots/data/\">data</a></p>", plot->id, plot->id, plot->id);
    fputs("</figure>\n", stream);
    return PS_OK;
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
    fputs("<nav aria-label=\"Sections\"><div><a href=\"#main\">Verdict</a><a href=\"#h-predictions\">Predictions</a>", stream);
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
    fputs("</main>\n<footer><p>A node is an output channel with its own gate. Dead: no gate output differs from 0 on any element of the probe set, with batch statistics. "
          "Inert: the gradient-driven path of its weights in a window is shorter than a thousandth of their norm. The seed is the unit of every test; a diverged run stays in and is ranked worst.</p>"
          "<p>Made from tables/ and verdict.json beside this page; it loads nothing from a network. Colours: Okabe and Ito; viridis.</p></footer>\n<script>\n", stream);
}

static ps_status print_page(FILE *stream, const ps_report_content *content) {
    PS_TRY(print_head(stream, content));
    print_first_words(stream, content);
    print_identity(stream, content);
    print_navigation(stream, content);
    print_predictions(stream, content);
    print_summary(stream, content);
    print_checks(stream, content);
    print_runs(stream, content);
    print_comparison(stream, content);
    if (!content->plots.gnuplot)
        fputs("<p class=\"alarm\">No plot could be drawn: the program gnuplot is missing. Install it (on Debian: apt install gnuplot-nox) and run `poolscope report` again.</p>\n", stream);
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
