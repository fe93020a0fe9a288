/* nonzero_half, nonzero_quarter: what is known of a gate from fewer images, counted on the first half and the first
 * quarter of each probe batch, in whole images, so that up to any batch it is half (a quarter) of all images so far,
 * rounded up: rounding every batch by itself would make half of batches of one image all of them. Batch statistics are
 * those of the whole batch, so nothing is run again. */
#include "kernels/pointwise.h"
#include "probe/instruments.h"

enum { QUARTER, REST_OF_HALF, SEEN, COLUMNS }; /* SEEN: one number, images of the batches before */

/* Images of this batch that belong to one of so many parts of all. */
static size_t images_of_part(size_t before, size_t images, size_t parts) {
    return (before + images + parts - 1) / parts - (before + parts - 1) / parts;
}

static void add_images(const ps_probe_layer *layer, const ps_tap_view *view, size_t first, size_t end,
                       double *nonzero) {
    size_t channels = (size_t)layer->unit->channels;
    if (first == end) return;
    ps_shape shape = ps_shape_with_batch(ps_tap_view_shape(view, layer->unit->channels), (int)(end - first));
    ps_channel_summarise(view->data + first * view->positions * channels, shape, (ps_channel_sums){.nonzero = nonzero},
                         view->workspace, view->threads);
}

static void add_batch(const ps_probe_layer *layer, ps_tap tap, const ps_tap_view *view, double *state) {
    (void)tap;
    int channels = layer->unit->channels;
    double *seen = state + SEEN * channels;
    size_t before = (size_t)*seen, quarter = images_of_part(before, view->images, 4),
           half = images_of_part(before, view->images, 2);
    add_images(layer, view, 0, quarter, state + QUARTER * channels);
    add_images(layer, view, quarter, half, state + REST_OF_HALF * channels);
    *seen += (double)view->images;
}

const ps_instrument ps_instrument_gate_part = {.columns = COLUMNS, .taps = 1u << PS_TAP_GATE, .tap = add_batch};

bool ps_quantity_nonzero_half(const ps_probe_layer *layer, const double *state, double *out) {
    int channels = layer->unit->channels;
    for (int c = 0; c < channels; c++) out[c] = state[QUARTER * channels + c] + state[REST_OF_HALF * channels + c];
    return true;
}

bool ps_quantity_nonzero_quarter(const ps_probe_layer *layer, const double *state, double *out) {
    for (int c = 0; c < layer->unit->channels; c++) out[c] = state[QUARTER * layer->unit->channels + c];
    return true;
}
