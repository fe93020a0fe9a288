/* The cut of a batch by which the gradient of weights is summed, of convolutions and linear layers alike. Private to
 * src/kernels. */
#ifndef PS_KERNELS_GRADIENT_CUT_H
#define PS_KERNELS_GRADIENT_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "parallel/reduce.h"

/* How the gradient of weights is summed over the batch. Where `leaves` sums of the whole gradient fit the room they may
 * take together, each leaf has one and they are added at the end. Larger gradients are cut into blocks, and each is
 * summed shard by shard along the tree, depth first; then there is one leaf a shard. */
typedef struct {
    ps_leaves leaves;
    bool depth_first;
} ps_gradient_cut;

/* floats: of the gradient as it is summed; wanted: leaves; room: floats. Of the whole batch. */
static inline ps_gradient_cut ps_cut_gradient(size_t samples, size_t items, size_t floats, size_t wanted, size_t room) {
    ps_shards shards = ps_shards_of(samples);
    bool depth_first = shards.whole > 1 && shards.whole * floats > room;
    size_t most = depth_first ? 1 : room / floats;
    return (ps_gradient_cut){ps_leaves_of(samples, items, wanted < most ? wanted : most), depth_first};
}

/* Sums of a gradient of `floats`, one a leaf (or a shard), next to each other in `parts`; a single one is dw itself,
 * and needs no room. */
static inline size_t ps_leaf_sum_step(size_t floats) { return (floats + 15) / 16 * 16; }
static inline size_t ps_leaf_sums_floats(size_t leaves, size_t floats) {
    return leaves > 1 ? leaves * ps_leaf_sum_step(floats) : 0;
}
static inline float *ps_leaf_sum(float *parts, float *dw, size_t leaves, size_t floats, size_t leaf) {
    return leaves > 1 ? parts + leaf * ps_leaf_sum_step(floats) : dw;
}
/* Their sum along the tree, into dw. */
static inline void ps_leaf_sums_add(float *parts, float *dw, size_t leaves, size_t floats, ps_threads *threads) {
    if (leaves == 1) return;
    ps_reduce_floats(parts, leaves, ps_leaf_sum_step(floats), floats, threads);
    memcpy(dw, parts, floats * sizeof *dw);
}

#endif
