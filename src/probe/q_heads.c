/* What the heads of attention do on the probe set, and the gradient of the weights that read them. */
#include <math.h>

#include "probe/instruments.h"
#include "probe/q_outgoing.h"

enum { SQUARES, ENTROPY, COLUMNS };

static bool has_heads(const ps_probe_layer *layer) { return layer->unit->heads; }

static void add_batch(const ps_probe_layer *layer, ps_tap tap, const ps_tap_view *view, double *state) {
    (void)tap;
    int heads = layer->unit->channels;
    ps_net_heads(layer->net, layer->unit->gate_op, (int)view->images, state + SQUARES * heads, state + ENTROPY * heads);
}

const ps_instrument ps_instrument_heads = {
    .columns = COLUMNS, .taps = 1u << PS_TAP_HEADS, .heads = true, .exists = has_heads, .tap = add_batch};

/* Where all heads add nothing there are no shares. */
bool ps_quantity_head_share(const ps_probe_layer *layer, const double *state, double *out) {
    int heads = layer->unit->channels;
    double sum = 0;
    for (int h = 0; h < heads; h++) sum += out[h] = sqrt(state[SQUARES * heads + h]);
    for (int h = 0; h < heads; h++) out[h] /= sum;
    return sum != 0;
}

bool ps_quantity_head_entropy(const ps_probe_layer *layer, const double *state, double *out) {
    int heads = layer->unit->channels;
    for (int h = 0; h < heads; h++) out[h] = state[ENTROPY * heads + h] / (layer->images * layer->unit->elements);
    return true;
}

static void add_step(const ps_probe_layer *layer, double *state) {
    ps_head_squares(layer, ps_net_param(layer->net, layer->projection)->grad, state);
}

const ps_instrument ps_instrument_head_readers = {.columns = 1, .heads = true, .exists = has_heads, .step = add_step};

bool ps_quantity_head_out_grad_rms(const ps_probe_layer *layer, const double *state, double *out) {
    for (int h = 0; h < layer->unit->channels; h++) out[h] = sqrt(state[h] / layer->steps);
    return true;
}
