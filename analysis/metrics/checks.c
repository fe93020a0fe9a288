/* Instrument checks: identities. A violation means that a trace's quantities contradict each other: the run is
 * faulty. */
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
    /* mechanism arms: the pool path is worked out, not added; it is added, and hands no gradient on */
    bool cut_forward, cut_gradient;
    double cases[CHECKS], violations[CHECKS], worst[CHECKS];
    uint64_t line[CHECKS];
    /* Gradients behind shut gates of layers that name no module, in a run that has some: mostly one that the header
     * does not name. The first such layer and line. */
    double unnamed;
    int unnamed_layer;
    uint64_t unnamed_line;
} checks_state;

static ps_status begin(const ps_metric_input *input, void **out) {
    checks_state *state;
    PS_TRY(PS_ALLOC(1, &state, "checks"));
    ps_arm_cut cut = input->run->header->arm_is.cut;
    state->in = *input;
    state->cut_forward = cut == PS_CUT_FORWARD;
    state->cut_gradient = cut == PS_CUT_GRADIENT;
    *out = state;
    return PS_OK;
}

/* excess: by how much the identity is missed, 0 or less when it holds. Non-finite numbers contradict nothing: a
 * diverged run multiplies 0 by infinity. */
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

/* A case is a batch that shut the gate; `quantity` counts those of them on which the identity did not hold. */
static void judge_batches(checks_state *state, check_id check, const ps_frame *frame, ps_trace_quantity quantity,
                          int node, uint64_t line) {
    double bad = ps_frame_value(frame, quantity, node), shut = ps_frame_value(frame, PS_Q_shut_steps, node);
    if (!isfinite(bad)) return;
    state->cases[check] += isfinite(shut) ? fmax(shut, bad) : bad;
    if (bad <= 0) return;
    if (state->violations[check] == 0) state->line[check] = line;
    state->violations[check] += bad;
    state->worst[check] = fmax(state->worst[check], bad);
}

static bool rectified(const ps_trace_layer *layer) { return strcmp(layer->activation, "relu") == 0; }

/* The gradient of the filter reaches a node behind a shut gate by the pool path alone. */
static bool has_way_around(const checks_state *state, const ps_trace_layer *layer) {
    return layer->pool_skip != NULL && !state->cut_gradient;
}

static void judge_shut_batches(checks_state *state, const ps_frame *frame, const ps_trace_layer *layer, int node,
                               uint64_t line) {
    if (!has_way_around(state, layer))
        judge_batches(state, CHECK_shut_gate_no_gradient, frame, PS_Q_shut_filter_grad_steps, node, line);
    judge_batches(state, CHECK_shut_gate_no_gamma_gradient, frame, PS_Q_shut_gamma_grad_steps, node, line);
    judge_batches(state, CHECK_shut_gate_no_beta_gradient, frame, PS_Q_shut_beta_grad_steps, node, line);
    judge_batches(state, CHECK_shut_gate_no_row_gradient, frame, PS_Q_shut_pool_row_grad_steps, node, line);
    judge_batches(state, CHECK_shut_gate_no_identity, frame, PS_Q_shut_identity_grad_steps, node, line);
    judge_batches(state, CHECK_dead_input_no_gradient, frame, PS_Q_shut_reader_grad_steps, node, line);
}

/* Counted batch by batch where that was recorded: a share of zeros is rounded to 9 digits. */
static bool shut_throughout(const ps_frame *frame, int node, double steps) {
    double shut = ps_frame_value(frame, PS_Q_shut_steps, node);
    if (steps == 0) return false;
    return isfinite(shut) ? shut == steps : ps_frame_value(frame, PS_Q_zeros, node) == 1;
}

/* A share of 9 digits tells a single open output apart from none where there are fewer than 1e9 (batches of up to
 * 1000). */
static void judge_shut_steps(checks_state *state, const ps_frame *frame, const ps_trace_layer *layer, int node,
                             double steps, uint64_t line) {
    double zeros = ps_frame_value(frame, PS_Q_zeros, node), shut = ps_frame_value(frame, PS_Q_shut_steps, node);
    bool missed = zeros == 1 && shut < steps && layer->elements > 0 && layer->elements * steps < 1e6;
    judge(state, CHECK_shut_steps_agree, missed ? steps - shut : shut / steps - zeros - 1e-8, line);
}

/* What the sums over a window say of a gate that was shut throughout. */
static void judge_shut_gate(checks_state *state, const ps_frame *frame, const ps_trace_layer *layer, int node,
                            double steps, uint64_t line) {
    double norm = ps_frame_value(frame, PS_Q_grad_norm_rms, node),
           zero = ps_frame_value(frame, PS_Q_grad_zero_steps, node);
    double row_zero = ps_frame_value(frame, PS_Q_pool_row_grad_zero_steps, node);
    double path = ps_frame_value(frame, PS_Q_pool_grad_path, node),
           total = ps_frame_value(frame, PS_Q_pool_grad_total, node);
    if (!has_way_around(state, layer)) {
        judge_zero(state, CHECK_shut_gate_no_gradient, norm, line);
        if (isfinite(norm) || ps_is_absent(norm)) judge_zero(state, CHECK_shut_gate_no_gradient, steps - zero, line);
    }
    if (layer->pool_skip == NULL) return;
    if (isfinite(ps_frame_value(frame, PS_Q_pool_row_grad_rms, node)))
        judge_zero(state, CHECK_shut_gate_no_row_gradient, steps - row_zero, line);
    judge_zero(state, CHECK_shut_gate_no_identity, ps_frame_value(frame, PS_Q_pool_grad_identity, node), line);
    judge(state, CHECK_shut_gate_all_by_pool, fabs(total - path) - 1e-5 * fabs(path), line);
}

/* Rounding: every step rounds each weight (half a unit of 2^-23 of its size), and the parts are sums in single
 * precision. */
static void judge_update(checks_state *state, const ps_frame *frame, int node, double steps, bool all, uint64_t line) {
    double path = ps_frame_value(frame, PS_Q_path, node), start = ps_frame_value(frame, PS_Q_weight_start_l2, node);
    double parts = ps_frame_value(frame, PS_Q_path_gradient, node) + ps_frame_value(frame, PS_Q_path_carried, node) +
                   ps_frame_value(frame, PS_Q_path_decay, node);
    double residual = ps_frame_value(frame, PS_Q_path_residual, node);
    double slack = 1.2e-7 * steps * (start + path) + 1e-5 * parts;
    judge(state, CHECK_update_parts_add_up, residual - slack, line);
    if (all) judge(state, CHECK_net_within_path, ps_frame_value(frame, PS_Q_net, node) - path * (1 + 1e-5), line);
    judge(state, CHECK_path_within_parts, path - (parts + residual) * (1 + 1e-5), line);
}

/* |a + b|^2 = |a|^2 + |b|^2 + 2 a b, each a sum of its own over the batch: in single precision for a few dozen terms at
 * a time, then in double (kernels/rows.h). Squares of what is smaller than 1e-19 leave the range of single precision:
 * up to 1e9 terms of an error of 1e-45 each. */
static void judge_parts(checks_state *state, check_id check, double whole, double one, double other, double cross,
                        uint64_t line) {
    judge(state, check, fabs(whole - one - other - 2 * cross) - 1e-5 * (one + other) - 1e-35, line);
}

static void judge_energies(checks_state *state, const ps_frame *frame, int node, uint64_t line) {
    double identity = ps_frame_value(frame, PS_Q_pool_identity, node),
           path = ps_frame_value(frame, PS_Q_pool_path, node);
    double cross = ps_frame_value(frame, PS_Q_pool_cross, node), whole = ps_frame_value(frame, PS_Q_pool_output, node);
    if (state->cut_forward) path = 0;
    judge_parts(state, CHECK_pool_parts_add_up, whole, identity, path, cross, line);
    identity = ps_frame_value(frame, PS_Q_pool_grad_identity, node),
    path = ps_frame_value(frame, PS_Q_pool_grad_path, node);
    cross = ps_frame_value(frame, PS_Q_pool_grad_cross, node),
    whole = ps_frame_value(frame, PS_Q_pool_grad_total, node);
    judge_parts(state, CHECK_pool_gradient_parts_add_up, whole, identity, path, cross, line);
}

static void note_unnamed(checks_state *state, int l, double violations, uint64_t line) {
    if (violations <= 0 || state->in.run->layers[l].pool_skip != NULL || !state->in.run->header->has_module) return;
    if (state->unnamed == 0) {
        state->unnamed_layer = l;
        state->unnamed_line = line;
    }
    state->unnamed += violations;
}

static void take_window_layer(checks_state *state, const ps_frame *frame, int l) {
    const ps_run *run = state->in.run;
    double before = state->violations[CHECK_shut_gate_no_gradient];
    const ps_trace_layer *layer = &run->layers[l];
    const ps_window_info *window = &run->windows[frame->index];
    double steps = (double)(window->last - window->first + 1), sampled = frame->sampled[l];
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++) {
        bool closed = rectified(layer) && shut_throughout(frame, node, sampled);
        judge_shut_batches(state, frame, layer, node, frame->line[l]);
        judge_shut_steps(state, frame, layer, node, sampled, frame->line[l]);
        if (layer->shared) continue;
        if (closed) judge_shut_gate(state, frame, layer, node, sampled, frame->line[l]);
        judge_update(state, frame, node, steps, sampled == steps, frame->line[l]);
        if (layer->pool_skip != NULL) judge_energies(state, frame, node, frame->line[l]);
    }
    note_unnamed(state, l, state->violations[CHECK_shut_gate_no_gradient] - before, frame->line[l]);
}

static void take_probe_layer(checks_state *state, const ps_frame *frame, int l) {
    const ps_trace_layer *layer = &state->in.run->layers[l];
    for (int node = layer->first_node; rectified(layer) && node < layer->first_node + layer->channels; node++) {
        double nonzero = ps_frame_value(frame, PS_Q_nonzero, node),
               images = ps_frame_value(frame, PS_Q_images_active, node);
        double most = ps_frame_value(frame, PS_Q_pre_max, node);
        if (!isfinite(nonzero)) continue;
        if (isfinite(images)) judge(state, CHECK_dead_is_silent, (nonzero == 0) != (images == 0), frame->line[l]);
        if (isfinite(most)) judge(state, CHECK_dead_is_silent, (nonzero == 0) != (most <= 0), frame->line[l]);
    }
}

/* Both bounds stand around the value itself, and rounding is monotonic: no slack. */
static void judge_edge(checks_state *state, const ps_frame *frame, int l) {
    const ps_trace_layer *layer = &state->in.run->layers[l];
    for (int node = layer->first_node; node < layer->first_node + layer->channels; node++) {
        double most = ps_frame_value(frame, PS_Q_pre_max, node), low = ps_frame_value(frame, PS_Q_pre_max_low, node),
               high = ps_frame_value(frame, PS_Q_pre_max_high, node);
        if (!isnan(low) && !isnan(high) && isfinite(most))
            judge(state, CHECK_edge_holds_what_enters, most < low || most > high, frame->line[l]);
    }
}

static ps_status take(void *context, const ps_frame *frame) {
    checks_state *state = context;
    for (int l = 0; l < state->in.run->layer_count; l++) {
        if (frame->line[l] == 0) continue;
        if (frame->is_window) take_window_layer(state, frame, l);
        else {
            take_probe_layer(state, frame, l);
            judge_edge(state, frame, l);
        }
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
    if (state->unnamed > 0)
        return ps_summary_set(state->in.summary, "unnamed_module", state->unnamed, state->unnamed_layer,
                              state->unnamed_line);
    return PS_OK;
}

const ps_metric ps_metric_checks = {"checks", begin, take, NULL, end, ps_free, 0};
