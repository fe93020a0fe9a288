/* Safetensors files (the format of Hugging Face's library: 8-byte little-endian header length, JSON header, raw data):
 * weights by name, to and from PyTorch. F32 is written; F32, F64, F16 and BF16 are read and converted. */
#ifndef PS_NET_SAFETENSORS_H
#define PS_NET_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

typedef struct ps_tensor_file ps_tensor_file;

/* Reads and checks the whole header (sizes, overlaps, bounds: the file may be hostile); data are read on demand. */
ps_status ps_tensor_file_open(const char *path, ps_tensor_file **out);
void ps_tensor_file_close(ps_tensor_file *file);
int ps_tensor_file_count(const ps_tensor_file *file);
const char *ps_tensor_file_name(const ps_tensor_file *file, int index);
/* Index by name or -1. */
int ps_tensor_file_find(const ps_tensor_file *file, const char *name);
/* dims[rank], rank <= 8. */
void ps_tensor_file_shape(const ps_tensor_file *file, int index, int *rank, int64_t *dims);
/* Converts to float; count must be the number of elements. */
ps_status ps_tensor_file_read_float(const ps_tensor_file *file, int index, float *out, size_t count);
/* A digest of all tensors: names, types, shapes and data, whatever their order in the file. Reads the whole file. */
ps_status ps_tensor_file_digest(const ps_tensor_file *file, uint64_t *digest);
/* Value of a key of "__metadata__", or NULL; borrowed. */
const char *ps_tensor_file_metadata(const ps_tensor_file *file, const char *key);

/* Writing: add what is to be written (names copied, data borrowed until finish), then finish writes the file in one
 * step. */
typedef struct ps_tensor_writer ps_tensor_writer;
ps_status ps_tensor_writer_create(ps_tensor_writer **out);
void ps_tensor_writer_destroy(ps_tensor_writer *writer);
ps_status ps_tensor_writer_metadata(ps_tensor_writer *writer, const char *key, const char *value);
ps_status ps_tensor_writer_add(ps_tensor_writer *writer, const char *name, int rank, const int64_t *dims,
                               const float *data);
/* ps_tensor_file_digest of what was added so far. */
uint64_t ps_tensor_writer_digest(const ps_tensor_writer *writer);
ps_status ps_tensor_writer_finish(ps_tensor_writer *writer, const char *path);

#endif
