/* in_l2: what enters normalisation or gate. */
#include <math.h>

#include "probe/instruments.h"

static void add_batch(const ps_probe_layer *layer, ps_tap tap, const ps_tap_view *view, double *state) {
    (void)tap;
    int channels = layer->unit->channels;
    if (view->squares == NULL) ps_tap_add_sum(view, channels, PS_TAP_SUM_SQUARES, state);
    else
        for (int c = 0; c < channels; c++) state[c] += view->squares[c];
}

const ps_instrument ps_instrument_entry = {.columns = 1, .taps = 1u << PS_TAP_ENTRY, .tap = add_batch};

bool ps_quantity_in_l2(const ps_probe_layer *layer, const double *state, double *out) {
    double values = layer->images * layer->unit->elements;
    for (int c = 0; c < layer->unit->channels; c++) out[c] = sqrt(state[c] / values);
    return true;
}
