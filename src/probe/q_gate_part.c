/* nonzero_half, nonzero_quarter: what is known of a gate from fewer images, counted on the first half and the first
 * quarter of each probe batch, in whole images, so that up to any batch it is half (a quarter) of all images so far,
 * rounded up: rounding every batch by itself would make half of batches of one image all of them. Batch statistics are
 * those of the whole batch, so nothing is run again. */
#include "probe/instruments.h"

enum { QUARTER, REST_OF_HALF, COLUMNS }; /* the first parts of ps_tap_sums */

static void add_batch(const ps_probe_layer *layer, ps_tap tap, const ps_tap_view *view, double *state) {
    (void)tap;
    int channels = layer->unit->channels;
    for (int part = QUARTER; part < COLUMNS; part++) {
        const double *nonzero = ps_tap_sums(view, channels, part) + PS_TAP_NONZERO * channels;
        for (int c = 0; c < channels; c++) state[part * channels + c] += nonzero[c];
    }
}

const ps_instrument ps_instrument_gate_part = {.columns = COLUMNS, .taps = 1u << PS_TAP_GATE, .tap = add_batch};

bool ps_quantity_nonzero_half(const ps_probe_layer *layer, const double *state, double *out) {
    int channels = layer->unit->channels;
    for (int c = 0; c < channels; c++) out[c] = state[QUARTER * channels + c] + state[REST_OF_HALF * channels + c];
    return true;
}

bool ps_quantity_nonzero_quarter(const ps_probe_layer *layer, const double *state, double *out) {
    for (int c = 0; c < layer->unit->channels; c++) out[c] = state[QUARTER * layer->unit->channels + c];
    return true;
}
