/* Gradients and updates of the incoming weights, row by row, from the optimiser's accounting
 * (kernels/update_account.h), which passes over gradient and weights anyway. */
#include <math.h>

#include "probe/instruments.h"

static bool has_weights(const ps_probe_layer *layer) { return layer->weight >= 0; }

const ps_instrument ps_instrument_path = {.account = true, .heads = true, .exists = has_weights};

static bool copy(const ps_probe_layer *layer, const double *rows, double *out) {
    for (int c = 0; c < layer->unit->channels; c++) out[c] = rows[c];
    return true;
}

static bool copy_sum(const ps_probe_layer *layer, ps_update_sum sum, double *out) {
    return copy(layer, layer->account->sums + (size_t)sum * layer->account->rows, out);
}

static bool copy_net(const ps_probe_layer *layer, ps_update_net net, double *out) {
    return copy(layer, layer->account->nets + (size_t)net * layer->account->rows, out);
}

bool ps_quantity_grad_norm_rms(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    copy_sum(layer, PS_UPDATE_GRAD_SQUARES, out);
    for (int c = 0; c < layer->unit->channels; c++) out[c] = sqrt(out[c] / layer->steps);
    return true;
}

bool ps_quantity_grad_zero_steps(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return copy_sum(layer, PS_UPDATE_ZERO_GRADIENT_STEPS, out);
}

bool ps_quantity_path(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return copy_sum(layer, PS_UPDATE_PATH, out);
}

bool ps_quantity_path_gradient(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return copy_sum(layer, PS_UPDATE_PATH_GRADIENT, out);
}

bool ps_quantity_path_carried(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return copy_sum(layer, PS_UPDATE_PATH_CARRIED, out);
}

bool ps_quantity_path_decay(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return copy_sum(layer, PS_UPDATE_PATH_DECAY, out);
}

bool ps_quantity_path_residual(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return copy_sum(layer, PS_UPDATE_PATH_RESIDUAL, out);
}

bool ps_quantity_net(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return copy_net(layer, PS_UPDATE_NET, out);
}

bool ps_quantity_net_gradient(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return copy_net(layer, PS_UPDATE_NET_GRADIENT, out);
}

bool ps_quantity_net_decay(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return copy_net(layer, PS_UPDATE_NET_DECAY, out);
}

bool ps_quantity_weight_start_l2(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return copy_net(layer, PS_UPDATE_L2_START, out);
}
