#include "kernels/pool_skip_sparse.h"

#include <string.h>

#include "core/memory.h"
#include "kernels/pointwise.h"

/* Windows that one slab should hold so that a weight, once loaded, serves several of them; more for the weights' own
 * gradient, whose sums are loaded and stored once a slab. */
enum { SLAB_WINDOWS = 8, SLAB_WINDOWS_WEIGHTS = 16, TASKS = 16, FEW_TASKS = 8, MANY_WEIGHTS_BYTES = 4 << 20 };

static int lanes_here(void) {
    switch (ps_simd_detect()) {
        case PS_SIMD_AVX512: return 16;
        case PS_SIMD_AVX2: return 8;
        default: return 4;
    }
}

static ps_pool_skip_tiles tiles_of(const ps_pool_skip_grid *g) {
    bool volume = g->shape.d > 1;
    ps_pool_skip_tiles t = {.grid = g, .lanes = lanes_here(), .taps = volume ? 27 : 9, .row = (size_t)g->shape.w + 2};
    t.panels = ((size_t)g->shape.c + (size_t)t.lanes - 1) / (size_t)t.lanes;
    t.size = volume ? g->shape.d : g->shape.h;
    t.slabs = volume ? g->bands_d : g->bands_h;
    t.window_slabs = volume ? g->windows_d : g->windows_h;
    t.plane = volume ? ((size_t)g->shape.h + 2) * t.row : t.row;
    t.slab_windows = (volume ? (size_t)g->windows_h : 1) * (size_t)g->windows_w;
    size_t number = 0;
    for (int z = 0; z < g->ed; z++)
        for (int y = 0; y < g->e; y++)
            for (int x = 0; x < g->e; x++)
                t.place[number++] = (volume ? (size_t)z * t.plane : 0) + (size_t)y * t.row + (size_t)x;
    return t;
}

/* Images to a group: enough windows to a slab, but groups enough to share out. */
static size_t group_images(const ps_pool_skip_tiles *t, size_t windows) {
    size_t n = (size_t)t->grid->shape.n, wanted = (windows + t->slab_windows - 1) / t->slab_windows, most = (n + 7) / 8;
    return wanted < most ? wanted : most;
}

static ps_pool_skip_group group_at(const ps_pool_skip_tiles *t, size_t images, size_t number) {
    size_t n = (size_t)t->grid->shape.n, first = number * images;
    return (ps_pool_skip_group){first, n - first < images ? n - first : images};
}

static size_t groups_of(const ps_pool_skip_tiles *t, size_t images) {
    return ((size_t)t->grid->shape.n + images - 1) / images;
}

static size_t blocks_of(const ps_pool_skip_tiles *t) {
    return ((size_t)t->grid->shape.c + PS_POOL_SKIP_BLOCK - 1) / PS_POOL_SKIP_BLOCK;
}

/* Shares of the channels, each of whole blocks: as many as make tasks enough. */
static size_t shares_of(const ps_pool_skip_tiles *t, size_t tasks) {
    size_t most = blocks_of(t), wanted = (TASKS + tasks - 1) / tasks;
    return wanted < most ? wanted : most;
}

static size_t share_start(const ps_pool_skip_tiles *t, size_t shares, size_t share) {
    size_t start = ps_threads_chunk_start(blocks_of(t), shares, share) * PS_POOL_SKIP_BLOCK,
           c = (size_t)t->grid->shape.c;
    return start < c ? start : c;
}

void ps_pool_skip_sparse_order(const ps_pool_skip_grid *grid, const uint8_t *winners, size_t window, uint16_t *order) {
    size_t c = (size_t)grid->shape.c, places = (size_t)grid->e * (size_t)grid->e * (size_t)grid->ed;
    winners += window * c;
    order += window * c;
    for (size_t begin = 0; begin < c; begin += PS_POOL_SKIP_BLOCK) {
        size_t end = c - begin < PS_POOL_SKIP_BLOCK ? c : begin + PS_POOL_SKIP_BLOCK;
        uint8_t next[256], count[256] = {0};
        for (size_t k = begin; k < end; k++) count[winners[k]]++;
        for (size_t place = 0, at = 0; place < places; at += count[place++]) next[place] = (uint8_t)at;
        for (size_t k = begin; k < end; k++) {
            uint8_t place = winners[k];
            order[begin + next[place]++] = (uint16_t)(k | (--count[place] == 0 ? PS_POOL_SKIP_RUN_END : 0));
        }
    }
}

bool ps_pool_skip_sparse_can(const ps_pool_skip_plan *plan) {
    return plan->pools && plan->options.conv && plan->grid.shape.c <= PS_POOL_SKIP_CHANNEL;
}

/* Measured (tests/bench/kernel_bench.c): at e = 2 in 2D a quarter of the values is kept, which Winograd's fewer
 * multiplications make up for in wide maps; sparser maps, and narrow ones, are won by this method. */
bool ps_pool_skip_sparse_wins(const ps_pool_skip_plan *plan) {
    const ps_pool_skip_grid *g = &plan->grid;
    bool sparse = g->e * g->e * g->ed >= 8, narrow = g->shape.c <= 3 * lanes_here();
    return ps_pool_skip_sparse_can(plan) && (sparse || narrow);
}

static size_t rounded(size_t bytes) { return (bytes + PS_ALIGNMENT - 1) / PS_ALIGNMENT * PS_ALIGNMENT; }

/* Parts of the batch with a sum of the weights' gradient of their own, where narrow maps make too few tasks. */
static size_t weight_splits(const ps_pool_skip_tiles *t, size_t groups) {
    size_t tasks = t->panels * shares_of(t, t->panels), wanted = (FEW_TASKS + tasks - 1) / tasks;
    return wanted < groups ? wanted : groups;
}

/* Workspace: packed weights, packed gradients (or, forward, the groups' sums), a tile with its list of windows for
 * every thread, and the bias sums'. */
typedef struct {
    size_t images, images_weights, splits;
    size_t weights_bytes, places_at, tile_bytes, second_bytes;
} memory;

static memory memory_of(const ps_pool_skip_tiles *t) {
    memory m = {.images = group_images(t, SLAB_WINDOWS), .images_weights = group_images(t, SLAB_WINDOWS_WEIGHTS)};
    size_t c = (size_t)t->grid->shape.c, most = m.images > m.images_weights ? m.images : m.images_weights;
    m.weights_bytes = rounded(t->panels * c * (size_t)t->taps * (size_t)t->lanes * sizeof(float));
    m.places_at = rounded(most * (size_t)(t->grid->e + 2) * t->plane * (size_t)t->lanes * sizeof(float));
    m.tile_bytes = m.places_at + rounded(most * t->slab_windows * sizeof(ps_pool_skip_place));
    size_t sums = rounded(groups_of(t, m.images) * PS_POOL_SKIP_SUMS * c * sizeof(double));
    size_t bias = rounded(c * sizeof(double)) +
                  ps_pointwise_workspace_bytes(ps_shape_positions(t->grid->shape), t->grid->shape.c);
    m.splits = weight_splits(t, groups_of(t, m.images_weights));
    m.second_bytes = m.splits * m.weights_bytes;
    if (m.second_bytes < sums) m.second_bytes = sums;
    if (m.second_bytes < bias) m.second_bytes = bias;
    return m;
}

size_t ps_pool_skip_sparse_workspace_bytes(const ps_pool_skip_plan *plan, int threads) {
    ps_pool_skip_tiles t = tiles_of(&plan->grid);
    memory m = memory_of(&t);
    return m.weights_bytes + m.second_bytes + (size_t)threads * m.tile_bytes;
}

typedef struct {
    ps_pool_skip_tiles tiles;
    memory memory;
    ps_pool_skip_sparse_job job;
    const float *w;
    float *packed, *dw;
    size_t shares;
    double *sums; /* [groups][PS_POOL_SKIP_SUMS][c], or NULL */
    char *tile;
} sparse_run;

static void prepare(sparse_run *run, const ps_pool_skip_plan *plan, ps_pool_skip_kept kept, void *workspace) {
    run->tiles = tiles_of(&plan->grid);
    run->memory = memory_of(&run->tiles);
    run->tiles.places_at = run->memory.places_at;
    run->packed = workspace;
    run->tile = (char *)workspace + run->memory.weights_bytes + run->memory.second_bytes;
    run->job.tiles = &run->tiles;
    run->job.weights = run->packed;
    run->job.winners = kept.winners, run->job.values = kept.values, run->job.order = kept.order;
}

static void *second_area(const sparse_run *run) { return (char *)run->packed + run->memory.weights_bytes; }
static float *tile_of(const sparse_run *run, int worker) {
    return (float *)(run->tile + (size_t)worker * run->memory.tile_bytes);
}

static void pack_task(void *context, size_t panel, int worker) {
    (void)worker;
    const sparse_run *run = context;
    PS_SIMD_SELECT(ps_pool_skip_sparse_pack)(run->w, (size_t)run->tiles.grid->shape.c, run->tiles.taps, panel,
                                             run->packed);
}

/* The gradient's sum over the parts of the batch, in order, in the optimiser's layout. */
static void unpack_task(void *context, size_t panel, int worker) {
    (void)worker;
    const sparse_run *run = context;
    size_t c = (size_t)run->tiles.grid->shape.c, length = c * (size_t)run->tiles.taps * (size_t)run->tiles.lanes;
    float *total = run->job.d_weights + panel * length;
    for (size_t split = 1; split < run->memory.splits; split++) {
        const float *part = total + split * (run->memory.weights_bytes / sizeof(float));
        for (size_t i = 0; i < length; i++) total[i] += part[i];
    }
    PS_SIMD_SELECT(ps_pool_skip_sparse_unpack)(run->job.d_weights, c, run->tiles.taps, panel, run->dw);
}

/* Group by group, so that the maps of a group stay in the second-level cache; where the weights of all panels are too
 * many even for the third level, panel by panel, so that those of one panel stay near for all groups. */
static void forward_task(void *context, size_t chunk, int worker) {
    const sparse_run *run = context;
    size_t groups = groups_of(&run->tiles, run->memory.images), c = (size_t)run->tiles.grid->shape.c;
    bool by_panel = run->memory.weights_bytes > MANY_WEIGHTS_BYTES;
    size_t group = by_panel ? chunk % groups : chunk / run->tiles.panels;
    size_t panel = by_panel ? chunk / groups : chunk % run->tiles.panels;
    double *sums = run->sums ? run->sums + group * PS_POOL_SKIP_SUMS * c : NULL;
    PS_SIMD_SELECT(ps_pool_skip_sparse_forward)
    (&run->job, group_at(&run->tiles, run->memory.images, group), panel, tile_of(run, worker), sums);
}

static void add_groups(const sparse_run *run, size_t groups, double *const sums[PS_POOL_SKIP_SUMS]) {
    size_t c = (size_t)run->tiles.grid->shape.c;
    for (int s = 0; s < PS_POOL_SKIP_SUMS; s++)
        for (size_t k = 0; sums[s] != NULL && k < c; k++) {
            double total = 0;
            for (size_t group = 0; group < groups; group++)
                total += run->sums[(group * PS_POOL_SKIP_SUMS + (size_t)s) * c + k];
            sums[s][k] += total;
        }
}

void ps_pool_skip_sparse_run_forward(const ps_pool_skip_plan *plan, ps_pool_skip_kept kept, const float *identity,
                                     const float *w, const float *bias, float *o, double *const sums[PS_POOL_SKIP_SUMS],
                                     void *workspace, ps_threads *threads) {
    sparse_run run = {.w = w, .job = {.identity = identity, .bias = bias, .o = o}};
    prepare(&run, plan, kept, workspace);
    size_t groups = groups_of(&run.tiles, run.memory.images), c = (size_t)plan->grid.shape.c;
    if (sums[0] || sums[1] || sums[2] || sums[3]) {
        run.sums = second_area(&run);
        memset(run.sums, 0, groups * PS_POOL_SKIP_SUMS * c * sizeof(double));
    }
    ps_threads_run(threads, run.tiles.panels, pack_task, &run);
    ps_threads_run(threads, groups * run.tiles.panels, forward_task, &run);
    if (run.sums) add_groups(&run, groups, sums);
}

static void data_task(void *context, size_t chunk, int worker) {
    const sparse_run *run = context;
    size_t share = chunk % run->shares;
    PS_SIMD_SELECT(ps_pool_skip_sparse_data)
    (&run->job, group_at(&run->tiles, run->memory.images, chunk / run->shares),
     share_start(&run->tiles, run->shares, share), share_start(&run->tiles, run->shares, share + 1),
     tile_of(run, worker));
}

/* A task owns its part of the gradient and walks its part of the batch in order, so that no sums are shared. */
static void weights_task(void *context, size_t chunk, int worker) {
    const sparse_run *run = context;
    const ps_pool_skip_tiles *t = &run->tiles;
    const memory *m = &run->memory;
    size_t tasks = t->panels * run->shares, split = chunk / tasks, panel = chunk % tasks / run->shares,
           share = chunk % run->shares;
    size_t c = (size_t)t->grid->shape.c, vector = (size_t)t->taps * (size_t)t->lanes,
           groups = groups_of(t, m->images_weights);
    size_t begin = share_start(t, run->shares, share), end = share_start(t, run->shares, share + 1);
    ps_pool_skip_sparse_job job = run->job;
    job.d_weights += split * (m->weights_bytes / sizeof(float));
    memset(job.d_weights + (panel * c + begin) * vector, 0, (end - begin) * vector * sizeof(float));
    size_t last = ps_threads_chunk_start(groups, m->splits, split + 1);
    for (size_t group = ps_threads_chunk_start(groups, m->splits, split); group < last; group++)
        PS_SIMD_SELECT(ps_pool_skip_sparse_weights)
    (&job, group_at(t, m->images_weights, group), panel, begin, end, tile_of(run, worker));
}

static void sum_bias(sparse_run *run, const float *d_o, float *dbias, ps_threads *threads) {
    ps_shape s = run->tiles.grid->shape;
    double *sums = second_area(run);
    void *scratch = (char *)sums + rounded((size_t)s.c * sizeof *sums);
    for (int k = 0; k < s.c; k++) sums[k] = 0;
    ps_channel_summarise(d_o, (size_t)s.n, ps_shape_positions(s) / (size_t)s.n, s.c, (ps_channel_sums){.sum = sums},
                         scratch, threads);
    for (int k = 0; k < s.c; k++) dbias[k] = (float)sums[k];
}

void ps_pool_skip_sparse_run_backward(const ps_pool_skip_plan *plan, ps_pool_skip_kept kept, const float *w,
                                      const float *d_o, float *du, float *dw, float *dbias, void *workspace,
                                      ps_threads *threads) {
    sparse_run run = {.w = w, .dw = dw, .job = {.d_o = d_o, .du = du}};
    prepare(&run, plan, kept, workspace);
    if (dbias != NULL) sum_bias(&run, d_o, dbias, threads);
    if (du != NULL) {
        size_t groups = groups_of(&run.tiles, run.memory.images);
        run.shares = shares_of(&run.tiles, groups);
        ps_threads_run(threads, run.tiles.panels, pack_task, &run);
        ps_threads_run(threads, groups * run.shares, data_task, &run);
    }
    run.job.d_weights = second_area(&run);
    run.shares = shares_of(&run.tiles, run.tiles.panels);
    ps_threads_run(threads, run.memory.splits * run.tiles.panels * run.shares, weights_task, &run);
    ps_threads_run(threads, run.tiles.panels, unpack_task, &run);
}
