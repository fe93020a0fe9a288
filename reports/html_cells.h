/* Cells of the page's tables. */
#ifndef PS_REPORTS_HTML_CELLS_H
#define PS_REPORTS_HTML_CELLS_H

#include <stdio.h>

/* A table cell: escaped text, a number, or a share in per cent. */
void ps_report_html_cell(FILE *stream, const char *text);
void ps_report_html_number(FILE *stream, double value);
void ps_report_html_share(FILE *stream, double value, int is_signed);

#endif
