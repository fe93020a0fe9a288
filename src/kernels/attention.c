#include "kernels/attention.h"

#include <math.h>
#include <string.h>

#include "kernels/attention_simd.h"
#include "kernels/keep_simd.h"
#include "kernels/product.h"
#include "parallel/reduce.h"

/* c [m][n], rows c_row apart, (+)= a [m][k] b [k][n]. */
static void multiply(size_t m, size_t n, size_t k, ps_matrix a, ps_matrix b, bool accumulate, float *c, size_t c_row) {
    ps_product product = {m, n, k, a, b, c, c_row, NULL, accumulate};
    ps_product_here(&product);
}

/* Queries of a block, so that its scores stay in a near cache. */
enum { QUERIES = 128 };

typedef struct {
    const ps_attention *a;
    const float *qkv, *y, *dy, *kept;
    float *out, *dqkv, *keep;
    const float *w;
    int columns; /* of what w projects to */
    double *measured;
    char *workspace;
    size_t positions, size, width, blocks, block; /* width: floats of a position in y; block: queries at most */
    float scale;
} run;

static run run_of(const ps_attention *a, void *workspace) {
    run r = {.a = a, .workspace = workspace, .positions = (size_t)a->positions, .size = (size_t)a->size};
    r.width = (size_t)a->heads * r.size;
    r.blocks = ps_threads_chunks(r.positions, QUERIES);
    r.block = ps_threads_chunk_start(r.positions, r.blocks, 1);
    r.scale = (float)(1.0 / sqrt((double)a->size));
    return r;
}

size_t ps_attention_kept_floats(const ps_attention *a) {
    return 2 * (size_t)a->samples * (size_t)a->heads * (size_t)a->positions;
}

/* Two blocks of scores and the factors of a row. */
static size_t worker_floats(const run *r) { return ((2 * r->block + 1) * r->positions + 15) / 16 * 16; }

size_t ps_attention_workspace_bytes(const ps_attention *a, int threads) {
    run r = run_of(a, NULL);
    return (size_t)threads * worker_floats(&r) * sizeof(float);
}

/* What a block of queries of one sample and head works on. */
typedef struct {
    const float *q, *k, *v;
    float *scores, *gradients, *factors;
    size_t sample, head, first, queries, pair; /* pair: the sample and head; first: query */
    size_t step;                               /* floats from one position of qkv to the next */
} piece;

static piece piece_of(const run *r, size_t pair, size_t block, int worker) {
    piece p = {.pair = pair, .sample = pair / (size_t)r->a->heads, .head = pair % (size_t)r->a->heads};
    p.step = 3 * r->width;
    p.first = ps_threads_chunk_start(r->positions, r->blocks, block);
    p.queries = ps_threads_chunk_start(r->positions, r->blocks, block + 1) - p.first;
    const float *base = r->qkv + p.sample * r->positions * p.step + p.head * 3 * r->size;
    p.q = base + p.first * p.step;
    p.k = base + r->size;
    p.v = base + 2 * r->size;
    p.scores = (float *)(void *)r->workspace + (size_t)worker * worker_floats(r);
    p.gradients = p.scores + r->block * r->positions;
    p.factors = p.gradients + r->block * r->positions;
    return p;
}

/* The place of a piece in an array like y. */
static size_t at_output(const run *r, const piece *p) {
    return (p->sample * r->positions + p->first) * r->width + p->head * r->size;
}

/* kept: of all queries of a sample and head. */
static void weigh(const run *r, const piece *p, float *kept, int again) {
    multiply(p->queries, r->positions, r->size, ps_matrix_rows(p->q, p->step), ps_matrix_turned(p->k, p->step), false,
             p->scores, r->positions);
    PS_SIMD_SELECT(ps_attention_weigh)(p->scores, p->queries, r->positions, r->scale, kept + 2 * p->first, again);
}

static bool drops(const run *r) { return r->a->dropout > 0; }

static void draw_factors(const run *r, const piece *p, size_t query) {
    double share = r->a->dropout;
    float scale = share < 1 ? (float)(1.0 / (1.0 - share)) : 0.0f;
    uint64_t first = ((uint64_t)p->pair * r->positions + p->first + query) * r->positions;
    PS_SIMD_SELECT(ps_keep_factors)(r->a->key, first, r->positions, (float)share, scale, p->factors);
}

static void forward_pair(void *context, size_t pair, int worker) {
    const run *r = context;
    for (size_t block = 0; block < r->blocks; block++) {
        piece p = piece_of(r, pair, block, worker);
        weigh(r, &p, r->keep + 2 * pair * r->positions, false);
        for (size_t i = 0; drops(r) && i < p.queries; i++) {
            draw_factors(r, &p, i);
            PS_SIMD_SELECT(ps_attention_multiply)(p.factors, r->positions, p.scores + i * r->positions);
        }
        multiply(p.queries, r->size, r->positions, ps_matrix_rows(p.scores, r->positions), ps_matrix_rows(p.v, p.step),
                 false, r->out + at_output(r, &p), r->width);
    }
}

void ps_attention_forward(const ps_attention *a, const float *qkv, float *y, float *kept, void *workspace,
                          ps_threads *threads) {
    run r = run_of(a, workspace);
    r.qkv = qkv, r.out = y, r.keep = kept;
    ps_threads_run(threads, (size_t)a->samples * (size_t)a->heads, forward_pair, &r);
}

/* The gradient of a query's scores is p (dp - sum of p dp), and the sum is y . dy. */
static void score_gradients(const run *r, const piece *p, const float *y, const float *dy) {
    multiply(p->queries, r->positions, r->size, ps_matrix_rows(dy, r->width), ps_matrix_turned(p->v, p->step), false,
             p->gradients, r->positions);
    for (size_t i = 0; i < p->queries; i++) {
        double mean = PS_SIMD_SELECT(ps_attention_dot)(y + i * r->width, dy + i * r->width, r->size);
        if (drops(r)) draw_factors(r, p, i);
        PS_SIMD_SELECT(ps_attention_row_gradient)(p->scores + i * r->positions, p->gradients + i * r->positions,
                                                  drops(r) ? p->factors : NULL, r->positions, (float)mean, r->scale);
    }
}

static void backward_pair(void *context, size_t pair, int worker) {
    const run *r = context;
    size_t positions = r->positions, size = r->size;
    for (size_t block = 0; block < r->blocks; block++) {
        piece p = piece_of(r, pair, block, worker);
        size_t queries = p.queries, step = p.step;
        const float *dy = r->dy + at_output(r, &p);
        float *dq = r->dqkv + (p.q - r->qkv), *dk = r->dqkv + (p.k - r->qkv), *dv = r->dqkv + (p.v - r->qkv);
        weigh(r, &p, (float *)r->kept + 2 * pair * r->positions, true);
        score_gradients(r, &p, r->y + at_output(r, &p), dy);
        multiply(positions, size, queries, ps_matrix_turned(p.scores, positions), ps_matrix_rows(dy, r->width),
                 block > 0, dv, step);
        multiply(queries, size, positions, ps_matrix_rows(p.gradients, positions), ps_matrix_rows(p.k, step), false, dq,
                 step);
        multiply(positions, size, queries, ps_matrix_turned(p.gradients, positions), ps_matrix_rows(p.q, step),
                 block > 0, dk, step);
    }
}

void ps_attention_backward(const ps_attention *a, const float *qkv, const float *y, const float *kept, const float *dy,
                           float *dqkv, void *workspace, ps_threads *threads) {
    run r = run_of(a, workspace);
    r.qkv = qkv, r.y = y, r.kept = kept, r.dy = dy, r.dqkv = dqkv;
    ps_threads_run(threads, (size_t)a->samples * (size_t)a->heads, backward_pair, &r);
}

/* ---- what the heads do ---- */

static size_t measure_floats(const run *r, int out) {
    size_t scores = worker_floats(r), product = ((size_t)out * r->positions + 15) / 16 * 16;
    return scores > product ? scores : product;
}

/* Of every sample and head entropy and squares, then the shards' sums; behind them each worker's floats. */
static size_t measured_doubles(const ps_attention *a) {
    return 2 * (size_t)a->heads * ((size_t)a->samples + PS_SHARDS_MOST);
}

size_t ps_attention_measure_bytes(const ps_attention *a, int out, int threads) {
    run r = run_of(a, NULL);
    return measured_doubles(a) * sizeof(double) + 64 + (size_t)threads * measure_floats(&r, out) * sizeof(float);
}

/* -sum p log p, with log p = below + log(1 / sum): both parts are 0 or more. */
static double entropy_of(const run *r, const piece *p, const float *kept) {
    double sum = 0;
    multiply(p->queries, r->positions, r->size, ps_matrix_rows(p->q, p->step), ps_matrix_turned(p->k, p->step), false,
             p->scores, r->positions);
    for (size_t i = 0; i < p->queries; i++, kept += 2) {
        float *scores = p->scores + i * r->positions, *below = p->gradients + i * r->positions;
        float row[2] = {kept[0], kept[1]};
        PS_SIMD_SELECT(ps_attention_below)(scores, r->positions, r->scale, row[0], below);
        PS_SIMD_SELECT(ps_attention_weigh)(scores, 1, r->positions, r->scale, row, true);
        sum -= PS_SIMD_SELECT(ps_attention_dot)(scores, below, r->positions) + log((double)row[1]);
    }
    return sum;
}

static double squares_of(const run *r, const float *y, const float *w, float *product) {
    double sum = 0;
    size_t count = r->positions * (size_t)r->columns;
    multiply(r->positions, (size_t)r->columns, r->size, ps_matrix_rows(y, r->width), ps_matrix_turned(w, r->width),
             false, product, (size_t)r->columns);
    for (size_t i = 0; i < count; i++) sum += (double)product[i] * (double)product[i];
    return sum;
}

static void measure_pair(void *context, size_t pair, int worker) {
    const run *r = context;
    size_t heads = (size_t)r->a->heads, sample = pair / heads, head = pair % heads;
    double entropy = 0;
    float *scratch = (float *)(void *)r->workspace + (size_t)worker * measure_floats(r, r->columns);
    for (size_t block = 0; block < r->blocks; block++) {
        piece p = piece_of(r, pair, block, 0);
        p.scores = scratch, p.gradients = scratch + r->block * r->positions;
        entropy += entropy_of(r, &p, r->kept + 2 * (pair * r->positions + p.first));
    }
    r->measured[2 * pair] = entropy;
    r->measured[2 * pair + 1] =
        squares_of(r, r->y + sample * r->positions * r->width + head * r->size, r->w + head * r->size, scratch);
}

void ps_attention_measure(const ps_attention *a, const float *qkv, const float *y, const float *kept, const float *w,
                          int out, int samples, double *entropy, double *squares, void *workspace,
                          ps_threads *threads) {
    double *measured = workspace, *sums = measured + 2 * (size_t)a->heads * (size_t)a->samples;
    run r = run_of(a, (char *)workspace + (measured_doubles(a) * sizeof(double) + 63) / 64 * 64);
    size_t row = 2 * (size_t)a->heads;
    r.qkv = qkv, r.y = y, r.kept = kept, r.w = w, r.columns = out, r.measured = measured;
    ps_threads_run(threads, (size_t)samples * (size_t)a->heads, measure_pair, &r);
    ps_shards shards = ps_shards_of((size_t)samples);
    memset(sums, 0, shards.count * row * sizeof *sums);
    for (size_t shard = 0; shard < shards.count; shard++)
        for (size_t i = ps_shards_start(&shards, shard); i < ps_shards_start(&shards, shard + 1); i++)
            for (size_t j = 0; j < row; j++) sums[shard * row + j] += measured[i * row + j];
    ps_reduce_doubles(sums, shards.count, row, row);
    for (int h = 0; h < a->heads; h++) entropy[h] += sums[2 * h], squares[h] += sums[2 * h + 1];
}
