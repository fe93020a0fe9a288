/* A step in parts: the gradient, the loss and what instruments add up are those of one batch as large as all parts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/json.h"
#include "core/memory.h"
#include "graph/graph.h"
#include "net/train.h"
#include "task/task.h"

enum { IMAGES = 12, SIDE = 6, CHANNELS = 3, CLASSES = 4 };

static const char network[] =
    "{\"format\":\"poolscope-graph\",\"version\":1,\"name\":\"parts\",\"input\":[3,6,6],\"nodes\":["
    "{\"name\":\"a\",\"type\":\"conv\",\"inputs\":[\"input\"],\"channels\":8,\"kernel\":3,\"padding\":1},"
    "{\"name\":\"p\",\"type\":\"pool_skip\",\"inputs\":[\"a\"],\"pool_size\":2},"
    "{\"name\":\"ar\",\"type\":\"relu\",\"inputs\":[\"p\"]},"
    "{\"name\":\"b\",\"type\":\"conv\",\"inputs\":[\"ar\"],\"channels\":6,\"kernel\":3,\"padding\":1},"
    "{\"name\":\"br\",\"type\":\"relu\",\"inputs\":[\"b\"]},"
    "{\"name\":\"g\",\"type\":\"global_avg_pool\",\"inputs\":[\"br\"]},"
    "{\"name\":\"f\",\"type\":\"flatten\",\"inputs\":[\"g\"]},"
    "{\"name\":\"fc\",\"type\":\"linear\",\"inputs\":[\"f\"],\"features\":4}]}";

/* Images of a step, the same however it is cut; every `gap`-th has no label (0: all have). */
typedef struct {
    int gap;
} images;

static ps_status step_images(void *self, uint64_t step, float *x, int32_t *label) {
    const images *own = self;
    ps_rng_key key = ps_rng_key_fold(ps_rng_key_of(5, "images"), step);
    for (size_t i = 0; i < (size_t)IMAGES * SIDE * SIDE * CHANNELS; i++) x[i] = ps_rng_normal(key, i);
    for (int i = 0; i < IMAGES; i++) label[i] = own->gap > 0 && i % own->gap == 0 ? -1 : i % CLASSES;
    return PS_OK;
}

typedef struct {
    ps_graph *graph;
    ps_threads *threads;
    ps_net *net;
    ps_train_source source;
    float *x;
    double *zeros, *squares;
    int32_t label[IMAGES];
    ps_loss loss;
} bench;

static void held(ps_status status) {
    if (status != PS_OK) fail_msg("%s", ps_status_message());
}

static void open_bench(bench *b, images *from, int parts, int threads) {
    cJSON *json;
    memset(b, 0, sizeof *b);
    held(ps_json_parse(network, "test", &json));
    held(ps_graph_parse(json, "test", &b->graph));
    cJSON_Delete(json);
    held(ps_threads_create(threads, &b->threads));
    held(ps_net_create(b->graph, IMAGES / parts, b->threads, &b->net));
    held(ps_net_init(b->net, "he", 3));
    held(PS_ALLOC((size_t)IMAGES * SIDE * SIDE * CHANNELS, &b->x, "x"));
    b->source = (ps_train_source){.self = from, .train_batch = step_images, .loss = &ps_cross_entropy, .parts = parts};
    int last = ps_net_graph(b->net)->count - 1;
    for (int op = 0; op < last; op++) {
        if (strcmp(ps_net_graph(b->net)->op[op].name, "b") != 0 && strcmp(ps_net_graph(b->net)->op[op].name, "br") != 0)
            continue;
        held(ps_net_request_sum(b->net, op, PS_SUM_ZEROS, &b->zeros));
        held(ps_net_request_sum(b->net, op, PS_SUM_INPUT_GRAD_SQUARES, &b->squares));
    }
    assert_non_null(b->zeros);
    size_t without = ps_net_memory_use(b->net).parts_bytes;
    if (parts > 1) held(ps_net_prepare_parts(b->net));
    assert_true(without == 0 && (ps_net_memory_use(b->net).parts_bytes > 0) == (parts > 1));
    assert_int_equal(ps_train_images(b->net, &b->source), IMAGES);
    held(ps_train_gradient(b->net, &b->source, ps_rng_key_of(1, "dropout"), 0, b->x, b->label, &b->loss,
                           &(ps_step_time){0}));
}

static void close_bench(bench *b) {
    ps_net_destroy(b->net);
    ps_threads_destroy(b->threads);
    ps_graph_destroy(b->graph);
    ps_free(b->x);
}

static void compare(const bench *whole, const bench *cut) {
    double largest = 0, difference = 0;
    for (int i = 0; i < ps_net_param_count(whole->net); i++) {
        const ps_param *p = ps_net_param(whole->net, i), *q = ps_net_param(cut->net, i);
        for (size_t k = 0; p->learned && k < p->count; k++) {
            largest = fmax(largest, fabs((double)p->grad[k]));
            difference = fmax(difference, fabs((double)p->grad[k] - (double)q->grad[k]));
        }
    }
    assert_true(largest > 1e-3 && difference <= 1e-5 * largest);
    assert_true(fabs(whole->loss.loss - cut->loss.loss) <= 1e-6 * whole->loss.loss);
    assert_int_equal(whole->loss.counted, cut->loss.counted);
    for (int c = 0; c < 6; c++) {
        assert_true(whole->zeros[c] == cut->zeros[c]);
        assert_true(fabs(whole->squares[c] - cut->squares[c]) <= 1e-5 * fabs(whole->squares[c]));
    }
}

static void test_parts_are_one_batch(void **state) {
    (void)state;
    static const int parts[] = {2, 3, 6, 12}, gaps[] = {0, 5, 2};
    for (size_t g = 0; g < sizeof gaps / sizeof *gaps; g++) {
        images from = {gaps[g]};
        bench whole;
        open_bench(&whole, &from, 1, 1);
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            bench cut;
            open_bench(&cut, &from, parts[i], 2);
            compare(&whole, &cut);
            close_bench(&cut);
        }
        close_bench(&whole);
    }
}

/* Nothing was measured where no label counts, in all parts. */
static void test_no_labels_at_all(void **state) {
    (void)state;
    images from = {1};
    bench cut;
    open_bench(&cut, &from, 3, 1);
    assert_true(cut.loss.counted == 0 && isnan(cut.loss.loss));
    for (int i = 0; i < ps_net_param_count(cut.net); i++) {
        const ps_param *p = ps_net_param(cut.net, i);
        for (size_t k = 0; p->learned && k < p->count; k++) assert_true(p->grad[k] == 0);
    }
    close_bench(&cut);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parts_are_one_batch),
                                       cmocka_unit_test(test_no_labels_at_all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
