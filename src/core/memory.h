/* Memory. Blocks are aligned to 64 bytes (a cache line and the widest vector) and start zeroed; those of 4 MiB and more
 * lie on large pages, each a little further from a page's beginning than the one before.
 * The creator frees with ps_free (NULL is fine). Nothing allocates inside a training step. */
#ifndef PS_CORE_MEMORY_H
#define PS_CORE_MEMORY_H

#include <stddef.h>
#include <stdio.h>

#include "core/status.h"

#define PS_ALIGNMENT 64

/* Allocates count * size bytes, zeroed. *out is NULL on failure (PS_ERR_MEMORY, naming `what`) and for a zero size. */
ps_status ps_alloc(size_t count, size_t size, const char *what, void **out);
#define PS_ALLOC(count, pointer, what) ps_alloc((count), sizeof **(pointer), (what), (void **)(pointer))
void ps_free(void *block);

/* Grows a heap array (realloc semantics, plain alignment) so that it holds at least `count` elements of `size` bytes;
 * *capacity is updated. New elements are zeroed. Free with ps_free_array. */
ps_status ps_grow(void **array, size_t *capacity, size_t count, size_t size, const char *what);
#define PS_GROW(array, capacity, count, what) ps_grow((void **)(array), (capacity), (count), sizeof **(array), (what))
void ps_free_array(void *array);

/* strdup and printf into a new heap string; free with free(). */
ps_status ps_string_copy(const char *text, char **out);
ps_status ps_string_format(char **out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Closes a stream of open_memstream. PS_ERR_MEMORY, naming `what`, where *text is not all that was written: the library
 * may close it without complaint and leave NULL. *text is freed and NULL then. */
ps_status ps_memory_stream_close(FILE *stream, char **text, const char *what);

/* Peak resident memory of this program so far, in bytes (0 where the system does not say). */
size_t ps_memory_peak_bytes(void);

#endif
