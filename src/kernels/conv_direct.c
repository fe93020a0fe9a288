/* Direct convolution as an implicit matrix product with our own register blocks: a short range of positions is gathered
 * into rows that stay in the nearest caches and multiplied by packed weights; results go straight to their places. 1x1
 * kernels read the source in place. Backward-data of a strided convolution runs once per residue of the stride with
 * that residue's taps, so that no multiplication by a zero between the strides is made. Any kernel up to 32 taps an
 * axis, stride, padding, dilation, groups; 2D and 3D.
 * Relative L2 error: sums in sequence, so it grows with the root of the row: 1.1e-6 for 4608 products, 3e-6 for 27648;
 * backward-weights 3e-7. */
#include "kernels/conv_direct.h"

#include <string.h>

#include "kernels/conv_method.h"
#include "kernels/processor.h"

enum {
    MATRIX_FLOATS = 64 * 1024, /* gathered range: 256 KiB */
    SMALL_MATRIX_FLOATS = 32 * 1024,
    FEWEST_ROWS = 24,
    MOST_LEAVES = 16,        /* sums of the weight gradient that are held at once */
    LEAVES_FLOATS = 4 << 20, /* and the room they may take together: 16 MiB */
    FILTER_BLOCK = 96,       /* filters of a task of the weight gradient where there are few such sums */
    BLOCK_FLOATS = 1 << 18   /* and at most of a task that is summed depth first: 1 MiB */
};

static size_t round_up(size_t count, size_t step) { return (count + step - 1) / step * step; }

typedef struct {
    const ps_direct_kernels *kernels;
    ps_conv_sweep sweep;
    const float *source, *w, *bias, *dy;
    float *target, *packed, *matrix, *parts;
    size_t row_step, matrix_worker, range, chunks, panel, panels, panel_floats;
    size_t row, part_step, blocks, held, slot_floats, slots_worker; /* of the weight gradient */
    ps_gradient_cut cut;
    int kernel_taps, kh, kw;
    bool accumulate;
} direct_job;

static const ps_direct_kernels *kernels_for(int vector_channels) {
#if defined(__x86_64__)
    if (ps_simd_half_width((size_t)vector_channels)) return ps_direct_kernels_of_avx2();
#else
    (void)vector_channels;
#endif
    return PS_SIMD_SELECT(ps_direct_kernels_of)();
}

static void set_range(direct_job *job) {
    /* A vector more than the row is written by the gathering; one cache line more keeps rows off each other's sets. */
    job->row_step = job->sweep.in_place ? (size_t)job->sweep.source_channels : round_up(job->sweep.depth, 16) + 16;
    job->range = ps_processor_choose(MATRIX_FLOATS, SMALL_MATRIX_FLOATS) / job->row_step;
    if (job->range < FEWEST_ROWS) job->range = FEWEST_ROWS;
    if (job->range > PS_DIRECT_RANGE) job->range = PS_DIRECT_RANGE;
    job->matrix_worker = job->sweep.in_place ? 0 : round_up(job->range * job->row_step, 16);
}

static direct_job plan_sweep(const ps_conv_sweep *sweep) {
    direct_job job = {.sweep = *sweep, .kernels = kernels_for(sweep->target_group)};
    set_range(&job);
    job.chunks = ps_threads_chunks(sweep->positions, job.range);
    job.panel = 2 * (size_t)job.kernels->lanes;
    job.panels = ps_threads_chunks((size_t)sweep->target_group, job.panel);
    job.panel_floats = sweep->depth * job.panel;
    return job;
}

static size_t packed_floats(const direct_job *job) {
    return round_up((size_t)job->sweep.groups * job->panels * job->panel_floats, 16);
}

static void pack_panel(void *context, size_t chunk, int worker) {
    (void)worker;
    const direct_job *job = context;
    const ps_conv_sweep *s = &job->sweep;
    size_t group = chunk / job->panels;
    int channel = (int)(chunk % job->panels * job->panel);
    float *panel = job->packed + chunk * job->panel_floats;
    if (job->kernel_taps == 0) {
        job->kernels->pack_forward(job->w + group * (size_t)s->target_group * s->depth, s->depth, channel,
                                   s->target_group, panel);
    } else {
        const float *w = job->w + group * (size_t)s->source_group * (size_t)job->kernel_taps * (size_t)s->target_group;
        job->kernels->pack_backward(s, job->kernel_taps, job->kh, job->kw, w, channel, panel);
    }
}

/* The places of positions [first, first + count) in the target. */
static void find_targets(const direct_job *job, size_t first, size_t count, int channel, float **target) {
    const ps_conv_sweep *s = &job->sweep;
    size_t position = first;
    int w = (int)(position % (size_t)s->w.count);
    position /= (size_t)s->w.count;
    int h = (int)(position % (size_t)s->h.count);
    position /= (size_t)s->h.count;
    int d = (int)(position % (size_t)s->d.count), n = (int)(position / (size_t)s->d.count);
    for (size_t i = 0; i < count; i++) {
        size_t line = ((size_t)n * (size_t)s->d.target_size + (size_t)(d * s->d.target_step + s->d.target_first)) *
                          (size_t)s->h.target_size +
                      (size_t)(h * s->h.target_step + s->h.target_first);
        size_t at = line * (size_t)s->w.target_size + (size_t)(w * s->w.target_step + s->w.target_first);
        target[i] = job->target + at * (size_t)s->target_channels + channel;
        if (++w < s->w.count) continue;
        w = 0;
        if (++h < s->h.count) continue;
        h = 0;
        if (++d < s->d.count) continue;
        d = 0, n++;
    }
}

static const float *matrix_of(const direct_job *job, int group, size_t first, size_t count, int worker) {
    const ps_conv_sweep *s = &job->sweep;
    if (s->in_place) return job->source + first * (size_t)s->source_channels + (size_t)group * (size_t)s->source_group;
    float *matrix = job->matrix + (size_t)worker * job->matrix_worker;
    job->kernels->gather(s, job->source, group, first, count, matrix, job->row_step);
    return matrix;
}

static void convolve_range(void *context, size_t chunk, int worker) {
    const direct_job *job = context;
    const ps_conv_sweep *s = &job->sweep;
    size_t first = ps_threads_chunk_start(s->positions, job->chunks, chunk);
    size_t count = ps_threads_chunk_start(s->positions, job->chunks, chunk + 1) - first;
    float *target[PS_DIRECT_RANGE];
    for (int group = 0; group < s->groups; group++) {
        const float *matrix = matrix_of(job, group, first, count, worker);
        for (size_t panel = 0; panel < job->panels; panel++) {
            int channel = (int)(panel * job->panel), left = s->target_group - channel;
            int channels = left < (int)job->panel ? left : (int)job->panel;
            find_targets(job, first, count, group * s->target_group + channel, target);
            const float *bias = job->bias != NULL ? job->bias + group * s->target_group + channel : NULL;
            job->kernels->multiply(s, count, matrix, job->row_step,
                                   job->packed + ((size_t)group * job->panels + panel) * job->panel_floats, channels,
                                   bias, job->accumulate, target);
        }
    }
}

static void run_sweep(direct_job *job, void *workspace, ps_threads *threads) {
    job->packed = workspace;
    job->matrix = job->packed + packed_floats(job);
    ps_threads_run(threads, (size_t)job->sweep.groups * job->panels, pack_panel, job);
    ps_threads_run(threads, job->chunks, convolve_range, job);
}

static void direct_forward(const ps_conv_shape *s, const float *x, const float *w, const float *bias, float *y,
                           void *workspace, ps_threads *threads) {
    ps_conv_sweep sweep = ps_conv_sweep_forward(s);
    direct_job job = plan_sweep(&sweep);
    job.source = x, job.w = w, job.bias = bias, job.target = y;
    run_sweep(&job, workspace, threads);
}

static void clear_range(void *context, size_t chunk, int worker) {
    (void)worker;
    const direct_job *job = context;
    size_t first = ps_threads_chunk_start(job->sweep.positions, job->chunks, chunk);
    size_t count = ps_threads_chunk_start(job->sweep.positions, job->chunks, chunk + 1) - first;
    float *target[PS_DIRECT_RANGE];
    find_targets(job, first, count, 0, target);
    size_t row = (size_t)job->sweep.target_channels * sizeof(float);
    for (size_t i = 0; i < count; i++) {
        if (job->bias != NULL) memcpy(target[i], job->bias, row);
        else memset(target[i], 0, row);
    }
}

static void direct_backward_data(const ps_conv_shape *s, const float *dy, const float *w, const float *bias, float *dx,
                                 bool accumulate, void *workspace, ps_threads *threads) {
    for (int residue = 0; residue < ps_conv_sweep_residues(s); residue++) {
        ps_conv_sweep sweep = ps_conv_sweep_backward(s, residue);
        if (sweep.positions == 0) continue;
        direct_job job = plan_sweep(&sweep);
        job.source = dy, job.w = w, job.bias = bias, job.target = dx, job.accumulate = accumulate;
        job.kernel_taps = (int)ps_conv_taps(s), job.kh = s->kh, job.kw = s->kw;
        if (sweep.depth > 0) run_sweep(&job, workspace, threads);
        else if (!accumulate) ps_threads_run(threads, job.chunks, clear_range, &job);
    }
}

/* Backward-weights: the gathered rows times dy, in leaves of the batch's tree with sums of their own. Large filters
 * allow few of them, or none beside the tree walked depth first; then their rows are cut into blocks too, so that there
 * is work for every thread. */
static direct_job plan_gradient(const ps_conv_shape *s) {
    ps_conv_sweep sweep = ps_conv_sweep_forward(s);
    /* Vectors run along the rows of the matrix here, so a row read in place must be whole vectors. */
    if (sweep.source_group % 16 != 0 || sweep.groups > 1) sweep.in_place = false;
    direct_job job = {.sweep = sweep, .kernels = kernels_for((int)sweep.depth)};
    set_range(&job);
    if (job.range > 96) job.range = 96;
    size_t filters = (size_t)s->k, n = (size_t)s->n,
           wanted = ps_threads_chunks(ps_reduce_batch(sweep.positions), job.range);
    job.row = round_up(sweep.depth, 16);
    job.part_step = round_up(filters * job.row, 16);
    job.cut = ps_cut_gradient(n, sweep.positions / n, job.part_step, wanted < MOST_LEAVES ? wanted : MOST_LEAVES,
                              LEAVES_FLOATS);
    size_t block =
        job.cut.depth_first && BLOCK_FLOATS / job.row + 1 < FILTER_BLOCK ? BLOCK_FLOATS / job.row + 1 : FILTER_BLOCK;
    bool many = !job.cut.depth_first && job.cut.leaves.parts * job.cut.leaves.shards.whole >= 8;
    job.blocks = many ? 1 : ps_threads_chunks((size_t)sweep.target_group, block);
    job.held = job.cut.depth_first ? 1 : job.cut.leaves.count;
    job.slot_floats = ps_threads_chunks((size_t)sweep.target_group, job.blocks) * job.row;
    job.slots_worker = job.cut.depth_first ? round_up(ps_tree_slots(job.cut.leaves.count) * job.slot_floats, 16) : 0;
    return job;
}

/* `filters` rows of the gradient, the first of them `filter`, over one leaf. */
static void sum_leaf(const direct_job *job, size_t leaf, int group, size_t filter, int filters, int worker,
                     float *sum) {
    const ps_conv_sweep *s = &job->sweep;
    size_t begin = ps_leaves_start(&job->cut.leaves, leaf), end = ps_leaves_start(&job->cut.leaves, leaf + 1);
    int columns = (int)round_up(s->depth, (size_t)job->kernels->lanes);
    if (begin == end) memset(sum, 0, (size_t)filters * job->row * sizeof *sum);
    for (size_t first = begin; first < end; first += job->range) {
        size_t count = end - first < job->range ? end - first : job->range;
        const float *matrix = matrix_of(job, group, first, count, worker);
        job->kernels->outer(count, filters, columns, job->dy + first * (size_t)s->target_channels + filter,
                            (size_t)s->target_channels, matrix, job->row_step, sum, job->row, first > begin);
    }
}

static void write_filters(const direct_job *job, const float *sum, size_t filter, size_t filters) {
    size_t depth = job->sweep.depth;
    for (size_t i = 0; i < filters; i++)
        memcpy(job->target + (filter + i) * depth, sum + i * job->row, depth * sizeof *sum);
}

static void gradient_range(void *context, size_t chunk, int worker) {
    const direct_job *job = context;
    const ps_conv_sweep *s = &job->sweep;
    size_t block = chunk % job->blocks, leaf = chunk / job->blocks % job->held;
    int group = (int)(chunk / job->blocks / job->held);
    int k0 = (int)ps_threads_chunk_start((size_t)s->target_group, job->blocks, block);
    int filters = (int)ps_threads_chunk_start((size_t)s->target_group, job->blocks, block + 1) - k0;
    size_t filter = (size_t)(group * s->target_group + k0);
    if (!job->cut.depth_first) {
        sum_leaf(job, leaf, group, filter, filters, worker, job->parts + leaf * job->part_step + filter * job->row);
        return;
    }
    float *slots = job->parts + (size_t)worker * job->slots_worker;
    for (leaf = 0; leaf < job->cut.leaves.count; leaf++) {
        sum_leaf(job, leaf, group, filter, filters, worker, ps_tree_slot(slots, job->slot_floats, leaf));
        ps_tree_add(slots, job->slot_floats, leaf);
    }
    write_filters(job, slots, filter, (size_t)filters);
}

static size_t parts_floats(const direct_job *job, int threads) {
    return job->cut.depth_first ? (size_t)threads * job->slots_worker : job->held * job->part_step;
}

static void direct_backward_weights(const ps_conv_shape *s, const float *x, const float *dy, float *dw, void *workspace,
                                    ps_threads *threads) {
    direct_job job = plan_gradient(s);
    job.source = x, job.dy = dy, job.target = dw;
    job.parts = workspace;
    job.matrix = job.parts + parts_floats(&job, ps_threads_count(threads));
    ps_threads_run(threads, (size_t)s->groups * job.held * job.blocks, gradient_range, &job);
    if (job.cut.depth_first) return;
    ps_reduce_floats(job.parts, job.held, job.part_step, job.part_step, threads);
    write_filters(&job, job.parts, 0, (size_t)s->k);
}

static size_t direct_workspace(const ps_conv_shape *s, ps_conv_pass pass, int threads) {
    if (pass == PS_CONV_BACKWARD_WEIGHTS) {
        direct_job job = plan_gradient(s);
        return (parts_floats(&job, threads) + (size_t)threads * job.matrix_worker) * sizeof(float);
    }
    size_t most = 0;
    for (int residue = 0; residue < (pass == PS_CONV_FORWARD ? 1 : ps_conv_sweep_residues(s)); residue++) {
        ps_conv_sweep sweep = pass == PS_CONV_FORWARD ? ps_conv_sweep_forward(s) : ps_conv_sweep_backward(s, residue);
        direct_job job = plan_sweep(&sweep);
        size_t floats = packed_floats(&job) + (size_t)threads * job.matrix_worker;
        if (floats > most) most = floats;
    }
    return most * sizeof(float);
}

/* In nanoseconds: 80 products each in every instruction set, half-width vectors as long as whole ones; gathered floats;
 * and what every position, group and panel takes. */
static double direct_cost(const ps_conv_shape *s, ps_conv_pass pass) {
    if (!ps_conv_sweep_fits(s)) return -1.0;
    double cg = s->c / s->groups, kg = s->k / s->groups, positions = (double)ps_conv_out_positions(s);
    double row = (double)ps_conv_taps(s) * cg;
    double wide = pass == PS_CONV_FORWARD ? kg : pass == PS_CONV_BACKWARD_DATA ? cg : row;
    double vectors = (double)ps_threads_chunks((size_t)wide, (size_t)kernels_for((int)wide)->lanes);
    double waste = vectors * PS_SIMD_SELECT(ps_direct_kernels_of)()->lanes / wide;
    /* Fewer filters than hide the latency of a multiply-add. */
    if (pass == PS_CONV_BACKWARD_WEIGHTS && kg < 8) waste *= 8 / kg;
    bool in_place = ps_conv_sweep_forward(s).in_place;
    double gathered =
        in_place ? 0.0
                 : positions * row * s->groups * 0.1 + positions * (double)ps_conv_taps(s) / s->kw * 2.0 * s->groups;
    double panels = pass == PS_CONV_BACKWARD_WEIGHTS ? 1.0 : vectors / 2.0;
    return 1500.0 + ps_conv_macs(s) * waste / 80.0 + gathered + 0.1 * row * s->k +
           3.0 * s->groups * positions * (1.0 + panels) +
           ps_conv_far_weights(s, (s->kd > 1 ? 0.4 : 1.0) + (pass == PS_CONV_BACKWARD_WEIGHTS ? 0.5 : 0.0));
}

const ps_conv_method ps_conv_method_direct = {
    "direct", true, true, direct_cost, direct_workspace, direct_forward, direct_backward_data, direct_backward_weights,
};
