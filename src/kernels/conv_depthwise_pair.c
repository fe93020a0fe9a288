/* Depthwise convolution by kernels of 3 x 3: lines of the target in pairs, which share the lines that they read. With
 * dilation d the positions fall into d x d grids that do not meet; each is a convolution of its own, without dilation.
 */
#include "kernels/conv_depthwise_pair.h"

#include <stddef.h>
#include <string.h>

#include "kernels/conv_method.h"

enum {
    PAIR_FLOATS = 65536,  /* of the target per task */
    FAR_FLOATS = 1 << 20, /* of x and y together that no second-level cache holds */
};

/* A side of the maps: `target` and `source` long, cut into `grids`. */
typedef struct {
    int target, source, stride, pad, grids;
} side;

typedef struct {
    const ps_depthwise_pair_kernels *kernels;
    side h, w;
    const float *source, *weights, *bias, *dy;
    float *target, *sums;
    int channels, stride;
    size_t pairs, chunks; /* pairs of lines of all samples */
    bool accumulate;
    bool far; /* the arrays are beyond the nearer caches */
} pair_job;

static int grid_size(int size, int grids, int grid) { return size > grid ? (size - grid + grids - 1) / grids : 0; }

bool ps_depthwise_pair_fits(const ps_conv_shape *s, ps_conv_pass pass) {
    if (s->groups != s->c || s->k != s->c || s->kd != 1 || s->kh != 3 || s->kw != 3) return false;
    if (s->stride_d != 1 || s->pad_d != 0 || s->stride_h != s->stride_w || s->stride_h > 2) return false;
    if (s->stride_h == 2) {
        if (s->dilation_h != 1 || s->dilation_w != 1) return false;
        if (pass == PS_CONV_BACKWARD_DATA) return s->pad_h == 1 && s->pad_w == 1;
    }
    bool whole = s->pad_h == s->dilation_h && s->pad_w == s->dilation_w;
    return whole || (pass != PS_CONV_BACKWARD_DATA && s->pad_h == 0 && s->pad_w == 0);
}

size_t ps_depthwise_pair_floats(const ps_conv_shape *s) { return PS_PAIR_TAPS * ps_conv_round16((size_t)s->c); }

/* Weights [c][9] as blocks; turned: the last tap first. */
static void pack_weights(const ps_conv_shape *s, const float *w, bool turned, float *packed) {
    memset(packed, 0, ps_depthwise_pair_floats(s) * sizeof *packed);
    for (int c = 0; c < s->c; c++) {
        float *to = packed + c / PS_PAIR_BLOCK * PS_PAIR_TAPS * PS_PAIR_BLOCK + c % PS_PAIR_BLOCK;
        const float *from = w + (ptrdiff_t)c * PS_PAIR_TAPS;
        for (int t = 0; t < PS_PAIR_TAPS; t++) to[t * PS_PAIR_BLOCK] = from[turned ? PS_PAIR_TAPS - 1 - t : t];
    }
}

static size_t pairs_of(const side *h) {
    size_t pairs = 0;
    for (int grid = 0; grid < h->grids; grid++) pairs += ((size_t)grid_size(h->target, h->grids, grid) + 1) / 2;
    return pairs;
}

static void plan(const ps_conv_shape *s, pair_job *job) {
    job->kernels = PS_SIMD_SELECT(ps_depthwise_pair_kernels_of)();
    job->channels = s->c, job->stride = s->stride_h;
    job->h = (side){ps_conv_out_h(s), s->h, s->stride_h, s->pad_h, s->dilation_h};
    job->w = (side){ps_conv_out_w(s), s->w, s->stride_w, s->pad_w, s->dilation_w};
    size_t x = (size_t)s->n * (size_t)s->h * (size_t)s->w, y = ps_conv_out_positions(s);
    job->far = (x + y) * (size_t)s->c >= FAR_FLOATS;
}

/* Lines [line, line + rows) of a grid of y (for spread: of dx), and what belongs to them. */
typedef struct {
    int sample, grid, line, rows;
} pair_place;

static pair_place place_of(const pair_job *job, size_t pair) {
    size_t each = pairs_of(&job->h), left = pair % each;
    pair_place p = {.sample = (int)(pair / each)};
    for (;; p.grid++) {
        size_t here = ((size_t)grid_size(job->h.target, job->h.grids, p.grid) + 1) / 2;
        if (left < here) break;
        left -= here;
    }
    p.line = 2 * (int)left;
    p.rows = grid_size(job->h.target, job->h.grids, p.grid) - p.line;
    if (p.rows > 2) p.rows = 2;
    return p;
}

/* The lines of x that lines of y read, in one grid. */
static ps_depthwise_pair pair_at(const pair_job *job, const pair_place *p, int w_grid) {
    const side *h = &job->h, *w = &job->w;
    ps_depthwise_pair k = {.rows = p->rows, .channels = job->channels, .accumulate = job->accumulate};
    k.count = grid_size(w->target, w->grids, w_grid), k.columns = grid_size(w->source, w->grids, w_grid);
    k.low = -w->pad / w->grids;
    k.x_step = k.y_step = (size_t)w->grids * (size_t)job->channels;
    int lines = grid_size(h->source, h->grids, p->grid), first = p->line * h->stride - h->pad / h->grids;
    size_t line_floats = (size_t)w->source * (size_t)job->channels;
    for (int i = 0; i < (p->rows - 1) * h->stride + 3; i++) {
        int line = first + i;
        if (line < 0 || line >= lines) continue;
        size_t at = (size_t)p->sample * (size_t)h->source + (size_t)(line * h->grids + p->grid);
        k.x[i] = job->source + at * line_floats + (size_t)w_grid * (size_t)job->channels;
    }
    return k;
}

/* Where line `row` of the pair begins in y. */
static size_t y_start(const pair_job *job, const pair_place *p, int row, int w_grid) {
    size_t line = (size_t)p->sample * (size_t)job->h.target + (size_t)((p->line + row) * job->h.grids + p->grid);
    return (line * (size_t)job->w.target + (size_t)w_grid) * (size_t)job->channels;
}

/* The line of x, counted through all samples, behind the last that a pair reads. */
static size_t x_end(const pair_job *job, const pair_place *p) {
    const side *h = &job->h;
    int last = (p->line + p->rows - 1) * h->stride - h->pad / h->grids + 2;
    int lines = grid_size(h->source, h->grids, p->grid);
    if (last >= lines) last = lines - 1;
    return (size_t)p->sample * (size_t)h->source + (size_t)(last * h->grids + p->grid) + 1;
}

/* What `next` reads beyond pair p; y: of both. */
static void look_ahead(const pair_job *job, const pair_place *p, const pair_place *next, const float *y,
                       ps_depthwise_pair *k) {
    if (!job->far) return;
    size_t end = x_end(job, p), next_end = x_end(job, next), channels = (size_t)job->channels;
    size_t x_line = (size_t)job->w.source * channels, y_line = (size_t)job->w.target * channels;
    if (next_end > end) k->ahead[0] = (ps_depthwise_ahead){job->source + end * x_line, (next_end - end) * x_line};
    k->ahead[1] = (ps_depthwise_ahead){y + y_start(job, next, 0, 0), (job->h.grids > 1 ? 1 : next->rows) * y_line};
}

static void sweep_pairs(void *context, size_t chunk, int worker) {
    (void)worker;
    const pair_job *job = context;
    size_t last = ps_threads_chunk_start(job->pairs, job->chunks, chunk + 1);
    for (size_t pair = ps_threads_chunk_start(job->pairs, job->chunks, chunk); pair < last; pair++) {
        pair_place p = place_of(job, pair), next = place_of(job, pair + 1);
        for (int grid = 0; grid < job->w.grids; grid++) {
            ps_depthwise_pair k = pair_at(job, &p, grid);
            float *y[2] = {NULL, NULL};
            for (int row = 0; row < p.rows; row++) y[row] = job->target + y_start(job, &p, row, grid);
            if (pair + 1 < last && grid == 0) look_ahead(job, &p, &next, job->target, &k);
            job->kernels->sweep(&k, job->stride, job->weights, job->bias, y);
        }
    }
}

/* Target: dx; source: dy. Lines 2 q and 2 q + 1 of dx read lines q and q + 1 of dy. */
static void spread_pairs(void *context, size_t chunk, int worker) {
    (void)worker;
    const pair_job *job = context;
    size_t last = ps_threads_chunk_start(job->pairs, job->chunks, chunk + 1), channels = (size_t)job->channels;
    size_t dx_line = (size_t)job->w.target * channels, dy_line = (size_t)job->w.source * channels;
    for (size_t pair = ps_threads_chunk_start(job->pairs, job->chunks, chunk); pair < last; pair++) {
        pair_place p = place_of(job, pair);
        ps_depthwise_pair k = {.rows = p.rows,
                               .channels = job->channels,
                               .count = job->w.source,
                               .columns = job->w.target,
                               .x_step = channels,
                               .y_step = channels};
        k.accumulate = job->accumulate;
        const float *dy = job->source + ((size_t)p.sample * (size_t)job->h.source + (size_t)(p.line / 2)) * dy_line;
        float *dx = job->target + ((size_t)p.sample * (size_t)job->h.target + (size_t)p.line) * dx_line;
        k.x[0] = dy, k.x[1] = p.line / 2 + 1 < job->h.source ? dy + dy_line : NULL;
        if (job->far && pair + 1 < last) {
            k.ahead[0] = (ps_depthwise_ahead){dy + 2 * dy_line, dy_line};
            k.ahead[1] = (ps_depthwise_ahead){dx + (size_t)p.rows * dx_line, 2 * dx_line};
        }
        float *to[2] = {dx, p.rows > 1 ? dx + dx_line : NULL};
        job->kernels->spread(&k, job->weights, to);
    }
}

static void run(const ps_conv_shape *s, pair_job *job, ps_threads_task *task, ps_threads *threads) {
    size_t each = (size_t)job->w.target * (size_t)job->channels * 2;
    job->pairs = (size_t)s->n * (size_t)s->d * pairs_of(&job->h);
    job->chunks = ps_threads_chunks(job->pairs, PAIR_FLOATS / each + 1);
    ps_threads_run(threads, job->chunks, task, job);
}

void ps_depthwise_pair_forward(const ps_conv_shape *s, const float *x, const float *w, const float *bias, float *y,
                               float *room, ps_threads *threads) {
    pair_job job = {.source = x, .weights = room, .bias = bias, .target = y};
    plan(s, &job);
    pack_weights(s, w, false, room);
    run(s, &job, sweep_pairs, threads);
}

/* Stride 1: as forward, from dy, with the taps turned. */
void ps_depthwise_pair_backward_data(const ps_conv_shape *s, const float *dy, const float *w, float *dx,
                                     bool accumulate, float *room, ps_threads *threads) {
    pair_job job = {.source = dy, .weights = room, .target = dx, .accumulate = accumulate};
    plan(s, &job);
    pack_weights(s, w, s->stride_h == 1, room);
    if (s->stride_h == 2) {
        job.h.target = s->h, job.h.source = ps_conv_out_h(s), job.w.target = s->w, job.w.source = ps_conv_out_w(s);
        run(s, &job, spread_pairs, threads);
        return;
    }
    run(s, &job, sweep_pairs, threads);
}

/* Lines of dy from `line` on: a pair where the next line is of the same grid and before `last`. */
static pair_place gradient_place(const pair_job *job, size_t line, size_t last) {
    int height = job->h.target, h = (int)(line % (size_t)height);
    pair_place p = {.sample = (int)(line / (size_t)height), .grid = h % job->h.grids, .line = h / job->h.grids};
    p.rows = job->h.grids == 1 && line + 1 < last && h + 1 < height ? 2 : 1;
    return p;
}

void ps_depthwise_pair_gradient(const ps_conv_shape *s, const float *x, const float *dy, size_t first, size_t last,
                                float *sums) {
    pair_job job = {.source = x};
    plan(s, &job);
    memset(sums, 0, ps_depthwise_pair_floats(s) * sizeof *sums);
    pair_place next = gradient_place(&job, first, last);
    for (size_t line = first; line < last;) {
        pair_place p = next;
        line += (size_t)p.rows;
        if (line < last) next = gradient_place(&job, line, last);
        for (int grid = 0; grid < job.w.grids; grid++) {
            ps_depthwise_pair k = pair_at(&job, &p, grid);
            const float *from[2] = {NULL, NULL};
            for (int row = 0; row < p.rows; row++) from[row] = dy + y_start(&job, &p, row, grid);
            if (line < last && grid == 0) look_ahead(&job, &p, &next, dy, &k);
            job.kernels->gradient(&k, job.stride, from, sums);
        }
    }
}
