/* pre_max_low, pre_max_high: between which values the largest one that entered the gate lies, whatever the rounding
 * (kernels/rounding.h) and whichever of nearly equal values a Pool Skip hands on.
 *
 * A value that flips moves everything behind it, by as much as it takes; bounds that grow from layer to layer say
 * nothing about that. The pass with near-ties turned (ps_net_forward_plain) is one draw of it: low and high are those
 * of both passes together, and beyond them a margin of what the passes differ by, since a draw in the other direction
 * is as likely. That is the node's own difference or, where chance left it small, the layer's: its root mean square in
 * units of each node's standard deviation. Without modules that select both passes are one, and the margin is 0.
 *
 * Checked on ResNet-18 x 1/4 and plain9 with Pool Skip 2 and 4 against PyTorch in double precision: 92 to 100 % of what
 * nodes' largest values moved by lies within low and high, against 44 to 67 % without the margin. */
#include <math.h>

#include "probe/instruments.h"

/* Of the ordinary pass, of the turned one; largest over the batches, and the mean of the variance times the batches. */
enum { LOW, HIGH, TURNED_LOW, TURNED_HIGH, VARIANCE, BATCHES, TURNED_BATCHES, COLUMNS };

static bool is_rectified(const ps_probe_layer *layer) { return layer->unit->rectifies; }

/* NaN wins and stays. */
static double larger(double a, double b) { return b > a || isnan(b) ? b : a; }

static void add_batch(const ps_probe_layer *layer, ps_tap tap, const ps_tap_view *view, double *state) {
    int channels = layer->unit->channels, turned = tap == PS_TAP_TURNED;
    double *low = state + (turned ? TURNED_LOW : LOW) * channels,
           *high = state + (turned ? TURNED_HIGH : HIGH) * channels,
           *batches = state + (turned ? TURNED_BATCHES : BATCHES) * channels;
    for (int c = 0; c < channels; c++) {
        double found_low = (double)view->data[c], found_high = (double)view->data[channels + c];
        low[c] = batches[c] == 0 ? found_low : larger(low[c], found_low);
        high[c] = batches[c] == 0 ? found_high : larger(high[c], found_high);
        if (!turned) state[VARIANCE * channels + c] += (double)view->data[2 * channels + c];
        batches[c]++;
    }
}

const ps_instrument ps_instrument_edge = {
    .columns = COLUMNS, .taps = 1u << PS_TAP_EDGES | 1u << PS_TAP_TURNED, .tap = add_batch, .exists = is_rectified};

typedef struct {
    double low, high, turned_low, turned_high, deviation, difference;
} edges;

static edges edges_of(const double *state, int channels, int c) {
    const double *at = state + c;
    edges e = {.low = at[LOW * channels], .high = at[HIGH * channels]};
    bool turned = at[TURNED_BATCHES * channels] != 0;
    e.turned_low = turned ? at[TURNED_LOW * channels] : e.low;
    e.turned_high = turned ? at[TURNED_HIGH * channels] : e.high;
    e.deviation = sqrt(at[VARIANCE * channels] / at[BATCHES * channels]);
    e.difference = larger(fabs(e.turned_low - e.low), fabs(e.turned_high - e.high));
    return e;
}

/* What the passes differ by in this layer, in standard deviations; nodes that are constant or not finite have none. */
static double usual_difference(const double *state, int channels) {
    double squares = 0, nodes = 0;
    for (int c = 0; c < channels; c++) {
        edges e = edges_of(state, channels, c);
        double relative = e.difference / e.deviation;
        if (!isfinite(relative)) continue;
        squares += relative * relative;
        nodes++;
    }
    return nodes > 0 ? sqrt(squares / nodes) : 0;
}

static double margin_of(const edges *e, double usual) {
    return usual == 0 ? e->difference : larger(e->difference, usual * e->deviation);
}

static bool is_known(const ps_probe_layer *layer, const double *state) {
    return state[BATCHES * layer->unit->channels] != 0;
}

bool ps_quantity_pre_max_low(const ps_probe_layer *layer, const double *state, double *out) {
    int channels = layer->unit->channels;
    if (!is_known(layer, state)) return false;
    double usual = usual_difference(state, channels);
    for (int c = 0; c < channels; c++) {
        edges e = edges_of(state, channels, c);
        out[c] = -larger(-e.low, -e.turned_low) - margin_of(&e, usual);
    }
    return true;
}

bool ps_quantity_pre_max_high(const ps_probe_layer *layer, const double *state, double *out) {
    int channels = layer->unit->channels;
    if (!is_known(layer, state)) return false;
    double usual = usual_difference(state, channels);
    for (int c = 0; c < channels; c++) {
        edges e = edges_of(state, channels, c);
        out[c] = larger(e.high, e.turned_high) + margin_of(&e, usual);
    }
    return true;
}
