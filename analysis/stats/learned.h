/* Whether a run learned anything: exact binomial test of its correct images against always answering the largest class.
 * A hundred runs would be flagged wrongly by chance alone, so the level is 5 % over all runs (Bonferroni). Images are
 * independent trials; pixels of an image are not. */
#ifndef PS_ANALYSIS_STATS_LEARNED_H
#define PS_ANALYSIS_STATS_LEARNED_H

#include <stdbool.h>

/* P(Bin(images, share) >= correct): how often answers that hang on nothing reach it, `share` being that of the largest
 * class. */
double ps_stats_learned_p(int correct, int images, double share);
/* Whether that is at most 0.05 / runs. runs: all that are asked the same. */
bool ps_stats_has_learned(int correct, int images, double share, int runs);
/* For tests. The fewest correct images that count as learned; images + 1: not even all of them. */
int ps_stats_learned_floor(int images, double share, int runs);

#endif
