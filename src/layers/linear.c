/* Linear layer, at every position: y [n][d][h][w][k] = x [n][d][h][w][c] weight[k][c]^T + bias[k]. */
#include "core/json.h"
#include "core/memory.h"
#include "kernels/conv.h"
#include "kernels/projection.h"
#include "layers/attributes.h"
#include "layers/list.h"
#include "layers/rounding.h"
#include "layers/tangent.h"

typedef struct {
    int features;
    bool bias;
} linear_config;

static const ps_attribute linear_attributes[] = {
    {"features", PS_ATTRIBUTE_INT, offsetof(linear_config, features), NULL, 1, 1 << 24, NULL, "outputs: the nodes"},
    {"bias", PS_ATTRIBUTE_FLAG, offsetof(linear_config, bias), "true", 0, 0, NULL, "whether a bias is added"},
    {0}};

static ps_status linear_infer(const void *config_, const ps_layer_input *in, int inputs, const char *where,
                              ps_shape *out) {
    (void)inputs, (void)where;
    const linear_config *config = config_;
    *out = in[0].shape;
    out->c = config->features;
    return PS_OK;
}

static int linear_params(const void *config_, const ps_shape *in, ps_shape out, ps_param_spec *specs) {
    const linear_config *config = config_;
    int k = out.c, c = in[0].c;
    specs[0] =
        (ps_param_spec){.suffix = "weight", .rank = 2, .dims = {k, c}, .rows = k, .init = PS_INIT_WEIGHT, .fan_in = c};
    specs[1] = (ps_param_spec){.suffix = "bias", .rank = 1, .dims = {k}, .rows = k, .init = PS_INIT_BIAS, .fan_in = c};
    return config->bias ? 2 : 1;
}

static double linear_macs(const void *config, const ps_shape *in, ps_shape out) {
    (void)config;
    return (double)ps_shape_positions(in[0]) * in[0].c * out.c;
}

/* The same as a convolution with a kernel of one position. */
static ps_conv_shape shape_of(ps_shape in, ps_shape out) {
    return (ps_conv_shape){.n = in.n,
                           .c = in.c,
                           .d = in.d,
                           .h = in.h,
                           .w = in.w,
                           .k = out.c,
                           .kd = 1,
                           .kh = 1,
                           .kw = 1,
                           .stride_d = 1,
                           .stride_h = 1,
                           .stride_w = 1,
                           .dilation_d = 1,
                           .dilation_h = 1,
                           .dilation_w = 1,
                           .groups = 1};
}

static ps_projection projection_of(ps_shape in, ps_shape out) {
    return (ps_projection){in.n, in.d * in.h * in.w, in.c, out.c};
}

/* The plan is that of the plain forward pass; what is too large for a convolution has none, and its matrix product,
 * which errs no more but may part exact ties, stands in. */
static ps_status linear_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads,
                             void **plan_, ps_layer_sizes *sizes) {
    (void)config, (void)inputs;
    ps_conv_shape shape = shape_of(in[0], out);
    ps_conv_plan *plan;
    ps_projection projection = projection_of(in[0], out);
    size_t rounding = ps_rounding_conv_bytes(&shape), backward = ps_projection_workspace_bytes(&projection, threads);
    if (rounding < backward) rounding = backward;
    *plan_ = NULL;
    *sizes = (ps_layer_sizes){.workspace_bytes = rounding};
    if (shape.c > PS_CONV_LARGEST || shape.k > PS_CONV_LARGEST) return PS_OK;
    PS_TRY(PS_ALLOC(1, &plan, "linear plan"));
    ps_status status = ps_conv_plan_init(plan, &shape);
    if (status != PS_OK) {
        ps_free(plan);
        return status;
    }
    size_t forward = ps_conv_workspace_bytes(plan, threads);
    sizes->workspace_bytes = forward > rounding ? forward : rounding;
    *plan_ = plan;
    return PS_OK;
}

static void linear_rounding(const ps_layer_call *call) {
    const linear_config *config = call->config;
    ps_conv_shape shape = shape_of(call->in_shape[0], call->out_shape);
    ps_rounding_conv(&shape, call->x[0], call->param[0], config->bias ? call->param[1] : NULL, call->bound,
                     call->workspace, call->threads);
}

static void linear_forward(const ps_layer_call *call) {
    const linear_config *config = call->config;
    if (call->plain && call->plan != NULL) {
        ps_conv_forward_plain(call->plan, call->x[0], call->param[0], config->bias ? call->param[1] : NULL, call->y,
                              call->workspace, call->threads);
        return;
    }
    ps_projection projection = projection_of(call->in_shape[0], call->out_shape);
    ps_projection_forward(&projection, call->x[0], call->param[0], config->bias ? call->param[1] : NULL, call->y,
                          call->threads);
}

static void linear_backward(const ps_layer_call *call) {
    const linear_config *config = call->config;
    ps_projection projection = projection_of(call->in_shape[0], call->out_shape);
    ps_projection_weight_gradient(&projection, call->x[0], call->dy, call->grad[0], call->workspace, call->threads);
    if (config->bias) ps_projection_bias_gradient(&projection, call->dy, call->grad[1], call->workspace, call->threads);
    if (call->dx[0] != NULL)
        ps_projection_input_gradient(&projection, call->dy, call->param[0], call->dx[0], call->accumulate[0],
                                     call->threads);
}

static const char *const linear_samples[] = {
    "{\"inputs\": [[3, 7, 1, 1, 1]], \"attributes\": {\"features\": 5}}",
    "{\"inputs\": [[1, 19, 1, 1, 1]], \"attributes\": {\"features\": 1, \"bias\": false}}",
    "{\"inputs\": [[6, 33, 1, 1, 1]], \"attributes\": {\"features\": 18}}",
    "{\"inputs\": [[5, 3, 1, 1, 1]], \"attributes\": {\"features\": 130}}",
    "{\"inputs\": [[3, 7, 1, 2, 5]], \"attributes\": {\"features\": 4}}",
    "{\"inputs\": [[2, 5, 2, 3, 3]], \"attributes\": {\"features\": 18, \"bias\": false}}",
    NULL};

const ps_layer_type ps_layer_linear = {
    .name = "linear",
    .summary = "matrix product with bias, at every position",
    .attributes = linear_attributes,
    .config_bytes = sizeof(linear_config),
    .role = PS_ROLE_LINEAR,
    .min_inputs = 1,
    .max_inputs = 1,
    .needs_input = true,
    .infer = linear_infer,
    .params = linear_params,
    .plan = linear_plan,
    .unplan = ps_free,
    .macs = linear_macs,
    .forward = linear_forward,
    .backward = linear_backward,
    .rounding = linear_rounding,
    .tangent_forward = ps_tangent_bilinear_forward,
    .tangent_backward = ps_tangent_bilinear_backward,
    .samples = linear_samples,
};
