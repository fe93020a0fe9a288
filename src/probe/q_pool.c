/* Energies of the two paths of a Pool Skip, forward and backward, added up by the layer itself. */
#include "probe/instruments.h"

static bool has_pool_skip(const ps_probe_layer *layer) { return layer->unit->pool_skip_op >= 0; }

const ps_instrument ps_instrument_pool = {.pool_sums = 1u << PS_SUM_POOL_IDENTITY | 1u << PS_SUM_POOL_PATH |
                                                       1u << PS_SUM_POOL_OUTPUT | 1u << PS_SUM_POOL_GRAD_IDENTITY |
                                                       1u << PS_SUM_POOL_GRAD_PATH | 1u << PS_SUM_POOL_GRAD_TOTAL,
                                          .exists = has_pool_skip};

static bool mean_over_steps(const ps_probe_layer *layer, ps_sum sum, double *out) {
    for (int c = 0; c < layer->unit->channels; c++) out[c] = layer->pool_sum[sum][c] / layer->steps;
    return true;
}

bool ps_quantity_pool_identity(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return mean_over_steps(layer, PS_SUM_POOL_IDENTITY, out);
}

bool ps_quantity_pool_path(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return mean_over_steps(layer, PS_SUM_POOL_PATH, out);
}

bool ps_quantity_pool_output(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return mean_over_steps(layer, PS_SUM_POOL_OUTPUT, out);
}

bool ps_quantity_pool_grad_identity(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return mean_over_steps(layer, PS_SUM_POOL_GRAD_IDENTITY, out);
}

bool ps_quantity_pool_grad_path(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return mean_over_steps(layer, PS_SUM_POOL_GRAD_PATH, out);
}

bool ps_quantity_pool_grad_total(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return mean_over_steps(layer, PS_SUM_POOL_GRAD_TOTAL, out);
}

/* Added up apart from the energies, so that the parts can be checked against the whole. */
const ps_instrument ps_instrument_pool_cross = {.pool_sums = 1u << PS_SUM_POOL_CROSS | 1u << PS_SUM_POOL_GRAD_CROSS,
                                                .exists = has_pool_skip};

bool ps_quantity_pool_cross(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return mean_over_steps(layer, PS_SUM_POOL_CROSS, out);
}

bool ps_quantity_pool_grad_cross(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return mean_over_steps(layer, PS_SUM_POOL_GRAD_CROSS, out);
}
