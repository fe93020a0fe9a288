/* Needed seeds: against the design's numbers, R 4.2, and by drawing the pilot's spread. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "analysis/stats/planning.h"
#include "analysis/stats/sign_test.h"
#include "core/rng.h"

static void near(double value, double expected, double tolerance) {
    if (!(fabs(value - expected) <= tolerance)) fail_msg("%.12g is not %.12g", value, expected);
}

static void chi_squared_agrees_with_r(void **state) {
    (void)state;
    near(ps_stats_chi_squared(3, 1), 0.916735483336449, 1e-14); /* R: pchisq(3, 1) */
    near(ps_stats_chi_squared(40, 30), 0.895135718892015, 1e-13);
    near(ps_stats_chi_squared(7, 2), 1 - exp(-3.5), 1e-15);
    near(ps_stats_chi_squared_inverse(0.2, 2), -2 * log(0.8), 1e-13);
    near(ps_stats_chi_squared_inverse(0.975, 10), 20.4831773508074, 1e-10); /* R: qchisq(0.975, 10) */
    assert_true(ps_stats_chi_squared(0, 3) == 0 && ps_stats_chi_squared(1e6, 3) == 1);
    near(ps_stats_chi_squared(1400, 3), 1, 1e-12);
    for (int df = 1; df < 400; df += 7)
        for (double p = 0.01; p < 1; p += 0.09)
            near(ps_stats_chi_squared(ps_stats_chi_squared_inverse(p, df), df), p, 1e-11);
}

static void upper_bounds_are_the_designs(void **state) {
    (void)state;
    near(ps_stats_upper_sd_factor(2), 2.12, 0.0051);
    near(ps_stats_upper_sd_factor(3), 1.73, 0.0051);
    near(ps_stats_upper_sd_factor(4), 1.56, 0.0051);
    near(ps_stats_upper_sd_factor(0), 1, 0);
}

static void true_spread_needs_thirteen(void **state) {
    ps_stats_need need = {1, 1, 0, 0.8, false};
    (void)state;
    ps_stats_plan plan = ps_stats_plan_seeds(&need);
    assert_true(plan.point == 13 && plan.averaged == 13 && plan.upper == 13);
    need.power = 0.9;
    assert_int_equal(ps_stats_plan_seeds(&need).point, 16);
    need.effect = 0.01;
    assert_int_equal(ps_stats_plan_seeds(&need).point, 0); /* more than can be asked for */
    ps_stats_need same = {1.5, 1, 0, 0.8, true};           /* five seeds have .49 */
    int n = ps_stats_plan_seeds(&same).point;
    assert_true(ps_stats_planned_power(&same, n) >= 0.8 && n == 8);
}

typedef struct {
    int middle[3], wrong[3];
} pilots;

/* Pilots of three seeds with a true spread of 1 at every 500th of their distribution. The design's numbers are medians
 * of drawn pilots; at the upper bound 30 turns to 35 at 49 %, so that "in the middle" is 48 % here. */
static pilots plan_over_pilots(void) {
    enum { PILOTS = 500 };
    pilots found = {{0}, {0}};
    for (int i = 0; i < PILOTS; i++) {
        ps_stats_need need = {1, sqrt(ps_stats_chi_squared_inverse((i + 0.5) / PILOTS, 2) / 2), 2, 0.8, false};
        ps_stats_plan plan = ps_stats_plan_seeds(&need);
        int seeds[3] = {plan.point, plan.averaged, plan.upper};
        for (int k = 0; k < 3; k++) {
            found.wrong[k] += seeds[k] > 0 && seeds[k] < 13; /* with the true spread: power below .8 */
            if (i == PILOTS * 48 / 100) found.middle[k] = seeds[k];
        }
    }
    return found;
}

static void pilots_of_three_are_the_designs(void **state) {
    pilots found = plan_over_pilots();
    (void)state;
    assert_int_equal(found.middle[0], 11);
    assert_int_equal(found.middle[1], 18);
    assert_int_equal(found.middle[2], 30);
    near(found.wrong[0] / 500.0, 0.60, 0.0205);
    near(found.wrong[1] / 500.0, 0.31, 0.0205);
    near(found.wrong[2] / 500.0, 0.18, 0.0205);
}

/* The average, by drawing the true spread from its chi-squared: three normal numbers squared for df 3. */
static void average_is_over_the_spread(void **state) {
    enum { DRAWS = 200000, DF = 3 };
    ps_rng_key key = ps_rng_key_of(1, "spread");
    ps_stats_need need = {0.02, 0.015, DF, 0.8, false}, equal = {0.02, 0.015, DF, 0.8, true};
    double power = 0, equivalence = 0;
    (void)state;
    for (int i = 0; i < DRAWS; i++) {
        double chi = 0;
        for (int k = 0; k < DF; k++) chi += pow((double)ps_rng_normal(key, (uint64_t)(i * DF + k)), 2);
        double sd = need.sd * sqrt(DF / chi);
        power += ps_stats_sign_power(11, 9, need.effect / sd) / DRAWS;
        equivalence += i % 10 ? 0 : 10 * ps_stats_equivalence_power(11, 9, 0, need.effect / sd) / DRAWS;
    }
    near(ps_stats_planned_power(&need, 11), power, 0.003);
    near(ps_stats_planned_power(&equal, 11), equivalence, 0.01);
    need.df = 1000000; /* a spread as good as known */
    near(ps_stats_planned_power(&need, 11), ps_stats_sign_power(11, 9, 0.02 / 0.015), 1e-5);
    for (int df = 2; df < 300; df = df * 2) { /* Simpson's rule adds up to 1 */
        ps_stats_need sure = {1e9, 1e-9, df, 0.8, false};
        near(ps_stats_planned_power(&sure, 5), 1, 1e-7);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chi_squared_agrees_with_r),  cmocka_unit_test(upper_bounds_are_the_designs),
        cmocka_unit_test(true_spread_needs_thirteen), cmocka_unit_test(pilots_of_three_are_the_designs),
        cmocka_unit_test(average_is_over_the_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
