/* Values times a factor of 0.75 to 1.25 for each channel, below 1 every second time. */
#include "data/augment_values.h"

static bool used(const ps_augment_options *options) { return options->brightness > 0; }

static void apply(const ps_augment_options *options, ps_rng_key key, ps_augment_sample *sample) {
    if (!ps_values_happens(options->brightness, key)) return;
    for (int c = 0; c < sample->shape.c; c++) {
        ps_values v = ps_values_of(sample, c);
        float factor = (float)ps_values_factor(ps_values_channel(key, c), 0, 0.75, 1.25);
        for (size_t i = 0; i < v.count; i++) v.value[i * v.step] *= factor;
    }
}

const ps_augmentation ps_augment_brightness = {
    .name = "brightness", .stream = "data/augment/brightness", .side = PS_AUGMENT_VALUES, .used = used, .apply = apply};
