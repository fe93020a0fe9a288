/* Where gates cannot be exactly dead: how many nodes are saturated (flat at every output on the probe set), stuck at a
 * ceiling, constant or dormant, at every probe and layer; and whether gradient reaches and moves the saturated ones. */
#include <math.h>
#include <string.h>

#include "analysis/causes.h"
#include "analysis/fixed.h"
#include "analysis/metric.h"
#include "analysis/stats/order.h"
#include "core/memory.h"

typedef struct {
    double amount, weight;
} part_sum;

typedef struct {
    double nodes, saturated, share_sum, stuck, constant, dormant;
    bool tells_flat, tells_ceiling;
} layer_counts;

typedef struct {
    ps_metric_input in;
    double *saturated; /* [node], of the latest probe; NaN: not known */
    double *scratch;
    layer_counts *layer; /* [layer], of the latest probe */
    part_sum over_time, at_end, gradient, moving;
    double probes;
    uint64_t line;
} saturation_state;

static ps_status begin(const ps_metric_input *input, void **out) {
    saturation_state *state;
    size_t nodes = (size_t)input->run->node_count + 1;
    PS_TRY(PS_ALLOC(1, &state, "saturation metric"));
    *out = state;
    state->in = *input;
    PS_TRY(PS_ALLOC(nodes, &state->saturated, "saturated nodes"));
    PS_TRY(PS_ALLOC((size_t)input->run->layer_count + 1, &state->layer, "counts of layers"));
    for (size_t i = 0; i < nodes; i++) state->saturated[i] = ps_absent();
    return PS_ALLOC(nodes, &state->scratch, "scratch");
}

static void destroy(void *context) {
    saturation_state *state = context;
    ps_free(state->saturated);
    ps_free(state->scratch);
    ps_free(state->layer);
    ps_free(state);
}

static bool is_constant(double spread, double mean_abs) {
    return spread <= PS_CONSTANT_WITHIN * mean_abs && mean_abs > 0;
}

static layer_counts count_layer(const saturation_state *state, const ps_frame *frame, int l) {
    const ps_run *run = state->in.run;
    const ps_trace_layer *layer = &run->layers[l];
    layer_counts c = {0};
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++) {
        double flat = ps_frame_value(frame, PS_Q_saturated, node),
               ceiling = ps_frame_value(frame, PS_Q_at_ceiling, node);
        unsigned s = ps_run_node_state(run, frame->index, node);
        c.tells_flat = c.tells_flat || !isnan(flat);
        c.tells_ceiling = c.tells_ceiling || !isnan(ceiling);
        c.nodes++;
        c.saturated += flat == 1;
        c.share_sum += isnan(flat) ? 0 : flat;
        c.stuck += ceiling == 1;
        c.constant +=
            is_constant(ps_frame_value(frame, PS_Q_image_spread, node), ps_frame_value(frame, PS_Q_mean_abs, node));
        c.dormant += (s & PS_STATE_DORMANT_025) != 0;
    }
    return c;
}

static void write_layer(const saturation_state *state, const ps_frame *frame, int l, const layer_counts *c) {
    const ps_run *run = state->in.run;
    const ps_trace_layer *layer = &run->layers[l];
    double none = ps_absent();
    ps_tables_row(state->in.tables, PS_TABLE_saturation, "sllsissddddddd", run->arm, run->header->seed,
                  run->probes[frame->index].step, layer->name, layer->position, layer->shared ? "shared" : "private",
                  layer->activation, c->nodes, c->tells_flat ? c->saturated : none,
                  c->tells_flat ? c->saturated / c->nodes : none, c->tells_flat ? c->share_sum / c->nodes : none,
                  c->tells_ceiling ? c->stuck : none, c->constant, c->dormant);
}

/* Of the network: nodes with a gate of their own, in the layers that tell. */
static void take_probe(saturation_state *state, const ps_frame *frame) {
    const ps_run *run = state->in.run;
    double nodes = 0, saturated = 0;
    if (run->probes[frame->index].blown) return;
    for (int l = 0; l < run->layer_count; l++) {
        layer_counts c = state->layer[l] = count_layer(state, frame, l);
        const ps_trace_layer *layer = &run->layers[l];
        for (int node = layer->first_node; node < layer->first_node + layer->channels; node++)
            state->saturated[node] = ps_frame_value(frame, PS_Q_saturated, node);
        if ((c.tells_flat || c.tells_ceiling) && state->in.tables != NULL) write_layer(state, frame, l, &c);
        if (!c.tells_flat || layer->shared) continue;
        nodes += c.nodes;
        saturated += c.saturated;
    }
    if (nodes == 0) return;
    for (int l = 0; l < run->layer_count; l++) {
        layer_counts c = state->layer[l];
        if (!c.tells_flat || run->layers[l].shared) continue;
        ps_term term = {"saturated_mean", &run->layers[l], -1, run->probes[frame->index].step, c.saturated / nodes,
                        c.nodes / nodes,  frame->line[l]};
        ps_metric_term(&state->in, term);
        term.measure = "saturated_end";
        if (frame->index == run->probe_count - 1) ps_metric_term(&state->in, term);
    }
    state->over_time.amount += saturated / nodes;
    state->probes++;
    state->at_end = (part_sum){saturated, nodes};
}

/* Median gradient of the layer's nodes that did not begin the window saturated. */
static double others_gradient(const saturation_state *state, const ps_frame *frame, const ps_trace_layer *layer) {
    size_t count = 0;
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++) {
        double gradient = ps_frame_value(frame, PS_Q_grad_norm_rms, node);
        if (state->saturated[node] < 1 && isfinite(gradient)) state->scratch[count++] = gradient;
    }
    return count > 0 ? ps_stats_median(state->scratch, count) : ps_absent();
}

static void take_window_layer(saturation_state *state, const ps_frame *frame, int l) {
    const ps_run *run = state->in.run;
    const ps_trace_layer *layer = &run->layers[l];
    const ps_window_info *window = &run->windows[frame->index];
    double median = others_gradient(state, frame, layer);
    part_sum gradient = {0, 0}, moving = {0, 0};
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++) {
        double own = ps_frame_value(frame, PS_Q_grad_norm_rms, node);
        if (state->saturated[node] != 1) continue;
        if (isfinite(own) && median > 0) {
            gradient.amount += own >= PS_FIXED_SATURATED_GRADIENT * median;
            gradient.weight++;
        }
        ps_mobility mobility = ps_mobility_of(run, frame, node);
        moving.amount += mobility == PS_MOBILITY_MOVING;
        moving.weight += mobility == PS_MOBILITY_MOVING || mobility == PS_MOBILITY_INERT;
    }
    ps_metric_term(&state->in, (ps_term){"saturated_gradient_share", layer, window->window, window->first,
                                         gradient.amount, gradient.weight, frame->line[l]});
    ps_metric_term(&state->in, (ps_term){"saturated_moving_share", layer, window->window, window->first, moving.amount,
                                         moving.weight, frame->line[l]});
    state->gradient.amount += gradient.amount, state->gradient.weight += gradient.weight;
    state->moving.amount += moving.amount, state->moving.weight += moving.weight;
}

static ps_status take(void *context, const ps_frame *frame) {
    saturation_state *state = context;
    const ps_run *run = state->in.run;
    if (!frame->is_window) {
        if (state->line == 0 && run->layer_count > 0) state->line = frame->line[0];
        take_probe(state, frame);
        return PS_OK;
    }
    if (!ps_run_counts(run, &run->windows[frame->index])) return PS_OK;
    for (int l = 0; l < run->layer_count; l++)
        if (!run->layers[l].shared) take_window_layer(state, frame, l);
    return PS_OK;
}

static ps_status set(const saturation_state *state, const char *name, part_sum sum) {
    return ps_summary_set(state->in.summary, name, ps_ratio(sum.amount, sum.weight), sum.weight, state->line);
}

static ps_status end(void *context) {
    saturation_state *state = context;
    PS_TRY(set(state, "saturated_mean", (part_sum){state->over_time.amount, state->probes}));
    PS_TRY(set(state, "saturated_end", state->at_end));
    PS_TRY(set(state, "saturated_gradient_share", state->gradient));
    return set(state, "saturated_moving_share", state->moving);
}

const ps_metric ps_metric_saturation = {
    "saturation", begin, take, NULL, end, destroy, PS_RESTS_WINDOWS | PS_RESTS_MOBILITY};
