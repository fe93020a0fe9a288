/* Sums over a batch, the same bit for bit however many threads and processes share the work.
 *
 * A batch is cut into shards, runs of neighbouring samples; how many is fixed by the size of the batch alone. Whatever
 * is summed over the batch is first summed within each shard, then the shards' sums are added along one binary tree:
 * shard 0 to 1, 2 to 3, then these pairs, and so on. A kernel lets no sum run across the end of a shard, and takes
 * whatever decides how it rounds inside one from the shard and from the whole batch (ps_reduce_batch, ps_shards.whole),
 * never from the number of samples it was handed.
 *
 * So P processes, P dividing the number of shards, may each hold batch / P samples: every process calls the same
 * kernels on its own samples, which sum its own shards along the lower levels of the tree, and ps_reduce_doubles and
 * ps_reduce_across add the upper levels. Today there is one process, and both do nothing then; MPI joins by
 * ps_reduce_join. A test joins processes by shared memory instead (tests/unit/reduce_test.c). */
#ifndef PS_PARALLEL_REDUCE_H
#define PS_PARALLEL_REDUCE_H

#include <stddef.h>

#include "parallel/threads.h"

/* At most as many shards, and at least as many samples in each: more shards would let more processes share a batch, but
 * every one costs a pass over the gradient of each weight. */
enum { PS_SHARDS_MOST = 8, PS_SHARD_SAMPLES = 32 };

/* ---- Processes ---- */

typedef struct {
    size_t count; /* a power of two; process i of them holds the i-th run of samples of every batch */
    void *context;
    /* Replaces each of the `count` values, doubles or floats, by its sum over the processes along the tree (0 to 1, 2
     * to 3, then the pairs), in all of them. Called in the same order by all. */
    void (*add_doubles)(void *context, double *values, size_t count);
    void (*add_floats)(void *context, float *values, size_t count);
} ps_processes;

/* Before anything is planned; borrowed for good. NULL: this process is alone. Returns what was joined before. */
const ps_processes *ps_reduce_join(const ps_processes *processes);
/* Samples of the whole batch of which `samples` are held here. */
size_t ps_reduce_batch(size_t samples);

/* ---- Shards ---- */

typedef struct {
    size_t samples, count; /* held here */
    size_t whole;          /* shards of the whole batch: a power of two */
} ps_shards;

ps_shards ps_shards_of(size_t samples);
/* First sample of a shard; shard == count gives `samples`. Sizes differ by one at most. */
size_t ps_shards_start(const ps_shards *shards, size_t shard);
/* Samples of the largest shard, of all processes'. */
size_t ps_shards_largest(const ps_shards *shards);

/* Shards cut further, so that there is work for every thread: each into `parts` (a power of two) even runs of its
 * items, `items` of them to a sample. These leaves are added along the same tree. */
typedef struct {
    ps_shards shards;
    size_t items, parts, count; /* count: leaves held here */
} ps_leaves;

/* About `wanted` leaves over all processes, and not more than that but for one a shard. */
ps_leaves ps_leaves_of(size_t samples, size_t items, size_t wanted);
/* First item of a leaf; leaf == count gives the number of items. */
size_t ps_leaves_start(const ps_leaves *leaves, size_t leaf);

/* ---- The tree ---- */

/* parts[0][i], i < count, becomes the sum over `leaves` parts (a power of two), `step` apart, and over the processes.
 * Overwrites the other parts. */
void ps_reduce_doubles(double *parts, size_t leaves, size_t step, size_t count);

/* The same for parts of many floats, without the processes. */
void ps_reduce_floats(float *parts, size_t leaves, size_t step, size_t count, ps_threads *threads);
/* Adds the processes' sums of a gradient that each has summed over its own shards. */
void ps_reduce_across(float *values, size_t count);

/* The tree walked from leaf to leaf, where so many sums are too large to be held: `leaves` of them need
 * ps_tree_slots(leaves) of `count` floats each. Leaf i is to be written into ps_tree_slot, and ps_tree_add then adds
 * every pair that it completes; after the last one slot 0 holds the sum (without the processes). */
size_t ps_tree_slots(size_t leaves);
float *ps_tree_slot(float *slots, size_t count, size_t leaf);
void ps_tree_add(float *slots, size_t count, size_t leaf);

#endif
