/* 1x1 convolution without padding: one linear map of every position (kernels/projection.h). With a stride the inputs
 * that are read are first copied side by side, a small part of all of them, and the gradients go back to their places.
 * Relative L2 error as the direct method's: sums in sequence. */
#include <string.h>

#include "kernels/conv_method.h"
#include "kernels/projection.h"

static bool can(const ps_conv_shape *s) {
    return ps_conv_taps(s) == 1 && s->pad_d == 0 && s->pad_h == 0 && s->pad_w == 0 && s->groups == 1;
}

static bool is_strided(const ps_conv_shape *s) { return s->stride_d > 1 || s->stride_h > 1 || s->stride_w > 1; }

static ps_projection projection_of(const ps_conv_shape *s) {
    size_t n = (size_t)s->n;
    return (ps_projection){s->n, (int)(ps_conv_out_positions(s) / n), s->c, s->k};
}

static size_t compact_floats(const ps_conv_shape *s) {
    return is_strided(s) ? ps_conv_round16(ps_conv_out_positions(s) * (size_t)s->c) : 0;
}

/* Between a map and those of its positions that are read, side by side. */
typedef struct {
    const ps_conv_shape *s;
    const float *map;
    float *target, *compact;
    bool accumulate;
} stride_run;

static size_t source_line(const ps_conv_shape *s, size_t n, int d, int h) {
    return ((n * (size_t)s->d + (size_t)d) * (size_t)s->h + (size_t)h) * (size_t)s->w * (size_t)s->c;
}

/* A line of the output at a time. */
static void compact_line(void *context, size_t line, int worker) {
    (void)worker;
    const stride_run *run = context;
    const ps_conv_shape *s = run->s;
    size_t oh = (size_t)ps_conv_out_h(s), od = (size_t)ps_conv_out_d(s), ow = (size_t)ps_conv_out_w(s);
    size_t c = (size_t)s->c, step = (size_t)s->stride_w * c;
    int h = (int)(line % oh) * s->stride_h, d = (int)(line / oh % od) * s->stride_d;
    const float *from = run->map + source_line(s, line / oh / od, d, h);
    float *to = run->compact + line * ow * c;
    for (size_t w = 0; w < ow; w++, from += step, to += c) memcpy(to, from, c * sizeof *to);
}

static void compact(const ps_conv_shape *s, const float *x, float *to, ps_threads *threads) {
    stride_run run = {.s = s, .map = x, .compact = to};
    size_t lines = ps_conv_out_positions(s) / (size_t)ps_conv_out_w(s);
    ps_threads_run(threads, lines, compact_line, &run);
}

/* A line of the input at a time: its positions that are read get their gradients, the others none. */
static void spread_line(void *context, size_t line, int worker) {
    (void)worker;
    const stride_run *run = context;
    const ps_conv_shape *s = run->s;
    size_t h = line % (size_t)s->h, d = line / (size_t)s->h % (size_t)s->d, n = line / (size_t)s->h / (size_t)s->d;
    size_t c = (size_t)s->c, step = (size_t)s->stride_w * c, ow = (size_t)ps_conv_out_w(s);
    float *to = run->target + line * (size_t)s->w * c;
    if (!run->accumulate) memset(to, 0, (size_t)s->w * c * sizeof *to);
    if (h % (size_t)s->stride_h != 0 || d % (size_t)s->stride_d != 0) return;
    size_t out =
        (n * (size_t)ps_conv_out_d(s) + d / (size_t)s->stride_d) * (size_t)ps_conv_out_h(s) + h / (size_t)s->stride_h;
    const float *from = run->compact + out * ow * c;
    for (size_t w = 0; w < ow; w++, to += step, from += c)
        for (size_t i = 0; i < c; i++) to[i] += from[i];
}

static size_t pointwise_workspace(const ps_conv_shape *s, ps_conv_pass pass, int threads) {
    ps_projection p = projection_of(s);
    size_t own = compact_floats(s) * sizeof(float);
    return pass == PS_CONV_BACKWARD_WEIGHTS ? own + ps_projection_workspace_bytes(&p, threads) : own;
}

static void pointwise_forward(const ps_conv_shape *s, const float *x, const float *w, const float *bias, float *y,
                              void *workspace, ps_threads *threads) {
    ps_projection p = projection_of(s);
    if (is_strided(s)) compact(s, x, workspace, threads);
    ps_projection_forward(&p, is_strided(s) ? workspace : x, w, bias, y, threads);
}

static void pointwise_backward_data(const ps_conv_shape *s, const float *dy, const float *w, const float *bias,
                                    float *dx, bool accumulate, void *workspace, ps_threads *threads) {
    (void)bias;
    ps_projection p = projection_of(s);
    if (!is_strided(s)) {
        ps_projection_input_gradient(&p, dy, w, dx, accumulate, threads);
        return;
    }
    stride_run run = {.s = s, .target = dx, .compact = workspace, .accumulate = accumulate};
    ps_projection_input_gradient(&p, dy, w, run.compact, false, threads);
    ps_threads_run(threads, (size_t)s->n * (size_t)s->d * (size_t)s->h, spread_line, &run);
}

static void pointwise_backward_weights(const ps_conv_shape *s, const float *x, const float *dy, float *dw,
                                       void *workspace, ps_threads *threads) {
    ps_projection p = projection_of(s);
    float *room = workspace;
    if (is_strided(s)) compact(s, x, room, threads);
    ps_projection_sum_weights(&p, is_strided(s) ? room : x, dy, dw, room + compact_floats(s), threads);
}

/* In nanoseconds: 100 products each; a product of few columns or little depth is all start and end; what is copied. */
static double pointwise_cost(const ps_conv_shape *s, ps_conv_pass pass) {
    if (!can(s)) return -1.0;
    double positions = (double)ps_conv_out_positions(s), c = s->c, k = s->k;
    double wide = pass == PS_CONV_FORWARD ? k : c, deep = pass == PS_CONV_FORWARD         ? c
                                                          : pass == PS_CONV_BACKWARD_DATA ? k
                                                                                          : 64;
    double lanes = wide <= 40 ? 8 : 16, waste = (double)ps_threads_chunks((size_t)wide, (size_t)lanes) * lanes / wide;
    if (wide < 16) waste *= 2.0;
    return 1500.0 + ps_conv_macs(s) * waste * (1.0 + 12.0 / deep) / 100.0 +
           (is_strided(s) ? 0.4 * positions * c : 0.0) + 0.2 * c * k;
}

const ps_conv_method ps_conv_method_pointwise = {
    "pointwise",
    true,
    false,
    pointwise_cost,
    pointwise_workspace,
    pointwise_forward,
    pointwise_backward_data,
    pointwise_backward_weights,
};
