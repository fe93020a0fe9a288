/* Contrasts: one number a run, compared between the runs of two arms that stand side by side (relation.h), whether or
 * not they differ in the arm alone. */
#ifndef PS_ANALYSIS_CONTRAST_H
#define PS_ANALYSIS_CONTRAST_H

#include "analysis/arms.h"
#include "analysis/stats/sign_test.h"

enum { PS_MOST_SEEDS = 1000 };

#define PS_BETTERS(BETTER) \
    BETTER(NONE, "none")   \
    BETTER(LOWER, "lower") \
    BETTER(HIGHER, "higher")
typedef enum {
#define BETTER(name, word) PS_BETTER_##name,
    PS_BETTERS(BETTER)
#undef BETTER
} ps_better;
const char *ps_better_name(ps_better better);

/* A pair that takes no part: a run of it stopped early, is shorter than the other, or was probed at other steps. */
typedef struct {
    long long seed, reference_seed;
    double reference, arm;       /* ps_absent() where the run has no such number */
    const char *reason, *detail; /* detail: the arm it lies with; borrowed */
} ps_contrast_left_out;

typedef struct {
    int n;
    long long seed[PS_MOST_SEEDS], reference_seed[PS_MOST_SEEDS]; /* others where arms stand side by side by index */
    double reference[PS_MOST_SEEDS], arm[PS_MOST_SEEDS],
        difference[PS_MOST_SEEDS]; /* as recorded; of a diverged run it may be absent */
    bool diverged[PS_MOST_SEEDS];
    const char *trace[PS_MOST_SEEDS], *reference_trace[PS_MOST_SEEDS]; /* borrowed from the arms */
    uint64_t line[PS_MOST_SEEDS], reference_line[PS_MOST_SEEDS];       /* a line the number rests on, 0: none */
    ps_contrast_left_out left[PS_MOST_SEEDS];
    int left_count;
    int diverged_count, wins, losses;
    bool by_rank; /* a run diverged and a direction is wanted: it is infinitely bad, and centres are medians */
    double centre_reference, centre_arm, centre, median, least, most; /* centres: means over seeds, or medians */
    ps_stats_bounds bounds;                                           /* of the median pair; each right with 95 % */
    /* Two-sided, of all numbers of one arm against all of the other, where runs stand side by side by index; else
     * ps_absent(): a description, for it tests that both have one distribution. */
    double p_rank_sum;
    /* Exact sign test of "the median pair is 0": both tails, and that it is below or above. Uncorrected: no verdict. */
    double p, p_less, p_greater, best_p; /* best_p: the smallest p that so many pairs can give */
} ps_contrast;

const char *ps_contrast_centre_name(const ps_contrast *contrast); /* "mean" or "median" */

/* Compares the runs side by side that both have the measure; where a direction is wanted, also those of which a run
 * diverged, whether it has the measure or not. Those of which ps_arms_unequal has something to say are left out and
 * named. With n = 0 the numbers are ps_absent(). */
ps_status ps_contrast_of(const ps_arm *reference, const ps_arm *arm, const char *measure, ps_better better,
                         ps_moment moment, ps_contrast *contrast);

#endif
