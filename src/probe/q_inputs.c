/* in_alive: how many of the channels that a layer reads are not exactly dead. Channels without a gate count as
 * alive. */
#include "probe/instruments.h"
#include "probe/q_gate.h"

static bool reads_gates(const ps_probe_layer *layer) { return !layer->unit->shared; }

const ps_instrument ps_instrument_inputs = {.needs = &ps_instrument_gate, .exists = reads_gates};

bool ps_quantity_in_alive(const ps_probe_layer *layer, const double *state, double *out) {
    (void)state;
    bool gated = false;
    out[0] = 0;
    for (int i = 0; i < layer->unit->feeds; i++) {
        const ps_unit_feed *feed = &layer->unit->feed[i];
        if (feed->unit < 0) {
            out[0] += feed->channels;
            continue;
        }
        /* Behind a flattening every node stands for several input features. */
        int channels = ps_net_units(layer->net)->unit[feed->unit].channels;
        const double *nonzero =
            ps_probe_state(layer->probe, &ps_instrument_gate, feed->unit) + PS_GATE_NONZERO * channels;
        for (int c = 0; c < channels; c++) out[0] += nonzero[c] != 0 ? feed->channels / channels : 0;
        gated = true;
    }
    return gated;
}
