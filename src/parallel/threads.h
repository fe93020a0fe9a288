/* Thread pool with deterministic work: a job is cut into chunks by its shape, never by the number of threads;
 * threads claim chunks dynamically, and whatever a chunk computes depends on its number alone. Results are then
 * bit-identical for any number of threads, provided partial sums are kept per chunk and added in a fixed order (over a
 * batch: along the tree of parallel/reduce.h).
 *
 * Waiting is passive after a short spin: a spinning pool collapses when another process wants the core. */
#ifndef PS_PARALLEL_THREADS_H
#define PS_PARALLEL_THREADS_H

#include <stddef.h>

#include "core/status.h"

typedef struct ps_threads ps_threads;

/* threads >= 1, the caller included; 0 means all processors this process may use (parallel/processors.h). */
ps_status ps_threads_create(int threads, ps_threads **out);
void ps_threads_destroy(ps_threads *threads);
int ps_threads_count(const ps_threads *threads);

/* chunk in [0, chunks); worker in [0, threads) indexes scratch memory that must not influence results. */
typedef void ps_threads_task(void *context, size_t chunk, int worker);
/* Runs all chunks and returns when they are done. threads may be NULL (runs here, worker 0). Not re-entrant. */
void ps_threads_run(ps_threads *threads, size_t chunks, ps_threads_task *task, void *context);

/* Number of chunks for `items` when one chunk should hold about `grain` items: a pure function of both. */
size_t ps_threads_chunks(size_t items, size_t grain);
/* First item of a chunk when `items` are spread evenly over `chunks`; chunk == chunks gives `items`. */
size_t ps_threads_chunk_start(size_t items, size_t chunks, size_t chunk);

#endif
