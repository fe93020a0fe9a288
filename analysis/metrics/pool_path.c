/* Pool Skip: the share of its path in the forward output and in the gradient, and its rows' own gradients; dead
 * channels apart. */
#include <math.h>
#include <string.h>

#include "analysis/metric.h"
#include "analysis/stats/order.h"
#include "core/memory.h"

typedef struct {
    ps_metric_input in;
    double *scratch;
    double *row_weight;            /* norms of the nodes' own rows at the latest probe */
    double share_sum, share_count; /* forward share per window and layer, all nodes */
    uint64_t line;
} pool_state;

static ps_status begin(const ps_metric_input *input, void **out) {
    pool_state *state;
    PS_TRY(PS_ALLOC(1, &state, "pool path metric"));
    *out = state;
    state->in = *input;
    PS_TRY(PS_ALLOC((size_t)input->run->node_count + 1, &state->row_weight, "row norms"));
    for (int node = 0; node < input->run->node_count; node++) state->row_weight[node] = ps_absent();
    return PS_ALLOC((size_t)input->run->node_count + 1, &state->scratch, "scratch");
}

static void destroy(void *context) {
    pool_state *state = context;
    ps_free(state->row_weight);
    ps_free(state->scratch);
    ps_free(state);
}

typedef struct {
    double identity, path, total;
} energies;

static energies sum_energies(const ps_run *run, const ps_frame *frame, int l, ps_group group,
                             const ps_trace_quantity *parts) {
    const ps_trace_layer *layer = &run->layers[l];
    energies sum = {0, 0, 0};
    double *into[] = {&sum.identity, &sum.path, &sum.total};
    for (int part = 0; part < 3; part++) {
        if (frame->node[parts[part]] == NULL) *into[part] = ps_absent();
        for (int node = layer->first_node; node < layer->first_node + layer->channels; node++)
            if (ps_group_has(run, &run->windows[frame->index], group, node) && !ps_is_absent(*into[part]))
                *into[part] = ps_is_absent(ps_frame_value(frame, parts[part], node))
                                  ? ps_absent()
                                  : *into[part] + ps_frame_value(frame, parts[part], node);
    }
    return sum;
}

/* Twice the inner product of both parts over the sum of their energies; between -1 and 1. */
static double cross(energies e) {
    if (ps_is_absent(e.identity) || ps_is_absent(e.path) || ps_is_absent(e.total)) return ps_absent();
    return ps_ratio(e.total - e.identity - e.path, e.identity + e.path);
}

static double path_share(energies e) {
    if (ps_is_absent(e.identity) || ps_is_absent(e.path)) return ps_absent();
    return ps_ratio(e.path, e.identity + e.path);
}

static void write_energies(pool_state *state, const ps_frame *frame, int l, ps_group group) {
    static const ps_trace_quantity forward[] = {PS_Q_pool_identity, PS_Q_pool_path, PS_Q_pool_output};
    static const ps_trace_quantity backward[] = {PS_Q_pool_grad_identity, PS_Q_pool_grad_path, PS_Q_pool_grad_total};
    const ps_run *run = state->in.run;
    const ps_window_info *window = &run->windows[frame->index];
    const ps_trace_layer *layer = &run->layers[l];
    int nodes = 0, identity_zero = 0;
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++) {
        if (!ps_group_has(run, window, group, node)) continue;
        nodes++;
        identity_zero += ps_frame_value(frame, PS_Q_pool_identity, node) == 0;
    }
    if (nodes == 0) return;
    energies f = sum_energies(run, frame, l, group, forward), b = sum_energies(run, frame, l, group, backward);
    ps_tables_row(state->in.tables, PS_TABLE_pool_path, "slillsisidddddiddddd", run->arm, run->header->seed,
                  frame->index, window->first, window->last, layer->name, layer->position, ps_group_name(group), nodes,
                  f.identity, f.path, f.total, path_share(f), cross(f), identity_zero, b.identity, b.path, b.total,
                  path_share(b), cross(b));
    if (group != PS_GROUP_ALL || ps_is_absent(path_share(f))) return;
    state->share_sum += path_share(f);
    state->share_count++;
}

static double row_weight_median(pool_state *state, const ps_window_info *window, const ps_trace_layer *layer,
                                ps_group group) {
    size_t count = 0;
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++)
        if (ps_group_has(state->in.run, window, group, node) && !isnan(state->row_weight[node]))
            state->scratch[count++] = state->row_weight[node];
    return ps_stats_median(state->scratch, count);
}

static void write_rows(pool_state *state, const ps_frame *frame, int l, ps_group group) {
    const ps_run *run = state->in.run;
    const ps_window_info *window = &run->windows[frame->index];
    const ps_trace_layer *layer = &run->layers[l];
    double zero = 0, steps = 0;
    int nodes = 0;
    size_t count;
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++) {
        if (!ps_group_has(run, window, group, node)) continue;
        double value = ps_frame_value(frame, PS_Q_pool_row_grad_zero_steps, node);
        nodes++;
        if (ps_is_absent(value)) continue;
        zero += value;
        steps += frame->sampled[l];
    }
    if (nodes == 0) return;
    double median = ps_group_median(run, frame, l, group, PS_Q_pool_row_grad_rms, PS_Q_COUNT, state->scratch, &count);
    ps_tables_row(state->in.tables, PS_TABLE_pool_rows, "slillsisiddd", run->arm, run->header->seed, frame->index,
                  window->first, window->last, layer->name, layer->position, ps_group_name(group), nodes, median,
                  ps_ratio(zero, steps), row_weight_median(state, window, layer, group));
}

static ps_status take(void *context, const ps_frame *frame) {
    static const ps_group groups[] = {PS_GROUP_ALL, PS_GROUP_ALIVE, PS_GROUP_DEAD, PS_GROUP_DEAD_THROUGH};
    pool_state *state = context;
    bool energy = frame->node[PS_Q_pool_path] != NULL || frame->node[PS_Q_pool_grad_path] != NULL;
    bool rows = frame->node[PS_Q_pool_row_grad_rms] != NULL || frame->node[PS_Q_pool_row_grad_zero_steps] != NULL;
    if (!frame->is_window && frame->node[PS_Q_pool_weight_l2] != NULL)
        memcpy(state->row_weight, frame->node[PS_Q_pool_weight_l2], (size_t)state->in.run->node_count * sizeof(double));
    if (!frame->is_window || !(energy || rows)) return PS_OK;
    if (state->line == 0) state->line = frame->line[0];
    for (int l = 0; l < state->in.run->layer_count; l++) {
        if (state->in.run->layers[l].pool_skip == NULL) continue;
        for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
            if (energy) write_energies(state, frame, l, groups[g]);
            if (rows) write_rows(state, frame, l, groups[g]);
        }
    }
    return PS_OK;
}

static ps_status end(void *context) {
    pool_state *state = context;
    return ps_summary_set(state->in.summary, "pool_path_share", ps_ratio(state->share_sum, state->share_count),
                          state->share_count, state->line);
}

const ps_metric ps_metric_pool_path = {"pool_path", begin, take, NULL, end, destroy, 0};
