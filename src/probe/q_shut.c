/* What a gate that is shut on every element of a training batch must bring about on that very batch: no gradient in the
 * node's own parameters (its filter excepted under a Pool Skip, which reaches it by the pool path) and none in the weights
 * that read the node. Counted batch by batch, so that a node which dies or reopens within a window is judged too.
 *
 * Every instrument here begins with two columns: the gate's zeros up to the step before, and whether this step shut it. Only
 * parameters of nodes that are shut are looked at. */
#include <float.h>
#include <math.h>

#include "probe/instruments.h"

enum { ZEROS, SHUT, FIRST_COUNT };

/* A gate with a slope hands gradient on at every value. */
static bool is_rectified(const ps_probe_layer *layer) { return layer->unit->slope == 0; }

static void find_shut(const ps_probe_layer *layer, double *state) {
    int channels = layer->unit->channels;
    double outputs = (double)ps_net_batch(layer->net) * layer->unit->elements;
    for (int c = 0; c < channels; c++) {
        double zeros = layer->gate_sum[PS_SUM_ZEROS][c];
        state[SHUT * channels + c] = zeros - state[ZEROS * channels + c] == outputs;
        state[ZEROS * channels + c] = zeros;
    }
}

static bool copy_count(const ps_probe_layer *layer, const double *state, int count, double *out) {
    int channels = layer->unit->channels;
    for (int c = 0; c < channels; c++) out[c] = state[(FIRST_COUNT + count) * channels + c];
    return true;
}

/* Some element is finite and not 0. What is not finite contradicts nothing: a diverged run multiplies 0 by infinity. */
static bool moves(const float *gradient, size_t count) {
    bool any = false;
    for (size_t i = 0; i < count; i++) any |= (fabsf(gradient[i]) > 0) & (fabsf(gradient[i]) <= FLT_MAX);
    return any;
}

static bool row_moves(const ps_probe_layer *layer, int param, int row) {
    if (param < 0) return false;
    const ps_param *p = ps_net_param(layer->net, param);
    return moves(p->grad + (size_t)row * p->row_length, p->row_length);
}

/* Adds the shut nodes in whose row of `param` or `bias` (-1: none) something moves to a count. */
static void count_rows(const ps_probe_layer *layer, int param, int bias, int count, double *state) {
    int channels = layer->unit->channels;
    for (int c = 0; c < channels; c++)
        if (state[SHUT * channels + c] != 0)
            state[(FIRST_COUNT + count) * channels + c] += row_moves(layer, param, c) || row_moves(layer, bias, c);
}

/* ---- how often it was shut ---- */

static void count_shut(const ps_probe_layer *layer, double *state) {
    int channels = layer->unit->channels;
    find_shut(layer, state);
    for (int c = 0; c < channels; c++) state[FIRST_COUNT * channels + c] += state[SHUT * channels + c];
}

const ps_instrument ps_instrument_shut = {
    .columns = FIRST_COUNT + 1, .gate_sums = 1u << PS_SUM_ZEROS, .exists = is_rectified, .step = count_shut};

bool ps_quantity_shut_steps(const ps_probe_layer *layer, const double *state, double *out) {
    return copy_count(layer, state, 0, out);
}

/* ---- its own parameters ---- */

static bool has_filter(const ps_probe_layer *layer) { return is_rectified(layer) && layer->weight >= 0; }

static void check_filter(const ps_probe_layer *layer, double *state) {
    find_shut(layer, state);
    count_rows(layer, layer->weight, layer->bias, 0, state);
}

const ps_instrument ps_instrument_shut_filter = {
    .columns = FIRST_COUNT + 1, .gate_sums = 1u << PS_SUM_ZEROS, .exists = has_filter, .step = check_filter};

bool ps_quantity_shut_filter_grad_steps(const ps_probe_layer *layer, const double *state, double *out) {
    return copy_count(layer, state, 0, out);
}

/* A normalisation that a Pool Skip stands behind is reached by the pool path, as the filter is. (Nodes are in forward order.) */
static bool has_norm(const ps_probe_layer *layer) {
    return has_filter(layer) && layer->gamma >= 0 && layer->unit->norm_node > layer->unit->pool_skip_node;
}

static void check_norm(const ps_probe_layer *layer, double *state) {
    find_shut(layer, state);
    count_rows(layer, layer->gamma, -1, 0, state);
    count_rows(layer, layer->beta, -1, 1, state);
}

const ps_instrument ps_instrument_shut_norm = {
    .columns = FIRST_COUNT + 2, .gate_sums = 1u << PS_SUM_ZEROS, .exists = has_norm, .step = check_norm};

bool ps_quantity_shut_gamma_grad_steps(const ps_probe_layer *layer, const double *state, double *out) {
    return copy_count(layer, state, 0, out);
}

bool ps_quantity_shut_beta_grad_steps(const ps_probe_layer *layer, const double *state, double *out) {
    return copy_count(layer, state, 1, out);
}

/* The row feeds this channel of the module's output alone, wherever the normalisation stands. */
static bool has_pool_row(const ps_probe_layer *layer) { return is_rectified(layer) && layer->pool_weight >= 0; }

static void check_pool_row(const ps_probe_layer *layer, double *state) {
    find_shut(layer, state);
    count_rows(layer, layer->pool_weight, layer->pool_bias, 0, state);
}

const ps_instrument ps_instrument_shut_pool_row = {
    .columns = FIRST_COUNT + 1, .gate_sums = 1u << PS_SUM_ZEROS, .exists = has_pool_row, .step = check_pool_row};

bool ps_quantity_shut_pool_row_grad_steps(const ps_probe_layer *layer, const double *state, double *out) {
    return copy_count(layer, state, 0, out);
}

/* ---- what arrives by the identity path ---- */

static bool has_pool_skip(const ps_probe_layer *layer) { return is_rectified(layer) && layer->unit->pool_skip_node >= 0; }

enum { ENERGY = FIRST_COUNT + 1 }; /* of the identity's part of dL/dy, up to the step before */

static void check_identity(const ps_probe_layer *layer, double *state) {
    int channels = layer->unit->channels;
    find_shut(layer, state);
    for (int c = 0; c < channels; c++) {
        double energy = layer->pool_sum[PS_SUM_POOL_GRAD_IDENTITY][c], step = energy - state[ENERGY * channels + c];
        state[ENERGY * channels + c] = energy;
        state[FIRST_COUNT * channels + c] += state[SHUT * channels + c] != 0 && isfinite(step) && step != 0;
    }
}

const ps_instrument ps_instrument_shut_identity = {.columns = FIRST_COUNT + 2,
                                                   .gate_sums = 1u << PS_SUM_ZEROS,
                                                   .pool_sums = 1u << PS_SUM_POOL_GRAD_IDENTITY,
                                                   .exists = has_pool_skip,
                                                   .step = check_identity};

bool ps_quantity_shut_identity_grad_steps(const ps_probe_layer *layer, const double *state, double *out) {
    return copy_count(layer, state, 0, out);
}

/* ---- the weights that read it ---- */

static bool has_readers(const ps_probe_layer *layer) { return is_rectified(layer) && layer->unit->readers > 0; }

enum { BLOCK = 64 };

/* Shut nodes of a layer, a few at a time, so that their columns are found in one pass over the rows. */
typedef struct {
    int node[BLOCK], count;
    bool moves[BLOCK];
} shut_block;

/* Weight memory is [k][positions][c / groups]: input `first` + i of the row's own group stands at i of every position. */
static void scan_rows(const ps_param *p, size_t inputs, size_t row, size_t rows, long first, int stride, shut_block *block) {
    for (const float *at = p->grad + row * p->row_length, *end = at + rows * p->row_length; at < end; at += inputs)
        for (int i = 0; i < block->count; i++) {
            long input = first + (long)block->node[i] * stride;
            if (input >= 0 && input + stride <= (long)inputs) block->moves[i] |= moves(at + input, (size_t)stride);
        }
}

static void scan_reader(const ps_probe_layer *layer, int reader, shut_block *block) {
    const ps_unit_reader *r = &layer->unit->reader[reader];
    const ps_param *p = ps_net_param(layer->net, layer->reader[reader].weight);
    size_t inputs = (size_t)p->spec.dims[1], groups = (size_t)layer->reader[reader].inputs / inputs;
    size_t rows = (size_t)p->spec.rows / groups;
    for (size_t g = 0; g < groups; g++)
        scan_rows(p, inputs, g * rows, rows, (long)r->first_input - (long)(g * inputs), r->stride, block);
}

static void check_block(const ps_probe_layer *layer, shut_block *block, double *state) {
    int channels = layer->unit->channels;
    for (int i = 0; i < block->count; i++) block->moves[i] = false;
    for (int r = 0; r < layer->unit->readers; r++) scan_reader(layer, r, block);
    for (int i = 0; i < block->count; i++) state[FIRST_COUNT * channels + block->node[i]] += block->moves[i];
    block->count = 0;
}

static void check_readers(const ps_probe_layer *layer, double *state) {
    int channels = layer->unit->channels;
    shut_block block = {.count = 0};
    find_shut(layer, state);
    for (int c = 0; c < channels; c++) {
        if (state[SHUT * channels + c] != 0) block.node[block.count++] = c;
        if (block.count == BLOCK || (c + 1 == channels && block.count > 0)) check_block(layer, &block, state);
    }
}

const ps_instrument ps_instrument_shut_readers = {
    .columns = FIRST_COUNT + 1, .gate_sums = 1u << PS_SUM_ZEROS, .exists = has_readers, .step = check_readers};

bool ps_quantity_shut_reader_grad_steps(const ps_probe_layer *layer, const double *state, double *out) {
    return copy_count(layer, state, 0, out);
}
