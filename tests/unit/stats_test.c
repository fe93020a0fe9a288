/* Statistics against worked examples (literature, SciPy 1.10, R 4.2 with survival 3.5) and by simulation of their error
 * rates. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/json_scan.h"
#include "analysis/stats/normal.h"
#include "analysis/stats/lead_lag.h"
#include "analysis/stats/order.h"
#include "analysis/stats/survival.h"
#include "analysis/stats/two_way.h"
#include "core/memory.h"
#include "core/rng.h"

static void near(double value, double expected, double tolerance) {
    if (!(fabs(value - expected) <= tolerance)) fail_msg("%.12g is not %.12g", value, expected);
}

static void quantiles_agree_with_numpy(void **state) {
    /* numpy.quantile([3,1,4,1,5,9,2,6], [0,.1,.25,.5,.9,1]): 1, 1, 1.75, 3.5, 6.9, 9 */
    static const double share[] = {0, 0.1, 0.25, 0.5, 0.9, 1}, expected[] = {1, 1, 1.75, 3.5, 6.9, 9};
    (void)state;
    for (int i = 0; i < 6; i++) {
        double values[] = {3, 1, 4, 1, 5, 9, 2, 6};
        near(ps_stats_quantile(values, 8, share[i]), expected[i], 1e-12);
    }
    assert_true(ps_is_absent(ps_stats_median(NULL, 0)));
    double worst[] = {1, -INFINITY}, best[] = {INFINITY, 1}, both[] = {-INFINITY, INFINITY};
    assert_true(ps_stats_median(worst, 2) == -INFINITY && ps_stats_median(best, 2) == INFINITY &&
                isnan(ps_stats_median(both, 2)));
}

/* Selection against sorting, with many ties and infinities. */
static void selection_agrees_with_sorting(void **state) {
    ps_rng_key key = ps_rng_key_of(5, "selection");
    uint64_t draw = 0;
    (void)state;
    for (int trial = 0; trial < 2000; trial++) {
        double a[64], b[64];
        size_t count = 1 + ps_rng_below(key, draw++, 64);
        for (size_t i = 0; i < count; i++) {
            uint32_t kind = ps_rng_below(key, draw++, 12);
            a[i] = kind == 0 ? INFINITY : kind == 1 ? -INFINITY : (double)ps_rng_below(key, draw++, 9);
        }
        memcpy(b, a, sizeof a);
        ps_stats_sort(b, count);
        size_t k = ps_rng_below(key, draw++, (uint32_t)count);
        double share = count > 1 ? (double)k / (double)(count - 1) : 0;
        if (share * (double)(count - 1) != (double)k) continue; /* a share that rounds off the order statistic */
        double found = ps_stats_quantile(a, count, share);
        assert_true(found == b[k]);
    }
}

static void ranks_agree_with_scipy(void **state) {
    static const double a[] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3}; /* scipy.stats.rankdata(a) */
    static const double expected[] = {4.5, 1.5, 6, 1.5, 7.5, 10, 3, 9, 7.5, 4.5};
    double ranks[10];
    size_t places[10];
    (void)state;
    ps_stats_ranks(a, 10, 0, ranks, places);
    for (int i = 0; i < 10; i++) near(ranks[i], expected[i], 0);
}

static void normal_distribution(void **state) {
    (void)state;
    near(ps_stats_normal_inverse(0.975), 1.959963984540054, 1e-9); /* scipy.stats.norm.ppf */
    near(ps_stats_normal_inverse(1e-8), -5.612001244174789, 1e-7);
    near(ps_stats_normal(1.5), 0.9331927987311419, 1e-14);
    for (int i = 1; i < 1000; i++) near(ps_stats_normal(ps_stats_normal_inverse(i / 1000.0)), i / 1000.0, 1e-9);
}

/* Remission times in weeks, 6-MP against placebo (Freireich et al. 1963; the example of Gehan 1965 and Cox 1972). */
static const double mp_time[] = {6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35};
static const double placebo_time[] = {1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23};

static void kaplan_meier_agrees_with_r(void **state) {
    /* summary(survfit(Surv(t, e) ~ 1, conf.type = "log-log")) */
    static const double expected[][6] = {
        {6, 21, 3, 0.8571429, 0.6197180, 0.9515517},  {7, 17, 1, 0.8067227, 0.5631466, 0.9228090},
        {10, 15, 1, 0.7529412, 0.5031995, 0.8893618}, {13, 12, 1, 0.6901961, 0.4316102, 0.8490660},
        {16, 11, 1, 0.6274510, 0.3675109, 0.8049122}, {22, 7, 1, 0.5378151, 0.2677789, 0.7467907},
        {23, 6, 1, 0.4481793, 0.1880520, 0.6801426}};
    /* The same with entry times: survfit(Surv(en, t, e) ~ 1) */
    static const double entry[] = {0, 0, 2, 3, 1, 5, 0, 10, 0, 2, 0, 0, 4, 9, 0, 3, 0, 20, 0, 1, 0};
    static const double truncated[] = {0.8333333, 0.7738095, 0.7142857, 0.6493506, 0.5844156, 0.5009276, 0.4174397};
    (void)state;
    for (int late = 0; late < 2; late++) {
        ps_stats_spell spells[21];
        ps_stats_survival_point *points;
        size_t count;
        for (int i = 0; i < 21; i++) spells[i] = (ps_stats_spell){late ? entry[i] : 0, mp_time[i], 0, i < 9, false};
        assert_int_equal(ps_stats_kaplan_meier(spells, 21, &points, &count), PS_OK);
        assert_int_equal(count, 8); /* seven events and the last censoring */
        for (int i = 0; i < 7; i++) {
            near(points[i].time, expected[i][0], 0);
            near(points[i].events, expected[i][2], 0);
            near(points[i].survival, late ? truncated[i] : expected[i][3], 1e-7);
            if (late) continue;
            near(points[i].at_risk, expected[i][1], 0);
            near(points[i].low, expected[i][4], 1e-6);
            near(points[i].high, expected[i][5], 1e-6);
        }
        ps_free(points);
    }
}

static void logrank_agrees_with_r(void **state) {
    ps_stats_spell spells[42];
    (void)state;
    for (int i = 0; i < 42; i++)
        spells[i] = (ps_stats_spell){0, i < 21 ? mp_time[i] : placebo_time[i - 21], 0, i < 9 || i >= 21, i < 21};
    /* survdiff(Surv(t, e) ~ arm): observed 9, expected 19.25050095, variance 6.256960574 */
    ps_stats_logrank sum = ps_stats_logrank_of(spells, 42);
    near(sum.observed, 9, 0);
    near(sum.expected, 19.25050095, 1e-8);
    near(sum.variance, 6.256960574, 1e-8);
    /* Peto's log hazard ratio from these, (9 - 19.25050095) / 6.256960574; the maximum of Cox's partial likelihood is
     * near it (Breslow's form, by scipy.optimize.minimize_scalar: -1.5092). */
    near((sum.observed - sum.expected) / sum.variance, -1.638255640061829, 1e-8);
    for (int i = 0; i < 42; i++)
        spells[i] = (ps_stats_spell){0, i < 21 ? mp_time[i] : placebo_time[i - 21], i % 3, i < 9 || i >= 21, i < 21};
    /* with + strata(rep(c(0, 1, 2), 14)): expected 18.41574537, variance 6.58632494 */
    sum = ps_stats_logrank_of(spells, 42);
    near(sum.expected, 18.41574537, 1e-8);
    near(sum.variance, 6.58632494, 1e-8);
}

/* ---- error rates by simulation ---- */

/* Simulated false alarms lie within 4 standard deviations of the exact size of the discrete test. */
/* numpy.linalg.lstsq(X, y)[0][0] with one row a member, X = [treated, group == 0..2, stratum == 0..3], y = 1 for the
 * positive. */
static void two_way_agrees_with_numpy(void **state) {
    static const ps_stats_cell cells[4][3] = {{{0, 10, 3, true}, {1, 8, 2, false}, {2, 12, 1, false}},
                                              {{0, 9, 1, false}, {1, 7, 4, true}, {2, 11, 5, true}},
                                              {{0, 10, 2, false}, {1, 6, 1, false}, {2, 13, 2, true}},
                                              {{0, 0, 0, false}, {1, 5, 0, false}, {2, 9, 4, true}}};
    ps_stats_two_way sums;
    (void)state;
    assert_int_equal(ps_stats_two_way_init(&sums, 3), PS_OK);
    for (int s = 0; s < 4; s++) ps_stats_two_way_add(&sums, cells[s], 3);
    near(sums.members, 100, 0);
    near(ps_stats_two_way_effect(&sums), 0.22889920926738858, 1e-12);
    double above = 0, below = 0;
    for (int s = 0; s < 4; s++) {
        double left[3];
        ps_stats_two_way_residuals(&sums, cells[s], 3, left);
        for (int g = 0; g < 3; g++)
            above += left[g] * cells[s][g].positive, below += left[g] * left[g] * cells[s][g].members;
    }
    near(above / below, 0.22889920926738858, 1e-12);
    ps_stats_two_way_clear(&sums);
    /* Strata alone say who is treated: nothing can be told apart. */
    assert_int_equal(ps_stats_two_way_init(&sums, 3), PS_OK);
    for (int s = 0; s < 4; s++) {
        ps_stats_cell same[3];
        for (int g = 0; g < 3; g++) same[g] = cells[s][g], same[g].treated = s % 2 == 0;
        ps_stats_two_way_add(&sums, same, 3);
    }
    assert_true(ps_is_absent(ps_stats_two_way_effect(&sums)));
    ps_stats_two_way_clear(&sums);
}

enum { LEAD_GROUPS = 3, LEAD_TIMES = 8 };

/* With D the columns of times, groups and groups x at over the cells that are there: r = v - D @ numpy.linalg.lstsq(D,
 * v)[0] of x and of y, a and b = scipy.stats.rankdata of r's rows less their means, and (sum(a[:-1] * b[1:]) -
 * sum(a[1:] * b[:-1])) / sqrt(sum(a * a) * sum(b * b)). */
static void lead_agrees_with_numpy(void **state) {
    static const double at[LEAD_TIMES] = {0, 10, 20, 30, 45, 50, 60, 70},
                        expected[] = {0.08333333333333333, 0.6428571428571429, 0.5357142857142857};
    double x[] = {.3, .1, -.2, .5, .4,  -.1, .2, .6, 1.1, .2,  .9, -.4,
                  .3, .8, NAN, .1, -.6, .4,  .2, .7, .1,  -.3, .9, .5};
    double y[] = {.05, .1, 0, .2, .15, .05, 0, .1, .1, .05, .2, .1, 0, .15, .3, .05, 0, NAN, .05, 0, .2, .1, .05, .15};
    double lead[LEAD_GROUPS];
    (void)state;
    assert_int_equal(ps_stats_lead_lag(x, y, at, LEAD_GROUPS, LEAD_TIMES, lead), PS_OK);
    for (int g = 0; g < LEAD_GROUPS; g++) near(lead[g], expected[g], 1e-12);
}

/* What trends leave: nothing where all groups share them, where they are lines, or where x and y have one shape in each
 * group; and a y that repeats x one time later has a lead, one that goes before it the opposite. */
static void lead_knows_trends_from_order(void **state) {
    enum { GROUPS = 4, TIMES = 20, CELLS = GROUPS * TIMES };
    ps_rng_key key = ps_rng_key_of(8, "lead");
    double at[TIMES], noise[GROUPS * (TIMES + 1)], x[CELLS], y[CELLS], lead[GROUPS];
    (void)state;
    for (int t = 0; t < TIMES; t++) at[t] = t;
    for (int i = 0; i < GROUPS * (TIMES + 1); i++) noise[i] = (double)ps_rng_normal(key, (uint64_t)i);
    for (int i = 0; i < CELLS; i++) {
        int g = i / TIMES, t = i % TIMES;
        x[i] = exp(-0.3 * t) + (g + 1) * 0.1 * t - g;
        y[i] = 3 * exp(-0.1 * t) - (g - 1) * 0.2 * t + g;
    }
    assert_int_equal(ps_stats_lead_lag(x, y, at, GROUPS, TIMES, lead), PS_OK);
    for (int g = 0; g < GROUPS; g++) assert_true(ps_is_absent(lead[g]));
    for (int i = 0; i < CELLS; i++) {
        int g = i / TIMES, t = i % TIMES;
        x[i] = (g + 2) * exp(-0.1 * (g + 1) * t); /* another curve in each group */
        y[i] = 7 * x[i] + g;
    }
    assert_int_equal(ps_stats_lead_lag(x, y, at, GROUPS, TIMES, lead), PS_OK);
    for (int g = 0; g < GROUPS; g++) near(lead[g], 0, 1e-12);
    for (int direction = 0; direction < 2; direction++) {
        for (int i = 0; i < CELLS; i++) {
            int g = i / TIMES, place = i + g; /* noise has one time more a group */
            x[i] = noise[place + (direction == 0)];
            y[i] = noise[place + (direction == 1)]; /* direction 0: x[t] is y[t + 1] */
        }
        assert_int_equal(ps_stats_lead_lag(x, y, at, GROUPS, TIMES, lead), PS_OK);
        for (int g = 0; g < GROUPS; g++) assert_true(direction == 0 ? lead[g] > 0.5 : lead[g] < -0.5);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_agree_with_numpy),   cmocka_unit_test(selection_agrees_with_sorting),
        cmocka_unit_test(ranks_agree_with_scipy),       cmocka_unit_test(normal_distribution),
        cmocka_unit_test(kaplan_meier_agrees_with_r),   cmocka_unit_test(logrank_agrees_with_r),
        cmocka_unit_test(two_way_agrees_with_numpy),    cmocka_unit_test(lead_agrees_with_numpy),
        cmocka_unit_test(lead_knows_trends_from_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
