/* ReLU: y = max(x, 0), elementwise on [n][d][h][w][c]; its derivative at 0 is 0. */
#include "kernels/pointwise.h"
#include "layers/attributes.h"
#include "layers/list.h"
#include "layers/rounding.h"
#include "layers/tangent.h"

static ps_status relu_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads, void **plan,
                           ps_layer_sizes *sizes) {
    (void)config, (void)in, (void)inputs, (void)threads;
    *plan = NULL;
    size_t forward = ps_pointwise_workspace_bytes(ps_shape_positions(out), out.c),
           edges = ps_rounding_entry_bytes(ps_shape_positions(out), out.c);
    *sizes = (ps_layer_sizes){.workspace_bytes = forward > edges ? forward : edges};
    return PS_OK;
}

static void relu_forward(const ps_layer_call *call) {
    ps_activation_forward(call->x[0], ps_shape_positions(call->out_shape), call->out_shape.c, 0.0f, call->y,
                          call->sums[PS_SUM_ZEROS], call->workspace, call->threads);
}

static void relu_backward(const ps_layer_call *call) {
    if (call->dx[0] == NULL) return;
    ps_activation_backward(call->y, call->dy, ps_shape_positions(call->out_shape), call->out_shape.c, 0.0f, call->dx[0],
                           call->accumulate[0], call->sums[PS_SUM_INPUT_GRAD_SQUARES], call->workspace, call->threads);
}

static bool relu_gate(const void *config, ps_gate *gate) {
    (void)config;
    *gate = (ps_gate){"relu", true, 0.0f};
    return true;
}

/* The mask is fixed: a tangent passes where the output did. */
static void relu_tangent_forward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    ps_activation_backward(call->y, tangent->x[0], ps_shape_positions(call->out_shape), call->out_shape.c, 0.0f,
                           tangent->y, false, NULL, call->workspace, call->threads);
}

static const char *const relu_samples[] = {"{\"inputs\": [[3, 5, 1, 4, 3]], \"attributes\": {}}",
                                           "{\"inputs\": [[2, 3, 2, 3, 2]], \"attributes\": {}}", NULL};

const ps_layer_type ps_layer_relu = {
    .name = "relu",
    .summary = "rectifier max(x, 0)",
    .role = PS_ROLE_GATE,
    .min_inputs = 1,
    .max_inputs = 1,
    .needs_output = true,
    .in_place = true,
    .fused_sums = 1u << PS_SUM_ZEROS | 1u << PS_SUM_INPUT_GRAD_SQUARES,
    .infer = ps_infer_same,
    .plan = relu_plan,
    .forward = relu_forward,
    .backward = relu_backward,
    .gate = relu_gate,
    .rounding = ps_rounding_rectifier,
    .carries_bounds = true,
    .edges = ps_edges_activation,
    .tangent_forward = relu_tangent_forward,
    .tangent_backward = ps_tangent_linear_backward,
    .samples = relu_samples,
};
