#include "kernels/resize.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "kernels/resize_simd.h"

/* Output o lies between `first` and `second`, `share` of the way; input i has a part in outputs begin[i] .. end[i] - 1
 * at most. */
typedef struct {
    int in, out;
    int *first, *second, *begin, *end;
    float *share;
} axis;

struct ps_resize_plan {
    ps_shape in, out;
    axis d, h, w;
};

static void place(const axis *a, ps_resize_options options, int o) {
    if (!options.linear) {
        int at = (int)floorf((float)o * ((float)a->in / (float)a->out));
        a->first[o] = a->second[o] = at < a->in ? at : a->in - 1;
        return;
    }
    double at = options.align_corners ? a->out > 1 ? (double)o * (a->in - 1) / (a->out - 1) : 0
                                      : (o + 0.5) * a->in / a->out - 0.5;
    if (at < 0) at = 0;
    int first = (int)at < a->in ? (int)at : a->in - 1;
    a->first[o] = first;
    a->second[o] = first + 1 < a->in ? first + 1 : first;
    a->share[o] = a->second[o] > first ? (float)(at - first) : 0.0f;
}

static void clear_axis(axis *a) {
    ps_free(a->first), ps_free(a->second), ps_free(a->begin), ps_free(a->end), ps_free(a->share);
}

static ps_status make_axis(axis *a, ps_resize_options options, int in, int out) {
    a->in = in, a->out = out;
    PS_TRY(PS_ALLOC((size_t)out, &a->first, "resizing"));
    PS_TRY(PS_ALLOC((size_t)out, &a->second, "resizing"));
    PS_TRY(PS_ALLOC((size_t)out, &a->share, "resizing"));
    PS_TRY(PS_ALLOC((size_t)in, &a->begin, "resizing"));
    PS_TRY(PS_ALLOC((size_t)in, &a->end, "resizing"));
    for (int i = 0; i < in; i++) a->begin[i] = a->end[i] = 0;
    for (int o = out - 1; o >= 0; o--) {
        a->share[o] = 0;
        place(a, options, o);
        const int touched[] = {a->first[o], a->second[o]};
        for (int k = 0; k < 2; k++) {
            int i = touched[k];
            if (a->end[i] == 0) a->end[i] = o + 1;
            a->begin[i] = o;
        }
    }
    return PS_OK;
}

ps_status ps_resize_plan_create(ps_resize_options options, ps_shape in, ps_shape out, ps_resize_plan **out_plan) {
    ps_resize_plan *plan;
    *out_plan = NULL;
    PS_TRY(PS_ALLOC(1, &plan, "resizing"));
    plan->in = in, plan->out = out;
    ps_status status = make_axis(&plan->d, options, in.d, out.d);
    if (status == PS_OK) status = make_axis(&plan->h, options, in.h, out.h);
    if (status == PS_OK) status = make_axis(&plan->w, options, in.w, out.w);
    if (status == PS_OK) *out_plan = plan;
    else ps_resize_plan_destroy(plan);
    return status;
}

void ps_resize_plan_destroy(ps_resize_plan *plan) {
    if (plan == NULL) return;
    clear_axis(&plan->d), clear_axis(&plan->h), clear_axis(&plan->w);
    ps_free(plan);
}

/* Two lines for each worker: of the input's width forward, of the output's backward. */
static size_t line_floats(const ps_resize_plan *plan) {
    int width = plan->in.w > plan->out.w ? plan->in.w : plan->out.w;
    return ((size_t)width * (size_t)plan->in.c + 15) / 16 * 16;
}

size_t ps_resize_workspace_bytes(const ps_resize_plan *plan, int threads) {
    return (size_t)(threads < 1 ? 1 : threads) * 2 * line_floats(plan) * sizeof(float);
}

typedef struct {
    const ps_resize_plan *plan;
    const float *from;
    float *to, *lines;
    bool accumulate;
} resize_job;

static size_t line_of(ps_shape s, size_t n, int d, int h) {
    return ((n * (size_t)s.d + (size_t)d) * (size_t)s.h + (size_t)h) * (size_t)s.w * (size_t)s.c;
}

/* Line h of plane d of the input between two lines of its own, or that line itself. */
static const float *between_lines(const resize_job *job, size_t n, int d, int o, float *room) {
    const ps_resize_plan *plan = job->plan;
    const axis *a = &plan->h;
    size_t count = (size_t)plan->in.w * (size_t)plan->in.c;
    const float *first = job->from + line_of(plan->in, n, d, a->first[o]);
    if (a->share[o] == 0) return first;
    const float *second = job->from + line_of(plan->in, n, d, a->second[o]);
    PS_SIMD_SELECT(ps_resize_between)(first, second, a->share[o], count, room);
    return room;
}

static void forward_line(void *context, size_t line, int worker) {
    const resize_job *job = context;
    const ps_resize_plan *plan = job->plan;
    size_t n = line / (size_t)plan->out.h / (size_t)plan->out.d, c = (size_t)plan->in.c;
    int h = (int)(line % (size_t)plan->out.h), d = (int)(line / (size_t)plan->out.h % (size_t)plan->out.d);
    float *room = job->lines + (size_t)worker * 2 * line_floats(plan), *more = room + line_floats(plan);
    const float *row = between_lines(job, n, plan->d.first[d], h, room);
    if (plan->d.share[d] != 0) {
        const float *behind = between_lines(job, n, plan->d.second[d], h, more);
        PS_SIMD_SELECT(ps_resize_between)(row, behind, plan->d.share[d], (size_t)plan->in.w * c, room);
        row = room;
    }
    PS_SIMD_SELECT(ps_resize_along)
    (row, plan->w.first, plan->w.second, plan->w.share, (size_t)plan->out.w, c, job->to + line_of(plan->out, n, d, h));
}

void ps_resize_forward(const ps_resize_plan *plan, const float *x, float *y, void *workspace, ps_threads *threads) {
    resize_job job = {.plan = plan, .from = x, .to = y, .lines = workspace};
    ps_threads_run(threads, (size_t)plan->out.n * (size_t)plan->out.d * (size_t)plan->out.h, forward_line, &job);
}

/* The part of input i in output o. */
static float part_of(const axis *a, int i, int o) {
    return (a->first[o] == i ? 1 - a->share[o] : 0) + (a->second[o] == i ? a->share[o] : 0);
}

/* Gathers the lines of dy that an input line has a part in, then along w. */
static void backward_line(void *context, size_t line, int worker) {
    const resize_job *job = context;
    const ps_resize_plan *plan = job->plan;
    size_t n = line / (size_t)plan->in.h / (size_t)plan->in.d, c = (size_t)plan->in.c;
    int h = (int)(line % (size_t)plan->in.h), d = (int)(line / (size_t)plan->in.h % (size_t)plan->in.d);
    size_t count = (size_t)plan->out.w * c;
    float *sum = job->lines + (size_t)worker * 2 * line_floats(plan);
    memset(sum, 0, count * sizeof *sum);
    for (int od = plan->d.begin[d]; od < plan->d.end[d]; od++)
        for (int oh = plan->h.begin[h]; oh < plan->h.end[h]; oh++) {
            float part = part_of(&plan->d, d, od) * part_of(&plan->h, h, oh);
            if (part != 0) PS_SIMD_SELECT(ps_resize_add)(job->from + line_of(plan->out, n, od, oh), part, count, sum);
        }
    float *dx = job->to + line_of(plan->in, n, d, h);
    if (!job->accumulate) memset(dx, 0, (size_t)plan->in.w * c * sizeof *dx);
    for (int w = 0; w < plan->in.w; w++)
        for (int ow = plan->w.begin[w]; ow < plan->w.end[w]; ow++) {
            float part = part_of(&plan->w, w, ow);
            if (part != 0) PS_SIMD_SELECT(ps_resize_add)(sum + (size_t)ow * c, part, c, dx + (size_t)w * c);
        }
}

void ps_resize_backward(const ps_resize_plan *plan, const float *dy, float *dx, bool accumulate, void *workspace,
                        ps_threads *threads) {
    resize_job job = {.plan = plan, .from = dy, .to = dx, .lines = workspace, .accumulate = accumulate};
    ps_threads_run(threads, (size_t)plan->in.n * (size_t)plan->in.d * (size_t)plan->in.h, backward_line, &job);
}
