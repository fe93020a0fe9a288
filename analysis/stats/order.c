#include "analysis/stats/order.h"

#include <math.h>
#include <stdlib.h>

#include "analysis/json_scan.h"

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void ps_stats_sort(double *values, size_t count) { qsort(values, count, sizeof *values, compare_doubles); }

/* Hoare's selection: places the k-th smallest value (from 0) at index k, none larger before it. */
static double select_kth(double *values, size_t count, size_t k) {
    ptrdiff_t low = 0, high = (ptrdiff_t)count - 1, target = (ptrdiff_t)k;
    while (low < high) {
        double pivot = values[low + (high - low) / 2];
        ptrdiff_t i = low, j = high;
        while (i <= j) {
            while (values[i] < pivot) i++;
            while (values[j] > pivot) j--;
            if (i > j) break;
            double held = values[i];
            values[i++] = values[j];
            values[j--] = held;
        }
        if (target <= j) high = j;
        else if (target >= i) low = i;
        else break; /* between both: equal to the pivot */
    }
    return values[k];
}

double ps_stats_quantile(double *values, size_t count, double share) {
    if (count == 0) return ps_absent();
    double place = share * (double)(count - 1);
    size_t below = (size_t)floor(place);
    double low = select_kth(values, count, below);
    double rest = place - (double)below;
    if (rest == 0 || below + 1 >= count) return low;
    double high = values[below + 1];
    for (size_t i = below + 2; i < count; i++)
        if (values[i] < high) high = values[i];
    if (low == high || (isinf(low) && isfinite(high))) return low; /* -infinity + infinity would be NaN */
    return low + rest * (high - low);
}

double ps_stats_median(double *values, size_t count) { return ps_stats_quantile(values, count, 0.5); }

double ps_stats_mean(const double *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += values[i];
    return count > 0 ? sum / (double)count : ps_absent();
}

/* Shell sort of indices: small arrays, no context pointer needed. */
static void sort_indices(const double *values, size_t count, size_t *order) {
    for (size_t i = 0; i < count; i++) order[i] = i;
    for (size_t gap = count / 2; gap > 0; gap /= 2)
        for (size_t i = gap; i < count; i++) {
            size_t held = order[i], j = i;
            for (; j >= gap && values[order[j - gap]] > values[held]; j -= gap) order[j] = order[j - gap];
            order[j] = held;
        }
}

double ps_stats_rounding(double size) { return isfinite(size) ? 1e-9 * size : 0; }

static bool is_tied(double low, double high, double tie) { return low == high || high - low <= tie; }

void ps_stats_ranks(const double *values, size_t count, double tie, double *ranks, size_t *order) {
    sort_indices(values, count, order);
    for (size_t start = 0; start < count;) {
        size_t end = start + 1;
        while (end < count && is_tied(values[order[end - 1]], values[order[end]], tie)) end++;
        for (size_t i = start; i < end; i++) ranks[order[i]] = ((double)(start + end) + 1) / 2;
        start = end;
    }
}
