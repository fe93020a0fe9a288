/* Paired contrasts: one number a run, compared between an arm and another one seed by seed. */
#ifndef PS_ANALYSIS_CONTRAST_H
#define PS_ANALYSIS_CONTRAST_H

#include "analysis/arms.h"
#include "analysis/stats/bootstrap.h"
#include "analysis/stats/signflip.h"

enum { PS_MOST_SEEDS = 1000 };

typedef enum { PS_BETTER_NONE, PS_BETTER_LOWER, PS_BETTER_HIGHER } ps_better;
const char *ps_better_name(ps_better better);

typedef struct {
    int n;
    long long seed[PS_MOST_SEEDS];
    double reference[PS_MOST_SEEDS], arm[PS_MOST_SEEDS], difference[PS_MOST_SEEDS];
    bool diverged[PS_MOST_SEEDS];
    int diverged_count, wins, losses;
    double mean_reference, mean_arm, mean, median, least, most;
    ps_stats_interval interval;
    ps_stats_test test; /* sign-flip on the differences; a diverged run ranks worst */
} ps_contrast;

/* Compares the paired runs that both have the measure. With n = 0 the numbers are ps_absent(). */
ps_status ps_contrast_of(const ps_arm *reference, const ps_arm *arm, const char *measure, ps_better better,
                         ps_contrast *contrast);

#endif
