/* Pieces of the page: html.c is its frame and puts them in order, one after the other. */
#ifndef PS_REPORTS_HTML_H
#define PS_REPORTS_HTML_H

#include "reports/content.h"

/* html_answer.c: the first screen. The registered questions in the words of the verdict, the primary's effect beside 0
 * and its margin, collapses, who did not learn, what to do next. */
void ps_report_html_answer(FILE *stream, const ps_report_content *content);
/* html_findings.c: what is wrong with the runs of a comparison; of one run alone its health, the first screen. */
void ps_report_html_ill(FILE *stream, const ps_report_content *content); /* one line, where a run is ill */
void ps_report_html_findings(FILE *stream, const ps_report_content *content);
ps_status ps_report_html_health(FILE *stream, const ps_report_content *content);
/* html_glance.c: every arm's means over its seeds; what was run. */
void ps_report_html_glance(FILE *stream, const ps_report_content *content);
void ps_report_html_facts(FILE *stream, const ps_report_content *content);
/* html_predictions.c: also those that could not be tested, and the instrument checks. */
void ps_report_html_predictions(FILE *stream, const ps_report_content *content);
void ps_report_html_checks(FILE *stream, const ps_report_content *content);
/* html_comparison.c */
void ps_report_html_comparison(FILE *stream, const ps_report_content *content);
/* html_classes.c: the measures of each class, arm beside arm; nothing where the task has none. */
ps_status ps_report_html_classes(FILE *stream, const ps_report_content *content);
/* html_pictures.c: predictions beside truth; nothing where no run has pictures. */
ps_status ps_report_html_pictures(FILE *stream, const ps_report_content *content);
/* html_runs.c */
void ps_report_html_configuration(FILE *stream, const ps_report_content *content);
void ps_report_html_runs(FILE *stream, const ps_report_content *content);
/* html_plots.c: one plot, nothing where it was not drawn; which layer has which number in the plots; the plots by
 * sections. */
void ps_report_html_layers(FILE *stream, const ps_report_content *content);
ps_status ps_report_html_plot(FILE *stream, const ps_report_content *content, const char *id);
bool ps_report_html_shows(const ps_report_content *content, const ps_plot *plot);
ps_status ps_report_html_plots(FILE *stream, const ps_report_content *content);
/* html_nodes.c: the table of the nodes to look at, with its tools. Says so where nodes were not recorded. */
ps_status ps_report_html_nodes(FILE *stream, const ps_report_content *content);
/* html_terms.c: what the words of the page mean; and a word that leads to its meaning (term: its beginning). */
void ps_report_html_terms(FILE *stream);
void ps_report_html_term(FILE *stream, const char *term, const char *text);

#endif
