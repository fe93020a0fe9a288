/* Exact tests over seeds. The seed is the unit: under the null hypothesis each paired difference is as likely to be d
 * as -d, so all 2^n assignments of signs are equally likely (Fisher 1935; for ranks Wilcoxon 1945). No distribution is
 * assumed. */
#ifndef PS_ANALYSIS_STATS_SIGNFLIP_H
#define PS_ANALYSIS_STATS_SIGNFLIP_H

typedef struct {
    int n;
    double greater, less, two_sided;       /* P(S >= s), P(S <= s), and of both tails (capped at 1) */
    double best_one_sided, best_two_sided; /* what n values can show at best: 2^-n and 2^(1-n) */
} ps_stats_test;

/* Test of "the centre is 0" with the sum as statistic. Enumerated up to 24 values; above that, 2^20 assignments drawn
 * with a fixed key, counted with the observed one (Phipson and Smyth 2010). Values are finite, or +-infinity, which
 * ranks them beyond all finite ones: then, and only then, the sum of signed ranks takes the place of the sum. NaN must
 * be taken out first. error: by how much rounding may have moved each value (ps_stats_rounding of what it is a
 * difference of): what is no further from 0 is 0, and sums no further apart than that allows are ties. */
ps_stats_test ps_stats_signflip_within(const double *values, int n, double error);
/* Wilcoxon's signed-rank test, exact also with ties; zeros are dropped (n says how many remained) as R and SciPy do. */
ps_stats_test ps_stats_wilcoxon_within(const double *values, int n, double error);

/* Holm's step-down adjustment (1979): adjusted[i] for p[i]; ps_absent() values take no part. Returns the number that
 * took part. */
int ps_stats_holm(const double *p, int count, double *adjusted);

#endif
