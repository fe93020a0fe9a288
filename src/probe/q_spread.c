/* image_spread: how far the gate's outputs of the probe images lie from those of the first one, position by position.
 * Exact: a difference of two outputs, not of two sums, so that an output which does not depend on the image shows 0, or
 * what rounding makes of it, however large it is. Any two images differ by at most twice as much. */
#include <math.h>
#include <string.h>

#include "kernels/pointwise.h"
#include "probe/instruments.h"

enum { SPREAD, BEGUN, COLUMNS };

static void add_batch(const ps_probe_layer *layer, ps_tap tap, const ps_tap_view *view, double *state) {
    (void)tap;
    size_t channels = (size_t)layer->unit->channels, count = view->positions * channels;
    float *first = view->maps,
          *most = view->workspace; /* the first image's outputs; the batch's differences from them */
    double *spread = state + SPREAD * channels, *begun = state + BEGUN * channels;
    if (*begun == 0) memcpy(first, view->data, count * sizeof *first);
    *begun = 1;
    memset(most, 0, count * sizeof *most);
    ps_vector_spread(view->data, view->images, count, first, most, view->threads);
    for (size_t at = 0; at < count; at += channels)
        for (size_t c = 0; c < channels; c++) {
            double d = (double)most[at + c];
            if (d > spread[c] || isnan(d)) spread[c] = d;
        }
}

const ps_instrument ps_instrument_spread = {
    .columns = COLUMNS, .map_columns = 1, .taps = 1u << PS_TAP_GATE, .tap = add_batch};

/* Of a single image nothing is known. */
bool ps_quantity_image_spread(const ps_probe_layer *layer, const double *state, double *out) {
    int channels = layer->unit->channels;
    for (int c = 0; c < channels; c++) out[c] = state[SPREAD * channels + c];
    return layer->images > 1;
}
