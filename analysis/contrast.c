#include "analysis/contrast.h"

#include <math.h>
#include <string.h>

#include "analysis/stats/order.h"

const char *ps_better_name(ps_better better) {
    static const char *const names[] = {"none", "lower", "higher"};
    return names[better];
}

static void add_pair(ps_contrast *c, const ps_arm_run *reference, const ps_arm_run *arm, const char *measure) {
    double a = ps_summary_get(&reference->summary, measure), b = ps_summary_get(&arm->summary, measure);
    if (ps_is_absent(a) || ps_is_absent(b) || c->n == PS_MOST_SEEDS) return;
    c->seed[c->n] = arm->seed;
    c->reference[c->n] = a;
    c->arm[c->n] = b;
    c->difference[c->n] = b - a;
    c->diverged[c->n] = reference->status == PS_RUN_DIVERGED || arm->status == PS_RUN_DIVERGED;
    c->diverged_count += c->diverged[c->n];
    c->n++;
}

/* A diverged run is worse than every other: its difference is infinite in the unwanted direction, unless both diverged or no
 * direction is wanted. A difference that is not a number counts as no difference where nothing tells the two apart. */
static double ranked(const ps_contrast *c, int i, bool reference_diverged, bool arm_diverged, ps_better better) {
    double worse = better == PS_BETTER_LOWER ? INFINITY : -INFINITY;
    if (better != PS_BETTER_NONE && reference_diverged != arm_diverged) return arm_diverged ? worse : -worse;
    return isnan(c->difference[i]) ? 0 : c->difference[i];
}

ps_status ps_contrast_of(const ps_arm *reference, const ps_arm *arm, const char *measure, ps_better better, ps_contrast *c) {
    double ranks[PS_MOST_SEEDS], sorted[PS_MOST_SEEDS];
    memset(c, 0, sizeof *c);
    for (int r = 0; r < arm->run_count; r++) {
        const ps_arm_run *partner = ps_arm_find_seed(reference, arm->runs[r].seed);
        if (partner == NULL) continue;
        int before = c->n;
        add_pair(c, partner, &arm->runs[r], measure);
        if (c->n == before) continue;
        ranks[before] =
            ranked(c, before, partner->status == PS_RUN_DIVERGED, arm->runs[r].status == PS_RUN_DIVERGED, better);
        c->wins += better == PS_BETTER_LOWER ? ranks[before] < 0 : better == PS_BETTER_HIGHER && ranks[before] > 0;
        c->losses += better == PS_BETTER_LOWER ? ranks[before] > 0 : better == PS_BETTER_HIGHER && ranks[before] < 0;
    }
    size_t n = (size_t)c->n;
    c->mean_reference = ps_stats_mean(c->reference, n);
    c->mean_arm = ps_stats_mean(c->arm, n);
    c->mean = ps_stats_mean(c->difference, n);
    c->least = c->most = n > 0 ? c->difference[0] : ps_absent();
    for (size_t i = 1; i < n; i++) {
        c->least = fmin(c->least, c->difference[i]);
        c->most = fmax(c->most, c->difference[i]);
    }
    memcpy(sorted, ranks, n * sizeof *sorted);
    c->median = ps_stats_median(sorted, n);
    c->test = ps_stats_signflip(ranks, c->n);
    return ps_stats_interval_of_mean(c->difference, c->n, &c->interval);
}
