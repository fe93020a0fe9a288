#include "data/census.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/memory.h"

ps_status ps_census_init(ps_census *census, int training_images, int channels) {
    *census = (ps_census){.counts = {.probe_distance = NAN}};
    PS_TRY(PS_ALLOC((size_t)training_images, &census->digest, "data set"));
    return PS_ALLOC((size_t)channels, &census->probe_sum, "data set");
}

void ps_census_clear(ps_census *census) {
    ps_free(census->digest);
    ps_free(census->probe_sum);
    *census = (ps_census){0};
}

/* Whether every position holds what the first one does: what lies one position further is the same bytes. Ends at the
 * first difference, which almost every image has near its start. */
static bool is_constant(const ps_sample_view *view, size_t element) {
    size_t position = element * (size_t)view->size.pixels.c, bytes = element * ps_shape_elements(view->size.pixels);
    const char *pixel = view->pixel;
    return bytes <= position || memcmp(pixel, pixel + position, bytes - position) == 0;
}

static void add_probe(ps_census *census, const ps_sample_view *view, ps_pixel_type type) {
    size_t channels = (size_t)view->size.pixels.c, positions = ps_shape_positions(view->size.pixels);
    for (size_t c = 0; c < channels; c++) {
        double sum = 0;
        for (size_t i = 0; i < positions; i++)
            sum += type == PS_PIXEL_BYTE ? ((const uint8_t *)view->pixel)[i * channels + c]
                                         : (double)((const float *)view->pixel)[i * channels + c];
        census->probe_sum[c] += sum;
    }
    census->probe_positions += (double)positions;
}

void ps_census_add_pixels(ps_census *census, ps_split split, const ps_sample_view *view, ps_pixel_type type) {
    size_t element = type == PS_PIXEL_BYTE ? sizeof(uint8_t) : sizeof(float);
    if (split == PS_SPLIT_PROBE) add_probe(census, view, type);
    if (split != PS_SPLIT_TRAIN) return;
    ps_digest digest = ps_digest_start();
    ps_digest_block(&digest, view->pixel, element * ps_shape_elements(view->size.pixels));
    census->digest[census->images++] = ps_digest_value(&digest);
    census->counts.constant += is_constant(view, element);
}

void ps_census_add_labels(ps_census *census, ps_split split, const ps_sample_view *view) {
    for (size_t i = 0; split == PS_SPLIT_TRAIN && i < view->labels; i++) census->counts.no_class += view->label[i] < 0;
}

static int compare_digests(const void *a_, const void *b_) {
    const uint64_t *a = a_, *b = b_;
    return (*a > *b) - (*a < *b);
}

void ps_census_end(ps_census *census, const double *mean, const double *deviation, int channels) {
    if (census->images > 0) qsort(census->digest, census->images, sizeof *census->digest, compare_digests);
    for (size_t i = 1; i < census->images; i++) census->counts.identical += census->digest[i] == census->digest[i - 1];
    if (census->probe_positions == 0) return;
    census->counts.probe_distance = 0;
    for (int c = 0; c < channels; c++) {
        double distance = fabs(census->probe_sum[c] / census->probe_positions - mean[c]) /
                          (deviation[c] > 0 ? deviation[c] : 1); /* of a channel that never changes: as stored */
        if (!(distance <= census->counts.probe_distance)) census->counts.probe_distance = distance; /* NaN stays */
    }
}
