/* How far the weights of nodes move in a window, by the activity they had at its start; mobility and its
 * transitions. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/metric.h"
#include "analysis/scope.h"
#include "analysis/stats/order.h"
#include "core/memory.h"

enum { MOST_SCATTER = 20000 }; /* rows of inertia.tsv a run */
static const double relative_below = 0.01;

typedef struct {
    ps_metric_input in;
    double *scratch;           /* one value a node */
    double *layer_path_median; /* alive median of the relative gradient-driven path, per layer */
    double *layer_grad_median; /* alive median of grad_norm_rms, per layer */
    unsigned char *previous;   /* mobility of each node in the window before */
    double *transitions;       /* [layer][from][to], 4 x 4 */
    double dead_windows, dead_inert;
    long long stride; /* every stride-th node-window stands in the scatter */
    uint64_t line;
} inertia_state;

static ps_status begin(const ps_metric_input *input, void **out) {
    inertia_state *state;
    size_t nodes = (size_t)input->run->node_count + 1, layers = (size_t)input->run->layer_count + 1;
    PS_TRY(PS_ALLOC(1, &state, "inertia metric"));
    *out = state;
    state->in = *input;
    long long rows = (long long)input->run->node_count * input->run->window_count;
    state->stride = 1 + (rows - 1) / MOST_SCATTER;
    PS_TRY(PS_ALLOC(nodes, &state->scratch, "scratch"));
    PS_TRY(PS_ALLOC(nodes, &state->previous, "mobility of nodes"));
    PS_TRY(PS_ALLOC(layers, &state->layer_path_median, "medians of layers"));
    PS_TRY(PS_ALLOC(layers, &state->layer_grad_median, "medians of layers"));
    return PS_ALLOC(layers * 16, &state->transitions, "transitions");
}

static void destroy(void *context) {
    inertia_state *state = context;
    ps_free(state->scratch);
    ps_free(state->previous);
    ps_free(state->layer_path_median);
    ps_free(state->layer_grad_median);
    ps_free(state->transitions);
    ps_free(state);
}

static double relative(const ps_frame *frame, ps_trace_quantity quantity, int node) {
    return ps_ratio(ps_frame_value(frame, quantity, node), ps_frame_value(frame, PS_Q_weight_start_l2, node));
}

static void layer_medians(inertia_state *state, const ps_frame *frame) {
    size_t count;
    for (int l = 0; l < state->in.run->layer_count; l++) {
        state->layer_path_median[l] = ps_group_median(state->in.run, frame, l, PS_GROUP_ALIVE, PS_Q_path_gradient,
                                                      PS_Q_weight_start_l2, state->scratch, &count);
        state->layer_grad_median[l] = ps_group_median(state->in.run, frame, l, PS_GROUP_ALIVE, PS_Q_grad_norm_rms,
                                                      PS_Q_COUNT, state->scratch, &count);
    }
}

/* Values of one relative quantity over the private nodes of a group. */
static size_t gather(inertia_state *state, const ps_frame *frame, ps_group group, ps_trace_quantity quantity) {
    const ps_run *run = state->in.run;
    size_t count = 0;
    for (int node = 0; node < run->node_count; node++) {
        if (run->layers[run->node_layer[node]].shared || !ps_group_has(run, &run->windows[frame->index], group, node))
            continue;
        double value = relative(frame, quantity, node);
        if (!isnan(value)) state->scratch[count++] = value;
    }
    return count;
}

static double group_quantile(inertia_state *state, const ps_frame *frame, ps_group group, ps_trace_quantity quantity,
                             double share) {
    size_t count = gather(state, frame, group, quantity);
    return ps_stats_quantile(state->scratch, count, share);
}

typedef struct {
    double nodes, undefined, judged, inert, relative_judged, relative_inert;
} mobility_counts;

static mobility_counts count_group(const inertia_state *state, const ps_frame *frame, ps_group group) {
    const ps_run *run = state->in.run;
    mobility_counts counts = {0, 0, 0, 0, 0, 0};
    for (int node = 0; node < run->node_count; node++) {
        int l = run->node_layer[node];
        if (run->layers[l].shared || !ps_group_has(run, &run->windows[frame->index], group, node)) continue;
        ps_mobility mobility = ps_mobility_of(state->in.run, frame, node);
        double path = relative(frame, PS_Q_path_gradient, node), median = state->layer_path_median[l];
        counts.nodes++;
        counts.undefined += mobility == PS_MOBILITY_UNDEFINED;
        counts.judged += mobility == PS_MOBILITY_MOVING || mobility == PS_MOBILITY_INERT;
        counts.inert += mobility == PS_MOBILITY_INERT;
        if (ps_is_absent(path) || ps_is_absent(median)) continue;
        counts.relative_judged++;
        counts.relative_inert += path < relative_below * median;
    }
    return counts;
}

static double share(double part, double whole) { return whole > 0 ? part / whole : ps_absent(); }

static void write_groups(inertia_state *state, const ps_frame *frame) {
    const ps_run *run = state->in.run;
    const ps_window_info *window = &run->windows[frame->index];
    for (int g = 0; g < PS_GROUP_COUNT; g++) {
        ps_group group = (ps_group)g;
        mobility_counts c = count_group(state, frame, group);
        if (c.nodes == 0) continue;
        ps_tables_row(state->in.tables, PS_TABLE_inertia_time, "slillsddddddddddd", run->arm, run->header->seed,
                      frame->index, window->first, window->last, ps_group_name(group), c.nodes, c.undefined,
                      group_quantile(state, frame, group, PS_Q_path, 0.5),
                      group_quantile(state, frame, group, PS_Q_path_gradient, 0.5),
                      group_quantile(state, frame, group, PS_Q_path_gradient, 0.25),
                      group_quantile(state, frame, group, PS_Q_path_gradient, 0.75),
                      group_quantile(state, frame, group, PS_Q_path_carried, 0.5),
                      group_quantile(state, frame, group, PS_Q_path_decay, 0.5),
                      group_quantile(state, frame, group, PS_Q_net, 0.5), share(c.inert, c.judged),
                      share(c.relative_inert, c.relative_judged));
        if (group != PS_GROUP_DEAD_THROUGH) continue;
        state->dead_windows += c.judged;
        state->dead_inert += c.inert;
    }
}

static void write_scatter_row(inertia_state *state, const ps_frame *frame, int node) {
    const ps_run *run = state->in.run;
    const ps_window_info *window = &run->windows[frame->index];
    const ps_trace_layer *layer = &run->layers[run->node_layer[node]];
    char name[256];
    ps_mobility mobility = ps_mobility_of(state->in.run, frame, node);
    bool judged = mobility == PS_MOBILITY_MOVING || mobility == PS_MOBILITY_INERT;
    snprintf(name, sizeof name, "%s:%d", layer->name, node - layer->first_node);
    ps_tables_row(
        state->in.tables, PS_TABLE_inertia, "slillsiissdddddddddd", run->arm, run->header->seed, frame->index,
        window->first, window->last, layer->name, layer->position, node - layer->first_node, name,
        ps_activity_name(ps_run_node_state(run, window->before, node)), ps_frame_value(frame, PS_Q_zeros, node),
        relative(frame, PS_Q_path, node), relative(frame, PS_Q_path_gradient, node),
        relative(frame, PS_Q_path_carried, node), relative(frame, PS_Q_path_decay, node),
        relative(frame, PS_Q_net, node), judged ? (double)(mobility == PS_MOBILITY_INERT) : ps_absent(),
        ps_ratio(ps_frame_value(frame, PS_Q_grad_norm_rms, node), state->layer_grad_median[run->node_layer[node]]),
        window->lr_sum,
        ps_ratio(ps_frame_value(frame, PS_Q_out_net_gradient, node), ps_frame_value(frame, PS_Q_out_start_l2, node)));
}

/* Takes every stride-th node-window, counted through the whole run: a rule that knows nothing of the values. */
static void write_scatter(inertia_state *state, const ps_frame *frame) {
    const ps_run *run = state->in.run;
    for (int node = 0; node < run->node_count; node++) {
        long long place = (long long)frame->index * run->node_count + node;
        bool recorded = frame->node[PS_Q_path] != NULL || frame->node[PS_Q_path_gradient] != NULL;
        if (run->layers[run->node_layer[node]].weight_frozen) continue;
        if (place % state->stride == 0 && recorded && !run->layers[run->node_layer[node]].shared)
            write_scatter_row(state, frame, node);
    }
}

static void count_transitions(inertia_state *state, const ps_frame *frame) {
    for (int node = 0; node < state->in.run->node_count; node++) {
        ps_mobility now = ps_mobility_of(state->in.run, frame, node);
        if (now == PS_MOBILITY_FROZEN) continue; /* always */
        if (frame->index > 0)
            state->transitions[state->in.run->node_layer[node] * 16 + state->previous[node] * 4 + (int)now]++;
        state->previous[node] = (unsigned char)now;
    }
}

static ps_status take(void *context, const ps_frame *frame) {
    inertia_state *state = context;
    if (!frame->is_window) return PS_OK;
    bool recorded = frame->node[PS_Q_weight_start_l2] != NULL;
    if (!recorded) return PS_OK;
    if (state->line == 0) state->line = frame->line[0];
    layer_medians(state, frame);
    write_groups(state, frame);
    write_scatter(state, frame);
    count_transitions(state, frame);
    return PS_OK;
}

static void write_transitions(const inertia_state *state, const ps_scope *scope) {
    const ps_run *run = state->in.run;
    double counts[4][4] = {{0}}, known = 0;
    for (int l = 0; l < run->layer_count; l++)
        for (int cell = 0; ps_scope_has(scope, &run->layers[l], l) && cell < 16; cell++)
            counts[cell / 4][cell % 4] += state->transitions[l * 16 + cell];
    for (int from = 1; from < 4; from++) known += counts[from][1] + counts[from][2] + counts[from][3];
    for (int from = 1; from < 4 && known > 0; from++)
        for (int to = 1; to < 4; to++)
            ps_tables_row(state->in.tables, PS_TABLE_transitions, "slsssssdd", run->arm, run->header->seed, "mobility",
                          scope->level, scope->name, ps_mobility_name((ps_mobility)from),
                          ps_mobility_name((ps_mobility)to), counts[from][to],
                          share(counts[from][to], counts[from][1] + counts[from][2] + counts[from][3]));
}

static ps_status end(void *context) {
    inertia_state *state = context;
    ps_scopes scopes;
    PS_TRY(ps_scopes_init(&scopes, state->in.run));
    for (int s = 0; s < scopes.count; s++) write_transitions(state, &scopes.scopes[s]);
    ps_scopes_clear(&scopes);
    return ps_summary_set(state->in.summary, "inert_dead_share", share(state->dead_inert, state->dead_windows),
                          state->dead_windows, state->line);
}

const ps_metric ps_metric_inertia = {"inertia", begin, take, NULL, end, destroy, 0};
