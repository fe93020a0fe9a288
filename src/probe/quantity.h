/* Quantities: what can be recorded. One quantity is one line in trace/quantity_list.def and one function in the .c file
 * of its instrument; an instrument measures something during training or probing from which its quantities are
 * computed.
 *
 * An instrument declares what it needs of the engine (sums added up in passing, tensors shown to it, accounting of
 * updates); what no chosen quantity needs is not asked for and costs nothing. All arrays are double[channels] of the
 * layer. */
#ifndef PS_PROBE_QUANTITY_H
#define PS_PROBE_QUANTITY_H

#include "net/net.h"
#include "net/optimiser.h"
#include "trace/trace_quantity.h"

/* Tensors of a probing pass that can be shown to an instrument. */
typedef enum {
    PS_TAP_GATE,      /* the gate's output, batch statistics */
    PS_TAP_GATE_EVAL, /* the gate's output, running statistics */
    PS_TAP_ENTRY,     /* what enters normalisation or gate */
    PS_TAP_NORM,      /* what enters the normalisation in between, batch statistics */
    PS_TAP_SOURCE,    /* what the source reads, batch statistics; for instruments with `features` */
    PS_TAP_EDGES,     /* no tensor: data[3][channels] are the low, high and variance of ps_layer_edges */
    PS_TAP_TURNED,    /* the same of the pass in which near-ties are turned */
    PS_TAP_ENTERING,  /* what enters the gate, batch statistics */
    PS_TAP_HEADS,     /* no tensor: attention has just run, see ps_net_heads */
    PS_TAP_PRE_MAX,   /* not a tensor: data[channels] are the largest values of this batch that entered the gate */
    PS_TAPS
} ps_tap;

/* Parts of a batch that whatever is counted is counted by, one after another: the first two are the share of the batch
 * in the first quarter of the probe images and in the rest of their first half (q_gate_part.c). */
enum { PS_TAP_PARTS = 3 };

typedef enum {
    PS_TAP_NONZERO,
    PS_TAP_IMAGES_ACTIVE,
    PS_TAP_SUM,
    PS_TAP_SUM_ABS,
    PS_TAP_SUM_SQUARES,
    PS_TAP_SUMS
} ps_tap_sum;

/* What a tensor was found to hold, kept while it is shown to one instrument after another. */
typedef struct {
    const float *data; /* NULL: nothing yet */
    size_t positions;
    double *sums; /* [PS_TAP_PARTS][PS_TAP_SUMS][channels] */
} ps_tap_summary;

typedef struct {
    const float *data; /* channels-last, `images` images of `positions` rows */
    size_t images, positions;
    size_t part_end[PS_TAP_PARTS]; /* images of the batch before the end of each part */
    ps_tap_summary *summary;
    /* PS_TAP_ENTRY: sums of squares that the network added up in passing [channels]; then there is no data. NULL: none
     * are there. */
    const double *squares;
    void *workspace; /* ps_pointwise_workspace_bytes of it, and as much as one image has of it */
    ps_threads *threads;
    float *maps; /* the instrument's own [map_columns][positions][channels] of this layer */
} ps_tap_view;

/* Sums of a part of the batch [PS_TAP_SUMS][channels], as ps_channel_summarise has them. One pass over the tensor gives
 * all of them, whoever asks first. */
const double *ps_tap_sums(const ps_tap_view *view, int channels, int part);
/* out[c] += one of them, of all parts. */
void ps_tap_add_sum(const ps_tap_view *view, int channels, ps_tap_sum sum, double *out);

static inline ps_shape ps_tap_view_shape(const ps_tap_view *view, int channels) {
    return (ps_shape){.n = (int)view->images, .c = channels, .d = 1, .h = (int)view->positions, .w = 1};
}

/* Shown while what enters the gate itself is in memory: what enters a shared gate stands for what enters a private
 * one's gate or, one step earlier, its normalisation. */
static inline bool ps_tap_is_entering(ps_tap tap, const ps_unit *unit) {
    return tap == PS_TAP_PRE_MAX || tap == PS_TAP_ENTERING || (tap == PS_TAP_ENTRY && unit->shared);
}

/* What reads a gate, beside ps_unit_reader: the parameter of its weights, and how many input channels it has in all
 * groups. */
typedef struct {
    int weight, inputs;
} ps_probe_reader;

/* One gate with everything looked up. Parameters are indices into the net, -1 where there is none. */
typedef struct {
    const ps_unit *unit;
    int index; /* among the net's units */
    ps_net *net;
    const struct ps_probe *probe;
    int weight, bias;              /* of the source; of heads "qkv.weight" and none */
    int projection;                /* of heads: "proj.weight" */
    int gamma, beta;               /* of the normalisation in between */
    int pool_weight, pool_bias;    /* of the Pool Skip in between */
    const ps_probe_reader *reader; /* [unit->readers] */
    double *gate_sum[PS_SUMS], *entry_sum[PS_SUMS],
        *pool_sum[PS_SUMS];           /* engine sums over the window; NULL: not asked for */
    ps_optimiser *optimiser;          /* NULL: the network is only measured at rest */
    const ps_update_account *account; /* of the source's weight; NULL: not tracked */
    double steps;                     /* in the window so far */
    double step_outputs;              /* of one channel of the gate in a training step, all its batches */
    double images;                    /* of the probing so far */
} ps_probe_layer;

typedef struct ps_instrument {
    int columns; /* own state: double[columns][channels], zeroed when its window or probing begins */
    /* More own state: one double for each of so many features of what the source reads, behind the columns (0: none,
     * and PS_TAP_SOURCE is not shown). NULL: 0. */
    size_t (*features)(const ps_probe_layer *layer);
    int map_columns; /* own state per gate output of an image, handed to tap as view->maps; zeroed with the columns */
    unsigned gate_sums, entry_sums, pool_sums; /* bits 1u << PS_SUM_... asked of the engine at gate, entry, Pool Skip */
    unsigned taps;                             /* bits 1u << PS_TAP_... */
    bool account;                              /* accounting of the updates of the source's weight */
    bool reader_accounts;                      /* the same of all weights that read the unit (ps_optimiser_account) */
    const struct ps_instrument *needs;         /* another instrument, kept on all layers because this one reads it */
    bool heads; /* also, where `exists` is asked, on layers whose nodes are heads of attention */
    /* Layers without what it measures have no such values at all and nothing is attached there. NULL: every layer
     * has. */
    bool (*exists)(const ps_probe_layer *layer);
    /* Parameter (one row per node) whose gradient's rows are squared and summed each step, before clipping, and what
     * becomes of the sums [channels]; NULL: none. */
    int (*row_param)(const ps_probe_layer *layer);
    void (*rows)(const ps_probe_layer *layer, const double *row_squares, double *state);
    /* Every step, when the sums of its batch are added up and its gradients stand in the parameters (before clipping).
     * All run at the same time: each writes to its own state alone. */
    void (*step)(const ps_probe_layer *layer, double *state);
    /* During probing: adds a tensor's batch to the state. */
    void (*tap)(const ps_probe_layer *layer, ps_tap tap, const ps_tap_view *view, double *state);
} ps_instrument;

typedef struct {
    const char *name, *unit, *description;
    ps_quantity_per per;
    ps_record_type record;
    const ps_instrument *instrument; /* NULL for those of step records, which are always written */
    /* out[channels] (per node) or out[1]. false: does not exist here, null in the trace. */
    bool (*compute)(const ps_probe_layer *layer, const double *state, double *out);
} ps_quantity;

/* In the order of trace/quantity_list.def. */
const ps_quantity *ps_quantities(int *count);
/* Index by name, or -1. */
int ps_quantity_find(const char *name);

/* State of another instrument on another layer (by unit index), for instruments that set `needs`; NULL: it is not
 * there. */
const double *ps_probe_state(const struct ps_probe *probe, const ps_instrument *instrument, int unit);

#endif
