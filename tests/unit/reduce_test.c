/* Sums over a batch: shards, the tree, and processes. Two and four processes, joined by shared memory, each call the
 * kernels on their own samples alone; what they get must be, bit for bit, what one process gets for the whole batch. */
#include "parallel/reduce.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernels/conv.h"
#include "kernels/norm.h"
#include "kernels/pointwise.h"
#include "kernels/pool_skip.h"
#include "kernels/projection.h"
#include "kernels/rounding.h"
#include "kernels/softmax.h"
#include "layers/list.h"
#include "tests/lib/kernel_test.h"

/* ---- Shards and the tree ---- */

static void a_batch_is_its_halves(void **state) {
    (void)state;
    for (size_t samples = 2; samples < 300; samples += 2) {
        ps_shards whole = ps_shards_of(samples);
        assert_int_equal(whole.count, whole.whole);
        assert_int_equal(ps_shards_start(&whole, 0), 0);
        assert_int_equal(ps_shards_start(&whole, whole.count), samples);
        assert_true(whole.count == 1 || samples / whole.count >= PS_SHARD_SAMPLES);
        const ps_processes two = {.count = 2};
        if (whole.count == 1) continue;
        ps_reduce_join(&two);
        ps_shards half = ps_shards_of(samples / 2);
        ps_reduce_join(NULL);
        assert_int_equal(half.whole, whole.whole);
        assert_int_equal(half.count, whole.count / 2);
        assert_int_equal(ps_shards_largest(&half), ps_shards_largest(&whole));
        for (size_t shard = 0; shard <= half.count; shard++) {
            assert_int_equal(ps_shards_start(&half, shard), ps_shards_start(&whole, shard));
            assert_int_equal(ps_shards_start(&half, shard) + samples / 2, ps_shards_start(&whole, shard + half.count));
        }
    }
}

static void leaves_cover_a_batch_and_cross_no_shard(void **state) {
    (void)state;
    for (size_t samples = 1; samples < 200; samples++) {
        for (size_t wanted = 1; wanted < 40; wanted += 3) {
            ps_leaves leaves = ps_leaves_of(samples, 7, wanted);
            assert_true(leaves.count <= wanted || leaves.parts == 1);
            for (size_t leaf = 0; leaf < leaves.count; leaf++)
                assert_true(ps_leaves_start(&leaves, leaf) <= ps_leaves_start(&leaves, leaf + 1));
            for (size_t shard = 0; shard <= leaves.shards.count; shard++)
                assert_int_equal(ps_leaves_start(&leaves, shard * leaves.parts),
                                 7 * ps_shards_start(&leaves.shards, shard));
        }
    }
}

/* The tree by its definition. */
static float tree_of(const float *parts, size_t leaves, size_t step) {
    if (leaves == 1) return parts[0];
    float first = tree_of(parts, leaves / 2, step), second = tree_of(parts + leaves / 2 * step, leaves / 2, step);
    return first + second;
}

static void every_way_of_adding_follows_the_tree(void **state) {
    (void)state;
    enum { COUNT = 40007, STEP = COUNT + 9 };
    for (size_t leaves = 1; leaves <= 16; leaves *= 2) {
        float *parts = kt_numbers("parts", leaves * STEP), *own = kt_copy(parts, leaves * STEP), *slots, want[COUNT];
        slots = kt_room(ps_tree_slots(leaves) * COUNT, sizeof(float));
        double sums[16];
        for (size_t i = 0; i < COUNT; i++) want[i] = tree_of(parts + i, leaves, STEP);
        for (size_t leaf = 0; leaf < leaves; leaf++) {
            memcpy(ps_tree_slot(slots, COUNT, leaf), parts + leaf * STEP, COUNT * sizeof(float));
            ps_tree_add(slots, COUNT, leaf);
            sums[leaf] = (double)(leaf + 1);
        }
        ps_reduce_floats(own, leaves, STEP, COUNT, NULL);
        ps_reduce_doubles(sums, leaves, 1, 1);
        kt_assert_same_bits(slots, want, COUNT);
        kt_assert_same_bits(own, want, COUNT);
        assert_true(sums[0] == (double)(leaves * (leaves + 1) / 2));
        free(parts), free(own), free(slots);
    }
}

/* ---- Processes ---- */

enum { MOST_PROCESSES = 4, EXCHANGE = 4096, SUMS_BYTES = 16 << 20, ROWS_BYTES = 16 << 20 };

typedef struct {
    pthread_barrier_t barrier;
    double exchange[MOST_PROCESSES][EXCHANGE];
    size_t sums_used[MOST_PROCESSES], rows_used[MOST_PROCESSES];
    char sums[MOST_PROCESSES][SUMS_BYTES], rows[MOST_PROCESSES][ROWS_BYTES];
} shared_memory;

static shared_memory *shared;
static size_t rank, processes = 1;

static void add_piece(double *values, size_t count) {
    memcpy(shared->exchange[rank], values, count * sizeof *values);
    pthread_barrier_wait(&shared->barrier);
    for (size_t i = 0; i < count; i++) {
        double sum[MOST_PROCESSES];
        for (size_t p = 0; p < processes; p++) sum[p] = shared->exchange[p][i];
        for (size_t reach = 1; reach < processes; reach *= 2)
            for (size_t p = 0; p + reach < processes; p += 2 * reach) sum[p] += sum[p + reach];
        values[i] = sum[0];
    }
    pthread_barrier_wait(&shared->barrier);
}

static void add_doubles(void *context, double *values, size_t count) {
    (void)context;
    for (size_t at = 0; at < count; at += EXCHANGE)
        add_piece(values + at, count - at < EXCHANGE ? count - at : EXCHANGE);
}

/* Sums of two floats are exact in double but for the last rounding, which is then the same. */
static void add_floats(void *context, float *values, size_t count) {
    (void)context;
    for (size_t at = 0; at < count; at += EXCHANGE) {
        size_t piece = count - at < EXCHANGE ? count - at : EXCHANGE;
        float(*all)[2 * EXCHANGE] = (void *)shared->exchange;
        memcpy(all[rank], values + at, piece * sizeof *values);
        pthread_barrier_wait(&shared->barrier);
        for (size_t i = 0; i < piece; i++) {
            float sum[MOST_PROCESSES];
            for (size_t p = 0; p < processes; p++) sum[p] = all[p][i];
            for (size_t reach = 1; reach < processes; reach *= 2)
                for (size_t p = 0; p + reach < processes; p += 2 * reach) sum[p] += sum[p + reach];
            values[at + i] = sum[0];
        }
        pthread_barrier_wait(&shared->barrier);
    }
}

/* Numbers of every case, drawn once before the processes part. */
enum { NUMBERS = 9 << 20 };
static float *numbers;
static size_t numbers_used;
static const float *some_numbers(size_t count) {
    if (count > NUMBERS) abort();
    if (numbers_used + count > NUMBERS) numbers_used = 0;
    const float *found = numbers + numbers_used;
    numbers_used += count;
    return found;
}

/* What a case computes: sums over the batch, the same in every process, and rows of its own samples. */
static void keep(char *memory, size_t *used, size_t most, const void *values, size_t bytes) {
    if (*used + bytes > most) abort();
    memcpy(memory + *used, values, bytes);
    *used += bytes;
}
static void keep_sums(const void *values, size_t bytes) {
    keep(shared->sums[rank], &shared->sums_used[rank], SUMS_BYTES, values, bytes);
}
static void keep_rows(const void *values, size_t bytes) {
    keep(shared->rows[rank], &shared->rows_used[rank], ROWS_BYTES, values, bytes);
}

/* Computes samples [first, first + samples) of a batch of that many; `what` says what. */
typedef void compute(const void *what, size_t batch, size_t first, size_t samples, ps_threads *threads);

static void run_process(compute *function, const void *what, size_t batch) {
    const ps_processes joined = {processes, NULL, add_doubles, add_floats};
    ps_threads *threads = NULL;
    alarm(300); /* rather than wait for another that has failed */
    if (processes > 1) ps_reduce_join(&joined);
    if (ps_threads_create(1 + (int)(rank % 2), &threads) != PS_OK) _exit(1);
    function(what, batch, rank * (batch / processes), batch / processes, threads);
    ps_threads_destroy(threads);
    _exit(0);
}

static void run_processes(compute *function, const void *what, size_t batch, size_t count) {
    pthread_barrierattr_t attributes;
    pid_t child[MOST_PROCESSES];
    int status;
    pthread_barrierattr_init(&attributes);
    pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_barrier_init(&shared->barrier, &attributes, (unsigned)count);
    memset(shared->sums_used, 0, sizeof shared->sums_used);
    memset(shared->rows_used, 0, sizeof shared->rows_used);
    for (size_t i = 0; i < count; i++) {
        child[i] = fork();
        assert_true(child[i] >= 0);
        if (child[i] > 0) continue;
        rank = i, processes = count;
        run_process(function, what, batch);
    }
    for (size_t i = 0; i < count; i++) {
        waitpid(child[i], &status, 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    pthread_barrier_destroy(&shared->barrier);
    pthread_barrierattr_destroy(&attributes);
}

static void expect_the_same_from_processes(compute *function, const void *what, size_t batch, const char *name) {
    run_processes(function, what, batch, 1);
    size_t sums = shared->sums_used[0], rows = shared->rows_used[0], most = ps_shards_of(batch).whole;
    char *want_sums = malloc(sums + 1), *want_rows = malloc(rows + 1);
    memcpy(want_sums, shared->sums[0], sums), memcpy(want_rows, shared->rows[0], rows);
    assert_true(most > 1);
    for (size_t count = 2; count <= MOST_PROCESSES && count <= most; count *= 2) {
        size_t at = 0;
        run_processes(function, what, batch, count);
        for (size_t p = 0; p < count; p++) {
            if (shared->sums_used[p] != sums || memcmp(shared->sums[p], want_sums, sums) != 0)
                fail_msg("%s: process %zu of %zu has other sums over %zu samples", name, p, count, batch);
            if (at + shared->rows_used[p] > rows || memcmp(shared->rows[p], want_rows + at, shared->rows_used[p]) != 0)
                fail_msg("%s: process %zu of %zu has other rows of %zu samples", name, p, count, batch);
            at += shared->rows_used[p];
        }
        assert_int_equal(at, rows);
    }
    free(want_sums), free(want_rows);
}

/* Even shards, and shards of unequal size. */
static const size_t batches[] = {64, 132};
enum { BATCHES = sizeof batches / sizeof *batches };

/* ---- Convolution, under every method ---- */

typedef struct {
    const char *method;
    ps_conv_shape shape; /* n is set by the batch */
} conv_case;

static void convolve(const void *what, size_t batch, size_t first, size_t samples, ps_threads *threads) {
    const conv_case *c = what;
    ps_conv_shape s = c->shape;
    ps_conv_plan plan;
    s.n = (int)samples;
    if (ps_conv_plan_init(&plan, &s) != PS_OK || ps_conv_plan_force(&plan, c->method) != PS_OK) abort();
    size_t in = (size_t)s.d * (size_t)s.h * (size_t)s.w * (size_t)s.c,
           out = (size_t)ps_conv_out_d(&s) * (size_t)ps_conv_out_h(&s) * (size_t)ps_conv_out_w(&s) * (size_t)s.k,
           weights = (size_t)s.k * (size_t)(s.kd * s.kh * s.kw) * (size_t)(s.c / s.groups);
    const float *x = some_numbers(batch * in), *dy = some_numbers(batch * out);
    float *dw = kt_room(weights, sizeof *dw), *dbias = kt_room((size_t)s.k, sizeof *dbias);
    void *workspace = kt_workspace(ps_conv_workspace_bytes(&plan, ps_threads_count(threads)));
    ps_conv_backward_weights(&plan, x + first * in, dy + first * out, dw, dbias, workspace, threads);
    kt_workspace_free(workspace);
    keep_sums(dw, weights * sizeof *dw);
    keep_sums(dbias, (size_t)s.k * sizeof *dbias);
    free(dw), free(dbias);
}

#define CONV(c_, d_, h_, w_, k_, kd_, kh_, stride_, pad_d_, pad_, groups_) \
    {.c = (c_),                                                            \
     .d = (d_),                                                            \
     .h = (h_),                                                            \
     .w = (w_),                                                            \
     .k = (k_),                                                            \
     .kd = (kd_),                                                          \
     .kh = (kh_),                                                          \
     .kw = (kh_),                                                          \
     .stride_d = 1,                                                        \
     .stride_h = (stride_),                                                \
     .stride_w = (stride_),                                                \
     .pad_d = (pad_d_),                                                    \
     .pad_h = (pad_),                                                      \
     .pad_w = (pad_),                                                      \
     .dilation_d = 1,                                                      \
     .dilation_h = 1,                                                      \
     .dilation_w = 1,                                                      \
     .groups = (groups_)}
static const ps_conv_shape conv_shapes[] = {
    CONV(3, 1, 9, 7, 20, 1, 3, 1, 0, 1, 1),      /* a stem */
    CONV(24, 1, 8, 9, 40, 1, 3, 1, 0, 1, 1),     /* Winograd in groups */
    CONV(96, 1, 5, 8, 112, 1, 3, 1, 0, 1, 1),    /* in rounds of some shards */
    CONV(200, 1, 18, 18, 100, 1, 3, 1, 0, 1, 1), /* of parts of one */
    CONV(96, 1, 9, 8, 96, 1, 3, 2, 0, 1, 1),     /* and with stride 2 */
    CONV(17, 1, 4, 5, 33, 1, 1, 1, 0, 0, 1),     /* a product */
    CONV(64, 1, 4, 4, 48, 1, 1, 2, 0, 0, 1),     CONV(20, 1, 9, 26, 36, 1, 2, 2, 0, 0, 1), /* patches */
    CONV(96, 1, 8, 8, 128, 1, 2, 2, 0, 0, 1),    CONV(12, 1, 7, 8, 12, 1, 3, 1, 0, 1, 12), /* depthwise */
    CONV(12, 1, 7, 8, 18, 1, 5, 2, 0, 2, 3),     CONV(6, 4, 5, 6, 10, 3, 3, 1, 1, 1, 1),   /* in three dimensions */
    CONV(24, 3, 5, 6, 136, 3, 3, 1, 1, 1, 1),    CONV(10, 3, 4, 5, 12, 5, 5, 1, 2, 2, 1),
    CONV(3, 1, 18, 17, 20, 1, 3, 1, 0, 1, 1),    CONV(1, 5, 14, 16, 18, 3, 3, 1, 1, 1, 1), /* stems */
    CONV(488, 1, 2, 2, 488, 1, 3, 1, 0, 1, 1) /* more than is held at once for every shard */
};

static void convolutions_sum_alike(void **state) {
    (void)state;
    static const struct {
        const char *name;
        double most_macs;
    } methods[] = {{"winograd4", 1e10}, {"stem", 1e10},     {"lines", 3e8},    {"direct", 1.2e9},
                   {"depthwise", 1e9},  {"patches", 1.2e9}, {"unfold", 1.2e9}, {"small-maps", 1.2e9},
                   {"pointwise", 1e9},  {"gemm", 1.2e9},    {"reference", 2e7}}; /* the last ones are slow */
    size_t shapes = sizeof conv_shapes / sizeof *conv_shapes, done = 0;
    for (size_t m = 0; m < sizeof methods / sizeof *methods; m++)
        for (size_t i = 0; i < shapes; i++)
            for (size_t b = 0; b < BATCHES; b++) {
                conv_case c = {methods[m].name, conv_shapes[i]};
                ps_conv_plan plan;
                char text[256];
                c.shape.n = (int)batches[b];
                if (ps_conv_macs(&c.shape) > methods[m].most_macs) continue;
                assert_int_equal(ps_conv_plan_init(&plan, &c.shape), PS_OK);
                if (ps_conv_plan_force(&plan, c.method) != PS_OK) continue;
                ps_conv_plan_describe(&plan, text, sizeof text);
                if (strstr(strstr(text, "backward-weights"), c.method) == NULL) continue;
                expect_the_same_from_processes(convolve, &c, batches[b], c.method);
                done++;
            }
    assert_true(done > 40);
}

/* ---- Normalisation, activations, summaries ---- */

static void normalise(const void *what, size_t batch, size_t first, size_t samples, ps_threads *threads) {
    ps_shape s = ps_shape_with_batch(*(const ps_shape *)what, (int)samples);
    size_t c = (size_t)s.c, count = ps_shape_elements(s), from = first * (count / samples);
    const float *x = some_numbers(batch * count / samples), *dy = some_numbers(batch * count / samples);
    float *y = kt_room(count, sizeof *y), *dx = kt_room(count, sizeof *dx), *v = kt_room(7 * c, sizeof *v);
    double *sums = kt_room(10 * c, sizeof *sums);
    for (size_t k = 0; k < c; k++) v[3 * c + k] = 1;
    void *workspace =
        kt_workspace(ps_norm_workspace_bytes(s) + ps_pointwise_workspace_bytes(s) + ps_rounding_entry_bytes(s));
    ps_norm_statistics(x + from, s, 1e-5, v, v + c, v + 2 * c, workspace, threads);
    ps_norm_apply(&(ps_norm_apply_call){.x = x + from,
                                        .shape = s,
                                        .mean = v,
                                        .inverse_std = v + c,
                                        .gamma = v + 3 * c,
                                        .beta = v + 4 * c,
                                        .activation = PS_ACT_RELU,
                                        .y = y,
                                        .zeros = sums},
                  workspace, threads);
    ps_norm_backward(&(ps_norm_backward_call){.x = x + from,
                                              .dy = dy + from,
                                              .y = y,
                                              .shape = s,
                                              .mean = v,
                                              .inverse_std = v + c,
                                              .gamma = v + 3 * c,
                                              .activation = PS_ACT_RELU,
                                              .dx = dx,
                                              .dgamma = v + 5 * c,
                                              .dbeta = v + 6 * c,
                                              .dx_squares = sums + c,
                                              .gate_squares = sums + 2 * c},
                     workspace, threads);
    for (size_t i = 0; i < samples; i++) {
        keep_rows(y + i * (count / samples), count / samples * sizeof *y);
        keep_rows(dx + i * (count / samples), count / samples * sizeof *dx);
    }
    ps_activation_forward(x + from, s, 0.1f, y, sums + 3 * c, workspace, threads);
    ps_activation_backward(y, dy + from, s, 0.1f, dx, false, sums + 4 * c, workspace, threads);
    ps_channel_sum_squares(x + from, s, sums + 5 * c, workspace, threads);
    ps_channel_summarise(x + from, s, (ps_channel_sums){sums + 6 * c, sums + 7 * c, sums + 8 * c, NULL, sums + 9 * c},
                         workspace, threads);
    keep_sums(v, 7 * c * sizeof *v);
    keep_sums(sums, 10 * c * sizeof *sums);
    ps_rounding_entry entry = {.x = x + from, .shape = s};
    ps_rounding_edges(&entry, (ps_rounding_extremes){v, v + c, v + 3 * c, v + 2 * c, sums}, workspace, threads);
    keep_sums(v + 2 * c, c * sizeof *v); /* the variance; what is largest is not a sum */
    keep_sums(sums, c * sizeof *sums);
    kt_workspace_free(workspace);
    free(y), free(dx), free(v), free(sums);
}

static void normalisations_and_activations_sum_alike(void **state) {
    (void)state;
    static const ps_shape shapes[] = {
        {0, 1, 1, 1, 1}, {0, 5, 1, 3, 7}, {0, 12, 1, 16, 16}, {0, 64, 1, 8, 8}, {0, 70, 2, 3, 3}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t b = 0; b < BATCHES; b++)
            expect_the_same_from_processes(normalise, &shapes[i], batches[b], "normalisation and activation");
}

/* ---- Loss ---- */

static void lose(const void *what, size_t batch, size_t first, size_t samples, ps_threads *threads) {
    size_t per = *(const size_t *)what, correct, counted;
    enum { C = 10 };
    const float *logits = some_numbers(batch * per * C);
    float *gradient = kt_room(samples * per * C, sizeof(float));
    int32_t *label = kt_room(batch * per, sizeof *label);
    for (size_t i = 0; i < batch * per; i++) label[i] = (int32_t)(i * 7 % 11) - 1; /* some do not count */
    double loss = ps_softmax_cross_entropy(logits + first * per * C, label + first * per, NULL, samples, per, C,
                                           gradient, &correct, &counted, threads);
    keep_sums(&loss, sizeof loss);
    keep_sums(&correct, sizeof correct);
    keep_sums(&counted, sizeof counted);
    keep_rows(gradient, samples * per * C * sizeof *gradient);
    free(gradient), free(label);
}

static void losses_sum_alike(void **state) {
    (void)state;
    static const size_t rows[] = {1, 35};
    for (size_t i = 0; i < 2; i++)
        for (size_t b = 0; b < BATCHES; b++) expect_the_same_from_processes(lose, &rows[i], batches[b], "loss");
}

/* ---- Pool Skip ---- */

typedef struct {
    ps_pool_skip_options options; /* n is set by the batch */
    const char *method;
} pool_case;

static void pool_and_skip(const void *what, size_t batch, size_t first, size_t samples, ps_threads *threads) {
    const pool_case *p = what;
    ps_pool_skip_options options = p->options;
    ps_pool_skip_plan *plan;
    options.shape.n = (int)samples;
    if (ps_pool_skip_plan_create(&options, &plan) != PS_OK || ps_pool_skip_plan_force(plan, p->method) != PS_OK)
        abort();
    size_t c = (size_t)options.shape.c, count = ps_shape_elements(options.shape), from = first * (count / samples);
    size_t weights = c * c * (options.shape.d > 1 ? 27 : 9);
    const float *y = some_numbers(batch * count / samples), *d_o = some_numbers(batch * count / samples);
    const float *w = some_numbers(weights), *bias = some_numbers(c);
    float *dw = kt_room(weights, sizeof *dw), *dbias = kt_room(c, sizeof *dbias), *o = kt_room(count, sizeof *o),
          *dy = kt_room(count, sizeof *dy);
    void *save = kt_workspace(ps_pool_skip_save_bytes(plan)),
         *workspace = kt_workspace(ps_pool_skip_workspace_bytes(plan, ps_threads_count(threads)));
    double *s = kt_room(8 * c, sizeof *s);
    ps_pool_skip_sums sums = {s, s + c, s + 2 * c, s + 3 * c, s + 4 * c, s + 5 * c, s + 6 * c, s + 7 * c};
    ps_pool_skip_forward(plan, y + from, w, bias, o, save, sums, workspace, threads);
    ps_pool_skip_backward(plan, y + from, w, d_o + from, save, dy, false, dw, dbias, sums, workspace, threads);
    keep_sums(dw, weights * sizeof *dw);
    keep_sums(dbias, c * sizeof *dbias);
    keep_sums(s, 8 * c * sizeof *s);
    kt_workspace_free(save), kt_workspace_free(workspace);
    ps_pool_skip_plan_destroy(plan);
    free(dw), free(dbias), free(o), free(dy), free(s);
}

static void pool_skips_sum_alike(void **state) {
    (void)state;
    static const pool_case cases[] = {
        {{.shape = {0, 12, 1, 9, 8}, .e = 2, .select = PS_POOL_SKIP_MAX, .conv = true, .skip = true}, "sparse"},
        {{.shape = {0, 12, 1, 9, 8}, .e = 2, .select = PS_POOL_SKIP_MAX, .conv = true, .skip = true}, "dense"},
        {{.shape = {0, 80, 1, 8, 8}, .e = 4, .select = PS_POOL_SKIP_MAX, .conv = true, .skip = true}, "sparse"},
        {{.shape = {0, 100, 1, 8, 8}, .e = 2, .select = PS_POOL_SKIP_MAX, .conv = true, .skip = true}, "dense"},
        {{.shape = {0, 260, 1, 4, 4}, .e = 2, .select = PS_POOL_SKIP_MAX, .conv = true, .skip = true}, "sparse"},
        {{.shape = {0, 20, 1, 6, 6},
          .e = 2,
          .select = PS_POOL_SKIP_GRID,
          .match_energy = true,
          .conv = true,
          .skip = true},
         "sparse"},
        {{.shape = {0, 20, 1, 6, 6},
          .e = 2,
          .select = PS_POOL_SKIP_GRID,
          .match_energy = true,
          .conv = true,
          .skip = true},
         "dense"},
        {{.shape = {0, 10, 4, 4, 5}, .e = 2, .select = PS_POOL_SKIP_MAX, .conv = true, .skip = true}, "sparse"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t b = 0; b < BATCHES; b++)
            expect_the_same_from_processes(pool_and_skip, &cases[i], batches[b], "Pool Skip");
}

/* ---- Linear layers ---- */

static void multiply(const void *what, size_t batch, size_t first, size_t samples, ps_threads *threads) {
    const int *size = what;
    struct {
        int features;
        bool bias;
    } config = {size[1], true};
    size_t rows = (size_t)size[2], c = rows * (size_t)size[0], k = rows * (size_t)size[1];
    ps_shape in = {(int)samples, size[0], 1, 1, size[2]}, out = {(int)samples, size[1], 1, 1, size[2]};
    ps_layer_sizes sizes;
    void *plan;
    if (ps_layer_linear.plan(&config, &in, 1, out, ps_threads_count(threads), &plan, &sizes) != PS_OK) abort();
    const float *x = some_numbers(batch * c), *dy = some_numbers(batch * k);
    size_t weights = c / rows * (k / rows), features = k / rows;
    float *dw = kt_room(weights, sizeof *dw), *dbias = kt_room(features, sizeof *dbias);
    void *workspace = kt_workspace(sizes.workspace_bytes);
    ps_layer_linear.backward(&(ps_layer_call){.type = &ps_layer_linear,
                                              .config = &config,
                                              .plan = plan,
                                              .threads = threads,
                                              .in_shape = &in,
                                              .out_shape = out,
                                              .x = (const float *const[]){x + first * c},
                                              .dy = dy + first * k,
                                              .dx = (float *const[]){NULL},
                                              .accumulate = (const bool[]){false},
                                              .grad = (float *const[]){dw, dbias},
                                              .workspace = workspace});
    keep_sums(dw, weights * sizeof *dw);
    keep_sums(dbias, features * sizeof *dbias);
    kt_workspace_free(workspace);
    ps_layer_linear.unplan(plan);
    free(dw), free(dbias);
}

static void linear_layers_sum_alike(void **state) {
    (void)state;
    static const int sizes[][3] = {{7, 3, 1}, {512, 10, 1}, {600, 700, 1}, {40, 70, 9}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t b = 0; b < BATCHES; b++) expect_the_same_from_processes(multiply, sizes[i], batches[b], "linear");
}

/* What attention and its like project by. */
static void project(const void *what, size_t batch, size_t first, size_t samples, ps_threads *threads) {
    ps_projection p = *(const ps_projection *)what;
    p.samples = (int)samples;
    size_t c = (size_t)p.rows * (size_t)p.c, k = (size_t)p.rows * (size_t)p.k, weights = (size_t)p.c * (size_t)p.k;
    const float *x = some_numbers(batch * c), *dy = some_numbers(batch * k);
    float *dw = kt_room(weights, sizeof *dw), *db = kt_room((size_t)p.k, sizeof *db);
    void *workspace = kt_workspace(ps_projection_workspace_bytes(&p, ps_threads_count(threads)));
    ps_projection_weight_gradient(&p, x + first * c, dy + first * k, dw, workspace, threads);
    ps_projection_bias_gradient(&p, dy + first * k, db, workspace, threads);
    keep_sums(dw, weights * sizeof *dw);
    keep_sums(db, (size_t)p.k * sizeof *db);
    kt_workspace_free(workspace);
    free(dw), free(db);
}

/* Few weights, whose shards are cut further; so many that a shard is a leaf, the only one of a process where there are
 * as many; and more than are held at once for every shard. */
static void projections_sum_alike(void **state) {
    (void)state;
    static const ps_projection sizes[] = {{.rows = 1, .c = 7, .k = 3},
                                          {.rows = 9, .c = 40, .k = 70},
                                          {.rows = 2, .c = 600, .k = 700},
                                          {.rows = 2, .c = 1100, .k = 1100}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t b = 0; b < BATCHES; b++)
            expect_the_same_from_processes(project, &sizes[i], batches[b], "projection");
}

int main(int argc, char **argv) {
    (void)argc;
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_batch_is_its_halves),
                                       cmocka_unit_test(leaves_cover_a_batch_and_cross_no_shard),
                                       cmocka_unit_test(every_way_of_adding_follows_the_tree),
                                       cmocka_unit_test(convolutions_sum_alike),
                                       cmocka_unit_test(normalisations_and_activations_sum_alike),
                                       cmocka_unit_test(losses_sum_alike),
                                       cmocka_unit_test(pool_skips_sum_alike),
                                       cmocka_unit_test(linear_layers_sum_alike),
                                       cmocka_unit_test(projections_sum_alike)};
    numbers = kt_numbers("numbers", NUMBERS);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return 1;
    return kt_main(argv[0], tests);
}
