/* Scores of hazards at a ratio, and the ratio pooled over seeds: closed forms, Cox's partial likelihood, and what the
 * log-rank statistic gives. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/stats/survival.h"
#include "core/memory.h"
#include "core/rng.h"

static void near(double value, double expected, double tolerance) {
    if (!(fabs(value - expected) <= tolerance)) fail_msg("%.12g is not %.12g", value, expected);
}

static size_t sets_of(ps_stats_spell *spells, size_t count, ps_stats_risk_set **sets) {
    size_t set_count;
    assert_int_equal(ps_stats_risk_sets(spells, count, sets, &set_count), PS_OK);
    return set_count;
}

/* Two strata; in the second one a spell that enters late, and ties. */
static const ps_stats_spell few[] = {
    {0, 1, 0, true, true}, {0, 2, 0, true, false}, {0, 3, 0, false, true}, {0, 3, 0, true, false},
    {0, 2, 1, true, true}, {0, 2, 1, true, false}, {2, 5, 1, true, true},  {0, 5, 1, false, false},
};

static void sets_say_who_is_at_risk(void **state) {
    static const ps_stats_risk_set expected[] = {{1, 1, 2, 2}, {1, 0, 1, 2}, {1, 0, 1, 1}, {2, 1, 1, 2}, {1, 1, 1, 1}};
    ps_stats_spell spells[8];
    ps_stats_risk_set *sets;
    (void)state;
    memcpy(spells, few, sizeof few);
    assert_int_equal(sets_of(spells, 8, &sets), 5);
    for (int i = 0; i < 5; i++) {
        assert_true(sets[i].events == expected[i].events && sets[i].treated_events == expected[i].treated_events);
        assert_true(sets[i].treated == expected[i].treated && sets[i].other == expected[i].other);
    }
    ps_stats_score score = ps_stats_hazard_score(sets, 5, log(2));
    assert_true(score.observed == 3 && score.other_events == 3);
    /* sum d 2 n1 / (2 n1 + n0) */
    near(score.expected, 4.0 / 6 + 2.0 / 4 + 2.0 / 3 + 2 * 2.0 / 4 + 2.0 / 3, 1e-14);
    score = ps_stats_hazard_score(sets, 5, 0);
    ps_stats_logrank sum = ps_stats_logrank_of(spells, 8);
    near(score.expected, sum.expected, 1e-14);
    near(score.observed, sum.observed, 0);
    ps_free(sets);
}

/* The score is the slope of Cox's log partial likelihood, and the pooled ratio its highest place. */
static double log_likelihood(const ps_stats_risk_set *sets, size_t count, double beta) {
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += sets[i].treated_events * beta - sets[i].events * log(exp(beta) * sets[i].treated + sets[i].other);
    return sum;
}

static size_t draw_spells(uint64_t seed, double ratio, ps_stats_spell *spells, size_t count) {
    ps_rng_key key = ps_rng_key_of(seed, "hazards");
    for (size_t i = 0; i < count; i++) {
        bool treated = i % 3 == 0;
        double u = 1 - (double)ps_rng_uniform(key, i), time = ceil(-log(u) / (0.15 * (treated ? ratio : 1)));
        spells[i] = (ps_stats_spell){0, fmin(time, 10), (int)(i % 4), time <= 10, treated};
    }
    return count;
}

static void pooled_ratio_is_where_the_likelihood_is_highest(void **state) {
    ps_stats_spell spells[240];
    ps_stats_risk_set *sets, all[400];
    size_t pooled = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        size_t count = sets_of(spells, draw_spells(seed, 2, spells, 240), &sets);
        for (double beta = -2; beta < 2; beta += 0.37) {
            ps_stats_score score = ps_stats_hazard_score(sets, count, beta);
            double slope = (log_likelihood(sets, count, beta + 1e-5) - log_likelihood(sets, count, beta - 1e-5)) / 2e-5;
            near(score.observed - score.expected, slope, 1e-5);
        }
        memcpy(all + pooled, sets, count * sizeof *sets);
        pooled += count;
        ps_free(sets);
    }
    double beta = ps_stats_pooled_log_ratio(all, pooled), best = log_likelihood(all, pooled, beta);
    ps_stats_score score = ps_stats_hazard_score(all, pooled, beta);
    near(score.observed, score.expected, 1e-9);
    for (double away = 1e-3; away < 3; away *= 2) {
        assert_true(log_likelihood(all, pooled, beta + away) < best);
        assert_true(log_likelihood(all, pooled, beta - away) < best);
    }
    near(beta, log(2), 0.5); /* made so; whole steps and Breslow's rule pull it towards 0 */
}

/* One event in a set of n1 and n0: beta = log(d1 / d0 * n0 / n1) where all sets are alike. */
static void pooled_ratio_in_closed_form(void **state) {
    ps_stats_risk_set sets[] = {{4, 3, 10, 20}, {4, 3, 10, 20}, {2, 2, 5, 0}, {3, 0, 0, 7}};
    (void)state;
    near(ps_stats_pooled_log_ratio(sets, 2), log(3.0 / 1 * 20 / 10), 1e-12);
    near(ps_stats_pooled_log_ratio(sets, 4), log(6), 1e-12); /* where one group alone was at risk nothing is compared */
    assert_true(isnan(ps_stats_pooled_log_ratio(sets + 2, 2)) && isnan(ps_stats_pooled_log_ratio(sets, 0)));
    sets[0].treated_events = sets[1].treated_events = 4;
    assert_true(ps_stats_pooled_log_ratio(sets, 2) == INFINITY);
    sets[0].treated_events = sets[1].treated_events = 0;
    assert_true(ps_stats_pooled_log_ratio(sets, 2) == -INFINITY);
    ps_stats_score score = ps_stats_hazard_score(sets + 2, 2, 1.5);
    assert_true(score.observed == 2 && score.expected == 2 && score.other_events == 3);
}

/* Four events no longer weigh as 36: a seed that alone points the other way, on few events, does not turn the pooled
 * ratio as it turns the mean of (O - E) / V. */
static void few_events_do_not_weigh_as_many(void **state) {
    static const ps_stats_risk_set many = {36, 24, 50, 50}, rare = {1, 0, 50, 50};
    ps_stats_risk_set sets[5] = {many, rare, rare, rare, rare};
    double unweighted = 0;
    (void)state;
    unweighted += (24 - 18) / (36 * 0.25 * (100 - 36) / 99.0);
    unweighted += (0 - 2) / (4 * 0.25);
    assert_true(unweighted < 0);
    assert_true(ps_stats_pooled_log_ratio(sets, 5) > 0);
    ps_stats_score a = ps_stats_hazard_score(sets, 1, 0), b = ps_stats_hazard_score(sets + 1, 4, 0);
    assert_true(a.observed > a.expected && b.observed < b.expected); /* one vote each */
}

/* All ways in which the events of a few risk sets can fall: each vote is that of the middle of all of them, has the
 * score's sign or none, and no side more than one half. */
static void sides_are_fair(void **state) {
    static const ps_stats_risk_set sets[] = {{1, 0, 5, 3}, {2, 0, 4, 9}, {1, 0, 7, 0}, {3, 0, 2, 2}};
    static const double ratios[] = {-1, 0, 0.0953, 0.693147180559945};
    enum { SETS = 4, EVENTS = 7 };
    (void)state;
    for (int r = 0; r < 4; r++) {
        double chance[EVENTS + 1] = {0}, above = 0, under = 0;
        for (int pattern = 0; pattern < 1 << EVENTS; pattern++) {
            double product = 1;
            for (int i = 0, bit = 0; i < SETS; i++) {
                double weight = exp(ratios[r]) * sets[i].treated, share = weight / (weight + sets[i].other);
                for (int e = 0; e < (int)sets[i].events; e++) product *= pattern >> bit++ & 1 ? share : 1 - share;
            }
            chance[__builtin_popcount((unsigned)pattern)] += product;
        }
        for (int observed = 0; observed <= EVENTS; observed++) {
            ps_stats_risk_set here[SETS];
            int side, rest = observed;
            double below = 0, beyond = 0;
            memcpy(here, sets, sizeof sets);
            for (int i = 0; i < SETS; i++) {
                here[i].treated_events = fmin(here[i].events, rest);
                rest -= (int)here[i].treated_events;
            }
            for (int k = 0; k <= EVENTS; k++) *(k < observed ? &below : &beyond) += chance[k];
            beyond -= chance[observed];
            assert_int_equal(ps_stats_hazard_side(here, SETS, ratios[r], &side), PS_OK);
            assert_int_equal(side, below >= 0.5 - 1e-9 ? 1 : beyond >= 0.5 - 1e-9 ? -1 : 0);
            ps_stats_score score = ps_stats_hazard_score(here, SETS, ratios[r]);
            assert_true(side == 0 || side * (score.observed - score.expected) > 0);
            above += side > 0 ? chance[observed] : 0;
            under += side < 0 ? chance[observed] : 0;
        }
        assert_true(above <= 0.5 + 1e-9 && under <= 0.5 + 1e-9);
    }
    int side = 5;
    assert_int_equal(ps_stats_hazard_side(sets, 0, 0.3, &side), PS_OK);
    assert_int_equal(side, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_say_who_is_at_risk),
        cmocka_unit_test(pooled_ratio_is_where_the_likelihood_is_highest),
        cmocka_unit_test(pooled_ratio_in_closed_form),
        cmocka_unit_test(sides_are_fair),
        cmocka_unit_test(few_events_do_not_weigh_as_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
