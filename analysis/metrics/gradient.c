/* Gradients: of layers, and what reaches dead nodes, by identity and by pool path. */
#include <math.h>
#include <string.h>

#include "analysis/metric.h"
#include "analysis/stats/order.h"
#include "core/memory.h"

typedef struct {
    int layer, window;
    uint64_t line;
    size_t count; /* of ratios */
} ratio_group;

typedef struct {
    ps_metric_input in;
    double *scratch, *ratios; /* one value a node */
    double *all_ratios;       /* of dead-through node-windows of the whole run */
    size_t ratio_count, ratio_capacity;
    double *start_ratios; /* P1: of nodes dead at their window's start (of the run's population rule) */
    size_t start_count, start_capacity;
    ratio_group *groups; /* where they are from, in their order; none without tables */
    size_t group_count, group_capacity;
    double zero_steps, steps, path_energy, identity_energy;
    uint64_t line;
} gradient_state;

static ps_status begin(const ps_metric_input *input, void **out) {
    gradient_state *state;
    size_t nodes = (size_t)input->run->node_count + 1;
    PS_TRY(PS_ALLOC(1, &state, "gradient metric"));
    *out = state;
    state->in = *input;
    PS_TRY(PS_ALLOC(nodes, &state->scratch, "scratch"));
    return PS_ALLOC(nodes, &state->ratios, "scratch");
}

static void destroy(void *context) {
    gradient_state *state = context;
    ps_free(state->scratch);
    ps_free(state->ratios);
    ps_free_array(state->all_ratios);
    ps_free_array(state->start_ratios);
    ps_free_array(state->groups);
    ps_free(state);
}

static double root_of_squares(const ps_frame *frame, const ps_trace_layer *layer, ps_trace_quantity quantity) {
    double sum = 0;
    bool any = false;
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++) {
        double value = ps_frame_value(frame, quantity, node);
        if (ps_is_absent(value)) continue;
        sum += value * value;
        any = true;
    }
    return any ? sqrt(sum) : ps_absent();
}

static int count_group(const ps_run *run, const ps_window_info *window, const ps_trace_layer *layer, ps_group group) {
    int count = 0;
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++)
        count += ps_group_has(run, window, group, node);
    return count;
}

static void write_layer(gradient_state *state, const ps_frame *frame, int l) {
    const ps_run *run = state->in.run;
    const ps_window_info *window = &run->windows[frame->index];
    const ps_trace_layer *layer = &run->layers[l];
    size_t count;
    double whole = root_of_squares(frame, layer, PS_Q_grad_norm_rms),
           out = root_of_squares(frame, layer, PS_Q_grad_out_rms);
    if (ps_is_absent(whole) && ps_is_absent(out)) return;
    double alive =
        ps_group_median(run, frame, l, PS_GROUP_ALIVE, PS_Q_grad_norm_rms, PS_Q_COUNT, state->scratch, &count);
    double dead =
        ps_group_median(run, frame, l, PS_GROUP_DEAD_THROUGH, PS_Q_grad_norm_rms, PS_Q_COUNT, state->scratch, &count);
    ps_tables_row(state->in.tables, PS_TABLE_grad_layer, "slillsissiddddii", run->arm, run->header->seed, frame->index,
                  window->first, window->last, layer->name, layer->position, layer->stage,
                  layer->shared ? "shared" : "private", layer->channels, whole, alive, dead, out,
                  count_group(run, window, layer, PS_GROUP_ALIVE), count_group(run, window, layer, PS_GROUP_DEAD));
}

/* What reached the nodes of a layer that were dead through the window. */
typedef struct {
    int nodes, no_reference;
    double zero_steps, steps; /* over nodes that recorded both */
    double identity, path, total;
    bool energies;
    size_t ratios;
} dead_gradient;

static ps_status keep_ratio(gradient_state *state, double ratio) {
    PS_TRY(
        PS_GROW(&state->all_ratios, &state->ratio_capacity, state->ratio_count + 1, "gradient ratios of dead nodes"));
    state->all_ratios[state->ratio_count++] = ratio;
    return PS_OK;
}

static ps_status add_node(gradient_state *state, const ps_frame *frame, int node, double alive_median,
                          dead_gradient *sum) {
    double norm = ps_frame_value(frame, PS_Q_grad_norm_rms, node),
           zero = ps_frame_value(frame, PS_Q_grad_zero_steps, node);
    double ratio = ps_ratio(norm, alive_median), path = ps_frame_value(frame, PS_Q_pool_grad_path, node);
    sum->nodes++;
    if (!ps_is_absent(zero)) {
        sum->zero_steps += zero;
        sum->steps += frame->sampled[state->in.run->node_layer[node]];
    }
    if (!ps_is_absent(path)) {
        sum->energies = true;
        sum->path += path;
        sum->identity += ps_frame_value(frame, PS_Q_pool_grad_identity, node);
        sum->total += ps_frame_value(frame, PS_Q_pool_grad_total, node);
    }
    if (!ps_is_absent(norm) && ps_is_absent(ratio)) sum->no_reference++;
    if (isnan(ratio)) return PS_OK;
    state->ratios[sum->ratios++] = ratio;
    return keep_ratio(state, ratio);
}

static void write_dead(gradient_state *state, const ps_frame *frame, const char *layer, int position,
                       const dead_gradient *sum, double median, double most) {
    const ps_run *run = state->in.run;
    const ps_window_info *window = &run->windows[frame->index];
    if (sum->nodes == 0) return;
    double path = sum->energies ? sum->path : ps_absent(), identity = sum->energies ? sum->identity : ps_absent();
    ps_tables_row(state->in.tables, PS_TABLE_grad_dead, "slillsiidddidddd", run->arm, run->header->seed, frame->index,
                  window->first, window->last, layer, position, sum->nodes, ps_ratio(sum->zero_steps, sum->steps),
                  median, most, sum->no_reference, identity, path, sum->energies ? sum->total : ps_absent(),
                  sum->energies ? ps_ratio(path, identity + path) : ps_absent());
}

static double largest(const double *values, size_t count) {
    double most = count > 0 ? values[0] : ps_absent();
    for (size_t i = 1; i < count; i++) most = fmax(most, values[i]);
    return most;
}

static void merge(dead_gradient *all, const dead_gradient *one) {
    all->nodes += one->nodes;
    all->no_reference += one->no_reference;
    all->zero_steps += one->zero_steps;
    all->steps += one->steps;
    all->identity += one->identity;
    all->path += one->path;
    all->total += one->total;
    all->energies |= one->energies;
}

static ps_status take_dead_layer(gradient_state *state, const ps_frame *frame, int l, dead_gradient *all) {
    const ps_run *run = state->in.run;
    const ps_trace_layer *layer = &run->layers[l];
    dead_gradient sum = {0};
    size_t count;
    if (count_group(run, &run->windows[frame->index], layer, PS_GROUP_DEAD_THROUGH) == 0) return PS_OK;
    double alive =
        ps_group_median(run, frame, l, PS_GROUP_ALIVE, PS_Q_grad_norm_rms, PS_Q_COUNT, state->scratch, &count);
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++)
        if (ps_group_has(run, &run->windows[frame->index], PS_GROUP_DEAD_THROUGH, node))
            PS_TRY(add_node(state, frame, node, alive, &sum));
    double most = largest(state->ratios, sum.ratios);
    write_dead(state, frame, layer->name, layer->position, &sum, ps_stats_median(state->ratios, sum.ratios), most);
    merge(all, &sum);
    return PS_OK;
}

static ps_status note_start_ratios(gradient_state *state, const ps_frame *frame, int l) {
    const ps_run *run = state->in.run;
    const ps_window_info *window = &run->windows[frame->index];
    const ps_trace_layer *layer = &run->layers[l];
    ps_group group = ps_group_of_dead(run);
    size_t count;
    if (!ps_run_counts(run, window) || count_group(run, window, layer, group) == 0) return PS_OK;
    double alive =
        ps_group_median(run, frame, l, PS_GROUP_ALIVE, PS_Q_grad_norm_rms, PS_Q_COUNT, state->scratch, &count);
    size_t before = state->start_count;
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++) {
        double ratio = ps_ratio(ps_frame_value(frame, PS_Q_grad_norm_rms, node), alive);
        if (!ps_group_has(run, window, group, node) || isnan(ratio)) continue;
        PS_TRY(PS_GROW(&state->start_ratios, &state->start_capacity, state->start_count + 1,
                       "gradient ratios of dead nodes"));
        state->start_ratios[state->start_count++] = ratio;
    }
    if (state->in.tables == NULL || state->start_count == before) return PS_OK;
    PS_TRY(PS_GROW(&state->groups, &state->group_capacity, state->group_count + 1, "terms of a prediction"));
    state->groups[state->group_count++] = (ratio_group){l, frame->index, frame->line[l], state->start_count - before};
    return PS_OK;
}

static ps_status take(void *context, const ps_frame *frame) {
    gradient_state *state = context;
    const ps_run *run = state->in.run;
    dead_gradient all = {0};
    if (!frame->is_window || (frame->node[PS_Q_grad_norm_rms] == NULL && frame->node[PS_Q_grad_zero_steps] == NULL))
        return PS_OK;
    if (state->line == 0) state->line = frame->line[0];
    size_t before = state->ratio_count;
    for (int l = 0; l < run->layer_count; l++) {
        if (state->in.tables != NULL) write_layer(state, frame, l);
        if (run->layers[l].shared) continue;
        PS_TRY(take_dead_layer(state, frame, l, &all));
        PS_TRY(note_start_ratios(state, frame, l));
    }
    size_t count = state->ratio_count - before;
    for (size_t i = 0; i < count; i++) state->ratios[i] = state->all_ratios[before + i];
    double most = largest(state->ratios, count);
    write_dead(state, frame, "all", -1, &all, ps_stats_median(state->ratios, count), most);
    state->zero_steps += all.zero_steps;
    state->steps += all.steps;
    state->path_energy += all.path;
    state->identity_energy += all.identity;
    return PS_OK;
}

static void write_term(const gradient_state *state, const char *measure, const ratio_group *group, double amount,
                       double weight) {
    const ps_run *run = state->in.run;
    const ps_window_info *window = &run->windows[group->window];
    ps_metric_term(&state->in, (ps_term){measure, &run->layers[group->layer], window->window, window->first, amount,
                                         weight, group->line});
}

/* The terms of a median are the one or two values in the middle, each where it is first found; how many lie below it
 * stands beside, layer by layer and window by window. */
static void write_median_terms(const gradient_state *state, double median, const double middle[2]) {
    bool found[2] = {false, middle[0] == middle[1]};
    const double *ratio = state->start_ratios;
    for (size_t g = 0; g < state->group_count; ratio += state->groups[g++].count) {
        double below = 0;
        for (size_t i = 0; i < state->groups[g].count; i++) {
            below += ratio[i] < median;
            for (int k = 0; k < 2; k++) {
                if (found[k] || ratio[i] != middle[k]) continue;
                write_term(state, "dead_gradient_ratio", &state->groups[g], ratio[i], 1);
                found[k] = true;
            }
        }
        write_term(state, "dead_gradient_ratio_below", &state->groups[g], below, (double)state->groups[g].count);
    }
}

static ps_status set_start_ratio(gradient_state *state) {
    size_t count = state->start_count;
    double *sorted = NULL, median;
    if (count == 0) return ps_summary_set(state->in.summary, "dead_gradient_ratio", ps_absent(), 0, state->line);
    PS_TRY(PS_ALLOC(count + 1, &sorted, "gradient ratios of dead nodes"));
    memcpy(sorted, state->start_ratios, count * sizeof *sorted);
    ps_stats_sort(sorted, count);
    median = ps_stats_median(sorted, count);
    write_median_terms(state, median, (double[2]){sorted[(count - 1) / 2], sorted[count / 2]});
    ps_free(sorted);
    return ps_summary_set(state->in.summary, "dead_gradient_ratio", median, (double)count, state->line);
}

static ps_status end(void *context) {
    gradient_state *state = context;
    ps_summary *summary = state->in.summary;
    double cases = (double)state->ratio_count, median = ps_stats_median(state->all_ratios, state->ratio_count);
    PS_TRY(ps_summary_set(summary, "grad_dead_ratio", median, cases, state->line));
    PS_TRY(set_start_ratio(state));
    PS_TRY(ps_summary_set(summary, "grad_dead_path_share",
                          ps_ratio(state->path_energy, state->path_energy + state->identity_energy), cases,
                          state->line));
    return ps_summary_set(summary, "grad_dead_zero_share", ps_ratio(state->zero_steps, state->steps), state->steps,
                          state->line);
}

const ps_metric ps_metric_gradient = {
    "gradient", begin, take, NULL, end, destroy, PS_RESTS_DEATH | PS_RESTS_WINDOWS | PS_RESTS_STAYING | PS_RESTS_NEAR};
