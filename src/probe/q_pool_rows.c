/* The dead channel's own row of the Pool Skip convolution: its gradient over the window, and its norm. */
#include <math.h>

#include "probe/instruments.h"

static bool has_pool_weights(const ps_probe_layer *layer) { return layer->pool_weight >= 0; }

static int pool_weight(const ps_probe_layer *layer) { return layer->pool_weight; }

enum { SQUARES, ZERO_STEPS, COLUMNS };

/* In double no square of a float underflows: a sum of 0 means that every element is 0. */
static void add_rows(const ps_probe_layer *layer, const double *row_squares, double *state) {
    int channels = layer->unit->channels;
    for (int c = 0; c < channels; c++) {
        state[SQUARES * channels + c] += row_squares[c];
        state[ZERO_STEPS * channels + c] += row_squares[c] == 0;
    }
}

const ps_instrument ps_instrument_pool_rows = {
    .columns = COLUMNS, .exists = has_pool_weights, .row_param = pool_weight, .rows = add_rows};

bool ps_quantity_pool_row_grad_rms(const ps_probe_layer *layer, const double *state, double *out) {
    for (int c = 0; c < layer->unit->channels; c++)
        out[c] = sqrt(state[SQUARES * layer->unit->channels + c] / layer->steps);
    return true;
}

bool ps_quantity_pool_row_grad_zero_steps(const ps_probe_layer *layer, const double *state, double *out) {
    for (int c = 0; c < layer->unit->channels; c++) out[c] = state[ZERO_STEPS * layer->unit->channels + c];
    return true;
}

const ps_instrument ps_instrument_pool_weights = {.exists = has_pool_weights};

bool ps_quantity_pool_weight_l2(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return ps_probe_row_norms(layer, layer->pool_weight, out);
}
