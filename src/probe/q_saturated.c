/* saturated: where a gate that is no rectifier hands on hardly any gradient, told by what enters it. at_ceiling: where
 * one that is cut off hands on none. */
#include <math.h>

#include "probe/instruments.h"

static bool share_of(const ps_probe_layer *layer, const double *count, double *out) {
    for (int c = 0; c < layer->unit->channels; c++) out[c] = count[c] / (layer->images * layer->unit->elements);
    return true;
}

static const ps_layer_type *gate_of(const ps_probe_layer *layer) {
    return ps_net_graph(layer->net)->op[layer->unit->gate_op].type;
}

/* A rectifier's flat part is its 0, which other quantities count. */
static bool can_saturate(const ps_probe_layer *layer) {
    return !layer->unit->rectifies && gate_of(layer)->flat != NULL;
}

static void add_flat(const ps_probe_layer *layer, ps_tap tap, const ps_tap_view *view, double *state) {
    (void)tap;
    ps_net_count_flat(layer->net, layer->unit->gate_op, view->data, (int)view->images, state);
}

const ps_instrument ps_instrument_saturated = {
    .columns = 1, .taps = 1u << PS_TAP_ENTERING, .tap = add_flat, .exists = can_saturate};

bool ps_quantity_saturated(const ps_probe_layer *layer, const double *state, double *out) {
    return share_of(layer, state, out);
}

static bool has_ceiling(const ps_probe_layer *layer) { return isfinite(layer->unit->ceiling); }

static void add_at_ceiling(const ps_probe_layer *layer, ps_tap tap, const ps_tap_view *view, double *state) {
    (void)tap;
    size_t c = (size_t)layer->unit->channels, count = view->images * view->positions * c;
    for (size_t i = 0; i < count; i += c)
        for (size_t k = 0; k < c; k++) state[k] += view->data[i + k] == layer->unit->ceiling;
}

const ps_instrument ps_instrument_ceiling = {
    .columns = 1, .taps = 1u << PS_TAP_GATE, .tap = add_at_ceiling, .exists = has_ceiling};

bool ps_quantity_at_ceiling(const ps_probe_layer *layer, const double *state, double *out) {
    return share_of(layer, state, out);
}
