#include "kernels/rounding.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "core/memory.h"
#include "kernels/conv_method.h"
#include "kernels/rounding_simd.h"
#include "kernels/rows.h"

enum { GRAIN = 1 << 14 };

float ps_rounding_of_sum(double terms) { return (float)(PS_ROUNDING_FACTOR * sqrt(terms) * PS_ROUNDING_UNIT); }

void ps_rounding_row_norms(const float *w, size_t rows, size_t length, float factor, float *norm) {
    PS_SIMD_SELECT(ps_rounding_norms_chunk)(w, rows, length, norm);
    for (size_t row = 0; row < rows; row++) norm[row] *= factor;
}

/* ---- Of every position ---- */

typedef struct {
    const float *x;
    float *out;
    size_t count, length, chunks;
    bool largest;
} position_job;

static void position_chunk(void *context, size_t chunk, int worker) {
    (void)worker;
    const position_job *job = context;
    size_t first = ps_threads_chunk_start(job->count, job->chunks, chunk),
           count = ps_threads_chunk_start(job->count, job->chunks, chunk + 1) - first;
    const float *x = job->x + first * job->length;
    if (job->largest) PS_SIMD_SELECT(ps_rounding_largest_chunk)(x, count, job->length, job->out + first);
    else PS_SIMD_SELECT(ps_rounding_norms_chunk)(x, count, job->length, job->out + first);
}

static void run_positions(position_job job, ps_threads *threads) {
    size_t positions = GRAIN / (job.length > 0 ? job.length : 1) + 1;
    job.chunks = ps_threads_chunks(job.count, positions);
    ps_threads_run(threads, job.chunks, position_chunk, &job);
}

void ps_rounding_norms(const float *x, size_t positions, int groups, int group, float *norm, ps_threads *threads) {
    run_positions((position_job){x, norm, positions * (size_t)groups, (size_t)group, 0, false}, threads);
}

void ps_rounding_largest(const float *x, size_t positions, int c, float *most, ps_threads *threads) {
    run_positions((position_job){x, most, positions, (size_t)c, 0, true}, threads);
}

/* ---- Within reach of a kernel ---- */

typedef struct {
    const ps_rounding_reach *reach;
    int od, oh, ow;
    bool depthwise;
} spread_job;

enum { BLOCK = 64 }; /* positions of a line worked out together */

typedef struct {
    int n, d, h, first, count; /* output positions of a line */
    double squares[BLOCK];
    float moved[BLOCK];
} block;

static int source(int out, int stride, int pad, int tap, int dilation, int size) {
    int at = out * stride - pad + tap * dilation;
    return at >= 0 && at < size ? at : -1;
}

/* One source line, `tap` along w: positions of the block that find a source there. */
static void add_line(const ps_rounding_reach *r, size_t line, int tap, int group, block *b) {
    const ps_conv_shape *s = r->shape;
    int shift = tap * s->dilation_w - s->pad_w, first = 0, end = b->count;
    while (first < end && (b->first + first) * s->stride_w + shift < 0) first++;
    while (end > first && (b->first + end - 1) * s->stride_w + shift >= s->w) end--;
    if (first == end) return;
    size_t at = line * (size_t)s->w + (size_t)((b->first + first) * s->stride_w + shift), groups = (size_t)s->groups;
    /* With groups the norms lie apart, and nothing is carried along (moved is of convolutions without). */
    PS_SIMD_SELECT(ps_rounding_add_reach)
    (r->norm + at * groups + (size_t)group, r->moved != NULL ? r->moved + at : NULL, (size_t)s->stride_w * groups,
     (size_t)(end - first), b->squares + first, b->moved + first);
}

static void find_reach(const ps_rounding_reach *r, int group, block *b) {
    const ps_conv_shape *s = r->shape;
    memset(b->squares, 0, sizeof b->squares);
    memset(b->moved, 0, sizeof b->moved);
    for (int td = 0; td < s->kd; td++) {
        int d = source(b->d, s->stride_d, s->pad_d, td, s->dilation_d, s->d);
        for (int th = 0; d >= 0 && th < s->kh; th++) {
            int h = source(b->h, s->stride_h, s->pad_h, th, s->dilation_h, s->h);
            size_t line = ((size_t)b->n * (size_t)s->d + (size_t)d) * (size_t)s->h + (size_t)h;
            for (int tw = 0; h >= 0 && tw < s->kw; tw++) add_line(r, line, tw, group, b);
        }
    }
}

static void spread_block(const ps_rounding_reach *r, size_t line, int ow, int group, const block *b) {
    size_t step = (size_t)r->shape->k, k = step / (size_t)r->shape->groups, first = (size_t)group * k;
    size_t at = (line * (size_t)ow + (size_t)b->first) * step + first;
    ps_rounding_spread_job row = {.factor = r->factor,
                                  .added_to = r->start != NULL ? r->added_to + at : NULL,
                                  .start = r->start != NULL ? r->start + at : NULL,
                                  .row = r->row + first,
                                  .row_moved = r->moved != NULL ? r->row_moved + first : NULL,
                                  .bias = r->bias != NULL ? r->bias + first : NULL,
                                  .bound = r->bound + at};
    PS_SIMD_SELECT(ps_rounding_spread_rows)(&row, b->squares, b->moved, (size_t)b->count, step, k);
}

/* ---- Of a depthwise convolution: each channel has a reach of its own; they are worked out side by side ---- */

static bool is_depthwise(const ps_conv_shape *s) { return s->groups > 1 && s->c == s->groups && s->k == s->groups; }

/* The taps that find a source, which lie next to each other, and the source of the first. */
static size_t taps_within(int out, int stride, int pad, int dilation, int taps, int size, size_t *first) {
    int tap = 0, end = taps;
    while (tap < end && source(out, stride, pad, tap, dilation, size) < 0) tap++;
    while (end > tap && source(out, stride, pad, end - 1, dilation, size) < 0) end--;
    *first = end > tap ? (size_t)source(out, stride, pad, tap, dilation, size) : 0;
    return (size_t)(end - tap);
}

static bool depthwise_line(const ps_rounding_reach *r, size_t line, const block *at, int ow) {
    const ps_conv_shape *s = r->shape;
    size_t c = (size_t)s->c, d, h;
    ps_rounding_depthwise_job job = {.w = (size_t)s->w,
                                     .taps_w = (size_t)s->kw,
                                     .stride = (size_t)s->stride_w,
                                     .dilation = (size_t)s->dilation_w,
                                     .pad = (size_t)s->pad_w,
                                     .outputs = (size_t)ow,
                                     .channels = c,
                                     .row = r->row,
                                     .bias = r->bias,
                                     .factor = r->factor,
                                     .bound = r->bound + line * (size_t)ow * c};
    job.step[1] = (size_t)s->dilation_h * (size_t)s->w * c;
    job.step[0] = (size_t)s->dilation_d * (size_t)s->h * (size_t)s->w * c;
    job.taps[0] = taps_within(at->d, s->stride_d, s->pad_d, s->dilation_d, s->kd, s->d, &d);
    job.taps[1] = taps_within(at->h, s->stride_h, s->pad_h, s->dilation_h, s->kh, s->h, &h);
    job.x = r->norm + (((size_t)at->n * (size_t)s->d + d) * (size_t)s->h + h) * (size_t)s->w * c;
    return PS_SIMD_SELECT(ps_rounding_spread_depthwise)(&job) != 0;
}

/* A line of output positions. */
static void spread_line(void *context, size_t line, int worker) {
    (void)worker;
    const spread_job *job = context;
    block b = {.h = (int)(line % (size_t)job->oh),
               .d = (int)(line / (size_t)job->oh % (size_t)job->od),
               .n = (int)(line / (size_t)job->oh / (size_t)job->od)};
    if (job->depthwise && depthwise_line(job->reach, line, &b, job->ow)) return;
    for (b.first = 0; b.first < job->ow; b.first += BLOCK) {
        b.count = job->ow - b.first < BLOCK ? job->ow - b.first : BLOCK;
        for (int group = 0; group < job->reach->shape->groups; group++) {
            find_reach(job->reach, group, &b);
            spread_block(job->reach, line, job->ow, group, &b);
        }
    }
}

void ps_rounding_spread(const ps_rounding_reach *reach, ps_threads *threads) {
    const ps_conv_shape *s = reach->shape;
    spread_job job = {.reach = reach, .od = ps_conv_out_d(s), .oh = ps_conv_out_h(s), .ow = ps_conv_out_w(s)};
    job.depthwise = is_depthwise(s) && reach->moved == NULL && reach->start == NULL;
    ps_threads_run(threads, (size_t)s->n * (size_t)job.od * (size_t)job.oh, spread_line, &job);
}

static size_t rounded(size_t bytes) { return (bytes + PS_ALIGNMENT - 1) / PS_ALIGNMENT * PS_ALIGNMENT; }

static size_t positions_of(const ps_conv_shape *s) { return (size_t)s->n * (size_t)s->d * (size_t)s->h * (size_t)s->w; }

/* Workspace: factors of the rows [k], then the norms. */
size_t ps_rounding_conv_bytes(const ps_conv_shape *s) {
    return rounded((size_t)s->k * sizeof(float)) + positions_of(s) * (size_t)s->groups * sizeof(float);
}

void ps_rounding_conv(const ps_conv_shape *s, const float *x, const float *w, const float *bias, float *bound,
                      void *workspace, ps_threads *threads) {
    size_t k = (size_t)s->k, terms = ps_conv_taps(s) * (size_t)(s->c / s->groups);
    float *row = workspace, *norm = (float *)((char *)workspace + rounded(k * sizeof(float))),
          factor = ps_rounding_of_sum((double)terms);
    ps_rounding_row_norms(w, k, terms, factor, row);
    /* The norm of one value is its size, and squared alike: no pass for that. */
    bool depthwise = is_depthwise(s);
    if (!depthwise) ps_rounding_norms(x, positions_of(s), s->groups, s->c / s->groups, norm, threads);
    ps_rounding_reach reach = {
        .shape = s, .norm = depthwise ? x : norm, .row = row, .bias = bias, .factor = factor, .bound = bound};
    ps_rounding_spread(&reach, threads);
}

typedef struct {
    const float *y;
    float *bound;
    size_t count, chunks;
} few_job;

static void few_chunk(void *context, size_t chunk, int worker) {
    (void)worker;
    const few_job *job = context;
    size_t end = ps_threads_chunk_start(job->count, job->chunks, chunk + 1);
    for (size_t i = ps_threads_chunk_start(job->count, job->chunks, chunk); i < end; i++)
        job->bound[i] += (float)PS_ROUNDING_FEW * fabsf(job->y[i]);
}

void ps_rounding_add_few(const float *y, size_t count, float *bound, ps_threads *threads) {
    few_job job = {y, bound, count, ps_threads_chunks(count, GRAIN)};
    ps_threads_run(threads, job.chunks, few_chunk, &job);
}

/* ---- What enters a gate ---- */

/* A chunk's part: SUMS vectors of doubles, their running ones and the EXTREMES in single precision. */
enum { VECTORS = 4, SUMS = 2, EXTREMES = 3 };

static size_t part_bytes(size_t width) {
    return rounded(width * (SUMS * (sizeof(double) + sizeof(float)) + EXTREMES * sizeof(float)));
}

typedef struct {
    const ps_rows *rows;
    ps_rounding_entry_job job;
    char *parts; /* [chunks] of part_bytes; NULL: bounds are wanted */
} entry_run;

static double *part_sums(const entry_run *run, size_t chunk) {
    return (double *)(run->parts + chunk * part_bytes(run->rows->width));
}

static float *part_extremes(const entry_run *run, size_t chunk) {
    return (float *)(part_sums(run, chunk) + SUMS * run->rows->width);
}

static void entry_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const entry_run *run = context;
    ps_rounding_entry_job job = run->job;
    size_t width = run->rows->width;
    if (run->parts != NULL) {
        job.sums = part_sums(run, chunk);
        job.low = part_extremes(run, chunk);
        job.high = job.low + width, job.most = job.high + width, job.running = job.most + width;
    }
    PS_SIMD_SELECT(ps_rounding_entry_chunk)
    (&job, ps_rows_chunk_start(run->rows, chunk), ps_rows_chunk_start(run->rows, chunk + 1));
}

/* wide: VECTORS vectors of a wide row. */
static entry_run run_entry(const ps_rounding_entry *e, const ps_rows *rows, float *wide, float *bound, char *parts,
                           ps_threads *threads) {
    entry_run run = {.rows = rows, .parts = parts};
    run.job = (ps_rounding_entry_job){.width = rows->width,
                                      .x = e->x,
                                      .residual = e->residual,
                                      .x_bound = e->x_bound,
                                      .residual_bound = e->residual_bound,
                                      .bound = bound,
                                      .rectified = e->rectified};
    for (size_t j = 0; e->mean != NULL && j < rows->width; j++) {
        size_t c = j % rows->c;
        float *mean = wide, *scale = wide + rows->width, *beta = scale + rows->width, *size = beta + rows->width;
        mean[j] = e->mean[c], scale[j] = e->scale[c], beta[j] = e->beta[c];
        size[j] = (float)PS_ROUNDING_FEW * (fabsf(mean[j] * scale[j]) + fabsf(beta[j]));
        if (e->extra != NULL) size[j] += e->extra[c];
        run.job.mean = mean, run.job.scale = scale, run.job.beta = beta, run.job.size = size;
    }
    ps_threads_run(threads, rows->chunks, entry_task, &run);
    return run;
}

/* Workspace: the vectors, then the chunks' parts; both where lines of memory begin. */
size_t ps_rounding_entry_bytes(ps_shape shape) {
    ps_rows r = ps_rows_of(shape);
    return PS_ALIGNMENT + rounded(VECTORS * r.width * sizeof(float)) + r.chunks * part_bytes(r.width);
}

static char *aligned(void *workspace) { return (char *)workspace + (-(uintptr_t)workspace) % PS_ALIGNMENT; }

void ps_rounding_entry_bound(const ps_rounding_entry *entry, float *bound, void *workspace, ps_threads *threads) {
    ps_rows rows = ps_rows_of(entry->shape);
    run_entry(entry, &rows, (float *)aligned(workspace), bound, NULL, threads);
}

/* NaN wins and stays, as in the loops. */
static float larger(float a, float b) { return b > a || isnan(b) ? b : a; }

static void find_largest(const entry_run *run, size_t vector, float *out) {
    const ps_rows *rows = run->rows;
    for (size_t c = 0; c < rows->c; c++) out[c] = -INFINITY;
    for (size_t chunk = 0; chunk < rows->chunks; chunk++) {
        const float *found = part_extremes(run, chunk) + vector * rows->width;
        for (size_t j = 0; j < rows->width; j += rows->c)
            for (size_t c = 0; c < rows->c; c++) out[c] = larger(out[c], found[j + c]);
    }
}

/* The first part's sums [SUMS][width], of which [c] each count: over the chunks along the tree, then over the folds. */
static const double *add_parts(const entry_run *run) {
    const ps_rows *rows = run->rows;
    double *total = part_sums(run, 0);
    ps_reduce_doubles(total, rows->chunks, part_bytes(rows->width) / sizeof(double), SUMS * rows->width);
    for (size_t s = 0; s < SUMS; s++)
        for (size_t j = rows->c; j < rows->width; j++)
            total[s * rows->width + j % rows->c] += total[s * rows->width + j];
    return total;
}

void ps_rounding_edges(const ps_rounding_entry *entry, ps_rounding_extremes out, void *workspace, ps_threads *threads) {
    ps_rows rows = ps_rows_of(entry->shape);
    float *wide = (float *)aligned(workspace);
    char *parts = (char *)wide + rounded(VECTORS * rows.width * sizeof(float));
    double n = rows.batch_rows;
    entry_run run = run_entry(entry, &rows, wide, NULL, parts, threads);
    find_largest(&run, 0, out.low);
    find_largest(&run, 1, out.high);
    find_largest(&run, 2, out.most);
    const double *sum = add_parts(&run), *squares = sum + rows.width;
    for (size_t c = 0; c < rows.c; c++) {
        double mean = sum[c] / n, found = squares[c] / n - mean * mean;
        out.squares[c] = squares[c];
        out.variance[c] = found < 0 ? 0.0f : (float)found;
    }
}
