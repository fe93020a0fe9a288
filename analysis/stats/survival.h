/* Survival of spells: Kaplan-Meier (1958) and the two-sample log-rank statistic (Mantel 1966), stratified. */
#ifndef PS_ANALYSIS_STATS_SURVIVAL_H
#define PS_ANALYSIS_STATS_SURVIVAL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

typedef struct {
    double entry; /* time at which it came under observation (0, or later: left truncation) */
    double time;  /* time of the event or of censoring, > entry */
    int stratum;
    bool event, treated; /* treated: second group of the log-rank statistic */
} ps_stats_spell;

typedef struct {
    double time, at_risk, events, censored, survival, low,
        high; /* censored since the point before; 95 % log-log interval */
} ps_stats_survival_point;

/* One point per event time and one for the last time. *points is allocated (ps_free); spells are reordered by time. */
ps_status ps_stats_kaplan_meier(ps_stats_spell *spells, size_t count, ps_stats_survival_point **points,
                                size_t *point_count);

typedef struct {
    double observed, expected, variance; /* events of the treated group, summed over strata */
} ps_stats_logrank;

/* Events of the treated group against what equal hazards within each stratum would give (hypergeometric variance).
 * Spells are reordered. */
ps_stats_logrank ps_stats_logrank_of(ps_stats_spell *spells, size_t count);

#endif
