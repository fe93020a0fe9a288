#include "kernels/conv.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/conv_method.h"

static const ps_conv_method *const methods[] = {
#define PS_CONV_METHOD(name) &ps_conv_method_##name,
#include "kernels/conv_method_list.def"
#undef PS_CONV_METHOD
};
enum { METHODS = sizeof methods / sizeof methods[0] };

static const char *const pass_names[] = {
#define PASS(name, word) word,
    PS_CONV_PASS_LIST(PASS)
#undef PASS
};

/* A mistyped name would change nothing without a word. */
static ps_status check_preferred(const char *name) {
    char known[256] = "";
    for (int i = 0; i < METHODS; i++) {
        size_t used = strlen(known);
        if (strcmp(methods[i]->name, name) == 0) return PS_OK;
        snprintf(known + used, sizeof known - used, "%s%s", used > 0 ? ", " : "", methods[i]->name);
    }
    return ps_fail(PS_ERR_USAGE, "PS_CONV=%s: there is no such convolution method; known are %s", name, known);
}

/* The cheapest that can do the pass; the reference method can do every one. */
static const ps_conv_method *cheapest(const ps_conv_shape *shape, ps_conv_pass pass, bool plain,
                                      const char *preferred) {
    const ps_conv_method *found = NULL;
    double best = -1.0;
    for (int i = 0; i < METHODS; i++) {
        double cost = plain && !methods[i]->plain ? -1.0 : methods[i]->cost(shape, pass);
        if (cost >= 0.0 && preferred != NULL && strcmp(preferred, methods[i]->name) == 0) cost = 0.0;
        if (cost < 0.0 || (best >= 0.0 && cost >= best)) continue;
        best = cost;
        found = methods[i];
    }
    return found;
}

ps_status ps_conv_plan_init(ps_conv_plan *plan, const ps_conv_shape *shape) {
    const char *preferred = getenv("PS_CONV");
    PS_TRY(ps_conv_shape_check(shape));
    if (preferred != NULL) PS_TRY(check_preferred(preferred));
    plan->shape = *shape;
    /* As a process alone chooses for the whole batch, so that the choice does not depend on how many share it. */
    ps_conv_shape whole = *shape;
    whole.n = (int)ps_reduce_batch((size_t)shape->n);
    const ps_processes *joined = ps_reduce_join(NULL);
    for (int pass = 0; pass < PS_CONV_PASSES; pass++)
        plan->method[pass] = cheapest(&whole, (ps_conv_pass)pass, false, preferred);
    plan->plain = cheapest(&whole, PS_CONV_FORWARD, true, preferred);
    plan->plain_transposed = cheapest(&whole, PS_CONV_BACKWARD_DATA, true, preferred);
    ps_reduce_join(joined);
    return PS_OK;
}

ps_status ps_conv_plan_force(ps_conv_plan *plan, const char *method_name) {
    for (int i = 0; i < METHODS; i++) {
        if (strcmp(methods[i]->name, method_name) != 0) continue;
        bool any = false;
        for (int pass = 0; pass < PS_CONV_PASSES; pass++) {
            if (methods[i]->cost(&plan->shape, (ps_conv_pass)pass) < 0.0) continue;
            plan->method[pass] = methods[i];
            if (pass == PS_CONV_FORWARD && methods[i]->plain) plan->plain = methods[i];
            if (pass == PS_CONV_BACKWARD_DATA && methods[i]->plain) plan->plain_transposed = methods[i];
            any = true;
        }
        if (any) return PS_OK;
        return ps_fail(PS_ERR_USAGE, "convolution method \"%s\" cannot do this shape", method_name);
    }
    return ps_fail(PS_ERR_USAGE, "there is no convolution method \"%s\"", method_name);
}

void ps_conv_plan_describe(const ps_conv_plan *plan, char *text, size_t size) {
    snprintf(text, size, "%s %s, %s %s, %s %s", pass_names[0], plan->method[0]->name, pass_names[1],
             plan->method[1]->name, pass_names[2], plan->method[2]->name);
}

/* dbias: the sum of dy over positions, in double, in at most BIAS_CHUNKS leaves of the batch's tree. */
enum { BIAS_CHUNKS = 64, BIAS_GRAIN = 256 };

typedef struct {
    const float *dy;
    double *sums;
    ps_leaves leaves;
    size_t k;
} bias_job;

/* A map [n][positions][k]. */
typedef struct {
    size_t n, positions, k;
} bias_map;

static bias_map output_map(const ps_conv_shape *s) {
    size_t n = (size_t)s->n;
    return (bias_map){n, ps_conv_out_positions(s) / n, (size_t)s->k};
}

static bias_map input_map(const ps_conv_shape *s) {
    return (bias_map){(size_t)s->n, (size_t)s->d * (size_t)s->h * (size_t)s->w, (size_t)s->c};
}

static ps_leaves bias_leaves(bias_map map) {
    size_t n = map.n, positions = map.positions;
    size_t wanted = ps_threads_chunks(ps_reduce_batch(n) * positions, BIAS_GRAIN);
    return ps_leaves_of(n, positions, wanted < BIAS_CHUNKS ? wanted : BIAS_CHUNKS);
}

static size_t bias_bytes(bias_map map) { return bias_leaves(map).count * ps_conv_round16(map.k) * sizeof(double); }

static void bias_leaf(void *context, size_t leaf, int worker) {
    (void)worker;
    const bias_job *job = context;
    size_t last = ps_leaves_start(&job->leaves, leaf + 1), k = job->k;
    double *sums = job->sums + leaf * ps_conv_round16(k);
    for (size_t c = 0; c < k; c++) sums[c] = 0.0;
    for (size_t row = ps_leaves_start(&job->leaves, leaf); row < last; row++) {
        const float *dy = job->dy + row * k;
        for (size_t c = 0; c < k; c++) sums[c] += dy[c];
    }
}

static void bias_gradient(bias_map map, const float *dy, float *dbias, void *workspace, ps_threads *threads) {
    bias_job job = {.dy = dy, .sums = workspace, .leaves = bias_leaves(map), .k = map.k};
    ps_threads_run(threads, job.leaves.count, bias_leaf, &job);
    ps_reduce_doubles(job.sums, job.leaves.count, ps_conv_round16(job.k), job.k);
    for (size_t c = 0; c < job.k; c++) dbias[c] = (float)job.sums[c];
}

size_t ps_conv_workspace_bytes(const ps_conv_plan *plan, int threads) {
    size_t most = bias_bytes(output_map(&plan->shape));
    for (int pass = 0; pass < PS_CONV_PASSES; pass++) {
        size_t bytes = plan->method[pass]->workspace_bytes(&plan->shape, (ps_conv_pass)pass, threads < 1 ? 1 : threads);
        if (bytes > most) most = bytes;
    }
    size_t plain = plan->plain->workspace_bytes(&plan->shape, PS_CONV_FORWARD, threads < 1 ? 1 : threads);
    return plain > most ? plain : most;
}

void ps_conv_forward(const ps_conv_plan *plan, const float *x, const float *w, const float *bias, float *y,
                     void *workspace, ps_threads *threads) {
    plan->method[PS_CONV_FORWARD]->forward(&plan->shape, x, w, bias, y, workspace, threads);
}

void ps_conv_forward_plain(const ps_conv_plan *plan, const float *x, const float *w, const float *bias, float *y,
                           void *workspace, ps_threads *threads) {
    plan->plain->forward(&plan->shape, x, w, bias, y, workspace, threads);
}

void ps_conv_backward_data(const ps_conv_plan *plan, const float *dy, const float *w, float *dx, bool accumulate,
                           void *workspace, ps_threads *threads) {
    plan->method[PS_CONV_BACKWARD_DATA]->backward_data(&plan->shape, dy, w, NULL, dx, accumulate, workspace, threads);
}

/* A bias added to what is there: by methods that do not start their sums from it. */
typedef struct {
    const float *bias;
    float *values;
    size_t rows, channels, chunks;
} add_bias_job;

static void add_bias_chunk(void *context, size_t chunk, int worker) {
    (void)worker;
    const add_bias_job *job = context;
    size_t last = ps_threads_chunk_start(job->rows, job->chunks, chunk + 1);
    for (size_t row = ps_threads_chunk_start(job->rows, job->chunks, chunk); row < last; row++)
        for (size_t c = 0; c < job->channels; c++) job->values[row * job->channels + c] += job->bias[c];
}

void ps_conv_transposed(const ps_conv_plan *plan, bool plain, const float *dy, const float *w, const float *bias,
                        float *dx, void *workspace, ps_threads *threads) {
    const ps_conv_shape *s = &plan->shape;
    const ps_conv_method *method = plain ? plan->plain_transposed : plan->method[PS_CONV_BACKWARD_DATA];
    method->backward_data(s, dy, w, method->adds_bias ? bias : NULL, dx, false, workspace, threads);
    if (bias == NULL || method->adds_bias) return;
    add_bias_job job = {.bias = bias, .values = dx, .channels = (size_t)s->c};
    job.rows = (size_t)s->n * (size_t)s->d * (size_t)s->h * (size_t)s->w;
    job.chunks = ps_threads_chunks(job.rows * job.channels, 1 << 14);
    ps_threads_run(threads, job.chunks, add_bias_chunk, &job);
}

size_t ps_conv_transposed_bytes(const ps_conv_plan *plan, int threads) {
    const ps_conv_method *used[] = {plan->method[PS_CONV_BACKWARD_DATA], plan->plain_transposed};
    size_t most = bias_bytes(input_map(&plan->shape));
    for (int i = 0; i < 2; i++) {
        size_t bytes = used[i]->workspace_bytes(&plan->shape, PS_CONV_BACKWARD_DATA, threads < 1 ? 1 : threads);
        if (bytes > most) most = bytes;
    }
    return most;
}

void ps_conv_backward_weights(const ps_conv_plan *plan, const float *x, const float *dy, float *dw, float *dbias,
                              void *workspace, ps_threads *threads) {
    plan->method[PS_CONV_BACKWARD_WEIGHTS]->backward_weights(&plan->shape, x, dy, dw, workspace, threads);
    ps_reduce_across(dw, ps_conv_weights(&plan->shape));
    if (dbias != NULL) bias_gradient(output_map(&plan->shape), dy, dbias, workspace, threads);
}

void ps_conv_backward_bias(const ps_conv_plan *plan, const float *dy, float *dbias, void *workspace,
                           ps_threads *threads) {
    bias_gradient(output_map(&plan->shape), dy, dbias, workspace, threads);
}

void ps_conv_transposed_bias(const ps_conv_shape *shape, const float *dx, float *dbias, void *workspace,
                             ps_threads *threads) {
    bias_gradient(input_map(shape), dx, dbias, workspace, threads);
}
