/* Max unpooling: puts each value of input 0 at the place where the max_pool node of input 1 found its maximum, zero
 * elsewhere; the output has that node's input shape. Only the places of input 1 are used, so it gets no gradient. */
#include <string.h>

#include "core/memory.h"
#include "layers/list.h"
#include "layers/rounding.h"
#include "layers/tangent.h"
#include "layers/window.h"

static ps_status max_unpool_infer(const void *config, const ps_layer_input *in, int inputs, const char *where,
                                  ps_shape *out) {
    (void)config, (void)inputs;
    if (in[1].producer == NULL || in[1].producer != &ps_layer_max_pool)
        return ps_fail(PS_ERR_INPUT,
                       "%s: the second input of max_unpool must be the max_pool node whose places it uses, not %s",
                       where, in[1].producer == NULL ? "the network input" : in[1].producer->name);
    PS_TRY(ps_inputs_equal(in, 2, "max_unpool", where));
    ps_pool_window w = ps_window_resolve(in[1].producer_config, in[1].producer_input, in[1].shape);
    /* Overlapping windows may share a winner: two values would then go to one place. */
    if (w.stride_d < w.kd || w.stride_h < w.kh || w.stride_w < w.kw)
        return ps_fail(PS_ERR_INPUT,
                       "%s: max_unpool needs a max_pool whose windows do not overlap; make its \"stride\" at least "
                       "its \"kernel\"",
                       where);
    *out = in[1].producer_input;
    return PS_OK;
}

static void max_unpool_forward(const ps_layer_call *call) {
    ps_maxunpool_forward(call->in_shape[0], call->out_shape, call->x[0], call->in_save[1], call->y, call->threads);
}

static void max_unpool_backward(const ps_layer_call *call) {
    if (call->dx[0] != NULL)
        ps_maxunpool_backward(call->in_shape[0], call->out_shape, call->dy, call->in_save[1], call->dx[0],
                              call->accumulate[0], call->threads);
    if (call->dx[1] != NULL && !call->accumulate[1])
        memset(call->dx[1], 0, ps_shape_elements(call->in_shape[1]) * sizeof(float));
}

static bool max_unpool_selects(const void *config) {
    (void)config;
    return true;
}

static const char *const max_unpool_samples[] = {
    "{\"pool\": {}, \"inputs\": [[2, 3, 1, 7, 5]], \"attributes\": {}}",
    "{\"pool\": {\"kernel\": 2, \"stride\": 3}, \"inputs\": [[2, 3, 1, 8, 9]], \"attributes\": {}}",
    "{\"pool\": {\"kernel\": 3, \"padding\": 1}, \"inputs\": [[1, 3, 1, 7, 7]], \"attributes\": {}}",
    "{\"pool\": {\"kernel\": 2}, \"inputs\": [[1, 3, 5, 4, 3]], \"attributes\": {}}", NULL};

const ps_layer_type ps_layer_max_unpool = {
    .name = "max_unpool",
    .summary = "puts values (input 0) back where the max_pool node given as input 1 found its maxima",
    .role = PS_ROLE_HANDS_ON,
    .min_inputs = 2,
    .max_inputs = 2,
    .value_inputs = 1,
    .infer = max_unpool_infer,
    .forward = max_unpool_forward,
    .backward = max_unpool_backward,
    .rounding = ps_rounding_hand_on,
    .carries_bounds = true,
    .selects = max_unpool_selects,
    .tangent_forward = ps_tangent_linear_forward,
    .tangent_backward = ps_tangent_linear_backward,
    .samples = max_unpool_samples,
};
