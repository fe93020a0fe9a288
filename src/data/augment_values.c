#include "data/augment_values.h"

#include <math.h>

enum { LONGEST = 4096 /* side of a sample or patch: as dataset.c allows */ };

ps_values_moments ps_values_measure(const ps_values *v) {
    ps_values_moments m = {0, 0, v->value[0], v->value[0]};
    for (size_t i = 0; i < v->count; i++) {
        float value = v->value[i * v->step];
        m.mean += (double)value;
        m.least = value < m.least ? value : m.least;
        m.most = value > m.most ? value : m.most;
    }
    m.mean /= (double)v->count;
    for (size_t i = 0; i < v->count; i++) {
        double from_mean = (double)v->value[i * v->step] - m.mean;
        m.deviation += from_mean * from_mean;
    }
    m.deviation = sqrt(m.deviation / (double)v->count);
    return m;
}

int ps_values_side(ps_shape shape, int axis) { return axis == 0 ? shape.d : axis == 1 ? shape.h : shape.w; }

bool ps_values_are_slices(ps_shape shape) {
    int longest = shape.h > shape.w ? shape.h : shape.w;
    return shape.d > 1 && longest > 3 * shape.d;
}

/* Lines along an axis begin at every position of the two others. */
void ps_values_along(const ps_augment_sample *sample, int channel, int axis, ps_values_line *change,
                     const void *context) {
    float line[LONGEST], *value = (float *)sample->pixel + channel;
    const size_t step[3] = {(size_t)sample->shape.h * (size_t)sample->shape.w * (size_t)sample->shape.c,
                            (size_t)sample->shape.w * (size_t)sample->shape.c, (size_t)sample->shape.c};
    int first = axis == 0 ? 1 : 0, second = axis == 2 ? 1 : 2, count = ps_values_side(sample->shape, axis);
    if (count > LONGEST) return;
    for (int i = 0; i < ps_values_side(sample->shape, first); i++) {
        for (int j = 0; j < ps_values_side(sample->shape, second); j++) {
            float *at = value + (size_t)i * step[first] + (size_t)j * step[second];
            for (int k = 0; k < count; k++) line[k] = at[(size_t)k * step[axis]];
            change(context, line, count, at, step[axis]);
        }
    }
}
