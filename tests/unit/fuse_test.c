/* Fusing: what is merged, what must not be, and that names, gates and sizes stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/lib/graphs.h"

#define CONV(name) "{\"name\": \"" name "\", \"type\": \"conv\", \"channels\": 4, \"padding\": 1}"
#define NODE(name, type) "{\"name\": \"" name "\", \"type\": \"" type "\"}"
#define FROM(name, type, inputs) "{\"name\": \"" name "\", \"type\": \"" type "\", \"inputs\": [" inputs "]}"
#define HEAD NODE("pool", "global_avg_pool") ", {\"name\": \"fc\", \"type\": \"linear\", \"features\": 2}"

static ps_graph *fused_of(const char *nodes) {
    ps_graph *graph = graph_of(nodes), *fused;
    assert_int_equal(ps_graph_fuse(graph, &fused), PS_OK);
    ps_graph_destroy(graph);
    return fused;
}

static const ps_op *named(const ps_graph *graph, const char *name) {
    int index = ps_graph_find(graph, name);
    if (index < 0) fail_msg("no node is named %s", name);
    return &graph->op[index];
}

static const char *activation(const ps_op *op) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(op->attributes, "activation");
    return item != NULL ? item->valuestring : "none";
}

static void norm_and_gate_merge(void **state) {
    (void)state;
    ps_graph *fused =
        fused_of(CONV("a") ",{\"name\": \"n\", \"type\": \"batch_norm\", \"eps\": 0.001, \"stage\": \"s\"}," NODE(
            "r", "relu") "," HEAD);
    assert_int_equal(fused->count, 4);
    const ps_op *n = named(fused, "n");
    assert_string_equal(n->gate, "r");
    assert_string_equal(n->stage, "s");
    assert_string_equal(activation(n), "relu");
    assert_int_equal(n->inputs, 1);
    assert_true(cJSON_GetObjectItemCaseSensitive(n->attributes, "eps")->valuedouble == 0.001);
    assert_int_equal(ps_graph_find(fused, "r"), -1);
    ps_graph_destroy(fused);
}

static void the_slope_goes_along(void **state) {
    (void)state;
    ps_graph *fused = fused_of(
        CONV("a") "," NODE("n", "batch_norm") ",{\"name\": \"r\", \"type\": \"leaky_relu\", \"slope\": 0.3}," HEAD);
    ps_gate found, expected = {.slope = 0.3f};
    const ps_op *n = named(fused, "n");
    assert_true(n->type->gate(n->config, &found));
    assert_memory_equal(&found.slope, &expected.slope, sizeof found.slope);
    ps_graph_destroy(fused);
    fused = fused_of(CONV("a") "," NODE("n", "batch_norm") "," NODE("r", "leaky_relu") "," HEAD);
    n = named(fused, "n");
    ps_graph *plain = graph_of(CONV("a") "," NODE("r", "leaky_relu") "," HEAD);
    assert_true(named(plain, "r")->type->gate(named(plain, "r")->config, &expected)); /* the type's own default */
    assert_true(n->type->gate(n->config, &found));
    assert_memory_equal(&found.slope, &expected.slope, sizeof found.slope);
    ps_graph_destroy(plain);
    ps_graph_destroy(fused);
}

static void residual_merges_and_moves_behind_its_other_branch(void **state) {
    (void)state;
    /* The shortcut stands after the norm: the merged node must stand where the gate stood. */
    ps_graph *fused = fused_of(CONV("a") "," NODE("n", "batch_norm") "," FROM(
        "s", "conv\", \"channels\": 4, \"kernel\": 1, \"stage\": \"",
        "\"input\"") "," NODE("sn", "batch_norm") "," FROM("sum", "add", "\"n\", \"sn\"") "," NODE("r",
                                                                                                   "relu") "," HEAD);
    const ps_op *n = named(fused, "n");
    assert_int_equal(n->inputs, 2);
    assert_string_equal(fused->op[n->input[0]].name, "a");
    assert_string_equal(fused->op[n->input[1]].name, "sn");
    assert_string_equal(n->gate, "r");
    assert_int_equal(ps_graph_find(fused, "sum"), -1);
    assert_string_equal(fused->op[ps_graph_find(fused, "n") + 1].name, "pool");
    assert_string_equal(activation(named(fused, "sn")), "none");
    ps_graph_destroy(fused);
}

static void residual_may_be_the_second_input_or_the_network_input(void **state) {
    (void)state;
    ps_graph *fused = fused_of("{\"name\": \"a\", \"type\": \"conv\", \"channels\": 3, \"padding\": 1}," NODE(
        "n", "batch_norm") "," FROM("sum", "add", "\"input\", \"n\"") "," NODE("r", "relu") "," HEAD);
    const ps_op *n = named(fused, "n");
    assert_int_equal(n->inputs, 2);
    assert_string_equal(fused->op[n->input[0]].name, "a");
    assert_int_equal(n->input[1], -1);
    ps_graph_destroy(fused);
}

/* Graphs in which nothing may be merged: the copy is the same text. */
static void what_others_read_stays(void **state) {
    (void)state;
    static const char *const graphs[] = {
        /* the norm is read twice */
        CONV("a") "," NODE("n", "batch_norm") "," NODE("r", "relu") "," FROM("sum", "add", "\"r\", \"n\"") "," HEAD,
        /* the sum is read twice */
        CONV("a") "," NODE("n", "batch_norm") "," CONV("b") "," FROM("sum", "add", "\"n\", \"b\"") "," NODE(
            "r", "relu") "," FROM("t", "add", "\"r\", \"sum\"") "," HEAD,
        /* both inputs of the add are one norm */
        CONV("a") "," NODE("n", "batch_norm") "," FROM("sum", "add", "\"n\", \"n\"") "," NODE("r", "relu") "," HEAD,
        /* the norm is the end of the network */
        CONV("a") "," NODE("r", "relu") "," NODE("n", "batch_norm"),
        /* no norm */
        CONV("a") "," NODE("r", "relu") "," HEAD,
        /* something lies between */
        CONV("a") "," NODE("n", "batch_norm") ",{\"name\": \"p\", \"type\": \"pool_skip\", \"pool_size\": 2}," NODE(
            "r", "relu") "," HEAD,
        /* a norm that has its activation already */
        CONV("a") ",{\"name\": \"n\", \"type\": \"batch_norm\", \"activation\": \"relu\"}," NODE("r",
                                                                                                 "leaky_relu") "," HEAD,
        /* an add without a gate */
        CONV("a") "," NODE("n", "batch_norm") "," CONV("b") "," FROM("sum", "add", "\"n\", \"b\"") "," HEAD};
    for (size_t i = 0; i < sizeof graphs / sizeof *graphs; i++) {
        ps_graph *graph = graph_of(graphs[i]), *fused;
        assert_int_equal(ps_graph_fuse(graph, &fused), PS_OK);
        char *before = graph_text(graph), *after = graph_text(fused);
        assert_string_equal(before, after);
        free(before);
        free(after);
        ps_graph_destroy(graph);
        ps_graph_destroy(fused);
    }
}

static void three_way_adds_are_left_alone(void **state) {
    (void)state;
    ps_graph *fused = fused_of(CONV("a") "," NODE("n", "batch_norm") "," CONV("b") "," CONV("c") "," FROM(
        "sum", "add", "\"n\", \"b\", \"c\"") "," NODE("r", "relu") "," HEAD);
    assert_true(ps_graph_find(fused, "sum") >= 0 && ps_graph_find(fused, "r") >= 0);
    ps_graph_destroy(fused);
}

static void fusing_twice_changes_nothing(void **state) {
    (void)state;
    static const char *const models[] = {"plain9", "vgg16", "resnet18", "resnet50", NULL};
    for (int m = 0; models[m] != NULL; m++) {
        ps_model_options options = model_options(models[m]);
        options.width = 0.1;
        options.pool_skip.pool_size = 2;
        ps_graph *graph = model_graph(models[m], &options), *once, *twice;
        assert_int_equal(ps_graph_fuse(graph, &once), PS_OK);
        assert_int_equal(ps_graph_fuse(once, &twice), PS_OK);
        char *a = graph_text(once), *b = graph_text(twice);
        assert_string_equal(a, b);
        size_t backbone[2], module[2];
        double macs[2];
        ps_graph_count(graph, &backbone[0], &module[0], &macs[0]);
        ps_graph_count(once, &backbone[1], &module[1], &macs[1]);
        assert_int_equal(backbone[0], backbone[1]);
        assert_int_equal(module[0], module[1]);
        for (int i = 0; i < once->count;
             i++) { /* every node that learns keeps both names, and every gate is found again */
            int k = ps_graph_find(graph, once->op[i].name);
            assert_true(k >= 0);
            assert_string_equal(graph->op[k].file_name, once->op[i].file_name);
            assert_true(ps_shape_equal(graph->op[k].shape, once->op[i].shape));
            if (once->op[i].gate != NULL) assert_true(ps_graph_find(graph, once->op[i].gate) >= 0);
        }
        int gates[2] = {0};
        for (int i = 0; i < graph->count; i++) gates[0] += graph->op[i].gate != NULL;
        for (int i = 0; i < once->count; i++) gates[1] += once->op[i].gate != NULL;
        assert_int_equal(gates[0], gates[1]);
        free(a);
        free(b);
        ps_graph_destroy(graph);
        ps_graph_destroy(once);
        ps_graph_destroy(twice);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(norm_and_gate_merge),
                                       cmocka_unit_test(the_slope_goes_along),
                                       cmocka_unit_test(residual_merges_and_moves_behind_its_other_branch),
                                       cmocka_unit_test(residual_may_be_the_second_input_or_the_network_input),
                                       cmocka_unit_test(what_others_read_stays),
                                       cmocka_unit_test(three_way_adds_are_left_alone),
                                       cmocka_unit_test(fusing_twice_changes_nothing)};
    return cmocka_run_group_tests_name("fuse", tests, NULL, NULL);
}
