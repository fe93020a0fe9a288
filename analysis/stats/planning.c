#include "analysis/stats/planning.h"

#include <math.h>

#include "analysis/stats/sign_test.h"

enum { STEPS = 400 };

static double log_gamma(double x) {
    int sign;
    return lgamma_r(x, &sign);
}

/* The series has positive terms only: slow for large x, but never wrong. */
double ps_stats_chi_squared(double x, int df) {
    double a = df / 2.0, half = x / 2, term = 1 / a, sum = term;
    if (!(x > 0)) return 0;
    if (half > a + 40 * sqrt(a) + 800) return 1; /* the factor below would vanish first */
    for (double i = 1; term > sum * 1e-17; i++) sum += term *= half / (a + i);
    return fmin(1, exp(a * log(half) - half - log_gamma(a)) * sum);
}

double ps_stats_chi_squared_inverse(double p, int df) {
    double low = 0, high = df + 1;
    while (ps_stats_chi_squared(high, df) < p && high < 1e6) high *= 2;
    for (int i = 0; i < 200; i++) {
        double x = (low + high) / 2;
        if (ps_stats_chi_squared(x, df) < p) low = x;
        else high = x;
    }
    return (low + high) / 2;
}

double ps_stats_upper_sd_factor(int df) { return df > 0 ? sqrt(df / ps_stats_chi_squared_inverse(0.2, df)) : 1; }

static double power_at(const ps_stats_need *need, int n, int needed, double sd) {
    double effect = need->effect / sd;
    return need->equivalent ? ps_stats_equivalence_power(n, needed, 0, effect) : ps_stats_sign_power(n, needed, effect);
}

/* Density of z = sqrt(chi^2_df / df) = s / sigma, the pilot's spread over the true one. */
static double density(double z, int df) {
    if (z <= 0) return df == 1 ? sqrt(2 / acos(-1)) : 0;
    return exp(log(2) + df / 2.0 * log(df / 2.0) - log_gamma(df / 2.0) + (df - 1) * log(z) - df * z * z / 2);
}

/* Simpson's rule over z, up to where less than 1e-16 is left. */
double ps_stats_planned_power(const ps_stats_need *need, int n) {
    int needed = ps_stats_sign_needed(n, PS_SIGN_LEVEL), df = need->df;
    if (needed > n) return 0;
    if (df <= 0) return power_at(need, n, needed, need->sd);
    double most = 1 + 9 / sqrt(df), from = fmax(0, 1 - 9 / sqrt(df)), step = (most - from) / STEPS, sum = 0;
    for (int i = 0; i <= STEPS; i++) {
        double z = from + i * step, weight = i == 0 || i == STEPS ? 1 : i % 2 ? 4 : 2;
        if (z > 0) sum += weight * density(z, df) * power_at(need, n, needed, need->sd / z);
        else sum += weight * density(z, df) * power_at(need, n, needed, INFINITY);
    }
    return sum * step / 3;
}

static int fewest(const ps_stats_need *need) {
    int offered[PS_PLAN_MOST_SEEDS], count = ps_stats_sign_offered_up_to(PS_PLAN_MOST_SEEDS, offered);
    for (int i = 0; i < count; i++)
        if (ps_stats_planned_power(need, offered[i]) >= need->power) return offered[i];
    return 0;
}

ps_stats_plan ps_stats_plan_seeds(const ps_stats_need *need) {
    ps_stats_need known = *need;
    ps_stats_plan plan = {.averaged = fewest(need), .upper_factor = ps_stats_upper_sd_factor(need->df)};
    known.df = 0;
    plan.point = fewest(&known);
    known.sd = need->sd * plan.upper_factor;
    plan.upper = fewest(&known);
    return plan;
}
