/* What a gate that is shut on every element of a training step (of all its batches, where gradients accumulate) must
 * bring about on that very step: no gradient in the node's own parameters (its filter excepted under a Pool Skip, which
 * reaches it by the pool path) and none in the weights that read the node. Counted step by step, so that a node which
 * dies or reopens within a window is judged too.
 *
 * Every instrument here begins with two columns: the gate's zeros up to the step before, and whether this step shut it.
 * Only parameters of nodes that are shut are looked at. */
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "probe/instruments.h"

enum { ZEROS, SHUT, FIRST_COUNT };

/* Any other gate hands gradient on at every value. */
static bool is_rectified(const ps_probe_layer *layer) { return layer->unit->rectifies; }

static void find_shut(const ps_probe_layer *layer, double *state) {
    int channels = layer->unit->channels;
    double outputs = layer->step_outputs;
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

/* What is not finite contradicts nothing: a diverged run multiplies 0 by infinity. */
static bool is_moving(float gradient) { return fabsf(gradient) > 0 && fabsf(gradient) <= FLT_MAX; }

/* Gradients are tested for 0 by their bits, many at once: nearly all are. STRIP fills the widest vectors, WIDE some
 * lines of memory. */
enum { STRIP = 16, WIDE = 64 };
static const uint32_t without_sign = 0x7fffffff;

/* bits[i]: all bits of column i that are set in any row, `step` apart. A constant width vectorises. */
static inline __attribute__((always_inline)) void collect_bits(const float *at, size_t rows, size_t step, size_t width,
                                                               uint32_t *bits) {
    uint32_t found[WIDE] = {0};
    for (size_t row = 0; row < rows; row++, at += step) {
        uint32_t word[WIDE];
        memcpy(word, at, width * sizeof *word);
        for (size_t i = 0; i < width; i++) found[i] |= word[i];
    }
    memcpy(bits, found, width * sizeof *bits);
}

static void collect_any(const float *at, size_t rows, size_t step, size_t width, uint32_t *bits) {
    if (width == WIDE) collect_bits(at, rows, step, WIDE, bits);
    else if (width == STRIP) collect_bits(at, rows, step, STRIP, bits);
    else collect_bits(at, rows, step, width, bits);
}

static bool block_moves(const float *gradient, size_t rows, size_t width) {
    uint32_t bits[WIDE], any = 0;
    collect_any(gradient, rows, width, width, bits);
    for (size_t k = 0; k < width; k++) any |= bits[k];
    for (size_t k = 0; (any & without_sign) != 0 && k < rows * width; k++)
        if (is_moving(gradient[k])) return true;
    return false;
}

static bool moves(const float *gradient, size_t count) {
    enum { ROWS = 16 };
    size_t i = 0;
    for (; i + ROWS * STRIP <= count; i += ROWS * STRIP)
        if (block_moves(gradient + i, ROWS, STRIP)) return true;
    size_t rows = (count - i) / STRIP, rest = (count - i) % STRIP;
    if (rows > 0 && block_moves(gradient + i, rows, STRIP)) return true;
    return rest > 0 && block_moves(gradient + count - rest, 1, rest);
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

/* A normalisation that a Pool Skip stands behind is reached by the pool path, as the filter is. (Nodes are in forward
 * order.) */
static bool has_norm(const ps_probe_layer *layer) {
    return has_filter(layer) && layer->gamma >= 0 && layer->unit->norm_op > layer->unit->pool_skip_op;
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

static bool has_pool_skip(const ps_probe_layer *layer) { return is_rectified(layer) && layer->unit->pool_skip_op >= 0; }

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

/* Weights that read a channel which is not 0 where its gate is shut, behind a normalisation, do get gradient then. */
static bool has_readers(const ps_probe_layer *layer) {
    for (int r = 0; r < layer->unit->readers; r++)
        if (layer->unit->reader[r].way.of_zero != PS_CHANNEL_ZERO) return false;
    return is_rectified(layer) && layer->unit->readers > 0;
}

/* Some columns of a reader's weights: `width` neighbouring inputs in every position of every row of their group, and
 * the node of the first of them. */
typedef struct {
    const float *at;
    size_t rows, step, width, feature; /* feature: counted from the unit's channel 0 */
} columns;

/* Which nodes' weights move is noted in their MOVED column. */
enum { MOVED = FIRST_COUNT + 1, READER_COLUMNS };

static bool column_moves(const columns *c, size_t column) {
    for (size_t row = 0; row < c->rows; row++)
        if (is_moving(c->at[row * c->step + column])) return true;
    return false;
}

static void check_columns(const columns *c, const double *shut, size_t stride, double *moved) {
    uint32_t bits[WIDE];
    bool any = false;
    for (size_t i = 0; i < c->width; i++) any = any || shut[(c->feature + i) / stride] != 0;
    if (!any) return;
    collect_any(c->at, c->rows, c->step, c->width, bits);
    for (size_t i = 0; i < c->width; i++) {
        size_t node = (c->feature + i) / stride;
        if (shut[node] != 0 && (bits[i] & without_sign) != 0 && column_moves(c, i)) moved[node] = 1;
    }
}

/* Weight memory is [k][positions][c / groups]; the unit's features are inputs first .. end - 1, over all groups. */
static void check_reader(const ps_probe_layer *layer, int reader, const double *shut, double *moved) {
    const ps_unit_reader *r = &layer->unit->reader[reader];
    const ps_param *p = ps_net_param(layer->net, layer->reader[reader].weight);
    size_t inputs = (size_t)ps_param_inputs(&p->spec), groups = (size_t)layer->reader[reader].inputs / inputs;
    size_t first = (size_t)r->first_input, end = first + (size_t)layer->unit->channels * (size_t)r->stride;
    size_t rows = (size_t)p->spec.rows / groups, group_size = rows * p->row_length;
    for (size_t input = first, width; input < end; input += width) {
        size_t group = input / inputs, rest = (group + 1) * inputs < end ? (group + 1) * inputs - input : end - input;
        width = rest >= WIDE ? WIDE : rest >= STRIP ? STRIP : rest;
        columns c = {.at = p->grad + group * group_size + input % inputs,
                     .rows = group_size / inputs,
                     .step = inputs,
                     .width = width,
                     .feature = input - first};
        check_columns(&c, shut, (size_t)r->stride, moved);
    }
}

static void check_readers(const ps_probe_layer *layer, double *state) {
    int channels = layer->unit->channels;
    double *shut = state + SHUT * channels, *moved = state + MOVED * channels;
    find_shut(layer, state);
    for (int c = 0; c < channels; c++) moved[c] = 0;
    for (int r = 0; r < layer->unit->readers; r++) check_reader(layer, r, shut, moved);
    for (int c = 0; c < channels; c++) state[FIRST_COUNT * channels + c] += moved[c];
}

const ps_instrument ps_instrument_shut_readers = {
    .columns = READER_COLUMNS, .gate_sums = 1u << PS_SUM_ZEROS, .exists = has_readers, .step = check_readers};

bool ps_quantity_shut_reader_grad_steps(const ps_probe_layer *layer, const double *state, double *out) {
    return copy_count(layer, state, 0, out);
}
