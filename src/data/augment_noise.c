/* Gaussian noise, the same amount in all channels. nnU-Net calls the range of 0 to 0.1 a variance, and takes it as the
 * standard deviation; so it is here. */
#include "data/augment_values.h"

static bool used(const ps_augment_options *options) { return options->noise > 0; }

static void apply(const ps_augment_options *options, ps_rng_key key, ps_augment_sample *sample) {
    if (!ps_values_happens(options->noise, key)) return;
    float *x = sample->pixel, deviation = (float)ps_values_between(key, 1, 0, 0.1), normal[4];
    size_t count = ps_shape_elements(sample->shape);
    ps_rng_key own = ps_rng_key_fold(key, 0);
    for (size_t i = 0; i < count; i++) {
        if (i % 4 == 0) ps_rng_normals(own, i / 4, normal);
        x[i] += deviation * normal[i % 4];
    }
}

const ps_augmentation ps_augment_noise = {
    .name = "noise", .stream = "data/augment/noise", .side = PS_AUGMENT_VALUES, .used = used, .apply = apply};
