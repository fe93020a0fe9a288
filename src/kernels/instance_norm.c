#include "kernels/instance_norm.h"

#include <math.h>
#include <string.h>

#include "kernels/norm_simd.h"
#include "kernels/rows.h"

/* Workspace: wide vectors of every sample, a row of zeros, the slots of all samples' chunks, the shards' sums. */
enum { WIDE_VECTORS = 5, PIVOT_ROWS = 16, MEAN = 0, SCALE, BETA, INVERSE = BETA, OFFSET, SLANT };

typedef struct {
    size_t n, c, width, rows, count; /* of a sample: positions, floats */
    size_t chunks;
} geometry;

static geometry geometry_of(ps_shape shape) {
    geometry g = {.n = (size_t)shape.n, .c = (size_t)shape.c};
    size_t fold = g.c < PS_ROWS_MIN_WIDTH && g.c > 0 ? (PS_ROWS_MIN_WIDTH + g.c - 1) / g.c : 1;
    g.width = fold * g.c;
    g.rows = ps_shape_positions(ps_shape_with_batch(shape, 1));
    g.count = g.rows * g.c;
    g.chunks = ps_threads_chunks(g.count, PS_ROWS_GRAIN);
    if (g.chunks > PS_ROWS_MAX_CHUNKS) g.chunks = PS_ROWS_MAX_CHUNKS;
    return g;
}

static size_t rounded(size_t bytes) { return (bytes + 63) / 64 * 64; }
static size_t wide_bytes(const geometry *g) { return rounded((g->n * WIDE_VECTORS + 1) * g->width * sizeof(float)); }
static size_t slots_bytes(const geometry *g) {
    return g->n * g->chunks * ps_rows_slot_bytes(g->width, PS_NORM_MOST_SUMS);
}
static size_t shards_bytes(const geometry *g) {
    return ps_shards_of(g->n).count * PS_NORM_MOST_SUMS * g->c * sizeof(double);
}

size_t ps_instance_norm_workspace_bytes(ps_shape shape) {
    geometry g = geometry_of(shape);
    return wide_bytes(&g) + slots_bytes(&g) + shards_bytes(&g);
}

typedef struct {
    geometry g;
    void *workspace;
    const float *x;
    double eps;
    float *mean, *inverse_std;
    const ps_norm_apply_call *forward;
    const ps_norm_backward_call *backward;
    ps_activation activation; /* never LEAKY with slope 0 */
    int sums;                 /* of a slot; 0: none are wanted */
} run;

static float *wide_of(const run *r, size_t sample, int vector) {
    return (float *)r->workspace + (sample * WIDE_VECTORS + (size_t)vector) * r->g.width;
}
static float *zero_row_of(const run *r) { return wide_of(r, r->g.n, 0); }
static double *slot_of(const run *r, size_t sample, size_t chunk) {
    return ps_rows_slot((char *)r->workspace + wide_bytes(&r->g), r->g.width, r->sums, sample * r->g.chunks + chunk);
}
static double *shard_sums_of(const run *r) {
    return (double *)((char *)r->workspace + wide_bytes(&r->g) + slots_bytes(&r->g));
}

/* Floats [begin, end) of chunk `index` of all samples' chunks, within its sample. */
static void split(const run *r, size_t index, size_t *sample, size_t *chunk, size_t *begin, size_t *end) {
    *sample = index / r->g.chunks, *chunk = index % r->g.chunks;
    *begin = ps_threads_chunk_start(r->g.rows, r->g.chunks, *chunk) * r->g.c;
    *end = ps_threads_chunk_start(r->g.rows, r->g.chunks, *chunk + 1) * r->g.c;
}

/* Sums of a sample, into its first slot: total of sum s, channel k at [s * width + k]. */
static const double *sample_sums(const run *r, size_t sample) {
    double *total = slot_of(r, sample, 0);
    size_t width = r->g.width, all = width * (size_t)r->sums;
    for (size_t chunk = 1; chunk < r->g.chunks; chunk++) {
        const double *slot = slot_of(r, sample, chunk);
        for (size_t j = 0; j < all; j++) total[j] += slot[j];
    }
    for (size_t s = 0; s < (size_t)r->sums; s++)
        for (size_t j = r->g.c; j < width; j++) total[s * width + j % r->g.c] += total[s * width + j];
    return total;
}

/* Sums over the batch of what sample_sums left: [sums][c]. */
static const double *batch_sums(const run *r) {
    double *out = shard_sums_of(r);
    ps_shards shards = ps_shards_of(r->g.n);
    size_t step = (size_t)r->sums * r->g.c;
    for (size_t shard = 0; shard < shards.count; shard++) {
        double *sum = out + shard * step;
        memset(sum, 0, step * sizeof *sum);
        for (size_t n = ps_shards_start(&shards, shard); n < ps_shards_start(&shards, shard + 1); n++) {
            const double *own = slot_of(r, n, 0);
            for (size_t s = 0; s < (size_t)r->sums; s++)
                for (size_t k = 0; k < r->g.c; k++) sum[s * r->g.c + k] += own[s * r->g.width + k];
        }
    }
    ps_reduce_doubles(out, shards.count, step, step);
    return out;
}

static void add_sums_of_sample(void *context, size_t sample, int worker) {
    (void)worker;
    sample_sums(context, sample);
}

/* ---- statistics ---- */

/* A point near the mean, as in norm.c. */
static void find_pivot(void *context, size_t sample, int worker) {
    (void)worker;
    const run *r = context;
    const float *x = r->x + sample * r->g.count;
    float *pivot = wide_of(r, sample, MEAN);
    size_t used = r->g.rows / PIVOT_ROWS + 1;
    if (used > PIVOT_ROWS) used = PIVOT_ROWS;
    memset(pivot, 0, r->g.c * sizeof *pivot);
    for (size_t i = 0; i < used; i++) {
        const float *row = x + i * (r->g.rows / used) * r->g.c;
        for (size_t k = 0; k < r->g.c; k++) pivot[k] += row[k];
    }
    for (size_t k = 0; k < r->g.c; k++) pivot[k] /= (float)used;
    for (size_t j = r->g.c; j < r->g.width; j++) pivot[j] = pivot[j % r->g.c];
}

static void moments_chunk(void *context, size_t index, int worker) {
    (void)worker;
    const run *r = context;
    size_t sample, chunk, begin, end;
    split(r, index, &sample, &chunk, &begin, &end);
    PS_SIMD_SELECT(ps_norm_moments_chunk)
    (r->x + sample * r->g.count, wide_of(r, sample, MEAN), r->g.width, begin, end, slot_of(r, sample, chunk));
}

static void finish_moments(void *context, size_t sample, int worker) {
    (void)worker;
    const run *r = context;
    const double *sum = sample_sums(r, sample), *squares = sum + r->g.width, n = (double)r->g.rows;
    const float *pivot = wide_of(r, sample, MEAN);
    for (size_t k = 0; k < r->g.c; k++) {
        double shift = sum[k] / n, variance = squares[k] / n - shift * shift;
        if (variance < 0) variance = 0; /* rounding; NaN stays NaN */
        r->mean[sample * r->g.c + k] = (float)((double)pivot[k] + shift);
        r->inverse_std[sample * r->g.c + k] = (float)(1.0 / sqrt(variance + r->eps));
    }
}

void ps_instance_norm_statistics(const float *x, ps_shape shape, double eps, float *mean, float *inverse_std,
                                 void *workspace, ps_threads *threads) {
    run r = {.g = geometry_of(shape), .workspace = workspace, .x = x, .eps = eps, .sums = PS_NORM_MOMENT_SUMS};
    r.mean = mean, r.inverse_std = inverse_std;
    if (r.g.count == 0) return;
    ps_threads_run(threads, r.g.n, find_pivot, &r);
    ps_threads_run(threads, r.g.n * r.g.chunks, moments_chunk, &r);
    ps_threads_run(threads, r.g.n, finish_moments, &r);
}

/* ---- forward ---- */

static ps_activation true_activation(ps_activation activation, float slope) {
    return activation == PS_ACT_LEAKY_RELU && slope == 0 ? PS_ACT_RELU : activation;
}

static void spread_forward(void *context, size_t sample, int worker) {
    (void)worker;
    const run *r = context;
    const ps_norm_apply_call *call = r->forward;
    float *mean = wide_of(r, sample, MEAN), *scale = wide_of(r, sample, SCALE), *beta = wide_of(r, sample, BETA);
    for (size_t j = 0; j < r->g.width; j++) {
        size_t k = j % r->g.c, at = sample * r->g.c + k;
        mean[j] = call->mean[at];
        scale[j] = call->gamma != NULL ? call->gamma[k] * call->inverse_std[at] : call->inverse_std[at];
        beta[j] = call->beta != NULL ? call->beta[k] : 0;
    }
}

static void apply_chunk(void *context, size_t index, int worker) {
    (void)worker;
    const run *r = context;
    const ps_norm_apply_call *call = r->forward;
    size_t sample, chunk, begin, end;
    split(r, index, &sample, &chunk, &begin, &end);
    size_t at = sample * r->g.count;
    ps_norm_apply_job job = {.width = r->g.width,
                             .x = call->x + at,
                             .residual = call->residual != NULL ? call->residual + at : NULL,
                             .mean = wide_of(r, sample, MEAN),
                             .scale = wide_of(r, sample, SCALE),
                             .beta = wide_of(r, sample, BETA),
                             .activation = r->activation,
                             .slope = call->slope,
                             .y = call->y + at};
    PS_SIMD_SELECT(ps_norm_apply_chunk)(&job, begin, end, r->sums > 0 ? slot_of(r, sample, chunk) : NULL);
}

void ps_instance_norm_apply(const ps_norm_apply_call *call, void *workspace, ps_threads *threads) {
    run r = {.g = geometry_of(call->shape), .workspace = workspace, .forward = call};
    r.activation = true_activation(call->activation, call->slope);
    r.sums = call->zeros != NULL ? PS_NORM_APPLY_SUMS : 0;
    if (r.g.count == 0) return;
    ps_threads_run(threads, r.g.n, spread_forward, &r);
    ps_threads_run(threads, r.g.n * r.g.chunks, apply_chunk, &r);
    if (r.sums == 0) return;
    ps_threads_run(threads, r.g.n, add_sums_of_sample, &r);
    const double *total = batch_sums(&r);
    for (size_t k = 0; k < r.g.c; k++) call->zeros[k] += total[k];
}

/* ---- backward ---- */

static void spread_backward(void *context, size_t sample, int worker) {
    (void)worker;
    const run *r = context;
    float *mean = wide_of(r, sample, MEAN), *inverse = wide_of(r, sample, INVERSE);
    for (size_t j = 0; j < r->g.width; j++) {
        size_t at = sample * r->g.c + j % r->g.c;
        mean[j] = r->backward->mean[at], inverse[j] = r->backward->inverse_std[at];
    }
}

static ps_norm_backward_job job_of(const run *r, size_t sample) {
    const ps_norm_backward_call *call = r->backward;
    size_t at = sample * r->g.count;
    const float *y = r->activation == PS_ACT_NONE ? call->dy : call->y;
    return (ps_norm_backward_job){.width = r->g.width,
                                  .x = call->x + at,
                                  .y = y + at,
                                  .dy = call->dy + at,
                                  .mean = wide_of(r, sample, MEAN),
                                  .inverse_std = wide_of(r, sample, INVERSE),
                                  .scale = wide_of(r, sample, SCALE),
                                  .offset = wide_of(r, sample, OFFSET),
                                  .slant = wide_of(r, sample, SLANT),
                                  .activation = r->activation,
                                  .slope = call->slope,
                                  .dx = call->dx != NULL ? call->dx + at : NULL,
                                  .dresidual = call->dresidual != NULL ? call->dresidual + at : NULL,
                                  .zero_row = zero_row_of(r),
                                  .accumulate_x = call->accumulate_x,
                                  .accumulate_residual = call->accumulate_residual};
}

static void reduce_chunk(void *context, size_t index, int worker) {
    (void)worker;
    const run *r = context;
    size_t sample, chunk, begin, end;
    split(r, index, &sample, &chunk, &begin, &end);
    ps_norm_backward_job job = job_of(r, sample);
    PS_SIMD_SELECT(ps_norm_reduce_chunk)
    (&job, r->sums > PS_NORM_REDUCE_SUMS, begin, end, slot_of(r, sample, chunk));
}

/* dx = scale (g - mean(g) - xhat mean(g xhat)), scale = gamma inverse_std, means over the sample: as in norm.c. */
static void dx_constants(void *context, size_t sample, int worker) {
    (void)worker;
    const run *r = context;
    const double *sum = sample_sums(r, sample), *products = sum + r->g.width, n = (double)r->g.rows;
    float *scale = wide_of(r, sample, SCALE), *offset = wide_of(r, sample, OFFSET), *slant = wide_of(r, sample, SLANT);
    for (size_t j = 0; j < r->g.width; j++) {
        size_t k = j % r->g.c;
        double inverse = r->backward->inverse_std[sample * r->g.c + k];
        double a = r->backward->gamma != NULL ? (double)r->backward->gamma[k] * inverse : inverse;
        scale[j] = (float)a;
        offset[j] = (float)(a * sum[k] / n);
        slant[j] = (float)(a * inverse * products[k] / n);
    }
}

static void dx_chunk(void *context, size_t index, int worker) {
    (void)worker;
    const run *r = context;
    size_t sample, chunk, begin, end;
    split(r, index, &sample, &chunk, &begin, &end);
    ps_norm_backward_job job = job_of(r, sample);
    PS_SIMD_SELECT(ps_norm_dx_chunk)(&job, begin, end, r->sums > 0 ? slot_of(r, sample, chunk) : NULL);
}

static void write_parameter_gradients(const run *r) {
    const ps_norm_backward_call *call = r->backward;
    const double *sum = batch_sums(r), *products = sum + r->g.c, *squares = products + r->g.c;
    for (size_t k = 0; k < r->g.c; k++) {
        if (call->dbeta != NULL) call->dbeta[k] = (float)sum[k];
        if (call->dgamma != NULL) call->dgamma[k] = (float)products[k];
        if (call->gate_squares != NULL) call->gate_squares[k] += squares[k];
    }
}

void ps_instance_norm_backward(const ps_norm_backward_call *call, void *workspace, ps_threads *threads) {
    run r = {.g = geometry_of(call->shape), .workspace = workspace, .backward = call};
    r.activation = true_activation(call->activation, call->slope);
    r.sums = PS_NORM_REDUCE_SUMS + (call->gate_squares != NULL);
    if (r.g.count == 0) return;
    memset(zero_row_of(&r), 0, r.g.width * sizeof(float));
    ps_threads_run(threads, r.g.n, spread_backward, &r);
    ps_threads_run(threads, r.g.n * r.g.chunks, reduce_chunk, &r);
    ps_threads_run(threads, r.g.n, dx_constants, &r);
    write_parameter_gradients(&r);
    if (call->dx == NULL) return;
    r.sums = call->dx_squares != NULL ? PS_NORM_DX_SUMS : 0;
    ps_threads_run(threads, r.g.n * r.g.chunks, dx_chunk, &r);
    if (r.sums == 0) return;
    ps_threads_run(threads, r.g.n, add_sums_of_sample, &r);
    const double *total = batch_sums(&r);
    for (size_t k = 0; k < r.g.c; k++) call->dx_squares[k] += total[k];
}
