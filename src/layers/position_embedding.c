/* A learned vector for each position, added: y(t, c) = x(t, c) + e(t, c). The parameter is the operation itself,
 * without a suffix, as a bare nn.Parameter is named in PyTorch files. */
#include "kernels/pointwise.h"
#include "kernels/projection.h"
#include "layers/attributes.h"
#include "layers/list.h"
#include "layers/rounding.h"
#include "layers/tangent.h"

static int embedding_params(const void *config, const ps_shape *in, ps_shape out, ps_param_spec *specs) {
    (void)config, (void)in;
    specs[0] = (ps_param_spec){.suffix = "",
                               .embedding = true,
                               .rank = 3,
                               .dims = {1, out.d * out.h * out.w, out.c},
                               .rows = 1,
                               .init = PS_INIT_EMBEDDING,
                               .fan_in = 1};
    return 1;
}

static size_t values(const ps_layer_call *call) { return ps_shape_elements(ps_shape_with_batch(call->out_shape, 1)); }

/* A sample's values are one row. */
static ps_row_sums gradient_sums(ps_shape out) {
    size_t count = ps_shape_elements(ps_shape_with_batch(out, 1));
    return (ps_row_sums){(size_t)out.n, count, 1, count};
}

static ps_status embedding_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads,
                                void **plan, ps_layer_sizes *sizes) {
    (void)config, (void)in, (void)inputs, (void)threads;
    ps_row_sums sums = gradient_sums(out);
    *plan = NULL;
    *sizes = (ps_layer_sizes){.workspace_bytes = ps_row_sums_bytes(&sums)};
    return PS_OK;
}

static void forward_image(void *context, size_t image, int worker) {
    (void)worker;
    const ps_layer_call *call = context;
    size_t count = values(call);
    const float *x = call->x[0] + image * count, *e = call->param[0];
    float *y = call->y + image * count;
    for (size_t i = 0; i < count; i++) y[i] = x[i] + e[i];
}

static void embedding_forward(const ps_layer_call *call) {
    ps_threads_run(call->threads, (size_t)call->out_shape.n, forward_image, (void *)call);
}

static void embedding_backward(const ps_layer_call *call) {
    size_t count = ps_shape_elements(call->out_shape);
    ps_row_sums sums = gradient_sums(call->out_shape);
    ps_row_sums_add_up(&sums, call->dy, call->grad[0], call->workspace, call->threads);
    if (call->dx[0] == NULL) return;
    if (call->accumulate[0]) ps_vector_add(call->dx[0], call->dy, count, call->dx[0], call->threads);
    else if (call->dx[0] != call->dy) ps_vector_copy(call->dy, count, call->dx[0], call->threads);
}

/* x is there and y not yet. */
static void embedding_rounding(const ps_layer_call *call) {
    size_t count = ps_shape_elements(call->out_shape), image = values(call);
    ps_vector_copy(call->in_bound[0], count, call->bound, call->threads);
    ps_rounding_add_few(call->x[0], count, call->bound, call->threads);
    for (size_t i = 0; i < count; i += image) ps_rounding_add_few(call->param[0], image, call->bound + i, NULL);
}

static const char *const embedding_samples[] = {"{\"inputs\": [[3, 5, 1, 4, 3]], \"attributes\": {}}",
                                                "{\"inputs\": [[2, 3, 2, 3, 2]], \"attributes\": {}}",
                                                "{\"inputs\": [[70, 2, 1, 1, 3]], \"attributes\": {}}", NULL};

const ps_layer_type ps_layer_position_embedding = {
    .name = "position_embedding",
    .summary = "adds a learned vector to each position",
    .role = PS_ROLE_HANDS_ON,
    .shifts = true,
    .min_inputs = 1,
    .max_inputs = 1,
    .in_place = true,
    .infer = ps_infer_same,
    .params = embedding_params,
    .plan = embedding_plan,
    .forward = embedding_forward,
    .backward = embedding_backward,
    .rounding = embedding_rounding,
    .carries_bounds = true,
    .tangent_forward = ps_tangent_linear_forward,
    .tangent_backward = ps_tangent_linear_backward,
    .samples = embedding_samples,
};
