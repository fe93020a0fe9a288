/* Convolution in 2 or 3 dimensions: x [n][d][h][w][c] -> y [n][od][oh][ow][k]; weight [k][kd][kh][kw][c / groups]. */
#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "kernels/conv.h"
#include "layers/attributes.h"
#include "layers/list.h"
#include "layers/rounding.h"
#include "layers/tangent.h"

typedef struct {
    int channels, groups, dims; /* dims 0: 3 where the input has depth, else 2 */
    bool bias;
    ps_extent kernel, stride, padding, dilation;
} conv_config;

#define AT(field) offsetof(conv_config, field)
static const ps_attribute conv_attributes[] = {
    {"channels", PS_ATTRIBUTE_INT, AT(channels), NULL, 1, 1 << 20, NULL, "output channels: the nodes"},
    {"kernel", PS_ATTRIBUTE_EXTENT, AT(kernel), "3", 1, 1024, NULL, "size of the window"},
    {"stride", PS_ATTRIBUTE_EXTENT, AT(stride), "1", 1, 1024, NULL, "step from one window to the next"},
    {"padding", PS_ATTRIBUTE_EXTENT, AT(padding), "0", 0, 1024, NULL, "zeros around the map"},
    {"dilation", PS_ATTRIBUTE_EXTENT, AT(dilation), "1", 1, 1024, NULL, "distance between taps"},
    {"groups", PS_ATTRIBUTE_INT, AT(groups), "1", 1, 1 << 20, NULL, "each reads its own part of the input channels"},
    {"bias", PS_ATTRIBUTE_FLAG, AT(bias), "true", 0, 0, NULL, "whether a bias is added"},
    {"dims", PS_ATTRIBUTE_INT, AT(dims), "", 2, 3, NULL,
     "left out: as long as the lists, else 3 where the input has depth, else 2"},
    {0}};
#undef AT

static ps_status conv_complete(void *config_, const char *where) {
    conv_config *config = config_;
    const ps_extent *extents[] = {&config->kernel, &config->stride, &config->padding, &config->dilation};
    int listed;
    PS_TRY(ps_extent_dims(extents, 4, where, &listed));
    if (config->dims != 0 && listed != 0 && config->dims != listed)
        return ps_fail(PS_ERR_INPUT, "%s: \"dims\" is %d but the lists have %d numbers; make them agree", where,
                       config->dims, listed);
    if (config->dims == 0) config->dims = listed;
    if (config->channels % config->groups != 0)
        return ps_fail(PS_ERR_INPUT, "%s: \"groups\" %d does not divide \"channels\" %d", where, config->groups,
                       config->channels);
    return PS_OK;
}

static int dims_of(const conv_config *config, ps_shape in) {
    return config->dims != 0 ? config->dims : in.d > 1 ? 3 : 2;
}

static ps_conv_shape kernel_shape(const conv_config *config, ps_shape in) {
    int dims = dims_of(config, in), kernel[3], stride[3], pad[3], dilation[3];
    ps_extent_resolve(&config->kernel, dims, 1, kernel);
    ps_extent_resolve(&config->stride, dims, 1, stride);
    ps_extent_resolve(&config->padding, dims, 0, pad);
    ps_extent_resolve(&config->dilation, dims, 1, dilation);
    return (ps_conv_shape){.n = in.n,
                           .c = in.c,
                           .d = in.d,
                           .h = in.h,
                           .w = in.w,
                           .k = config->channels,
                           .kd = kernel[0],
                           .kh = kernel[1],
                           .kw = kernel[2],
                           .stride_d = stride[0],
                           .stride_h = stride[1],
                           .stride_w = stride[2],
                           .pad_d = pad[0],
                           .pad_h = pad[1],
                           .pad_w = pad[2],
                           .dilation_d = dilation[0],
                           .dilation_h = dilation[1],
                           .dilation_w = dilation[2],
                           .groups = config->groups};
}

static void conv_shape(const void *config, ps_shape in, ps_conv_shape *out) { *out = kernel_shape(config, in); }

static ps_status conv_infer(const void *config_, const ps_layer_input *in, int inputs, const char *where,
                            ps_shape *out) {
    (void)inputs;
    const conv_config *config = config_;
    ps_shape x = in[0].shape;
    if (x.c % config->groups != 0)
        return ps_fail(PS_ERR_INPUT, "%s: \"groups\" %d does not divide the %d channels of the input", where,
                       config->groups, x.c);
    ps_conv_shape s = kernel_shape(config, x);
    *out = (ps_shape){x.n, s.k, ps_window_positions(s.d, s.kd, s.stride_d, s.pad_d, s.dilation_d),
                      ps_window_positions(s.h, s.kh, s.stride_h, s.pad_h, s.dilation_h),
                      ps_window_positions(s.w, s.kw, s.stride_w, s.pad_w, s.dilation_w)};
    if (out->d > 0 && out->h > 0 && out->w > 0) return PS_OK;
    char text[48];
    return ps_fail(PS_ERR_INPUT,
                   "%s: the %dx%dx%d kernel (dilation %d, %d, %d) does not fit the input %s (c x d x h x w) with "
                   "padding %d, %d, %d; "
                   "take a smaller kernel or more padding",
                   where, s.kd, s.kh, s.kw, s.dilation_d, s.dilation_h, s.dilation_w, ps_shape_text(x, text), s.pad_d,
                   s.pad_h, s.pad_w);
}

static int conv_params(const void *config_, const ps_shape *in, ps_shape out, ps_param_spec *specs) {
    (void)out;
    const conv_config *config = config_;
    ps_conv_shape s = kernel_shape(config, in[0]);
    int fan_in = s.c / s.groups * s.kd * s.kh * s.kw;
    const int sides[5] = {s.k, s.c / s.groups, s.kd, s.kh, s.kw};
    return ps_filter_params(sides, dims_of(config, in[0]), config->bias, s.k, fan_in, specs);
}

static ps_status conv_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads, void **plan_,
                           ps_layer_sizes *sizes) {
    (void)inputs, (void)out;
    ps_conv_plan *plan;
    *plan_ = NULL;
    PS_TRY(PS_ALLOC(1, &plan, "convolution plan"));
    ps_conv_shape shape = kernel_shape(config, in[0]);
    ps_status status = ps_conv_plan_init(plan, &shape);
    if (status != PS_OK) {
        ps_free(plan);
        return status;
    }
    size_t forward = ps_conv_workspace_bytes(plan, threads), rounding = ps_rounding_conv_bytes(&shape);
    *sizes = (ps_layer_sizes){.workspace_bytes = forward > rounding ? forward : rounding};
    *plan_ = plan;
    return PS_OK;
}

static void conv_describe(const void *config, const void *plan, char *text, size_t size) {
    (void)config;
    ps_conv_plan_describe(plan, text, size);
}

static double conv_macs(const void *config, const ps_shape *in, ps_shape out) {
    (void)out;
    ps_conv_shape shape = kernel_shape(config, in[0]);
    return ps_conv_macs(&shape);
}

static void conv_forward(const ps_layer_call *call) {
    const conv_config *config = call->config;
    (call->plain ? ps_conv_forward_plain : ps_conv_forward)(call->plan, call->x[0], call->param[0],
                                                            config->bias ? call->param[1] : NULL, call->y,
                                                            call->workspace, call->threads);
}

static void conv_rounding(const ps_layer_call *call) {
    const conv_config *config = call->config;
    ps_conv_shape shape = kernel_shape(config, call->in_shape[0]);
    ps_rounding_conv(&shape, call->x[0], call->param[0], config->bias ? call->param[1] : NULL, call->bound,
                     call->workspace, call->threads);
}

static void conv_backward(const ps_layer_call *call) {
    const conv_config *config = call->config;
    ps_conv_backward_weights(call->plan, call->x[0], call->dy, call->grad[0], config->bias ? call->grad[1] : NULL,
                             call->workspace, call->threads);
    if (call->dx[0] != NULL)
        ps_conv_backward_data(call->plan, call->dy, call->param[0], call->dx[0], call->accumulate[0], call->workspace,
                              call->threads);
}

static const char *const conv_samples[] = {
    "{\"inputs\": [[2, 3, 1, 7, 5]], \"attributes\": {\"channels\": 4, \"padding\": 1}}",
    "{\"inputs\": [[1, 4, 1, 9, 8]], \"attributes\": {\"channels\": 6, \"kernel\": [3, 2], \"stride\": [2, 3], "
    "\"padding\": "
    "[1, 0]}}",
    "{\"inputs\": [[2, 2, 1, 9, 10]], \"attributes\": {\"channels\": 3, \"dilation\": 2, \"padding\": 2, \"bias\": "
    "false}}",
    "{\"inputs\": [[2, 6, 1, 5, 6]], \"attributes\": {\"channels\": 4, \"groups\": 2, \"padding\": 1, \"stride\": 2}}",
    "{\"inputs\": [[2, 4, 1, 6, 5]], \"attributes\": {\"channels\": 8, \"groups\": 4, \"padding\": 1}}",
    "{\"inputs\": [[1, 5, 1, 5, 7]], \"attributes\": {\"channels\": 5, \"groups\": 5, \"padding\": 1, \"kernel\": 3}}",
    "{\"inputs\": [[3, 5, 1, 4, 3]], \"attributes\": {\"channels\": 7, \"kernel\": 1}}",
    "{\"inputs\": [[3, 5, 1, 5, 4]], \"attributes\": {\"channels\": 4, \"kernel\": 1, \"stride\": 2}}",
    "{\"inputs\": [[1, 2, 4, 5, 3]], \"attributes\": {\"channels\": 3, \"padding\": 1}}",
    "{\"inputs\": [[1, 2, 5, 4, 6]], \"attributes\": {\"channels\": 4, \"kernel\": [2, 3, 3], \"stride\": [2, 1, 2], "
    "\"padding\": [0, 1, 1], \"groups\": 2}}",
    "{\"inputs\": [[1, 2, 3, 5, 4]], \"attributes\": {\"channels\": 2, \"dims\": 2, \"padding\": 1}}",
    "{\"inputs\": [[2, 32, 1, 8, 8]], \"attributes\": {\"channels\": 32, \"padding\": 1}}",
    "{\"inputs\": [[1, 32, 1, 7, 9]], \"attributes\": {\"channels\": 64, \"padding\": 1, \"bias\": false}}",
    "{\"inputs\": [[2, 16, 1, 9, 7]], \"attributes\": {\"channels\": 32, \"padding\": 1, \"stride\": 2}}",
    NULL};

const ps_layer_type ps_layer_conv = {
    .name = "conv",
    .summary = "convolution in 2 or 3 dimensions",
    .attributes = conv_attributes,
    .config_bytes = sizeof(conv_config),
    .role = PS_ROLE_CONV,
    .min_inputs = 1,
    .max_inputs = 1,
    .needs_input = true,
    .complete = conv_complete,
    .infer = conv_infer,
    .params = conv_params,
    .conv_shape = conv_shape,
    .plan = conv_plan,
    .unplan = ps_free,
    .describe = conv_describe,
    .macs = conv_macs,
    .forward = conv_forward,
    .backward = conv_backward,
    .rounding = conv_rounding,
    .tangent_forward = ps_tangent_bilinear_forward,
    .tangent_backward = ps_tangent_bilinear_backward,
    .samples = conv_samples,
};
