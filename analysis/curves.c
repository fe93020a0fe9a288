#include "analysis/curves.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/metric.h"
#include "analysis/stats/survival.h"
#include "core/memory.h"

typedef struct {
    const char *level, *name;
    bool at_start;
} curve_scope;

typedef struct {
    ps_stats_survival_point *points;
    size_t count; /* 0: the run has no such spell */
    double now;   /* survival at the time last written */
} curve;

typedef struct {
    ps_tables *tables;
    const ps_arm *arm;
    const ps_collector *labels;
    ps_stats_spell *spells; /* room for all of the arm */
    curve *runs;
} curve_writer;

static bool scope_has(const curve_writer *w, const curve_scope *scope, const ps_summary_spell *spell) {
    const ps_collect_label *layer = ps_collect_label_of(w->labels, PS_TABLE_survival, spell->layer);
    if (spell->at_start != scope->at_start || layer == NULL) return false;
    if (strcmp(scope->level, "network") == 0) return true;
    return strcmp(scope->name, layer->text[strcmp(scope->level, "stage") == 0 ? 1 : 0]) == 0;
}

static size_t gather(curve_writer *w, const curve_scope *scope, int run, size_t count) {
    const ps_summary *summary = &w->arm->runs[run].summary;
    for (size_t i = 0; i < summary->spell_count; i++) {
        const ps_summary_spell *s = &summary->spells[i];
        if (scope_has(w, scope, s))
            w->spells[count++] = (ps_stats_spell){0, (double)(s->end - s->start), s->layer, s->revived, false};
    }
    return count;
}

static void write_point(const curve_writer *w, const curve_scope *scope, const char *seed,
                        const ps_stats_survival_point *p, int seeds) {
    ps_tables_row(w->tables, PS_TABLE_survival, "sssdddddddssi", w->arm->name, seed,
                  scope->at_start ? "start" : "onset", p->time, p->at_risk, p->events, p->censored, p->survival, p->low,
                  p->high, scope->level, scope->name, seeds);
}

/* At a time up to which the run was observed. */
static double survival_at(const curve *c, double time) {
    double survival = 1;
    for (size_t i = 0; i < c->count && c->points[i].time <= time; i++) survival = c->points[i].survival;
    return survival;
}

static bool is_observed(const curve *c, double time) { return c->count > 0 && c->points[c->count - 1].time >= time; }

/* Takes the runs' curves on to a time; the header says how those that have ended go on. Returns how many have not. */
static int advance(curve_writer *w, double time) {
    int seeds = 0;
    double before = 0, after = 0;
    for (int r = 0; r < w->arm->run_count; r++) {
        if (!is_observed(&w->runs[r], time)) continue;
        before += w->runs[r].now;
        w->runs[r].now = survival_at(&w->runs[r], time);
        after += w->runs[r].now;
        seeds++;
    }
    for (int r = 0; before > 0 && r < w->arm->run_count; r++)
        if (!is_observed(&w->runs[r], time)) w->runs[r].now *= after / before;
    return seeds;
}

/* Counts are sums over the runs; survival, low and high: mean and range of the runs' curves, which must be taken on in
 * time. */
static void write_mean(curve_writer *w, const curve_scope *scope, ps_stats_survival_point point) {
    int observed = advance(w, point.time), seeds = 0;
    double sum = 0;
    point.low = 1;
    point.high = 0;
    for (int r = 0; r < w->arm->run_count; r++) {
        if (w->runs[r].count == 0) continue;
        point.low = fmin(point.low, w->runs[r].now);
        point.high = fmax(point.high, w->runs[r].now);
        sum += w->runs[r].now;
        seeds++;
    }
    point.survival = sum / seeds;
    write_point(w, scope, "all", &point, observed);
}

static ps_status write_scope(curve_writer *w, curve_scope scope) {
    ps_stats_survival_point *pooled = NULL;
    size_t points, total = 0;
    ps_status status = PS_OK;
    for (int r = 0; status == PS_OK && r < w->arm->run_count; r++) {
        size_t count = gather(w, &scope, r, 0);
        total += count;
        w->runs[r] = (curve){.now = 1};
        if (count > 0) status = ps_stats_kaplan_meier(w->spells, count, &w->runs[r].points, &w->runs[r].count);
    }
    size_t count = 0;
    for (int r = 0; r < w->arm->run_count; r++) count = gather(w, &scope, r, count);
    if (status == PS_OK && count > 0) status = ps_stats_kaplan_meier(w->spells, count, &pooled, &points);
    if (pooled != NULL) {
        write_mean(w, &scope, (ps_stats_survival_point){.at_risk = (double)total});
        for (size_t i = 0; i < points; i++) write_mean(w, &scope, pooled[i]);
    }
    for (int r = 0; r < w->arm->run_count; r++) {
        char seed[32];
        snprintf(seed, sizeof seed, "%lld", w->arm->runs[r].seed);
        for (size_t i = 0; status == PS_OK && i < w->runs[r].count; i++) {
            ps_stats_survival_point point = w->runs[r].points[i];
            point.low = point.high = ps_absent();
            write_point(w, &scope, seed, &point, 1);
        }
        ps_free(w->runs[r].points);
    }
    ps_free(pooled);
    return status;
}

static bool first_of_stage(const ps_collector *labels, size_t label) {
    const char *stage = labels->labels[label].text[1];
    if (labels->labels[label].table != PS_TABLE_survival || stage[0] == '\0') return false;
    for (size_t i = 0; i < label; i++)
        if (labels->labels[i].table == PS_TABLE_survival && strcmp(labels->labels[i].text[1], stage) == 0) return false;
    return true;
}

static ps_status write_scopes(curve_writer *w) {
    const ps_collector *labels = w->labels;
    for (int at_start = 0; at_start < 2; at_start++) {
        PS_TRY(write_scope(w, (curve_scope){"network", "private", at_start == 1}));
        for (size_t i = 0; i < labels->label_count; i++)
            if (first_of_stage(labels, i))
                PS_TRY(write_scope(w, (curve_scope){"stage", labels->labels[i].text[1], at_start == 1}));
        for (size_t i = 0; i < labels->label_count; i++)
            if (labels->labels[i].table == PS_TABLE_survival)
                PS_TRY(write_scope(w, (curve_scope){"layer", labels->labels[i].text[0], at_start == 1}));
    }
    return PS_OK;
}

ps_status ps_curves_write(ps_tables *tables, const ps_arm *arm, const ps_collector *labels) {
    curve_writer w = {tables, arm, labels, NULL, NULL};
    size_t room = 1;
    ps_status status = PS_OK;
    for (int r = 0; r < arm->run_count; r++) room += arm->runs[r].summary.spell_count;
    PS_TRY_CLEANUP(PS_ALLOC(room, &w.spells, "spells of an arm"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)arm->run_count + 1, &w.runs, "curves of an arm"));
    PS_TRY_CLEANUP(write_scopes(&w));
cleanup:
    ps_free(w.spells);
    ps_free(w.runs);
    return status;
}
