/* The sign test at several looks: the design's table, every path of a small design, and what looks together show. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "analysis/stats/normal.h"
#include "analysis/stats/sequential.h"
#include "core/rng.h"

static void near(double value, double expected, double tolerance) {
    if (!(fabs(value - expected) <= tolerance)) fail_msg("%.12g is not %.12g", value, expected);
}

static void designs_spend_what_they_say(void **state) {
    static const double spent[] = {0.0313, 0.0313, 0.0325, 0.0387, 0.0495};
    static const struct {
        double effect, shown, against, seeds;
    } early[] = {{0, 0.0495, 0.0495, 15.1}, {0.5, 0.442, 0.003, 15.2}, {1, 0.928, 0, 11.6}, {2, 1, 0, 5.8}},
      late[] = {{0, 0.0484, 0.0484, 15.4}, {0.5, 0.482, -1, 15.3}, {1, 0.939, -1, 12.4}, {2, 1, -1, 8.7}};
    (void)state;
    ps_looks_chances chances = ps_looks_chances_of(&ps_looks_early, 0.5);
    for (int i = 0; i < 5; i++) near(chances.spent[i], spent[i], 0.000051);
    near(ps_looks_chances_of(&ps_looks_late, 0.5).spent[4], 0.0484, 0.000051);
    for (int i = 0; i < 4; i++) {
        chances = ps_looks_chances_of(&ps_looks_early, ps_stats_normal(early[i].effect));
        near(chances.shown, early[i].shown, 0.00051);
        near(chances.against, early[i].against, 0.00051);
        near(chances.mean_seeds, early[i].seeds, 0.051);
        chances = ps_looks_chances_of(&ps_looks_late, ps_stats_normal(late[i].effect));
        near(chances.shown, late[i].shown, 0.00051);
        near(chances.mean_seeds, late[i].seeds, 0.051);
    }
}

static void looks_without_correction_err_more_often(void **state) {
    ps_looks looks = {5, {5, 8, 12, 16, 20}, {0}};
    double any = 0;
    (void)state;
    for (int i = 0; i < 5; i++) looks.needed[i] = ps_stats_sign_needed(looks.seeds[i], 0.05);
    any = ps_looks_chances_of(&looks, 0.5).spent[4];
    near(any, 0.079, 0.00051);
    looks.count = PS_LOOKS_MOST;
    for (int i = 0; i < PS_LOOKS_MOST; i++) {
        looks.seeds[i] = 5 + i;
        looks.needed[i] = ps_stats_sign_needed(5 + i, 0.05);
    }
    near(ps_looks_chances_of(&looks, 0.5).spent[15], 0.099, 0.00051);
}

/* A fixed number of seeds is a design of one look. */
static void one_look_is_the_sign_test(void **state) {
    (void)state;
    for (int n = 5; n < 60; n++) {
        ps_looks looks = {1, {n}, {ps_stats_sign_needed(n, 0.05)}};
        ps_looks_chances chances = ps_looks_chances_of(&looks, 0.8);
        near(ps_looks_chances_of(&looks, 0.5).spent[0], ps_stats_sign_size(n, looks.needed[0]), 1e-14);
        near(chances.shown, ps_stats_sign_power(n, looks.needed[0], ps_stats_normal_inverse(0.8)), 1e-9);
        near(chances.mean_seeds, n, 1e-12);
    }
}

/* All 2^12 paths of a design, one by one. */
static void chances_are_those_of_all_paths(void **state) {
    static const ps_looks looks = {3, {4, 7, 12}, {4, 6, 9}};
    enum { N = 12 };
    double shown = 0, against = 0, seeds = 0, ever[3] = {0}, p = 0.6;
    (void)state;
    for (int path = 0; path < 1 << N; path++) {
        double chance = 1;
        int first = 0, ended = 0;
        bool reached = false;
        for (int i = 0; i < N; i++) chance *= path >> i & 1 ? p : 1 - p;
        for (int look = 0; look < 3; look++) {
            int n = looks.seeds[look], s = __builtin_popcount((unsigned)path & ((1u << n) - 1));
            reached |= s >= looks.needed[look];
            ever[look] += reached ? chance : 0;
            if (first == 0 && s >= looks.needed[look]) first = 1;
            if (first == 0 && n - s >= looks.needed[look]) first = -1;
            bool open = ps_looks_can_reach(&looks, n, s) || ps_looks_can_reach(&looks, n, n - s);
            if (ended == 0 && (first != 0 || !open)) ended = n;
        }
        shown += first > 0 ? chance : 0;
        against += first < 0 ? chance : 0;
        seeds += ended * chance;
    }
    ps_looks_chances chances = ps_looks_chances_of(&looks, p);
    near(chances.shown, shown, 1e-12);
    near(chances.against, against, 1e-12);
    near(chances.mean_seeds, seeds, 1e-11);
    for (int i = 0; i < 3; i++) near(chances.spent[i], ever[i], 1e-12);
}

static void reach_is_known(void **state) {
    (void)state;
    assert_int_equal(ps_looks_next(&ps_looks_early, 0), 0);
    assert_int_equal(ps_looks_next(&ps_looks_early, 5), 1);
    assert_int_equal(ps_looks_next(&ps_looks_early, 7), 1);
    assert_int_equal(ps_looks_next(&ps_looks_early, 20), -1);
    assert_true(ps_looks_can_reach(&ps_looks_early, 5, 0)); /* fifteen of the next fifteen */
    assert_false(ps_looks_can_reach(&ps_looks_early, 8, 2));
    assert_true(ps_looks_can_reach(&ps_looks_early, 8, 3));
    assert_false(ps_looks_can_reach(&ps_looks_early, 20, 20));
}

/* Whatever has been shown by a look, or held against, is so by every later one. */
static void what_was_shown_stays(void **state) {
    ps_rng_key key = ps_rng_key_of(1, "looks");
    (void)state;
    for (int trial = 0; trial < 3000; trial++) {
        double values[20];
        ps_stats_bounds before = {-INFINITY, INFINITY, 0, false};
        for (int i = 0; i < 20; i++) {
            values[i] = (double)ps_rng_normal(key, (uint64_t)(trial * 20 + i)) + (i < 5 ? 2 : -1);
            if (ps_rng_uniform(key, (uint64_t)(1000000 + trial * 20 + i)) < 0.05F) values[i] = NAN;
        }
        for (int n = 0; n <= 20; n++) {
            ps_stats_bounds now = ps_looks_bounds(&ps_looks_early, values, n);
            assert_true(now.low >= before.low && now.high <= before.high && now.low <= now.high);
            assert_int_equal(now.given, n >= 5);
            if (ps_looks_next(&ps_looks_early, n) == ps_looks_next(&ps_looks_early, n - 1) && n > 0)
                assert_true(now.low == before.low && now.high == before.high); /* between looks nothing changes */
            before = now;
        }
        near(before.coverage, 1 - 2 * 0.0495, 0.0002);
    }
    static const double five[] = {1, 2, 3, 4, 5};
    ps_stats_bounds bounds = ps_looks_bounds(&ps_looks_early, five, 5);
    assert_true(bounds.low == 1 && bounds.high == 5);
    bounds = ps_looks_bounds(&ps_looks_late, five, 5);
    assert_true(!bounds.given && bounds.low == -INFINITY && bounds.high == INFINITY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(designs_spend_what_they_say),
        cmocka_unit_test(looks_without_correction_err_more_often),
        cmocka_unit_test(one_look_is_the_sign_test),
        cmocka_unit_test(chances_are_those_of_all_paths),
        cmocka_unit_test(reach_is_known),
        cmocka_unit_test(what_was_shown_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
