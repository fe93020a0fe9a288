/* Units: which gate shuts which nodes. A unit is one gate (an activation) with what feeds and reads it, or attention,
 * whose heads are its nodes (below). A gate is
 * private when only a normalisation, a Pool Skip and layers that hand every channel on (pooling, dropout) lie between
 * one convolution (or linear layer) and it, and nothing else reads what lies there: then node `name:channel` is that
 * layer's output channel. Any other gate is shared, as after a residual add: it has its own name and no weights of its
 * own, and `sharing` says why. All of this follows from the roles that layer types state (layers/layer.h). */
#ifndef PS_GRAPH_UNITS_H
#define PS_GRAPH_UNITS_H

#include "graph/graph.h"

/* What a channel is, on the way from a gate to the weights that read it. Pooling, dropout, flattening, concatenation,
 * a normalisation and a further activation treat every channel by itself, so that one whose node is dead tells nothing
 * of the input behind them either; but it need not be 0 there. */
typedef enum {
    PS_CHANNEL_ZERO,     /* exactly 0 */
    PS_CHANNEL_CONSTANT, /* the same for every image of a batch (the shift of a normalisation) */
    PS_CHANNEL_OPEN      /* another input says where such a value stands (unpooling): as good as alive */
} ps_channel;

/* What a channel becomes by the end of the way that is exactly 0 at its start, and one that is constant. */
typedef struct {
    ps_channel of_zero, of_constant;
} ps_channel_way;

typedef struct {
    int op;          /* convolution or linear layer that reads the unit */
    int first_input; /* its input channel (or first flattened feature) that is the unit's channel 0 */
    int stride;      /* input features per unit channel (1; d * h * w behind a flatten) */
    ps_channel_way way;
} ps_unit_reader;

typedef struct {
    int unit;                    /* -1: the network input or something without a gate */
    int first_channel, channels; /* of the source's input */
    ps_channel dead;             /* what it reads of a dead node */
} ps_unit_feed;

/* Why a gate is nobody's own: what the way back from it ended at. */
typedef enum {
    PS_SHARING_NONE,   /* it is private */
    PS_SHARING_INPUT,  /* the network's input, with no weights in between */
    PS_SHARING_SUM,    /* an operation that adds others up */
    PS_SHARING_JOIN,   /* an operation that puts the channels of others one after the other */
    PS_SHARING_SPREAD, /* an operation that makes several features of a channel (flattening) */
    PS_SHARING_SHIFT,  /* an operation that adds learned values of its own (an embedding, a token) */
    PS_SHARING_READ,   /* an operation that is read otherwise too */
    PS_SHARING_GATE,   /* another gate */
    PS_SHARING_SECOND, /* a second normalisation or Pool Skip */
    PS_SHARING_OTHER   /* an operation of another type, whose outputs are no node's own */
} ps_sharing;

/* A unit of heads: gate, source and entry are all the attention itself, whose row h of "qkv.weight" is node h's
 * incoming weights. Its output has channels of its own, none of which is a head's; the weights that read a head are its
 * columns of "proj.weight", and no other unit's reader or feed is it. */
typedef struct {
    const char *name; /* borrowed from the graph: the source's name, or the gate's where shared */
    const char *gate; /* name of the activation */
    int gate_op;   /* operation whose output is the gate's output (an activation, or a batch_norm it is fused into) */
    int source_op; /* convolution or linear layer, -1 where shared */
    int norm_op;   /* -1: none */
    int gain_op;   /* a normalisation across channels right before the gate, whose scale and shift are the channel's own
                      though the gate is shared; -1: none */
    int pool_skip_op; /* -1: none */
    /* The operation at which in_l2 and grad_out_rms are taken: of a private gate what is its input 0, which is the
     * input of its normalisation where that stands right before it, else of the gate; of a shared gate (then it is
     * gate_op) what enters the gate itself (ps_layer_type's entering). */
    int entry_op;
    bool heads;
    bool shared;
    ps_sharing sharing;
    int sharing_op; /* -1: the network's input */
    const char *activation;
    bool rectifies;  /* what is at or below 0 leaves as exactly 0 */
    bool tells_dead; /* outputs of exactly 0 tell that a node is dead; of the LeakyReLU control, too, which shows by
                               them that nothing dies */
    float ceiling;   /* what is at or above it leaves as exactly this; INFINITY: there is none */
    int channels, elements; /* elements: d * h * w of the gate's output */
    int depth;              /* convolutions and linear layers on the longest way before it, the source included */
    const char *stage;
    int fan_in; /* weights per node; 0 where shared */
    int groups; /* of the channels that the source reads, and of its own: row k reads its own group's alone */
    bool bias;
    int feeds; /* what the source reads */
    ps_unit_feed *feed;
    /* What reads the gate, through whatever treats each channel by itself: other gates, too, so that a gate behind a
     * gate and the one before it have readers in common, while the readers' feeds name the nearest. */
    int readers;
    ps_unit_reader *reader;
    bool identity_path; /* the gate is read otherwise too (a residual add, the output): no weight silences it */
} ps_unit;

typedef struct {
    ps_unit *unit; /* in forward order of the gates */
    int count;
} ps_units;

/* The reason in words, a whole sentence without its end: "behind block1.add (add), which adds several nodes up". */
void ps_unit_sharing_text(const ps_graph *graph, const ps_unit *unit, char *text, size_t size);

/* Works on fused and unfused graphs alike. The graph is borrowed and must outlive the result. */
ps_status ps_units_create(const ps_graph *graph, ps_units *out);
void ps_units_clear(ps_units *units);
/* Index by name, or -1. */
int ps_units_find(const ps_units *units, const char *name);

#endif
