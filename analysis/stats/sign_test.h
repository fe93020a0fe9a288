/* The exact sign test beyond a margin, and the bounds that it draws around the median pair.
 *
 * A value is the difference of one pair in the predicted direction (for one arm alone: its value). The hypothesis "the
 * median pair is at most m" gives P(D > m) <= 1/2, whatever the shape of D; so the number S of pairs beyond m has P(S
 * >= s) <= P(Bin(n, 1/2) >= s) (Arbuthnott 1710; Conover 1999, 3.4). Nothing but the independence of the pairs is
 * assumed.
 *
 * n is the number of registered pairs. NaN stands for a pair that is for neither side and leaves n as it is: one
 * without a usable value, or one whose runs both diverged. +-infinity are the best and the worst value. */
#ifndef PS_ANALYSIS_STATS_SIGN_TEST_H
#define PS_ANALYSIS_STATS_SIGN_TEST_H

#include <stdbool.h>

enum { PS_SIGN_MOST_PAIRS = 1000 };

#define PS_SIGN_LEVEL 0.05

typedef struct {
    int n, beyond, against, ties, neither; /* ties: at the margin; neither: NaN. All four of them make n */
    double p, p_against;                   /* P(Bin(n, 1/2) >= beyond), P(Bin(n, 1/2) >= against) */
} ps_stats_sign;

/* error: by how much rounding may have moved a value (ps_stats_rounding; half a count where counts are compared): what
 * is no further than that from the margin is at the margin, for neither side. 0 <= n. */
ps_stats_sign ps_stats_sign_test(const double *values, int n, double margin, double error);

/* The nearest multiple of what was recorded in steps of `step`, so that a difference of two counts over a number of
 * images is again one. step 0, NaN and infinities: the value as it is. */
double ps_stats_round_to(double value, double step);

/* c(n): the fewest pairs on one side that are significant at the level, n + 1 where not even all n are (n < 5 at 5 %).
 */
int ps_stats_sign_needed(int n, double level);
/* The exact size of the rule "at least `needed` of n": P(Bin(n, 1/2) >= needed). 0 for needed > n. */
double ps_stats_sign_size(int n, int needed);
/* Power of the rule where the differences are normal and their median lies `effect` standard deviations beyond the
 * margin: P(Bin(n, Phi(effect)) >= needed). */
double ps_stats_sign_power(int n, int needed, double effect);
/* Chance that both bounds lie within +-margin, where differences are normal with standard deviation 1 and median
 * `effect`: at most n - needed of n fall below -margin, and as many above margin (a trinomial sum, exact). */
double ps_stats_equivalence_power(int n, int needed, double effect, double margin);

/* Power is a sawtooth in n, since c(n) grows in steps. Offered are the numbers at which the power at one standard
 * deviation is higher than with any fewer: 5, 8, 11, 13, 16, 18, 21, 23, ... */
bool ps_stats_sign_offered(int n);
/* The first offered number that is at least n. */
int ps_stats_sign_offered_from(int n);
/* All offered numbers up to `most`, growing, into numbers (room for `most` of them). Returns how many. */
int ps_stats_sign_offered_up_to(int most, int *numbers);
/* The smallest number of pairs that has at least the power of n at one standard deviation; n itself where it is offered
 * or below 5. */
int ps_stats_sign_as_good_as(int n);

typedef struct {
    double low, high;
    double coverage; /* exact, of the median, of both together; NaN where there are no bounds */
    bool given;      /* false: too few pairs (needed > n); low and high are -infinity and infinity */
} ps_stats_bounds;

/* The bounds that the rule "at least `needed` of n" draws (Conover 1999, 3.2; Thompson 1936): with sorted values
 * [D(k), D(n + 1 - k)], k = n - needed + 1, each of them one-sided at the level of the rule. low > m exactly where at
 * least `needed` values are beyond m, and high < m where as many are against it, for every m. A pair of NaN may lie
 * anywhere: it is taken for -infinity in the lower bound and for infinity in the upper one. n <= PS_SIGN_MOST_PAIRS. */
ps_stats_bounds ps_stats_sign_bounds(const double *values, int n, int needed);

#endif
