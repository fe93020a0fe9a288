/* Instance normalisation with what graph fusion hangs on it: v = gamma (x - mu) / sqrt(var + eps) + beta (+ input 1),
 * moments of each channel of each sample over its positions, then optionally (leaky) ReLU. The same in every mode:
 * there are no running statistics. Source: Ulyanov, Vedaldi & Lempitsky 2016; as PyTorch's InstanceNorm2d and
 * InstanceNorm3d with `affine`. All arrays [n][d][h][w][c]; parameters [c].
 *
 * Every sample has mean 0 and deviation 1 before gain and shift, whatever comes: neither the bias of the layer before
 * nor the size of its weights is seen behind it, and some position of every sample lies above the shift unless the
 * channel is constant there. A gate behind it is shut by gain and shift alone. */
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "kernels/instance_norm.h"
#include "kernels/pointwise.h"
#include "layers/attributes.h"
#include "layers/list.h"
#include "layers/norm_end.h"
#include "layers/rounding.h"

typedef struct {
    ps_norm_end end; /* first: ps_norm_end_... take the configuration as one */
    double eps;
    bool affine;
} norm_config;

#define AT(field) offsetof(norm_config, field)
static const ps_attribute norm_attributes[] = {
    {"eps", PS_ATTRIBUTE_NUMBER, AT(eps), "1e-5", 1e-12, 1e6, NULL, "added to the variance"},
    {"affine", PS_ATTRIBUTE_FLAG, AT(affine), "true", 0, 0, NULL, "whether gain and shift are learned"},
    PS_NORM_END_ATTRIBUTES(AT(end)),
    {0}};
#undef AT

/* One value is its own mean: the output would be the shift, whatever it is. */
static ps_status norm_infer(const void *config, const ps_layer_input *in, int inputs, const char *where,
                            ps_shape *out) {
    (void)config;
    *out = in[0].shape;
    if (ps_shape_positions(ps_shape_with_batch(*out, 1)) < 2)
        return ps_fail(PS_ERR_INPUT,
                       "%s: instance_norm has one position of each channel to take moments of, and needs two; put it "
                       "before the last pooling, or take a larger input",
                       where);
    return ps_inputs_equal(in, inputs, "instance_norm with a residual", where);
}

static int norm_params(const void *config, const ps_shape *in, ps_shape out, ps_param_spec *specs) {
    return ((const norm_config *)config)->affine ? ps_gain_and_shift_params(config, in, out, specs) : 0;
}

/* Scratch of the normalisation kernel, or of the pointwise pass that backward may make instead. */
static size_t kernel_workspace_bytes(ps_shape shape) {
    size_t norm = ps_instance_norm_workspace_bytes(shape), pointwise = ps_pointwise_workspace_bytes(shape);
    return norm > pointwise ? norm : pointwise;
}

static size_t values_of(ps_shape shape) { return (size_t)shape.n * (size_t)shape.c; }

/* Vectors before the scratch of edges and rounding: squares (doubles), scale, extra, shift, edges of a sample. */
enum { ENTRY_VECTORS = 11 };

/* save: mean[n][c], inverse_std[n][c]. workspace: statistics of another pass [2][n][c] behind the kernel's own. */
static ps_status norm_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads, void **plan,
                           ps_layer_sizes *sizes) {
    (void)config, (void)in, (void)inputs, (void)threads;
    *plan = NULL;
    sizes->save_bytes = 2 * values_of(out) * sizeof(float);
    sizes->workspace_bytes = kernel_workspace_bytes(out) + 2 * values_of(out) * sizeof(float);
    size_t entry = ps_rounding_entry_bytes(ps_shape_with_batch(out, 1)) + ENTRY_VECTORS * (size_t)out.c * sizeof(float);
    if (entry > sizes->workspace_bytes) sizes->workspace_bytes = entry;
    return PS_OK;
}

static const float *gain_of(const ps_layer_call *call) {
    return ((const norm_config *)call->config)->affine ? call->param[0] : NULL;
}
static const float *shift_of(const ps_layer_call *call) {
    return ((const norm_config *)call->config)->affine ? call->param[1] : NULL;
}

/* All but what it ends in. */
static ps_norm_apply_call apply_of(const ps_layer_call *call, const float *mean, const float *inverse_std) {
    return (ps_norm_apply_call){.x = call->x[0],
                                .residual = call->inputs > 1 ? call->x[1] : NULL,
                                .shape = call->out_shape,
                                .mean = mean,
                                .inverse_std = inverse_std,
                                .gamma = gain_of(call),
                                .beta = shift_of(call)};
}

static void find_statistics(const ps_layer_call *call, float *mean, float *inverse_std) {
    const norm_config *config = call->config;
    ps_instance_norm_statistics(call->x[0], call->out_shape, config->eps, mean, inverse_std, call->workspace,
                                call->threads);
}

static void norm_entering(const ps_layer_call *call, float *v) {
    float *mean = (float *)((char *)call->workspace + kernel_workspace_bytes(call->out_shape));
    float *inverse_std = mean + values_of(call->out_shape);
    find_statistics(call, mean, inverse_std);
    ps_norm_apply_call apply = apply_of(call, mean, inverse_std);
    apply.y = v;
    ps_instance_norm_apply(&apply, call->workspace, call->threads);
}

static void norm_forward(const ps_layer_call *call) {
    const norm_config *config = call->config;
    float *mean = call->save, *inverse_std = mean + values_of(call->out_shape);
    find_statistics(call, mean, inverse_std);
    ps_norm_apply_call apply = apply_of(call, mean, inverse_std);
    apply.activation = (ps_activation)config->end.activation, apply.slope = config->end.slope;
    apply.y = call->y, apply.zeros = call->sums[PS_SUM_ZEROS];
    ps_instance_norm_apply(&apply, call->workspace, call->threads);
}

/* ---- rounding: a sample at a time, as in batch_norm.c. The moments are those of few values, so that what they are off
 * by counts too: of m values whose errors are d at most, of either sign, the mean is off by about d / sqrt(m) and the
 * deviation as much; a value of size |xhat| moves by s (1 + |xhat|) d / sqrt(m). Where v is near 0, |xhat| is
 * |beta / gamma|. The mean itself is summed in single precision, and off by some units of the deviation. ---- */

typedef struct {
    const ps_layer_call *call;
    size_t c, count; /* floats of a sample */
    double *squares;
    float *scale, *shift, *extra, *edges, *workspace;
} sample_entry;

static sample_entry samples_of(const ps_layer_call *call) {
    size_t c = (size_t)call->out_shape.c;
    sample_entry e = {.call = call, .c = c, .squares = call->workspace};
    e.scale = (float *)(e.squares + c);
    e.count = ps_shape_elements(ps_shape_with_batch(call->out_shape, 1));
    e.shift = e.scale + c, e.extra = e.shift + c, e.edges = e.extra + c;
    e.workspace = (float *)call->workspace + ENTRY_VECTORS * c;
    return e;
}

static void find_extra(const sample_entry *e, size_t sample, const float *inverse) {
    const float *moved = e->call->in_bound[0] + sample * e->count;
    memset(e->extra, 0, e->c * sizeof *e->extra);
    for (size_t i = 0; i < e->count; i += e->c)
        for (size_t k = 0; k < e->c; k++) e->extra[k] = moved[i + k] > e->extra[k] ? moved[i + k] : e->extra[k];
    double root = sqrt((double)(e->count / e->c));
    for (size_t k = 0; k < e->c; k++) {
        double s = inverse[k], gain = fabs((double)e->scale[k]) / s;
        e->extra[k] = (float)((double)e->extra[k] / root * s * fmax(3 * gain, gain + fabs((double)e->shift[k])) +
                              4 * PS_ROUNDING_UNIT * gain);
    }
}

static ps_rounding_entry entry_of(const sample_entry *e, size_t sample) {
    const ps_layer_call *call = e->call;
    const float *mean = call->save, *inverse = mean + values_of(call->out_shape), *gain = gain_of(call),
                *shift = shift_of(call);
    size_t at = sample * e->count;
    bool residual = call->inputs > 1;
    mean += sample * e->c, inverse += sample * e->c;
    for (size_t k = 0; k < e->c; k++) {
        e->scale[k] = gain != NULL ? inverse[k] * gain[k] : inverse[k];
        e->shift[k] = shift != NULL ? shift[k] : 0;
    }
    find_extra(e, sample, inverse);
    return (ps_rounding_entry){.x = call->x[0] + at,
                               .x_bound = call->in_bound[0] + at,
                               .residual = residual ? call->x[1] + at : NULL,
                               .residual_bound = residual ? call->in_bound[1] + at : NULL,
                               .mean = mean,
                               .scale = e->scale,
                               .beta = e->shift,
                               .extra = e->extra,
                               .shape = ps_shape_with_batch(call->out_shape, 1)};
}

/* A slope moves nothing further apart. */
static void norm_rounding(const ps_layer_call *call) {
    const norm_config *config = call->config;
    sample_entry e = samples_of(call);
    for (size_t sample = 0; sample < (size_t)call->out_shape.n; sample++) {
        ps_rounding_entry entry = entry_of(&e, sample);
        entry.rectified = config->end.activation == PS_ACT_RELU;
        ps_rounding_entry_bound(&entry, call->bound + sample * e.count, e.workspace, call->threads);
    }
}

/* NaN wins and stays. */
static float larger(float a, float b) { return b > a || isnan(b) ? b : a; }

/* The mean of what enters in a sample is the shift, and what is added has a mean of its own. */
static void add_residual_means(const sample_entry *e, size_t sample, float *mean) {
    const ps_layer_call *call = e->call;
    for (size_t k = 0; k < e->c; k++) mean[k] = e->shift[k];
    if (call->inputs < 2) return;
    const float *residual = call->x[1] + sample * e->count;
    for (size_t k = 0; k < e->c; k++) {
        double sum = 0;
        for (size_t i = k; i < e->count; i += e->c) sum += (double)residual[i];
        mean[k] += (float)(sum / (double)(e->count / e->c));
    }
}

/* The variance over all samples: the mean of theirs, and how far their means lie apart. */
static void norm_edges(const ps_layer_call *call, int images, ps_layer_edges edges) {
    sample_entry e = samples_of(call);
    float *low = e.edges, *high = low + e.c, *most = high + e.c, *variance = most + e.c, *mean = variance + e.c,
          *sum = mean + e.c;
    double n = images;
    for (size_t k = 0; k < e.c; k++) edges.low[k] = edges.high[k] = edges.most[k] = -INFINITY;
    for (size_t k = 0; k < e.c; k++) edges.squares[k] = edges.variance[k] = sum[k] = 0;
    for (size_t sample = 0; sample < (size_t)images; sample++) {
        ps_rounding_entry entry = entry_of(&e, sample);
        ps_rounding_edges(&entry, (ps_rounding_extremes){low, high, most, variance, e.squares}, e.workspace,
                          call->threads);
        add_residual_means(&e, sample, mean);
        for (size_t k = 0; k < e.c; k++) {
            edges.low[k] = larger(edges.low[k], low[k]);
            edges.high[k] = larger(edges.high[k], high[k]);
            edges.most[k] = larger(edges.most[k], most[k]);
            edges.squares[k] += e.squares[k];
            double gap = sample > 0 ? (double)mean[k] - (double)sum[k] / (double)sample : 0;
            edges.variance[k] +=
                variance[k] / (float)n + (float)(gap * gap * (double)sample / (double)(sample + 1) / n);
            sum[k] += mean[k];
        }
    }
}

static void norm_backward(const ps_layer_call *call) {
    const norm_config *config = call->config;
    const float *mean = call->save;
    bool residual = call->inputs > 1 && call->dx[1] != NULL;
    /* Its own pass where input 0 wants no gradient, and where one node feeds both inputs (the kernel writes two
     * arrays). */
    bool alone = residual && (call->dx[0] == NULL || call->dx[0] == call->dx[1]);
    ps_instance_norm_backward(&(ps_norm_backward_call){.x = call->x[0],
                                                       .y = call->y,
                                                       .dy = call->dy,
                                                       .shape = call->out_shape,
                                                       .mean = mean,
                                                       .inverse_std = mean + values_of(call->out_shape),
                                                       .gamma = gain_of(call),
                                                       .activation = (ps_activation)config->end.activation,
                                                       .slope = config->end.slope,
                                                       .dx = call->dx[0],
                                                       .accumulate_x = call->accumulate[0],
                                                       .dresidual = residual && !alone ? call->dx[1] : NULL,
                                                       .accumulate_residual = residual && call->accumulate[1],
                                                       .dgamma = config->affine ? call->grad[0] : NULL,
                                                       .dbeta = config->affine ? call->grad[1] : NULL,
                                                       .dx_squares = call->sums[PS_SUM_INPUT_GRAD_SQUARES],
                                                       .gate_squares = call->sums[PS_SUM_ENTERING_GRAD_SQUARES]},
                              call->workspace, call->threads);
    if (alone) ps_norm_end_backward_residual(call);
}

/* ---- tangents (no activation, no residual: products run on the unfused network): those of batch_norm.c, with means
 * over the positions of a sample ---- */

typedef struct {
    const ps_layer_call *call;
    const ps_layer_tangent *tangent;
} norm_tangent_job;

/* One channel of one sample: elements first, first + c, ... below end. */
typedef struct {
    size_t c, first, end;
    double rows, mean, s, gamma, gamma_dot, beta_dot, mean_x_dot, q;
    const float *x, *x_dot;
} lane;

static double xhat_at(const lane *l, size_t i) { return ((double)l->x[i] - l->mean) * l->s; }
static double xhat_dot_at(const lane *l, size_t i) {
    return l->s * ((double)l->x_dot[i] - l->mean_x_dot) - xhat_at(l, i) * l->s * l->q;
}

static lane lane_of(const norm_tangent_job *job, size_t sample, size_t channel) {
    const ps_layer_call *call = job->call;
    bool affine = ((const norm_config *)call->config)->affine;
    size_t c = (size_t)call->out_shape.c, count = ps_shape_elements(ps_shape_with_batch(call->out_shape, 1));
    const float *mean = call->save, *inverse = mean + values_of(call->out_shape);
    lane l = {.c = c, .first = sample * count + channel, .end = (sample + 1) * count, .rows = (double)(count / c)};
    l.x = call->x[0], l.x_dot = job->tangent->x[0];
    l.mean = mean[sample * c + channel], l.s = inverse[sample * c + channel];
    l.gamma = affine ? call->param[0][channel] : 1.0f;
    l.gamma_dot = affine ? job->tangent->param[0][channel] : 0.0f;
    l.beta_dot = affine ? job->tangent->param[1][channel] : 0.0f;
    for (size_t i = l.first; i < l.end; i += c) {
        l.mean_x_dot += (double)l.x_dot[i] / l.rows;
        l.q += xhat_at(&l, i) * (double)l.x_dot[i] / l.rows;
    }
    return l;
}

static void tangent_forward_channel(void *context, size_t channel, int worker) {
    (void)worker;
    const norm_tangent_job *job = context;
    for (size_t sample = 0; sample < (size_t)job->call->out_shape.n; sample++) {
        lane l = lane_of(job, sample, channel);
        for (size_t i = l.first; i < l.end; i += l.c)
            job->tangent->y[i] = (float)(l.gamma_dot * xhat_at(&l, i) + l.gamma * xhat_dot_at(&l, i) + l.beta_dot);
    }
}

static void norm_tangent_forward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    norm_tangent_job job = {call, tangent};
    ps_threads_run(call->threads, (size_t)call->out_shape.c, tangent_forward_channel, &job);
}

static void tangent_backward_channel(void *context, size_t channel, int worker) {
    (void)worker;
    const norm_tangent_job *job = context;
    const float *dy = job->call->dy, *dy_dot = job->tangent->dy;
    double all_dy_dot = 0, all_mixed = 0;
    for (size_t sample = 0; sample < (size_t)job->call->out_shape.n; sample++) {
        lane l = lane_of(job, sample, channel);
        double a = 0, b = 0, a_dot = 0, b_dot = 0;
        for (size_t i = l.first; i < l.end; i += l.c) {
            a += (double)dy[i], b += (double)dy[i] * xhat_at(&l, i), a_dot += (double)dy_dot[i];
            b_dot += (double)dy_dot[i] * xhat_at(&l, i) + (double)dy[i] * xhat_dot_at(&l, i);
        }
        all_dy_dot += a_dot, all_mixed += b_dot;
        a /= l.rows, b /= l.rows, a_dot /= l.rows, b_dot /= l.rows;
        for (size_t i = l.first; job->tangent->dx[0] != NULL && i < l.end; i += l.c) {
            double centred = (double)dy[i] - a - xhat_at(&l, i) * b;
            double centred_dot = (double)dy_dot[i] - a_dot - xhat_dot_at(&l, i) * b - xhat_at(&l, i) * b_dot;
            job->tangent->dx[0][i] =
                (float)((l.gamma_dot - l.gamma * l.s * l.q) * l.s * centred + l.gamma * l.s * centred_dot);
        }
    }
    if (!((const norm_config *)job->call->config)->affine) return;
    job->tangent->grad[0][channel] = (float)all_mixed;
    job->tangent->grad[1][channel] = (float)all_dy_dot;
}

static void norm_tangent_backward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    norm_tangent_job job = {call, tangent};
    ps_threads_run(call->threads, (size_t)call->out_shape.c, tangent_backward_channel, &job);
}

static const char *const norm_samples[] = {
    "{\"inputs\": [[3, 5, 1, 4, 3]], \"attributes\": {}}",
    "{\"inputs\": [[2, 17, 1, 3, 5]], \"attributes\": {\"activation\": \"relu\"}}",
    "{\"inputs\": [[2, 4, 2, 3, 3]], \"attributes\": {\"activation\": \"leaky_relu\", \"slope\": 0.2, \"eps\": 0.001}}",
    "{\"inputs\": [[2, 70, 3, 2, 3]], \"attributes\": {\"affine\": false}}",
    "{\"inputs\": [[2, 5, 1, 5, 3], [2, 5, 1, 5, 3]], \"attributes\": {}}",
    "{\"inputs\": [[2, 5, 1, 5, 3], [2, 5, 1, 5, 3]], \"attributes\": {\"activation\": \"relu\"}}",
    "{\"inputs\": [[2, 3, 1, 4, 3], [2, 3, 1, 4, 3]], \"attributes\": {\"activation\": \"leaky_relu\"}}",
    NULL};

const ps_layer_type ps_layer_instance_norm = {
    .name = "instance_norm",
    .summary = "instance normalisation; may end in an activation and add a residual (input 1) before it",
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
    .complete = ps_norm_end_complete,
    .infer = norm_infer,
    .params = norm_params,
    .plan = norm_plan,
    .forward = norm_forward,
    .backward = norm_backward,
    .gate = ps_norm_end_gate,
    .flat = ps_norm_end_flat,
    .entering = norm_entering,
    .merges = ps_norm_end_merges,
    .merged = ps_norm_end_merged,
    .rounding = norm_rounding,
    .carries_bounds = true,
    .edges = norm_edges,
    .tangent_forward = norm_tangent_forward,
    .tangent_backward = norm_tangent_backward,
    .tangent_refuse = ps_norm_end_tangent_refuse,
    .samples = norm_samples,
};
