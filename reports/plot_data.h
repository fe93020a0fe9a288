/* The data of a plot, cut from the tables as the plot's own script asks for it, so that a new plot needs no C.
 *
 * A script under plots/ names its data in comments, one set a line, words separated by spaces, lists by commas: #data
 *   NAME from TABLE [where COLUMN=VALUE,...]... [split COLUMN,...] [by COLUMN,...] [thin N] [steps] pick EXPRESSION,...
 *   #data NAME grid TABLE [where ...]... split arm x COLUMN y COLUMN value COLUMN [label COLUMN] rows N columns N #data
 *   NAME pivot TABLE [where ...]... columns COLUMN value COLUMN
 * and finds them as data/PLOT.NAME.tsv: tab-separated, "NA" where there is no value, blocks (gnuplot's `index`) parted
 * by two blank lines.
 *   where    keeps rows whose cell is one of the values; @last is the largest number of that column within the row's
 *            arm and seed, of runs that came to their end alone: the last row of another is not its end
 *   split    a block for every value (or pair of values); `split arm` has one for each arm of arms.tsv in its order, if
 *            empty then one NA row
 *   by       one row for every value, ordered by the first column's number; pick then needs functions: mean(C)
 *            median(C) min(C) max(C) sum(C) count(C) of the cells that are finite numbers; a plain column is that of
 *            the first row
 *   C        a column, also with a factor and over another column: 100*dead_mean, 100*weight_effective_rank/nodes
 *   thin     keeps at most N rows of a block, evenly spread
 *   steps    doubles rows so that lines drawn through them are stairs (the first pick is the horizontal axis)
 *   pick     a column (cells that are no numbers become NA), text(C) for names (cleaned), arm# (1-based index of the
 *            row's arm)
 *   grid     means of `value` over cells of x and y in order of their numbers, at most N rows and columns (neighbours
 *            are averaged); writes column row value, PLOT.NAME.x.tsv, PLOT.NAME.y.tsv (position, label, for a readable
 *            number of ticks) and PLOT.NAME.size.tsv (columns, rows, largest value)
 *   pivot    one row an arm: index, name, then for each of the commonest values of `columns` the sum of `value` (`#`:
 *            the count of rows) over the arm's runs divided by their number; the first line holds the names. Without
 *            the runs that did not come to their end */
#ifndef PS_REPORTS_PLOT_DATA_H
#define PS_REPORTS_PLOT_DATA_H

#include "core/status.h"
#include "core/table.h"

typedef struct {
    const char *tables;  /* folder of the .tsv tables; borrowed */
    const char *data;    /* folder the data sets are written to; borrowed */
    ps_table arms, runs; /* owned */
    ps_table table;      /* the table read last, kept for the next query; owned */
    char table_name[64];
} ps_plot_source;

ps_status ps_plot_source_open(const char *tables, const char *data, ps_plot_source *source);
void ps_plot_source_close(ps_plot_source *source);
/* Loads a table into source->table unless it is there already. */
ps_status ps_plot_source_load(ps_plot_source *source, const char *name);

/* Writes all data sets a script asks for. A line it cannot understand is PS_ERR_INPUT with the script's path and
 * line. */
ps_status ps_plot_data_write(ps_plot_source *source, const char *plot, const char *script_path);
/* True where every column of `needs` ("table:column,column;table:column") has at least one value; else *missing names
 * what is not there
 * ("tables/x.tsv column y"), to be freed with free(). */
ps_status ps_plot_data_recorded(ps_plot_source *source, const char *needs, bool *recorded, char **missing);

#endif
