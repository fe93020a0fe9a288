/* Mean over all positions: x [n][d][h][w][c] -> y [n][c]. */
#include "kernels/pooling.h"
#include "layers/attributes.h"
#include "layers/list.h"
#include "layers/rounding.h"
#include "layers/tangent.h"

static ps_status global_infer(const void *config, const ps_layer_input *in, int inputs, const char *where,
                              ps_shape *out) {
    (void)config, (void)inputs, (void)where;
    *out = (ps_shape){in[0].shape.n, in[0].shape.c, 1, 1, 1};
    return PS_OK;
}

static ps_status global_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads, void **plan,
                             ps_layer_sizes *sizes) {
    (void)config, (void)inputs, (void)out, (void)threads;
    *plan = NULL;
    *sizes = (ps_layer_sizes){.workspace_bytes = ps_rounding_means_bytes(in[0])};
    return PS_OK;
}

static void global_forward(const ps_layer_call *call) {
    ps_global_avgpool_forward(call->in_shape[0], call->x[0], call->y, call->threads);
}

static void global_backward(const ps_layer_call *call) {
    if (call->dx[0] == NULL) return;
    ps_global_avgpool_backward(call->in_shape[0], call->dy, call->dx[0], call->accumulate[0], call->threads);
}

static const char *const global_samples[] = {"{\"inputs\": [[3, 5, 1, 4, 3]], \"attributes\": {}}",
                                             "{\"inputs\": [[2, 3, 2, 3, 5]], \"attributes\": {}}", NULL};

const ps_layer_type ps_layer_global_avg_pool = {
    .name = "global_avg_pool",
    .summary = "mean over all positions of each channel",
    .role = PS_ROLE_HANDS_ON,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = global_infer,
    .plan = global_plan,
    .forward = global_forward,
    .backward = global_backward,
    .rounding = ps_rounding_means,
    .carries_bounds = true,
    .tangent_forward = ps_tangent_linear_forward,
    .tangent_backward = ps_tangent_linear_backward,
    .samples = global_samples,
};
