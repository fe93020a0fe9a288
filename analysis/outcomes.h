/* What became of each run as a whole, fixed before training and apart from any effect: did it diverge, did it learn,
 * did it collapse. No test of a difference tells a run of ten that fails from nine that are a little better, so these
 * are counted and shown beside every headline. */
#ifndef PS_ANALYSIS_OUTCOMES_H
#define PS_ANALYSIS_OUTCOMES_H

#include "analysis/arms.h"
#include "analysis/stats/mcnemar.h"

/* Sets outcome of every run, once the summaries are filled. A run has learned where its correct test images are more
 * than always answering the largest class explains (exact binomial, 5 % over all runs; analysis/stats/learned.h);
 * of another task than classification, where its first measure is better than guessing. Without a count of images or
 * a chance level, where its training loss fell from its first window to its last. It collapsed where it
 * diverged, did not learn, or ended worse than the level that was registered (registration NULL: none). */
void ps_outcomes_judge(ps_arms *arms, const ps_registration *registration);

const char *ps_learned_word(ps_learned learned);

typedef struct {
    int runs, diverged, unlearned, unknown, collapsed; /* unlearned, unknown: of those that did not diverge */
    double upper; /* exact upper 95 % bound of the share of such runs that collapse */
} ps_outcome_counts;
ps_outcome_counts ps_outcomes_count(const ps_arm *arm);

/* Pairs of which one run alone collapsed. */
ps_stats_mcnemar ps_outcomes_mcnemar(const ps_arm *reference, const ps_arm *arm);

/* "0 of 5 runs collapsed (95 % bound: 45 % of such runs)", with what befell those that did. */
enum { PS_OUTCOME_TEXT = 256 };
const char *ps_outcomes_say(const ps_arm *arm, char text[PS_OUTCOME_TEXT]);

#endif
