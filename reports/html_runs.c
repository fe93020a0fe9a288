/* Configurations of the arms, every run, and the definitions used: folded away. */
#include "reports/html.h"
#include "reports/html_cells.h"

#include <math.h>
#include <string.h>

#include "reports/escape.h"

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

void ps_report_html_configuration(FILE *stream, const ps_report_content *content) {
    if (content->identity.rows == 0) return;
    int column = ps_table_column(&content->arms, "arm");
    fprintf(stream,
            "<details class=\"card screen\"><summary>Configuration, data and versions%s</summary><div "
            "class=\"scroll\" "
            "tabindex=\"0\" role=\"region\" aria-label=\"Configuration\"><table>"
            "<caption><span>From the header of %s</span></caption><thead><tr><th scope=\"col\">Key</th>",
            content->single ? "" : " of every arm",
            content->single ? "the trace." : "each arm's first trace; what differs between arms comes first.");
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
void ps_report_html_runs(FILE *stream, const ps_report_content *content) {
    const ps_table *runs = &content->runs, *meta = &content->meta;
    const struct {
        const char *name;
        bool measured;
    } columns[] = {{"arm", false},
                   {"seed", false},
                   {"status", false},
                   {"steps", false},
                   {"steps_planned", false},
                   {"loss_end", true},
                   {ps_report_measure(content), true},
                   {"dead_start", true},
                   {"dead_end", true},
                   {"record_cost", true},
                   {"parameters", false},
                   {"trace", false}};
    enum { count = sizeof columns / sizeof *columns };
    fprintf(stream,
            "<details class=\"card screen\"><summary>%s, and the definitions used</summary><div class=\"scroll\" "
            "tabindex=\"0\" "
            "role=\"region\" aria-label=\"Runs\"><table>"
            "<caption><span>The run%s. More columns stand in tables/runs.tsv.</span></caption><thead><tr>",
            content->single ? "The run" : "Every run", content->single ? "" : "s");
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
