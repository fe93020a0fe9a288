#include "probe/plant.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "core/rng.h"
#include "core/text.h"
#include "probe/plant_internal.h"

#define CAUSE_LIST(CAUSE)             \
    CAUSE(BIAS, "bias")               \
    CAUSE(WEIGHTS_IN, "weights-in")   \
    CAUSE(WEIGHTS_OUT, "weights-out") \
    CAUSE(GAMMA, "gamma")             \
    CAUSE(CEILING, "ceiling")         \
    CAUSE(NEAR_MISS, "near-miss")     \
    CAUSE(UPSTREAM, "upstream")       \
    CAUSE(OVERLAP, "overlap")         \
    CAUSE(DEPENDENT, "dependent")
typedef enum {
#define CAUSE(name, word) name,
    CAUSE_LIST(CAUSE)
#undef CAUSE
        CAUSES
} cause;

static const char *const cause_name[] = {
#define CAUSE(name, word) word,
    CAUSE_LIST(CAUSE)
#undef CAUSE
};

enum { MAX_DEALT = 16 };

/* One planting as its text says. */
typedef struct {
    double share, value, noise;
    int count; /* -1: share */
    cause dealt[MAX_DEALT];
    int dealt_count;
    uint64_t seed;
    const char *layers;
} plan;

typedef struct {
    ps_net *net;
    const ps_units *units;
    const ps_probe_source *source;
    bool **taken;    /* [unit][channel]: planted already */
    uint32_t *order; /* [most channels] */
    int *chosen;     /* [most channels] */
    ps_planting_list *list;
} field;

/* ---- the text ---- */

static ps_status parse_number(const char *key, const char *text, double low, double high, double *value) {
    char *end;
    *value = strtod(text, &end);
    if (text[0] != '\0' && *end == '\0' && *value >= low && *value <= high) return PS_OK;
    return ps_fail(PS_ERR_USAGE, "--plant: %s must be a number from %g to %g, not \"%s\"", key, low, high, text);
}

static ps_status parse_cause(const char *text, cause *out) {
    for (int i = 0; i < CAUSES; i++)
        if (strcmp(cause_name[i], text) == 0) {
            *out = (cause)i;
            return PS_OK;
        }
    return ps_fail(PS_ERR_USAGE,
                   "--plant: unknown cause \"%s\"; known: bias, weights-in, weights-out, gamma, ceiling, upstream, "
                   "overlap, dependent, near-miss",
                   text);
}

static ps_status parse_causes(char *text, plan *p) {
    p->dealt_count = 0;
    for (char *item = text, *next; item != NULL; item = next) {
        next = strchr(item, '+');
        if (next != NULL) *next++ = '\0';
        if (p->dealt_count == MAX_DEALT) return ps_fail(PS_ERR_USAGE, "--plant: more than %d causes", MAX_DEALT);
        PS_TRY(parse_cause(item, &p->dealt[p->dealt_count++]));
    }
    return PS_OK;
}

static ps_status parse_item(char *item, plan *p) {
    char *text = strchr(item, '=');
    double number = 0;
    if (text == NULL) return ps_fail(PS_ERR_USAGE, "--plant: \"%s\" must read key=value, e.g. share=0.25", item);
    *text++ = '\0';
    if (strcmp(item, "share") == 0) return parse_number(item, text, 0, 1, &p->share);
    if (strcmp(item, "value") == 0) return parse_number(item, text, -1e30, 1e30, &p->value);
    if (strcmp(item, "noise") == 0) return parse_number(item, text, 0, 1e6, &p->noise);
    if (strcmp(item, "cause") == 0) return parse_causes(text, p);
    if (strcmp(item, "layers") == 0) {
        p->layers = text;
        return PS_OK;
    }
    if (strcmp(item, "count") != 0 && strcmp(item, "seed") != 0)
        return ps_fail(PS_ERR_USAGE,
                       "--plant: unknown key \"%s\"; known: share, count, cause, seed, layers, value, noise", item);
    PS_TRY(parse_number(item, text, 0, item[0] == 'c' ? 1e6 : 9e15, &number));
    if (number != floor(number))
        return ps_fail(PS_ERR_USAGE, "--plant: %s must be a whole number, not \"%s\"", item, text);
    if (item[0] == 'c') p->count = (int)number;
    else p->seed = (uint64_t)number;
    return PS_OK;
}

static ps_status parse_plan(char *text, plan *p) {
    *p = (plan){.share = 0.25, .value = -4, .count = -1, .dealt = {BIAS}, .dealt_count = 1, .layers = "*"};
    for (char *item = text, *next; item != NULL; item = next) {
        next = strchr(item, ',');
        if (next != NULL) *next++ = '\0';
        if (item[0] != '\0') PS_TRY(parse_item(item, p));
    }
    return PS_OK;
}

/* ---- what is written ---- */

static float *param_value(const field *f, int node, const char *suffix) {
    int index = node >= 0 ? ps_net_op_param(f->net, node, suffix) : -1;
    return index >= 0 ? ps_net_param(f->net, index)->value : NULL;
}

static void shut(float *vector, int c) {
    if (vector != NULL) vector[c] = -fabsf(vector[c]);
}

/* Nothing but a constant comes in: gate and, behind a normalisation that makes it zero, beta must not open for it. */
static void shut_constant(const field *f, const ps_unit *unit, int c) {
    float *bias = param_value(f, unit->source_op, "bias"), *beta = param_value(f, unit->norm_op, "bias");
    /* With a normalisation the bias goes: a constant and its mean may differ by a rounding, which the normalisation
     * would blow up. */
    if (bias != NULL && beta != NULL) bias[c] = 0;
    shut(bias, c);
    shut(beta, c);
}

static void write_bias(const field *f, const ps_unit *unit, int c, double value) {
    float *beta = param_value(f, unit->norm_op, "bias"), *bias = param_value(f, unit->source_op, "bias");
    (beta != NULL ? beta : bias)[c] = (float)value;
}

static void clear_incoming(const field *f, const ps_unit *unit, int c) {
    const ps_param *p = ps_net_param(f->net, ps_net_op_param(f->net, unit->source_op, "weight"));
    memset(p->value + (size_t)c * p->row_length, 0, p->row_length * sizeof *p->value);
    shut_constant(f, unit, c);
}

/* Its columns of the projection. */
static void clear_head(const field *f, const ps_unit *unit, int head) {
    const ps_param *p = ps_net_param(f->net, ps_net_op_param(f->net, unit->source_op, "proj.weight"));
    size_t width = (size_t)p->spec.dims[1], size = width / (size_t)unit->channels;
    for (size_t at = 0; at < p->count; at++)
        if (at % width / size == (size_t)head) p->value[at] = 0;
}

/* Weight memory is [k][positions][c / groups]. */
static void clear_outgoing(const field *f, const ps_unit *unit, int c) {
    if (unit->heads) clear_head(f, unit, c);
    for (int i = 0; i < unit->readers; i++) {
        const ps_unit_reader *reader = &unit->reader[i];
        const ps_param *p = ps_net_param(f->net, ps_net_op_param(f->net, reader->op, "weight"));
        ps_shape in[PS_LAYER_MAX_INPUTS];
        ps_graph_input_shapes(ps_net_graph(f->net), reader->op, in);
        size_t inputs = (size_t)ps_param_inputs(&p->spec),
               rows_per_group = (size_t)p->spec.rows * inputs / (size_t)in[0].c;
        size_t first = (size_t)(reader->first_input + c * reader->stride), end = first + (size_t)reader->stride;
        for (size_t at = 0; at < p->count; at++) {
            size_t input = at / p->row_length / rows_per_group * inputs + at % p->row_length % inputs;
            if (input >= first && input < end) p->value[at] = 0;
        }
    }
}

/* Of what stands between, or of a normalisation across channels right before a shared gate. */
static int scaling_op(const ps_unit *unit) { return unit->norm_op >= 0 ? unit->norm_op : unit->gain_op; }

static void write_gamma(const field *f, const ps_unit *unit, int c) {
    param_value(f, scaling_op(unit), "weight")[c] = 0;
    shut(param_value(f, scaling_op(unit), "bias"), c);
}

/* ---- which layers can take what ---- */

static bool has_shift(const field *f, const ps_unit *unit) {
    return !unit->shared && (param_value(f, unit->norm_op, "bias") != NULL ||
                             (unit->norm_op < 0 && param_value(f, unit->source_op, "bias") != NULL));
}

/* A node without input is shut by its own shift alone; behind a normalisation it would have an input, if a constant
 * one. */
static bool can_be_zero(const ps_unit_feed *feed) { return feed->unit >= 0 && feed->dead == PS_CHANNEL_ZERO; }

static bool all_feeds_can_die(const field *f, const ps_unit *unit) {
    for (int i = 0; i < unit->feeds; i++)
        if (!can_be_zero(&unit->feed[i]) || !has_shift(f, &f->units->unit[unit->feed[i].unit])) return false;
    return unit->feeds > 0;
}

static bool can_take(const field *f, const ps_unit *unit, cause what) {
    if (unit->heads) return what == WEIGHTS_OUT;
    switch (what) {
        case BIAS: return has_shift(f, unit);
        case WEIGHTS_IN: return !unit->shared;
        case OVERLAP: return !unit->shared && unit->channels > 1;
        case DEPENDENT: return !unit->shared && unit->channels > PS_PLANT_MOST_PARTNERS;
        case WEIGHTS_OUT: return unit->readers > 0 && !unit->identity_path;
        case GAMMA: return scaling_op(unit) >= 0;
        case CEILING: return isfinite(unit->ceiling) && has_shift(f, unit);
        case NEAR_MISS: return unit->rectifies && ps_plant_shift_param(f->net, unit) >= 0;
        default: return !unit->shared && all_feeds_can_die(f, unit);
    }
}

/* ---- planting ---- */

static int by_number(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static ps_status note(field *f, const plan *p, int unit, cause what, int *channel, int channels) {
    ps_planting_list *list = f->list;
    if (channels == 0) return PS_OK;
    qsort(channel, (size_t)channels, sizeof *channel, by_number);
    PS_TRY(PS_GROW(&list->planting, &list->capacity, (size_t)list->count + 1, "planting"));
    ps_planting *planting = &list->planting[list->count++];
    *planting = (ps_planting){.layer = f->units->unit[unit].name,
                              .cause = cause_name[what],
                              .channels = channels,
                              .noise = p->noise,
                              .seed = p->seed,
                              .partners = what == OVERLAP     ? 1
                                          : what == DEPENDENT ? PS_PLANT_MOST_PARTNERS
                                                              : 0};
    PS_TRY(PS_ALLOC((size_t)channels, &planting->channel, "planting"));
    memcpy(planting->channel, channel, (size_t)channels * sizeof *channel);
    for (int i = 0; i < channels; i++) f->taken[unit][channel[i]] = true;
    return PS_OK;
}

static ps_status plant_channels(field *f, const plan *p, int index, cause what, int *channel, int channels) {
    const ps_unit *unit = &f->units->unit[index];
    PS_TRY(note(f, p, index, what, channel, channels));
    for (int i = 0; i < channels; i++) {
        if (what == BIAS) write_bias(f, unit, channel[i], p->value);
        if (what == WEIGHTS_IN) clear_incoming(f, unit, channel[i]);
        if (what == WEIGHTS_OUT) clear_outgoing(f, unit, channel[i]);
        if (what == GAMMA) write_gamma(f, unit, channel[i]);
        if (what == CEILING) write_bias(f, unit, channel[i], (double)unit->ceiling + fabs(p->value));
        if (what == UPSTREAM) shut_constant(f, unit, channel[i]);
    }
    return PS_OK;
}

static ps_status plant_free_channels(field *f, const plan *p, int index, cause what) {
    int channels = 0;
    for (int c = 0; c < f->units->unit[index].channels; c++)
        if (!f->taken[index][c]) f->chosen[channels++] = c;
    return plant_channels(f, p, index, what, f->chosen, channels);
}

static bool is_wholly(const field *f, int unit, bool taken) {
    for (int c = 0; c < f->units->unit[unit].channels; c++)
        if (f->taken[unit][c] != taken) return false;
    return true;
}

/* Candidates are untouched, and so are the layers they read: what is planted there otherwise would not be dead by this
 * cause. */
static bool is_upstream_candidate(const field *f, const plan *p, int index) {
    const ps_unit *unit = &f->units->unit[index];
    if (!ps_text_matches(p->layers, unit->name) || !can_take(f, unit, UPSTREAM) || !is_wholly(f, index, false))
        return false;
    for (int i = 0; i < unit->feeds; i++)
        if (!is_wholly(f, unit->feed[i].unit, false)) return false;
    return true;
}

/* All that a layer reads was killed as a whole by this planting. */
static bool is_cut_off(const field *f, const bool *killed, int index) {
    const ps_unit *unit = &f->units->unit[index];
    if (unit->shared || unit->heads || unit->feeds == 0) return false;
    for (int i = 0; i < unit->feeds; i++)
        if (!can_be_zero(&unit->feed[i]) || !killed[unit->feed[i].unit]) return false;
    return true;
}

static ps_status plant_below(field *f, const plan *p, int target, bool *killed) {
    const ps_unit *unit = &f->units->unit[target];
    for (int i = 0; i < unit->feeds; i++) {
        int feed = unit->feed[i].unit;
        if (!killed[feed]) PS_TRY(plant_free_channels(f, p, feed, BIAS));
        killed[feed] = true;
    }
    for (int i = 0; i < f->units->count; i++) {
        if (killed[i] || !is_cut_off(f, killed, i)) continue;
        PS_TRY(plant_free_channels(f, p, i, UPSTREAM));
        killed[i] = true;
    }
    return PS_OK;
}

static ps_status plant_upstream(field *f, const plan *p) {
    uint32_t candidates = 0;
    for (int i = 0; i < f->units->count; i++) candidates += is_upstream_candidate(f, p, i);
    if (candidates == 0)
        return ps_fail(
            PS_ERR_USAGE,
            "--plant: no layer that matches \"%s\" reads only layers whose gates can be shut; choose other layers",
            p->layers);
    uint32_t pick = ps_rng_below(ps_rng_key_of(p->seed, "plant/upstream"), 0, candidates);
    bool *killed;
    int target = 0;
    for (;; target++)
        if (is_upstream_candidate(f, p, target) && pick-- == 0) break;
    PS_TRY(PS_ALLOC((size_t)f->units->count, &killed, "planting"));
    ps_status status = plant_below(f, p, target, killed);
    ps_free(killed);
    return status;
}

/* The nodes are drawn by seed and layer name; the causes that the layer can take are dealt out to them in turn. */
static ps_status plant_layer(field *f, const plan *p, int index, bool *any) {
    const ps_unit *unit = &f->units->unit[index];
    cause dealt[MAX_DEALT];
    char name[512];
    int causes = 0, nodes = 0, wanted = p->count >= 0 ? p->count : (int)floor(p->share * unit->channels + 0.5);
    for (int i = 0; i < p->dealt_count; i++)
        if (p->dealt[i] != UPSTREAM && can_take(f, unit, p->dealt[i])) dealt[causes++] = p->dealt[i];
    if (causes == 0) return PS_OK;
    *any = true;
    snprintf(name, sizeof name, "plant/%s", unit->name);
    ps_rng_permutation(ps_rng_key_of(p->seed, name), (uint32_t)unit->channels, f->order);
    for (int c = 0; c < unit->channels && nodes < wanted; c++)
        if (!f->taken[index][f->order[c]]) f->order[nodes++] = f->order[c];
    if (p->count > nodes)
        return ps_fail(
            PS_ERR_USAGE,
            "--plant: count=%d is more than the %d nodes of %s that are free to plant; lower it, or choose layers",
            p->count, nodes, unit->name);
    for (int i = 0; i < causes; i++) {
        int channels = 0;
        for (int k = i; k < nodes; k += causes) f->chosen[channels++] = (int)f->order[k];
        PS_TRY(plant_channels(f, p, index, dealt[i], f->chosen, channels));
    }
    return PS_OK;
}

static bool deals(const plan *p, cause what) {
    for (int i = 0; i < p->dealt_count; i++)
        if (p->dealt[i] == what) return true;
    return false;
}

static ps_status plant_all(field *f, const plan *p) {
    bool any = false, matched = false;
    if (deals(p, NEAR_MISS) && (f->source == NULL || f->source->batches == 0))
        return ps_fail(PS_ERR_USAGE, "--plant: near-miss needs a probe set; set one with --probe");
    for (int i = 0; i < f->units->count; i++) matched = matched || ps_text_matches(p->layers, f->units->unit[i].name);
    if (!matched)
        return ps_fail(PS_ERR_USAGE,
                       "--plant: no layer matches \"%s\"; `poolscope inspect` lists them (the first is \"%s\")",
                       p->layers, f->units->count > 0 ? f->units->unit[0].name : "");
    if (deals(p, UPSTREAM)) {
        PS_TRY(plant_upstream(f, p));
        if (p->dealt_count == 1) return PS_OK;
    }
    for (int i = 0; i < f->units->count; i++)
        if (ps_text_matches(p->layers, f->units->unit[i].name)) PS_TRY(plant_layer(f, p, i, &any));
    if (any) return PS_OK;
    return ps_fail(
        PS_ERR_USAGE,
        "--plant: no layer that matches \"%s\" can take the cause (bias needs a bias or a normalisation, gamma a "
        "normalisation, ceiling an activation that has one, weights-out a layer that only weights read); choose other "
        "layers or another cause",
        p->layers);
}

static ps_status prepare(field *f) {
    size_t most = 1;
    PS_TRY(PS_ALLOC((size_t)f->units->count, &f->taken, "planting"));
    for (int i = 0; i < f->units->count; i++) {
        size_t channels = (size_t)f->units->unit[i].channels;
        PS_TRY(PS_ALLOC(channels, &f->taken[i], "planting"));
        if (channels > most) most = channels;
    }
    PS_TRY(PS_ALLOC(most, &f->order, "planting"));
    return PS_ALLOC(most, &f->chosen, "planting");
}

static ps_status plant_text(field *f, char *text) {
    plan p;
    for (char *item = text, *next; item != NULL; item = next) {
        next = strchr(item, ';');
        if (next != NULL) *next++ = '\0';
        PS_TRY(parse_plan(item, &p));
        PS_TRY(plant_all(f, &p));
    }
    return PS_OK;
}

/* The next nodes in channel order that nothing was planted in and nothing was made of, round the end. */
static ps_status choose_partners(field *f, int index, ps_planting *p) {
    int channels = f->units->unit[index].channels;
    PS_TRY(PS_ALLOC((size_t)(p->channels * p->partners), &p->partner, "planting"));
    for (int i = 0; i < p->channels; i++)
        for (int k = 0; k < p->partners; k++) {
            int c = p->channel[i], tried = 0;
            while (f->taken[index][c] && tried++ < channels) c = (c + 1) % channels;
            if (f->taken[index][c])
                return ps_fail(PS_ERR_USAGE, "--plant: %s has too few other nodes for cause %s; plant fewer of them",
                               p->layer, p->cause);
            p->partner[i * p->partners + k] = c;
            f->taken[index][c] = true;
        }
    return PS_OK;
}

/* After all other plantings, so that partners stay as they are. */
static ps_status combine_nodes(field *f) {
    for (int k = 0; k < f->list->count; k++) {
        ps_planting *p = &f->list->planting[k];
        if (p->partners == 0) continue;
        int index = ps_units_find(f->units, p->layer);
        PS_TRY(choose_partners(f, index, p));
        PS_TRY(ps_plant_combine(f->net, &f->units->unit[index], p));
    }
    return PS_OK;
}

/* Last of all, in forward order: a near miss must stay one whatever else is planted before it. */
static ps_status shift_near_misses(field *f) {
    for (int i = 0; i < f->units->count; i++)
        for (int k = 0; k < f->list->count; k++) {
            const ps_planting *p = &f->list->planting[k];
            if (p->cause != cause_name[NEAR_MISS] || strcmp(p->layer, f->units->unit[i].name) != 0) continue;
            PS_TRY(ps_plant_near_miss(f->net, &f->units->unit[i], f->source, p->channel, p->channels));
        }
    return PS_OK;
}

ps_status ps_plant(ps_net *net, const char *text, const ps_probe_source *source, ps_planting_list *out) {
    field f = {.net = net, .units = ps_net_units(net), .source = source, .list = out};
    char *copy = NULL;
    ps_status status;
    *out = (ps_planting_list){0};
    PS_TRY_CLEANUP(ps_string_copy(text, &copy));
    PS_TRY_CLEANUP(prepare(&f));
    PS_TRY_CLEANUP(plant_text(&f, copy));
    PS_TRY_CLEANUP(combine_nodes(&f));
    PS_TRY_CLEANUP(shift_near_misses(&f));
    if (out->count == 0) status = ps_fail(PS_ERR_USAGE, "--plant: \"%s\" plants no node; raise share or count", text);
cleanup:
    for (int i = 0; f.taken != NULL && i < f.units->count; i++) ps_free(f.taken[i]);
    ps_free(f.taken);
    ps_free(f.order);
    ps_free(f.chosen);
    free(copy);
    if (status != PS_OK) ps_planting_list_clear(out);
    return status;
}

void ps_planting_list_clear(ps_planting_list *list) {
    for (int i = 0; i < list->count; i++) {
        ps_free(list->planting[i].channel);
        ps_free(list->planting[i].partner);
    }
    ps_free_array(list->planting);
    *list = (ps_planting_list){0};
}
