/* Curved activations and layer normalisation against the formulas in double precision, over all of what floats hold. */
#include "kernels/curve.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/layer_norm.h"
#include "tests/lib/kernel_test.h"

static const ps_curve curves[] = {
    {PS_CURVE_GELU, 0}, {PS_CURVE_SILU, 0}, {PS_CURVE_ELU, 1}, {PS_CURVE_ELU, 0.3f}, {PS_CURVE_RELU6, 0}};
enum { CURVES = sizeof curves / sizeof curves[0] };

static double value(ps_curve curve, double x) {
    switch (curve.kind) {
        case PS_CURVE_GELU: return x * erfc(-x * M_SQRT1_2) / 2;
        case PS_CURVE_SILU: return x < 0 ? x * exp(x) / (1 + exp(x)) : x / (1 + exp(-x));
        case PS_CURVE_ELU: return x > 0 ? x : (double)curve.alpha * expm1(x);
        default: return fmin(fmax(x, 0), 6);
    }
}

static double derivative(ps_curve curve, double x) {
    double s = 1 / (1 + exp(-x));
    switch (curve.kind) {
        case PS_CURVE_GELU: return erfc(-x * M_SQRT1_2) / 2 + x * exp(-x * x / 2) / sqrt(2 * M_PI);
        case PS_CURVE_SILU: return s * (1 + x / (1 + exp(x)));
        case PS_CURVE_ELU: return x > 0 ? 1 : (double)curve.alpha * exp(x);
        default: return x > 0 && x < 6;
    }
}

/* A derivative crosses 0 inside, so that its error there is of what it is made of. */
static void expect_near(double got, double want, double made_of, double x) {
    if (!(fabs(got - want) <= 12 * 6e-8 * made_of + 1e-36)) fail_msg("at %.9g: %.9g, not %.9g", x, got, want);
}

static void values_are_within_some_units_in_both_tails(void **state) {
    (void)state;
    enum { COUNT = 40001 };
    ps_shape shape = {.n = 1, .c = 1, .d = 1, .h = 1, .w = COUNT};
    float *x = kt_room(COUNT, sizeof *x), *y = kt_room(COUNT, sizeof *y), *one = kt_room(COUNT, sizeof *one),
          *d = kt_room(COUNT, sizeof *d);
    void *workspace = kt_workspace(ps_curve_workspace_bytes(shape));
    /* Evenly from -20 to 20, then in powers of ten down to the smallest. */
    for (int i = 0; i < COUNT; i++) {
        x[i] = i < 30000 ? (float)(i - 15000) * (20.0f / 15000)
                         : (float)((i % 2 ? 1 : -1) * pow(10, -37 + (i - 30000) * 39.0 / 10000));
        one[i] = 1;
    }
    for (int k = 0; k < CURVES; k++) {
        ps_curve_forward(curves[k], x, shape, y, NULL, workspace, kt_pool(1));
        ps_curve_backward(curves[k], x, one, shape, d, false, NULL, workspace, kt_pool(1));
        for (int i = 0; i < COUNT; i++) {
            double at = (double)x[i], want = value(curves[k], at), slope = derivative(curves[k], at);
            expect_near((double)y[i], want, fabs(want), at);
            expect_near((double)d[i], slope, fabs(slope) + (fabs(at) < 3 ? 0.2 : 0), at);
        }
    }
    kt_workspace_free(workspace);
    free(x), free(y), free(one), free(d);
}

static void what_is_not_finite_passes(void **state) {
    (void)state;
    const float x[] = {NAN, INFINITY, 1e30f, -1e30f}, dy[] = {2, 3, 4, 5};
    ps_shape shape = {.n = 1, .c = 1, .d = 1, .h = 1, .w = 4};
    float y[4], dx[4];
    void *workspace = kt_workspace(ps_curve_workspace_bytes(shape));
    for (int k = 0; k < CURVES; k++) {
        ps_curve_forward(curves[k], x, shape, y, NULL, workspace, kt_pool(0));
        ps_curve_backward(curves[k], x, dy, shape, dx, false, NULL, workspace, kt_pool(0));
        bool cut = curves[k].kind == PS_CURVE_RELU6;
        assert_true(isnan(y[0]) && y[1] == (cut ? 6 : INFINITY) && y[2] == (cut ? 6 : 1e30f));
        assert_true(cut ? dx[0] == 2 : isnan(dx[0]));
        assert_true(dx[2] == (cut ? 0 : 4) && dx[3] == 0);
        assert_true(y[3] == (curves[k].kind == PS_CURVE_ELU ? -curves[k].alpha : 0));
    }
    kt_workspace_free(workspace);
}

typedef struct {
    size_t images, rows;
    int c;
} map;

static const map maps[] = {{1, 1, 1}, {3, 7, 4}, {2, 49, 17}, {40, 9, 63}, {1, 50, 65}, {64, 256, 12}, {100, 16, 130}};
enum { MAPS = sizeof maps / sizeof maps[0] };

static ps_shape shape_of(map m) { return (ps_shape){.n = (int)m.images, .c = m.c, .d = 1, .h = (int)m.rows, .w = 1}; }

/* Zeros, squares and flat values per channel, accumulation, in place, and bits by the number of threads. */
static void sums_are_those_of_the_elements(void **state) {
    (void)state;
    for (int v = 0; v < MAPS * CURVES; v++) {
        map m = maps[v / CURVES];
        ps_curve curve = curves[v % CURVES];
        size_t c = (size_t)m.c, count = m.images * m.rows * c;
        float *x = kt_coarse("x", count, 0.5f), *dy = kt_numbers("dy", count), *y = kt_room(count, sizeof *y);
        for (size_t i = 0; i < count; i++) x[i] *= 4;
        float *dx = kt_numbers("dx", count), *old = kt_copy(dx, count), *plain = kt_room(count, sizeof *plain);
        double *sums = kt_room(6 * c, sizeof *sums);
        void *workspace = kt_workspace(ps_curve_workspace_bytes(shape_of(m)));
        ps_curve_forward(curve, x, shape_of(m), y, sums, workspace, kt_pool(2));
        ps_curve_backward(curve, x, dy, shape_of(m), plain, false, NULL, workspace, kt_pool(0));
        ps_curve_backward(curve, x, dy, shape_of(m), dx, true, sums + c, workspace, kt_pool(2));
        ps_curve_count_flat(curve, x, shape_of(m), 1e-3f, sums + 2 * c, workspace, kt_pool(3));
        for (size_t i = 0; i < count; i++) {
            assert_true(dx[i] == old[i] + plain[i]);
            sums[3 * c + i % c] += y[i] == 0;
            sums[4 * c + i % c] += (double)plain[i] * (double)plain[i];
            sums[5 * c + i % c] += fabs(derivative(curve, (double)x[i])) < 1e-3;
        }
        for (size_t k = 0; k < 3 * c; k++) kt_assert_near(sums[k], sums[3 * c + k], 1e-6);
        ps_curve_forward(curve, x, shape_of(m), x, NULL, workspace, kt_pool(1));
        kt_assert_same_bits(x, y, count);
        kt_workspace_free(workspace);
        free(x), free(dy), free(y), free(dx), free(old), free(plain), free(sums);
    }
}

/* A mean a thousand times the spread, and a row that is constant. */
static void rows_far_from_zero_are_normalised(void **state) {
    (void)state;
    enum { ROWS = 9, C = 75 };
    ps_shape shape = {.n = 1, .c = C, .d = 1, .h = ROWS, .w = 1};
    float *x = kt_numbers("x", ROWS * C), *y = kt_room(ROWS * C, sizeof *y), mean[ROWS], inverse[ROWS], gamma[C],
          beta[C];
    for (int k = 0; k < C; k++) gamma[k] = 1 + 0.01f * (float)k, beta[k] = 0.5f;
    for (int i = 0; i < ROWS * C; i++) x[i] = i < C ? 3 : 1000 + x[i];
    ps_layer_norm_forward(x, shape, 1e-5, gamma, beta, y, mean, inverse, kt_pool(1));
    for (int k = 0; k < C; k++) assert_true(y[k] == beta[k]);
    for (int row = 1; row < ROWS; row++) {
        double m = 0, v = 0;
        for (int k = 0; k < C; k++) m += (double)x[row * C + k] / C;
        for (int k = 0; k < C; k++) v += pow((double)x[row * C + k] - m, 2) / C;
        for (int k = 0; k < C; k++) {
            double want = ((double)x[row * C + k] - m) / sqrt(v + 1e-5) * (double)gamma[k] + (double)beta[k];
            assert_true(fabs((double)y[row * C + k] - want) < 3e-4); /* half a unit of 1000 */
        }
    }
    free(x), free(y);
}

int main(int count, char **argument) {
    (void)count;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_within_some_units_in_both_tails),
        cmocka_unit_test(what_is_not_finite_passes),
        cmocka_unit_test(sums_are_those_of_the_elements),
        cmocka_unit_test(rows_far_from_zero_are_normalised),
    };
    return kt_main(argument[0], tests);
}
