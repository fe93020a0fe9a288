#include "kernels/rounding.h"

#include <math.h>
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
    size_t k = (size_t)(r->shape->k / r->shape->groups), first = (size_t)group * k;
    for (int i = 0; i < b->count; i++) {
        size_t at = (line * (size_t)ow + (size_t)(b->first + i)) * (size_t)r->shape->k + first;
        ps_rounding_spread_job row = {.norm = (float)sqrt(b->squares[i]),
                                      .moved = b->moved[i],
                                      .factor = r->factor,
                                      .added_to = r->start != NULL ? r->added_to + at : NULL,
                                      .start = r->start != NULL ? r->start + at : NULL,
                                      .row = r->row + first,
                                      .row_moved = r->moved != NULL ? r->row_moved + first : NULL,
                                      .bias = r->bias != NULL ? r->bias + first : NULL,
                                      .bound = r->bound + at};
        PS_SIMD_SELECT(ps_rounding_spread_row)(&row, k);
    }
}

/* A line of output positions. */
static void spread_line(void *context, size_t line, int worker) {
    (void)worker;
    const spread_job *job = context;
    block b = {.h = (int)(line % (size_t)job->oh),
               .d = (int)(line / (size_t)job->oh % (size_t)job->od),
               .n = (int)(line / (size_t)job->oh / (size_t)job->od)};
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
    ps_rounding_norms(x, positions_of(s), s->groups, s->c / s->groups, norm, threads);
    ps_rounding_reach reach = {.shape = s, .norm = norm, .row = row, .bias = bias, .factor = factor, .bound = bound};
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

enum { VECTORS = 4, PARTS = 4 };

typedef struct {
    const ps_rows *rows;
    ps_rounding_entry_job job;
    float *parts; /* [chunks][PARTS][width]; NULL: bounds are wanted */
} entry_run;

static void entry_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const entry_run *run = context;
    ps_rounding_entry_job job = run->job;
    size_t width = run->rows->width;
    if (run->parts != NULL) {
        job.low = run->parts + chunk * PARTS * width;
        job.high = job.low + width, job.sum = job.high + width, job.squares = job.sum + width;
        for (size_t j = 0; j < width; j++) {
            job.low[j] = job.high[j] = -INFINITY;
            job.sum[j] = job.squares[j] = 0;
        }
    }
    PS_SIMD_SELECT(ps_rounding_entry_chunk)
    (&job, ps_rows_chunk_start(run->rows, chunk), ps_rows_chunk_start(run->rows, chunk + 1));
}

/* wide: VECTORS vectors of a wide row. */
static void run_entry(const ps_rounding_entry *e, const ps_rows *rows, float *wide, float *bound, float *parts,
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
}

/* Workspace: the vectors, then the chunks' parts. */
size_t ps_rounding_entry_bytes(ps_shape shape) {
    ps_rows r = ps_rows_of(shape);
    return (VECTORS + PARTS * r.chunks) * r.width * sizeof(float);
}

void ps_rounding_entry_bound(const ps_rounding_entry *entry, float *bound, void *workspace, ps_threads *threads) {
    ps_rows rows = ps_rows_of(entry->shape);
    run_entry(entry, &rows, workspace, bound, NULL, threads);
}

/* NaN wins and stays, as in the loops. */
static float larger(float a, float b) { return b > a || isnan(b) ? b : a; }

static float largest_of_channel(const ps_rows *rows, const float *parts, size_t c) {
    float most = -INFINITY;
    for (size_t chunk = 0; chunk < rows->chunks; chunk++)
        for (size_t j = c; j < rows->width; j += rows->c) most = larger(most, parts[chunk * PARTS * rows->width + j]);
    return most;
}

static double sum_of_channel(const ps_rows *rows, const float *parts, size_t c) {
    double sum[PS_ROWS_MAX_CHUNKS] = {0};
    for (size_t chunk = 0; chunk < rows->chunks; chunk++)
        for (size_t j = c; j < rows->width; j += rows->c) sum[chunk] += (double)parts[chunk * PARTS * rows->width + j];
    ps_reduce_doubles(sum, rows->chunks, 1, 1);
    return sum[0];
}

void ps_rounding_edges(const ps_rounding_entry *entry, float *low, float *high, float *variance, void *workspace,
                       ps_threads *threads) {
    ps_rows rows = ps_rows_of(entry->shape);
    float *wide = workspace, *parts = wide + VECTORS * rows.width;
    double n = rows.batch_rows;
    run_entry(entry, &rows, wide, NULL, parts, threads);
    for (size_t c = 0; c < rows.c; c++) {
        low[c] = largest_of_channel(&rows, parts, c);
        high[c] = largest_of_channel(&rows, parts + rows.width, c);
        double mean = sum_of_channel(&rows, parts + 2 * rows.width, c) / n,
               found = sum_of_channel(&rows, parts + 3 * rows.width, c) / n - mean * mean;
        variance[c] = found < 0 ? 0.0f : (float)found;
    }
}
