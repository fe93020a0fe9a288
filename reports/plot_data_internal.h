/* What the files behind plot_data.h share: a request is parsed (plot_query.c), its rows are chosen (plot_filter.c) and
 * put into groups (plot_groups.c), and written in one of three forms (plot_rows.c, plot_grid.c, plot_pivot.c). */
#ifndef PS_REPORTS_PLOT_DATA_INTERNAL_H
#define PS_REPORTS_PLOT_DATA_INTERNAL_H

#include <stdbool.h>
#include <stdio.h>

#include "reports/plot_data.h"

enum { PS_PLOT_MOST_FILTERS = 6, PS_PLOT_MOST_COLUMNS = 3, PS_PLOT_MOST_PICKS = 16 };

/* ---- plot_query.c ---- */

typedef struct {
    char *column, *values;
} ps_plot_filter;

/* Texts are borrowed from the line. */
typedef struct {
    char *name, *kind, *table;
    ps_plot_filter filters[PS_PLOT_MOST_FILTERS];
    int filter_count;
    char *split[PS_PLOT_MOST_COLUMNS], *by[PS_PLOT_MOST_COLUMNS], *picks[PS_PLOT_MOST_PICKS];
    int split_count, by_count, pick_count;
    char *x, *y, *value, *label, *columns;
    int thin, rows;
    bool steps;
} ps_plot_query;

/* line: what follows "#data ", cut in place. False where it is not understood. */
bool ps_plot_query_parse(char *line, ps_plot_query *request);

/* ---- plot_groups.c ---- */

/* Rows of a table put into groups; `order` lists the rows group by group. */
typedef struct {
    int count;
    int *group; /* of the i-th row given */
    int *start; /* count + 1 positions in order */
    int *order; /* indices into the rows given */
} ps_plot_grouping;

/* A group and what it is sorted by; those of one key stay as they came. */
typedef struct {
    double key;
    int group;
} ps_plot_key;

void ps_plot_find_columns(const ps_table *table, char *const *names, int count, int *columns);
bool ps_plot_same_cells(const ps_table *table, int a, int b, const int *columns, int count);
/* Index of the row's arm in arms.tsv, -1 where it is not listed there. */
int ps_plot_arm_of(const ps_plot_source *source, int row, int arm_column);
/* Groups rows by the text of some columns, groups in order of first appearance. */
ps_status ps_plot_group_rows(const ps_table *table, const int *rows, int row_count, const int *columns,
                             int column_count, ps_plot_grouping *groups);
/* As ps_plot_group_rows over the arm, but with a group for every arm of arms.tsv; rows of unknown arms go to the last
 * group, which is not drawn. */
ps_status ps_plot_group_arms(const ps_plot_source *source, const int *rows, int row_count, ps_plot_grouping *groups);
void ps_plot_grouping_clear(ps_plot_grouping *groups);
/* For qsort of ps_plot_key. */
int ps_plot_compare_keys(const void *a, const void *b);

/* ---- plot_filter.c ---- */

/* Whether the table has no end of a run with that status: evaluations stand where the last probing is not finite. */
bool ps_plot_lacks_end(const ps_plot_source *source, const char *status);
/* Those of source->table that are asked for; ps_free frees *rows. */
ps_status ps_plot_filter_rows(const ps_plot_source *source, const ps_plot_query *request, int **rows, int *count);

/* ---- plot_amount.c ---- */

/* What numbers are taken: a column, or as FACTOR*COLUMN/DIVISOR. gnuplot can reckon, too, but takes long over it. */
typedef struct {
    int column, divisor; /* divisor -1: none */
    double factor;
} ps_plot_amount;

bool ps_plot_amount_parse(const ps_table *table, const char *expression, ps_plot_amount *out);
/* NaN where a part of it has no value. */
double ps_plot_amount_value(const ps_table *table, const ps_plot_amount *of, int row);
/* "NA" for what is not finite. */
void ps_plot_print_number(FILE *stream, double value);
/* For qsort and bsearch of doubles. */
int ps_plot_compare_numbers(const void *a, const void *b);

/* ---- plot_rows.c, plot_grid.c, plot_pivot.c ---- */

/* Where a request's data go. */
typedef struct {
    const ps_plot_source *source;
    const ps_plot_query *request;
    FILE *stream;
} ps_plot_output;

ps_status ps_plot_write_rows(const ps_plot_output *out, const int *rows, int count);
/* Writes the files of the axes, too; plot is the first part of their names. */
ps_status ps_plot_write_grid(const ps_plot_output *out, const int *rows, int count, const char *plot);
ps_status ps_plot_write_pivot(const ps_plot_output *out, const int *rows, int count);

#endif
