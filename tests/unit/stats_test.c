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
#include "analysis/stats/bootstrap.h"
#include "analysis/stats/lead_lag.h"
#include "analysis/stats/order.h"
#include "analysis/stats/signflip.h"
#include "analysis/stats/survival.h"
#include "analysis/stats/two_way.h"
#include "core/memory.h"
#include "core/rng.h"

static void near(double value, double expected, double tolerance) {
    if (!(fabs(value - expected) <= tolerance)) fail_msg("%.12g is not %.12g", value, expected);
}

/* Darwin's maize heights (eighths of an inch), the example of Fisher 1935, sections 17 and 21. */
static const double darwin[] = {49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48};

static void signflip_gives_fishers_answer(void **state) {
    (void)state;
    /* Fisher: 863 of 32768 arrangements give a total at least as large; scipy.stats.permutation_test((darwin,), mean,
     * permutation_type='samples', n_resamples=inf): 0.05267333984375 two-sided, 0.026336669921875 greater. */
    ps_stats_test test = ps_stats_signflip_within(darwin, 15, 0);
    near(test.greater, 863.0 / 32768, 1e-15);
    near(test.two_sided, 1726.0 / 32768, 1e-15);
    near(test.best_two_sided, 1.0 / 16384, 0);
}

static void wilcoxon_agrees_with_scipy(void **state) {
    (void)state;
    /* scipy.stats.wilcoxon(darwin, mode='exact'): 0.041259765625; alternative='greater': 0.0206298828125. */
    ps_stats_test test = ps_stats_wilcoxon_within(darwin, 15, 0);
    near(test.two_sided, 0.041259765625, 1e-15);
    near(test.greater, 0.0206298828125, 1e-15);
    /* The example of R's wilcox.test (Hollander and Wolfe 1973), alternative='greater': V = 40, p = 0.01953125. */
    static const double x[] = {1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30};
    static const double y[] = {0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29};
    double d[9];
    for (int i = 0; i < 9; i++) d[i] = x[i] - y[i];
    near(ps_stats_wilcoxon_within(d, 9, 0).greater, 0.01953125, 1e-15);
    static const double with_zeros[] = {0, 1, 2, 3, 0};
    assert_int_equal(ps_stats_wilcoxon_within(with_zeros, 5, 0).n, 3);
}

/* d and r = scipy.stats.rankdata(abs(d)) * numpy.sign(d); scipy.stats.permutation_test((r,), numpy.sum,
 * permutation_type='samples', n_resamples=numpy.inf, alternative=...), and the same of (d,). SciPy's own wilcoxon is
 * not exact with ties. */
static void ties_agree_with_scipys_permutations(void **state) {
    static const double d[] = {1, 1, -1, 2, 2, -3, 4, 4, 4, -5, 6};
    (void)state;
    ps_stats_test ranks = ps_stats_wilcoxon_within(d, 11, 0), sums = ps_stats_signflip_within(d, 11, 0);
    near(ranks.two_sided, 0.197265625, 1e-15);
    near(ranks.greater, 0.0986328125, 1e-15);
    near(ranks.less, 0.9130859375, 1e-15);
    near(sums.two_sided, 0.2275390625, 1e-15);
    near(sums.greater, 0.11376953125, 1e-15);
    near(sums.less, 0.9169921875, 1e-15);
}

static void few_values_show_what_they_can(void **state) {
    static const double same[] = {1, 2, 3, 4, 5};
    (void)state;
    for (int n = 1; n <= 5; n++) {
        ps_stats_test test = ps_stats_signflip_within(same, n, 0);
        near(test.greater, ldexp(1, -n), 0);
        near(test.best_one_sided, ldexp(1, -n), 0);
        near(test.two_sided, fmin(1, ldexp(1, 1 - n)), 0);
        near(test.less, 1, 0);
    }
    static const double zeros[] = {0, 0, 0};
    near(ps_stats_signflip_within(zeros, 3, 0).two_sided, 1, 0);
    near(ps_stats_signflip_within(NULL, 0, 0).two_sided, 1, 0);
}

/* Sums that are equal in exact arithmetic must count as ties, whatever rounding makes of them. */
static void rounding_does_not_break_ties(void **state) {
    static const double tenths[] = {0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.7, -0.4}, whole[] = {1, 2, 3, 1, 2, 3, 7, -4};
    (void)state;
    ps_stats_test a = ps_stats_signflip_within(tenths, 8, 0), b = ps_stats_signflip_within(whole, 8, 0);
    near(a.greater, b.greater, 0);
    near(a.less, b.less, 0);
}

static void infinite_values_rank_beyond_all(void **state) {
    static const double values[] = {0.05, 0.05, 0.05, 0.05, 0.05, 0.05, -INFINITY};
    (void)state;
    /* Ranks 3.5 six times and 7 once; the sum of signed ranks is 14. */
    int reach = 0;
    for (int bits = 0; bits < 128; bits++) {
        double sum = (bits >> 6 & 1) ? -7 : 7;
        for (int i = 0; i < 6; i++) sum += (bits >> i & 1) ? -3.5 : 3.5;
        reach += sum >= 14;
    }
    near(ps_stats_signflip_within(values, 7, 0).greater, reach / 128.0, 1e-15);
}

static void many_values_are_drawn(void **state) {
    double values[40];
    (void)state;
    for (int i = 0; i < 40; i++) values[i] = i % 2 ? 1 : -1;
    ps_stats_test test = ps_stats_signflip_within(values, 40, 0);
    near(test.greater, 0.5 + 0.1254 / 2, 0.005); /* P(S >= 0) = (1 + P(S = 0)) / 2, P(S = 0) = C(40, 20) / 2^40 */
    for (int i = 0; i < 40; i++) values[i] = 1;
    near(ps_stats_signflip_within(values, 40, 0).greater, 1.0 / ((1 << 20) + 1), 1e-12); /* never 0 */
}

static void holm_agrees_with_r(void **state) {
    /* p.adjust(c(0.01, 0.04, 0.03, 0.005, 0.2), "holm"): 0.040 0.090 0.090 0.025 0.200 */
    const double p[] = {0.01, 0.04, ps_absent(), 0.03, 0.005, 0.2}, expected[] = {0.04, 0.09, 0, 0.09, 0.025, 0.2};
    double adjusted[6];
    (void)state;
    assert_int_equal(ps_stats_holm(p, 6, adjusted), 5);
    for (int i = 0; i < 6; i++)
        if (i == 2) assert_true(ps_is_absent(adjusted[i]));
        else near(adjusted[i], expected[i], 1e-15);
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

static void bca_agrees_with_scipy(void **state) {
    static const double values[] = {1.2, 0.3, -0.5, 2.2, 0.8, 1.9, 0.1, 0.7, 3.4, 1.1, 0.6, -0.2};
    ps_stats_interval interval;
    (void)state;
    /* scipy.stats.bootstrap((values,), mean, method='BCa', n_resamples=200000): 0.4583 to 1.675; resampling error left
     * aside. */
    assert_int_equal(ps_stats_interval_of_mean(values, 12, &interval), PS_OK);
    assert_string_equal(interval.name, "bca95");
    near(interval.low, 0.4583, 0.02);
    near(interval.high, 1.675, 0.03);
    assert_int_equal(ps_stats_interval_of_mean(values, 9, &interval), PS_OK);
    assert_string_equal(interval.name, "range");
    near(interval.low, -0.5, 0);
    near(interval.high, 3.4, 0);
    near(interval.coverage, 1 - 1.0 / 256, 0);
    static const double equal[12] = {0};
    assert_int_equal(ps_stats_interval_of_mean(equal, 12, &interval), PS_OK);
    near(interval.low, 0, 0);
    near(interval.high, 0, 0);
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

/* The exact size at 5 % of a test of n values whose p is uniform on multiples of 2^-n. */
static double exact_size(int n) { return floor(0.05 * ldexp(1, n)) / ldexp(1, n); }

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

static void false_alarms_have_the_exact_size(void **state) {
    static const int sizes[] = {3, 5, 8, 10};
    enum { TRIALS = 4000 };
    ps_rng_key key = ps_rng_key_of(6, "calibration");
    uint64_t draw = 0;
    (void)state;
    for (int s = 0; s < 4; s++) {
        int n = sizes[s], one = 0, two = 0;
        for (int trial = 0; trial < TRIALS; trial++) {
            double values[10];
            for (int i = 0; i < n; i++)
                values[i] = (double)ps_rng_normal(key, draw++) * (1 + i); /* unequal spread is no matter */
            ps_stats_test test = ps_stats_signflip_within(values, n, 0);
            one += test.greater <= 0.05;
            two += test.two_sided <= 0.05;
        }
        double size = exact_size(n), both = 2 * floor(0.025 * ldexp(1, n)) / ldexp(1, n);
        near((double)one / TRIALS, size, 4 * sqrt(size * (1 - size) / TRIALS) + 1e-12);
        near((double)two / TRIALS, both, 4 * sqrt(both * (1 - both) / TRIALS) + 1e-12);
    }
}

/* Holm over ten null hypotheses: at least one false alarm in at most 5 % of the families. */
static void holm_controls_the_family(void **state) {
    enum { TRIALS = 1500, FAMILY = 10, SEEDS = 9 };
    ps_rng_key key = ps_rng_key_of(7, "family");
    uint64_t draw = 0;
    int alarms = 0;
    (void)state;
    for (int trial = 0; trial < TRIALS; trial++) {
        double p[FAMILY], adjusted[FAMILY];
        for (int f = 0; f < FAMILY; f++) {
            double values[SEEDS];
            for (int i = 0; i < SEEDS; i++) values[i] = (double)ps_rng_normal(key, draw++);
            p[f] = ps_stats_signflip_within(values, SEEDS, 0).greater;
        }
        ps_stats_holm(p, FAMILY, adjusted);
        bool any = false;
        for (int f = 0; f < FAMILY; f++) any |= adjusted[f] <= 0.05;
        alarms += any;
    }
    assert_true((double)alarms / TRIALS <= 0.05 + 4 * sqrt(0.05 * 0.95 / TRIALS));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signflip_gives_fishers_answer),
        cmocka_unit_test(wilcoxon_agrees_with_scipy),
        cmocka_unit_test(ties_agree_with_scipys_permutations),
        cmocka_unit_test(few_values_show_what_they_can),
        cmocka_unit_test(rounding_does_not_break_ties),
        cmocka_unit_test(infinite_values_rank_beyond_all),
        cmocka_unit_test(many_values_are_drawn),
        cmocka_unit_test(holm_agrees_with_r),
        cmocka_unit_test(quantiles_agree_with_numpy),
        cmocka_unit_test(selection_agrees_with_sorting),
        cmocka_unit_test(ranks_agree_with_scipy),
        cmocka_unit_test(normal_distribution),
        cmocka_unit_test(bca_agrees_with_scipy),
        cmocka_unit_test(kaplan_meier_agrees_with_r),
        cmocka_unit_test(logrank_agrees_with_r),
        cmocka_unit_test(two_way_agrees_with_numpy),
        cmocka_unit_test(lead_agrees_with_numpy),
        cmocka_unit_test(lead_knows_trends_from_order),
        cmocka_unit_test(false_alarms_have_the_exact_size),
        cmocka_unit_test(holm_controls_the_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
