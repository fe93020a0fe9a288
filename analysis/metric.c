#include "analysis/metric.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/stats/order.h"

const double ps_inert_below = 1e-3;

static const ps_metric *const metrics[] = {
#define PS_METRIC(id) &ps_metric_##id,
#include "analysis/metric_list.def"
#undef PS_METRIC
};
enum { METRICS = sizeof metrics / sizeof *metrics };

static ps_status visit_frame(void *context, const ps_frame *frame) {
    void **states = context;
    for (int m = 0; m < METRICS; m++)
        if (metrics[m]->frame != NULL) PS_TRY(metrics[m]->frame(states[m], frame));
    return PS_OK;
}

static ps_status visit_record(void *context, const ps_trace_record *record) {
    void **states = context;
    for (int m = 0; m < METRICS; m++)
        if (metrics[m]->record != NULL) PS_TRY(metrics[m]->record(states[m], record));
    return PS_OK;
}

ps_status ps_metrics_run(ps_run *run, ps_tables *tables, ps_summary *summary, ps_collector *collector) {
    ps_status status = PS_OK;
    void *states[METRICS] = {NULL};
    ps_metric_input input = {run, tables, summary, collector};
    ps_run_visitor visitor = {states, visit_frame, visit_record};
    for (int m = 0; m < METRICS; m++) PS_TRY_CLEANUP(metrics[m]->begin(&input, &states[m]));
    PS_TRY_CLEANUP(ps_run_stream(run, &visitor));
    for (int m = 0; m < METRICS; m++)
        if (metrics[m]->end != NULL) PS_TRY_CLEANUP(metrics[m]->end(states[m]));
cleanup:
    for (int m = 0; m < METRICS; m++)
        if (states[m] != NULL) metrics[m]->destroy(states[m]);
    return status;
}

double ps_ratio(double a, double b) {
    if (ps_is_absent(a) || ps_is_absent(b) || b == 0) return ps_absent();
    return a / b;
}

ps_mobility ps_mobility_of(const ps_frame *frame, int node) {
    double path = ps_frame_value(frame, PS_Q_path_gradient, node), start = ps_frame_value(frame, PS_Q_weight_start_l2, node);
    if (ps_is_absent(path) || ps_is_absent(start)) return PS_MOBILITY_UNKNOWN;
    if (start == 0) return PS_MOBILITY_UNDEFINED;
    return path / start < ps_inert_below ? PS_MOBILITY_INERT : PS_MOBILITY_MOVING;
}

const char *ps_mobility_name(ps_mobility mobility) {
    static const char *const names[] = {NULL, "moving", "inert", "undefined"};
    return names[mobility];
}

const char *ps_activity_name(unsigned state) {
    if (!ps_state_known(state)) return NULL;
    return ps_state_dead(state) ? "dead" : ps_state_near(state) ? "near_dead" : "alive";
}

const char *ps_group_name(ps_group group) {
    static const char *const names[] = {"all", "alive", "near_dead", "dead", "dead_through"};
    return names[group];
}

bool ps_group_has(const ps_run *run, const ps_window_info *window, ps_group group, int node) {
    unsigned before = ps_run_state(run, window->before, node);
    switch (group) {
        case PS_GROUP_ALIVE:
            return ps_state_alive(before);
        case PS_GROUP_NEAR:
            return ps_state_near(before);
        case PS_GROUP_DEAD:
            return ps_state_dead(before);
        case PS_GROUP_DEAD_THROUGH:
            return ps_state_dead(before) && ps_state_dead(ps_run_state(run, window->after, node));
        default:
            return true;
    }
}

double ps_group_median(const ps_run *run, const ps_frame *frame, int layer, ps_group group, ps_quantity quantity,
                       ps_quantity over, double *scratch, size_t *count) {
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
