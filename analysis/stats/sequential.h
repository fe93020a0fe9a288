/* The sign test at several looks at the same registered seeds (Armitage, McPherson and Rowe 1969: a test repeated at 5
 * % errs more often; here the chance of every path of the counts is added up instead).
 *
 * At a look the seeds seen so far, in registered order, are tested with that look's own number of needed pairs. A
 * verdict that a look has reached stays. What a design spends is exact: a pair is beyond its median with 1/2, so the
 * number of pairs beyond is a random walk, and where it stands at each look is enumerated. */
#ifndef PS_ANALYSIS_STATS_SEQUENTIAL_H
#define PS_ANALYSIS_STATS_SEQUENTIAL_H

#include <stdbool.h>

#include "analysis/stats/sign_test.h"

enum { PS_LOOKS_MOST = 16, PS_LOOK_WITHOUT_VERDICT = 1 << 20 };

/* A design with one look is a fixed number of seeds. */
typedef struct {
    int count;
    int seeds[PS_LOOKS_MOST]; /* seen at each look: growing, PS_SIGN_MOST_PAIRS at most */
    int needed
        [PS_LOOKS_MOST]; /* pairs on one side, more than half of the seeds; PS_LOOK_WITHOUT_VERDICT: none will do */
} ps_looks;

/* Looks at 5, 8, 12, 16 and 20 seeds. Early: 5, none, 11, 13, 15. Late: none, 8, 10, 12, 15. Both spend at most 5 % a
 * side; the early one is the house's, since it can end with five seeds. */
extern const ps_looks ps_looks_early, ps_looks_late;

typedef struct {
    /* Chance that at this look or an earlier one the needed number was beyond, whatever came first: with a chance of
     * 1/2 what the design has spent on this side so far. */
    double spent[PS_LOOKS_MOST];
    double shown, against; /* chance that this side is the first to be reached */
    double mean_seeds;     /* until a verdict is reached, or neither side's can be any more */
} ps_looks_chances;

/* beyond: the chance that a pair is beyond the margin (else it is against): 1/2 where the median is at the margin,
 * Phi(effect) for normal differences whose median lies `effect` standard deviations beyond it. */
ps_looks_chances ps_looks_chances_of(const ps_looks *looks, double beyond);

/* The first look at more than `seeds` seeds; -1: there is none. */
int ps_looks_next(const ps_looks *looks, int seeds);
/* Whether a later look may reach a verdict on this side, when `count` of `seeds` seeds are on it. */
bool ps_looks_can_reach(const ps_looks *looks, int seeds, int count);

/* The bounds of all looks at up to n of the values (registered order, NaN as in ps_stats_sign_bounds) taken together:
 * the highest lower one and the lowest upper one, simultaneous over all looks of the design. So what a look has shown,
 * later looks show, too. A look whose bounds contradict those before it changes nothing. coverage: the chance that all
 * looks' bounds of both sides hold the median. */
ps_stats_bounds ps_looks_bounds(const ps_looks *looks, const double *values, int n);

#endif
