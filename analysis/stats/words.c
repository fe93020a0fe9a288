#include "analysis/stats/words.h"

ps_word ps_word_of(double low, double high, double margin, double error) {
    bool above_minus = low > -margin + error, below_margin = high < margin - error;
    if (low > margin + error) return PS_WORD_BEYOND;
    if (low > error) return below_margin ? PS_WORD_SMALLER : PS_WORD_SAME_DIRECTION;
    if (high < -margin - error) return PS_WORD_OPPOSITE_BEYOND;
    if (high < -error) return above_minus ? PS_WORD_OPPOSITE_SMALLER : PS_WORD_OPPOSITE;
    if (above_minus && below_margin) return PS_WORD_EQUIVALENT;
    return below_margin ? PS_WORD_NOT_BEYOND : PS_WORD_UNDECIDED;
}

bool ps_claim_is_shown(ps_claim claim, double low, double high, double margin, double error) {
    if (claim == PS_CLAIM_BEYOND) return low > margin + error;
    return low > -margin + error && (claim == PS_CLAIM_NOT_WORSE || high < margin - error);
}

bool ps_claim_is_refuted(ps_claim claim, double low, double high, double margin, double error) {
    if (claim == PS_CLAIM_BEYOND) return high < margin - error;
    return high < -margin - error || (claim == PS_CLAIM_EQUIVALENT && low > margin + error);
}
