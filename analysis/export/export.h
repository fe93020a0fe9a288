/* A run's trace in the formats of others: tables, arrays, event files (format_list.def, one file each). What stands in
 * them is what stands in the trace: raw values, as they were recorded. What was not measured, or does not hold for the
 * run's optimisers, is an empty cell, a NaN or no point; it is never a number.
 *
 * A format is handed the run, streams the trace as often as it likes, and writes files of one set (core/file_set.h):
 * all of them are put in place at the end, or none. */
#ifndef PS_ANALYSIS_EXPORT_H
#define PS_ANALYSIS_EXPORT_H

#include <stdio.h>

#include "analysis/run.h"
#include "core/file_set.h"

typedef struct {
    const char *name, *unit, *description; /* borrowed from the header */
    ps_record_type record;                 /* window or probe */
    bool per_node;                         /* else one number a layer */
} ps_export_quantity;

typedef struct {
    ps_run *run; /* after its first pass: probes, windows, states of nodes */
    const ps_trace_header *header;
    ps_export_quantity *quantities; /* of window and probe records, in the order of the header */
    int quantity_count;
    const char *directory;
    ps_file_set *set;
    bool force, units; /* replace what is there; units in the first row of tables */
} ps_export;

/* A file of the export, to be written until the end of the format; what is there already is refused but with force. */
ps_status ps_export_add(const ps_export *export, const char *member, FILE **stream);
/* A file that an earlier export may have left, and that this one does not have. */
ps_status ps_export_leave_out(const ps_export *export, const char *member);

typedef struct {
    void *context;
    /* Steps, evaluations, events, the end. NULL: not wanted. */
    ps_status (*record)(void *context, const ps_trace_record *record);
    /* A window or probe record of one layer: value[q] has one number a channel (or one), ps_absent() where it was null;
     * NULL where the record lacks the quantity. */
    ps_status (*layer)(void *context, const ps_trace_record *record, const double *const *value);
} ps_export_visitor;

/* In the order of the trace, up to where the first pass came. */
ps_status ps_export_stream(const ps_export *export, const ps_export_visitor *visitor);

/* An evaluation's numbers, ps_absent() where there is none: loss, loss_batch, and the measures of the header's task. */
typedef struct {
    double loss, loss_batch, measured[PS_TRACE_MOST_MEASURES];
} ps_export_evaluation;
ps_status ps_export_evaluation_read(const ps_trace_record *record, ps_export_evaluation *out);
/* The quantities of step records, by PS_STEP_*. */
void ps_export_step_read(const ps_trace_record *record, double *out);

/* Shortest of 9, 15 or 17 digits that reads back as the same double; "NaN", "Inf", "-Inf"; "" for ps_absent(). Returns
 * `buffer`, of 32 bytes. */
const char *ps_export_number(double value, char *buffer);

typedef ps_status ps_export_writer(const ps_export *export);
#define PS_EXPORT_FORMAT(name, summary) ps_export_writer ps_export_write_##name;
#include "analysis/export/format_list.def"
#undef PS_EXPORT_FORMAT

typedef struct {
    const char *directory, *formats; /* formats: names with commas between */
    bool force, units;
} ps_export_options;

/* Exports a trace, or the one in a run's directory. *cut: its last line was cut off, and is left out. */
ps_status ps_export_run(const char *path, const ps_export_options *options, bool *cut);
/* "csv, npz, tensorboard" */
const char *ps_export_formats(void);

#endif
