/* ReLU: y = max(x, 0), elementwise; its derivative at 0 is 0. */
#include <math.h>

#include "layers/attributes.h"
#include "layers/list.h"
#include "layers/rectifier.h"
#include "layers/rounding.h"
#include "layers/tangent.h"

static bool relu_gate(const void *config, ps_gate *gate) {
    (void)config;
    *gate = (ps_gate){.activation = "relu", .rectifies = true, .keeps_zero = true, .ceiling = INFINITY};
    return true;
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
    .plan = ps_rectifier_plan,
    .forward = ps_rectifier_forward,
    .backward = ps_rectifier_backward,
    .gate = relu_gate,
    .rounding = ps_rounding_rectifier,
    .carries_bounds = true,
    .edges = ps_edges_activation,
    .tangent_forward = ps_rectifier_tangent_forward,
    .tangent_backward = ps_tangent_linear_backward,
    .samples = relu_samples,
};
