#include "analysis/contrast.h"

#include <math.h>
#include <string.h>

#include "analysis/relation.h"
#include "analysis/metric.h"
#include "analysis/stats/order.h"
#include "analysis/stats/rank_sum.h"

const char *ps_better_name(ps_better better) {
    static const char *const names[] = {
#define BETTER(name, word) word,
        PS_BETTERS(BETTER)
#undef BETTER
    };
    return names[better];
}

const char *ps_contrast_centre_name(const ps_contrast *contrast) { return contrast->by_rank ? "median" : "mean"; }

/* Diverged, or with a number that is none without having diverged as a whole: a test loss of NaN is not better and not
 * the same. */
static bool is_broken(const ps_arm_run *run, double value) {
    return run->status == PS_RUN_DIVERGED || (isnan(value) && !ps_is_absent(value));
}

/* Whether the pair takes part; it is then the last one. */
static bool add_pair(ps_contrast *c, const ps_arm_run *reference, const ps_arm_run *arm, const char *measure,
                     ps_better better) {
    double a = ps_summary_get(&reference->summary, measure), b = ps_summary_get(&arm->summary, measure);
    bool absent = ps_is_absent(a) || ps_is_absent(b), diverged = is_broken(reference, a) || is_broken(arm, b);
    bool cut_short = reference->status == PS_RUN_DIVERGED || arm->status == PS_RUN_DIVERGED;
    if (c->n == PS_MOST_SEEDS || (absent && !cut_short)) return false;
    if (better == PS_BETTER_NONE && (absent || isnan(a) || isnan(b))) return false; /* nothing to rank */
    int i = c->n++;
    c->seed[i] = arm->seed;
    c->reference_seed[i] = reference->seed;
    c->reference[i] = a;
    c->arm[i] = b;
    c->difference[i] = absent ? ps_absent() : b - a;
    c->diverged[i] = diverged;
    c->diverged_count += diverged;
    c->trace[i] = arm->path;
    c->reference_trace[i] = reference->path;
    c->line[i] = ps_summary_line(&arm->summary, measure);
    c->reference_line[i] = ps_summary_line(&reference->summary, measure);
    return true;
}

/* A diverged run is infinitely bad: so is its difference, unless no direction is wanted; where both diverged the pair
 * is for neither side (NaN). A difference that is not a number counts as no difference where nothing tells the two
 * apart. */
static double ranked(const ps_contrast *c, int i, bool reference_diverged, bool arm_diverged, ps_better better) {
    double worse = better == PS_BETTER_LOWER ? INFINITY : -INFINITY;
    if (better != PS_BETTER_NONE && reference_diverged && arm_diverged) return NAN;
    if (better != PS_BETTER_NONE && reference_diverged != arm_diverged) return arm_diverged ? worse : -worse;
    double difference = c->difference[i], size = fabs(c->reference[i]) + fabs(c->arm[i]);
    return isnan(difference) || fabs(difference) <= ps_stats_rounding(size) ? 0 : difference;
}

/* Median with the diverged runs at `worse`. */
static double median_of(const double *values, const bool *diverged, int n, double worse) {
    double sorted[PS_MOST_SEEDS];
    for (int i = 0; i < n; i++) sorted[i] = diverged[i] ? worse : values[i];
    return ps_stats_median(sorted, (size_t)n);
}

/* Of the numbers that a finite difference is one of. */
static double largest_size(const ps_contrast *c) {
    double size = 0;
    for (int i = 0; i < c->n; i++) {
        double sum = fabs(c->reference[i]) + fabs(c->arm[i]);
        if (isfinite(sum)) size = fmax(size, sum);
    }
    return size;
}

/* A pair of which both runs diverged is for neither side; the median is that of the others. */
static void test(ps_contrast *c, const double *ranks) {
    ps_stats_sign sign = ps_stats_sign_test(ranks, c->n, 0, ps_stats_rounding(largest_size(c)));
    double known[PS_MOST_SEEDS];
    size_t count = 0;
    c->least = c->most = ps_absent();
    for (int i = 0; i < c->n; i++) {
        if (isnan(ranks[i])) continue;
        c->least = count == 0 ? ranks[i] : fmin(c->least, ranks[i]);
        c->most = count == 0 ? ranks[i] : fmax(c->most, ranks[i]);
        known[count++] = ranks[i];
    }
    c->median = ps_stats_median(known, count);
    c->p_greater = sign.p;
    c->p_less = sign.p_against;
    c->p = fmin(1, 2 * fmin(sign.p, sign.p_against));
    c->best_p = fmin(1, 2 * pow(0.5, c->n));
    c->bounds = ps_stats_sign_bounds(ranks, c->n, ps_stats_sign_needed(c->n, PS_SIGN_LEVEL));
}

/* diverged: [reference, arm][pair]; ranks: differences, those of diverged runs infinite. */
static ps_status sum_up(ps_contrast *c, const double *ranks, bool diverged[2][PS_MOST_SEEDS], ps_better better) {
    double worse = better == PS_BETTER_LOWER ? INFINITY : -INFINITY;
    size_t n = (size_t)c->n;
    c->by_rank = c->diverged_count > 0 && better != PS_BETTER_NONE;
    test(c, ranks);
    c->centre_reference =
        c->by_rank ? median_of(c->reference, diverged[0], c->n, worse) : ps_stats_mean(c->reference, n);
    c->centre_arm = c->by_rank ? median_of(c->arm, diverged[1], c->n, worse) : ps_stats_mean(c->arm, n);
    c->centre = c->by_rank ? c->median : ps_stats_mean(c->difference, n);
    return PS_OK;
}

/* Diverged runs at the end that is worse, where one is; numbers that are none are taken out. */
static int rankable(const double *values, const bool *diverged, int n, ps_better better, double *out) {
    int count = 0;
    for (int i = 0; i < n; i++) {
        double value = diverged[i] ? (better == PS_BETTER_LOWER ? INFINITY : -INFINITY) : values[i];
        if ((diverged[i] && better != PS_BETTER_NONE) || !isnan(value)) out[count++] = value;
    }
    return count;
}

static ps_status describe_unpaired(ps_contrast *c, bool diverged[2][PS_MOST_SEEDS], ps_better better) {
    double x[PS_MOST_SEEDS], y[PS_MOST_SEEDS];
    ps_stats_rank_sum sum;
    int nx = rankable(c->arm, diverged[1], c->n, better, x), ny = rankable(c->reference, diverged[0], c->n, better, y);
    if (nx == 0 || ny == 0 || nx + ny > PS_RANK_SUM_MOST) return PS_OK;
    PS_TRY(ps_stats_rank_sum_of(x, nx, y, ny, ps_stats_rounding(largest_size(c)), &sum));
    c->p_rank_sum = sum.two_sided;
    return PS_OK;
}

static bool leave_out(ps_contrast *c, const ps_arm *reference, const ps_arm_run *partner, const ps_arm *arm,
                      const ps_arm_run *run, const char *measure, ps_moment moment) {
    const char *detail, *reason = ps_arms_unequal(arm, run, reference, partner, moment, &detail);
    if (reason != NULL && c->left_count < PS_MOST_SEEDS)
        c->left[c->left_count++] = (ps_contrast_left_out){run->seed,
                                                          partner->seed,
                                                          ps_summary_get(&partner->summary, measure),
                                                          ps_summary_get(&run->summary, measure),
                                                          reason,
                                                          detail};
    return reason != NULL;
}

ps_status ps_contrast_of(const ps_arm *reference, const ps_arm *arm, const char *measure, ps_better better,
                         ps_moment moment, ps_contrast *c) {
    double ranks[PS_MOST_SEEDS] = {0};
    bool diverged[2][PS_MOST_SEEDS];
    memset(c, 0, sizeof *c);
    for (int r = 0; r < arm->run_count; r++) {
        const ps_arm_run *run = &arm->runs[r], *partner = ps_relation_partner(arm, run, reference);
        if (partner == NULL || leave_out(c, reference, partner, arm, run, measure, moment)) continue;
        if (!add_pair(c, partner, run, measure, better)) continue;
        int i = c->n - 1;
        diverged[0][i] = is_broken(partner, c->reference[i]);
        diverged[1][i] = is_broken(run, c->arm[i]);
        ranks[i] = ranked(c, i, diverged[0][i], diverged[1][i], better);
        c->wins += better == PS_BETTER_LOWER ? ranks[i] < 0 : better == PS_BETTER_HIGHER && ranks[i] > 0;
        c->losses += better == PS_BETTER_LOWER ? ranks[i] > 0 : better == PS_BETTER_HIGHER && ranks[i] < 0;
    }
    c->p_rank_sum = ps_absent();
    if (ps_relation_of(arm, reference)->by_index) PS_TRY(describe_unpaired(c, diverged, better));
    return sum_up(c, ranks, diverged, better);
}
