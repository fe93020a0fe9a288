/* Average pooling: x [n][d][h][w][c] -> y [n][od][oh][ow][c]; padded zeros count in the divisor, PyTorch's default. */
#include "core/memory.h"
#include "layers/list.h"
#include "layers/rounding.h"
#include "layers/tangent.h"
#include "layers/window.h"

static ps_status avg_pool_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads,
                               void **plan, ps_layer_sizes *sizes) {
    (void)config, (void)inputs, (void)out, (void)threads;
    *plan = NULL;
    *sizes = (ps_layer_sizes){.workspace_bytes = ps_rounding_means_bytes(in[0])};
    return PS_OK;
}

static void avg_pool_forward(const ps_layer_call *call) {
    ps_pool_window window = ps_window_resolve(call->config, call->in_shape[0], call->out_shape);
    ps_avgpool_forward(&window, call->x[0], call->y, call->threads);
}

static void avg_pool_backward(const ps_layer_call *call) {
    if (call->dx[0] == NULL) return;
    ps_pool_window window = ps_window_resolve(call->config, call->in_shape[0], call->out_shape);
    ps_avgpool_backward(&window, call->dy, call->dx[0], call->accumulate[0], call->threads);
}

static const char *const avg_pool_samples[] = {
    "{\"inputs\": [[2, 3, 1, 7, 5]], \"attributes\": {}}",
    "{\"inputs\": [[2, 3, 1, 7, 8]], \"attributes\": {\"kernel\": 3, \"stride\": 2, \"padding\": 1}}",
    "{\"inputs\": [[1, 4, 1, 6, 9]], \"attributes\": {\"kernel\": [2, 3], \"stride\": [3, 1]}}",
    "{\"inputs\": [[1, 3, 5, 4, 5]], \"attributes\": {\"kernel\": 2}}", NULL};

const ps_layer_type ps_layer_avg_pool = {
    .name = "avg_pool",
    .summary = "mean of each window, padding counted",
    .attributes = ps_window_attributes,
    .config_bytes = sizeof(ps_window_config),
    .role = PS_ROLE_HANDS_ON,
    .min_inputs = 1,
    .max_inputs = 1,
    .complete = ps_window_complete,
    .infer = ps_window_infer,
    .plan = avg_pool_plan,
    .forward = avg_pool_forward,
    .backward = avg_pool_backward,
    .rounding = ps_rounding_means,
    .carries_bounds = true,
    .tangent_forward = ps_tangent_linear_forward,
    .tangent_backward = ps_tangent_linear_backward,
    .samples = avg_pool_samples,
};
