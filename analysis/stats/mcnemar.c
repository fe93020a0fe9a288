#include "analysis/stats/mcnemar.h"

#include <math.h>

#include "analysis/stats/binomial.h"

static double tail(int one_way, int other_way) { return ps_stats_binomial_at_least(one_way + other_way, 0.5, one_way); }

ps_stats_mcnemar ps_stats_mcnemar_test(int arm_only, int partner_only) {
    ps_stats_mcnemar test = {arm_only, partner_only, tail(arm_only, partner_only), tail(partner_only, arm_only), 1};
    test.two_sided = fmin(1, 2 * fmin(test.more, test.fewer));
    return test;
}

int ps_stats_mcnemar_fewest(double level) {
    int pairs = 0;
    while (tail(pairs, 0) > level) pairs++;
    return pairs;
}

/* The sum over how many pairs tell the arms apart, and which way. */
double ps_stats_mcnemar_power(int n, double arm, double partner, double level) {
    double more = arm * (1 - partner), fewer = partner * (1 - arm), apart = more + fewer, power = 0;
    if (apart <= 0) return 0;
    for (int d = ps_stats_mcnemar_fewest(level); d <= n; d++) {
        int needed = d;
        while (needed > 0 && tail(needed - 1, d - needed + 1) <= level) needed--;
        power += ps_stats_binomial(n, apart, d) * ps_stats_binomial_at_least(d, more / apart, needed);
    }
    return power;
}

int ps_stats_mcnemar_pairs(double arm, double partner, double level, double power, int most) {
    for (int n = 1; n <= most; n++)
        if (ps_stats_mcnemar_power(n, arm, partner, level) >= power) return n;
    return 0;
}
