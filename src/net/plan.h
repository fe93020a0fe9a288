/* The memory plan: which interval of a step every array lives in, and where in one shared block it lies.
 *
 * Time of a step with N operations: forward of operation i at i, the loss at N, backward of operation i at 2 N - i. An
 * output lives from its forward to the last reader (a consumer's forward, or backward where the type needs its input or
 * output); a gradient from the first consumer's backward to the operation's own; a save from forward to backward.
 * Arrays whose intervals do not meet may overlap; offsets are given greedily, largest array first. In-place operations
 * share their input's array. */
#ifndef PS_NET_PLAN_H
#define PS_NET_PLAN_H

#include "graph/graph.h"

typedef struct {
    size_t output, gradient, save; /* offsets in bytes; PS_PLAN_NONE where there is no such array */
} ps_plan_op;

#define PS_PLAN_NONE ((size_t)-1)

typedef struct {
    ps_plan_op *op; /* one per operation of the graph */
    size_t block_bytes;
} ps_memory_plan;

/* sizes[i]: what operation i's layer keeps from forward to backward. */
ps_status ps_memory_plan_create(const ps_graph *graph, int batch, const ps_layer_sizes *sizes, ps_memory_plan *out);
void ps_memory_plan_clear(ps_memory_plan *plan);

/* Room for something besides, while operations first .. last of a forward pass run that no backward pass follows. */
typedef struct {
    size_t bytes, offset;
    int first, last;
} ps_plan_room;
/* Finds each an offset where nothing lives then: outputs that all have read, or that are yet to come, are not alive.
 * What finds no place lies behind the plan's block, in *more_bytes more. */
ps_status ps_memory_plan_place(const ps_memory_plan *plan, const ps_graph *graph, int batch,
                               const ps_layer_sizes *sizes, ps_plan_room *room, int count, size_t *more_bytes);

#endif
