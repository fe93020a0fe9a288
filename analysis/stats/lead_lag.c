#include "analysis/stats/lead_lag.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/json_scan.h"
#include "analysis/stats/order.h"
#include "core/memory.h"

enum { MOST_SWEEPS = 10000 };
static const double settled = 1e-13; /* of the largest value: a sweep that moves less has nothing left to move */
static const double rounding = 1e-9; /* of the largest value: residuals nearer than this are ties */

static double largest(const double *values, size_t count) {
    double most = 0;
    for (size_t i = 0; i < count; i++)
        if (!isnan(values[i])) most = fmax(most, fabs(values[i]));
    return most;
}

/* Takes the least-squares line over time out of one group; the largest value taken out. */
static double take_line(double *row, const double *at, int times) {
    double n = 0, t = 0, v = 0, tt = 0, tv = 0, moved = 0;
    for (int i = 0; i < times; i++)
        if (!isnan(row[i])) n++, t += at[i], v += row[i];
    if (n == 0) return 0;
    t /= n;
    v /= n;
    for (int i = 0; i < times; i++)
        if (!isnan(row[i])) tt += (at[i] - t) * (at[i] - t), tv += (at[i] - t) * row[i];
    double slope = tt > 0 ? tv / tt : 0;
    for (int i = 0; i < times; i++) {
        double line = v + slope * (at[i] - t);
        if (isnan(row[i])) continue;
        row[i] -= line;
        moved = fmax(moved, fabs(line));
    }
    return moved;
}

/* The same with the mean over groups at one time; values + time is its column. */
static double take_mean(double *column, int groups, int times) {
    double sum = 0, n = 0;
    for (int g = 0; g < groups; g++) {
        double value = column[(size_t)g * (size_t)times];
        if (!isnan(value)) sum += value, n++;
    }
    for (int g = 0; n > 0 && g < groups; g++) column[(size_t)g * (size_t)times] -= sum / n;
    return n > 0 ? fabs(sum / n) : 0;
}

/* Lines and means in turn: alternating projections, which with no cell missing are done after one round. */
static void take_effects(double *values, const double *at, int groups, int times) {
    double bound = settled * largest(values, (size_t)groups * (size_t)times), moved = INFINITY;
    for (int sweep = 0; sweep < MOST_SWEEPS && moved > bound; sweep++) {
        moved = 0;
        for (int g = 0; g < groups; g++) moved = fmax(moved, take_line(values + (size_t)g * (size_t)times, at, times));
        for (int t = 0; t < times; t++) moved = fmax(moved, take_mean(values + t, groups, times));
    }
}

/* The row's residuals become their ranks, less the middle one; false where they are all rounding of `scale`. */
static bool rank_row(double *row, int times, double scale, double *scratch, size_t *order) {
    size_t count = 0;
    double *ranks = scratch + times, step = rounding * scale;
    bool varies = false;
    for (int t = 0; t < times; t++) {
        if (isnan(row[t])) continue;
        varies |= fabs(row[t]) > step;
        scratch[count++] = step > 0 ? round(row[t] / step) : 0;
    }
    ps_stats_ranks(scratch, count, 0, ranks, order);
    for (int t = 0, i = 0; t < times; t++)
        if (!isnan(row[t])) row[t] = ranks[i++] - ((double)count + 1) / 2;
    return varies;
}

static double lead_of(const double *a, const double *b, int times) {
    double aa = 0, bb = 0, ab = 0;
    for (int t = 0; t < times; t++) {
        if (isnan(a[t])) continue;
        aa += a[t] * a[t];
        bb += b[t] * b[t];
        if (t + 1 < times && !isnan(a[t + 1])) ab += a[t] * b[t + 1] - a[t + 1] * b[t];
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : ps_absent();
}

ps_status ps_stats_lead_lag(double *x, double *y, const double *at, int groups, int times, double *lead) {
    size_t cells = (size_t)groups * (size_t)times, *order = NULL;
    double *scratch = NULL, scale_x = largest(x, cells), scale_y = largest(y, cells);
    ps_status status = PS_ALLOC(2 * (size_t)times + 1, &scratch, "ranks");
    if (status == PS_OK) status = PS_ALLOC((size_t)times + 1, &order, "order of ranks");
    for (size_t i = 0; i < cells; i++)
        if (isnan(x[i]) || isnan(y[i])) x[i] = y[i] = ps_absent();
    take_effects(x, at, groups, times);
    take_effects(y, at, groups, times);
    for (int g = 0; status == PS_OK && g < groups; g++) {
        double *a = x + (size_t)g * (size_t)times, *b = y + (size_t)g * (size_t)times;
        bool both = rank_row(a, times, scale_x, scratch, order);
        both &= rank_row(b, times, scale_y, scratch, order);
        lead[g] = both ? lead_of(a, b, times) : ps_absent();
    }
    ps_free(scratch);
    ps_free(order);
    return status;
}
