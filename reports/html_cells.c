/* Cells of the page's tables. */
#include "reports/html_cells.h"

#include <math.h>

#include "reports/escape.h"

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
