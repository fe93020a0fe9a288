/* Layer normalisation over the channels at each position: xhat = (x - mu) / sqrt(var + eps), y = gamma xhat + beta.
 * Source: Ba, Kiros & Hinton 2016. All arrays [n][d][h][w][c]; parameters [c]. */
#include <math.h>

#include "kernels/layer_norm.h"
#include "layers/attributes.h"
#include "layers/list.h"
#include "layers/rounding.h"

typedef struct {
    double eps;
} norm_config;

static const ps_attribute norm_attributes[] = {
    {"eps", PS_ATTRIBUTE_NUMBER, offsetof(norm_config, eps), "1e-5", 1e-12, 1, NULL, "added to the variance"}, {0}};

/* save: mean[positions], inverse_std[positions]. */
static ps_status norm_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads, void **plan,
                           ps_layer_sizes *sizes) {
    (void)config, (void)in, (void)inputs, (void)threads;
    *plan = NULL;
    sizes->save_bytes = 2 * ps_shape_positions(out) * sizeof(float);
    sizes->workspace_bytes = ps_layer_norm_workspace_bytes(out);
    return PS_OK;
}

static const float *means_of(const ps_layer_call *call) { return call->save; }
static const float *inverses_of(const ps_layer_call *call) {
    return means_of(call) + ps_shape_positions(call->out_shape);
}

static void norm_forward(const ps_layer_call *call) {
    const norm_config *config = call->config;
    float *mean = call->save;
    ps_layer_norm_forward(call->x[0], call->out_shape, config->eps, call->param[0], call->param[1], call->y, mean,
                          mean + ps_shape_positions(call->out_shape), call->threads);
}

static void norm_backward(const ps_layer_call *call) {
    ps_layer_norm_backward(&(ps_layer_norm_backward_call){.x = call->x[0],
                                                          .dy = call->dy,
                                                          .shape = call->out_shape,
                                                          .mean = means_of(call),
                                                          .inverse_std = inverses_of(call),
                                                          .gamma = call->param[0],
                                                          .dx = call->dx[0],
                                                          .accumulate = call->accumulate[0],
                                                          .dgamma = call->grad[0],
                                                          .dbeta = call->grad[1],
                                                          .dx_squares = call->sums[PS_SUM_INPUT_GRAD_SQUARES]},
                           call->workspace, call->threads);
}

/* Errors of the x, at most d each, move xhat by s (d + d + |xhat| d), s being 1 / sqrt(var + eps): its own, the mean's
 * and the deviation's. Mean and deviation are sums over the row: they round as its largest value does, however small
 * the element itself. */
static void norm_rounding(const ps_layer_call *call) {
    size_t c = (size_t)call->out_shape.c, rows = ps_shape_positions(call->out_shape);
    const float *mean = means_of(call), *inverse = inverses_of(call), *gamma = call->param[0], *beta = call->param[1];
    for (size_t row = 0; row < rows; row++) {
        const float *x = call->x[0] + row * c, *moved = call->in_bound[0] + row * c;
        double largest = 0, size = 0, s = (double)inverse[row], mu = (double)mean[row];
        for (size_t k = 0; k < c; k++) {
            largest = fmax(largest, (double)moved[k]);
            size = fmax(size, fabs((double)x[k]));
        }
        for (size_t k = 0; k < c; k++) {
            double scale = s * fabs((double)gamma[k]), xhat = ((double)x[k] - mu) * s;
            double made_of = scale * (size + fabs(mu)) + fabs((double)gamma[k] * xhat) + fabs((double)beta[k]);
            call->bound[row * c + k] = (float)(scale * ((double)moved[k] + largest * (1 + fabs(xhat))) +
                                               (gamma[k] != 0 ? PS_ROUNDING_FEW * made_of : 0));
        }
    }
}

/* ---- tangents: those of batch_norm.c with means over a row instead of a channel ----
 *   dot xhat = s (dot x - <dot x> - xhat q),  q = <xhat dot x>,  dot s = -s^2 q  (x scaled by s in q)
 *   dot y    = dot gamma xhat + gamma dot xhat + dot beta
 *   dx       = s (g - <g> - xhat <g xhat>),  g = gamma dy
 *   dot dx   = -s q dx + s (dot g - <dot g> - dot xhat <g xhat> - xhat <dot g xhat + g dot xhat>) */
typedef struct {
    const float *x, *x_dot;
    size_t c;
    double mean, s, mean_x_dot, q;
} row_tangent;

static row_tangent row_of(const ps_layer_call *call, const ps_layer_tangent *tangent, size_t row) {
    size_t c = (size_t)call->out_shape.c;
    row_tangent t = {.x = call->x[0] + row * c, .x_dot = tangent->x[0] + row * c, .c = c};
    t.mean = (double)means_of(call)[row], t.s = (double)inverses_of(call)[row];
    for (size_t k = 0; k < c; k++) {
        t.mean_x_dot += (double)t.x_dot[k] / (double)c;
        t.q += ((double)t.x[k] - t.mean) * t.s * (double)t.x_dot[k] / (double)c;
    }
    return t;
}

static double xhat_at(const row_tangent *t, size_t k) { return ((double)t->x[k] - t->mean) * t->s; }
static double xhat_dot_at(const row_tangent *t, size_t k) {
    return t->s * ((double)t->x_dot[k] - t->mean_x_dot - xhat_at(t, k) * t->q);
}

static void norm_tangent_forward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    size_t c = (size_t)call->out_shape.c;
    for (size_t row = 0; row < ps_shape_positions(call->out_shape); row++) {
        row_tangent t = row_of(call, tangent, row);
        for (size_t k = 0; k < c; k++)
            tangent->y[row * c + k] =
                (float)((double)tangent->param[0][k] * xhat_at(&t, k) + (double)call->param[0][k] * xhat_dot_at(&t, k) +
                        (double)tangent->param[1][k]);
    }
}

/* Adds the row's part to the tangents of the parameters' gradients, and writes that of dx where it is wanted. */
static void tangent_backward_row(const ps_layer_call *call, const ps_layer_tangent *tangent, size_t row) {
    row_tangent t = row_of(call, tangent, row);
    size_t c = t.c;
    const float *dy = call->dy + row * c, *dy_dot = tangent->dy + row * c;
    double a = 0, b = 0, a_dot = 0, b_dot = 0;
    for (size_t k = 0; k < c; k++) {
        double xhat = xhat_at(&t, k), xhat_dot = xhat_dot_at(&t, k), g = (double)call->param[0][k] * (double)dy[k];
        double g_dot = (double)tangent->param[0][k] * (double)dy[k] + (double)call->param[0][k] * (double)dy_dot[k];
        tangent->grad[0][k] += (float)((double)dy_dot[k] * xhat + (double)dy[k] * xhat_dot);
        tangent->grad[1][k] += dy_dot[k];
        a += g / (double)c, a_dot += g_dot / (double)c;
        b += g * xhat / (double)c, b_dot += (g_dot * xhat + g * xhat_dot) / (double)c;
    }
    for (size_t k = 0; tangent->dx[0] != NULL && k < c; k++) {
        double xhat = xhat_at(&t, k), g = (double)call->param[0][k] * (double)dy[k];
        double g_dot = (double)tangent->param[0][k] * (double)dy[k] + (double)call->param[0][k] * (double)dy_dot[k];
        double centred = g - a - xhat * b, centred_dot = g_dot - a_dot - xhat_dot_at(&t, k) * b - xhat * b_dot;
        tangent->dx[0][row * c + k] = (float)(t.s * (centred_dot - t.s * t.q * centred));
    }
}

static void norm_tangent_backward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < call->out_shape.c; k++) tangent->grad[i][k] = 0;
    for (size_t row = 0; row < ps_shape_positions(call->out_shape); row++) tangent_backward_row(call, tangent, row);
}

static const char *const norm_samples[] = {"{\"inputs\": [[3, 5, 1, 4, 3]], \"attributes\": {}}",
                                           "{\"inputs\": [[2, 67, 1, 3, 2]], \"attributes\": {\"eps\": 0.01}}",
                                           "{\"inputs\": [[7, 6, 1, 1, 1]], \"attributes\": {}}",
                                           "{\"inputs\": [[2, 33, 2, 2, 3]], \"attributes\": {\"eps\": 1e-6}}", NULL};

const ps_layer_type ps_layer_layer_norm = {
    .name = "layer_norm",
    .summary = "layer normalisation over the channels at each position",
    .attributes = norm_attributes,
    .config_bytes = sizeof(norm_config),
    .role = PS_ROLE_NORM_ACROSS,
    .min_inputs = 1,
    .max_inputs = 1,
    .needs_input = true,
    .gradient_in_place = true,
    .fused_sums = 1u << PS_SUM_INPUT_GRAD_SQUARES,
    .infer = ps_infer_same,
    .params = ps_gain_and_shift_params,
    .plan = norm_plan,
    .forward = norm_forward,
    .backward = norm_backward,
    .rounding = norm_rounding,
    .carries_bounds = true,
    .tangent_forward = norm_tangent_forward,
    .tangent_backward = norm_tangent_backward,
    .samples = norm_samples,
};
