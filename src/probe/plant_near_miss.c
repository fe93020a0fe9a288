/* Near misses: each image's largest value that enters the gate, and a shift between the largest and the second largest
 * of them. */
#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "probe/plant_internal.h"

typedef struct {
    ps_net *net;
    const ps_unit *unit;
    int entry;              /* node whose output enters the gate or its fused normalisation */
    int images;             /* of the batch under way */
    float *room;            /* what enters the gate, where no array holds it */
    double *first, *second; /* [channels]: largest and second largest maximum of an image */
} search;

/* The parameter whose change moves all that enters the gate by as much: nothing but the gate may stand behind it. */
int ps_plant_shift_param(const ps_net *net, const ps_unit *unit) {
    if (unit->shared) return -1;
    int before = ps_net_graph(net)->op[unit->gate_op].input[0];
    if (unit->norm_op >= 0 && (unit->norm_op == unit->gate_op || unit->norm_op == before))
        return ps_net_op_param(net, unit->norm_op, "bias");
    return unit->source_op == before ? ps_net_op_param(net, unit->source_op, "bias") : -1;
}

static void rank(search *s, int c, double value) {
    if (value > s->first[c]) {
        s->second[c] = s->first[c];
        s->first[c] = value;
    } else if (value > s->second[c]) {
        s->second[c] = value;
    }
}

static void after_node(void *self, int node, ps_shape shape, const float *x) {
    (void)shape;
    search *s = self;
    if (node != s->entry) return;
    x = ps_net_entering(s->net, s->unit->gate_op, PS_MODE_PROBE, s->room);
    size_t channels = (size_t)s->unit->channels;
    for (size_t image = 0; image < (size_t)s->images; image++)
        for (size_t c = 0; c < channels; c++) {
            double largest = -INFINITY;
            for (size_t p = 0; p < (size_t)s->unit->elements; p++) {
                float v = x[(image * (size_t)s->unit->elements + p) * channels + c];
                if ((double)v > largest) largest = (double)v;
            }
            rank(s, (int)c, largest);
        }
}

static ps_status run_search(search *s, const ps_probe_source *source, float *x) {
    ps_net_hook hook = {s, after_node};
    for (int i = 0; i < source->batches; i++) {
        PS_TRY(source->batch(source->self, i, x, &s->images));
        ps_net_forward_plain(s->net, x, PS_MODE_PROBE, &hook, NULL);
    }
    return PS_OK;
}

static ps_status shift(const search *s, const int *channel, int channels) {
    ps_param *p = ps_net_param(s->net, ps_plant_shift_param(s->net, s->unit));
    for (int i = 0; i < channels; i++) {
        int c = channel[i];
        if (!(s->first[c] > s->second[c]) || !isfinite(s->second[c]))
            return ps_fail(
                PS_ERR_USAGE,
                "--plant: %s:%d can be no near miss, since its most active probe images are alike; plant it in "
                "another layer",
                s->unit->name, c);
        p->value[c] = (float)((double)p->value[c] - 0.5 * (s->first[c] + s->second[c]));
    }
    return PS_OK;
}

ps_status ps_plant_near_miss(ps_net *net, const ps_unit *unit, const ps_probe_source *source, const int *channel,
                             int channels) {
    search s = {.net = net, .unit = unit, .entry = ps_net_graph(net)->op[unit->gate_op].input[0]};
    size_t count = (size_t)unit->channels, rows = (size_t)ps_net_batch(net) * (size_t)unit->elements;
    float *x = NULL;
    ps_status status;
    PS_TRY(ps_net_check_statistics(net));
    PS_TRY_CLEANUP(
        PS_ALLOC((size_t)ps_net_batch(net) * ps_shape_elements(ps_net_graph(net)->input), &x, "probe batch"));
    PS_TRY_CLEANUP(PS_ALLOC(rows * count, &s.room, "planting"));
    PS_TRY_CLEANUP(PS_ALLOC(count, &s.first, "planting"));
    PS_TRY_CLEANUP(PS_ALLOC(count, &s.second, "planting"));
    for (size_t c = 0; c < count; c++) s.first[c] = s.second[c] = -INFINITY;
    PS_TRY_CLEANUP(run_search(&s, source, x));
    status = shift(&s, channel, channels);
cleanup:
    ps_free(x);
    ps_free(s.room);
    ps_free(s.first);
    ps_free(s.second);
    return status;
}
