/* What comes out of the gate on the probe set: counts and moments of every node in one pass, with batch statistics. */
#include "probe/q_gate.h"

#include <math.h>

#include "probe/instruments.h"

static void add_batch(const ps_probe_layer *layer, ps_tap tap, const ps_tap_view *view, double *state) {
    (void)tap;
    int c = layer->unit->channels;
    ps_tap_add_sum(view, c, PS_TAP_NONZERO, state + PS_GATE_NONZERO * c);
    ps_tap_add_sum(view, c, PS_TAP_SUM, state + PS_GATE_SUM * c);
    ps_tap_add_sum(view, c, PS_TAP_SUM_ABS, state + PS_GATE_SUM_ABS * c);
    ps_tap_add_sum(view, c, PS_TAP_SUM_SQUARES, state + PS_GATE_SUM_SQUARES * c);
    ps_tap_add_sum(view, c, PS_TAP_IMAGES_ACTIVE, state + PS_GATE_IMAGES_ACTIVE * c);
}

const ps_instrument ps_instrument_gate = {.columns = PS_GATE_COLUMNS, .taps = 1u << PS_TAP_GATE, .tap = add_batch};

static double outputs(const ps_probe_layer *layer) { return layer->images * layer->unit->elements; }

static bool column_over(const ps_probe_layer *layer, const double *state, int column, double divisor, double *out) {
    int channels = layer->unit->channels;
    for (int c = 0; c < channels; c++) out[c] = state[column * channels + c] / divisor;
    return true;
}

static double total(const ps_probe_layer *layer, const double *state, int column) {
    int channels = layer->unit->channels;
    double sum = 0;
    for (int c = 0; c < channels; c++) sum += state[column * channels + c];
    return sum;
}

bool ps_quantity_nonzero(const ps_probe_layer *layer, const double *state, double *out) {
    return column_over(layer, state, PS_GATE_NONZERO, 1, out);
}

bool ps_quantity_images_active(const ps_probe_layer *layer, const double *state, double *out) {
    return column_over(layer, state, PS_GATE_IMAGES_ACTIVE, 1, out);
}

bool ps_quantity_mean(const ps_probe_layer *layer, const double *state, double *out) {
    return column_over(layer, state, PS_GATE_SUM, outputs(layer), out);
}

bool ps_quantity_mean_abs(const ps_probe_layer *layer, const double *state, double *out) {
    return column_over(layer, state, PS_GATE_SUM_ABS, outputs(layer), out);
}

bool ps_quantity_rms(const ps_probe_layer *layer, const double *state, double *out) {
    column_over(layer, state, PS_GATE_SUM_SQUARES, outputs(layer), out);
    for (int c = 0; c < layer->unit->channels; c++) out[c] = sqrt(out[c]);
    return true;
}

bool ps_quantity_activation_l1(const ps_probe_layer *layer, const double *state, double *out) {
    out[0] = total(layer, state, PS_GATE_SUM_ABS);
    return true;
}

bool ps_quantity_activation_l2(const ps_probe_layer *layer, const double *state, double *out) {
    out[0] = sqrt(total(layer, state, PS_GATE_SUM_SQUARES));
    return true;
}
