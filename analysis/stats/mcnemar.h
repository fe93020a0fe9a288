/* McNemar's test (1947), exact: whether one arm of the pairs has an outcome, such as collapse, more often. Pairs in
 * which both or neither have it say nothing; of the others each is as likely one way as the other. */
#ifndef PS_ANALYSIS_STATS_MCNEMAR_H
#define PS_ANALYSIS_STATS_MCNEMAR_H

typedef struct {
    int arm_only, partner_only;
    double more, fewer, two_sided; /* that the arm has it more often, less often, and of both (capped at 1) */
} ps_stats_mcnemar;

ps_stats_mcnemar ps_stats_mcnemar_test(int arm_only, int partner_only);

/* The fewest pairs, all one way, that are significant one-sided: 5 at 5 %. */
int ps_stats_mcnemar_fewest(double level);
/* Power of the one-sided test at n pairs, where runs of the arm have it with one share and those of the partner, apart
 * from them, with another, lower one. */
double ps_stats_mcnemar_power(int n, double arm, double partner, double level);
/* For tests. The fewest pairs with at least that power; 0: more than `most`. */
int ps_stats_mcnemar_pairs(double arm, double partner, double level, double power, int most);

#endif
