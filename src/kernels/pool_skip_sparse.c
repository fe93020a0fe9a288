#include "kernels/pool_skip_sparse.h"

#include <string.h>

#include "core/memory.h"
#include "kernels/pointwise.h"
#include "parallel/reduce.h"

/* Windows that one slab should hold so that a weight, once loaded, serves several of them; more for the weights' own
 * gradient, whose sums are loaded and stored once a slab. */
enum { SLAB_WINDOWS = 8, SLAB_WINDOWS_WEIGHTS = 16, TASKS = 16, FEW_TASKS = 8, MANY_WEIGHTS_BYTES = 4 << 20 };
/* Of the leaves' gradients that are held at once. */
enum { LEAVES_BYTES = 4 << 20 };

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

/* Runs of images that are walked together: as many to each shard, which none crosses. */
typedef struct {
    ps_shards shards;
    size_t images, per_shard, count; /* images of the largest group; groups of a shard; groups held here */
} image_groups;

/* Enough windows to a slab, but groups enough to share out. */
static image_groups groups_of(const ps_pool_skip_tiles *t, size_t windows) {
    size_t n = (size_t)t->grid->shape.n, images = (windows + t->slab_windows - 1) / t->slab_windows,
           most = (ps_reduce_batch(n) + 7) / 8;
    image_groups g = {.shards = ps_shards_of(n)};
    if (most > ps_shards_largest(&g.shards)) most = ps_shards_largest(&g.shards);
    g.images = images < most ? images : most;
    g.per_shard = ps_threads_chunks(ps_shards_largest(&g.shards), g.images);
    g.count = g.shards.count * g.per_shard;
    return g;
}

/* Empty where a shard has fewer images than groups. */
static ps_pool_skip_group group_at(const image_groups *g, size_t number) {
    size_t shard = number / g->per_shard, first = ps_shards_start(&g->shards, shard),
           images = ps_shards_start(&g->shards, shard + 1) - first, at = number % g->per_shard;
    size_t begin = ps_threads_chunk_start(images, g->per_shard, at);
    return (ps_pool_skip_group){first + begin, ps_threads_chunk_start(images, g->per_shard, at + 1) - begin};
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

/* Runs of groups with a sum of the weights' gradient of their own: leaves of the batch's tree, more than the shards
 * where narrow maps make too few tasks. */
static ps_leaves weight_leaves(const ps_pool_skip_tiles *t, const image_groups *g) {
    size_t tasks = t->panels * shares_of(t, t->panels), wanted = (FEW_TASKS + tasks - 1) / tasks;
    ps_leaves leaves = ps_leaves_of(g->shards.samples, g->per_shard, wanted);
    while (leaves.parts > g->per_shard) leaves.parts /= 2, leaves.count /= 2;
    leaves.shards.samples = g->shards.count; /* per_shard groups to each shard */
    return leaves;
}

/* Floats of the gradient that a task owns, at most. */
static size_t share_floats(const ps_pool_skip_tiles *t) {
    size_t shares = shares_of(t, t->panels), channels = share_start(t, shares, 1);
    return channels * (size_t)t->taps * (size_t)t->lanes;
}

/* Workspace: packed weights, packed gradients (or, forward, the groups' sums), and for every thread a tile with its
 * list of windows and, where the gradient is summed depth first, the tree's sums. */
typedef struct {
    image_groups groups, groups_weights;
    ps_leaves leaves;
    bool depth_first;
    size_t weights_bytes, places_at, slots_at, tile_bytes, second_bytes;
} memory;

static memory memory_of(const ps_pool_skip_tiles *t) {
    memory m = {.groups = groups_of(t, SLAB_WINDOWS), .groups_weights = groups_of(t, SLAB_WINDOWS_WEIGHTS)};
    size_t c = (size_t)t->grid->shape.c,
           most = m.groups.images > m.groups_weights.images ? m.groups.images : m.groups_weights.images;
    m.weights_bytes = rounded(t->panels * c * (size_t)t->taps * (size_t)t->lanes * sizeof(float));
    m.leaves = weight_leaves(t, &m.groups_weights);
    m.depth_first = m.leaves.shards.whole > 1 && m.leaves.shards.whole * m.weights_bytes > LEAVES_BYTES;
    m.places_at = rounded(most * (size_t)(t->grid->e + 2) * t->plane * (size_t)t->lanes * sizeof(float));
    m.slots_at = m.places_at + rounded(most * t->slab_windows * sizeof(ps_pool_skip_place));
    m.tile_bytes = m.slots_at;
    if (m.depth_first) m.tile_bytes += rounded(ps_tree_slots(m.leaves.shards.count) * share_floats(t) * sizeof(float));
    size_t sums = rounded(m.groups.count * PS_POOL_SKIP_SUMS * c * sizeof(double));
    size_t bias = rounded(c * sizeof(double)) + ps_pointwise_workspace_bytes(t->grid->shape);
    m.second_bytes = (m.depth_first ? 1 : m.leaves.count) * m.weights_bytes;
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

/* In the optimiser's layout. */
static void unpack_task(void *context, size_t panel, int worker) {
    (void)worker;
    const sparse_run *run = context;
    PS_SIMD_SELECT(ps_pool_skip_sparse_unpack)(run->job.d_weights, (size_t)run->tiles.grid->shape.c, run->tiles.taps,
                                               panel, run->dw);
}

/* Group by group, so that the maps of a group stay in the second-level cache; where the weights of all panels are too
 * many even for the third level, panel by panel, so that those of one panel stay near for all groups. */
static void forward_task(void *context, size_t chunk, int worker) {
    const sparse_run *run = context;
    size_t groups = run->memory.groups.count, c = (size_t)run->tiles.grid->shape.c;
    bool by_panel = run->memory.weights_bytes > MANY_WEIGHTS_BYTES;
    size_t group = by_panel ? chunk % groups : chunk / run->tiles.panels;
    size_t panel = by_panel ? chunk / groups : chunk % run->tiles.panels;
    double *sums = run->sums ? run->sums + group * PS_POOL_SKIP_SUMS * c : NULL;
    ps_pool_skip_group images = group_at(&run->memory.groups, group);
    if (images.images > 0)
        PS_SIMD_SELECT(ps_pool_skip_sparse_forward)(&run->job, images, panel, tile_of(run, worker), sums);
}

/* Groups within each shard in their order, shards along the tree. */
static void add_groups(const sparse_run *run, double *const sums[PS_POOL_SKIP_SUMS]) {
    const image_groups *g = &run->memory.groups;
    size_t c = (size_t)run->tiles.grid->shape.c, count = PS_POOL_SKIP_SUMS * c;
    for (size_t number = 0; number < g->count; number++) {
        double *shard = run->sums + number / g->per_shard * g->per_shard * count, *group = run->sums + number * count;
        for (size_t i = 0; shard != group && i < count; i++) shard[i] += group[i];
    }
    ps_reduce_doubles(run->sums, g->shards.count, g->per_shard * count, count);
    for (size_t s = 0; s < PS_POOL_SKIP_SUMS; s++)
        for (size_t k = 0; sums[s] != NULL && k < c; k++) sums[s][k] += run->sums[s * c + k];
}

void ps_pool_skip_sparse_run_forward(const ps_pool_skip_plan *plan, ps_pool_skip_kept kept, const float *identity,
                                     const float *w, const float *bias, float *o, double *const sums[PS_POOL_SKIP_SUMS],
                                     void *workspace, ps_threads *threads) {
    sparse_run run = {.w = w, .job = {.identity = identity, .bias = bias, .o = o}};
    prepare(&run, plan, kept, workspace);
    size_t groups = run.memory.groups.count, c = (size_t)plan->grid.shape.c;
    if (sums[0] || sums[1] || sums[2] || sums[3]) {
        run.sums = second_area(&run);
        memset(run.sums, 0, groups * PS_POOL_SKIP_SUMS * c * sizeof(double));
    }
    ps_threads_run(threads, run.tiles.panels, pack_task, &run);
    ps_threads_run(threads, groups * run.tiles.panels, forward_task, &run);
    if (run.sums) add_groups(&run, sums);
}

static void data_task(void *context, size_t chunk, int worker) {
    const sparse_run *run = context;
    size_t share = chunk % run->shares;
    ps_pool_skip_group images = group_at(&run->memory.groups, chunk / run->shares);
    if (images.images > 0) PS_SIMD_SELECT(ps_pool_skip_sparse_data)
    (&run->job, images, share_start(&run->tiles, run->shares, share), share_start(&run->tiles, run->shares, share + 1),
     tile_of(run, worker));
}

/* Channels [begin, end) of a panel of the gradient over one leaf, its groups in their order. */
static void sum_leaf(const sparse_run *run, size_t leaf, size_t panel, size_t begin, size_t end, int worker,
                     float *d_weights) {
    const ps_pool_skip_tiles *t = &run->tiles;
    ps_pool_skip_sparse_job job = run->job;
    job.d_weights = d_weights;
    memset(d_weights, 0, (end - begin) * (size_t)t->taps * (size_t)t->lanes * sizeof *d_weights);
    size_t last = ps_leaves_start(&run->memory.leaves, leaf + 1);
    for (size_t group = ps_leaves_start(&run->memory.leaves, leaf); group < last; group++) {
        ps_pool_skip_group images = group_at(&run->memory.groups_weights, group);
        if (images.images > 0)
            PS_SIMD_SELECT(ps_pool_skip_sparse_weights)(&job, images, panel, begin, end, tile_of(run, worker));
    }
}

/* A task owns its part of the gradient: of one leaf, or of all shards, added depth first. */
static void weights_task(void *context, size_t chunk, int worker) {
    const sparse_run *run = context;
    const ps_pool_skip_tiles *t = &run->tiles;
    const memory *m = &run->memory;
    size_t tasks = t->panels * run->shares, leaf = chunk / tasks, panel = chunk % tasks / run->shares,
           share = chunk % run->shares, vector = (size_t)t->taps * (size_t)t->lanes;
    size_t begin = share_start(t, run->shares, share), end = share_start(t, run->shares, share + 1);
    size_t at = (panel * (size_t)t->grid->shape.c + begin) * vector, count = (end - begin) * vector;
    if (!m->depth_first) {
        float *leaf_weights = run->job.d_weights + leaf * (m->weights_bytes / sizeof(float));
        sum_leaf(run, leaf, panel, begin, end, worker, leaf_weights + at);
        return;
    }
    float *slots = (float *)(void *)((char *)tile_of(run, worker) + m->slots_at);
    for (leaf = 0; leaf < m->leaves.count; leaf++) {
        sum_leaf(run, leaf, panel, begin, end, worker, ps_tree_slot(slots, count, leaf));
        ps_tree_add(slots, count, leaf);
    }
    memcpy(run->job.d_weights + at, slots, count * sizeof *slots);
}

static void sum_bias(sparse_run *run, const float *d_o, float *dbias, ps_threads *threads) {
    ps_shape s = run->tiles.grid->shape;
    double *sums = second_area(run);
    void *scratch = (char *)sums + rounded((size_t)s.c * sizeof *sums);
    for (int k = 0; k < s.c; k++) sums[k] = 0;
    ps_channel_summarise(d_o, s, (ps_channel_sums){.sum = sums}, scratch, threads);
    for (int k = 0; k < s.c; k++) dbias[k] = (float)sums[k];
}

void ps_pool_skip_sparse_run_backward(const ps_pool_skip_plan *plan, ps_pool_skip_kept kept, const float *w,
                                      const float *d_o, float *du, float *dw, float *dbias, void *workspace,
                                      ps_threads *threads) {
    sparse_run run = {.w = w, .dw = dw, .job = {.d_o = d_o, .du = du}};
    prepare(&run, plan, kept, workspace);
    if (dbias != NULL) sum_bias(&run, d_o, dbias, threads);
    if (du != NULL) {
        size_t groups = run.memory.groups.count;
        run.shares = shares_of(&run.tiles, groups);
        ps_threads_run(threads, run.tiles.panels, pack_task, &run);
        ps_threads_run(threads, groups * run.shares, data_task, &run);
    }
    run.job.d_weights = second_area(&run);
    run.shares = shares_of(&run.tiles, run.tiles.panels);
    size_t leaves = run.memory.depth_first ? 1 : run.memory.leaves.count,
           floats = run.memory.weights_bytes / sizeof(float);
    ps_threads_run(threads, leaves * run.tiles.panels * run.shares, weights_task, &run);
    ps_reduce_floats(run.job.d_weights, leaves, floats, floats, threads);
    ps_threads_run(threads, run.tiles.panels, unpack_task, &run);
    ps_reduce_across(dw, (size_t)plan->grid.shape.c * (size_t)run.tiles.taps * (size_t)plan->grid.shape.c);
}
