/* Networks whose loss reads several operations: gradients, labels brought to size, graph files. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/json.h"
#include "net/net.h"
#include "net/outputs.h"
#include "task/task.h"

enum { BATCH = 2, SIDE = 8, LAST_SIDE = 4, LABELS = LAST_SIDE * LAST_SIDE };

/* Three outputs: one of half the size with weight 0, one of 0.25, which the trunk reads on, and the last. */
static const char document[] =
    "{\"format\": \"poolscope-graph\", \"version\": 1, \"name\": \"deep\", \"input\": [2, 8, 8], \"nodes\": ["
    "{\"name\": \"a\", \"type\": \"conv\", \"channels\": 3, \"padding\": 1, \"stride\": 2},"
    "{\"name\": \"a.gate\", \"type\": \"gelu\"},"
    "{\"name\": \"idle\", \"type\": \"conv\", \"channels\": 3, \"stride\": 2, \"padding\": 1, \"loss_weight\": 0},"
    "{\"name\": \"early\", \"type\": \"conv\", \"inputs\": [\"a.gate\"], \"channels\": 3, \"kernel\": 1, "
    "\"loss_weight\": 0.25},"
    "{\"name\": \"b\", \"type\": \"conv\", \"channels\": 4, \"padding\": 1},"
    "{\"name\": \"c\", \"type\": \"concat\", \"inputs\": [\"b\", \"early\"]},"
    "{\"name\": \"skip\", \"type\": \"conv\", \"inputs\": [\"input\"], \"channels\": 4, \"stride\": 2, \"padding\": 1},"
    "{\"name\": \"join\", \"type\": \"concat\", \"inputs\": [\"c\", \"skip\"]},"
    "{\"name\": \"out\", \"type\": \"conv\", \"channels\": 3, \"kernel\": 1, \"loss_weight\": 0.5}]}";

static ps_graph *parse(const char *text) {
    cJSON *json;
    ps_graph *graph;
    assert_int_equal(ps_json_parse(text, "test", &json), PS_OK);
    assert_int_equal(ps_graph_parse(json, "test", &graph), PS_OK);
    cJSON_Delete(json);
    return graph;
}

typedef struct {
    ps_graph *graph;
    ps_threads *threads;
    ps_net *net;
    float x[BATCH * SIDE * SIDE * 2];
    int32_t label[BATCH * LABELS];
} fixture;

static void open_fixture(fixture *f) {
    f->graph = parse(document);
    assert_int_equal(ps_threads_create(2, &f->threads), PS_OK);
    assert_int_equal(ps_net_create(f->graph, BATCH, f->threads, &f->net), PS_OK);
    assert_int_equal(ps_net_init(f->net, "torch", 3), PS_OK);
    ps_rng_key key = ps_rng_key_of(1, "test");
    for (size_t i = 0; i < sizeof f->x / sizeof *f->x; i++) f->x[i] = (float)ps_rng_normal(key, i);
    for (size_t i = 0; i < sizeof f->label / sizeof *f->label; i++)
        f->label[i] = (int32_t)(ps_rng_uniform(key, i) * 4) - 1; /* a quarter does not count */
}

static void close_fixture(fixture *f) {
    ps_net_destroy(f->net);
    ps_threads_destroy(f->threads);
    ps_graph_destroy(f->graph);
}

static double loss_of(fixture *f, bool gradient) {
    ps_net_forward(f->net, f->x, PS_MODE_TRAIN, ps_rng_key_of(0, "d"), NULL);
    ps_loss loss = ps_net_loss(f->net, &ps_cross_entropy, f->label, gradient);
    assert_true(loss.counted > 0);
    return loss.loss;
}

static void test_gradients_of_all_outputs_add_up(void **state) {
    fixture f;
    (void)state;
    open_fixture(&f);
    loss_of(&f, true);
    ps_net_backward(f.net);
    for (int p = 0; p < ps_net_param_count(f.net); p++) {
        ps_param *param = ps_net_param(f.net, p);
        for (size_t i = 0; i < param->count; i += 5) {
            float step = 1e-2f, before = param->value[i];
            double gradient = param->grad[i];
            param->value[i] = before + step;
            double above = loss_of(&f, false);
            param->value[i] = before - step;
            double below = loss_of(&f, false);
            param->value[i] = before;
            assert_true(fabs((above - below) / (2.0 * (double)step) - gradient) < 2e-4);
            if (strncmp(param->name, "idle", 4) == 0) assert_true(gradient == 0);
        }
    }
    close_fixture(&f);
}

/* The values themselves are checked by their gradients. */
static void test_labels_are_brought_to_size(void **state) {
    fixture f;
    (void)state;
    open_fixture(&f);
    double sum = 0;
    ps_outputs outputs;
    assert_int_equal(ps_outputs_init(&outputs, ps_net_graph(f.net), BATCH), PS_OK);
    assert_int_equal(outputs.count, 3);
    ps_outputs_bring_labels(&outputs, f.label);
    for (int i = 0; i < outputs.count; i++) {
        const ps_output *o = &outputs.output[i];
        for (size_t row = 0; o->own != NULL && row < o->rows; row++) {
            int side = o->shape.h, step = LAST_SIDE / side, n = (int)row / (side * side);
            int y = (int)row / side % side * step + step / 2, x = (int)row % side * step + step / 2;
            assert_int_equal(o->label[row], f.label[n * LABELS + y * LAST_SIDE + x]);
        }
        sum += o->weight;
    }
    assert_true(sum == 0.75);
    ps_outputs_clear(&outputs);
    /* As a part of a step: scaled, all outputs alike. */
    loss_of(&f, true);
    ps_net_backward(f.net);
    ps_param *first = ps_net_param(f.net, 0);
    float plain = first->grad[0];
    loss_of(&f, true);
    ps_net_scale_loss(f.net, 0.5);
    ps_net_backward(f.net);
    assert_true(fabs((double)(first->grad[0] - plain * 0.5f)) <= 1e-6 * fabs((double)plain));
    close_fixture(&f);
}

static void test_graph_files_keep_outputs(void **state) {
    char *text = NULL;
    size_t size;
    (void)state;
    ps_graph *graph = parse(document);
    FILE *stream = open_memstream(&text, &size);
    assert_int_equal(ps_graph_write(graph, stream), PS_OK);
    fclose(stream);
    ps_graph *again = parse(text);
    for (int i = 0; i < graph->count; i++) {
        assert_int_equal(ps_graph_is_output(graph, i), ps_graph_is_output(again, i));
        assert_true(ps_graph_loss_weight(graph, i) == ps_graph_loss_weight(again, i));
    }
    free(text);
    ps_graph_destroy(graph);
    ps_graph_destroy(again);
}

static void refuse(const char *node, const char *part) {
    char text[2048];
    cJSON *json;
    ps_graph *graph;
    ps_net *net = NULL;
    ps_threads *threads;
    assert_int_equal(ps_threads_create(1, &threads), PS_OK);
    snprintf(text, sizeof text,
             "{\"format\": \"poolscope-graph\", \"version\": 1, \"input\": [2, 8, 8], \"nodes\": [%s,"
             "{\"name\": \"z\", \"type\": \"conv\", \"inputs\": [\"input\"], \"channels\": 3}]}",
             node);
    assert_int_equal(ps_json_parse(text, "test", &json), PS_OK);
    ps_status status = ps_graph_parse(json, "test", &graph);
    if (status == PS_OK) status = ps_net_create(graph, 1, threads, &net);
    assert_int_equal(status, PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), part));
    ps_graph_destroy(graph);
    ps_threads_destroy(threads);
    cJSON_Delete(json);
}

static void test_wrong_outputs_are_refused(void **state) {
    (void)state;
    refuse("{\"name\": \"a\", \"type\": \"conv\", \"channels\": 3, \"loss_weight\": -1}", "\"loss_weight\" must be");
    refuse("{\"name\": \"a\", \"type\": \"conv\", \"channels\": 3, \"loss_weight\": \"1\"}", "\"loss_weight\" must be");
    refuse("{\"name\": \"a\", \"type\": \"conv\", \"channels\": 4, \"loss_weight\": 1}", "has 4 channels");
    refuse("{\"name\": \"a\", \"type\": \"conv\", \"channels\": 3}", "read by no other");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_of_all_outputs_add_up),
        cmocka_unit_test(test_labels_are_brought_to_size),
        cmocka_unit_test(test_graph_files_keep_outputs),
        cmocka_unit_test(test_wrong_outputs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
