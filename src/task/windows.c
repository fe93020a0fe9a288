#include "task/windows.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "kernels/map_loss.h"

enum { AXES = 3 };

struct ps_windows {
    ps_windows_options options;
    ps_shape window; /* n = 1 */
    int batch, classes;
    float *x;           /* [batch][window][channels] */
    float *p;           /* [batch][window][classes] */
    float *gauss[AXES]; /* [side] */
    int (*start)[AXES]; /* [batch]: where each window of the batch begins; below 0 where the sample is padded */
    int *mirror;        /* [batch]: bits of the axes that are turned round */
};

static void sides(const ps_shape *shape, int side[AXES]) { side[0] = shape->d, side[1] = shape->h, side[2] = shape->w; }

/* ---- where windows are ---- */

size_t ps_windows_steps(int size, int window) {
    return size <= window ? 1 : (size_t)ceil((size - window) / (window / 2.0)) + 1;
}

int ps_windows_start(int size, int window, size_t step) {
    if (size <= window) return -((window - size) / 2);
    return (int)nearbyint((double)(size - window) / (double)(ps_windows_steps(size, window) - 1) * (double)step);
}

size_t ps_windows_count(const ps_windows *windows, ps_shape shape) {
    int size[AXES], window[AXES];
    sides(&shape, size), sides(&windows->window, window);
    size_t count = 1;
    for (int a = 0; a < AXES; a++) count *= ps_windows_steps(size[a], window[a]);
    return count;
}

/* Window number i of a sample, the last axis fastest. */
static void place(const ps_windows *w, ps_shape shape, size_t i, int start[AXES]) {
    int size[AXES], window[AXES];
    sides(&shape, size), sides(&w->window, window);
    for (int a = AXES - 1; a >= 0; a--) {
        size_t steps = ps_windows_steps(size[a], window[a]);
        start[a] = ps_windows_start(size[a], window[a], i % steps);
        i /= steps;
    }
}

/* ---- making ---- */

static ps_status make_gauss(int side, float **out) {
    double sigma = side / 8.0;
    float least = FLT_MAX;
    PS_TRY(PS_ALLOC((size_t)side, out, "weights of a window"));
    for (int i = 0; i < side; i++) {
        double away = (i - side / 2) / sigma;
        (*out)[i] = (float)exp(-away * away / 2);
        if ((*out)[i] > 0 && (*out)[i] < least) least = (*out)[i];
    }
    for (int i = 0; i < side; i++)
        if (!((*out)[i] > 0)) (*out)[i] = least;
    return PS_OK;
}

static ps_status make(const ps_windows_options *options, ps_windows *w) {
    const ps_graph *graph = ps_net_graph(options->net);
    const ps_op *last = &graph->op[graph->count - 1];
    int side[AXES];
    w->options = *options;
    w->window = ps_shape_with_batch(graph->input, 1);
    w->batch = ps_net_batch(options->net);
    w->classes = ps_net_classes(options->net);
    if (last->shape.d != w->window.d || last->shape.h != w->window.h || last->shape.w != w->window.w)
        return ps_fail(PS_ERR_INPUT,
                       "network %s: its outputs are no map as large as its input, so that no window of it slides over "
                       "samples; end it in a resize to its input",
                       graph->name);
    sides(&w->window, side);
    size_t positions = ps_shape_positions(w->window) * (size_t)w->batch;
    PS_TRY(PS_ALLOC(positions * (size_t)w->window.c, &w->x, "windows"));
    PS_TRY(PS_ALLOC(positions * (size_t)w->classes, &w->p, "windows"));
    PS_TRY(PS_ALLOC((size_t)w->batch, &w->start, "windows"));
    PS_TRY(PS_ALLOC((size_t)w->batch, &w->mirror, "windows"));
    for (int a = 0; a < AXES; a++) PS_TRY(make_gauss(side[a], &w->gauss[a]));
    return PS_OK;
}

ps_status ps_windows_create(const ps_windows_options *options, ps_windows **out) {
    PS_TRY(PS_ALLOC(1, out, "windows"));
    ps_status status = make(options, *out);
    if (status == PS_OK) return PS_OK;
    ps_windows_destroy(*out);
    *out = NULL;
    return status;
}

void ps_windows_destroy(ps_windows *windows) {
    if (windows == NULL) return;
    for (int a = 0; a < AXES; a++) ps_free(windows->gauss[a]);
    ps_free(windows->x);
    ps_free(windows->p);
    ps_free(windows->start);
    ps_free(windows->mirror);
    ps_free(windows);
}

/* ---- a batch of windows ---- */

typedef struct {
    ps_windows *w;
    ps_shape shape;
    const float *x;
    float *score, *weight;
    int rows;     /* windows in the batch that are real */
    int image;    /* the one that is added */
    bool weighed; /* by Gaussians */
} job;

/* Place along an axis of position i of a window that may be turned round. */
static int turned(int i, int side, int mirror, int axis) { return (mirror >> axis & 1) != 0 ? side - 1 - i : i; }

static void copy_line(const job *j, const int *start, int mirror, int d, int h, float *to) {
    const ps_windows *w = j->w;
    size_t c = (size_t)w->window.c;
    int from_d = start[0] + turned(d, w->window.d, mirror, 0), from_h = start[1] + turned(h, w->window.h, mirror, 1);
    bool inside = from_d >= 0 && from_d < j->shape.d && from_h >= 0 && from_h < j->shape.h;
    for (int i = 0; i < w->window.w; i++, to += c) {
        int from_w = start[2] + turned(i, w->window.w, mirror, 2);
        const float *from = w->options.outside;
        if (inside && from_w >= 0 && from_w < j->shape.w)
            from = j->x +
                   (((size_t)from_d * (size_t)j->shape.h + (size_t)from_h) * (size_t)j->shape.w + (size_t)from_w) * c;
        memcpy(to, from, c * sizeof *to);
    }
}

/* A chunk is a plane of one window. */
static void fill_plane(void *context, size_t chunk, int worker) {
    (void)worker;
    const job *j = context;
    ps_windows *w = j->w;
    int image = (int)(chunk / (size_t)w->window.d), d = (int)(chunk % (size_t)w->window.d);
    size_t line = (size_t)w->window.w * (size_t)w->window.c;
    for (int h = 0; h < w->window.h; h++)
        copy_line(j, w->start[image], w->mirror[image], d, h, w->x + (chunk * (size_t)w->window.h + (size_t)h) * line);
}

static void add_line(const job *j, int d, int h, const float *p) {
    const ps_windows *w = j->w;
    const int *start = w->start[j->image];
    int mirror = w->mirror[j->image], c = w->classes;
    int to_d = start[0] + turned(d, w->window.d, mirror, 0), to_h = start[1] + turned(h, w->window.h, mirror, 1);
    if (to_d < 0 || to_d >= j->shape.d || to_h < 0 || to_h >= j->shape.h) return;
    size_t line = ((size_t)to_d * (size_t)j->shape.h + (size_t)to_h) * (size_t)j->shape.w;
    float gauss = j->weighed ? w->gauss[0][to_d - start[0]] * w->gauss[1][to_h - start[1]] : 1.0f;
    for (int i = 0; i < w->window.w; i++, p += c) {
        int at = turned(i, w->window.w, mirror, 2), to_w = start[2] + at;
        if (to_w < 0 || to_w >= j->shape.w) continue;
        float share = j->weighed ? gauss * w->gauss[2][at] : 1.0f, *to = j->score + (line + (size_t)to_w) * (size_t)c;
        for (int k = 0; k < c; k++) to[k] += share * p[k];
        j->weight[line + (size_t)to_w] += share;
    }
}

/* A chunk is a line of planes of one window: no two write the same position. */
static void add_lines(void *context, size_t chunk, int worker) {
    (void)worker;
    const job *j = context;
    const ps_windows *w = j->w;
    int d = (int)(chunk / (size_t)w->window.h), h = (int)(chunk % (size_t)w->window.h);
    size_t line = ((size_t)j->image * (size_t)w->window.d * (size_t)w->window.h + chunk) * (size_t)w->window.w;
    add_line(j, d, h, w->p + line * (size_t)w->classes);
}

static void run_batch(job *j) {
    ps_windows *w = j->w;
    ps_threads *threads = ps_net_threads(w->options.net);
    size_t window = ps_shape_positions(w->window), planes = (size_t)w->window.d, image = window * (size_t)w->window.c;
    ps_threads_run(threads, (size_t)j->rows * planes, fill_plane, j);
    memset(w->x + (size_t)j->rows * image, 0, (size_t)(w->batch - j->rows) * image * sizeof *w->x);
    const float *output = ps_net_forward(w->options.net, w->x, PS_MODE_EVAL, (ps_rng_key){{0, 0}}, NULL);
    ps_map_probabilities(output, (size_t)j->rows * window, w->classes, w->p, threads);
    for (j->image = 0; j->image < j->rows; j->image++)
        ps_threads_run(threads, planes * (size_t)w->window.h, add_lines, j);
    j->rows = 0;
}

static void divide(void *context, size_t chunk, int worker) {
    (void)worker;
    const job *j = context;
    size_t line = (size_t)j->shape.w, classes = (size_t)j->w->classes;
    for (size_t i = chunk * line; i < (chunk + 1) * line; i++) {
        float share = 1.0f / j->weight[i];
        for (size_t k = 0; k < classes; k++) j->score[i * classes + k] *= share;
    }
}

void ps_windows_run(ps_windows *windows, const float *x, ps_shape shape, float *score, float *weight) {
    size_t positions = ps_shape_positions(shape), count = ps_windows_count(windows, shape);
    int side[AXES], turnable = 0;
    job j = {.w = windows, .shape = shape, .x = x, .score = score, .weight = weight, .weighed = count > 1};
    memset(score, 0, positions * (size_t)windows->classes * sizeof *score);
    memset(weight, 0, positions * sizeof *weight);
    sides(&windows->window, side);
    for (int a = 0; a < AXES && windows->options.mirror; a++) turnable |= (side[a] > 1) << a;
    for (size_t i = 0; i < count; i++)
        for (int mirror = 0; mirror < 1 << AXES; mirror++) {
            if ((mirror & ~turnable) != 0) continue;
            place(windows, shape, i, windows->start[j.rows]);
            windows->mirror[j.rows] = mirror;
            if (++j.rows == windows->batch) run_batch(&j);
        }
    if (j.rows > 0) run_batch(&j);
    ps_threads_run(ps_net_threads(windows->options.net), (size_t)shape.d * (size_t)shape.h, divide, &j);
}
