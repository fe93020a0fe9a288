#include "kernels/norm.h"

#include <math.h>

#include "kernels/norm_simd.h"
#include "kernels/rows.h"

/* Workspace: wide vectors of floats first, then the slots of the chunks. */
enum { WIDE_VECTORS = 8, PIVOT_ROWS = 16 };

static size_t pivot_bytes(const ps_rows *r) { return r->leaves.shards.count * r->c * sizeof(double); }
static size_t wide_bytes(const ps_rows *r) { return (WIDE_VECTORS * r->width * sizeof(float) + 63) / 64 * 64; }
static float *wide_vector(void *workspace, const ps_rows *r, int number) {
    return (float *)workspace + r->width * (size_t)number;
}
static void *slots_of(void *workspace, const ps_rows *r) { return (char *)workspace + wide_bytes(r); }

size_t ps_norm_workspace_bytes(ps_shape shape) {
    ps_rows r = ps_rows_of(shape);
    size_t slots = r.chunks * ps_rows_slot_bytes(r.width, PS_NORM_MOST_SUMS), pivots = pivot_bytes(&r);
    return wide_bytes(&r) + (slots > pivots ? slots : pivots);
}

static float *spread(void *workspace, const ps_rows *r, int number, const float *values) {
    float *wide = wide_vector(workspace, r, number);
    ps_rows_spread(values, r->c, r->width, wide);
    return wide;
}

typedef struct {
    const ps_rows *rows;
    const float *x, *pivot;
    void *slots;
} moments_run;

static void moments_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const moments_run *run = context;
    const ps_rows *r = run->rows;
    double *slot = ps_rows_slot(run->slots, r->width, PS_NORM_MOMENT_SUMS, chunk);
    PS_SIMD_SELECT(ps_norm_moments_chunk)
    (run->x, run->pivot, r->width, ps_rows_chunk_start(r, chunk), ps_rows_chunk_start(r, chunk + 1), slot);
}

/* A point near each channel's mean, from a few rows spread over every shard: moments about it do not cancel when the
 * mean is large against the spread, so that single-precision running sums are enough. */
static void find_pivot(const float *x, const ps_rows *r, double *sums, float *pivot) {
    const ps_shards *shards = &r->leaves.shards;
    size_t wanted = PIVOT_ROWS / shards->whole, used = 0;
    for (size_t shard = 0; shard < shards->count; shard++) {
        size_t first = ps_shards_start(shards, shard) * r->leaves.items;
        size_t rows = ps_shards_start(shards, shard + 1) * r->leaves.items - first;
        used = rows < wanted ? rows : wanted; /* the same in all shards */
        double *sum = sums + shard * r->c;
        for (size_t k = 0; k < r->c; k++) sum[k] = 0;
        for (size_t i = 0; i < used; i++) {
            const float *row = x + (first + i * (rows / used)) * r->c;
            for (size_t k = 0; k < r->c; k++) sum[k] += (double)row[k];
        }
    }
    ps_reduce_doubles(sums, shards->count, r->c, r->c);
    for (size_t k = 0; k < r->c; k++) pivot[k] = (float)(sums[k] / (double)(used * shards->whole));
}

void ps_norm_statistics(const float *x, ps_shape shape, double eps, float *mean, float *inverse_std,
                        float *unbiased_variance, void *workspace, ps_threads *threads) {
    ps_rows r = ps_rows_of(shape);
    if (r.count == 0) return;
    float *pivot = wide_vector(workspace, &r, 0);
    find_pivot(x, &r, slots_of(workspace, &r), mean);
    ps_rows_spread(mean, r.c, r.width, pivot);
    moments_run run = {&r, x, pivot, slots_of(workspace, &r)};
    ps_threads_run(threads, r.chunks, moments_task, &run);
    const double *sum = ps_rows_reduce(run.slots, &r, PS_NORM_MOMENT_SUMS), *squares = sum + r.width, n = r.batch_rows;
    for (size_t k = 0; k < r.c; k++) {
        double shift = sum[k] / n, variance = squares[k] / n - shift * shift;
        if (variance < 0) variance = 0; /* rounding; NaN stays NaN */
        mean[k] = (float)((double)pivot[k] + shift);
        inverse_std[k] = (float)(1.0 / sqrt(variance + eps));
        if (unbiased_variance) unbiased_variance[k] = (float)(n > 1 ? variance * n / (n - 1) : variance);
    }
}

/* Slope 0 is the ReLU, which gives +0 where slope * v would give -0. */
static ps_activation true_activation(ps_activation activation, float slope) {
    return activation == PS_ACT_LEAKY_RELU && slope == 0 ? PS_ACT_RELU : activation;
}

typedef struct {
    const ps_rows *rows;
    const ps_norm_apply_job *job;
    void *slots; /* NULL: zeros are not counted */
} apply_run;

static void apply_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const apply_run *run = context;
    const ps_rows *r = run->rows;
    double *slot = run->slots ? ps_rows_slot(run->slots, r->width, PS_NORM_APPLY_SUMS, chunk) : NULL;
    PS_SIMD_SELECT(ps_norm_apply_chunk)(run->job, ps_rows_chunk_start(r, chunk), ps_rows_chunk_start(r, chunk + 1),
                                        slot);
}

void ps_norm_apply(const ps_norm_apply_call *call, void *workspace, ps_threads *threads) {
    ps_rows r = ps_rows_of(call->shape);
    double *zeros = call->zeros;
    if (r.count == 0) return;
    float *scale = wide_vector(workspace, &r, 0);
    for (size_t j = 0; j < r.width; j++) scale[j] = call->gamma[j % r.c] * call->inverse_std[j % r.c];
    ps_norm_apply_job job = {
        .width = r.width, .x = call->x, .residual = call->residual, .scale = scale, .slope = call->slope, .y = call->y};
    job.mean = spread(workspace, &r, 1, call->mean);
    job.beta = spread(workspace, &r, 2, call->beta);
    job.activation = true_activation(call->activation, call->slope);
    apply_run run = {&r, &job, zeros ? slots_of(workspace, &r) : NULL};
    ps_threads_run(threads, r.chunks, apply_task, &run);
    if (zeros == NULL) return;
    const double *total = ps_rows_reduce(run.slots, &r, PS_NORM_APPLY_SUMS);
    for (size_t k = 0; k < r.c; k++) zeros[k] += total[k];
}

typedef struct {
    const ps_rows *rows;
    const ps_norm_backward_job *job;
    void *slots;
    bool squares, gate_squares;
} backward_run;

static void reduce_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const backward_run *run = context;
    const ps_rows *r = run->rows;
    double *slot = ps_rows_slot(run->slots, r->width, PS_NORM_REDUCE_SUMS + run->gate_squares, chunk);
    PS_SIMD_SELECT(ps_norm_reduce_chunk)(run->job, run->gate_squares, ps_rows_chunk_start(r, chunk),
                                         ps_rows_chunk_start(r, chunk + 1), slot);
}

static void dx_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const backward_run *run = context;
    const ps_rows *r = run->rows;
    double *slot = run->squares ? ps_rows_slot(run->slots, r->width, PS_NORM_DX_SUMS, chunk) : NULL;
    PS_SIMD_SELECT(ps_norm_dx_chunk)(run->job, ps_rows_chunk_start(r, chunk), ps_rows_chunk_start(r, chunk + 1), slot);
}

/* dx = scale (g - mean(g) - xhat mean(g xhat)), scale = gamma inverse_std: constants of the row walk, worked out in
 * double.
 */
static void dx_constants(const ps_rows *r, const double *sum, const double *products, double n, const float *gamma,
                         const float *inverse_std, bool frozen, float *scale, float *offset, float *slant) {
    for (size_t j = 0; j < r->width; j++) {
        size_t k = j % r->c;
        double inverse = inverse_std[k], a = (double)gamma[k] * inverse;
        scale[j] = (float)a;
        offset[j] = frozen ? 0 : (float)(a * sum[k] / n);
        slant[j] = frozen ? 0 : (float)(a * inverse * products[k] / n);
    }
}

void ps_norm_backward(const ps_norm_backward_call *call, void *workspace, ps_threads *threads) {
    ps_rows r = ps_rows_of(call->shape);
    float *scale = wide_vector(workspace, &r, 2), *offset = wide_vector(workspace, &r, 3),
          *slant = wide_vector(workspace, &r, 4);
    float *zero_row = wide_vector(workspace, &r, 5);
    memset(zero_row, 0, r.width * sizeof *zero_row);
    ps_norm_backward_job job = {.width = r.width,
                                .x = call->x,
                                .y = call->activation == PS_ACT_NONE ? call->dy : call->y,
                                .dy = call->dy,
                                .slope = call->slope};
    job.mean = spread(workspace, &r, 0, call->mean);
    job.inverse_std = spread(workspace, &r, 1, call->inverse_std);
    job.activation = true_activation(call->activation, call->slope);
    job.scale = scale, job.offset = offset, job.slant = slant, job.zero_row = zero_row;
    job.dx = call->dx, job.dresidual = call->dresidual, job.accumulate_x = call->accumulate_x,
    job.accumulate_residual = call->accumulate_residual;
    backward_run run = {&r, &job, slots_of(workspace, &r), call->dx_squares != NULL, call->gate_squares != NULL};
    for (size_t k = 0; k < r.c; k++) call->dgamma[k] = call->dbeta[k] = 0;
    if (r.count == 0) return;
    ps_threads_run(threads, r.chunks, reduce_task, &run);
    const double *sum = ps_rows_reduce(run.slots, &r, PS_NORM_REDUCE_SUMS + run.gate_squares),
                 *products = sum + r.width;
    for (size_t k = 0; k < r.c; k++) call->dbeta[k] = (float)sum[k], call->dgamma[k] = (float)products[k];
    for (size_t k = 0; call->gate_squares != NULL && k < r.c; k++) call->gate_squares[k] += products[r.width + k];
    if (call->dx == NULL) return;
    dx_constants(&r, sum, products, r.batch_rows, call->gamma, call->inverse_std, call->frozen, scale, offset, slant);
    ps_threads_run(threads, r.chunks, dx_task, &run);
    if (call->dx_squares == NULL) return;
    const double *total = ps_rows_reduce(run.slots, &r, PS_NORM_DX_SUMS);
    for (size_t k = 0; k < r.c; k++) call->dx_squares[k] += total[k];
}
