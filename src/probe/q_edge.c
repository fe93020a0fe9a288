/* pre_max_low, pre_max_high: between which values the largest one that entered the gate lies, whatever the rounding. */
#include "probe/instruments.h"

static bool is_rectified(const ps_probe_layer *layer) { return layer->unit->rectifies; }

const ps_instrument ps_instrument_edge = {.exists = is_rectified};

bool ps_quantity_pre_max_low(const ps_probe_layer *layer, const double *state, double *out) {
    (void)layer, (void)state, (void)out;
    return false;
}

bool ps_quantity_pre_max_high(const ps_probe_layer *layer, const double *state, double *out) {
    (void)layer, (void)state, (void)out;
    return false;
}
