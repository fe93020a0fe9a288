/* Records with fixed keys, ready to write: evaluation, events of the run, its end. The probe writes the others. */
#ifndef PS_TRACE_RECORDS_H
#define PS_TRACE_RECORDS_H

#include "trace/trace_task.h"
#include "trace/trace_writer.h"

/* What an evaluation found: value[task->measures], in the order of the header's list. count 0: nothing was measured,
 * and loss and measures are null. Borrowed. */
typedef struct {
    const ps_trace_task *task;
    double loss;
    const double *value;
    const double *per_class; /* [task->measures][classes], NaN: none; NULL: not of each class */
    int classes;
    uint64_t count;
} ps_trace_score;
ps_status ps_trace_write_eval(ps_trace_writer *writer, uint64_t step, const char *split, const ps_trace_score *score);
/* The header's task with its measures, inside the record that is being written; empty texts are left out, and a chance
 * that is NaN is null. */
void ps_trace_add_task(ps_trace_writer *writer, const ps_trace_task *task);
/* Of the probe images, in evaluation mode and with batch statistics; what is not known is left out. */
typedef struct {
    double eval, batch;
    bool knows_eval, knows_batch;
} ps_trace_mode_loss;
ps_status ps_trace_write_probe_loss(ps_trace_writer *writer, uint64_t step, const ps_trace_mode_loss *loss,
                                    uint64_t images);
/* what: "loss", "gradient", "weight", "activation"; layer "" where it concerns the run; channel -1: not said. */
ps_status ps_trace_write_nonfinite(ps_trace_writer *writer, uint64_t step, const char *what, const char *layer,
                                   int channel);
ps_status ps_trace_write_diverged(ps_trace_writer *writer, uint64_t step);
ps_status ps_trace_write_planted(ps_trace_writer *writer, uint64_t step, const char *layer, const char *cause,
                                 const int *channel, int channels);
/* These dead nodes were drawn anew. */
ps_status ps_trace_write_reinitialised(ps_trace_writer *writer, uint64_t step, const char *layer, const int *channel,
                                       int channels);
/* A Pool Skip's e was larger than its map. */
ps_status ps_trace_write_clipped_e(ps_trace_writer *writer, uint64_t step, const char *layer, int from, int to);
/* The run started from the weights of a checkpoint with this digest. */
ps_status ps_trace_write_forked(ps_trace_writer *writer, uint64_t step, const char *checkpoint);
/* status: PS_WORD(STATUS, ...); score: of the last evaluation. nonfinite: events of that kind in the trace; said
 * where there are any. */
ps_status ps_trace_write_end(ps_trace_writer *writer, uint64_t steps, const char *status, const ps_trace_score *score,
                             uint64_t nonfinite);

#endif
