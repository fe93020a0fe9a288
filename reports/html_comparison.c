/* Arms against the reference, measure by measure. */
#include "reports/html.h"
#include "reports/html_cells.h"

#include <stdbool.h>
#include <string.h>

#include "reports/escape.h"

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

/* How many arms a measure has, whose first row this is, and whether any of them has a pair of seeds. */
static int count_arms(const ps_table *table, int row, bool *any) {
    int measure = ps_table_column(table, "measure"), pairs = ps_table_column(table, "n"), arms = 0;
    const char *name = ps_table_text(table, row, measure);
    *any = false;
    for (int at = row; at >= 0; at = ps_table_find(table, at + 1, measure, name), arms++)
        *any = *any || ps_table_number(table, at, pairs) > 0;
    return arms;
}

/* Rows come arm by arm; the page sets the arms of a measure side by side. */
static void print_comparison_rows(FILE *stream, const ps_table *table) {
    int measure = ps_table_column(table, "measure");
    for (int row = 0; row < table->rows; row++) {
        const char *name = ps_table_text(table, row, measure);
        if (ps_table_find(table, 0, measure, name) != row) continue;
        bool any;
        int span = count_arms(table, row, &any);
        if (!any) continue;
        fputs("<tbody>\n", stream);
        for (int at = row; at >= 0; at = ps_table_find(table, at + 1, measure, name))
            print_comparison_row(stream, table, at, at == row ? span : 0);
        fputs("</tbody>\n", stream);
    }
}

/* Measures that no pair of runs has are named, not shown as rows of dashes. */
static void print_not_compared(FILE *stream, const ps_table *table) {
    int measure = ps_table_column(table, "measure"), said = 0;
    for (int row = 0; row < table->rows; row++) {
        bool any;
        if (ps_table_find(table, 0, measure, ps_table_text(table, row, measure)) != row) continue;
        count_arms(table, row, &any);
        if (any) continue;
        fputs(said++ == 0 ? "<p class=\"small\">Not measured in these runs: " : "; ", stream);
        ps_escape_html(stream, ps_table_text(table, row, ps_table_column(table, "title")));
    }
    if (said > 0) fputs(".</p>\n", stream);
}

void ps_report_html_comparison(FILE *stream, const ps_report_content *content) {
    const ps_table *table = &content->comparison;
    if (table->rows == 0) return;
    fputs(
        "<section aria-labelledby=\"h-comparison\"><h2 id=\"h-comparison\">Arms against the reference</h2>\n"
        "<div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Arms against the "
        "reference\"><table class=\"versus\"><caption><span>Means over paired seeds (where a run diverged and a "
        "direction is "
        "wanted, medians in which it is infinitely bad), and the difference of each pair "
        "(arm minus reference; shares in percentage points): mean, lowest and highest seed. p: exact two-sided "
        "sign test "
        "of the median pair, not corrected: a description, no verdict.</span></caption>"
        "<thead><tr><th scope=\"col\">Measure</th><th scope=\"col\">Arm</th><th scope=\"col\" "
        "class=\"n\">Reference</th><th "
        "scope=\"col\" class=\"n\">Arm</th>"
        "<th scope=\"col\" class=\"n\">Difference</th><th scope=\"col\" class=\"n\">Lowest</th><th scope=\"col\" "
        "class=\"n\">Highest</th><th scope=\"col\" class=\"n\">p</th>"
        "<th scope=\"col\" class=\"n\">Arm better</th></tr></thead>\n",
        stream);
    print_comparison_rows(stream, table);
    fputs("</table></div>\n", stream);
    print_not_compared(stream, table);
    fputs("</section>\n", stream);
}
