/* Lanczos and stochastic quadrature on operators whose spectra are planted. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/spectra/lanczos.h"
#include "core/memory.h"
#include "core/rng.h"

enum { N = 400 };

/* A = Q D Q with Q = I - 2 u u' a reflection: the eigenvalues are D's, the eigenvectors are not the axes. */
typedef struct {
    double d[N], u[N];
} planted;

static void reflect(const double *u, double *x) {
    double inner = 0;
    for (int i = 0; i < N; i++) inner += u[i] * x[i];
    for (int i = 0; i < N; i++) x[i] -= 2 * inner * u[i];
}

static void apply(void *self, const float *x, float *y) {
    const planted *p = self;
    double v[N];
    for (int i = 0; i < N; i++) v[i] = (double)x[i];
    reflect(p->u, v);
    for (int i = 0; i < N; i++) v[i] *= p->d[i];
    reflect(p->u, v);
    for (int i = 0; i < N; i++) y[i] = (float)v[i];
}

/* 300 zeros, 97 values in [0.1, 1], and the three 5, 10 and -4. */
static planted make(void) {
    planted p = {.d = {0}};
    double norm = 0;
    ps_rng_key key = ps_rng_key_of(1, "planted");
    for (int i = 0; i < N; i++) {
        p.u[i] = (double)ps_rng_normal(key, (uint64_t)i);
        norm += p.u[i] * p.u[i];
    }
    for (int i = 0; i < N; i++) p.u[i] /= sqrt(norm);
    for (int i = 300; i < 397; i++) p.d[i] = 0.1 + 0.9 * (i - 300) / 96.0;
    p.d[397] = 5;
    p.d[398] = 10;
    p.d[399] = -4;
    return p;
}

static void run(planted *p, int steps, int count, ps_lanczos *probes) {
    ps_operator operator= { p, N, apply };
    for (int i = 0; i < count; i++) assert_int_equal(ps_lanczos_run(&operator, steps, 7, i, NULL, &probes[i]), PS_OK);
}

static void clear(ps_lanczos *probes, int count) {
    for (int i = 0; i < count; i++) ps_lanczos_clear(&probes[i]);
}

static void test_extreme_eigenvalues(void **state) {
    (void)state;
    planted p = make();
    ps_lanczos probe;
    run(&p, 30, 1, &probe);
    assert_true(fabs(probe.value[probe.steps - 1] - 10) < 1e-4);
    assert_true(fabs(probe.value[probe.steps - 2] - 5) < 1e-4);
    assert_true(fabs(probe.value[0] + 4) < 1e-4);
    clear(&probe, 1);
}

enum { SMALL = 8 };

static void apply_small(void *self, const float *x, float *y) {
    const double *b = self;
    for (int i = 0; i < SMALL; i++) {
        double sum = 0;
        for (int j = 0; j < SMALL; j++) sum += b[i * SMALL + j] * (double)x[j];
        y[i] = (float)sum;
    }
}

/* i, j = numpy.indices((8, 8)); b = ((i*j + 3*(i + j)) % 7 - 3).astype(float); scipy.linalg.eigvalsh(b) (SciPy 1.10).
 * The eigenvalue 0 is double, of which one start vector sees one; run to the end all others come out. */
static void test_whole_spectrum_agrees_with_scipy(void **state) {
    static const double expected[] = {-9.787134189269262, -5.780393096847611, -4.974790747171632, 0,
                                      4.589422053474644,  5.452005431207289,  7.500890548606576};
    (void)state;
    double b[SMALL * SMALL];
    for (int i = 0; i < SMALL; i++)
        for (int j = 0; j < SMALL; j++) b[i * SMALL + j] = (i * j + 3 * (i + j)) % 7 - 3;
    ps_operator operator= { b, SMALL, apply_small };
    ps_lanczos probe;
    assert_int_equal(ps_lanczos_run(&operator, 7, 7, 0, NULL, &probe), PS_OK);
    assert_int_equal(probe.steps, 7);
    for (int k = 0; k < 7; k++)
        if (!(fabs(probe.value[k] - expected[k]) < 2e-4)) fail_msg("%.9g is not %.9g", probe.value[k], expected[k]);
    clear(&probe, 1);
}

static void test_weights_are_a_measure(void **state) {
    (void)state;
    planted p = make();
    ps_lanczos probe;
    run(&p, 25, 1, &probe);
    double sum = 0;
    for (int k = 0; k < probe.steps; k++) {
        assert_true(probe.weight[k] >= 0);
        assert_true(k == 0 || probe.value[k] >= probe.value[k - 1]);
        sum += probe.weight[k];
    }
    assert_true(fabs(sum - 1) < 1e-10);
    clear(&probe, 1);
}

static void test_trace_and_null_space(void **state) {
    (void)state;
    enum { PROBES = 40 };
    planted p = make();
    ps_lanczos probes[PROBES];
    double trace = 0, error;
    for (int i = 0; i < N; i++) trace += p.d[i];
    run(&p, 60, PROBES, probes);
    ps_spectrum_summary s = ps_spectrum_summarise(probes, PROBES, N);
    assert_true(s.trace_error > 0 && fabs(s.trace - trace) < 4 * s.trace_error);
    /* 300 of 400 eigenvalues are zero; 0.001 of the largest lies between them and the rest. */
    double mass = ps_spectrum_mass_near_zero(probes, PROBES, 1e-3, &error);
    assert_true(fabs(mass - 0.75) < 4 * error + 0.005);
    assert_true(ps_spectrum_mass_near_zero(probes, PROBES, 1.0, NULL) > 0.999999);
    clear(probes, PROBES);
}

/* Fewer steps of the same run, without its products: not a bit differs. */
static void test_leading_blocks_are_shorter_runs(void **state) {
    (void)state;
    planted p = make();
    ps_lanczos whole, shorter, leading;
    run(&p, 40, 1, &whole);
    for (int steps = 1; steps <= 40; steps += 13) {
        run(&p, steps, 1, &shorter);
        assert_int_equal(ps_lanczos_leading(&whole, steps, &leading), PS_OK);
        assert_int_equal(leading.steps, steps);
        assert_memory_equal(leading.value, shorter.value, (size_t)steps * sizeof(double));
        assert_memory_equal(leading.weight, shorter.weight, (size_t)steps * sizeof(double));
        clear(&leading, 1);
        clear(&shorter, 1);
    }
    assert_int_equal(ps_lanczos_leading(&whole, 1000, &leading), PS_OK);
    assert_int_equal(leading.steps, 40);
    clear(&leading, 1);
    clear(&whole, 1);
}

static void test_probes_left_out(void **state) {
    (void)state;
    planted p = make();
    ps_lanczos probes[3], pair[2];
    double lowest, highest, expected[3];
    run(&p, 40, 3, probes);
    for (int out = 0; out < 3; out++) {
        for (int k = 0; k < 2; k++) pair[k] = probes[k < out ? k : k + 1];
        expected[out] = ps_spectrum_mass_near_zero(pair, 2, 1e-3, NULL);
    }
    assert_int_equal(ps_spectrum_mass_left_out(probes, 3, 1e-3, &lowest, &highest), PS_OK);
    assert_true(lowest == fmin(expected[0], fmin(expected[1], expected[2])) &&
                highest == fmax(expected[0], fmax(expected[1], expected[2])));
    assert_true(lowest < highest);
    assert_int_equal(ps_spectrum_mass_left_out(probes, 1, 1e-3, &lowest, &highest), PS_OK);
    assert_true(isnan(lowest) && isnan(highest));
    clear(probes, 3);
}

static void test_density_integrates_to_one(void **state) {
    (void)state;
    planted p = make();
    ps_lanczos probes[3];
    double sum = 0, step = 0.01;
    run(&p, 30, 3, probes);
    for (double lambda = -8; lambda < 14; lambda += step) sum += step * ps_spectrum_density(probes, 3, lambda, 0.1);
    assert_true(fabs(sum - 1) < 1e-6);
    clear(probes, 3);
}

/* An operator with three different eigenvalues exhausts its Krylov space after three steps, and is then known
 * exactly. */
static void test_exhausted_space(void **state) {
    (void)state;
    planted p = make();
    for (int i = 0; i < N; i++) p.d[i] = i % 3;
    ps_lanczos probe;
    run(&p, 50, 1, &probe);
    assert_int_equal(probe.steps, 3);
    for (int k = 0; k < 3; k++) assert_true(fabs(probe.value[k] - k) < 1e-5);
    clear(&probe, 1);
}

static void test_same_for_any_number_of_threads(void **state) {
    (void)state;
    planted p = make();
    ps_lanczos one, three;
    ps_threads *pool;
    ps_operator operator= { &p, N, apply };
    assert_int_equal(ps_threads_create(3, &pool), PS_OK);
    assert_int_equal(ps_lanczos_run(&operator, 20, 3, 0, NULL, &one), PS_OK);
    assert_int_equal(ps_lanczos_run(&operator, 20, 3, 0, pool, &three), PS_OK);
    assert_memory_equal(one.value, three.value, 20 * sizeof(double));
    ps_threads_destroy(pool);
    clear(&one, 1);
    clear(&three, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_spectrum_agrees_with_scipy),
        cmocka_unit_test(test_extreme_eigenvalues),
        cmocka_unit_test(test_weights_are_a_measure),
        cmocka_unit_test(test_trace_and_null_space),
        cmocka_unit_test(test_density_integrates_to_one),
        cmocka_unit_test(test_leading_blocks_are_shorter_runs),
        cmocka_unit_test(test_probes_left_out),
        cmocka_unit_test(test_exhausted_space),
        cmocka_unit_test(test_same_for_any_number_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
