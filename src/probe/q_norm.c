/* What enters a normalisation, and the running statistics that stand for it in evaluation mode: a network trains with
 * one and is used with the other. */
#include <math.h>

#include "probe/instruments.h"

enum { SUM, SUM_SQUARES, COLUMNS };

static int state_of(const ps_probe_layer *layer, const char *suffix) {
    return layer->unit->norm_op >= 0 ? ps_net_op_param(layer->net, layer->unit->norm_op, suffix) : -1;
}

static bool has_running_statistics(const ps_probe_layer *layer) { return state_of(layer, "running_mean") >= 0; }

static void add_batch(const ps_probe_layer *layer, ps_tap tap, const ps_tap_view *view, double *state) {
    (void)tap;
    int c = layer->unit->channels;
    ps_tap_add_sum(view, c, PS_TAP_SUM, state + SUM * c);
    ps_tap_add_sum(view, c, PS_TAP_SUM_SQUARES, state + SUM_SQUARES * c);
}

const ps_instrument ps_instrument_norm = {
    .columns = COLUMNS, .taps = 1u << PS_TAP_NORM, .exists = has_running_statistics, .tap = add_batch};

static double values_of(const ps_probe_layer *layer) {
    return layer->images * (double)ps_shape_positions(ps_net_graph(layer->net)->op[layer->unit->norm_op].shape);
}

bool ps_quantity_norm_mean(const ps_probe_layer *layer, const double *state, double *out) {
    for (int c = 0; c < layer->unit->channels; c++) out[c] = state[SUM * layer->unit->channels + c] / values_of(layer);
    return true;
}

bool ps_quantity_norm_var(const ps_probe_layer *layer, const double *state, double *out) {
    int channels = layer->unit->channels;
    ps_quantity_norm_mean(layer, state, out);
    for (int c = 0; c < channels; c++) {
        double variance = state[SUM_SQUARES * channels + c] / values_of(layer) - out[c] * out[c];
        out[c] = variance < 0 ? 0 : variance; /* by rounding; NaN stays */
    }
    return true;
}

static bool copy_state(const ps_probe_layer *layer, const char *suffix, double *out) {
    const float *value = ps_net_param(layer->net, state_of(layer, suffix))->value;
    for (int c = 0; c < layer->unit->channels; c++) out[c] = value[c];
    return true;
}

bool ps_quantity_running_mean(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return copy_state(layer, "running_mean", out);
}

bool ps_quantity_running_var(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return copy_state(layer, "running_var", out);
}
