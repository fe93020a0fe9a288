/* Tables of analysis/TABLES.md in memory: text cells, looked up by column name. The table owns its text; ps_table_clear
 * frees it. */
#ifndef PS_CORE_TABLE_H
#define PS_CORE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

typedef struct {
    char *content;     /* the file, cut into cells in place */
    uint32_t *cells;   /* offset of every cell, row after row; the first row is the names */
    int columns, rows; /* rows without the names; columns 0: the file is missing or empty */
} ps_table;

/* Reads a table. A file that does not exist gives an empty table and PS_OK, for everything is optional; a row with
 * another number of cells than the first line is PS_ERR_INPUT, with path and line; so is a cell that is no number in a
 * column of numbers (one that holds a number and is not in text_column_list.def; NA, NaN, Inf, -Inf and empty cells may
 * stand there). */
ps_status ps_table_read(const char *path, ps_table *table);
/* The same from directory/name.tsv. */
ps_status ps_table_read_named(const char *directory, const char *name, ps_table *table);
void ps_table_clear(ps_table *table);

/* Index of a column, -1 where there is none. All look-ups below take -1 and answer "NA". */
int ps_table_column(const ps_table *table, const char *name);
const char *ps_table_name(const ps_table *table, int column);
const char *ps_table_text(const ps_table *table, int row, int column);
/* True where the cell says NA (not recorded or undefined) or is empty. */
bool ps_table_missing(const ps_table *table, int row, int column);
/* The cell as a number; NA and text are NaN, `Inf` and `-Inf` infinite. */
double ps_table_number(const ps_table *table, int row, int column);
/* First row whose cell in `column` is `text`, at or after row `from`; -1 where there is none. */
int ps_table_find(const ps_table *table, int from, int column, const char *text);

#endif
