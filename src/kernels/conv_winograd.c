/* Winograd convolution F(4x4, 3x3): 3x3 kernels with stride 1, and 3x3x3 ones (two dimensions transformed, the third
 * summed, with stride 1 or 2). A quarter of the multiplications of the direct algorithm, plus the transforms. 3x3 with
 * stride 2 and padding 1 takes 0.56 of them (outer taps and middle taps apart), 5x5 with stride 1 0.36. With dilation
 * each of the interleaved grids of outputs is a plain convolution, and has tiles of its own. Groups go one after
 * another. See conv_winograd.h for the algorithm.
 *
 * Two ways of walking through the work, chosen by shape:
 * - many tiles: all weights are transformed first; a chunk of tiles is transformed, multiplied and transformed back
 *   while it stays in the second-level cache;
 * - few tiles, many weights: all tiles are transformed first; a panel of weights is transformed and used at once.
 * Backward-weights likewise: sums of groups of tiles, or blocks of the gradient over all tiles.
 * In 3D a chunk is a slab: every slice of the input that it reaches is transformed once and multiplied by the weights
 * of all its depth taps, but for those that lie in the padding.
 *
 * What one processor writes and another reads has to cross between their caches, which is slower than to work it out
 * again. So few threads share no transformed values: each transforms for itself what it is about to multiply, when it
 * first needs it ("own").
 *
 * Relative L2 error (random data): 2.4e-6 at 512 channels, 4.8e-6 at 3072, growing with their root; backward-weights
 * 1e-6. NaN and infinity spread over the tile they touch. An output whose inputs are all zero, in a tile that is not,
 * comes out as rounding noise of the tile and not as exactly zero: without bias and normalisation such a position is no
 * longer exactly at the gate's edge. */
#include "kernels/conv_winograd.h"

#include <string.h>

#include "kernels/conv_method.h"
#include "kernels/processor.h"

enum {
    TILE_FLOATS = 64 * 1024,       /* transformed input of one chunk: with weights and products, within a megabyte */
    SMALL_TILE_FLOATS = 32 * 1024, /* half of 256 KB, which hold no weights beside them */
    FEWEST_TILES = 24,             /* but not fewer, since a chunk reads all weights */
    SMALL_FEWEST_TILES = 12,
    MOST_TILES = 96,
    CHANNEL_BLOCK = 64, /* of weights transformed at a time, while a panel is multiplied */
    WEIGHT_BLOCK = 16,  /* of weights transformed beforehand: a task */
    FEW_TILES = 160,    /* at most, to transform them all first */
    MANY_WEIGHTS = 160 * 160,
    OUTER_TILES = 48,    /* tiles per step of backward-weights */
    GROUPS = 16,         /* most groups of tiles of backward-weights */
    FEWEST_OF_GROUP = 4, /* channels or filters of a group of the convolution */
    FILTERS_PER_TASK = 4,
    FILTER_BLOCK = 96,       /* most filters of a block of the weight gradient */
    SMALL_FILTER_BLOCK = 32, /* and with stride 2, whose tiles take twice the room */
    MANY_PRODUCTS = 96 * 96,
    WORTH_TWO = 1 << 14,      /* tiles x columns x rows of a task worth sharing: some ten microseconds */
    OWN_THREADS = 4,          /* at most, to share nothing: beyond, the repeated work outweighs the crossing */
    SLAB_FLOATS = 192 * 1024, /* 3D: transformed slices of a slab of the output, and its products */
    SMALL_SLAB_FLOATS = 48 * 1024,
    SLAB_TILES = 8,             /* of a plane in a slab, where there are as many */
    COLUMN_FLOATS = 256 * 1024, /* 3D: transformed columns of x and dy of a step of backward-weights */
    OWN_WEIGHTS_TILES =
        16, /* and as many tiles for each thread at least, where it is the weights that are transformed again */
    ROUND_FLOATS = 4 << 20 /* tiles of both operands of backward-weights that are transformed at once: 16 MiB */
};

static size_t round_up(size_t count, size_t step) { return (count + step - 1) / step * step; }

/* Row length of a matrix: whole cache lines and one more, so that rows and matrices do not fall on the same cache
 * sets. */
static size_t padded(size_t floats) { return round_up(floats, 16) + 16; }

/* Half-width vectors where they waste fewer lanes; processors with both run the narrower ones at twice the rate. */
static const ps_winograd_kernels *kernels_for(int a, int b) {
#if defined(__x86_64__)
    size_t wide = round_up((size_t)a, 16) + round_up((size_t)b, 16),
           narrow = round_up((size_t)a, 8) + round_up((size_t)b, 8);
    if (ps_simd_detect() == PS_SIMD_AVX512 && 5 * narrow <= 4 * wide) return ps_winograd_kernels_of_avx2();
#else
    (void)a, (void)b;
#endif
    return PS_SIMD_SELECT(ps_winograd_kernels_of)();
}

typedef struct {
    const ps_winograd_kernels *kernels;
    ps_winograd_map map;
    bool flipped, accumulate, few_tiles, own;
    int *have;          /* own: have[worker * have_worker + part] is set once that worker has transformed that part */
    size_t have_worker; /* parts of a worker, whole cache lines */
    const float *x, *w, *bias, *dy;
    float *y;
    ps_winograd_matrices v, g, u, m; /* whole ones, or those of worker 0 */
    size_t v_worker, g_worker, u_worker,
        m_worker; /* distance to those of the next worker (0: shared); u: of the next panel or task */
    size_t u_own; /* distance to the next worker's own weights (0: shared) */
    size_t panel, panels, chunks, channel_blocks, filter_blocks;
    int channel_block, filter_block;
    /* Of the weight gradient: groups of tiles, or rounds, of which each holds some shards, or a part of one. */
    ps_leaves groups;
    size_t rounds, round, round_shards, shard_rounds;
    float *slots; /* of the tree, for each worker or task */
    size_t slot_floats, slots_step;
    /* 3D: tiles of a plane; pieces of planes and of the depth that cut an image into slabs; tiles of a column step. */
    size_t plane, plane_pieces, depth_pieces, column_tiles;
} winograd_job;

/* Tiles of so many outputs, in each of the interleaved grids that dilation makes. */
static int tiles_of(int outputs, int size, int dilation, int *grids) {
    *grids = dilation < outputs ? dilation : outputs;
    return *grids * ((outputs + dilation * size - 1) / (dilation * size));
}

static void map_tiles(ps_winograd_map *map) {
    int size = map->kind == PS_WINOGRAD_TRANSPOSED ? 8 : map->kind == PS_WINOGRAD_FIVE ? 2 : 4;
    map->tiles_h = tiles_of(map->oh, size, map->dilation_h, &map->grids_h);
    map->tiles_w = tiles_of(map->ow, size, map->dilation_w, &map->grids_w);
    map->slice_order = 1;
    map->tiles = (size_t)map->n * (size_t)map->od * (size_t)map->tiles_h * (size_t)map->tiles_w;
    map->depth = (size_t)map->kd * (size_t)map->c;
    map->columns = (ps_winograd_channels){0, map->c};
    map->rows = (ps_winograd_channels){0, map->k};
}

static ps_winograd_map forward_map(const ps_conv_shape *s) {
    ps_winograd_map map = {.n = s->n,
                           .d = s->d,
                           .h = s->h,
                           .w = s->w,
                           .c = s->c / s->groups,
                           .k = s->k / s->groups,
                           .x_pixel = s->c,
                           .y_pixel = s->k,
                           .kd = s->kd,
                           .od = ps_conv_out_d(s),
                           .oh = ps_conv_out_h(s),
                           .ow = ps_conv_out_w(s),
                           .dilation_h = s->dilation_h,
                           .dilation_w = s->dilation_w,
                           .down_d = s->stride_d,
                           .up_d = 1,
                           .pad_d = s->pad_d,
                           .pad_h = s->pad_h,
                           .pad_w = s->pad_w};
    if (s->stride_h == 2) map.kind = PS_WINOGRAD_STRIDED;
    if (s->kh == 5) map.kind = PS_WINOGRAD_FIVE;
    map_tiles(&map);
    return map;
}

/* dx is the convolution of dy with the filters turned round and the padding complemented. */
static ps_winograd_map backward_map(const ps_conv_shape *s) {
    ps_winograd_map map = {.n = s->n,
                           .od = s->d,
                           .oh = s->h,
                           .ow = s->w,
                           .c = s->k / s->groups,
                           .k = s->c / s->groups,
                           .x_pixel = s->k,
                           .y_pixel = s->c,
                           .kd = s->kd,
                           .d = ps_conv_out_d(s),
                           .h = ps_conv_out_h(s),
                           .w = ps_conv_out_w(s),
                           .dilation_h = s->dilation_h,
                           .dilation_w = s->dilation_w,
                           .down_d = 1,
                           .up_d = s->stride_d,
                           .pad_d = s->kd - 1 - s->pad_d,
                           .pad_h = s->dilation_h * (s->kh - 1) - s->pad_h,
                           .pad_w = s->dilation_w * (s->kw - 1) - s->pad_w};
    /* With stride 2 and padding 1, inputs 8 t to 8 t + 7 reach outputs 4 t to 4 t + 4: tiles of dy begin at their first
     * one. */
    if (s->stride_h == 2) map.kind = PS_WINOGRAD_TRANSPOSED, map.pad_h = 0, map.pad_w = 0;
    if (s->kh == 5) map.kind = PS_WINOGRAD_FIVE;
    map_tiles(&map);
    return map;
}

/* Takes a part of the workspace; with base NULL only the sizes are added up. */
typedef struct {
    float *base;
    size_t used;
} arena;

static float *take(arena *a, size_t floats) {
    float *part = a->base != NULL ? a->base + a->used : NULL;
    a->used += round_up(floats, 16);
    return part;
}

static ps_winograd_matrices take_matrices(arena *a, size_t matrices, size_t rows, size_t row_step, size_t copies,
                                          size_t *worker_step) {
    ps_winograd_matrices m = {.row_step = row_step, .step = rows * row_step + 16};
    size_t each = round_up(matrices * m.step + 16, 16);
    m.data = take(a, copies * each);
    *worker_step = copies > 1 ? each : 0;
    return m;
}

static ps_winograd_matrices moved(ps_winograd_matrices m, size_t floats) {
    m.data += floats;
    return m;
}

static const float *take_zeros(arena *a, int channels) {
    size_t floats = round_up((size_t)channels, 16);
    float *zeros = take(a, floats);
    if (zeros != NULL) memset(zeros, 0, floats * sizeof *zeros);
    return zeros;
}

/* The same for the rows of slices: only lengths whose rows would fall on few sets get one more. */
static size_t row_of(size_t channels) {
    size_t floats = round_up(channels, 16);
    return floats % 64 == 0 ? floats + 16 : floats;
}

static void forget(const winograd_job *job, int threads) {
    memset(job->have, 0, (size_t)threads * job->have_worker * sizeof *job->have);
}

/* Records of what each worker has, when workers share nothing. */
static void take_records(winograd_job *job, arena *a, int threads, size_t parts) {
    job->have_worker = round_up(parts, 16);
    job->have = (int *)(void *)take(a, (size_t)threads * job->have_worker);
}

/* Whether this worker comes to a part for the first time. */
static bool is_new(const winograd_job *job, int worker, size_t part) {
    int *have = job->have + (size_t)worker * job->have_worker + part;
    bool first = *have == 0;
    *have = 1;
    return first;
}

/* Few chunks are an even number of them, so that two threads end together; the least work is not worth a second
 * thread. */
static size_t even_chunks(size_t chunks, size_t tiles, size_t work) {
    if (chunks >= 16 || tiles < 2 || work < WORTH_TWO) return chunks;
    return chunks + chunks % 2;
}

/* As many tiles as the second-level cache has room for, transformed. Where those are too few, more of them: they lie
 * beyond the cache in any case, and the weights are then read more seldom. The choice of the method does not ask which
 * it is: other methods read all weights for each of their chunks, too. */
static size_t chunks_of(const ps_winograd_map *map) {
    size_t tiles = map->tiles, tile = ps_winograd_products(map->kind) * padded(map->depth);
    size_t each = ps_processor_choose(TILE_FLOATS, SMALL_TILE_FLOATS) / tile;
    if (each < ps_processor_choose(FEWEST_TILES, SMALL_FEWEST_TILES)) each = FEWEST_TILES;
    if (each > MOST_TILES) each = MOST_TILES;
    return even_chunks(ps_threads_chunks(tiles, each), tiles, tiles * map->depth * (size_t)map->k);
}

/* In 3D an output slice takes the transformed slices of its taps, so neighbouring ones share most of them. A slab is
 * what is worked on at a time: some tiles of a plane, over as many slices of an image as leave room for a few tiles. */
static void plan_slabs(winograd_job *job, size_t *slices, size_t *positions) {
    const ps_winograd_map *map = &job->map;
    size_t tiles = 1, depth = 1;
    for (job->depth_pieces = 1;; job->depth_pieces++) {
        depth = ps_threads_chunks((size_t)map->od, job->depth_pieces);
        *slices = ((depth - 1) * (size_t)map->down_d + (size_t)map->kd - 1) / (size_t)map->up_d + 1;
        if (*slices > (size_t)map->d) *slices = (size_t)map->d;
        size_t column = ps_winograd_products(map->kind) * (*slices * row_of((size_t)map->c) + depth * job->panel);
        tiles = ps_processor_choose(SLAB_FLOATS, SMALL_SLAB_FLOATS) / column;
        if (tiles >= SLAB_TILES || tiles >= job->plane || depth == 1) break;
    }
    job->plane_pieces = ps_threads_chunks(job->plane, tiles > 1 ? tiles : 1);
    tiles = ps_threads_chunks(job->plane, job->plane_pieces);
    job->chunks = (size_t)map->n * job->depth_pieces * job->plane_pieces;
    *slices *= tiles, *positions = depth * tiles;
}

static winograd_job plan_product(const ps_winograd_map *map, arena *a, int threads) {
    winograd_job job = {.map = *map, .kernels = kernels_for(map->c, map->k)};
    size_t panel = 2 * (size_t)job.kernels->lanes, products = ps_winograd_products(map->kind);
    job.panel = panel;
    job.panels = ps_threads_chunks((size_t)map->k, panel);
    job.plane = (size_t)map->tiles_h * (size_t)map->tiles_w;
    job.few_tiles = map->tiles <= FEW_TILES && map->depth * (size_t)map->k >= MANY_WEIGHTS;
    size_t inputs = map->tiles / (size_t)map->od * (size_t)map->d, tiles = map->tiles, workers = (size_t)threads;
    if (job.few_tiles) {
        job.chunks = ps_threads_chunks(inputs, 4);
    } else if (map->kd > 1) {
        plan_slabs(&job, &inputs, &tiles);
    } else {
        job.chunks = chunks_of(map);
        inputs = tiles = ps_threads_chunks(map->tiles, job.chunks);
    }
    job.own = threads <= OWN_THREADS && (job.few_tiles || map->tiles >= OWN_WEIGHTS_TILES * workers);
    job.map.zeros = take_zeros(a, map->c);
    job.v = take_matrices(a, products, inputs, map->kd > 1 ? row_of((size_t)map->c) : padded(map->depth),
                          job.few_tiles && !job.own ? 1 : workers, &job.v_worker);
    job.m = take_matrices(a, products, tiles, panel, workers, &job.m_worker);
    job.channel_block = job.few_tiles && map->c > CHANNEL_BLOCK ? CHANNEL_BLOCK : map->c;
    size_t u_rows = (size_t)map->kd * (size_t)job.channel_block;
    size_t copies = job.few_tiles ? workers : job.own ? workers * job.panels : job.panels;
    job.u = take_matrices(a, PS_WINOGRAD_WEIGHTS, u_rows, panel, copies, &job.u_worker);
    job.u_own = !job.few_tiles && job.own ? job.panels * job.u_worker : 0;
    take_records(&job, a, threads, 1);
    /* With depth taps a panel's rows are channels within taps: one task transforms it whole. */
    job.channel_blocks = map->kd == 1 ? ps_threads_chunks((size_t)map->c, WEIGHT_BLOCK) : 1;
    return job;
}

static int vectors_of(const winograd_job *job, size_t panel) {
    return (size_t)job->map.k - panel * job->panel > job->panel / 2 ? 2 : 1;
}

static void transform_weights(void *context, size_t chunk, int worker) {
    const winograd_job *job = context;
    size_t panel = chunk / job->channel_blocks, block = chunk % job->channel_blocks;
    size_t first = block * WEIGHT_BLOCK,
           last = block + 1 < job->channel_blocks ? first + WEIGHT_BLOCK : (size_t)job->map.c;
    size_t to = (size_t)worker * job->u_own + panel * job->u_worker + first * job->u.row_step;
    job->kernels->weights(&job->map, job->w, job->flipped, (int)panel, (int)first, (int)last, moved(job->u, to));
}

/* The weights that this worker uses. */
static ps_winograd_matrices weights_for(const winograd_job *job, int worker) {
    if (job->own && is_new(job, worker, 0))
        for (size_t chunk = 0; chunk < job->panels * job->channel_blocks; chunk++)
            transform_weights((void *)(uintptr_t)job, chunk, worker);
    return moved(job->u, (size_t)worker * job->u_own);
}

static void convolve_tiles(void *context, size_t chunk, int worker) {
    const winograd_job *job = context;
    size_t first = ps_threads_chunk_start(job->map.tiles, job->chunks, chunk);
    size_t count = ps_threads_chunk_start(job->map.tiles, job->chunks, chunk + 1) - first;
    ps_winograd_matrices v = moved(job->v, (size_t)worker * job->v_worker),
                         m = moved(job->m, (size_t)worker * job->m_worker);
    ps_winograd_matrices u = weights_for(job, worker);
    job->kernels->input(&job->map, job->x, first, count, v);
    for (size_t panel = 0; panel < job->panels; panel++) {
        int vectors = vectors_of(job, panel);
        ps_winograd_product p = {
            .kind = job->map.kind, .count = count, .depth = job->map.depth, .taps = 1, .vectors = vectors};
        job->kernels->multiply(&p, v, moved(u, panel * job->u_worker), m);
        job->kernels->output(&job->map, m, first, count, (int)(panel * job->panel), vectors, job->bias, job->accumulate,
                             job->y);
    }
}

/* Part of an image: `tiles` of its planes, its output slices [d, end) and the input slices from z on. */
typedef struct {
    size_t n, first, tiles;
    int d, end, z, z_end;
} slab;

static void find_slices(const ps_winograd_map *map, slab *s) {
    int first = s->d * map->down_d - map->pad_d, last = (s->end - 1) * map->down_d - map->pad_d + map->kd - 1;
    s->z = first > 0 ? (first + map->up_d - 1) / map->up_d : 0;
    s->z_end = last / map->up_d + 1 < map->d ? last / map->up_d + 1 : map->d;
}

static slab slab_of(const winograd_job *job, size_t chunk) {
    size_t piece = chunk % job->plane_pieces, deep = chunk / job->plane_pieces % job->depth_pieces;
    slab s = {.n = chunk / job->plane_pieces / job->depth_pieces};
    s.first = ps_threads_chunk_start(job->plane, job->plane_pieces, piece);
    s.tiles = ps_threads_chunk_start(job->plane, job->plane_pieces, piece + 1) - s.first;
    s.d = (int)ps_threads_chunk_start((size_t)job->map.od, job->depth_pieces, deep);
    s.end = (int)ps_threads_chunk_start((size_t)job->map.od, job->depth_pieces, deep + 1);
    find_slices(&job->map, &s);
    return s;
}

/* The tiles of slice z, or of an array with so many slices an image. */
static size_t tiles_at(const winograd_job *job, const slab *s, int slices, int z) {
    return (s->n * (size_t)slices + (size_t)z) * job->plane + s->first;
}

/* The input slice that a depth tap of output slice d reads; -1: none. */
static int slice_of(const ps_winograd_map *map, int d, int tap) {
    int at = d * map->down_d + tap - map->pad_d;
    return at < 0 || at % map->up_d != 0 || at / map->up_d >= map->d ? -1 : at / map->up_d;
}

/* Depth taps first, first + up_d, ..., which read slice z and those that follow it. */
typedef struct {
    int first, count, z;
} tap_range;

/* The depth taps whose slices lie inside, of output slice d. */
static tap_range taps_of(const ps_winograd_map *map, int d) {
    tap_range taps = {.z = -1};
    for (int tap = map->kd - 1; tap >= 0; tap--) {
        int z = slice_of(map, d, tap);
        if (z >= 0) taps.first = tap, taps.z = z, taps.count++;
    }
    return taps;
}

/* The products of a slab and `depth` channels for one panel; without strides, slices with the same taps together. v
 * holds its slices, m its output slices. */
static void multiply_slab(const winograd_job *job, const slab *s, size_t depth, int vectors, ps_winograd_matrices v,
                          ps_winograd_matrices u, ps_winograd_matrices m, bool accumulate) {
    const ps_winograd_map *map = &job->map;
    ps_winograd_product p = {.kind = map->kind, .depth = depth, .vectors = vectors, .accumulate = accumulate};
    p.v_tap = s->tiles * v.row_step, p.u_tap = (size_t)map->up_d * depth * u.row_step;
    bool strided = map->down_d > 1 || map->up_d > 1;
    for (int d = s->d, next; d < s->end; d = next) {
        tap_range taps = taps_of(map, d), other = taps;
        for (next = d + 1; next < s->end && !strided; next++) {
            other = taps_of(map, next);
            if (other.first != taps.first || other.count != taps.count) break;
        }
        p.count = (size_t)(next - d) * s->tiles, p.taps = (size_t)taps.count;
        size_t from = taps.count > 0 ? (size_t)(taps.z - s->z) * s->tiles : 0, to = (size_t)(d - s->d) * s->tiles;
        job->kernels->multiply(&p, moved(v, from * v.row_step), moved(u, (size_t)taps.first * depth * u.row_step),
                               moved(m, to * m.row_step));
    }
}

static void convolve_slab(void *context, size_t chunk, int worker) {
    const winograd_job *job = context;
    const ps_winograd_map *map = &job->map;
    slab s = slab_of(job, chunk);
    ps_winograd_matrices v = moved(job->v, (size_t)worker * job->v_worker),
                         m = moved(job->m, (size_t)worker * job->m_worker), u = weights_for(job, worker);
    for (int z = s.z; z < s.z_end; z++)
        job->kernels->input(map, job->x, tiles_at(job, &s, map->d, z), s.tiles,
                            moved(v, (size_t)(z - s.z) * s.tiles * v.row_step));
    for (size_t panel = 0; panel < job->panels; panel++) {
        int vectors = vectors_of(job, panel);
        multiply_slab(job, &s, (size_t)map->c, vectors, v, moved(u, panel * job->u_worker), m, false);
        for (int d = s.d; d < s.end; d++)
            job->kernels->output(map, moved(m, (size_t)(d - s.d) * s.tiles * m.row_step), tiles_at(job, &s, map->od, d),
                                 s.tiles, (int)(panel * job->panel), vectors, job->bias, job->accumulate, job->y);
    }
}

/* Tiles of all the input's slices. */
static size_t input_tiles_of(const ps_winograd_map *map) { return map->tiles / (size_t)map->od * (size_t)map->d; }

static void transform_tiles(void *context, size_t chunk, int worker) {
    (void)worker;
    const winograd_job *job = context;
    size_t tiles = input_tiles_of(&job->map), first = ps_threads_chunk_start(tiles, job->chunks, chunk);
    size_t count = ps_threads_chunk_start(tiles, job->chunks, chunk + 1) - first;
    job->kernels->input(&job->map, job->x, first, count, moved(job->v, first * job->v.row_step));
}

/* The products of all tiles. */
static void multiply_all(const winograd_job *job, size_t depth, int vectors, ps_winograd_matrices v,
                         ps_winograd_matrices u, ps_winograd_matrices m, bool accumulate) {
    const ps_winograd_map *map = &job->map;
    if (map->kd == 1) {
        ps_winograd_product p = {map->kind, map->tiles, depth, 1, 0, 0, vectors, accumulate};
        job->kernels->multiply(&p, v, u, m);
        return;
    }
    for (size_t n = 0; n < (size_t)map->n; n++) {
        slab s = {.n = n, .tiles = job->plane, .end = map->od, .z_end = map->d};
        multiply_slab(job, &s, depth, vectors, moved(v, tiles_at(job, &s, map->d, 0) * v.row_step), u,
                      moved(m, tiles_at(job, &s, map->od, 0) * m.row_step), accumulate);
    }
}

static void convolve_panel(void *context, size_t panel, int worker) {
    const winograd_job *job = context;
    const ps_winograd_map *map = &job->map;
    ps_winograd_matrices u = moved(job->u, (size_t)worker * job->u_worker),
                         m = moved(job->m, (size_t)worker * job->m_worker);
    ps_winograd_matrices v = moved(job->v, (size_t)worker * job->v_worker);
    int vectors = vectors_of(job, panel);
    if (job->own && is_new(job, worker, 0)) job->kernels->input(map, job->x, 0, input_tiles_of(map), v);
    for (int c = 0; c < map->c; c += job->channel_block) {
        int last = map->c - c < job->channel_block ? map->c : c + job->channel_block;
        job->kernels->weights(map, job->w, job->flipped, (int)panel, c, last, u);
        multiply_all(job, (size_t)(last - c), vectors, moved(v, (size_t)c), u, m, c > 0);
    }
    job->kernels->output(map, m, 0, map->tiles, (int)(panel * job->panel), vectors, job->bias, job->accumulate, job->y);
}

static void convolve(const ps_winograd_map *map, bool flipped, const float *x, const float *w, const float *bias,
                     bool accumulate, float *y, void *workspace, ps_threads *threads) {
    arena a = {.base = workspace};
    winograd_job job = plan_product(map, &a, ps_threads_count(threads));
    job.flipped = flipped, job.x = x, job.w = w, job.bias = bias, job.accumulate = accumulate, job.y = y;
    if (job.own) forget(&job, ps_threads_count(threads));
    if (job.few_tiles) {
        if (!job.own) ps_threads_run(threads, job.chunks, transform_tiles, &job);
        ps_threads_run(threads, job.panels, convolve_panel, &job);
    } else {
        if (!job.own) ps_threads_run(threads, job.panels * job.channel_blocks, transform_weights, &job);
        ps_threads_run(threads, job.chunks, map->kd > 1 ? convolve_slab : convolve_tiles, &job);
    }
}

void ps_winograd_forward_selected(const ps_conv_shape *s, const float *x, const ps_winograd_selection *selection,
                                  const float *w, const float *bias, float *y, void *workspace, ps_threads *threads) {
    ps_winograd_map map = forward_map(s);
    map.selection = selection;
    size_t weights = ps_conv_weights(s) / (size_t)s->groups;
    for (int group = 0; group < s->groups; group++)
        convolve(&map, false, x + group * map.c, w + (size_t)group * weights,
                 bias != NULL ? bias + group * map.k : NULL, false, y + group * map.k, workspace, threads);
}

static void winograd_forward(const ps_conv_shape *s, const float *x, const float *w, const float *bias, float *y,
                             void *workspace, ps_threads *threads) {
    ps_winograd_forward_selected(s, x, NULL, w, bias, y, workspace, threads);
}

static void winograd_backward_data(const ps_conv_shape *s, const float *dy, const float *w, const float *bias,
                                   float *dx, bool accumulate, void *workspace, ps_threads *threads) {
    (void)bias;
    ps_winograd_map map = backward_map(s);
    size_t weights = ps_conv_weights(s) / (size_t)s->groups;
    for (int group = 0; group < s->groups; group++)
        convolve(&map, true, dy + group * map.c, w + (size_t)group * weights, NULL, accumulate, dx + group * map.k,
                 workspace, threads);
}

/* Backward-weights: v holds tiles of x, g tiles of dy, u their products. Few weights (`few_tiles` false): a task is
 * a group of tiles with a sum of its own, a leaf of the batch's tree. Many: in rounds, all tiles of a round are
 * transformed into panels, then a task is a block of filters by channels, whose products stay in the second-level
 * cache. Either way each shard's products are transformed back, and what is added along the tree are gradients: a
 * quarter of the floats, and what processes exchange. */
static ps_winograd_matrices take_panels(arena *a, size_t matrices, size_t tiles, size_t columns, size_t panel,
                                        size_t copies, size_t *worker_step) {
    ps_winograd_matrices m = {.row_step = panel, .step = tiles * panel + 16, .panel = panel};
    m.panel_step = matrices * m.step;
    size_t each = round_up(ps_threads_chunks(columns, panel) * m.panel_step + 16, 16);
    m.data = take(a, copies * each);
    *worker_step = copies > 1 ? each : 0;
    return m;
}

/* A single shard's gradient is written at once. */
static void take_slots(winograd_job *job, arena *a, size_t floats, size_t copies) {
    size_t shards = job->groups.shards.count;
    job->slot_floats = floats;
    job->slots_step = shards > 1 ? ps_tree_slots(shards) * floats : 0;
    job->slots = take(a, copies * job->slots_step);
}

/* As many whole shards to a round as `most` tiles allow, or a part of one. Returns the tiles of the largest round. */
static size_t plan_round_tiles(winograd_job *job, size_t most) {
    const ps_shards *shards = &job->groups.shards;
    size_t tiles = ps_shards_largest(shards) * job->groups.items;
    if (most < FEWEST_TILES) most = FEWEST_TILES;
    job->round_shards = 1;
    job->shard_rounds = ps_threads_chunks(tiles, most);
    while (job->round_shards < shards->count &&
           ps_shards_start(shards, 2 * job->round_shards) * job->groups.items <= most)
        job->round_shards *= 2;
    job->rounds = shards->count / job->round_shards * job->shard_rounds;
    if (job->shard_rounds > 1) return ps_threads_chunks(tiles, job->shard_rounds);
    return ps_shards_start(shards, job->round_shards) * job->groups.items;
}

/* Tiles of both operands that a round may hold. */
static size_t round_tiles(const ps_winograd_map *map) {
    return ROUND_FLOATS / (ps_winograd_products(map->kind) * (size_t)(map->c + map->k));
}

/* Of the input, the tiles beside so many of the output; in 3D those are whole images'. */
static size_t input_tiles_at(const ps_winograd_map *map, size_t tiles) {
    return tiles / (size_t)map->od * (size_t)map->d;
}

static void plan_rounds(winograd_job *job, arena *a, int threads) {
    const ps_winograd_map *map = &job->map;
    size_t k = (size_t)map->k, panel = job->panel, products = ps_winograd_products(map->kind);
    size_t most =
        map->kind == PS_WINOGRAD_STRIDED ? SMALL_FILTER_BLOCK : ps_processor_choose(FILTER_BLOCK, SMALL_FILTER_BLOCK);
    job->filter_blocks = ps_threads_chunks(k, most);
    job->filter_block = (int)round_up(ps_threads_chunks(k, job->filter_blocks), 16);
    job->filter_blocks = ps_threads_chunks(k, (size_t)job->filter_block);
    job->channel_blocks = ps_threads_chunks((size_t)map->c, panel);
    size_t tiles = plan_round_tiles(job, round_tiles(map));
    job->own = threads <= OWN_THREADS;
    size_t owners = job->own ? (size_t)threads : 1;
    job->v = take_panels(a, products, input_tiles_at(map, tiles), (size_t)map->c, panel, owners, &job->v_worker);
    job->g = take_panels(a, products, tiles, k, (size_t)job->filter_block, owners, &job->g_worker);
    take_records(job, a, threads, job->filter_blocks + job->channel_blocks);
    size_t tasks = job->filter_blocks * job->channel_blocks * (size_t)map->kd;
    job->u = take_matrices(a, PS_WINOGRAD_WEIGHTS, (size_t)job->filter_block, panel,
                           job->shard_rounds == 1 ? (size_t)threads : tasks, &job->u_worker);
    take_slots(job, a, (size_t)job->filter_block * ps_winograd_taps(map->kind) * panel,
               job->rounds == 1 ? (size_t)threads : tasks);
}

/* A step reads and writes the products of all weights, which few caches hold beside its tiles: it is as long in either
 * class. */
static void plan_groups(winograd_job *job, arena *a, int threads) {
    const ps_winograd_map *map = &job->map;
    size_t tiles = ps_reduce_batch(map->tiles),
           wanted = even_chunks(ps_threads_chunks(tiles, OUTER_TILES), tiles, tiles * map->depth * (size_t)map->k);
    job->groups = ps_leaves_of((size_t)map->n, job->groups.items, wanted < GROUPS ? wanted : GROUPS);
    job->v = take_matrices(a, ps_winograd_products(map->kind), OUTER_TILES, padded(map->depth), (size_t)threads,
                           &job->v_worker);
    job->g = take_matrices(a, ps_winograd_products(map->kind), OUTER_TILES, padded((size_t)map->k), (size_t)threads,
                           &job->g_worker);
    job->u = take_matrices(a, PS_WINOGRAD_WEIGHTS, (size_t)map->k, round_up(map->depth, 16), job->groups.count,
                           &job->u_worker);
    take_slots(job, a, FILTERS_PER_TASK * map->depth * ps_winograd_taps(map->kind), (size_t)threads);
}

/* In 3D a group is a leaf of the plane's tiles, over the whole depth: its columns share all slices. */
static void plan_columns(winograd_job *job, arena *a, int threads) {
    const ps_winograd_map *map = &job->map;
    size_t products = ps_winograd_products(map->kind), c = row_of((size_t)map->c), k = row_of((size_t)map->k);
    size_t column = products * ((size_t)map->d * c + (size_t)map->od * k), wanted = ps_reduce_batch((size_t)map->n);
    job->column_tiles = COLUMN_FLOATS / column > 1 ? COLUMN_FLOATS / column : 1;
    wanted = ps_threads_chunks(wanted * job->plane, job->column_tiles);
    job->groups = ps_leaves_of((size_t)map->n, job->plane, wanted < GROUPS ? wanted : GROUPS);
    job->v = take_matrices(a, products, (size_t)map->d * job->column_tiles, c, (size_t)threads, &job->v_worker);
    job->g = take_matrices(a, products, (size_t)map->od * job->column_tiles, k, (size_t)threads, &job->g_worker);
    job->u = take_matrices(a, PS_WINOGRAD_WEIGHTS, (size_t)map->k, (size_t)map->kd * round_up((size_t)map->c, 16),
                           job->groups.count, &job->u_worker);
    take_slots(job, a, FILTERS_PER_TASK * map->depth * ps_winograd_taps(map->kind), (size_t)threads);
}

/* In 3D a round holds whole images. */
static bool rounds_fit(const winograd_job *job) {
    const ps_winograd_map *map = &job->map;
    if (map->depth * (size_t)map->k < MANY_PRODUCTS) return false;
    return map->kd == 1 || ps_shards_largest(&job->groups.shards) * job->groups.items <= round_tiles(map);
}

static winograd_job plan_gradient(const ps_winograd_map *map, arena *a, int threads) {
    winograd_job job = {.map = *map, .kernels = kernels_for(map->c, map->k)};
    job.map.slice_order = map->down_d;
    job.panel = 2 * (size_t)job.kernels->lanes;
    job.map.zeros = take_zeros(a, map->c > map->k ? map->c : map->k);
    job.groups = ps_leaves_of((size_t)map->n, map->tiles / (size_t)map->n, 1);
    job.plane = (size_t)map->tiles_h * (size_t)map->tiles_w;
    job.few_tiles = rounds_fit(&job);
    if (job.few_tiles) plan_rounds(&job, a, threads);
    else if (map->kd > 1) plan_columns(&job, a, threads);
    else plan_groups(&job, a, threads);
    return job;
}

/* The first tile of a round. */
static size_t round_start(const winograd_job *job, size_t round) {
    size_t shard = round / job->shard_rounds * job->round_shards, items = job->groups.items;
    size_t first = ps_shards_start(&job->groups.shards, shard) * items;
    if (round % job->shard_rounds == 0) return first;
    size_t end = ps_shards_start(&job->groups.shards, shard + 1) * items;
    return first + ps_threads_chunk_start(end - first, job->shard_rounds, round % job->shard_rounds);
}

static void transform_both(void *context, size_t chunk, int worker) {
    (void)worker;
    const winograd_job *job = context;
    size_t begin = round_start(job, job->round), tiles = round_start(job, job->round + 1) - begin;
    size_t first = ps_threads_chunk_start(tiles, job->chunks, chunk),
           count = ps_threads_chunk_start(tiles, job->chunks, chunk + 1) - first;
    job->kernels->gradient(&job->map, job->dy, begin + first, count, moved(job->g, first * job->g.row_step));
    begin = input_tiles_at(&job->map, begin), tiles = input_tiles_at(&job->map, tiles);
    first = ps_threads_chunk_start(tiles, job->chunks, chunk);
    count = ps_threads_chunk_start(tiles, job->chunks, chunk + 1) - first;
    job->kernels->input(&job->map, job->x, begin + first, count, moved(job->v, first * job->v.row_step));
}

/* This worker's own tiles of a block of filters and of a panel of channels. */
static void transform_own(const winograd_job *job, int worker, size_t block, size_t panel, ps_winograd_channels filters,
                          ps_winograd_channels channels) {
    ps_winograd_map map = job->map;
    size_t begin = round_start(job, job->round), tiles = round_start(job, job->round + 1) - begin;
    map.rows = filters, map.columns = channels;
    if (is_new(job, worker, block))
        job->kernels->gradient(&map, job->dy, begin, tiles, moved(job->g, (size_t)worker * job->g_worker));
    if (is_new(job, worker, job->filter_blocks + panel))
        job->kernels->input(&map, job->x, input_tiles_at(&map, begin), input_tiles_at(&map, tiles),
                            moved(job->v, (size_t)worker * job->v_worker));
}

/* Filters [k0, k0 + rows) and channels [c0, c0 + channels) of the gradient, depth tap td. */
typedef struct {
    size_t number, filters, panel; /* of all blocks; among those of filters and of channels */
    int k0, rows, c0, channels, td;
} block;

static block block_of(const winograd_job *job, size_t chunk) {
    const ps_winograd_map *map = &job->map;
    block b = {.number = chunk, .filters = chunk % job->filter_blocks};
    b.td = (int)(chunk / job->filter_blocks % (size_t)map->kd);
    b.panel = chunk / job->filter_blocks / (size_t)map->kd;
    b.k0 = (int)b.filters * job->filter_block, b.c0 = (int)(b.panel * job->panel);
    b.rows = map->k - b.k0 < job->filter_block ? map->k - b.k0 : job->filter_block;
    b.channels = map->c - b.c0 < (int)job->panel ? map->c - b.c0 : (int)job->panel;
    return b;
}

/* Where the slices of dy begin that a depth tap brings together with slices of x, and how many tiles those are of
 * `tiles` of each. */
typedef struct {
    size_t g, v, count;
} v_and_g;

static v_and_g meet(const ps_winograd_map *map, int td, size_t tiles) {
    int first = 0, end = map->od;
    while (first < end && slice_of(map, first, td) < 0) first++;
    while (end > first && slice_of(map, end - 1, td) < 0) end--;
    if (end <= first) return (v_and_g){0, 0, 0};
    int z = slice_of(map, first, td);
    if (map->slice_order == 2) z = z / 2 + z % 2 * ((map->d + 1) / 2);
    return (v_and_g){(size_t)first * tiles, (size_t)z * tiles, (size_t)(end - first) * tiles};
}

/* The products of a shard, or of a round's part of it, in u. */
static void multiply_shard(const winograd_job *job, const block *b, size_t shard, int worker, ps_winograd_matrices u) {
    size_t begin = round_start(job, job->round), end = round_start(job, job->round + 1), first = begin;
    if (job->shard_rounds == 1) {
        first = ps_shards_start(&job->groups.shards, shard) * job->groups.items;
        end = ps_shards_start(&job->groups.shards, shard + 1) * job->groups.items;
    }
    ps_winograd_matrices g = moved(job->g, (size_t)worker * job->g_worker + b->filters * job->g.panel_step),
                         v = moved(job->v, (size_t)worker * job->v_worker + b->panel * job->v.panel_step);
    size_t row = first - begin, rows = end - first;
    if (job->map.kd == 1) {
        job->kernels->outer(job->map.kind, rows, b->rows, b->channels, moved(g, row * g.row_step),
                            moved(v, row * v.row_step), u, job->round % job->shard_rounds > 0);
        return;
    }
    for (size_t done = 0; done < rows; done += job->groups.items) {
        v_and_g at = meet(&job->map, b->td, job->plane);
        job->kernels->outer(job->map.kind, at.count, b->rows, b->channels, moved(g, (row + done + at.g) * g.row_step),
                            moved(v, (input_tiles_at(&job->map, row + done) + at.v) * v.row_step), u, done > 0);
    }
}

static void write_block(const winograd_job *job, const block *b, const float *sum) {
    size_t taps = ps_winograd_taps(job->map.kind), kd = (size_t)job->map.kd;
    for (size_t row = 0; row < (size_t)b->rows * taps; row++) {
        size_t slice = ((size_t)b->k0 + row / taps) * kd + (size_t)b->td;
        memcpy(job->y + (slice * taps + row % taps) * (size_t)job->map.c + b->c0, sum + row * job->panel,
               (size_t)b->channels * sizeof *sum);
    }
}

/* A shard's gradient from its products, added along the tree. */
static void add_shard(const winograd_job *job, const block *b, size_t shard, int worker, ps_winograd_matrices u) {
    size_t shards = job->groups.shards.count, copy = job->rounds == 1 ? (size_t)worker : b->number;
    float *slots = job->slots + copy * job->slots_step;
    ps_winograd_map own = job->map;
    own.c = (int)job->panel, own.kd = 1;
    if (shards == 1) {
        job->kernels->weights_gradient(&job->map, u, 1, 0, b->k0, b->rows, b->td, b->c0, b->channels, job->y);
        return;
    }
    job->kernels->weights_gradient(&own, u, 1, 0, 0, b->rows, 0, 0, b->channels,
                                   ps_tree_slot(slots, job->slot_floats, shard));
    ps_tree_add(slots, job->slot_floats, shard);
    if (shard + 1 == shards) write_block(job, b, slots);
}

static void gradient_block(void *context, size_t chunk, int worker) {
    const winograd_job *job = context;
    block b = block_of(job, chunk);
    ps_winograd_matrices u = moved(job->u, (job->shard_rounds == 1 ? (size_t)worker : chunk) * job->u_worker);
    size_t shard = job->round / job->shard_rounds * job->round_shards, last = shard + job->round_shards;
    if (job->own)
        transform_own(job, worker, b.filters, b.panel, (ps_winograd_channels){b.k0, b.k0 + b.rows},
                      (ps_winograd_channels){b.c0, b.c0 + b.channels});
    for (; shard < last; shard++) {
        multiply_shard(job, &b, shard, worker, u);
        if ((job->round + 1) % job->shard_rounds == 0) add_shard(job, &b, shard, worker, u);
    }
}

static void run_rounds(winograd_job *job, ps_threads *threads) {
    for (job->round = 0; job->round < job->rounds; job->round++) {
        job->chunks = ps_threads_chunks(round_start(job, job->round + 1) - round_start(job, job->round), 4);
        if (job->own) forget(job, ps_threads_count(threads));
        else ps_threads_run(threads, job->chunks, transform_both, job);
        ps_threads_run(threads, job->filter_blocks * job->channel_blocks * (size_t)job->map.kd, gradient_block, job);
    }
}

/* A group of tiles [begin, end), and where a worker puts what it makes of them: v and g are its own, u the group's. */
typedef struct {
    ps_winograd_matrices v, g, u;
    size_t begin, end;
} gradient_room;

static gradient_room room_of(const winograd_job *job, size_t group, int worker) {
    return (gradient_room){moved(job->v, (size_t)worker * job->v_worker), moved(job->g, (size_t)worker * job->g_worker),
                           moved(job->u, group * job->u_worker), ps_leaves_start(&job->groups, group),
                           ps_leaves_start(&job->groups, group + 1)};
}

static void gradient_group(void *context, size_t group, int worker) {
    const winograd_job *job = context;
    const ps_winograd_map *map = &job->map;
    gradient_room r = room_of(job, group, worker);
    for (size_t first = r.begin; first < r.end; first += OUTER_TILES) {
        size_t count = r.end - first < OUTER_TILES ? r.end - first : OUTER_TILES;
        job->kernels->input(map, job->x, first, count, r.v);
        job->kernels->gradient(map, job->dy, first, count, r.g);
        job->kernels->outer(job->map.kind, count, map->k, (int)map->depth, r.g, r.v, r.u, first > r.begin);
    }
}

/* A group in 3D: columns of tiles over the whole depth. */
static void gradient_columns(void *context, size_t group, int worker) {
    const winograd_job *job = context;
    const ps_winograd_map *map = &job->map;
    gradient_room r = room_of(job, group, worker);
    slab s = {.n = 0};
    for (size_t at = r.begin; at < r.end; at += s.tiles) {
        s.n = at / job->plane, s.first = at % job->plane, s.tiles = job->column_tiles;
        if (s.tiles > r.end - at) s.tiles = r.end - at;
        if (s.tiles > job->plane - s.first) s.tiles = job->plane - s.first;
        for (int z = 0; z < map->d; z++)
            job->kernels->input(map, job->x, tiles_at(job, &s, map->d, z), s.tiles,
                                moved(r.v, (size_t)z * s.tiles * r.v.row_step));
        for (int d = 0; d < map->od; d++)
            job->kernels->gradient(map, job->dy, tiles_at(job, &s, map->od, d), s.tiles,
                                   moved(r.g, (size_t)d * s.tiles * r.g.row_step));
        for (int td = 0; td < map->kd; td++) {
            v_and_g both = meet(map, td, s.tiles);
            job->kernels->outer(map->kind, both.count, map->k, map->c, moved(r.g, both.g * r.g.row_step),
                                moved(r.v, both.v * r.v.row_step),
                                moved(r.u, (size_t)td * round_up((size_t)map->c, 16)), at > r.begin);
        }
    }
}

/* The gradient of some filters over a shard, from its groups' products in their order. */
static void transform_shard(const winograd_job *job, size_t shard, int k0, int rows, float *dw) {
    const ps_winograd_map *map = &job->map;
    for (int td = 0; td < map->kd; td++) {
        size_t from = shard * job->groups.parts * job->u_worker + (size_t)k0 * job->u.row_step +
                      (size_t)td * round_up((size_t)map->c, 16);
        job->kernels->weights_gradient(map, moved(job->u, from), job->groups.parts, job->u_worker, 0, rows, td, 0,
                                       map->c, dw);
    }
}

static void sum_groups(void *context, size_t chunk, int worker) {
    const winograd_job *job = context;
    size_t k = (size_t)job->map.k, first = chunk * FILTERS_PER_TASK, shards = job->groups.shards.count;
    int rows = k - first < FILTERS_PER_TASK ? (int)(k - first) : FILTERS_PER_TASK;
    size_t filter = job->map.depth * ps_winograd_taps(job->map.kind);
    float *dw = job->y + first * filter, *slots = job->slots + (size_t)worker * job->slots_step;
    if (shards == 1) {
        transform_shard(job, 0, (int)first, rows, dw);
        return;
    }
    for (size_t shard = 0; shard < shards; shard++) {
        transform_shard(job, shard, (int)first, rows, ps_tree_slot(slots, job->slot_floats, shard));
        ps_tree_add(slots, job->slot_floats, shard);
    }
    memcpy(dw, slots, (size_t)rows * filter * sizeof *dw);
}

static void find_gradient(const ps_winograd_map *map, const float *x, const float *dy, float *dw, void *workspace,
                          ps_threads *threads) {
    arena a = {.base = workspace};
    winograd_job job = plan_gradient(map, &a, ps_threads_count(threads));
    job.x = x, job.dy = dy, job.y = dw;
    if (job.few_tiles) {
        run_rounds(&job, threads);
    } else {
        ps_threads_run(threads, job.groups.count, map->kd > 1 ? gradient_columns : gradient_group, &job);
        ps_threads_run(threads, ps_threads_chunks((size_t)map->k, FILTERS_PER_TASK), sum_groups, &job);
    }
}

void ps_winograd_backward_weights_selected(const ps_conv_shape *s, const float *x,
                                           const ps_winograd_selection *selection, const float *dy, float *dw,
                                           void *workspace, ps_threads *threads) {
    ps_winograd_map map = forward_map(s);
    map.selection = selection;
    size_t weights = ps_conv_weights(s) / (size_t)s->groups;
    for (int group = 0; group < s->groups; group++)
        find_gradient(&map, x + group * map.c, dy + group * map.k, dw + (size_t)group * weights, workspace, threads);
}

static void winograd_backward_weights(const ps_conv_shape *s, const float *x, const float *dy, float *dw,
                                      void *workspace, ps_threads *threads) {
    ps_winograd_backward_weights_selected(s, x, NULL, dy, dw, workspace, threads);
}

static size_t winograd_workspace(const ps_conv_shape *s, ps_conv_pass pass, int threads) {
    arena a = {.base = NULL};
    ps_winograd_map map = pass == PS_CONV_BACKWARD_DATA ? backward_map(s) : forward_map(s);
    if (pass == PS_CONV_BACKWARD_WEIGHTS) plan_gradient(&map, &a, threads);
    else plan_product(&map, &a, threads);
    return a.used * sizeof(float);
}

/* Groups are convolved one after another: those of very few channels fill no vector, and are very many. */
static bool groups_are_wide(const ps_conv_shape *s) {
    return s->groups == 1 || (s->c / s->groups >= FEWEST_OF_GROUP && s->k / s->groups >= FEWEST_OF_GROUP);
}

static bool winograd_can(const ps_conv_shape *s) {
    bool dilated = s->dilation_h != 1 || s->dilation_w != 1;
    if (!groups_are_wide(s)) return false;
    if (s->kh != s->kw || (s->kh != 3 && s->kh != 5)) return false;
    if (s->stride_d > (s->kd > 1 ? 2 : 1) || (s->kd > 1 && s->dilation_d != 1) || s->pad_d > s->kd - 1) return false;
    if (s->stride_h == 2 && s->stride_w == 2) return s->kh == 3 && s->pad_h == 1 && s->pad_w == 1 && !dilated;
    return s->stride_h == 1 && s->stride_w == 1 && s->pad_h <= s->dilation_h * (s->kh - 1) &&
           s->pad_w <= s->dilation_w * (s->kw - 1);
}

bool ps_winograd_can_select(const ps_conv_shape *s) {
    return winograd_can(s) && s->kh == 3 && s->stride_h == 1 && s->stride_d == 1 && s->dilation_h == 1 &&
           s->dilation_w == 1 && s->groups == 1;
}

static double winograd_cost(const ps_conv_shape *s, ps_conv_pass pass) {
    if (!winograd_can(s)) return -1.0;
    ps_winograd_map map = pass == PS_CONV_BACKWARD_DATA ? backward_map(s) : forward_map(s);
    size_t lanes = 8;
    double k = (double)round_up((size_t)map.k, lanes), c = (double)round_up((size_t)map.c, lanes), each = c * k;
    double inputs = (double)input_tiles_of(&map), tiles = (double)map.tiles, taps = 0.0, places = 0.0;
    double products = (double)ps_winograd_products(map.kind);
    for (int d = 0; d < map.od; d++) taps += (double)taps_of(&map, d).count / map.od;
    /* One of the two is not cut into vectors. To find a tile's inputs counts where there is little else. */
    if (map.kd > 1) each = pass == PS_CONV_BACKWARD_WEIGHTS ? c * map.k : map.c * k;
    bool narrow = map.kind == PS_WINOGRAD_FIVE && c + k <= 16 && pass != PS_CONV_BACKWARD_WEIGHTS;
    if (map.kd > 1 || narrow || s->groups > 1) places = 60.0 * (inputs + tiles);
    return s->groups * (2000.0 + products * (tiles * taps * each / 50.0 + 0.15 * (inputs * c + tiles * k)) + places +
                        PS_WINOGRAD_WEIGHTS * 0.1 * map.kd * c * k) +
           ps_conv_far_weights(s, pass == PS_CONV_BACKWARD_WEIGHTS ? 1.0
                                  : s->kd > 1                      ? 0.45
                                                                   : 0.2);
}

const ps_conv_method ps_conv_method_winograd4 = {
    "winograd4",
    false,
    false,
    winograd_cost,
    winograd_workspace,
    winograd_forward,
    winograd_backward_data,
    winograd_backward_weights,
};
