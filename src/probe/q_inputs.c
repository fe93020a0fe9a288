/* in_alive: how many of the channels that a layer reads are not dead. Channels without a gate count as alive. Behind a
 * normalisation a dead node's channel is not 0 but constant, and tells as little: what counts is the node.
 * Behind a flattening a layer reads features, several a channel, and they are counted one by one: a node that is alive
 * may be so in some places only. Such a feature is dead where it is 0 on all probe images; behind a normalisation,
 * where on each probe batch, whose moments shift it, it is the same for all images. */
#include "probe/instruments.h"
#include "probe/q_gate.h"

static bool reads_gates(const ps_probe_layer *layer) { return !layer->unit->shared; }

static bool is_flattened(const ps_probe_layer *layer, const ps_unit_feed *feed) {
    return feed->unit >= 0 && feed->channels > ps_net_units(layer->net)->unit[feed->unit].channels;
}

/* All that the source reads, where some of it is flattened. */
static size_t features(const ps_probe_layer *layer) {
    size_t channels = 0;
    bool flattened = false;
    for (int i = 0; i < layer->unit->feeds; i++) {
        channels += (size_t)layer->unit->feed[i].channels;
        flattened = flattened || is_flattened(layer, &layer->unit->feed[i]);
    }
    return flattened ? channels : 0;
}

/* A batch of one image cannot tell what is constant. */
static bool is_alive(const ps_unit_feed *feed, const ps_tap_view *view, size_t count, size_t image, size_t at) {
    float value = view->data[image * count + at];
    if (feed->dead == PS_CHANNEL_CONSTANT) return view->images == 1 || value != view->data[at];
    return value != 0;
}

/* state[feature]: it was ever alive (NaN is). */
static void add_batch(const ps_probe_layer *layer, ps_tap tap, const ps_tap_view *view, double *state) {
    (void)tap;
    size_t count = features(layer);
    for (size_t image = 0; image < view->images; image++)
        for (int f = 0; f < layer->unit->feeds; f++) {
            const ps_unit_feed *feed = &layer->unit->feed[f];
            size_t first = (size_t)feed->first_channel, end = first + (size_t)feed->channels;
            for (size_t i = first; i < end; i++) state[i] = is_alive(feed, view, count, image, i) ? 1 : state[i];
        }
}

const ps_instrument ps_instrument_inputs = {.needs = &ps_instrument_gate,
                                            .exists = reads_gates,
                                            .features = features,
                                            .taps = 1u << PS_TAP_SOURCE,
                                            .tap = add_batch};

/* Per channel of a unit: not 0 where it is alive. */
static const double *nonzero_of(const ps_probe_layer *layer, int unit) {
    int channels = ps_net_units(layer->net)->unit[unit].channels;
    return ps_probe_state(layer->probe, &ps_instrument_gate, unit) + PS_GATE_NONZERO * channels;
}

static double alive_features(const ps_probe_layer *layer, const ps_unit_feed *feed, const double *state) {
    const double *nonzero = nonzero_of(layer, feed->unit);
    int stride = feed->channels / ps_net_units(layer->net)->unit[feed->unit].channels;
    double alive = 0;
    for (int i = 0; i < feed->channels; i++) alive += state[feed->first_channel + i] != 0 && nonzero[i / stride] != 0;
    return alive;
}

static double alive_nodes(const ps_probe_layer *layer, int unit) {
    const double *nonzero = nonzero_of(layer, unit);
    double alive = 0;
    for (int c = 0; c < ps_net_units(layer->net)->unit[unit].channels; c++) alive += nonzero[c] != 0;
    return alive;
}

bool ps_quantity_in_alive(const ps_probe_layer *layer, const double *state, double *out) {
    bool gated = false;
    out[0] = 0;
    for (int i = 0; i < layer->unit->feeds; i++) {
        const ps_unit_feed *feed = &layer->unit->feed[i];
        gated = gated || feed->unit >= 0;
        if (feed->unit < 0 || feed->dead == PS_CHANNEL_OPEN) out[0] += feed->channels;
        else out[0] += is_flattened(layer, feed) ? alive_features(layer, feed, state) : alive_nodes(layer, feed->unit);
    }
    return gated;
}
