#include "analysis/findings/curve.h"

#include <math.h>
#include <stdlib.h>

#include "analysis/findings/by_layer.h"
#include "analysis/stats/order.h"

double ps_curve_median(const ps_fact_series *series, size_t first, size_t end) {
    if (end > series->count) end = series->count;
    if (first >= end) return ps_absent();
    double *values = malloc((end - first) * sizeof *values), median = ps_absent();
    if (values == NULL) return median;
    for (size_t i = first; i < end; i++)
        values[i - first] = isfinite(series->value[i]) ? series->value[i] : (double)INFINITY;
    size_t count = end - first, middle = (count - 1) / 2;
    ps_stats_sort(values, count);
    median =
        count % 2 == 1 || !isfinite(values[middle + 1]) ? values[middle] : (values[middle] + values[middle + 1]) / 2;
    free(values);
    return median;
}

static size_t part_of(const ps_fact_series *series, double share) {
    size_t count = (size_t)((double)series->count * share);
    return count > 0 ? count : 1;
}

double ps_curve_head(const ps_fact_series *series, double share) {
    return ps_curve_median(series, 0, part_of(series, share));
}

double ps_curve_tail(const ps_fact_series *series, double share) {
    if (series->count == 0) return ps_absent();
    return ps_curve_median(series, series->count - part_of(series, share), series->count);
}

uint64_t ps_curve_line(const ps_fact_series *series, size_t index) {
    return index < series->count ? series->line[index] : 0;
}

uint64_t ps_curve_last_line(const ps_fact_series *series) {
    return series->count > 0 ? series->line[series->count - 1] : 0;
}

bool ps_loss_course_of(const ps_facts *facts, ps_loss_course *out) {
    enum { FEWEST = 10, SMALLEST_BLOCK = 3 };
    const ps_fact_series *loss = &facts->loss;
    if (loss->count < FEWEST) return false;
    size_t block = loss->count / 10 > SMALLEST_BLOCK ? loss->count / 10 : SMALLEST_BLOCK;
    out->start = out->low = ps_curve_median(loss, 0, block);
    out->low_at = block - 1;
    out->last = ps_curve_median(loss, loss->count - block, loss->count);
    for (size_t end = 2 * block; end <= loss->count; end += block) {
        double median = ps_curve_median(loss, end - block, end);
        if (!(median < out->low)) continue;
        out->low = median;
        out->low_at = end - 1;
    }
    if (out->last < out->low) {
        out->low = out->last;
        out->low_at = loss->count - 1;
    }
    return true;
}

double ps_curve_level(const ps_facts *facts, double share) {
    double floor = facts->data.loss_floor;
    return floor > 0 ? floor + share * (facts->chance_loss - floor) : share * facts->chance_loss;
}

ps_judgement ps_curve_learned(const ps_facts *facts) {
    ps_loss_course course;
    if (!ps_loss_course_of(facts, &course)) return PS_JUDGED_UNKNOWN;
    double from = ps_is_absent(facts->chance_loss) ? 0.95 * ps_fact_first(&facts->loss) : ps_curve_level(facts, 0.95);
    return course.last < from ? PS_JUDGED_FOUND : PS_JUDGED_NOTHING;
}

double ps_curve_of_layers(const ps_facts *facts, ps_layer_fact fact, bool peak) {
    ps_fact_series all = {0};
    double median = ps_absent();
    for (int l = 0; l < facts->layer_count; l++) {
        const ps_fact_series *series = &facts->layers[l].series[fact];
        double value = peak ? ps_layers_peak(series) : ps_curve_tail(series, 0.5);
        if (!facts->layers[l].own_gate || ps_is_absent(value) || isnan(value)) continue;
        if (ps_fact_add(&all, l, value, 0) != PS_OK) break;
    }
    if (all.count > 0) median = ps_curve_median(&all, 0, all.count);
    ps_fact_clear(&all);
    return median;
}
