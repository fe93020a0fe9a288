/* Convolution as a matrix product (im2col, vol2col in 3D): for a range of output positions the inputs they read are
 * copied into the rows of a matrix, one row a position, and multiplied by the filters. General: any kernel, stride,
 * padding, dilation, groups. 1x1 kernels with stride 1 read x directly. Ranges are cut so that the copied rows stay in
 * the second-level cache. Relative L2 error: 3e-7 at 64 channels (3x3), growing with the root of the row length; at
 * most 2e-6 in the tests. */
#include <string.h>

#include "kernels/conv_columns.h"
#include "kernels/conv_method.h"
#include "kernels/gemm.h"
#include "kernels/processor.h"

enum {
    COLUMN_FLOATS = 96 * 1024, /* of one copied range: 384 KiB */
    SMALL_COLUMN_FLOATS = 32 * 1024,
    MOST_LEAVES = 16,        /* sums of the weight gradient that are held at once */
    LEAVES_FLOATS = 8 << 20, /* and the room they may take together: 32 MiB */
    BLOCK_FLOATS = 1 << 18   /* of a block of the gradient that is summed depth first: 1 MiB */
};

/* How many positions are copied at once. */
static size_t range_of(const ps_columns *c) {
    size_t range = ps_processor_choose(COLUMN_FLOATS, SMALL_COLUMN_FLOATS) / c->row;
    if (range < 16) range = 16;
    if (range > 4096) range = 4096;
    return range < c->positions ? range : c->positions;
}

typedef struct {
    ps_columns l;
    size_t range;
    const float *x, *w, *dy, *bias;
    float *out, *columns, *partial;
    size_t chunks, blocks, block_floats, slot_floats;
    ps_gradient_cut cut;
    bool accumulate;
} gemm_conv_job;

static gemm_conv_job job_of(const ps_conv_shape *s) {
    gemm_conv_job job = {.l = ps_columns_of(s)};
    job.range = range_of(&job.l);
    return job;
}

static float *columns_of(const gemm_conv_job *job, int worker) {
    return job->columns + (size_t)worker * ps_conv_round16(job->range * job->l.row);
}

/* The matrix of inputs for positions [first, first + count) of a group; x itself where that is the same. */
static const float *gather(const gemm_conv_job *job, size_t first, size_t count, int group, int worker, int *stride) {
    if (job->l.direct) {
        *stride = job->l.s->c;
        return job->x + first * (size_t)job->l.s->c + (size_t)group * (size_t)job->l.cg;
    }
    float *columns = columns_of(job, worker);
    *stride = (int)job->l.row;
    ps_columns_copy(&job->l, job->x, first, count, group, columns);
    return columns;
}

static const float *weights_of(const gemm_conv_job *job, int group) {
    return job->w + (size_t)group * (size_t)job->l.kg * job->l.row;
}

static void forward_range(void *context, size_t chunk, int worker) {
    const gemm_conv_job *job = context;
    const ps_columns *l = &job->l;
    size_t k = (size_t)l->s->k, first = ps_threads_chunk_start(l->positions, job->chunks, chunk);
    size_t count = ps_threads_chunk_start(l->positions, job->chunks, chunk + 1) - first;
    float *y = job->out + first * k;
    for (size_t i = 0; i < count && job->bias != NULL; i++) memcpy(y + i * k, job->bias, k * sizeof *y);
    for (int group = 0; group < l->s->groups; group++) {
        int stride;
        const float *columns = gather(job, first, count, group, worker, &stride);
        ps_gemm(false, true, (int)count, l->kg, (int)l->row, columns, stride, weights_of(job, group), (int)l->row,
                job->bias != NULL, y + (size_t)group * (size_t)l->kg, l->s->k);
    }
}

static void gemm_forward(const ps_conv_shape *s, const float *x, const float *w, const float *bias, float *y,
                         void *workspace, ps_threads *threads) {
    gemm_conv_job job = job_of(s);
    job.x = x, job.w = w, job.bias = bias, job.out = y, job.columns = workspace;
    job.chunks = ps_threads_chunks(job.l.positions, job.range);
    ps_threads_run(threads, job.chunks, forward_range, &job);
}

/* Neighbouring positions add to the same inputs, so an image and group is one chunk. */
static void data_image(void *context, size_t chunk, int worker) {
    const gemm_conv_job *job = context;
    const ps_columns *l = &job->l;
    const ps_conv_shape *s = l->s;
    size_t image = chunk / (size_t)s->groups, inputs = (size_t)s->d * (size_t)s->h * (size_t)s->w;
    size_t outputs = l->positions / (size_t)s->n, cg = (size_t)l->cg;
    int group = (int)(chunk % (size_t)s->groups);
    float *dx = job->out + image * inputs * (size_t)s->c + (size_t)group * cg, *columns = columns_of(job, worker);
    for (size_t i = 0; i < inputs && !job->accumulate; i++) memset(dx + i * (size_t)s->c, 0, cg * sizeof *dx);
    for (size_t done = 0; done < outputs; done += job->range) {
        size_t count = outputs - done < job->range ? outputs - done : job->range, first = image * outputs + done;
        ps_gemm(false, false, (int)count, (int)l->row, l->kg,
                job->dy + first * (size_t)s->k + (size_t)group * (size_t)l->kg, s->k, weights_of(job, group),
                (int)l->row, false, columns, (int)l->row);
        ps_columns_add(l, columns, first, count, group, job->out);
    }
}

/* 1x1: dx is the product itself. */
static void data_range(void *context, size_t chunk, int worker) {
    (void)worker;
    const gemm_conv_job *job = context;
    const ps_columns *l = &job->l;
    size_t first = ps_threads_chunk_start(l->positions, job->chunks, chunk);
    size_t count = ps_threads_chunk_start(l->positions, job->chunks, chunk + 1) - first;
    for (int group = 0; group < l->s->groups; group++) {
        ps_gemm(false, false, (int)count, l->cg, l->kg,
                job->dy + first * (size_t)l->s->k + (size_t)group * (size_t)l->kg, l->s->k, weights_of(job, group),
                l->cg, job->accumulate, job->out + first * (size_t)l->s->c + (size_t)group * (size_t)l->cg, l->s->c);
    }
}

static void gemm_backward_data(const ps_conv_shape *s, const float *dy, const float *w, const float *bias, float *dx,
                               bool accumulate, void *workspace, ps_threads *threads) {
    (void)bias;
    gemm_conv_job job = job_of(s);
    job.dy = dy, job.w = w, job.out = dx, job.accumulate = accumulate, job.columns = workspace;
    if (job.l.direct) {
        job.chunks = ps_threads_chunks(job.l.positions, job.range);
        ps_threads_run(threads, job.chunks, data_range, &job);
    } else {
        ps_threads_run(threads, (size_t)s->n * (size_t)s->groups, data_image, &job);
    }
}

/* The weight gradient is a sum over all positions: leaves of the batch's tree with sums of their own, or, where filters
 * are too large for that, blocks of their rows, each summed shard by shard. Few leaves are cut into blocks too, so that
 * there is work for every thread. */
static void plan_gradient(gemm_conv_job *job) {
    const ps_columns *l = &job->l;
    size_t n = (size_t)l->s->n, outputs = l->positions / n, weights = (size_t)l->s->k * l->row;
    size_t wanted = ps_threads_chunks(ps_reduce_batch(l->positions), 256);
    job->cut = ps_cut_gradient(n, outputs, weights, wanted < MOST_LEAVES ? wanted : MOST_LEAVES, LEAVES_FLOATS);
    size_t whole = job->cut.leaves.parts * job->cut.leaves.shards.whole, least = job->cut.depth_first ? 16 : 8;
    size_t blocks = job->cut.depth_first || whole == 1 ? least : whole >= 8 ? 1 : 8 / whole;
    size_t most = ps_threads_chunks((size_t)l->kg, 32), rows = BLOCK_FLOATS / l->row + 1;
    if (blocks > most) blocks = most;
    if (job->cut.depth_first && ps_threads_chunks((size_t)l->kg, rows) > blocks)
        blocks = ps_threads_chunks((size_t)l->kg, rows);
    job->blocks = blocks;
    job->block_floats = ps_threads_chunks((size_t)l->kg, blocks) * l->row;
    job->slot_floats = job->cut.depth_first ? ps_tree_slots(job->cut.leaves.count) * job->block_floats : 0;
}

/* Rows [k0, k0 + rows) of a group's gradient over one leaf. */
static void sum_leaf(const gemm_conv_job *job, size_t leaf, int group, size_t k0, size_t rows, int worker, float *sum) {
    const ps_columns *l = &job->l;
    size_t first = ps_leaves_start(&job->cut.leaves, leaf), last = ps_leaves_start(&job->cut.leaves, leaf + 1);
    if (first == last) memset(sum, 0, rows * l->row * sizeof *sum);
    for (size_t done = first; done < last; done += job->range) {
        size_t count = last - done < job->range ? last - done : job->range;
        int stride;
        const float *columns = gather(job, done, count, group, worker, &stride);
        ps_gemm(true, false, (int)rows, (int)l->row, (int)count,
                job->dy + done * (size_t)l->s->k + (size_t)group * (size_t)l->kg + k0, l->s->k, columns, stride,
                done > first, sum, (int)l->row);
    }
}

static void weights_chunk(void *context, size_t chunk, int worker) {
    const gemm_conv_job *job = context;
    const ps_columns *l = &job->l;
    size_t leaves = job->cut.leaves.count, held = job->cut.depth_first ? 1 : leaves;
    size_t block = chunk % job->blocks, leaf = chunk / job->blocks % held;
    int group = (int)(chunk / job->blocks / held);
    size_t k0 = ps_threads_chunk_start((size_t)l->kg, job->blocks, block);
    size_t rows = ps_threads_chunk_start((size_t)l->kg, job->blocks, block + 1) - k0;
    size_t at = ((size_t)group * (size_t)l->kg + k0) * l->row, count = rows * l->row;
    if (!job->cut.depth_first) {
        float *sums = ps_leaf_sum(job->partial, job->out, leaves, (size_t)l->s->k * l->row, leaf);
        sum_leaf(job, leaf, group, k0, rows, worker, sums + at);
        return;
    }
    float *slots = job->partial + (size_t)worker * job->slot_floats;
    for (leaf = 0; leaf < leaves; leaf++) {
        sum_leaf(job, leaf, group, k0, rows, worker, ps_tree_slot(slots, count, leaf));
        ps_tree_add(slots, count, leaf);
    }
    memcpy(job->out + at, slots, count * sizeof *slots);
}

static size_t partial_floats(const gemm_conv_job *job, int threads) {
    size_t leaves = job->cut.leaves.count;
    if (job->cut.depth_first) return ps_conv_round16((size_t)threads * job->slot_floats);
    return ps_leaf_sums_floats(leaves, (size_t)job->l.s->k * job->l.row);
}

static void gemm_backward_weights(const ps_conv_shape *s, const float *x, const float *dy, float *dw, void *workspace,
                                  ps_threads *threads) {
    gemm_conv_job job = job_of(s);
    job.x = x, job.dy = dy, job.out = dw, job.partial = workspace;
    plan_gradient(&job);
    size_t partial = partial_floats(&job, ps_threads_count(threads)), leaves = job.cut.leaves.count,
           weights = (size_t)s->k * job.l.row;
    /* Columns come after the partial sums; without either there is no workspace to point into. */
    job.columns = job.l.direct ? NULL : (float *)workspace + partial;
    ps_threads_run(threads, (size_t)s->groups * (job.cut.depth_first ? 1 : leaves) * job.blocks, weights_chunk, &job);
    if (!job.cut.depth_first) ps_leaf_sums_add(job.partial, dw, leaves, weights, threads);
}

static size_t gemm_workspace(const ps_conv_shape *s, ps_conv_pass pass, int threads) {
    gemm_conv_job job = job_of(s);
    size_t columns = job.l.direct ? 0 : (size_t)threads * ps_conv_round16(job.range * job.l.row);
    if (pass != PS_CONV_BACKWARD_WEIGHTS) return columns * sizeof(float);
    plan_gradient(&job);
    return (columns + partial_floats(&job, threads)) * sizeof(float);
}

/* Multiplications at 2 per 98 GFLOP/s, slowed down where the matrices are thin, plus the copies at 2 ns a cache
 * line. */
static double gemm_cost(const ps_conv_shape *s, ps_conv_pass pass) {
    if (ps_conv_taps(s) > PS_COLUMNS_TAPS) return -1.0;
    ps_columns l = ps_columns_of(s);
    double thin = 1.0 + 16.0 / l.kg + 8.0 / (double)l.row;
    double copies = l.direct ? 0.0 : (double)l.positions * (double)l.row * s->groups / 8.0;
    double call = 300.0 * s->groups * (double)ps_threads_chunks(l.positions, range_of(&l));
    return ps_conv_macs(s) * thin / 49.0 + copies + call +
           ps_conv_far_weights(s, pass == PS_CONV_BACKWARD_WEIGHTS ? 0.9 : 0.4);
}

const ps_conv_method ps_conv_method_gemm = {
    "gemm", false, false, gemm_cost, gemm_workspace, gemm_forward, gemm_backward_data, gemm_backward_weights,
};
