/* Nodes made of others: overlapping and linearly dependent ones. A row is a node's incoming weights and, where there is
 * one, its bias. */
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "core/rng.h"
#include "probe/plant_internal.h"

typedef struct {
    ps_param *weight, *bias; /* bias NULL where there is none */
    size_t length;           /* of a row */
} incoming;

static incoming incoming_of(ps_net *net, const ps_unit *unit) {
    int bias = ps_net_op_param(net, unit->source_op, "bias");
    incoming in = {ps_net_param(net, ps_net_op_param(net, unit->source_op, "weight")), NULL, 0};
    if (bias >= 0) in.bias = ps_net_param(net, bias);
    in.length = in.weight->row_length + (in.bias != NULL);
    return in;
}

static void read_row(const incoming *in, int c, double *row) {
    size_t weights = in->weight->row_length;
    for (size_t i = 0; i < weights; i++) row[i] = (double)in->weight->value[(size_t)c * weights + i];
    if (in->bias != NULL) row[weights] = (double)in->bias->value[c];
}

static void write_row(const incoming *in, int c, const double *row) {
    size_t weights = in->weight->row_length;
    for (size_t i = 0; i < weights; i++) in->weight->value[(size_t)c * weights + i] = (float)row[i];
    if (in->bias != NULL) in->bias->value[c] = (float)row[weights];
}

static double inner(const double *a, const double *b, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += a[i] * b[i];
    return sum;
}

static double length_of(const double *a, size_t count) { return sqrt(inner(a, a, count)); }

static void scale(double *a, size_t count, double factor) {
    for (size_t i = 0; i < count; i++) a[i] *= factor;
}

/* Random, at right angles to `base`, of its length times `noise`. */
static void draw_noise(ps_rng_key key, const double *base, size_t count, double noise, double *out) {
    double squared = inner(base, base, count);
    for (size_t i = 0; i < count; i++) out[i] = (double)ps_rng_normal(key, i);
    double along = inner(out, base, count) / squared;
    for (size_t i = 0; i < count; i++) out[i] -= along * base[i];
    scale(out, count, noise * sqrt(squared) / length_of(out, count));
}

/* One partner: its direction. Several: each with a random sign and between half and one and a half of its direction. */
static void add_partners(const incoming *in, const int *partner, int partners, ps_rng_key key, double *sum,
                         double *row) {
    for (int k = 0; k < partners; k++) {
        read_row(in, partner[k], row);
        double share = partners > 1 ? 0.5 + (double)ps_rng_uniform(key, (uint64_t)(2 * k)) : 1;
        if (partners > 1 && ps_rng_below(key, (uint64_t)(2 * k + 1), 2) == 0) share = -share;
        double length = length_of(row, in->length);
        for (size_t i = 0; i < in->length && length > 0; i++) sum[i] += share * row[i] / length;
    }
}

static ps_status combine_node(const incoming *in, const char *layer, int c, const int *partner,
                              const ps_planting *planting, double *row, double *sum) {
    ps_rng_key key = ps_rng_key_fold(ps_rng_key_of(planting->seed, layer), (uint64_t)c);
    read_row(in, c, row);
    double length = length_of(row, in->length);
    memset(sum, 0, in->length * sizeof *sum);
    add_partners(in, partner, planting->partners, ps_rng_key_fold(key, 1), sum, row);
    if (!(length > 0) || !(length_of(sum, in->length) > 0) || in->length < 2)
        return ps_fail(
            PS_ERR_USAGE,
            "--plant: %s:%d cannot be made of others, since it or they have no weights; plant it in another layer",
            layer, c);
    draw_noise(ps_rng_key_fold(key, 2), sum, in->length, planting->noise, row);
    for (size_t i = 0; i < in->length; i++) sum[i] += row[i];
    scale(sum, in->length, length / length_of(sum, in->length));
    write_row(in, c, sum);
    return PS_OK;
}

ps_status ps_plant_combine(ps_net *net, const ps_unit *unit, const ps_planting *planting) {
    incoming in = incoming_of(net, unit);
    double *row = NULL, *sum = NULL;
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(PS_ALLOC(in.length, &row, "planting"));
    PS_TRY_CLEANUP(PS_ALLOC(in.length, &sum, "planting"));
    for (int i = 0; i < planting->channels; i++)
        PS_TRY_CLEANUP(combine_node(&in, unit->name, planting->channel[i], planting->partner + i * planting->partners,
                                    planting, row, sum));
cleanup:
    ps_free(row);
    ps_free(sum);
    return status;
}
