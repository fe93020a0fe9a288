/* nonzero_eval: gate outputs with running statistics, a forward pass of its own. Where they are not finite (a running
 * variance below 0) the count is NaN: a NaN is no 0, and would pass for an output that is alive. */
#include <math.h>

#include "kernels/pointwise.h"
#include "probe/instruments.h"

enum { NONZERO, SUM_ABS, BATCHES, COLUMNS };

static void add_batch(const ps_probe_layer *layer, ps_tap tap, const ps_tap_view *view, double *state) {
    (void)tap;
    int c = layer->unit->channels;
    ps_channel_sums sums = {.nonzero = state + NONZERO * c, .sum_abs = state + SUM_ABS * c};
    ps_channel_summarise(view->data, ps_tap_view_shape(view, c), sums, view->workspace, view->threads);
    state[BATCHES * c]++;
}

const ps_instrument ps_instrument_gate_eval = {.columns = COLUMNS, .taps = 1u << PS_TAP_GATE_EVAL, .tap = add_batch};

bool ps_quantity_nonzero_eval(const ps_probe_layer *layer, const double *state, double *out) {
    int channels = layer->unit->channels;
    if (state[BATCHES * channels] == 0) return false; /* not every probing looks at this mode */
    for (int c = 0; c < channels; c++)
        out[c] = isfinite(state[SUM_ABS * channels + c]) ? state[NONZERO * channels + c] : NAN;
    return true;
}
