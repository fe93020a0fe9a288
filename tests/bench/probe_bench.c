/* What a probing costs, and what of it the nodes on the edge cost: processor time on one thread of one probing of 128
 * images by all quantities, by all but pre_max_low and pre_max_high, of the forward pass that training makes of as many
 * images, and of the plain ones alone, as many as a probing makes, without anything measured.
 *   probe_bench [--rounds N]     medians of N rounds (7) in which the sides take turns */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/memory.h"
#include "kernels/gemm.h"
#include "models/model.h"
#include "probe/probe.h"

enum { IMAGES = 128, BATCH = 64, SIZE = 32, MOST_ROUNDS = 99 };
typedef enum { FORWARD, PLAIN, WITHOUT_EDGE, WITH_EDGE, SIDES } side;

static const struct {
    const char *model;
    double width;
    int pool_size;
} cases[] = {{"plain9", 1, 0},      {"plain9", 1, 2},      {"plain9", 1, 4},   {"resnet18", 0.25, 0},
             {"resnet18", 0.25, 2}, {"resnet18", 0.25, 4}, {"mobilenet", 1, 0}};

static float *x;

static ps_status probe_batch(void *self, int index, float *out, int *images) {
    size_t count = (size_t)BATCH * 3 * SIZE * SIZE;
    (void)self;
    memcpy(out, x + (size_t)index * count, count * sizeof *out);
    *images = BATCH;
    return PS_OK;
}

typedef struct {
    ps_graph *graph;
    ps_net *net;
    ps_probe *probe[SIDES]; /* NULL: FORWARD */
} bench;

static ps_status open_bench(bench *b, int index, ps_threads *threads) {
    const ps_model *model;
    ps_model_options options;
    PS_TRY(ps_model_find(cases[index].model, &model));
    ps_model_options_init(model, &options);
    options.width = cases[index].width;
    options.pool_skip.pool_size = cases[index].pool_size;
    PS_TRY(model->build(&options, &b->graph));
    PS_TRY(ps_net_create(b->graph, BATCH, threads, &b->net));
    PS_TRY(ps_net_init(b->net, "torch", 1));
    for (int s = WITHOUT_EDGE; s < SIDES; s++) {
        ps_probe_options probe = {.record = s == WITH_EDGE ? "all" : "-pre_max_low,-pre_max_high",
                                  .steps = 1,
                                  .window = 1,
                                  .source = {NULL, IMAGES / BATCH, probe_batch}};
        PS_TRY(ps_probe_create(b->net, NULL, &probe, &b->probe[s]));
    }
    return PS_OK;
}

static void close_bench(bench *b) {
    for (int s = 0; s < SIDES; s++) ps_probe_destroy(b->probe[s]);
    ps_net_destroy(b->net);
    ps_graph_destroy(b->graph);
}

static const ps_mode pass_mode[3] = {PS_MODE_PROBE, PS_MODE_EVAL, PS_MODE_PROBE};

/* Without running statistics one pass serves both modes; what selects has one more, with near-ties turned. */
static int passes_of(const bench *b) {
    bool modes_differ = false;
    for (int i = 0; i < ps_net_param_count(b->net); i++)
        modes_differ = modes_differ || !ps_net_param(b->net, i)->learned;
    return 1 + modes_differ + ps_net_selects(b->net);
}

static ps_status run_side(const bench *b, side s, double *milliseconds) {
    clock_t start = clock();
    for (int i = 0; s <= PLAIN && i < IMAGES / BATCH; i++) {
        const float *batch = x + (size_t)i * BATCH * 3 * SIZE * SIZE;
        if (s == FORWARD) ps_net_forward(b->net, batch, PS_MODE_PROBE, ps_rng_key_of(1, "bench"), NULL);
        for (int pass = 0; s == PLAIN && pass < passes_of(b); pass++)
            ps_net_forward_plain(b->net, batch, pass_mode[pass], NULL, NULL);
    }
    if (s > PLAIN) PS_TRY(ps_probe_measure(b->probe[s]));
    *milliseconds = 1e3 * (double)(clock() - start) / CLOCKS_PER_SEC;
    return PS_OK;
}

static int by_size(const void *a, const void *b) {
    double x_of = *(const double *)a, y_of = *(const double *)b;
    return (x_of > y_of) - (x_of < y_of);
}

static ps_status run_case(int index, int rounds, ps_threads *threads) {
    double time[SIDES][MOST_ROUNDS], ratio[MOST_ROUNDS], over[MOST_ROUNDS], ignored;
    bench b = {0};
    ps_status status = PS_OK;
    PS_TRY_CLEANUP(open_bench(&b, index, threads));
    for (int s = 0; s < SIDES; s++) PS_TRY_CLEANUP(run_side(&b, (side)s, &ignored));
    for (int r = 0; r < rounds; r++) {
        for (int s = 0; s < SIDES; s++) PS_TRY_CLEANUP(run_side(&b, (side)s, &time[s][r]));
        ratio[r] = time[WITH_EDGE][r] / time[WITHOUT_EDGE][r];
        over[r] = time[WITH_EDGE][r] / time[PLAIN][r];
    }
    for (int s = 0; s < SIDES; s++) qsort(time[s], (size_t)rounds, sizeof(double), by_size);
    qsort(ratio, (size_t)rounds, sizeof(double), by_size);
    qsort(over, (size_t)rounds, sizeof(double), by_size);
    printf("| %s x %g, ", cases[index].model, cases[index].width);
    if (cases[index].pool_size > 0) printf("Pool Skip %d", cases[index].pool_size);
    else printf("baseline");
    printf(" | %.1f | %.1f | %.1f | %.1f | %.2f | %.2f |\n", time[FORWARD][rounds / 2], time[PLAIN][rounds / 2],
           time[WITHOUT_EDGE][rounds / 2], time[WITH_EDGE][rounds / 2], ratio[rounds / 2], over[rounds / 2]);
    fflush(stdout);
cleanup:
    close_bench(&b);
    return status;
}

int main(int argc, char **argv) {
    int rounds = argc == 3 && strcmp(argv[1], "--rounds") == 0 ? atoi(argv[2]) : 7;
    size_t count = (size_t)IMAGES * 3 * SIZE * SIZE;
    ps_rng_key key = ps_rng_key_of(1, "bench/x");
    ps_threads *threads = NULL;
    ps_gemm_setup();
    if (rounds < 1 || rounds > MOST_ROUNDS) rounds = MOST_ROUNDS;
    ps_status status = ps_threads_create(1, &threads);
    if (status == PS_OK) status = PS_ALLOC(count, &x, "input");
    for (size_t i = 0; status == PS_OK && i < count; i++) x[i] = ps_rng_normal(key, i);
    printf(
        "\n%d images, 1 thread, milliseconds of processor time, medians of %d rounds\n\n"
        "| network | forward pass | plain passes | probing without the edge | with it | ratio | of plain passes |\n"
        "|---|---|---|---|---|---|---|\n",
        IMAGES, rounds);
    for (size_t i = 0; status == PS_OK && i < sizeof cases / sizeof *cases; i++)
        status = run_case((int)i, rounds, threads);
    if (status == PS_OK) return 0;
    fprintf(stderr, "probe_bench: %s\n", ps_status_message());
    return 2;
}
