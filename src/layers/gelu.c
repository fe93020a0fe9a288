/* GELU: y = x Phi(x), Phi the normal distribution, elementwise. Source: Hendrycks & Gimpel 2016, the exact form. */
#include <math.h>

#include "layers/attributes.h"
#include "layers/curved.h"
#include "layers/list.h"

static const ps_curve gelu = {.kind = PS_CURVE_GELU};

static void gelu_forward(const ps_layer_call *call) { ps_curved_forward(call, gelu); }
static void gelu_backward(const ps_layer_call *call) { ps_curved_backward(call, gelu, call->x[0]); }
static void gelu_rounding(const ps_layer_call *call) { ps_curved_rounding(call, 1.13f); }
static void gelu_flat(const ps_layer_call *call, const float *v, double *count) {
    ps_curved_flat(call, gelu, v, count);
}

static bool gelu_gate(const void *config, ps_gate *gate) {
    (void)config;
    return ps_curved_gate("gelu", gate);
}

static ps_curve_slopes gelu_slopes(double alpha, double x) {
    (void)alpha;
    double density = exp(-x * x / 2) * 0.39894228040143268;
    return (ps_curve_slopes){0.5 * erfc(-x * 0.70710678118654752) + x * density, density * (2 - x * x)};
}

static void gelu_tangent_forward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    ps_curved_tangent_forward(call, tangent, gelu_slopes, 0);
}

static void gelu_tangent_backward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    ps_curved_tangent_backward(call, tangent, gelu_slopes, 0);
}

static const char *const gelu_samples[] = {"{\"inputs\": [[3, 5, 1, 4, 3]], \"attributes\": {}}",
                                           "{\"inputs\": [[2, 67, 2, 3, 2]], \"within\": 7.3, \"attributes\": {}}",
                                           NULL};

const ps_layer_type ps_layer_gelu = {
    .name = "gelu",
    .summary = "Gaussian error linear unit x Phi(x), exact",
    .role = PS_ROLE_GATE,
    .min_inputs = 1,
    .max_inputs = 1,
    .needs_input = true,
    .gradient_in_place = true,
    .fused_sums = 1u << PS_SUM_ZEROS | 1u << PS_SUM_INPUT_GRAD_SQUARES,
    .infer = ps_infer_same,
    .plan = ps_curved_plan,
    .forward = gelu_forward,
    .backward = gelu_backward,
    .gate = gelu_gate,
    .flat = gelu_flat,
    .rounding = gelu_rounding,
    .carries_bounds = true,
    .tangent_forward = gelu_tangent_forward,
    .tangent_backward = gelu_tangent_backward,
    .samples = gelu_samples,
};
