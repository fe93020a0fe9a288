/* grad_out_rms: summed by the normalisation or gate as it hands dL/d(its input) on. */
#include <math.h>

#include "probe/instruments.h"

/* Nothing is handed on to the network input. */
static bool has_gradient(const ps_probe_layer *layer) {
    return ps_net_graph(layer->net)->op[layer->unit->entry_op].input[0] >= 0;
}

const ps_instrument ps_instrument_grad_out = {.entry_sums = 1u << PS_SUM_INPUT_GRAD_SQUARES, .exists = has_gradient};

bool ps_quantity_grad_out_rms(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    for (int c = 0; c < layer->unit->channels; c++)
        out[c] = sqrt(layer->entry_sum[PS_SUM_INPUT_GRAD_SQUARES][c] / layer->steps);
    return true;
}
