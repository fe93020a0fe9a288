/* Depthwise convolution (groups = channels, one filter each): a few products per element, bound by memory. Lines of the target
 * are summed tap by tap with channels in vectors; any kernel of at most 64 lines, stride, padding, dilation; 2D and 3D.
 * Relative L2 error: forward and backward-data 1e-7, backward-weights 3e-7 in the tests (sums in sequence over a part of the batch). */
#include "kernels/conv_depthwise.h"

#include <string.h>

#include "kernels/conv_method.h"

enum { SPLITS = 32, LINE_FLOATS = 8192 }; /* partial sums of the weight gradient; floats of the target per task */

typedef struct {
    const ps_depthwise_kernels *kernels;
    ps_conv_sweep sweep;
    const float *source, *weights, *bias, *dy;
    float *target, *parts;
    size_t lines, chunks, part_step;
    int kh, kw;
    bool accumulate;
} depthwise_job;

/* Weights [c][taps] as [taps][c]. */
static void turn_weights(const ps_conv_shape *s, const float *w, float *turned) {
    size_t taps = ps_conv_taps(s), channels = (size_t)s->c;
    for (size_t c = 0; c < channels; c++) {
        for (size_t t = 0; t < taps; t++) turned[t * channels + c] = w[c * taps + t];
    }
}

typedef struct {
    int n, d, h;
} line_place;

static line_place place_of(const ps_conv_sweep *s, size_t line) {
    line_place p;
    p.h = (int)(line % (size_t)s->h.count), line /= (size_t)s->h.count;
    p.d = (int)(line % (size_t)s->d.count);
    p.n = (int)(line / (size_t)s->d.count);
    return p;
}

/* The source line that a target line reads through taps td, th; NULL in the padding. */
static const float *source_line(const depthwise_job *job, line_place p, int td, int th) {
    const ps_conv_sweep *s = &job->sweep;
    int d = p.d * s->d.source_step + s->d.delta[td], h = p.h * s->h.source_step + s->h.delta[th];
    if (d < 0 || d >= s->d.source_size || h < 0 || h >= s->h.source_size) return NULL;
    size_t line = ((size_t)p.n * (size_t)s->d.source_size + (size_t)d) * (size_t)s->h.source_size + (size_t)h;
    return job->source + line * (size_t)s->w.source_size * (size_t)s->source_channels;
}

static void sweep_lines(void *context, size_t chunk, int worker) {
    (void)worker;
    const depthwise_job *job = context;
    const ps_conv_sweep *s = &job->sweep;
    size_t channels = (size_t)s->source_channels, last = ps_pool_chunk_start(job->lines, job->chunks, chunk + 1);
    for (size_t line = ps_pool_chunk_start(job->lines, job->chunks, chunk); line < last; line++) {
        line_place p = place_of(s, line);
        ps_depthwise_lines lines = {.count = 0};
        for (int td = 0; td < s->d.taps; td++) {
            for (int th = 0; th < s->h.taps; th++) {
                const float *source = source_line(job, p, td, th);
                if (source == NULL) continue;
                size_t tap = ((size_t)s->d.tap[td] * (size_t)job->kh + (size_t)s->h.tap[th]) * (size_t)job->kw;
                lines.source[lines.count] = source;
                lines.weights[lines.count++] = job->weights + tap * channels;
            }
        }
        size_t d = (size_t)(p.d * s->d.target_step + s->d.target_first), h = (size_t)(p.h * s->h.target_step + s->h.target_first);
        size_t row = ((size_t)p.n * (size_t)s->d.target_size + d) * (size_t)s->h.target_size + h;
        float *target = job->target + (row * (size_t)s->w.target_size + (size_t)s->w.target_first) * channels;
        job->kernels->line(s, &lines, job->bias, job->accumulate, target);
    }
}

static depthwise_job plan(const ps_conv_shape *s, const ps_conv_sweep *sweep) {
    depthwise_job job = {.kernels = PS_SIMD_SELECT(ps_depthwise_kernels_of)(), .sweep = *sweep, .kh = s->kh, .kw = s->kw};
    job.lines = (size_t)sweep->n * (size_t)sweep->d.count * (size_t)sweep->h.count;
    job.chunks = ps_pool_chunks(job.lines, LINE_FLOATS / ((size_t)sweep->w.count * (size_t)s->c + 1) + 1);
    return job;
}

static void depthwise_forward(const ps_conv_shape *s, const float *x, const float *w, const float *bias, float *y, void *workspace,
                              ps_pool *pool) {
    ps_conv_sweep sweep = ps_conv_sweep_forward(s);
    depthwise_job job = plan(s, &sweep);
    turn_weights(s, w, workspace);
    job.source = x, job.weights = workspace, job.bias = bias, job.target = y;
    ps_pool_run(pool, job.chunks, sweep_lines, &job);
}

static void depthwise_backward_data(const ps_conv_shape *s, const float *dy, const float *w, float *dx, bool accumulate,
                                    void *workspace, ps_pool *pool) {
    turn_weights(s, w, workspace);
    for (int residue = 0; residue < ps_conv_sweep_residues(s); residue++) {
        ps_conv_sweep sweep = ps_conv_sweep_backward(s, residue);
        if (sweep.positions == 0 || (sweep.depth == 0 && accumulate)) continue;
        depthwise_job job = plan(s, &sweep);
        job.source = dy, job.weights = workspace, job.target = dx, job.accumulate = accumulate;
        ps_pool_run(pool, job.chunks, sweep_lines, &job);
    }
}

static void gradient_lines(void *context, size_t chunk, int worker) {
    (void)worker;
    const depthwise_job *job = context;
    const ps_conv_sweep *s = &job->sweep;
    size_t channels = (size_t)s->source_channels, last = ps_pool_chunk_start(job->lines, job->chunks, chunk + 1);
    float *part = job->parts + chunk * job->part_step;
    memset(part, 0, job->part_step * sizeof *part);
    for (size_t line = ps_pool_chunk_start(job->lines, job->chunks, chunk); line < last; line++) {
        line_place p = place_of(s, line);
        for (int td = 0; td < s->d.taps; td++) {
            for (int th = 0; th < s->h.taps; th++) {
                const float *source = source_line(job, p, td, th);
                if (source == NULL) continue;
                size_t tap = ((size_t)td * (size_t)job->kh + (size_t)th) * (size_t)job->kw;
                job->kernels->gradient(s, source, job->dy + line * (size_t)s->w.count * channels, part + tap * channels);
            }
        }
    }
}

static size_t splits_of(const depthwise_job *job) { return job->chunks < SPLITS ? job->chunks : SPLITS; }

static void depthwise_backward_weights(const ps_conv_shape *s, const float *x, const float *dy, float *dw, void *workspace,
                                       ps_pool *pool) {
    ps_conv_sweep sweep = ps_conv_sweep_forward(s);
    depthwise_job job = plan(s, &sweep);
    size_t taps = ps_conv_taps(s), channels = (size_t)s->c;
    job.source = x, job.dy = dy, job.parts = workspace;
    job.part_step = ps_conv_round16(taps * channels);
    job.chunks = splits_of(&job);
    ps_pool_run(pool, job.chunks, gradient_lines, &job);
    for (size_t c = 0; c < channels; c++) {
        for (size_t t = 0; t < taps; t++) {
            float sum = 0.0f;
            for (size_t part = 0; part < job.chunks; part++) sum += job.parts[part * job.part_step + t * channels + c];
            dw[c * taps + t] = sum;
        }
    }
}

static size_t depthwise_workspace(const ps_conv_shape *s, ps_conv_pass pass, int threads) {
    (void)threads;
    size_t weights = ps_conv_round16(ps_conv_taps(s) * (size_t)s->c);
    if (pass != PS_CONV_BACKWARD_WEIGHTS) return weights * sizeof(float);
    ps_conv_sweep sweep = ps_conv_sweep_forward(s);
    depthwise_job job = plan(s, &sweep);
    return splits_of(&job) * weights * sizeof(float);
}

static double depthwise_cost(const ps_conv_shape *s, ps_conv_pass pass) {
    (void)pass;
    if (s->groups != s->c || s->k != s->c || !ps_conv_sweep_fits(s) || s->kd * s->kh > PS_DEPTHWISE_LINES) return -1.0;
    return 1000.0 + 0.1 * ps_conv_macs(s);
}

const ps_conv_method ps_conv_method_depthwise = {
    "depthwise", depthwise_cost, depthwise_workspace, depthwise_forward, depthwise_backward_data, depthwise_backward_weights,
};
