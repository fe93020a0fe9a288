/* Where the bounds of rounding lie during a plain forward pass (kernels/rounding.h): which operations' are kept, and
 * where in the network's block. An operation's bounds live until the last operation that reads them; meanwhile they
 * take the places of outputs that nothing reads any more, or that are yet to come. */
#ifndef PS_NET_BOUNDS_H
#define PS_NET_BOUNDS_H

#include "graph/units.h"
#include "net/plan.h"

#define PS_BOUNDS_NONE ((size_t)-1)

typedef struct {
    size_t *at;          /* per operation of the graph: offset in bytes, or PS_BOUNDS_NONE: nobody asks for them */
    bool *edges;         /* per operation: a gate whose edges are wanted */
    size_t more_bytes;   /* behind the network's block */
    size_t input_floats; /* of zeros that stand for the network input, which is exact; 0: not needed */
    int channels;        /* most of a gate */
} ps_bounds_plan;

ps_status ps_bounds_plan_create(const ps_graph *graph, const ps_units *units, int batch, const ps_memory_plan *memory,
                                const ps_layer_sizes *sizes, ps_bounds_plan *out);
void ps_bounds_plan_clear(ps_bounds_plan *plan);

#endif
