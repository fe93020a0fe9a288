/* Writes traces (FORMAT.md) record by record, without building trees: keys and values go straight into a buffer.
 *
 * A record is begun, filled and ended; whole records reach the file at ps_trace_flush (once per window) or when the
 * buffer is large. Filling cannot fail: the first failure (memory, full disk) is kept and comes back from
 * ps_trace_end_record, ps_trace_flush and ps_trace_close, with one sentence. Not for several threads at a time. The
 * creator closes. */
#ifndef PS_TRACE_WRITER_H
#define PS_TRACE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"
#include "trace/trace_schema.h"

typedef struct ps_trace_writer ps_trace_writer;

/* Starts an empty trace, replacing what is there. Packed where the name says so (.gz, .zst; trace_input.h): every flush
 * then ends a member or frame. Offsets and digests are those of the text all the same. */
ps_status ps_trace_create(const char *path, ps_trace_writer **out);

/* Cuts a trace back to a length that ps_trace_offset gave (it must be a record's end) and opens it to go on. digest:
 * what ps_trace_digest gave there; a trace that has another one is refused and left as it is. NULL: not checked. */
ps_status ps_trace_resume_at(const char *path, uint64_t offset_bytes, const uint64_t *digest, ps_trace_writer **out);

/* Whether the first bytes of a trace are those with this digest (PS_ERR_INPUT where not); changes nothing. */
ps_status ps_trace_check_start(const char *path, uint64_t offset_bytes, uint64_t digest);

/* Length of the text once all ended records are written. */
uint64_t ps_trace_offset(const ps_trace_writer *writer);
/* Digest of the text that was handed to the system, from the first byte on: of all ended records behind a flush. */
uint64_t ps_trace_digest(const ps_trace_writer *writer);

/* Hands all ended records to the system: they survive the death of this process; with sync, that of the machine. */
ps_status ps_trace_flush(ps_trace_writer *writer, bool sync);
/* Flushes and frees; an unfinished record is dropped. writer may be NULL. */
ps_status ps_trace_close(ps_trace_writer *writer);

/* A record: {"type":TYPE, ...}. Objects and arrays may nest (up to 16 deep); inside an array the key is NULL. Keys are
 * named by PS_KEY, but for those that quantities, measures, pairings and libraries have of their own. */
void ps_trace_begin_record(ps_trace_writer *writer, ps_record_type type);
ps_status ps_trace_end_record(ps_trace_writer *writer);
void ps_trace_begin_object(ps_trace_writer *writer, const char *key);
void ps_trace_begin_array(ps_trace_writer *writer, const char *key);
void ps_trace_close_scope(ps_trace_writer *writer); /* ends the innermost object or array */

void ps_trace_add_text(ps_trace_writer *writer, const char *key, const char *text); /* NULL: null */
void ps_trace_add_whole(ps_trace_writer *writer, const char *key, int64_t value);
void ps_trace_add_bool(ps_trace_writer *writer, const char *key, bool value);
void ps_trace_add_null(ps_trace_writer *writer, const char *key);
/* 9 significant digits: a float reads back as the same float, and small and large doubles keep their size. */
void ps_trace_add_value(ps_trace_writer *writer, const char *key, double value);
/* 17 significant digits: reads back as the same double. */
void ps_trace_add_double(ps_trace_writer *writer, const char *key, double value);
/* JSON text as it is; it must be one valid value. Line ends outside strings become blanks; NULL: null. */
void ps_trace_add_json(ps_trace_writer *writer, const char *key, const char *json);

/* Arrays of values. */
void ps_trace_add_values(ps_trace_writer *writer, const char *key, const double *value, size_t count);
void ps_trace_add_wholes(ps_trace_writer *writer, const char *key, const int *value, size_t count);
void ps_trace_add_nulls(ps_trace_writer *writer, const char *key, size_t count);

/* "%.9g" of value, or the strings for NaN and infinity, into a buffer of at least 32 bytes; returns the length.
 * Several times as fast as printf, and the same text. */
int ps_trace_format_value(char *buffer, double value);

#endif
