/* Memory-bound kernels against this machine's triad bandwidth, the optimiser with and without accounting, and Pool Skip
 * by its methods, transposed convolutions, as Markdown tables. kernel_bench [--threads N] [--rounds N] [--clock
 * wall|cpu] [norm|instance|update|pool_skip|transpose|resize]...
 *
 * --clock cpu counts the processor time of this process instead of the clock's: for one thread on a busy machine.
 *
 * Every round runs all rows of a table once, the triad among them, so that a busy neighbour hits all alike; times are
 * medians. Bytes are those a kernel must read and write once per pass; traffic for the ownership of written lines is
 * not counted, neither here nor in the triad. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/memory.h"
#include "parallel/threads.h"
#include "core/rng.h"
#include "kernels/conv_transpose.h"
#include "kernels/gemm.h"
#include "kernels/instance_norm.h"
#include "kernels/norm.h"
#include "kernels/pointwise.h"
#include "kernels/pool_skip.h"
#include "kernels/resize.h"
#include "kernels/processor.h"
#include "kernels/update.h"

enum { MOST_ROUNDS = 201, MOST_ROWS = 32, ARRAYS = 8 };

typedef struct {
    ps_threads *pool;
    int threads, rounds;
    bool cpu_clock;
    size_t elements; /* of each array */
    float *array[ARRAYS];
    void *workspace;
    size_t workspace_bytes;
} machine;

static void must(ps_status status) {
    if (status == PS_OK) return;
    fprintf(stderr, "kernel_bench: %s\n", ps_status_message());
    exit(2);
}

static void need_workspace(machine *m, size_t bytes) {
    if (bytes <= m->workspace_bytes) return;
    ps_free(m->workspace);
    must(PS_ALLOC(bytes, (char **)&m->workspace, "workspace"));
    m->workspace_bytes = bytes;
}

static int by_time(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static double median_ms(uint64_t *times, int count) {
    qsort(times, (size_t)count, sizeof *times, by_time);
    return (double)times[count / 2] / 1e6;
}

static uint64_t now_ns(const machine *m) {
    if (!m->cpu_clock) return ps_clock_ns();
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

typedef void row_function(machine *m, const void *what);
typedef struct {
    const char *name;
    row_function *run;
    const void *what;
    double bytes;
} row;

/* Medians of all rows, run in turn. */
static void time_rows(machine *m, const row *rows, int count, double *ms) {
    static uint64_t times[MOST_ROWS][MOST_ROUNDS];
    for (int round = -1; round < m->rounds; round++)
        for (int i = 0; i < count; i++) {
            uint64_t start = now_ns(m);
            rows[i].run(m, rows[i].what);
            if (round >= 0) times[i][round] = now_ns(m) - start;
        }
    for (int i = 0; i < count; i++) ms[i] = median_ms(times[i], m->rounds);
}

typedef struct {
    const float *b, *c;
    float *a;
    size_t count, chunks;
} triad_run;

static void triad_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const triad_run *t = context;
    size_t end = ps_threads_chunk_start(t->count, t->chunks, chunk + 1);
    for (size_t i = ps_threads_chunk_start(t->count, t->chunks, chunk); i < end; i++)
        t->a[i] = t->b[i] + 3.0f * t->c[i];
}

static void run_triad(machine *m, const void *what) {
    size_t count = *(const size_t *)what;
    triad_run t = {m->array[0], m->array[1], m->array[2], count, ps_threads_chunks(count, 65536)};
    ps_threads_run(m->pool, t.chunks, triad_task, &t);
}

static void print_bandwidth(machine *m, const char *title, const row *rows, int count) {
    double ms[MOST_ROWS];
    time_rows(m, rows, count, ms);
    double triad = rows[0].bytes / ms[0] / 1e6;
    printf("\n%s\n\n| kernel | ms | GB/s | of triad |\n|---|---|---|---|\n", title);
    for (int i = 0; i < count; i++) {
        double rate = rows[i].bytes / ms[i] / 1e6;
        printf("| %s | %.3f | %.1f | %.2f |\n", rows[i].name, ms[i], rate, rate / triad);
    }
}

/* ---- Normalisation and activation ---- */

typedef struct {
    size_t rows;
    int c;
} map;

/* 64 samples, where there are as many rows. */
static ps_shape shape_of(const map *s) { return (ps_shape){64, s->c, 1, (int)(s->rows / 64), 1}; }

static float channel_values[5][4096];
static double channel_sums[5][4096];

static void run_statistics(machine *m, const void *what) {
    const map *s = what;
    ps_norm_statistics(m->array[0], shape_of(s), 1e-5, channel_values[0], channel_values[1], NULL, m->workspace,
                       m->pool);
}

static void apply(machine *m, const map *s, bool residual, double *zeros) {
    ps_norm_apply(&(ps_norm_apply_call){.x = m->array[0],
                                        .residual = residual ? m->array[3] : NULL,
                                        .shape = shape_of(s),
                                        .mean = channel_values[0],
                                        .inverse_std = channel_values[1],
                                        .gamma = channel_values[1],
                                        .beta = channel_values[0],
                                        .activation = PS_ACT_RELU,
                                        .y = m->array[2],
                                        .zeros = zeros},
                  m->workspace, m->pool);
}
static void run_apply(machine *m, const void *what) { apply(m, what, false, NULL); }
static void run_apply_zeros(machine *m, const void *what) { apply(m, what, false, channel_sums[0]); }
static void run_apply_residual(machine *m, const void *what) { apply(m, what, true, channel_sums[0]); }

static void backward(machine *m, const map *s, bool residual, double *squares) {
    ps_norm_backward(&(ps_norm_backward_call){.x = m->array[0],
                                              .y = m->array[2],
                                              .dy = m->array[1],
                                              .shape = shape_of(s),
                                              .mean = channel_values[0],
                                              .inverse_std = channel_values[1],
                                              .gamma = channel_values[1],
                                              .activation = PS_ACT_RELU,
                                              .dx = m->array[4],
                                              .dresidual = residual ? m->array[5] : NULL,
                                              .dgamma = channel_values[2],
                                              .dbeta = channel_values[3],
                                              .dx_squares = squares},
                     m->workspace, m->pool);
}
static void run_backward(machine *m, const void *what) { backward(m, what, false, NULL); }
static void run_backward_squares(machine *m, const void *what) { backward(m, what, false, channel_sums[0]); }
static void run_backward_residual(machine *m, const void *what) { backward(m, what, true, channel_sums[0]); }

static void run_relu(machine *m, const void *what) {
    const map *s = what;
    ps_activation_forward(m->array[0], shape_of(s), 0, m->array[2], channel_sums[0], m->workspace, m->pool);
}
static void run_relu_backward(machine *m, const void *what) {
    const map *s = what;
    ps_activation_backward(m->array[2], m->array[1], shape_of(s), 0, m->array[4], false, channel_sums[0], m->workspace,
                           m->pool);
}
static void run_summary(machine *m, const void *what) {
    const map *s = what;
    ps_channel_sums sums = {channel_sums[0], channel_sums[1], channel_sums[2], channel_sums[3], channel_sums[4]};
    ps_channel_summarise(m->array[0], shape_of(s), sums, m->workspace, m->pool);
}

static void bench_norm(machine *m) {
    static const map maps[] = {{65536, 64}, {16384, 128}, {4096, 256}, {1024, 512}, {16384, 12}, {16384, 4}};
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
        const map *s = &maps[i];
        size_t count = s->rows * (size_t)s->c;
        double bytes = 4.0 * (double)count;
        need_workspace(m, ps_norm_workspace_bytes(shape_of(s)) + ps_pointwise_workspace_bytes(shape_of(s)));
        const row rows[] = {
            {"triad of that size", run_triad, &count, 3 * bytes},
            {"norm statistics", run_statistics, s, bytes},
            {"norm + ReLU", run_apply, s, 2 * bytes},
            {"norm + ReLU, zeros counted", run_apply_zeros, s, 2 * bytes},
            {"norm + residual + ReLU, zeros counted", run_apply_residual, s, 3 * bytes},
            {"norm + ReLU backward", run_backward, s, 7 * bytes},
            {"norm + ReLU backward, squares summed", run_backward_squares, s, 7 * bytes},
            {"norm + residual + ReLU backward, squares summed", run_backward_residual, s, 8 * bytes},
            {"ReLU, zeros counted", run_relu, s, 2 * bytes},
            {"ReLU backward, squares summed", run_relu_backward, s, 3 * bytes},
            {"channel summary", run_summary, s, bytes},
        };
        char title[80];
        snprintf(title, sizeof title, "%zu rows of %d channels (%.1f MB)", s->rows, s->c, bytes / 1e6);
        print_bandwidth(m, title, rows, sizeof rows / sizeof rows[0]);
    }
}

/* ---- Updates ---- */

typedef struct {
    size_t rows, length;
    ps_update_account *account;
} parameter;

static const ps_update_sgd_step sgd_step = {.lr = 1e-4, .momentum = 0.9, .decay = 5e-4, .clip = 1, .nesterov = true};
static const ps_update_adamw_step adamw_step = {
    .lr = 1e-4, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = 0.01, .clip = 1, .step = 100};
static void run_sgd(machine *m, const void *what) {
    const parameter *p = what;
    ps_update_sgd(&sgd_step, p->rows, p->length, m->array[0], m->array[1], m->array[2], p->account, m->pool);
}
static void run_adamw(machine *m, const void *what) {
    const parameter *p = what;
    ps_update_adamw(&adamw_step, p->rows, p->length, m->array[0], m->array[1], m->array[2], m->array[3], p->account,
                    m->pool);
}

static void bench_update(machine *m) {
    static const size_t shapes[][2] = {{512, 4608}, {64, 576}};
    for (int i = 0; i < 2; i++) {
        size_t count = shapes[i][0] * shapes[i][1];
        double bytes = 4.0 * (double)count;
        parameter plain = {shapes[i][0], shapes[i][1], NULL}, sgd = plain, adamw = plain;
        must(ps_update_account_create(plain.rows, plain.length, true, true, &sgd.account));
        must(ps_update_account_create(plain.rows, plain.length, false, true, &adamw.account));
        ps_vector_fill(m->array[3], m->elements, 1, m->pool);
        ps_update_account_begin(sgd.account, m->array[1], m->array[2], m->pool);
        ps_update_account_begin(adamw.account, m->array[1], NULL, m->pool);
        const row rows[] = {
            {"triad of that size", run_triad, &count, 3 * bytes}, {"SGD", run_sgd, &plain, 5 * bytes},
            {"SGD, accounted", run_sgd, &sgd, 12 * bytes},        {"AdamW", run_adamw, &plain, 7 * bytes},
            {"AdamW, accounted", run_adamw, &adamw, 15 * bytes},
        };
        char title[80];
        snprintf(title, sizeof title, "Update of %zu x %zu weights (%.1f MB)", plain.rows, plain.length, bytes / 1e6);
        print_bandwidth(m, title, rows, sizeof rows / sizeof rows[0]);
        ps_update_account_destroy(sgd.account);
        ps_update_account_destroy(adamw.account);
    }
}

/* ---- Pool Skip ---- */

typedef struct {
    ps_pool_skip_plan *plan;
    void *save;
    int pass; /* 0 forward, 1 backward */
} skip_case;

static void run_skip(machine *m, const void *what) {
    const skip_case *k = what;
    if (k->pass == 0)
        ps_pool_skip_forward(k->plan, m->array[0], m->array[1], m->array[1], m->array[2], k->save,
                             (ps_pool_skip_sums){0}, m->workspace, m->pool);
    else
        ps_pool_skip_backward(k->plan, m->array[0], m->array[1], m->array[3], k->save, m->array[4], false, m->array[5],
                              m->array[6], (ps_pool_skip_sums){0}, m->workspace, m->pool);
}

/* dense forward, dense backward, sparse forward, sparse backward; the sparse ones only where that method can do the
 * shape.
 */
static int skip_rows(machine *m, ps_pool_skip_options options, skip_case cases[4], row rows[4]) {
    static const char *const methods[] = {"dense", "sparse"};
    int count = 0;
    for (int method = 0; method < 2; method++) {
        ps_pool_skip_plan *plan = NULL;
        void *save = NULL;
        must(ps_pool_skip_plan_create(&options, &plan));
        if (ps_pool_skip_plan_force(plan, methods[method]) != PS_OK) {
            ps_pool_skip_plan_destroy(plan);
            continue;
        }
        must(PS_ALLOC(ps_pool_skip_save_bytes(plan), (char **)&save, "save"));
        need_workspace(m, ps_pool_skip_workspace_bytes(plan, m->threads));
        for (int pass = 0; pass < 2; pass++, count++) {
            cases[count] = (skip_case){plan, save, pass};
            rows[count] = (row){methods[method], run_skip, &cases[count], 0};
        }
    }
    return count;
}

static void bench_pool_skip(machine *m) {
    static const struct {
        ps_shape shape;
        int e;
    } shapes[] = {
        {{64, 64, 1, 32, 32}, 2}, {{64, 64, 1, 32, 32}, 4}, {{64, 128, 1, 16, 16}, 2}, {{64, 128, 1, 16, 16}, 4},
        {{64, 256, 1, 8, 8}, 2},  {{64, 256, 1, 8, 8}, 4},  {{64, 512, 1, 4, 4}, 2},   {{64, 512, 1, 4, 4}, 4},
        {{64, 4, 1, 16, 16}, 2},  {{64, 8, 1, 16, 16}, 2},  {{64, 12, 1, 16, 16}, 2},  {{64, 12, 1, 16, 16}, 4},
        {{64, 16, 1, 16, 16}, 2}, {{64, 16, 1, 16, 16}, 4}, {{64, 24, 1, 8, 8}, 2},    {{64, 32, 1, 16, 16}, 2},
        {{64, 32, 1, 16, 16}, 4}, {{64, 48, 1, 8, 8}, 2},   {{2, 32, 32, 32, 32}, 2},  {{2, 64, 16, 16, 16}, 2},
    };
    printf(
        "\nPool Skip, forward / backward (data and weights), milliseconds\n\n"
        "| shape | e | dense | sparse | dense / sparse | chosen |\n|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        ps_pool_skip_options options = {.shape = shapes[i].shape, .e = shapes[i].e, .skip = true, .conv = true};
        skip_case cases[4];
        row rows[4];
        double ms[MOST_ROWS];
        char text[256];
        int count = skip_rows(m, options, cases, rows);
        time_rows(m, rows, count, ms);
        ps_pool_skip_plan *chosen = NULL;
        must(ps_pool_skip_plan_create(&options, &chosen));
        ps_pool_skip_plan_describe(chosen, text, sizeof text);
        ps_shape s = shapes[i].shape;
        printf("| %d x %d@%dx%dx%d | %d | %.2f / %.2f |", s.n, s.c, s.d, s.h, s.w, shapes[i].e, ms[0], ms[1]);
        if (count == 4) printf(" %.2f / %.2f | %.2f |", ms[2], ms[3], (ms[0] + ms[1]) / (ms[2] + ms[3]));
        else printf(" - | - |");
        printf(" %s |\n", text);
        ps_pool_skip_plan_destroy(chosen);
        for (int k = 0; k < count; k += 2) {
            ps_pool_skip_plan_destroy(cases[k].plan);
            ps_free(cases[k].save);
        }
    }
}

/* ---- Instance norm ---- */

static float sample_values[2][64 * 512];

static void run_instance_statistics(machine *m, const void *what) {
    const ps_shape *s = what;
    ps_instance_norm_statistics(m->array[0], *s, 1e-5, sample_values[0], sample_values[1], m->workspace, m->pool);
}
static void run_instance_apply(machine *m, const void *what) {
    const ps_shape *s = what;
    ps_instance_norm_apply(&(ps_norm_apply_call){.x = m->array[0],
                                                 .shape = *s,
                                                 .mean = sample_values[0],
                                                 .inverse_std = sample_values[1],
                                                 .gamma = channel_values[1],
                                                 .beta = channel_values[0],
                                                 .activation = PS_ACT_LEAKY_RELU,
                                                 .slope = 0.01f,
                                                 .y = m->array[2]},
                           m->workspace, m->pool);
}
static void run_instance_backward(machine *m, const void *what) {
    const ps_shape *s = what;
    ps_instance_norm_backward(&(ps_norm_backward_call){.x = m->array[0],
                                                       .y = m->array[2],
                                                       .dy = m->array[1],
                                                       .shape = *s,
                                                       .mean = sample_values[0],
                                                       .inverse_std = sample_values[1],
                                                       .gamma = channel_values[1],
                                                       .activation = PS_ACT_LEAKY_RELU,
                                                       .slope = 0.01f,
                                                       .dx = m->array[4],
                                                       .dgamma = channel_values[2],
                                                       .dbeta = channel_values[3]},
                              m->workspace, m->pool);
}

static void bench_instance(machine *m) {
    static const ps_shape maps[] = {
        {2, 32, 40, 56, 40}, {2, 64, 20, 28, 20}, {2, 256, 5, 7, 5}, {12, 32, 1, 128, 128}, {64, 512, 1, 7, 5}};
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
        const ps_shape *s = &maps[i];
        size_t count = ps_shape_elements(*s);
        double bytes = 4.0 * (double)count;
        need_workspace(m, ps_instance_norm_workspace_bytes(*s));
        const row rows[] = {
            {"triad of that size", run_triad, &count, 3 * bytes},
            {"instance norm statistics", run_instance_statistics, s, bytes},
            {"instance norm + leaky ReLU", run_instance_apply, s, 2 * bytes},
            {"instance norm + leaky ReLU backward", run_instance_backward, s, 7 * bytes},
        };
        char title[80];
        snprintf(title, sizeof title, "%d x %d@%dx%dx%d (%.1f MB)", s->n, s->c, s->d, s->h, s->w, bytes / 1e6);
        print_bandwidth(m, title, rows, sizeof rows / sizeof rows[0]);
    }
}

/* ---- Transposed convolutions ---- */

typedef struct {
    ps_conv_transpose_plan plan;
    int pass; /* 0 forward, 1 backward-data, 2 backward-weights */
} transpose_case;

static void run_transpose(machine *m, const void *what) {
    const transpose_case *k = what;
    if (k->pass == 0)
        ps_conv_transpose_forward(&k->plan, false, m->array[0], m->array[3], m->array[4], m->array[1], m->workspace,
                                  m->pool);
    else if (k->pass == 1)
        ps_conv_transpose_backward_data(&k->plan, m->array[1], m->array[3], m->array[2], false, m->workspace, m->pool);
    else
        ps_conv_transpose_backward_weights(&k->plan, m->array[0], m->array[1], m->array[5], m->array[6], m->workspace,
                                           m->pool);
}

/* Twice as large along every axis that is not 1. */
static void bench_transpose(machine *m) {
    static const struct {
        ps_shape in;
        int k;
    } shapes[] = {{{2, 64, 20, 28, 20}, 32}, {{2, 128, 10, 14, 10}, 64}, {{2, 256, 5, 7, 5}, 128},
                  {{2, 32, 24, 24, 24}, 16}, {{4, 128, 1, 56, 56}, 64},  {{12, 512, 1, 7, 5}, 256}};
    printf(
        "\nTransposed convolutions, kernel = stride = 2: milliseconds (GFLOP/s)\n\n"
        "| in | k | forward | backward-data | backward-weights | of the convolution from output to input |\n"
        "|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        ps_shape in = shapes[i].in;
        int kd = in.d > 1 ? 2 : 1;
        ps_conv_shape s = {in.n, shapes[i].k, in.d * kd, in.h * 2, in.w * 2, in.c, kd, 2, 2, kd,
                           2,    2,           0,         0,        0,        1,    1,  1, 1};
        transpose_case cases[3];
        row rows[3];
        double ms[MOST_ROWS], flops = 2 * ps_conv_macs(&s);
        char text[256];
        for (int pass = 0; pass < 3; pass++) {
            must(ps_conv_transpose_plan_init(&cases[pass].plan, &s));
            cases[pass].pass = pass;
            rows[pass] = (row){"", run_transpose, &cases[pass], 0};
        }
        need_workspace(m, ps_conv_transpose_workspace_bytes(&cases[0].plan, m->threads));
        time_rows(m, rows, 3, ms);
        ps_conv_plan_describe(&cases[0].plan.plan, text, sizeof text);
        printf("| %d x %d@%dx%dx%d | %d |", in.n, in.c, in.d, in.h, in.w, shapes[i].k);
        for (int pass = 0; pass < 3; pass++) printf(" %.2f (%.0f) |", ms[pass], flops / ms[pass] / 1e6);
        printf(" %s |\n", text);
    }
}

/* ---- Resizing ---- */

typedef struct {
    ps_resize_plan *plan;
    bool back;
} resize_case;

static void run_resize(machine *m, const void *what) {
    const resize_case *k = what;
    if (k->back) ps_resize_backward(k->plan, m->array[1], m->array[2], false, m->workspace, m->pool);
    else ps_resize_forward(k->plan, m->array[0], m->array[1], m->workspace, m->pool);
}

static void bench_resize(machine *m) {
    static const struct {
        ps_shape in, out;
    } shapes[] = {{{4, 256, 1, 33, 33}, {4, 256, 1, 65, 65}},
                  {{4, 21, 1, 65, 65}, {4, 21, 1, 257, 257}},
                  {{2, 256, 1, 1, 1}, {2, 256, 1, 33, 33}},
                  {{2, 32, 20, 28, 20}, {2, 32, 40, 56, 40}}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        resize_case forward = {NULL, false}, backward = {NULL, true};
        ps_shape in = shapes[i].in, out = shapes[i].out;
        must(ps_resize_plan_create((ps_resize_options){.linear = true}, in, out, &forward.plan));
        backward.plan = forward.plan;
        need_workspace(m, ps_resize_workspace_bytes(forward.plan, m->threads));
        size_t count = ps_shape_elements(out);
        double bytes = 4.0 * (double)(count + ps_shape_elements(in));
        const row rows[] = {{"triad of the larger map", run_triad, &count, 12.0 * (double)count},
                            {"linear resize", run_resize, &forward, bytes},
                            {"linear resize backward", run_resize, &backward, bytes}};
        char title[96];
        snprintf(title, sizeof title, "%d x %d@%dx%dx%d to %dx%dx%d", in.n, in.c, in.d, in.h, in.w, out.d, out.h,
                 out.w);
        print_bandwidth(m, title, rows, 3);
        ps_resize_plan_destroy(forward.plan);
    }
}

static bool wanted(int argc, char **argv, const char *name) {
    bool any = false;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-') i++;
        else any = true;
        if (i < argc && strcmp(argv[i], name) == 0) return true;
    }
    return !any;
}

int main(int argc, char **argv) {
    machine m = {.rounds = 21, .elements = (size_t)8 << 20};
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--threads") == 0) m.threads = atoi(argv[i + 1]);
        if (strcmp(argv[i], "--rounds") == 0) m.rounds = atoi(argv[i + 1]);
        if (strcmp(argv[i], "--clock") == 0) m.cpu_clock = strcmp(argv[i + 1], "cpu") == 0;
    }
    if (m.rounds < 1 || m.rounds > MOST_ROUNDS) m.rounds = 21;
    ps_gemm_setup();
    must(ps_threads_create(m.threads, &m.pool));
    m.threads = ps_threads_count(m.pool);
    for (int i = 0; i < ARRAYS; i++) {
        must(PS_ALLOC(m.elements, &m.array[i], "benchmark array"));
        ps_rng_key key = ps_rng_key_of(1, "kernel_bench");
        for (size_t j = 0; j < m.elements; j++) m.array[i][j] = 0.1f * ps_rng_normal(key, j & 0xffff);
    }
    char class[PS_PROCESSOR_NAME];
    printf("%d thread%s, %s, medians of %d rounds, %s time\n", m.threads, m.threads == 1 ? "" : "s",
           ps_processor_name(ps_processor_in_use(), class), m.rounds, m.cpu_clock ? "processor" : "wall");
    if (wanted(argc, argv, "norm")) bench_norm(&m);
    if (wanted(argc, argv, "instance")) bench_instance(&m);
    if (wanted(argc, argv, "update")) bench_update(&m);
    if (wanted(argc, argv, "pool_skip")) bench_pool_skip(&m);
    if (wanted(argc, argv, "transpose")) bench_transpose(&m);
    if (wanted(argc, argv, "resize")) bench_resize(&m);
    for (int i = 0; i < ARRAYS; i++) ps_free(m.array[i]);
    ps_free(m.workspace);
    ps_threads_destroy(m.pool);
    return 0;
}
