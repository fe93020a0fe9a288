#include "analysis/stats/rank_sum.h"

#include <math.h>
#include <string.h>

#include "analysis/json_scan.h"
#include "analysis/stats/order.h"
#include "core/memory.h"

/* chance[k * (most + 1) + s]: that k of the values so far are chosen and their doubled ranks add up to s, when nx of n
 * are chosen at random; from sampling one after the other, so that no count of choices overflows. */
static void choose(double *chance, int nx, int n, int most, const int *doubled) {
    chance[0] = 1;
    for (int i = 0; i < n; i++)
        for (int k = i < nx ? i : nx; k >= 0; k--) { /* k chosen of the i before */
            double taken = (double)(nx - k) / (n - i);
            double *here = chance + (size_t)k * ((size_t)most + 1), *next = here + most + 1;
            if (taken > 1) taken = 1; /* too few are left: paths that cannot be */
            for (int s = most; s >= 0; s--) {
                if (here[s] == 0) continue;
                if (k < nx) next[s + doubled[i]] += here[s] * taken;
                here[s] *= 1 - taken;
            }
        }
}

static ps_status tails(const int *doubled, int nx, int n, int observed, ps_stats_rank_sum *result) {
    double *chance;
    int most = n * (n + 1); /* all doubled ranks together */
    PS_TRY(PS_ALLOC(((size_t)nx + 1) * ((size_t)most + 1), &chance, "rank sums"));
    choose(chance, nx, n, most, doubled);
    const double *last = chance + (size_t)nx * ((size_t)most + 1);
    result->greater = result->less = 0;
    for (int s = most; s >= observed; s--) result->greater += last[s];
    for (int s = 0; s <= observed; s++) result->less += last[s];
    ps_free(chance);
    result->greater = fmin(1, result->greater);
    result->less = fmin(1, result->less);
    result->two_sided = fmin(1, 2 * fmin(result->greater, result->less));
    return PS_OK;
}

ps_status ps_stats_rank_sum_of(const double *x, int nx, const double *y, int ny, double tie,
                               ps_stats_rank_sum *result) {
    double values[PS_RANK_SUM_MOST], ranks[PS_RANK_SUM_MOST];
    size_t order[PS_RANK_SUM_MOST];
    int doubled[PS_RANK_SUM_MOST], n = nx + ny, observed = 0;
    *result = (ps_stats_rank_sum){ps_absent(), 1, 1, 1};
    if (nx <= 0 || ny <= 0) return PS_OK;
    if (n > PS_RANK_SUM_MOST)
        return ps_fail(PS_ERR_INPUT, "the rank sum was asked for %d and %d values: at most %d together; leave some out",
                       nx, ny, PS_RANK_SUM_MOST);
    memcpy(values, x, (size_t)nx * sizeof *x);
    memcpy(values + nx, y, (size_t)ny * sizeof *y);
    ps_stats_ranks(values, (size_t)n, tie, ranks, order);
    for (int i = 0; i < n; i++) doubled[i] = (int)lround(2 * ranks[i]);
    for (int i = 0; i < nx; i++) observed += doubled[i];
    result->share = (observed / 2.0 - nx * (nx + 1) / 2.0) / ((double)nx * ny);
    return tails(doubled, nx, n, observed, result);
}
