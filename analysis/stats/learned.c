#include "analysis/stats/learned.h"

#include "analysis/stats/binomial.h"

double ps_stats_learned_p(int correct, int images, double share) {
    return ps_stats_binomial_at_least(images, share, correct);
}

bool ps_stats_has_learned(int correct, int images, double share, int runs) {
    return ps_stats_learned_p(correct, images, share) <= 0.05 / (runs > 1 ? runs : 1);
}

/* By halving: the tail falls with the count. */
int ps_stats_learned_floor(int images, double share, int runs) {
    int low = 0, high = images + 1; /* low does not count as learned */
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (ps_stats_has_learned(middle, images, share, runs)) high = middle;
        else low = middle;
    }
    return high;
}
