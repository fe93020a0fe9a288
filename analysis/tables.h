/* Writing the tables of TABLES.md, as members of a set of files (core/file_set.h) that puts them in place as one. Rows
 * are checked against the number of columns. Numbers have 9 digits, as those of traces; where p-values are computed
 * from them, as many as read back. The creator closes. */
#ifndef PS_ANALYSIS_TABLES_H
#define PS_ANALYSIS_TABLES_H

#include "core/file_set.h"
#include "trace/trace_task.h"

typedef enum {
#define PS_TABLE(id, columns) PS_TABLE_##id,
#include "analysis/table_list.def"
#undef PS_TABLE
    PS_TABLE_COUNT
} ps_table_id;

typedef struct ps_tables ps_tables;

/* Adds all of them to the set as tables/(name).tsv, with their header lines; the columns of measures are those of the
 * task. */
ps_status ps_tables_open(ps_file_set *set, const ps_trace_task *task, ps_tables **out);
/* Appends a row (tables NULL: nowhere). One letter a cell: s text (NULL: NA), i int, l long long, d double (ps_absent()
 * and NaN of a ratio: see TABLES.md). Errors of the stream show at the set's commit; a wrong number of cells is
 * PS_ERR_INTERNAL in ps_tables_check. */
void ps_tables_row(ps_tables *tables, ps_table_id id, const char *format, ...);
/* The same in pieces, for rows whose cells come from a list. */
void ps_tables_cells(ps_tables *tables, ps_table_id id, const char *format, ...);
void ps_tables_end_row(ps_tables *tables, ps_table_id id);
/* Whether all rows had their width; to be asked before the set's commit, behind which the tables are only closed. */
ps_status ps_tables_check(const ps_tables *tables);
/* Frees. NULL is fine. */
void ps_tables_close(ps_tables *tables);

/* The columns as table_list.def has them. */
const char *ps_tables_columns(ps_table_id id);
/* For tests. */
const char *ps_tables_name(ps_table_id id);

/* "NA", "NaN", "Inf", "-Inf" or 9 significant digits, into a buffer of at least 32 bytes. */
void ps_tables_format(char *buffer, double value);
/* The same with as many digits as read back as the same number, up to 17. */
void ps_tables_format_exact(char *buffer, double value);

#endif
