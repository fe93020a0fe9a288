/* The sign test, its bounds and the words they allow: against the tables of the design, closed forms, and every pattern
 * that few pairs can have. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/stats/binomial.h"
#include "analysis/stats/normal.h"
#include "analysis/stats/sign_test.h"
#include "analysis/stats/words.h"
#include "core/rng.h"

static void near(double value, double expected, double tolerance) {
    if (!(fabs(value - expected) <= tolerance)) fail_msg("%.12g is not %.12g", value, expected);
}

static void binomial_is_exact(void **state) {
    (void)state;
    /* Counted: of the 2^n patterns, those with at least k ones. */
    for (int n = 0; n <= 12; n++)
        for (int k = -1; k <= n + 1; k++) {
            int count = 0;
            for (int pattern = 0; pattern < 1 << n; pattern++) count += __builtin_popcount((unsigned)pattern) >= k;
            assert_true(ps_stats_binomial_at_least(n, 0.5, k) == ldexp(count, -n));
        }
    /* R: pbinom(k - 1, n, p, lower = FALSE) */
    near(ps_stats_binomial_at_least(2000, 0.1, 240), 0.00202512415358975, 1e-14);
    near(ps_stats_binomial_at_least(10000, 0.1, 900), 0.999660142682133, 1e-13);
    for (int n = 57; n < 400; n += 49) { /* both tails make 1, and so do all terms */
        double sum = 0;
        for (int k = 0; k <= n; k++) sum += ps_stats_binomial(n, 0.3, k);
        near(sum, 1, 1e-12);
        for (int k = 0; k <= n; k += 7)
            near(ps_stats_binomial_at_least(n, 0.3, k) + ps_stats_binomial_at_least(n, 0.7, n - k + 1), 1, 1e-12);
    }
    assert_true(ps_stats_binomial_at_least(5, 0, 1) == 0 && ps_stats_binomial_at_least(5, 1, 5) == 1);
    assert_true(ps_stats_binomial(5, 0, 0) == 1 && ps_stats_binomial(5, 1, 5) == 1 && ps_stats_binomial(5, 1, 4) == 0);
}

static void sides_are_counted(void **state) {
    static const double values[] = {0.3, 0.1, 0.1 + 1e-12, -0.2, NAN, INFINITY, -INFINITY, 0.11};
    (void)state;
    ps_stats_sign test = ps_stats_sign_test(values, 8, 0.1, 1e-9);
    assert_int_equal(test.n, 8);
    assert_int_equal(test.beyond, 3);
    assert_int_equal(test.against, 2);
    assert_int_equal(test.ties, 2);
    assert_int_equal(test.neither, 1);
    near(test.p, 219.0 / 256, 0); /* P(Bin(8, 1/2) >= 3) = 1 - 37 / 256 */
    near(test.p_against, 247.0 / 256, 0);
    test = ps_stats_sign_test(values, 0, 0, 0);
    assert_true(test.p == 1 && test.p_against == 1);
    /* Images that were answered rightly, of 10,000: 0.7123 - 0.7023 is 0.01 but for rounding, and no side's. */
    double difference = 0.7123 - 0.7023;
    assert_true(difference != 0.01);
    double exact = ps_stats_round_to(difference, 1e-4);
    assert_int_equal(ps_stats_sign_test(&exact, 1, 0.01, 1e-9).ties, 1);
    assert_int_equal(ps_stats_sign_test(&exact, 1, 0.00999, 1e-9).beyond, 1);
    assert_true(isnan(ps_stats_round_to(NAN, 0.1)) && ps_stats_round_to(-INFINITY, 0.1) < 0);
    assert_true(ps_stats_round_to(0.123, 0) == 0.123);
}

/* The table of sizes and powers, as it stands in the design. */
static void sizes_and_powers_are_the_designs(void **state) {
    static const struct {
        int n, needed;
        double size, power[3];
    } rows[] = {
        {5, 5, 0.031, {0.16, 0.42, 0.89}},  {6, 6, 0.016, {0.11, 0.35, 0.87}},  {8, 7, 0.035, {0.24, 0.63, 0.99}},
        {10, 9, 0.011, {0.14, 0.51, 0.98}}, {11, 9, 0.033, {0.29, 0.75, 1.00}}, {13, 10, 0.046, {0.39, 0.86, 1.00}},
        {16, 12, 0.038, {0.42, 0.90, 1.0}}, {18, 13, 0.048, {0.50, 0.95, 1.0}}, {20, 15, 0.021, {0.38, 0.92, 1.00}},
    };
    static const double effects[] = {0.5, 1, 2};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(ps_stats_sign_needed(rows[i].n, 0.05), rows[i].needed);
        near(ps_stats_sign_size(rows[i].n, rows[i].needed), rows[i].size, 0.0005);
        for (int e = 0; e < 3; e++)
            near(ps_stats_sign_power(rows[i].n, rows[i].needed, effects[e]), rows[i].power[e], 0.0051);
    }
    for (int n = 0; n < 5; n++) assert_int_equal(ps_stats_sign_needed(n, 0.05), n + 1);
    assert_int_equal(ps_stats_sign_needed(6, 0.025), 6); /* two-sided 5 % needs six */
    assert_int_equal(ps_stats_sign_needed(5, 0.025), 6);
    for (int n = 1; n < 200; n++)
        for (double level = 0.01; level < 1; level += 0.13) {
            int needed = ps_stats_sign_needed(n, level);
            assert_true(ps_stats_sign_size(n, needed) <= level);
            assert_true(needed == 0 || ps_stats_sign_size(n, needed - 1) > level);
        }
}

static void power_is_a_sawtooth(void **state) {
    static const int offered[] = {5, 8, 11, 13, 16, 18, 21, 23};
    static const double powers[] = {0.42, 0.63, 0.75, 0.86, 0.90, 0.95};
    (void)state;
    for (int n = 0, next = 0; n <= 23; n++) {
        bool is = n == offered[next];
        assert_int_equal(ps_stats_sign_offered(n), is);
        assert_int_equal(ps_stats_sign_offered_from(n), offered[next]);
        next += is;
    }
    int listed[23];
    assert_int_equal(ps_stats_sign_offered_up_to(23, listed), 8);
    assert_memory_equal(listed, offered, sizeof offered);
    for (int i = 0; i < 6; i++)
        near(ps_stats_sign_power(offered[i], ps_stats_sign_needed(offered[i], 0.05), 1), powers[i], 0.0051);
    assert_int_equal(ps_stats_sign_as_good_as(6), 5);
    assert_int_equal(ps_stats_sign_as_good_as(7), 5);
    assert_int_equal(ps_stats_sign_as_good_as(10), 8);
    assert_int_equal(ps_stats_sign_as_good_as(20), 18);
    assert_int_equal(ps_stats_sign_as_good_as(18), 18);
    assert_int_equal(ps_stats_sign_as_good_as(3), 3);
}

static void coverages_are_the_designs(void **state) {
    static const struct {
        int n;
        double coverage;
    } rows[] = {{5, 0.938}, {8, 0.930}, {11, 0.935}, {13, 0.908}, {16, 0.923}, {18, 0.904}, {20, 0.959}};
    double values[20];
    (void)state;
    for (int i = 0; i < 20; i++) values[i] = (i * 7) % 20;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        near(ps_stats_sign_bounds(values, rows[i].n, ps_stats_sign_needed(rows[i].n, 0.05)).coverage, rows[i].coverage,
             0.00051);
    ps_stats_bounds bounds = ps_stats_sign_bounds(values, 20, 15); /* the 6th smallest and the 6th largest of 0 to 19 */
    assert_true(bounds.given && bounds.low == 5 && bounds.high == 14);
    bounds = ps_stats_sign_bounds(values, 4, ps_stats_sign_needed(4, 0.05));
    assert_true(!bounds.given && isnan(bounds.coverage) && bounds.low == -INFINITY && bounds.high == INFINITY);
    bounds = ps_stats_sign_bounds(values, 0, 1);
    assert_false(bounds.given);
}

/* Every assignment of few pairs to five places, infinities and missing ones among them: the bounds are beyond a margin
 * exactly where the test is, for every margin, and a missing pair makes them as wide as its worst value would. */
static void bounds_are_the_test(void **state) {
    static const double places[] = {-INFINITY, -1, 0, 1, INFINITY, NAN};
    static const double margins[] = {-1.5, -1, -0.5, 0, 0.5, 1, 1.5};
    enum { N = 6, PLACES = 6 };
    int patterns = 1;
    (void)state;
    for (int i = 0; i < N; i++) patterns *= PLACES;
    for (int pattern = 0; pattern < patterns; pattern++) {
        double values[N], worst[N], best[N];
        for (int i = 0, rest = pattern; i < N; i++, rest /= PLACES) {
            values[i] = places[rest % PLACES];
            worst[i] = isnan(values[i]) ? -INFINITY : values[i];
            best[i] = isnan(values[i]) ? INFINITY : values[i];
        }
        for (int needed = 4; needed <= N; needed++) {
            ps_stats_bounds b = ps_stats_sign_bounds(values, N, needed);
            assert_true(b.low <= b.high);
            assert_true(b.low == ps_stats_sign_bounds(worst, N, needed).low);
            assert_true(b.high == ps_stats_sign_bounds(best, N, needed).high);
            for (size_t m = 0; m < sizeof margins / sizeof *margins; m++) {
                ps_stats_sign test = ps_stats_sign_test(values, N, margins[m], 0);
                assert_int_equal(b.low > margins[m], test.beyond >= needed);
                assert_int_equal(b.high < margins[m], test.against >= needed);
            }
        }
    }
}

static void equivalence_power_is_the_designs(void **state) {
    static const struct {
        int n;
        double power[4];
    } rows[] = {{5, {0.01, 0.15, 0.49, 0.80}}, {13, {0.09, 0.73, 0.98, 1}}, {18, {0.18, 0.90, 1, 1}}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int m = 0; m < 4; m++)
            near(ps_stats_equivalence_power(rows[i].n, ps_stats_sign_needed(rows[i].n, 0.05), 0, 0.5 * (m + 1)),
                 rows[i].power[m], 0.0081); /* simulated there: .9545^5 is .7923 */
    /* With n = needed all must lie within: a power of one probability. */
    near(ps_stats_equivalence_power(5, 5, 0.3, 1), pow(ps_stats_normal(0.7) - ps_stats_normal(-1.3), 5), 1e-13);
    assert_true(ps_stats_equivalence_power(4, 5, 0, 9) == 0 && ps_stats_equivalence_power(8, 7, 0, 0) == 0);
    /* Drawn, through the bounds and the words themselves, off centre. */
    enum { TRIALS = 20000, N = 11 };
    ps_rng_key key = ps_rng_key_of(1, "equivalence");
    int found = 0;
    for (int t = 0; t < TRIALS; t++) {
        double values[N];
        for (int i = 0; i < N; i++) values[i] = 0.4 + (double)ps_rng_normal(key, (uint64_t)(t * N + i));
        ps_stats_bounds b = ps_stats_sign_bounds(values, N, 9);
        found += ps_claim_is_shown(PS_CLAIM_EQUIVALENT, b.low, b.high, 1.2, 0);
    }
    double power = ps_stats_equivalence_power(N, 9, 0.4, 1.2);
    near((double)found / TRIALS, power, 4 * sqrt(power * (1 - power) / TRIALS));
}

/* What each word says, written down apart from the order they are tried in. */
static bool word_fits(ps_word word, double low, double high, double margin) {
    bool same = low > 0, opposite = high<0, beyond = low> margin, short_of = high < margin;
    bool far_opposite = high<-margin, within_below = low> - margin;
    switch (word) {
        case PS_WORD_BEYOND: return beyond;
        case PS_WORD_SMALLER: return same && short_of && !beyond;
        case PS_WORD_SAME_DIRECTION: return same && !short_of && !beyond;
        case PS_WORD_OPPOSITE_BEYOND: return far_opposite && !beyond;
        case PS_WORD_OPPOSITE_SMALLER: return opposite && !far_opposite && within_below;
        case PS_WORD_OPPOSITE: return opposite && !far_opposite && !within_below;
        case PS_WORD_EQUIVALENT: return !same && !opposite && within_below && short_of;
        case PS_WORD_NOT_BEYOND: return !same && !opposite && !within_below && short_of;
        case PS_WORD_UNDECIDED: return !same && !opposite && !short_of;
        case PS_WORD_COUNT: break;
    }
    return false;
}

static void words_part_all_positions(void **state) {
    static const double marks[] = {-INFINITY, -3, -2, -1, 0, 1, 2, 3, INFINITY};
    enum { MARKS = sizeof marks / sizeof *marks };
    int seen[PS_WORD_COUNT] = {0};
    (void)state;
    for (int m = 0; m <= 2; m++) /* margin 0, 1, 2: every order of the bounds, 0 and the margins, with equalities */
        for (int l = 0; l < MARKS; l++)
            for (int h = l; h < MARKS; h++) {
                int fits = 0;
                ps_word word = ps_word_of(marks[l], marks[h], m, 0);
                for (int w = 0; w < PS_WORD_COUNT; w++) fits += word_fits((ps_word)w, marks[l], marks[h], m);
                assert_int_equal(fits, 1);
                assert_true(word_fits(word, marks[l], marks[h], m));
                seen[word]++;
            }
    for (int w = 0; w < PS_WORD_COUNT; w++) assert_true(seen[w] > 0);
    assert_int_equal(ps_word_of(-INFINITY, INFINITY, 1, 0), PS_WORD_UNDECIDED);
    /* Ten of ten lower, by less than the margin: that is said, and "not lower by the margin" holds beside it. */
    assert_int_equal(ps_word_of(-0.8, -0.2, 1, 0), PS_WORD_OPPOSITE_SMALLER);
    assert_true(ps_claim_is_shown(PS_CLAIM_NOT_WORSE, -0.8, -0.2, 1, 0));
    /* A bound on a mark but for rounding is on it. */
    assert_int_equal(ps_word_of(1 + 1e-12, 2, 1, 1e-9), PS_WORD_SAME_DIRECTION);
    assert_int_equal(ps_word_of(1e-12, 1 - 1e-12, 1, 1e-9), PS_WORD_UNDECIDED);
    assert_int_equal(ps_word_of(-1 + 1e-12, 0.5, 1, 1e-9), PS_WORD_NOT_BEYOND);
}

static void claims_agree_with_the_test(void **state) {
    static const double marks[] = {-INFINITY, -3, -2, -1, 0, 1, 2, 3, INFINITY};
    (void)state;
    for (int l = 0; l < 9; l++)
        for (int h = l; h < 9; h++) {
            double low = marks[l], high = marks[h];
            ps_word word = ps_word_of(low, high, 2, 0);
            assert_int_equal(ps_claim_is_shown(PS_CLAIM_BEYOND, low, high, 2, 0), word == PS_WORD_BEYOND);
            assert_int_equal(ps_claim_is_refuted(PS_CLAIM_BEYOND, low, high, 2, 0), high < 2);
            assert_int_equal(ps_claim_is_shown(PS_CLAIM_NOT_WORSE, low, high, 2, 0), low > -2);
            assert_int_equal(ps_claim_is_refuted(PS_CLAIM_NOT_WORSE, low, high, 2, 0), word == PS_WORD_OPPOSITE_BEYOND);
            assert_int_equal(ps_claim_is_shown(PS_CLAIM_EQUIVALENT, low, high, 2, 0), low > -2 && high < 2);
            assert_int_equal(ps_claim_is_refuted(PS_CLAIM_EQUIVALENT, low, high, 2, 0),
                             word == PS_WORD_BEYOND || word == PS_WORD_OPPOSITE_BEYOND);
            for (int c = 0; c <= PS_CLAIM_EQUIVALENT; c++)
                assert_false(ps_claim_is_shown((ps_claim)c, low, high, 2, 0) &&
                             ps_claim_is_refuted((ps_claim)c, low, high, 2, 0));
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binomial_is_exact),
        cmocka_unit_test(sides_are_counted),
        cmocka_unit_test(sizes_and_powers_are_the_designs),
        cmocka_unit_test(power_is_a_sawtooth),
        cmocka_unit_test(coverages_are_the_designs),
        cmocka_unit_test(bounds_are_the_test),
        cmocka_unit_test(equivalence_power_is_the_designs),
        cmocka_unit_test(words_part_all_positions),
        cmocka_unit_test(claims_agree_with_the_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
