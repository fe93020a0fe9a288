#include "kernels/attention.h"

#include <math.h>
#include <string.h>

#include "kernels/attention_simd.h"
#include "kernels/keep_simd.h"
#include "kernels/product.h"
#include "kernels/product_simd.h"
#include "parallel/reduce.h"

/* QUERIES of a block, so that its scores stay in a near cache. Beyond whole vectors, up to ODD positions are multiplied
 * one by one: a vector of them would waste its other lanes. */
enum { QUERIES = 128, VECTOR = 16, ODD = 4 };

/* Samples from which on a task takes all heads of one: it then knows which pair of sample and head comes next, whose
 * rows are fetched while this one's are multiplied. */
enum { SAMPLES = 16 };

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

static size_t vectors(size_t floats) { return (floats + VECTOR - 1) / VECTOR * VECTOR; }

static run run_of(const ps_attention *a, void *workspace) {
    run r = {.a = a, .workspace = workspace, .positions = (size_t)a->positions, .size = (size_t)a->size};
    r.width = (size_t)a->heads * r.size;
    r.blocks = ps_threads_chunks(r.positions, QUERIES);
    r.block = ps_threads_chunk_start(r.positions, r.blocks, 1);
    r.scale = (float)(1.0 / sqrt((double)a->size));
    return r;
}

static bool keeps_weights(const ps_attention *a) { return a->positions <= 2 * a->size; }

static size_t kept_rows(const ps_attention *a) { return (size_t)a->samples * (size_t)a->heads * (size_t)a->positions; }

size_t ps_attention_kept_floats(const ps_attention *a) {
    return kept_rows(a) * (2 + (keeps_weights(a) ? (size_t)a->positions : 0));
}

/* A worker's floats: two blocks of scores, the factors of a row, and factors of products as these read them: what lies
 * along positions or along the channels of a head. */
static size_t scores_step(const run *r) { return vectors(r->positions); }
static size_t scores_floats(const run *r) { return r->block * scores_step(r); }
static size_t along_positions(const run *r) { return r->size * vectors(r->positions); }
static size_t along_channels(const run *r) { return r->positions * vectors(r->size); }

static size_t worker_floats(const run *r) {
    return 2 * scores_floats(r) + vectors(r->positions) + 2 * along_positions(r) + along_channels(r) +
           r->block * vectors(r->size);
}

size_t ps_attention_workspace_bytes(const ps_attention *a, int threads) {
    run r = run_of(a, NULL);
    return (size_t)threads * worker_floats(&r) * sizeof(float);
}

/* What a block of queries of one sample and head works on. */
typedef struct {
    const float *q, *k, *v;
    float *scores, *gradients, *factors;
    float *keys, *values;                      /* packed, along positions */
    float *channels, *block;                   /* packed, along channels: of all positions, of this block's */
    size_t sample, head, first, queries, pair; /* pair: the sample and head; first: query */
    size_t step;                               /* floats from one position of qkv to the next */
    bool last;                                 /* no other pair follows this block in its task */
} piece;

static void find_room(const run *r, float *from, piece *p) {
    p->scores = from;
    p->gradients = p->scores + scores_floats(r);
    p->factors = p->gradients + scores_floats(r);
    p->keys = p->factors + vectors(r->positions);
    p->values = p->keys + along_positions(r);
    p->channels = p->values + along_positions(r);
    p->block = p->channels + along_channels(r);
}

static size_t pairs_of_task(const run *r) { return r->a->samples >= SAMPLES ? (size_t)r->a->heads : 1; }

static void to_block(const run *r, size_t block, piece *p) {
    p->first = ps_threads_chunk_start(r->positions, r->blocks, block);
    p->queries = ps_threads_chunk_start(r->positions, r->blocks, block + 1) - p->first;
    p->q = p->k - r->size + p->first * p->step;
    p->last = block + 1 < r->blocks || (p->pair + 1) % pairs_of_task(r) == 0;
}

static piece piece_of(const run *r, size_t pair, float *room) {
    piece p = {.pair = pair, .sample = pair / (size_t)r->a->heads, .head = pair % (size_t)r->a->heads};
    p.step = 3 * r->width;
    const float *base = r->qkv + p.sample * r->positions * p.step + p.head * 3 * r->size;
    p.k = base + r->size;
    p.v = base + 2 * r->size;
    find_room(r, room, &p);
    return p;
}

static float *room_of(const run *r, int worker) {
    return (float *)(void *)r->workspace + (size_t)worker * worker_floats(r);
}

/* The place of a piece in an array like y. */
static size_t at_output(const run *r, const piece *p) {
    return (p->sample * r->positions + p->first) * r->width + p->head * r->size;
}

/* ---- products: one factor is packed once for all that read it ---- */

static size_t odd_positions(const run *r) { return r->positions % VECTOR <= ODD ? r->positions % VECTOR : 0; }

/* Rows of all positions: factors [size][positions]. */
static void pack_along_positions(const run *r, const float *rows, size_t step, float *packed) {
    size_t even = r->positions - odd_positions(r);
    ps_product_kernels_for(even)->pack_turned(rows, step, r->size, even, packed);
}

static void pack_along_channels(const run *r, const float *rows, size_t step, size_t count, float *packed) {
    ps_product_kernels_for(r->size)->pack(rows, step, count, r->size, packed);
}

/* What is fetched while a product is made: the one, then the other. */
typedef struct {
    ps_product_next one, other;
} to_come;

static ps_product_next lines_of(const float *rows, size_t count, size_t floats, size_t step) {
    return (ps_product_next){rows, count, (floats + PS_PRODUCT_LINE - 1) / PS_PRODUCT_LINE, step};
}

/* `parts` of q, k and v of the next pair, or nothing. */
static ps_product_next parts_to_come(const run *r, const piece *p, const float *from, size_t parts) {
    return lines_of(from + 3 * r->size, p->last ? 0 : r->positions, parts * r->size, p->step);
}

/* out [queries][positions], rows scores_step apart: each of a's rows times each of b's, which are packed along
 * positions. */
static void multiply_rows(const run *r, const piece *p, const float *a, size_t a_row, const float *b,
                          const float *packed, float *out, to_come next) {
    size_t odd = odd_positions(r), even = r->positions - odd;
    ps_product_block block = {.a = a, .row_step = a_row, .depth_step = 1, .b = packed, .rows = p->queries};
    block.depth = r->size, block.columns = even, block.c = out, block.c_row = scores_step(r);
    block.next[0] = next.one, block.next[1] = next.other;
    ps_product_kernels_for(even)->multiply(&block);
    for (size_t j = even; j < r->positions; j++)
        PS_SIMD_SELECT(ps_attention_dots)(a, a_row, p->queries, b + j * p->step, r->size, out + j, scores_step(r));
}

/* c [rows][size] (+)= a [rows][depth] times factors packed along channels. */
static void multiply_channels(const run *r, ps_matrix a, size_t rows, size_t depth, const float *packed,
                              bool accumulate, float *c, size_t c_row, to_come next) {
    ps_product_block block = {.a = a.data, .row_step = a.row, .depth_step = a.column, .b = packed, .rows = rows};
    block.depth = depth, block.columns = r->size, block.c = c, block.c_row = c_row, block.accumulate = accumulate;
    block.next[0] = next.one, block.next[1] = next.other;
    ps_product_kernels_for(r->size)->multiply(&block);
}

/* ---- forward ---- */

typedef struct {
    float *data;
    size_t step;
} rows;

/* Where forward leaves the weights of a block's queries, before dropout. */
static rows weights_in(const run *r, const piece *p, float *kept) {
    if (!keeps_weights(r->a)) return (rows){p->scores, scores_step(r)};
    return (rows){kept + 2 * kept_rows(r->a) + (p->pair * r->positions + p->first) * r->positions, r->positions};
}

/* All of the next pair's, if they are kept. */
static ps_product_next weights_to_come(const run *r, const piece *p, const float *kept) {
    if (p->last || !keeps_weights(r->a)) return (ps_product_next){0};
    size_t count = r->positions * r->positions;
    return lines_of(kept + 2 * kept_rows(r->a) + (p->pair + 1) * count, 1, count, 0);
}

static ps_attention_scores scores_of(const run *r, const piece *p, to_come next) {
    multiply_rows(r, p, p->q, p->step, p->k, p->keys, p->scores, next);
    return (ps_attention_scores){p->scores, p->queries, r->positions, scores_step(r), r->scale};
}

static bool drops(const run *r) { return r->a->dropout > 0; }

static void draw_factors(const run *r, const piece *p, size_t query) {
    double share = r->a->dropout;
    float scale = share < 1 ? (float)(1.0 / (1.0 - share)) : 0.0f;
    uint64_t first = ((uint64_t)p->pair * r->positions + p->first + query) * r->positions;
    PS_SIMD_SELECT(ps_keep_factors)(r->a->key, first, r->positions, (float)share, scale, p->factors);
}

static void forward_block(const run *r, const piece *p) {
    rows weights = weights_in(r, p, r->keep);
    float *y = r->out + at_output(r, p);
    ps_product_next values = lines_of(p->v, p->first == 0 ? r->positions : 0, r->size, p->step);
    ps_attention_scores scores = scores_of(r, p, (to_come){values, lines_of(y, p->queries, r->size, r->width)});
    if (p->first == 0) pack_along_channels(r, p->v, p->step, r->positions, p->channels);
    PS_SIMD_SELECT(ps_attention_weigh)
    (&scores, r->keep + 2 * (p->pair * r->positions + p->first), weights.data, weights.step);
    for (size_t i = 0; drops(r) && i < p->queries; i++) {
        draw_factors(r, p, i);
        PS_SIMD_SELECT(ps_attention_multiply)
        (weights.data + i * weights.step, p->factors, r->positions, p->scores + i * scores_step(r));
    }
    if (drops(r)) weights = (rows){p->scores, scores_step(r)};
    multiply_channels(r, ps_matrix_rows(weights.data, weights.step), p->queries, r->positions, p->channels, false, y,
                      r->width, (to_come){parts_to_come(r, p, p->k - r->size, 2), weights_to_come(r, p, r->keep)});
}

static void forward_pair(const run *r, size_t pair, int worker) {
    piece p = piece_of(r, pair, room_of(r, worker));
    pack_along_positions(r, p.k, p.step, p.keys);
    for (size_t block = 0; block < r->blocks; block++) {
        to_block(r, block, &p);
        forward_block(r, &p);
    }
}

static void forward_pairs(void *context, size_t task, int worker) {
    const run *r = context;
    for (size_t i = 0; i < pairs_of_task(r); i++) forward_pair(r, task * pairs_of_task(r) + i, worker);
}

static size_t tasks_of(const run *r) { return (size_t)r->a->samples * (size_t)r->a->heads / pairs_of_task(r); }

void ps_attention_forward(const ps_attention *a, const float *qkv, float *y, float *kept, void *workspace,
                          ps_threads *threads) {
    run r = run_of(a, workspace);
    r.qkv = qkv, r.out = y, r.keep = kept;
    ps_threads_run(threads, tasks_of(&r), forward_pairs, &r);
}

/* ---- backward ---- */

static rows weights_again(const run *r, const piece *p) {
    rows weights = weights_in(r, p, (float *)r->kept);
    if (keeps_weights(r->a)) return weights;
    ps_attention_scores scores = scores_of(r, p, (to_come){0});
    PS_SIMD_SELECT(ps_attention_weigh_again)(&scores, r->kept + 2 * (p->pair * r->positions + p->first));
    return weights;
}

/* The gradient of a query's scores is p (dp - sum of p dp), and the sum is y . dy. Dropped weights go to the scores'
 * place. */
static void score_gradients(const run *r, const piece *p, rows weights, const float *y, const float *dy) {
    ps_product_next outputs = lines_of(y, p->queries, r->size, r->width);
    ps_product_next kept = lines_of(weights.data, p->queries, r->positions, weights.step);
    multiply_rows(r, p, dy, r->width, p->v, p->values, p->gradients, (to_come){outputs, kept});
    for (size_t i = 0; i < p->queries; i++) {
        float mean = PS_SIMD_SELECT(ps_attention_dot)(y + i * r->width, dy + i * r->width, r->size);
        size_t row = i * scores_step(r);
        if (drops(r)) draw_factors(r, p, i);
        PS_SIMD_SELECT(ps_attention_row_gradient)
        (weights.data + i * weights.step, p->gradients + row, drops(r) ? p->factors : NULL, r->positions, mean,
         r->scale, p->scores + row);
    }
}

static void backward_block(const run *r, const piece *p) {
    size_t positions = r->positions, step = scores_step(r);
    const float *dy = r->dy + at_output(r, p);
    float *dk = r->dqkv + (p->k - r->qkv), *dq = r->dqkv + (p->q - r->qkv), *dv = r->dqkv + (p->v - r->qkv);
    rows weights = weights_again(r, p);
    score_gradients(r, p, weights, r->y + at_output(r, p), dy);
    if (drops(r)) weights = (rows){p->scores, step};
    bool accumulate = p->first > 0;
    pack_along_channels(r, dy, r->width, p->queries, p->block);
    multiply_channels(r, ps_matrix_turned(weights.data, weights.step), positions, p->queries, p->block, accumulate, dv,
                      p->step, (to_come){lines_of(dk - r->size, positions, 3 * r->size, p->step), {0}});
    multiply_channels(r, ps_matrix_rows(p->gradients, step), p->queries, positions, p->channels, false, dq, p->step,
                      (to_come){parts_to_come(r, p, p->k, 2), {0}});
    pack_along_channels(r, p->q, p->step, p->queries, p->block);
    to_come next = {lines_of(dy + r->size, p->last ? 0 : p->queries, r->size, r->width),
                    parts_to_come(r, p, p->k - r->size, 1)};
    multiply_channels(r, ps_matrix_turned(p->gradients, step), positions, p->queries, p->block, accumulate, dk, p->step,
                      next);
}

static void backward_pair(const run *r, size_t pair, int worker) {
    piece p = piece_of(r, pair, room_of(r, worker));
    if (!keeps_weights(r->a)) pack_along_positions(r, p.k, p.step, p.keys);
    pack_along_positions(r, p.v, p.step, p.values);
    pack_along_channels(r, p.k, p.step, r->positions, p.channels);
    for (size_t block = 0; block < r->blocks; block++) {
        to_block(r, block, &p);
        backward_block(r, &p);
    }
}

static void backward_pairs(void *context, size_t task, int worker) {
    const run *r = context;
    for (size_t i = 0; i < pairs_of_task(r); i++) backward_pair(r, task * pairs_of_task(r) + i, worker);
}

void ps_attention_backward(const ps_attention *a, const float *qkv, const float *y, const float *kept, const float *dy,
                           float *dqkv, void *workspace, ps_threads *threads) {
    run r = run_of(a, workspace);
    r.qkv = qkv, r.y = y, r.kept = kept, r.dy = dy, r.dqkv = dqkv;
    ps_threads_run(threads, tasks_of(&r), backward_pairs, &r);
}

/* ---- what the heads do ---- */

static size_t measure_floats(const run *r, int out) {
    size_t scores = worker_floats(r), product = vectors((size_t)out * r->positions);
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
    ps_attention_scores row = scores_of(r, p, (to_come){0});
    row.rows = 1;
    for (size_t i = 0; i < p->queries; i++, row.scores += row.step, kept += 2) {
        PS_SIMD_SELECT(ps_attention_below)(row.scores, r->positions, r->scale, kept[0], p->gradients);
        PS_SIMD_SELECT(ps_attention_weigh_again)(&row, kept);
        sum -= (double)PS_SIMD_SELECT(ps_attention_dot)(row.scores, p->gradients, r->positions) + log((double)kept[1]);
    }
    return sum;
}

static double squares_of(const run *r, const float *y, const float *w, float *product) {
    double sum = 0;
    size_t count = r->positions * (size_t)r->columns;
    ps_product_here(&(ps_product){.m = r->positions,
                                  .n = (size_t)r->columns,
                                  .k = r->size,
                                  .a = ps_matrix_rows(y, r->width),
                                  .b = ps_matrix_turned(w, r->width),
                                  .c = product,
                                  .c_row = (size_t)r->columns});
    for (size_t i = 0; i < count; i++) sum += (double)product[i] * (double)product[i];
    return sum;
}

static void measure_pair(void *context, size_t pair, int worker) {
    const run *r = context;
    size_t heads = (size_t)r->a->heads, sample = pair / heads, head = pair % heads;
    double entropy = 0;
    float *scratch = (float *)(void *)r->workspace + (size_t)worker * measure_floats(r, r->columns);
    piece p = piece_of(r, pair, scratch);
    pack_along_positions(r, p.k, p.step, p.keys);
    for (size_t block = 0; block < r->blocks; block++) {
        to_block(r, block, &p);
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
