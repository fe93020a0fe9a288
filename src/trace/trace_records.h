/* Records with fixed keys, ready to write: evaluation, events of the run, its end. The probe writes the others. */
#ifndef PS_TRACE_RECORDS_H
#define PS_TRACE_RECORDS_H

#include "trace/trace_writer.h"

/* count 0: nothing was measured, and loss and accuracy are null. */
ps_status ps_trace_write_eval(ps_trace_writer *writer, uint64_t step, const char *split, double loss, double accuracy,
                              uint64_t count);
/* what: "loss", "gradient", "weight", "activation"; layer "" where it concerns the run. */
ps_status ps_trace_write_nonfinite(ps_trace_writer *writer, uint64_t step, const char *what, const char *layer);
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
/* status: PS_TRACE_STATUS_...; loss and accuracy are those of the last evaluation, of `count` images; 0: there was
 * none, and they are null. nonfinite: events of that kind in the trace; said where there are any. */
ps_status ps_trace_write_end(ps_trace_writer *writer, uint64_t steps, const char *status, double loss, double accuracy,
                             uint64_t count, uint64_t nonfinite);

#endif
