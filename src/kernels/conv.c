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
    for (int pass = 0; pass < PS_CONV_PASSES; pass++)
        plan->method[pass] = cheapest(shape, (ps_conv_pass)pass, false, preferred);
    plan->plain = cheapest(shape, PS_CONV_FORWARD, true, preferred);
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

/* dbias: the sum of dy over positions, in double, in at most BIAS_CHUNKS parts that are added in order. */
enum { BIAS_CHUNKS = 64, BIAS_GRAIN = 256 };

typedef struct {
    const float *dy;
    double *sums;
    size_t rows, chunks;
    int k;
} bias_job;

static size_t bias_chunks(size_t rows) {
    size_t chunks = ps_threads_chunks(rows, BIAS_GRAIN);
    return chunks < BIAS_CHUNKS ? chunks : BIAS_CHUNKS;
}

static size_t bias_bytes(const ps_conv_shape *s) {
    return bias_chunks(ps_conv_out_positions(s)) * ps_conv_round16((size_t)s->k) * sizeof(double);
}

static void bias_chunk(void *context, size_t chunk, int worker) {
    (void)worker;
    const bias_job *job = context;
    size_t k = (size_t)job->k, first = ps_threads_chunk_start(job->rows, job->chunks, chunk);
    size_t last = ps_threads_chunk_start(job->rows, job->chunks, chunk + 1);
    double *sums = job->sums + chunk * ps_conv_round16(k);
    for (size_t c = 0; c < k; c++) sums[c] = 0.0;
    for (size_t row = first; row < last; row++) {
        const float *dy = job->dy + row * k;
        for (size_t c = 0; c < k; c++) sums[c] += dy[c];
    }
}

static void bias_gradient(const ps_conv_shape *s, const float *dy, float *dbias, void *workspace, ps_threads *threads) {
    bias_job job = {.dy = dy, .sums = workspace, .rows = ps_conv_out_positions(s), .k = s->k};
    job.chunks = bias_chunks(job.rows);
    ps_threads_run(threads, job.chunks, bias_chunk, &job);
    size_t k = (size_t)s->k;
    for (size_t c = 0; c < k; c++) {
        double sum = 0.0;
        for (size_t chunk = 0; chunk < job.chunks; chunk++) sum += job.sums[chunk * ps_conv_round16(k) + c];
        dbias[c] = (float)sum;
    }
}

size_t ps_conv_workspace_bytes(const ps_conv_plan *plan, int threads) {
    size_t most = bias_bytes(&plan->shape);
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
    plan->method[PS_CONV_BACKWARD_DATA]->backward_data(&plan->shape, dy, w, dx, accumulate, workspace, threads);
}

void ps_conv_backward_weights(const ps_conv_plan *plan, const float *x, const float *dy, float *dw, float *dbias,
                              void *workspace, ps_threads *threads) {
    plan->method[PS_CONV_BACKWARD_WEIGHTS]->backward_weights(&plan->shape, x, dy, dw, workspace, threads);
    if (dbias != NULL) bias_gradient(&plan->shape, dy, dbias, workspace, threads);
}

void ps_conv_backward_bias(const ps_conv_plan *plan, const float *dy, float *dbias, void *workspace,
                           ps_threads *threads) {
    bias_gradient(&plan->shape, dy, dbias, workspace, threads);
}
