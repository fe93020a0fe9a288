/* Winograd convolution of few planes, as first layers have: kernels of 3x3 or 5x5 with stride 1 whose channels and
 * depth taps make up five planes at most (3x3 of a picture, 3x3x3 and 5x5x5 of a volume of one channel). F(4x4, 3x3)
 * and F(2x2, 5x5) as in conv_winograd.h; but where its 36 matrix products would have a depth of three, here a tile's 36
 * sums per vector of filters stay in registers until they are transformed back, and nothing goes to memory between. A
 * unit is some lines of one output slice; what they read is copied once, padded. Backward-data is another method's
 * (conv_scatter.c).
 * With 3 planes and 3x3 taps: 6.75 multiplications for an output instead of 27, and 3.75 for the transform.
 * Relative L2 error (random data): 5e-7, backward-weights 1.3e-6. NaN and infinity spread over the tile they touch; as
 * with conv_winograd.c, zeros come out as rounding noise where their tile is not zero. */
#include "kernels/conv_stem.h"

#include <string.h>

#include "kernels/conv_method.h"

enum {
    UNIT_TILES = 64,         /* of a unit, where an image has as many */
    LINES_FLOATS = 1 << 17,  /* copied at once at most: half a megabyte; wider images are left to others */
    MOST_LEAVES = 16,        /* sums of the weight gradient that are held at once */
    LEAVES_FLOATS = 4 << 20, /* and the room they may take together: 16 MiB */
    FAR_FLOATS = 1 << 20,    /* of the output that no second-level cache holds: fetched ahead */
    UNITS_AHEAD = 8,         /* units of a task then */
    FEWEST_TILES = 16        /* of a slice: fewer leave vectors along them mostly empty */
};

typedef struct {
    const ps_stem_kernels *kernels;
    const ps_conv_shape *s;
    ps_stem_filters filters;
    const float *x, *w, *bias, *dy;
    float *y, *u, *lines, *sums, *parts;
    int oh, ow, outputs;
    size_t tiles_w, rows, runs, units; /* tile rows of a unit; units of a slice; of all */
    size_t line, slice, lines_floats;  /* of a copied line, of a depth tap's lines, of a worker */
    size_t packed, weights;            /* floats of transformed filters, and of plain ones, whole cache lines */
    bool far;
    ps_gradient_cut cut;
} stem_job;

static const ps_stem_kernels *kernels_for(int k) {
#if defined(__x86_64__)
    if (ps_simd_half_width((size_t)k)) return ps_stem_kernels_of_avx2();
#else
    (void)k;
#endif
    return PS_SIMD_SELECT(ps_stem_kernels_of)();
}

static stem_job plan_stem(const ps_conv_shape *s) {
    stem_job job = {.s = s, .kernels = kernels_for(s->k), .filters = {s->kh, s->kd * s->c, s->kd, s->c, s->k}};
    size_t lanes = (size_t)job.kernels->lanes;
    job.oh = ps_conv_out_h(s), job.ow = ps_conv_out_w(s), job.outputs = ps_stem_outputs(s->kh);
    job.tiles_w = ps_threads_chunks((size_t)job.ow, (size_t)job.outputs);
    size_t rows = ps_threads_chunks((size_t)job.oh, (size_t)job.outputs);
    job.runs = ps_threads_chunks(rows, ps_threads_chunks(UNIT_TILES, job.tiles_w));
    job.rows = ps_threads_chunks(rows, job.runs);
    job.units = (size_t)s->n * (size_t)ps_conv_out_d(s) * job.runs;
    size_t reach = (size_t)(PS_STEM_INPUTS - job.outputs);
    job.line = (job.tiles_w * (size_t)job.outputs + reach) * (size_t)s->c;
    job.slice = (job.rows * (size_t)job.outputs + reach) * job.line;
    job.lines_floats = ps_conv_round16((size_t)s->kd * job.slice + lanes);
    job.packed = ps_threads_chunks((size_t)s->k, lanes) * lanes * (size_t)(PS_STEM_PRODUCTS * job.filters.planes);
    job.weights = ps_conv_round16(ps_conv_weights(s));
    job.far = ps_conv_out_positions(s) * (size_t)s->k >= FAR_FLOATS;
    size_t units = ps_reduce_batch(job.units);
    job.cut = ps_cut_gradient((size_t)s->n, job.units / (size_t)s->n, job.weights,
                              units < MOST_LEAVES ? units : MOST_LEAVES, LEAVES_FLOATS);
    return job;
}

/* A line of the input between its padding; NULL: all padding. */
static void copy_line(const stem_job *job, const float *from, float *to) {
    size_t c = (size_t)job->s->c, left = (size_t)job->s->pad_w * c, middle = (size_t)job->s->w * c;
    if (from == NULL) {
        memset(to, 0, job->line * sizeof *to);
        return;
    }
    memset(to, 0, left * sizeof *to);
    memcpy(to + left, from, middle * sizeof *to);
    memset(to + left + middle, 0, (job->line - left - middle) * sizeof *to);
}

static bool inside(int i, int size) { return i >= 0 && i < size; }

/* Unit `index` of those before `last`, which one thread works on after another. */
static ps_stem_unit unit_of(const stem_job *job, size_t index, size_t last, int worker) {
    const ps_conv_shape *s = job->s;
    size_t run = index % job->runs, slice = index / job->runs, od = (size_t)ps_conv_out_d(s);
    size_t first = run * job->rows * (size_t)job->outputs;
    ps_stem_unit unit = {.filters = job->filters, .line = job->line, .slice = job->slice, .tiles_w = job->tiles_w};
    unit.width = job->ow, unit.height = (int)(job->rows * (size_t)job->outputs);
    if (unit.height > job->oh - (int)first) unit.height = job->oh - (int)first;
    unit.tiles = ps_threads_chunks((size_t)unit.height, (size_t)job->outputs) * job->tiles_w;
    float *lines = job->lines + (size_t)worker * job->lines_floats;
    unit.lines = lines;
    for (int td = 0; td < s->kd; td++)
        for (size_t i = 0; i < job->slice / job->line; i++) {
            int d = (int)(slice % od) - s->pad_d + td, h = (int)(first + i) - s->pad_h;
            size_t line = (slice / od * (size_t)s->d + (size_t)d) * (size_t)s->h + (size_t)h;
            bool any = inside(d, s->d) && inside(h, s->h);
            copy_line(job, any ? job->x + line * (size_t)(s->w * s->c) : NULL,
                      lines + (size_t)td * job->slice + i * job->line);
        }
    memset(lines + (size_t)s->kd * job->slice, 0, (size_t)job->kernels->lanes * sizeof *lines);
    size_t at = (slice * (size_t)job->oh + first) * (size_t)job->ow * (size_t)s->k;
    if (job->y != NULL) unit.y = job->y + at;
    if (job->dy != NULL) unit.dy = job->dy + at;
    size_t line = (size_t)job->ow * (size_t)s->k, distance = 2 * (size_t)job->outputs * line;
    if (!job->far) return unit;
    unit.ahead = distance, unit.ahead_end = (size_t)unit.height * line + (index + 1 < last ? distance : 0);
    return unit;
}

static size_t tasks_of(const stem_job *job) {
    return job->far ? ps_threads_chunks(job->units, UNITS_AHEAD) : job->units;
}

static void forward_units(void *context, size_t task, int worker) {
    const stem_job *job = context;
    size_t tasks = tasks_of(job), last = ps_threads_chunk_start(job->units, tasks, task + 1);
    for (size_t index = ps_threads_chunk_start(job->units, tasks, task); index < last; index++) {
        ps_stem_unit unit = unit_of(job, index, last, worker);
        job->kernels->forward(&unit, job->u, job->bias);
    }
}

static void stem_forward(const ps_conv_shape *s, const float *x, const float *w, const float *bias, float *y,
                         void *workspace, ps_threads *threads) {
    stem_job job = plan_stem(s);
    job.x = x, job.bias = bias, job.y = y;
    job.u = workspace, job.lines = job.u + job.packed;
    job.kernels->weights(&job.filters, w, job.u);
    ps_threads_run(threads, tasks_of(&job), forward_units, &job);
}

/* A leaf's products, and its gradient from them: what is added along the tree are gradients. */
static void gradient_leaf(void *context, size_t leaf, int worker) {
    const stem_job *job = context;
    size_t begin = ps_leaves_start(&job->cut.leaves, leaf), end = ps_leaves_start(&job->cut.leaves, leaf + 1);
    float *sums = job->sums + (size_t)worker * job->packed, *part = job->parts + leaf * job->weights;
    for (size_t index = begin; index < end; index++) {
        ps_stem_unit unit = unit_of(job, index, end, worker);
        job->kernels->outer(&unit, sums, index > begin);
    }
    if (begin == end) memset(part, 0, job->weights * sizeof *part);
    else job->kernels->gradient(&job->filters, sums, part);
}

static void stem_backward_weights(const ps_conv_shape *s, const float *x, const float *dy, float *dw, void *workspace,
                                  ps_threads *threads) {
    stem_job job = plan_stem(s);
    size_t leaves = job.cut.leaves.count, workers = (size_t)ps_threads_count(threads), floats = ps_conv_weights(s);
    job.x = x, job.dy = dy;
    job.sums = workspace, job.lines = job.sums + workers * job.packed;
    job.parts = job.lines + workers * job.lines_floats;
    ps_threads_run(threads, leaves, gradient_leaf, &job);
    ps_reduce_floats(job.parts, leaves, job.weights, floats, threads);
    memcpy(dw, job.parts, floats * sizeof *dw);
}

static size_t stem_workspace(const ps_conv_shape *s, ps_conv_pass pass, int threads) {
    stem_job job = plan_stem(s);
    size_t workers = (size_t)threads;
    if (pass == PS_CONV_FORWARD) return (job.packed + workers * job.lines_floats) * sizeof(float);
    return (workers * (job.packed + job.lines_floats) + job.cut.leaves.count * job.weights) * sizeof(float);
}

static bool stem_can(const ps_conv_shape *s) {
    if (s->kh != s->kw || (s->kh != 3 && s->kh != 5) || s->groups > 1 || s->c > PS_STEM_CHANNELS) return false;
    if (s->kd * s->c > PS_STEM_PLANES || (s->kd > 1 && s->dilation_d > 1) || s->stride_d > 1) return false;
    if (s->stride_h > 1 || s->stride_w > 1 || s->dilation_h > 1 || s->dilation_w > 1) return false;
    size_t outputs = (size_t)ps_stem_outputs(s->kh);
    return ps_threads_chunks((size_t)ps_conv_out_h(s), outputs) *
               ps_threads_chunks((size_t)ps_conv_out_w(s), outputs) >=
           FEWEST_TILES;
}

/* In nanoseconds: 3.7 multiply-adds of vectors of 16 each, the transforms among them; a tile's inputs; and memory. */
static double stem_cost(const ps_conv_shape *s, ps_conv_pass pass) {
    if (!stem_can(s) || pass == PS_CONV_BACKWARD_DATA) return -1.0;
    stem_job job = plan_stem(s);
    if (job.lines_floats > LINES_FLOATS || (pass == PS_CONV_BACKWARD_WEIGHTS && job.cut.depth_first)) return -1.0;
    double tiles = (double)(job.units * job.rows * job.tiles_w), planes = job.filters.planes;
    double vectors = (double)ps_threads_chunks((size_t)s->k, (size_t)job.kernels->lanes) *
                     PS_SIMD_SELECT(ps_stem_kernels_of)()->lanes / 16.0;
    return 2000.0 + tiles * (vectors * (PS_STEM_PRODUCTS * planes + 90.0) / 3.7 + 8.0 * planes) +
           0.05 * (double)ps_conv_out_positions(s) * s->k;
}

const ps_conv_method ps_conv_method_stem = {
    "stem", false, false, stem_cost, stem_workspace, stem_forward, NULL, stem_backward_weights,
};
