/* How many seeds a registered effect needs. Its size is registered, never a pilot's; a pilot tells the spread alone,
 * and few seeds tell it badly: with df degrees of freedom sigma^2 = s^2 df / chi^2_df (the posterior under the usual
 * prior 1 / sigma; Browne 1995 on pilots). Power is that of the sign test for normal differences. */
#ifndef PS_ANALYSIS_STATS_PLANNING_H
#define PS_ANALYSIS_STATS_PLANNING_H

#include <stdbool.h>

typedef struct {
    double effect; /* how far the true median lies beyond the mark that must be passed, in units of the measure; for an
                        equivalence the margin, the true median being 0. > 0 */
    double sd;     /* of the pairs' differences in the pilot, > 0 */
    int df;        /* seeds of the pilot - 1; 0: the spread is known */
    double power;  /* wanted, 0.8 as a rule */
    bool equivalent; /* both bounds must lie within +-effect */
} ps_stats_need;

enum { PS_PLAN_MOST_SEEDS = 200 };

/* Numbers of seeds out of those that are offered; 0: more than PS_PLAN_MOST_SEEDS. */
typedef struct {
    int point;    /* as if the pilot's spread were the true one */
    int averaged; /* power averaged over what the true spread may be */
    int upper;    /* at the spread's upper 80 % bound */
    double
        upper_factor; /* that bound over the pilot's: sqrt(df / chi^2_df(0.2)) = 2.12, 1.73, 1.56 for 3, 4, 5 seeds */
} ps_stats_plan;

ps_stats_plan ps_stats_plan_seeds(const ps_stats_need *need);

/* Power with n seeds, averaged over the unknown spread; with df 0 at the spread itself. */
double ps_stats_planned_power(const ps_stats_need *need, int n);
/* That factor: with 80 % the true standard deviation is below factor * s. 1 for df 0. */
double ps_stats_upper_sd_factor(int df);

/* P(X <= x) of chi^2 with df degrees of freedom (regularised incomplete gamma by its series; Abramowitz and Stegun
 * 6.5.29), x >= 0, and its inverse. */
double ps_stats_chi_squared(double x, int df);
double ps_stats_chi_squared_inverse(double p, int df);

#endif
