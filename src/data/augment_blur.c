/* Gaussian blur of every second channel, its standard deviation drawn between 0.5 and 1 for each channel and axis;
 * lines go on beyond their ends as mirrored at the middle of the last cell. */
#include "data/augment_values.h"

#include <math.h>

enum { REACH = 3 /* cells to either side, at most */ };

typedef struct {
    int reach;
    float weight[2 * REACH + 1];
} kernel;

static bool used(const ps_augment_options *options) { return options->blur > 0; }

static kernel kernel_of(double deviation) {
    kernel k;
    double weight[2 * REACH + 1] = {0}, sum = 0;
    k.reach = (int)(3 * deviation + 0.25); /* 6 deviations and a half in all, to the nearest odd number of cells */
    for (int i = 0; i <= 2 * k.reach; i++) {
        double from = (i - k.reach) / deviation;
        weight[i] = exp(-0.5 * from * from);
        sum += weight[i];
    }
    for (int i = 0; i <= 2 * k.reach; i++) k.weight[i] = (float)(weight[i] / sum);
    return k;
}

/* -1 is 1, and `count` is count - 2; count is 2 or more. */
static int mirrored(int at, int count) {
    while (at < 0 || at >= count) at = at < 0 ? -at : 2 * count - 2 - at;
    return at;
}

static void blur_line(const void *context, const float *from, int count, float *to, size_t step) {
    const kernel *k = context;
    for (int i = 0; i < count; i++) {
        float sum = 0;
        for (int j = -k->reach; j <= k->reach; j++) sum += k->weight[j + k->reach] * from[mirrored(i + j, count)];
        to[(size_t)i * step] = sum;
    }
}

static void apply(const ps_augment_options *options, ps_rng_key key, ps_augment_sample *sample) {
    if (!ps_values_happens(options->blur, key)) return;
    for (int c = 0; c < sample->shape.c; c++) {
        ps_rng_key own = ps_values_channel(key, c);
        if (!ps_values_happens(0.5, own)) continue;
        for (int axis = 0; axis < 3; axis++) {
            kernel k = kernel_of(ps_values_between(own, (uint64_t)axis + 1, 0.5, 1));
            if (ps_values_side(sample->shape, axis) > 1) ps_values_along(sample, c, axis, blur_line, &k);
        }
    }
}

const ps_augmentation ps_augment_blur = {
    .name = "blur", .stream = "data/augment/blur", .side = PS_AUGMENT_VALUES, .used = used, .apply = apply};
