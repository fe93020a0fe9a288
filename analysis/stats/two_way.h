/* Difference of shares between treated and other cells of a groups x strata layout, with what is common to a group and
 * what is common to a stratum taken out: the coefficient of "treated" in the least-squares fit of the 0/1 outcomes of
 * single members on group effects, stratum effects and "treated" (linear probability model with two-way fixed effects;
 * Frisch and Waugh 1933 for the elimination). Without an effect its mean is 0 whatever the groups and the strata add,
 * for any pattern of treatment that does not depend on the outcome given both. Memory is that of the groups, whatever
 * the number of strata. */
#ifndef PS_ANALYSIS_STATS_TWO_WAY_H
#define PS_ANALYSIS_STATS_TWO_WAY_H

#include <stdbool.h>

#include "core/status.h"

typedef struct {
    int group;
    double members, positive; /* of them, whose outcome is 1 */
    bool treated;
} ps_stats_cell;

typedef struct {
    int groups;
    double *cross; /* [group][group]: sums of products of the group indicators, strata taken out */
    /* [group]: the same with the treatment and with the outcome; treated becomes the groups' part in it */
    double *treated, *positive;
    double treated_treated, treated_positive;
    double members; /* of all cells */
} ps_stats_two_way;

ps_status ps_stats_two_way_init(ps_stats_two_way *sums, int groups);
void ps_stats_two_way_clear(ps_stats_two_way *sums);
/* The cells of one stratum, one a group at most; those without members count for nothing. */
void ps_stats_two_way_add(ps_stats_two_way *sums, const ps_stats_cell *cells, int count);
/* Spends the sums. ps_absent() where groups and strata alone explain who is treated. */
double ps_stats_two_way_effect(ps_stats_two_way *sums);
/* After the effect: what groups and strata leave of each cell's treatment, d, from the cells of one stratum as they
 * were added. The effect is the sum of d positive over all cells, over that of d^2 members. */
void ps_stats_two_way_residuals(const ps_stats_two_way *sums, const ps_stats_cell *cells, int count, double *residuals);

#endif
