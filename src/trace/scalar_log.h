/* Scalars of a run that somebody else logged: TensorBoard's event files, tables (.csv, .tsv), JSON lines (.jsonl), a
 * trainer_state.json. Values of a tag by rising step. Of two at one step the later one counts. A part of the log that
 * begins a tag anew at an earlier step (another event file, rows behind a second head line: a run that was gone on
 * with) stands for all that earlier parts have of it from there on. The creator clears. */
#ifndef PS_TRACE_SCALAR_LOG_H
#define PS_TRACE_SCALAR_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct {
    int64_t step;
    uint64_t order; /* in which they were read */
    double value;
} ps_scalar_point;

typedef struct {
    char *tag;
    ps_scalar_point *points;
    size_t count, capacity; /* count 0: there are texts alone */
    size_t replaced;        /* values for which later ones stand */
    size_t foreign;         /* texts in place of numbers */
    int part;               /* of the log in which its latest value stands */
} ps_scalar_series;

typedef struct {
    const char *path; /* borrowed */
    ps_scalar_series *series;
    size_t count, capacity, guess; /* guess: where to look for the next tag first */
    uint64_t taken;                /* values so far */
    int part;                      /* that is being read */
    const char *step_name;         /* as asked for; NULL: by the usual names */
    const char *folder;            /* in which the tags are that are being read, "" */
    char *cut;                     /* a file whose last record is not whole; NULL: none */
    uint64_t without_step;         /* rows that have no step, and were passed over */
    bool by_epoch;                 /* the log has no steps, and its epochs stand for them */
} ps_scalar_log;

/* A file, by the end of its name, or a folder: the tables that `poolscope export` wrote, else its event files and those
 * of its folders ("train/loss"), else its metrics.csv or trainer_state.json. step_name: of the column or key of steps;
 * NULL: the usual ones, else epochs. After a failure ps_scalar_log_clear is still right. */
ps_status ps_scalar_log_read(const char *path, const char *step_name, ps_scalar_log *out);
void ps_scalar_log_clear(ps_scalar_log *log);
/* NULL: there is no such tag with a value. */
const ps_scalar_series *ps_scalar_log_find(const ps_scalar_log *log, const char *tag);

/* For those who read: a value, or a text where one could be; and a file that is cut off. */
ps_status ps_scalar_log_take(void *log, const char *tag, int64_t step, double value);
ps_status ps_scalar_log_take_text(ps_scalar_log *log, const char *tag);
ps_status ps_scalar_log_is_cut(ps_scalar_log *log, const char *path);
/* scalar_table.c, scalar_json.c. whole: one document, not one a line. */
ps_status ps_scalar_table_read(const char *path, ps_scalar_log *log);
ps_status ps_scalar_json_read(const char *path, bool whole, ps_scalar_log *log);

/* The usual names of steps, the surest first; NULL behind the last one. */
extern const char *const ps_scalar_step_names[];
#define PS_SCALAR_EPOCH "epoch"

#endif
