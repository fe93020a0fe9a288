/* What is wrong with single runs (findings.tsv): of a comparison a table, so that no arm is compared in silence when
 * one of its runs is ill; of one run alone the first screen. */
#include "reports/html.h"
#include "reports/html_cells.h"

#include <math.h>
#include <string.h>

#include "reports/escape.h"

static const char *cell(const ps_table *table, int row, const char *column) {
    int at = ps_table_column(table, column);
    return at < 0 || ps_table_missing(table, row, at) ? "" : ps_table_text(table, row, at);
}

/* Words of levels are classes of the style as well. */
static void print_level(FILE *stream, const char *level) {
    static const char *const known[] = {"critical", "serious", "warning", "note"};
    const char *class = "note";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(level, known[i]) == 0) class = known[i];
    fprintf(stream, "<span class=\"badge level-%s\">", class);
    ps_escape_html(stream, level);
    fputs("</span>", stream);
}

static void print_since(FILE *stream, const ps_table *t, int row) {
    double since = ps_table_number(t, row, ps_table_column(t, "since"));
    if (!isfinite(since)) return;
    if (since == 0) fputs("from the start", stream);
    else fprintf(stream, "since step %.0f", since);
}

static void print_part(FILE *stream, const char *name, const char *text) {
    if (!*text) return;
    fprintf(stream, "<div><dt>%s</dt><dd>", name);
    ps_escape_html(stream, text);
    fputs("</dd></div>\n", stream);
}

/* What to try stands beside the first sentence; the rest is folded, so that the plots are seen as well. */
static void print_finding(FILE *stream, const ps_table *t, int row) {
    const char *where = cell(t, row, "where");
    fputs("<li>", stream);
    print_level(stream, cell(t, row, "level"));
    fputs(" <b>", stream);
    ps_escape_html(stream, cell(t, row, "sentence"));
    fputs("</b><p class=\"place\">", stream);
    print_since(stream, t, row);
    if (*where) {
        fputs(" in ", stream);
        ps_escape_html(stream, where);
    }
    fputs("</p>", stream);
    if (row == 0 && *cell(t, row, "remedy")) {
        fputs("<p><b>Try:</b> ", stream);
        ps_escape_html(stream, cell(t, row, "remedy"));
        fputs("</p>", stream);
    }
    fprintf(stream, "<details><summary>%s</summary><dl class=\"parts\">\n",
            row == 0 ? "Causes, evidence, how often the rule errs"
                     : "What to try, causes, evidence, how often the rule errs");
    if (row > 0) print_part(stream, "Try", cell(t, row, "remedy"));
    print_part(stream, "Likely causes", cell(t, row, "causes"));
    print_part(stream, "Evidence", cell(t, row, "evidence"));
    print_part(stream, "Errs", cell(t, row, "errs"));
    print_part(stream, "Rule", cell(t, row, "id"));
    fputs("</dl></details></li>\n", stream);
}

/* ---- of one run ---- */

static void print_count(FILE *stream, const ps_report_content *content) {
    int serious = 0, rows = content->findings.rows;
    for (int row = 0; row < rows; row++) serious += ps_report_is_serious(content, row);
    fputs("<p class=\"answer\">", stream);
    if (rows == 0) fputs("Nothing was found by the rules that could judge this run.", stream);
    else if (serious > 0)
        fprintf(stream, "%d finding%s, %d of them serious or critical.", rows, rows > 1 ? "s" : "", serious);
    else fprintf(stream, "%d finding%s, none of them serious.", rows, rows > 1 ? "s" : "");
    fputs("</p>\n", stream);
}

static void print_open(FILE *stream, const ps_report_content *content) {
    const ps_table *t = &content->findings_open;
    if (t->rows == 0) return;
    fprintf(
        stream,
        "<details><summary>%d rule%s cannot be judged: what is needed was not recorded</summary><ul class=\"small\">\n",
        t->rows, t->rows > 1 ? "s" : "");
    for (int row = 0; row < t->rows; row++) {
        fputs("<li>", stream);
        ps_escape_html(stream, cell(t, row, "title"));
        fputs(": needs ", stream);
        ps_escape_html(stream, cell(t, row, "needs"));
        fputs("</li>\n", stream);
    }
    fputs("</ul></details>\n", stream);
}

static double run_number(const ps_report_content *content, const char *column) {
    return ps_table_number(&content->runs, 0, ps_table_column(&content->runs, column));
}

static double meta_number(const ps_report_content *content, const char *key) {
    int row = ps_table_find(&content->meta, 0, ps_table_column(&content->meta, "key"), key);
    return row < 0 ? NAN : ps_table_number(&content->meta, row, ps_table_column(&content->meta, "value"));
}

static void print_value(FILE *stream, double value, int share) {
    char text[PS_ESCAPE_NUMBER];
    if (!share) fputs(ps_escape_number(text, value), stream);
    else fprintf(stream, "%s%s", ps_escape_percent(text, value, 0), isfinite(value) ? "&nbsp;%" : "");
}

/* A number now, what it was at the start, and what guessing gives. */
static void print_health(FILE *stream, const char *name, double start, double end, double chance, int share) {
    if (isnan(start) && isnan(end)) return;
    fputs("<div><dt>", stream);
    ps_escape_html(stream, name);
    fputs("</dt><dd>", stream);
    if (!isnan(start)) {
        print_value(stream, start, share);
        fputs(" → ", stream);
    }
    print_value(stream, end, share);
    if (!isnan(chance)) {
        fputs(" <small>guessing: ", stream);
        print_value(stream, chance, share);
        fputs("</small>", stream);
    }
    fputs("</dd></div>\n", stream);
}

static void print_numbers(FILE *stream, const ps_report_content *content) {
    char title[80];
    int share = ps_report_measure_is_share(content);
    const char *measure = ps_report_measure_title(content, title, sizeof title);
    fputs("<dl class=\"facts\">\n", stream);
    print_health(stream, "Dead nodes", run_number(content, "dead_start"), run_number(content, "dead_end"), NAN, 1);
    print_health(stream, "Training loss", run_number(content, "loss_start"), run_number(content, "loss_end"),
                 meta_number(content, "chance_loss"), 0);
    print_health(stream, measure, NAN, run_number(content, ps_report_measure(content)),
                 meta_number(content, "chance_measure"), share);
    print_health(stream, "Test loss", NAN, run_number(content, "test_loss"), meta_number(content, "chance_loss"), 0);
    print_part(stream, "Status", cell(&content->runs, 0, "status"));
    fputs("</dl>\n", stream);
}

/* The worst at sight, the others behind a word. */
static void print_findings(FILE *stream, const ps_table *t) {
    enum { AT_SIGHT = 4 };
    if (t->rows == 0) return;
    fputs("<ol class=\"findings\">\n", stream);
    for (int row = 0; row < t->rows && row < AT_SIGHT; row++) print_finding(stream, t, row);
    fputs("</ol>\n", stream);
    if (t->rows <= AT_SIGHT) return;
    fprintf(stream, "<details><summary>%d more findings</summary><ol class=\"findings\" start=\"%d\">\n",
            t->rows - AT_SIGHT, AT_SIGHT + 1);
    for (int row = AT_SIGHT; row < t->rows; row++) print_finding(stream, t, row);
    fputs("</ol></details>\n", stream);
}

ps_status ps_report_html_health(FILE *stream, const ps_report_content *content) {
    fputs("<section class=\"card first\" aria-label=\"Findings\">\n", stream);
    print_count(stream, content);
    print_numbers(stream, content);
    print_findings(stream, &content->findings);
    print_open(stream, content);
    fputs("</section>\n<h2>What it did</h2>\n<div class=\"side-by-side\">\n", stream);
    PS_TRY(ps_report_html_plot(stream, content, "dead_heat"));
    PS_TRY(ps_report_html_plot(stream, content, "loss"));
    PS_TRY(ps_report_html_plot(stream, content, "measure"));
    PS_TRY(ps_report_html_plot(stream, content, "dead_time"));
    fputs("</div>\n", stream);
    return PS_OK;
}

/* ---- of a comparison ---- */

static void print_row(FILE *stream, const ps_table *t, int row) {
    fputs("<tr>", stream);
    ps_report_html_cell(stream, cell(t, row, "arm"));
    ps_report_html_cell(stream, cell(t, row, "seed"));
    fputs("<td>", stream);
    print_level(stream, cell(t, row, "level"));
    fputs("</td><td>", stream);
    ps_escape_html(stream, cell(t, row, "sentence"));
    fputs("<small>", stream);
    print_since(stream, t, row);
    fputs("</small></td><td>", stream);
    ps_escape_html(stream, cell(t, row, "remedy"));
    fputs("</td></tr>\n", stream);
}

static void print_rows(FILE *stream, const ps_report_content *content, bool serious, const char *caption) {
    const ps_table *t = &content->findings;
    fprintf(stream,
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Findings\"><table><caption><span>%s"
            "</span></caption><thead><tr><th scope=\"col\">Arm</th><th scope=\"col\">Seed</th><th scope=\"col\">Level"
            "</th><th scope=\"col\">What</th><th scope=\"col\">Try</th></tr></thead><tbody>\n",
            caption);
    for (int row = 0; row < t->rows; row++)
        if (ps_report_is_serious(content, row) == serious) print_row(stream, t, row);
    fputs("</tbody></table></div>\n", stream);
}

static bool same_run(const ps_table *t, int a, int b) {
    return strcmp(cell(t, a, "arm"), cell(t, b, "arm")) == 0 && strcmp(cell(t, a, "seed"), cell(t, b, "seed")) == 0;
}

/* Rows of a run stand together, its worst finding first. */
static bool is_ill(const ps_report_content *content, int row) {
    const ps_table *t = &content->findings;
    return ps_report_is_serious(content, row) && (row == 0 || !same_run(t, row, row - 1));
}

void ps_report_html_ill(FILE *stream, const ps_report_content *content) {
    int ill = 0, shown = 0;
    for (int row = 0; row < content->findings.rows; row++) ill += is_ill(content, row);
    if (ill == 0 || content->single) return;
    fprintf(stream, "<p class=\"alarm\">%d of %d runs %s ill (", ill, content->runs.rows, ill > 1 ? "are" : "is");
    for (int row = 0; row < content->findings.rows; row++) {
        if (!is_ill(content, row)) continue;
        if (++shown > 4) break;
        fputs(shown > 1 ? "; " : "", stream);
        ps_escape_html(stream, cell(&content->findings, row, "arm"));
        fputs(", seed ", stream);
        ps_escape_html(stream, cell(&content->findings, row, "seed"));
        fputs(": ", stream);
        ps_escape_html(stream, cell(&content->findings, row, "title"));
    }
    fprintf(stream, "%s). <a href=\"#h-findings\">What is wrong with single runs</a></p>\n", ill > 4 ? "; .." : "");
}

void ps_report_html_findings(FILE *stream, const ps_report_content *content) {
    int serious = 0, rows = content->findings.rows;
    if (rows == 0) return;
    for (int row = 0; row < rows; row++) serious += ps_report_is_serious(content, row);
    fputs("<section aria-labelledby=\"h-findings\"><h2 id=\"h-findings\">What is wrong with single runs</h2>\n",
          stream);
    if (serious > 0) {
        fputs("<div class=\"card\">", stream);
        print_rows(
            stream, content, true,
            "Serious or critical: of such a run nothing good is to be expected, and its arm is compared with it. "
            "<code>poolscope diagnose RUN</code> says why.");
        fputs("</div>\n", stream);
    }
    if (rows > serious) {
        fprintf(stream, "<details class=\"card\"><summary>%d warning%s and notes</summary>\n", rows - serious,
                rows - serious > 1 ? "s" : "");
        print_rows(stream, content, false, "Warnings and notes.");
        fputs("</details>\n", stream);
    }
    fputs("</section>\n", stream);
}
