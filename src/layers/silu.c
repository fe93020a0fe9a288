/* SiLU: y = x / (1 + exp(-x)), elementwise. Source: Elfwing et al. 2018; Hendrycks & Gimpel 2016. */
#include <math.h>

#include "layers/attributes.h"
#include "layers/curved.h"
#include "layers/list.h"

static const ps_curve silu = {.kind = PS_CURVE_SILU};

static void silu_forward(const ps_layer_call *call) { ps_curved_forward(call, silu); }
static void silu_backward(const ps_layer_call *call) { ps_curved_backward(call, silu, call->x[0]); }
static void silu_rounding(const ps_layer_call *call) { ps_curved_rounding(call, 1.1f); }
static void silu_flat(const ps_layer_call *call, const float *v, double *count) {
    ps_curved_flat(call, silu, v, count);
}

static bool silu_gate(const void *config, ps_gate *gate) {
    (void)config;
    return ps_curved_gate("silu", gate);
}

static ps_curve_slopes silu_slopes(double alpha, double x) {
    (void)alpha;
    double share = 1 / (1 + exp(-x)), left = 1 / (1 + exp(x));
    return (ps_curve_slopes){share * (1 + x * left), share * left * (2 + x * (left - share))};
}

static void silu_tangent_forward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    ps_curved_tangent_forward(call, tangent, silu_slopes, 0);
}

static void silu_tangent_backward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    ps_curved_tangent_backward(call, tangent, silu_slopes, 0);
}

static const char *const silu_samples[] = {"{\"inputs\": [[3, 5, 1, 4, 3]], \"attributes\": {}}",
                                           "{\"inputs\": [[2, 67, 2, 3, 2]], \"within\": 7.3, \"attributes\": {}}",
                                           NULL};

const ps_layer_type ps_layer_silu = {
    .name = "silu",
    .summary = "sigmoid linear unit x / (1 + exp(-x))",
    .role = PS_ROLE_GATE,
    .min_inputs = 1,
    .max_inputs = 1,
    .needs_input = true,
    .gradient_in_place = true,
    .fused_sums = 1u << PS_SUM_ZEROS | 1u << PS_SUM_INPUT_GRAD_SQUARES,
    .infer = ps_infer_same,
    .plan = ps_curved_plan,
    .forward = silu_forward,
    .backward = silu_backward,
    .gate = silu_gate,
    .flat = silu_flat,
    .rounding = silu_rounding,
    .carries_bounds = true,
    .tangent_forward = silu_tangent_forward,
    .tangent_backward = silu_tangent_backward,
    .samples = silu_samples,
};
