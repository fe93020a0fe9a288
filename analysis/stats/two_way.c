#include "analysis/stats/two_way.h"

#include <string.h>

#include "analysis/json_scan.h"
#include "core/memory.h"

static const double tolerance = 1e-9; /* of a sum of squares: less than this share left counts as nothing left */

ps_status ps_stats_two_way_init(ps_stats_two_way *sums, int groups) {
    size_t count = (size_t)groups + 1;
    memset(sums, 0, sizeof *sums);
    sums->groups = groups;
    PS_TRY(PS_ALLOC(count * count, &sums->cross, "products of groups"));
    PS_TRY(PS_ALLOC(count, &sums->treated, "products of groups"));
    return PS_ALLOC(count, &sums->positive, "products of groups");
}

void ps_stats_two_way_clear(ps_stats_two_way *sums) {
    ps_free(sums->cross);
    ps_free(sums->treated);
    ps_free(sums->positive);
    memset(sums, 0, sizeof *sums);
}

/* Everything less its mean over the stratum's members. */
void ps_stats_two_way_add(ps_stats_two_way *sums, const ps_stats_cell *cells, int count) {
    double members = 0, treated = 0, positive = 0;
    for (int i = 0; i < count; i++) {
        members += cells[i].members;
        treated += cells[i].treated ? cells[i].members : 0;
        positive += cells[i].positive;
    }
    if (members == 0) return;
    sums->members += members;
    for (int i = 0; i < count; i++) {
        const ps_stats_cell *a = &cells[i];
        double *row = sums->cross + (size_t)a->group * (size_t)sums->groups;
        for (int j = 0; j < count; j++) row[cells[j].group] -= a->members * cells[j].members / members;
        row[a->group] += a->members;
        sums->treated[a->group] += a->members * ((a->treated ? 1 : 0) - treated / members);
        sums->positive[a->group] += a->positive - a->members * positive / members;
        sums->treated_positive += a->treated ? a->positive - a->members * positive / members : 0;
    }
    sums->treated_treated += treated - treated * treated / members;
}

/* From the triangle that elimination leaves: the coefficients of the groups in the treatment, 0 of those passed
 * over. */
static void solve_back(ps_stats_two_way *sums, const double *whole) {
    int n = sums->groups;
    for (int k = n - 1; k >= 0; k--) {
        const double *row = sums->cross + (size_t)k * (size_t)n;
        for (int j = k + 1; j < n; j++) sums->treated[k] -= row[j] * sums->treated[j];
        sums->treated[k] = row[k] > tolerance * whole[k] ? sums->treated[k] / row[k] : 0;
    }
}

/* Takes the groups out, one after the other (LDL'); one that the others and the strata already explain is passed
 * over. */
double ps_stats_two_way_effect(ps_stats_two_way *sums) {
    int n = sums->groups;
    double left = sums->treated_treated, product = sums->treated_positive;
    double *whole = sums->cross + (size_t)n * (size_t)n; /* room behind the matrix: the diagonal as it was */
    for (int k = 0; k < n; k++) whole[k] = sums->cross[(size_t)k * (size_t)n + (size_t)k];
    for (int k = 0; k < n; k++) {
        const double *row = sums->cross + (size_t)k * (size_t)n;
        if (!(row[k] > tolerance * whole[k])) continue;
        left -= sums->treated[k] * sums->treated[k] / row[k];
        product -= sums->treated[k] * sums->positive[k] / row[k];
        for (int i = k + 1; i < n; i++) {
            double *other = sums->cross + (size_t)i * (size_t)n, factor = other[k] / row[k];
            if (factor == 0) continue;
            for (int j = k + 1; j < n; j++) other[j] -= factor * row[j];
            sums->treated[i] -= factor * sums->treated[k];
            sums->positive[i] -= factor * sums->positive[k];
        }
    }
    solve_back(sums, whole);
    return left > tolerance * sums->treated_treated ? product / left : ps_absent();
}

void ps_stats_two_way_residuals(const ps_stats_two_way *sums, const ps_stats_cell *cells, int count,
                                double *residuals) {
    double members = 0, sum = 0;
    for (int i = 0; i < count; i++) {
        residuals[i] = (cells[i].treated ? 1 : 0) - sums->treated[cells[i].group];
        members += cells[i].members;
        sum += cells[i].members * residuals[i];
    }
    for (int i = 0; i < count && members > 0; i++) residuals[i] -= sum / members;
}
