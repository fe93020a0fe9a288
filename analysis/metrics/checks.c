/* Instrument checks: identities. A violation means that a trace's quantities contradict each other: the run is faulty. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/metric.h"
#include "core/memory.h"

typedef enum {
#define PS_CHECK(id, statement) CHECK_##id,
#include "analysis/check_list.def"
#undef PS_CHECK
    CHECKS
} check_id;

static const struct {
    const char *id, *statement;
} checks[] = {
#define PS_CHECK(id, statement) {#id, statement},
#include "analysis/check_list.def"
#undef PS_CHECK
};

typedef struct {
    ps_metric_input in;
    bool cut_forward; /* a mechanism arm: the pool path is worked out, not added */
    double cases[CHECKS], violations[CHECKS], worst[CHECKS];
    uint64_t line[CHECKS];
} checks_state;

static ps_status begin(const ps_metric_input *input, void **out) {
    checks_state *state;
    PS_TRY(PS_ALLOC(1, &state, "checks"));
    const cJSON *config = cJSON_GetObjectItemCaseSensitive(input->run->header->document, "config");
    const cJSON *cut = cJSON_GetObjectItemCaseSensitive(config, "pool_skip_cut");
    state->in = *input;
    state->cut_forward = cJSON_IsString(cut) && strcmp(cut->valuestring, "forward") == 0;
    *out = state;
    return PS_OK;
}

/* excess: by how much the identity is missed, 0 or less when it holds. Non-finite numbers contradict nothing: a diverged
 * run multiplies 0 by infinity. */
static void judge(checks_state *state, check_id check, double excess, uint64_t line) {
    if (!isfinite(excess)) return;
    state->cases[check]++;
    if (excess <= 0) return;
    if (state->violations[check]++ == 0) state->line[check] = line;
    state->worst[check] = fmax(state->worst[check], excess);
}

/* Without rounding slack: sums in which every term is exactly 0. */
static void judge_zero(checks_state *state, check_id check, double value, uint64_t line) {
    judge(state, check, fabs(value), line);
}

static bool rectified(const ps_trace_layer *layer) { return strcmp(layer->activation, "relu") == 0; }

static void judge_shut_gate(checks_state *state, const ps_frame *frame, const ps_trace_layer *layer, int node, double steps,
                            uint64_t line) {
    double norm = ps_frame_value(frame, PS_Q_grad_norm_rms, node), zero = ps_frame_value(frame, PS_Q_grad_zero_steps, node);
    double row_zero = ps_frame_value(frame, PS_Q_pool_row_grad_zero_steps, node);
    double path = ps_frame_value(frame, PS_Q_pool_grad_path, node),
           total = ps_frame_value(frame, PS_Q_pool_grad_total, node);
    if (layer->pool_skip == NULL) {
        judge_zero(state, CHECK_shut_gate_no_gradient, norm, line);
        if (isfinite(norm) || ps_is_absent(norm)) judge_zero(state, CHECK_shut_gate_no_gradient, steps - zero, line);
        return;
    }
    if (isfinite(ps_frame_value(frame, PS_Q_pool_row_grad_rms, node)))
        judge_zero(state, CHECK_shut_gate_no_row_gradient, steps - row_zero, line);
    judge_zero(state, CHECK_shut_gate_no_identity, ps_frame_value(frame, PS_Q_pool_grad_identity, node), line);
    judge(state, CHECK_shut_gate_all_by_pool, fabs(total - path) - 1e-5 * fabs(path), line);
}

static bool inputs_shut(const ps_run *run, const ps_frame *frame, const ps_trace_layer *layer) {
    const cJSON *item =
        cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(run->header->document, "layers"), (int)(layer - run->layers));
    int named = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(item, "inputs"));
    if (layer->input_count == 0 || named != layer->input_count)
        return false; /* it also reads what the trace does not name */
    for (int i = 0; i < layer->input_count; i++) {
        const ps_trace_layer *input = &run->layers[layer->inputs[i]];
        for (int node = input->first_node; node < input->first_node + input->channels; node++)
            if (!(ps_frame_value(frame, PS_Q_zeros, node) == 1)) return false;
    }
    return true;
}

/* Rounding: every step rounds each weight (half a unit of 2^-23 of its size), and the parts are sums in single precision. */
static void judge_update(checks_state *state, const ps_frame *frame, int node, double steps, uint64_t line) {
    double path = ps_frame_value(frame, PS_Q_path, node), start = ps_frame_value(frame, PS_Q_weight_start_l2, node);
    double parts = ps_frame_value(frame, PS_Q_path_gradient, node) + ps_frame_value(frame, PS_Q_path_carried, node) +
                   ps_frame_value(frame, PS_Q_path_decay, node);
    double residual = ps_frame_value(frame, PS_Q_path_residual, node);
    double slack = 1.2e-7 * steps * (start + path) + 1e-5 * parts;
    judge(state, CHECK_update_parts_add_up, residual - slack, line);
    judge(state, CHECK_net_within_path, ps_frame_value(frame, PS_Q_net, node) - path * (1 + 1e-5), line);
    judge(state, CHECK_path_within_parts, path - (parts + residual) * (1 + 1e-5), line);
}

static void judge_energies(checks_state *state, const ps_frame *frame, int node, uint64_t line) {
    double identity = ps_frame_value(frame, PS_Q_pool_identity, node), path = ps_frame_value(frame, PS_Q_pool_path, node);
    if (state->cut_forward) path = 0;
    double whole = ps_frame_value(frame, PS_Q_pool_output, node), both = identity + path, cross = 2 * sqrt(identity * path);
    judge(state, CHECK_pool_parts_add_up, fmax(whole - both - cross, both - cross - whole) - 1e-4 * both, line);
}

static void take_window_layer(checks_state *state, const ps_frame *frame, int l) {
    const ps_run *run = state->in.run;
    const ps_trace_layer *layer = &run->layers[l];
    const ps_window_info *window = &run->windows[frame->index];
    double steps = (double)(window->last - window->first + 1);
    bool starved = !layer->shared && inputs_shut(run, frame, layer);
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++) {
        bool shut = rectified(layer) && ps_frame_value(frame, PS_Q_zeros, node) == 1;
        if (layer->shared) continue;
        if (shut) judge_shut_gate(state, frame, layer, node, steps, frame->line[l]);
        if (starved)
            judge_zero(state, CHECK_shut_inputs_no_gradient, ps_frame_value(frame, PS_Q_grad_norm_rms, node),
                       frame->line[l]);
        judge_update(state, frame, node, steps, frame->line[l]);
        if (layer->pool_skip != NULL) judge_energies(state, frame, node, frame->line[l]);
    }
}

static void take_probe_layer(checks_state *state, const ps_frame *frame, int l) {
    const ps_trace_layer *layer = &state->in.run->layers[l];
    for (int node = layer->first_node; rectified(layer) && node < layer->first_node + layer->channels; node++) {
        double nonzero = ps_frame_value(frame, PS_Q_nonzero, node), images = ps_frame_value(frame, PS_Q_images_active, node);
        double most = ps_frame_value(frame, PS_Q_pre_max, node);
        if (!isfinite(nonzero)) continue;
        if (isfinite(images)) judge(state, CHECK_dead_is_silent, (nonzero == 0) != (images == 0), frame->line[l]);
        if (isfinite(most)) judge(state, CHECK_dead_is_silent, (nonzero == 0) != (most <= 0), frame->line[l]);
    }
}

static ps_status take(void *context, const ps_frame *frame) {
    checks_state *state = context;
    for (int l = 0; l < state->in.run->layer_count; l++) {
        if (frame->line[l] == 0) continue;
        if (frame->is_window) take_window_layer(state, frame, l);
        else take_probe_layer(state, frame, l);
    }
    return PS_OK;
}

static ps_status end(void *context) {
    checks_state *state = context;
    const ps_run *run = state->in.run;
    for (int c = 0; c < CHECKS; c++) {
        char place[512] = "NA", name[64];
        if (state->violations[c] > 0)
            snprintf(place, sizeof place, "%s:%llu", run->header->path, (unsigned long long)state->line[c]);
        ps_tables_row(state->in.tables, PS_TABLE_checks, "sssldddds", checks[c].id, checks[c].statement, run->arm,
                      run->header->seed, state->cases[c], state->violations[c],
                      state->cases[c] > 0 ? state->worst[c] : ps_absent(),
                      state->cases[c] > 0 ? (double)(state->violations[c] == 0) : ps_absent(), place);
        snprintf(name, sizeof name, "check_%s", checks[c].id);
        PS_TRY(ps_summary_set(state->in.summary, name, state->violations[c], state->cases[c], state->line[c]));
    }
    return PS_OK;
}

const ps_metric ps_metric_checks = {"checks", begin, take, NULL, end, ps_free, 0};
