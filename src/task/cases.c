#include "task/cases.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "kernels/map_loss.h"
#include "task/overlap.h"

static bool is_map_of_input(const ps_net *net) {
    const ps_graph *graph = ps_net_graph(net);
    ps_shape in = graph->input, out = graph->op[graph->count - 1].shape;
    return in.d == out.d && in.h == out.h && in.w == out.w;
}

ps_status ps_cases_open(const ps_task_split *on, ps_cases *cases) {
    *cases = (ps_cases){.on = on, .classes = ps_net_classes(on->net)};
    ps_windows_options options = {
        .net = on->net, .mirror = on->asked->mirror, .outside = ps_dataset_outside(on->dataset, false)};
    PS_TRY(PS_ALLOC((size_t)cases->classes * (size_t)cases->classes, &cases->count, "confusion matrix"));
    if (is_map_of_input(on->net)) return ps_windows_create(&options, &cases->windows);
    if (!options.mirror) return PS_OK;
    return ps_fail(PS_ERR_USAGE,
                   "network %s: its outputs are no map as large as its input, which mirror images need; "
                   "leave mirror_eval out",
                   ps_net_graph(on->net)->name);
}

void ps_cases_close(ps_cases *cases) {
    ps_windows_destroy(cases->windows);
    ps_free(cases->x);
    ps_free(cases->score);
    ps_free(cases->weight);
    ps_free(cases->label);
    ps_free(cases->truth);
    ps_free(cases->predicted);
    ps_free(cases->count);
    *cases = (ps_cases){.on = NULL};
}

/* ---- room ---- */

#define GROW(field, count)                                        \
    do {                                                          \
        ps_free(field);                                           \
        (field) = NULL;                                           \
        PS_TRY(PS_ALLOC(count, &(field), "a sample as a whole")); \
    } while (0)

static ps_status grow(ps_cases *c, size_t inputs, size_t positions, size_t file) {
    if (inputs > c->x_room) GROW(c->x, inputs);
    if (positions > c->map_room) {
        GROW(c->score, positions * (size_t)c->classes);
        GROW(c->weight, positions);
        GROW(c->label, positions);
        c->map_room = positions;
    }
    if (file > c->file_room) {
        GROW(c->truth, file);
        GROW(c->predicted, file);
        c->file_room = file;
    }
    if (inputs > c->x_room) c->x_room = inputs;
    return PS_OK;
}

/* ---- one sample ---- */

/* Where outputs are of another size than inputs samples are as large as the net's input: the session has seen to it.
 * Those of the first image count. */
static void score_whole(ps_cases *c, ps_shape shape, size_t positions) {
    const ps_task_split *on = c->on;
    size_t image = ps_shape_elements(shape);
    for (int i = 0; i < ps_net_batch(on->net); i++) memcpy(on->x + (size_t)i * image, c->x, image * sizeof *c->x);
    const float *output = ps_net_forward(on->net, on->x, PS_MODE_EVAL, (ps_rng_key){{0, 0}}, NULL);
    ps_map_probabilities(output, positions, c->classes, c->score, ps_net_threads(on->net));
}

/* As the net is given the sample: scores become logarithms. */
static ps_loss loss_of(ps_cases *c, size_t positions) {
    const ps_loss_function *loss = c->on->loss;
    size_t values = positions * (size_t)c->classes;
    for (size_t i = 0; i < values; i++) c->score[i] = logf(fmaxf(c->score[i], FLT_MIN));
    ps_loss_call call = {.output = c->score,
                         .label = c->label,
                         .samples = 1,
                         .rows = positions,
                         .channels = c->classes,
                         .threads = ps_net_threads(c->on->net)};
    ps_loss found = loss->value(loss->self, &call, NULL);
    return (ps_loss){found.loss, found.counted};
}

/* Samples after this one are decoded while it is worked on, where not all are in memory: they are taken in order. */
static void expect_next(const ps_dataset *dataset, ps_split split, int index) {
    enum { AHEAD = 16 };
    uint32_t next[AHEAD];
    size_t count = 0;
    for (int i = index + 1; i < ps_dataset_count(dataset, split) && count < AHEAD; i++) next[count++] = (uint32_t)i;
    if (count > 0) ps_dataset_expect(dataset, split, next, count);
}

static ps_status predict(ps_cases *c, ps_split split, int index, ps_shape shape, ps_shape map) {
    size_t positions = ps_shape_positions(map);
    PS_TRY(ps_dataset_sample(c->on->dataset, split, index, c->x, c->label));
    expect_next(c->on->dataset, split, index);
    if (c->windows != NULL) ps_windows_run(c->windows, c->x, shape, c->score, c->weight);
    else score_whole(c, shape, positions);
    return ps_dataset_restore(c->on->dataset, split, index, c->score, c->predicted);
}

ps_status ps_cases_run(ps_cases *cases, ps_split split, int index, ps_case *out) {
    const ps_dataset *dataset = cases->on->dataset;
    ps_shape map, shape = ps_dataset_shape_of(dataset, split, index, &map);
    *out = (ps_case){.file = ps_dataset_file_of(dataset, split, index)};
    if (cases->windows != NULL) map = shape;
    out->shape = out->file.shape;
    size_t positions = ps_shape_positions(map), file = ps_shape_positions(out->shape);
    PS_TRY(grow(cases, ps_shape_elements(shape), positions, file));
    PS_TRY(predict(cases, split, index, shape, map));
    out->loss = loss_of(cases, positions);
    PS_TRY(ps_dataset_truth(dataset, split, index, cases->truth));
    memset(cases->count, 0, (size_t)cases->classes * (size_t)cases->classes * sizeof *cases->count);
    ps_confusion_add(cases->count, cases->classes, cases->truth, cases->predicted, file);
    for (int i = 0; i < cases->classes * cases->classes; i++) out->known = out->known || cases->count[i] > 0;
    out->given = shape, out->map = map;
    out->x = cases->x, out->score = cases->score, out->label = cases->label;
    out->truth = cases->truth;
    out->predicted = cases->predicted;
    out->count = cases->count;
    return PS_OK;
}
