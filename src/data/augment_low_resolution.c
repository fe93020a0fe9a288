/* As taken at a lower resolution: every second channel is brought to a share of its sides, 0.5 to 1, by the nearest
 * cells, and back linearly. Where slices are all that is turned (augment_values.h), the first axis stays as it is. */
#include "data/augment_values.h"

#include <math.h>

static bool used(const ps_augment_options *options) { return options->low_resolution > 0; }

/* Cell of the line that a cell of the shorter one shows: the one under its centre. */
static int nearest(int at, int count, int fewer) {
    int cell = (int)floor((at + 0.5) * count / fewer);
    return cell < count ? cell : count - 1;
}

/* Linear between centres, edges held. */
static void lower_line(const void *context, const float *from, int count, float *to, size_t step) {
    int fewer = (int)lrint(count * *(const double *)context);
    if (fewer < 1) fewer = 1;
    for (int i = 0; i < count; i++) {
        double at = (i + 0.5) * fewer / count - 0.5;
        at = at < 0 ? 0 : at > fewer - 1 ? fewer - 1 : at;
        int below = (int)at, above = below + 1 < fewer ? below + 1 : below;
        float share = (float)(at - below);
        to[(size_t)i * step] =
            (1 - share) * from[nearest(below, count, fewer)] + share * from[nearest(above, count, fewer)];
    }
}

static void apply(const ps_augment_options *options, ps_rng_key key, ps_augment_sample *sample) {
    if (!ps_values_happens(options->low_resolution, key)) return;
    for (int c = 0; c < sample->shape.c; c++) {
        ps_rng_key own = ps_values_channel(key, c);
        double share = ps_values_between(own, 1, 0.5, 1);
        if (!ps_values_happens(0.5, own)) continue;
        for (int axis = ps_values_are_slices(sample->shape); axis < 3; axis++)
            if (ps_values_side(sample->shape, axis) > 1) ps_values_along(sample, c, axis, lower_line, &share);
    }
}

const ps_augmentation ps_augment_low_resolution = {.name = "low_resolution",
                                                   .stream = "data/augment/low_resolution",
                                                   .side = PS_AUGMENT_VALUES,
                                                   .used = used,
                                                   .apply = apply};
