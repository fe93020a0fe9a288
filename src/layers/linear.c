/* Linear layer: y [n][k] = x [n][c] weight[k][c]^T + bias[k]. */
#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "kernels/conv.h"
#include "kernels/gemm.h"
#include "layers/attributes.h"
#include "layers/list.h"
#include "layers/rounding.h"
#include "layers/tangent.h"
#include "parallel/reduce.h"

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

/* A block of rows of dW, shard by shard along the batch's tree, depth first; a single shard's at once. */
typedef struct {
    const ps_layer_call *call;
    ps_shards shards;
    size_t rows, slot_floats, slots_step; /* rows of a block; floats of a sum and of all those of a worker */
} gradient_run;

/* About 4 M multiplications, and so that the sums of a block stay small. */
static gradient_run plan_gradient(ps_shape in, ps_shape out) {
    gradient_run run = {.shards = ps_shards_of((size_t)in.n)};
    size_t c = (size_t)in.c, k = (size_t)out.c, batch = ps_reduce_batch((size_t)in.n);
    run.rows = 4000000 / (c * batch) + 1;
    if (run.rows < k / 64 + 1) run.rows = k / 64 + 1;
    if (run.rows > k) run.rows = k;
    run.slot_floats = run.rows * c;
    run.slots_step = run.shards.count > 1 ? ps_tree_slots(run.shards.count) * run.slot_floats : 0;
    return run;
}

static size_t backward_bytes(ps_shape in, ps_shape out, int threads) {
    gradient_run run = plan_gradient(in, out);
    size_t weights = (size_t)threads * run.slots_step * sizeof(float),
           bias = run.shards.count * (size_t)out.c * sizeof(double);
    return weights > bias ? weights : bias;
}

/* The plan is that of the plain forward pass; what is too large for a convolution has none, and its matrix product,
 * which errs no more but may part exact ties, stands in. */
static ps_status linear_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads,
                             void **plan_, ps_layer_sizes *sizes) {
    (void)config, (void)inputs;
    ps_conv_shape shape = shape_of(in[0], out);
    ps_conv_plan *plan;
    size_t rounding = ps_rounding_conv_bytes(&shape), backward = backward_bytes(in[0], out, threads);
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

static void gradient_block(void *context, size_t block, int worker) {
    const gradient_run *run = context;
    const ps_layer_call *call = run->call;
    int c = call->in_shape[0].c, k = call->out_shape.c;
    size_t row = block * run->rows, count = (size_t)k - row < run->rows ? (size_t)k - row : run->rows;
    float *dw = call->grad[0] + row * (size_t)c, *slots = (float *)call->workspace + (size_t)worker * run->slots_step;
    for (size_t shard = 0; shard < run->shards.count; shard++) {
        size_t first = ps_shards_start(&run->shards, shard), n = ps_shards_start(&run->shards, shard + 1) - first;
        float *sum = run->shards.count > 1 ? ps_tree_slot(slots, run->slot_floats, shard) : dw;
        ps_gemm(true, false, (int)count, c, (int)n, call->dy + first * (size_t)k + row, k,
                call->x[0] + first * (size_t)c, c, false, sum, c);
        if (run->shards.count > 1) ps_tree_add(slots, run->slot_floats, shard);
    }
    if (run->shards.count > 1) memcpy(dw, slots, count * (size_t)c * sizeof *dw);
}

static void weight_gradient(const ps_layer_call *call) {
    gradient_run run = plan_gradient(call->in_shape[0], call->out_shape);
    run.call = call;
    ps_threads_run(call->threads, ps_threads_chunks((size_t)call->out_shape.c, run.rows), gradient_block, &run);
    ps_reduce_across(call->grad[0], (size_t)call->out_shape.c * (size_t)call->in_shape[0].c);
}

/* In double; a shard at a time, so that rows are read in pieces of whole cache lines. */
static void bias_gradient(const ps_layer_call *call) {
    size_t k = (size_t)call->out_shape.c;
    ps_shards shards = ps_shards_of((size_t)call->in_shape[0].n);
    double *sums = call->workspace;
    memset(sums, 0, shards.count * k * sizeof *sums);
    for (size_t shard = 0; shard < shards.count; shard++) {
        size_t last = ps_shards_start(&shards, shard + 1);
        for (size_t i = ps_shards_start(&shards, shard); i < last; i++)
            for (size_t j = 0; j < k; j++) sums[shard * k + j] += (double)call->dy[i * k + j];
    }
    ps_reduce_doubles(sums, shards.count, k, k);
    for (size_t j = 0; j < k; j++) call->grad[1][j] = (float)sums[j];
}

static void linear_backward(const ps_layer_call *call) {
    const linear_config *config = call->config;
    int n = call->in_shape[0].n, c = call->in_shape[0].c, k = call->out_shape.c;
    weight_gradient(call);
    if (config->bias) bias_gradient(call);
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
