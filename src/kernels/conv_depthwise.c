/* Depthwise convolution (groups = channels, one filter each): a few products per element, bound by memory, so every
 * array is walked once, line by line, and a line of the source is still in a near cache when the next line of the
 * target reads it again. Any kernel of at most 64 lines, stride to 8, padding, dilation; 2D and 3D. Zeros stand for the
 * padding. Kernels of 3 x 3 in 2D have faster loops of their own where these fit (conv_depthwise_pair.h).
 * Relative L2 error: forward and backward-data 1e-7, backward-weights 4e-7 in the tests (sums in sequence over a part
 * of the batch). */
#include "kernels/conv_depthwise.h"

#include <string.h>

#include "kernels/conv_depthwise_pair.h"
#include "kernels/conv_method.h"

/* Leaves of the weight gradient at most; floats of the target per task; positions and lines of dy summed in
 * registers. */
enum {
    LEAVES = 32,
    LINE_FLOATS = 32768,
    GRADIENT_POSITIONS = 32,
    GRADIENT_LINES = 8,
    CHANNELS_PER_TASK = 64,
    MOST_STRIDE = 8
};

/* The axes of the target's residues: target position i belongs to axis i % steps, as its position i / steps. */
typedef struct {
    int steps, size;
    ps_conv_axis axis[MOST_STRIDE];
} residues;

typedef struct {
    const ps_conv_shape *shape; /* of the weight gradient */
    const ps_depthwise_kernels *kernels;
    residues d, h, w;
    const float *source, *weights, *bias, *dy;
    float *target, *parts, *dw;
    size_t lines, chunks, part_step;
    ps_leaves leaves; /* of the weight gradient */
    int channels, kh, kw, taps;
    bool accumulate, pairs; /* pairs: the weight gradient is laid out as conv_depthwise_pair.h says */
} depthwise_job;

/* Room for the weights or their gradient in either layout. */
static size_t weights_floats(const ps_conv_shape *s) { return ps_conv_taps(s) * ps_conv_round16((size_t)s->c); }

/* Weights [c][taps] as [taps][c]. */
static void turn_weights(const ps_conv_shape *s, const float *w, float *turned) {
    size_t taps = ps_conv_taps(s), channels = (size_t)s->c;
    for (size_t c = 0; c < channels; c++) {
        for (size_t t = 0; t < taps; t++) turned[t * channels + c] = w[c * taps + t];
    }
}

typedef struct {
    int n, d, h; /* in the target */
} line_place;

static line_place place_of(const depthwise_job *job, size_t line) {
    line_place p;
    p.h = (int)(line % (size_t)job->h.size), line /= (size_t)job->h.size;
    p.d = (int)(line % (size_t)job->d.size);
    p.n = (int)(line / (size_t)job->d.size);
    return p;
}

static const ps_conv_axis *axis_of(const residues *r, int at) { return &r->axis[at % r->steps]; }

/* The source position that target position `at` reads through a tap; negative in the padding. */
static int source_of(const residues *r, int at, int tap) {
    const ps_conv_axis *a = axis_of(r, at);
    int source = at / r->steps * a->source_step + a->delta[tap];
    return source < a->source_size ? source : -1;
}

/* The source line that a target line reads through taps td, th of its axes; NULL in the padding. */
static const float *source_line(const depthwise_job *job, line_place p, int td, int th) {
    int d = source_of(&job->d, p.d, td), h = source_of(&job->h, p.h, th);
    if (d < 0 || h < 0) return NULL;
    const ps_conv_axis *ad = &job->d.axis[0], *ah = &job->h.axis[0], *aw = &job->w.axis[0];
    size_t line = ((size_t)p.n * (size_t)ad->source_size + (size_t)d) * (size_t)ah->source_size + (size_t)h;
    return job->source + line * (size_t)aw->source_size * (size_t)job->channels;
}

static void find_lines(const depthwise_job *job, line_place p, ps_depthwise_lines *lines) {
    const ps_conv_axis *d = axis_of(&job->d, p.d), *h = axis_of(&job->h, p.h);
    lines->count = 0;
    for (int td = 0; td < d->taps; td++) {
        for (int th = 0; th < h->taps; th++) {
            const float *source = source_line(job, p, td, th);
            if (source == NULL) continue;
            size_t tap = ((size_t)d->tap[td] * (size_t)job->kh + (size_t)h->tap[th]) * (size_t)job->kw;
            lines->source[lines->count] = source;
            lines->weights[lines->count++] = job->weights + tap * (size_t)job->channels;
        }
    }
}

/* Of `count` lines that are read next, those that lie beyond all read before (`newest`, moved on): the processor cannot
 * foresee them where it walks a line once per vector of channels. */
static int find_ahead(const float *const *next, int count, const float **newest, const float **ahead) {
    int found = 0;
    const float *before = *newest;
    for (int i = 0; i < count; i++) {
        if (next[i] == NULL || (before != NULL && next[i] <= before)) continue;
        if (found < PS_DEPTHWISE_AHEAD) ahead[found++] = next[i];
        if (*newest == NULL || next[i] > *newest) *newest = next[i];
    }
    return found;
}

static void sweep_lines(void *context, size_t chunk, int worker) {
    (void)worker;
    const depthwise_job *job = context;
    size_t last = ps_threads_chunk_start(job->lines, job->chunks, chunk + 1),
           line_floats = (size_t)job->w.size * (size_t)job->channels;
    size_t line = ps_threads_chunk_start(job->lines, job->chunks, chunk);
    ps_depthwise_lines pair[2];
    const float *newest = NULL;
    find_lines(job, place_of(job, line), &pair[line % 2]);
    find_ahead(pair[line % 2].source, pair[line % 2].count, &newest, pair[line % 2].ahead);
    for (; line < last; line++) {
        ps_depthwise_lines *lines = &pair[line % 2], *next = &pair[(line + 1) % 2];
        float *target = job->target + line * line_floats;
        lines->ahead_count = 0, lines->target_ahead = NULL;
        if (line + 1 < job->lines) {
            find_lines(job, place_of(job, line + 1), next);
            lines->ahead_count = find_ahead(next->source, next->count, &newest, lines->ahead);
            lines->target_ahead = target + line_floats;
        }
        if (lines->count == 0 && job->accumulate) continue;
        job->kernels->line(job->w.axis, job->w.steps, job->channels, lines, job->bias, job->accumulate, target);
    }
}

static void finish_plan(const ps_conv_shape *s, depthwise_job *job) {
    job->kernels = PS_SIMD_SELECT(ps_depthwise_kernels_of)();
    job->channels = s->c, job->kh = s->kh, job->kw = s->kw, job->taps = (int)ps_conv_taps(s);
    job->d.size = job->d.axis[0].target_size, job->h.size = job->h.axis[0].target_size,
    job->w.size = job->w.axis[0].target_size;
    job->lines = (size_t)s->n * (size_t)job->d.size * (size_t)job->h.size;
    job->chunks = ps_threads_chunks(job->lines, LINE_FLOATS / ((size_t)job->w.size * (size_t)s->c + 1) + 1);
}

static void plan_forward(const ps_conv_shape *s, depthwise_job *job) {
    ps_conv_sweep sweep = ps_conv_sweep_forward(s);
    *job = (depthwise_job){.d.steps = 1, .h.steps = 1, .w.steps = 1};
    job->d.axis[0] = sweep.d, job->h.axis[0] = sweep.h, job->w.axis[0] = sweep.w;
    finish_plan(s, job);
}

/* The sweeps of all residues at once, so that whole lines of dx are written and dy is read once. */
static void plan_backward(const ps_conv_shape *s, depthwise_job *job) {
    *job = (depthwise_job){.d.steps = s->stride_d, .h.steps = s->stride_h, .w.steps = s->stride_w};
    for (int residue = 0; residue < ps_conv_sweep_residues(s); residue++) {
        ps_conv_sweep sweep = ps_conv_sweep_backward(s, residue);
        job->d.axis[sweep.d.target_first] = sweep.d;
        job->h.axis[sweep.h.target_first] = sweep.h;
        job->w.axis[sweep.w.target_first] = sweep.w;
    }
    finish_plan(s, job);
}

static void depthwise_forward(const ps_conv_shape *s, const float *x, const float *w, const float *bias, float *y,
                              void *workspace, ps_threads *threads) {
    if (ps_depthwise_pair_fits(s, PS_CONV_FORWARD)) {
        ps_depthwise_pair_forward(s, x, w, bias, y, workspace, threads);
        return;
    }
    depthwise_job job;
    plan_forward(s, &job);
    turn_weights(s, w, workspace);
    job.source = x, job.weights = workspace, job.bias = bias, job.target = y;
    ps_threads_run(threads, job.chunks, sweep_lines, &job);
}

static void depthwise_backward_data(const ps_conv_shape *s, const float *dy, const float *w, const float *bias,
                                    float *dx, bool accumulate, void *workspace, ps_threads *threads) {
    (void)bias;
    if (ps_depthwise_pair_fits(s, PS_CONV_BACKWARD_DATA)) {
        ps_depthwise_pair_backward_data(s, dy, w, dx, accumulate, workspace, threads);
        return;
    }
    depthwise_job job;
    plan_backward(s, &job);
    turn_weights(s, w, workspace);
    job.source = dy, job.weights = workspace, job.target = dx, job.accumulate = accumulate;
    ps_threads_run(threads, job.chunks, sweep_lines, &job);
}

static void find_products(const depthwise_job *job, size_t line, ps_depthwise_products *products) {
    const ps_conv_axis *d = &job->d.axis[0], *h = &job->h.axis[0];
    line_place p = place_of(job, line);
    products->dy = job->dy + line * (size_t)job->w.size * (size_t)job->channels;
    for (int td = 0; td < d->taps; td++) {
        for (int th = 0; th < h->taps; th++) products->source[td * h->taps + th] = source_line(job, p, td, th);
    }
}

/* Up to `most` lines of dy from `line` on. */
static int find_group(const depthwise_job *job, size_t line, size_t last, int most, ps_depthwise_products *group) {
    int count = 0;
    while (count < most && line < last) find_products(job, line++, &group[count++]);
    return count;
}

static void gradient_lines(void *context, size_t chunk, int worker) {
    (void)worker;
    const depthwise_job *job = context;
    ps_depthwise_products groups[2][GRADIENT_LINES], *now = groups[0], *next = groups[1];
    const ps_conv_axis *w = &job->w.axis[0];
    int rows = job->d.axis[0].taps * job->h.axis[0].taps, most = GRADIENT_POSITIONS / w->count;
    most = most < 1 ? 1 : most > GRADIENT_LINES ? GRADIENT_LINES : most;
    float *part = job->parts + chunk * job->part_step;
    memset(part, 0, job->part_step * sizeof *part);
    size_t line = ps_leaves_start(&job->leaves, chunk), last = ps_leaves_start(&job->leaves, chunk + 1);
    const float *newest = NULL;
    int count = find_group(job, line, last, most, now);
    for (int i = 0; i < count; i++) find_ahead(now[i].source, rows, &newest, now[i].ahead);
    while (count > 0) {
        line += (size_t)count;
        int following = find_group(job, line, last, most, next);
        for (int i = 0; i < count; i++) {
            now[i].ahead_count = i < following ? find_ahead(next[i].source, rows, &newest, now[i].ahead) : 0;
            now[i].dy_ahead = i < following ? next[i].dy : NULL;
        }
        job->kernels->gradient(w, job->channels, now, count, rows, part);
        ps_depthwise_products *done = now;
        now = next, next = done;
        count = following;
    }
}

static void gradient_pairs(void *context, size_t chunk, int worker) {
    (void)worker;
    const depthwise_job *job = context;
    ps_depthwise_pair_gradient(job->shape, job->source, job->dy, ps_leaves_start(&job->leaves, chunk),
                               ps_leaves_start(&job->leaves, chunk + 1), job->parts + chunk * job->part_step);
}

static void write_gradients(void *context, size_t chunk, int worker) {
    (void)worker;
    const depthwise_job *job = context;
    size_t channels = (size_t)job->channels, taps = (size_t)job->taps, first = chunk * CHANNELS_PER_TASK;
    size_t step = job->pairs ? PS_PAIR_BLOCK : channels;
    size_t last = first + CHANNELS_PER_TASK < channels ? first + CHANNELS_PER_TASK : channels;
    for (size_t c = first; c < last; c++) {
        const float *from = job->parts + (job->pairs ? c / PS_PAIR_BLOCK * taps * step + c % PS_PAIR_BLOCK : c);
        for (size_t t = 0; t < taps; t++) job->dw[c * taps + t] = from[t * step];
    }
}

/* So few leaves that their sums are small beside the arrays. */
static void plan_gradient(const ps_conv_shape *s, depthwise_job *job) {
    plan_forward(s, job);
    size_t lines = ps_reduce_batch(job->lines), most = lines * (size_t)job->w.size / (4 * ps_conv_taps(s));
    size_t wanted = ps_threads_chunks(lines, LINE_FLOATS / ((size_t)job->w.size * (size_t)s->c + 1) + 1);
    most = most < 2 ? 2 : most > LEAVES ? LEAVES : most;
    job->leaves = ps_leaves_of((size_t)s->n, job->lines / (size_t)s->n, wanted < most ? wanted : most);
    job->shape = s;
    job->pairs = ps_depthwise_pair_fits(s, PS_CONV_BACKWARD_WEIGHTS);
    job->part_step = weights_floats(s);
}

static void depthwise_backward_weights(const ps_conv_shape *s, const float *x, const float *dy, float *dw,
                                       void *workspace, ps_threads *threads) {
    depthwise_job job;
    plan_gradient(s, &job);
    job.source = x, job.dy = dy, job.parts = workspace, job.dw = dw;
    ps_threads_run(threads, job.leaves.count, job.pairs ? gradient_pairs : gradient_lines, &job);
    ps_reduce_floats(job.parts, job.leaves.count, job.part_step, job.part_step, threads);
    ps_threads_run(threads, ps_threads_chunks((size_t)s->c, CHANNELS_PER_TASK), write_gradients, &job);
}

static size_t depthwise_workspace(const ps_conv_shape *s, ps_conv_pass pass, int threads) {
    (void)threads;
    if (pass != PS_CONV_BACKWARD_WEIGHTS) return weights_floats(s) * sizeof(float);
    depthwise_job job;
    plan_gradient(s, &job);
    return job.leaves.count * job.part_step * sizeof(float);
}

static double depthwise_cost(const ps_conv_shape *s, ps_conv_pass pass) {
    (void)pass;
    if (s->groups != s->c || s->k != s->c || !ps_conv_sweep_fits(s) || s->kd * s->kh > PS_DEPTHWISE_LINES) return -1.0;
    if (s->stride_d > MOST_STRIDE || s->stride_h > MOST_STRIDE || s->stride_w > MOST_STRIDE) return -1.0;
    return 1000.0 + 0.1 * ps_conv_macs(s);
}

const ps_conv_method ps_conv_method_depthwise = {
    "depthwise",
    true,
    false,
    depthwise_cost,
    depthwise_workspace,
    depthwise_forward,
    depthwise_backward_data,
    depthwise_backward_weights,
};
