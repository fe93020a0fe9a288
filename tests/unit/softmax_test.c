/* Softmax cross-entropy: known answers, finite differences, ignored rows, extreme and broken logits. */
#include "kernels/softmax.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/kernel_test.h"

static void known_answers(void **state) {
    (void)state;
    const float logits[] = {0, 0, 0, 0, 0, logf(3), 0, 0};
    const int32_t label[] = {2, 1};
    float d[8];
    size_t correct, counted;
    double loss = ps_softmax_cross_entropy(logits, label, NULL, 2, 1, 4, d, &correct, &counted, NULL);
    kt_assert_near(loss, log(4) + log(6) - log(3), 1e-7);
    assert_true(correct == 1 && counted == 2); /* the first maximum of the first row is class 0 */
    const double want[] = {0.125, 0.125, -0.375, 0.125, 1 / 12.0, -0.25, 1 / 12.0, 1 / 12.0};
    kt_assert_close(d, want, 8, 1e-7);
}

static double loss_in_double(const double *x, const int32_t *label, size_t rows, size_t c) {
    double loss = 0;
    for (size_t i = 0; i < rows; i++) {
        if (label[i] < 0) continue;
        double sum = 0;
        for (size_t k = 0; k < c; k++) sum += exp(x[i * c + k]);
        loss += log(sum) - x[i * c + (size_t)label[i]];
    }
    return loss;
}

static void gradient_matches_finite_differences(void **state) {
    (void)state;
    enum { ROWS = 9, C = 7 };
    float *logits = kt_numbers("logits", ROWS * C), d[ROWS * C];
    double x[ROWS * C], want[ROWS * C];
    int32_t label[ROWS];
    size_t correct, counted;
    for (int i = 0; i < ROWS; i++) label[i] = i == 4 ? -1 : i % C;
    for (int i = 0; i < ROWS * C; i++) x[i] = (double)logits[i];
    double loss = ps_softmax_cross_entropy(logits, label, NULL, ROWS, 1, C, d, &correct, &counted, kt_pool(1));
    assert_true(counted == 8);
    kt_assert_near(loss, loss_in_double(x, label, ROWS, C), 1e-12);
    for (int i = 0; i < ROWS * C; i++) {
        double old = x[i], h = 1e-5, up, down;
        x[i] = old + h, up = loss_in_double(x, label, ROWS, C);
        x[i] = old - h, down = loss_in_double(x, label, ROWS, C);
        x[i] = old;
        want[i] = (up - down) / (2 * h) / 8;
    }
    kt_assert_close(d, want, ROWS * C, 1e-7);
    for (int k = 0; k < C; k++) assert_true(d[4 * C + k] == 0);
    free(logits);
}

/* -sum of target times log softmax, with targets written out. */
static double soft_loss_in_double(const double *x, const int32_t *label, const ps_soft_labels *soft, size_t rows,
                                  size_t c) {
    double loss = 0;
    for (size_t i = 0; i < rows; i++) {
        if (label[i] < 0) continue;
        double sum = 0;
        for (size_t k = 0; k < c; k++) sum += exp(x[i * c + k]);
        for (size_t k = 0; k < c; k++) {
            double share = soft->other == NULL ? 1 : soft->share, hard = (size_t)label[i] == k ? share : 0;
            if (soft->other != NULL && (size_t)soft->other[i] == k) hard += 1 - share;
            double target = (1 - soft->smoothing) * hard + soft->smoothing / (double)c;
            loss += target * (log(sum) - x[i * c + k]);
        }
    }
    return loss;
}

static void soft_labels_match_finite_differences(void **state) {
    (void)state;
    enum { ROWS = 9, C = 7 };
    float *logits = kt_numbers("soft", ROWS * C), d[ROWS * C], alone[ROWS * C];
    double x[ROWS * C], want[ROWS * C];
    int32_t label[ROWS], other[ROWS];
    size_t correct, counted;
    for (int i = 0; i < ROWS; i++) label[i] = i == 4 ? -1 : i % C;
    for (int i = 0; i < ROWS; i++) other[i] = label[ROWS - 1 - i] < 0 ? 0 : label[ROWS - 1 - i];
    for (int i = 0; i < ROWS * C; i++) x[i] = (double)logits[i];
    const ps_soft_labels softs[] = {{NULL, 0, 0},      {NULL, 0, 0.1},  {other, 0.7, 0},
                                    {other, 0.3, 0.1}, {other, 0, 0.2}, {other, 1, 0.5}};
    for (size_t s = 0; s < sizeof softs / sizeof softs[0]; s++) {
        double loss = ps_softmax_cross_entropy(logits, label, &softs[s], ROWS, 1, C, d, &correct, &counted, kt_pool(1));
        assert_true(counted == 8);
        kt_assert_near(loss, soft_loss_in_double(x, label, &softs[s], ROWS, C), 1e-12);
        for (int i = 0; i < ROWS * C; i++) {
            double old = x[i], h = 1e-5, up, down;
            x[i] = old + h, up = soft_loss_in_double(x, label, &softs[s], ROWS, C);
            x[i] = old - h, down = soft_loss_in_double(x, label, &softs[s], ROWS, C);
            x[i] = old;
            want[i] = (up - down) / (2 * h) / 8;
        }
        kt_assert_close(d, want, ROWS * C, 1e-7);
        for (int k = 0; k < C; k++) assert_true(d[4 * C + k] == 0);
    }
    /* A label that is all of its target is one without softening, bit for bit. */
    double plain = ps_softmax_cross_entropy(logits, label, NULL, ROWS, 1, C, alone, &correct, &counted, kt_pool(1));
    assert_true(plain == ps_softmax_cross_entropy(logits, label, &softs[0], ROWS, 1, C, d, &correct, &counted, NULL));
    assert_memory_equal(alone, d, sizeof d);
    free(logits);
}

/* Of two labels the one with the larger share is to be named. */
static void the_larger_share_is_what_is_right(void **state) {
    (void)state;
    const float logits[] = {1, 0, 0, 0, 0, 1};
    const int32_t label[] = {0, 0}, other[] = {2, 2}, outside[] = {7, 7};
    size_t correct, counted;
    float d[6];
    ps_softmax_cross_entropy(logits, label, &(ps_soft_labels){other, 0.9, 0.1}, 2, 1, 3, d, &correct, &counted, NULL);
    assert_true(correct == 1 && counted == 2);
    ps_softmax_cross_entropy(logits, label, &(ps_soft_labels){other, 0.1, 0.1}, 2, 1, 3, d, &correct, &counted, NULL);
    assert_true(correct == 1);
    assert_true(isnan(ps_softmax_cross_entropy(logits, label, &(ps_soft_labels){outside, 0.5, 0}, 2, 1, 3, d, &correct,
                                               &counted, NULL)));
}

static void huge_logits_do_not_overflow(void **state) {
    (void)state;
    const float logits[] = {3e38f, -3e38f, 0, -INFINITY, 5, 5};
    const int32_t label[] = {0, 1};
    float d[6];
    size_t correct, counted;
    double loss = ps_softmax_cross_entropy(logits, label, NULL, 2, 1, 3, d, &correct, &counted, NULL);
    kt_assert_near(loss, log(2), 1e-12);
    assert_true(d[0] == 0 && d[3] == 0 && d[4] == -0.25f && correct == 2);
}

static void broken_logits_give_a_broken_loss(void **state) {
    (void)state;
    float logits[] = {1, NAN, 2, 1, 2, 3};
    const int32_t label[] = {1, 2};
    float d[6];
    size_t correct, counted;
    assert_true(isnan(ps_softmax_cross_entropy(logits, label, NULL, 2, 1, 3, d, &correct, &counted, NULL)));
    assert_true(isnan(d[0]) && isnan(d[1]) && isfinite(d[3]));
    logits[1] = INFINITY;
    assert_true(isnan(ps_softmax_cross_entropy(logits, label, NULL, 2, 1, 3, d, &correct, &counted, NULL)));
    const int32_t outside[] = {1, 3};
    logits[1] = 0;
    assert_true(isnan(ps_softmax_cross_entropy(logits, outside, NULL, 2, 1, 3, d, &correct, &counted, NULL)));
}

static void nothing_counted_is_no_loss(void **state) {
    (void)state;
    const float logits[] = {1, 2};
    const int32_t label[] = {-1};
    float d[2] = {5, 5};
    size_t correct, counted;
    assert_true(ps_softmax_cross_entropy(logits, label, NULL, 1, 1, 2, d, &correct, &counted, NULL) == 0);
    assert_true(correct == 0 && counted == 0 && d[0] == 0 && d[1] == 0);
    assert_true(ps_softmax_cross_entropy(logits, label, NULL, 0, 1, 2, NULL, &correct, &counted, NULL) == 0);
}

static void any_number_of_threads_gives_the_same_bits(void **state) {
    (void)state;
    enum { ROWS = 5000, C = 21 };
    float *logits = kt_numbers("logits", ROWS * C), *first = kt_room(ROWS * C, sizeof(float)),
          *d = kt_room(ROWS * C, sizeof(float));
    static int32_t label[ROWS];
    for (int i = 0; i < ROWS; i++) label[i] = i % (C + 1) - 1;
    size_t correct, counted, same;
    double loss = ps_softmax_cross_entropy(logits, label, NULL, ROWS, 1, C, first, &correct, &counted, kt_pool(0));
    for (int p = 1; p < KT_POOLS; p++) {
        assert_true(ps_softmax_cross_entropy(logits, label, NULL, ROWS, 1, C, d, &same, &counted, kt_pool(p)) == loss &&
                    same == correct);
        kt_assert_same_bits(d, first, ROWS * C);
    }
    free(logits), free(first), free(d);
}

int main(int argc, char **argv) {
    (void)argc, (void)argv;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(gradient_matches_finite_differences),
        cmocka_unit_test(soft_labels_match_finite_differences),
        cmocka_unit_test(the_larger_share_is_what_is_right),
        cmocka_unit_test(huge_logits_do_not_overflow),
        cmocka_unit_test(broken_logits_give_a_broken_loss),
        cmocka_unit_test(nothing_counted_is_no_loss),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, kt_end);
}
