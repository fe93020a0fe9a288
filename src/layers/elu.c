/* ELU: y = x > 0 ? x : alpha (exp(x) - 1), elementwise; its derivative at 0 is alpha. Source: Clevert et al. 2016. */
#include <math.h>

#include "layers/attributes.h"
#include "layers/curved.h"
#include "layers/list.h"

typedef struct {
    double alpha;
} elu_config;

static const ps_attribute elu_attributes[] = {
    {"alpha", PS_ATTRIBUTE_NUMBER, offsetof(elu_config, alpha), "1", 0.001, 100, NULL, "how far below 0 it goes"}, {0}};

static double alpha_of(const ps_layer_call *call) { return ((const elu_config *)call->config)->alpha; }
static ps_curve curve_of(const ps_layer_call *call) {
    return (ps_curve){.kind = PS_CURVE_ELU, .alpha = (float)alpha_of(call)};
}

static void elu_forward(const ps_layer_call *call) { ps_curved_forward(call, curve_of(call)); }
static void elu_backward(const ps_layer_call *call) { ps_curved_backward(call, curve_of(call), call->x[0]); }
static void elu_rounding(const ps_layer_call *call) {
    ps_curved_rounding(call, alpha_of(call) > 1 ? (float)alpha_of(call) : 1);
}
static void elu_flat(const ps_layer_call *call, const float *v, double *count) {
    ps_curved_flat(call, curve_of(call), v, count);
}

static bool elu_gate(const void *config, ps_gate *gate) {
    (void)config;
    return ps_curved_gate("elu", gate);
}

static ps_curve_slopes elu_slopes(double alpha, double x) {
    double below = (double)(float)alpha * exp(x < 0 ? x : 0);
    return x > 0 ? (ps_curve_slopes){1, 0} : (ps_curve_slopes){below, below};
}

static void elu_tangent_forward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    ps_curved_tangent_forward(call, tangent, elu_slopes, alpha_of(call));
}

static void elu_tangent_backward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    ps_curved_tangent_backward(call, tangent, elu_slopes, alpha_of(call));
}

static const char *const elu_samples[] = {
    "{\"inputs\": [[3, 5, 1, 4, 3]], \"attributes\": {}}",
    "{\"inputs\": [[2, 67, 2, 3, 2]], \"within\": 7.3, \"attributes\": {\"alpha\": 0.7}}", NULL};

const ps_layer_type ps_layer_elu = {
    .name = "elu",
    .summary = "exponential linear unit: x where positive, alpha (exp(x) - 1) elsewhere",
    .attributes = elu_attributes,
    .config_bytes = sizeof(elu_config),
    .role = PS_ROLE_GATE,
    .min_inputs = 1,
    .max_inputs = 1,
    .needs_input = true,
    .gradient_in_place = true,
    .fused_sums = 1u << PS_SUM_ZEROS | 1u << PS_SUM_INPUT_GRAD_SQUARES,
    .infer = ps_infer_same,
    .plan = ps_curved_plan,
    .forward = elu_forward,
    .backward = elu_backward,
    .gate = elu_gate,
    .flat = elu_flat,
    .rounding = elu_rounding,
    .carries_bounds = true,
    .tangent_forward = elu_tangent_forward,
    .tangent_backward = elu_tangent_backward,
    .samples = elu_samples,
};
