/* The rank sum of two unpaired samples (Wilcoxon 1945; Mann and Whitney 1947), exact, also with ties. A description:
 * its p is exact where both samples come from one distribution, not where only their medians agree. */
#ifndef PS_ANALYSIS_STATS_RANK_SUM_H
#define PS_ANALYSIS_STATS_RANK_SUM_H

#include "core/status.h"

enum { PS_RANK_SUM_MOST = 100 };

typedef struct {
    double share; /* of all x, y: with x above y, ties as one half (U / (nx ny)) */
    double greater, less,
        two_sided; /* of the choices of nx of the ranks: with a sum at least, at most so large; of both
                                        tails (capped at 1) */
} ps_stats_rank_sum;

/* x and y are finite or +-infinity; NaN must be taken out first. Values no further apart than `tie` are tied. Both
 * together at most PS_RANK_SUM_MOST; share is ps_absent() and each p 1 where one is empty. */
ps_status ps_stats_rank_sum_of(const double *x, int nx, const double *y, int ny, double tie, ps_stats_rank_sum *result);

#endif
