#include "data/resize.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"

/* Target position j of an axis is the weighted sum of `taps` source positions from first[j] on. */
typedef struct {
    int from, to, taps;
    int *first;
    float *weight; /* [to][taps] */
} axis;

struct ps_resizer {
    ps_shape from, to;
    axis axes[3];
    float *scratch[2];
};

/* Area average: target j covers the source interval [j * from / to, (j + 1) * from / to). */
static void fill_area(axis *a) {
    for (int j = 0; j < a->to; j++) {
        double low = (double)j * a->from / a->to, high = (double)(j + 1) * a->from / a->to;
        int first = (int)floor(low);
        if (first > a->from - a->taps) first = a->from - a->taps;
        a->first[j] = first;
        for (int t = 0; t < a->taps; t++) {
            double part = fmin(high, first + t + 1.0) - fmax(low, first + t);
            a->weight[j * a->taps + t] = (float)(fmax(part, 0.0) / (high - low));
        }
    }
}

static void fill_linear(axis *a) {
    for (int j = 0; j < a->to; j++) {
        double centre = (j + 0.5) * a->from / a->to - 0.5;
        double held = fmin(fmax(centre, 0.0), a->from - 1.0);
        int first = (int)floor(held);
        if (first > a->from - a->taps) first = a->from - a->taps;
        a->first[j] = first;
        for (int t = 0; t < a->taps; t++) a->weight[j * a->taps + t] = (float)fmax(0.0, 1.0 - fabs(held - (first + t)));
    }
}

static ps_status axis_init(axis *a, int from, int to) {
    a->from = from;
    a->to = to;
    if (from == to) return PS_OK;
    int wanted = to < from ? (from + to - 1) / to + 1 : 2;
    a->taps = wanted < from ? wanted : from;
    PS_TRY(PS_ALLOC((size_t)to, &a->first, "resizing"));
    PS_TRY(PS_ALLOC((size_t)to * (size_t)a->taps, &a->weight, "resizing"));
    if (to < from) fill_area(a);
    else fill_linear(a);
    return PS_OK;
}

static int larger(int a, int b) { return a > b ? a : b; }

ps_status ps_resizer_create(ps_shape from, ps_shape to, ps_resizer **out) {
    ps_resizer *resizer = NULL;
    ps_status status = PS_OK;
    *out = NULL;
    if (from.c != to.c) return ps_fail(PS_ERR_INTERNAL, "resizing cannot turn %d channels into %d", from.c, to.c);
    PS_TRY(PS_ALLOC(1, &resizer, "resizing"));
    resizer->from = from;
    resizer->to = to;
    PS_TRY_CLEANUP(axis_init(&resizer->axes[0], from.d, to.d));
    PS_TRY_CLEANUP(axis_init(&resizer->axes[1], from.h, to.h));
    PS_TRY_CLEANUP(axis_init(&resizer->axes[2], from.w, to.w));
    ps_shape room = {1, from.c, larger(from.d, to.d), larger(from.h, to.h), larger(from.w, to.w)};
    for (int i = 0; i < 2; i++) PS_TRY_CLEANUP(PS_ALLOC(ps_shape_elements(room), &resizer->scratch[i], "resizing"));
    *out = resizer;
    return PS_OK;
cleanup:
    ps_resizer_destroy(resizer);
    return status;
}

void ps_resizer_destroy(ps_resizer *resizer) {
    if (resizer == NULL) return;
    for (int i = 0; i < 3; i++) {
        ps_free(resizer->axes[i].first);
        ps_free(resizer->axes[i].weight);
    }
    for (int i = 0; i < 2; i++) ps_free(resizer->scratch[i]);
    ps_free(resizer);
}

/* [outer][from][inner] -> [outer][to][inner] */
static void apply_axis(const axis *a, size_t outer, size_t inner, const float *from, float *to) {
    for (size_t o = 0; o < outer; o++) {
        for (int j = 0; j < a->to; j++) {
            const float *source = from + (o * (size_t)a->from + (size_t)a->first[j]) * inner;
            const float *weight = a->weight + (size_t)j * (size_t)a->taps;
            float *target = to + (o * (size_t)a->to + (size_t)j) * inner;
            for (size_t i = 0; i < inner; i++) {
                float sum = 0.0f;
                for (int t = 0; t < a->taps; t++) {
                    /* A weight of zero keeps its hands off: 0 * NaN would carry a neighbour's NaN over. */
                    if (weight[t] != 0.0f) sum += weight[t] * source[(size_t)t * inner + i];
                }
                target[i] = sum;
            }
        }
    }
}

/* Runs the axes that change, from scratch[0]; returns where the result lies. */
static const float *apply_axes(ps_resizer *resizer) {
    float *held = resizer->scratch[0], *next = resizer->scratch[1];
    int size[3] = {resizer->from.d, resizer->from.h, resizer->from.w};
    for (int i = 0; i < 3; i++) {
        const axis *a = &resizer->axes[i];
        if (a->from == a->to) continue;
        size_t outer = 1, inner = (size_t)resizer->from.c;
        for (int k = 0; k < i; k++) outer *= (size_t)size[k];
        for (int k = i + 1; k < 3; k++) inner *= (size_t)size[k];
        apply_axis(a, outer, inner, held, next);
        size[i] = a->to;
        float *done = next;
        next = held;
        held = done;
    }
    return held;
}

void ps_resize_floats(ps_resizer *resizer, const float *from, float *to) {
    memcpy(resizer->scratch[0], from, ps_shape_elements(ps_shape_with_batch(resizer->from, 1)) * sizeof(float));
    memcpy(to, apply_axes(resizer), ps_shape_elements(ps_shape_with_batch(resizer->to, 1)) * sizeof(float));
}

void ps_resize_bytes(ps_resizer *resizer, const uint8_t *from, uint8_t *to) {
    size_t source_count = ps_shape_elements(ps_shape_with_batch(resizer->from, 1));
    size_t target_count = ps_shape_elements(ps_shape_with_batch(resizer->to, 1));
    for (size_t i = 0; i < source_count; i++) resizer->scratch[0][i] = from[i];
    const float *result = apply_axes(resizer);
    /* Weights add up to 1 only within rounding, so 255 may come out a hair above. */
    for (size_t i = 0; i < target_count; i++) to[i] = (uint8_t)fminf(floorf(result[i] + 0.5f), 255.0f);
}

static int under_centre(int j, int from, int to) { return (int)(((int64_t)2 * j + 1) * from / ((int64_t)2 * to)); }

void ps_resize_labels(const ps_resizer *resizer, const int16_t *from, int16_t *to) {
    ps_shape f = resizer->from, t = resizer->to;
    for (int z = 0; z < t.d; z++) {
        for (int y = 0; y < t.h; y++) {
            size_t row =
                ((size_t)under_centre(z, f.d, t.d) * (size_t)f.h + (size_t)under_centre(y, f.h, t.h)) * (size_t)f.w;
            for (int x = 0; x < t.w; x++) *to++ = from[row + (size_t)under_centre(x, f.w, t.w)];
        }
    }
}

ps_shape ps_resize_target(ps_shape shape, int size) {
    if (size == 0) return shape;
    if (shape.d > 1) shape.d = size;
    shape.h = size;
    shape.w = size;
    return shape;
}
