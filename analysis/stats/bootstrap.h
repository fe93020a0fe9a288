/* Intervals for the mean over seeds. */
#ifndef PS_ANALYSIS_STATS_BOOTSTRAP_H
#define PS_ANALYSIS_STATS_BOOTSTRAP_H

#include "core/status.h"

typedef struct {
    double low, high;
    double coverage;  /* nominal for bca95; exact, of the median, for a range */
    const char *name; /* "bca95", "median95", "range" or "none" */
} ps_stats_interval;

enum { PS_BCA_FROM = 10 }; /* fewer values than this are shown one by one with their range */

/* From PS_BCA_FROM finite values on: the bias-corrected and accelerated bootstrap interval (Efron 1987) of the mean, 95
 * %, 20,000 resamples drawn with a fixed key. Below: smallest and largest value; it covers the median with probability
 * 1 - 2^(1
 * - n). */
ps_status ps_stats_interval_of_mean(const double *values, int n, ps_stats_interval *interval);

/* Of the median, for values that may be +-infinity (ranks alone count): from PS_BCA_FROM values on the k-th smallest
 * and k-th largest with the largest k whose coverage 1 - 2 P(B(n, 1/2) < k) is at least 95 % (the sign test's interval;
 * Conover 1999, 3.2); below, the range. */
ps_stats_interval ps_stats_interval_of_median(const double *values, int n);

/* Standard normal distribution function and its inverse (Acklam's approximation with one Newton step). */
double ps_stats_normal(double z);
double ps_stats_normal_inverse(double p);

#endif
