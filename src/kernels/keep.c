#include "kernels/keep.h"

#include "kernels/keep_simd.h"

enum { GRAIN = 1 << 14 };

typedef struct {
    const ps_keep *keep;
    const float *x;
    size_t count, chunks; /* count: of all, or of a block */
    bool add;
    float *y;
} scale_run;

static void scale_chunk(void *context, size_t chunk, int worker) {
    (void)worker;
    const scale_run *r = context;
    size_t first = ps_threads_chunk_start(r->count, r->chunks, chunk),
           end = ps_threads_chunk_start(r->count, r->chunks, chunk + 1);
    PS_SIMD_SELECT(ps_keep_scale_span)(r->keep, r->x + first, first, end - first, r->add, r->y + first);
}

void ps_keep_scale(const ps_keep *keep, const float *x, size_t count, bool add, float *y, ps_threads *threads) {
    scale_run run = {keep, x, count, ps_threads_chunks(count, GRAIN), add, y};
    ps_threads_run(threads, run.chunks, scale_chunk, &run);
}

static void scale_block(void *context, size_t block, int worker) {
    (void)worker;
    const scale_run *r = context;
    float factor = ps_rng_uniform(r->keep->key, block) < r->keep->p ? 0.0f : r->keep->scale;
    size_t first = block * r->count;
    PS_SIMD_SELECT(ps_keep_scale_by)(r->x + first, factor, r->count, r->add, r->y + first);
}

void ps_keep_scale_blocks(const ps_keep *keep, const float *x, size_t blocks, size_t count, bool add, float *y,
                          ps_threads *threads) {
    scale_run run = {keep, x, count, blocks, add, y};
    ps_threads_run(threads, blocks, scale_block, &run);
}

void ps_keep_uniforms(ps_rng_key key, uint64_t first, size_t count, float *out) {
    PS_SIMD_SELECT(ps_keep_uniform_span)(key, first, count, out);
}
