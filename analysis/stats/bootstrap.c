#include "analysis/stats/bootstrap.h"

#include <math.h>

#include "analysis/json_scan.h"
#include "analysis/stats/order.h"
#include "core/memory.h"
#include "core/rng.h"

enum { RESAMPLES = 20000 };

double ps_stats_normal(double z) { return 0.5 * erfc(-z / sqrt(2)); }

static double tail_guess(double q) {
    static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
                               -2.549732539343734e+00, 4.374664141464968e+00,  2.938163982698783e+00};
    static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
                               3.754408661907416e+00};
    return (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
           ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
}

static double centre_guess(double q) {
    static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02,  -2.759285104469687e+02,
                               1.383577518672690e+02,  -3.066479806614716e+01, 2.506628277459239e+00};
    static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02,
                               6.680131188771972e+01, -1.328068155288572e+01};
    double r = q * q;
    return (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
           (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
}

double ps_stats_normal_inverse(double p) {
    if (!(p > 0)) return -INFINITY;
    if (!(p < 1)) return INFINITY;
    double z = p < 0.02425   ? tail_guess(sqrt(-2 * log(p)))
               : p > 0.97575 ? -tail_guess(sqrt(-2 * log(1 - p)))
                             : centre_guess(p - 0.5);
    double density = exp(-z * z / 2) / sqrt(2 * acos(-1));
    return density > 0 ? z - (ps_stats_normal(z) - p) / density : z;
}

/* Acceleration from the jackknife: for the mean, the skewness of the values over 6 sqrt(n). */
static double acceleration(const double *values, int n, double mean) {
    double squares = 0, cubes = 0;
    for (int i = 0; i < n; i++) {
        double d = mean - values[i];
        squares += d * d;
        cubes -= d * d * d;
    }
    return squares > 0 ? cubes / (6 * pow(squares, 1.5)) : 0;
}

static double adjusted_share(double z0, double a, double z) {
    double shifted = z0 + z;
    return ps_stats_normal(z0 + shifted / (1 - a * shifted));
}

static void resample_means(const double *values, int n, double *means) {
    ps_rng_key key = ps_rng_key_of(1, "analysis/bootstrap");
    uint64_t index = 0;
    for (int r = 0; r < RESAMPLES; r++) {
        double sum = 0;
        for (int i = 0; i < n; i++) sum += values[ps_rng_below(key, index++, (uint32_t)n)];
        means[r] = sum / n;
    }
}

static ps_status bca(const double *values, int n, ps_stats_interval *interval) {
    double *means, mean = ps_stats_mean(values, (size_t)n), below = 0;
    PS_TRY(PS_ALLOC(RESAMPLES, &means, "bootstrap means"));
    resample_means(values, n, means);
    for (int r = 0; r < RESAMPLES; r++) below += means[r] < mean ? 1 : means[r] == mean ? 0.5 : 0;
    double z0 = ps_stats_normal_inverse(below / RESAMPLES), a = acceleration(values, n, mean),
           z = ps_stats_normal_inverse(0.975);
    if (isfinite(z0)) {
        interval->low = ps_stats_quantile(means, RESAMPLES, adjusted_share(z0, a, -z));
        interval->high = ps_stats_quantile(means, RESAMPLES, adjusted_share(z0, a, z));
    } else { /* all values equal */
        interval->low = interval->high = mean;
    }
    ps_free(means);
    interval->coverage = 0.95;
    interval->name = "bca95";
    return PS_OK;
}

ps_status ps_stats_interval_of_mean(const double *values, int n, ps_stats_interval *interval) {
    interval->low = interval->high = interval->coverage = ps_absent();
    interval->name = "none";
    if (n == 0) return PS_OK;
    int finite = 1;
    interval->low = interval->high = values[0];
    for (int i = 0; i < n; i++) {
        interval->low = fmin(interval->low, values[i]);
        interval->high = fmax(interval->high, values[i]);
        finite &= isfinite(values[i]) != 0;
    }
    if (n >= PS_BCA_FROM && finite) return bca(values, n, interval);
    interval->coverage = 1 - ldexp(1, 1 - n);
    interval->name = "range";
    return PS_OK;
}

ps_stats_interval ps_stats_interval_of_median(const double *values, int n) {
    enum { MOST = 1024 };
    double sorted[MOST], term, tail;
    if (n <= 0 || n > MOST) return (ps_stats_interval){ps_absent(), ps_absent(), ps_absent(), "none"};
    for (int i = 0; i < n; i++) { /* by insertion: n is a number of seeds */
        int place = i;
        for (; place > 0 && sorted[place - 1] > values[i]; place--) sorted[place] = sorted[place - 1];
        sorted[place] = values[i];
    }
    int k = 1;
    term = tail = ldexp(1, -n); /* P(B = k - 1) and P(B < k) */
    while (n >= PS_BCA_FROM && 2 * k < n) {
        double next = term * (n - k + 1) / k;
        if (2 * (tail + next) > 0.05) break;
        term = next;
        tail += next;
        k++;
    }
    return (ps_stats_interval){sorted[k - 1], sorted[n - k], 1 - 2 * tail, n >= PS_BCA_FROM ? "median95" : "range"};
}
