/* Depthwise convolution by kernels of 3 x 3: lines of the target in pairs, which share the lines that they read. With
 * dilation d the positions fall into d x d grids that do not meet; each is a convolution of its own, without dilation.
 */
#include "kernels/conv_depthwise_pair.h"

#include <stddef.h>
#include <string.h>

#include "kernels/conv_method.h"

enum {
    PAIR_FLOATS = 65536,  /* of the target per task */
    LEAST_TASKS = 16,     /* where there is work for so many */
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
    size_t groups, chunks; /* groups of lines of all samples, a pair of each grid */
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
    int turn;        /* of its group */
    size_t end, far; /* lines of y, counted through all samples, behind this group and behind the next */
} pair_place;

/* A walk over lines [line, last) of y, counted through all samples: groups of neighbours, a pair of each grid in turn.
 */
typedef struct {
    size_t line, last;
    int grid;
} pair_walk;

/* Behind the group that begins with a line. */
static size_t group_end(const pair_job *job, size_t line, size_t last) {
    size_t height = (size_t)job->h.target, end = line / height * height + height,
           most = line + 2 * (size_t)job->h.grids;
    if (end > last) end = last;
    return end < most ? end : most;
}

static bool next_pair(const pair_job *job, pair_walk *walk, pair_place *p) {
    size_t height = (size_t)job->h.target, grids = (size_t)job->h.grids;
    while (walk->line < walk->last) {
        size_t line = walk->line + (size_t)walk->grid, end = group_end(job, walk->line, walk->last);
        if (walk->grid < job->h.grids && line < end) {
            size_t h = line % height;
            *p = (pair_place){(int)(line / height),
                              (int)(h % grids),
                              (int)(h / grids),
                              line + grids < end ? 2 : 1,
                              walk->grid,
                              end,
                              end < walk->last ? group_end(job, end, walk->last) : end};
            walk->grid++;
            return true;
        }
        walk->line = end, walk->grid = 0;
    }
    return false;
}

static size_t groups_of(const side *h) { return ps_threads_chunks((size_t)h->target, 2 * (size_t)h->grids); }

/* The line that the group of this number begins with, all samples' groups counted through. */
static size_t group_start(const pair_job *job, size_t group) {
    size_t each = groups_of(&job->h);
    return group / each * (size_t)job->h.target + group % each * 2 * (size_t)job->h.grids;
}

static pair_walk walk_of(const pair_job *job, size_t chunk) {
    size_t first = ps_threads_chunk_start(job->groups, job->chunks, chunk),
           last = ps_threads_chunk_start(job->groups, job->chunks, chunk + 1);
    return (pair_walk){.line = group_start(job, first), .last = group_start(job, last)};
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

/* The line of x, counted through all samples, behind what lines of y before `line` read. */
static size_t x_end(const pair_job *job, size_t line) {
    const side *h = &job->h;
    size_t sample = (line - 1) / (size_t)h->target;
    int end = (int)((line - 1) % (size_t)h->target) * h->stride - h->pad + 2 * h->grids + 1;
    return sample * (size_t)h->source + (size_t)(end < h->source ? end : h->source);
}

/* Lines [first, last) of an array, and which share of them is fetched. */
static ps_depthwise_ahead ahead_of(const float *array, size_t first, size_t last, size_t line_floats, size_t share,
                                   size_t shares) {
    size_t floats = last > first ? (last - first) * line_floats / shares : 0;
    return (ps_depthwise_ahead){array + first * line_floats + share * floats, floats};
}

/* What the next group reads beyond this one is fetched evenly while this one is worked on. y: y, or dy. */
static void look_ahead(const pair_job *job, const pair_place *p, const float *y, int w_grid, ps_depthwise_pair *k) {
    if (!job->far) return;
    size_t channels = (size_t)job->channels, shares = (size_t)job->h.grids * (size_t)job->w.grids;
    size_t share = (size_t)p->turn * (size_t)job->w.grids + (size_t)w_grid;
    k->ahead[0] =
        ahead_of(job->source, x_end(job, p->end), x_end(job, p->far), (size_t)job->w.source * channels, share, shares);
    k->ahead[1] = ahead_of(y, p->end, p->far, (size_t)job->w.target * channels, share, shares);
}

static void sweep_pairs(void *context, size_t chunk, int worker) {
    (void)worker;
    const pair_job *job = context;
    pair_walk walk = walk_of(job, chunk);
    for (pair_place p; next_pair(job, &walk, &p);) {
        for (int grid = 0; grid < job->w.grids; grid++) {
            ps_depthwise_pair k = pair_at(job, &p, grid);
            float *y[2] = {NULL, NULL};
            for (int row = 0; row < p.rows; row++) y[row] = job->target + y_start(job, &p, row, grid);
            look_ahead(job, &p, job->target, grid, &k);
            job->kernels->sweep(&k, job->stride, job->weights, job->bias, y);
        }
    }
}

/* Target: dx; source: dy. Lines 2 q and 2 q + 1 of dx read lines q and q + 1 of dy. */
static void spread_pairs(void *context, size_t chunk, int worker) {
    (void)worker;
    const pair_job *job = context;
    size_t channels = (size_t)job->channels;
    size_t dx_line = (size_t)job->w.target * channels, dy_line = (size_t)job->w.source * channels;
    pair_walk walk = walk_of(job, chunk);
    for (pair_place p; next_pair(job, &walk, &p);) {
        ps_depthwise_pair k = {.rows = p.rows,
                               .channels = job->channels,
                               .count = job->w.source,
                               .columns = job->w.target,
                               .x_step = channels,
                               .y_step = channels,
                               .accumulate = job->accumulate};
        const float *dy = job->source + ((size_t)p.sample * (size_t)job->h.source + (size_t)(p.line / 2)) * dy_line;
        float *dx = job->target + ((size_t)p.sample * (size_t)job->h.target + (size_t)p.line) * dx_line;
        k.x[0] = dy, k.x[1] = p.line / 2 + 1 < job->h.source ? dy + dy_line : NULL;
        if (job->far && p.far > p.end) {
            k.ahead[0] = (ps_depthwise_ahead){dy + 2 * dy_line, dy_line};
            k.ahead[1] = ahead_of(job->target, p.end, p.far, dx_line, 0, 1);
        }
        float *to[2] = {dx, p.rows > 1 ? dx + dx_line : NULL};
        job->kernels->spread(&k, job->weights, to);
    }
}

static void run(const ps_conv_shape *s, pair_job *job, ps_threads_task *task, ps_threads *threads) {
    size_t each = (size_t)job->w.target * (size_t)job->channels * 2 * (size_t)job->h.grids;
    job->groups = (size_t)s->n * (size_t)s->d * groups_of(&job->h);
    size_t most = job->groups / LEAST_TASKS + 1, wanted = PAIR_FLOATS / each + 1;
    job->chunks = ps_threads_chunks(job->groups, wanted < most ? wanted : most);
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

void ps_depthwise_pair_gradient(const ps_conv_shape *s, const float *x, const float *dy, size_t first, size_t last,
                                float *sums) {
    pair_job job = {.source = x};
    plan(s, &job);
    memset(sums, 0, ps_depthwise_pair_floats(s) * sizeof *sums);
    pair_walk walk = {.line = first, .last = last};
    for (pair_place p; next_pair(&job, &walk, &p);) {
        for (int grid = 0; grid < job.w.grids; grid++) {
            ps_depthwise_pair k = pair_at(&job, &p, grid);
            const float *from[2] = {NULL, NULL};
            for (int row = 0; row < p.rows; row++) from[row] = dy + y_start(&job, &p, row, grid);
            look_ahead(&job, &p, dy, grid, &k);
            job.kernels->gradient(&k, job.stride, from, sums);
        }
    }
}
