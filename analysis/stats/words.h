/* What may be said of an effect: the position of its two one-sided bounds against 0 and the margin on either side.
 *
 * Each word rests on at most one bound beyond a mark on either side, so that it is false with at most the level of one
 * bound for each side. low and high: of the median pair, in the predicted direction; margin: its size, >= 0. error: by
 * how much rounding may have moved a bound; a bound no further than that from a mark is not beyond it. */
#ifndef PS_ANALYSIS_STATS_WORDS_H
#define PS_ANALYSIS_STATS_WORDS_H

#include <stdbool.h>

typedef enum {
    PS_WORD_BEYOND,           /* low > M: in the predicted direction, beyond the margin */
    PS_WORD_SMALLER,          /* low > 0, high < M: in that direction, by less than the margin */
    PS_WORD_SAME_DIRECTION,   /* low > 0: in that direction, whether beyond the margin is open */
    PS_WORD_OPPOSITE_BEYOND,  /* high < -M: in the opposite direction, beyond the margin */
    PS_WORD_OPPOSITE_SMALLER, /* high < 0, low > -M: in the opposite direction, by less than the margin */
    PS_WORD_OPPOSITE,         /* high < 0: in the opposite direction, whether beyond the margin is open */
    PS_WORD_EQUIVALENT,       /* low > -M, high < M */
    PS_WORD_NOT_BEYOND,       /* high < M: not beyond the margin, direction open */
    PS_WORD_UNDECIDED,        /* none of these */
    PS_WORD_COUNT
} ps_word;

/* The first of them that holds, in this order. For low <= high exactly one does. */
ps_word ps_word_of(double low, double high, double margin, double error);

/* What a question claims. */
typedef enum {
    PS_CLAIM_BEYOND,    /* more than the margin in the predicted direction: low > M */
    PS_CLAIM_NOT_WORSE, /* not in the opposite direction by the margin ("not lower by M"): low > -M */
    PS_CLAIM_EQUIVALENT /* no more than the margin either way: low > -M and high < M */
} ps_claim;

/* Whether the bounds show it, and whether they show that it is false. A claim of PS_CLAIM_NOT_WORSE may be shown where
 * the word is PS_WORD_OPPOSITE_SMALLER: "lower, by less than M". */
bool ps_claim_is_shown(ps_claim claim, double low, double high, double margin, double error);
bool ps_claim_is_refuted(ps_claim claim, double low, double high, double margin, double error);

#endif
