/* Batch normalisation with what graph fusion hangs on it: v = gamma (x - mu) / sqrt(var + eps) + beta (+ input 1), then
 * optionally (leaky) ReLU. Source: Ioffe & Szegedy 2015; running statistics as PyTorch (unbiased variance).
 * All arrays [n][d][h][w][c]; parameters and states [c]. */
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "kernels/norm.h"
#include "kernels/pointwise.h"
#include "layers/attributes.h"
#include "layers/list.h"
#include "layers/norm_end.h"
#include "layers/rounding.h"

typedef struct {
    ps_norm_end end; /* first: ps_norm_end_... take the configuration as one */
    double eps, momentum;
} norm_config;

#define AT(field) offsetof(norm_config, field)
static const ps_attribute norm_attributes[] = {
    {"eps", PS_ATTRIBUTE_NUMBER, AT(eps), "1e-5", 1e-12, 1e6, NULL, "added to the variance"},
    {"momentum", PS_ATTRIBUTE_NUMBER, AT(momentum), "0.1", 0, 1, NULL, "of the batch in the running statistics"},
    PS_NORM_END_ATTRIBUTES(AT(end)),
    {0}};
#undef AT

static ps_status norm_infer(const void *config, const ps_layer_input *in, int inputs, const char *where,
                            ps_shape *out) {
    (void)config;
    *out = in[0].shape;
    return ps_inputs_equal(in, inputs, "batch_norm with a residual", where);
}

static int norm_states(const void *config, const ps_shape *in, ps_shape out, ps_param_spec *specs) {
    (void)config, (void)in;
    specs[0] =
        (ps_param_spec){.suffix = "running_mean", .rank = 1, .dims = {out.c}, .rows = out.c, .init = PS_INIT_ZEROS};
    specs[1] = (ps_param_spec){
        .suffix = "running_var", .variance = true, .rank = 1, .dims = {out.c}, .rows = out.c, .init = PS_INIT_ONES};
    return 2;
}

/* Scratch of the normalisation kernel, or of the pointwise pass that backward may make instead. */
static size_t kernel_workspace_bytes(ps_shape shape) {
    size_t norm = ps_norm_workspace_bytes(shape), pointwise = ps_pointwise_workspace_bytes(shape);
    return norm > pointwise ? norm : pointwise;
}

/* save: mean[c], inverse_std[c]. workspace: three vectors [c] behind the kernel's own scratch, the first of them the
 * unbiased variance. */
static ps_status norm_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads, void **plan,
                           ps_layer_sizes *sizes) {
    (void)config, (void)in, (void)inputs, (void)threads;
    *plan = NULL;
    sizes->save_bytes = 2 * (size_t)out.c * sizeof(float);
    sizes->workspace_bytes = kernel_workspace_bytes(out) + 3 * (size_t)out.c * sizeof(float);
    size_t entry = ps_rounding_entry_bytes(out) + (size_t)out.c * sizeof(float);
    if (entry > sizes->workspace_bytes) sizes->workspace_bytes = entry;
    return PS_OK;
}

static void use_running_statistics(const ps_layer_call *call, float *mean, float *inverse_std) {
    const norm_config *config = call->config;
    for (int c = 0; c < call->out_shape.c; c++) {
        mean[c] = call->state[0][c];
        inverse_std[c] = (float)(1.0 / sqrt((double)call->state[1][c] + config->eps));
    }
}

static void update_running_statistics(const ps_layer_call *call, const float *mean, const float *variance) {
    const norm_config *config = call->config;
    double m = config->momentum;
    for (int c = 0; c < call->out_shape.c; c++) {
        call->state[0][c] = (float)((1.0 - m) * (double)call->state[0][c] + m * (double)mean[c]);
        call->state[1][c] = (float)((1.0 - m) * (double)call->state[1][c] + m * (double)variance[c]);
    }
}

static void find_statistics(const ps_layer_call *call, float *mean, float *inverse_std, float *variance) {
    const norm_config *config = call->config;
    if (call->mode == PS_MODE_EVAL) use_running_statistics(call, mean, inverse_std);
    else
        ps_norm_statistics(call->x[0], call->out_shape, config->eps, mean, inverse_std, variance, call->workspace,
                           call->threads);
}

static float *own_workspace(const ps_layer_call *call) {
    size_t kernel = kernel_workspace_bytes(call->out_shape);
    return (float *)((char *)call->workspace + kernel);
}

/* All but what it ends in. */
static ps_norm_apply_call apply_of(const ps_layer_call *call, const float *mean, const float *inverse_std) {
    return (ps_norm_apply_call){.x = call->x[0],
                                .residual = call->inputs > 1 ? call->x[1] : NULL,
                                .shape = call->out_shape,
                                .mean = mean,
                                .inverse_std = inverse_std,
                                .gamma = call->param[0],
                                .beta = call->param[1]};
}

static void norm_entering(const ps_layer_call *call, float *v) {
    int c = call->out_shape.c;
    float *variance = own_workspace(call), *mean = variance + c, *inverse_std = mean + c;
    find_statistics(call, mean, inverse_std, variance);
    ps_norm_apply_call apply = apply_of(call, mean, inverse_std);
    apply.y = v;
    ps_norm_apply(&apply, call->workspace, call->threads);
}

static void norm_forward(const ps_layer_call *call) {
    const norm_config *config = call->config;
    int c = call->out_shape.c;
    float *mean = call->save, *inverse_std = mean + c, *variance = own_workspace(call);
    find_statistics(call, mean, inverse_std, variance);
    if (call->mode == PS_MODE_TRAIN) update_running_statistics(call, mean, variance);
    ps_norm_apply_call apply = apply_of(call, mean, inverse_std);
    apply.activation = (ps_activation)config->end.activation, apply.slope = config->end.slope;
    apply.y = call->y, apply.zeros = call->sums[PS_SUM_ZEROS];
    ps_norm_apply(&apply, call->workspace, call->threads);
}

/* What enters the gate, with the statistics that forward used. Workspace: the scale, then the kernel's. */
static ps_rounding_entry entry_of(const ps_layer_call *call, int images, float **workspace) {
    int c = call->out_shape.c;
    const float *mean = call->save;
    float *scale = call->workspace;
    for (int k = 0; k < c; k++) scale[k] = mean[c + k] * call->param[0][k];
    *workspace = scale + c;
    bool residual = call->inputs > 1;
    return (ps_rounding_entry){.x = call->x[0],
                               .x_bound = call->in_bound[0],
                               .residual = residual ? call->x[1] : NULL,
                               .residual_bound = residual ? call->in_bound[1] : NULL,
                               .mean = mean,
                               .scale = scale,
                               .beta = call->param[1],
                               .shape = ps_shape_with_batch(call->out_shape, images)};
}

/* A slope moves nothing further apart. */
static void norm_rounding(const ps_layer_call *call) {
    float *workspace;
    const norm_config *config = call->config;
    ps_rounding_entry entry = entry_of(call, call->out_shape.n, &workspace);
    entry.rectified = config->end.activation == PS_ACT_RELU;
    ps_rounding_entry_bound(&entry, call->bound, workspace, call->threads);
}

static void norm_edges(const ps_layer_call *call, int images, ps_layer_edges edges) {
    float *workspace;
    ps_rounding_entry entry = entry_of(call, images, &workspace);
    ps_rounding_edges(&entry, edges, workspace, call->threads);
}

static void norm_backward(const ps_layer_call *call) {
    const norm_config *config = call->config;
    int c = call->out_shape.c;
    const float *mean = call->save;
    bool residual = call->inputs > 1 && call->dx[1] != NULL;
    /* Its own pass where input 0 wants no gradient, and where one node feeds both inputs (the kernel writes two
     * arrays). */
    bool alone = residual && (call->dx[0] == NULL || call->dx[0] == call->dx[1]);
    ps_norm_backward(&(ps_norm_backward_call){.x = call->x[0],
                                              .y = call->y,
                                              .dy = call->dy,
                                              .shape = call->out_shape,
                                              .mean = mean,
                                              .inverse_std = mean + c,
                                              .gamma = call->param[0],
                                              .activation = (ps_activation)config->end.activation,
                                              .slope = config->end.slope,
                                              .frozen = call->mode == PS_MODE_EVAL,
                                              .dx = call->dx[0],
                                              .accumulate_x = call->accumulate[0],
                                              .dresidual = residual && !alone ? call->dx[1] : NULL,
                                              .accumulate_residual = residual && call->accumulate[1],
                                              .dgamma = call->grad[0],
                                              .dbeta = call->grad[1],
                                              .dx_squares = call->sums[PS_SUM_INPUT_GRAD_SQUARES],
                                              .gate_squares = call->sums[PS_SUM_ENTERING_GRAD_SQUARES]},
                     call->workspace, call->threads);
    if (alone) ps_norm_end_backward_residual(call);
}

static double norm_batch_eps(const void *config) { return ((const norm_config *)config)->eps; }

/* ---- tangents (no activation, no residual: products run on the unfused network) ----
 * Per channel, xhat = (x - mu) s, dot a being the derivative of a and <.> the mean over rows (batch statistics):
 *   dot xhat = s (dot x - <dot x>) - xhat s q,   q = <xhat dot x>;   dot s / s = -s q
 *   dot y    = dot gamma xhat + gamma dot xhat + dot beta
 *   dx       = gamma s (dy - <dy> - xhat <dy xhat>)
 *   dot dx   = (dot gamma - gamma s q) s (dy - <dy> - xhat <dy xhat>)
 *            + gamma s (dot dy - <dot dy> - dot xhat <dy xhat> - xhat <dot dy xhat + dy dot xhat>)
 * With running statistics s and mu are constants: dot xhat = s dot x, dx = gamma s dy. */
typedef struct {
    double mean_x_dot, q; /* 0 with running statistics */
} norm_tangent;

static norm_tangent tangent_moments(const ps_layer_call *call, const float *x_dot, int channel) {
    size_t rows = ps_shape_positions(call->out_shape), c = (size_t)call->out_shape.c;
    const float *mean = call->save, *inverse_std = mean + c;
    norm_tangent t = {0, 0};
    if (call->mode == PS_MODE_EVAL) return t;
    for (size_t r = 0; r < rows; r++) {
        double xhat =
            ((double)call->x[0][r * c + (size_t)channel] - (double)mean[channel]) * (double)inverse_std[channel];
        t.mean_x_dot += (double)x_dot[r * c + (size_t)channel];
        t.q += xhat * (double)x_dot[r * c + (size_t)channel];
    }
    t.mean_x_dot /= (double)rows;
    t.q /= (double)rows;
    return t;
}

typedef struct {
    const ps_layer_call *call;
    const ps_layer_tangent *tangent;
} norm_tangent_job;

static void tangent_forward_channel(void *context, size_t channel, int worker) {
    (void)worker;
    const norm_tangent_job *job = context;
    const ps_layer_call *call = job->call;
    const float *x_dot = job->tangent->x[0];
    size_t rows = ps_shape_positions(call->out_shape), c = (size_t)call->out_shape.c;
    double mean = ((const float *)call->save)[channel], s = ((const float *)call->save)[c + channel],
           gamma = call->param[0][channel];
    double gamma_dot = job->tangent->param[0][channel], beta_dot = job->tangent->param[1][channel];
    norm_tangent t = tangent_moments(call, x_dot, (int)channel);
    for (size_t i = channel; i < rows * c; i += c) {
        double xhat = ((double)call->x[0][i] - mean) * s;
        double xhat_dot = s * ((double)x_dot[i] - t.mean_x_dot) - xhat * s * t.q;
        job->tangent->y[i] = (float)(gamma_dot * xhat + gamma * xhat_dot + beta_dot);
    }
}

static void norm_tangent_forward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    norm_tangent_job job = {call, tangent};
    ps_threads_run(call->threads, (size_t)call->out_shape.c, tangent_forward_channel, &job);
}

static void tangent_backward_channel(void *context, size_t channel, int worker) {
    (void)worker;
    const norm_tangent_job *job = context;
    const ps_layer_call *call = job->call;
    const float *x_dot = job->tangent->x[0], *dy = call->dy, *dy_dot = job->tangent->dy;
    size_t rows = ps_shape_positions(call->out_shape), c = (size_t)call->out_shape.c;
    double mean = ((const float *)call->save)[channel], s = ((const float *)call->save)[c + channel],
           gamma = call->param[0][channel];
    double gamma_dot = job->tangent->param[0][channel];
    bool frozen = call->mode == PS_MODE_EVAL;
    norm_tangent t = tangent_moments(call, x_dot, (int)channel);
    double sum_dy = 0, sum_dy_xhat = 0, sum_dy_dot = 0, sum_mixed = 0;
    for (size_t i = channel; i < rows * c; i += c) {
        double xhat = ((double)call->x[0][i] - mean) * s,
               xhat_dot = s * ((double)x_dot[i] - t.mean_x_dot) - xhat * s * t.q;
        sum_dy += (double)dy[i];
        sum_dy_xhat += (double)dy[i] * xhat;
        sum_dy_dot += (double)dy_dot[i];
        sum_mixed += (double)dy_dot[i] * xhat + (double)dy[i] * xhat_dot;
    }
    job->tangent->grad[0][channel] = (float)sum_mixed;
    job->tangent->grad[1][channel] = (float)sum_dy_dot;
    if (job->tangent->dx[0] == NULL) return;
    double n = (double)rows, a = sum_dy / n, b = sum_dy_xhat / n, a_dot = sum_dy_dot / n, b_dot = sum_mixed / n;
    for (size_t i = channel; i < rows * c; i += c) {
        double xhat = ((double)call->x[0][i] - mean) * s,
               xhat_dot = s * ((double)x_dot[i] - t.mean_x_dot) - xhat * s * t.q;
        double centred = frozen ? (double)dy[i] : (double)dy[i] - a - xhat * b;
        double centred_dot = frozen ? (double)dy_dot[i] : (double)dy_dot[i] - a_dot - xhat_dot * b - xhat * b_dot;
        job->tangent->dx[0][i] = (float)((gamma_dot - gamma * s * t.q) * s * centred + gamma * s * centred_dot);
    }
}

static void norm_tangent_backward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    norm_tangent_job job = {call, tangent};
    ps_threads_run(call->threads, (size_t)call->out_shape.c, tangent_backward_channel, &job);
}

static const char *const norm_samples[] = {
    "{\"inputs\": [[3, 5, 1, 4, 3]], \"attributes\": {}}",
    "{\"inputs\": [[2, 17, 1, 3, 5]], \"attributes\": {\"activation\": \"relu\"}}",
    "{\"inputs\": [[2, 4, 2, 3, 3]], \"attributes\": {\"activation\": \"leaky_relu\", \"slope\": 0.2, \"eps\": 0.001}}",
    "{\"inputs\": [[7, 6, 1, 1, 1]], \"attributes\": {\"momentum\": 0.3}}",
    "{\"inputs\": [[2, 5, 1, 5, 3], [2, 5, 1, 5, 3]], \"attributes\": {}}",
    "{\"inputs\": [[2, 5, 1, 5, 3], [2, 5, 1, 5, 3]], \"attributes\": {\"activation\": \"relu\"}}",
    "{\"inputs\": [[2, 3, 1, 4, 3], [2, 3, 1, 4, 3]], \"attributes\": {\"activation\": \"leaky_relu\"}}",
    NULL};

const ps_layer_type ps_layer_batch_norm = {
    .name = "batch_norm",
    .summary = "batch normalisation; may end in an activation and add a residual (input 1) before it",
    .attributes = norm_attributes,
    .config_bytes = sizeof(norm_config),
    .role = PS_ROLE_NORM,
    .standardises = true,
    .min_inputs = 1,
    .max_inputs = 2,
    .needs_input = true,
    .needs_output = true,
    .gradient_in_place = true,
    .fused_sums = 1u << PS_SUM_ZEROS | 1u << PS_SUM_INPUT_GRAD_SQUARES | 1u << PS_SUM_ENTERING_GRAD_SQUARES,
    .least_values = 2, /* one value is its own mean: the output would be the shift, whatever it is */
    .complete = ps_norm_end_complete,
    .infer = norm_infer,
    .params = ps_gain_and_shift_params,
    .states = norm_states,
    .plan = norm_plan,
    .forward = norm_forward,
    .backward = norm_backward,
    .gate = ps_norm_end_gate,
    .flat = ps_norm_end_flat,
    .entering = norm_entering,
    .merges = ps_norm_end_merges,
    .merged = ps_norm_end_merged,
    .batch_eps = norm_batch_eps,
    .rounding = norm_rounding,
    .carries_bounds = true,
    .edges = norm_edges,
    .tangent_forward = norm_tangent_forward,
    .tangent_backward = norm_tangent_backward,
    .tangent_refuse = ps_norm_end_tangent_refuse,
    .samples = norm_samples,
};
