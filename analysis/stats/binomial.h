/* Binomial probabilities, exact up to the rounding of doubles. */
#ifndef PS_ANALYSIS_STATS_BINOMIAL_H
#define PS_ANALYSIS_STATS_BINOMIAL_H

/* P(B = k) and P(B >= k) for B ~ Bin(n, p), n >= 0, p in [0, 1]. k may lie outside 0 to n. For p = 1/2 and n <= 56 no
 * digit is rounded. */
double ps_stats_binomial(int n, double p, int k);
double ps_stats_binomial_at_least(int n, double p, int k);

/* Upper bound of a share from a count of n (Clopper and Pearson 1934): the p at which P(B <= count) = 1 - level, so
 * that it lies below the true share with at most 1 - level. 1 where count = n, or n = 0. */
double ps_stats_share_upper(int count, int n, double level);

#endif
