/* Order statistics. Values are reordered in place; quantiles interpolate linearly between order statistics (type 7 of
 * Hyndman and Fan 1996, the default of R and NumPy). NaN must be taken out first. Between -infinity
 * and a number lies -infinity, between a number and infinity infinity, between both infinities NaN. */
#ifndef PS_ANALYSIS_STATS_ORDER_H
#define PS_ANALYSIS_STATS_ORDER_H

#include <stdbool.h>
#include <stddef.h>

/* ps_absent() where count is 0. */
double ps_stats_quantile(double *values, size_t count, double share);
double ps_stats_median(double *values, size_t count);
double ps_stats_mean(const double *values, size_t count);
void ps_stats_sort(double *values, size_t count);
/* Ranks from 1, ties get their mean rank; neighbours no further apart than `tie` are tied. order is scratch of `count`
 * indices. */
void ps_stats_ranks(const double *values, size_t count, double tie, double *ranks, size_t *order);

/* Numbers of traces have 9 digits: by how much rounding may have moved a difference of numbers of this size. Two that
 * are equal in truth may differ by so much, and which way is chance. */
double ps_stats_rounding(double size);

#endif
