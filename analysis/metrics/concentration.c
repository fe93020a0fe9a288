/* l2/l1 of whole layers: of the weights (over all nodes' weights together) and of the gate outputs, at every probe.
 * Scaled by sqrt(N) it is 1 for equal magnitudes and 1.2533 (sqrt(pi/2)) for Gaussian ones. Undefined for an all-zero
 * layer. */
#include <math.h>

#include "analysis/fixed.h"
#include "analysis/metric.h"
#include "core/memory.h"

typedef struct {
    ps_metric_input in;
    double *last_ratio;                    /* l2/l1 of the weights, unscaled */
    double *last_weight, *last_activation; /* scaled, of the latest probe that recorded them */
    uint64_t *last_line;                   /* of that probe's record */
    long long last_step;
    uint64_t line;
} concentration_state;

static ps_status begin(const ps_metric_input *input, void **out) {
    concentration_state *state;
    size_t layers = (size_t)input->run->layer_count + 1;
    PS_TRY(PS_ALLOC(1, &state, "concentration metric"));
    *out = state;
    state->in = *input;
    PS_TRY(PS_ALLOC(layers, &state->last_ratio, "layer ratios"));
    PS_TRY(PS_ALLOC(layers, &state->last_weight, "layer ratios"));
    PS_TRY(PS_ALLOC(layers, &state->last_activation, "layer ratios"));
    PS_TRY(PS_ALLOC(layers, &state->last_line, "lines of records"));
    for (size_t l = 0; l < layers; l++)
        state->last_ratio[l] = state->last_weight[l] = state->last_activation[l] = ps_absent();
    return PS_OK;
}

static void destroy(void *context) {
    concentration_state *state = context;
    ps_free(state->last_ratio);
    ps_free(state->last_weight);
    ps_free(state->last_activation);
    ps_free(state->last_line);
    ps_free(state);
}

/* Norms of the layer from those of its rows: l1 adds up, l2 adds up in squares. */
static double weight_ratio(const ps_frame *frame, const ps_trace_layer *layer) {
    double l1 = 0, squares = 0;
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++) {
        double row_l1 = ps_frame_value(frame, PS_Q_weight_l1, node),
               row_l2 = ps_frame_value(frame, PS_Q_weight_l2, node);
        if (ps_is_absent(row_l1) || ps_is_absent(row_l2)) return ps_absent();
        l1 += row_l1;
        squares += row_l2 * row_l2;
    }
    return ps_ratio(sqrt(squares), l1);
}

static double scaled(double ratio, double count) {
    return ps_is_absent(ratio) || !(count > 0) ? ps_absent() : ratio * sqrt(count);
}

static void take_layer(concentration_state *state, const ps_frame *frame, int l) {
    const ps_run *run = state->in.run;
    const ps_trace_layer *layer = &run->layers[l];
    double fan_in = layer->shared ? 0 : layer->fan_in;
    double weights = ps_is_absent(fan_in) ? fan_in : fan_in * layer->channels,
           outputs = frame->elements[l] * layer->channels;
    double weight = layer->shared ? ps_absent() : weight_ratio(frame, layer);
    double activation =
        ps_ratio(ps_frame_layer(frame, PS_Q_activation_l2, l), ps_frame_layer(frame, PS_Q_activation_l1, l));
    if (ps_is_absent(weight) && ps_is_absent(activation)) return;
    state->last_ratio[l] = weight;
    state->last_weight[l] = scaled(weight, weights);
    state->last_line[l] = frame->line[l];
    state->last_activation[l] = scaled(activation, outputs);
    ps_tables_row(state->in.tables, PS_TABLE_l2l1, "sllsidssdddddd", run->arm, run->header->seed,
                  run->probes[frame->index].step, layer->name, layer->position, layer->depth, layer->stage,
                  layer->shared ? "shared" : "private", weights, weight, outputs, activation, state->last_weight[l],
                  state->last_activation[l]);
}

static ps_status take(void *context, const ps_frame *frame) {
    concentration_state *state = context;
    if (frame->is_window) return PS_OK;
    if (state->line == 0) state->line = frame->line[0];
    for (int l = 0; l < state->in.run->layer_count; l++) take_layer(state, frame, l);
    state->last_step = state->in.run->probes[frame->index].step;
    return PS_OK;
}

static double largest(const double *values, int count) {
    double most = ps_absent();
    for (int i = 0; i < count; i++)
        if (!ps_is_absent(values[i]) && (ps_is_absent(most) || values[i] > most || isnan(values[i]))) most = values[i];
    return most;
}

/* Mean log of the scaled ratio over the first or the last third of the private layers, as the predictions need it. */
static double third_mean(const concentration_state *state, bool last) {
    const ps_run *run = state->in.run;
    int privates = 0, seen = 0;
    double sum = 0, count = 0;
    for (int l = 0; l < run->layer_count; l++) privates += !run->layers[l].shared;
    for (int l = 0; l < run->layer_count; l++) {
        if (run->layers[l].shared) continue;
        bool in_third =
            last ? PS_FIXED_PARTS * seen >= (PS_FIXED_PARTS - 1) * privates : PS_FIXED_PARTS * seen < privates;
        seen++;
        if (!in_third || ps_is_absent(state->last_weight[l])) continue;
        const char *measure = last ? "l2l1_late_log" : "l2l1_shallow_log";
        double value = log(state->last_weight[l]);
        ps_metric_term(&state->in,
                       (ps_term){measure, &run->layers[l], -1, state->last_step, value, 1, state->last_line[l]});
        sum += value;
        count++;
    }
    return count > 0 ? sum / count : ps_absent();
}

/* Log of the largest unscaled l2/l1 of a layer whose weights are recorded (private ones); the layer it is of becomes
 * its term. */
static double largest_log(const concentration_state *state) {
    const ps_run *run = state->in.run;
    int most = -1;
    for (int l = 0; l < run->layer_count; l++)
        if (state->last_ratio[l] > 0 && (most < 0 || state->last_ratio[l] > state->last_ratio[most])) most = l;
    if (most < 0) return ps_absent();
    double value = log(state->last_ratio[most]);
    ps_metric_term(&state->in, (ps_term){"l2l1_largest_log", &run->layers[most], -1, state->last_step, value, 1,
                                         state->last_line[most]});
    return value;
}

static ps_status end(void *context) {
    concentration_state *state = context;
    const ps_run *run = state->in.run;
    ps_summary *summary = state->in.summary;
    for (int l = 0; l < run->layer_count; l++) {
        const ps_trace_layer *layer = &run->layers[l];
        if (ps_is_absent(state->last_weight[l]) && ps_is_absent(state->last_activation[l])) continue;
        if (ps_run_lacks_end(run->status)) continue; /* its last probe is not its end */
        PS_TRY(ps_collect_name(state->in.collector, PS_TABLE_l2l1_arm, l, layer->position, layer->name, layer->stage,
                               NULL));
        PS_TRY(ps_collect_note(state->in.collector, PS_TABLE_l2l1_arm, l, state->last_step, state->last_weight[l],
                               state->last_activation[l], ps_absent()));
    }
    PS_TRY(ps_summary_set(summary, "l2l1_weight_max", largest(state->last_weight, run->layer_count), run->layer_count,
                          state->line));
    PS_TRY(ps_summary_set(summary, "l2l1_activation_max", largest(state->last_activation, run->layer_count),
                          run->layer_count, state->line));
    PS_TRY(ps_summary_set(summary, "l2l1_largest_log", largest_log(state), run->layer_count, state->line));
    PS_TRY(ps_summary_set(summary, "l2l1_shallow_log", third_mean(state, false), run->layer_count, state->line));
    return ps_summary_set(summary, "l2l1_late_log", third_mean(state, true), run->layer_count, state->line);
}

const ps_metric ps_metric_concentration = {"concentration", begin, take, NULL, end, destroy, 0};
