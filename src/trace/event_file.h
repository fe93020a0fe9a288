/* Scalars of TensorBoard's event files: records of TFRecord (length, masked CRC-32C, bytes, masked CRC-32C) that hold
 * protocol buffers (Event, with a Summary of values). Of a value its simple_value or a tensor of one number is taken;
 * all else is passed over. Memory is that of the longest record. */
#ifndef PS_TRACE_EVENT_FILE_H
#define PS_TRACE_EVENT_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

/* tag: borrowed, ends with a zero byte. */
typedef ps_status ps_scalar_take(void *self, const char *tag, int64_t step, double value);

/* *cut: the last record is not whole (the run was killed, or goes on); all before it was handed out. */
ps_status ps_event_file_read(const char *path, ps_scalar_take *take, void *self, bool *cut);

/* CRC-32C of the bytes, masked as TFRecord has it. */
uint32_t ps_event_crc(const void *bytes, uint64_t size);

#endif
