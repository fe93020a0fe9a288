/* Graphs: reading, writing, shapes, and every way a file can be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/json.h"
#include "tests/lib/graphs.h"

#define CONV "\"type\": \"conv\", \"channels\": 4, \"padding\": 1"
#define HEAD \
    "{\"name\": \"p\", \"type\": \"global_avg_pool\"}, {\"name\": \"fc\", \"type\": \"linear\", \"features\": 2}"

static void shapes_and_names_follow_the_file(void **state) {
    (void)state;
    ps_graph *graph = graph_of("{\"name\": \"a\", " CONV
                               ", \"stride\": 2, \"stage\": \"s1\", \"file_name\": \"net.0\"},"
                               "{\"name\": \"b\", " CONV
                               ", \"inputs\": [\"input\"]},"
                               "{\"name\": \"c\", \"type\": \"max_pool\"},"
                               "{\"name\": \"d\", \"type\": \"concat\", \"inputs\": [\"a\", \"c\", \"a\"]},"
                               "{\"name\": \"r\", \"type\": \"relu\"}," HEAD);
    assert_int_equal(graph->count, 7);
    assert_int_equal(ps_graph_find(graph, "d"), 3);
    assert_int_equal(ps_graph_find(graph, "D"), -1);
    assert_true(ps_shape_equal(graph->op[3].shape, (ps_shape){1, 12, 1, 4, 4}));
    assert_true(ps_shape_equal(graph->op[6].shape, (ps_shape){1, 2, 1, 1, 1}));
    assert_int_equal(graph->op[1].input[0], -1);
    assert_string_equal(graph->op[0].file_name, "net.0");
    assert_string_equal(graph->op[0].stage, "s1");
    assert_string_equal(graph->op[1].file_name, "b");
    assert_string_equal(graph->op[1].stage, "");
    assert_string_equal(graph->op[4].gate, "r");
    assert_null(graph->op[3].gate);
    ps_shape in[PS_LAYER_MAX_INPUTS];
    ps_graph_input_shapes(graph, 1, in);
    assert_true(ps_shape_equal(in[0], (ps_shape){1, 3, 1, 8, 8}));
    ps_graph_destroy(graph);
}

static void parameters_are_counted_apart(void **state) {
    (void)state;
    ps_graph *graph =
        graph_of("{\"name\": \"a\", " CONV
                 "},"
                 "{\"name\": \"a.pool_skip\", \"type\": \"pool_skip\", \"pool_size\": 2, \"module\": true},"
                 "{\"name\": \"n\", \"type\": \"batch_norm\"},{\"name\": \"r\", \"type\": \"relu\"}," HEAD);
    size_t backbone, module;
    double macs;
    ps_graph_count(graph, &backbone, &module, &macs);
    assert_int_equal(backbone, 3 * 4 * 9 + 4 /* conv with bias */ + 8 /* norm */ + 4 * 2 + 2);
    assert_int_equal(module, 9 * 16 + 4);
    assert_true(macs >= 64 * 3 * 4 * 9);
    ps_graph_destroy(graph);
}

/* Written, read and written again, the text is the same; so is every node. */
static void assert_round_trip(const ps_graph *graph) {
    char *once = graph_text(graph);
    cJSON *document;
    ps_graph *again;
    assert_int_equal(ps_json_parse(once, "once", &document), PS_OK);
    if (ps_graph_parse(document, "once", &again) != PS_OK) fail_msg("%s", ps_status_message());
    char *twice = graph_text(again);
    assert_string_equal(once, twice);
    assert_int_equal(again->count, graph->count);
    for (int i = 0; i < graph->count; i++) {
        const ps_op *a = &graph->op[i], *b = &again->op[i];
        assert_true(a->type == b->type && a->module == b->module && a->inputs == b->inputs);
        assert_int_equal(a->pool_size_asked, b->pool_size_asked);
        assert_memory_equal(a->input, b->input, (size_t)a->inputs * sizeof *a->input);
        assert_string_equal(a->file_name, b->file_name);
        assert_true((a->gate == NULL) == (b->gate == NULL) && (a->gate == NULL || strcmp(a->gate, b->gate) == 0));
        assert_true(ps_shape_equal(a->shape, b->shape));
        assert_true(cJSON_Compare(a->attributes, b->attributes, true));
    }
    cJSON_Delete(document);
    ps_graph_destroy(again);
    free(once);
    free(twice);
}

static void written_and_read_it_is_the_same(void **state) {
    (void)state;
    static const char *const models[] = {"plain9", "vgg16", "resnet18", "resnet50", NULL};
    for (int i = 0; models[i] != NULL; i++)
        for (int e = 0; e <= 4; e += 4) {
            ps_model_options options = model_options(models[i]);
            options.width = 0.1;
            options.pool_skip.pool_size = e;
            options.leaky_slope = e == 4 ? 0.1 : 0;
            options.input.h = 16;
            options.input.d = models[i][0] == 'p' ? 4 : 1;
            ps_graph *graph = model_graph(models[i], &options), *fused;
            assert_round_trip(graph);
            assert_int_equal(ps_graph_fuse(graph, &fused), PS_OK);
            assert_round_trip(fused);
            ps_graph_destroy(graph);
            ps_graph_destroy(fused);
        }
    ps_graph *graph = graph_of("{\"name\": \"quoted \\\"\\\\ <b>\", " CONV
                               ", \"kernel\": [3, 3]}, {\"name\": \"o\", \"type\": \"dropout\", \"p\": 0.1}," HEAD);
    assert_round_trip(graph);
    ps_graph_destroy(graph);
}

static void wrong_nodes_are_named(void **state) {
    (void)state;
#define A "{\"name\": \"a\", " CONV "}, "
    assert_sentence(graph_status("{\"name\": \"a\", \"type\": \"cnov\", \"channels\": 4}"), "\"a\"", "cnov", "conv",
                    NULL);
    assert_sentence(graph_status(A "{\"name\": \"b\", \"type\": \"relu\", \"inputs\": [\"x\"]}"), "\"b\"", "\"x\"",
                    "no operation", NULL);
    assert_sentence(graph_status(A "{\"name\": \"a\", \"type\": \"relu\"}"), "\"a\"", "unique", NULL);
    assert_sentence(
        graph_status(
            A
            "{\"name\": \"b\", \"type\": \"add\", \"inputs\": [\"a\", \"c\"]}, {\"name\": \"c\", \"type\": \"relu\"}"),
        "\"b\"", "\"c\"", "after it", NULL);
    assert_sentence(graph_status(A "{\"name\": \"b\", \"type\": \"add\", \"inputs\": [\"a\", \"b\"]}"), "\"b\"",
                    "itself", NULL);
    assert_sentence(graph_status(A "{\"name\": \"b\", \"type\": \"add\", \"inputs\": [\"a\", \"input\"]}"), "\"b\"",
                    NULL);
    assert_sentence(graph_status(A "{\"name\": \"b\", \"type\": \"relu\", \"inputs\": [\"a\", \"input\"]}"), "\"b\"",
                    "1 input", NULL);
    assert_sentence(graph_status(A "{\"name\": \"b\", \"type\": \"relu\", \"inputs\": []}"), "\"b\"", "1 input", NULL);
    assert_sentence(graph_status(A "{\"name\": \"b\", \"type\": \"relu\", \"inputs\": \"a\"}"), "\"b\"", "array", NULL);
    assert_sentence(graph_status(A "{\"name\": \"b\", \"type\": \"relu\", \"inputs\": [1]}"), "\"b\"", "array", NULL);
    assert_sentence(graph_status(A "{\"name\": \"b\", \"type\": \"relu\", \"inputs\": [\"input\"]}"), "\"a\"",
                    "read by no other", NULL);
    assert_sentence(graph_status("{\"name\": \"input\", " CONV "}"), "\"input\"", "choose another", NULL);
    assert_sentence(graph_status("{\"name\": \"\", " CONV "}"), "empty", NULL);
    static const char *const hidden[] = {"\\t",     "\\n",     "\\u001b[31m", "\\u007f", "\\u009b", "\\u00ad",
                                         "\\u200b", "\\u200f", "\\u202e",     "\\u2066", "\\ufeff"};
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
        char text[128];
        snprintf(text, sizeof text, "{\"name\": \"a%sb\", " CONV "}", hidden[i]);
        assert_sentence(graph_status(text), "control character", NULL);
    }
    assert_int_equal(graph_status("{\"name\": \"\\u5c42 \u00e9-1\", " CONV "}"), PS_OK);
    assert_sentence(graph_status("{\"name\": 3, " CONV "}"), "nodes[0]", "\"name\"", NULL);
    assert_sentence(graph_status("{" CONV "}"), "nodes[0]", "\"name\"", NULL);
    assert_sentence(graph_status("{\"name\": \"a\"}"), "\"a\"", "\"type\"", NULL);
    assert_sentence(graph_status("7"), "nodes[0]", "object", NULL);
    assert_sentence(graph_status(""), "at least one", NULL);
    assert_sentence(graph_status("{\"name\": \"a\", " CONV ", \"channels\": 5}"), "\"a\"", "\"channels\"", "twice",
                    NULL);
    assert_sentence(graph_status("{\"name\": \"a\", " CONV ", \"chanels\": 5}"), "\"a\"", "chanels", NULL);
    assert_sentence(graph_status("{\"name\": \"a\", \"type\": \"conv\", \"channels\": 1e999}"), "\"a\"", NULL);
    assert_sentence(graph_status("{\"name\": \"a\", " CONV ", \"gate\": \"g\"}"), "\"a\"", "gate", NULL);
    assert_sentence(graph_status("{\"name\": \"a\", \"type\": \"conv\", \"channels\": 4, \"kernel\": 9}"), "\"a\"",
                    NULL);
    assert_sentence(graph_status("{\"name\": \"a\", " CONV ", \"module\": 1}"), "\"a\"", "module", NULL);
}

static ps_status document_status(const char *text) {
    cJSON *document;
    ps_graph *graph;
    PS_TRY(ps_json_parse(text, "doc", &document));
    ps_status status = ps_graph_parse(document, "doc", &graph);
    assert_true((status == PS_OK) == (graph != NULL));
    cJSON_Delete(document);
    ps_graph_destroy(graph);
    return status;
}

static void wrong_documents_are_named(void **state) {
    (void)state;
#define NODES "\"nodes\": [{\"name\": \"a\", " CONV "}]}"
#define FORMAT "{\"format\": \"poolscope-graph\", \"version\": 1, "
    assert_int_equal(document_status(FORMAT "\"input\": [3, 8, 8], " NODES), PS_OK);
    assert_int_equal(document_status(FORMAT "\"input\": [3, 2, 8, 8], " NODES), PS_OK);
    assert_sentence(document_status("[]"), "doc", "object", NULL);
    assert_sentence(document_status("{\"format\": \"other\", \"version\": 1, \"input\": [3, 8, 8], " NODES), "other",
                    NULL);
    assert_sentence(document_status("{\"format\": \"poolscope-graph\", \"version\": 2, \"input\": [3, 8, 8], " NODES),
                    "version 2", NULL);
    assert_sentence(document_status("{\"version\": 1, \"input\": [3, 8, 8], " NODES), "\"format\"", NULL);
    assert_sentence(document_status(FORMAT "\"inputs\": [3, 8, 8], " NODES), "inputs", "input", NULL);
    static const char *const shapes[] = {"3",
                                         "[3, 8]",
                                         "[3, 8, 8, 8, 8]",
                                         "[3, 0, 8]",
                                         "[3, 8, -1]",
                                         "[3, 8, 1.5]",
                                         "[3, 8, \"8\"]",
                                         "[3, 8, 1e300]",
                                         "[1000000, 1000000, 1000000]",
                                         "[2000000, 1, 1]",
                                         NULL};
    for (int i = 0; shapes[i] != NULL; i++) {
        char text[512];
        snprintf(text, sizeof text, FORMAT "\"input\": %s, " NODES, shapes[i]);
        assert_sentence(document_status(text), "input", NULL);
    }
}

static void files_are_read(void **state) {
    (void)state;
    char path[] = "/tmp/ps_graph_XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    static const char text[] = FORMAT "\"input\": [3, 8, 8], " NODES;
    assert_int_equal(write(descriptor, text, sizeof text - 1), sizeof text - 1);
    close(descriptor);
    ps_graph *graph;
    assert_int_equal(ps_graph_read(path, &graph), PS_OK);
    assert_string_equal(graph->name, "network");
    ps_graph_destroy(graph);
    assert_int_equal(truncate(path, 40), 0);
    assert_sentence(ps_graph_read(path, &graph), path, NULL);
    assert_null(graph);
    unlink(path);
    assert_sentence(ps_graph_read(path, &graph), path, NULL);
}

static void a_failed_node_leaves_the_graph_whole(void **state) {
    (void)state;
    ps_graph *graph;
    assert_int_equal(ps_graph_create("g", (ps_shape){1, 3, 1, 8, 8}, &graph), PS_OK);
    ps_op_spec spec = {.name = "a", .type = "conv", .inputs = 1, .input = {-1}};
    int index = 77;
    assert_sentence(ps_graph_add(graph, &spec, &index, "{\"channels\": %d}", 0), "\"a\"", NULL);
    assert_int_equal(graph->count, 0);
    assert_int_equal(index, 77);
    assert_int_equal(ps_graph_add(graph, &spec, &index, "{\"channels\": %d}", 2), PS_OK);
    assert_int_equal(index, 0);
    spec = (ps_op_spec){.name = "b", .type = "relu", .inputs = 1, .input = {1}};
    assert_sentence(ps_graph_add(graph, &spec, NULL, "{}"), "\"b\"", "before it", NULL);
    spec.input[0] = -2;
    assert_sentence(ps_graph_add(graph, &spec, NULL, "{}"), "\"b\"", NULL);
    spec.input[0] = 0;
    assert_int_equal(ps_graph_add(graph, &spec, NULL, "{}"), PS_OK);
    assert_int_equal(graph->count, 2);
    ps_graph_destroy(graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_and_names_follow_the_file),    cmocka_unit_test(parameters_are_counted_apart),
        cmocka_unit_test(written_and_read_it_is_the_same),     cmocka_unit_test(wrong_nodes_are_named),
        cmocka_unit_test(wrong_documents_are_named),           cmocka_unit_test(files_are_read),
        cmocka_unit_test(a_failed_node_leaves_the_graph_whole)};
    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
