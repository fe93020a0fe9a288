/* The probe: every quantity against its definition, computed naively in double from copies of the tensors; and that
 * recording changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/json.h"
#include "core/rng.h"
#include "net/train.h"
#include "probe/plant.h"
#include "probe/probe.h"
#include "probe/quantity.h"
#include "probe/record.h"
#include "tests/lib/folder.h"
#include "trace/trace_records.h"
#include "trace/validate.h"
#include "task/task.h"

enum { BATCH = 4, CLASSES = 3, WINDOW = 5, STEPS = 10, PROBE_BATCHES = 2 };

static const char plain[] =
    "{\"format\":\"poolscope-graph\",\"version\":1,\"name\":\"plain\",\"input\":[2,6,6],\"nodes\":["
    "{\"name\":\"conv1\",\"type\":\"conv\",\"channels\":4,\"padding\":1},{\"name\":\"relu1\",\"type\":\"relu\"},"
    "{\"name\":\"conv2\",\"type\":\"conv\",\"channels\":6,\"padding\":1,\"groups\":2,\"bias\":false},"
    "{\"name\":\"bn2\",\"type\":\"batch_norm\",\"eps\":0.001},{\"name\":\"relu2\",\"type\":\"relu\"},"
    "{\"name\":\"pool\",\"type\":\"max_pool\",\"kernel\":2},{\"name\":\"flat\",\"type\":\"flatten\"},"
    "{\"name\":\"fc1\",\"type\":\"linear\",\"features\":5},{\"name\":\"relu3\",\"type\":\"leaky_relu\"},"
    "{\"name\":\"fc2\",\"type\":\"linear\",\"features\":3}]}";

static const char residual[] =
    "{\"format\":\"poolscope-graph\",\"version\":1,\"name\":\"residual\",\"input\":[3,5,5],\"nodes\":["
    "{\"name\":\"conv1\",\"type\":\"conv\",\"channels\":4,\"padding\":1,\"bias\":false},"
    "{\"name\":\"ps1\",\"type\":\"pool_skip\",\"pool_size\":2,\"module\":true},"
    "{\"name\":\"bn1\",\"type\":\"batch_norm\"},{\"name\":\"relu1\",\"type\":\"relu\"},"
    "{\"name\":\"conv2\",\"type\":\"conv\",\"channels\":4,\"padding\":1,\"bias\":false},{\"name\":\"bn2\",\"type\":"
    "\"batch_norm\"},"
    "{\"name\":\"add\",\"type\":\"add\",\"inputs\":[\"bn2\",\"relu1\"]},{\"name\":\"relu2\",\"type\":\"relu\"},"
    "{\"name\":\"conv3\",\"type\":\"conv\",\"channels\":4,\"inputs\":[\"relu2\"]},"
    "{\"name\":\"ps3\",\"type\":\"pool_skip\",\"pool_size\":2,\"module\":true},{\"name\":\"relu3\",\"type\":\"relu\"},"
    "{\"name\":\"gap\",\"type\":\"global_avg_pool\"},{\"name\":\"fc\",\"type\":\"linear\",\"features\":3}]}";

/* Without normalisation both modes of probing are one. */
static const char without_norm[] =
    "{\"format\":\"poolscope-graph\",\"version\":1,\"name\":\"bare\",\"input\":[2,5,5],\"nodes\":["
    "{\"name\":\"conv1\",\"type\":\"conv\",\"channels\":4},{\"name\":\"relu1\",\"type\":\"relu\"},"
    "{\"name\":\"drop\",\"type\":\"dropout\"},{\"name\":\"gap\",\"type\":\"global_avg_pool\"},"
    "{\"name\":\"fc\",\"type\":\"linear\",\"features\":3}]}";

/* Gates that cannot be exactly dead, one with a ceiling, and one right behind a layer norm. */
static const char smooth[] =
    "{\"format\":\"poolscope-graph\",\"version\":1,\"name\":\"smooth\",\"input\":[2,5,5],\"nodes\":["
    "{\"name\":\"conv1\",\"type\":\"conv\",\"channels\":4,\"padding\":1},{\"name\":\"g1\",\"type\":\"gelu\"},"
    "{\"name\":\"conv2\",\"type\":\"conv\",\"channels\":4,\"padding\":1},{\"name\":\"g2\",\"type\":\"relu6\"},"
    "{\"name\":\"conv3\",\"type\":\"conv\",\"channels\":4,\"padding\":1},{\"name\":\"g3\",\"type\":\"elu\"},"
    "{\"name\":\"conv4\",\"type\":\"conv\",\"channels\":4,\"padding\":1},{\"name\":\"bn4\",\"type\":\"batch_norm\"},"
    "{\"name\":\"g4\",\"type\":\"silu\"},"
    "{\"name\":\"conv5\",\"type\":\"conv\",\"channels\":4,\"padding\":1},{\"name\":\"g5\",\"type\":\"prelu\"},"
    "{\"name\":\"conv6\",\"type\":\"conv\",\"channels\":4,\"padding\":1},{\"name\":\"ln6\",\"type\":\"layer_norm\"},"
    "{\"name\":\"g6\",\"type\":\"gelu\"},{\"name\":\"gap\",\"type\":\"global_avg_pool\"},"
    "{\"name\":\"fc\",\"type\":\"linear\",\"features\":3}]}";

static const char vectors[] =
    "{\"format\":\"poolscope-graph\",\"version\":1,\"name\":\"vectors\",\"input\":[7,1,1],\"nodes\":["
    "{\"name\":\"fc1\",\"type\":\"linear\",\"features\":5},{\"name\":\"relu1\",\"type\":\"relu\"},"
    "{\"name\":\"fc2\",\"type\":\"linear\",\"features\":3}]}";

/* ---- a run on random batches ---- */

typedef struct {
    ps_graph *graph;
    ps_threads *pool;
    ps_net *net;
    ps_optimiser *optimiser;
    ps_optimiser_options *options; /* borrowed by the optimiser */
    size_t sample;
} bench;

static void fill(float *x, size_t count, const char *stream, uint64_t number) {
    ps_rng_key key = ps_rng_key_fold(ps_rng_key_of(3, stream), number);
    for (size_t i = 0; i < count; i++) x[i] = ps_rng_normal(key, i);
}

static ps_status train_batch(void *self, uint64_t step, float *x, int32_t *label) {
    const bench *b = self;
    size_t batch = (size_t)ps_net_batch(b->net);
    fill(x, batch * b->sample, "train", step);
    for (size_t i = 0; i < batch; i++)
        label[i] = (int32_t)ps_rng_below(ps_rng_key_of(4, "label"), step * batch + i, CLASSES);
    return PS_OK;
}

/* The last batch is only partly filled with real images. */
static ps_status probe_batch(void *self, int index, float *x, int *images) {
    const bench *b = self;
    fill(x, (size_t)ps_net_batch(b->net) * b->sample, "probe", (uint64_t)index);
    *images = index == PROBE_BATCHES - 1 && ps_net_batch(b->net) > 1 ? ps_net_batch(b->net) - 1 : ps_net_batch(b->net);
    return PS_OK;
}

static bench make(const char *graph, int batch, int threads, const char *optimiser) {
    bench b = {.options = malloc(sizeof *b.options)};
    *b.options = (ps_optimiser_options){.name = optimiser,
                                        .rate = {.lr = 0.05, .schedule = "constant"},
                                        .momentum = 0.9,
                                        .weight_decay = 0.01,
                                        .beta1 = 0.9,
                                        .beta2 = 0.99,
                                        .eps = 1e-8,
                                        .clip = 0.5};
    cJSON *document;
    assert_int_equal(ps_json_parse(graph, "test", &document), PS_OK);
    if (ps_graph_parse(document, "test", &b.graph) != PS_OK) fail_msg("%s", ps_status_message());
    cJSON_Delete(document);
    assert_int_equal(ps_threads_create(threads, &b.pool), PS_OK);
    assert_int_equal(ps_net_create(b.graph, batch, b.pool, &b.net), PS_OK);
    assert_int_equal(ps_net_init(b.net, "he", 7), PS_OK);
    assert_int_equal(ps_optimiser_create(b.net, b.options, &b.optimiser), PS_OK);
    b.sample = ps_shape_elements(b.graph->input);
    return b;
}

static void done(bench *b) {
    ps_optimiser_destroy(b->optimiser);
    ps_net_destroy(b->net);
    ps_threads_destroy(b->pool);
    ps_graph_destroy(b->graph);
    free(b->options);
}

static char path[128];

static int make_paths(void **state) {
    if (make_folder(state) != 0) return 1;
    snprintf(path, sizeof path, "%s/trace.jsonl", folder);
    return 0;
}

static const ps_probe_run run_text = {.producer = "test 1",
                                      .arm = "a\"b",
                                      .seed = 7,
                                      .config = "{\"a\":1}",
                                      .pairing = {{"data", "x"}},
                                      .data_source = "random",
                                      .data_digest = "0",
                                      .classes = CLASSES};

static ps_probe *attach_every(bench *b, const char *record, int eval_every, ps_trace_writer **trace) {
    ps_probe *probe;
    assert_int_equal(ps_trace_create(path, trace), PS_OK);
    ps_probe_options options = {.record = record,
                                .steps = STEPS,
                                .window = WINDOW,
                                .eval_every = eval_every,
                                .trace = *trace,
                                .source = {b, PROBE_BATCHES, probe_batch}};
    assert_int_equal(ps_probe_create(b->net, b->optimiser, &options, &probe), PS_OK);
    assert_int_equal(ps_probe_write_header(probe, &run_text), PS_OK);
    return probe;
}

static ps_probe *attach(bench *b, const char *record, ps_trace_writer **trace) {
    return attach_every(b, record, 0, trace);
}

static void train(bench *b, const ps_train_hooks *hooks, int hook_count, uint64_t start, uint64_t steps,
                  ps_status (*source)(void *, uint64_t, float *, int32_t *), void *self) {
    uint64_t diverged;
    ps_train_options options = {.steps = steps,
                                .window = WINDOW,
                                .seed = 1,
                                .start = start,
                                .source = {self, source, &ps_cross_entropy},
                                .hooks = hooks,
                                .hook_count = hook_count};
    assert_int_equal(ps_train_run(b->net, b->optimiser, &options, &diverged), PS_OK);
}

/* ---- reading the trace back ---- */

static char *lines;

/* The record of a type, layer (or NULL) and step or window number, or NULL. */
static cJSON *record(const char *type, const char *layer, const char *key, double number) {
    for (char *line = lines, *next; *line != '\0'; line = next + 1) {
        next = strchr(line, '\n');
        cJSON *r = cJSON_Parse(line);
        assert_non_null(r);
        const char *t = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(r, "type"));
        const char *l = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(r, "layer"));
        const cJSON *n = cJSON_GetObjectItemCaseSensitive(r, key);
        if (strcmp(t, type) == 0 && (layer == NULL || (l != NULL && strcmp(l, layer) == 0)) && n != NULL &&
            n->valuedouble == number)
            return r;
        cJSON_Delete(r);
    }
    return NULL;
}

static void read_lines(void) {
    free(lines);
    assert_int_equal(ps_file_read(path, &lines, NULL), PS_OK);
}

/* An array of a record's values, or a single number; NULL where it is null or holds nulls. */
static bool values_of(const cJSON *r, const char *quantity, double *out, int count) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(r, "values"), quantity);
    if (item == NULL) fail_msg("no quantity %s", quantity);
    if (cJSON_IsArray(item)) {
        assert_int_equal(cJSON_GetArraySize(item), count);
        item = item->child;
    } else {
        assert_int_equal(count, 1);
    }
    for (int i = 0; i < count; i++, item = item->next) {
        if (cJSON_IsNull(item)) return false;
        assert_true(cJSON_IsNumber(item));
        out[i] = item->valuedouble;
    }
    return true;
}

static void assert_near(double got, double expected, double tolerance, const char *what, int channel) {
    if (!(fabs(got - expected) <= tolerance * (fabs(expected) + 1e-6)))
        fail_msg("%s[%d]: %.9g, expected %.9g", what, channel, got, expected);
}

/* ---- naive probing ---- */

typedef struct {
    float **y; /* per node, a copy of its output [batch] */
    size_t *count;
    const ps_graph *graph;
} tensors;

static void keep(void *self, int node, ps_shape shape, const float *y) {
    tensors *t = self;
    t->count[node] = ps_shape_elements(shape);
    t->y[node] = realloc(t->y[node], t->count[node] * sizeof(float));
    memcpy(t->y[node], y, t->count[node] * sizeof(float));
}

static tensors make_tensors(const bench *b) {
    tensors t = {.graph = ps_net_graph(b->net)};
    t.y = calloc((size_t)t.graph->count, sizeof *t.y);
    t.count = calloc((size_t)t.graph->count, sizeof *t.count);
    return t;
}

static void free_tensors(tensors *t) {
    for (int i = 0; i < t->graph->count; i++) free(t->y[i]);
    free(t->y);
    free(t->count);
}

enum { MOST = 16 };

typedef struct {
    double nonzero[MOST], active[MOST], sum[MOST], sum_abs[MOST], squares[MOST], entry[MOST], pre_max[MOST], eval[MOST],
        images;
    double norm_sum[MOST], norm_squares[MOST], norm_values; /* of what enters its normalisation */
    float *first;                                           /* outputs of the first image */
    double spread[MOST], flat[MOST], at_ceiling[MOST];
    double half[MOST], quarter[MOST]; /* nonzero on the first images of each batch, ceil(n / 2) and ceil(n / 4) of all n
                                         up to it */
} naive;

/* What enters the gate, value by value, in double. */
static double entering(const bench *b, const ps_unit *u, const tensors *t, size_t at, int c) {
    const ps_op *gate = &t->graph->op[u->gate_op];
    const float *x = t->y[gate->input[0]];
    double v = (double)x[at];
    if (strcmp(gate->type->name, "batch_norm") == 0) {
        double sum = 0, squares = 0, rows = (double)t->count[gate->input[0]] / u->channels;
        for (size_t i = (size_t)c; i < t->count[gate->input[0]]; i += (size_t)u->channels) sum += (double)x[i];
        for (size_t i = (size_t)c; i < t->count[gate->input[0]]; i += (size_t)u->channels)
            squares += ((double)x[i] - sum / rows) * ((double)x[i] - sum / rows);
        const cJSON *eps = cJSON_GetObjectItemCaseSensitive(gate->attributes, "eps");
        double std = sqrt(squares / rows + (eps != NULL ? eps->valuedouble : 1e-5));
        const ps_param *gamma = ps_net_param(b->net, ps_net_op_param(b->net, u->gate_op, "weight"));
        const ps_param *beta = ps_net_param(b->net, ps_net_op_param(b->net, u->gate_op, "bias"));
        v = (double)gamma->value[c] * (v - sum / rows) / std + (double)beta->value[c];
        if (gate->inputs > 1) v += (double)t->y[gate->input[1]][at];
    }
    return v;
}

/* The derivative of the gate's own formula; of what is a rectifier 1. */
static double slope_at(const bench *b, const ps_unit *u, double v) {
    const char *name = ps_net_graph(b->net)->op[u->gate_op].type->name;
    double s = 1 / (1 + exp(-v));
    if (strcmp(name, "gelu") == 0) return erfc(-v / sqrt(2)) / 2 + v * exp(-v * v / 2) / sqrt(2 * M_PI);
    if (strcmp(name, "silu") == 0) return s + v * s * (1 - s);
    if (strcmp(name, "elu") == 0) return v > 0 ? 1 : exp(v);
    if (strcmp(name, "prelu") != 0 || v > 0) return 1;
    return (double)ps_net_param(b->net, ps_net_op_param(b->net, u->gate_op, "weight"))->value[0];
}

static void look_before_norm(const ps_unit *u, const tensors *t, int images, naive *n) {
    const ps_op *norm = &t->graph->op[u->norm_op];
    const float *x = t->y[norm->input[0]];
    size_t values = (size_t)images * ps_shape_positions(norm->shape);
    for (size_t i = 0; i < values * (size_t)u->channels; i++) {
        n->norm_sum[i % (size_t)u->channels] += (double)x[i];
        n->norm_squares[i % (size_t)u->channels] += (double)x[i] * (double)x[i];
    }
    n->norm_values += (double)values;
}

/* Of so many parts of all images up to this batch, what those before it had not: by counting. */
static int counted_of(const naive *n, int images, int parts) {
    int count = 0;
    for (int i = (int)n->images; i < (int)n->images + images; i++) count += i % parts == 0;
    return count;
}

static void look(const bench *b, const ps_unit *u, const tensors *t, int images, naive *n) {
    if (u->norm_op >= 0) look_before_norm(u, t, images, n);
    const float *y = t->y[u->gate_op], *x = t->y[t->graph->op[u->entry_op].input[0]];
    size_t map = (size_t)u->elements * (size_t)u->channels;
    int half = counted_of(n, images, 2), quarter = counted_of(n, images, 4);
    if (n->first == NULL) {
        n->first = malloc(map * sizeof *n->first);
        memcpy(n->first, y, map * sizeof *n->first);
    }
    for (int image = 0; image < images; image++)
        for (int c = 0; c < u->channels; c++) {
            bool active = false;
            for (int p = 0; p < u->elements; p++) {
                size_t at = (size_t)((image * u->elements + p) * u->channels + c);
                double v = (double)y[at], pre = entering(b, u, t, at, c);
                active = active || v != 0;
                n->nonzero[c] += v != 0;
                n->half[c] += v != 0 && image < half;
                n->quarter[c] += v != 0 && image < quarter;
                n->sum[c] += v;
                n->sum_abs[c] += fabs(v);
                n->squares[c] += v * v;
                n->entry[c] += u->shared ? pre * pre : (double)x[at] * (double)x[at];
                if (pre > n->pre_max[c]) n->pre_max[c] = pre;
                n->flat[c] += fabs(slope_at(b, u, pre)) < 1e-3;
                n->at_ceiling[c] += v == 6;
                double apart = fabs(v - (double)n->first[at % map]);
                if (apart > n->spread[c]) n->spread[c] = apart;
            }
            n->active[c] += active;
        }
    n->images += images;
}

static naive probe_naively(bench *b, const ps_unit *u) {
    naive n = {0};
    tensors t = make_tensors(b);
    ps_net_hook hook = {&t, keep};
    float *x = malloc((size_t)ps_net_batch(b->net) * b->sample * sizeof *x);
    for (int c = 0; c < MOST; c++) n.pre_max[c] = -INFINITY;
    for (int i = 0; i < PROBE_BATCHES; i++) {
        int images;
        assert_int_equal(probe_batch(b, i, x, &images), PS_OK);
        ps_net_forward_plain(b->net, x, PS_MODE_PROBE, &hook, NULL);
        look(b, u, &t, images, &n);
        ps_net_forward_plain(b->net, x, PS_MODE_EVAL, &hook, NULL);
        for (int c = 0; c < u->channels; c++)
            for (int at = c; at < images * u->elements * u->channels; at += u->channels)
                n.eval[c] += t.y[u->gate_op][at] != 0;
    }
    free(x);
    free(n.first);
    free_tensors(&t);
    return n;
}

/* A weight in file order: w[k][c], summed over squares or absolute values of the kernel's positions. */
static double kernel_sum(const ps_param *p, int k, int c, bool squares) {
    size_t inputs = (size_t)ps_param_inputs(&p->spec), positions = p->row_length / inputs;
    double sum = 0;
    for (size_t i = 0; i < positions; i++) {
        double w = (double)p->value[(size_t)k * p->row_length + i * inputs + (size_t)c];
        sum += squares ? w * w : fabs(w);
    }
    return sum;
}

static const ps_param *param(bench *b, const char *name) {
    int index = ps_net_find_param(b->net, name);
    assert_true(index >= 0);
    return ps_net_param(b->net, index);
}

static void check_norm(bench *b, const ps_unit *u, const cJSON *r, const naive *n) {
    double mean[MOST], variance[MOST], running[MOST];
    const cJSON *values = cJSON_GetObjectItemCaseSensitive(r, "values");
    assert_int_equal(cJSON_HasObjectItem(values, "norm_mean"), u->norm_op >= 0);
    if (u->norm_op < 0) return;
    assert_true(values_of(r, "norm_mean", mean, u->channels));
    assert_true(values_of(r, "running_mean", running, u->channels));
    assert_true(values_of(r, "norm_var", variance, u->channels));
    for (int c = 0; c < u->channels; c++) {
        double expected = n->norm_sum[c] / n->norm_values;
        double spread = n->norm_squares[c] / n->norm_values - expected * expected;
        assert_near(mean[c], expected, 1e-5, "norm_mean", c);
        assert_near(variance[c], spread, 1e-4, "norm_var", c);
        assert_true((float)running[c] ==
                    ps_net_param(b->net, ps_net_op_param(b->net, u->norm_op, "running_mean"))->value[c]);
    }
    assert_true(values_of(r, "running_var", running, u->channels));
    for (int c = 0; c < u->channels; c++)
        assert_near(running[c],
                    (double)ps_net_param(b->net, ps_net_op_param(b->net, u->norm_op, "running_var"))->value[c], 1e-8,
                    "running_var", c);
}

static void check_probe_record(bench *b, int index, uint64_t step) {
    const ps_unit *u = &ps_net_units(b->net)->unit[index];
    naive n = probe_naively(b, u);
    double got[MOST], outputs = n.images * u->elements;
    cJSON *r = record("probe", u->name, "step", (double)step);
    assert_non_null(r);
    assert_int_equal(cJSON_GetObjectItem(r, "images")->valuedouble, n.images);
    assert_int_equal(cJSON_GetObjectItem(r, "elements")->valuedouble, outputs);
    const struct {
        const char *name;
        const double *values;
        double divisor;
        bool root, exact;
    } cases[] = {{"nonzero", n.nonzero, 1, false, true},         {"images_active", n.active, 1, false, true},
                 {"nonzero_half", n.half, 1, false, true},       {"nonzero_quarter", n.quarter, 1, false, true},
                 {"nonzero_eval", n.eval, 1, false, true},       {"mean", n.sum, outputs, false, false},
                 {"mean_abs", n.sum_abs, outputs, false, false}, {"rms", n.squares, outputs, true, false},
                 {"in_l2", n.entry, outputs, true, false},       {"pre_max", n.pre_max, 1, false, false},
                 {"image_spread", n.spread, 1, false, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(values_of(r, cases[i].name, got, u->channels));
        for (int c = 0; c < u->channels; c++) {
            double expected = cases[i].values[c] / cases[i].divisor;
            assert_near(got[c], cases[i].root ? sqrt(expected) : expected, cases[i].exact ? 0 : 1e-5, cases[i].name, c);
        }
    }
    const char *gate = u->activation;
    bool rectifies = strcmp(gate, "relu") == 0 || strcmp(gate, "relu6") == 0;
    const cJSON *values = cJSON_GetObjectItemCaseSensitive(r, "values");
    assert_int_equal(cJSON_HasObjectItem(values, "saturated"), !rectifies);
    assert_int_equal(cJSON_HasObjectItem(values, "at_ceiling"), strcmp(gate, "relu6") == 0);
    if (!rectifies && values_of(r, "saturated", got, u->channels))
        for (int c = 0; c < u->channels; c++) assert_near(got[c], n.flat[c] / outputs, 1e-8, "saturated", c);
    if (strcmp(gate, "relu6") == 0 && values_of(r, "at_ceiling", got, u->channels))
        for (int c = 0; c < u->channels; c++) assert_near(got[c], n.at_ceiling[c] / outputs, 1e-8, "at_ceiling", c);
    check_norm(b, u, r, &n);
    double l1 = 0, l2 = 0;
    for (int c = 0; c < u->channels; c++) {
        l1 += n.sum_abs[c];
        l2 += n.squares[c];
    }
    assert_true(values_of(r, "activation_l1", got, 1));
    assert_near(got[0], l1, 1e-5, "activation_l1", 0);
    assert_true(values_of(r, "activation_l2", got, 1));
    assert_near(got[0], sqrt(l2), 1e-5, "activation_l2", 0);
    cJSON_Delete(r);
}

/* Some nodes of every layer far to either side, one negative slope flat, one gain 0. */
static void push_to_the_ends(bench *b) {
    const char *const biases[] = {"conv1.bias", "conv2.bias", "conv3.bias", "bn4.bias", "conv5.bias", "ln6.bias"};
    const float values[] = {-40, 6.1f, -4, 0.2f};
    for (size_t i = 0; i < sizeof biases / sizeof *biases; i++)
        memcpy(ps_net_param(b->net, ps_net_find_param(b->net, biases[i]))->value, values, sizeof values);
    ps_net_param(b->net, ps_net_find_param(b->net, "g5.weight"))->value[0] = 1e-4f;
    ps_net_param(b->net, ps_net_find_param(b->net, "ln6.weight"))->value[1] = 0;
    b->options->rate.lr = 1e-6;
}

static void probe_records_say_what_naive_probing_says(void **state) {
    (void)state;
    const char *const graphs[] = {plain, residual, without_norm, smooth};
    for (int g = 0; g < 4; g++) {
        bench b = make(graphs[g], BATCH, 2, "sgd");
        if (graphs[g] == smooth) push_to_the_ends(&b);
        ps_trace_writer *trace;
        ps_probe *probe = attach(&b, NULL, &trace);
        train(&b, ps_probe_hooks(probe), 1, 0, STEPS, train_batch, &b);
        ps_probe_destroy(probe);
        assert_int_equal(ps_trace_close(trace), PS_OK);
        read_lines();
        for (int i = 0; i < ps_net_units(b.net)->count; i++) check_probe_record(&b, i, STEPS);
        done(&b);
    }
}

/* Counted back from the last window, whose two ends are known; not measured is null, and nothing else changes. */
static void evaluation_mode_is_looked_at_now_and_then(void **state) {
    (void)state;
    const char *const graphs[] = {plain, without_norm};
    for (int g = 0; g < 2; g++) {
        bench b = make(graphs[g], BATCH, 2, "sgd");
        ps_trace_writer *trace;
        ps_probe *probe = attach_every(&b, NULL, 2, &trace);
        train(&b, ps_probe_hooks(probe), 1, 0, STEPS, train_batch, &b);
        ps_probe_destroy(probe);
        assert_int_equal(ps_trace_close(trace), PS_OK);
        read_lines();
        const ps_unit *u = &ps_net_units(b.net)->unit[0];
        for (int step = 0; step <= STEPS; step += WINDOW) {
            double got[MOST];
            cJSON *r = record("probe", u->name, "step", step);
            assert_int_equal(values_of(r, "nonzero_eval", got, u->channels), step > 0 || graphs[g] == without_norm);
            assert_true(values_of(r, "nonzero", got, u->channels));
            cJSON_Delete(r);
        }
        for (int i = 0; i < ps_net_units(b.net)->count; i++) check_probe_record(&b, i, STEPS);
        done(&b);
    }
}

/* From the passes that are made anyway; alike where no layer tells the modes apart. */
static void the_loss_of_the_probe_images_is_recorded_in_both_modes(void **state) {
    (void)state;
    const char *const graphs[] = {plain, without_norm};
    static int32_t label[BATCH];
    for (int i = 0; i < BATCH; i++) label[i] = i == 1 ? -1 : i % CLASSES;
    for (int g = 0; g < 2; g++) {
        bench b = make(graphs[g], BATCH, 2, "sgd");
        ps_probe_options options = {.source = {&b, PROBE_BATCHES, probe_batch, label, &ps_cross_entropy}};
        ps_probe *probe;
        double sum[2] = {0, 0}, counted = 0;
        float *x = malloc((size_t)BATCH * b.sample * sizeof *x);
        train(&b, NULL, 0, 0, STEPS, train_batch, &b);
        for (int i = 0; i < PROBE_BATCHES; i++) {
            int images;
            assert_int_equal(probe_batch(&b, i, x, &images), PS_OK);
            for (int mode = 0; mode < 2; mode++) {
                ps_net_forward_plain(b.net, x, mode == 0 ? PS_MODE_PROBE : PS_MODE_EVAL, NULL, NULL);
                ps_loss loss = ps_net_loss(b.net, &ps_cross_entropy, label, false);
                sum[mode] += loss.loss * (double)loss.counted;
                counted += mode == 0 ? (double)loss.counted : 0;
            }
        }
        free(x);
        assert_int_equal(ps_probe_create(b.net, b.optimiser, &options, &probe), PS_OK);
        assert_int_equal(ps_probe_measure(probe), PS_OK);
        ps_trace_mode_loss got = ps_probe_loss_of(probe);
        assert_true(got.knows_eval && got.knows_batch);
        assert_near(got.batch, sum[0] / counted, 1e-9, "loss with batch statistics", 0);
        assert_near(got.eval, sum[1] / counted, 1e-9, "loss with running statistics", 0);
        assert_int_equal(got.eval == got.batch, graphs[g] == without_norm);
        ps_probe_destroy(probe);
        done(&b);
    }
}

static void weights_of_a_layer(void **state) {
    (void)state;
    bench b = make(plain, BATCH, 1, "sgd");
    ps_trace_writer *trace;
    ps_probe *probe = attach(&b, NULL, &trace);
    fill(param(&b, "conv1.bias")->value, 4, "bias", 0);
    fill(param(&b, "bn2.weight")->value, 6, "gamma", 0);
    fill(param(&b, "bn2.bias")->value, 6, "beta", 0);
    train(&b, ps_probe_hooks(probe), 1, 0, STEPS, train_batch, &b);
    double got[MOST];
    read_lines();
    const ps_param *conv1 = param(&b, "conv1.weight"), *conv2 = param(&b, "conv2.weight"),
                   *fc1 = param(&b, "fc1.weight");
    cJSON *r = record("probe", "conv1", "step", STEPS);
    values_of(r, "weight_l2", got, 4);
    for (int k = 0; k < 4; k++)
        assert_near(got[k], sqrt(kernel_sum(conv1, k, 0, true) + kernel_sum(conv1, k, 1, true)), 1e-8, "l2", k);
    values_of(r, "weight_l1", got, 4);
    for (int k = 0; k < 4; k++)
        assert_near(got[k], kernel_sum(conv1, k, 0, false) + kernel_sum(conv1, k, 1, false), 1e-8, "l1", k);
    assert_true(values_of(r, "bias", got, 4));
    for (int k = 0; k < 4; k++) assert_true((float)got[k] == param(&b, "conv1.bias")->value[k]);
    assert_false(values_of(r, "gamma", got, 4));
    assert_false(values_of(r, "beta", got, 4));
    assert_false(values_of(r, "in_alive", got, 1)); /* reads the network input */
    /* conv2 reads in two groups: its filters 0-2 the channels 0, 1 of conv1, its filters 3-5 the channels 2, 3. */
    values_of(r, "out_l2", got, 4);
    for (int c = 0; c < 4; c++) {
        double squares = 0;
        for (int k = 0; k < 3; k++) squares += kernel_sum(conv2, c / 2 * 3 + k, c % 2, true);
        assert_near(got[c], sqrt(squares), 1e-8, "out_l2", c);
    }
    cJSON_Delete(r);
    r = record("probe", "conv2", "step", STEPS);
    assert_true(values_of(r, "gamma", got, 6));
    for (int k = 0; k < 6; k++) assert_true((float)got[k] == param(&b, "bn2.weight")->value[k]);
    assert_true(values_of(r, "beta", got, 6));
    for (int k = 0; k < 6; k++) assert_true((float)got[k] == param(&b, "bn2.bias")->value[k]);
    assert_false(values_of(r, "bias", got, 6));
    values_of(r, "out_l2", got, 6); /* pooled to 3x3 and flattened: 9 features each */
    for (int c = 0; c < 6; c++) {
        double squares = 0;
        for (int k = 0; k < 5; k++)
            for (int f = 0; f < 9; f++) squares += kernel_sum(fc1, k, 9 * c + f, true);
        assert_near(got[c], sqrt(squares), 1e-8, "out_l2", c);
    }
    cJSON_Delete(r);
    ps_probe_destroy(probe);
    ps_trace_close(trace);
    done(&b);
}

static void dead_inputs_are_counted(void **state) {
    (void)state;
    bench b = make(plain, BATCH, 1, "sgd");
    ps_trace_writer *trace;
    /* in_alive alone, of layers that read others: the gate instrument must run below all the same. */
    param(&b, "conv1.bias")->value[2] = -1e6f;
    param(&b, "bn2.bias")->value[1] = param(&b, "bn2.bias")->value[4] = -1e6f;
    ps_probe *probe = attach(&b, "in_alive,layer:conv2,layer:fc1", &trace);
    double got[MOST];
    assert_int_equal(ps_probe_measure(probe), PS_OK);
    assert_true(ps_probe_read(probe, "in_alive", 1, got));
    assert_true(got[0] == 3);
    assert_true(ps_probe_read(probe, "in_alive", 2, got));
    assert_true(got[0] == 4 * 9);
    assert_false(ps_probe_read(probe, "in_alive", 0, got));
    assert_false(ps_probe_read(probe, "nonzero", 1, got));
    /* Behind the LeakyReLU of the last layer nothing can die: its 5 nodes do not count. */
    assert_near(ps_probe_dead_shares(probe).own, 3.0 / 10, 1e-12, "dead share", 0);
    ps_probe_destroy(probe);
    ps_trace_close(trace);
    done(&b);
}

static void shared_gates_and_identity_paths(void **state) {
    (void)state;
    bench b = make(residual, BATCH, 1, "sgd");
    ps_trace_writer *trace;
    ps_probe *probe = attach(&b, NULL, &trace);
    train(&b, ps_probe_hooks(probe), 1, 0, STEPS, train_batch, &b);
    read_lines();
    double got[MOST];
    cJSON *r = record("probe", "relu2", "step", 0); /* the gate after the add goes by its own name and has no weights */
    assert_non_null(r);
    assert_null(cJSON_GetObjectItem(cJSON_GetObjectItem(r, "values"), "weight_l2"));
    assert_true(values_of(r, "out_l2", got, 4));
    cJSON_Delete(r);
    r = record("probe", "conv1", "step", 0);
    assert_false(values_of(r, "out_l2", got, 4)); /* read by the add too */
    assert_true(values_of(r, "pool_weight_l2", got, 4));
    const ps_param *row = param(&b, "ps1.conv.weight");
    cJSON_Delete(r);
    r = record("probe", "conv1", "step", STEPS);
    values_of(r, "pool_weight_l2", got, 4);
    for (int k = 0; k < 4; k++) {
        double squares = 0;
        for (int c = 0; c < 4; c++) squares += kernel_sum(row, k, c, true);
        assert_near(got[k], sqrt(squares), 1e-8, "pool_weight_l2", k);
    }
    cJSON_Delete(r);
    ps_probe_destroy(probe);
    ps_trace_close(trace);
    done(&b);
}

/* ---- windows, watched naively by hooks of our own ---- */

typedef struct {
    bench *b;
    tensors t;
    double zeros[8][MOST], grad_squares[8][MOST], path[8][MOST], pool_squares[8][3][MOST], pool_cross[8][MOST],
        row_squares[8][MOST];
    int zero_steps[8][MOST], row_zero_steps[8][MOST];
    float *before[8], *start[8];
    double steps;
} watch;

static int source_weight(const watch *w, int unit) {
    const ps_unit *u = &ps_net_units(w->b->net)->unit[unit];
    return u->source_op < 0 ? -1 : ps_net_op_param(w->b->net, u->source_op, "weight");
}

static double distance(const float *a, const float *b, size_t count) {
    double squares = 0;
    for (size_t i = 0; i < count; i++) squares += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sqrt(squares);
}

static double norm_of(const float *a, size_t count) {
    double squares = 0;
    for (size_t i = 0; i < count; i++) squares += (double)a[i] * (double)a[i];
    return sqrt(squares);
}

static void watch_activations(watch *w, int unit) {
    const ps_unit *u = &ps_net_units(w->b->net)->unit[unit];
    for (size_t i = 0; i < w->t.count[u->gate_op]; i++)
        w->zeros[unit][i % (size_t)u->channels] += w->t.y[u->gate_op][i] == 0;
    if (u->pool_skip_op < 0) return;
    const float *y = w->t.y[w->t.graph->op[u->pool_skip_op].input[0]], *o = w->t.y[u->pool_skip_op];
    for (size_t i = 0; i < w->t.count[u->pool_skip_op]; i++) {
        double d = (double)o[i] - (double)y[i];
        w->pool_squares[unit][0][i % (size_t)u->channels] += (double)y[i] * (double)y[i];
        w->pool_squares[unit][1][i % (size_t)u->channels] += d * d;
        w->pool_cross[unit][i % (size_t)u->channels] += (double)y[i] * d;
        w->pool_squares[unit][2][i % (size_t)u->channels] += (double)o[i] * (double)o[i];
    }
}

/* The batch is shown to the network once more in a mode that changes nothing: same weights, same batch statistics. */
static ps_status watched_batch(void *self, uint64_t step, float *x, int32_t *label) {
    watch *w = self;
    ps_net_hook hook = {&w->t, keep};
    train_batch(w->b, step, x, label);
    if (step < WINDOW) return PS_OK; /* the second window is watched */
    ps_net_forward(w->b->net, x, PS_MODE_PROBE, ps_rng_key_of(0, "x"), &hook);
    for (int i = 0; i < ps_net_units(w->b->net)->count; i++) {
        watch_activations(w, i);
        int index = source_weight(w, i);
        if (index < 0) continue;
        const ps_param *p = ps_net_param(w->b->net, index);
        if (step == WINDOW) memcpy(w->start[i] = malloc(p->count * sizeof(float)), p->value, p->count * sizeof(float));
        if (step == WINDOW) w->before[i] = malloc(p->count * sizeof(float));
        memcpy(w->before[i], p->value, p->count * sizeof(float));
    }
    return PS_OK;
}

static ps_status watch_gradients(void *self, uint64_t step) {
    watch *w = self;
    if (step < WINDOW) return PS_OK;
    w->steps++;
    for (int i = 0; i < ps_net_units(w->b->net)->count; i++) {
        const ps_unit *u = &ps_net_units(w->b->net)->unit[i];
        int weight = source_weight(w, i);
        int pool = u->pool_skip_op < 0 ? -1 : ps_net_op_param(w->b->net, u->pool_skip_op, "conv.weight");
        for (int c = 0; c < u->channels; c++) {
            if (weight >= 0) {
                const ps_param *p = ps_net_param(w->b->net, weight);
                double norm = norm_of(p->grad + (size_t)c * p->row_length, p->row_length);
                w->grad_squares[i][c] += norm * norm;
                w->zero_steps[i][c] += norm == 0;
            }
            if (pool >= 0) {
                const ps_param *p = ps_net_param(w->b->net, pool);
                double norm = norm_of(p->grad + (size_t)c * p->row_length, p->row_length);
                w->row_squares[i][c] += norm * norm;
                w->row_zero_steps[i][c] += norm == 0;
            }
        }
    }
    return PS_OK;
}

static ps_status watch_updates(void *self, const ps_train_step *step) {
    watch *w = self;
    if (step->step < WINDOW) return PS_OK;
    for (int i = 0; i < ps_net_units(w->b->net)->count; i++) {
        int index = source_weight(w, i);
        if (index < 0) continue;
        const ps_param *p = ps_net_param(w->b->net, index);
        for (int c = 0; c < p->spec.rows; c++)
            w->path[i][c] +=
                distance(p->value + (size_t)c * p->row_length, w->before[i] + (size_t)c * p->row_length, p->row_length);
    }
    return PS_OK;
}

static void check_window(watch *w, int unit) {
    const ps_unit *u = &ps_net_units(w->b->net)->unit[unit];
    double got[MOST], outputs = w->steps * ps_net_batch(w->b->net) * u->elements;
    cJSON *r = record("window", u->name, "window", 1);
    assert_non_null(r);
    assert_int_equal(cJSON_GetObjectItem(r, "first")->valuedouble, WINDOW);
    assert_int_equal(cJSON_GetObjectItem(r, "last")->valuedouble, STEPS - 1);
    values_of(r, "zeros", got, u->channels);
    for (int c = 0; c < u->channels; c++) assert_near(got[c], w->zeros[unit][c] / outputs, 1e-8, "zeros", c);
    int index = source_weight(w, unit);
    if (index >= 0) {
        const ps_param *p = ps_net_param(w->b->net, index);
        double net[MOST], path_sum[MOST], parts[MOST];
        values_of(r, "grad_norm_rms", got, u->channels);
        for (int c = 0; c < u->channels; c++)
            assert_near(got[c], sqrt(w->grad_squares[unit][c] / w->steps), 1e-5, "grad_norm_rms", c);
        values_of(r, "grad_zero_steps", got, u->channels);
        for (int c = 0; c < u->channels; c++) assert_true(got[c] == w->zero_steps[unit][c]);
        values_of(r, "path", path_sum, u->channels);
        for (int c = 0; c < u->channels; c++) assert_near(path_sum[c], w->path[unit][c], 1e-4, "path", c);
        values_of(r, "net", net, u->channels);
        values_of(r, "weight_start_l2", got, u->channels);
        for (int c = 0; c < u->channels; c++) {
            size_t at = (size_t)c * p->row_length;
            assert_near(net[c], distance(p->value + at, w->start[unit] + at, p->row_length), 1e-4, "net", c);
            assert_near(got[c], norm_of(w->start[unit] + at, p->row_length), 1e-5, "weight_start_l2", c);
            assert_true(net[c] <= path_sum[c] * 1.00001);
        }
        /* Lengths of parts add up to at least the length of the whole. */
        for (int c = 0; c < u->channels; c++) parts[c] = 0;
        const char *const names[] = {"path_gradient", "path_carried", "path_decay", "path_residual"};
        for (int k = 0; k < 4; k++) {
            values_of(r, names[k], got, u->channels);
            for (int c = 0; c < u->channels; c++) parts[c] += got[c];
        }
        for (int c = 0; c < u->channels; c++) assert_true(parts[c] >= path_sum[c] * 0.99999);
    }
    if (u->pool_skip_op >= 0) {
        const char *const names[] = {"pool_identity", "pool_path", "pool_output"};
        double out_grad[MOST];
        for (int k = 0; k < 3; k++) {
            values_of(r, names[k], got, u->channels);
            for (int c = 0; c < u->channels; c++)
                assert_near(got[c], w->pool_squares[unit][k][c] / w->steps, 1e-4, names[k], c);
        }
        double parts[4][MOST];
        for (int k = 0; k < 2; k++) values_of(r, names[k], parts[k], u->channels);
        values_of(r, "pool_cross", got, u->channels);
        for (int c = 0; c < u->channels; c++) {
            double size = sqrt(parts[0][c] * parts[1][c]);
            assert_true(fabs(got[c] - w->pool_cross[unit][c] / w->steps) <= 1e-5 * size);
        }
        /* dL/dy is not at hand; its parts add up to it. */
        const char *const grad_names[] = {"pool_grad_identity", "pool_grad_path", "pool_grad_cross", "pool_grad_total"};
        for (int k = 0; k < 4; k++) values_of(r, grad_names[k], parts[k], u->channels);
        for (int c = 0; c < u->channels; c++)
            assert_near(parts[3][c], parts[0][c] + parts[1][c] + 2 * parts[2][c], 1e-5, "parts of dL/dy", c);
        /* The identity hands dL/do on as it is. */
        values_of(r, "pool_grad_identity", got, u->channels);
        values_of(r, "grad_out_rms", out_grad, u->channels);
        for (int c = 0; c < u->channels; c++)
            assert_near(got[c], out_grad[c] * out_grad[c], 1e-4, "pool_grad_identity", c);
        values_of(r, "pool_row_grad_rms", got, u->channels);
        for (int c = 0; c < u->channels; c++)
            assert_near(got[c], sqrt(w->row_squares[unit][c] / w->steps), 1e-5, "row", c);
        values_of(r, "pool_row_grad_zero_steps", got, u->channels);
        for (int c = 0; c < u->channels; c++) assert_true(got[c] == w->row_zero_steps[unit][c]);
    }
    cJSON_Delete(r);
}

static void window_records_say_what_naive_watching_says(void **state) {
    (void)state;
    const char *const graphs[] = {plain, residual};
    for (int g = 0; g < 2; g++) {
        bench b = make(graphs[g], BATCH, 2, "sgd");
        watch w = {.b = &b, .t = make_tensors(&b)};
        ps_trace_writer *trace;
        param(&b, g == 0 ? "conv1.bias" : "bn1.bias")->value[1] = -1e4f; /* a dead node: gradients exactly zero */
        ps_probe *probe = attach(&b, NULL, &trace);
        ps_train_hooks hooks[] = {*ps_probe_hooks(probe),
                                  {.self = &w, .after_backward = watch_gradients, .after_step = watch_updates}};
        train(&b, hooks, 2, 0, STEPS, watched_batch, &w);
        read_lines();
        for (int i = 0; i < ps_net_units(b.net)->count; i++) check_window(&w, i);
        cJSON *r = record("window", "conv1", "window", 1);
        double got[MOST];
        values_of(r, "zeros", got, 4);
        assert_true(got[1] == 1);
        values_of(r, "grad_zero_steps", got, 4);
        if (g == 0) assert_true(got[1] == WINDOW);
        cJSON_Delete(r);
        for (int i = 0; i < 8; i++) {
            free(w.start[i]);
            free(w.before[i]);
        }
        free_tensors(&w.t);
        ps_probe_destroy(probe);
        ps_trace_close(trace);
        done(&b);
    }
}

/* ---- outgoing weights: the momentum of one window's gradients, by hand ---- */

typedef struct {
    bench *b;
    const char *name;
    float *gradient_net, *start;
    double *buffer;
} reader_watch;

static ps_status watch_reader(void *self, uint64_t step) {
    reader_watch *w = self;
    const ps_param *p = param(w->b, w->name);
    if (step < WINDOW) return PS_OK;
    if (step == WINDOW) memcpy(w->start, p->value, p->count * sizeof *w->start);
    for (size_t i = 0; i < p->count; i++) {
        w->buffer[i] = w->b->options->momentum * w->buffer[i] + (double)p->grad[i];
        double moved =
            w->b->options->nesterov ? (double)p->grad[i] + w->b->options->momentum * w->buffer[i] : w->buffer[i];
        w->gradient_net[i] -= (float)(w->b->options->rate.lr * moved);
    }
    return PS_OK;
}

static reader_watch watch_of(bench *b, const char *name) {
    size_t count = param(b, name)->count;
    return (reader_watch){b, name, calloc(count, sizeof(float)), calloc(count, sizeof(float)),
                          calloc(count, sizeof(double))};
}

/* Squares over what reads channel c: of conv1 its group of conv2's filters, of conv2 nine features of fc1. */
static double reading_squares(const reader_watch *w, float *values, int c, bool flattened) {
    ps_param p = *param(w->b, w->name);
    double squares = 0;
    p.value = values;
    for (int k = 0; !flattened && k < 3; k++) squares += kernel_sum(&p, c / 2 * 3 + k, c % 2, true);
    for (int k = 0; flattened && k < 5; k++)
        for (int f = 0; f < 9; f++) squares += kernel_sum(&p, k, 9 * c + f, true);
    return squares;
}

static void check_reader(reader_watch *w, const char *layer, int channels, int dead, bool flattened) {
    double got[MOST], start[MOST];
    cJSON *r = record("window", layer, "window", 1);
    assert_true(values_of(r, "out_net_gradient", got, channels));
    assert_true(values_of(r, "out_start_l2", start, channels));
    for (int c = 0; c < channels; c++) {
        double expected = sqrt(reading_squares(w, w->gradient_net, c, flattened));
        assert_near(start[c], sqrt(reading_squares(w, w->start, c, flattened)), 1e-5, "out_start_l2", c);
        /* A dead node: what momentum carried over is none of this window's. */
        if (c == dead) assert_true(expected == 0 && got[c] == 0 && start[c] > 0);
        else assert_near(got[c], expected, 1e-4, "out_net_gradient", c);
    }
    cJSON_Delete(r);
    free(w->gradient_net);
    free(w->start);
    free(w->buffer);
}

static void outgoing_weights_move_by_this_windows_gradients(void **state) {
    (void)state;
    for (int nesterov = 0; nesterov < 2; nesterov++) {
        bench b = make(plain, BATCH, 2, "sgd");
        b.options->clip = 0;
        b.options->nesterov = nesterov == 1;
        reader_watch conv2 = watch_of(&b, "conv2.weight"), fc1 = watch_of(&b, "fc1.weight");
        ps_trace_writer *trace;
        ps_probe *probe = attach(&b, NULL, &trace);
        ps_train_hooks hooks[] = {*ps_probe_hooks(probe),
                                  {.self = &conv2, .after_backward = watch_reader},
                                  {.self = &fc1, .after_backward = watch_reader}};
        train(&b, hooks, 3, 0, WINDOW, train_batch, &b);
        param(&b, "conv1.bias")->value[1] = -1e4f; /* dies between the windows, with momentum to carry over */
        train(&b, hooks, 3, WINDOW, STEPS, train_batch, &b);
        read_lines();
        check_reader(&conv2, "conv1", 4, 1, false);
        check_reader(&fc1, "conv2", 6, -1, true);
        ps_probe_destroy(probe);
        ps_trace_close(trace);
        done(&b);
    }
}

/* ---- gates shut on a batch ---- */

/* Grouped and linear readers, concatenation, dropout, pooling; a module, a shared gate, an unrectified one; maps wide
 * enough for every method of convolution. */
static const char many_ways[] =
    "{\"format\":\"poolscope-graph\",\"version\":1,\"name\":\"ways\",\"input\":[3,12,12],\"nodes\":["
    "{\"name\":\"conv1\",\"type\":\"conv\",\"channels\":16,\"padding\":1,\"bias\":false},"
    "{\"name\":\"bn1\",\"type\":\"batch_norm\"},{\"name\":\"relu1\",\"type\":\"relu\"},"
    "{\"name\":\"conv2\",\"type\":\"conv\",\"channels\":16,\"padding\":1,\"bias\":false},"
    "{\"name\":\"ps2\",\"type\":\"pool_skip\",\"pool_size\":2,\"module\":true},"
    "{\"name\":\"bn2\",\"type\":\"batch_norm\"},{\"name\":\"relu2\",\"type\":\"relu\"},"
    "{\"name\":\"conv3\",\"type\":\"conv\",\"channels\":16,\"padding\":1,\"groups\":4},"
    "{\"name\":\"bn3\",\"type\":\"batch_norm\"},{\"name\":\"add\",\"type\":\"add\",\"inputs\":[\"bn3\",\"relu1\"]},"
    "{\"name\":\"relu3\",\"type\":\"relu\"},{\"name\":\"drop\",\"type\":\"dropout\",\"p\":0},"
    "{\"name\":\"conv4\",\"type\":\"conv\",\"channels\":4,\"stride\":2,\"padding\":1},"
    "{\"name\":\"bn4\",\"type\":\"batch_norm\"},"
    "{\"name\":\"ps4\",\"type\":\"pool_skip\",\"pool_size\":2,\"module\":true},{\"name\":\"relu4\",\"type\":\"relu\"},"
    "{\"name\":\"conv5\",\"type\":\"conv\",\"channels\":5,\"kernel\":1,\"stride\":2,\"inputs\":[\"relu3\"]},"
    "{\"name\":\"relu5\",\"type\":\"leaky_relu\"},"
    "{\"name\":\"cat\",\"type\":\"concat\",\"inputs\":[\"relu5\",\"relu4\"]},"
    "{\"name\":\"conv6\",\"type\":\"conv\",\"channels\":6,\"kernel\":1},{\"name\":\"relu6\",\"type\":\"relu\"},"
    "{\"name\":\"pool\",\"type\":\"max_pool\",\"kernel\":2},{\"name\":\"flat\",\"type\":\"flatten\"},"
    "{\"name\":\"fc1\",\"type\":\"linear\",\"features\":5},{\"name\":\"relu7\",\"type\":\"relu\"},"
    "{\"name\":\"fc2\",\"type\":\"linear\",\"features\":3}]}";

enum { SHUT_STEPS, SHUT_FILTER, SHUT_GAMMA, SHUT_BETA, SHUT_POOL_ROW, SHUT_IDENTITY, SHUT_READER, SHUT_COUNTS };
static const char *const shut_names[SHUT_COUNTS] = {"shut_steps",
                                                    "shut_filter_grad_steps",
                                                    "shut_gamma_grad_steps",
                                                    "shut_beta_grad_steps",
                                                    "shut_pool_row_grad_steps",
                                                    "shut_identity_grad_steps",
                                                    "shut_reader_grad_steps"};
enum { TAMPERED = 64, GATES = 8 };

typedef struct {
    bench *b;
    tensors t;
    int counts[GATES][SHUT_COUNTS][MOST]; /* of the window under way */
    bool tamper;
    float *where[TAMPERED], was[TAMPERED];
    int tampered;
    bool arrived[GATES][MOST]; /* something was put into the energy of the identity path */
} shut_watch;

/* Shuts gates for some steps of a window and opens them again: shift and bias are what they are for one step alone. */
static ps_status shutting_batch(void *self, uint64_t step, float *x, int32_t *label) {
    shut_watch *w = self;
    ps_net_hook hook = {&w->t, keep};
    static const char *const names[] = {"bn1.bias", "bn2.bias", "bn3.bias", "conv6.bias", "fc1.bias"};
    for (int i = 0; i < 5; i++) {
        const ps_param *p = param(w->b, names[i]);
        for (size_t c = 0; c < p->count; c++) p->value[c] = (c + step) % 3 == 0 || c == 1 ? -1e4f : 0.1f;
    }
    /* The shared gate stays shut only where neither branch opens it; relu4's shift lies before its module. */
    param(w->b, "ps4.conv.bias")->value[2] = -1e4f;
    train_batch(w->b, step, x, label);
    ps_net_forward(w->b->net, x, PS_MODE_PROBE, ps_rng_key_of(0, "x"), &hook);
    return PS_OK;
}

static void tamper_with_sums(shut_watch *w, uint64_t step) {
    const ps_units *units = ps_net_units(w->b->net);
    for (int i = 0; i < units->count; i++) {
        double *energy;
        if (units->unit[i].pool_skip_op < 0) continue;
        assert_int_equal(ps_net_request_sum(w->b->net, units->unit[i].pool_skip_op, PS_SUM_POOL_GRAD_IDENTITY, &energy),
                         PS_OK);
        for (int c = 0; c < units->unit[i].channels; c++) {
            w->arrived[i][c] = (step + (uint64_t)c) % 4 == 0;
            if (w->arrived[i][c]) energy[c] += 1e-9;
        }
    }
}

/* Puts gradients where none may be, the smallest and infinite ones too; what watches afterwards puts the true ones
 * back. */
static ps_status tamper(void *self, uint64_t step) {
    shut_watch *w = self;
    const float values[] = {1e-42f, INFINITY, -3.0f, NAN, 1e30f, -1e-38f};
    int learned = 0;
    while (learned < ps_net_param_count(w->b->net) && ps_net_param(w->b->net, learned)->learned) learned++;
    ps_rng_key key = ps_rng_key_fold(ps_rng_key_of(9, "tamper"), step);
    if (w->tamper) tamper_with_sums(w, step);
    for (w->tampered = 0; w->tamper && w->tampered < TAMPERED; w->tampered++) {
        uint64_t n = 4 * (uint64_t)w->tampered;
        const ps_param *p = ps_net_param(w->b->net, (int)ps_rng_below(key, n, (uint32_t)learned));
        float *at = p->grad + ps_rng_below(key, n + 1, (uint32_t)p->count);
        w->where[w->tampered] = at;
        w->was[w->tampered] = *at;
        *at = values[ps_rng_below(key, n + 2, 6)];
    }
    return PS_OK;
}

static bool is_moving(float g) { return isfinite(g) && g != 0; }

static bool naive_row_moves(const bench *b, int node, const char *suffix, int row) {
    int index = node >= 0 ? ps_net_op_param(b->net, node, suffix) : -1;
    if (index < 0) return false;
    const ps_param *p = ps_net_param(b->net, index);
    bool any = false;
    for (size_t i = 0; i < p->row_length; i++) any = any || is_moving(p->grad[(size_t)row * p->row_length + i]);
    return any;
}

/* Input channel `input` of a reader, counted over all groups, in file order of the weights. Its map must be all
 * zero. */
static bool naive_column_moves(const shut_watch *w, int node, int input) {
    const ps_param *p = ps_net_param(w->b->net, ps_net_op_param(w->b->net, node, "weight"));
    const ps_op *reader = &w->t.graph->op[node];
    ps_shape in[PS_LAYER_MAX_INPUTS];
    ps_graph_input_shapes(w->t.graph, node, in);
    int per_group = ps_param_inputs(&p->spec), groups = in[0].c / per_group;
    bool any = false;
    const float *x = w->t.y[reader->input[0]];
    for (size_t i = (size_t)input; i < w->t.count[reader->input[0]]; i += (size_t)in[0].c) assert_true(x[i] == 0);
    for (int k = 0; k < p->spec.rows; k++) {
        if (k / (p->spec.rows / groups) != input / per_group) continue;
        for (size_t i = (size_t)(input % per_group); i < p->row_length; i += (size_t)per_group)
            any = any || is_moving(p->grad[(size_t)k * p->row_length + i]);
    }
    return any;
}

static bool naive_readers_move(const shut_watch *w, const ps_unit *u, int c) {
    bool any = false;
    for (int r = 0; r < u->readers; r++)
        for (int i = 0; i < u->reader[r].stride; i++)
            any |= naive_column_moves(w, u->reader[r].op, u->reader[r].first_input + c * u->reader[r].stride + i);
    return any;
}

static void count_naively(shut_watch *w, int unit, int c) {
    const ps_unit *u = &ps_net_units(w->b->net)->unit[unit];
    const float *y = w->t.y[u->gate_op];
    for (size_t i = (size_t)c; i < w->t.count[u->gate_op]; i += (size_t)u->channels)
        if (y[i] != 0) return;
    const bench *b = w->b;
    const bool found[SHUT_COUNTS] = {
        true,
        naive_row_moves(b, u->source_op, "weight", c) | naive_row_moves(b, u->source_op, "bias", c),
        naive_row_moves(b, u->norm_op, "weight", c),
        naive_row_moves(b, u->norm_op, "bias", c),
        naive_row_moves(b, u->pool_skip_op, "conv.weight", c) | naive_row_moves(b, u->pool_skip_op, "conv.bias", c),
        w->arrived[unit][c],
        naive_readers_move(w, u, c)};
    for (int k = 0; k < SHUT_COUNTS; k++) w->counts[unit][k][c] += found[k];
}

static ps_status watch_shut(void *self, uint64_t step) {
    shut_watch *w = self;
    if (step % WINDOW == 0) memset(w->counts, 0, sizeof w->counts);
    for (int i = 0; i < ps_net_units(w->b->net)->count; i++)
        for (int c = 0; c < ps_net_units(w->b->net)->unit[i].channels; c++) count_naively(w, i, c);
    while (w->tampered > 0) {
        w->tampered--;
        *w->where[w->tampered] = w->was[w->tampered];
    }
    return PS_OK;
}

static bool has_values(const cJSON *r, const char *quantity) {
    return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(r, "values"), quantity) != NULL;
}

/* Compares the last window of a layer, adds its counts up, and says which of them the layer has ("sfgbpir"). */
static void check_shut(const shut_watch *w, int unit, const char *has, double total[SHUT_COUNTS]) {
    const ps_unit *u = &ps_net_units(w->b->net)->unit[unit];
    double got[MOST];
    cJSON *r = record("window", u->name, "window", STEPS / WINDOW - 1);
    assert_int_equal(r != NULL, has[0] != '\0'); /* a layer of which nothing is recorded has no record */
    for (int k = 0; k < SHUT_COUNTS && r != NULL; k++) {
        if (has_values(r, shut_names[k]) != (strchr(has, "sfgbpir"[k]) != NULL))
            fail_msg("%s of %s", shut_names[k], u->name);
        if (!has_values(r, shut_names[k])) continue;
        assert_true(values_of(r, shut_names[k], got, u->channels));
        for (int c = 0; c < u->channels; c++) {
            if (got[c] != w->counts[unit][k][c])
                fail_msg("%s of %s:%d is %g, not %d", shut_names[k], u->name, c, got[c], w->counts[unit][k][c]);
            total[k] += got[c];
        }
    }
    cJSON_Delete(r);
}

/* By gate: relu1, relu2, relu3 (shared), relu4 (normalised before its module), relu5 (leaky), relu6, relu7. */
static const char *const shut_has[] = {"sfgbr", "sfgbpir", "sr", "sfpir", "", "sfr", "sfr"};

static void train_shutting(bool with_faults, int threads, double total[SHUT_COUNTS]) {
    bench b = make(many_ways, BATCH, threads, "sgd");
    shut_watch w = {.b = &b, .t = make_tensors(&b), .tamper = with_faults};
    ps_trace_writer *trace;
    ps_probe *probe = attach(&b, "shut_*", &trace);
    ps_train_hooks hooks[] = {
        {.self = &w, .after_backward = tamper}, *ps_probe_hooks(probe), {.self = &w, .after_backward = watch_shut}};
    train(&b, hooks, 3, 0, STEPS, shutting_batch, &w);
    read_lines();
    assert_int_equal(ps_net_units(b.net)->count, sizeof shut_has / sizeof *shut_has);
    for (int k = 0; k < SHUT_COUNTS; k++) total[k] = 0;
    for (int i = 0; i < ps_net_units(b.net)->count; i++) check_shut(&w, i, shut_has[i], total);
    free_tensors(&w.t);
    ps_probe_destroy(probe);
    ps_trace_close(trace);
    done(&b);
}

/* Many gates, shut on some batches and open on others: nothing moves but filters under a Pool Skip. */
static void a_shut_gate_stops_every_gradient(void **state) {
    (void)state;
    double total[SHUT_COUNTS];
    train_shutting(false, 2, total);
    assert_true(total[SHUT_STEPS] > 100);
    assert_true(total[SHUT_FILTER] > 20); /* by the pool path */
    for (int k = SHUT_GAMMA; k < SHUT_COUNTS; k++) assert_true(total[k] == 0);
}

static void gradients_where_none_may_be_are_counted(void **state) {
    (void)state;
    double total[SHUT_COUNTS];
    train_shutting(true, 2, total);
    for (int k = 0; k < SHUT_COUNTS; k++)
        if (total[k] == 0) fail_msg("no fault was planted for %s", shut_names[k]);
}

/* With one sample and one position the bias gradient IS dL/d(output). */
typedef struct {
    bench *b;
    double squares[MOST];
} bias_watch;

static ps_status watch_bias(void *self, uint64_t step) {
    bias_watch *w = self;
    const ps_param *p = param(w->b, "fc1.bias");
    if (step >= WINDOW)
        for (int c = 0; c < 5; c++) w->squares[c] += (double)p->grad[c] * (double)p->grad[c];
    return PS_OK;
}

static void output_gradient_of_one_sample(void **state) {
    (void)state;
    bench b = make(vectors, 1, 1, "sgd");
    bias_watch w = {.b = &b};
    ps_trace_writer *trace;
    ps_probe *probe = attach(&b, "grad_out_rms", &trace);
    ps_train_hooks hooks[] = {*ps_probe_hooks(probe), {.self = &w, .after_backward = watch_bias}};
    train(&b, hooks, 2, 0, STEPS, train_batch, &b);
    read_lines();
    cJSON *r = record("window", "fc1", "window", 1);
    double got[MOST];
    values_of(r, "grad_out_rms", got, 5);
    for (int c = 0; c < 5; c++) assert_near(got[c], sqrt(w.squares[c] / WINDOW), 1e-6, "grad_out_rms", c);
    cJSON_Delete(r);
    ps_probe_destroy(probe);
    ps_trace_close(trace);
    done(&b);
}

/* A shared gate in one node with a normalisation, and one that stands by itself. The loss counts one image alone, so
 * that the gradient of the other branch's bias IS what arrives behind the add. */
static const char *const added[] = {
    "{\"format\":\"poolscope-graph\",\"version\":1,\"name\":\"fused\",\"input\":[7,1,1],\"nodes\":["
    "{\"name\":\"a\",\"type\":\"linear\",\"features\":5},{\"name\":\"n\",\"type\":\"batch_norm\"},"
    "{\"name\":\"fc1\",\"type\":\"linear\",\"features\":5,\"inputs\":[\"input\"]},"
    "{\"name\":\"sum\",\"type\":\"add\",\"inputs\":[\"n\",\"fc1\"]},{\"name\":\"gate\",\"type\":\"leaky_relu\"},"
    "{\"name\":\"fc2\",\"type\":\"linear\",\"features\":3}]}",
    "{\"format\":\"poolscope-graph\",\"version\":1,\"name\":\"apart\",\"input\":[7,1,1],\"nodes\":["
    "{\"name\":\"a\",\"type\":\"linear\",\"features\":5},"
    "{\"name\":\"fc1\",\"type\":\"linear\",\"features\":5,\"inputs\":[\"input\"]},"
    "{\"name\":\"sum\",\"type\":\"add\",\"inputs\":[\"a\",\"fc1\"]},{\"name\":\"gate\",\"type\":\"relu\"},"
    "{\"name\":\"fc2\",\"type\":\"linear\",\"features\":3}]}"};

static ps_status train_one_image(void *self, uint64_t step, float *x, int32_t *label) {
    train_batch(self, step, x, label);
    for (int i = 1; i < BATCH; i++) label[i] = -1;
    return PS_OK;
}

static void gradient_behind_an_add_is_the_shared_gates_own(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        bench b = make(added[i], BATCH, 2, "sgd");
        assert_int_equal(ps_net_graph(b.net)->count, i == 0 ? 4 : 5);
        bias_watch w = {.b = &b};
        ps_trace_writer *trace;
        ps_probe *probe = attach(&b, NULL, &trace);
        ps_train_hooks hooks[] = {*ps_probe_hooks(probe), {.self = &w, .after_backward = watch_bias}};
        train(&b, hooks, 2, 0, STEPS, train_one_image, &b);
        read_lines();
        cJSON *r = record("window", "gate", "window", 1);
        double got[MOST];
        assert_true(values_of(r, "grad_out_rms", got, 5));
        for (int c = 0; c < 5; c++) assert_near(got[c], sqrt(w.squares[c] / WINDOW), 1e-5, "grad_out_rms", c);
        cJSON_Delete(r);
        ps_probe_destroy(probe);
        ps_trace_close(trace);
        done(&b);
    }
}

/* ---- what a layer behind a flattening reads ---- */

/* Three channels of 2 x 2 behind the gate: the convolution's weights are set so that a channel is the input shifted by
 * its bias. Of the features fc1 reads some live on some image, some never. */
static const char flattened[] =
    "{\"format\":\"poolscope-graph\",\"version\":1,\"name\":\"flattened\",\"input\":[1,2,2],\"nodes\":["
    "{\"name\":\"conv1\",\"type\":\"conv\",\"channels\":3,\"kernel\":1},{\"name\":\"relu1\",\"type\":\"relu\"},"
    "{\"name\":\"flat\",\"type\":\"flatten\"},{\"name\":\"fc1\",\"type\":\"linear\",\"features\":5},"
    "{\"name\":\"relu2\",\"type\":\"relu\"},{\"name\":\"fc2\",\"type\":\"linear\",\"features\":3}]}";

static ps_status corner_batch(void *self, int index, float *x, int *images) {
    const bench *b = self;
    int batch = ps_net_batch(b->net);
    for (int image = 0; image < batch; image++)
        for (int p = 0; p < 4; p++)
            x[image * 4 + p] = index == 0 && image == 1 && p == 2 ? 1.0f : p == 0 ? 0.5f : -1.0f;
    if (index == 1) x[(batch - 1) * 4 + 3] = 9; /* beyond the real images: not looked at */
    *images = index == 1 ? batch - 1 : batch;
    return PS_OK;
}

static void features_behind_a_flattening_are_counted_one_by_one(void **state) {
    (void)state;
    bench b = make(flattened, BATCH, 1, "sgd");
    const float bias[] = {0, -0.75f, -100};
    for (int c = 0; c < 3; c++) param(&b, "conv1.weight")->value[c] = 1, param(&b, "conv1.bias")->value[c] = bias[c];
    ps_probe *probe;
    ps_probe_options options = {.record = "in_alive", .steps = 1, .window = 1, .source = {&b, 2, corner_batch}};
    assert_int_equal(ps_probe_create(b.net, NULL, &options, &probe), PS_OK);
    for (int again = 0; again < 2; again++) { /* a second probing starts anew */
        double alive = -1;
        assert_int_equal(ps_probe_measure(probe), PS_OK);
        assert_true(ps_probe_read(probe, "in_alive", 1, &alive));
        assert_true(alive == 3); /* channel 0 in two places, channel 1 in one, channel 2 nowhere; 8 by channels */
    }
    ps_probe_destroy(probe);
    done(&b);
}

/* ---- behind a normalisation of the gate ---- */

static const char normed_behind[] =
    "{\"format\":\"poolscope-graph\",\"version\":1,\"name\":\"normed\",\"input\":[2,6,6],\"nodes\":["
    "{\"name\":\"conv1\",\"type\":\"conv\",\"channels\":4,\"padding\":1},{\"name\":\"relu1\",\"type\":\"relu\"},"
    "{\"name\":\"bn1\",\"type\":\"batch_norm\"},"
    "{\"name\":\"conv2\",\"type\":\"conv\",\"channels\":6,\"padding\":1},{\"name\":\"relu2\",\"type\":\"relu\"},"
    "{\"name\":\"again\",\"type\":\"relu\"},{\"name\":\"gap\",\"type\":\"global_avg_pool\"},"
    "{\"name\":\"fc\",\"type\":\"linear\",\"features\":3}]}";

/* Every channel of a node, over a batch: 0 everywhere, or the same for every image at a position. */
static bool is_zero_on(const float *y, int images, int elements, int channels, int c, bool *constant) {
    bool zero = true;
    *constant = true;
    for (int i = c; i < images * elements * channels; i += channels) {
        zero = zero && y[i] == 0;
        *constant = *constant && y[i] == y[i % (elements * channels)];
    }
    return zero;
}

static void a_dead_node_is_constant_behind_a_norm(void **state) {
    (void)state;
    double got[MOST];
    ps_trace_writer *trace;
    bench b = make(normed_behind, BATCH, 1, "sgd");
    for (int c = 0; c < 4; c++) param(&b, "bn1.bias")->value[c] = 0.5f - (float)c;
    param(&b, "conv1.bias")->value[1] = param(&b, "conv1.bias")->value[3] = -1e6f;
    ps_probe *probe = attach(&b, NULL, &trace);
    const ps_units *units = ps_net_units(b.net);
    tensors t = make_tensors(&b);
    ps_net_hook hook = {&t, keep};
    float x[BATCH * 2 * 36];
    fill(x, BATCH * 2 * 36, "probe", 0);
    ps_net_forward_plain(b.net, x, PS_MODE_PROBE, &hook, NULL);
    for (int c = 0; c < 4; c++) {
        bool constant, node_constant, zero = is_zero_on(t.y[units->unit[0].gate_op], BATCH, 36, 4, c, &node_constant);
        bool normed_zero = is_zero_on(t.y[units->unit[1].source_op - 1], BATCH, 36, 4, c, &constant);
        assert_true(zero == (c % 2 == 1) && node_constant == zero);
        assert_true(!normed_zero && constant == zero);
    }
    free_tensors(&t);
    train(&b, ps_probe_hooks(probe), 1, 0, STEPS, train_batch, &b);
    read_lines();
    cJSON *r = record("probe", "conv2", "step", 0);
    assert_true(values_of(r, "in_alive", got, 1));
    assert_true(got[0] == 2);
    cJSON_Delete(r);
    r = record("probe", "conv1", "step", STEPS);
    assert_true(values_of(r, "out_l2", got, 4));
    for (int c = 0; c < 4; c++) {
        double squares = 0;
        for (int k = 0; k < 6; k++) squares += kernel_sum(param(&b, "conv2.weight"), k, c, true);
        assert_near(got[c], sqrt(squares), 1e-8, "out_l2", c);
    }
    cJSON_Delete(r);
    r = record("window", "conv1", "window", 0);
    /* What reads a constant gets gradient for it: no identity is at stake. */
    const cJSON *values = cJSON_GetObjectItemCaseSensitive(r, "values");
    assert_non_null(cJSON_GetObjectItemCaseSensitive(values, "shut_filter_grad_steps"));
    assert_null(cJSON_GetObjectItemCaseSensitive(values, "shut_reader_grad_steps"));
    const ps_param *read = param(&b, "conv2.weight");
    bool moves = false;
    for (size_t i = 0; i < read->count; i++) moves = moves || (i % 4 == 1 && read->grad[i] != 0);
    assert_true(moves);
    cJSON_Delete(r);
    r = record("window", "conv2", "window", 0); /* a gate behind its gate leaves a 0 one */
    assert_true(values_of(r, "shut_reader_grad_steps", got, 6));
    cJSON_Delete(r);
    ps_probe_destroy(probe);
    ps_trace_close(trace);
    done(&b);
}

static const char normed_flattened[] =
    "{\"format\":\"poolscope-graph\",\"version\":1,\"name\":\"flattened\",\"input\":[1,2,2],\"nodes\":["
    "{\"name\":\"conv1\",\"type\":\"conv\",\"channels\":3,\"kernel\":1},{\"name\":\"relu1\",\"type\":\"relu\"},"
    "{\"name\":\"bn\",\"type\":\"batch_norm\"},"
    "{\"name\":\"flat\",\"type\":\"flatten\"},{\"name\":\"fc1\",\"type\":\"linear\",\"features\":5},"
    "{\"name\":\"relu2\",\"type\":\"relu\"},{\"name\":\"fc2\",\"type\":\"linear\",\"features\":3}]}";

/* Moments differ from batch to batch: what counts is whether the images of one differ. */
static void features_behind_a_norm_are_alive_where_images_differ(void **state) {
    (void)state;
    double alive = -1;
    bench b = make(normed_flattened, BATCH, 1, "sgd");
    const float bias[] = {0, -0.75f, -100};
    for (int c = 0; c < 3; c++) {
        param(&b, "conv1.weight")->value[c] = 1;
        param(&b, "conv1.bias")->value[c] = bias[c];
        param(&b, "bn.bias")->value[c] = 0.25f;
    }
    ps_probe *probe;
    ps_probe_options options = {.record = "in_alive", .steps = 1, .window = 1, .source = {&b, 2, corner_batch}};
    assert_int_equal(ps_probe_create(b.net, NULL, &options, &probe), PS_OK);
    assert_int_equal(ps_probe_measure(probe), PS_OK);
    assert_true(ps_probe_read(probe, "in_alive", 1, &alive));
    assert_true(alive == 2); /* the third place, in channels 0 and 1 */
    ps_probe_destroy(probe);
    done(&b);
}

/* ---- recording changes nothing ---- */

enum { LONG = 50 };

static float *weights_after(const char *graph, const char *optimiser, int threads, const char *record_text,
                            size_t *count) {
    bench b = make(graph, BATCH, threads, optimiser);
    ps_trace_writer *trace = NULL;
    ps_probe *probe = record_text != NULL ? attach(&b, record_text, &trace) : NULL;
    train(&b, probe != NULL ? ps_probe_hooks(probe) : NULL, probe != NULL, 0, LONG, train_batch, &b);
    *count = 0;
    for (int i = 0; i < ps_net_param_count(b.net); i++) *count += ps_net_param(b.net, i)->count;
    float *all = malloc(*count * sizeof *all), *to = all;
    for (int i = 0; i < ps_net_param_count(b.net); i++) {
        const ps_param *p = ps_net_param(b.net, i);
        memcpy(to, p->value, p->count * sizeof *to);
        to += p->count;
    }
    ps_probe_destroy(probe);
    ps_trace_close(trace);
    done(&b);
    return all;
}

static void recording_changes_no_bit(void **state) {
    (void)state;
    const char *const graphs[] = {plain, residual};
    const char *const optimisers[] = {"sgd", "adamw"};
    for (int g = 0; g < 4; g++) {
        size_t count, again;
        float *bare = weights_after(graphs[g / 2], optimisers[g % 2], 1, NULL, &count);
        const char *const records[] = {"all", "none", "zeros,nonzero*,pre_max"};
        for (int i = 0; i < 3; i++) {
            float *watched = weights_after(graphs[g / 2], optimisers[g % 2], i + 1, records[i], &again);
            assert_int_equal(again, count);
            assert_memory_equal(watched, bare, count * sizeof *bare);
            free(watched);
        }
        free(bare);
    }
}

/* The trace without its timing lines. */
static char *timeless(void) {
    read_lines();
    char *text = malloc(strlen(lines) + 1), *to = text;
    for (char *line = lines, *next; *line != '\0'; line = next) {
        next = strchr(line, '\n') + 1;
        if (strncmp(line, "{\"type\":\"timing\"", 16) == 0) continue;
        memcpy(to, line, (size_t)(next - line));
        to += next - line;
    }
    *to = '\0';
    return text;
}

static ps_status end_trace(ps_trace_writer *trace, uint64_t steps, const char *status, double loss, double accuracy) {
    ps_trace_task task;
    ps_trace_task_default(&task);
    return ps_trace_write_end(trace, steps, status, &(ps_trace_score){&task, loss, &accuracy, NULL, 0, 8}, 0);
}

static char *trace_of(const char *graph, int threads, const char *record_text) {
    bench b = make(graph, BATCH, threads, "sgd");
    ps_trace_writer *trace;
    ps_probe *probe = attach(&b, record_text, &trace);
    train(&b, ps_probe_hooks(probe), 1, 0, STEPS, train_batch, &b);
    assert_int_equal(end_trace(trace, STEPS, "finished", 1, 0.5), PS_OK);
    ps_probe_destroy(probe);
    assert_int_equal(ps_trace_close(trace), PS_OK);
    done(&b);
    return timeless();
}

static void any_number_of_threads_gives_the_same_trace(void **state) {
    (void)state;
    char *one = trace_of(residual, 1, NULL);
    const int threads[] = {2, 3, 8};
    for (int i = 0; i < 3; i++) {
        char *many = trace_of(residual, threads[i], NULL);
        assert_string_equal(many, one);
        free(many);
    }
    free(one);
}

static void traces_are_valid(void **state) {
    (void)state;
    const char *const graphs[] = {plain, residual, vectors};
    const char *const records[] = {"all", "none", "zeros,path*,layer:*1", "-pool*,-layer:conv2"};
    for (int g = 0; g < 3; g++)
        for (int i = 0; i < (g < 2 ? 4 : 3); i++) {
            if (g == 1 && i == 3) continue;
            ps_trace_check check;
            free(trace_of(graphs[g], 2, records[i]));
            assert_int_equal(ps_trace_validate(path, stderr, 10, &check), PS_OK);
            assert_int_equal(check.steps, STEPS);
            assert_true(check.ended);
            assert_int_equal(check.windows, i == 1 ? 0 : 2);
        }
}

static void resumed_run_ends_in_the_same_trace(void **state) {
    (void)state;
    char *whole = trace_of(residual, 2, NULL);
    bench b = make(residual, BATCH, 2, "sgd");
    char checkpoint[80];
    snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", folder);
    ps_trace_writer *trace;
    ps_probe *probe = attach(&b, NULL, &trace);
    ps_probe_options options = {.steps = STEPS, .window = WINDOW, .source = {&b, PROBE_BATCHES, probe_batch}};
    train(&b, ps_probe_hooks(probe), 1, 0, WINDOW, train_batch, &b);
    uint64_t offset = ps_trace_offset(trace);
    assert_int_equal(ps_checkpoint_write(checkpoint, b.graph, b.net, b.optimiser, WINDOW, "{}"), PS_OK);
    train(&b, ps_probe_hooks(probe), 1, WINDOW, STEPS, train_batch, &b); /* what a killed run wrote after it */
    ps_probe_destroy(probe);
    assert_int_equal(ps_trace_close(trace), PS_OK);
    done(&b);
    b = make(residual, BATCH, 3, "sgd");
    uint64_t step;
    assert_int_equal(ps_trace_resume_at(path, offset, NULL, &trace), PS_OK);
    options.trace = trace;
    assert_int_equal(ps_probe_create(b.net, b.optimiser, &options, &probe), PS_OK);
    assert_int_equal(ps_checkpoint_read(checkpoint, b.net, b.optimiser, &step), PS_OK);
    assert_int_equal(step, WINDOW);
    train(&b, ps_probe_hooks(probe), 1, step, STEPS, train_batch, &b);
    assert_int_equal(end_trace(trace, STEPS, "finished", 1, 0.5), PS_OK);
    ps_probe_destroy(probe);
    assert_int_equal(ps_trace_close(trace), PS_OK);
    done(&b);
    char *resumed = timeless();
    assert_string_equal(resumed, whole);
    free(resumed);
    free(whole);
    unlink(checkpoint);
}

/* ---- what is not finite ---- */

static void infinite_weights_become_events(void **state) {
    (void)state;
    bench b = make(plain, BATCH, 1, "sgd");
    ps_trace_writer *trace;
    ps_probe *probe = attach(&b, NULL, &trace);
    param(&b, "conv2.weight")->value[0] = INFINITY;
    train(&b, ps_probe_hooks(probe), 1, 0, WINDOW, train_batch, &b);
    ps_probe_destroy(probe);
    assert_int_equal(end_trace(trace, WINDOW, "diverged", (double)NAN, (double)NAN), PS_OK);
    assert_int_equal(ps_trace_close(trace), PS_OK);
    assert_int_equal(ps_trace_validate(path, stderr, 10, NULL), PS_OK);
    read_lines();
    cJSON *r = record("event", "conv2", "step", 0);
    assert_non_null(r);
    cJSON_Delete(r);
    r = record("event", NULL, "step", WINDOW);
    assert_non_null(r);
    cJSON_Delete(r);
    assert_non_null(
        strstr(lines, "{\"type\":\"event\",\"step\":0,\"event\":\"nonfinite\",\"what\":\"loss\",\"layer\":\"\"}"));
    assert_non_null(
        strstr(lines, "\"event\":\"nonfinite\",\"what\":\"activation\",\"layer\":\"conv2\",\"channel\":0}"));
    assert_non_null(strstr(lines, "\"event\":\"nonfinite\",\"what\":\"weight\",\"layer\":\"conv2\",\"channel\":0}"));
    assert_non_null(strstr(lines, "{\"type\":\"event\",\"step\":5,\"event\":\"diverged\"}"));
    assert_non_null(strstr(lines, "\"NaN\""));
    done(&b);
}

/* ---- choosing what to record ---- */

static int chosen(const char *text, const ps_units *units, bool *layer) {
    bool quantity[128];
    int count, sum = 0;
    ps_quantities(&count);
    if (ps_record_parse(text, units, quantity, layer) != PS_OK) return -1;
    for (int i = 0; i < count; i++) sum += quantity[i];
    return sum;
}

static void record_grammar(void **state) {
    (void)state;
    bench b = make(plain, BATCH, 1, "sgd");
    const ps_units *units = ps_net_units(b.net);
    bool layer[8];
    int all = chosen("all", units, layer), path_count = chosen("path*", units, layer);
    assert_true(all > 40);
    assert_int_equal(path_count, 5);
    assert_int_equal(chosen(NULL, units, layer), all);
    assert_int_equal(chosen("", units, layer), all);
    assert_int_equal(chosen("none", units, layer), 0);
    assert_int_equal(chosen("zeros,path*", units, layer), 6);
    assert_int_equal(chosen("-path*", units, layer), all - 5);
    assert_int_equal(chosen("all,-path*,path", units, layer), all - 4);
    assert_int_equal(chosen("none,zeros", units, layer), 1);
    assert_true(layer[0] && layer[1] && layer[2]);
    assert_int_equal(chosen("layer:conv*", units, layer), all);
    assert_true(layer[0] && layer[1] && !layer[2]);
    assert_int_equal(chosen("zeros,layer:fc1,layer:conv1", units, layer), 1);
    assert_true(layer[0] && !layer[1] && layer[2]);
    assert_int_equal(chosen("-layer:conv2", units, layer), all);
    assert_true(layer[0] && !layer[1] && layer[2]);
    const char *const wrong[] = {"zero",      "zeros,", ",", "-", "layer:", "layer:conv9", "quite_something_else",
                                 "zeros path"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ps_status_reset();
        assert_int_equal(chosen(wrong[i], units, layer), -1);
        assert_true(strlen(ps_status_message()) > 10);
    }
    chosen("zero", units, layer);
    assert_non_null(strstr(ps_status_message(), "did you mean \"zeros\"?"));
    done(&b);
}

static void backbone_digest_tells_weights_apart(void **state) {
    (void)state;
    char one[17], same[17], module[17], other[17];
    bench b = make(residual, BATCH, 1, "sgd"), c = make(residual, BATCH, 2, "sgd");
    ps_probe_backbone_digest(b.net, one);
    ps_probe_backbone_digest(c.net, same);
    assert_string_equal(one, same);
    param(&c, "ps1.conv.weight")->value[0] += 1;
    ps_probe_backbone_digest(c.net, module);
    assert_string_equal(one, module); /* modules are not backbone */
    param(&c, "conv2.weight")->value[5] += 1;
    ps_probe_backbone_digest(c.net, other);
    assert_string_not_equal(one, other);
    done(&b);
    done(&c);
}

static int free_lines(void **state) {
    free(lines);
    lines = NULL;
    return remove_folder(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probe_records_say_what_naive_probing_says),
        cmocka_unit_test(evaluation_mode_is_looked_at_now_and_then),
        cmocka_unit_test(the_loss_of_the_probe_images_is_recorded_in_both_modes),
        cmocka_unit_test(weights_of_a_layer),
        cmocka_unit_test(dead_inputs_are_counted),
        cmocka_unit_test(shared_gates_and_identity_paths),
        cmocka_unit_test(gradient_behind_an_add_is_the_shared_gates_own),
        cmocka_unit_test(features_behind_a_flattening_are_counted_one_by_one),
        cmocka_unit_test(a_dead_node_is_constant_behind_a_norm),
        cmocka_unit_test(features_behind_a_norm_are_alive_where_images_differ),
        cmocka_unit_test(window_records_say_what_naive_watching_says),
        cmocka_unit_test(outgoing_weights_move_by_this_windows_gradients),
        cmocka_unit_test(a_shut_gate_stops_every_gradient),
        cmocka_unit_test(gradients_where_none_may_be_are_counted),
        cmocka_unit_test(output_gradient_of_one_sample),
        cmocka_unit_test(recording_changes_no_bit),
        cmocka_unit_test(any_number_of_threads_gives_the_same_trace),
        cmocka_unit_test(traces_are_valid),
        cmocka_unit_test(resumed_run_ends_in_the_same_trace),
        cmocka_unit_test(infinite_weights_become_events),
        cmocka_unit_test(record_grammar),
        cmocka_unit_test(backbone_digest_tells_weights_apart),
    };
    return cmocka_run_group_tests(tests, make_paths, free_lines);
}
