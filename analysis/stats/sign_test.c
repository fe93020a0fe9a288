#include "analysis/stats/sign_test.h"

#include <math.h>

#include "analysis/json_scan.h"
#include "analysis/stats/binomial.h"
#include "analysis/stats/normal.h"
#include "analysis/stats/order.h"

ps_stats_sign ps_stats_sign_test(const double *values, int n, double margin, double error) {
    ps_stats_sign test = {.n = n};
    for (int i = 0; i < n; i++) {
        if (isnan(values[i])) test.neither++;
        else if (values[i] > margin + error) test.beyond++;
        else if (values[i] < margin - error) test.against++;
        else test.ties++;
    }
    test.p = ps_stats_sign_size(n, test.beyond);
    test.p_against = ps_stats_sign_size(n, test.against);
    return test;
}

double ps_stats_round_to(double value, double step) {
    return step > 0 && isfinite(value) ? round(value / step) * step : value;
}

int ps_stats_sign_needed(int n, double level) {
    int needed = level < 0.5 ? n / 2 : 0; /* half of them are never that few */
    while (needed <= n && ps_stats_sign_size(n, needed) > level) needed++;
    return needed;
}

double ps_stats_sign_size(int n, int needed) { return ps_stats_binomial_at_least(n, 0.5, needed); }

double ps_stats_sign_power(int n, int needed, double effect) {
    return ps_stats_binomial_at_least(n, ps_stats_normal(effect), needed);
}

double ps_stats_equivalence_power(int n, int needed, double effect, double margin) {
    double below = ps_stats_normal(-margin - effect), above = ps_stats_normal(effect - margin), power = 0;
    if (margin <= 0 || needed > n) return 0;
    for (int a = 0; a <= n - needed; a++) { /* those that fall below, and of the others those above */
        int rest = n - a, spare = n - needed;
        double within = below < 1 ? 1 - ps_stats_binomial_at_least(rest, fmin(1, above / (1 - below)), spare + 1) : 0;
        power += ps_stats_binomial(n, below, a) * within;
    }
    return power;
}

static double usual_power(int n) { return ps_stats_sign_power(n, ps_stats_sign_needed(n, PS_SIGN_LEVEL), 1); }

int ps_stats_sign_as_good_as(int n) {
    double power = usual_power(n);
    for (int fewer = 5; fewer < n; fewer++)
        if (usual_power(fewer) >= power) return fewer;
    return n;
}

bool ps_stats_sign_offered(int n) { return n >= 5 && ps_stats_sign_as_good_as(n) == n; }

int ps_stats_sign_offered_from(int n) {
    if (n < 5) return 5;
    while (!ps_stats_sign_offered(n)) n++;
    return n;
}

int ps_stats_sign_offered_up_to(int most, int *numbers) {
    double best = 0;
    int count = 0;
    for (int n = 5; n <= most; n++) {
        double power = usual_power(n);
        if (power <= best) continue;
        best = power;
        numbers[count++] = n;
    }
    return count;
}

ps_stats_bounds ps_stats_sign_bounds(const double *values, int n, int needed) {
    ps_stats_bounds bounds = {-INFINITY, INFINITY, ps_absent(), false};
    double sorted[PS_SIGN_MOST_PAIRS];
    int count = 0;
    if (needed < 1 || needed > n || n > PS_SIGN_MOST_PAIRS) return bounds;
    for (int i = 0; i < n; i++)
        if (!isnan(values[i])) sorted[count++] = values[i];
    ps_stats_sort(sorted, (size_t)count);
    if (count >= needed) {
        bounds.low = sorted[count - needed];
        bounds.high = sorted[needed - 1];
    }
    bounds.coverage = fmax(0, 1 - 2 * ps_stats_sign_size(n, needed));
    bounds.given = true;
    return bounds;
}
