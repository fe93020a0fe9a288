/* The probe's insides, shared by its .c files: which instruments run on which layers, and their states. */
#ifndef PS_PROBE_INTERNAL_H
#define PS_PROBE_INTERNAL_H

#include "probe/probe.h"
#include "probe/quantity.h"

enum { PS_PROBE_MAX_INSTRUMENTS = 64 };

/* An instrument that runs on a layer. */
typedef struct {
    const ps_instrument *instrument;
    int layer;
    double *state;       /* [columns][channels]; NULL without columns */
    double *row_squares; /* [channels], for instruments with row_param */
    float *maps;         /* [map_columns][elements][channels] */
} ps_attachment;

/* A tensor that is shown to instruments: `node` is the one whose forward pass makes it ready (-1: the network
 * input). */
typedef struct {
    int node, layer;
    ps_tap tap;
} ps_tap_point;

/* Rows of one parameter's gradient, about equal amounts of work. */
typedef struct {
    const float *gradient;
    size_t row_length, rows;
    double *squares;
} ps_row_block;

/* Over the labels of the probe images that count. */
typedef struct {
    double sum, counted;
} ps_probe_loss;

struct ps_probe {
    ps_net *net;
    ps_optimiser *optimiser;
    ps_probe_options options;
    ps_train_hooks hooks;
    const ps_quantity *quantity;
    int quantities, layers;
    bool *record_quantity, *record_layer; /* as chosen by --record */
    ps_probe_layer *layer;
    ps_probe_reader *reader; /* of all layers, one after another */

    const ps_instrument *instrument[PS_PROBE_MAX_INSTRUMENTS]; /* those of the recorded quantities */
    int instruments;
    ps_attachment *attached; /* [instruments][layers]; without an instrument where it does not run */
    ps_tap_point *point;     /* ordered by node */
    size_t points, point_capacity;
    ps_row_block *block;
    size_t blocks, block_capacity;
    bool stepping; /* some instrument looks at every step */

    bool tap_wanted[PS_TAPS], modes_differ;
    const float **seen; /* [nodes + 1]: output of node i - 1 in the pass under way; [0]: the network input */
    float *x;           /* a probe batch */
    float *entering;    /* what enters a gate, where no array holds it */
    float *batch_max;   /* [most channels] */
    float *chunk_max;   /* [chunks][channels] */
    float *edges;       /* [3][most channels] */
    ps_tap_summary summary;
    void *workspace;
    double *out; /* one quantity of one layer */

    uint64_t window_steps; /* steps of the window so far */
    uint64_t window_ns, train_ns, record_ns, probe_ns;
    uint64_t probed_images;
    ps_probe_loss loss[2]; /* of the latest probing with batch statistics, and with running ones */
    bool probed;
    bool evaluates; /* the probing at hand makes the pass with running statistics, too */
    bool loss_reported, weights_reported, *gradient_reported,
        *activation_reported; /* nonfinite events of this window */
};

/* probe_attach.c */
ps_status ps_probe_attach(ps_probe *probe);
bool ps_probe_records(const ps_probe *probe, int quantity, int layer);
/* NULL where the instrument does not run. */
ps_attachment *ps_probe_attachment(const ps_probe *probe, const ps_instrument *instrument, int layer);

void ps_attachment_clear(const ps_probe *probe, ps_attachment *attachment);

/* probe_pass.c */
ps_status ps_probe_prepare_passes(ps_probe *probe);
ps_status ps_probe_measure_modes(ps_probe *probe, bool evaluates);

/* Room for partial maxima of a tensor; see probe_pass.c. */
size_t ps_probe_max_chunks(size_t rows, int channels);

#endif
