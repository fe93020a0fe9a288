/* The Hessian of a network with planted dead nodes beside that of the same network without: where its null space grows,
 * and by how much. */
#include <lapacke.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/spectra/lanczos.h"
#include "core/memory.h"
#include "net/hessian.h"
#include "task/task.h"

enum { BATCH = 32, BATCHES = 4, CIN = 2, SIDE = 4, C1 = 5, C2 = 4, CLASSES = 3, DEAD = 2, PROBES = 4, MOST = 512 };

typedef struct {
    ps_graph *graph;
    ps_net *net;
    ps_hessian *hessian;
} fixture;

static ps_status fill_batch(void *self, int index, float *x, int32_t *label) {
    (void)self;
    ps_rng_key key = ps_rng_key_of((uint64_t)index, "planted/x");
    for (uint64_t i = 0; i < BATCH * SIDE * SIDE * CIN; i++) x[i] = ps_rng_normal(key, i);
    for (int i = 0; i < BATCH; i++) label[i] = (int)(ps_rng_u32(key, 100000 + (uint64_t)i) % CLASSES);
    return PS_OK;
}

static void add(ps_graph *g, const char *name, const char *type, const char *attributes) {
    ps_op_spec spec = {.name = name, .type = type, .inputs = 1, .input = {g->count - 1}};
    assert_int_equal(ps_graph_add(g, &spec, NULL, "%s", attributes), PS_OK);
}

static fixture open_fixture(bool planted) {
    fixture f;
    assert_int_equal(ps_graph_create("planted", (ps_shape){1, CIN, 1, SIDE, SIDE}, &f.graph), PS_OK);
    add(f.graph, "c1", "conv", "{\"channels\":5,\"padding\":1}");
    add(f.graph, "g1", "relu", "{}");
    add(f.graph, "c2", "conv", "{\"channels\":4,\"padding\":1}");
    add(f.graph, "g2", "relu", "{}");
    add(f.graph, "gap", "global_avg_pool", "{}");
    add(f.graph, "fc", "linear", "{\"features\":3}");
    assert_int_equal(ps_net_create(f.graph, BATCH, NULL, &f.net), PS_OK);
    assert_int_equal(ps_net_init(f.net, "he", 3), PS_OK);
    float *bias = ps_net_param(f.net, ps_net_find_param(f.net, "c1.bias"))->value;
    for (int c = 0; planted && c < DEAD; c++) bias[c] = -50;
    ps_hessian_source source = {NULL, BATCHES, fill_batch, &ps_cross_entropy};
    assert_int_equal(ps_hessian_create(f.graph, f.net, PS_MODE_PROBE, &source, &f.hessian), PS_OK);
    return f;
}

static void close_fixture(fixture *f) {
    ps_hessian_destroy(f->hessian);
    ps_net_destroy(f->net);
    ps_graph_destroy(f->graph);
}

static void apply(void *self, const float *x, float *y) { ps_hessian_product(self, x, y, NULL, NULL); }

static size_t offset_of(const fixture *f, const char *name) {
    return ps_hessian_offset(f->hessian, ps_net_find_param(f->net, name));
}

/* Marks what belongs to the planted nodes: their incoming weights and biases, and the weights of c2 that read them. */
static int mark(const fixture *f, bool incoming[MOST], bool outgoing[MOST]) {
    size_t w1 = offset_of(f, "c1.weight"), b1 = offset_of(f, "c1.bias"), w2 = offset_of(f, "c2.weight");
    int count = 0;
    memset(incoming, 0, MOST * sizeof *incoming);
    memset(outgoing, 0, MOST * sizeof *outgoing);
    for (int c = 0; c < DEAD; c++) {
        for (int i = 0; i < 9 * CIN; i++) incoming[w1 + (size_t)(c * 9 * CIN + i)] = true;
        incoming[b1 + (size_t)c] = true;
        for (int i = 0; i < C2 * 9; i++) outgoing[w2 + (size_t)(i * C1 + c)] = true;
    }
    for (int i = 0; i < MOST; i++) count += incoming[i] + outgoing[i];
    assert_int_equal(count, DEAD * (9 * CIN + 1 + 9 * C2));
    return count;
}

static double action_on(const fixture *f, const bool *where, int draw) {
    size_t n = ps_hessian_dimension(f->hessian);
    float z[MOST], hz[MOST];
    double above = 0, below = 0;
    ps_rng_key key = ps_rng_key_of((uint64_t)draw, "z");
    for (size_t i = 0; i < n; i++) z[i] = where[i] ? ps_rng_normal(key, i) : 0.0f;
    apply(f->hessian, z, hz);
    for (size_t i = 0; i < n; i++) {
        above += (double)hz[i] * (double)hz[i];
        below += (double)z[i] * (double)z[i];
    }
    return sqrt(above / below);
}

static void test_planted_nodes_lie_in_the_null_space(void **state) {
    (void)state;
    fixture plain = open_fixture(false), planted = open_fixture(true);
    bool incoming[MOST], outgoing[MOST];
    mark(&plain, incoming, outgoing);
    for (int draw = 0; draw < 4; draw++) {
        assert_true(action_on(&plain, incoming, draw) > 1e-2);
        assert_true(action_on(&plain, outgoing, draw) > 1e-2);
        assert_true(action_on(&planted, incoming, draw) == 0);
        assert_true(action_on(&planted, outgoing, draw) == 0);
    }
    close_fixture(&plain);
    close_fixture(&planted);
}

/* Share of the eigenvalues near zero, from the whole matrix: no Lanczos. */
static double counted_mass(const fixture *f, double epsilon) {
    int n = (int)ps_hessian_dimension(f->hessian), near = 0;
    static double h[MOST * MOST], value[MOST];
    float unit[MOST], column[MOST];
    for (int j = 0; j < n; j++) {
        for (int i = 0; i < n; i++) unit[i] = i == j ? 1.0f : 0.0f;
        apply(f->hessian, unit, column);
        for (int i = 0; i < n; i++) h[j * n + i] = (double)column[i];
    }
    assert_int_equal(LAPACKE_dsyev(LAPACK_ROW_MAJOR, 'N', 'L', n, h, n, value), 0);
    double largest = fmax(fabs(value[0]), fabs(value[n - 1]));
    for (int i = 0; i < n; i++) near += fabs(value[i]) <= epsilon * largest;
    return (double)near / n;
}

static double estimated_mass(const fixture *f, double epsilon) {
    ps_lanczos probe[PROBES];
    ps_operator operator= { f->hessian, ps_hessian_dimension(f->hessian), apply };
    for (int p = 0; p < PROBES; p++)
        assert_int_equal(ps_lanczos_run(&operator,(int) operator.dimension, 1, p, NULL, &probe[p]), PS_OK);
    double mass = ps_spectrum_mass_near_zero(probe, PROBES, epsilon, NULL);
    for (int p = 0; p < PROBES; p++) ps_lanczos_clear(&probe[p]);
    return mass;
}

static void test_mass_near_zero_grows_by_the_planted_share(void **state) {
    (void)state;
    const double epsilon = 1e-4;
    fixture plain = open_fixture(false), planted = open_fixture(true);
    bool incoming[MOST], outgoing[MOST];
    double share = (double)mark(&plain, incoming, outgoing) / (double)ps_hessian_dimension(plain.hessian),
           before = counted_mass(&plain, epsilon);
    double counted = counted_mass(&planted, epsilon) - before;
    double estimated = estimated_mass(&planted, epsilon) - estimated_mass(&plain, epsilon);
    /* mass = share + (1 - share) before, when the other parameters keep the share of directions without curvature that
     * all had before. */
    double expected = share * (1 - before);
    if (fabs(counted - expected) > 0.1 * share)
        fail_msg("%g of the eigenvalues became zero, expected %g", counted, expected);
    if (fabs(estimated - counted) > 0.05)
        fail_msg("the estimated excess is %g, the counted one %g", estimated, counted);
    close_fixture(&plain);
    close_fixture(&planted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planted_nodes_lie_in_the_null_space),
        cmocka_unit_test(test_mass_near_zero_grows_by_the_planted_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
