/* A turn about the centre by up to so many degrees to either side, evenly drawn; the nearest pixel, black outside: as
 * torchvision's RandomRotation(degrees) does it. */
#include "data/augment.h"

static bool used(const ps_augment_options *options) { return options->rotate > 0; }

static ps_status check(const ps_augment_options *options, const ps_dataset *dataset) {
    (void)dataset;
    if (options->rotate >= 0 && options->rotate <= 180) return PS_OK;
    return ps_fail(PS_ERR_USAGE, "rotate must be 0 (none) to 180 degrees, not %g", options->rotate);
}

static void apply(const ps_augment_options *options, ps_rng_key key, ps_augment_sample *sample) {
    ps_image image = ps_augment_image(sample);
    double m[6], degrees = options->rotate * (2 * (double)ps_rng_uniform(key, 0) - 1);
    ps_image_rotation(&image, degrees, m);
    ps_image_warp(&image, m, PS_FILTER_NEAREST, NULL);
}

const ps_augmentation ps_augment_rotate = {.name = "rotate",
                                           .stream = "data/augment/rotate",
                                           .side = PS_AUGMENT_BYTES,
                                           .used = used,
                                           .check = check,
                                           .apply = apply};
