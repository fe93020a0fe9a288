/* Norms of a node's incoming weights, its bias, and scale and shift of its normalisation, read from the parameters. */
#include <math.h>

#include "probe/instruments.h"

static bool has_weights(const ps_probe_layer *layer) { return layer->weight >= 0; }

const ps_instrument ps_instrument_weights = {.heads = true, .exists = has_weights};

/* A gain right before a shared gate is a channel's own though it has no weights. */
static bool has_scale(const ps_probe_layer *layer) { return has_weights(layer) || layer->unit->gain_op >= 0; }

const ps_instrument ps_instrument_scale = {.exists = has_scale};

bool ps_probe_row_norms(const ps_probe_layer *layer, int param, double *out) {
    const ps_param *p = ps_net_param(layer->net, param);
    for (int c = 0; c < layer->unit->channels; c++) {
        const float *row = p->value + (size_t)c * p->row_length;
        double squares = 0;
        for (size_t i = 0; i < p->row_length; i++) squares += (double)row[i] * (double)row[i];
        out[c] = sqrt(squares);
    }
    return true;
}

bool ps_quantity_weight_l2(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return ps_probe_row_norms(layer, layer->weight, out);
}

bool ps_quantity_weight_l1(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    const ps_param *p = ps_net_param(layer->net, layer->weight);
    for (int c = 0; c < layer->unit->channels; c++) {
        const float *row = p->value + (size_t)c * p->row_length;
        double sum = 0;
        for (size_t i = 0; i < p->row_length; i++) sum += fabs((double)row[i]);
        out[c] = sum;
    }
    return true;
}

static bool copy_vector(const ps_probe_layer *layer, int param, double *out) {
    if (param < 0) return false;
    const float *value = ps_net_param(layer->net, param)->value;
    for (int c = 0; c < layer->unit->channels; c++) out[c] = (double)value[c];
    return true;
}

bool ps_quantity_bias(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return copy_vector(layer, layer->bias, out);
}

bool ps_quantity_gamma(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return copy_vector(layer, layer->gamma, out);
}

bool ps_quantity_beta(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return copy_vector(layer, layer->beta, out);
}
