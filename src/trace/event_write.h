/* Writes TensorBoard's event files (event_file.h): one event a call. Numbers are written as the format has them,
 * little-endian, whatever the machine. Errors stay with the stream, whose owner asks for them. */
#ifndef PS_TRACE_EVENT_WRITE_H
#define PS_TRACE_EVENT_WRITE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/status.h"

/* The first event of a file. */
void ps_event_write_version(FILE *stream);
/* Seconds since 1970 stand with every event; a trace has no clock, so they are those of its steps. Tags may be any
 * text. */
ps_status ps_event_write_scalar(FILE *stream, int64_t step, const char *tag, double value);
/* Of the finite values among these; nothing where there are none. */
ps_status ps_event_write_histogram(FILE *stream, int64_t step, const char *tag, const double *value, size_t count);

#endif
