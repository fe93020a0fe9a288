/* One side of the step benchmark: holds a network and runs a training step whenever it is told to, so that a driver
 * (step_bench.py) can let it and another program take turns in one run.
 *
 *   step_bench MODEL[@HxW|@DxHxW] WIDTH POOL_SIZE BATCH THREADS MODE
 * MODE: plain (no instruments), full (all instruments at every step, trace to /dev/null), pair (two networks, one of
 * each, in turn). Each line on stdin is one command; each answers with one line on stdout:
 *   step    milliseconds of one training step (pair: plain and full)
 *   probe   milliseconds of one probing (512 images, batch and evaluation mode)
 *   memory  peak resident megabytes of this process, planned megabytes of the network
 *   work    one step of `plain` with every operation timed: milliseconds of its convolutions, their GFLOP, GFLOP of all
 *           operations, GB that all others move at least (run/profile.h) with the update's five streams, and the
 *           machine's triad in GB/s (kernels/peaks.h, measured once) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"
#include "kernels/gemm.h"
#include "models/model.h"
#include "probe/probe.h"
#include "run/profile.h"
#include "task/task.h"

enum { CLASSES = 10, PROBE_IMAGES = 512, WINDOW = 40 };

typedef struct {
    ps_graph *graph;
    ps_net *net;
    ps_optimiser *optimiser;
    ps_trace_writer *trace;
    ps_probe *probe;
    uint64_t step;
} side;

static float *x;
static size_t input_count, label_count;
static int32_t *label;
static int batch;
static ps_threads *pool;
static const ps_optimiser_options sgd = {.name = "sgd",
                                         .rate = {.lr = 0.01, .schedule = "constant"},
                                         .momentum = 0.9,
                                         .nesterov = true,
                                         .weight_decay = 5e-4};

static ps_status probe_batch(void *self, int index, float *out, int *images) {
    (void)self;
    (void)index;
    memcpy(out, x, input_count * sizeof *out);
    *images = batch;
    return PS_OK;
}

/* The same for both sides. */
static ps_status fill_batch(const side *s) {
    ps_rng_key key = ps_rng_key_of(1, "bench/x");
    if (x != NULL) return PS_OK;
    input_count = (size_t)batch * ps_shape_elements(s->graph->input);
    label_count = (size_t)batch * ps_net_labels_per_sample(s->net);
    PS_TRY(PS_ALLOC(input_count, &x, "input"));
    PS_TRY(PS_ALLOC(label_count, &label, "labels"));
    for (size_t i = 0; i < input_count; i++) x[i] = ps_rng_normal(key, i);
    for (size_t i = 0; i < label_count; i++) label[i] = (int32_t)(i % CLASSES);
    return PS_OK;
}

static ps_status open_side(side *s, const char *name, double width, int pool_size, bool instruments) {
    const ps_model *model;
    ps_model_options options;
    memset(s, 0, sizeof *s);
    char model_name[64];
    int side_of[3] = {0}, sides = 0;
    sscanf(name, "%63[^@]", model_name);
    const char *at = strchr(name, '@');
    if (at != NULL) sides = sscanf(at + 1, "%dx%dx%d", &side_of[0], &side_of[1], &side_of[2]);
    PS_TRY(ps_model_find(model_name, &model));
    ps_model_options_init(model, &options);
    if (sides >= 2) {
        options.input.d = sides == 3 ? side_of[0] : 1;
        options.input.h = side_of[sides - 2];
        options.input.w = side_of[sides - 1];
    }
    options.width = width;
    options.classes = CLASSES;
    options.pool_skip.pool_size = pool_size;
    options.dropout = options.drop_path = 0;
    PS_TRY(model->build(&options, &s->graph));
    PS_TRY(ps_net_create(s->graph, batch, pool, &s->net));
    PS_TRY(fill_batch(s));
    PS_TRY(ps_net_init(s->net, "torch", 1));
    PS_TRY(ps_optimiser_create(s->net, &sgd, &s->optimiser));
    if (!instruments) return PS_OK;
    PS_TRY(ps_trace_create("/dev/null", &s->trace));
    int batches = PROBE_IMAGES / batch > 0 ? PROBE_IMAGES / batch : 1;
    ps_probe_options probe = {
        .steps = 1000000, .window = WINDOW, .source = {NULL, batches, probe_batch}, .trace = s->trace};
    PS_TRY(ps_probe_create(s->net, s->optimiser, &probe, &s->probe));
    ps_optimiser_begin_window(s->optimiser);
    return PS_OK;
}

static ps_status run_step(side *s, double *milliseconds) {
    const ps_train_hooks *hooks = s->probe != NULL ? ps_probe_hooks(s->probe) : NULL;
    uint64_t start = ps_clock_ns();
    ps_net_forward(s->net, x, PS_MODE_TRAIN, ps_rng_key_of(1, "bench"), NULL);
    ps_train_step step = {.step = s->step, .loss = ps_net_loss(s->net, &ps_cross_entropy, label, true)};
    ps_net_backward(s->net);
    if (hooks != NULL && hooks->after_backward != NULL) PS_TRY(hooks->after_backward(hooks->self, s->step));
    step.update = ps_optimiser_step(s->optimiser, s->step, 1000000);
    if (hooks != NULL && hooks->after_step != NULL) PS_TRY(hooks->after_step(hooks->self, &step));
    *milliseconds = (double)(ps_clock_ns() - start) * 1e-6;
    s->step++;
    return PS_OK;
}

static double conv_ms(const ps_net *net) {
    const ps_graph *graph = ps_net_graph(net);
    const ps_op_time *time = ps_net_op_times(net);
    double ms = 0;
    for (int i = 0; i < graph->count; i++)
        if (graph->op[i].type->role == PS_ROLE_CONV) ms += (double)(time[i].forward_ns + time[i].backward_ns) * 1e-6;
    return ms;
}

/* Parameters, gradients and momenta are read, the first and last written. */
static double update_bytes(ps_net *net) {
    double floats = 0;
    for (int i = 0; i < ps_net_param_count(net); i++)
        if (ps_net_param(net, i)->learned) floats += 5.0 * (double)ps_net_param(net, i)->count;
    return floats * sizeof(float);
}

static ps_status run_work(side *s) {
    static ps_run_profile profile;
    double ms, conv = 0, all = 0, bytes = update_bytes(s->net);
    if (profile.peaks.bytes <= 0) PS_TRY(ps_run_profile_begin(&profile, s->net));
    double before = conv_ms(s->net);
    PS_TRY(run_step(s, &ms));
    const ps_graph *graph = ps_net_graph(s->net);
    for (int i = 0; i < graph->count; i++) {
        ps_op_work does = ps_run_profile_op_work(s->net, i);
        all += does.flops;
        if (graph->op[i].type->role == PS_ROLE_CONV) conv += does.flops;
        else bytes += does.bytes;
    }
    printf("%.4f %.6f %.6f %.6f %.3f\n", conv_ms(s->net) - before, conv * 1e-9, all * 1e-9, bytes * 1e-9,
           profile.peaks.bytes * 1e-9);
    return PS_OK;
}

static ps_status answer(const char *command, side *plain, side *full) {
    double a = 0, b = 0;
    if (strcmp(command, "step\n") == 0) {
        if (plain->net != NULL) PS_TRY(run_step(plain, &a));
        if (full->net != NULL) PS_TRY(run_step(full, &b));
        if (plain->net != NULL && full->net != NULL) printf("%.4f %.4f\n", a, b);
        else printf("%.4f\n", plain->net != NULL ? a : b);
    } else if (strcmp(command, "probe\n") == 0 && full->probe != NULL) {
        uint64_t start = ps_clock_ns();
        PS_TRY(ps_probe_measure(full->probe));
        printf("%.4f\n", (double)(ps_clock_ns() - start) * 1e-6);
    } else if (strcmp(command, "work\n") == 0 && plain->net != NULL) {
        PS_TRY(run_work(plain));
    } else if (strcmp(command, "memory\n") == 0) {
        ps_net_memory m = ps_net_memory_use(plain->net != NULL ? plain->net : full->net);
        printf("%.1f %.1f\n", (double)ps_memory_peak_bytes() / 1e6,
               (double)(m.block_bytes + m.parameter_bytes + m.workspace_bytes) / 1e6);
    } else {
        return ps_fail(PS_ERR_USAGE, "unknown command %s", command);
    }
    fflush(stdout);
    return PS_OK;
}

static ps_status serve(char **argv) {
    side plain = {0}, full = {0};
    char command[64];
    const char *mode = argv[6];
    PS_TRY(ps_threads_create(atoi(argv[5]), &pool));
    if (strcmp(mode, "full") != 0) PS_TRY(open_side(&plain, argv[1], atof(argv[2]), atoi(argv[3]), false));
    if (strcmp(mode, "plain") != 0) PS_TRY(open_side(&full, argv[1], atof(argv[2]), atoi(argv[3]), true));
    while (fgets(command, sizeof command, stdin) != NULL) PS_TRY(answer(command, &plain, &full));
    return PS_OK;
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: step_bench MODEL WIDTH POOL_SIZE BATCH THREADS plain|full|pair\n");
        return 2;
    }
    ps_gemm_setup();
    batch = atoi(argv[4]);
    if (serve(argv) == PS_OK) return 0;
    fprintf(stderr, "step_bench: %s\n", ps_status_message());
    return 2;
}
