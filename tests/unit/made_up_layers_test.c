/* Layer types that no source knows: a normalisation, an activation and one that says nothing of itself, in the list of
 * this program alone. What states its role is recorded in full, node by node, as the types of the product are. */
#define PS_LAYER_LIST "tests/lib/made_up_layers.def"
#include "src/layers/layer.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "analysis/causes.h"
#include "measure/diagnose.h"
#include "core/file.h"
#include "core/json.h"
#include "layers/attributes.h"
#include "net/train.h"
#include "probe/probe.h"
#include "tests/lib/folder.h"
#include "task/task.h"

/* ---- y = gamma (x - mean) + beta, the mean over the batch ---- */

static int centre_params(const void *config, const ps_shape *in, ps_shape out, ps_param_spec *specs) {
    (void)config, (void)in;
    for (int i = 0; i < 2; i++)
        specs[i] = (ps_param_spec){.suffix = i == 0 ? "weight" : "bias",
                                   .rank = 1,
                                   .dims = {out.c},
                                   .rows = out.c,
                                   .init = i == 0 ? PS_INIT_ONES : PS_INIT_ZEROS,
                                   .fan_in = 1};
    return 2;
}

static double mean_of(const float *x, size_t count, size_t c, size_t k) {
    double sum = 0;
    for (size_t i = k; i < count; i += c) sum += (double)x[i];
    return sum / (double)(count / c);
}

static void centre_forward(const ps_layer_call *call) {
    size_t count = ps_shape_elements(call->out_shape), c = (size_t)call->out_shape.c;
    for (size_t k = 0; k < c; k++) {
        float mean = (float)mean_of(call->x[0], count, c, k);
        for (size_t i = k; i < count; i += c)
            call->y[i] = call->param[0][k] * (call->x[0][i] - mean) + call->param[1][k];
    }
}

static void centre_backward(const ps_layer_call *call) {
    size_t count = ps_shape_elements(call->out_shape), c = (size_t)call->out_shape.c;
    for (size_t k = 0; k < c; k++) {
        double mean = mean_of(call->x[0], count, c, k), mean_dy = mean_of(call->dy, count, c, k), products = 0;
        for (size_t i = k; i < count; i += c) products += (double)call->dy[i] * ((double)call->x[0][i] - mean);
        call->grad[0][k] = (float)products;
        call->grad[1][k] = (float)(mean_dy * (double)(count / c));
        for (size_t i = k; call->dx[0] != NULL && i < count; i += c) {
            float d = call->param[0][k] * (float)((double)call->dy[i] - mean_dy);
            call->dx[0][i] = (call->accumulate[0] ? call->dx[0][i] : 0) + d;
        }
    }
}

const ps_layer_type ps_layer_made_up_norm = {.name = "made_up_norm",
                                             .role = PS_ROLE_NORM,
                                             .min_inputs = 1,
                                             .max_inputs = 1,
                                             .needs_input = true,
                                             .infer = ps_infer_same,
                                             .params = centre_params,
                                             .forward = centre_forward,
                                             .backward = centre_backward};

/* ---- y = max(x, 0)^2 ---- */

static void square_forward(const ps_layer_call *call) {
    for (size_t i = 0; i < ps_shape_elements(call->out_shape); i++)
        call->y[i] = call->x[0][i] > 0 ? call->x[0][i] * call->x[0][i] : 0;
}

static void square_backward(const ps_layer_call *call) {
    for (size_t i = 0; call->dx[0] != NULL && i < ps_shape_elements(call->out_shape); i++)
        call->dx[0][i] = (call->accumulate[0] ? call->dx[0][i] : 0) + 2 * sqrtf(call->y[i]) * call->dy[i];
}

static bool square_gate(const void *config, ps_gate *gate) {
    (void)config;
    *gate = (ps_gate){
        .activation = "squared_relu", .rectifies = true, .keeps_zero = true, .slope = NAN, .ceiling = INFINITY};
    return true;
}

const ps_layer_type ps_layer_made_up_gate = {.name = "made_up_gate",
                                             .role = PS_ROLE_GATE,
                                             .min_inputs = 1,
                                             .max_inputs = 1,
                                             .needs_output = true,
                                             .infer = ps_infer_same,
                                             .forward = square_forward,
                                             .backward = square_backward,
                                             .gate = square_gate};

/* ---- y = x, for all that anybody knows ---- */

static void silent_forward(const ps_layer_call *call) {
    memcpy(call->y, call->x[0], ps_shape_elements(call->out_shape) * sizeof *call->y);
}

static void silent_backward(const ps_layer_call *call) {
    for (size_t i = 0; call->dx[0] != NULL && i < ps_shape_elements(call->out_shape); i++)
        call->dx[0][i] = (call->accumulate[0] ? call->dx[0][i] : 0) + call->dy[i];
}

const ps_layer_type ps_layer_made_up_silent = {.name = "made_up_silent",
                                               .min_inputs = 1,
                                               .max_inputs = 1,
                                               .infer = ps_infer_same,
                                               .forward = silent_forward,
                                               .backward = silent_backward};

/* ---- a run ---- */

enum { BATCH = 6, CLASSES = 3, WINDOW = 4, STEPS = 8 };

/* %1$s: a normalisation, %2$s: an activation. In every order that units.h takes for private, and behind an add. */
static const char network[] =
    "{\"format\":\"poolscope-graph\",\"version\":1,\"name\":\"net\",\"input\":[2,8,8],\"nodes\":["
    "{\"name\":\"conv1\",\"type\":\"conv\",\"channels\":4,\"padding\":1},{\"name\":\"n1\",\"type\":\"%1$s\"},"
    "{\"name\":\"r1\",\"type\":\"%2$s\"},"
    "{\"name\":\"conv2\",\"type\":\"conv\",\"channels\":4,\"padding\":1,\"bias\":false},"
    "{\"name\":\"p2\",\"type\":\"pool_skip\",\"pool_size\":2,\"module\":true},{\"name\":\"n2\",\"type\":\"%1$s\"},"
    "{\"name\":\"r2\",\"type\":\"relu\"},"
    "{\"name\":\"conv3\",\"type\":\"conv\",\"channels\":4,\"padding\":1},{\"name\":\"n3\",\"type\":\"%1$s\"},"
    "{\"name\":\"s3\",\"type\":\"add\",\"inputs\":[\"n3\",\"r2\"]},{\"name\":\"r3\",\"type\":\"%2$s\"},"
    "{\"name\":\"conv4\",\"type\":\"conv\",\"channels\":5},{\"name\":\"m4\",\"type\":\"max_pool\"},"
    "{\"name\":\"n4\",\"type\":\"batch_norm\"},{\"name\":\"d4\",\"type\":\"dropout\"},{\"name\":\"r4\",\"type\":\"%2$"
    "s\"},"
    "{\"name\":\"flat\",\"type\":\"flatten\"},{\"name\":\"fc1\",\"type\":\"linear\",\"features\":6},"
    "{\"name\":\"r5\",\"type\":\"%2$s\"},{\"name\":\"fc2\",\"type\":\"linear\",\"features\":3}]}";

static char path[128];

typedef struct {
    ps_graph *graph;
    ps_threads *pool;
    ps_net *net;
    ps_optimiser_options options;
    ps_optimiser *optimiser;
} bench;

static void fill(const bench *b, const char *stream, uint64_t number, float *x) {
    ps_rng_key key = ps_rng_key_fold(ps_rng_key_of(3, stream), number);
    for (size_t i = 0; i < BATCH * ps_shape_elements(b->graph->input); i++) x[i] = ps_rng_normal(key, i);
}

static ps_status train_batch(void *self, uint64_t step, float *x, int32_t *label) {
    fill(self, "train", step, x);
    for (uint32_t i = 0; i < BATCH; i++) label[i] = (int32_t)(i % CLASSES);
    return PS_OK;
}

static ps_status probe_batch(void *self, int index, float *x, int *images) {
    fill(self, "probe", (uint64_t)index, x);
    *images = BATCH;
    return PS_OK;
}

static void open_bench(bench *b, const char *text) {
    cJSON *document;
    assert_int_equal(ps_json_parse(text, "net", &document), PS_OK);
    if (ps_graph_parse(document, "net", &b->graph) != PS_OK) fail_msg("%s", ps_status_message());
    cJSON_Delete(document);
    b->options = (ps_optimiser_options){
        .name = "sgd", .rate = {.lr = 0.01, .schedule = "constant"}, .momentum = 0.9, .weight_decay = 0.01, .clip = 1};
    assert_int_equal(ps_threads_create(1, &b->pool), PS_OK);
    assert_int_equal(ps_net_create(b->graph, BATCH, b->pool, &b->net), PS_OK);
    assert_int_equal(ps_net_init(b->net, "he", 7), PS_OK);
    assert_int_equal(ps_optimiser_create(b->net, &b->options, &b->optimiser), PS_OK);
}

static void close_bench(bench *b) {
    ps_optimiser_destroy(b->optimiser);
    ps_net_destroy(b->net);
    ps_threads_destroy(b->pool);
    ps_graph_destroy(b->graph);
}

static char *trace_of(const char *norm, const char *gate) {
    char text[4096], *trace_text;
    bench b;
    ps_trace_writer *trace;
    ps_probe *probe;
    uint64_t diverged;
    snprintf(text, sizeof text, network, norm, gate);
    open_bench(&b, text);
    assert_int_equal(ps_trace_create(path, &trace), PS_OK);
    ps_probe_options options = {.steps = STEPS, .window = WINDOW, .trace = trace, .source = {&b, 1, probe_batch}};
    ps_probe_run run = {.producer = "test", .config = "{}", .data_source = "random", .data_digest = "0"};
    assert_int_equal(ps_probe_create(b.net, b.optimiser, &options, &probe), PS_OK);
    assert_int_equal(ps_probe_write_header(probe, &run), PS_OK);
    ps_train_options train = {.steps = STEPS,
                              .window = WINDOW,
                              .seed = 1,
                              .source = {&b, train_batch, &ps_cross_entropy},
                              .hooks = ps_probe_hooks(probe),
                              .hook_count = 1};
    assert_int_equal(ps_train_run(b.net, b.optimiser, &train, &diverged), PS_OK);
    ps_probe_destroy(probe);
    assert_int_equal(ps_trace_close(trace), PS_OK);
    close_bench(&b);
    assert_int_equal(ps_file_read(path, &trace_text, NULL), PS_OK);
    return trace_text;
}

static const char *text_of(const cJSON *object, const char *key) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text != NULL ? text : "(null)";
}

/* Everything but the activation's name, and what a type says of itself, is the same. */
static void compare_headers(const cJSON *a, const cJSON *b) {
    const cJSON *x = cJSON_GetObjectItemCaseSensitive(a, "layers")->child,
                *y = cJSON_GetObjectItemCaseSensitive(b, "layers")->child;
    int layers = 0;
    for (; x != NULL && y != NULL; x = x->next, y = y->next, layers++) {
        bool own = strcmp(text_of(x, "gate"), "r2") == 0; /* the one that is a relu in both networks */
        assert_string_equal(text_of(x, "activation"), own ? "relu" : "squared_relu");
        assert_string_equal(text_of(y, "activation"), "relu");
        cJSON_DeleteItemFromObjectCaseSensitive((cJSON *)x, "activation");
        cJSON_DeleteItemFromObjectCaseSensitive((cJSON *)y, "activation");
        cJSON_DeleteItemFromObjectCaseSensitive((cJSON *)x, "norm_eps");
        cJSON_DeleteItemFromObjectCaseSensitive((cJSON *)y, "norm_eps"); /* an attribute that the made-up one lacks */
        cJSON_DeleteItemFromObjectCaseSensitive((cJSON *)x, "norm_over");
        cJSON_DeleteItemFromObjectCaseSensitive((cJSON *)y, "norm_over"); /* told by running statistics: it has none */
        if (!cJSON_Compare(x, y, true)) fail_msg("%s is described otherwise", text_of(y, "name"));
        bool shared = strcmp(text_of(x, "kind"), "shared") == 0;
        assert_int_equal(shared, strcmp(text_of(x, "gate"), "r3") == 0);
    }
    assert_true(x == NULL && y == NULL && layers == 5);
}

/* Bounds of rounding are known of types that state them. */
static bool needs_more(const char *quantity) { return strncmp(quantity, "pre_max_", 8) == 0; }

/* The made-up normalisation has no running statistics, and says nothing of them. */
static void leave_out_running(cJSON *values) {
    static const char *const names[] = {"norm_mean", "norm_var", "running_mean", "running_var"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) cJSON_DeleteItemFromObjectCaseSensitive(values, names[i]);
}

static void compare_values(const char *layer, const cJSON *x, cJSON *y_) {
    if (!cJSON_HasObjectItem(x, "norm_mean")) leave_out_running(y_);
    const cJSON *y = y_->child;
    for (x = x->child; x != NULL && y != NULL; x = x->next, y = y->next) {
        assert_string_equal(x->string, y->string);
        if (needs_more(x->string)) continue;
        bool absent = cJSON_IsNull(cJSON_IsArray(x) ? x->child : x),
             expected = cJSON_IsNull(cJSON_IsArray(y) ? y->child : y);
        if (absent != expected)
            fail_msg("%s of %s is %s", x->string, layer, absent ? "not recorded" : "recorded where it does not exist");
    }
    if (x != NULL || y != NULL) fail_msg("%s: %s in one trace only", layer, (x != NULL ? x : y)->string);
}

static void made_up_types_lose_no_node(void **state) {
    (void)state;
    char *made_up = trace_of("made_up_norm", "made_up_gate"), *known = trace_of("batch_norm", "relu");
    int compared = 0;
    for (char *a = made_up, *b = known, *next_a, *next_b; *a != '\0'; a = next_a + 1, b = next_b + 1) {
        next_a = strchr(a, '\n'), next_b = strchr(b, '\n');
        assert_true(next_a != NULL && next_b != NULL);
        cJSON *x = cJSON_Parse(a), *y = cJSON_Parse(b);
        assert_string_equal(text_of(x, "type"), text_of(y, "type"));
        assert_string_equal(text_of(x, "layer"), text_of(y, "layer"));
        if (strcmp(text_of(x, "type"), "header") == 0) compare_headers(x, y);
        const cJSON *values = cJSON_GetObjectItemCaseSensitive(x, "values");
        if (values != NULL) {
            compare_values(text_of(x, "layer"), values, cJSON_GetObjectItemCaseSensitive(y, "values"));
            compared++;
        }
        cJSON_Delete(x);
        cJSON_Delete(y);
    }
    assert_int_equal(compared, 5 * (3 + 2)); /* three probings, two windows */
    free(made_up);
    free(known);
}

static ps_cause cause_of(bench *b, const char *param, int channel, float value, const char *layer) {
    ps_diagnosis diagnosis;
    ps_probe_source source = {.self = b, .batches = 1, .batch = probe_batch};
    ps_cause found = PS_CAUSE_NONE;
    float *at = &ps_net_param(b->net, ps_net_find_param(b->net, param))->value[channel], before = *at;
    *at = value;
    assert_int_equal(ps_diagnose(b->net, &source, &diagnosis), PS_OK);
    for (int i = 0; i < diagnosis.count; i++)
        if (strcmp(diagnosis.node[i].layer, layer) == 0 && diagnosis.node[i].channel == channel)
            found = diagnosis.node[i].cause;
    ps_diagnosis_clear(&diagnosis);
    *at = before;
    return found;
}

static void their_nodes_have_causes(void **state) {
    (void)state;
    char text[4096];
    bench b;
    snprintf(text, sizeof text, network, "made_up_norm", "made_up_gate");
    open_bench(&b, text);
    assert_int_equal(cause_of(&b, "n1.bias", 2, -1e4f, "conv1"), PS_CAUSE_NORM_SHIFT);
    assert_int_equal(cause_of(&b, "n2.bias", 1, -1e4f, "conv2"), PS_CAUSE_NORM_SHIFT);
    assert_int_equal(cause_of(&b, "n4.bias", 3, -1e4f, "conv4"), PS_CAUSE_NORM_SHIFT);
    assert_int_equal(cause_of(&b, "fc1.bias", 4, -1e4f, "fc1"), PS_CAUSE_NEGATIVE_BIAS);
    close_bench(&b);
}

/* Of a type without a role nothing is made up: the gate behind it is shared, and the sentence names the node. */
static void a_type_without_a_role_is_named(void **state) {
    (void)state;
    char text[256];
    bench b;
    open_bench(&b,
               "{\"format\":\"poolscope-graph\",\"version\":1,\"name\":\"net\",\"input\":[2,8,8],\"nodes\":["
               "{\"name\":\"conv1\",\"type\":\"conv\",\"channels\":4},{\"name\":\"x1\",\"type\":\"made_up_silent\"},"
               "{\"name\":\"r1\",\"type\":\"made_up_gate\"},{\"name\":\"gap\",\"type\":\"global_avg_pool\"},"
               "{\"name\":\"fc\",\"type\":\"linear\",\"features\":3}]}");
    const ps_units *units = ps_net_units(b.net);
    assert_int_equal(units->count, 1);
    assert_true(units->unit[0].shared);
    ps_unit_sharing_text(ps_net_graph(b.net), &units->unit[0], text, sizeof text);
    assert_string_equal(text, "behind x1 (made_up_silent), whose outputs are no node's own");
    close_bench(&b);
}

static int make_paths(void **state) {
    if (make_folder(state) != 0) return 1;
    snprintf(path, sizeof path, "%s/trace.jsonl", folder);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(made_up_types_lose_no_node),
                                       cmocka_unit_test(their_nodes_have_causes),
                                       cmocka_unit_test(a_type_without_a_role_is_named)};
    return cmocka_run_group_tests_name("made_up_layers", tests, make_paths, remove_folder);
}
