/* Compensation against its definition, worked out by plain loops over inputs, taps and places. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/memory.h"
#include "net/compensation.h"

enum { N = 2, CIN = 2, C = 3, MOST = 2048 };

typedef struct {
    const char *conv, *module; /* attributes */
    int h, w, stride, pad, kernel, dilation, e;
} sample;

typedef struct {
    ps_graph *graph;
    ps_net *net;
    float x[MOST], y[MOST], o[MOST];
} fixture;

static void keep(void *self, int node, ps_shape shape, const float *values) {
    fixture *f = self;
    if (node < 2) memcpy(node == 0 ? f->y : f->o, values, ps_shape_elements(shape) * sizeof *values);
}

static void add(ps_graph *g, const char *name, const char *type, int input, const char *attributes) {
    ps_op_spec spec = {.name = name, .type = type, .inputs = 1, .input = {input}};
    assert_int_equal(ps_graph_add(g, &spec, NULL, "%s", attributes), PS_OK);
}

static void open_fixture(fixture *f, const sample *s) {
    ps_net_hook hook = {f, keep};
    ps_rng_key key = ps_rng_key_of(2, "x");
    assert_int_equal(ps_graph_create("one", (ps_shape){1, CIN, 1, s->h, s->w}, &f->graph), PS_OK);
    add(f->graph, "c", "conv", -1, s->conv);
    add(f->graph, "c.ps", "pool_skip", 0, s->module);
    add(f->graph, "g", "global_avg_pool", 1, "{}");
    assert_int_equal(ps_net_create(f->graph, N, NULL, &f->net), PS_OK);
    assert_int_equal(ps_net_init(f->net, "torch", 5), PS_OK);
    for (int i = 0; i < N * CIN * s->h * s->w; i++) f->x[i] = ps_rng_normal(key, (uint64_t)i);
    ps_net_forward(f->net, f->x, PS_MODE_PROBE, key, &hook);
}

static bool kept(const sample *s, const fixture *f, int oh, int ow, int n, int r, int q, int c) {
    int top = r / s->e * s->e, left = q / s->e * s->e;
    if (top + s->e > oh || left + s->e > ow) return false;
    for (int i = 0; i < s->e * s->e; i++) {
        int rr = top + i / s->e, qq = left + i % s->e;
        float other = f->y[((n * oh + rr) * ow + qq) * C + c], own = f->y[((n * oh + r) * ow + q) * C + c];
        if (other > own || (other == own && (rr < r || (rr == r && qq < q)))) return false;
    }
    return true;
}

/* Does position (r, q) read input (ir, iq)? */
static bool reads(const sample *s, int r, int q, int ir, int iq) {
    int dr = ir - (r * s->stride - s->pad), dq = iq - (q * s->stride - s->pad);
    return dr >= 0 && dq >= 0 && dr % s->dilation == 0 && dq % s->dilation == 0 && dr / s->dilation < s->kernel &&
           dq / s->dilation < s->kernel;
}

static void check(const sample *s) {
    fixture *f = calloc(1, sizeof *f);
    ps_compensation_job *job;
    open_fixture(f, s);
    ps_shape out = ps_net_graph(f->net)->op[0].shape;
    int oh = out.h, ow = out.w, k = s->kernel;
    const float *v = ps_net_param(f->net, ps_net_find_param(f->net, "c.weight"))->value;
    const float *b = ps_net_param(f->net, ps_net_find_param(f->net, "c.bias"))->value;
    const float *w = ps_net_param(f->net, ps_net_find_param(f->net, "c.ps.conv.weight"))->value;
    const float *bb = ps_net_param(f->net, ps_net_find_param(f->net, "c.ps.conv.bias"))->value;
    double energy[PS_PARTS][C] = {{0}};
    for (int n = 0; n < N; n++)
        for (int r = 0; r < oh; r++)
            for (int q = 0; q < ow; q++)
                for (int o = 0; o < C; o++) {
                    double part[PS_PARTS] = {0};
                    part[PS_PART_BIAS_SAME] = (double)bb[o];
                    for (int t = 0; t < 9; t++)
                        for (int c = 0; c < C; c++) {
                            int tr = r + t / 3 - 1, tq = q + t % 3 - 1;
                            if (tr < 0 || tq < 0 || tr >= oh || tq >= ow || !kept(s, f, oh, ow, n, tr, tq, c)) continue;
                            double tap = (double)w[(o * 9 + t) * C + c];
                            part[c == o ? PS_PART_BIAS_SAME : PS_PART_BIAS_CROSS] += tap * (double)b[c];
                            for (int place = 0; place < k * k; place++)
                                for (int ch = 0; ch < CIN; ch++) {
                                    int ir = tr * s->stride - s->pad + place / k * s->dilation,
                                        iq = tq * s->stride - s->pad + place % k * s->dilation;
                                    if (ir < 0 || iq < 0 || ir >= s->h || iq >= s->w) continue;
                                    double term = tap * (double)v[(c * k * k + place) * CIN + ch] *
                                                  (double)f->x[((n * s->h + ir) * s->w + iq) * CIN + ch];
                                    int first = reads(s, r, q, ir, iq) ? PS_PART_AFFINE_SAME : PS_PART_DIMENSIONAL_SAME;
                                    part[first + (c == o ? 0 : 1)] += term;
                                }
                        }
                    for (int p = 0; p < PS_PARTS; p++) energy[p][o] += part[p] * part[p];
                }
    assert_int_equal(ps_compensation_create(f->net, 1, 0, &job), PS_OK);
    ps_compensation_add(job, f->x, f->y, f->o);
    const ps_compensation *sums = ps_compensation_sums(job);
    for (int p = 0; p < PS_PARTS; p++)
        for (int c = 0; c < C; c++)
            if (fabs(sums->energy[p][c] - energy[p][c]) > 1e-4 * (energy[p][c] + 1e-3))
                fail_msg("%s of channel %d: %g, by definition %g", ps_compensation_part_name((ps_compensation_part)p),
                         c, sums->energy[p][c], energy[p][c]);
    assert_true(sums->whole_energy > 0);
    assert_true(sums->residual_energy < 1e-10 * sums->whole_energy);
    ps_compensation_destroy(job);
    ps_net_destroy(f->net);
    ps_graph_destroy(f->graph);
    free(f);
}

static void test_against_the_definition(void **state) {
    (void)state;
    static const sample samples[] = {
        {"{\"channels\":3,\"padding\":1}", "{\"pool_size\":2}", 6, 8, 1, 1, 3, 1, 2},
        {"{\"channels\":3,\"padding\":1}", "{\"pool_size\":2}", 7, 5, 1, 1, 3, 1, 2},
        {"{\"channels\":3,\"kernel\":1}", "{\"pool_size\":2}", 6, 6, 1, 0, 1, 1, 2},
        {"{\"channels\":3,\"padding\":1,\"stride\":2}", "{\"pool_size\":2}", 9, 8, 2, 1, 3, 1, 2},
        {"{\"channels\":3,\"padding\":2,\"dilation\":2}", "{\"pool_size\":4}", 8, 9, 1, 2, 3, 2, 4},
        {"{\"channels\":3,\"padding\":1}", "{\"pool_size\":1}", 5, 6, 1, 1, 3, 1, 1},
    };
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) check(&samples[i]);
}

/* Of a map of C channels: N(v) with these statistics, element by element. */
static void normalise(const float *statistics_of, const float *v, int rows, const float *gamma, const float *beta,
                      double eps, double *out) {
    for (int c = 0; c < C; c++) {
        double mean = 0, variance = 0;
        for (int r = 0; r < rows; r++) mean += (double)statistics_of[r * C + c] / rows;
        for (int r = 0; r < rows; r++)
            variance += ((double)statistics_of[r * C + c] - mean) * ((double)statistics_of[r * C + c] - mean) / rows;
        for (int r = 0; r < rows; r++)
            out[r * C + c] = (double)gamma[c] * ((double)v[r * C + c] - mean) / sqrt(variance + eps) + (double)beta[c];
    }
}

static void check_flips(fixture *f, int rows, const float *gamma, const float *beta, double eps, const char *norm) {
    ps_compensation_job *job;
    static double after[MOST], frozen[MOST], own[MOST];
    double expected[PS_FLIPS][C] = {{0}}, some = 0;
    normalise(f->o, f->o, rows, gamma, beta, eps, after);
    normalise(f->o, f->y, rows, gamma, beta, eps, frozen);
    normalise(f->y, f->y, rows, gamma, beta, eps, own);
    for (int i = 0; i < rows * C; i++) {
        if (norm == NULL) {
            after[i] = (double)f->o[i];
            frozen[i] = own[i] = (double)f->y[i];
        }
        expected[PS_OPENED_FROZEN][i % C] += after[i] > 0 && frozen[i] <= 0;
        expected[PS_SHUT_FROZEN][i % C] += after[i] <= 0 && frozen[i] > 0;
        expected[PS_OPENED_OWN][i % C] += after[i] > 0 && own[i] <= 0;
        expected[PS_SHUT_OWN][i % C] += after[i] <= 0 && own[i] > 0;
    }
    assert_int_equal(ps_compensation_create(f->net, 1, 0, &job), PS_OK);
    ps_compensation_add(job, f->x, f->y, f->o);
    const ps_compensation *sums = ps_compensation_sums(job);
    if (norm != NULL) assert_string_equal(ps_net_graph(f->net)->op[sums->norm_op].name, norm);
    else assert_int_equal(sums->norm_op, -1);
    for (int k = 0; k < PS_FLIPS; k++)
        for (int c = 0; c < C; c++) {
            if (sums->flips[k][c] != expected[k][c])
                fail_msg("flips %d of channel %d: %g, by definition %g", k, c, sums->flips[k][c], expected[k][c]);
            some += expected[k][c];
        }
    assert_true(some > 0);
    ps_compensation_destroy(job);
}

/* The normalisation behind a module whose gate stands behind an add, with an eps of its own that matters. */
static void test_signs_behind_the_norm(void **state) {
    (void)state;
    static const float gamma[C] = {1.5f, -0.7f, 0.4f}, beta[C] = {0.3f, 0.1f, -0.2f};
    fixture *f = calloc(1, sizeof *f);
    ps_net_hook hook = {f, keep};
    ps_rng_key key = ps_rng_key_of(4, "x");
    assert_int_equal(ps_graph_create("residual", (ps_shape){1, CIN, 1, 6, 6}, &f->graph), PS_OK);
    add(f->graph, "c", "conv", -1, "{\"channels\":3,\"padding\":1}");
    add(f->graph, "c.ps", "pool_skip", 0, "{\"pool_size\":2}");
    add(f->graph, "shortcut", "conv", -1, "{\"channels\":3,\"kernel\":1}");
    add(f->graph, "bn", "batch_norm", 1, "{\"eps\":0.3}");
    ps_op_spec sum = {.name = "sum", .type = "add", .inputs = 2, .input = {3, 2}};
    assert_int_equal(ps_graph_add(f->graph, &sum, NULL, "%s", "{}"), PS_OK);
    add(f->graph, "gate", "relu", 4, "{}");
    add(f->graph, "g", "global_avg_pool", 5, "{}");
    assert_int_equal(ps_net_create(f->graph, N, NULL, &f->net), PS_OK);
    assert_int_equal(ps_net_init(f->net, "torch", 5), PS_OK);
    memcpy(ps_net_param(f->net, ps_net_find_param(f->net, "bn.weight"))->value, gamma, sizeof gamma);
    memcpy(ps_net_param(f->net, ps_net_find_param(f->net, "bn.bias"))->value, beta, sizeof beta);
    for (int i = 0; i < N * CIN * 36; i++) f->x[i] = ps_rng_normal(key, (uint64_t)i);
    ps_net_forward(f->net, f->x, PS_MODE_PROBE, key, &hook);
    check_flips(f, N * 36, gamma, beta, 0.3, "bn");
    ps_net_destroy(f->net);
    ps_graph_destroy(f->graph);
    free(f);
}

static void test_signs_without_a_norm(void **state) {
    (void)state;
    static const float one[C] = {1, 1, 1}, zero[C] = {0, 0, 0};
    static const sample s = {"{\"channels\":3,\"padding\":1}", "{\"pool_size\":2}", 6, 6, 1, 1, 3, 1, 2};
    fixture *f = calloc(1, sizeof *f);
    open_fixture(f, &s);
    check_flips(f, N * 36, one, zero, 0, NULL);
    ps_net_destroy(f->net);
    ps_graph_destroy(f->graph);
    free(f);
}

static void test_modules_without_parts_are_refused(void **state) {
    (void)state;
    static const sample without_conv = {
        "{\"channels\":3,\"padding\":1}", "{\"mode\":\"pool+skip\"}", 6, 6, 1, 1, 3, 1, 2};
    fixture *f = calloc(1, sizeof *f);
    ps_compensation_job *job;
    open_fixture(f, &without_conv);
    assert_int_equal(ps_compensation_create(f->net, 1, 0, &job), PS_ERR_USAGE);
    assert_null(job);
    ps_net_destroy(f->net);
    ps_graph_destroy(f->graph);
    free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_the_definition),
        cmocka_unit_test(test_signs_behind_the_norm),
        cmocka_unit_test(test_signs_without_a_norm),
        cmocka_unit_test(test_modules_without_parts_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
