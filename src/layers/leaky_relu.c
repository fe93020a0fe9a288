/* Leaky ReLU: y = x > 0 ? x : slope x, elementwise. */
#include <math.h>

#include "kernels/pointwise.h"
#include "layers/attributes.h"
#include "layers/list.h"
#include "layers/rectifier.h"
#include "layers/rounding.h"
#include "layers/tangent.h"

typedef struct {
    double slope;
} leaky_config;

static const ps_attribute leaky_attributes[] = {
    {"slope", PS_ATTRIBUTE_NUMBER, offsetof(leaky_config, slope), "0.01", 0, 1, NULL, "on the negative side"}, {0}};

static float slope_of(const void *config) { return (float)((const leaky_config *)config)->slope; }

/* Slope 0 is the ReLU. */
static void leaky_rounding(const ps_layer_call *call) {
    size_t count = ps_shape_elements(call->out_shape);
    ps_vector_copy(call->in_bound[0], count, call->bound, call->threads);
    ps_rounding_add_few(call->x[0], count, call->bound, call->threads); /* of the slope */
}

static bool leaky_gate(const void *config, ps_gate *gate) {
    float slope = slope_of(config);
    *gate = (ps_gate){.activation = slope == 0 ? "relu" : "leaky_relu",
                      .rectifies = slope == 0,
                      .keeps_zero = true,
                      .slope = slope,
                      .ceiling = INFINITY};
    return true;
}

static void leaky_flat(const ps_layer_call *call, const float *v, double *count) {
    float slope = slope_of(call->config);
    ps_flat_below_zero(v, call->out_shape, &slope, 0, count);
}

static const char *const leaky_samples[] = {"{\"inputs\": [[3, 5, 1, 4, 3]], \"attributes\": {}}",
                                            "{\"inputs\": [[2, 3, 2, 3, 2]], \"attributes\": {\"slope\": 0.25}}",
                                            "{\"inputs\": [[2, 3, 1, 3, 2]], \"attributes\": {\"slope\": 0}}", NULL};

const ps_layer_type ps_layer_leaky_relu = {
    .name = "leaky_relu",
    .summary = "leaky rectifier: x where positive, slope x elsewhere",
    .attributes = leaky_attributes,
    .config_bytes = sizeof(leaky_config),
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
    .gate = leaky_gate,
    .flat = leaky_flat,
    .rounding = leaky_rounding,
    .carries_bounds = true,
    .edges = ps_edges_activation,
    .tangent_forward = ps_rectifier_tangent_forward,
    .tangent_backward = ps_tangent_linear_backward,
    .samples = leaky_samples,
};
