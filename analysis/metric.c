#include "analysis/metric.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/stats/order.h"
#include "analysis/view.h"
#include "core/memory.h"

static const ps_metric *const metrics[] = {
#define PS_METRIC(id) &ps_metric_##id,
#include "analysis/metric_list.def"
#undef PS_METRIC
};
enum { METRICS = sizeof metrics / sizeof *metrics };

/* One set of metrics over the run itself or over a view of it. */
typedef struct {
    void *states[METRICS];
    bool active[METRICS];
    ps_metric_input input;
    double *inert_below, *scratch; /* per layer; per node, with a relative rule alone */
} metric_set;

typedef struct {
    metric_set primary, *varied;
    ps_view *views;
    int variations; /* 0: none asked for */
} all_sets;

static ps_status begin_set(metric_set *set, ps_metric_input input) {
    size_t layers = (size_t)input.run->layer_count + 1;
    set->input = input;
    PS_TRY(PS_ALLOC(layers, &set->inert_below, "thresholds of layers"));
    for (size_t l = 0; l < layers; l++) set->inert_below[l] = input.run->inert_rule.below;
    if (input.run->inert_rule.relative > 0)
        PS_TRY(PS_ALLOC((size_t)input.run->node_count + 1, &set->scratch, "paths of alive nodes"));
    for (int m = 0; m < METRICS; m++) {
        set->active[m] = input.asked == ~0u || (metrics[m]->rests & input.asked) != 0;
        if (set->active[m]) PS_TRY(metrics[m]->begin(&set->input, &set->states[m]));
    }
    return PS_OK;
}

static void clear_set(metric_set *set) {
    for (int m = 0; m < METRICS; m++)
        if (set->states[m] != NULL) metrics[m]->destroy(set->states[m]);
    ps_free(set->inert_below);
    ps_free(set->scratch);
}

static ps_status end_set(metric_set *set) {
    for (int m = 0; m < METRICS; m++)
        if (set->active[m] && metrics[m]->end != NULL) PS_TRY(metrics[m]->end(set->states[m]));
    return PS_OK;
}

/* A layer without alive nodes has no reference: its threshold is missing, and so is the mobility of its nodes. */
static void set_thresholds(metric_set *set, const ps_frame *frame) {
    const ps_run *run = set->input.run;
    size_t count;
    for (int l = 0; l < run->layer_count; l++) {
        double median = ps_group_median(run, frame, l, PS_GROUP_ALIVE, PS_Q_path_gradient, PS_Q_weight_start_l2,
                                        set->scratch, &count);
        set->inert_below[l] = ps_is_absent(median) ? median : run->inert_rule.relative * median;
    }
}

static ps_status show_frame(metric_set *set, ps_frame frame) {
    if (frame.is_window && set->input.run->inert_rule.relative > 0) set_thresholds(set, &frame);
    frame.inert_below = set->inert_below;
    for (int m = 0; m < METRICS; m++)
        if (set->active[m] && metrics[m]->frame != NULL) PS_TRY(metrics[m]->frame(set->states[m], &frame));
    return PS_OK;
}

static ps_status visit_frame(void *context, const ps_frame *frame) {
    all_sets *all = context;
    PS_TRY(show_frame(&all->primary, *frame));
    for (int v = 0; v < all->variations; v++) {
        ps_frame seen;
        bool ready;
        PS_TRY(ps_view_frame(&all->views[v], frame, &seen, &ready));
        if (ready) PS_TRY(show_frame(&all->varied[v], seen));
    }
    return PS_OK;
}

/* Other records (losses, evaluations, timing) are the same under every variation. */
static ps_status visit_record(void *context, const ps_trace_record *record) {
    metric_set *set = &((all_sets *)context)->primary;
    for (int m = 0; m < METRICS; m++)
        if (metrics[m]->record != NULL) PS_TRY(metrics[m]->record(set->states[m], record));
    return PS_OK;
}

static ps_status begin_variations(all_sets *all, const ps_run *run, ps_summary *varied) {
    int count;
    const ps_variation *variations = ps_variations(&count);
    PS_TRY(PS_ALLOC((size_t)count, &all->varied, "variations"));
    PS_TRY(PS_ALLOC((size_t)count, &all->views, "variations"));
    for (int v = 0; v < count; v++) {
        all->variations = v + 1;
        PS_TRY(ps_view_init(&all->views[v], run, &variations[v]));
        ps_metric_input input = {&all->views[v].run, NULL, &varied[v], NULL, ps_variation_touches(&variations[v])};
        PS_TRY(begin_set(&all->varied[v], input));
    }
    return PS_OK;
}

ps_status ps_metrics_run_varied(ps_run *run, ps_tables *tables, ps_summary *summary, ps_collector *collector,
                                ps_summary *varied) {
    ps_status status = PS_OK;
    all_sets all;
    memset(&all, 0, sizeof all);
    ps_run_visitor visitor = {&all, visit_frame, visit_record};
    PS_TRY_CLEANUP(begin_set(&all.primary, (ps_metric_input){run, tables, summary, collector, ~0u}));
    if (varied != NULL) PS_TRY_CLEANUP(begin_variations(&all, run, varied));
    PS_TRY_CLEANUP(ps_run_stream(run, &visitor));
    PS_TRY_CLEANUP(end_set(&all.primary));
    for (int v = 0; v < all.variations; v++) PS_TRY_CLEANUP(end_set(&all.varied[v]));
cleanup:
    clear_set(&all.primary);
    for (int v = 0; v < all.variations; v++) {
        clear_set(&all.varied[v]);
        ps_view_clear(&all.views[v]);
    }
    ps_free(all.varied);
    ps_free(all.views);
    return status;
}

ps_status ps_metrics_run(ps_run *run, ps_tables *tables, ps_summary *summary, ps_collector *collector) {
    return ps_metrics_run_varied(run, tables, summary, collector, NULL);
}

double ps_ratio(double a, double b) {
    if (ps_is_absent(a) || ps_is_absent(b) || b == 0) return ps_absent();
    return a / b;
}

void ps_metric_term(const ps_metric_input *input, ps_term term) {
    const ps_run *run = input->run;
    if (ps_is_absent(term.amount) || ps_is_absent(term.weight) || term.weight == 0) return;
    /* Measures that do not exist have no terms (ps_summary_forget_end). */
    if (run->status == PS_RUN_UNFINISHED) return;
    if (run->status == PS_RUN_NONFINITE && !ps_summary_is_of_loss(term.measure)) return;
    ps_tables_row(input->tables, PS_TABLE_prediction_rows, "sslsdddddsds", term.measure, run->arm, run->header->seed,
                  term.layer != NULL ? term.layer->name : NULL, term.window < 0 ? ps_absent() : (double)term.window,
                  term.step < 0 ? ps_absent() : (double)term.step, term.amount, term.weight, (double)term.line,
                  run->header->path, ps_absent(), (const char *)NULL);
}

static ps_mobility mobility_by(const ps_run *run, const ps_frame *frame, int node, ps_trace_quantity moved,
                               ps_trace_quantity norm) {
    double below = frame->inert_below[run->node_layer[node]];
    double path = ps_frame_value(frame, moved, node), start = ps_frame_value(frame, norm, node);
    /* What is not finite after a divergence neither moves nor stands still. */
    if (!isfinite(path) || !isfinite(start) || ps_is_absent(below)) return PS_MOBILITY_UNKNOWN;
    if (start == 0) return PS_MOBILITY_UNDEFINED;
    return path / start < below ? PS_MOBILITY_INERT : PS_MOBILITY_MOVING;
}

ps_mobility ps_mobility_of(const ps_run *run, const ps_frame *frame, int node) {
    if (run->layers[run->node_layer[node]].weight_frozen) return PS_MOBILITY_FROZEN;
    return mobility_by(run, frame, node, PS_Q_path_gradient, PS_Q_weight_start_l2);
}

ps_mobility ps_outgoing_mobility_of(const ps_run *run, const ps_frame *frame, int node) {
    return mobility_by(run, frame, node, PS_Q_out_net_gradient, PS_Q_out_start_l2);
}

const char *ps_mobility_name(ps_mobility mobility) {
    static const char *const names[] = {
#define MOBILITY(name, word) word,
        PS_MOBILITIES(MOBILITY)
#undef MOBILITY
    };
    return names[mobility];
}

const char *ps_activity_name(unsigned state) {
    if (ps_state_edge(state)) return "edge";
    if (!ps_state_known(state)) return NULL;
    return ps_state_dead(state) ? "dead" : ps_state_near(state) ? "near_dead" : "alive";
}

char ps_activity_letter(unsigned state) {
    if (ps_state_edge(state)) return 'e';
    return !ps_state_known(state) ? '?' : ps_state_dead(state) ? 'D' : ps_state_near(state) ? 'n' : 'A';
}

const char *ps_group_name(ps_group group) {
    static const char *const names[] = {
#define GROUP(name, word) word,
        PS_GROUPS(GROUP)
#undef GROUP
    };
    return names[group];
}

bool ps_group_has(const ps_run *run, const ps_window_info *window, ps_group group, int node) {
    unsigned before = ps_run_node_state(run, window->before, node);
    switch (group) {
        case PS_GROUP_ALIVE: return ps_state_alive(before);
        case PS_GROUP_NEAR: return ps_state_near(before);
        case PS_GROUP_DEAD: return ps_state_dead(before);
        case PS_GROUP_DEAD_THROUGH:
            return ps_state_dead(before) && ps_state_dead(ps_run_node_state(run, window->after, node));
        default: return true;
    }
}

double ps_group_median(const ps_run *run, const ps_frame *frame, int layer, ps_group group, ps_trace_quantity quantity,
                       ps_trace_quantity over, double *scratch, size_t *count) {
    const ps_window_info *window = &run->windows[frame->index];
    const ps_trace_layer *l = &run->layers[layer];
    *count = 0;
    for (int node = l->first_node; node < l->first_node + l->channels; node++) {
        if (!ps_group_has(run, window, group, node)) continue;
        double value = ps_frame_value(frame, quantity, node);
        if (over != PS_Q_COUNT) value = ps_ratio(value, ps_frame_value(frame, over, node));
        if (!isnan(value)) scratch[(*count)++] = value;
    }
    return ps_stats_median(scratch, *count);
}
