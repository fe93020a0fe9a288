#include "analysis/stats/binomial.h"

#include <math.h>

enum { EXACT_UP_TO = 56 }; /* binomial coefficients below 2^53 */

static double coefficient(int n, int k) {
    double c = 1;
    for (int i = 1; i <= k; i++) c = c * (n - k + i) / i;
    return c;
}

static double log_factorial(int n) {
    int sign;
    return lgamma_r(n + 1.0, &sign);
}

double ps_stats_binomial(int n, double p, int k) {
    if (k < 0 || k > n) return 0;
    if (p <= 0 || p >= 1) return k == (p <= 0 ? 0 : n);
    if (n <= EXACT_UP_TO) return coefficient(n, k) * pow(p, k) * pow(1 - p, n - k);
    return exp(log_factorial(n) - log_factorial(k) - log_factorial(n - k) + k * log(p) + (n - k) * log1p(-p));
}

/* The tail that starts at k and goes away from the mean: terms fall, so that what is left out is below a rounding. */
static double tail_above(int n, double p, int k) {
    double term = ps_stats_binomial(n, p, k), sum = term, odds = p / (1 - p);
    for (int i = k; i < n && term > sum * 1e-18; i++) sum += term = term * (n - i) / (i + 1) * odds;
    return sum;
}

static double tail_below(int n, double p, int k) {
    double term = ps_stats_binomial(n, p, k), sum = term, odds = (1 - p) / p;
    for (int i = k; i > 0 && term > sum * 1e-18; i--) sum += term = term * i / (n - i + 1) * odds;
    return sum;
}

double ps_stats_binomial_at_least(int n, double p, int k) {
    if (k <= 0) return 1;
    if (k > n || p <= 0) return 0;
    if (p >= 1) return 1;
    return k > n * p ? fmin(1, tail_above(n, p, k)) : fmax(0, 1 - tail_below(n, p, k - 1));
}

/* By halving: P(B <= count) falls with p. */
double ps_stats_share_upper(int count, int n, double level) {
    double low = 0, high = 1;
    if (n <= 0 || count >= n) return 1;
    for (int i = 0; i < 100; i++) {
        double p = (low + high) / 2;
        if (1 - ps_stats_binomial_at_least(n, p, count + 1) > 1 - level) low = p;
        else high = p;
    }
    return (low + high) / 2;
}
