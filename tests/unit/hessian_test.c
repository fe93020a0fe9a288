/* Hessian-vector products against differences of gradients in the direction, symmetry, and a Hessian that is known. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/memory.h"
#include "net/hessian.h"
#include "task/task.h"

enum { BATCH = 8 };

typedef struct {
    ps_graph *graph;
    ps_net *net;
    ps_hessian *hessian;
    ps_shape input;
    int classes;
} fixture;

static ps_status fill_batch(void *self, int index, float *x, int32_t *label) {
    const fixture *f = self;
    ps_rng_key key = ps_rng_key_of((uint64_t)index, "hessian/x");
    for (size_t i = 0; i < BATCH * ps_shape_elements(f->input); i++) x[i] = ps_rng_normal(key, i);
    for (int i = 0; i < BATCH; i++) label[i] = (i + index) % f->classes;
    return PS_OK;
}

static void add(ps_graph *g, const char *name, const char *type, int first, int second, const char *attributes) {
    ps_op_spec spec = {.name = name, .type = type, .inputs = second >= -1 ? 2 : 1, .input = {first, second}};
    assert_int_equal(ps_graph_add(g, &spec, NULL, "%s", attributes), PS_OK);
}

static void open_fixture(fixture *f, ps_graph *graph, ps_mode mode, int batches) {
    f->graph = graph;
    f->input = graph->input;
    f->classes = graph->op[graph->count - 1].shape.c;
    assert_int_equal(ps_net_create(graph, BATCH, NULL, &f->net), PS_OK);
    assert_int_equal(ps_net_init(f->net, "he", 3), PS_OK);
    ps_hessian_source source = {f, batches, fill_batch, &ps_cross_entropy};
    ps_status status = ps_hessian_create(graph, f->net, mode, &source, &f->hessian);
    if (status != PS_OK) fail_msg("%s", ps_status_message());
}

static void close_fixture(fixture *f) {
    ps_hessian_destroy(f->hessian);
    ps_net_destroy(f->net);
    ps_graph_destroy(f->graph);
}

/* Smooth, so that differences of gradients mean something: gates of slope 1, no maxima (they have tests of their own
 * below). */
static ps_graph *graph_of_all(void) {
    ps_graph *g;
    assert_int_equal(ps_graph_create("all", (ps_shape){1, 2, 1, 6, 5}, &g), PS_OK);
    add(g, "c1", "conv", -1, -2, "{\"channels\":4,\"padding\":1}");
    add(g, "ps1", "pool_skip", 0, -2, "{\"pool_size\":2,\"mode\":\"conv+skip\"}");
    add(g, "bn1", "batch_norm", 1, -2, "{}");
    add(g, "g1", "leaky_relu", 2, -2, "{\"slope\":1}");
    add(g, "c2", "conv", 3, -2, "{\"channels\":4,\"padding\":1,\"bias\":false}");
    add(g, "bn2", "batch_norm", 4, -2, "{}");
    add(g, "sum", "add", 5, 3, "{}");
    add(g, "g2", "leaky_relu", 6, -2, "{\"slope\":1}");
    add(g, "join", "concat", 7, 3, "{}");
    add(g, "avg", "avg_pool", 8, -2, "{\"kernel\":2}");
    add(g, "flat", "flatten", 9, -2, "{}");
    add(g, "drop", "dropout", 10, -2, "{}");
    add(g, "fc", "linear", 11, -2, "{\"features\":3}");
    return g;
}

/* Down and up again, in 3D: strided and transposed, normalised sample by sample, resized and padded. */
static ps_graph *graph_of_maps(void) {
    ps_graph *g;
    assert_int_equal(ps_graph_create("maps", (ps_shape){1, 2, 4, 5, 6}, &g), PS_OK);
    add(g, "c1", "conv", -1, -2, "{\"channels\":4,\"padding\":1}");
    add(g, "n1", "instance_norm", 0, -2, "{}");
    add(g, "g1", "leaky_relu", 1, -2, "{\"slope\":1}");
    add(g, "c2", "conv", 2, -2, "{\"channels\":4,\"padding\":1,\"stride\":2}");
    add(g, "n2", "instance_norm", 3, -2, "{\"affine\":false}");
    add(g, "g2", "leaky_relu", 4, -2, "{\"slope\":1}");
    add(g, "t", "conv_transpose", 5, -2, "{\"channels\":4,\"groups\":2}");
    add(g, "n3", "instance_norm", 6, -2, "{}");
    add(g, "g3", "leaky_relu", 7, -2, "{\"slope\":1}");
    add(g, "z", "resize", 5, 8, "{}");
    add(g, "p", "pad", 2, 8, "{}");
    add(g, "sum", "add", 8, 9, "{}");
    add(g, "join", "concat", 11, 10, "{}");
    add(g, "avg", "avg_pool", 12, -2, "{\"kernel\":2}");
    add(g, "flat", "flatten", 13, -2, "{}");
    add(g, "fc", "linear", 14, -2, "{\"features\":3}");
    return g;
}

static double dot(const float *a, const float *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (double)a[i] * (double)b[i];
    return sum;
}

static void move_weights(fixture *f, const float *direction, float h) {
    for (int i = 0; i < ps_net_param_count(f->net) && ps_net_param(f->net, i)->learned; i++) {
        ps_param *p = ps_net_param(f->net, i);
        for (size_t j = 0; j < p->count; j++) p->value[j] += h * direction[ps_hessian_offset(f->hessian, i) + j];
    }
}

static void check_against_differences(ps_graph *graph, ps_mode mode) {
    fixture f;
    open_fixture(&f, graph, mode, 2);
    size_t n = ps_hessian_dimension(f.hessian);
    float *v, *hv, *above, *below, *unused;
    assert_int_equal(PS_ALLOC(n, &v, "v"), PS_OK);
    assert_int_equal(PS_ALLOC(n, &hv, "v"), PS_OK);
    assert_int_equal(PS_ALLOC(n, &above, "v"), PS_OK);
    assert_int_equal(PS_ALLOC(n, &below, "v"), PS_OK);
    assert_int_equal(PS_ALLOC(n, &unused, "v"), PS_OK);
    for (int trial = 0; trial < 3; trial++) {
        ps_rng_key key = ps_rng_key_of((uint64_t)trial, "v");
        for (size_t i = 0; i < n; i++) v[i] = ps_rng_normal(key, i) / (float)sqrt((double)n);
        ps_hessian_product(f.hessian, v, hv, NULL, NULL);
        const float h = 1e-3f;
        move_weights(&f, v, h);
        ps_hessian_product(f.hessian, v, unused, above, NULL);
        move_weights(&f, v, -2 * h);
        ps_hessian_product(f.hessian, v, unused, below, NULL);
        move_weights(&f, v, h);
        double error = 0, norm = 0;
        for (size_t i = 0; i < n; i++) {
            double difference = ((double)above[i] - (double)below[i]) / (2 * (double)h);
            error += (difference - (double)hv[i]) * (difference - (double)hv[i]);
            norm += difference * difference;
        }
        if (sqrt(error) > 0.02 * sqrt(norm))
            fail_msg("trial %d: product off by %g of %g", trial, sqrt(error), sqrt(norm));
    }
    ps_free(v);
    ps_free(hv);
    ps_free(above);
    ps_free(below);
    ps_free(unused);
    close_fixture(&f);
}

static void test_batch_statistics(void **state) {
    (void)state;
    check_against_differences(graph_of_all(), PS_MODE_PROBE);
    check_against_differences(graph_of_maps(), PS_MODE_PROBE);
}

static void test_running_statistics(void **state) {
    (void)state;
    check_against_differences(graph_of_all(), PS_MODE_EVAL);
    check_against_differences(graph_of_maps(), PS_MODE_EVAL);
}

/* With real gates and maxima differences are spoilt by switches, but the product must still be symmetric: <u, H v> =
 * <v, H u>. */
static void test_symmetry_with_gates_and_maxima(void **state) {
    (void)state;
    ps_graph *g;
    fixture f;
    assert_int_equal(ps_graph_create("gates", (ps_shape){1, 3, 1, 9, 8}, &g), PS_OK);
    add(g, "c1", "conv", -1, -2, "{\"channels\":5,\"padding\":1}");
    add(g, "ps1", "pool_skip", 0, -2, "{\"pool_size\":2}");
    add(g, "bn1", "batch_norm", 1, -2, "{}");
    add(g, "g1", "relu", 2, -2, "{}");
    add(g, "mp", "max_pool", 3, -2, "{\"kernel\":2}");
    add(g, "c2", "conv", 4, -2, "{\"channels\":6,\"padding\":1}");
    add(g, "ps2", "pool_skip", 5, -2, "{\"pool_size\":4,\"mode\":\"pool+conv\"}");
    add(g, "g2", "relu", 6, -2, "{}");
    add(g, "gap", "global_avg_pool", 7, -2, "{}");
    add(g, "fc", "linear", 8, -2, "{\"features\":4}");
    open_fixture(&f, g, PS_MODE_PROBE, 1);
    size_t n = ps_hessian_dimension(f.hessian);
    float *u, *v, *hu, *hv;
    assert_int_equal(PS_ALLOC(n, &u, "v"), PS_OK);
    assert_int_equal(PS_ALLOC(n, &v, "v"), PS_OK);
    assert_int_equal(PS_ALLOC(n, &hu, "v"), PS_OK);
    assert_int_equal(PS_ALLOC(n, &hv, "v"), PS_OK);
    for (int trial = 0; trial < 4; trial++) {
        ps_rng_key a = ps_rng_key_of((uint64_t)trial, "u"), b = ps_rng_key_of((uint64_t)trial, "w");
        for (size_t i = 0; i < n; i++) {
            u[i] = ps_rng_normal(a, i);
            v[i] = ps_rng_normal(b, i);
        }
        ps_hessian_product(f.hessian, u, hu, NULL, NULL);
        ps_hessian_product(f.hessian, v, hv, NULL, NULL);
        double left = dot(u, hv, n), right = dot(v, hu, n), scale = sqrt(dot(hu, hu, n) * dot(v, v, n));
        assert_true(fabs(left - right) < 1e-4 * scale);
        assert_true(scale > 0);
    }
    ps_free(u);
    ps_free(v);
    ps_free(hu);
    ps_free(hv);
    close_fixture(&f);
}

/* One linear layer without bias: the Hessian of softmax regression is the mean of (diag p - p p') x x', worked out
 * here. */
static void test_softmax_regression(void **state) {
    (void)state;
    enum { IN = 5, OUT = 3 };
    ps_graph *g;
    fixture f;
    assert_int_equal(ps_graph_create("softmax", (ps_shape){1, IN, 1, 1, 1}, &g), PS_OK);
    add(g, "fc", "linear", -1, -2, "{\"features\":3,\"bias\":false}");
    open_fixture(&f, g, PS_MODE_PROBE, 1);
    float x[BATCH * IN], v[OUT * IN], hv[OUT * IN];
    int32_t label[BATCH];
    const float *w = ps_net_param(f.net, 0)->value;
    fill_batch(&f, 0, x, label);
    for (int i = 0; i < OUT * IN; i++) v[i] = (float)(i % 4) - 1.5f;
    ps_hessian_product(f.hessian, v, hv, NULL, NULL);
    double expected[OUT * IN] = {0};
    for (int r = 0; r < BATCH; r++) {
        double t[OUT] = {0}, t_dot[OUT] = {0}, sum = 0, inner = 0;
        for (int k = 0; k < OUT; k++)
            for (int i = 0; i < IN; i++) {
                t[k] += (double)w[k * IN + i] * (double)x[r * IN + i];
                t_dot[k] += (double)v[k * IN + i] * (double)x[r * IN + i];
            }
        for (int k = 0; k < OUT; k++) sum += exp(t[k]);
        for (int k = 0; k < OUT; k++) inner += exp(t[k]) / sum * t_dot[k];
        for (int k = 0; k < OUT; k++)
            for (int i = 0; i < IN; i++)
                expected[k * IN + i] += exp(t[k]) / sum * (t_dot[k] - inner) * (double)x[r * IN + i] / BATCH;
    }
    for (int i = 0; i < OUT * IN; i++) assert_true(fabs(expected[i] - (double)hv[i]) < 1e-5);
    close_fixture(&f);
}

/* The grid's places are fixed, so differences hold with it, too; and written out it must be the module that was
 * trained. */
static ps_graph *graph_with_grid(ps_shape input, int e) {
    ps_graph *g;
    char attributes[64];
    snprintf(attributes, sizeof attributes, "{\"mode\":\"grid+conv+skip\",\"pool_size\":%d}", e);
    assert_int_equal(ps_graph_create("grid", input, &g), PS_OK);
    add(g, "c", "conv", -1, -2, "{\"channels\":4,\"padding\":1}");
    add(g, "c.ps", "pool_skip", 0, -2, attributes);
    add(g, "bn", "batch_norm", 1, -2, "{}");
    add(g, "g", "leaky_relu", 2, -2, "{\"slope\":1}");
    add(g, "gap", "global_avg_pool", 3, -2, "{}");
    add(g, "fc", "linear", 4, -2, "{\"features\":3}");
    return g;
}

static void check_gradient_of_the_net(ps_graph *graph) {
    fixture f;
    open_fixture(&f, graph, PS_MODE_PROBE, 1);
    size_t n = ps_hessian_dimension(f.hessian);
    float *v, *hv, *gradient, *x;
    int32_t label[BATCH];
    double loss;
    assert_int_equal(PS_ALLOC(n, &v, "v"), PS_OK);
    assert_int_equal(PS_ALLOC(n, &hv, "v"), PS_OK);
    assert_int_equal(PS_ALLOC(n, &gradient, "v"), PS_OK);
    assert_int_equal(PS_ALLOC(BATCH * ps_shape_elements(f.input), &x, "x"), PS_OK);
    ps_hessian_product(f.hessian, v, hv, gradient, &loss);
    fill_batch(&f, 0, x, label);
    ps_net_forward(f.net, x, PS_MODE_PROBE, ps_rng_key_of(0, "x"), NULL);
    assert_true(fabs(ps_net_loss(f.net, &ps_cross_entropy, label, true).loss - loss) < 1e-5);
    ps_net_backward(f.net);
    for (int i = 0; i < ps_net_param_count(f.net) && ps_net_param(f.net, i)->learned; i++) {
        const ps_param *p = ps_net_param(f.net, i);
        for (size_t j = 0; j < p->count; j++) {
            double own = (double)p->grad[j], here = (double)gradient[ps_hessian_offset(f.hessian, i) + j];
            if (fabs(own - here) > 1e-5 + 1e-4 * fabs(own))
                fail_msg("%s[%zu]: %g, in training %g", p->name, j, here, own);
        }
    }
    ps_free(v);
    ps_free(hv);
    ps_free(gradient);
    ps_free(x);
    close_fixture(&f);
}

static void test_grid(void **state) {
    (void)state;
    check_against_differences(graph_with_grid((ps_shape){1, 2, 1, 6, 4}, 2), PS_MODE_PROBE);
    check_gradient_of_the_net(graph_with_grid((ps_shape){1, 2, 1, 6, 4}, 2));
    check_gradient_of_the_net(graph_with_grid((ps_shape){1, 2, 1, 9, 6}, 3));
    check_gradient_of_the_net(graph_with_grid((ps_shape){1, 2, 4, 4, 4}, 2));
}

static void check_refused(const char *attributes, ps_shape input) {
    ps_graph *g;
    ps_net *net;
    ps_hessian *h;
    fixture f = {.input = input, .classes = 2};
    assert_int_equal(ps_graph_create("grid", f.input, &g), PS_OK);
    add(g, "ps", "pool_skip", -1, -2, attributes);
    add(g, "gap", "global_avg_pool", 0, -2, "{}");
    assert_int_equal(ps_net_create(g, BATCH, NULL, &net), PS_OK);
    ps_hessian_source source = {&f, 1, fill_batch, &ps_cross_entropy};
    assert_int_equal(ps_hessian_create(g, net, PS_MODE_PROBE, &source, &h), PS_ERR_USAGE);
    assert_non_null(strstr(ps_status_message(), "\"ps\""));
    ps_net_destroy(net);
    ps_graph_destroy(g);
}

/* Where a window does not fit, the grid keeps nothing. */
static void test_what_cannot_be_written_out_is_refused(void **state) {
    (void)state;
    check_refused("{\"mode\":\"grid-energy+conv+skip\"}", (ps_shape){1, 2, 1, 4, 4});
    check_refused("{\"mode\":\"grid+conv+skip\"}", (ps_shape){1, 2, 1, 4, 5});
    check_refused("{\"cut\":\"gradient\"}", (ps_shape){1, 2, 1, 4, 4});
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_softmax_regression),
        cmocka_unit_test(test_batch_statistics),
        cmocka_unit_test(test_running_statistics),
        cmocka_unit_test(test_symmetry_with_gates_and_maxima),
        cmocka_unit_test(test_grid),
        cmocka_unit_test(test_what_cannot_be_written_out_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
