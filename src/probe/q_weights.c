/* Norms of a node's incoming weights, its bias, and scale and shift of its normalisation, read from the parameters. */
#include <math.h>

#include "probe/instruments.h"

static bool has_weights(const ps_probe_layer *layer) { return layer->weight >= 0; }

const ps_instrument ps_instrument_weights = {.heads = true, .exists = has_weights};

/* A gain right before a shared gate is a channel's own though it has no weights. */
static bool has_scale(const ps_probe_layer *layer) { return has_weights(layer) || layer->unit->gain_op >= 0; }

const ps_instrument ps_instrument_scale = {.exists = has_scale};

enum { GRAIN_FLOATS = 1 << 15 };

typedef struct {
    const ps_param *param;
    size_t rows, chunks;
    bool l1;
    double *out;
} norms_run;

static void add_norms(void *context, size_t chunk, int worker) {
    (void)worker;
    const norms_run *r = context;
    size_t length = r->param->row_length, end = ps_threads_chunk_start(r->rows, r->chunks, chunk + 1);
    for (size_t c = ps_threads_chunk_start(r->rows, r->chunks, chunk); c < end; c++) {
        const float *row = r->param->value + c * length;
        double sum = 0;
        for (size_t i = 0; r->l1 && i < length; i++) sum += fabs((double)row[i]);
        for (size_t i = 0; !r->l1 && i < length; i++) sum += (double)row[i] * (double)row[i];
        r->out[c] = r->l1 ? sum : sqrt(sum);
    }
}

static bool row_norms(const ps_probe_layer *layer, int param, bool l1, double *out) {
    norms_run run = {
        .param = ps_net_param(layer->net, param), .rows = (size_t)layer->unit->channels, .l1 = l1, .out = out};
    run.chunks = ps_threads_chunks(run.rows * run.param->row_length, GRAIN_FLOATS);
    if (run.chunks > run.rows) run.chunks = run.rows;
    ps_threads_run(ps_net_threads(layer->net), run.chunks, add_norms, &run);
    return true;
}

bool ps_probe_row_norms(const ps_probe_layer *layer, int param, double *out) {
    return row_norms(layer, param, false, out);
}

bool ps_quantity_weight_l2(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return row_norms(layer, layer->weight, false, out);
}

bool ps_quantity_weight_l1(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    return row_norms(layer, layer->weight, true, out);
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
