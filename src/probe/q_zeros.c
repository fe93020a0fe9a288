/* zeros: counted by the gate itself as it writes its output. */
#include "probe/instruments.h"

const ps_instrument ps_instrument_zeros = {.gate_sums = 1u << PS_SUM_ZEROS};

bool ps_quantity_zeros(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    double outputs = layer->steps * layer->step_outputs;
    for (int c = 0; c < layer->unit->channels; c++) out[c] = layer->gate_sum[PS_SUM_ZEROS][c] / outputs;
    return true;
}
