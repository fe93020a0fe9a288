/* Sequence pooling (Hassani et al. 2021, arXiv 2104.05704): a weighted mean over all positions, whose weights are the
 * softmax of one number a position: a(t) = weight . x(t) + bias, p = softmax over t of a, y(c) = sum over t of p(t)
 * x(t, c). What is added to every a(t) changes no p: the bias does nothing and its gradient is 0. */
#include <math.h>

#include "kernels/projection.h"
#include "layers/attributes.h"
#include "layers/list.h"

static ps_status pool_infer(const void *config, const ps_layer_input *in, int inputs, const char *where,
                            ps_shape *out) {
    (void)config, (void)inputs, (void)where;
    *out = (ps_shape){in[0].shape.n, in[0].shape.c, 1, 1, 1};
    return PS_OK;
}

static int pool_params(const void *config, const ps_shape *in, ps_shape out, ps_param_spec *specs) {
    (void)config, (void)in;
    specs[0] = (ps_param_spec){
        .suffix = "weight", .rank = 2, .dims = {1, out.c}, .rows = 1, .init = PS_INIT_WEIGHT, .fan_in = out.c};
    specs[1] =
        (ps_param_spec){.suffix = "bias", .rank = 1, .dims = {1}, .rows = 1, .init = PS_INIT_BIAS, .fan_in = out.c};
    return 2;
}

static int positions_of(ps_shape in) { return in.d * in.h * in.w; }

/* Of a position's number from its channels. */
static ps_projection projection_of(ps_shape in) { return (ps_projection){in.n, positions_of(in), in.c, 1}; }

static size_t numbers_of(ps_shape in) { return (size_t)in.n * (size_t)positions_of(in); }

/* Doubles g, then floats da [n][positions], rounded up to whole cache lines. */
static size_t own_bytes(ps_shape in) { return (numbers_of(in) * (sizeof(double) + sizeof(float)) + 63) / 64 * 64; }

static float *da_of(const ps_layer_call *call) {
    return (float *)((double *)call->workspace + numbers_of(call->in_shape[0]));
}

/* save: p [n][positions]. workspace: the gradients of p and a, then the kernel's. */
static ps_status pool_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads, void **plan,
                           ps_layer_sizes *sizes) {
    (void)config, (void)inputs, (void)out;
    ps_projection projection = projection_of(in[0]);
    *plan = NULL;
    *sizes =
        (ps_layer_sizes){.save_bytes = numbers_of(in[0]) * sizeof(float),
                         .workspace_bytes = own_bytes(in[0]) + ps_projection_workspace_bytes(&projection, threads)};
    return PS_OK;
}

static double pool_macs(const void *config, const ps_shape *in, ps_shape out) {
    (void)config, (void)out;
    return 2.0 * (double)ps_shape_elements(in[0]);
}

static void forward_image(void *context, size_t image, int worker) {
    (void)worker;
    const ps_layer_call *call = context;
    size_t c = (size_t)call->out_shape.c, positions = (size_t)positions_of(call->in_shape[0]);
    const float *x = call->x[0] + image * positions * c, *w = call->param[0];
    float *p = (float *)call->save + image * positions, *y = call->y + image * c, largest = -INFINITY;
    double sum = 0;
    for (size_t t = 0; t < positions; t++) {
        double a = (double)call->param[1][0];
        for (size_t j = 0; j < c; j++) a += (double)x[t * c + j] * (double)w[j];
        p[t] = (float)a;
        if (!(p[t] <= largest)) largest = p[t];
    }
    for (size_t t = 0; t < positions; t++) sum += (double)(p[t] = expf(p[t] - largest));
    for (size_t j = 0; j < c; j++) y[j] = 0.0f;
    for (size_t t = 0; t < positions; t++) {
        p[t] = (float)((double)p[t] / sum);
        for (size_t j = 0; j < c; j++) y[j] += p[t] * x[t * c + j];
    }
}

/* da(t) = p(t) (g(t) - sum of p g) with g(t) = dy . x(t);  dx(t) = p(t) dy + da(t) weight. */
static void backward_image(void *context, size_t image, int worker) {
    (void)worker;
    const ps_layer_call *call = context;
    size_t c = (size_t)call->out_shape.c, positions = (size_t)positions_of(call->in_shape[0]);
    const float *x = call->x[0] + image * positions * c, *w = call->param[0], *dy = call->dy + image * c,
                *p = (const float *)call->save + image * positions;
    float *da = da_of(call) + image * positions;
    double mean = 0, *g = (double *)call->workspace + image * positions;
    for (size_t t = 0; t < positions; t++) {
        g[t] = 0;
        for (size_t j = 0; j < c; j++) g[t] += (double)dy[j] * (double)x[t * c + j];
        mean += (double)p[t] * g[t];
    }
    for (size_t t = 0; t < positions; t++) da[t] = (float)((double)p[t] * (g[t] - mean));
    float *dx = call->dx[0] != NULL ? call->dx[0] + image * positions * c : NULL;
    for (size_t t = 0; dx != NULL && t < positions; t++, dx += c)
        for (size_t j = 0; j < c; j++) dx[j] = (call->accumulate[0] ? dx[j] : 0.0f) + (p[t] * dy[j] + da[t] * w[j]);
}

static void pool_forward(const ps_layer_call *call) {
    ps_threads_run(call->threads, (size_t)call->out_shape.n, forward_image, (void *)call);
}

static void pool_backward(const ps_layer_call *call) {
    ps_projection projection = projection_of(call->in_shape[0]);
    char *workspace = (char *)call->workspace + own_bytes(call->in_shape[0]);
    ps_threads_run(call->threads, (size_t)call->out_shape.n, backward_image, (void *)call);
    ps_projection_weight_gradient(&projection, call->x[0], da_of(call), call->grad[0], workspace, call->threads);
    call->grad[1][0] = 0.0f;
}

static const char *const pool_samples[] = {"{\"inputs\": [[3, 5, 1, 4, 3]], \"attributes\": {}}",
                                           "{\"inputs\": [[2, 3, 2, 3, 2]], \"attributes\": {}}",
                                           "{\"inputs\": [[70, 2, 1, 1, 3]], \"attributes\": {}}",
                                           "{\"inputs\": [[2, 7, 1, 1, 1]], \"attributes\": {}}", NULL};

const ps_layer_type ps_layer_sequence_pool = {
    .name = "sequence_pool",
    .summary = "mean over all positions, weighted by the softmax of a learned number of each",
    .role = PS_ROLE_OTHER,
    .min_inputs = 1,
    .max_inputs = 1,
    .needs_input = true,
    .infer = pool_infer,
    .params = pool_params,
    .plan = pool_plan,
    .macs = pool_macs,
    .forward = pool_forward,
    .backward = pool_backward,
    .samples = pool_samples,
};
