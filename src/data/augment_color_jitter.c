/* Brightness, contrast and saturation, each by a factor of its own, in an order that is drawn: torchvision's
 * ColorJitter(brightness, contrast, saturation). It moves no pixels, so that masks stay right. */
#include "data/augment.h"

enum { BRIGHTNESS, CONTRAST, SATURATION, TONES, ORDER = TONES };

static bool used(const ps_augment_options *options) {
    return options->jitter[BRIGHTNESS] > 0 || options->jitter[CONTRAST] > 0 || options->jitter[SATURATION] > 0;
}

static ps_status check(const ps_augment_options *options, const ps_dataset *dataset) {
    int channels = ps_dataset_sample_shape(dataset).c;
    for (int i = 0; i < TONES; i++)
        if (!(options->jitter[i] >= 0 && options->jitter[i] <= 1))
            return ps_fail(PS_ERR_USAGE, "color_jitter needs three numbers from 0 (none) to 1, not %g",
                           options->jitter[i]);
    if (!used(options) || channels == 1 || channels == 3) return PS_OK;
    return ps_fail(PS_ERR_USAGE, "%s: color_jitter is for images of 1 or 3 channels, and these have %d; leave it out",
                   ps_dataset_source(dataset), channels);
}

static void apply(const ps_augment_options *options, ps_rng_key key, ps_augment_sample *sample) {
    ps_image image = ps_augment_image(sample);
    uint32_t order[TONES];
    ps_rng_permutation(ps_rng_key_fold(key, ORDER), TONES, order);
    for (int i = 0; i < TONES; i++) {
        double jitter = options->jitter[order[i]];
        if (!(jitter > 0)) continue;
        float factor = (float)(1 + jitter * (2 * (double)ps_rng_uniform(key, order[i]) - 1));
        if (order[i] == BRIGHTNESS) ps_image_brightness(&image, factor);
        else if (order[i] == CONTRAST) ps_image_contrast(&image, factor);
        else ps_image_color(&image, factor);
    }
}

const ps_augmentation ps_augment_color_jitter = {.name = "color_jitter",
                                                 .stream = "data/augment/color_jitter",
                                                 .side = PS_AUGMENT_BYTES,
                                                 .keeps_places = true,
                                                 .used = used,
                                                 .check = check,
                                                 .apply = apply};
