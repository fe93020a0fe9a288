/* pre_max: how far the gate is from opening, or how wide it opened. State: the maximum, and whether there was one
 * yet. */
#include <math.h>

#include "probe/instruments.h"

enum { LARGEST, SEEN, COLUMNS };

static void add_batch(const ps_probe_layer *layer, ps_tap tap, const ps_tap_view *view, double *state) {
    (void)tap;
    int channels = layer->unit->channels;
    for (int c = 0; c < channels; c++) {
        double value = (double)view->data[c], *largest = &state[LARGEST * channels + c],
               *seen = &state[SEEN * channels + c];
        if (*seen == 0 || value > *largest || isnan(value)) *largest = isnan(*largest) ? *largest : value;
        *seen = 1;
    }
}

const ps_instrument ps_instrument_pre_max = {.columns = COLUMNS, .taps = 1u << PS_TAP_PRE_MAX, .tap = add_batch};

bool ps_quantity_pre_max(const ps_probe_layer *layer, const double *state, double *out) {
    for (int c = 0; c < layer->unit->channels; c++) out[c] = state[LARGEST * layer->unit->channels + c];
    return true;
}
