/* Linear layer: y [n][k] = x [n][c] weight[k][c]^T + bias[k]. */
#include "core/json.h"
#include "core/memory.h"
#include "kernels/conv.h"
#include "kernels/gemm.h"
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
    (void)inputs;
    const linear_config *config = config_;
    ps_shape x = in[0].shape;
    char text[48];
    if (x.d != 1 || x.h != 1 || x.w != 1)
        return ps_fail(PS_ERR_INPUT,
                       "%s: linear takes vectors, but its input is %s (c x d x h x w); add a flatten (or a "
                       "global_avg_pool) before it",
                       where, ps_shape_text(x, text));
    *out = (ps_shape){x.n, config->features, 1, 1, 1};
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
    return (double)in[0].n * in[0].c * out.c;
}

/* A convolution of one position an image. */
static ps_conv_shape shape_of(ps_shape in, ps_shape out) {
    return (ps_conv_shape){.n = in.n,
                           .c = in.c,
                           .d = 1,
                           .h = 1,
                           .w = 1,
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

/* The plan is that of the plain forward pass; what is too large for a convolution has none, and its matrix product,
 * which errs no more but may part exact ties, stands in. */
static ps_status linear_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads,
                             void **plan_, ps_layer_sizes *sizes) {
    (void)config, (void)inputs;
    ps_conv_shape shape = shape_of(in[0], out);
    ps_conv_plan *plan;
    size_t rounding = ps_rounding_conv_bytes(&shape);
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
    int n = call->in_shape[0].n, c = call->in_shape[0].c, k = call->out_shape.c;
    if (call->plain && call->plan != NULL) {
        ps_conv_forward_plain(call->plan, call->x[0], call->param[0], config->bias ? call->param[1] : NULL, call->y,
                              call->workspace, call->threads);
        return;
    }
    if (config->bias)
        for (int i = 0; i < n; i++)
            for (int j = 0; j < k; j++) call->y[(size_t)i * (size_t)k + (size_t)j] = call->param[1][j];
    ps_gemm_parallel(false, true, n, k, c, call->x[0], c, call->param[0], c, config->bias, call->y, k, call->threads);
}

/* In double, a block of columns at a time so that rows are read in pieces of whole cache lines. */
static void sum_rows(const float *dy, int n, int k, float *dbias) {
    enum { BLOCK = 64 };
    for (int first = 0; first < k; first += BLOCK) {
        double sum[BLOCK] = {0};
        int width = k - first < BLOCK ? k - first : BLOCK;
        for (int i = 0; i < n; i++)
            for (int j = 0; j < width; j++) sum[j] += (double)dy[(size_t)i * (size_t)k + (size_t)(first + j)];
        for (int j = 0; j < width; j++) dbias[first + j] = (float)sum[j];
    }
}

static void linear_backward(const ps_layer_call *call) {
    const linear_config *config = call->config;
    int n = call->in_shape[0].n, c = call->in_shape[0].c, k = call->out_shape.c;
    ps_gemm_parallel(true, false, k, c, n, call->dy, k, call->x[0], c, false, call->grad[0], c, call->threads);
    if (config->bias) sum_rows(call->dy, n, k, call->grad[1]);
    if (call->dx[0] != NULL)
        ps_gemm_parallel(false, false, n, c, k, call->dy, k, call->param[0], c, call->accumulate[0], call->dx[0], c,
                         call->threads);
}

static const char *const linear_samples[] = {
    "{\"inputs\": [[3, 7, 1, 1, 1]], \"attributes\": {\"features\": 5}}",
    "{\"inputs\": [[1, 19, 1, 1, 1]], \"attributes\": {\"features\": 1, \"bias\": false}}",
    "{\"inputs\": [[6, 33, 1, 1, 1]], \"attributes\": {\"features\": 18}}",
    "{\"inputs\": [[5, 3, 1, 1, 1]], \"attributes\": {\"features\": 130}}", NULL};

const ps_layer_type ps_layer_linear = {
    .name = "linear",
    .summary = "matrix product with bias, on vectors",
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
