/* Planted truth: in 100 random plantings the diagnosis of every node, planted or not, is that of a naive recomputation
 * from the weights and from the gates' outputs counted one by one; every planted node is found with the cause it was
 * planted with. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "measure/diagnose.h"
#include "run/session.h"
#include "core/memory.h"
#include "net/train.h"

enum { PLANTINGS = 100, NETWORKS = 3, OTHERS = 6, BATCH = 64, IMAGES = 512, STEPS = 15 };

/* Gates right behind layer norms, which share their nodes' gradients out: ReLU6, GELU, ReLU; and depthwise filters. */
static const char across[] =
    "{\"format\": \"poolscope-graph\", \"version\": 1, \"name\": \"across\", \"input\": [3, 8, 8], \"nodes\": ["
    "{\"name\": \"a\", \"type\": \"conv\", \"channels\": 12, \"padding\": 1}, {\"name\": \"an\", \"type\": "
    "\"layer_norm\"},"
    "{\"name\": \"ag\", \"type\": \"relu6\"},"
    "{\"name\": \"b\", \"type\": \"conv\", \"channels\": 12, \"padding\": 1, \"groups\": 12},"
    "{\"name\": \"bn\", \"type\": \"batch_norm\"}, {\"name\": \"bg\", \"type\": \"relu\"},"
    "{\"name\": \"c\", \"type\": \"conv\", \"channels\": 12, \"padding\": 1}, {\"name\": \"cn\", \"type\": "
    "\"layer_norm\"},"
    "{\"name\": \"cg\", \"type\": \"gelu\"},"
    "{\"name\": \"d\", \"type\": \"conv\", \"channels\": 12, \"padding\": 1}, {\"name\": \"dn\", \"type\": "
    "\"layer_norm\"},"
    "{\"name\": \"dg\", \"type\": \"relu\"}, {\"name\": \"p\", \"type\": \"global_avg_pool\"},"
    "{\"name\": \"fc\", \"type\": \"linear\", \"features\": 10}]}";

/* Gates behind instance norms, which follow a convolution, a strided one, and a transposed one back to its size. */
static const char instances[] =
    "{\"format\": \"poolscope-graph\", \"version\": 1, \"name\": \"instances\", \"input\": [3, 8, 8], \"nodes\": ["
    "{\"name\": \"a\", \"type\": \"conv\", \"channels\": 12, \"padding\": 1}, {\"name\": \"an\", \"type\": "
    "\"instance_norm\"}, {\"name\": \"ag\", \"type\": \"relu\"},"
    "{\"name\": \"b\", \"type\": \"conv\", \"channels\": 14, \"padding\": 1, \"stride\": 2}, {\"name\": \"bn\", "
    "\"type\": "
    "\"instance_norm\"}, {\"name\": \"bg\", \"type\": \"relu\"},"
    "{\"name\": \"c\", \"type\": \"conv_transpose\", \"channels\": 13}, {\"name\": \"cn\", \"type\": "
    "\"instance_norm\"}, {\"name\": \"cg\", \"type\": \"relu\"},"
    "{\"name\": \"d\", \"type\": \"conv\", \"channels\": 12, \"padding\": 1}, {\"name\": \"dn\", \"type\": "
    "\"instance_norm\"}, {\"name\": \"dg\", \"type\": \"relu\"}, {\"name\": \"p\", \"type\": \"global_avg_pool\"},"
    "{\"name\": \"fc\", \"type\": \"linear\", \"features\": 10}]}";

/* Small networks, shortly trained, all of whose nodes are active: without and with normalisation, and with residual
 * adds. */
static const struct {
    const char *model, *batch_norm, *activation, *causes;
    double width;
    const char *graph; /* where there is no model */
} networks[NETWORKS + OTHERS] = {{"plain9", "no", "", "", 0.5, NULL},
                                 {"plain9", "yes", "", "", 0.5, NULL},
                                 {"resnet18", "", "", "", 0.0625, NULL},
                                 {"plain9", "no", "gelu", "bias+weights-in+weights-out", 0.5, NULL},
                                 {"plain9", "yes", "gelu", "bias+gamma+weights-out", 0.5, NULL},
                                 {"plain9", "no", "relu6", "ceiling+bias", 0.5, NULL},
                                 {"plain9", "yes", "relu6", "ceiling+bias+gamma", 0.5, NULL},
                                 {"", "", "", "gamma,layers=*g", 1, across},
                                 {"", "", "", "bias+gamma+weights-in+weights-out", 1, instances}};

typedef struct {
    ps_run_config config;
    ps_session session;
    float **kept; /* trained weights, per parameter */
    const ps_units *units;
    int **active;                /* [unit][channel]: images with an output that is not 0, counted by hand */
    int **active_eval;           /* the same in evaluation mode */
    float **first;               /* [unit]: the very first image's outputs in batch mode */
    double **spread, **mean_abs; /* [unit][channel]: largest difference from them, and mean size of the outputs */
    double **above;              /* [unit][channel]: largest normalised value without its shift */
    double **lowest;             /* [unit][channel]: smallest output */
    double **steepest;           /* [unit][channel]: largest size of the derivative at what entered the gate */
    ps_mode mode;
    int images, batch; /* of the batch under way */
} bed;

static size_t map_of(const ps_unit *unit) { return (size_t)unit->elements * (size_t)unit->channels; }

static void must(ps_status status) {
    if (status != PS_OK) fail_msg("%s", ps_status_message());
}

static void set(bed *b, const char *name, const char *value) {
    bool known;
    must(ps_run_config_set(&b->config, name, value, &known));
    assert_true(known);
}

static const char *own_graph(const char *text) {
    static char path[32];
    snprintf(path, sizeof path, "/tmp/ps_graph_XXXXXX");
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, strlen(text)), strlen(text));
    close(file);
    return path;
}

static void open_bed(bed *b, int network) {
    char width[32], digest[17];
    uint64_t diverged;
    memset(b, 0, sizeof *b);
    must(ps_run_config_init(&b->config));
    snprintf(width, sizeof width, "%g", networks[network].width);
    if (networks[network].model[0] != '\0') {
        set(b, "model", networks[network].model);
        set(b, "batch_norm", networks[network].batch_norm);
        set(b, "activation", networks[network].activation);
        set(b, "width", width);
    } else set(b, "graph", own_graph(networks[network].graph));
    set(b, "size", "8");
    set(b, "batch", "64");
    set(b, "probe", "512");
    set(b, "train_limit", "640");
    set(b, "test_limit", "64");
    set(b, "init_scheme", "he");
    set(b, "lr", "1e-5"); /* so small that the initial weights settle what is active */
    set(b, "clip", "1");
    must(ps_session_open(&b->session, &b->config, NULL, 1));
    if (networks[network].model[0] == '\0') unlink(b->config.graph);
    must(ps_session_init_weights(&b->session, ".", digest));
    ps_train_options options = {
        .steps = STEPS, .window = STEPS, .seed = 1, .source = ps_session_train_source(&b->session)};
    must(ps_train_run(b->session.net, b->session.optimiser, &options, &diverged));
    assert_true(diverged == UINT64_MAX);
    ps_net *net = b->session.net;
    int params = ps_net_param_count(net);
    must(PS_ALLOC((size_t)params, &b->kept, "weights"));
    for (int i = 0; i < params; i++) {
        must(PS_ALLOC(ps_net_param(net, i)->count, &b->kept[i], "weights"));
        memcpy(b->kept[i], ps_net_param(net, i)->value, ps_net_param(net, i)->count * sizeof(float));
    }
    b->units = ps_net_units(net);
    must(PS_ALLOC((size_t)b->units->count, &b->active, "counts"));
    must(PS_ALLOC((size_t)b->units->count, &b->active_eval, "counts"));
    must(PS_ALLOC((size_t)b->units->count, &b->first, "outputs"));
    must(PS_ALLOC((size_t)b->units->count, &b->spread, "outputs"));
    must(PS_ALLOC((size_t)b->units->count, &b->mean_abs, "outputs"));
    must(PS_ALLOC((size_t)b->units->count, &b->above, "outputs"));
    must(PS_ALLOC((size_t)b->units->count, &b->lowest, "outputs"));
    must(PS_ALLOC((size_t)b->units->count, &b->steepest, "outputs"));
    for (int u = 0; u < b->units->count; u++) {
        must(PS_ALLOC((size_t)b->units->unit[u].channels, &b->active[u], "counts"));
        must(PS_ALLOC((size_t)b->units->unit[u].channels, &b->active_eval[u], "counts"));
        must(PS_ALLOC(map_of(&b->units->unit[u]), &b->first[u], "outputs"));
        must(PS_ALLOC((size_t)b->units->unit[u].channels, &b->spread[u], "outputs"));
        must(PS_ALLOC((size_t)b->units->unit[u].channels, &b->mean_abs[u], "outputs"));
        must(PS_ALLOC((size_t)b->units->unit[u].channels, &b->above[u], "outputs"));
        must(PS_ALLOC((size_t)b->units->unit[u].channels, &b->lowest[u], "outputs"));
        must(PS_ALLOC((size_t)b->units->unit[u].channels, &b->steepest[u], "outputs"));
    }
}

static void restore(bed *b) {
    for (int i = 0; i < ps_net_param_count(b->session.net); i++) {
        ps_param *p = ps_net_param(b->session.net, i);
        memcpy(p->value, b->kept[i], p->count * sizeof *p->value);
    }
}

static void close_bed(bed *b) {
    for (int i = 0; i < ps_net_param_count(b->session.net); i++) ps_free(b->kept[i]);
    for (int u = 0; u < b->units->count; u++) ps_free(b->active[u]);
    for (int u = 0; u < b->units->count; u++) ps_free(b->active_eval[u]);
    for (int u = 0; u < b->units->count; u++) ps_free(b->first[u]);
    for (int u = 0; u < b->units->count; u++) ps_free(b->spread[u]);
    for (int u = 0; u < b->units->count; u++) ps_free(b->mean_abs[u]);
    for (int u = 0; u < b->units->count; u++) ps_free(b->above[u]), ps_free(b->lowest[u]), ps_free(b->steepest[u]);
    ps_free(b->above);
    ps_free(b->lowest);
    ps_free(b->steepest);
    ps_free(b->first);
    ps_free(b->spread);
    ps_free(b->mean_abs);
    ps_free(b->kept);
    ps_free(b->active);
    ps_free(b->active_eval);
    ps_session_close(&b->session);
    ps_run_config_clear(&b->config);
}

/* ---- the naive recomputation ---- */

/* In batch mode: how far each image's outputs lie from the very first one's, and their mean size. */
static void measure_spread(bed *b, int u, const float *x) {
    const ps_unit *unit = &b->units->unit[u];
    size_t map = map_of(unit), channels = (size_t)unit->channels, count = map * (size_t)b->images;
    double all = (double)unit->elements * b->images * ps_session_probe_source(&b->session).batches;
    if (b->batch == 0) memcpy(b->first[u], x, map * sizeof *x);
    for (size_t at = 0; at < count; at++) {
        double apart = fabs((double)x[at] - (double)b->first[u][at % map]);
        if (apart > b->spread[u][at % channels]) b->spread[u][at % channels] = apart;
        b->mean_abs[u][at % channels] += fabs((double)x[at]) / all;
    }
}

static const ps_param *param(const bed *b, int node, const char *suffix) {
    int index = node >= 0 ? ps_net_op_param(b->session.net, node, suffix) : -1;
    return index >= 0 ? ps_net_param(b->session.net, index) : NULL;
}

/* gamma (x - mean) / sqrt(variance + eps) over a whole batch of what the source gives, in double precision. */
static void normalise_all(bed *b, int u, const float *x, size_t count) {
    const ps_unit *unit = &b->units->unit[u];
    size_t channels = (size_t)unit->channels;
    for (size_t c = 0; c < channels; c++) {
        double n = (double)(count / channels), mean = 0, variance = 0;
        double gamma = (double)param(b, unit->norm_op, "weight")->value[c];
        for (size_t i = c; i < count; i += channels) mean += (double)x[i] / n;
        for (size_t i = c; i < count; i += channels) variance += ((double)x[i] - mean) * ((double)x[i] - mean) / n;
        for (size_t i = c; i < count; i += channels)
            b->above[u][c] = fmax(b->above[u][c], gamma * ((double)x[i] - mean) / sqrt(variance + 1e-5));
    }
}

/* Instance norms: of each image by itself. */
static void normalise(bed *b, int u, const float *x, size_t count) {
    const ps_unit *unit = &b->units->unit[u];
    bool alone = strcmp(ps_net_graph(b->session.net)->op[unit->norm_op].type->name, "instance_norm") == 0;
    size_t runs = alone ? (size_t)b->images : 1, run = count / runs;
    for (size_t i = 0; i < runs; i++) normalise_all(b, u, x + i * run, run);
}

/* Of a gate that is no rectifier, by its formula; of others nobody asks. */
static double slope_at(const ps_unit *unit, double v) {
    if (strcmp(unit->activation, "gelu") != 0) return 1;
    return erfc(-v / sqrt(2)) / 2 + v * exp(-v * v / 2) / sqrt(2 * M_PI);
}

/* What enters a gate is what the operation before it gives: none of these is fused. */
static void measure_ends(bed *b, int u, int node, const float *x) {
    const ps_unit *unit = &b->units->unit[u];
    size_t channels = (size_t)unit->channels, count = map_of(unit) * (size_t)b->images;
    bool enters = node == ps_net_graph(b->session.net)->op[unit->gate_op].input[0], leaves = node == unit->gate_op;
    for (size_t at = 0; (enters || leaves) && at < count; at++) {
        double *low = &b->lowest[u][at % channels], *steep = &b->steepest[u][at % channels];
        if (leaves && (double)x[at] < *low) *low = (double)x[at];
        if (enters) *steep = fmax(*steep, fabs(slope_at(unit, (double)x[at])));
    }
}

static void count_active(void *self, int node, ps_shape shape, const float *x) {
    bed *b = self;
    for (int u = 0; u < b->units->count; u++) {
        const ps_unit *unit = &b->units->unit[u];
        if (unit->norm_op >= 0 && unit->source_op == node && b->mode == PS_MODE_PROBE)
            normalise(b, u, x, ps_shape_elements(shape));
        if (b->mode == PS_MODE_PROBE) measure_ends(b, u, node, x);
        if (unit->gate_op != node) continue;
        if (b->mode == PS_MODE_PROBE) measure_spread(b, u, x);
        for (int image = 0; image < b->images; image++)
            for (int c = 0; c < unit->channels; c++) {
                bool any = false;
                for (int e = 0; e < unit->elements; e++)
                    any = any || x[(size_t)(image * unit->elements + e) * (size_t)unit->channels + (size_t)c] != 0;
                (b->mode == PS_MODE_EVAL ? b->active_eval : b->active)[u][c] += any;
            }
    }
}

static void look(bed *b) {
    ps_probe_source source = ps_session_probe_source(&b->session);
    ps_net_hook hook = {b, count_active};
    const ps_mode modes[] = {PS_MODE_PROBE, PS_MODE_EVAL};
    for (int u = 0; u < b->units->count; u++) {
        memset(b->active[u], 0, (size_t)b->units->unit[u].channels * sizeof(int));
        memset(b->active_eval[u], 0, (size_t)b->units->unit[u].channels * sizeof(int));
        memset(b->spread[u], 0, (size_t)b->units->unit[u].channels * sizeof(double));
        memset(b->mean_abs[u], 0, (size_t)b->units->unit[u].channels * sizeof(double));
        for (int c = 0; c < b->units->unit[u].channels; c++) {
            b->above[u][c] = -INFINITY;
            b->lowest[u][c] = INFINITY;
            b->steepest[u][c] = 0;
        }
    }
    for (int m = 0; m < 2; m++)
        for (int i = 0; i < source.batches; i++) {
            b->mode = modes[m];
            b->batch = i;
            must(source.batch(source.self, i, b->session.x, &b->images));
            ps_net_forward_plain(b->session.net, b->session.x, b->mode, &hook, NULL);
        }
}

static bool row_is_zero(const ps_param *p, int row) {
    for (size_t i = 0; i < p->row_length; i++)
        if (p->value[(size_t)row * p->row_length + i] != 0) return false;
    return true;
}

static int input_of(const ps_param *p, const ps_unit *unit, size_t i) {
    size_t inputs = (size_t)ps_param_inputs(&p->spec);
    bool depthwise = inputs == 1 && unit->channels > 1;
    return (int)(depthwise ? i / p->row_length : i % inputs);
}

/* Every weight of every reader at this channel; the networks here flatten nothing but single pixels, and a reader in
 * groups is depthwise. */
static bool nothing_reads(const bed *b, const ps_unit *unit, int c) {
    if (unit->identity_path || unit->readers == 0) return false;
    for (int r = 0; r < unit->readers; r++) {
        const ps_param *p = param(b, unit->reader[r].op, "weight");
        assert_int_equal(unit->reader[r].stride, 1);
        for (size_t i = 0; i < p->count; i++)
            if (input_of(p, unit, i) == unit->reader[r].first_input + c && p->value[i] != 0) return false;
    }
    return true;
}

/* Row `c` of a depthwise filter reads input c alone. */
static bool only_input_is_dead(const bed *b, const ps_unit *unit, int c) {
    assert_true(unit->feeds == 1 && unit->groups == unit->channels);
    return unit->feed[0].unit >= 0 && b->active[unit->feed[0].unit][c] == 0;
}

static bool all_inputs_dead(const bed *b, const ps_unit *unit, int channel) {
    if (unit->groups > 1) return only_input_is_dead(b, unit, channel);
    for (int i = 0; i < unit->feeds; i++) {
        if (unit->feed[i].unit < 0) return false;
        for (int c = 0; c < b->units->unit[unit->feed[i].unit].channels; c++)
            if (b->active[unit->feed[i].unit][c] > 0) return false;
    }
    return unit->feeds > 0;
}

static ps_cause structural_cause(const bed *b, const ps_unit *unit, int c) {
    const ps_param *gamma = param(b, unit->norm_op >= 0 ? unit->norm_op : unit->gain_op, "weight");
    if (unit->shared) return gamma != NULL && gamma->value[c] == 0 ? PS_CAUSE_GAMMA_ZERO : PS_CAUSE_NONE;
    if (row_is_zero(param(b, unit->source_op, "weight"), c)) return PS_CAUSE_ZERO_INCOMING;
    if (all_inputs_dead(b, unit, c)) return PS_CAUSE_INPUTS_DEAD;
    return gamma != NULL && gamma->value[c] == 0 ? PS_CAUSE_GAMMA_ZERO : PS_CAUSE_NONE;
}

/* Of a dead node: whether it would live without its shift. Between what is nothing and what is more than rounding may
 * make of constant inputs either answer will do. */
static bool fits_shift(const bed *b, int u, int c, ps_cause found) {
    const ps_unit *unit = &b->units->unit[u];
    double above = b->above[u][c], beta = (double)param(b, unit->norm_op, "bias")->value[c],
           gamma = (double)param(b, unit->norm_op, "weight")->value[c];
    if (beta >= 0) return found == PS_CAUSE_NO_VARIATION || found == PS_CAUSE_SILENT;
    if (above > 0.01 * fabs(gamma)) return found == PS_CAUSE_NORM_SHIFT;
    if (above <= 1e-7 * fabs(beta)) return found == PS_CAUSE_NO_VARIATION;
    return found == PS_CAUSE_NORM_SHIFT || found == PS_CAUSE_NO_VARIATION;
}

static bool fits(const bed *b, int u, int c, bool dead, bool eval_dead, ps_cause found) {
    const ps_unit *unit = &b->units->unit[u];
    ps_cause structural = structural_cause(b, unit, c);
    bool constant = b->spread[u][c] <= PS_CONSTANT_WITHIN * b->mean_abs[u][c];
    if (dead && structural != PS_CAUSE_NONE) return found == structural;
    if (!dead && constant) return found == (structural != PS_CAUSE_NONE ? structural : PS_CAUSE_NO_VARIATION);
    if (!dead && nothing_reads(b, unit, c)) return found == PS_CAUSE_ZERO_OUTGOING;
    if (!dead) return found == (eval_dead ? PS_CAUSE_RUNNING_STATISTICS : PS_CAUSE_NONE);
    if (unit->shared) return found == PS_CAUSE_SILENT;
    if (unit->norm_op >= 0) return fits_shift(b, u, c, found);
    return found == PS_CAUSE_NEGATIVE_BIAS || found == PS_CAUSE_NEGATIVE_INPUT;
}

/* The condition by the raw values alone, where none of the rectifier's holds. */
static ps_condition other_condition(const bed *b, int u, int c) {
    const ps_unit *unit = &b->units->unit[u];
    bool constant = b->spread[u][c] <= PS_CONSTANT_WITHIN * b->mean_abs[u][c];
    if (b->lowest[u][c] >= (double)unit->ceiling) return PS_CONDITION_STUCK;
    if (constant && structural_cause(b, unit, c) != PS_CAUSE_NONE) return PS_CONDITION_CONSTANT;
    return b->steepest[u][c] < 1e-3 ? PS_CONDITION_SATURATED : PS_CONDITION_NONE;
}

static bool fits_other(const bed *b, int u, int c, ps_condition condition, ps_cause found) {
    const ps_unit *unit = &b->units->unit[u];
    ps_cause structural = structural_cause(b, unit, c);
    if (condition == PS_CONDITION_CONSTANT) return found == structural;
    if (condition == PS_CONDITION_STUCK && structural != PS_CAUSE_NONE) return found == structural;
    if (unit->shared) return found == PS_CAUSE_SILENT;
    if (condition == PS_CONDITION_SATURATED)
        return unit->norm_op >= 0 ? fits_shift(b, u, c, found)
                                  : found == PS_CAUSE_NEGATIVE_BIAS || found == PS_CAUSE_NEGATIVE_INPUT;
    return unit->norm_op >= 0 ? found == PS_CAUSE_CEILING_SHIFT
                              : found == PS_CAUSE_CEILING_BIAS || found == PS_CAUSE_CEILING_INPUT;
}

/* ---- the checks ---- */

static ps_cause planted_cause(const ps_unit *unit, const char *cause) {
    if (strcmp(cause, "bias") == 0) return unit->norm_op >= 0 ? PS_CAUSE_NORM_SHIFT : PS_CAUSE_NEGATIVE_BIAS;
    if (strcmp(cause, "weights-in") == 0) return PS_CAUSE_ZERO_INCOMING;
    if (strcmp(cause, "weights-out") == 0) return PS_CAUSE_ZERO_OUTGOING;
    if (strcmp(cause, "gamma") == 0) return PS_CAUSE_GAMMA_ZERO;
    if (strcmp(cause, "ceiling") == 0) return unit->norm_op >= 0 ? PS_CAUSE_CEILING_SHIFT : PS_CAUSE_CEILING_BIAS;
    return strcmp(cause, "upstream") == 0 ? PS_CAUSE_INPUTS_DEAD : PS_CAUSE_NONE;
}

static const char *planted_as(const ps_planting_list *list, const char *layer, int channel) {
    for (int i = 0; i < list->count; i++)
        for (int k = 0; k < list->planting[i].channels; k++)
            if (strcmp(list->planting[i].layer, layer) == 0 && list->planting[i].channel[k] == channel)
                return list->planting[i].cause;
    return NULL;
}

/* Returns how many planted nodes were found as they were planted. */
static int judge(bed *b, const char *text, const ps_planting_list *list) {
    ps_diagnosis d;
    ps_probe_source source = ps_session_probe_source(&b->session);
    int at = 0, found = 0;
    look(b);
    must(ps_diagnose(b->session.net, &source, &d));
    for (int u = 0; u < b->units->count; u++)
        for (int c = 0; c < b->units->unit[u].channels; c++, at++) {
            const ps_unit *unit = &b->units->unit[u];
            const ps_diagnosed_node *n = &d.node[at];
            bool dead = unit->rectifies && b->active[u][c] == 0,
                 eval_dead = unit->rectifies && b->active_eval[u][c] == 0;
            ps_condition other = dead ? PS_CONDITION_NONE : other_condition(b, u, c);
            bool right = other != PS_CONDITION_NONE
                             ? n->condition == other && fits_other(b, u, c, other, n->cause)
                             : (n->condition == PS_CONDITION_DEAD) == dead && fits(b, u, c, dead, eval_dead, n->cause);
            const char *planted = list != NULL ? planted_as(list, unit->name, c) : NULL;
            assert_int_equal(n->images_active, b->active[u][c]);
            /* Bounds of rounding decide there, not what one pass shows; no node was planted so narrowly. */
            if (planted == NULL && n->condition == PS_CONDITION_EDGE) continue;
            if (fabs(b->steepest[u][c] - 1e-3) < 1e-6) continue; /* rounding decides */
            if (!right || (n->cause == PS_CAUSE_NONE) != (n->condition == PS_CONDITION_NONE))
                fail_msg("%s, \"%s\": %s:%d (%d images active) is called %s by %s", b->config.model, text, unit->name,
                         c, b->active[u][c], ps_condition_name(n->condition), ps_cause_name(n->cause));
            if (planted == NULL) continue;
            bool fades = strcmp(planted, "near-miss") == 0 && n->condition == PS_CONDITION_EVAL_DEAD;
            if (n->cause != planted_cause(unit, planted) && !fades)
                fail_msg("%s, \"%s\": %s:%d was planted by %s and is called %s by %s", b->config.model, text,
                         unit->name, c, planted, ps_condition_name(n->condition), ps_cause_name(n->cause));
            if (strcmp(planted, "near-miss") == 0) assert_int_equal(b->active[u][c], 1);
            found++;
        }
    assert_int_equal(at, d.count);
    ps_diagnosis_clear(&d);
    return found;
}

static void describe(int number, bool normalised, char *text, size_t size) {
    static const char *const causes[] = {"bias", "weights-in", "weights-out", "near-miss", "gamma"};
    int choice = normalised ? 5 : 4, first = number / NETWORKS;
    if (number % 10 == 9) snprintf(text, size, "cause=upstream,seed=%d,value=-30", number);
    else
        snprintf(text, size, "count=1,cause=%s+%s,seed=%d,value=-30", causes[first % choice],
                 causes[(first + 1 + number % 2) % choice], number);
}

static void every_node_is_diagnosed_rightly(void **state) {
    (void)state;
    int wanted = 0, found = 0;
    for (int network = 0; network < NETWORKS; network++) {
        bed b;
        open_bed(&b, network);
        judge(&b, "nothing planted", NULL);
        for (int u = 0; u < b.units->count; u++)
            for (int c = 0; c < b.units->unit[u].channels; c++)
                assert_true(b.active[u][c] > 1); /* so nothing was diagnosed above */
        for (int number = network; number < PLANTINGS; number += NETWORKS) {
            char text[128];
            ps_planting_list list;
            ps_probe_source source = ps_session_probe_source(&b.session);
            restore(&b);
            describe(number, network > 0, text, sizeof text);
            must(ps_plant(b.session.net, text, &source, &list));
            for (int i = 0; i < list.count; i++) wanted += list.planting[i].channels;
            found += judge(&b, text, &list);
            ps_planting_list_clear(&list);
        }
        close_bed(&b);
    }
    assert_true(wanted > PLANTINGS);
    assert_int_equal(found, wanted);
}

/* A GELU neuron with bias -40, a ReLU6 channel stuck at 6, a gain of 0 of a layer norm, among others. */
static void so_are_nodes_that_saturate_or_stick(void **state) {
    (void)state;
    int wanted = 0, found = 0, kinds[PS_CONDITION_COUNT] = {0};
    for (int other = 0; other < OTHERS; other++) {
        bed b;
        open_bed(&b, NETWORKS + other);
        judge(&b, "nothing planted", NULL);
        for (int number = other; number < PLANTINGS; number += OTHERS) {
            char text[128];
            ps_planting_list list;
            ps_probe_source source = ps_session_probe_source(&b.session);
            restore(&b);
            snprintf(text, sizeof text, "count=2,cause=%s,seed=%d,value=-40", networks[NETWORKS + other].causes,
                     number);
            must(ps_plant(b.session.net, text, &source, &list));
            for (int i = 0; i < list.count; i++) wanted += list.planting[i].channels;
            found += judge(&b, text, &list);
            for (int u = 0; u < b.units->count; u++)
                for (int c = 0; c < b.units->unit[u].channels; c++) kinds[other_condition(&b, u, c)]++;
            ps_planting_list_clear(&list);
        }
        close_bed(&b);
    }
    assert_true(wanted > 10 * PLANTINGS);
    assert_int_equal(found, wanted);
    assert_true(kinds[PS_CONDITION_STUCK] > PLANTINGS && kinds[PS_CONDITION_SATURATED] > PLANTINGS);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_node_is_diagnosed_rightly),
                                       cmocka_unit_test(so_are_nodes_that_saturate_or_stick)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
