/* Probing: forward passes over the fixed batches that show tensors to the instruments. Nothing of the run changes. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "core/clock.h"
#include "core/memory.h"
#include "kernels/pointwise.h"
#include "probe/probe_internal.h"

typedef struct pass {
    ps_mode mode;
    size_t images;     /* real ones of this batch */
    size_t next_point; /* into probe->point, which is ordered by node */
    ps_tap edges;      /* PS_TAP_EDGES or PS_TAP_TURNED */
} pass;

/* ---- the largest value that enters a gate ---- */

typedef struct {
    const float *v;
    size_t rows, chunks;
    int channels;
    float *chunk_max;
} max_job;

enum { MAX_GRAIN = 1 << 14 };

size_t ps_probe_max_chunks(size_t rows, int channels) { return ps_threads_chunks(rows * (size_t)channels, MAX_GRAIN); }

/* NaN wins and stays. */
static float larger(float a, float b) { return b > a || isnan(b) ? b : a; }

static void max_chunk(void *context, size_t chunk, int worker) {
    (void)worker;
    const max_job *job = context;
    size_t first = ps_threads_chunk_start(job->rows, job->chunks, chunk),
           end = ps_threads_chunk_start(job->rows, job->chunks, chunk + 1);
    float *max = job->chunk_max + chunk * (size_t)job->channels;
    for (int c = 0; c < job->channels; c++) max[c] = -INFINITY;
    for (size_t row = first; row < end; row++)
        for (int c = 0; c < job->channels; c++)
            max[c] = larger(max[c], job->v[row * (size_t)job->channels + (size_t)c]);
}

/* Batch statistics are those of the whole batch, the maximum is over its real images. */
static void measure_max(ps_probe *probe, const ps_unit *unit, const ps_tap_view *view) {
    max_job job = {.v = view->data,
                   .rows = view->images * view->positions,
                   .channels = unit->channels,
                   .chunk_max = probe->chunk_max};
    job.chunks = ps_probe_max_chunks(job.rows, job.channels);
    ps_threads_run(view->threads, job.chunks, max_chunk, &job);
    memcpy(probe->batch_max, probe->chunk_max, (size_t)job.channels * sizeof *probe->batch_max);
    for (size_t i = 1; i < job.chunks; i++)
        for (int c = 0; c < job.channels; c++)
            probe->batch_max[c] = larger(probe->batch_max[c], probe->chunk_max[i * (size_t)job.channels + (size_t)c]);
}

/* ---- sums of a tensor ---- */

/* Images of this batch that belong to the first of so many parts of all: up to any batch a part is that share of all
 * images so far, rounded up. Rounding every batch by itself would make half of batches of one image all of them. */
static size_t images_of_part(size_t before, size_t images, size_t parts) {
    return (before + images + parts - 1) / parts - (before + parts - 1) / parts;
}

static void summarise_part(const ps_tap_view *view, int channels, size_t first, size_t end, double *sums) {
    size_t c = (size_t)channels;
    memset(sums, 0, PS_TAP_SUMS * c * sizeof *sums);
    if (first == end) return;
    ps_shape shape = ps_shape_with_batch(ps_tap_view_shape(view, channels), (int)(end - first));
    ps_channel_summarise(view->data + first * view->positions * c, shape,
                         (ps_channel_sums){.nonzero = sums + PS_TAP_NONZERO * c,
                                           .sum = sums + PS_TAP_SUM * c,
                                           .sum_abs = sums + PS_TAP_SUM_ABS * c,
                                           .sum_squares = sums + PS_TAP_SUM_SQUARES * c,
                                           .images_active = sums + PS_TAP_IMAGES_ACTIVE * c},
                         view->workspace, view->threads);
}

const double *ps_tap_sums(const ps_tap_view *view, int channels, int part) {
    ps_tap_summary *known = view->summary;
    size_t step = PS_TAP_SUMS * (size_t)channels, first = 0;
    bool is_known = known->data == view->data && known->positions == view->positions;
    for (int p = 0; !is_known && p < PS_TAP_PARTS; first = view->part_end[p++])
        summarise_part(view, channels, first, view->part_end[p], known->sums + (size_t)p * step);
    known->data = view->data;
    known->positions = view->positions;
    return known->sums + (size_t)part * step;
}

void ps_tap_add_sum(const ps_tap_view *view, int channels, ps_tap_sum sum, double *out) {
    for (int part = 0; part < PS_TAP_PARTS; part++) {
        const double *sums = ps_tap_sums(view, channels, part) + (size_t)sum * (size_t)channels;
        for (int c = 0; c < channels; c++) out[c] += sums[c];
    }
}

/* ---- showing tensors ---- */

/* What passes with bounds find in passing is asked of no pass of its own. */
static bool comes_with_edges(const ps_probe *probe, const ps_tap_point *point) {
    const ps_unit *unit = probe->layer[point->layer].unit;
    bool found = point->tap == PS_TAP_PRE_MAX || (point->tap == PS_TAP_ENTRY && unit->shared);
    return found && probe->tap_wanted[PS_TAP_EDGES] && ps_net_shows_edges(probe->net, unit->gate_op);
}

/* Without normalisation there is nothing that tells the two modes apart, and one pass serves both. */
static bool is_shown(const ps_probe *probe, ps_tap tap, ps_mode mode) {
    if (tap == PS_TAP_EDGES || tap == PS_TAP_TURNED) return false; /* by the network itself, see show_edges */
    return !probe->modes_differ || (tap == PS_TAP_GATE_EVAL) == (mode == PS_MODE_EVAL);
}

static bool needs_pass(const ps_probe *probe, ps_mode mode) {
    if (mode == PS_MODE_PROBE && probe->tap_wanted[PS_TAP_EDGES]) return true;
    if (mode == PS_MODE_EVAL && (!probe->modes_differ || !probe->evaluates)) return false;
    for (int tap = 0; tap < PS_TAPS; tap++)
        if (probe->tap_wanted[tap] && is_shown(probe, (ps_tap)tap, mode)) return true;
    return false;
}

static void show_view(ps_probe *probe, const ps_tap_point *point, ps_tap_view *view) {
    for (int i = 0; i < probe->instruments; i++) {
        ps_attachment *a = &probe->attached[i * probe->layers + point->layer];
        view->maps = a->maps;
        if (a->instrument != NULL && (a->instrument->taps & (1u << point->tap)) != 0)
            a->instrument->tap(&probe->layer[point->layer], point->tap, view, a->state);
    }
}

/* Of an image. Between a normalisation and its gate a pooling may lie. */
static size_t positions_of(const ps_probe *probe, ps_tap tap, const ps_unit *unit) {
    return tap == PS_TAP_NORM ? ps_shape_positions(ps_net_graph(probe->net)->op[unit->norm_op].shape)
                              : (size_t)unit->elements;
}

static void show(ps_probe *probe, const ps_tap_point *point, const pass *now) {
    const ps_unit *unit = probe->layer[point->layer].unit;
    size_t before = (size_t)probe->probed_images;
    ps_tap_view view = {
        .data = probe->seen[point->node + 1],
        .images = now->images,
        .positions = positions_of(probe, point->tap, unit),
        .part_end = {images_of_part(before, now->images, 4), images_of_part(before, now->images, 2), now->images},
        .summary = &probe->summary,
        .workspace = probe->workspace,
        .threads = ps_net_threads(probe->net)};
    if (ps_tap_is_entering(point->tap, unit)) {
        view.data = ps_net_entering(probe->net, unit->gate_op, now->mode, probe->entering);
        probe->summary.data = NULL; /* the room held another gate's before */
    }
    if (point->tap == PS_TAP_PRE_MAX) {
        measure_max(probe, unit, &view);
        view.data = probe->batch_max;
    }
    show_view(probe, point, &view);
}

static void show_ready(ps_probe *probe, pass *now, int node) {
    while (now->next_point < probe->points && probe->point[now->next_point].node <= node) {
        const ps_tap_point *point = &probe->point[now->next_point++];
        if (is_shown(probe, point->tap, now->mode) && !comes_with_edges(probe, point)) show(probe, point, now);
    }
    probe->summary.data = NULL; /* what is at hand now may be written over */
}

typedef struct {
    ps_probe *probe;
    pass *now;
} watcher;

static void after_node(void *self, int node, ps_shape shape, const float *y) {
    (void)shape;
    watcher *w = self;
    w->probe->seen[node + 1] = y;
    show_ready(w->probe, w->now, node);
}

/* What the edges bring along, of the ordinary pass alone. */
static void show_found(ps_probe *probe, const ps_tap_point *point, const pass *now, ps_layer_edges edges) {
    ps_tap_view view = {.images = now->images};
    if (now->edges != PS_TAP_EDGES || !comes_with_edges(probe, point)) return;
    if (point->tap == PS_TAP_PRE_MAX) view.data = edges.most;
    else view.squares = edges.squares;
    show_view(probe, point, &view);
}

/* As a view: low, high and variance, one after another. */
static void show_edges(void *self, int node, ps_layer_edges edges) {
    const watcher *w = self;
    ps_probe *probe = w->probe;
    for (size_t i = 0; i < probe->points; i++) {
        const ps_tap_point *point = &probe->point[i];
        const ps_unit *unit = probe->layer[point->layer].unit;
        if (unit->gate_op != node) continue;
        show_found(probe, point, w->now, edges);
        if (point->tap != w->now->edges) continue;
        const float *const parts[] = {edges.low, edges.high, edges.variance};
        for (int k = 0; k < 3; k++)
            memcpy(probe->edges + k * unit->channels, parts[k], (size_t)unit->channels * sizeof *probe->edges);
        ps_tap_view view = {.data = probe->edges, .images = w->now->images};
        show_view(probe, point, &view);
    }
}

/* Of the pass that was just made, where the labels are known. */
static void add_loss(ps_probe *probe, ps_mode mode) {
    const ps_probe_source *source = &probe->options.source;
    if (source->loss == NULL || source->label == NULL) return;
    ps_loss loss = ps_net_loss(probe->net, source->loss, source->label, false);
    ps_probe_loss *sum = &probe->loss[mode == PS_MODE_EVAL];
    if (loss.counted == 0) return;
    sum->sum += loss.loss * (double)loss.counted;
    sum->counted += (double)loss.counted;
}

static void run_pass(ps_probe *probe, ps_mode mode, size_t images) {
    pass now = {.mode = mode, .images = images, .edges = PS_TAP_EDGES};
    watcher w = {probe, &now};
    ps_net_hook hook = {&w, after_node};
    ps_net_bounds bounds = {.images = (int)images, .self = &w, .gate = show_edges};
    bool bounded = mode == PS_MODE_PROBE && probe->tap_wanted[PS_TAP_EDGES];
    probe->seen[0] = probe->x;
    show_ready(probe, &now, -1);
    ps_net_forward_plain(probe->net, probe->x, mode, &hook, bounded ? &bounds : NULL);
    add_loss(probe, mode);
}

/* Once more with near-ties turned, for the edges alone. */
static void run_turned(ps_probe *probe, size_t images) {
    pass now = {.mode = PS_MODE_PROBE, .images = images, .edges = PS_TAP_TURNED};
    watcher w = {probe, &now};
    ps_net_bounds bounds = {.images = (int)images, .turn = true, .self = &w, .gate = show_edges};
    if (probe->tap_wanted[PS_TAP_TURNED] && ps_net_selects(probe->net))
        ps_net_forward_plain(probe->net, probe->x, PS_MODE_PROBE, NULL, &bounds);
}

static void begin_probing(ps_probe *probe) {
    for (int i = 0; i < probe->instruments * probe->layers; i++) {
        ps_attachment *a = &probe->attached[i];
        if (a->instrument != NULL && a->instrument->tap != NULL) ps_attachment_clear(probe, a);
    }
    probe->probed_images = 0;
    memset(probe->loss, 0, sizeof probe->loss);
}

ps_status ps_probe_measure(ps_probe *probe) { return ps_probe_measure_modes(probe, true); }

ps_status ps_probe_measure_modes(ps_probe *probe, bool evaluates) {
    uint64_t start = ps_clock_ns();
    probe->evaluates = evaluates;
    begin_probing(probe);
    for (int i = 0; i < probe->options.source.batches; i++) {
        int images;
        PS_TRY(probe->options.source.batch(probe->options.source.self, i, probe->x, &images));
        if (images < 1 || images > ps_net_batch(probe->net))
            return ps_fail(PS_ERR_INTERNAL, "probe batch %d has %d images of at most %d", i, images,
                           ps_net_batch(probe->net));
        if (needs_pass(probe, PS_MODE_PROBE)) run_pass(probe, PS_MODE_PROBE, (size_t)images);
        run_turned(probe, (size_t)images);
        if (needs_pass(probe, PS_MODE_EVAL)) run_pass(probe, PS_MODE_EVAL, (size_t)images);
        probe->probed_images += (uint64_t)images;
    }
    for (int i = 0; i < probe->layers; i++) probe->layer[i].images = (double)probe->probed_images;
    probe->probed = probe->options.source.batches > 0;
    probe->probe_ns += ps_clock_ns() - start;
    return PS_OK;
}

/* ---- memory, once ---- */

typedef struct {
    size_t workspace_bytes, max_values;
    int channels;
} need;

static need largest_need(const ps_probe *probe) {
    need most = {0};
    for (int i = 0; i < probe->layers; i++) {
        const ps_unit *unit = probe->layer[i].unit;
        size_t rows = (size_t)ps_net_batch(probe->net) * (size_t)unit->elements;
        size_t normed = unit->norm_op >= 0 ? positions_of(probe, PS_TAP_NORM, unit) : 0;
        int wide = normed > (size_t)unit->elements ? (int)normed : unit->elements;
        ps_shape shape = {.n = ps_net_batch(probe->net), .c = unit->channels, .d = 1, .h = wide, .w = 1};
        size_t pointwise = ps_pointwise_workspace_bytes(shape);
        size_t maxima = ps_probe_max_chunks(rows, unit->channels) * (size_t)unit->channels;
        size_t one =
            (size_t)unit->elements * (size_t)unit->channels * sizeof(float); /* of one image, for ps_tap_view */
        if (pointwise > most.workspace_bytes) most.workspace_bytes = pointwise;
        if (one > most.workspace_bytes) most.workspace_bytes = one;
        if (maxima > most.max_values) most.max_values = maxima;
        if (unit->channels > most.channels) most.channels = unit->channels;
    }
    return most;
}

/* Of the gates that are shown what enters them where no array holds it and no bounds bring along what is asked. */
static size_t entering_values(const ps_probe *probe) {
    size_t most = 0;
    for (size_t i = 0; i < probe->points; i++) {
        const ps_tap_point *point = &probe->point[i];
        const ps_unit *unit = probe->layer[point->layer].unit;
        bool inside = ps_net_graph(probe->net)->op[unit->gate_op].type->entering != NULL;
        size_t values = (size_t)ps_net_batch(probe->net) * (size_t)unit->elements * (size_t)unit->channels;
        if (inside && ps_tap_is_entering(point->tap, unit) && !comes_with_edges(probe, point) && values > most)
            most = values;
    }
    return most;
}

ps_status ps_probe_prepare_passes(ps_probe *probe) {
    need most = largest_need(probe);
    size_t channels = (size_t)most.channels;
    PS_TRY(PS_ALLOC(channels + 1, &probe->out, "probe"));
    for (int i = 0; i < ps_net_param_count(probe->net); i++) /* running statistics */
        if (!ps_net_param(probe->net, i)->learned) probe->modes_differ = true;
    if (probe->options.source.batches == 0) return PS_OK;
    size_t input = (size_t)ps_net_batch(probe->net) * ps_shape_elements(ps_net_graph(probe->net)->input);
    PS_TRY(PS_ALLOC((size_t)ps_net_graph(probe->net)->count + 1, &probe->seen, "probe"));
    PS_TRY(PS_ALLOC(input, &probe->x, "probe batch"));
    PS_TRY(PS_ALLOC(channels, &probe->batch_max, "probe"));
    PS_TRY(PS_ALLOC(3 * channels, &probe->edges, "probe"));
    PS_TRY(PS_ALLOC(PS_TAP_PARTS * PS_TAP_SUMS * channels, &probe->summary.sums, "probe"));
    if (probe->tap_wanted[PS_TAP_EDGES]) PS_TRY(ps_net_prepare_bounds(probe->net));
    PS_TRY(PS_ALLOC(entering_values(probe), &probe->entering, "probe"));
    PS_TRY(PS_ALLOC(most.max_values, &probe->chunk_max, "probe"));
    return PS_ALLOC(most.workspace_bytes, (char **)&probe->workspace, "probe");
}
