#include "analysis/sweep.h"

#include <math.h>
#include <string.h>

/* The one setting in which two arms differ, by a number in both; NULL: there is none. */
static const ps_difference *factor_between(const ps_arm *arm, const ps_arm *other) {
    if (arm == other) return NULL;
    const ps_differences *settings = &ps_relation_of(arm, other)->settings;
    const ps_difference *only = settings->count == 1 ? &settings->list[0] : NULL;
    return only != NULL && isfinite(only->own_number) && isfinite(only->other_number) ? only : NULL;
}

static bool differ_in(const ps_arm *arm, const ps_arm *other, const char *factor) {
    const ps_difference *d = factor_between(arm, other);
    return d != NULL && strcmp(d->key, factor) == 0;
}

static void add(ps_sweep *sweep, const ps_arm *arm, double value) {
    if (sweep->count == PS_SWEEP_MOST_ARMS) return;
    sweep->low = sweep->count == 0 ? value : fmin(sweep->low, value);
    sweep->high = sweep->count == 0 ? value : fmax(sweep->high, value);
    sweep->arm[sweep->count] = arm;
    sweep->value[sweep->count++] = value;
}

static bool has_three_values(const ps_sweep *sweep) {
    for (int i = 0; i < sweep->count; i++)
        if (sweep->value[i] != sweep->low && sweep->value[i] != sweep->high) return true;
    return false;
}

/* All that differ from this arm in this factor alone, and the arm itself. To differ so in one factor goes over from two
 * arms to a third, so that each group is found from its first arm, once. */
static bool gather(const ps_arms *arms, int first, const ps_difference *by, ps_sweep *sweep) {
    const ps_arm *arm = &arms->arms[first];
    for (int b = 0; b < first; b++)
        if (differ_in(arm, &arms->arms[b], by->key)) return false;
    *sweep = (ps_sweep){.factor = by->key};
    add(sweep, arm, by->own_number);
    for (int b = first + 1; b < arms->count; b++)
        if (differ_in(arm, &arms->arms[b], by->key))
            add(sweep, &arms->arms[b], factor_between(arm, &arms->arms[b])->other_number);
    return has_three_values(sweep);
}

/* Whether an arm before this one gave the same factor. */
static bool is_new(const ps_arms *arms, int first, int other, const char *factor) {
    for (int b = first + 1; b < other; b++)
        if (differ_in(&arms->arms[first], &arms->arms[b], factor)) return false;
    return true;
}

bool ps_sweep_find(const ps_arms *arms, int number, ps_sweep *sweep) {
    for (int a = 0; a < arms->count; a++)
        for (int b = a + 1; b < arms->count; b++) {
            const ps_difference *by = factor_between(&arms->arms[a], &arms->arms[b]);
            if (by == NULL || !is_new(arms, a, b, by->key) || !gather(arms, a, by, sweep)) continue;
            if (number-- == 0) return true;
        }
    return false;
}

static void write_run(ps_tables *tables, const ps_arms *arms, const ps_sweep *sweep, int number, int place,
                      const ps_arm_run *run) {
    bool ended = run->status == PS_RUN_FINISHED, learned = ended || run->status == PS_RUN_NONFINITE;
    const ps_summary *summary = &run->summary;
    ps_tables_cells(tables, PS_TABLE_sweep, "isdslsidd", number + 1, sweep->factor, sweep->value[place],
                    sweep->arm[place]->name, run->seed, ps_run_status_name(run->status),
                    (int)(run->status == PS_RUN_DIVERGED), ended ? ps_summary_get(summary, "dead_end") : ps_absent(),
                    ended ? ps_summary_get(summary, "dead_all_end") : ps_absent());
    for (int m = 0; m < arms->task.measures; m++)
        ps_tables_cells(tables, PS_TABLE_sweep, "d",
                        learned ? ps_summary_get(summary, arms->measure[m].name) : ps_absent());
    ps_tables_end_row(tables, PS_TABLE_sweep);
}

ps_status ps_sweeps_write(ps_tables *tables, const ps_arms *arms) {
    ps_sweep sweep;
    for (int number = 0; ps_sweep_find(arms, number, &sweep); number++)
        for (int i = 0; i < sweep.count; i++)
            for (int r = 0; r < sweep.arm[i]->run_count; r++)
                write_run(tables, arms, &sweep, number, i, &sweep.arm[i]->runs[r]);
    return PS_OK;
}
