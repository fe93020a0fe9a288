/* The plots of plot_list.tsv, drawn by the external program gnuplot into directory/plots. Owned by the list;
 * ps_plots_clear frees it. */
#ifndef PS_REPORTS_PLOTS_H
#define PS_REPORTS_PLOTS_H

#include "reports/plot_words.h"
#include <stdbool.h>

#include "core/file_set.h"
#include "core/table.h"

/* Each with its name in summary.json. */
#define PS_PLOT_STATES(STATE)           \
    STATE(DRAWN, "drawn")               \
    STATE(NOT_RECORDED, "not_recorded") \
    STATE(FAILED, "failed")             \
    STATE(NO_GNUPLOT, "no_gnuplot")
typedef enum {
#define STATE(name, word) PS_PLOT_##name,
    PS_PLOT_STATES(STATE)
#undef STATE
} ps_plot_state;

typedef struct {
    const char *id, *section;      /* borrowed from the list's table */
    char *title, *needs, *caption; /* in the words of the task; owned */
    ps_plot_state state;
    char *note; /* what is missing or what gnuplot said; NULL when drawn */
} ps_plot;

typedef struct {
    ps_table table;
    ps_plot_words words;
    ps_plot *plots;
    int count;
    bool gnuplot; /* the program was found */
    char *folder; /* where the plots are while the report is made */
} ps_plots;

/* The folder that holds plot_list.tsv, plots/, page.css and page.js: PS_SHARE, else `reports` or `share/poolscope` in a
 * folder above the executable (so a build tree and an installed program both find theirs). A heap string; free with
 * free().
 */
ps_status ps_plots_find_share(char **share);

/* Draws every plot whose data was recorded as SVG and PNG, and PDF where asked, into place/plots, from
 * directory/tables. */
ps_status ps_plots_draw(const char *share, const char *directory, const char *place, bool with_pdf, bool single,
                        ps_plots *plots);
/* Adds all that was made to the report's set of files, as plots/..; pictures of an earlier report must not pass for
 * today's, so they go. */
ps_status ps_plots_add(const ps_plots *plots, ps_file_set *set);
void ps_plots_clear(ps_plots *plots);

/* True where a program is found on PATH. */
bool ps_plots_has_program(const char *name);

#endif
