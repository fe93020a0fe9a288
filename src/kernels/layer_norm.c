#include "kernels/layer_norm.h"

#include "kernels/layer_norm_simd.h"
#include "kernels/rows.h"

size_t ps_layer_norm_workspace_bytes(ps_shape shape) {
    ps_rows r = ps_rows_of(shape);
    return r.chunks * ps_rows_slot_bytes(r.width, PS_LAYER_NORM_SUMS);
}

typedef struct {
    const ps_rows *rows;
    const ps_layer_norm_job *job;
    void *slots;
} norm_run;

static void forward_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const norm_run *run = context;
    PS_SIMD_SELECT(ps_layer_norm_forward_rows)
    (run->job, ps_leaves_start(&run->rows->leaves, chunk), ps_leaves_start(&run->rows->leaves, chunk + 1));
}

void ps_layer_norm_forward(const float *x, ps_shape shape, double eps, const float *gamma, const float *beta, float *y,
                           float *mean, float *inverse_std, ps_threads *threads) {
    ps_rows r = ps_rows_of(shape);
    if (r.count == 0) return;
    ps_layer_norm_job job = {.c = r.c, .width = r.width, .eps = eps, .x = x, .gamma = gamma, .beta = beta, .y = y};
    job.mean = mean, job.inverse_std = inverse_std;
    norm_run run = {&r, &job, NULL};
    ps_threads_run(threads, r.chunks, forward_task, &run);
}

static void backward_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const norm_run *run = context;
    const ps_rows *r = run->rows;
    PS_SIMD_SELECT(ps_layer_norm_backward_rows)
    (run->job, ps_leaves_start(&r->leaves, chunk), ps_leaves_start(&r->leaves, chunk + 1),
     ps_rows_slot(run->slots, r->width, PS_LAYER_NORM_SUMS, chunk));
}

void ps_layer_norm_backward(const ps_layer_norm_backward_call *call, void *workspace, ps_threads *threads) {
    ps_rows r = ps_rows_of(call->shape);
    for (int k = 0; k < call->shape.c; k++) call->dgamma[k] = call->dbeta[k] = 0;
    if (r.count == 0) return;
    ps_layer_norm_job job = {.c = r.c, .width = r.width, .x = call->x, .dy = call->dy, .gamma = call->gamma};
    job.mean = (float *)call->mean, job.inverse_std = (float *)call->inverse_std;
    job.dx = call->dx, job.accumulate = call->accumulate;
    job.square = call->dx != NULL && call->dx_squares != NULL;
    norm_run run = {&r, &job, workspace};
    ps_threads_run(threads, r.chunks, backward_task, &run);
    const double *sum = ps_rows_reduce(workspace, &r, PS_LAYER_NORM_SUMS), *products = sum + r.width;
    for (size_t k = 0; k < r.c; k++) call->dbeta[k] = (float)sum[k], call->dgamma[k] = (float)products[k];
    for (size_t k = 0; job.square && k < r.c; k++) call->dx_squares[k] += products[r.width + k];
}
