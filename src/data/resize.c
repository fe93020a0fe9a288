#include "data/resize.h"

#include <math.h>
#include <stdbool.h>
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
    float *slice; /* [from.h][from.w][c], where the depth changes: the target's slice that is made */
    float *row;   /* [from.w][c] */
    float *done;  /* [to.w][c] */
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
    size_t row = (size_t)from.w * (size_t)from.c;
    if (from.d != to.d) PS_TRY_CLEANUP(PS_ALLOC((size_t)from.h * row, &resizer->slice, "resizing"));
    PS_TRY_CLEANUP(PS_ALLOC(row, &resizer->row, "resizing"));
    PS_TRY_CLEANUP(PS_ALLOC((size_t)to.w * (size_t)to.c, &resizer->done, "resizing"));
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
    ps_free(resizer->slice);
    ps_free(resizer->row);
    ps_free(resizer->done);
    ps_free(resizer);
}

/* ---- a row of the target after the other ---- */

/* What is resized: bytes or floats. */
typedef struct {
    const uint8_t *byte; /* NULL: floats */
    const float *value;
} source_pixels;

/* Adds so many values from element `at` on. A weight of zero keeps its hands off: 0 * NaN would carry a neighbour's NaN
 * over. */
static void add(const source_pixels *from, size_t at, float weight, size_t count, float *sum) {
    if (weight == 0.0f) return;
    for (size_t i = 0; i < count && from->byte != NULL; i++) sum[i] += weight * (float)from->byte[at + i];
    for (size_t i = 0; i < count && from->byte == NULL; i++) sum[i] += weight * from->value[at + i];
}

/* Position j of an axis: the weighted sum of blocks of `count` values, `apart` elements apart, from `at` on. */
static void sum_up(const axis *a, int j, const source_pixels *from, size_t at, size_t apart, size_t count, float *sum) {
    const float *weight = a->weight + (size_t)j * (size_t)a->taps;
    memset(sum, 0, count * sizeof *sum);
    for (int t = 0; t < a->taps; t++) add(from, at + (size_t)(a->first[j] + t) * apart, weight[t], count, sum);
}

static void copy(const source_pixels *from, size_t at, size_t count, float *to) {
    if (from->byte == NULL) memcpy(to, from->value + at, count * sizeof *to);
    for (size_t i = 0; i < count && from->byte != NULL; i++) to[i] = from->byte[at + i];
}

/* Row y of the target out of a slice that begins at element `at`, resized along its height and then along its width. */
static const float *make_row(ps_resizer *r, const source_pixels *slice, size_t at, int y) {
    const axis *h = &r->axes[1], *w = &r->axes[2];
    size_t channels = (size_t)r->from.c, row = (size_t)r->from.w * channels;
    if (h->from != h->to) sum_up(h, y, slice, at, row, row, r->row);
    else copy(slice, at + (size_t)y * row, row, r->row);
    if (w->from == w->to) return r->row;
    const source_pixels whole = {NULL, r->row};
    for (int x = 0; x < w->to; x++) sum_up(w, x, &whole, 0, channels, channels, r->done + (size_t)x * channels);
    return r->done;
}

typedef void put_row(const float *row, size_t count, size_t at, void *to);

static void resize(ps_resizer *r, const source_pixels *from, put_row *put, void *to) {
    const axis *d = &r->axes[0];
    size_t slice = (size_t)r->from.h * (size_t)r->from.w * (size_t)r->from.c, row = (size_t)r->to.w * (size_t)r->to.c;
    for (int z = 0; z < r->to.d; z++) {
        const source_pixels made = {NULL, r->slice};
        bool deep = d->from != d->to;
        if (deep) sum_up(d, z, from, 0, slice, slice, r->slice);
        for (int y = 0; y < r->to.h; y++) {
            const float *done = make_row(r, deep ? &made : from, deep ? 0 : (size_t)z * slice, y);
            put(done, row, ((size_t)z * (size_t)r->to.h + (size_t)y) * row, to);
        }
    }
}

static void put_floats(const float *row, size_t count, size_t at, void *to) {
    memcpy((float *)to + at, row, count * sizeof *row);
}

/* Weights add up to 1 only within rounding, so 255 may come out a hair above. */
static void put_bytes(const float *row, size_t count, size_t at, void *to) {
    uint8_t *byte = (uint8_t *)to + at;
    for (size_t i = 0; i < count; i++) byte[i] = (uint8_t)fminf(floorf(row[i] + 0.5f), 255.0f);
}

void ps_resize_floats(ps_resizer *resizer, const float *from, float *to) {
    resize(resizer, &(source_pixels){NULL, from}, put_floats, to);
}

void ps_resize_bytes(ps_resizer *resizer, const uint8_t *from, uint8_t *to) {
    resize(resizer, &(source_pixels){from, NULL}, put_bytes, to);
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
