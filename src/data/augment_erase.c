/* A rectangle of the image becomes noise (Zhong et al. 2020), each value of it standard normal, after normalisation:
 * timm's RandomErasing with mode "pixel". */
#include <math.h>

#include "data/augment.h"

/* Numbers of the stream: whether at all; four to each attempt; the noise is of the folded key. */
enum { ATTEMPTS = 10, NUMBERS = 4, FIRST = 1, NOISE = FIRST + ATTEMPTS * NUMBERS };

static const double least_area = 0.02, most_area = 1.0 / 3, least_aspect = 0.3, most_aspect = 1 / 0.3;

static bool used(const ps_augment_options *options) { return options->erase > 0; }

static ps_status check(const ps_augment_options *options, const ps_dataset *dataset) {
    if (!(options->erase >= 0 && options->erase <= 1))
        return ps_fail(PS_ERR_USAGE, "erase must be a probability, 0 (never) to 1, not %g", options->erase);
    if (used(options) && ps_dataset_raw(dataset))
        return ps_fail(PS_ERR_USAGE,
                       "erase puts noise of mean 0 and deviation 1 into normalised images, and these are as stored; "
                       "normalise them, or leave erase out");
    return PS_OK;
}

static void fill(ps_augment_sample *sample, ps_rng_key key, size_t top, size_t left, size_t h, size_t w) {
    size_t channels = (size_t)sample->shape.c, row = (size_t)sample->shape.w * channels;
    ps_rng_key noise = ps_rng_key_fold(key, NOISE);
    float *pixel = (float *)sample->pixel + top * row + left * channels;
    float four[4];
    for (size_t y = 0, j = 0; y < h; y++) {
        for (size_t i = 0; i < w * channels; i++, j++) {
            if (j % 4 == 0) ps_rng_normals(noise, j / 4, four);
            pixel[y * row + i] = four[j % 4];
        }
    }
}

static void apply(const ps_augment_options *options, ps_rng_key key, ps_augment_sample *sample) {
    int height = sample->shape.h, width = sample->shape.w;
    if (!((double)ps_rng_uniform(key, 0) < options->erase)) return;
    for (uint64_t i = 0, n = FIRST; i < ATTEMPTS; i++, n += NUMBERS) {
        double area = (least_area + (most_area - least_area) * (double)ps_rng_uniform(key, n)) * height * width;
        double aspect = log(least_aspect) + log(most_aspect / least_aspect) * (double)ps_rng_uniform(key, n + 1);
        int h = (int)nearbyint(sqrt(area * exp(aspect))), w = (int)nearbyint(sqrt(area / exp(aspect)));
        if (h >= height || w >= width) continue;
        fill(sample, key, ps_rng_below(key, n + 2, (uint32_t)(height - h) + 1),
             ps_rng_below(key, n + 3, (uint32_t)(width - w) + 1), (size_t)h, (size_t)w);
        return;
    }
}

const ps_augmentation ps_augment_erase = {.name = "erase",
                                          .stream = "data/augment/erase",
                                          .side = PS_AUGMENT_FLOATS,
                                          .used = used,
                                          .check = check,
                                          .apply = apply};
