/* Convolution of few positions by many weights, as small batches of deep layers are: the columns of all positions are
 * unfolded (conv_columns.h; backward-data folds them back, an image a task), and each pass is one matrix product
 * (kernels/product.h), the weight gradient one a shard, that goes through the weights once.
 * Any kernel, stride, padding and dilation; 2D and 3D.
 * Relative L2 error as the direct method's: sums in sequence. */
#include <string.h>

#include "kernels/conv_columns.h"
#include "kernels/conv_method.h"
#include "kernels/product.h"

enum {
    MOST_POSITIONS = 2048,
    MOST_FLOATS = 4 << 20,  /* of all columns: 16 MiB */
    ROOM_FLOATS = 16 << 20, /* of the shards' weight gradients */
    TASK_POSITIONS = 4
};

static bool can(const ps_conv_shape *s) {
    return s->groups == 1 && ps_conv_taps(s) > 1 && ps_conv_taps(s) <= PS_COLUMNS_TAPS &&
           ps_conv_out_positions(s) <= MOST_POSITIONS &&
           ps_conv_out_positions(s) * ps_conv_taps(s) * (size_t)s->c <= MOST_FLOATS;
}

typedef struct {
    ps_columns columns;
    const float *x;
    float *rows, *dx;
    bool accumulate;
} fold_run;

static void unfold_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const fold_run *run = context;
    const ps_columns *c = &run->columns;
    size_t first = chunk * TASK_POSITIONS,
           count = c->positions - first < TASK_POSITIONS ? c->positions - first : TASK_POSITIONS;
    ps_columns_copy(c, run->x, first, count, 0, run->rows + first * c->row);
}

static void unfold(const ps_columns *c, const float *x, float *rows, ps_threads *threads) {
    fold_run run = {.columns = *c, .x = x, .rows = rows};
    ps_threads_run(threads, ps_threads_chunks(c->positions, TASK_POSITIONS), unfold_task, &run);
}

static void unfold_forward(const ps_conv_shape *s, const float *x, const float *w, const float *bias, float *y,
                           void *workspace, ps_threads *threads) {
    ps_columns c = ps_columns_of(s);
    unfold(&c, x, workspace, threads);
    ps_product product = {.m = c.positions, .n = (size_t)s->k, .k = c.row, .c = y, .c_row = (size_t)s->k, .bias = bias};
    product.a = ps_matrix_rows(workspace, c.row), product.b = ps_matrix_turned(w, c.row);
    ps_product_run(&product, threads);
}

/* Neighbouring positions add to the same inputs, so an image is one task. */
static void fold_image(void *context, size_t image, int worker) {
    (void)worker;
    const fold_run *run = context;
    const ps_columns *c = &run->columns;
    const ps_conv_shape *s = c->s;
    size_t floats = (size_t)s->d * (size_t)s->h * (size_t)s->w * (size_t)s->c, outputs = c->positions / (size_t)s->n;
    if (!run->accumulate) memset(run->dx + image * floats, 0, floats * sizeof(float));
    ps_columns_add(c, run->rows + image * outputs * c->row, image * outputs, outputs, 0, run->dx);
}

static void unfold_backward_data(const ps_conv_shape *s, const float *dy, const float *w, const float *bias, float *dx,
                                 bool accumulate, void *workspace, ps_threads *threads) {
    (void)bias;
    ps_columns c = ps_columns_of(s);
    ps_product product = {.m = c.positions, .n = c.row, .k = (size_t)s->k, .c = workspace, .c_row = c.row};
    product.a = ps_matrix_rows(dy, (size_t)s->k), product.b = ps_matrix_rows(w, c.row);
    ps_product_run(&product, threads);
    fold_run run = {.columns = c, .rows = workspace, .dx = dx, .accumulate = accumulate};
    ps_threads_run(threads, (size_t)s->n, fold_image, &run);
}

/* Shard by shard, each with a sum of its own where there are several. */
static void unfold_backward_weights(const ps_conv_shape *s, const float *x, const float *dy, float *dw, void *workspace,
                                    ps_threads *threads) {
    ps_columns c = ps_columns_of(s);
    ps_shards shards = ps_shards_of((size_t)s->n);
    size_t floats = ps_conv_weights(s), outputs = c.positions / (size_t)s->n, k = (size_t)s->k;
    float *rows = workspace, *parts = rows + ps_conv_round16(c.positions * c.row);
    unfold(&c, x, rows, threads);
    for (size_t shard = 0; shard < shards.count; shard++) {
        size_t first = ps_shards_start(&shards, shard) * outputs, last = ps_shards_start(&shards, shard + 1) * outputs;
        ps_product product = {.m = k, .n = c.row, .k = last - first, .c_row = c.row};
        product.a = ps_matrix_turned(dy + first * k, k), product.b = ps_matrix_rows(rows + first * c.row, c.row);
        product.c = ps_leaf_sum(parts, dw, shards.count, floats, shard);
        ps_product_run(&product, threads);
    }
    ps_leaf_sums_add(parts, dw, shards.count, floats, threads);
}

static size_t unfold_workspace(const ps_conv_shape *s, ps_conv_pass pass, int threads) {
    (void)threads;
    ps_columns c = ps_columns_of(s);
    size_t shards = ps_shards_of((size_t)s->n).count, floats = ps_conv_round16(c.positions * c.row);
    if (pass == PS_CONV_BACKWARD_WEIGHTS) floats += ps_leaf_sums_floats(shards, ps_conv_weights(s));
    return floats * sizeof(float);
}

/* In nanoseconds: 75 products each, the columns' way there and back, and the weights'. */
static double unfold_cost(const ps_conv_shape *s, ps_conv_pass pass) {
    if (!can(s)) return -1.0;
    ps_columns c = ps_columns_of(s);
    double positions = (double)c.positions, weights = (double)ps_conv_weights(s);
    size_t shards = ps_shards_of((size_t)s->n).whole;
    if (pass == PS_CONV_BACKWARD_WEIGHTS && shards > 1 && (double)shards * weights > ROOM_FLOATS) return -1.0;
    double wide = pass == PS_CONV_FORWARD ? s->k : (double)c.row;
    double waste = (double)ps_threads_chunks((size_t)wide, 16) * 16 / wide;
    double deep = pass == PS_CONV_BACKWARD_WEIGHTS ? positions / (double)shards : 512;
    return 6000.0 + ps_conv_macs(s) * waste * (1.0 + 12.0 / deep) / 75.0 + 0.3 * positions * (double)c.row +
           weights * (pass == PS_CONV_BACKWARD_WEIGHTS ? 0.3 * (double)shards : 0.5);
}

const ps_conv_method ps_conv_method_unfold = {
    "unfold", true, false, unfold_cost, unfold_workspace, unfold_forward, unfold_backward_data, unfold_backward_weights,
};
