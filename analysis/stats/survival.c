#include "analysis/stats/survival.h"

#include <math.h>
#include <stdlib.h>

#include "core/memory.h"

static int by_stratum_and_time(const void *a, const void *b) {
    const ps_stats_spell *x = a, *y = b;
    if (x->stratum != y->stratum) return (x->stratum > y->stratum) - (x->stratum < y->stratum);
    return (x->time > y->time) - (x->time < y->time);
}

static int by_time(const void *a, const void *b) {
    const ps_stats_spell *x = a, *y = b;
    return (x->time > y->time) - (x->time < y->time);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* 95 % interval of S on the log(-log) scale, from Greenwood's variance sum (Kalbfleisch and Prentice). */
static void log_log_interval(ps_stats_survival_point *point, double greenwood) {
    point->low = point->high = point->survival;
    if (!(point->survival > 0 && point->survival < 1)) return;
    double half = 1.959963984540054 * sqrt(greenwood) / fabs(log(point->survival));
    point->low = pow(point->survival, exp(half));
    point->high = pow(point->survival, exp(-half));
}

/* Entries before t have entered; those that ended before t have left. */
static double entered_before(const double *entries, size_t count, double time, size_t *cursor) {
    while (*cursor < count && entries[*cursor] < time) (*cursor)++;
    return (double)*cursor;
}

ps_status ps_stats_kaplan_meier(ps_stats_spell *spells, size_t count, ps_stats_survival_point **points,
                                size_t *point_count) {
    double *entries, survival = 1, greenwood = 0, censored = 0;
    size_t entered = 0, made = 0;
    *points = NULL;
    *point_count = 0;
    PS_TRY(PS_ALLOC(count + 1, &entries, "entry times"));
    ps_status status = PS_ALLOC(count + 1, points, "survival curve");
    if (status != PS_OK) {
        ps_free(entries);
        return status;
    }
    for (size_t i = 0; i < count; i++) entries[i] = spells[i].entry;
    qsort(entries, count, sizeof *entries, by_value);
    qsort(spells, count, sizeof *spells, by_time);
    for (size_t i = 0; i < count;) {
        double time = spells[i].time, events = 0;
        double at_risk = entered_before(entries, count, time, &entered) - (double)i;
        for (; i < count && spells[i].time == time; i++) {
            events += spells[i].event;
            censored += !spells[i].event;
        }
        if (events == 0 && i < count) continue;
        if (events > 0) {
            survival *= 1 - events / at_risk;
            if (at_risk > events) greenwood += events / (at_risk * (at_risk - events));
        }
        ps_stats_survival_point point = {time, at_risk, events, censored, survival, survival, survival};
        log_log_interval(&point, greenwood);
        (*points)[made++] = point;
        censored = 0;
    }
    ps_free(entries);
    *point_count = made;
    return PS_OK;
}

/* One stratum, sorted by time. Counting the risk set anew at every event time is quadratic in a stratum of hundreds at
 * most.
 */
static void add_stratum(const ps_stats_spell *spells, size_t count, ps_stats_logrank *sum) {
    for (size_t i = 0; i < count;) {
        double time = spells[i].time, events = 0, treated_events = 0, at_risk = 0, treated = 0;
        size_t start = i;
        for (; i < count && spells[i].time == time; i++) {
            events += spells[i].event;
            treated_events += spells[i].event && spells[i].treated;
        }
        if (events == 0) continue;
        for (size_t j = start; j < count; j++) {
            at_risk += spells[j].entry < time;
            treated += spells[j].entry < time && spells[j].treated;
        }
        double share = treated / at_risk;
        sum->observed += treated_events;
        sum->expected += events * share;
        if (at_risk > 1) sum->variance += events * share * (1 - share) * (at_risk - events) / (at_risk - 1);
    }
}

ps_stats_logrank ps_stats_logrank_of(ps_stats_spell *spells, size_t count) {
    ps_stats_logrank sum = {0, 0, 0};
    qsort(spells, count, sizeof *spells, by_stratum_and_time);
    for (size_t start = 0; start < count;) {
        size_t end = start;
        while (end < count && spells[end].stratum == spells[start].stratum) end++;
        add_stratum(spells + start, end - start, &sum);
        start = end;
    }
    return sum;
}
