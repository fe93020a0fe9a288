/* A network that runs: a fused graph with memory, parameters and gradients for one batch size.
 *
 * The memory plan is made once: outputs, gradients and saves are intervals on the time line of a step (forward, then
 * backward in reverse) and share one block where they do not live at the same time. Nothing allocates afterwards.
 * Everything is a pure function of (graph, parameters, batch): bit-identical for any number of threads, with or without
 * requested sums and hooks. */
#ifndef PS_NET_NET_H
#define PS_NET_NET_H

#include "graph/units.h"
#include "net/loss.h"

typedef struct ps_net ps_net;

typedef struct {
    char *name;      /* "conv1.0.weight": operation's name + "." + suffix */
    char *file_name; /* the same in PyTorch files of the public code */
    int op;          /* in the net's (fused) graph */
    bool module;     /* belongs to an inserted module */
    bool learned;    /* false: a state (running statistics) without gradient */
    ps_param_spec spec;
    size_t count, row_length; /* count = rows * row_length */
    float *value, *grad;      /* grad NULL for states; owned by the net */
} ps_param;

/* graph is borrowed and must outlive the net; the net makes its own fused copy. threads is borrowed. */
ps_status ps_net_create(const ps_graph *graph, int batch, ps_threads *threads, ps_net **out);
void ps_net_destroy(ps_net *net);

const ps_graph *ps_net_graph(const ps_net *net); /* the fused one: the net numbers operations as it does */
const ps_units *ps_net_units(const ps_net *net); /* units of that graph */
ps_threads *ps_net_threads(const ps_net *net);
int ps_net_batch(const ps_net *net);
int ps_net_classes(const ps_net *net);              /* channels of the last operation */
size_t ps_net_labels_per_sample(const ps_net *net); /* positions of the last operation: 1 for classification */
/* What a parameter is called: the operation, a dot and the suffix, or the operation alone where the suffix is "".
 * Free with free. */
ps_status ps_param_name(const char *op, const char *suffix, char **name);
/* Learned parameters first (graph order), then states. */
int ps_net_param_count(const ps_net *net);
ps_param *ps_net_param(ps_net *net, int index);
/* Index by name or by file name, or -1. */
int ps_net_find_param(const ps_net *net, const char *name);
/* Parameter `suffix` of an operation ("weight", "conv.weight"), or -1. */
int ps_net_op_param(const ps_net *net, int op, const char *suffix);
/* The place of the first value from `from` on that no network can have: one that is not finite, or a running variance
 * below 0; the parameter's count: there is none. */
size_t ps_param_find_broken(const ps_param *param, size_t from);
/* The first parameter or state from index `from` on that holds such a value, -1: none. */
int ps_net_find_broken(ps_net *net, int from);
/* Fails with `code` where there is one, naming it and where it stands (path: of the weights). */
ps_status ps_net_check_finite(ps_net *net, ps_status code, const char *path);
/* Whether every layer has values enough for batch statistics (TRAIN and PROBE mode; evaluation mode needs none): fails
 * where a normalisation sees a single value a channel, as PyTorch does. Asked before training and before probing. */
ps_status ps_net_check_statistics(const ps_net *net);
/* Bytes the net holds: activations and gradients block, parameters with gradients, workspace, gradients of the parts of
 * a step before the one at hand. */
typedef struct {
    size_t block_bytes, parameter_bytes, workspace_bytes, parts_bytes;
} ps_net_memory;
ps_net_memory ps_net_memory_use(const ps_net *net);

/* Starting weights: "torch" (PyTorch's default of the same modules: uniform with bound 1/sqrt(fan_in), weights and
 * biases), "he" (normal, variance 2 / fan_in; biases zero) or "transformer" (normal with standard deviation 0.02,
 * biases zero; convolutions as "he", their biases as "torch"). Inserted modules start as "torch" all the same, as
 * published; position embeddings are normal with standard deviation 0.2. Drawn per (seed, parameter name): arms share
 * the backbone's. */
ps_status ps_net_init(ps_net *net, const char *scheme, uint64_t seed);
/* One row (node) of a parameter as at a start, drawn per (seed, parameter name, draw): other draws give other
 * weights. */
ps_status ps_net_init_row(ps_net *net, const char *scheme, uint64_t seed, uint64_t draw, int param, int row);

/* Where the time goes: what each operation took in TRAIN-mode passes since it was first asked for, with what the net
 * adds up of it for instruments. Reads the clock and changes nothing else. */
typedef struct {
    uint64_t forward_ns, backward_ns;
} ps_op_time;
ps_status ps_net_time_ops(ps_net *net);
const ps_op_time *ps_net_op_times(const ps_net *net); /* [operations]; NULL: not asked for */
/* By which method an operation is worked out, in words; "" where there is no choice. */
void ps_net_describe_op(const ps_net *net, int op, char *text, size_t size);

/* Called after each operation of a forward pass with its output (n = batch). */
typedef struct {
    void *self;
    void (*after)(void *self, int op, ps_shape shape, const float *y);
} ps_net_hook;

/* x [batch][d][h][w][c]. Returns the logits, valid until the next pass. hook may be NULL. key: dropout's randomness. */
const float *ps_net_forward(ps_net *net, const float *x, ps_mode mode, ps_rng_key key, const ps_net_hook *hook);
/* The forward pass by which nodes are judged, without dropout's randomness: by methods that err as a plain sum does and
 * treat every position alike (ps_layer_call's plain), so that the rounding of what enters a gate can be bounded and
 * equal inputs give equal outputs. There is nothing for a backward pass afterwards. With `bounds` each operation's
 * bounds are worked out as the pass goes, and every gate that is exactly 0 on one side is shown between which values
 * the largest of what entered it lies. Values that nearly tied for a maximum whose place counts (a Pool Skip's) are not
 * in these bounds, for they move whole values: a second pass with `turn` takes another of them in every window where
 * rounding might have. */
typedef struct {
    int images; /* the first of the batch, which count */
    bool turn;
    void *self;
    /* Not called where a layer before the gate does not state its rounding. */
    void (*gate)(void *self, int op, ps_layer_edges edges);
} ps_net_bounds;
const float *ps_net_forward_plain(ps_net *net, const float *x, ps_mode mode, const ps_net_hook *hook,
                                  const ps_net_bounds *bounds);
/* Memory of the bounds, before the first pass that has them; what it allocates belongs to the net. */
ps_status ps_net_prepare_bounds(ps_net *net);
/* Whether passes with bounds show the edges of this operation's gate; false before ps_net_prepare_bounds. */
bool ps_net_shows_edges(const ps_net *net, int op);
/* Whether a turned pass differs from an ordinary one. */
bool ps_net_selects(const ps_net *net);
/* What enters the gate that an operation ends in, as large as its output, while a forward pass in this mode has made
 * the operation's inputs and not yet anything after it: the input itself, or written to `room`. */
const float *ps_net_entering(ps_net *net, int op, ps_mode mode, float *room);
/* Adds to count[c] the values of v, `images` images of what entered the gate of an operation whose type has `flat`, at
 * which its derivative is flat. */
void ps_net_count_flat(ps_net *net, int op, const float *v, int images, double *count);
/* Of the heads of an attention: adds to squares[head] and entropy[head] (ps_layer_type's heads), right after a forward
 * pass without dropout has made its output and not yet anything after it. */
void ps_net_heads(ps_net *net, int op, int images, double *squares, double *entropy);
/* Loss of the latest forward pass against label [batch * labels_per_sample]. Keeps dloss/doutput for backward when
 * want_gradient. */
ps_loss ps_net_loss(ps_net *net, const ps_loss_function *function, const int32_t *label, bool want_gradient);
/* The same against targets that are made of the labels so; soft: NULL for labels as they are. */
ps_loss ps_net_soft_loss(ps_net *net, const ps_loss_function *function, const int32_t *label,
                         const ps_soft_labels *soft, bool want_gradient);
/* A step whose batch does not fit in memory is taken in parts, each a batch of the net. Between ps_net_loss and
 * ps_net_backward: the loss of this part counts by so much in that of the whole step. */
void ps_net_scale_loss(ps_net *net, double share);
/* Memory for the gradients of the parts before, as large as all gradients; before the first part. */
ps_status ps_net_prepare_parts(ps_net *net);
/* After the backward pass of part number `part`: adds its gradients to those of the parts before. After the last the
 * parameters' gradients are those of the whole step. */
void ps_net_add_part(ps_net *net, int part, int parts);
/* Gradients of all learned parameters (overwritten), after forward in TRAIN or PROBE mode and loss. */
void ps_net_backward(ps_net *net);

/* Asks that `sum` be added up at `op` in every following TRAIN-mode (or see ps_net_sum_in) forward / backward pass.
 * Where a layer does not do it itself, the net adds a pass. Returns the accumulator: double[channels of the operation's
 * output], owned by the net, zeroed by the caller. */
ps_status ps_net_request_sum(ps_net *net, int op, ps_sum sum, double **accumulator);
/* Adds sums up in passes of this mode and in no others (at first: TRAIN). PROBE: what one batch does without
 * dropout. */
void ps_net_sum_in(ps_net *net, ps_mode mode);

#endif
