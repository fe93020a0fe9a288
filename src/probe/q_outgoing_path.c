/* out_net_gradient, out_start_l2: how far this window's gradients moved the weights that read a node, from the
 * optimiser's accounting of those weights (kernels/update_account.h) when the window ends. */
#include <math.h>

#include "probe/instruments.h"
#include "probe/q_outgoing.h"

static bool is_read_by_weights_alone(const ps_probe_layer *layer) {
    return layer->unit->readers > 0 && !layer->unit->identity_path;
}

const ps_instrument ps_instrument_outgoing_path = {.reader_accounts = true, .exists = is_read_by_weights_alone};

static const float *displacement(const ps_update_account *account) { return account->gradient_sum; }

static const float *start(const ps_update_account *account) { return account->weights_start; }

static void norms(const ps_probe_layer *layer, const float *values_of(const ps_update_account *account), double *out) {
    for (int c = 0; c < layer->unit->channels; c++) out[c] = 0;
    for (int i = 0; i < layer->unit->readers; i++) {
        const ps_unit_reader *reader = &layer->unit->reader[i];
        int param = ps_net_op_param(layer->net, reader->op, "weight");
        ps_outgoing_add_squares(layer, reader, values_of(ps_optimiser_account(layer->optimiser, param)), out);
    }
    for (int c = 0; c < layer->unit->channels; c++) out[c] = sqrt(out[c]);
}

bool ps_quantity_out_net_gradient(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    norms(layer, displacement, out);
    return true;
}

bool ps_quantity_out_start_l2(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    norms(layer, start, out);
    return true;
}
