/* ReLU6: y = min(max(x, 0), 6), elementwise; its derivative at 0 and at 6 is 0. Source: Krizhevsky 2010. */
#include <math.h>

#include "layers/attributes.h"
#include "layers/curved.h"
#include "layers/list.h"
#include "layers/rounding.h"

static const ps_curve relu6 = {.kind = PS_CURVE_RELU6};

static void relu6_forward(const ps_layer_call *call) { ps_curved_forward(call, relu6); }
static void relu6_backward(const ps_layer_call *call) { ps_curved_backward(call, relu6, call->y); }

/* The mask is fixed: a tangent passes where the output did. */
static void relu6_tangent_forward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    ps_curve_backward(relu6, call->y, tangent->x[0], call->out_shape, tangent->y, false, NULL, call->workspace,
                      call->threads);
}

static void relu6_tangent_backward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    if (tangent->dx[0] == NULL) return;
    ps_curve_backward(relu6, call->y, tangent->dy, call->out_shape, tangent->dx[0], false, NULL, call->workspace,
                      call->threads);
}

static bool relu6_gate(const void *config, ps_gate *gate) {
    (void)config;
    *gate = (ps_gate){
        .activation = "relu6", .rectifies = true, .keeps_zero = true, .slope = 0.0f, .ceiling = PS_CURVE_CEILING};
    return true;
}

static const char *const relu6_samples[] = {"{\"inputs\": [[3, 5, 1, 4, 3]], \"attributes\": {}}",
                                            "{\"inputs\": [[2, 67, 2, 3, 2]], \"within\": 7.3, \"attributes\": {}}",
                                            NULL};

const ps_layer_type ps_layer_relu6 = {
    .name = "relu6",
    .summary = "rectifier with a ceiling, min(max(x, 0), 6)",
    .role = PS_ROLE_GATE,
    .min_inputs = 1,
    .max_inputs = 1,
    .needs_output = true,
    .in_place = true,
    .fused_sums = 1u << PS_SUM_ZEROS | 1u << PS_SUM_INPUT_GRAD_SQUARES,
    .infer = ps_infer_same,
    .plan = ps_curved_plan,
    .forward = relu6_forward,
    .backward = relu6_backward,
    .gate = relu6_gate,
    .rounding = ps_rounding_rectifier,
    .carries_bounds = true,
    .edges = ps_edges_activation,
    .tangent_forward = relu6_tangent_forward,
    .tangent_backward = relu6_tangent_backward,
    .samples = relu6_samples,
};
