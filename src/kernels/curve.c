#include "kernels/curve.h"

#include "kernels/curve_simd.h"
#include "kernels/rows.h"

/* Workspace: one wide row, then the slots. */
static size_t wide_bytes(size_t width) { return (width * sizeof(float) + 63) / 64 * 64; }
static void *slots_of(void *workspace, size_t width) { return (char *)workspace + wide_bytes(width); }

size_t ps_curve_workspace_bytes(ps_shape shape) {
    ps_rows r = ps_rows_of(shape);
    return wide_bytes(r.width) + r.chunks * ps_rows_slot_bytes(r.width, PS_CURVE_MOST_SUMS);
}

typedef struct {
    const ps_rows *rows;
    const ps_curve_job *job;
    void (*chunk)(const ps_curve_job *job, size_t begin, size_t end, double *slot);
    int sums;
    void *slots; /* NULL: nothing is counted */
} curve_run;

static void chunk_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const curve_run *run = context;
    double *slot = run->sums > 0 ? ps_rows_slot(run->slots, run->rows->width, run->sums, chunk) : NULL;
    run->chunk(run->job, ps_rows_chunk_start(run->rows, chunk), ps_rows_chunk_start(run->rows, chunk + 1), slot);
}

/* Runs all chunks and adds sum number s to result[s][c]. */
static void run_chunks(const curve_run *run, double *const *result, ps_threads *threads) {
    const ps_rows *r = run->rows;
    ps_threads_run(threads, r->chunks, chunk_task, (void *)run);
    if (run->sums == 0) return;
    const double *total = ps_rows_reduce(run->slots, r, run->sums);
    for (int s = 0; s < run->sums; s++)
        for (size_t k = 0; k < r->c; k++) result[s][k] += total[(size_t)s * r->width + k];
}

void ps_curve_forward(ps_curve curve, const float *x, ps_shape shape, float *y, double *zeros, void *workspace,
                      ps_threads *threads) {
    ps_rows r = ps_rows_of(shape);
    if (r.count == 0) return;
    ps_curve_job job = {.curve = curve, .width = r.width, .x = x, .y = y};
    curve_run run = {&r, &job, PS_SIMD_SELECT(ps_curve_forward_chunk), zeros != NULL, slots_of(workspace, r.width)};
    run_chunks(&run, (double *const[]){zeros}, threads);
}

void ps_curve_backward(ps_curve curve, const float *x, const float *dy, ps_shape shape, float *dx, bool accumulate,
                       double *dx_squares, void *workspace, ps_threads *threads) {
    ps_rows r = ps_rows_of(shape);
    if (r.count == 0) return;
    ps_curve_job job = {.curve = curve, .width = r.width, .x = x, .dy = dy, .dx = dx, .accumulate = accumulate};
    curve_run run = {&r, &job, PS_SIMD_SELECT(ps_curve_backward_chunk), dx_squares != NULL,
                     slots_of(workspace, r.width)};
    run_chunks(&run, (double *const[]){dx_squares}, threads);
}

void ps_curve_count_flat(ps_curve curve, const float *x, ps_shape shape, float least, double *count, void *workspace,
                         ps_threads *threads) {
    ps_rows r = ps_rows_of(shape);
    if (r.count == 0) return;
    ps_curve_job job = {.curve = curve, .width = r.width, .x = x, .least = least};
    curve_run run = {&r, &job, PS_SIMD_SELECT(ps_curve_flat_chunk), 1, slots_of(workspace, r.width)};
    run_chunks(&run, (double *const[]){count}, threads);
}

void ps_prelu_forward(const float *x, ps_shape shape, const float *slope, float *y, double *zeros, void *workspace,
                      ps_threads *threads) {
    ps_rows r = ps_rows_of(shape);
    if (r.count == 0) return;
    ps_rows_spread(slope, r.c, r.width, workspace);
    ps_curve_job job = {.slope = workspace, .width = r.width, .x = x, .y = y};
    curve_run run = {&r, &job, PS_SIMD_SELECT(ps_prelu_forward_chunk), zeros != NULL, slots_of(workspace, r.width)};
    run_chunks(&run, (double *const[]){zeros}, threads);
}

void ps_prelu_backward(const float *x, const float *dy, ps_shape shape, const float *slope, float *dx, bool accumulate,
                       double *dslope, double *dx_squares, void *workspace, ps_threads *threads) {
    ps_rows r = ps_rows_of(shape);
    if (r.count == 0) return;
    ps_rows_spread(slope, r.c, r.width, workspace);
    ps_curve_job job = {.slope = workspace, .width = r.width, .x = x, .dy = dy, .dx = dx, .accumulate = accumulate};
    job.square = dx_squares != NULL;
    curve_run run = {&r, &job, PS_SIMD_SELECT(ps_prelu_backward_chunk), 1 + job.square, slots_of(workspace, r.width)};
    run_chunks(&run, (double *const[]){dslope, dx_squares}, threads);
}
