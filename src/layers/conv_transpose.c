/* Transposed convolution in 2 or 3 dimensions: x [n][d][h][w][c] -> y [n][od][oh][ow][k]; weight [k][kd][kh][kw][c /
 * groups] in memory, [c][k / groups][kd][kh][kw] in files. Source: Zeiler et al. 2010; as PyTorch's ConvTranspose2d and
 * ConvTranspose3d. */
#include <limits.h>
#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "kernels/conv_transpose.h"
#include "layers/attributes.h"
#include "layers/list.h"
#include "layers/rounding.h"
#include "layers/tangent.h"

typedef struct {
    int channels, groups, dims; /* dims 0: 3 where the input has depth, else 2 */
    bool bias;
    ps_extent kernel, stride, padding, output_padding, dilation;
} transpose_config;

#define AT(field) offsetof(transpose_config, field)
static const ps_attribute transpose_attributes[] = {
    {"channels", PS_ATTRIBUTE_INT, AT(channels), NULL, 1, 1 << 20, NULL, "output channels: the nodes"},
    {"kernel", PS_ATTRIBUTE_EXTENT, AT(kernel), "2", 1, 1024, NULL, "size of what each input position adds to"},
    {"stride", PS_ATTRIBUTE_EXTENT, AT(stride), "", 1, 1024, NULL,
     "step in the output from one input position to the next, the kernel where it is left out"},
    {"padding", PS_ATTRIBUTE_EXTENT, AT(padding), "0", 0, 1024, NULL, "left out around the output"},
    {"output_padding", PS_ATTRIBUTE_EXTENT, AT(output_padding), "0", 0, 1023, NULL,
     "more positions at the end of the output, fewer than the stride"},
    {"dilation", PS_ATTRIBUTE_EXTENT, AT(dilation), "1", 1, 1024, NULL, "distance between taps"},
    {"groups", PS_ATTRIBUTE_INT, AT(groups), "1", 1, 1 << 20, NULL, "each reads its own part of the input channels"},
    {"bias", PS_ATTRIBUTE_FLAG, AT(bias), "true", 0, 0, NULL, "whether a bias is added"},
    {"dims", PS_ATTRIBUTE_INT, AT(dims), "", 2, 3, NULL,
     "left out: as long as the lists, else 3 where the input has depth, else 2"},
    {0}};
#undef AT

static ps_status transpose_complete(void *config_, const char *where) {
    transpose_config *config = config_;
    const ps_extent *extents[] = {&config->kernel, &config->stride, &config->padding, &config->output_padding,
                                  &config->dilation};
    int listed;
    PS_TRY(ps_extent_dims(extents, 5, where, &listed));
    if (config->dims != 0 && listed != 0 && config->dims != listed)
        return ps_fail(PS_ERR_INPUT, "%s: \"dims\" is %d but the lists have %d numbers; make them agree", where,
                       config->dims, listed);
    if (config->dims == 0) config->dims = listed;
    if (config->stride.length == 0) config->stride = config->kernel;
    if (config->channels % config->groups != 0)
        return ps_fail(PS_ERR_INPUT, "%s: \"groups\" %d does not divide \"channels\" %d", where, config->groups,
                       config->channels);
    return PS_OK;
}

typedef struct {
    int kernel[3], stride[3], pad[3], more[3], dilation[3];
} geometry;

static int dims_of(const transpose_config *config, ps_shape in) {
    return config->dims != 0 ? config->dims : in.d > 1 ? 3 : 2;
}

static geometry geometry_of(const transpose_config *config, ps_shape in) {
    int dims = dims_of(config, in);
    geometry g = {0};
    ps_extent_resolve(&config->kernel, dims, 1, g.kernel);
    ps_extent_resolve(&config->stride, dims, 1, g.stride);
    ps_extent_resolve(&config->padding, dims, 0, g.pad);
    ps_extent_resolve(&config->output_padding, dims, 0, g.more);
    ps_extent_resolve(&config->dilation, dims, 1, g.dilation);
    return g;
}

/* Positions along axis i; below 1 where none are left. */
static long long out_size(const geometry *g, int i, int size) {
    return (size - 1LL) * g->stride[i] - 2LL * g->pad[i] + (long long)g->dilation[i] * (g->kernel[i] - 1) + g->more[i] +
           1;
}

/* Of the convolution from y to x. */
static ps_conv_shape kernel_shape(const transpose_config *config, ps_shape in, ps_shape out) {
    geometry g = geometry_of(config, in);
    return (ps_conv_shape){.n = in.n,
                           .c = config->channels,
                           .d = out.d,
                           .h = out.h,
                           .w = out.w,
                           .k = in.c,
                           .kd = g.kernel[0],
                           .kh = g.kernel[1],
                           .kw = g.kernel[2],
                           .stride_d = g.stride[0],
                           .stride_h = g.stride[1],
                           .stride_w = g.stride[2],
                           .pad_d = g.pad[0],
                           .pad_h = g.pad[1],
                           .pad_w = g.pad[2],
                           .dilation_d = g.dilation[0],
                           .dilation_h = g.dilation[1],
                           .dilation_w = g.dilation[2],
                           .groups = config->groups};
}

static ps_status transpose_infer(const void *config_, const ps_layer_input *in, int inputs, const char *where,
                                 ps_shape *out) {
    (void)inputs;
    const transpose_config *config = config_;
    ps_shape x = in[0].shape;
    if (x.c % config->groups != 0)
        return ps_fail(PS_ERR_INPUT, "%s: \"groups\" %d does not divide the %d channels of the input", where,
                       config->groups, x.c);
    geometry g = geometry_of(config, x);
    const int sizes[3] = {x.d, x.h, x.w};
    int made[3];
    for (int i = 0; i < 3; i++) {
        long long size = out_size(&g, i, sizes[i]);
        char text[48];
        if (g.more[i] >= g.stride[i] && g.more[i] > 0)
            return ps_fail(PS_ERR_INPUT,
                           "%s: \"output_padding\" %d must be smaller than the stride %d; make the stride larger or "
                           "pad what comes out",
                           where, g.more[i], g.stride[i]);
        if (size < 1 || size > PS_CONV_LARGEST)
            return ps_fail(PS_ERR_INPUT,
                           "%s: of the input %s (c x d x h x w) a kernel of %d with stride %d, dilation %d and padding "
                           "%d makes %lld positions along an axis, which must be 1 to %d; take another padding or "
                           "stride",
                           where, ps_shape_text(x, text), g.kernel[i], g.stride[i], g.dilation[i], g.pad[i], size,
                           PS_CONV_LARGEST);
        made[i] = (int)size;
    }
    *out = (ps_shape){x.n, config->channels, made[0], made[1], made[2]};
    return PS_OK;
}

/* PyTorch takes fan_in from the second axis of its weight: what an input adds to. */
static int transpose_params(const void *config_, const ps_shape *in, ps_shape out, ps_param_spec *specs) {
    const transpose_config *config = config_;
    ps_conv_shape s = kernel_shape(config, in[0], out);
    int fan_in = s.c / s.groups * s.kd * s.kh * s.kw;
    const int sides[5] = {s.k, s.c / s.groups, s.kd, s.kh, s.kw};
    int count = ps_filter_params(sides, dims_of(config, in[0]), config->bias, s.c, fan_in, specs);
    specs[0].inputs_first = s.groups;
    return count;
}

static ps_status transpose_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads,
                                void **plan_, ps_layer_sizes *sizes) {
    (void)inputs;
    ps_conv_transpose_plan *plan;
    *plan_ = NULL;
    PS_TRY(PS_ALLOC(1, &plan, "transposed convolution plan"));
    ps_conv_shape shape = kernel_shape(config, in[0], out);
    ps_status status = ps_conv_transpose_plan_init(plan, &shape);
    if (status != PS_OK) {
        ps_free(plan);
        return status;
    }
    size_t passes = ps_conv_transpose_workspace_bytes(plan, threads), rounding = ps_conv_transpose_rounding_bytes(plan);
    *sizes = (ps_layer_sizes){.workspace_bytes = passes > rounding ? passes : rounding};
    *plan_ = plan;
    return PS_OK;
}

static void transpose_describe(const void *config, const void *plan_, char *text, size_t size) {
    (void)config;
    const ps_conv_transpose_plan *plan = plan_;
    char inner[160];
    ps_conv_plan_describe(&plan->plan, inner, sizeof inner);
    snprintf(text, size, "of the convolution from output to input: %s", inner);
}

static double transpose_macs(const void *config, const ps_shape *in, ps_shape out) {
    ps_conv_shape shape = kernel_shape(config, in[0], out);
    return ps_conv_macs(&shape);
}

static const float *bias_of(const ps_layer_call *call) {
    return ((const transpose_config *)call->config)->bias ? call->param[1] : NULL;
}

static void transpose_forward(const ps_layer_call *call) {
    ps_conv_transpose_forward(call->plan, call->plain, call->x[0], call->param[0], bias_of(call), call->y,
                              call->workspace, call->threads);
}

static void transpose_rounding(const ps_layer_call *call) {
    ps_conv_transpose_rounding(call->plan, call->x[0], call->param[0], bias_of(call), call->bound, call->workspace,
                               call->threads);
}

static void transpose_backward(const ps_layer_call *call) {
    const transpose_config *config = call->config;
    ps_conv_transpose_backward_weights(call->plan, call->x[0], call->dy, call->grad[0],
                                       config->bias ? call->grad[1] : NULL, call->workspace, call->threads);
    if (call->dx[0] != NULL)
        ps_conv_transpose_backward_data(call->plan, call->dy, call->param[0], call->dx[0], call->accumulate[0],
                                        call->workspace, call->threads);
}

static const char *const transpose_samples[] = {
    "{\"inputs\": [[2, 3, 1, 4, 5]], \"attributes\": {\"channels\": 4}}",
    "{\"inputs\": [[2, 5, 3, 2, 4]], \"attributes\": {\"channels\": 3}}",
    "{\"inputs\": [[1, 4, 3, 4, 3]], \"attributes\": {\"channels\": 5, \"kernel\": [1, 2, 2], \"bias\": false}}",
    "{\"inputs\": [[2, 3, 1, 5, 4]], \"attributes\": {\"channels\": 4, \"kernel\": 3, \"stride\": 2, "
    "\"padding\": 1, \"output_padding\": 1}}",
    "{\"inputs\": [[1, 3, 1, 5, 6]], \"attributes\": {\"channels\": 2, \"kernel\": [3, 2], \"stride\": [2, 3], "
    "\"dilation\": 2, \"padding\": [1, 0], \"output_padding\": [0, 2]}}",
    "{\"inputs\": [[2, 4, 1, 3, 4]], \"attributes\": {\"channels\": 6, \"groups\": 2, \"kernel\": 3, \"stride\": "
    "[1, 2]}}",
    "{\"inputs\": [[1, 6, 2, 3, 3]], \"attributes\": {\"channels\": 6, \"groups\": 6}}",
    "{\"inputs\": [[1, 4, 2, 3, 4]], \"attributes\": {\"channels\": 2, \"kernel\": [2, 3, 1], \"stride\": [2, 1, "
    "2], \"padding\": [0, 1, 0], \"groups\": 2}}",
    "{\"inputs\": [[2, 32, 1, 6, 7]], \"attributes\": {\"channels\": 24}}",
    "{\"inputs\": [[1, 3, 2, 3, 4]], \"attributes\": {\"channels\": 4, \"dims\": 2}}",
    NULL};

const ps_layer_type ps_layer_conv_transpose = {
    .name = "conv_transpose",
    .summary = "transposed convolution in 2 or 3 dimensions",
    .attributes = transpose_attributes,
    .config_bytes = sizeof(transpose_config),
    .role = PS_ROLE_CONV,
    .min_inputs = 1,
    .max_inputs = 1,
    .needs_input = true,
    .complete = transpose_complete,
    .infer = transpose_infer,
    .params = transpose_params,
    .plan = transpose_plan,
    .unplan = ps_free,
    .describe = transpose_describe,
    .macs = transpose_macs,
    .forward = transpose_forward,
    .backward = transpose_backward,
    .rounding = transpose_rounding,
    .tangent_forward = ps_tangent_bilinear_forward,
    .tangent_backward = ps_tangent_bilinear_backward,
    .samples = transpose_samples,
};
