#include "kernels/projection.h"

#include <string.h>

#include "kernels/gemm.h"
#include "parallel/reduce.h"

static size_t positions(const ps_projection *p) { return (size_t)p->samples * (size_t)p->rows; }

/* Rows of a block of a product. One row a sample: blocks of about 4 M multiplications, 64 at most. Maps have many rows,
 * and each block packs the other factor again: few large ones. */
static size_t block_rows(const ps_projection *p, size_t all, size_t others, size_t least) {
    size_t rows = 4000000 / (others + 1) + 1, few = all / (p->rows > 1 ? 16 : 64) + 1;
    if (p->rows > 1 && few < least) few = least;
    if (rows < few) rows = few;
    return rows < all ? rows : all;
}

/* ---- forward and back to the input ---- */

typedef struct {
    const float *a, *w, *bias;
    float *out;
    size_t rows, blocks; /* in all */
    int columns, depth;  /* of out; of the sums */
    bool transpose, accumulate;
} rows_run;

static void rows_block(void *context, size_t block, int worker) {
    (void)worker;
    const rows_run *run = context;
    size_t first = ps_threads_chunk_start(run->rows, run->blocks, block);
    size_t count = ps_threads_chunk_start(run->rows, run->blocks, block + 1) - first;
    float *out = run->out + first * (size_t)run->columns;
    for (size_t i = 0; run->bias != NULL && i < count; i++)
        memcpy(out + i * (size_t)run->columns, run->bias, (size_t)run->columns * sizeof *out);
    ps_gemm(false, run->transpose, (int)count, run->columns, run->depth, run->a + first * (size_t)run->depth,
            run->depth, run->w, run->transpose ? run->depth : run->columns, run->accumulate, out, run->columns);
}

static void run_rows(rows_run *run, const ps_projection *p, ps_threads *threads) {
    run->rows = positions(p);
    run->blocks = ps_threads_chunks(run->rows, block_rows(p, run->rows, (size_t)p->c * (size_t)p->k, 128));
    ps_threads_run(threads, run->blocks, rows_block, run);
}

void ps_projection_forward(const ps_projection *p, const float *x, const float *w, const float *bias, float *y,
                           ps_threads *threads) {
    rows_run run = {x, w, bias, y, .columns = p->k, .depth = p->c, .transpose = true, .accumulate = bias != NULL};
    run_rows(&run, p, threads);
}

void ps_projection_input_gradient(const ps_projection *p, const float *dy, const float *w, float *dx, bool accumulate,
                                  ps_threads *threads) {
    rows_run run = {dy, w, NULL, dx, .columns = p->c, .depth = p->k, .accumulate = accumulate};
    run_rows(&run, p, threads);
}

/* ---- gradients of the parameters ---- */

/* A block of rows of dW, shard by shard along the batch's tree, depth first; a single shard's at once. */
typedef struct {
    const ps_projection *p;
    const float *x, *dy;
    float *dw;
    char *workspace;
    ps_shards shards;
    size_t rows, slot_floats, slots_step; /* rows of a block; floats of a sum and of all those of a worker */
} gradient_run;

/* So that the sums of a block stay small. */
static gradient_run plan_gradient(const ps_projection *p) {
    gradient_run run = {.p = p, .shards = ps_shards_of((size_t)p->samples)};
    size_t batch = ps_reduce_batch((size_t)p->samples) * (size_t)p->rows;
    run.rows = block_rows(p, (size_t)p->k, (size_t)p->c * batch - 1, 64);
    run.slot_floats = run.rows * (size_t)p->c;
    run.slots_step = run.shards.count > 1 ? ps_tree_slots(run.shards.count) * run.slot_floats : 0;
    return run;
}

static ps_row_sums bias_sums(const ps_projection *p) {
    size_t rows = (size_t)p->rows, k = (size_t)p->k;
    return (ps_row_sums){(size_t)p->samples, rows * k, rows, k};
}

size_t ps_projection_workspace_bytes(const ps_projection *p, int threads) {
    gradient_run run = plan_gradient(p);
    ps_row_sums sums = bias_sums(p);
    size_t weights = (size_t)threads * run.slots_step * sizeof(float), bias = ps_row_sums_bytes(&sums);
    return weights > bias ? weights : bias;
}

static void gradient_block(void *context, size_t block, int worker) {
    const gradient_run *run = context;
    int c = run->p->c, k = run->p->k;
    size_t row = block * run->rows, count = (size_t)k - row < run->rows ? (size_t)k - row : run->rows;
    size_t rows = (size_t)run->p->rows;
    float *dw = run->dw + row * (size_t)c, *slots = (float *)run->workspace + (size_t)worker * run->slots_step;
    for (size_t shard = 0; shard < run->shards.count; shard++) {
        size_t first = ps_shards_start(&run->shards, shard) * rows,
               n = ps_shards_start(&run->shards, shard + 1) * rows - first;
        float *sum = run->shards.count > 1 ? ps_tree_slot(slots, run->slot_floats, shard) : dw;
        ps_gemm(true, false, (int)count, c, (int)n, run->dy + first * (size_t)k + row, k, run->x + first * (size_t)c, c,
                false, sum, c);
        if (run->shards.count > 1) ps_tree_add(slots, run->slot_floats, shard);
    }
    if (run->shards.count > 1) memcpy(dw, slots, count * (size_t)c * sizeof *dw);
}

void ps_projection_weight_gradient(const ps_projection *p, const float *x, const float *dy, float *dw, void *workspace,
                                   ps_threads *threads) {
    gradient_run run = plan_gradient(p);
    run.x = x, run.dy = dy, run.dw = dw, run.workspace = workspace;
    ps_threads_run(threads, ps_threads_chunks((size_t)p->k, run.rows), gradient_block, &run);
    ps_reduce_across(dw, (size_t)p->k * (size_t)p->c);
}

void ps_projection_bias_gradient(const ps_projection *p, const float *dy, float *db, void *workspace,
                                 ps_threads *threads) {
    ps_row_sums sums = bias_sums(p);
    ps_row_sums_add_up(&sums, dy, db, workspace, threads);
}

/* ---- sums of rows ---- */

/* Columns of a task: rows are read in pieces of whole cache lines. */
enum { COLUMNS = 256 };

typedef struct {
    const ps_row_sums *sums;
    const float *x;
    double *out;
    ps_shards shards;
    size_t blocks;
} sums_run;

/* In double, a shard at a time. */
static void sums_block(void *context, size_t chunk, int worker) {
    (void)worker;
    const sums_run *run = context;
    const ps_row_sums *s = run->sums;
    size_t shard = chunk / run->blocks, column = chunk % run->blocks * COLUMNS;
    size_t end = ps_shards_start(&run->shards, shard + 1);
    size_t count = s->count - column < COLUMNS ? s->count - column : COLUMNS;
    double *sum = run->out + shard * s->count + column;
    memset(sum, 0, count * sizeof *sum);
    for (size_t i = ps_shards_start(&run->shards, shard); i < end; i++)
        for (size_t r = 0; r < s->rows; r++) {
            const float *row = run->x + i * s->stride + r * s->count + column;
            for (size_t j = 0; j < count; j++) sum[j] += (double)row[j];
        }
}

size_t ps_row_sums_bytes(const ps_row_sums *sums) {
    return ps_shards_of(sums->samples).count * sums->count * sizeof(double);
}

void ps_row_sums_add_up(const ps_row_sums *sums, const float *x, float *out, void *workspace, ps_threads *threads) {
    sums_run run = {sums, x, workspace, ps_shards_of(sums->samples), (sums->count + COLUMNS - 1) / COLUMNS};
    ps_threads_run(threads, run.shards.count * run.blocks, sums_block, &run);
    ps_reduce_doubles(run.out, run.shards.count, sums->count, sums->count);
    for (size_t j = 0; j < sums->count; j++) out[j] = (float)run.out[j];
}
