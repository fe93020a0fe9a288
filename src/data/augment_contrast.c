/* Distances from the mean times a factor of 0.75 to 1.25 for each channel, below 1 every second time; values stay in
 * the range that they had. */
#include "data/augment_values.h"

static bool used(const ps_augment_options *options) { return options->contrast > 0; }

static float within(double value, const ps_values_moments *m) {
    return value<(double)m->least ? m->least : value>(double) m->most ? m->most : (float)value;
}

static void apply(const ps_augment_options *options, ps_rng_key key, ps_augment_sample *sample) {
    if (!ps_values_happens(options->contrast, key)) return;
    for (int c = 0; c < sample->shape.c; c++) {
        ps_values v = ps_values_of(sample, c);
        ps_values_moments m = ps_values_measure(&v);
        double factor = ps_values_factor(ps_values_channel(key, c), 0, 0.75, 1.25);
        for (size_t i = 0; i < v.count; i++) {
            float *value = &v.value[i * v.step];
            *value = within(((double)*value - m.mean) * factor + m.mean, &m);
        }
    }
}

const ps_augmentation ps_augment_contrast = {
    .name = "contrast", .stream = "data/augment/contrast", .side = PS_AUGMENT_VALUES, .used = used, .apply = apply};
