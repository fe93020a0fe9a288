#include "parallel/reduce.h"

#include <string.h>

static const ps_processes *joined;

const ps_processes *ps_reduce_join(const ps_processes *processes) {
    const ps_processes *before = joined;
    joined = processes;
    return before;
}

static size_t process_count(void) { return joined != NULL ? joined->count : 1; }

size_t ps_reduce_batch(size_t samples) { return samples * process_count(); }

/* ---- Shards ---- */

ps_shards ps_shards_of(size_t samples) {
    size_t processes = process_count(), batch = samples * processes, whole = 1;
    while (whole < PS_SHARDS_MOST && 2 * whole * PS_SHARD_SAMPLES <= batch) whole *= 2;
    return (ps_shards){samples, whole >= processes ? whole / processes : 1, whole};
}

/* Rounded up, so that the cut of a batch is the cuts of its halves, one behind the other. */
size_t ps_shards_start(const ps_shards *shards, size_t shard) {
    return (shard * shards->samples + shards->count - 1) / shards->count;
}

size_t ps_shards_largest(const ps_shards *shards) { return ps_shards_start(shards, 1); }

ps_leaves ps_leaves_of(size_t samples, size_t items, size_t wanted) {
    ps_leaves leaves = {.shards = ps_shards_of(samples), .items = items, .parts = 1};
    while (2 * leaves.parts * leaves.shards.whole <= wanted) leaves.parts *= 2;
    leaves.count = leaves.parts * leaves.shards.count;
    return leaves;
}

size_t ps_leaves_start(const ps_leaves *leaves, size_t leaf) {
    size_t shard = leaf / leaves->parts, first = ps_shards_start(&leaves->shards, shard) * leaves->items;
    if (leaf % leaves->parts == 0) return first;
    size_t end = ps_shards_start(&leaves->shards, shard + 1) * leaves->items;
    return first + ps_threads_chunk_start(end - first, leaves->parts, leaf % leaves->parts);
}

/* ---- The tree ---- */

void ps_reduce_doubles(double *parts, size_t leaves, size_t step, size_t count) {
    for (size_t reach = 1; reach < leaves; reach *= 2) {
        for (size_t leaf = 0; leaf < leaves; leaf += 2 * reach) {
            double *to = parts + leaf * step, *from = to + reach * step;
            for (size_t i = 0; i < count; i++) to[i] += from[i];
        }
    }
    if (process_count() > 1) joined->add_doubles(joined->context, parts, count);
}

void ps_reduce_across(float *values, size_t count) {
    if (process_count() > 1) joined->add_floats(joined->context, values, count);
}

/* Four at a time, which every processor of the kind can; memory is what takes the time. */
typedef float four __attribute__((vector_size(16), aligned(4), may_alias));

static void add_floats(float *to, const float *from, size_t count) {
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        *(four *)(to + i) += *(const four *)(from + i);
        *(four *)(to + i + 4) += *(const four *)(from + i + 4);
    }
    for (; i < count; i++) to[i] += from[i];
}

/* Floats of a block whose partial sums all stay in the nearest cache, and of a task. */
enum { BLOCK = 512, TASK = 16 * 1024 };

typedef struct {
    float *parts;
    size_t leaves, step, count;
} floats_run;

/* sum = the leaves from `first` on. The block of part 0 serves as its own sum. */
static void sum_block(const float *first, size_t leaves, size_t step, size_t count, float *sum) {
    float other[BLOCK];
    if (leaves == 1) {
        if (sum != first) memcpy(sum, first, count * sizeof *sum);
        return;
    }
    sum_block(first, leaves / 2, step, count, sum);
    const float *half = first + leaves / 2 * step;
    if (leaves > 2) {
        sum_block(half, leaves / 2, step, count, other);
        half = other;
    }
    add_floats(sum, half, count);
}

static void floats_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const floats_run *run = context;
    size_t end = run->count < (chunk + 1) * TASK ? run->count : (chunk + 1) * TASK;
    for (size_t at = chunk * TASK; at < end; at += BLOCK) {
        size_t count = end - at < BLOCK ? end - at : BLOCK;
        sum_block(run->parts + at, run->leaves, run->step, count, run->parts + at);
    }
}

void ps_reduce_floats(float *parts, size_t leaves, size_t step, size_t count, ps_threads *threads) {
    floats_run run = {parts, leaves, step, count};
    if (leaves > 1) ps_threads_run(threads, ps_threads_chunks(count, TASK), floats_task, &run);
}

/* Sums that wait for their other half before leaf i is added: one for every 1 among the digits of i. */
static size_t waiting(size_t leaf) { return (size_t)__builtin_popcountll(leaf); }

size_t ps_tree_slots(size_t leaves) { return waiting(leaves - 1) + 1; }

float *ps_tree_slot(float *slots, size_t count, size_t leaf) { return slots + waiting(leaf) * count; }

void ps_tree_add(float *slots, size_t count, size_t leaf) {
    float *slot = ps_tree_slot(slots, count, leaf);
    for (; leaf % 2 == 1; leaf /= 2, slot -= count) add_floats(slot - count, slot, count);
}
