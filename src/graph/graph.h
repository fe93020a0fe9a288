/* The network as data: a directed acyclic graph of layers, held in forward order. Builders (models/) and JSON files
 * make graphs; net/ runs them; nothing here computes.
 *
 * JSON:  {"format": "poolscope-graph", "version": 1, "name": "my-net", "input": [c, d, h, w] or [c, h, w],
 *         "nodes": [{"name": "conv1", "type": "conv", "inputs": ["input"], "channels": 16, ...attributes of the type},
 *         ...]}
 * "inputs" defaults to the operation before; operations stand in forward order; the last operation gives the logits.
 * Others that have a "loss_weight" are read by the loss, too (deep supervision): it is the sum over all of them of
 * weight times the loss against the labels brought to their size; the last one's weight is 1 where it has none.
 * Optional keys of every operation: "file_name" (name in PyTorch weight files, default the name), "stage", "module"
 * (true: an inserted module, not backbone), "gate" (name of the activation merged into it), "pool_size_asked" (see
 * below), "loss_weight". Names are unique and are the same in every arm of an experiment. */
#ifndef PS_GRAPH_GRAPH_H
#define PS_GRAPH_GRAPH_H

#include <stdio.h>

#include "layers/layer.h"

typedef struct {
    char *name;      /* arm-independent: the network's own numbering without Pool Skip */
    char *file_name; /* prefix of its parameters in PyTorch files of the public code */
    char *stage;     /* "conv2_x"; "" where the network has none */
    bool module;     /* part of an inserted module (Pool Skip), not of the backbone */
    const ps_layer_type *type;
    cJSON *attributes; /* as given; owned */
    void *config;      /* as parsed; owned */
    int inputs;
    int input[PS_LAYER_MAX_INPUTS]; /* operation indices; -1: the network input */
    ps_shape shape;                 /* of the output, n = 1 */
    char *gate; /* name of the gate this operation ends with (itself, or an activation fused into it); NULL: none */
    /* the e that was asked for where a builder clipped a Pool Skip's to the map; 0: none was clipped */
    int pool_size_asked;
    bool output;        /* the loss reads it; so it does the last operation, whatever stands here */
    double loss_weight; /* by which it does, from 0 on, where `output` is set */
} ps_op;

typedef struct {
    char *name;
    ps_shape input; /* n = 1 */
    ps_op *op;
    int count;
    size_t capacity;
    /* LeakyReLU was asked for instead of the model's own gates: the control in which nothing can die. Not where the
     * model has it of its own. In a file of a network "leaky_control": true. */
    bool leaky_control;
} ps_graph;

ps_status ps_graph_create(const char *name, ps_shape input, ps_graph **out);
/* One without operations, for those of `from` in another form. */
ps_status ps_graph_create_like(const ps_graph *from, ps_graph **out);
void ps_graph_destroy(ps_graph *graph);

/* Appends an operation; shapes are inferred at once. attributes: JSON object text, printf-style. inputs: -1 for the
 * network input. *index is the new operation's index (may be NULL). */
typedef struct {
    const char *name, *file_name, *stage; /* file_name NULL: as name; stage NULL: "" */
    const char *gate;                     /* NULL: the operation's own name, where it ends with a gate */
    bool module;
    int pool_size_asked;
    bool output;
    double loss_weight;
    const char *type;
    int inputs;
    int input[PS_LAYER_MAX_INPUTS];
} ps_op_spec;
ps_status ps_graph_add(ps_graph *graph, const ps_op_spec *spec, int *index, const char *attributes, ...)
    __attribute__((format(printf, 4, 5)));
ps_status ps_graph_add_json(ps_graph *graph, const ps_op_spec *spec, const cJSON *attributes, const char *where,
                            int *index);

/* Index of an operation by name, or -1. */
int ps_graph_find(const ps_graph *graph, const char *name);
/* Shapes of an operation's inputs (n = 1) into shape[PS_LAYER_MAX_INPUTS]. */
void ps_graph_input_shapes(const ps_graph *graph, int op, ps_shape *shape);
/* Whether the loss reads this operation's output, and by which weight. */
bool ps_graph_is_output(const ps_graph *graph, int op);
double ps_graph_loss_weight(const ps_graph *graph, int op);
/* Learned values, backbone and modules apart; forward multiply-adds of one sample. */
void ps_graph_count(const ps_graph *graph, size_t *backbone_parameters, size_t *module_parameters, double *macs);

ps_status ps_graph_read(const char *path, ps_graph **out);
ps_status ps_graph_parse(const cJSON *document, const char *where, ps_graph **out);
ps_status ps_graph_write(const ps_graph *graph, FILE *stream);

/* A copy with batch_norm -> relu and batch_norm -> add -> relu merged into one batch_norm operation (attributes
 * "activation", "slope", a second input for the residual), where nothing else reads what lies between. Parameter names,
 * operation order and numerical meaning stay; `gate` keeps the activation's name. Dropped operations are gone from the
 * copy. */
ps_status ps_graph_fuse(const ps_graph *graph, ps_graph **out);

/* How often each operation is read, the loss counting as a reader of its outputs.
 * readers[graph->count]. */
void ps_graph_count_readers(const ps_graph *graph, int *readers);
/* The batch_norm that fusing would merge with `gate` (an activation of its own), with the add in between (-1: none) and
 * the other input of that add (an operation or -1 for the network input; the operation itself where there is no add);
 * or -1 where nothing can be merged. */
int ps_graph_fusable_norm(const ps_graph *graph, int gate, const int *readers, int *add, int *residual);

/* A copy in which every Pool Skip stands as the primitive layers it is made of (max_pool, max_unpool, conv "NAME.conv",
 * add "NAME"), so that the names of its parameters stay. Fails for variants that have no such form (grid controls, cut
 * mechanism arms). */
ps_status ps_graph_expand(const ps_graph *graph, ps_graph **out);

/* Appends a copy of an operation to another graph: other gate name, attributes and inputs (indices of the old graph,
 * translated by `index`). */
ps_status ps_graph_copy_op(const ps_graph *from, const ps_op *op, const char *gate, const cJSON *attributes,
                           const int *input, int inputs, const int *index, ps_graph *to, int *at);

#endif
