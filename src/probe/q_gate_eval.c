/* nonzero_eval: gate outputs with running statistics, a forward pass of its own. */
#include "kernels/pointwise.h"
#include "probe/instruments.h"

static void add_batch(const ps_probe_layer *layer, ps_tap tap, const ps_tap_view *view, double *state) {
    (void)tap;
    ps_channel_summarise(view->data, view->images, view->positions, layer->unit->channels,
                         (ps_channel_sums){.nonzero = state}, view->workspace, view->pool);
}

const ps_instrument ps_instrument_gate_eval = {.columns = 1, .taps = 1u << PS_TAP_GATE_EVAL, .tap = add_batch};

bool ps_quantity_nonzero_eval(const ps_probe_layer *layer, const double *state, double *out) {
    for (int c = 0; c < layer->unit->channels; c++) out[c] = state[c];
    return true;
}
