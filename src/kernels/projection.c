#include "kernels/projection.h"

#include <string.h>

#include "kernels/gradient_cut.h"
#include "kernels/product.h"
#include "parallel/reduce.h"

static size_t positions(const ps_projection *p) { return (size_t)p->samples * (size_t)p->rows; }

/* ---- forward and back to the input ---- */

void ps_projection_forward(const ps_projection *p, const float *x, const float *w, const float *bias, float *y,
                           ps_threads *threads) {
    ps_product product = {
        positions(p), (size_t)p->k, (size_t)p->c, ps_matrix_rows(x, (size_t)p->c), ps_matrix_turned(w, (size_t)p->c),
        .c = y,       (size_t)p->k, bias};
    ps_product_run(&product, threads);
}

void ps_projection_input_gradient(const ps_projection *p, const float *dy, const float *w, float *dx, bool accumulate,
                                  ps_threads *threads) {
    ps_product product = {positions(p),
                          (size_t)p->c,
                          (size_t)p->k,
                          ps_matrix_rows(dy, (size_t)p->k),
                          ps_matrix_rows(w, (size_t)p->c),
                          .c = dx,
                          (size_t)p->c,
                          NULL,
                          accumulate};
    ps_product_run(&product, threads);
}

/* ---- gradients of the parameters ---- */

enum {
    BLOCK_ROWS = 240, /* of dW in a task */
    BLOCK_COLUMNS = 256,
    TASKS = 16,              /* so many are worth it that the batch is cut for them */
    LEAVES_FLOATS = 4 << 20, /* room of the sums of leaves: 16 MiB */
    LINE = 16                /* floats of a cache line */
};

/* Blocks of dW, and leaves of the batch's tree with a sum of dW each; where they are too many, a block's sums are added
 * shard by shard, depth first. */
typedef struct {
    const ps_projection *p;
    const float *x, *dy;
    float *dw, *parts; /* parts: of leaves, or slots of workers */
    ps_gradient_cut cut;
    size_t row_blocks, column_blocks, floats; /* floats: of dW */
    size_t slot_row, slot_floats, slots_step; /* of a row of a block, a block, and all those of a worker */
} gradient_run;

static size_t lines_of(const ps_projection *p) { return ((size_t)p->c + LINE - 1) / LINE; }

static gradient_run plan_gradient(const ps_projection *p) {
    gradient_run run = {.p = p, .floats = (size_t)p->k * (size_t)p->c};
    run.row_blocks = ps_threads_chunks((size_t)p->k, BLOCK_ROWS);
    run.column_blocks = ps_threads_chunks(lines_of(p) * LINE, BLOCK_COLUMNS);
    size_t blocks = run.row_blocks * run.column_blocks, samples = (size_t)p->samples, rows = (size_t)p->rows;
    run.cut = ps_cut_gradient(samples, rows, run.floats, ps_threads_chunks(TASKS, blocks), LEAVES_FLOATS);
    run.slot_row = ps_threads_chunks(lines_of(p), run.column_blocks) * LINE;
    run.slot_floats = ps_threads_chunks((size_t)p->k, run.row_blocks) * run.slot_row;
    run.slots_step = run.cut.depth_first ? ps_tree_slots(run.cut.leaves.count) * run.slot_floats : 0;
    return run;
}

static size_t parts_floats(const gradient_run *run, int threads) {
    if (run->cut.depth_first) return (size_t)threads * run->slots_step;
    return run->cut.leaves.count > 1 ? run->cut.leaves.count * run->floats : 0;
}

static ps_row_sums bias_sums(const ps_projection *p) {
    size_t rows = (size_t)p->rows, k = (size_t)p->k;
    return (ps_row_sums){(size_t)p->samples, rows * k, rows, k};
}

size_t ps_projection_workspace_bytes(const ps_projection *p, int threads) {
    gradient_run run = plan_gradient(p);
    ps_row_sums sums = bias_sums(p);
    size_t weights = parts_floats(&run, threads) * sizeof(float), bias = ps_row_sums_bytes(&sums);
    return weights > bias ? weights : bias;
}

/* Rows [row, row + rows) and columns [column, column + columns) of dW. */
typedef struct {
    size_t row, rows, column, columns;
} block;

static block block_at(const gradient_run *run, size_t index) {
    size_t r = index / run->column_blocks, c = index % run->column_blocks, k = (size_t)run->p->k;
    block b = {.row = ps_threads_chunk_start(k, run->row_blocks, r)};
    b.rows = ps_threads_chunk_start(k, run->row_blocks, r + 1) - b.row;
    b.column = ps_threads_chunk_start(lines_of(run->p), run->column_blocks, c) * LINE;
    size_t end = ps_threads_chunk_start(lines_of(run->p), run->column_blocks, c + 1) * LINE;
    b.columns = (end < (size_t)run->p->c ? end : (size_t)run->p->c) - b.column;
    return b;
}

/* A block's sum over a leaf, into `to` with rows `step` apart. */
static void sum_leaf(const gradient_run *run, const block *b, size_t leaf, float *to, size_t step) {
    size_t first = ps_leaves_start(&run->cut.leaves, leaf), n = ps_leaves_start(&run->cut.leaves, leaf + 1) - first;
    int c = run->p->c, k = run->p->k;
    ps_product product = {b->rows,
                          b->columns,
                          n,
                          ps_matrix_turned(run->dy + first * (size_t)k + b->row, (size_t)k),
                          ps_matrix_rows(run->x + first * (size_t)c + b->column, (size_t)c),
                          .c = to,
                          step};
    ps_product_here(&product);
}

static void gradient_task(void *context, size_t task, int worker) {
    const gradient_run *run = context;
    size_t blocks = run->row_blocks * run->column_blocks, c = (size_t)run->p->c, leaves = run->cut.leaves.count;
    block b = block_at(run, task % blocks);
    size_t at = b.row * c + b.column;
    if (!run->cut.depth_first) {
        sum_leaf(run, &b, task / blocks, run->parts + task / blocks * run->floats + at, c);
        return;
    }
    float *slots = run->parts + (size_t)worker * run->slots_step;
    for (size_t leaf = 0; leaf < leaves; leaf++) {
        sum_leaf(run, &b, leaf, ps_tree_slot(slots, run->slot_floats, leaf), run->slot_row);
        ps_tree_add(slots, run->slot_floats, leaf);
    }
    for (size_t r = 0; r < b.rows; r++)
        memcpy(run->dw + at + r * c, slots + r * run->slot_row, b.columns * sizeof *slots);
}

/* One leaf is one product, whose blocks the product itself cuts. */
static void sum_whole(const ps_projection *p, const float *x, const float *dy, float *dw, ps_threads *threads) {
    ps_product product = {
        (size_t)p->k, (size_t)p->c, positions(p), ps_matrix_turned(dy, (size_t)p->k), ps_matrix_rows(x, (size_t)p->c),
        .c = dw,      (size_t)p->c};
    ps_product_run(&product, threads);
}

void ps_projection_sum_weights(const ps_projection *p, const float *x, const float *dy, float *dw, void *workspace,
                               ps_threads *threads) {
    gradient_run run = plan_gradient(p);
    size_t leaves = run.cut.leaves.count;
    if (leaves == 1) {
        sum_whole(p, x, dy, dw, threads);
        return;
    }
    run.x = x, run.dy = dy, run.dw = dw, run.parts = workspace;
    ps_threads_run(threads, run.row_blocks * run.column_blocks * (run.cut.depth_first ? 1 : leaves), gradient_task,
                   &run);
    if (!run.cut.depth_first) {
        ps_reduce_floats(run.parts, leaves, run.floats, run.floats, threads);
        memcpy(dw, run.parts, run.floats * sizeof *dw);
    }
}

void ps_projection_weight_gradient(const ps_projection *p, const float *x, const float *dy, float *dw, void *workspace,
                                   ps_threads *threads) {
    ps_projection_sum_weights(p, x, dy, dw, workspace, threads);
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
