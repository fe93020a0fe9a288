#include "kernels/conv_transpose.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "kernels/conv_lines.h"
#include "kernels/conv_method.h"
#include "kernels/pointwise.h"
#include "kernels/rounding.h"
#include "kernels/rounding_simd.h"

enum { TURN_BLOCK = 16 }; /* channels of a task of the turning */

static size_t rounded(size_t bytes) { return (bytes + PS_ALIGNMENT - 1) / PS_ALIGNMENT * PS_ALIGNMENT; }

/* Each line of y is whole groups of taps, none of them shared. */
static bool tiles_lines(const ps_conv_shape *s) {
    return s->groups == 1 && s->kw > 1 && s->kw == s->stride_w && s->dilation_w == 1 && s->pad_w == 0 &&
           s->w % s->kw == 0 && s->w / s->kw == ps_conv_out_w(s);
}

ps_status ps_conv_transpose_plan_init(ps_conv_transpose_plan *plan, const ps_conv_shape *shape) {
    PS_TRY(ps_conv_shape_check(shape));
    plan->shape = *shape;
    plan->merged = tiles_lines(shape) ? shape->kw : 1;
    ps_conv_shape merged = *shape;
    if (plan->merged > 1) {
        merged.c *= plan->merged, merged.w /= plan->merged;
        merged.kw = merged.stride_w = 1;
    }
    return ps_conv_plan_init(&plan->plan, &merged);
}

/* Workspace: turned weights, the bias of every tap along w, an input gradient that is to be added, and what the
 * convolution takes. */
static size_t weights_bytes(const ps_conv_transpose_plan *plan) {
    return rounded(ps_conv_weights(&plan->shape) * sizeof(float));
}
static size_t bias_bytes(const ps_conv_transpose_plan *plan) {
    return rounded((size_t)plan->plan.shape.c * sizeof(float));
}
static size_t input_floats(const ps_conv_transpose_plan *plan) {
    return ps_conv_out_positions(&plan->shape) * (size_t)plan->shape.k;
}
static float *biases_of(const ps_conv_transpose_plan *plan, void *workspace) {
    return (float *)((char *)workspace + weights_bytes(plan));
}
static float *input_of(const ps_conv_transpose_plan *plan, void *workspace) {
    return (float *)((char *)workspace + weights_bytes(plan) + bias_bytes(plan));
}
static void *rest_of(const ps_conv_transpose_plan *plan, void *workspace) {
    return (char *)input_of(plan, workspace) + rounded(input_floats(plan) * sizeof(float));
}

/* Bias sums are over the positions of y itself. */
static ps_conv_plan bias_plan(const ps_conv_transpose_plan *plan) {
    ps_conv_plan own = plan->plan;
    own.shape = plan->shape;
    return own;
}

size_t ps_conv_transpose_workspace_bytes(const ps_conv_transpose_plan *plan, int threads) {
    ps_conv_plan own = bias_plan(plan);
    size_t used[] = {ps_conv_workspace_bytes(&plan->plan, threads), ps_conv_transposed_bytes(&plan->plan, threads),
                     ps_conv_transposed_bytes(&own, threads)};
    size_t most = 0;
    for (int i = 0; i < 3; i++) most = used[i] > most ? used[i] : most;
    return weights_bytes(plan) + bias_bytes(plan) + rounded(input_floats(plan) * sizeof(float)) + most;
}

/* [groups][outer][taps][inner] to [groups][inner][taps][outer]. */
typedef struct {
    const float *from;
    float *to;
    size_t groups, outer, taps, inner, blocks;
} turn_job;

static void turn_chunk(void *context, size_t chunk, int worker) {
    (void)worker;
    const turn_job *job = context;
    size_t group = chunk / job->blocks, size = job->outer * job->taps * job->inner;
    size_t first = chunk % job->blocks * TURN_BLOCK,
           end = job->inner - first < TURN_BLOCK ? job->inner : first + TURN_BLOCK;
    const float *from = job->from + group * size;
    float *to = job->to + group * size;
    size_t wide = (end - first) / TURN_BLOCK * TURN_BLOCK;
    for (size_t t = 0; t < job->taps; t++) {
        if (wide > 0)
            PS_SIMD_SELECT(ps_lines_kernels_of)()->turn(from + t * job->inner + first, job->taps * job->inner,
                                                        job->outer, wide, to + (first * job->taps + t) * job->outer,
                                                        job->taps * job->outer);
        for (size_t i = first + wide; i < end; i++)
            for (size_t o = 0; o < job->outer; o++)
                to[(i * job->taps + t) * job->outer + o] = from[(o * job->taps + t) * job->inner + i];
    }
}

static void turn(const ps_conv_shape *s, bool back, const float *from, float *to, ps_threads *threads) {
    size_t k = (size_t)(s->c / s->groups), c = (size_t)(s->k / s->groups);
    turn_job job = {.from = from, .to = to, .groups = (size_t)s->groups, .taps = ps_conv_taps(s)};
    job.outer = back ? c : k, job.inner = back ? k : c;
    job.blocks = ps_threads_chunks(job.inner, TURN_BLOCK);
    ps_threads_run(threads, job.groups * job.blocks, turn_chunk, &job);
}

void ps_conv_transpose_forward(const ps_conv_transpose_plan *plan, bool plain, const float *x, const float *w,
                               const float *bias, float *y, void *workspace, ps_threads *threads) {
    float *turned = workspace, *biases = biases_of(plan, workspace);
    size_t k = (size_t)plan->shape.c;
    turn(&plan->shape, false, w, turned, threads);
    for (int tap = 0; bias != NULL && tap < plan->merged; tap++)
        memcpy(biases + (size_t)tap * k, bias, k * sizeof *bias);
    ps_conv_transposed(&plan->plan, plain, x, turned, bias != NULL ? biases : NULL, y, rest_of(plan, workspace),
                       threads);
}

void ps_conv_transpose_backward_data(const ps_conv_transpose_plan *plan, const float *dy, const float *w, float *dx,
                                     bool accumulate, void *workspace, ps_threads *threads) {
    float *turned = workspace, *own = accumulate ? input_of(plan, workspace) : dx;
    turn(&plan->shape, false, w, turned, threads);
    ps_conv_forward(&plan->plan, dy, turned, NULL, own, rest_of(plan, workspace), threads);
    if (accumulate) ps_vector_add(dx, own, input_floats(plan), dx, threads);
}

void ps_conv_transpose_backward_weights(const ps_conv_transpose_plan *plan, const float *x, const float *dy, float *dw,
                                        float *dbias, void *workspace, ps_threads *threads) {
    float *turned = workspace;
    void *rest = rest_of(plan, workspace);
    ps_conv_backward_weights(&plan->plan, dy, x, turned, NULL, rest, threads);
    turn(&plan->shape, true, turned, dw, threads);
    if (dbias != NULL) ps_conv_transposed_bias(&plan->shape, dy, dbias, rest, threads);
}

/* ---- Rounding ----
 * What an output position adds up are the inputs that its residue of the stride reaches, by the taps of that residue:
 * as kernels/rounding.h says of a sum. */
typedef struct {
    const ps_conv_shape *s;
    const float *norm; /* [n][od][oh][ow][groups] of x */
    float *row;        /* [residues][k]: norms of the rows' taps, times the factor */
    float *factor;     /* [residues] */
    const float *bias;
    float *bound;
    int od, oh, ow;
} rounding_job;

static int residue_of(const ps_conv_shape *s, int d, int h, int w) {
    return ((d + s->pad_d) % s->stride_d * s->stride_h + (h + s->pad_h) % s->stride_h) * s->stride_w +
           (w + s->pad_w) % s->stride_w;
}

static bool divides(int residue, int tap, int dilation, int stride) { return (residue - tap * dilation) % stride == 0; }

/* Sums of squares of a row's taps by residue; and of how many. */
static void find_rows(const rounding_job *job, const float *w) {
    const ps_conv_shape *s = job->s;
    size_t k = (size_t)s->c, cg = (size_t)(s->k / s->groups), taps = ps_conv_taps(s);
    for (int r = 0; r < s->stride_d * s->stride_h * s->stride_w; r++) {
        int rw = r % s->stride_w, rh = r / s->stride_w % s->stride_h, rd = r / s->stride_w / s->stride_h;
        double terms = 0;
        for (size_t i = 0; i < k; i++) {
            double squares = 0;
            terms = 0;
            for (int t = 0; t < (int)taps; t++) {
                int tw = t % s->kw, th = t / s->kw % s->kh, td = t / s->kw / s->kh;
                if (!divides(rd, td, s->dilation_d, s->stride_d) || !divides(rh, th, s->dilation_h, s->stride_h) ||
                    !divides(rw, tw, s->dilation_w, s->stride_w))
                    continue;
                const float *row = w + (i * taps + (size_t)t) * cg;
                for (size_t c = 0; c < cg; c++) squares += (double)row[c] * (double)row[c];
                terms += (double)cg;
            }
            job->row[(size_t)r * k + i] = (float)sqrt(squares) * ps_rounding_of_sum(terms);
        }
        job->factor[r] = ps_rounding_of_sum(terms);
    }
}

/* The input that output `at` reads through a tap, or -1. */
static int input_at(int at, int tap, int dilation, int stride, int pad, int size) {
    int reach = at + pad - tap * dilation;
    return reach >= 0 && reach % stride == 0 && reach / stride < size ? reach / stride : -1;
}

static float reach_of(const rounding_job *job, int n, int d, int h, int w, int group) {
    const ps_conv_shape *s = job->s;
    double squares = 0;
    for (int td = 0; td < s->kd; td++) {
        int z = input_at(d, td, s->dilation_d, s->stride_d, s->pad_d, job->od);
        for (int th = 0; z >= 0 && th < s->kh; th++) {
            int y = input_at(h, th, s->dilation_h, s->stride_h, s->pad_h, job->oh);
            size_t line = ((size_t)n * (size_t)job->od + (size_t)z) * (size_t)job->oh + (size_t)y;
            for (int tw = 0; y >= 0 && tw < s->kw; tw++) {
                int x = input_at(w, tw, s->dilation_w, s->stride_w, s->pad_w, job->ow);
                if (x < 0) continue;
                double norm = job->norm[(line * (size_t)job->ow + (size_t)x) * (size_t)s->groups + (size_t)group];
                squares += norm * norm;
            }
        }
    }
    return (float)sqrt(squares);
}

static void rounding_line(void *context, size_t line, int worker) {
    (void)worker;
    const rounding_job *job = context;
    const ps_conv_shape *s = job->s;
    int h = (int)(line % (size_t)s->h), d = (int)(line / (size_t)s->h % (size_t)s->d),
        n = (int)(line / (size_t)s->h / (size_t)s->d);
    size_t all = (size_t)s->c, k = all / (size_t)s->groups;
    for (int w = 0; w < s->w; w++) {
        int residue = residue_of(s, d, h, w);
        for (int group = 0; group < s->groups; group++) {
            size_t first = (size_t)group * k;
            ps_rounding_spread_job row = {.norm = reach_of(job, n, d, h, w, group),
                                          .factor = job->factor[residue],
                                          .row = job->row + (size_t)residue * all + first,
                                          .bias = job->bias != NULL ? job->bias + first : NULL,
                                          .bound = job->bound + (line * (size_t)s->w + (size_t)w) * all + first};
            PS_SIMD_SELECT(ps_rounding_spread_row)(&row, k);
        }
    }
}

/* Workspace: norms of the rows, factors, norms of the positions. */
static size_t rows_floats(const ps_conv_shape *s) {
    return (size_t)s->stride_d * (size_t)s->stride_h * (size_t)s->stride_w * ((size_t)s->c + 1);
}

size_t ps_conv_transpose_rounding_bytes(const ps_conv_transpose_plan *plan) {
    const ps_conv_shape *s = &plan->shape;
    return (rows_floats(s) + ps_conv_out_positions(s) * (size_t)s->groups) * sizeof(float);
}

void ps_conv_transpose_rounding(const ps_conv_transpose_plan *plan, const float *x, const float *w, const float *bias,
                                float *bound, void *workspace, ps_threads *threads) {
    const ps_conv_shape *s = &plan->shape;
    size_t rows = rows_floats(s), positions = ps_conv_out_positions(s);
    float *norm = (float *)workspace + rows;
    rounding_job job = {.s = s, .norm = norm, .row = workspace, .bias = bias, .bound = bound};
    job.factor = job.row + rows / ((size_t)s->c + 1) * (size_t)s->c;
    job.od = ps_conv_out_d(s), job.oh = ps_conv_out_h(s), job.ow = ps_conv_out_w(s);
    find_rows(&job, w);
    ps_rounding_norms(x, positions, s->groups, s->k / s->groups, norm, threads);
    ps_threads_run(threads, (size_t)s->n * (size_t)s->d * (size_t)s->h, rounding_line, &job);
}
