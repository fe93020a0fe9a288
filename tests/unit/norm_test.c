/* Batch normalisation against double-precision references, finite differences, and the promises of its header. */
#include "kernels/norm.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/kernel_test.h"

typedef struct {
    size_t rows;
    int c;
} map;

/* Narrow, odd and wide channels; one row; rows that do not fill a group; maps of several chunks. */
static const map maps[] = {{1, 1},    {1, 5},   {2, 3},    {3, 64},    {7, 4},     {64, 16},   {65, 17},   {129, 63},
                           {1000, 1}, {50, 65}, {31, 130}, {4096, 40}, {5000, 12}, {700, 100}, {300, 513}, {16384, 8}};
enum { MAPS = sizeof maps / sizeof maps[0] };

/* Every row is a sample: batches of one shard and of several. */
static ps_shape shape_of(map m) { return (ps_shape){.n = (int)m.rows, .c = m.c, .d = 1, .h = 1, .w = 1}; }

static void reference_statistics(const float *x, map m, double eps, double *mean, double *inverse_std,
                                 double *unbiased) {
    for (int k = 0; k < m.c; k++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < m.rows; i++) sum += (double)x[i * (size_t)m.c + (size_t)k];
        mean[k] = sum / (double)m.rows;
        for (size_t i = 0; i < m.rows; i++) squares += pow((double)x[i * (size_t)m.c + (size_t)k] - mean[k], 2);
        inverse_std[k] = 1 / sqrt(squares / (double)m.rows + eps);
        unbiased[k] = squares / (m.rows > 1 ? (double)m.rows - 1 : 1);
    }
}

typedef struct {
    map m;
    size_t count;
    float *x, *residual, *dy, *gamma, *beta, *mean, *inverse_std, *variance;
    void *workspace;
} fixture;

static fixture fixture_of(map m, double offset, double spread) {
    size_t c = (size_t)m.c, count = m.rows * c;
    fixture f = {.m = m, .count = count, .x = kt_numbers("x", count), .residual = kt_coarse("residual", count, 0.25f)};
    for (size_t i = 0; i < count; i++) f.x[i] = (float)(offset + spread * (double)f.x[i]);
    f.dy = kt_numbers("dy", count);
    f.gamma = kt_numbers("gamma", c), f.beta = kt_numbers("beta", c);
    f.mean = kt_room(c, sizeof(float)), f.inverse_std = kt_room(c, sizeof(float)),
    f.variance = kt_room(c, sizeof(float));
    f.workspace = kt_workspace(ps_norm_workspace_bytes(shape_of(m)));
    ps_norm_statistics(f.x, shape_of(m), 1e-5, f.mean, f.inverse_std, f.variance, f.workspace, kt_pool(1));
    return f;
}

/* All of the fixture's rows; activation and what else is wanted is set by the caller. */
static ps_norm_backward_call backward_of(const fixture *f, float *dx, float *dgamma, float *dbeta) {
    return (ps_norm_backward_call){.x = f->x,
                                   .dy = f->dy,
                                   .shape = shape_of(f->m),
                                   .mean = f->mean,
                                   .inverse_std = f->inverse_std,
                                   .gamma = f->gamma,
                                   .dx = dx,
                                   .dgamma = dgamma,
                                   .dbeta = dbeta};
}

/* All of the fixture's rows, without residual. */
static ps_norm_apply_call apply_of(const fixture *f, ps_activation activation, float *y) {
    return (ps_norm_apply_call){.x = f->x,
                                .shape = shape_of(f->m),
                                .mean = f->mean,
                                .inverse_std = f->inverse_std,
                                .gamma = f->gamma,
                                .beta = f->beta,
                                .activation = activation,
                                .slope = 0.1f,
                                .y = y};
}

static void fixture_free(fixture *f) {
    float *arrays[] = {f->x, f->residual, f->dy, f->gamma, f->beta, f->mean, f->inverse_std, f->variance};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) free(arrays[i]);
    kt_workspace_free(f->workspace);
}

static void check_statistics(map m, double offset, double spread, double tolerance) {
    fixture f = fixture_of(m, offset, spread);
    size_t c = (size_t)m.c;
    double *want = kt_room(3 * c, sizeof(double));
    reference_statistics(f.x, m, 1e-5, want, want + c, want + 2 * c);
    for (size_t k = 0; k < c; k++)
        kt_assert_near(((double)f.mean[k] - want[k]) / spread, 0, 1e-6 + 1e-7 * fabs(offset) / spread);
    kt_assert_close(f.inverse_std, want + c, c, tolerance);
    kt_assert_close(f.variance, want + 2 * c, c, tolerance);
    free(want);
    fixture_free(&f);
}

static void statistics_match_double_precision(void **state) {
    (void)state;
    for (int i = 0; i < MAPS; i++) check_statistics(maps[i], 0.3, 1, 1e-6);
}

static void a_large_mean_does_not_cancel(void **state) {
    (void)state;
    check_statistics((map){5000, 12}, 1000, 0.5, 2e-6);
    check_statistics((map){4096, 40}, -300, 0.01, 1e-5);
}

static void a_constant_channel_has_no_variance(void **state) {
    (void)state;
    float x[300], mean[3], inverse_std[3], variance[3];
    for (int i = 0; i < 300; i++) x[i] = i % 3 == 0 ? 0.1f : i % 3 == 1 ? 0.0f : 1e4f;
    void *workspace = kt_workspace(ps_norm_workspace_bytes((ps_shape){100, 3, 1, 1, 1}));
    ps_norm_statistics(x, (ps_shape){100, 3, 1, 1, 1}, 1e-5, mean, inverse_std, variance, workspace, NULL);
    for (int k = 0; k < 3; k++) {
        assert_true(variance[k] >= 0 && variance[k] < 1e-6f * x[k] * x[k] + 1e-30f);
        kt_assert_near(mean[k], x[k], 1e-6);
        if (k < 2) kt_assert_near((double)inverse_std[k] * sqrt(1e-5), 1, 1e-5);
    }
    kt_workspace_free(workspace);
}

static double bend(ps_activation activation, double slope, double v) {
    return activation == PS_ACT_NONE || v > 0 || isnan(v) ? v : activation == PS_ACT_RELU ? 0 : slope * v;
}

/* The forward value in double, given the statistics in use. */
static double forward_at(const fixture *f, size_t i, bool residual, ps_activation activation, double slope) {
    size_t k = i % (size_t)f->m.c;
    double v =
        (double)f->gamma[k] * ((double)f->x[i] - (double)f->mean[k]) * (double)f->inverse_std[k] + (double)f->beta[k];
    return bend(activation, slope, v + (residual ? (double)f->residual[i] : 0));
}

static void apply_matches_double_precision(void **state) {
    (void)state;
    for (int variant = 0; variant < MAPS * 6; variant++) {
        fixture f = fixture_of(maps[variant / 6], 0.3, 1);
        ps_activation activation = (ps_activation)(variant % 3);
        bool residual = variant % 6 >= 3;
        float *y = kt_room(f.count, sizeof(float));
        double *want = kt_room(f.count, sizeof(double)), *zeros = kt_room((size_t)f.m.c, sizeof(double));
        for (int k = 0; k < f.m.c; k++) zeros[k] = 10;
        ps_norm_apply_call apply = apply_of(&f, activation, y);
        apply.residual = residual ? f.residual : NULL, apply.zeros = zeros;
        ps_norm_apply(&apply, f.workspace, kt_pool(2));
        for (size_t i = 0; i < f.count; i++) want[i] = forward_at(&f, i, residual, activation, (double)0.1f);
        kt_assert_close(y, want, f.count, 3e-7);
        for (size_t i = 0; i < f.count; i++) zeros[i % (size_t)f.m.c] -= y[i] == 0 ? 1 : 0;
        for (int k = 0; k < f.m.c; k++) assert_true(zeros[k] == 10);
        free(y), free(want), free(zeros);
        fixture_free(&f);
    }
}

static void relu_gives_positive_zero_and_counts_it(void **state) {
    (void)state;
    const float x[] = {-1, 0, 2, -0.0f, -3, 5}, one[] = {1}, zero[] = {0};
    float y[6];
    double zeros = 0;
    void *workspace = kt_workspace(ps_norm_workspace_bytes((ps_shape){6, 1, 1, 1, 1}));
    for (int i = 0; i < 2; i++) { /* a leaky ReLU of slope 0 is a ReLU */
        ps_norm_apply(&(ps_norm_apply_call){.x = x,
                                            .shape = {6, 1, 1, 1, 1},
                                            .mean = zero,
                                            .inverse_std = one,
                                            .gamma = one,
                                            .beta = zero,
                                            .activation = i ? PS_ACT_LEAKY_RELU : PS_ACT_RELU,
                                            .y = y,
                                            .zeros = &zeros},
                      workspace, NULL);
        const float want[] = {0, 0, 2, 0, 0, 5};
        kt_assert_same_bits(y, want, 6);
    }
    assert_true(zeros == 8);
    kt_workspace_free(workspace);
}

static void apply_works_in_place(void **state) {
    (void)state;
    fixture f = fixture_of((map){777, 20}, 0, 1);
    float *y = kt_room(f.count, sizeof(float)), *x = kt_copy(f.x, f.count), *residual = kt_copy(f.residual, f.count);
    ps_norm_apply_call apply = apply_of(&f, PS_ACT_RELU, y);
    apply.residual = f.residual;
    ps_norm_apply(&apply, f.workspace, kt_pool(1));
    apply.x = apply.y = x;
    ps_norm_apply(&apply, f.workspace, kt_pool(1));
    apply.x = f.x, apply.residual = apply.y = residual;
    ps_norm_apply(&apply, f.workspace, kt_pool(1));
    kt_assert_same_bits(y, x, f.count);
    kt_assert_same_bits(y, residual, f.count);
    free(y), free(x), free(residual);
    fixture_free(&f);
}

typedef struct {
    ps_activation activation;
    bool frozen, residual, accumulate_x, accumulate_residual, squares;
} backward_case;

typedef struct {
    double *dx, *dresidual, *dgamma, *dbeta, *squares, *gate_squares;
} gradients;

static gradients gradients_of(const fixture *f) {
    size_t c = (size_t)f->m.c;
    return (gradients){kt_room(f->count, sizeof(double)), kt_room(f->count, sizeof(double)),
                       kt_room(c, sizeof(double)),        kt_room(c, sizeof(double)),
                       kt_room(c, sizeof(double)),        kt_room(c, sizeof(double))};
}

static void gradients_free(gradients *g) {
    free(g->dx), free(g->dresidual), free(g->dgamma), free(g->dbeta), free(g->squares), free(g->gate_squares);
}

/* The textbook formula, straight from the output's sign. */
static void reference_backward(const fixture *f, const float *y, backward_case b, gradients *out) {
    size_t c = (size_t)f->m.c;
    double n = (double)f->m.rows;
    for (size_t i = 0; i < f->count; i++) {
        size_t k = i % c;
        double g = b.activation == PS_ACT_NONE || y[i] > 0 ? (double)f->dy[i]
                   : b.activation == PS_ACT_RELU           ? 0
                                                           : (double)0.1f * (double)f->dy[i];
        out->dresidual[i] = g;
        out->dbeta[k] += g;
        out->dgamma[k] += g * ((double)f->x[i] - (double)f->mean[k]) * (double)f->inverse_std[k];
    }
    for (size_t i = 0; i < f->count; i++) {
        size_t k = i % c;
        double inverse = (double)f->inverse_std[k], xhat = ((double)f->x[i] - (double)f->mean[k]) * inverse;
        double pull = b.frozen ? 0 : out->dbeta[k] / n + xhat * out->dgamma[k] / n;
        out->dx[i] = (double)f->gamma[k] * inverse * (out->dresidual[i] - pull);
        out->squares[k] += out->dx[i] * out->dx[i];
        out->gate_squares[k] += out->dresidual[i] * out->dresidual[i];
    }
}

static void check_backward(fixture *f, backward_case b, double tolerance) {
    size_t c = (size_t)f->m.c;
    float *y = kt_room(f->count, sizeof(float)), *dx = kt_numbers("old dx", f->count),
          *dr = kt_numbers("old dr", f->count);
    float *old_dx = kt_copy(dx, f->count), *old_dr = kt_copy(dr, f->count), *dgamma = kt_numbers("junk", c),
          *dbeta = kt_copy(dgamma, c);
    double *squares = kt_room(c, sizeof(double)), *gate_squares = kt_room(c, sizeof(double));
    for (size_t k = 0; k < c; k++) squares[k] = gate_squares[k] = 5;
    gradients want = gradients_of(f);
    ps_norm_apply_call apply = apply_of(f, b.activation, y);
    apply.residual = b.residual ? f->residual : NULL;
    ps_norm_apply(&apply, f->workspace, kt_pool(1));
    reference_backward(f, y, b, &want);
    ps_norm_backward(&(ps_norm_backward_call){.x = f->x,
                                              .y = b.activation == PS_ACT_NONE ? NULL : y,
                                              .dy = f->dy,
                                              .shape = shape_of(f->m),
                                              .mean = f->mean,
                                              .inverse_std = f->inverse_std,
                                              .gamma = f->gamma,
                                              .activation = b.activation,
                                              .slope = 0.1f,
                                              .frozen = b.frozen,
                                              .dx = dx,
                                              .accumulate_x = b.accumulate_x,
                                              .dresidual = b.residual ? dr : NULL,
                                              .accumulate_residual = b.accumulate_residual,
                                              .dgamma = dgamma,
                                              .dbeta = dbeta,
                                              .dx_squares = b.squares ? squares : NULL,
                                              .gate_squares = b.squares ? gate_squares : NULL},
                     f->workspace, kt_pool(2));
    for (size_t i = 0; i < f->count; i++) {
        want.dx[i] += b.accumulate_x ? (double)old_dx[i] : 0;
        want.dresidual[i] =
            b.residual ? want.dresidual[i] + (b.accumulate_residual ? (double)old_dr[i] : 0) : (double)old_dr[i];
    }
    kt_assert_close(dx, want.dx, f->count, tolerance);
    kt_assert_close(dr, want.dresidual, f->count, 1e-7);
    kt_assert_close(dgamma, want.dgamma, c, tolerance);
    kt_assert_close(dbeta, want.dbeta, c, tolerance);
    for (size_t k = 0; k < c; k++) kt_assert_near(squares[k], 5 + (b.squares ? want.squares[k] : 0), 4 * tolerance);
    for (size_t k = 0; k < c; k++)
        kt_assert_near(gate_squares[k], 5 + (b.squares ? want.gate_squares[k] : 0), 4 * tolerance);
    gradients_free(&want);
    free(y), free(dx), free(dr), free(old_dx), free(old_dr), free(dgamma), free(dbeta), free(squares),
        free(gate_squares);
}

static void backward_matches_the_formula_in_every_variant(void **state) {
    (void)state;
    for (int i = 0; i < MAPS; i++) {
        if (maps[i].rows < 3) continue; /* one or two rows have no gradient: a difference of equals */
        fixture f = fixture_of(maps[i], 0.3, 1);
        for (int v = 0; v < 96; v++) {
            if (f.count > 5000 && v % 17 != 0) continue;
            backward_case b = {(ps_activation)(v % 3), v / 3 % 2, v / 6 % 2, v / 12 % 2, v / 24 % 2, v / 48 % 2};
            check_backward(&f, b, 2e-6);
        }
        fixture_free(&f);
    }
}

static void one_row_sends_no_gradient_back(void **state) {
    (void)state;
    fixture f = fixture_of((map){1, 5}, 0, 1);
    float dx[5], dgamma[5], dbeta[5];
    ps_norm_backward_call call = backward_of(&f, dx, dgamma, dbeta);
    call.activation = PS_ACT_NONE;
    ps_norm_backward(&call, f.workspace, NULL);
    for (int k = 0; k < 5; k++) {
        kt_assert_near(dx[k], 0, 1e-4);
        assert_true(dgamma[k] == 0 && dbeta[k] == f.dy[k]);
    }
    fixture_free(&f);
}

/* Loss sum(dy * y) in double, statistics included, as a function of the input. */
static double loss_of(const fixture *f, const double *x, const double *gamma, const double *beta) {
    double loss = 0, n = (double)f->m.rows;
    size_t c = (size_t)f->m.c;
    for (size_t k = 0; k < c; k++) {
        double mean = 0, variance = 0;
        for (size_t i = k; i < f->count; i += c) mean += x[i] / n;
        for (size_t i = k; i < f->count; i += c) variance += (x[i] - mean) * (x[i] - mean) / n;
        for (size_t i = k; i < f->count; i += c) {
            double v = gamma[k] * (x[i] - mean) / sqrt(variance + 1e-5) + beta[k] + (double)f->residual[i];
            loss += (double)f->dy[i] * bend(PS_ACT_LEAKY_RELU, (double)0.1f, v);
        }
    }
    return loss;
}

static double slope_of(const fixture *f, double *x, double *gamma, double *beta, double *at) {
    const double h = 1e-6, old = *at;
    *at = old + h;
    double up = loss_of(f, x, gamma, beta);
    *at = old - h;
    double down = loss_of(f, x, gamma, beta);
    *at = old;
    return (up - down) / (2 * h);
}

static void backward_matches_finite_differences(void **state) {
    (void)state;
    fixture f = fixture_of((map){23, 6}, 0.5, 2);
    double x[23 * 6], gamma[6], beta[6], want[23 * 6];
    float y[23 * 6], dx[23 * 6], dresidual[23 * 6], dgamma[6], dbeta[6];
    for (size_t i = 0; i < f.count; i++) x[i] = (double)f.x[i];
    for (int k = 0; k < 6; k++) gamma[k] = (double)f.gamma[k], beta[k] = (double)f.beta[k];
    ps_norm_apply_call apply = apply_of(&f, PS_ACT_LEAKY_RELU, y);
    apply.residual = f.residual;
    ps_norm_apply(&apply, f.workspace, NULL);
    ps_norm_backward_call call = backward_of(&f, dx, dgamma, dbeta);
    call.y = y;
    call.activation = PS_ACT_LEAKY_RELU;
    call.slope = 0.1f;
    call.dresidual = dresidual;
    ps_norm_backward(&call, f.workspace, NULL);
    for (size_t i = 0; i < f.count; i++) want[i] = slope_of(&f, x, gamma, beta, x + i);
    kt_assert_close(dx, want, f.count, 1e-5);
    for (int k = 0; k < 6; k++) want[k] = slope_of(&f, x, gamma, beta, gamma + k);
    kt_assert_close(dgamma, want, 6, 1e-5);
    for (int k = 0; k < 6; k++) want[k] = slope_of(&f, x, gamma, beta, beta + k);
    kt_assert_close(dbeta, want, 6, 1e-5);
    fixture_free(&f);
}

static void backward_works_in_place(void **state) {
    (void)state;
    fixture f = fixture_of((map){333, 24}, 0, 1);
    float *y = kt_room(f.count, sizeof(float)), *dx = kt_room(f.count, sizeof(float)),
          *dr = kt_room(f.count, sizeof(float));
    float *in_place = kt_copy(f.dy, f.count), *second = kt_copy(f.dy, f.count),
          *other = kt_room(f.count, sizeof(float));
    float dgamma[24], dbeta[24];
#define BACKWARD(arrives, for_x, for_residual)                              \
    ps_norm_backward(&(ps_norm_backward_call){.x = f.x,                     \
                                              .y = y,                       \
                                              .dy = arrives,                \
                                              .shape = shape_of(f.m),       \
                                              .mean = f.mean,               \
                                              .inverse_std = f.inverse_std, \
                                              .gamma = f.gamma,             \
                                              .activation = PS_ACT_RELU,    \
                                              .dx = for_x,                  \
                                              .dresidual = for_residual,    \
                                              .dgamma = dgamma,             \
                                              .dbeta = dbeta},              \
                     f.workspace, kt_pool(1))
    ps_norm_apply_call apply = apply_of(&f, PS_ACT_RELU, y);
    apply.residual = f.residual;
    ps_norm_apply(&apply, f.workspace, kt_pool(1));
    BACKWARD(f.dy, dx, dr);
    BACKWARD(in_place, in_place, other);
    kt_assert_same_bits(dx, in_place, f.count);
    kt_assert_same_bits(dr, other, f.count);
    BACKWARD(second, other, second);
    kt_assert_same_bits(dx, other, f.count);
    kt_assert_same_bits(dr, second, f.count);
#undef BACKWARD
    free(y), free(dx), free(dr), free(in_place), free(second), free(other);
    fixture_free(&f);
}

/* A gate that is shut on the whole batch must give gradients that are exactly zero: an identity the instruments rely
 * on. */
static void a_shut_gate_gives_exactly_zero_gradients(void **state) {
    (void)state;
    fixture f = fixture_of((map){500, 10}, 0, 1);
    float *y = kt_room(f.count, sizeof(float)), *dx = kt_room(f.count, sizeof(float)), dgamma[10], dbeta[10];
    double zeros[10] = {0};
    f.beta[3] = -1e3f;
    f.dy[3] = INFINITY; /* even an infinite gradient does not pass */
    ps_norm_apply_call apply = apply_of(&f, PS_ACT_RELU, y);
    apply.zeros = zeros;
    ps_norm_apply(&apply, f.workspace, kt_pool(1));
    ps_norm_backward_call call = backward_of(&f, dx, dgamma, dbeta);
    call.y = y;
    call.activation = PS_ACT_RELU;
    ps_norm_backward(&call, f.workspace, kt_pool(1));
    assert_true(zeros[3] == 500);
    assert_true(dgamma[3] == 0 && dbeta[3] == 0 && dgamma[4] != 0);
    for (size_t i = 0; i < f.count; i++) assert_true(i % 10 != 3 || dx[i] == 0);
    free(y), free(dx);
    fixture_free(&f);
}

static void not_a_number_stays_in_its_channel(void **state) {
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        fixture f = fixture_of((map){900, 7}, 0, 1);
        float *y = kt_room(f.count, sizeof(float)), *dx = kt_room(f.count, sizeof(float)), dgamma[7], dbeta[7];
        double zeros[7] = {0};
        f.x[7 * 500 + 2] = kind == 0 ? NAN : kind == 1 ? INFINITY : -INFINITY;
        ps_norm_statistics(f.x, shape_of(f.m), 1e-5, f.mean, f.inverse_std, NULL, f.workspace, kt_pool(1));
        assert_true(!isfinite(f.mean[2]) && isnan(f.inverse_std[2]));
        ps_norm_apply_call apply = apply_of(&f, PS_ACT_RELU, y);
        apply.zeros = zeros;
        ps_norm_apply(&apply, f.workspace, kt_pool(1));
        ps_norm_backward_call call = backward_of(&f, dx, dgamma, dbeta);
        call.y = y;
        call.activation = PS_ACT_RELU;
        ps_norm_backward(&call, f.workspace, kt_pool(1));
        assert_true(zeros[2] == 0 && isnan(dgamma[2]));
        for (size_t i = 0; i < f.count; i++) {
            assert_int_equal(isnan(y[i]) != 0, i % 7 == 2);
            assert_int_equal(isnan(dx[i]) != 0, i % 7 == 2);
        }
        free(y), free(dx);
        fixture_free(&f);
    }
}

static void any_number_of_threads_gives_the_same_bits(void **state) {
    (void)state;
    for (int m = 0; m < MAPS; m++) {
        fixture f = fixture_of(maps[m], 0.3, 1);
        size_t c = (size_t)f.m.c, total = 2 * f.count + 5 * c;
        float *first = NULL;
        for (int p = 0; p < KT_POOLS; p++) {
            float *out = kt_room(total, sizeof(float)), *y = out, *dx = out + f.count, *rest = dx + f.count;
            double *sums = kt_room(3 * c, sizeof(double));
            ps_norm_statistics(f.x, shape_of(f.m), 1e-5, rest, rest + c, rest + 2 * c, f.workspace, kt_pool(p));
            ps_norm_apply_call apply = apply_of(&f, PS_ACT_RELU, y);
            apply.mean = rest, apply.inverse_std = rest + c, apply.residual = f.residual, apply.zeros = sums;
            ps_norm_apply(&apply, f.workspace, kt_pool(p));
            ps_norm_backward(&(ps_norm_backward_call){.x = f.x,
                                                      .y = y,
                                                      .dy = f.dy,
                                                      .shape = shape_of(f.m),
                                                      .mean = rest,
                                                      .inverse_std = rest + c,
                                                      .gamma = f.gamma,
                                                      .activation = PS_ACT_RELU,
                                                      .dx = dx,
                                                      .dgamma = rest + 3 * c,
                                                      .dbeta = rest + 4 * c,
                                                      .dx_squares = sums + c,
                                                      .gate_squares = sums + 2 * c},
                             f.workspace, kt_pool(p));
            if (first != NULL) kt_assert_same_bits(out, first, total);
            if (first == NULL) first = out;
            else free(out);
            free(sums);
        }
        free(first);
        fixture_free(&f);
    }
}

int main(int argc, char **argv) {
    (void)argc;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics_match_double_precision),
        cmocka_unit_test(a_large_mean_does_not_cancel),
        cmocka_unit_test(a_constant_channel_has_no_variance),
        cmocka_unit_test(apply_matches_double_precision),
        cmocka_unit_test(relu_gives_positive_zero_and_counts_it),
        cmocka_unit_test(apply_works_in_place),
        cmocka_unit_test(backward_matches_the_formula_in_every_variant),
        cmocka_unit_test(one_row_sends_no_gradient_back),
        cmocka_unit_test(backward_matches_finite_differences),
        cmocka_unit_test(backward_works_in_place),
        cmocka_unit_test(a_shut_gate_gives_exactly_zero_gradients),
        cmocka_unit_test(not_a_number_stays_in_its_channel),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
    };
    return kt_main(argv[0], tests);
}
