#include "analysis/stats/signflip.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "analysis/json_scan.h"
#include "analysis/stats/order.h"
#include "core/rng.h"

enum { MOST_ENUMERATED = 24, DRAWS = 1 << 20, MOST_VALUES = 1024 };

typedef struct {
    uint64_t all, at_least, at_most;
} tail_counts;

/* Sums that differ only by rounding are ties and must count in both tails. */
static void count_sum(tail_counts *counts, double sum, double observed, double tolerance) {
    counts->all++;
    counts->at_least += sum >= observed - tolerance;
    counts->at_most += sum <= observed + tolerance;
}

/* Gray code: neighbouring assignments differ in one sign, so each sum is one addition away. The sum is formed anew now
 * and then to keep rounding errors below the tolerance. */
static void enumerate(const double *values, int n, double observed, double tolerance, tail_counts *counts) {
    uint64_t assignments = 1ull << n, gray = 0;
    double sum = 0;
    for (uint64_t i = 0; i < assignments; i++) {
        if ((i & 1023) == 0) {
            gray = i ^ (i >> 1);
            sum = 0;
            for (int v = 0; v < n; v++) sum += (gray >> v & 1) ? -values[v] : values[v];
        } else {
            int bit = __builtin_ctzll(i);
            gray ^= 1ull << bit;
            sum += (gray >> bit & 1) ? -2 * values[bit] : 2 * values[bit];
        }
        count_sum(counts, sum, observed, tolerance);
    }
}

static void draw(const double *values, int n, double observed, double tolerance, tail_counts *counts) {
    ps_rng_key key = ps_rng_key_of(1, "analysis/signflip");
    uint64_t index = 0;
    count_sum(counts, observed, observed, tolerance);
    for (int i = 0; i < DRAWS; i++) {
        double sum = 0;
        uint32_t bits = 0;
        for (int v = 0; v < n; v++) {
            if (v % 32 == 0) bits = ps_rng_u32(key, index++);
            sum += (bits >> (v % 32) & 1) ? -values[v] : values[v];
        }
        count_sum(counts, sum, observed, tolerance);
    }
}

static ps_stats_test test_sum(const double *values, int n, double error) {
    ps_stats_test test;
    tail_counts counts = {0, 0, 0};
    double observed = 0, size = 0, tolerance;
    for (int i = 0; i < n; i++) {
        observed += values[i];
        size += fabs(values[i]);
    }
    tolerance = 2 * n * error + size * 1e-12; /* both sums may have moved */
    if (n <= MOST_ENUMERATED) enumerate(values, n, observed, tolerance, &counts);
    else draw(values, n, observed, tolerance, &counts);
    test.n = n;
    test.greater = (double)counts.at_least / (double)counts.all;
    test.less = (double)counts.at_most / (double)counts.all;
    test.two_sided = fmin(1, 2 * fmin(test.greater, test.less));
    test.best_one_sided = n > 0 ? ldexp(1, -n) : 1;
    test.best_two_sided = n > 0 ? fmin(1, ldexp(1, 1 - n)) : 1;
    return test;
}

static ps_stats_test no_test(void) {
    ps_stats_test test = {0, 1, 1, 1, 1, 1};
    return test;
}

static ps_stats_test test_signed_ranks(const double *values, int n, double error) {
    double size[MOST_VALUES] = {0}, ranks[MOST_VALUES];
    size_t order[MOST_VALUES];
    for (int i = 0; i < n; i++) size[i] = fabs(values[i]);
    ps_stats_ranks(size, (size_t)n, 2 * error, ranks, order);
    for (int i = 0; i < n; i++) ranks[i] = values[i] > 0 ? ranks[i] : values[i] < 0 ? -ranks[i] : 0;
    return test_sum(ranks, n, 0);
}

/* What is no further from 0 than rounding may have moved it is 0. */
static void settle(const double *values, int n, double error, double *settled) {
    for (int i = 0; i < n; i++) settled[i] = fabs(values[i]) <= error ? 0 : values[i];
}

ps_stats_test ps_stats_signflip_within(const double *values, int n, double error) {
    double settled[MOST_VALUES];
    bool infinite = false;
    if (n <= 0 || n > MOST_VALUES) return no_test();
    settle(values, n, error, settled);
    for (int i = 0; i < n; i++) infinite |= isinf(values[i]) != 0;
    return infinite ? test_signed_ranks(settled, n, error) : test_sum(settled, n, error);
}

ps_stats_test ps_stats_wilcoxon_within(const double *values, int n, double error) {
    double kept[MOST_VALUES];
    int count = 0;
    if (n <= 0 || n > MOST_VALUES) return no_test();
    for (int i = 0; i < n; i++)
        if (fabs(values[i]) > error) kept[count++] = values[i];
    return count > 0 ? test_signed_ranks(kept, count, error) : no_test();
}

int ps_stats_holm(const double *p, int count, double *adjusted) {
    int family = 0, rank = 0;
    double running = 0;
    for (int i = 0; i < count; i++) {
        adjusted[i] = ps_absent();
        family += !ps_is_absent(p[i]);
    }
    for (; rank < family; rank++) {
        int smallest = -1;
        for (int i = 0; i < count; i++)
            if (!ps_is_absent(p[i]) && ps_is_absent(adjusted[i]) && (smallest < 0 || p[i] < p[smallest])) smallest = i;
        running = fmax(running, fmin(1, (double)(family - rank) * p[smallest]));
        adjusted[smallest] = running;
    }
    return family;
}
