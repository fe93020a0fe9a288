/* Values, brought to 0 to 1 by the least and the most of a channel, to the power of 0.7 to 1.5, which is below 1 every
 * second time; each channel keeps its mean and deviation. Once on the values with their signs changed, once as they
 * are. */
#include "data/augment_values.h"

#include <math.h>

static bool used(const ps_augment_options *options) { return options->gamma > 0; }
static bool used_inverted(const ps_augment_options *options) { return options->gamma_inverted > 0; }

static void restore(const ps_values *v, const ps_values_moments *were) {
    ps_values_moments are = ps_values_measure(v);
    double scale = were->deviation / fmax(are.deviation, 1e-7);
    for (size_t i = 0; i < v->count; i++) {
        float *value = &v->value[i * v->step];
        *value = (float)(((double)*value - are.mean) * scale + were->mean);
    }
}

static void bend(const ps_values *v, double power, bool inverted) {
    ps_values_moments m = ps_values_measure(v);
    double low = inverted ? -(double)m.most : (double)m.least, range = (double)m.most - (double)m.least;
    if (!(range > 0)) return;
    for (size_t i = 0; i < v->count; i++) {
        float *value = &v->value[i * v->step];
        double share = ((inverted ? -(double)*value : (double)*value) - low) / range;
        double bent = pow(share < 0 ? 0 : share, power) * range + low;
        *value = (float)(inverted ? -bent : bent);
    }
    restore(v, &m);
}

static void bend_all(ps_rng_key key, ps_augment_sample *sample, bool inverted) {
    for (int c = 0; c < sample->shape.c; c++) {
        ps_values v = ps_values_of(sample, c);
        bend(&v, ps_values_factor(ps_values_channel(key, c), 0, 0.7, 1.5), inverted);
    }
}

static void apply(const ps_augment_options *options, ps_rng_key key, ps_augment_sample *sample) {
    if (ps_values_happens(options->gamma, key)) bend_all(key, sample, false);
}

static void apply_inverted(const ps_augment_options *options, ps_rng_key key, ps_augment_sample *sample) {
    if (ps_values_happens(options->gamma_inverted, key)) bend_all(key, sample, true);
}

const ps_augmentation ps_augment_gamma = {
    .name = "gamma", .stream = "data/augment/gamma", .side = PS_AUGMENT_VALUES, .used = used, .apply = apply};
const ps_augmentation ps_augment_gamma_inverted = {.name = "gamma_inverted",
                                                   .stream = "data/augment/gamma_inverted",
                                                   .side = PS_AUGMENT_VALUES,
                                                   .used = used_inverted,
                                                   .apply = apply_inverted};
