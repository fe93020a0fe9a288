/* A layer type: one vtable, one .c file, one line in layer_list.def. Layers know arrays and shapes, never the network.
 *
 * Life of a layer: parse (attributes of the JSON object -> config) ... infer (shapes, n = 1) ... params (what it
 * learns) ... plan (methods and sizes for one batch size) ... forward / backward many times ... unplan, release. config
 * and plan are private to the type; parse and plan allocate, forward and backward never do.
 *
 * Data are channels-last floats (core/shape.h). A parameter's memory keeps output channels outermost: row k holds the
 * incoming weights of node k in one piece, [k][kd][kh][kw][c / groups] for convolutions, [k][c] for linear layers. */
#ifndef PS_LAYERS_LAYER_H
#define PS_LAYERS_LAYER_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernels/rounding.h"
#include "parallel/threads.h"
#include "core/rng.h"
#include "core/shape.h"
#include "core/status.h"

enum { PS_LAYER_MAX_PARAMS = 4, PS_LAYER_MAX_STATES = 4, PS_LAYER_MAX_INPUTS = 16 };

typedef enum {
    PS_MODE_TRAIN, /* batch statistics, running buffers updated, dropout on */
    PS_MODE_PROBE, /* batch statistics, running buffers untouched, dropout off: how deadness is measured */
    PS_MODE_EVAL   /* running statistics, dropout off */
} ps_mode;

typedef struct ps_layer_type ps_layer_type;

/* What a type is to the network around it. Graph, probe and commands know types by this and by what else their tables
 * say, never by name: a type that states its role is recorded in full. */
typedef enum {
    PS_ROLE_OTHER,  /* any other function of its inputs: what comes out is no longer any node's own */
    PS_ROLE_CONV,   /* row k of "weight" is what output channel k reads, at every position; "bias", where it has one */
    PS_ROLE_LINEAR, /* the same of a linear layer, whose input is no map as a rule */
    /* Scales and shifts each channel of input 0 by itself, its moments included: "weight" (gamma) and "bias" (beta),
     * where it has them. A channel that is all zero becomes constant, not zero, and stands for its node all the same:
     * it tells nothing of the input. May end in a gate (see gate), with input 1 added before. */
    PS_ROLE_NORM,
    /* Scales and shifts each channel by "weight" (gamma) and "bias" (beta) after it was set against the others of the
     * same position: a channel that is all zero is neither zero nor constant behind it, and a gate behind it hands
     * gradient to all channels before it. What lies behind belongs to no node of the layer before. */
    PS_ROLE_NORM_ACROSS,
    /* An activation, elementwise (see gate). Behind another gate it hands that one's channels on; a 0 stays 0 where the
     * gate says so, else it becomes another constant. */
    PS_ROLE_GATE,
    /* Hands every channel on by itself: one that is all zero stays so, and none enters another. One input channel
     * becomes as many neighbouring output channels as there are more of these (flattening); several inputs stand one
     * after the other (concatenation). */
    PS_ROLE_HANDS_ON,
    PS_ROLE_SUM, /* adds its inputs up, element by element */
    /* Self-attention, whose nodes are its heads: row h of "qkv.weight" is what head h reads, its columns of
     * "proj.weight" are how its output is read. What comes out is no head's own. */
    PS_ROLE_ATTENTION,
    PS_ROLE_POOL_SKIP /* an inserted Pool Skip: "conv.weight", "conv.bias", all of PS_SUM_POOL_... */
} ps_role;

/* The activation of a layer that ends in one. */
typedef struct {
    const char *activation; /* its name in traces */
    bool rectifies;         /* what is at or below 0 leaves as exactly 0 and takes no gradient: the gate can be shut */
    bool keeps_zero;        /* 0 leaves as 0 */
    float slope;            /* on the negative side where that is straight (0: none comes through); else NaN */
    float ceiling;          /* what is at or above it leaves as exactly this and takes no gradient; INFINITY: none */
} ps_gate;

/* A derivative whose size is below this is flat: the gate is saturated there. Fixed, as traces are compared by it. */
#define PS_GATE_FLAT 1e-3f

/* One layer of those that a type can be written out as (see pieces). */
typedef struct {
    const char *suffix, *type; /* named NODE + suffix */
    int input[2];              /* places of earlier pieces; -1: the operation's input 0, -2: none */
    char attributes[96];       /* JSON */
} ps_layer_piece;
enum { PS_LAYER_MAX_PIECES = 4 };

struct ps_conv_shape;

/* What a layer may know of one input while shapes are inferred. */
typedef struct {
    ps_shape shape;
    const ps_layer_type *producer; /* NULL: the network input */
    const void *producer_config;
    ps_shape producer_input; /* shape of the producer's first input: max_unpool's output has it */
} ps_layer_input;

typedef enum {
    PS_INIT_WEIGHT, /* weight, bias: scheme and fan-in decide */
    PS_INIT_BIAS,
    PS_INIT_ONES,
    PS_INIT_ZEROS,
    PS_INIT_EMBEDDING, /* normal with standard deviation 0.2 */
    PS_INIT_SLOPE      /* 0.25, where He et al. 2015 start a PReLU */
} ps_init_kind;

typedef struct {
    /* "weight", "bias", "conv.weight": parameter name = operation's name + "." + suffix; "": the operation's own */
    const char *suffix;
    bool variance;      /* never below 0 */
    bool embedding;     /* learned values that stand for places or tokens, and weigh nothing */
    int rank, dims[5];  /* as in a PyTorch file: [k][c / groups][kd][kh][kw] (rank 4 without kd) */
    bool channels_last; /* memory is [k][kd][kh][kw][c / groups] although dims are in file order */
    /* Above 0: of so many groups, memory is [k][kd][kh][kw][c / groups] although dims are [c][k / groups][kd][kh][kw]
     * (channels_last is set too): transposed convolutions. */
    int inputs_first;
    /* Above 1: memory is [rows][parts][dims[0] / parts / rows][...] although files have [parts][rows][...]. */
    int parts;
    int rows; /* nodes: dims[0] where there are no parts */
    ps_init_kind init;
    int fan_in; /* bound of the uniform schemes: weights read by one node (by an input of a transposed convolution) */
} ps_param_spec;

/* Input channels that a row of a weight reads: the last axis of its memory. */
static inline int ps_param_inputs(const ps_param_spec *spec) {
    return spec->inputs_first > 0 ? spec->dims[0] / spec->inputs_first : spec->dims[1];
}

/* Whether memory and file have different orders; from one to the other, which may not alias. */
bool ps_param_is_reordered(const ps_param_spec *spec);
void ps_param_to_file_order(const ps_param_spec *spec, const float *memory, float *file);
void ps_param_to_memory_order(const ps_param_spec *spec, const float *file, float *memory);

/* Per-channel sums a layer adds to while it passes over the data anyway; each is double[channels of the layer's
 * OUTPUT]. */
typedef enum {
    PS_SUM_ZEROS,                 /* forward: outputs exactly 0 */
    PS_SUM_INPUT_GRAD_SQUARES,    /* backward: squares of this layer's contribution to dL/d(input 0) */
    PS_SUM_ENTERING_GRAD_SQUARES, /* backward: squares of dL/d(what enters the gate it ends in), see entering */
    PS_SUM_POOL_IDENTITY,
    PS_SUM_POOL_PATH,
    PS_SUM_POOL_OUTPUT, /* pool_skip forward: squares of y, path, o */
    PS_SUM_POOL_GRAD_IDENTITY,
    PS_SUM_POOL_GRAD_PATH,
    PS_SUM_POOL_GRAD_TOTAL, /* pool_skip backward: parts of dL/dy */
    PS_SUM_POOL_CROSS,
    PS_SUM_POOL_GRAD_CROSS, /* pool_skip forward, backward: identity's part times path's part */
    PS_SUMS
} ps_sum;

/* One call. Pointers are borrowed. All arrays of inputs are indexed alike. */
typedef struct {
    const ps_layer_type *type;
    const void *config;
    void *plan;
    ps_threads *threads;
    ps_mode mode;
    int inputs;
    const ps_shape *in_shape;
    ps_shape out_shape;
    const float *const *x; /* backward: NULL unless the type sets needs_input */
    float *y;              /* backward: NULL unless the type sets needs_output */
    const float *dy;
    float *const *dx;       /* NULL entries: not wanted */
    const bool *accumulate; /* per input: add to dx instead of overwriting */
    float *const *param;
    const size_t *param_count; /* elements of each parameter */
    float *const *grad;        /* overwritten */
    float *const *state;
    void *save;                 /* written by forward, read by backward */
    const void *const *in_save; /* saves of the producers of the inputs (max_unpool reads max_pool's indices) */
    void *workspace;
    double *const *sums; /* [PS_SUMS]; NULL entries: not wanted; sums are ADDED */
    ps_rng_key key;      /* of this layer and step (dropout) */
    /* Forward passes by which nodes are judged (ps_net_forward_plain). plain: by methods that err as a plain sum does
     * and treat every position alike. in_bound: how far rounding may have moved each element of the inputs (NULL:
     * nobody asks); turn: of values that so may have been the largest another one is taken. */
    bool plain, turn;
    const float *const *in_bound;
    float *bound; /* of y; written by rounding */
} ps_layer_call;

/* Forward-mode differentiation in a direction, for Hessian-vector products (Pearlmutter 1994, "Fast exact
 * multiplication by the Hessian"): beside every array of a call stands its derivative in that direction. Runs after the
 * call's own forward (and, for tangent_backward, backward), whose arrays are all still there. Nothing accumulates. */
typedef struct {
    const float *const *x; /* never NULL: zeros for the network input */
    float *y;
    const float *dy;
    float *const *dx; /* NULL entries: not wanted */
    float *const *param;
    float *const *grad; /* overwritten */
    float *scratch[2];  /* each as large as the layer's largest input, output or parameter */
} ps_layer_tangent;

/* Of what enters a gate. */
typedef ps_rounding_extremes ps_layer_edges;

typedef struct {
    size_t save_bytes;      /* kept from forward to backward */
    size_t workspace_bytes; /* scratch of one call */
} ps_layer_sizes;

/* An attribute: one line says where it lies in the type's configuration, what it may be, its default and what it means.
 * Parsing, the sentence of a refusal, `poolscope inspect --layers` and the table of README.md are made from it. */
typedef enum {
    PS_ATTRIBUTE_INT,    /* int */
    PS_ATTRIBUTE_NUMBER, /* double */
    PS_ATTRIBUTE_FLAG,   /* bool */
    PS_ATTRIBUTE_WORD,   /* int: which of `words` */
    PS_ATTRIBUTE_EXTENT  /* ps_extent: a number, [h, w] or [d, h, w] */
} ps_attribute_kind;

typedef struct {
    const char *name; /* as in JSON; NULL ends a table */
    ps_attribute_kind kind;
    size_t at;                /* of its field in the configuration, whose type the kind says */
    const char *standard;     /* the default, as in JSON; NULL: it must be given; "": 0, and `help` says what that is */
    double low, high;         /* of numbers and of the elements of extents */
    const char *const *words; /* NULL-terminated */
    const char *help;
} ps_attribute;

struct ps_layer_type {
    const char *name;               /* as in JSON: "conv" */
    const char *summary;            /* one line for `poolscope inspect --layers` and the docs */
    const ps_attribute *attributes; /* NULL: it takes none */
    size_t config_bytes;            /* of its configuration, all plain data; 0: none */
    ps_role role;
    int min_inputs, max_inputs;
    bool shifts;      /* PS_ROLE_HANDS_ON that adds values of its own: a channel that is all zero becomes constant */
    int value_inputs; /* PS_ROLE_HANDS_ON: the first so many are handed on, the rest only say where; 0: all */
    bool sizes_only;  /* and the rest say only how large the output is: what is constant stays so */
    bool needs_input, needs_output; /* what backward reads of forward's arrays */
    bool in_place;                  /* y may alias x[0] and dx[0] may alias dy */
    bool gradient_in_place;         /* dx[0] may alias dy (and no other dx does) */
    unsigned fused_sums;            /* bit (1u << PS_SUM_...) for each sum this type adds up itself */
    int least_values;               /* a channel (images times positions) that it needs outside evaluation mode */

    /* Checks the attributes as read against each other and works out what follows from them. NULL: nothing to do. */
    ps_status (*complete)(void *config, const char *where);
    ps_status (*infer)(const void *config, const ps_layer_input *in, int inputs, const char *where, ps_shape *out);
    /* Learned parameters and states (running statistics) for these shapes; return how many. NULL: none. */
    int (*params)(const void *config, const ps_shape *in, ps_shape out, ps_param_spec *specs);
    int (*states)(const void *config, const ps_shape *in, ps_shape out, ps_param_spec *specs);
    ps_status (*plan)(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads, void **plan,
                      ps_layer_sizes *sizes); /* NULL: nothing to plan */
    void (*unplan)(void *plan);
    void (*describe)(const void *config, const void *plan, char *text, size_t size); /* method in words; may be NULL */
    double (*macs)(const void *config, const ps_shape *in, ps_shape out); /* forward multiply-adds; NULL: 0 */
    void (*forward)(const ps_layer_call *call);
    void (*backward)(const ps_layer_call *call);
    /* True and *gate where this configured layer ends in an activation. NULL: never. */
    bool (*gate)(const void *config, ps_gate *gate);
    /* Adds to count[c] the values v, as large as y, at which the size of the gate's derivative is below PS_GATE_FLAT;
     * reads parameters and changes nothing but workspace. NULL: it is a rectifier, whose flat parts the gate says. */
    void (*flat)(const ps_layer_call *call, const float *v, double *count);
    /* For types that do more than that activation: what enters it, as large as y. Reads x (all images of the batch, in
     * any mode) and parameters; may run before forward and changes nothing but workspace. NULL: input 0 enters it. */
    void (*entering)(const ps_layer_call *call, float *v);
    /* PS_ROLE_NORM: attributes of the one operation of this type that does what one with the attributes `own` and the
     * gate behind it do, with or without an added input 1 between them; owned by the caller, NULL for want of memory.
     * merges says for which gates there is one. NULL: none. */
    bool (*merges)(const ps_layer_type *gate);
    cJSON *(*merged)(const cJSON *own, const ps_layer_type *gate, const void *gate_config,
                     const cJSON *gate_attributes);
    /* PS_ROLE_NORM: the values of a channel have mean 0 and deviation 1 before gain and shift, whatever comes. */
    bool standardises;
    /* PS_ROLE_NORM by the channel's moments over the batch: their eps. NULL: it is another normalisation. */
    double (*batch_eps)(const void *config);
    /* PS_ROLE_CONV that is a plain cross-correlation: its shape for kernels/conv.h. NULL: it is something else. */
    void (*conv_shape)(const void *config, ps_shape in, struct ps_conv_shape *out);
    /* The same function in primitive layers, the last of which gives y. Fails where it has no such form. NULL: the type
     * is primitive. */
    ps_status (*pieces)(const void *config, ps_shape in, const char *where, ps_layer_piece piece[PS_LAYER_MAX_PIECES],
                        int *count);
    /* How far rounding may have moved each element of y (kernels/rounding.h): overwrites call->bound. Runs right after
     * a plain forward, which may have left things in the workspace; where the type works in place, right before it,
     * while x[0] is there and y is not. NULL: not stated, and neither are edges of gates behind. */
    void (*rounding)(const ps_layer_call *call);
    bool carries_bounds; /* rounding or edges read in_bound; false: only x, whose own errors are left to the factor */
    /* What enters the gate, over the first `images` images; right after forward, before it where the type works in
     * place. NULL: is no gate that is exactly 0 on one side. */
    void (*edges)(const ps_layer_call *call, int images, ps_layer_edges edges);
    /* PS_ROLE_ATTENTION: of every head, over the first `images` images, what is added to squares[head] (of all that it
     * adds to the output) and to entropy[head] (of the weights by which each position looks at all, in nats). Right
     * after a forward pass without dropout. */
    void (*heads)(const ps_layer_call *call, int images, double *squares, double *entropy);
    /* Where the output depends on which of several nearly equal values is the largest, not only on how large it is:
     * that flips whole values, and forward obeys `turn`. NULL: it does not. */
    bool (*selects)(const void *config);
    /* y, and then dx and the parameters' gradients, differentiated; NULL: this type has no Hessian-vector products.
     * tangent_refuse says why a configuration has none (NULL: it has); may itself be NULL. */
    void (*tangent_forward)(const ps_layer_call *call, const ps_layer_tangent *tangent);
    void (*tangent_backward)(const ps_layer_call *call, const ps_layer_tangent *tangent);
    const char *(*tangent_refuse)(const void *config);
    /* What the gradient checks run this type with: JSON texts, NULL-terminated:
     * {"inputs": [[n, c, d, h, w], ...], "attributes": {...}}; "pool": {...} (max_unpool): attributes of a max_pool
     * node that makes input 1 from a map of the first shape; input 0 then has the pooled shape; "within": 2 where it is
     * left out: the inputs lie between -this and this. */
    const char *const *samples;
};

/* Its nodes are its output channels, row k of its "weight" their incoming weights. */
static inline bool ps_layer_has_weights(const ps_layer_type *type) {
    return type->role == PS_ROLE_CONV || type->role == PS_ROLE_LINEAR;
}

/* All types, in the order of layer_list.def; NULL-terminated. */
const ps_layer_type *const *ps_layer_types(void);
/* Fails with the nearest known name. */
ps_status ps_layer_find(const char *name, const char *where, const ps_layer_type **type);

#endif
