/* Windows that slide over whole samples: where they start, and scores against a sum worked out position by position. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/memory.h"
#include "core/rng.h"
#include "task/windows.h"
#include "tests/lib/graphs.h"

enum { CLASSES = 3, SIDE = 8 };

/* As nnU-Net's compute_steps_for_sliding_window gives them for a step of half a window. */
static void test_starts_are_those_of_nnunet(void **state) {
    (void)state;
    static const struct {
        int size, window, count, start[6];
    } known[] = {
        {8, 8, 1, {0}},           {5, 8, 1, {-1}},       {6, 8, 1, {-1}},           {9, 8, 2, {0, 1}},
        {12, 8, 2, {0, 4}},       {13, 8, 3, {0, 2, 5}}, {20, 8, 4, {0, 4, 8, 12}}, {37, 16, 4, {0, 7, 14, 21}},
        {110, 64, 3, {0, 23, 46}}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        assert_int_equal(ps_windows_steps(known[i].size, known[i].window), known[i].count);
        for (int s = 0; s < known[i].count; s++)
            assert_int_equal(ps_windows_start(known[i].size, known[i].window, (size_t)s), known[i].start[s]);
    }
}

/* A net whose outputs depend on the place in the window, so that weights and padding show. */
static ps_graph *net_graph(void) {
    return graph_of(
        "{\"name\":\"a\",\"type\":\"conv\",\"channels\":5,\"kernel\":5,\"padding\":2},"
        "{\"name\":\"a.relu\",\"type\":\"relu\"},"
        "{\"name\":\"out\",\"type\":\"conv\",\"channels\":3,\"kernel\":3,\"padding\":1}");
}

typedef struct {
    ps_shape shape;
    const float *x;
    const float *outside;
    double score[24 * 24 * CLASSES], weight[24 * 24];
} wanted;

static double gauss(int i) { return exp(-pow((i - SIDE / 2) / (SIDE / 8.0), 2) / 2); }

/* One window at (top, left), turned round along h (1) and w (2), by itself in the first image of the batch. */
static void add_window(ps_net *net, wanted *w, int top, int left, int mirror, bool weighed) {
    static float x[2 * SIDE * SIDE * 3];
    memset(x, 0, sizeof x);
    for (int i = 0; i < SIDE * SIDE; i++) {
        int h = i / SIDE, v = i % SIDE, from_h = top + (mirror & 1 ? SIDE - 1 - h : h),
            from_w = left + (mirror & 2 ? SIDE - 1 - v : v);
        bool inside = from_h >= 0 && from_h < w->shape.h && from_w >= 0 && from_w < w->shape.w;
        for (int c = 0; c < 3; c++)
            x[i * 3 + c] = inside ? w->x[(from_h * w->shape.w + from_w) * 3 + c] : w->outside[c];
    }
    const float *y = ps_net_forward(net, x, PS_MODE_EVAL, (ps_rng_key){{0, 0}}, NULL);
    for (int i = 0; i < SIDE * SIDE; i++) {
        int h = i / SIDE, v = i % SIDE, at_h = mirror & 1 ? SIDE - 1 - h : h, at_w = mirror & 2 ? SIDE - 1 - v : v;
        int to_h = top + at_h, to_w = left + at_w;
        if (to_h < 0 || to_h >= w->shape.h || to_w < 0 || to_w >= w->shape.w) continue;
        double share = weighed ? gauss(at_h) * gauss(at_w) : 1, sum = 0;
        for (int k = 0; k < CLASSES; k++) sum += exp((double)y[i * CLASSES + k]);
        for (int k = 0; k < CLASSES; k++)
            w->score[(to_h * w->shape.w + to_w) * CLASSES + k] += share * exp((double)y[i * CLASSES + k]) / sum;
        w->weight[to_h * w->shape.w + to_w] += share;
    }
}

static void test_scores_are_the_weighted_mean(void **state) {
    (void)state;
    const ps_shape shapes[] = {{1, 3, 1, 8, 8}, {1, 3, 1, 21, 13}, {1, 3, 1, 5, 17}, {1, 3, 1, 3, 4}};
    const float outside[3] = {0.5f, 0, -1};
    static wanted w;
    static float x[24 * 24 * 3], score[2][24 * 24 * CLASSES], weight[24 * 24];
    for (int i = 0; i < 24 * 24 * 3; i++) x[i] = ps_rng_normal(ps_rng_key_of(3, "x"), (uint64_t)i);
    ps_graph *graph = net_graph();
    for (int threads = 1; threads <= 3; threads += 2) {
        ps_threads *pool;
        ps_net *net;
        assert_int_equal(ps_threads_create(threads, &pool), PS_OK);
        assert_int_equal(ps_net_create(graph, 2, pool, &net), PS_OK);
        assert_int_equal(ps_net_init(net, "he", 1), PS_OK);
        for (size_t s = 0; s < 4; s++)
            for (int mirror = 0; mirror < 2; mirror++) {
                ps_windows *windows;
                ps_windows_options options = {.net = net, .mirror = mirror == 1, .outside = outside};
                assert_int_equal(ps_windows_create(&options, &windows), PS_OK);
                ps_windows_run(windows, x, shapes[s], score[0], weight);
                memset(&w, 0, sizeof w);
                w.shape = shapes[s], w.x = x, w.outside = outside;
                size_t rows = ps_windows_steps(w.shape.h, SIDE), columns = ps_windows_steps(w.shape.w, SIDE);
                assert_int_equal(ps_windows_count(windows, w.shape), rows * columns);
                for (size_t i = 0; i < rows * columns; i++)
                    for (int turn = 0; turn < (mirror == 1 ? 4 : 1); turn++)
                        add_window(net, &w, ps_windows_start(w.shape.h, SIDE, i / columns),
                                   ps_windows_start(w.shape.w, SIDE, i % columns), turn, rows * columns > 1);
                for (int i = 0; i < w.shape.h * w.shape.w; i++)
                    for (int k = 0; k < CLASSES; k++)
                        assert_true(fabs(w.score[i * CLASSES + k] / w.weight[i] - (double)score[0][i * CLASSES + k]) <
                                    2e-6);
                ps_windows_destroy(windows);
            }
        ps_net_destroy(net);
        ps_threads_destroy(pool);
    }
    ps_graph_destroy(graph);
}

static void test_nets_without_maps_have_no_windows(void **state) {
    (void)state;
    ps_graph *graph = graph_of("{\"name\":\"a\",\"type\":\"conv\",\"channels\":3,\"kernel\":3,\"padding\":0}");
    ps_threads *pool;
    ps_net *net;
    ps_windows *windows;
    assert_int_equal(ps_threads_create(1, &pool), PS_OK);
    assert_int_equal(ps_net_create(graph, 1, pool, &net), PS_OK);
    assert_sentence(ps_windows_create(&(ps_windows_options){.net = net}, &windows), "no map as large", NULL);
    ps_net_destroy(net);
    ps_threads_destroy(pool);
    ps_graph_destroy(graph);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_starts_are_those_of_nnunet),
        cmocka_unit_test(test_scores_are_the_weighted_mean),
        cmocka_unit_test(test_nets_without_maps_have_no_windows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
