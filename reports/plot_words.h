/* The measure of the task in the words of plots. Scripts and plot_list.tsv name it by fields, so that no plot knows
 * what was measured:
 *   {measure}         its column in eval.tsv                       mean_iou
 *   {measure title}   the same to be read                          mean IoU
 *   {factor}          by which values are shown                    100, or 1 where it is no share
 *   {, unit}          behind a name, on an axis                    ", %"
 *   { (pp)}           the same of differences                      " (pp)"
 * Only plain letters, digits and a few signs of tables come in: a script is a program. */
#ifndef PS_REPORTS_PLOT_WORDS_H
#define PS_REPORTS_PLOT_WORDS_H

#include "core/status.h"
#include "core/table.h"

typedef struct {
    char measure[48], title[48], unit[48];
    bool share;
} ps_plot_words;

/* From runs.tsv and meta.tsv. Tables that name no measure: "measure". */
void ps_plot_words_of(const ps_table *runs, const ps_table *meta, ps_plot_words *words);
/* A copy of the text with its fields filled in, to be freed with free(). */
ps_status ps_plot_words_fill(const ps_plot_words *words, const char *text, char **out);

#endif
