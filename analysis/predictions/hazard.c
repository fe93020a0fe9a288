/* Hazard ratios of pairs: the estimate, and its terms event by event for prediction_rows.tsv. */
#include "analysis/predictions/predictions_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"

ps_status ps_prediction_log_hazard_ratio(const ps_summary *reference, const ps_summary *arm, bool reopening,
                                         double margin, ps_prediction_value *v, ps_stats_risk_set **sets,
                                         size_t *set_count) {
    ps_stats_spell *spells;
    size_t nodes;
    PS_TRY(ps_cohort_gather(reference, arm, reopening, PS_COHORT_ALL_LAYERS, &spells, &nodes));
    ps_status status = ps_stats_risk_sets(spells, nodes, sets, set_count);
    ps_free(spells);
    PS_TRY(status);
    ps_stats_score score = ps_stats_hazard_score(*sets, *set_count, margin);
    v->value = ps_stats_pooled_log_ratio(*sets, *set_count);
    v->no_event = nodes > 0 && ps_is_absent(v->value);
    v->cases = (double)nodes;
    v->observed = score.observed;
    v->expected = score.expected;
    v->events_arm = score.observed;
    v->events_against = score.other_events;
    return PS_OK;
}

static int layers_of(const ps_summary *summary) {
    int count = 0;
    for (size_t i = 0; i < summary->spell_count; i++)
        if (summary->spells[i].layer >= count) count = summary->spells[i].layer + 1;
    for (size_t i = 0; i < summary->alive_count; i++)
        if (summary->alive[i].layer >= count) count = summary->alive[i].layer + 1;
    return count;
}

/* The first time behind `after` at which something happened, INFINITY: none. */
static double next_event(const ps_stats_spell *spells, size_t count, double after) {
    double next = INFINITY;
    for (size_t i = 0; i < count; i++)
        if (spells[i].event && spells[i].time > after) next = fmin(next, spells[i].time);
    return next;
}

/* Who was under observation at that time, and to whom it happened. */
static ps_stats_risk_set risk_set_at(const ps_stats_spell *spells, size_t count, double time) {
    ps_stats_risk_set set = {0};
    for (size_t i = 0; i < count; i++) {
        const ps_stats_spell *s = &spells[i];
        if (s->entry >= time || s->time < time) continue;
        bool event = s->event && s->time == time;
        set.treated += s->treated;
        set.other += !s->treated;
        set.events += event;
        set.treated_events += event && s->treated;
    }
    return set;
}

/* A pair of runs whose hazards are compared. */
typedef struct {
    const char *statistic;
    double margin;
    const ps_arm *arm;
    const ps_arm_run *run, *partner;
    ps_tables *tables;
} hazard_pair;

/* The layer's probe so long after the first one, in the run's own trace; ps_absent(): none. */
static double line_after(const ps_arm_run *run, double time, int layer) {
    uint64_t line = ps_summary_probe_line(&run->summary, run->summary.start_step + (long long)time, layer);
    return line > 0 ? (double)line : ps_absent();
}

static ps_status write_events(const hazard_pair *pair, int layer) {
    const ps_arm_run *run = pair->run, *partner = pair->partner;
    ps_stats_spell *spells;
    size_t count;
    char name[32];
    PS_TRY(ps_cohort_gather(&partner->summary, &run->summary, strcmp(pair->statistic, "@reopening") == 0, layer,
                            &spells, &count));
    snprintf(name, sizeof name, "#%d", layer);
    for (double time = 0; isfinite(time = next_event(spells, count, time));) {
        ps_stats_risk_set set = risk_set_at(spells, count, time);
        ps_stats_score score = ps_stats_hazard_score(&set, 1, pair->margin);
        ps_tables_row(pair->tables, PS_TABLE_prediction_rows, "sslsdddddsds", pair->statistic, pair->arm->name,
                      run->seed, name, ps_absent(), (double)run->summary.start_step + time,
                      score.observed - score.expected, set.events, line_after(run, time, layer), run->path,
                      line_after(partner, time, layer), partner->path);
    }
    ps_free(spells);
    return PS_OK;
}

static ps_status write_hazards(const ps_prediction_part *part, const ps_prediction_part_result *r,
                               const ps_prediction_value *v, ps_tables *tables) {
    hazard_pair pair = {
        part->statistic, part->margin, r->arm, ps_arm_find_seed(r->arm, v->seed), ps_arm_find_seed(r->against, v->seed),
        tables};
    for (int l = 0; !v->diverged && l < layers_of(&pair.run->summary); l++) PS_TRY(write_events(&pair, l));
    return PS_OK;
}

ps_status ps_predictions_write_terms(const ps_questions *questions, const ps_prediction_result *results,
                                     ps_tables *tables) {
    for (int i = 0; i < questions->count; i++)
        for (int p = 0; p < questions->prediction[i]->part_count; p++) {
            const ps_prediction_part *part = &questions->prediction[i]->parts[p];
            const ps_prediction_part_result *r = &results[i].parts[p];
            for (int v = 0; part->statistic[0] == '@' && v < r->n; v++)
                PS_TRY(write_hazards(part, r, &r->values[v], tables));
        }
    return PS_OK;
}
