#include "analysis/stats/survival.h"

#include <math.h>
#include <stdlib.h>

#include "analysis/json_scan.h"
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

/* The next time with events at or behind *at, in a stratum sorted by time; false: there is none. Counting the risk set
 * anew at every such time is quadratic in a stratum of hundreds at most. */
static bool next_risk_set(const ps_stats_spell *spells, size_t count, size_t *at, ps_stats_risk_set *set) {
    while (*at < count) {
        size_t start = *at, i = start;
        double time = spells[i].time, at_risk = 0;
        *set = (ps_stats_risk_set){0, 0, 0, 0};
        for (; i < count && spells[i].time == time; i++) {
            set->events += spells[i].event;
            set->treated_events += spells[i].event && spells[i].treated;
        }
        *at = i;
        if (set->events == 0) continue;
        for (size_t j = start; j < count; j++) {
            at_risk += spells[j].entry < time;
            set->treated += spells[j].entry < time && spells[j].treated;
        }
        set->other = at_risk - set->treated;
        return true;
    }
    return false;
}

static size_t end_of_stratum(const ps_stats_spell *spells, size_t count, size_t start) {
    size_t end = start;
    while (end < count && spells[end].stratum == spells[start].stratum) end++;
    return end;
}

static void add_set(const ps_stats_risk_set *set, ps_stats_logrank *sum) {
    double at_risk = set->treated + set->other, share = set->treated / at_risk;
    sum->observed += set->treated_events;
    sum->expected += set->events * share;
    if (at_risk > 1) sum->variance += set->events * share * (1 - share) * (at_risk - set->events) / (at_risk - 1);
}

ps_stats_logrank ps_stats_logrank_of(ps_stats_spell *spells, size_t count) {
    ps_stats_logrank sum = {0, 0, 0};
    ps_stats_risk_set set;
    qsort(spells, count, sizeof *spells, by_stratum_and_time);
    for (size_t start = 0, end; start < count; start = end) {
        end = end_of_stratum(spells, count, start);
        for (size_t at = start; next_risk_set(spells, end, &at, &set);) add_set(&set, &sum);
    }
    return sum;
}

ps_status ps_stats_risk_sets(ps_stats_spell *spells, size_t count, ps_stats_risk_set **sets, size_t *set_count) {
    ps_stats_risk_set set;
    *set_count = 0;
    PS_TRY(PS_ALLOC(count + 1, sets, "risk sets"));
    qsort(spells, count, sizeof *spells, by_stratum_and_time);
    for (size_t start = 0, end; start < count; start = end) {
        end = end_of_stratum(spells, count, start);
        for (size_t at = start; next_risk_set(spells, end, &at, &set);) (*sets)[(*set_count)++] = set;
    }
    return PS_OK;
}

/* The share of a set's events that are the treated group's when its hazard is exp(log_ratio) times the other's. */
static double treated_share(const ps_stats_risk_set *set, double log_ratio) {
    if (set->treated == 0 || set->other == 0) return set->treated > 0;
    return 1 / (1 + exp(-log_ratio) * set->other / set->treated);
}

ps_stats_score ps_stats_hazard_score(const ps_stats_risk_set *sets, size_t set_count, double log_ratio) {
    ps_stats_score score = {0, 0, 0};
    for (size_t i = 0; i < set_count; i++) {
        score.observed += sets[i].treated_events;
        score.expected += sets[i].events * treated_share(&sets[i], log_ratio);
        score.other_events += sets[i].events - sets[i].treated_events;
    }
    return score;
}

/* chance[k]: that k of the events are the treated group's, one event after the other. */
static void spread_events(const ps_stats_risk_set *sets, size_t set_count, double log_ratio, double *chance) {
    size_t events = 0;
    chance[0] = 1;
    for (size_t i = 0; i < set_count; i++) {
        double share = treated_share(&sets[i], log_ratio);
        for (double e = 0; e < sets[i].events; e++) {
            for (size_t k = ++events; k > 0; k--) chance[k] = chance[k] * (1 - share) + chance[k - 1] * share;
            chance[0] *= 1 - share;
        }
    }
}

ps_status ps_stats_hazard_side(const ps_stats_risk_set *sets, size_t set_count, double log_ratio, int *side) {
    ps_stats_score score = ps_stats_hazard_score(sets, set_count, log_ratio);
    double *chance, below = 0, half = 0.5 - 1e-9; /* but for rounding */
    size_t observed = (size_t)score.observed;
    PS_TRY(PS_ALLOC((size_t)(score.observed + score.other_events) + 1, &chance, "numbers of events"));
    spread_events(sets, set_count, log_ratio, chance);
    for (size_t k = 0; k < observed; k++) below += chance[k];
    *side = below >= half ? 1 : 1 - below - chance[observed] >= half ? -1 : 0;
    ps_free(chance);
    return PS_OK;
}

/* The score falls with the ratio: by halving. Beyond 700 exp would not do; so large a ratio is none that was seen. */
static double root_of_score(const ps_stats_risk_set *sets, size_t set_count) {
    double low = -700, high = 700;
    for (int i = 0; i < 120; i++) {
        double middle = (low + high) / 2;
        ps_stats_score score = ps_stats_hazard_score(sets, set_count, middle);
        if (score.observed > score.expected) low = middle;
        else high = middle;
    }
    return (low + high) / 2;
}

double ps_stats_pooled_log_ratio(const ps_stats_risk_set *sets, size_t set_count) {
    double treated = 0, other = 0;
    for (size_t i = 0; i < set_count; i++) {
        if (sets[i].treated == 0 || sets[i].other == 0) continue;
        treated += sets[i].treated_events;
        other += sets[i].events - sets[i].treated_events;
    }
    if (treated == 0 && other == 0) return ps_absent();
    if (other == 0) return INFINITY;
    return treated == 0 ? -INFINITY : root_of_score(sets, set_count);
}
