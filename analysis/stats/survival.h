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

/* For tests, of the score at a ratio of 1. Events of the treated group against what equal hazards within each stratum
 * would give (hypergeometric variance). Spells are reordered. */
ps_stats_logrank ps_stats_logrank_of(ps_stats_spell *spells, size_t count);

/* What happened at one time in one stratum, and who was under observation then. */
typedef struct {
    double events, treated_events;
    double treated, other; /* at risk */
} ps_stats_risk_set;

/* One for every time with events in every stratum. *sets is allocated (ps_free); spells are reordered. */
ps_status ps_stats_risk_sets(ps_stats_spell *spells, size_t count, ps_stats_risk_set **sets, size_t *set_count);

/* Events of the treated group against what a hazard exp(log_ratio) times that of the other group would give: the score
 * of Cox's partial likelihood (1972, with Breslow's rule for ties) at that ratio,
 *
 *     U(m) = O - E(m),  E(m) = sum d e^m n1 / (e^m n1 + n0)
 *
 * At 0 it is the log-rank statistic's O - E. Times that are probes are whole steps: the ratio is then that of the
 * chances of an event from one probe to the next, and where it is the true one the score's mean is 0, whatever the
 * number of events. Its median is not quite 0: with few events its sign leans to one side (one event falls on the
 * larger group more often than not; analysis/CALIBRATION.md has by how much), the vote of ps_stats_hazard_side does
 * not. */
typedef struct {
    double observed, expected; /* events of the treated group */
    double other_events;       /* those of the other one. Both also where one group alone was at risk */
} ps_stats_score;

ps_stats_score ps_stats_hazard_score(const ps_stats_risk_set *sets, size_t set_count, double log_ratio);

/* For tests and the calibration: verdicts go by the sign of the score. The fair vote of one pair: *side is 1 where at
 * least half of what the ratio gives in these risk sets is below the observed number of the treated group's events, -1
 * where at least half is above it, 0 in between, and without events. Where the ratio is the true one neither side has
 * more than one half. The number is taken as a sum of independent events, each the treated group's with e^m n1 / (e^m
 * n1 + n0). It has the sign of the score, or is 0 (where the score is within one event of 0). */
ps_status ps_stats_hazard_side(const ps_stats_risk_set *sets, size_t set_count, double log_ratio, int *side);

/* The log ratio at which the scores of all sets together are 0: that of Cox's partial likelihood, pooled over the seeds
 * whose sets stand one after another. infinity and -infinity: only the treated (only the others) had events while both
 * were at risk. ps_absent(): there were none such. */
double ps_stats_pooled_log_ratio(const ps_stats_risk_set *sets, size_t set_count);

#endif
