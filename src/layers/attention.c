/* Multi-head self-attention over the positions of a map (Vaswani et al. 2017): q, k and v of every head from the input
 * (qkv), softmax of their products over the positions, the heads' outputs side by side through a projection. In memory
 * the rows of qkv lie head by head, [heads][3][size][c], so that row h is all that head h reads; in files q's rows of
 * all heads come first, then k's, then v's, as PyTorch's qkv has them. */
#include "kernels/attention.h"

#include "kernels/projection.h"
#include "layers/attributes.h"
#include "layers/list.h"

typedef struct {
    int heads;
    bool qkv_bias;
    double dropout;
} attention_config;

#define AT(field) offsetof(attention_config, field)
static const ps_attribute attention_attributes[] = {
    {"heads", PS_ATTRIBUTE_INT, AT(heads), NULL, 1, 1 << 16, NULL, "heads, which divide the channels: the nodes"},
    {"qkv_bias", PS_ATTRIBUTE_FLAG, AT(qkv_bias), "true", 0, 0, NULL, "whether queries, keys and values have a bias"},
    {"dropout", PS_ATTRIBUTE_NUMBER, AT(dropout), "0", 0, 1, NULL,
     "share of the attention weights that become 0 in training"},
    {0}};
#undef AT

static ps_status attention_infer(const void *config_, const ps_layer_input *in, int inputs, const char *where,
                                 ps_shape *out) {
    (void)inputs;
    const attention_config *config = config_;
    *out = in[0].shape;
    if (out->c % config->heads != 0)
        return ps_fail(PS_ERR_INPUT,
                       "%s: %d heads do not divide the %d channels of the input; take a number of heads that does",
                       where, config->heads, out->c);
    if (out->c > (1 << 24) / 3)
        return ps_fail(PS_ERR_INPUT, "%s: attention takes %d channels at most, not %d", where, (1 << 24) / 3, out->c);
    return PS_OK;
}

static int attention_params(const void *config_, const ps_shape *in, ps_shape out, ps_param_spec *specs) {
    const attention_config *config = config_;
    int c = out.c, count = 0;
    (void)in;
    specs[count++] = (ps_param_spec){.suffix = "qkv.weight",
                                     .rank = 2,
                                     .dims = {3 * c, c},
                                     .parts = 3,
                                     .rows = config->heads,
                                     .init = PS_INIT_WEIGHT,
                                     .fan_in = c};
    if (config->qkv_bias)
        specs[count++] = (ps_param_spec){.suffix = "qkv.bias",
                                         .rank = 1,
                                         .dims = {3 * c},
                                         .parts = 3,
                                         .rows = config->heads,
                                         .init = PS_INIT_BIAS,
                                         .fan_in = c};
    specs[count++] = (ps_param_spec){
        .suffix = "proj.weight", .rank = 2, .dims = {c, c}, .rows = c, .init = PS_INIT_WEIGHT, .fan_in = c};
    specs[count++] =
        (ps_param_spec){.suffix = "proj.bias", .rank = 1, .dims = {c}, .rows = c, .init = PS_INIT_BIAS, .fan_in = c};
    return count;
}

static int positions_of(ps_shape in) { return in.d * in.h * in.w; }

static ps_projection qkv_of(ps_shape in) { return (ps_projection){in.n, positions_of(in), in.c, 3 * in.c}; }

static ps_projection proj_of(ps_shape in) { return (ps_projection){in.n, positions_of(in), in.c, in.c}; }

static ps_attention heads_of(const attention_config *config, ps_shape in) {
    return (ps_attention){
        .samples = in.n, .positions = positions_of(in), .heads = config->heads, .size = in.c / config->heads};
}

static size_t lines(size_t floats) { return (floats + 15) / 16 * 16; }

/* save: qkv, the heads' outputs, what the kernel keeps. workspace: in backward the gradients of both, then the
 * kernels'. */
typedef struct {
    float *qkv, *heads, *kept;
} kept_arrays;

static kept_arrays kept_of(const ps_layer_call *call) {
    size_t count = ps_shape_elements(call->out_shape);
    float *save = call->save;
    return (kept_arrays){save, save + lines(3 * count), save + lines(3 * count) + lines(count)};
}

static ps_status attention_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads,
                                void **plan, ps_layer_sizes *sizes) {
    (void)inputs;
    ps_attention heads = heads_of(config, in[0]);
    ps_projection qkv = qkv_of(in[0]), proj = proj_of(in[0]);
    size_t count = ps_shape_elements(out), scratch = ps_attention_workspace_bytes(&heads, threads);
    size_t more[] = {ps_projection_workspace_bytes(&qkv, threads), ps_projection_workspace_bytes(&proj, threads),
                     ps_attention_measure_bytes(&heads, out.c, threads)};
    for (int i = 0; i < 3; i++)
        if (more[i] > scratch) scratch = more[i];
    size_t saved = lines(3 * count) + lines(count) + ps_attention_kept_floats(&heads);
    *plan = NULL;
    *sizes = (ps_layer_sizes){.save_bytes = saved * sizeof(float),
                              .workspace_bytes = (lines(3 * count) + lines(count)) * sizeof(float) + scratch};
    return PS_OK;
}

static double attention_macs(const void *config, const ps_shape *in, ps_shape out) {
    (void)config;
    double positions = positions_of(in[0]), c = out.c;
    return (double)in[0].n * positions * c * (4 * c + 2 * positions);
}

typedef struct {
    const float *qkv_weight, *qkv_bias, *proj_weight, *proj_bias;
} weights;

static weights weights_of(const ps_layer_call *call) {
    bool bias = ((const attention_config *)call->config)->qkv_bias;
    return (weights){call->param[0], bias ? call->param[1] : NULL, call->param[1 + bias], call->param[2 + bias]};
}

static ps_attention heads_of_call(const ps_layer_call *call) {
    const attention_config *config = call->config;
    ps_attention heads = heads_of(config, call->in_shape[0]);
    heads.dropout = call->mode == PS_MODE_TRAIN ? config->dropout : 0;
    heads.key = call->key;
    return heads;
}

static void attention_forward(const ps_layer_call *call) {
    ps_attention heads = heads_of_call(call);
    ps_projection qkv = qkv_of(call->in_shape[0]), proj = proj_of(call->in_shape[0]);
    kept_arrays kept = kept_of(call);
    weights w = weights_of(call);
    ps_projection_forward(&qkv, call->x[0], w.qkv_weight, w.qkv_bias, kept.qkv, call->threads);
    ps_attention_forward(&heads, kept.qkv, kept.heads, kept.kept, call->workspace, call->threads);
    ps_projection_forward(&proj, kept.heads, w.proj_weight, w.proj_bias, call->y, call->threads);
}

static void attention_backward(const ps_layer_call *call) {
    ps_attention heads = heads_of_call(call);
    ps_projection qkv = qkv_of(call->in_shape[0]), proj = proj_of(call->in_shape[0]);
    kept_arrays kept = kept_of(call);
    weights w = weights_of(call);
    bool bias = w.qkv_bias != NULL;
    size_t count = ps_shape_elements(call->out_shape);
    float *dqkv = call->workspace, *dheads = dqkv + lines(3 * count), *scratch = dheads + lines(count);
    ps_projection_weight_gradient(&proj, kept.heads, call->dy, call->grad[1 + bias], scratch, call->threads);
    ps_projection_bias_gradient(&proj, call->dy, call->grad[2 + bias], scratch, call->threads);
    ps_projection_input_gradient(&proj, call->dy, w.proj_weight, dheads, false, call->threads);
    ps_attention_backward(&heads, kept.qkv, kept.heads, kept.kept, dheads, dqkv, scratch, call->threads);
    ps_projection_weight_gradient(&qkv, call->x[0], dqkv, call->grad[0], scratch, call->threads);
    if (bias) ps_projection_bias_gradient(&qkv, dqkv, call->grad[1], scratch, call->threads);
    if (call->dx[0] != NULL)
        ps_projection_input_gradient(&qkv, dqkv, w.qkv_weight, call->dx[0], call->accumulate[0], call->threads);
}

static void attention_heads(const ps_layer_call *call, int images, double *squares, double *entropy) {
    ps_attention heads = heads_of_call(call);
    kept_arrays kept = kept_of(call);
    ps_attention_measure(&heads, kept.qkv, kept.heads, kept.kept, weights_of(call).proj_weight, call->out_shape.c,
                         images, entropy, squares, call->workspace, call->threads);
}

static const char *const attention_samples[] = {
    "{\"inputs\": [[3, 6, 1, 2, 5]], \"attributes\": {\"heads\": 2}}",
    "{\"inputs\": [[2, 5, 1, 1, 7]], \"attributes\": {\"heads\": 1, \"qkv_bias\": false}}",
    "{\"inputs\": [[2, 6, 2, 3, 3]], \"attributes\": {\"heads\": 3, \"dropout\": 0.3}}",
    "{\"inputs\": [[70, 2, 1, 1, 2]], \"attributes\": {\"heads\": 2}}",
    "{\"inputs\": [[1, 4, 1, 12, 11]], \"attributes\": {\"heads\": 2, \"qkv_bias\": false, \"dropout\": 0.1}}",
    "{\"inputs\": [[2, 4, 1, 1, 1]], \"attributes\": {\"heads\": 4}}",
    NULL};

const ps_layer_type ps_layer_attention = {
    .name = "attention",
    .summary = "multi-head self-attention over all positions",
    .attributes = attention_attributes,
    .config_bytes = sizeof(attention_config),
    .role = PS_ROLE_ATTENTION,
    .min_inputs = 1,
    .max_inputs = 1,
    .needs_input = true,
    .infer = attention_infer,
    .params = attention_params,
    .plan = attention_plan,
    .macs = attention_macs,
    .forward = attention_forward,
    .backward = attention_backward,
    .heads = attention_heads,
    .samples = attention_samples,
};
