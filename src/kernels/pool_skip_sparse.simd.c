#include <stdint.h>
#include <string.h>

#include "kernels/pool_skip_sparse.h"
#include "kernels/simd_vector.h"

enum { PLANE_TAPS = 9 };

static size_t tile_positions(const ps_pool_skip_tiles *t) { return (size_t)(t->grid->e + 2) * t->plane; }

/* The windows of one slab of a group, listed behind the tile once, since they are walked once for every few
 * channels. */
typedef struct {
    const ps_pool_skip_place *place;
    size_t count;
} slab_windows;

static slab_windows windows_of(const ps_pool_skip_tiles *t, ps_pool_skip_group group, int slab, float *tile) {
    const ps_pool_skip_grid *g = t->grid;
    size_t image_windows = g->pooled / (size_t)g->shape.n, e = (size_t)g->e, count = 0;
    ps_pool_skip_place *place = (ps_pool_skip_place *)((char *)tile + t->places_at);
    for (size_t image = 0; image < group.images; image++) {
        size_t window = (group.first + image) * image_windows + (size_t)slab * t->slab_windows;
        size_t line = image * tile_positions(t) + t->plane + 1; /* in 2D the slab is the row */
        if (t->taps > PLANE_TAPS) line += t->row;
        for (size_t i = 0; i < t->slab_windows; i++, count++) {
            size_t y = i / (size_t)g->windows_w, x = i % (size_t)g->windows_w;
            place[count].first = (window + i) * (size_t)g->shape.c;
            place[count].at = (line + y * e * t->row + x * e) * LANES;
        }
    }
    return (slab_windows){place, count};
}

/* A kept value at position p adds to the outputs p + 1 - tap: the nine of a plane, seen from p. */
INLINE void load_nine(const float *at, size_t row, vf v[PLANE_TAPS]) {
#pragma GCC unroll 9
    for (int tap = 0; tap < PLANE_TAPS; tap++)
        v[tap] = load(at + (1 - tap / 3) * (ptrdiff_t)row + (1 - tap % 3) * LANES);
}

INLINE void store_nine(float *at, size_t row, const vf v[PLANE_TAPS]) {
#pragma GCC unroll 9
    for (int tap = 0; tap < PLANE_TAPS; tap++)
        store(at + (1 - tap / 3) * (ptrdiff_t)row + (1 - tap % 3) * LANES, v[tap]);
}

/* Channels of one window and block that were won by the same place follow each other in `order`, the last of them
 * marked: their nine outputs stay in registers meanwhile. Returns the place after the run. */
INLINE const uint16_t *scatter_run(const uint16_t *order, const float *value, const float *weights, size_t vector,
                                   float *at, size_t row) {
    vf sum[PLANE_TAPS];
    load_nine(at, row, sum);
    uint16_t entry;
    do {
        entry = *order++;
        size_t channel = entry & PS_POOL_SKIP_CHANNEL;
        vf v = splat(value[channel]);
        const float *w = weights + channel * vector;
#pragma GCC unroll 9
        for (int tap = 0; tap < PLANE_TAPS; tap++) sum[tap] = fma_(v, load(w + tap * LANES), sum[tap]);
    } while (!(entry & PS_POOL_SKIP_RUN_END));
    store_nine(at, row, sum);
    return order;
}

INLINE void scatter_windows(const ps_pool_skip_sparse_job *job, const slab_windows *s, const float *weights,
                            size_t c_begin, size_t c_end, float *tile, int planes) {
    const ps_pool_skip_tiles *t = job->tiles;
    size_t row = t->row * LANES, plane = t->plane * LANES;
    size_t vector = (size_t)planes * PLANE_TAPS * LANES;
    for (size_t i = 0; i < s->count; i++) {
        ps_pool_skip_place w = s->place[i];
        const uint8_t *winner = job->winners + w.first;
        const float *value = job->values + w.first;
        const uint16_t *order = job->order + w.first + c_begin, *end = job->order + w.first + c_end;
        float *first = tile + w.at;
        while (order < end) {
            float *at = first + t->place[winner[*order & PS_POOL_SKIP_CHANNEL]] * LANES;
            if (planes == 3) {
                scatter_run(order, value, weights, vector, at + plane, row);
                scatter_run(order, value, weights + PLANE_TAPS * LANES, vector, at, row);
                order = scatter_run(order, value, weights + 2 * PLANE_TAPS * LANES, vector, at - plane, row);
            } else {
                order = scatter_run(order, value, weights, vector, at, row);
            }
        }
    }
}

typedef struct {
    vf identity, path, whole, cross;
} square_sums;

/* Writes one finished row of w positions of one panel. `count` channels of the panel exist. */
INLINE void finish_row(const float *tile, vf bias, const float *identity, float *o, size_t c, int width, int count,
                       square_sums *q) {
    for (int x = 0; x < width; x++) {
        vf path = load(tile + (size_t)x * LANES) + bias;
        vf own = identity ? load_upto(identity + (size_t)x * c, count) : splat(0);
        vf whole = own + path;
        if (q) {
            q->identity = fma_(own, own, q->identity);
            q->path = fma_(path, path, q->path);
            q->whole = fma_(whole, whole, q->whole);
            q->cross = fma_(own, path, q->cross);
        }
        if (o) store_upto(o + (size_t)x * c, whole, count);
    }
}

static void add_squares(const square_sums *q, size_t c, size_t first, int count, double *sums) {
    float lanes[PS_POOL_SKIP_SUMS][LANES];
    store(lanes[0], q->identity), store(lanes[1], q->path), store(lanes[2], q->whole), store(lanes[3], q->cross);
    for (int s = 0; s < PS_POOL_SKIP_SUMS; s++)
        for (int lane = 0; lane < count; lane++) sums[(size_t)s * c + first + (size_t)lane] += (double)lanes[s][lane];
}

/* Finishes `count` rows (slices) of the tile, the first of which is number `outer` of the map's outermost dimension. */
static void finish_planes(const ps_pool_skip_sparse_job *job, ps_pool_skip_group group, size_t panel, int outer,
                          int from, int count, const float *tile, double *sums) {
    const ps_pool_skip_tiles *t = job->tiles;
    ps_shape s = t->grid->shape;
    size_t c = (size_t)s.c, first = panel * LANES;
    int lines = t->taps > PLANE_TAPS ? s.h : 1, channels = c - first < LANES ? (int)(c - first) : LANES;
    vf bias = load_upto(job->bias + first, channels);
    for (size_t image = 0; image < group.images; image++)
        for (int r = from; r < from + count; r++)
            for (int y = 0; y < lines; y++) {
                int z = t->taps > PLANE_TAPS ? outer + r : 0, h = t->taps > PLANE_TAPS ? y : outer + r;
                size_t at = ps_pool_skip_row(t->grid, group.first + image, z, h) + first;
                size_t inside = t->taps > PLANE_TAPS ? (size_t)(y + 1) * t->row : 0;
                const float *line = tile + (image * tile_positions(t) + (size_t)r * t->plane + inside + 1) * LANES;
                const float *identity = job->identity ? job->identity + at : NULL;
                square_sums q = {splat(0), splat(0), splat(0), splat(0)};
                float *o = job->o ? job->o + at : NULL;
                if (sums) finish_row(line, bias, identity, o, c, s.w, channels, &q);
                else if (channels == LANES) finish_row(line, bias, identity, o, c, s.w, LANES, NULL);
                else finish_row(line, bias, identity, o, c, s.w, channels, NULL);
                if (sums) add_squares(&q, c, first, channels, sums);
            }
}

/* The tile's last two rows belong to the next slab too. */
static void move_on(const ps_pool_skip_tiles *t, size_t images, float *tile) {
    size_t e = (size_t)t->grid->e, plane = t->plane * LANES;
    for (size_t image = 0; image < images; image++) {
        float *own = tile + image * tile_positions(t) * LANES;
        memmove(own, own + e * plane, 2 * plane * sizeof(float));
        memset(own + 2 * plane, 0, e * plane * sizeof(float));
    }
}

void PS_SIMD_NAME(ps_pool_skip_sparse_forward)(const ps_pool_skip_sparse_job *job, ps_pool_skip_group group,
                                               size_t panel, float *tile, double *sums) {
    const ps_pool_skip_tiles *t = job->tiles;
    size_t c = (size_t)t->grid->shape.c;
    int e = t->grid->e;
    const float *weights = job->weights + panel * c * (size_t)t->taps * LANES;
    memset(tile, 0, group.images * tile_positions(t) * LANES * sizeof(float));
    for (int slab = 0; slab < t->slabs; slab++) {
        slab_windows s = windows_of(t, group, slab, tile);
        for (size_t k = 0; slab < t->window_slabs && k < c; k += PS_POOL_SKIP_BLOCK) {
            size_t end = c - k < PS_POOL_SKIP_BLOCK ? c : k + PS_POOL_SKIP_BLOCK;
            if (t->taps == PLANE_TAPS) scatter_windows(job, &s, weights, k, end, tile, 1);
            else scatter_windows(job, &s, weights, k, end, tile, 3);
        }
        /* Row r of the tile is row slab * e - 1 + r of the map; its last two wait for the next slab. */
        int outer = slab * e - 1, from = slab == 0 ? 1 : 0;
        int end = slab + 1 == t->slabs ? t->size - outer : e;
        finish_planes(job, group, panel, outer, from, end - from, tile, sums);
        move_on(t, group.images, tile);
    }
}

/* Copies one panel of d_o around a slab into the tile; zero outside the map. */
static void fill_tile(const ps_pool_skip_sparse_job *job, ps_pool_skip_group group, size_t panel, int slab,
                      float *tile) {
    const ps_pool_skip_tiles *t = job->tiles;
    ps_shape s = t->grid->shape;
    size_t c = (size_t)s.c, first = panel * LANES;
    bool volume = t->taps > PLANE_TAPS;
    int lines = volume ? s.h : 1, channels = c - first < LANES ? (int)(c - first) : LANES, e = t->grid->e;
    for (size_t image = 0; image < group.images; image++)
        for (int r = 0; r < e + 2; r++) {
            int outer = slab * e - 1 + r;
            bool inside_map = outer >= 0 && outer < t->size;
            float *own = tile + (image * tile_positions(t) + (size_t)r * t->plane) * LANES;
            if (volume || !inside_map) memset(own, 0, t->plane * LANES * sizeof(float));
            else store(own, splat(0)), store(own + (t->plane - 1) * LANES, splat(0));
            for (int y = 0; inside_map && y < lines; y++) {
                const float *from =
                    job->d_o + ps_pool_skip_row(t->grid, group.first + image, volume ? outer : 0, volume ? y : outer) +
                    first;
                size_t inside = volume ? (size_t)(y + 1) * t->row : 0;
                float *to = own + (inside + 1) * LANES;
                if (channels == LANES)
                    for (int x = 0; x < s.w; x++) store(to + (size_t)x * LANES, load(from + (size_t)x * c));
                else
                    for (int x = 0; x < s.w; x++)
                        store(to + (size_t)x * LANES, load_part(from + (size_t)x * c, channels));
            }
        }
}

/* The nine output gradients around a place stay in registers for all channels it won; each channel's vector of products
 * goes to sums[channel - c_begin]. Returns the place after the run. */
INLINE const uint16_t *gather_run(const uint16_t *order, const float *weights, size_t vector, const float *at,
                                  size_t row, bool add, size_t c_begin, float *sums) {
    vf around[PLANE_TAPS];
    load_nine(at, row, around);
    uint16_t entry;
    do {
        entry = *order++;
        size_t channel = entry & PS_POOL_SKIP_CHANNEL;
        const float *w = weights + channel * vector;
        vf even = around[0] * load(w), odd = around[1] * load(w + LANES);
#pragma GCC unroll 4
        for (int tap = 2; tap + 1 < PLANE_TAPS; tap += 2) {
            even = fma_(around[tap], load(w + tap * LANES), even);
            odd = fma_(around[tap + 1], load(w + (tap + 1) * LANES), odd);
        }
        even = fma_(around[8], load(w + 8 * LANES), even) + odd;
        float *sum = sums + (channel - c_begin) * LANES;
        store(sum, add ? load(sum) + even : even);
    } while (!(entry & PS_POOL_SKIP_RUN_END));
    return order;
}

/* du[0..count) (+)= the sums of `count` vectors over their lanes: a vector of channels at a time. */
INLINE void add_lanes(const float *sums, size_t count, bool add, float *du) {
    for (size_t k = 0; k < count; k += LANES) {
        int channels = count - k < LANES ? (int)(count - k) : LANES;
        vf v[LANES];
#pragma GCC unroll 16
        for (int j = 0; j < LANES; j++) v[j] = load(sums + (k + (size_t)j) * LANES);
        vf total = sum_lanes(v);
        if (add) total += load_upto(du + k, channels);
        store_upto(du + k, total, channels);
    }
}

/* c_begin to c_end: one block of channels. */
INLINE void gather_windows(const ps_pool_skip_sparse_job *job, const slab_windows *s, const float *weights,
                           size_t c_begin, size_t c_end, bool first_panel, const float *tile, int planes) {
    const ps_pool_skip_tiles *t = job->tiles;
    size_t row = t->row * LANES, plane = t->plane * LANES;
    size_t vector = (size_t)planes * PLANE_TAPS * LANES;
    float sums[PS_POOL_SKIP_BLOCK * LANES] __attribute__((aligned(64)));
    memset(sums, 0, sizeof sums); /* the lanes past the last channel are added up too */
    for (size_t i = 0; i < s->count; i++) {
        ps_pool_skip_place w = s->place[i];
        const uint8_t *winner = job->winners + w.first;
        const uint16_t *order = job->order + w.first + c_begin, *end = job->order + w.first + c_end;
        const float *first = tile + w.at;
        while (order < end) {
            const float *at = first + t->place[winner[*order & PS_POOL_SKIP_CHANNEL]] * LANES;
            if (planes == 3) {
                const float *middle = weights + PLANE_TAPS * LANES, *last = middle + PLANE_TAPS * LANES;
                gather_run(order, weights, vector, at + plane, row, false, c_begin, sums);
                gather_run(order, middle, vector, at, row, true, c_begin, sums);
                order = gather_run(order, last, vector, at - plane, row, true, c_begin, sums);
            } else {
                order = gather_run(order, weights, vector, at, row, false, c_begin, sums);
            }
        }
        add_lanes(sums, c_end - c_begin, !first_panel, job->du + w.first + c_begin);
    }
}

void PS_SIMD_NAME(ps_pool_skip_sparse_data)(const ps_pool_skip_sparse_job *job, ps_pool_skip_group group,
                                            size_t c_begin, size_t c_end, float *tile) {
    const ps_pool_skip_tiles *t = job->tiles;
    size_t c = (size_t)t->grid->shape.c;
    for (int slab = 0; slab < t->window_slabs; slab++) {
        slab_windows s = windows_of(t, group, slab, tile);
        for (size_t panel = 0; panel < t->panels; panel++) {
            const float *weights = job->weights + panel * c * (size_t)t->taps * LANES;
            fill_tile(job, group, panel, slab, tile);
            for (size_t k = c_begin; k < c_end; k += PS_POOL_SKIP_BLOCK) {
                size_t end = c_end - k < PS_POOL_SKIP_BLOCK ? c_end : k + PS_POOL_SKIP_BLOCK;
                if (t->taps == PLANE_TAPS) gather_windows(job, &s, weights, k, end, panel == 0, tile, 1);
                else gather_windows(job, &s, weights, k, end, panel == 0, tile, 3);
            }
        }
    }
}

/* Sums over the slab's windows in registers, nine taps of one plane at a time. */
INLINE void correlate_plane(const ps_pool_skip_sparse_job *job, const slab_windows *s, size_t k, ptrdiff_t shift,
                            const float *tile, float *d_weights) {
    const ps_pool_skip_tiles *t = job->tiles;
    size_t row = t->row * LANES;
    vf sum[PLANE_TAPS];
#pragma GCC unroll 9
    for (int tap = 0; tap < PLANE_TAPS; tap++) sum[tap] = splat(0);
    for (size_t i = 0; i < s->count; i++) {
        ps_pool_skip_place w = s->place[i];
        const float *at = tile + w.at + t->place[job->winners[w.first + k]] * LANES + shift;
        vf value = splat(job->values[w.first + k]);
#pragma GCC unroll 3
        for (int y = 0; y < 3; y++) {
            const float *line = at + (1 - y) * (ptrdiff_t)row;
#pragma GCC unroll 3
            for (int x = 0; x < 3; x++) sum[y * 3 + x] = fma_(value, load(line + (1 - x) * LANES), sum[y * 3 + x]);
        }
    }
#pragma GCC unroll 9
    for (int tap = 0; tap < PLANE_TAPS; tap++) store(d_weights + tap * LANES, load(d_weights + tap * LANES) + sum[tap]);
}

void PS_SIMD_NAME(ps_pool_skip_sparse_weights)(const ps_pool_skip_sparse_job *job, ps_pool_skip_group group,
                                               size_t panel, size_t c_begin, size_t c_end, float *tile) {
    const ps_pool_skip_tiles *t = job->tiles;
    ptrdiff_t plane = (ptrdiff_t)(t->plane * LANES);
    for (int slab = 0; slab < t->window_slabs; slab++) {
        slab_windows s = windows_of(t, group, slab, tile);
        fill_tile(job, group, panel, slab, tile);
        for (size_t k = c_begin; k < c_end; k++) {
            float *d_weights = job->d_weights + (k - c_begin) * (size_t)t->taps * LANES;
            if (t->taps == PLANE_TAPS) correlate_plane(job, &s, k, 0, tile, d_weights);
            else
                for (int z = 0; z < 3; z++)
                    correlate_plane(job, &s, k, (1 - z) * plane, tile, d_weights + z * PLANE_TAPS * LANES);
        }
    }
}

void PS_SIMD_NAME(ps_pool_skip_sparse_pack)(const float *w, size_t c, int taps, size_t panel, float *packed) {
    size_t first = panel * LANES, rows = c - first < LANES ? c - first : LANES;
    for (int tap = 0; tap < taps; tap++)
        for (size_t k = 0; k < c; k += LANES) {
            size_t count = c - k < LANES ? c - k : LANES;
            vf block[LANES];
            for (size_t r = 0; r < LANES; r++)
                block[r] =
                    r < rows ? load_upto(w + ((first + r) * (size_t)taps + (size_t)tap) * c + k, (int)count) : splat(0);
            transpose(block);
            for (size_t j = 0; j < count; j++)
                store(packed + (((panel * c) + k + j) * (size_t)taps + (size_t)tap) * LANES, block[j]);
        }
}

void PS_SIMD_NAME(ps_pool_skip_sparse_unpack)(const float *packed, size_t c, int taps, size_t panel, float *w) {
    size_t first = panel * LANES, rows = c - first < LANES ? c - first : LANES;
    for (int tap = 0; tap < taps; tap++)
        for (size_t k = 0; k < c; k += LANES) {
            size_t count = c - k < LANES ? c - k : LANES;
            vf block[LANES];
            for (size_t j = 0; j < LANES; j++)
                block[j] =
                    j < count ? load(packed + (((panel * c) + k + j) * (size_t)taps + (size_t)tap) * LANES) : splat(0);
            transpose(block);
            for (size_t r = 0; r < rows; r++)
                store_upto(w + ((first + r) * (size_t)taps + (size_t)tap) * c + k, block[r], (int)count);
        }
}
