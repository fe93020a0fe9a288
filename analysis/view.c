#include "analysis/view.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"

static ps_trace_join rule_of(int quantity) { return ps_trace_quantities[quantity].joined; }

/* ---- windows and probes ---- */

static ps_status join_windows(ps_view *view, const ps_run *run) {
    size_t count = (size_t)(run->window_count / view->join);
    PS_TRY(PS_ALLOC(count + 1, &view->windows, "joined windows"));
    for (size_t w = 0; w < count; w++) {
        view->windows[w] = run->windows[w * (size_t)view->join];
        view->windows[w].last = run->windows[(w + 1) * (size_t)view->join - 1].last;
    }
    view->run.windows = view->windows;
    view->run.window_count = (int)count;
    return PS_OK;
}

static ps_status thin_probes(ps_view *view, const ps_run *run) {
    size_t room = (size_t)run->probe_count + 1;
    int count = 0, w = 0;
    PS_TRY(PS_ALLOC(room, &view->probe_map, "probes of a view"));
    PS_TRY(PS_ALLOC(room, &view->probe_index, "probes of a view"));
    PS_TRY(PS_ALLOC(room, &view->probes, "probes of a view"));
    for (int p = 0; p < run->probe_count; p++) {
        long long step = run->probes[p].step;
        /* Stretches of `join` windows, the last one perhaps shorter. */
        while (w + view->join < run->window_count && run->windows[w + view->join].first <= step) w += view->join;
        bool within = run->window_count > 0 && step > run->windows[w].first && p + 1 < run->probe_count;
        int end = w + view->join - 1;
        if (end < run->window_count && step == run->windows[end].last + 1) within = false;
        view->probe_index[p] = within ? -1 : count;
        if (within) continue;
        view->probe_map[count] = p;
        view->probes[count++] = run->probes[p];
    }
    view->run.probe_map = view->probe_map;
    view->run.probes = view->probes;
    view->run.probe_count = count;
    return PS_OK;
}

ps_status ps_view_init(ps_view *view, const ps_run *run, const ps_variation *variation) {
    memset(view, 0, sizeof *view);
    view->run = *run;
    view->whole = run;
    view->run.dead_rule = variation->dead_rule;
    view->run.inert_rule = variation->inert_rule;
    view->run.population = variation->population;
    view->join = variation->join;
    if (view->join == 1) return PS_OK;
    PS_TRY(join_windows(view, run));
    PS_TRY(thin_probes(view, run));
    ps_run_link_windows(&view->run);
    PS_TRY(PS_ALLOC((size_t)run->layer_count + 1, &view->sampled, "steps of a joined window"));
    return PS_ALLOC((size_t)run->layer_count + 1, &view->line, "lines of a joined window");
}

void ps_view_clear(ps_view *view) {
    for (int q = 0; q < PS_Q_COUNT; q++) ps_free(view->sum[q]);
    ps_free(view->probe_map);
    ps_free(view->probe_index);
    ps_free(view->probes);
    ps_free(view->windows);
    ps_free(view->line);
    ps_free(view->sampled);
    memset(view, 0, sizeof *view);
}

/* ---- frames ---- */

static ps_status start_quantity(ps_view *view, int q) {
    size_t nodes = (size_t)view->run.node_count;
    if (view->sum[q] == NULL) PS_TRY(PS_ALLOC(nodes + 1, &view->sum[q], "values of a joined window"));
    for (size_t i = 0; i < nodes; i++) view->sum[q][i] = 0;
    view->used[q] = true;
    return PS_OK;
}

/* Missing in one window is missing in the joined one. */
static double joined(double sum, double value, ps_trace_join rule, double steps) {
    if (ps_is_absent(sum) || ps_is_absent(value)) return ps_absent();
    return rule == PS_JOIN_SUM ? sum + value : rule == PS_JOIN_MEAN ? sum + steps * value : sum + steps * value * value;
}

static ps_status add_window(ps_view *view, const ps_frame *frame, bool first) {
    for (int q = 0; q < PS_Q_COUNT; q++) {
        if (rule_of(q) == PS_JOIN_NOT) continue;
        if (first) view->used[q] = false;
        if (frame->node[q] == NULL) {
            view->used[q] = false;
            continue;
        }
        if (first) PS_TRY(start_quantity(view, q));
        for (int node = 0; view->used[q] && node < view->run.node_count; node++) {
            double *sum = &view->sum[q][node], value = frame->node[q][node];
            if (rule_of(q) != PS_JOIN_FIRST)
                *sum = joined(*sum, value, rule_of(q), frame->sampled[view->run.node_layer[node]]);
            else if (first) *sum = value;
        }
    }
    for (int l = 0; l < view->run.layer_count; l++)
        view->sampled[l] = first ? frame->sampled[l] : view->sampled[l] + frame->sampled[l];
    if (first) memcpy(view->line, frame->line, (size_t)view->run.layer_count * sizeof *view->line);
    return PS_OK;
}

static void finish_window(ps_view *view, const ps_frame *frame, ps_frame *out) {
    memset(out, 0, sizeof *out);
    out->is_window = true;
    out->index = frame->index / view->join;
    out->line = view->line;
    out->images = frame->images;
    out->elements = frame->elements;
    out->sampled = view->sampled;
    for (int q = 0; q < PS_Q_COUNT; q++) {
        if (rule_of(q) == PS_JOIN_NOT || !view->used[q]) continue;
        double *sum = view->sum[q];
        for (int node = 0; rule_of(q) >= PS_JOIN_MEAN && rule_of(q) != PS_JOIN_FIRST && node < view->run.node_count;
             node++) {
            if (ps_is_absent(sum[node])) continue;
            double steps = view->sampled[view->run.node_layer[node]];
            double mean = steps > 0 ? sum[node] / steps : ps_absent();
            sum[node] = rule_of(q) == PS_JOIN_MEAN || steps == 0 ? mean : sqrt(mean);
        }
        out->node[q] = sum;
    }
}

ps_status ps_view_frame(ps_view *view, const ps_frame *frame, ps_frame *out, bool *ready) {
    *ready = true;
    *out = *frame;
    if (view->join == 1) return PS_OK;
    if (!frame->is_window) {
        out->index = view->probe_index[frame->index];
        *ready = out->index >= 0;
        return PS_OK;
    }
    int place = frame->index % view->join;
    *ready = place == view->join - 1;
    if (frame->index / view->join >= view->run.window_count) {
        *ready = false;
        return PS_OK;
    }
    PS_TRY(add_window(view, frame, place == 0));
    if (*ready) finish_window(view, frame, out);
    return PS_OK;
}
