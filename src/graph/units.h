/* Units: which gate shuts which nodes. A unit is one gate (an activation that can be shut) with what feeds and reads
 * it. A gate is private when only normalisation and a Pool Skip lie between one convolution (or linear layer) and it:
 * then node `name:channel` is that layer's output channel. A gate after a residual add is shared: it has its own name
 * and no weights of its own. */
#ifndef PS_GRAPH_UNITS_H
#define PS_GRAPH_UNITS_H

#include "graph/graph.h"

typedef struct {
    int node;        /* convolution or linear layer that reads the unit */
    int first_input; /* its input channel (or first flattened feature) that is the unit's channel 0 */
    int stride;      /* input features per unit channel (1; d * h * w behind a flatten) */
} ps_unit_reader;

typedef struct {
    int unit;                    /* -1: the network input or something without a gate */
    int first_channel, channels; /* of the source's input */
} ps_unit_feed;

typedef struct {
    const char *name;   /* borrowed from the graph: the source's name, or the gate's where shared */
    const char *gate;   /* name of the activation */
    int gate_node;      /* node whose output is the gate's output (an activation, or a batch_norm it is fused into) */
    int source_node;    /* convolution or linear layer, -1 where shared */
    int norm_node;      /* -1: none */
    int pool_skip_node; /* -1: none */
    /* node whose input 0 enters normalisation or gate: gradient with respect to "the output" is its dx[0] */
    int entry_node;
    bool shared;
    float slope;
    int channels, elements; /* elements: d * h * w of the gate's output */
    int depth;              /* convolutions and linear layers on the longest way before it, the source included */
    const char *stage;
    int fan_in; /* weights per node; 0 where shared */
    bool bias;
    int feeds; /* what the source reads */
    ps_unit_feed *feed;
    int readers; /* what reads the gate (through pooling, dropout, flatten, concat) */
    ps_unit_reader *reader;
    bool identity_path; /* the gate is read otherwise too (a residual add, the output): no weight silences it */
} ps_unit;

typedef struct {
    ps_unit *unit; /* in forward order of the gates */
    int count;
} ps_units;

/* Works on fused and unfused graphs alike. The graph is borrowed and must outlive the result. */
ps_status ps_units_create(const ps_graph *graph, ps_units *out);
void ps_units_clear(ps_units *units);
/* Index by name, or -1. */
int ps_units_find(const ps_units *units, const char *name);

#endif
