/* The engine as a whole: gradients through graphs with shared inputs, reproducibility, checkpoints, schedules. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/digest.h"
#include "core/memory.h"
#include "models/model.h"
#include "net/train.h"
#include "task/task.h"
#include "tests/lib/graphs.h"

enum { BATCH = 6, CLASSES = 5 };

/* A graph with everything that makes memory plans hard: a residual add, a value read three times, a concat, in-place
 * gates. */
static ps_graph *tangled_graph(void) {
    ps_graph *g;
    assert_int_equal(ps_graph_create("tangled", (ps_shape){1, 3, 1, 7, 9}, &g), PS_OK);
#define NODE(name_, type_, ...) \
    &(ps_op_spec) { .name = name_, .type = type_, __VA_ARGS__ }
    assert_int_equal(
        ps_graph_add(g, NODE("a", "conv", .inputs = 1, .input = {-1}), NULL, "{\"channels\":6,\"padding\":1}"), PS_OK);
    assert_int_equal(ps_graph_add(g, NODE("a.bn", "batch_norm", .inputs = 1, .input = {0}), NULL, "{}"), PS_OK);
    assert_int_equal(ps_graph_add(g, NODE("a.relu", "relu", .inputs = 1, .input = {1}), NULL, "{}"), PS_OK);
    assert_int_equal(
        ps_graph_add(g, NODE("b", "conv", .inputs = 1, .input = {2}), NULL, "{\"channels\":6,\"padding\":1}"), PS_OK);
    assert_int_equal(ps_graph_add(g, NODE("b.ps", "pool_skip", .module = true, .inputs = 1, .input = {3}), NULL,
                                  "{\"pool_size\":2,\"mode\":\"grid+conv+skip\"}"),
                     PS_OK);
    assert_int_equal(ps_graph_add(g, NODE("b.bn", "batch_norm", .inputs = 1, .input = {4}), NULL, "{}"), PS_OK);
    assert_int_equal(ps_graph_add(g, NODE("sum", "add", .inputs = 2, .input = {5, 2}), NULL, "{}"), PS_OK);
    assert_int_equal(ps_graph_add(g, NODE("sum.relu", "relu", .inputs = 1, .input = {6}), NULL, "{}"), PS_OK);
    assert_int_equal(
        ps_graph_add(g, NODE("c", "conv", .inputs = 1, .input = {7}), NULL, "{\"channels\":4,\"kernel\":1}"), PS_OK);
    assert_int_equal(ps_graph_add(g, NODE("c.relu", "leaky_relu", .inputs = 1, .input = {8}), NULL, "{}"), PS_OK);
    assert_int_equal(ps_graph_add(g, NODE("join", "concat", .inputs = 3, .input = {9, 2, 7}), NULL, "{}"), PS_OK);
    assert_int_equal(ps_graph_add(g, NODE("pool", "global_avg_pool", .inputs = 1, .input = {10}), NULL, "{}"), PS_OK);
    assert_int_equal(ps_graph_add(g, NODE("fc", "linear", .inputs = 1, .input = {11}), NULL, "{\"features\":5}"),
                     PS_OK);
#undef NODE
    return g;
}

typedef struct {
    ps_threads *pool;
    ps_graph *graph;
    ps_net *net;
    float *x;
    int32_t label[BATCH];
} fixture;

static fixture open_fixture(ps_graph *graph, int threads) {
    fixture f = {.graph = graph};
    size_t count = BATCH * ps_shape_elements(graph->input);
    ps_rng_key key = ps_rng_key_of(3, "x");
    assert_int_equal(ps_threads_create(threads, &f.pool), PS_OK);
    assert_int_equal(ps_net_create(graph, BATCH, f.pool, &f.net), PS_OK);
    assert_int_equal(ps_net_init(f.net, "torch", 1), PS_OK);
    assert_int_equal(PS_ALLOC(count, &f.x, "x"), PS_OK);
    for (size_t i = 0; i < count; i++) f.x[i] = ps_rng_normal(key, i);
    for (int i = 0; i < BATCH; i++) f.label[i] = i % CLASSES;
    return f;
}

static void close_fixture(fixture *f) {
    ps_net_destroy(f->net);
    ps_graph_destroy(f->graph);
    ps_threads_destroy(f->pool);
    ps_free(f->x);
}

static double loss_of(fixture *f, bool gradient) {
    ps_net_forward(f->net, f->x, PS_MODE_TRAIN, ps_rng_key_of(1, "d"), NULL);
    ps_loss loss = ps_net_loss(f->net, &ps_cross_entropy, f->label, gradient);
    if (gradient) ps_net_backward(f->net);
    return loss.loss;
}

/* The graph uses the grid variant: with the maximum, places jump and the function itself is not continuous. Along one
 * random direction per parameter: central difference of the loss against the inner product with the gradient. */
static void test_gradient_through_the_graph(void **state) {
    (void)state;
    fixture f = open_fixture(tangled_graph(), 2);
    loss_of(&f, true);
    for (int i = 0; i < ps_net_param_count(f.net); i++) {
        ps_param *p = ps_net_param(f.net, i);
        if (!p->learned) continue;
        ps_rng_key key = ps_rng_key_of(7, p->name);
        double product = 0, norm = 0;
        float *direction, *grad;
        assert_int_equal(PS_ALLOC(p->count, &direction, "d"), PS_OK);
        assert_int_equal(PS_ALLOC(p->count, &grad, "g"), PS_OK);
        memcpy(grad, p->grad, p->count * sizeof *grad);
        /* Along the gradient plus noise, so that the derivative is not lost in rounding. */
        for (size_t j = 0; j < p->count; j++) norm += (double)grad[j] * grad[j];
        for (size_t j = 0; j < p->count; j++) {
            direction[j] =
                (float)(grad[j] / (sqrt(norm) + 1e-12) + 0.3 * ps_rng_normal(key, j) / sqrt((double)p->count));
            product += (double)direction[j] * grad[j];
        }
        const float h = 5e-4f;
        for (size_t j = 0; j < p->count; j++) p->value[j] += h * direction[j];
        double above = loss_of(&f, false);
        for (size_t j = 0; j < p->count; j++) p->value[j] -= 2 * h * direction[j];
        double below = loss_of(&f, false);
        for (size_t j = 0; j < p->count; j++) p->value[j] += h * direction[j];
        double difference = (above - below) / (2 * (double)h);
        /* A bias before batch normalisation has no gradient: there both are rounding. */
        if (fabs(difference - product) > 0.02 * fabs(product) + 2e-4)
            fail_msg("%s: finite difference %g, gradient %g", p->name, difference, product);
        ps_free(direction);
        ps_free(grad);
    }
    close_fixture(&f);
}

static uint64_t weights_digest(ps_net *net) {
    ps_digest digest = ps_digest_start();
    for (int i = 0; i < ps_net_param_count(net); i++)
        ps_digest_bytes(&digest, ps_net_param(net, i)->value, ps_net_param(net, i)->count * sizeof(float));
    return ps_digest_value(&digest);
}

static ps_optimiser_options sgd(void) {
    return (ps_optimiser_options){
        .name = "sgd", .momentum = 0.9, .weight_decay = 1e-3, .clip = 1, .rate = {.lr = 0.05, .schedule = "constant"}};
}

static uint64_t train_digest(int threads, bool watched) {
    fixture f = open_fixture(tangled_graph(), threads);
    ps_optimiser_options options = sgd();
    ps_optimiser *optimiser;
    assert_int_equal(ps_optimiser_create(f.net, &options, &optimiser), PS_OK);
    double *sum;
    for (int node = 0; watched && node < ps_net_graph(f.net)->count; node++) {
        assert_int_equal(ps_net_request_sum(f.net, node, PS_SUM_ZEROS, &sum), PS_OK);
        assert_int_equal(ps_net_request_sum(f.net, node, PS_SUM_INPUT_GRAD_SQUARES, &sum), PS_OK);
    }
    for (int i = 0; watched && ps_net_param(f.net, i)->learned; i++)
        assert_int_equal(ps_optimiser_track(optimiser, i), PS_OK);
    ps_optimiser_begin_window(optimiser);
    for (uint64_t step = 0; step < 8; step++) {
        loss_of(&f, true);
        ps_optimiser_step(optimiser, step, 8);
    }
    uint64_t digest = weights_digest(f.net);
    ps_optimiser_destroy(optimiser);
    close_fixture(&f);
    return digest;
}

static void test_threads_and_watching_change_no_bit(void **state) {
    (void)state;
    uint64_t one = train_digest(1, false);
    for (int threads = 2; threads <= 8; threads += threads == 3 ? 5 : 1)
        assert_true(train_digest(threads, false) == one);
    assert_true(train_digest(2, true) == one);
}

static void test_zeros_are_counted(void **state) {
    (void)state;
    fixture f = open_fixture(tangled_graph(), 2);
    int gate = ps_net_units(f.net)->unit[0].gate_op, plain = ps_graph_find(ps_net_graph(f.net), "join");
    double *zeros, *join_zeros;
    assert_int_equal(ps_net_request_sum(f.net, gate, PS_SUM_ZEROS, &zeros), PS_OK);
    assert_int_equal(ps_net_request_sum(f.net, plain, PS_SUM_ZEROS, &join_zeros),
                     PS_OK); /* fused by no layer: the net's own pass */
    /* beta = -100 shuts channel 2 for good. */
    ps_net_param(f.net, ps_net_find_param(f.net, "a.bn.bias"))->value[2] = -100;
    loss_of(&f, true);
    assert_true(zeros[2] == BATCH * 7 * 9);
    assert_true(zeros[0] > 0 && zeros[0] < BATCH * 7 * 9);
    for (int c = 0; c < 6; c++) assert_true(join_zeros[4 + c] == zeros[c]);
    close_fixture(&f);
}

/* Passes of the other modes leave sums alone, whichever mode it is that adds to them. */
static void test_sums_belong_to_one_mode(void **state) {
    (void)state;
    fixture f = open_fixture(tangled_graph(), 2);
    double *zeros, *squares;
    assert_int_equal(ps_net_request_sum(f.net, ps_net_units(f.net)->unit[0].gate_op, PS_SUM_ZEROS, &zeros), PS_OK);
    assert_int_equal(
        ps_net_request_sum(f.net, ps_net_units(f.net)->unit[1].entry_op, PS_SUM_INPUT_GRAD_SQUARES, &squares), PS_OK);
    ps_net_sum_in(f.net, PS_MODE_PROBE);
    loss_of(&f, true);
    assert_true(zeros[0] == 0 && squares[0] == 0);
    ps_net_forward(f.net, f.x, PS_MODE_PROBE, ps_rng_key_of(1, "d"), NULL);
    ps_net_loss(f.net, &ps_cross_entropy, f.label, true);
    ps_net_backward(f.net);
    double once = zeros[0];
    assert_true(once > 0 && squares[0] > 0);
    loss_of(&f, true);
    assert_true(zeros[0] == once);
    close_fixture(&f);
}

static void test_checkpoint_round_trip(void **state) {
    (void)state;
    char path[] = "/tmp/poolscope-net-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    close(descriptor);
    fixture f = open_fixture(tangled_graph(), 1), g = open_fixture(tangled_graph(), 1);
    ps_optimiser_options options = sgd();
    ps_optimiser *a, *b;
    assert_int_equal(ps_optimiser_create(f.net, &options, &a), PS_OK);
    assert_int_equal(ps_optimiser_create(g.net, &options, &b), PS_OK);
    for (uint64_t step = 0; step < 3; step++) {
        loss_of(&f, true);
        ps_optimiser_step(a, step, 9);
    }
    assert_int_equal(ps_checkpoint_write(path, f.graph, f.net, a, 3, "{}"), PS_OK);
    uint64_t step = 0;
    assert_int_equal(ps_checkpoint_read(path, g.net, b, &step), PS_OK);
    assert_true(step == 3);
    assert_true(weights_digest(f.net) == weights_digest(g.net));
    /* Going on from both gives the same weights: the momentum came along. */
    loss_of(&f, true);
    ps_optimiser_step(a, 3, 9);
    loss_of(&g, true);
    ps_optimiser_step(b, 3, 9);
    assert_true(weights_digest(f.net) == weights_digest(g.net));
    ps_graph *graph = NULL;
    char *config = NULL;
    assert_int_equal(ps_checkpoint_open(path, &graph, &config, &step), PS_OK);
    assert_int_equal(graph->count, f.graph->count);
    ps_graph_destroy(graph);
    free(config);
    ps_optimiser_destroy(a);
    ps_optimiser_destroy(b);
    close_fixture(&f);
    close_fixture(&g);
    unlink(path);
}

static ps_net *model_net(const char *name, int pool_size, ps_threads *pool, ps_graph **graph) {
    const ps_model *model;
    ps_model_options options;
    ps_net *net;
    assert_int_equal(ps_model_find(name, &model), PS_OK);
    ps_model_options_init(model, &options);
    options.width = 0.0625;
    options.input = (ps_shape){1, 3, 1, 16, 16};
    options.pool_skip.pool_size = pool_size;
    options.pool_skip.zero_init = pool_size > 0;
    assert_int_equal(model->build(&options, graph), PS_OK);
    assert_int_equal(ps_net_create(*graph, 2, pool, &net), PS_OK);
    return net;
}

/* Forking a baseline into an arm with modules at zero must not change the function. */
static void test_fork_keeps_the_function(void **state) {
    (void)state;
    char path[] = "/tmp/poolscope-fork-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    close(descriptor);
    ps_graph *base_graph, *arm_graph;
    ps_net *base = model_net("resnet18", 0, NULL, &base_graph), *arm = model_net("resnet18", 2, NULL, &arm_graph);
    float x[2 * 3 * 16 * 16], logits[20];
    ps_rng_key key = ps_rng_key_of(5, "x");
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) x[i] = ps_rng_normal(key, i);
    assert_int_equal(ps_net_init(base, "he", 4), PS_OK);
    assert_int_equal(ps_net_init(arm, "he", 9), PS_OK);
    assert_int_equal(ps_checkpoint_write(path, NULL, base, NULL, 0, NULL), PS_OK);
    assert_int_equal(ps_weights_load(path, arm, false, NULL), PS_ERR_INPUT); /* modules are missing, and that is said */
    assert_non_null(strstr(ps_status_message(), "has no tensor"));
    assert_int_equal(ps_weights_load(path, arm, true, NULL), PS_OK);
    memcpy(logits, ps_net_forward(base, x, PS_MODE_PROBE, key, NULL), sizeof logits);
    assert_memory_equal(ps_net_forward(arm, x, PS_MODE_PROBE, key, NULL), logits, sizeof logits);
    /* And an arm's own file loads into the arm, in the public numbering. */
    assert_int_equal(ps_checkpoint_write(path, NULL, arm, NULL, 0, NULL), PS_OK);
    assert_int_equal(ps_weights_load(path, arm, true, NULL), PS_OK);
    assert_int_equal(ps_weights_load(path, base, false, NULL), PS_ERR_INPUT);
    ps_net_destroy(base);
    ps_net_destroy(arm);
    ps_graph_destroy(base_graph);
    ps_graph_destroy(arm_graph);
    unlink(path);
}

/* Arms of a seed share the backbone's weights, whatever modules stand between. */
static void test_arms_share_backbone_weights(void **state) {
    (void)state;
    ps_graph *base_graph, *arm_graph;
    ps_net *base = model_net("resnet18", 0, NULL, &base_graph), *arm = model_net("resnet18", 4, NULL, &arm_graph);
    int shared = 0, modules = 0;
    assert_int_equal(ps_net_init(base, "torch", 4), PS_OK);
    assert_int_equal(ps_net_init(arm, "torch", 4), PS_OK);
    for (int i = 0; i < ps_net_param_count(arm); i++) {
        const ps_param *p = ps_net_param(arm, i);
        modules += p->module;
        if (p->module) continue;
        int j = ps_net_find_param(base, p->name);
        assert_true(j >= 0);
        assert_memory_equal(p->value, ps_net_param(base, j)->value, p->count * sizeof(float));
        shared++;
    }
    assert_int_equal(shared, ps_net_param_count(base));
    assert_true(modules > 0);
    ps_net_destroy(base);
    ps_net_destroy(arm);
    ps_graph_destroy(base_graph);
    ps_graph_destroy(arm_graph);
}

static void test_schedules(void **state) {
    (void)state;
    const double milestones[] = {0.5, 0.75};
    ps_lr_options o = {
        .lr = 2, .schedule = "step", .step_factor = 0.1, .milestones = milestones, .milestone_count = 2, .warmup = 4};
    assert_float_equal(ps_lr_of(&o, 0, 100), 0.5, 1e-6);
    assert_float_equal(ps_lr_of(&o, 3, 100), 2, 1e-6);
    assert_float_equal(ps_lr_of(&o, 49, 100), 2, 1e-6);
    assert_float_equal(ps_lr_of(&o, 50, 100), 0.2, 1e-6);
    assert_float_equal(ps_lr_of(&o, 99, 100), 0.02, 1e-6);
    o.schedule = "cosine";
    o.warmup = 0;
    assert_float_equal(ps_lr_of(&o, 0, 100), 2, 1e-6);
    assert_float_equal(ps_lr_of(&o, 50, 100), 1, 1e-6);
    o.schedule = "constant";
    assert_float_equal(ps_lr_of(&o, 99, 100), 2, 1e-6);
}

static void test_bad_schedules_are_refused(void **state) {
    (void)state;
    const double falling[] = {0.5, 0.25}, negative[] = {-0.5};
    const ps_lr_options good = {.lr = 1, .schedule = "cosine", .minimum = 0.1, .cooldown = 5},
                        bad[] = {{.lr = 1, .schedule = "linear"},
                                 {.lr = -1, .schedule = "constant"},
                                 {.lr = 1, .schedule = "step", .minimum = 0.1},
                                 {.lr = 1, .schedule = "constant", .cooldown = 5},
                                 {.lr = 1, .schedule = "cosine", .minimum = 2},
                                 {.lr = 1, .schedule = "cosine", .cooldown = 20},
                                 {.lr = 1, .schedule = "constant", .from_given = true},
                                 {.lr = 1, .schedule = "step", .milestones = falling, .milestone_count = 2},
                                 {.lr = 1, .schedule = "step", .milestones = negative, .milestone_count = 1}};
    assert_int_equal(ps_lr_check(&good, 20), PS_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_int_equal(ps_lr_check(&bad[i], 20), PS_ERR_USAGE);
}

static void test_bad_optimisers_are_refused(void **state) {
    (void)state;
    ps_optimiser_options o = sgd();
    assert_int_equal(ps_optimiser_check(&o), PS_OK);
    o.name = "adagrad";
    assert_int_equal(ps_optimiser_check(&o), PS_ERR_USAGE);
    o = sgd();
    o.momentum = NAN;
    assert_int_equal(ps_optimiser_check(&o), PS_ERR_USAGE);
    o = sgd();
    o.momentum = 0;
    o.nesterov = true;
    assert_int_equal(ps_optimiser_check(&o), PS_ERR_USAGE);
}

/* Backbone and modules are clipped apart: each to its own norm. */
static void test_clipping_apart(void **state) {
    (void)state;
    fixture f = open_fixture(tangled_graph(), 1);
    ps_optimiser_options options = sgd();
    ps_optimiser *optimiser;
    options.clip = 1e-3;
    assert_int_equal(ps_optimiser_create(f.net, &options, &optimiser), PS_OK);
    loss_of(&f, true);
    ps_update_report report = ps_optimiser_step(optimiser, 0, 1);
    assert_true(report.grad_norm > 0 && report.grad_norm_module > 0);
    assert_float_equal(report.clip * report.grad_norm, 1e-3, 1e-5);
    assert_float_equal(report.clip_module * report.grad_norm_module, 1e-3, 1e-5);
    ps_optimiser_destroy(optimiser);
    close_fixture(&f);
}

/* Without gradient a step is weight decay alone: which weights of 1 it moves to 0.75 tells which groups are exempt. */
static void step_by_decay(ps_net *net, const char *exempt) {
    ps_optimiser_options options = sgd();
    ps_optimiser *optimiser;
    options.decay_exempt = exempt;
    options.rate.lr = options.weight_decay = 0.5;
    assert_int_equal(ps_optimiser_create(net, &options, &optimiser), PS_OK);
    for (int i = 0; i < ps_net_param_count(net); i++) {
        ps_param *p = ps_net_param(net, i);
        for (size_t j = 0; p->learned && j < p->count; j++) p->value[j] = 1;
        if (p->learned) memset(p->grad, 0, p->count * sizeof *p->grad);
    }
    ps_optimiser_step(optimiser, 0, 1);
    ps_optimiser_destroy(optimiser);
}

/* The rate of parameters of a backbone, which is told by their names, is another. */
static void test_backbones_learn_slower(void **state) {
    (void)state;
    static char own[] = "backbone.conv1.weight", like[] = "backbones.weight";
    fixture f = open_fixture(tangled_graph(), 2);
    ps_optimiser_options options = sgd();
    ps_optimiser *optimiser;
    options.backbone_factor = 0.5;
    assert_int_equal(ps_optimiser_create(f.net, &options, &optimiser), PS_ERR_USAGE); /* nothing is one */
    ps_param *slow = ps_net_param(f.net, 0), *fast = ps_net_param(f.net, 1);
    const ps_param before[2] = {*slow, *fast};
    slow->name = own;
    fast->name = like;
    options.rate.lr = options.weight_decay = 0.5;
    assert_int_equal(ps_optimiser_create(f.net, &options, &optimiser), PS_OK);
    slow->value[0] = fast->value[0] = 1;
    memset(slow->grad, 0, slow->count * sizeof *slow->grad);
    memset(fast->grad, 0, fast->count * sizeof *fast->grad);
    ps_update_report report = ps_optimiser_step(optimiser, 0, 1);
    assert_float_equal(report.lr, 0.5, 0);
    assert_float_equal(slow->value[0], 0.875, 0); /* less 0.5 x 0.5 x 0.5 */
    assert_float_equal(fast->value[0], 0.75, 0);
    slow->name = before[0].name;
    fast->name = before[1].name;
    ps_optimiser_destroy(optimiser);
    close_fixture(&f);
}

static void test_groups_go_without_decay(void **state) {
    (void)state;
    static const struct {
        const char *exempt;
        bool norms, biases;
    } cases[] = {{"none", true, true},
                 {"norms", false, true},
                 {"biases", true, false},
                 {"norms,biases", false, false},
                 {"embeddings", true, true}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        fixture f = open_fixture(tangled_graph(), 2);
        int seen[3] = {0, 0, 0};
        step_by_decay(f.net, cases[k].exempt);
        for (int i = 0; i < ps_net_param_count(f.net); i++) {
            const ps_param *p = ps_net_param(f.net, i);
            bool norm = strstr(p->name, "bn") != NULL, bias = !norm && strstr(p->name, ".bias") != NULL;
            bool decays = norm ? cases[k].norms : !bias || cases[k].biases;
            if (!p->learned) continue;
            seen[norm ? 0 : bias ? 1 : 2]++;
            for (size_t j = 0; j < p->count; j++) assert_true(p->value[j] == (decays ? 0.75f : 1.0f));
        }
        assert_true(seen[0] > 0 && seen[1] > 0 && seen[2] > 0);
        close_fixture(&f);
    }
}

static void test_embeddings_go_without_decay(void **state) {
    (void)state;
    ps_graph *graph;
    ps_net *net = model_net("vit_7_4_32", 0, NULL, &graph);
    int embeddings = 0, norms = 0;
    step_by_decay(net, "embeddings");
    for (int i = 0; i < ps_net_param_count(net); i++) {
        const ps_param *p = ps_net_param(net, i);
        bool embedding = strstr(p->name, "_emb") != NULL;
        embeddings += embedding;
        for (size_t j = 0; p->learned && j < p->count; j++) assert_true(p->value[j] == (embedding ? 1.0f : 0.75f));
    }
    assert_int_equal(embeddings, 2);
    /* Those of layer norms are norms, their shifts, too. */
    step_by_decay(net, "norms");
    for (int i = 0; i < ps_net_param_count(net); i++) {
        const ps_param *p = ps_net_param(net, i);
        bool norm = strstr(p->name, "norm") != NULL;
        norms += norm;
        for (size_t j = 0; p->learned && j < p->count; j++) assert_true(p->value[j] == (norm ? 1.0f : 0.75f));
    }
    assert_int_equal(norms, 2 * (2 * 7 + 1));
    ps_net_destroy(net);
    ps_graph_destroy(graph);
}

/* Row 2 of the first convolution: drawn anew it is not what it was, another draw is another row, the same draw the
 * same; no other row is touched, and no other momentum. */
static void test_one_node_starts_again(void **state) {
    (void)state;
    fixture f = open_fixture(tangled_graph(), 1);
    ps_optimiser_options options = sgd();
    ps_optimiser *optimiser;
    ps_state_array momentum;
    int param = ps_net_find_param(f.net, "a.weight");
    const ps_param *p = ps_net_param(f.net, param);
    float before[6 * 27], first[27], buffer[6 * 27];
    size_t row = p->row_length, bytes = row * sizeof(float);
    assert_true(row == 27 && p->count == 6 * 27);
    assert_int_equal(ps_optimiser_create(f.net, &options, &optimiser), PS_OK);
    loss_of(&f, true);
    ps_optimiser_step(optimiser, 0, 1);
    for (int i = 0; ps_optimiser_state(optimiser, i, &momentum) && strcmp(momentum.name, "a.weight.momentum") != 0;
         i++) {
    }
    assert_string_equal(momentum.name, "a.weight.momentum");
    memcpy(before, p->value, sizeof before);
    memcpy(buffer, momentum.data, sizeof buffer);
    assert_int_equal(ps_net_init_row(f.net, "he", 1, 5, param, 2), PS_OK);
    ps_optimiser_forget_row(optimiser, param, 2);
    memcpy(first, p->value + 2 * row, bytes);
    for (size_t i = 0; i < p->count; i++) {
        bool inside = i / row == 2;
        assert_true((p->value[i] == before[i]) != inside);
        assert_true(momentum.data[i] == (inside ? 0.0f : buffer[i]));
    }
    assert_int_equal(ps_net_init_row(f.net, "he", 1, 6, param, 2), PS_OK);
    assert_memory_not_equal(first, p->value + 2 * row, bytes);
    assert_int_equal(ps_net_init_row(f.net, "he", 1, 5, param, 2), PS_OK);
    assert_memory_equal(first, p->value + 2 * row, bytes);
    /* A normalisation's scale and shift start at 1 and 0; running statistics have no momentum to forget. */
    int scale = ps_net_find_param(f.net, "a.bn.weight"), mean = ps_net_find_param(f.net, "a.bn.running_mean");
    assert_int_equal(ps_net_init_row(f.net, "he", 1, 5, scale, 3), PS_OK);
    assert_true(ps_net_param(f.net, scale)->value[3] == 1.0f && ps_net_param(f.net, scale)->value[2] != 1.0f);
    ps_optimiser_forget_row(optimiser, mean, 3);
    assert_int_equal(ps_net_init_row(f.net, "orthogonal", 1, 5, param, 2), PS_ERR_USAGE);
    ps_status_reset();
    ps_optimiser_destroy(optimiser);
    close_fixture(&f);
}

/* Within five deviations of what so many draws have; the mean of a uniform within a bound: bound / sqrt 3. */
static void expect_spread(ps_net *net, const char *name, double wanted) {
    int index = ps_net_find_param(net, name);
    if (index < 0) fail_msg("there is no %s", name);
    const ps_param *p = ps_net_param(net, index);
    double squares = 0;
    for (size_t i = 0; i < p->count; i++) squares += (double)p->value[i] * (double)p->value[i];
    double std = sqrt(squares / (double)p->count);
    if (!(fabs(std - wanted) <= wanted * 5 / sqrt((double)p->count)))
        fail_msg("%s starts with %g, not %g", name, std, wanted);
}

/* As the public code of ViT, CVT and CCT does; inserted modules as published whatever the scheme. */
static void test_transformers_start_as_published(void **state) {
    (void)state;
    ps_net *net;
    ps_graph *g = graph_of(
        "{\"name\":\"c\",\"type\":\"conv\",\"channels\":32,\"padding\":1},"
        "{\"name\":\"c.ps\",\"type\":\"pool_skip\",\"pool_size\":2,\"module\":true},"
        "{\"name\":\"e.cls\",\"type\":\"class_token\"},{\"name\":\"e.pos\",\"type\":\"position_embedding\"},"
        "{\"name\":\"l\",\"type\":\"linear\",\"features\":64},{\"name\":\"p\",\"type\":\"sequence_pool\"},"
        "{\"name\":\"f\",\"type\":\"linear\",\"features\":10}");
    assert_int_equal(ps_net_create(g, 2, NULL, &net), PS_OK);
    assert_int_equal(ps_net_init(net, "transformer", 3), PS_OK);
    expect_spread(net, "c.weight", sqrt(2.0 / 27));
    expect_spread(net, "c.bias", 1 / sqrt(3.0 * 27)); /* PyTorch's own: the public code leaves it */
    expect_spread(net, "c.ps.conv.weight", 1 / sqrt(3.0 * 9 * 32));
    expect_spread(net, "e.cls", 0);
    expect_spread(net, "e.pos", 0.2);
    expect_spread(net, "l.weight", 0.02);
    expect_spread(net, "l.bias", 0);
    expect_spread(net, "p.weight", 0.02);
    assert_int_equal(ps_net_param(net, ps_net_find_param(net, "e.pos"))->spec.dims[1], 65);
    for (int other = 0; other < 2; other++) { /* an embedding has no fan-in to go by */
        assert_int_equal(ps_net_init(net, other ? "he" : "torch", 3), PS_OK);
        expect_spread(net, "e.pos", 0.2);
        expect_spread(net, "e.cls", 0);
    }
    ps_net_destroy(net);
    ps_graph_destroy(g);
}

static void test_unread_nodes_are_refused(void **state) {
    (void)state;
    ps_graph *g;
    ps_net *net;
    assert_int_equal(ps_graph_create("dangling", (ps_shape){1, 2, 1, 4, 4}, &g), PS_OK);
    ps_op_spec a = {.name = "a", .type = "relu", .inputs = 1, .input = {-1}},
               b = {.name = "b", .type = "flatten", .inputs = 1, .input = {-1}};
    assert_int_equal(ps_graph_add(g, &a, NULL, "{}"), PS_OK);
    assert_int_equal(ps_graph_add(g, &b, NULL, "{}"), PS_OK);
    assert_int_equal(ps_net_create(g, 1, NULL, &net), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "\"a\""));
    ps_graph_destroy(g);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradient_through_the_graph),
        cmocka_unit_test(test_threads_and_watching_change_no_bit),
        cmocka_unit_test(test_zeros_are_counted),
        cmocka_unit_test(test_sums_belong_to_one_mode),
        cmocka_unit_test(test_checkpoint_round_trip),
        cmocka_unit_test(test_fork_keeps_the_function),
        cmocka_unit_test(test_arms_share_backbone_weights),
        cmocka_unit_test(test_schedules),
        cmocka_unit_test(test_bad_schedules_are_refused),
        cmocka_unit_test(test_bad_optimisers_are_refused),
        cmocka_unit_test(test_clipping_apart),
        cmocka_unit_test(test_groups_go_without_decay),
        cmocka_unit_test(test_embeddings_go_without_decay),
        cmocka_unit_test(test_backbones_learn_slower),
        cmocka_unit_test(test_one_node_starts_again),
        cmocka_unit_test(test_unread_nodes_are_refused),
        cmocka_unit_test(test_transformers_start_as_published),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
