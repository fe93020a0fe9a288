/* Hazard ratios of pairs: the estimate, and its terms event by event for prediction_rows.tsv. */
#include "analysis/predictions/predictions_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/memory.h"

ps_status ps_prediction_log_hazard_ratio(const ps_summary *reference, const ps_summary *arm, bool reopening,
                                         ps_prediction_value *v) {
    ps_stats_spell *spells;
    size_t nodes;
    PS_TRY(ps_cohort_gather(reference, arm, reopening, PS_COHORT_ALL_LAYERS, &spells, &nodes));
    ps_stats_logrank sum = ps_stats_logrank_of(spells, nodes);
    ps_free(spells);
    v->no_event = nodes > 0 && sum.variance == 0;
    v->value = v->no_event ? 0 : ps_ratio(sum.observed - sum.expected, sum.variance);
    v->cases = (double)nodes;
    v->observed = sum.observed;
    v->expected = sum.expected;
    v->variance = sum.variance;
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

/* What the events at one time add to the sums: those of the nodes at risk then, when all that comes later is censored.
 * room: count. */
static ps_stats_logrank events_at(const ps_stats_spell *spells, size_t count, double time, ps_stats_spell *room) {
    size_t at_risk = 0;
    for (size_t i = 0; i < count; i++) {
        if (spells[i].time < time) continue;
        room[at_risk] = spells[i];
        room[at_risk].event = spells[i].event && spells[i].time == time;
        room[at_risk++].time = time;
    }
    return ps_stats_logrank_of(room, at_risk);
}

/* A pair of runs whose hazards are compared. */
typedef struct {
    const char *statistic;
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
    ps_stats_spell *spells, *room;
    size_t count;
    char name[32];
    PS_TRY(ps_cohort_gather(&partner->summary, &run->summary, strcmp(pair->statistic, "@reopening") == 0, layer,
                            &spells, &count));
    ps_status status = PS_ALLOC(count + 1, &room, "nodes at risk");
    snprintf(name, sizeof name, "#%d", layer);
    for (double time = 0; status == PS_OK && isfinite(time = next_event(spells, count, time));) {
        ps_stats_logrank term = events_at(spells, count, time, room);
        ps_tables_row(pair->tables, PS_TABLE_prediction_rows, "sslsdddddsds", pair->statistic, pair->arm->name,
                      run->seed, name, ps_absent(), (double)run->summary.start_step + time,
                      term.observed - term.expected, term.variance, line_after(run, time, layer), run->path,
                      line_after(partner, time, layer), partner->path);
    }
    if (status == PS_OK) ps_free(room);
    ps_free(spells);
    return status;
}

static ps_status write_hazards(const ps_prediction_part *part, const ps_prediction_part_result *r,
                               const ps_prediction_value *v, ps_tables *tables) {
    hazard_pair pair = {part->statistic, r->arm, ps_arm_find_seed(r->arm, v->seed),
                        ps_arm_find_seed(r->against, v->seed), tables};
    for (int l = 0; !v->diverged && l < layers_of(&pair.run->summary); l++) PS_TRY(write_events(&pair, l));
    return PS_OK;
}

ps_status ps_predictions_write_terms(const ps_prediction_result *results, ps_tables *tables) {
    int count;
    const ps_prediction *const *list = ps_predictions(&count);
    for (int i = 0; i < count; i++)
        for (int p = 0; p < list[i]->part_count; p++) {
            const ps_prediction_part_result *r = &results[i].parts[p];
            for (int v = 0; list[i]->parts[p].statistic[0] == '@' && v < r->n; v++)
                PS_TRY(write_hazards(&list[i]->parts[p], r, &r->values[v], tables));
        }
    return PS_OK;
}
