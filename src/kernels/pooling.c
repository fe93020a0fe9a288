#include "kernels/pooling.h"

#include <string.h>

#include "kernels/pooling_simd.h"
#include "kernels/rounding.h"

/* Forward passes are cut by output rows (n, z, y); scatters by image and channel strip, so that windows that overlap
 * add up in scan order on one thread. */
enum { STRIP = 64 };

typedef struct {
    const ps_pool_window *window;
    const float *x;
    float *y;
    const int32_t *index_in;
    int32_t *index_out;
    ps_shape small, full; /* unpooling and scatters */
    size_t strips;
    bool accumulate;
} pool_run;

/* Positions of a window along one dimension that lie inside [0, size). */
typedef struct {
    int first, end;
} reach;

static reach reach_of(int out, int kernel, int stride, int pad, int size) {
    int start = out * stride - pad, end = start + kernel;
    return (reach){start < 0 ? 0 : start, end > size ? size : end};
}

static void max_window(const pool_run *run, const float *image, reach z, reach y, reach x, float *best,
                       int32_t *index) {
    ps_shape in = run->window->in;
    bool first = true;
    for (int d = z.first; d < z.end; d++)
        for (int h = y.first; h < y.end; h++)
            for (int w = x.first; w < x.end; w++) {
                int32_t place = (int32_t)(((size_t)d * (size_t)in.h + (size_t)h) * (size_t)in.w + (size_t)w);
                PS_SIMD_SELECT(ps_pool_max_tap)
                (image + (size_t)place * (size_t)in.c, (size_t)in.c, place, first, best, index);
                first = false;
            }
}

static void maxpool_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const pool_run *run = context;
    const ps_pool_window *k = run->window;
    size_t c = (size_t)k->in.c, oh = (size_t)k->out.h, od = (size_t)k->out.d;
    int y = (int)(chunk % oh), z = (int)(chunk / oh % od);
    const float *image = run->x + chunk / oh / od * (ps_shape_elements(k->in) / (size_t)k->in.n);
    reach rz = reach_of(z, k->kd, k->stride_d, k->pad_d, k->in.d),
          ry = reach_of(y, k->kh, k->stride_h, k->pad_h, k->in.h);
    for (int x = 0; x < k->out.w; x++) {
        size_t at = (chunk * (size_t)k->out.w + (size_t)x) * c;
        reach rx = reach_of(x, k->kw, k->stride_w, k->pad_w, k->in.w);
        max_window(run, image, rz, ry, rx, run->y + at, run->index_out ? run->index_out + at : NULL);
    }
}

static size_t rows_of(ps_shape s) { return (size_t)s.n * (size_t)s.d * (size_t)s.h; }

void ps_maxpool_forward(const ps_pool_window *window, const float *x, float *y, int32_t *index, ps_threads *threads) {
    pool_run run = {.window = window, .x = x, .y = y, .index_out = index};
    ps_threads_run(threads, rows_of(window->out), maxpool_task, &run);
}

typedef struct {
    const pool_run *run;
    const float *bound;
} turn_run;

/* Whether rounding may have made `best` the larger one of two. */
static bool is_near(float best, float best_bound, float value, float bound) {
    return best - value <= (float)PS_ROUNDING_TURN * (best_bound + bound) && !(best == value && best_bound == bound);
}

static void turn_window(const turn_run *turn, size_t image, reach z, reach y, reach x, float *best, int32_t *index) {
    ps_shape in = turn->run->window->in;
    size_t c = (size_t)in.c;
    for (size_t k = 0; k < c; k++) {
        int32_t winner = index[k];
        size_t at = image + (size_t)winner * c + k;
        float most = best[k], most_bound = turn->bound[at];
        for (int d = z.first; d < z.end; d++)
            for (int h = y.first; h < y.end; h++)
                for (int w = x.first; w < x.end; w++) {
                    int32_t place = (int32_t)(((size_t)d * (size_t)in.h + (size_t)h) * (size_t)in.w + (size_t)w);
                    at = image + (size_t)place * c + k;
                    if (place == winner || !is_near(most, most_bound, turn->run->x[at], turn->bound[at])) continue;
                    best[k] = turn->run->x[at];
                    index[k] = place;
                }
    }
}

static void turn_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const turn_run *turn = context;
    const ps_pool_window *k = turn->run->window;
    size_t oh = (size_t)k->out.h, od = (size_t)k->out.d;
    int y = (int)(chunk % oh), z = (int)(chunk / oh % od);
    size_t image = chunk / oh / od * (ps_shape_elements(k->in) / (size_t)k->in.n);
    reach rz = reach_of(z, k->kd, k->stride_d, k->pad_d, k->in.d),
          ry = reach_of(y, k->kh, k->stride_h, k->pad_h, k->in.h);
    for (int x = 0; x < k->out.w; x++) {
        size_t at = (chunk * (size_t)k->out.w + (size_t)x) * (size_t)k->in.c;
        turn_window(turn, image, rz, ry, reach_of(x, k->kw, k->stride_w, k->pad_w, k->in.w), turn->run->y + at,
                    turn->run->index_out + at);
    }
}

void ps_maxpool_turn(const ps_pool_window *window, const float *x, const float *bound, float *y, int32_t *index,
                     ps_threads *threads) {
    pool_run run = {.window = window, .x = x, .y = y, .index_out = index};
    turn_run turn = {&run, bound};
    ps_threads_run(threads, rows_of(window->out), turn_task, &turn);
}

/* Where task `chunk` of a scatter works: an image and a strip of channels. */
typedef struct {
    size_t image, channel, count;
} strip;

static strip strip_of(const pool_run *run, size_t chunk) {
    size_t c = (size_t)run->full.c, s = chunk % run->strips;
    size_t start = ps_threads_chunk_start(c, run->strips, s);
    return (strip){chunk / run->strips, start, ps_threads_chunk_start(c, run->strips, s + 1) - start};
}

static size_t positions(ps_shape s) { return (size_t)s.d * (size_t)s.h * (size_t)s.w; }

static void clear_strip(float *image, size_t rows, size_t c, strip s) {
    for (size_t i = 0; i < rows; i++) memset(image + i * c + s.channel, 0, s.count * sizeof(float));
}

/* full[index] += small (or = : the destination is zero then). */
static void scatter_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const pool_run *run = context;
    strip s = strip_of(run, chunk);
    size_t c = (size_t)run->full.c, small = positions(run->small), full = positions(run->full);
    float *to = run->y + s.image * full * c;
    if (!run->accumulate) clear_strip(to, full, c, s);
    for (size_t i = 0; i < small; i++) {
        const float *from = run->x + (s.image * small + i) * c;
        const int32_t *index = run->index_in + (s.image * small + i) * c;
        for (size_t k = s.channel; k < s.channel + s.count; k++) to[(size_t)index[k] * c + k] += from[k];
    }
}

static void gather_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const pool_run *run = context;
    strip s = strip_of(run, chunk);
    size_t c = (size_t)run->full.c, small = positions(run->small), full = positions(run->full);
    const float *from = run->x + s.image * full * c;
    for (size_t i = 0; i < small; i++) {
        float *to = run->y + (s.image * small + i) * c;
        const int32_t *index = run->index_in + (s.image * small + i) * c;
        for (size_t k = s.channel; k < s.channel + s.count; k++) {
            float value = from[(size_t)index[k] * c + k];
            to[k] = run->accumulate ? to[k] + value : value;
        }
    }
}

static void run_strips(pool_run *run, ps_threads_task *task, ps_threads *threads) {
    run->strips = ps_threads_chunks((size_t)run->full.c, STRIP);
    ps_threads_run(threads, (size_t)run->full.n * run->strips, task, run);
}

void ps_maxpool_backward(const ps_pool_window *window, const float *dy, const int32_t *index, float *dx,
                         bool accumulate, ps_threads *threads) {
    pool_run run = {
        .x = dy, .y = dx, .index_in = index, .small = window->out, .full = window->in, .accumulate = accumulate};
    run_strips(&run, scatter_task, threads);
}

void ps_maxunpool_forward(ps_shape pooled, ps_shape full, const float *x, const int32_t *index, float *y,
                          ps_threads *threads) {
    pool_run run = {.x = x, .y = y, .index_in = index, .small = pooled, .full = full};
    run_strips(&run, scatter_task, threads);
}

void ps_maxunpool_backward(ps_shape pooled, ps_shape full, const float *dy, const int32_t *index, float *dx,
                           bool accumulate, ps_threads *threads) {
    pool_run run = {.x = dy, .y = dx, .index_in = index, .small = pooled, .full = full, .accumulate = accumulate};
    run_strips(&run, gather_task, threads);
}

static float window_share(const ps_pool_window *k) { return 1.0f / ((float)k->kd * (float)k->kh * (float)k->kw); }

static void avgpool_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const pool_run *run = context;
    const ps_pool_window *k = run->window;
    size_t c = (size_t)k->in.c, oh = (size_t)k->out.h, od = (size_t)k->out.d;
    int y = (int)(chunk % oh), z = (int)(chunk / oh % od);
    const float *image = run->x + chunk / oh / od * (positions(k->in) * c);
    reach rz = reach_of(z, k->kd, k->stride_d, k->pad_d, k->in.d),
          ry = reach_of(y, k->kh, k->stride_h, k->pad_h, k->in.h);
    for (int x = 0; x < k->out.w; x++) {
        float *to = run->y + (chunk * (size_t)k->out.w + (size_t)x) * c;
        reach rx = reach_of(x, k->kw, k->stride_w, k->pad_w, k->in.w);
        memset(to, 0, c * sizeof *to);
        for (int d = rz.first; d < rz.end; d++)
            for (int h = ry.first; h < ry.end; h++)
                for (int w = rx.first; w < rx.end; w++) PS_SIMD_SELECT(ps_vector_add_span)
        (to, image + (((size_t)d * (size_t)k->in.h + (size_t)h) * (size_t)k->in.w + (size_t)w) * c, c, to);
        PS_SIMD_SELECT(ps_vector_scale_span)(window_share(k), c, to);
    }
}

void ps_avgpool_forward(const ps_pool_window *window, const float *x, float *y, ps_threads *threads) {
    pool_run run = {.window = window, .x = x, .y = y};
    ps_threads_run(threads, rows_of(window->out), avgpool_task, &run);
}

/* Outputs along one dimension whose window holds input position `in`. */
static reach covering(int in, int kernel, int stride, int pad, int outs) {
    int last = (in + pad) / stride, over = in + pad - kernel + 1;
    int first = over <= 0 ? 0 : (over + stride - 1) / stride;
    return (reach){first, last + 1 > outs ? outs : last + 1};
}

/* Gathers: every input position adds up the outputs it was part of, so that no two tasks write one place. */
static void avgpool_backward_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const pool_run *run = context;
    const ps_pool_window *k = run->window;
    size_t c = (size_t)k->in.c, ih = (size_t)k->in.h, id = (size_t)k->in.d;
    int y = (int)(chunk % ih), z = (int)(chunk / ih % id);
    const float *image = run->x + chunk / ih / id * (positions(k->out) * c);
    reach rz = covering(z, k->kd, k->stride_d, k->pad_d, k->out.d),
          ry = covering(y, k->kh, k->stride_h, k->pad_h, k->out.h);
    for (int x = 0; x < k->in.w; x++) {
        float *to = run->y + (chunk * (size_t)k->in.w + (size_t)x) * c;
        reach rx = covering(x, k->kw, k->stride_w, k->pad_w, k->out.w);
        if (!run->accumulate) memset(to, 0, c * sizeof *to);
        for (int d = rz.first; d < rz.end; d++)
            for (int h = ry.first; h < ry.end; h++)
                for (int w = rx.first; w < rx.end; w++) PS_SIMD_SELECT(ps_vector_axpy_span)
        (window_share(k), image + (((size_t)d * (size_t)k->out.h + (size_t)h) * (size_t)k->out.w + (size_t)w) * c, c,
         to);
    }
}

void ps_avgpool_backward(const ps_pool_window *window, const float *dy, float *dx, bool accumulate,
                         ps_threads *threads) {
    pool_run run = {.window = window, .x = dy, .y = dx, .accumulate = accumulate};
    ps_threads_run(threads, rows_of(window->in), avgpool_backward_task, &run);
}

static void global_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const pool_run *run = context;
    strip s = strip_of(run, chunk);
    size_t c = (size_t)run->full.c, count = positions(run->full);
    PS_SIMD_SELECT(ps_pool_mean_strip)
    (run->x + s.image * count * c + s.channel, count, c, s.count, run->y + s.image * c + s.channel);
}

void ps_global_avgpool_forward(ps_shape in, const float *x, float *y, ps_threads *threads) {
    pool_run run = {.x = x, .y = y, .full = in};
    run_strips(&run, global_task, threads);
}

static void global_backward_task(void *context, size_t chunk, int worker) {
    (void)worker;
    const pool_run *run = context;
    strip s = strip_of(run, chunk);
    size_t c = (size_t)run->full.c, count = positions(run->full);
    float share = 1.0f / (float)count;
    for (size_t i = 0; i < count; i++) {
        float *to = run->y + (s.image * count + i) * c + s.channel;
        if (!run->accumulate) memset(to, 0, s.count * sizeof *to);
        PS_SIMD_SELECT(ps_vector_axpy_span)(share, run->x + s.image * c + s.channel, s.count, to);
    }
}

void ps_global_avgpool_backward(ps_shape in, const float *dy, float *dx, bool accumulate, ps_threads *threads) {
    pool_run run = {.x = dy, .y = dx, .full = in, .accumulate = accumulate};
    run_strips(&run, global_backward_task, threads);
}
