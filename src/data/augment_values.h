/* Operations of augmentation that change values and move nothing, after normalisation, on images and volumes with
 * labels of any kind: what they share. Ranges and probabilities are those of nnU-Net v2 (batchgeneratorsv2). */
#ifndef PS_DATA_AUGMENT_VALUES_H
#define PS_DATA_AUGMENT_VALUES_H

#include "data/augment.h"

/* Whether it happens to this sample: number 0 of the key. */
static inline bool ps_values_happens(double probability, ps_rng_key key) {
    return (double)ps_rng_uniform(key, 0) < probability;
}

/* The numbers of one channel. */
static inline ps_rng_key ps_values_channel(ps_rng_key key, int channel) {
    return ps_rng_key_fold(key, (uint64_t)channel + 1);
}

static inline double ps_values_between(ps_rng_key key, uint64_t index, double low, double high) {
    return low + (high - low) * (double)ps_rng_uniform(key, index);
}

/* A factor that is below 1 every second time: low < 1 < high. Takes two numbers. */
static inline double ps_values_factor(ps_rng_key key, uint64_t index, double low, double high) {
    bool below = ps_rng_uniform(key, index) < 0.5f;
    return below ? ps_values_between(key, index + 1, low, 1) : ps_values_between(key, index + 1, 1, high);
}

/* One channel of a sample, by its first value and the way to the next. */
typedef struct {
    float *value;
    size_t count, step;
} ps_values;

static inline ps_values ps_values_of(const ps_augment_sample *sample, int channel) {
    return (ps_values){(float *)sample->pixel + channel, ps_shape_positions(sample->shape), (size_t)sample->shape.c};
}

typedef struct {
    double mean, deviation;
    float least, most;
} ps_values_moments;

/* In double; the deviation divides by the number of values. */
ps_values_moments ps_values_measure(const ps_values *values);

/* Changes every line of values along an axis (0: d, 1: h, 2: w): `change` is given a copy of it, and writes the line
 * itself, `step` apart. */
typedef void ps_values_line(const void *context, const float *from, int count, float *to, size_t step);
void ps_values_along(const ps_augment_sample *sample, int channel, int axis, ps_values_line *change,
                     const void *context);

/* Side of a sample along an axis. And whether its first axis is so much shorter than another that nnU-Net turns and
 * scales its slices alone ("dummy 2D"). */
int ps_values_side(ps_shape shape, int axis);
bool ps_values_are_slices(ps_shape shape);

#endif
