/* Counts of runs: McNemar's test, the upper bound of a share, whether a run learned; and the rank sum of unpaired runs.
 * Against R 4.2, the design's numbers, and every choice that few values leave. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "analysis/stats/binomial.h"
#include "analysis/stats/learned.h"
#include "analysis/stats/mcnemar.h"
#include "analysis/stats/rank_sum.h"
#include "core/rng.h"

static void near(double value, double expected, double tolerance) {
    if (!(fabs(value - expected) <= tolerance)) fail_msg("%.12g is not %.12g", value, expected);
}

static void mcnemar_needs_five(void **state) {
    (void)state;
    assert_int_equal(ps_stats_mcnemar_fewest(0.05), 5);
    ps_stats_mcnemar test = ps_stats_mcnemar_test(5, 0);
    near(test.more, 1.0 / 32, 0);
    near(test.two_sided, 1.0 / 16, 0);
    near(test.fewer, 1, 0);
    test = ps_stats_mcnemar_test(2, 9); /* R: binom.test(2, 11)$p.value, alternative = "less" */
    near(test.two_sided, 0.0654296875, 1e-15);
    near(test.fewer, 0.03271484375, 1e-15);
    test = ps_stats_mcnemar_test(0, 0);
    assert_true(test.more == 1 && test.fewer == 1 && test.two_sided == 1);
    assert_true(ps_stats_mcnemar_test(3, 3).two_sided == 1);
}

static void mcnemar_plans_as_the_design(void **state) {
    (void)state;
    assert_int_equal(ps_stats_mcnemar_pairs(0.5, 0, 0.05, 0.8, 200), 12);
    assert_int_equal(ps_stats_mcnemar_pairs(0.3, 0, 0.05, 0.8, 200), 21);
    assert_int_equal(ps_stats_mcnemar_pairs(0.2, 0, 0.05, 0.8, 200), 33);
    assert_int_equal(ps_stats_mcnemar_pairs(0.1, 0, 0.05, 0.8, 200), 66);
    assert_int_equal(ps_stats_mcnemar_pairs(0.1, 0, 0.05, 0.8, 65), 0);
    assert_true(ps_stats_mcnemar_power(20, 0, 0, 0.05) == 0);
    /* Every outcome of n pairs: both, neither, one, the other. */
    enum { N = 7 };
    double a = 0.8, b = 0.15, power = 0;
    for (int pattern = 0; pattern < 1 << (2 * N); pattern++) {
        double chance = 1;
        int more = 0, fewer = 0;
        for (int i = 0; i < N; i++) {
            bool x = pattern >> (2 * i) & 1, y = pattern >> (2 * i + 1) & 1;
            chance *= (x ? a : 1 - a) * (y ? b : 1 - b);
            more += x && !y;
            fewer += y && !x;
        }
        if (ps_stats_mcnemar_test(more, fewer).more <= 0.1) power += chance;
    }
    near(ps_stats_mcnemar_power(N, a, b, 0.1), power, 1e-12);
}

static void upper_bounds_are_clopper_pearsons(void **state) {
    (void)state;
    near(ps_stats_share_upper(0, 5, 0.95), 1 - pow(0.05, 1.0 / 5), 1e-12); /* in closed form for none */
    near(ps_stats_share_upper(0, 5, 0.95), 0.45, 0.0051);
    near(ps_stats_share_upper(0, 8, 0.95), 0.31, 0.0051);
    near(ps_stats_share_upper(0, 12, 0.95), 0.22, 0.0051);
    near(ps_stats_share_upper(0, 20, 0.95), 0.14, 0.0051);
    near(ps_stats_share_upper(3, 20, 0.95), 0.343663804314282, 1e-11); /* R: qbeta(0.95, 4, 17) */
    assert_true(ps_stats_share_upper(5, 5, 0.95) == 1 && ps_stats_share_upper(0, 0, 0.95) == 1);
    for (int n = 1; n < 40; n++) /* coverage, exactly, over shares: the bound lies below with 5 % at most */
        for (double share = 0.02; share < 1; share += 0.07) {
            double missed = 0;
            for (int k = 0; k <= n; k++)
                if (ps_stats_share_upper(k, n, 0.95) < share) missed += ps_stats_binomial(n, share, k);
            assert_true(missed <= 0.05 + 1e-9);
        }
}

static void learning_is_asked_of_images(void **state) {
    (void)state;
    assert_int_equal(ps_stats_learned_floor(2000, 0.1, 20), 240);         /* 12.0 % of 10 % */
    near(ps_stats_learned_p(240, 2000, 0.1), 0.00202512415358975, 1e-14); /* R: pbinom(239, 2000, 0.1, lower = FALSE) */
    assert_true(ps_stats_has_learned(240, 2000, 0.1, 20) && !ps_stats_has_learned(239, 2000, 0.1, 20));
    assert_true(ps_stats_has_learned(239, 2000, 0.1, 1));
    assert_int_equal(ps_stats_learned_floor(3, 0.5, 1), 4); /* three images show nothing */
    for (int images = 1; images < 300; images += 13)
        for (int correct = 0; correct <= images; correct++)
            assert_int_equal(ps_stats_has_learned(correct, images, 0.3, 7),
                             correct >= ps_stats_learned_floor(images, 0.3, 7));
}

/* Mean ranks over all values, by counting. */
static double rank_sum(const double *values, int n, unsigned chosen) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
        if (!(chosen >> i & 1)) continue;
        sum += 0.5;
        for (int j = 0; j < n; j++) sum += values[j] < values[i] ? 1 : values[j] == values[i] ? 0.5 : 0;
    }
    return sum;
}

static void rank_sum_is_that_of_all_choices(void **state) {
    ps_rng_key key = ps_rng_key_of(1, "rank sum");
    enum { N = 11 };
    (void)state;
    for (int trial = 0; trial < 60; trial++) {
        double values[N], all = 0, greater = 0, less = 0;
        int nx = 1 + trial % (N - 1);
        ps_stats_rank_sum result;
        for (int i = 0; i < N; i++) values[i] = ps_rng_below(key, (uint64_t)(trial * N + i), trial % 2 ? 1000 : 5);
        if (trial % 7 == 0) values[0] = INFINITY, values[N - 1] = -INFINITY;
        double observed = rank_sum(values, N, (1u << nx) - 1);
        for (unsigned chosen = 0; chosen < 1u << N; chosen++) {
            if (__builtin_popcount(chosen) != nx) continue;
            double sum = rank_sum(values, N, chosen);
            all++;
            greater += sum >= observed;
            less += sum <= observed;
        }
        assert_int_equal(ps_stats_rank_sum_of(values, nx, values + nx, N - nx, 0, &result), PS_OK);
        near(result.greater, greater / all, 1e-12);
        near(result.less, less / all, 1e-12);
        near(result.two_sided, fmin(1, 2 * fmin(greater, less) / all), 1e-12);
    }
}

static void rank_sum_agrees_with_r(void **state) {
    /* R: wilcox.test(x, y, alternative = "greater"), Hollander and Wolfe 1973, 69f: W = 35, p = 0.1272. */
    static const double x[] = {0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46};
    static const double y[] = {1.15, 0.88, 0.90, 0.74, 1.21};
    double many[PS_RANK_SUM_MOST];
    ps_stats_rank_sum result;
    (void)state;
    assert_int_equal(ps_stats_rank_sum_of(x, 10, y, 5, 0, &result), PS_OK);
    near(result.share * 50, 35, 1e-12);
    near(result.greater, 0.12720612720612722, 1e-12);
    assert_int_equal(ps_stats_rank_sum_of(x, 0, y, 5, 0, &result), PS_OK);
    assert_true(isnan(result.share) && result.two_sided == 1);
    for (int i = 0; i < PS_RANK_SUM_MOST; i++) many[i] = i;
    assert_int_equal(ps_stats_rank_sum_of(many + 50, 50, many, 50, 0, &result), PS_OK);
    near(result.share, 1, 0);
    near(result.greater * 1.0089134454556417e29, 1, 1e-9); /* 1 of choose(100, 50) */
    near(result.less, 1, 1e-12);
    assert_int_equal(ps_stats_rank_sum_of(many, 50, many, 51, 0, &result), PS_ERR_INPUT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mcnemar_needs_five),
        cmocka_unit_test(mcnemar_plans_as_the_design),
        cmocka_unit_test(upper_bounds_are_clopper_pearsons),
        cmocka_unit_test(learning_is_asked_of_images),
        cmocka_unit_test(rank_sum_is_that_of_all_choices),
        cmocka_unit_test(rank_sum_agrees_with_r),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
