/* PReLU: y = x > 0 ? x : w x, elementwise, w learned: one for all channels or one each. Source: He et al. 2015. */
#include <math.h>

#include "kernels/pointwise.h"
#include "layers/attributes.h"
#include "layers/curved.h"
#include "layers/list.h"
#include "layers/rectifier.h"
#include "layers/rounding.h"

typedef struct {
    bool shared;
} prelu_config;

static const ps_attribute prelu_attributes[] = {
    {"shared", PS_ATTRIBUTE_FLAG, offsetof(prelu_config, shared), "true", 0, 0, NULL, "one slope for all channels"},
    {0}};

static int prelu_params(const void *config_, const ps_shape *in, ps_shape out, ps_param_spec *specs) {
    (void)in;
    const prelu_config *config = config_;
    int count = config->shared ? 1 : out.c;
    specs[0] = (ps_param_spec){
        .suffix = "weight", .rank = 1, .dims = {count}, .rows = count, .init = PS_INIT_SLOPE, .fan_in = 1};
    return 1;
}

/* Behind the kernels' own scratch: the slope of every channel, and its gradient. */
static size_t vectors_bytes(ps_shape out) { return (size_t)out.c * (sizeof(double) + sizeof(float)); }
static size_t kernel_bytes(ps_shape out) { return (ps_curve_workspace_bytes(out) + 63) / 64 * 64; }

static ps_status prelu_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads, void **plan,
                            ps_layer_sizes *sizes) {
    (void)config, (void)in, (void)inputs, (void)threads;
    *plan = NULL;
    *sizes = (ps_layer_sizes){.workspace_bytes = kernel_bytes(out) + vectors_bytes(out)};
    return PS_OK;
}

static double *gradients_of(const ps_layer_call *call) {
    return (double *)((char *)call->workspace + kernel_bytes(call->out_shape));
}

static const float *slopes_of(const ps_layer_call *call) {
    const prelu_config *config = call->config;
    float *slope = (float *)(gradients_of(call) + call->out_shape.c);
    for (int k = 0; k < call->out_shape.c; k++) slope[k] = call->param[0][config->shared ? 0 : k];
    return slope;
}

static void prelu_forward(const ps_layer_call *call) {
    ps_prelu_forward(call->x[0], call->out_shape, slopes_of(call), call->y, call->sums[PS_SUM_ZEROS], call->workspace,
                     call->threads);
}

static void set_gradient(const ps_layer_call *call, const double *by_channel, float *grad) {
    const prelu_config *config = call->config;
    double all = 0;
    for (int k = 0; k < call->out_shape.c; k++) {
        if (config->shared) all += by_channel[k];
        else grad[k] = (float)by_channel[k];
    }
    if (config->shared) grad[0] = (float)all;
}

static void prelu_backward(const ps_layer_call *call) {
    double *by_channel = gradients_of(call);
    for (int k = 0; k < call->out_shape.c; k++) by_channel[k] = 0;
    ps_prelu_backward(call->x[0], call->dy, call->out_shape, slopes_of(call), call->dx[0], call->accumulate[0],
                      by_channel, call->dx[0] != NULL ? call->sums[PS_SUM_INPUT_GRAD_SQUARES] : NULL, call->workspace,
                      call->threads);
    set_gradient(call, by_channel, call->grad[0]);
}

static void prelu_flat(const ps_layer_call *call, const float *v, double *count) {
    const prelu_config *config = call->config;
    ps_flat_below_zero(v, call->out_shape, call->param[0], !config->shared, count);
}

static void prelu_rounding(const ps_layer_call *call) {
    const float *slope = slopes_of(call);
    float steepest = 1;
    for (int k = 0; k < call->out_shape.c; k++) steepest = fmaxf(steepest, fabsf(slope[k]));
    ps_curved_rounding(call, steepest);
}

static bool prelu_gate(const void *config, ps_gate *gate) {
    (void)config;
    return ps_curved_gate("prelu", gate);
}

/* dot y = s dot x + [x <= 0] dot w x,  dot dx = s dot dy + [x <= 0] dot w dy,  dot dw = sum [x <= 0] (dot x dy + x dot
 * dy), s the slope at x. */
static double slope_at(const ps_layer_call *call, float *const *param, size_t i) {
    const prelu_config *config = call->config;
    return (double)param[0][config->shared ? 0 : i % (size_t)call->out_shape.c];
}

static void prelu_tangent_forward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    for (size_t i = 0; i < ps_shape_elements(call->out_shape); i++) {
        double x = (double)call->x[0][i], x_dot = (double)tangent->x[0][i];
        tangent->y[i] =
            (float)(x > 0 ? x_dot : slope_at(call, call->param, i) * x_dot + slope_at(call, tangent->param, i) * x);
    }
}

static void prelu_tangent_backward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    double *by_channel = gradients_of(call);
    size_t c = (size_t)call->out_shape.c;
    for (size_t k = 0; k < c; k++) by_channel[k] = 0;
    for (size_t i = 0; i < ps_shape_elements(call->out_shape); i++) {
        double x = (double)call->x[0][i], dy = (double)call->dy[i], dy_dot = (double)tangent->dy[i];
        bool below = !(x > 0);
        double slope = below ? slope_at(call, call->param, i) : 1, slope_dot = slope_at(call, tangent->param, i);
        if (below) by_channel[i % c] += (double)tangent->x[0][i] * dy + x * dy_dot;
        if (tangent->dx[0] != NULL) tangent->dx[0][i] = (float)(slope * dy_dot + (below ? slope_dot * dy : 0));
    }
    set_gradient(call, by_channel, tangent->grad[0]);
}

static const char *const prelu_samples[] = {
    "{\"inputs\": [[3, 5, 1, 4, 3]], \"attributes\": {}}",
    "{\"inputs\": [[2, 67, 2, 3, 2]], \"within\": 7.3, \"attributes\": {\"shared\": false}}", NULL};

const ps_layer_type ps_layer_prelu = {
    .name = "prelu",
    .summary = "leaky rectifier with a learned slope",
    .attributes = prelu_attributes,
    .config_bytes = sizeof(prelu_config),
    .role = PS_ROLE_GATE,
    .min_inputs = 1,
    .max_inputs = 1,
    .needs_input = true,
    .gradient_in_place = true,
    .fused_sums = 1u << PS_SUM_ZEROS | 1u << PS_SUM_INPUT_GRAD_SQUARES,
    .infer = ps_infer_same,
    .params = prelu_params,
    .plan = prelu_plan,
    .forward = prelu_forward,
    .backward = prelu_backward,
    .gate = prelu_gate,
    .flat = prelu_flat,
    .rounding = prelu_rounding,
    .carries_bounds = true,
    .tangent_forward = prelu_tangent_forward,
    .tangent_backward = prelu_tangent_backward,
    .samples = prelu_samples,
};
