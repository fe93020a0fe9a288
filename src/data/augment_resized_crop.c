/* A part of random size, place and shape, resized to the whole: timm's RandomResizedCropAndInterpolation, bilinear or
 * bicubic as chance has it. */
#include <math.h>

#include "data/augment.h"

/* Numbers of the stream: four to each attempt, then the filter. */
enum { ATTEMPTS = 10, NUMBERS = 4, FILTER = ATTEMPTS * NUMBERS };

static bool used(const ps_augment_options *options) { return options->crop_scale.high > 0; }

static ps_status check(const ps_augment_options *options, const ps_dataset *dataset) {
    ps_augment_range scale = options->crop_scale, ratio = options->crop_ratio;
    (void)dataset;
    if (!used(options)) return PS_OK;
    if (!(scale.low > 0 && scale.low <= scale.high && scale.high <= 1))
        return ps_fail(PS_ERR_USAGE,
                       "resized_crop_scale must be two shares of the image's area, the smaller first, above 0 and up "
                       "to 1 (0.8,1), not %g,%g",
                       scale.low, scale.high);
    if (!(ratio.low > 0 && ratio.low <= ratio.high && ratio.high <= 100))
        return ps_fail(PS_ERR_USAGE,
                       "resized_crop_ratio must be two ratios of width to height, the smaller first, above 0 and up to "
                       "100 (0.75,1.3333), not %g,%g",
                       ratio.low, ratio.high);
    return PS_OK;
}

static double between(double low, double high, ps_rng_key key, uint64_t index) {
    return low + (high - low) * (double)ps_rng_uniform(key, index);
}

/* Where ten attempts give none that fits: the middle, as large as the ratios allow. */
static ps_image_part middle(const ps_image *image, ps_augment_range ratio) {
    double own = (double)image->w / image->h;
    ps_image_part part = {.h = image->h, .w = image->w};
    if (own < ratio.low) part.h = (int)nearbyint(image->w / ratio.low);
    if (own > ratio.high) part.w = (int)nearbyint(image->h * ratio.high);
    if (part.h < 1) part.h = 1;
    if (part.w < 1) part.w = 1;
    part.top = (image->h - part.h) / 2;
    part.left = (image->w - part.w) / 2;
    return part;
}

static ps_image_part draw(const ps_augment_options *options, ps_rng_key key, const ps_image *image) {
    ps_augment_range scale = options->crop_scale, ratio = options->crop_ratio;
    for (uint64_t i = 0; i < ATTEMPTS; i++) {
        double area = between(scale.low, scale.high, key, NUMBERS * i) * image->h * image->w;
        double shape = exp(between(log(ratio.low), log(ratio.high), key, NUMBERS * i + 1));
        int w = (int)nearbyint(sqrt(area * shape)), h = (int)nearbyint(sqrt(area / shape));
        if (w < 1 || h < 1 || w > image->w || h > image->h) continue;
        return (ps_image_part){.top = (int)ps_rng_below(key, NUMBERS * i + 2, (uint32_t)(image->h - h) + 1),
                               .left = (int)ps_rng_below(key, NUMBERS * i + 3, (uint32_t)(image->w - w) + 1),
                               .h = h,
                               .w = w};
    }
    return middle(image, ratio);
}

static void apply(const ps_augment_options *options, ps_rng_key key, ps_augment_sample *sample) {
    ps_image image = ps_augment_image(sample);
    ps_image_part part = draw(options, key, &image);
    bool cubic = (ps_rng_u32(key, FILTER) & 1) != 0;
    ps_image_resize_part(&image, part, cubic ? PS_FILTER_BICUBIC : PS_FILTER_BILINEAR);
}

const ps_augmentation ps_augment_resized_crop = {.name = "resized_crop_scale",
                                                 .stream = "data/augment/resized_crop",
                                                 .side = PS_AUGMENT_BYTES,
                                                 .used = used,
                                                 .check = check,
                                                 .apply = apply};
