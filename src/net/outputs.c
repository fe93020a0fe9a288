#include "net/outputs.h"

#include <math.h>

#include "core/memory.h"

static bool same_places(ps_shape a, ps_shape b) { return a.d == b.d && a.h == b.h && a.w == b.w; }

ps_status ps_outputs_init(ps_outputs *outputs, const ps_graph *graph, int batch) {
    ps_shape last = graph->op[graph->count - 1].shape;
    *outputs = (ps_outputs){0};
    PS_TRY(PS_ALLOC((size_t)graph->count, &outputs->output, "outputs"));
    for (int i = 0; i < graph->count; i++) {
        if (!ps_graph_is_output(graph, i)) continue;
        ps_output *o = &outputs->output[outputs->count++];
        o->op = i;
        o->weight = ps_graph_loss_weight(graph, i);
        o->shape = ps_shape_with_batch(graph->op[i].shape, batch);
        o->rows = ps_shape_positions(o->shape);
        o->values = ps_shape_elements(o->shape);
        if (o->shape.c != last.c)
            return ps_fail(
                PS_ERR_INPUT,
                "network %s: the loss reads \"%s\", which has %d channels, and the last operation, which has "
                "%d; both need one a class",
                graph->name, graph->op[i].name, o->shape.c, last.c);
        if (!same_places(o->shape, last)) PS_TRY(PS_ALLOC(o->rows, &o->own, "labels of outputs"));
    }
    return PS_OK;
}

void ps_outputs_clear(ps_outputs *outputs) {
    for (int i = 0; i < outputs->count; i++) ps_free(outputs->output[i].own);
    ps_free(outputs->output);
    *outputs = (ps_outputs){0};
}

/* The cell of `from` that the middle of cell i of `to` falls into. */
static size_t cell(int i, int to, int from) { return (size_t)(2 * (int64_t)i + 1) * (size_t)from / (2 * (size_t)to); }

static void bring(const ps_output *output, ps_shape from, const int32_t *label) {
    ps_shape to = output->shape;
    int32_t *out = output->own;
    for (int n = 0; n < to.n; n++, label += (size_t)from.d * (size_t)from.h * (size_t)from.w) {
        for (int z = 0; z < to.d; z++) {
            for (int y = 0; y < to.h; y++) {
                size_t row = cell(z, to.d, from.d) * (size_t)from.h + cell(y, to.h, from.h);
                for (int x = 0; x < to.w; x++) *out++ = label[row * (size_t)from.w + cell(x, to.w, from.w)];
            }
        }
    }
}

void ps_outputs_bring_labels(ps_outputs *outputs, const int32_t *label) {
    ps_shape last = outputs->output[outputs->count - 1].shape;
    for (int i = 0; i < outputs->count; i++) {
        ps_output *o = &outputs->output[i];
        if (o->own != NULL) bring(o, last, label);
        o->label = o->own != NULL ? o->own : label;
    }
}

ps_loss ps_outputs_add_loss(ps_loss before, ps_loss own, const ps_output *output) {
    bool counts = own.counted > 0, sole = output->weight == 1.0 && before.counted == 0;
    if (sole) return own; /* as it is, be it NaN */
    double sum = before.counted > 0 ? before.loss : 0;
    if (counts) sum += output->weight * own.loss;
    return (ps_loss){counts || before.counted > 0 ? sum : (double)NAN, counts ? own.counted : before.counted};
}

void ps_output_scale(const ps_output *output, float *gradient, double share) {
    float factor = (float)share;
    for (size_t i = 0; share != 1.0 && i < output->values; i++) gradient[i] *= factor;
}
