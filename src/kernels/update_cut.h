/* Inside of update.c and update_account.c: into which chunks a parameter is cut. Not for other rooms. */
#ifndef PS_KERNELS_UPDATE_CUT_H
#define PS_KERNELS_UPDATE_CUT_H

#include "parallel/threads.h"

enum { PS_UPDATE_CHUNK_FLOATS = 16384 };

/* Chunks of whole rows, or of elements when nothing is summed. */
typedef struct {
    size_t items, chunks;
} ps_update_cut;

static inline ps_update_cut ps_update_cut_elements(size_t rows, size_t row_length) {
    size_t count = rows * row_length;
    return (ps_update_cut){count, ps_threads_chunks(count, PS_UPDATE_CHUNK_FLOATS)};
}

static inline ps_update_cut ps_update_cut_rows(size_t rows, size_t row_length) {
    size_t chunks = ps_threads_chunks(rows * row_length, PS_UPDATE_CHUNK_FLOATS);
    return (ps_update_cut){rows, chunks < rows ? chunks : rows};
}

#endif
