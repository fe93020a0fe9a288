/* Element-wise kernels and per-channel sums against scalar references. */
#include "kernels/pointwise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/kernel_test.h"

typedef struct {
    size_t images, rows; /* rows per image */
    int c;
} map;

static const map maps[] = {{1, 1, 1},    {2, 1, 5},   {3, 7, 4},     {5, 16, 16},    {2, 49, 17},   {40, 9, 63},
                           {3, 1000, 1}, {1, 50, 65}, {64, 256, 12}, {100, 16, 130}, {2, 300, 513}, {1, 40000, 3}};
enum { MAPS = sizeof maps / sizeof maps[0] };

static ps_shape shape_of(map m) { return (ps_shape){.n = (int)m.images, .c = m.c, .d = 1, .h = (int)m.rows, .w = 1}; }

static void activation_and_its_gradient_match_the_definition(void **state) {
    (void)state;
    for (int v = 0; v < MAPS * 4; v++) {
        map m = maps[v / 4];
        float slope = v & 1 ? 0.2f : 0;
        bool accumulate = v & 2;
        size_t c = (size_t)m.c, rows = m.images * m.rows, count = rows * c;
        float *x = kt_coarse("x", count, 0.5f), *dy = kt_numbers("dy", count), *y = kt_room(count, sizeof(float));
        float *dx = kt_numbers("dx", count), *old = kt_copy(dx, count);
        double *zeros = kt_room(2 * c, sizeof(double)), *squares = zeros + c;
        for (size_t k = 0; k < 2 * c; k++) zeros[k] = 3;
        void *workspace = kt_workspace(ps_pointwise_workspace_bytes(shape_of(m)));
        ps_activation_forward(x, shape_of(m), slope, y, zeros, workspace, kt_pool(2));
        ps_activation_backward(y, dy, shape_of(m), slope, dx, accumulate, squares, workspace, kt_pool(2));
        double *counted = kt_room(2 * c, sizeof(double));
        for (size_t i = 0; i < count; i++) {
            float want = x[i] > 0 ? x[i] : slope * x[i], d = y[i] > 0 ? dy[i] : slope * dy[i];
            assert_true(y[i] == want && !(y[i] == 0 && slope == 0 && signbit(y[i])));
            assert_true(dx[i] == (accumulate ? old[i] + d : d));
            counted[i % c] += y[i] == 0 ? 1 : 0;
            counted[c + i % c] += (double)d * (double)d;
        }
        for (size_t k = 0; k < c; k++) {
            assert_true(zeros[k] == 3 + counted[k]);
            kt_assert_near(squares[k], 3 + counted[c + k], 1e-6);
        }
        ps_activation_forward(x, shape_of(m), slope, x, NULL, workspace, kt_pool(1));
        kt_assert_same_bits(x, y, count);
        ps_activation_backward(y, dy, shape_of(m), slope, dy, false, NULL, workspace, kt_pool(1));
        for (size_t i = 0; i < count; i++) assert_true(dx[i] == (accumulate ? old[i] + dy[i] : dy[i]));
        kt_workspace_free(workspace);
        free(x), free(dy), free(y), free(dx), free(old), free(zeros), free(counted);
    }
}

static void not_a_number_and_infinity_pass(void **state) {
    (void)state;
    const float x[] = {NAN, INFINITY, -INFINITY, 1}, dy[] = {2, NAN, INFINITY, -INFINITY};
    float y[4], dx[4];
    double zeros = 0;
    void *workspace = kt_workspace(ps_pointwise_workspace_bytes((ps_shape){4, 1, 1, 1, 1}));
    ps_activation_forward(x, (ps_shape){4, 1, 1, 1, 1}, 0, y, &zeros, workspace, NULL);
    assert_true(isnan(y[0]) && isinf(y[1]) && y[2] == 0 && zeros == 1);
    ps_activation_backward(y, dy, (ps_shape){4, 1, 1, 1, 1}, 0, dx, false, NULL, workspace, NULL);
    assert_true(dx[0] == 2 && isnan(dx[1]) && dx[2] == 0 && isinf(dx[3])); /* a shut gate stops even an infinity */
    ps_activation_forward(x, (ps_shape){4, 1, 1, 1, 1}, 0.5f, y, NULL, workspace, NULL);
    assert_true(isnan(y[0]) && y[2] == -INFINITY);
    kt_workspace_free(workspace);
}

static void spreads_match_the_definition(void **state) {
    (void)state;
    for (int i = 0; i < MAPS; i++) {
        map m = maps[i];
        size_t count = m.rows * (size_t)m.c;
        float *x = kt_numbers("x", m.images * count), *first = kt_numbers("first", count);
        float *most = kt_room(count, sizeof(float)), *again = kt_room(count, sizeof(float));
        for (size_t k = 0; k < count; k++) most[k] = again[k] = k % 3 == 0 ? 0.7f : 0; /* of an earlier batch */
        ps_vector_spread(x, m.images, count, first, most, kt_pool(3));
        for (size_t k = 0; k < count; k++) {
            float want = k % 3 == 0 ? 0.7f : 0;
            for (size_t image = 0; image < m.images; image++) {
                float d = fabsf(x[image * count + k] - first[k]);
                want = d > want ? d : want;
            }
            assert_true(most[k] == want);
        }
        ps_vector_spread(x, m.images, count, first, again, kt_pool(1));
        kt_assert_same_bits(most, again, count);
        x[count / 2] = i % 2 ? NAN : INFINITY; /* stays, whatever comes behind it */
        ps_vector_spread(x, m.images, count, first, most, kt_pool(2));
        assert_true(isnan(most[count / 2]));
        free(x), free(first), free(most), free(again);
    }
}

static void summaries_match_the_definition(void **state) {
    (void)state;
    for (int i = 0; i < MAPS; i++) {
        map m = maps[i];
        size_t c = (size_t)m.c, count = m.images * m.rows * c;
        float *x = kt_coarse("x", count, 1.5f);
        for (size_t j = 0; j < count; j++) /* some channels silent on some images, one on all */
            if (j % c == c / 2 || (j / c / m.rows + j % c) % 3 == 0) x[j] = 0;
        double *got = kt_room(6 * c, sizeof(double)), *want = kt_room(6 * c, sizeof(double));
        for (size_t k = 0; k < 6 * c; k++) got[k] = want[k] = 1;
        for (size_t image = 0; image < m.images; image++)
            for (size_t k = 0; k < c; k++) {
                bool active = false;
                for (size_t r = 0; r < m.rows; r++) {
                    double v = (double)x[(image * m.rows + r) * c + k];
                    active |= v != 0;
                    want[k] += v != 0, want[c + k] += v, want[2 * c + k] += fabs(v), want[3 * c + k] += v * v;
                }
                want[4 * c + k] += active;
            }
        void *workspace = kt_workspace(ps_pointwise_workspace_bytes(shape_of(m)));
        ps_channel_sums sums = {got, got + c, got + 2 * c, got + 3 * c, got + 4 * c};
        ps_channel_summarise(x, shape_of(m), sums, workspace, kt_pool(2));
        ps_channel_sum_squares(x, shape_of(m), got + 5 * c, workspace, kt_pool(2));
        for (size_t k = 0; k < c; k++) {
            assert_true(got[k] == want[k] && got[4 * c + k] == want[4 * c + k]);
            for (size_t s = 1; s < 4; s++) kt_assert_near(got[s * c + k], want[s * c + k], 1e-6);
            kt_assert_near(got[5 * c + k], want[3 * c + k], 1e-6);
        }
        ps_channel_summarise(x, shape_of(m), (ps_channel_sums){0}, workspace, NULL);
        kt_workspace_free(workspace);
        free(x), free(got), free(want);
    }
}

static void not_a_number_counts_as_activity(void **state) {
    (void)state;
    float x[12] = {0};
    double nonzero[2] = {0}, active[2] = {0}, sum[2] = {0};
    x[5] = NAN;
    void *workspace = kt_workspace(ps_pointwise_workspace_bytes((ps_shape){2, 2, 1, 3, 1}));
    ps_channel_summarise(x, (ps_shape){2, 2, 1, 3, 1}, (ps_channel_sums){nonzero, sum, NULL, NULL, active}, workspace,
                         NULL);
    assert_true(nonzero[0] == 0 && nonzero[1] == 1 && active[0] == 0 && active[1] == 1 && isnan(sum[1]) && sum[0] == 0);
    kt_workspace_free(workspace);
}

static void vectors_do_what_they_say(void **state) {
    (void)state;
    static const size_t counts[] = {0, 1, 15, 16, 33, 1000, 100003};
    for (int i = 0; i < 7; i++)
        for (int p = 0; p < KT_POOLS; p++) {
            size_t n = counts[i];
            float *a = kt_numbers("a", n), *b = kt_numbers("b", n), *y = kt_room(n, sizeof(float));
            double squares = 0;
            for (size_t j = 0; j < n; j++) squares += (double)a[j] * (double)a[j];
            kt_assert_near(ps_vector_sum_squares(a, n, kt_pool(p)), squares, 1e-12);
            assert_true(ps_vector_sum_squares(a, n, kt_pool(p)) == ps_vector_sum_squares(a, n, kt_pool(0)));
            ps_vector_fill(y, n, 2.5f, kt_pool(p));
            for (size_t j = 0; j < n; j++) assert_true(y[j] == 2.5f);
            ps_vector_copy(a, n, y, kt_pool(p));
            kt_assert_same_bits(y, a, n);
            ps_vector_add(y, b, n, y, kt_pool(p));
            for (size_t j = 0; j < n; j++) assert_true(y[j] == a[j] + b[j]);
            ps_vector_axpy(-0.5f, b, n, y, kt_pool(p));
            for (size_t j = 0; j < n; j++) assert_true(y[j] == a[j] + b[j] + -0.5f * b[j]);
            free(a), free(b), free(y);
        }
}

static void sums_of_squares_neither_underflow_nor_overflow(void **state) {
    (void)state;
    float x[100];
    for (int i = 0; i < 100; i++) x[i] = 1e-30f;
    kt_assert_near(ps_vector_sum_squares(x, 100, NULL) / 1e-58, 1, 1e-6);
    for (int i = 0; i < 100; i++) x[i] = 1e30f;
    kt_assert_near(ps_vector_sum_squares(x, 100, NULL) / 1e62, 1, 1e-6);
}

static void finite_is_told_from_infinite_anywhere(void **state) {
    (void)state;
    float *x = kt_numbers("x", 10000);
    x[17] = 3.4e38f, x[18] = 1e-45f, x[19] = -0.0f;
    assert_true(ps_vector_all_finite(x, 10000) && ps_vector_all_finite(x, 0));
    static const size_t places[] = {0, 1, 4095, 4096, 9998, 9999};
    for (int i = 0; i < 6; i++)
        for (int kind = 0; kind < 3; kind++) {
            float old = x[places[i]];
            x[places[i]] = kind == 0 ? NAN : kind == 1 ? INFINITY : -INFINITY;
            assert_false(ps_vector_all_finite(x, 10000));
            x[places[i]] = old;
        }
    free(x);
}

static void any_number_of_threads_gives_the_same_bits(void **state) {
    (void)state;
    for (int i = 0; i < MAPS; i++) {
        map m = maps[i];
        size_t c = (size_t)m.c, rows = m.images * m.rows, count = rows * c;
        float *x = kt_numbers("x", count), *dy = kt_numbers("dy", count), *out = kt_room(count, sizeof(float));
        double *first = NULL;
        void *workspace = kt_workspace(ps_pointwise_workspace_bytes(shape_of(m)));
        for (int p = 0; p < KT_POOLS; p++) {
            double *s = kt_room(8 * c, sizeof(double));
            ps_activation_forward(x, shape_of(m), 0, out, s, workspace, kt_pool(p));
            ps_activation_backward(out, dy, shape_of(m), 0, out, false, s + c, workspace, kt_pool(p));
            ps_channel_summarise(x, shape_of(m),
                                 (ps_channel_sums){s + 2 * c, s + 3 * c, s + 4 * c, s + 5 * c, s + 6 * c}, workspace,
                                 kt_pool(p));
            ps_channel_sum_squares(x, shape_of(m), s + 7 * c, workspace, kt_pool(p));
            if (first != NULL) kt_assert_same_bits(s, first, 8 * c);
            if (first == NULL) first = s;
            else free(s);
        }
        kt_workspace_free(workspace);
        free(first), free(x), free(dy), free(out);
    }
}

int main(int argc, char **argv) {
    (void)argc;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activation_and_its_gradient_match_the_definition),
        cmocka_unit_test(not_a_number_and_infinity_pass),
        cmocka_unit_test(spreads_match_the_definition),
        cmocka_unit_test(summaries_match_the_definition),
        cmocka_unit_test(not_a_number_counts_as_activity),
        cmocka_unit_test(vectors_do_what_they_say),
        cmocka_unit_test(sums_of_squares_neither_underflow_nor_overflow),
        cmocka_unit_test(finite_is_told_from_infinite_anywhere),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
    };
    return kt_main(argv[0], tests);
}
