/* Max pooling: x [n][d][h][w][c] -> y [n][od][oh][ow][c]; the winners' places (int32, one per output) are the save. */
#include "core/memory.h"
#include "layers/list.h"
#include "layers/rounding.h"
#include "layers/tangent.h"
#include "layers/window.h"

static ps_status max_pool_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads,
                               void **plan, ps_layer_sizes *sizes) {
    (void)config, (void)in, (void)inputs, (void)threads;
    *plan = NULL;
    *sizes = (ps_layer_sizes){.save_bytes = ps_shape_elements(out) * sizeof(int32_t)};
    return PS_OK;
}

static void max_pool_forward(const ps_layer_call *call) {
    ps_pool_window window = ps_window_resolve(call->config, call->in_shape[0], call->out_shape);
    ps_maxpool_forward(&window, call->x[0], call->y, call->save, call->threads);
    if (call->turn) ps_maxpool_turn(&window, call->x[0], call->in_bound[0], call->y, call->save, call->threads);
}

/* A maximum moves by no more than the most that one of its values does. */
static void max_pool_rounding(const ps_layer_call *call) {
    ps_pool_window window = ps_window_resolve(call->config, call->in_shape[0], call->out_shape);
    ps_maxpool_forward(&window, call->in_bound[0], call->bound, NULL, call->threads);
}

static void max_pool_backward(const ps_layer_call *call) {
    if (call->dx[0] == NULL) return;
    ps_pool_window window = ps_window_resolve(call->config, call->in_shape[0], call->out_shape);
    ps_maxpool_backward(&window, call->dy, call->save, call->dx[0], call->accumulate[0], call->threads);
}

/* The winners are fixed: their tangents are gathered. */
static void max_pool_tangent_forward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    ps_maxunpool_backward(call->out_shape, call->in_shape[0], tangent->x[0], call->save, tangent->y, false,
                          call->threads);
}

static const char *const max_pool_samples[] = {
    "{\"inputs\": [[2, 3, 1, 7, 5]], \"attributes\": {}}",
    "{\"inputs\": [[2, 3, 1, 7, 8]], \"attributes\": {\"kernel\": 3, \"stride\": 2, \"padding\": 1}}",
    "{\"inputs\": [[1, 4, 1, 6, 9]], \"attributes\": {\"kernel\": [2, 3], \"stride\": [3, 1]}}",
    "{\"inputs\": [[1, 3, 5, 4, 5]], \"attributes\": {\"kernel\": 2}}",
    "{\"inputs\": [[1, 2, 3, 4, 5]], \"attributes\": {\"kernel\": [1, 2, 2], \"stride\": [2, 2, 1]}}",
    "{\"inputs\": [[1, 2, 3, 4, 5]], \"attributes\": {\"kernel\": [2, 2]}}",
    NULL};

const ps_layer_type ps_layer_max_pool = {
    .name = "max_pool",
    .summary = "maximum of each window",
    .attributes = ps_window_attributes,
    .config_bytes = sizeof(ps_window_config),
    .role = PS_ROLE_HANDS_ON,
    .min_inputs = 1,
    .max_inputs = 1,
    .complete = ps_window_complete,
    .infer = ps_window_infer,
    .plan = max_pool_plan,
    .forward = max_pool_forward,
    .backward = max_pool_backward,
    .rounding = max_pool_rounding,
    .carries_bounds = true,
    .tangent_forward = max_pool_tangent_forward,
    .tangent_backward = ps_tangent_linear_backward,
    .samples = max_pool_samples,
};
