/* What the explanations share: traces as a comparison names them, and rows of its tables. */
#ifndef PS_ANALYSIS_EXPLAIN_INTERNAL_H
#define PS_ANALYSIS_EXPLAIN_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/status.h"

/* Where the comparison lies, and the way from there to where its paths of traces start. */
typedef struct {
    const char *directory, *traces_from; /* the latter "": where the program runs */
} ps_explain_place;

/* The trace as seen from where the program runs; free with free(). */
ps_status ps_explain_find_trace(const ps_explain_place *at, const char *path, char **found);
/* Prints the head of the line of the trace. */
ps_status ps_explain_show_line(const char *path, uint64_t line, FILE *stream);

/* Prints what this line of the trace, a probe or window record, says of one node of its layer: a row a quantity. */
ps_status ps_explain_show_values(const char *path, uint64_t line, int channel, FILE *stream);

enum { PS_EXPLAIN_MOST_CELLS = 64, PS_EXPLAIN_MOST_LINE = 8192 };

/* A table: rows of cells, found by the names of their columns. */
typedef struct {
    char *path, *content;
    const char *next; /* behind the line read last */
    int line;         /* its number, the header's is 1 */
    char header[PS_EXPLAIN_MOST_LINE], text[PS_EXPLAIN_MOST_LINE], cut[PS_EXPLAIN_MOST_LINE];
    const char *names[PS_EXPLAIN_MOST_CELLS], *cells[PS_EXPLAIN_MOST_CELLS];
    int columns;
} ps_explain_rows;

/* Closed by the caller, also after a failure. */
ps_status ps_explain_open_table(const ps_explain_place *at, const char *name, ps_explain_rows *t);
void ps_explain_close_table(ps_explain_rows *t);
/* False at the end. */
bool ps_explain_next_row(ps_explain_rows *t);
/* "" where there is no such column. */
const char *ps_explain_cell(const ps_explain_rows *t, const char *name);

#endif
