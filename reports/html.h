/* Pieces of the page that html.c is made of. */
#ifndef PS_REPORTS_HTML_H
#define PS_REPORTS_HTML_H

#include "reports/content.h"

/* The table of the nodes to look at, with its tools. Says so where nodes were not recorded. */
ps_status ps_report_html_nodes(FILE *stream, const ps_report_content *content);
/* A table cell: escaped text, a number, or a share in per cent. */
void ps_report_html_cell(FILE *stream, const char *text);
void ps_report_html_number(FILE *stream, double value);
void ps_report_html_share(FILE *stream, double value, int is_signed);

#endif
