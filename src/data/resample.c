#include "data/resample.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/memory.h"

int ps_resample_side(int side, double from_mm, double to_mm) {
    double sides = rint(from_mm / to_mm * side);
    return sides < 1 ? 1 : sides > 65535 ? 65535 : (int)sides;
}

/* -1: spacings are alike enough; -2: they are not, but no axis is coarser than all others. */
static int coarse_axis(const double mm[3]) {
    static const double most = 3;
    double least = fmin(mm[0], fmin(mm[1], mm[2])), largest = fmax(mm[0], fmax(mm[1], mm[2]));
    int found = -1, count = 0;
    if (!(largest / least > most)) return -1;
    for (int i = 0; i < 3; i++)
        if (mm[i] == largest) found = i, count++;
    return count == 1 ? found : -2;
}

int ps_resample_nearest_axis(const double from_mm[3], const double to_mm[3]) {
    int axis = coarse_axis(from_mm);
    if (axis == -1) axis = coarse_axis(to_mm);
    return axis < 0 ? -1 : axis;
}

/* ---- one axis ---- */

static double place_of(int i, int from, int to) { return (i + 0.5) * from / to - 0.5; }

/* Interpolation between two positions; share: of the higher one. */
typedef struct {
    int low, high;
    double share;
} tap;

static tap tap_at(int i, int from, int to, bool nearest) {
    double x = fmin(fmax(place_of(i, from, to), 0), from - 1);
    if (nearest) x = fmin(floor(x + 0.5), from - 1);
    int low = (int)x;
    return (tap){low, low + 1 < from ? low + 1 : low, x - low};
}

/* ---- cubic splines ---- */

/* Edges are continued before the coefficients are worked out: beyond so many positions nothing is left of the pole's
 * powers. */
enum { BEYOND = 12 };

/* Values at whole positions to coefficients of cubic B-splines (Unser 1999), mirrored at the ends. */
static void to_coefficients(double *c, int n) {
    const double pole = sqrt(3.0) - 2;
    double sum, power = pole, last = pow(pole, n - 1), back = last * last / pole;
    for (int i = 0; i < n; i++) c[i] *= 6;
    sum = c[0] + last * c[n - 1];
    for (int i = 1; i < n - 1; i++, power *= pole, back /= pole) sum += (power + back) * c[i];
    c[0] = sum / (1 - last * last);
    for (int i = 1; i < n; i++) c[i] += pole * c[i - 1];
    c[n - 1] = pole / (pole * pole - 1) * (c[n - 1] + pole * c[n - 2]);
    for (int i = n - 2; i >= 0; i--) c[i] = pole * (c[i + 1] - c[i]);
}

static double spline_at(const double *c, double x) {
    int i = (int)floor(x);
    double t = x - i, s = 1 - t;
    return (s * s * s * c[i - 1] + (4 - 6 * t * t + 3 * t * t * t) * c[i] +
            (1 + 3 * t + 3 * t * t - 3 * t * t * t) * c[i + 1] + t * t * t * c[i + 2]) /
           6;
}

typedef enum { LINE_CUBIC, LINE_LINEAR, LINE_NEAREST } line_kind;

/* A line of values `step` apart to another length; room [from + 2 BEYOND]. */
static void resample_line(line_kind kind, const float *in, int from, int to, size_t step, double *room, float *out) {
    if (kind != LINE_CUBIC) {
        for (int i = 0; i < to; i++) {
            tap t = tap_at(i, from, to, kind == LINE_NEAREST);
            double low = in[(size_t)t.low * step], high = in[(size_t)t.high * step];
            out[(size_t)i * step] = (float)(t.share == 0 ? low : low + t.share * (high - low));
        }
        return;
    }
    for (int i = 0; i < from + 2 * BEYOND; i++) {
        int at = i < BEYOND ? 0 : i - BEYOND < from ? i - BEYOND : from - 1;
        room[i] = in[(size_t)at * step];
    }
    to_coefficients(room, from + 2 * BEYOND);
    for (int i = 0; i < to; i++) out[(size_t)i * step] = (float)spline_at(room, place_of(i, from, to) + BEYOND);
}

/* in [before][from][after] to out [before][to][after]. */
static void resample_axis(line_kind kind, const float *in, size_t before, int from, int to, size_t after, double *room,
                          float *out) {
    for (size_t b = 0; b < before; b++)
        for (size_t a = 0; a < after; a++)
            resample_line(kind, in + b * (size_t)from * after + a, from, to, after, room,
                          out + b * (size_t)to * after + a);
}

/* ---- values ---- */

static size_t positions(const int side[3]) { return (size_t)side[0] * (size_t)side[1] * (size_t)side[2]; }

/* Holds values within [least, most] of what they were made from, slice by slice along `axis` (-1: all at once). */
typedef struct {
    float least, most;
} range;

static void find_ranges(const float *value, const int side[3], int axis, range *of) {
    size_t i = 0;
    int at[3];
    for (int s = 0; s < (axis < 0 ? 1 : side[axis]); s++) of[s] = (range){INFINITY, -INFINITY};
    for (at[0] = 0; at[0] < side[0]; at[0]++)
        for (at[1] = 0; at[1] < side[1]; at[1]++)
            for (at[2] = 0; at[2] < side[2]; at[2]++, i++) {
                range *r = &of[axis < 0 ? 0 : at[axis]];
                if (value[i] < r->least) r->least = value[i];
                if (value[i] > r->most) r->most = value[i];
            }
}

static void hold_within(float *value, const int side[3], int axis, const range *of) {
    size_t i = 0;
    int at[3];
    for (at[0] = 0; at[0] < side[0]; at[0]++)
        for (at[1] = 0; at[1] < side[1]; at[1]++)
            for (at[2] = 0; at[2] < side[2]; at[2]++, i++) {
                const range *r = &of[axis < 0 ? 0 : at[axis]];
                value[i] = fminf(fmaxf(value[i], r->least), r->most);
            }
}

typedef struct {
    float *a, *b; /* a channel before and after an axis */
    double *room;
    range *ranges;
} workroom;

/* One channel in w->a; its result is left there. The axis that is taken nearest comes last. */
static void resample_channel(ps_resampling kind, const int from[3], int nearest_axis, const int to[3], workroom *w) {
    int side[3], order[3], next = 0;
    memcpy(side, from, sizeof side);
    for (int i = 0; i < 3; i++)
        if (i != nearest_axis) order[next++] = i;
    if (nearest_axis >= 0) order[next] = nearest_axis;
    find_ranges(w->a, from, nearest_axis, w->ranges);
    for (int k = 0; k < 3; k++) {
        int axis = order[k];
        size_t before = 1, after = 1;
        for (int i = 0; i < axis; i++) before *= (size_t)side[i];
        for (int i = axis + 1; i < 3; i++) after *= (size_t)side[i];
        line_kind line = axis == nearest_axis ? LINE_NEAREST : kind == PS_RESAMPLE_CUBIC ? LINE_CUBIC : LINE_LINEAR;
        if (axis == nearest_axis && kind == PS_RESAMPLE_CUBIC) hold_within(w->a, side, nearest_axis, w->ranges);
        if (side[axis] == to[axis]) continue;
        resample_axis(line, w->a, before, side[axis], to[axis], after, w->room, w->b);
        side[axis] = to[axis];
        float *done = w->b;
        w->b = w->a, w->a = done;
    }
    if (nearest_axis < 0 && kind == PS_RESAMPLE_CUBIC) hold_within(w->a, side, -1, w->ranges);
}

/* The largest that a volume becomes while its axes change one after the other. */
static size_t most_positions(const int from[3], const int to[3]) {
    size_t most = 1;
    for (int i = 0; i < 3; i++) most *= (size_t)(from[i] > to[i] ? from[i] : to[i]);
    return most;
}

ps_status ps_resample_values(ps_resampling kind, const float *in, const int from[3], int channels, int nearest_axis,
                             const int to[3], float *out) {
    workroom w = {0};
    size_t count = positions(from), wanted = positions(to), c = (size_t)channels;
    int longest = from[0] > from[1] ? from[0] : from[1];
    if (memcmp(from, to, 3 * sizeof *from) == 0) {
        memcpy(out, in, count * c * sizeof *in);
        return PS_OK;
    }
    if (from[2] > longest) longest = from[2];
    ps_status status = PS_ALLOC(most_positions(from, to), &w.a, "resampling");
    if (status == PS_OK) status = PS_ALLOC(most_positions(from, to), &w.b, "resampling");
    if (status == PS_OK) status = PS_ALLOC((size_t)longest + 2 * BEYOND, &w.room, "resampling");
    if (status == PS_OK) status = PS_ALLOC((size_t)longest, &w.ranges, "resampling");
    for (size_t k = 0; status == PS_OK && k < c; k++) {
        for (size_t i = 0; i < count; i++) w.a[i] = in[i * c + k];
        resample_channel(kind, from, nearest_axis, to, &w);
        for (size_t i = 0; i < wanted; i++) out[i * c + k] = w.a[i];
    }
    ps_free(w.a);
    ps_free(w.b);
    ps_free(w.room);
    ps_free(w.ranges);
    return status;
}

/* ---- eight neighbours ---- */

typedef struct {
    size_t at[8];
    double share[8];
} neighbours;

static neighbours neighbours_of(const tap t[3], const int from[3]) {
    neighbours n;
    for (int k = 0; k < 8; k++) {
        bool high[3] = {k & 4, k & 2, k & 1};
        n.share[k] = 1;
        n.at[k] = 0;
        for (int i = 0; i < 3; i++) {
            n.share[k] *= high[i] ? t[i].share : 1 - t[i].share;
            n.at[k] = n.at[k] * (size_t)from[i] + (size_t)(high[i] ? t[i].high : t[i].low);
        }
    }
    return n;
}

static int16_t label_at(const int16_t *in, const neighbours *n) {
    int best = 0;
    bool any = false;
    for (int k = 0; k < 8; k++) {
        int label = in[n->at[k]];
        double share = 0;
        for (int j = 0; j < 8; j++) share += in[n->at[j]] == label ? n->share[j] : 0;
        if (share >= 0.5 && (!any || label > best)) best = label, any = true;
    }
    return (int16_t)best;
}

static int16_t largest_at(const float *in, size_t classes, const neighbours *n) {
    double most = -INFINITY;
    int best = 0;
    for (size_t c = 0; c < classes; c++) {
        double score = 0;
        for (int k = 0; k < 8; k++)
            if (n->share[k] > 0) score += n->share[k] * in[n->at[k] * classes + c];
        if (score > most) most = score, best = (int)c;
    }
    return (int16_t)best;
}

/* Labels where `label` is given, else scores. */
static void each_position(const int16_t *label, const float *score, size_t classes, const int from[3], int nearest_axis,
                          const int to[3], int16_t *out) {
    tap t[3];
    for (int z = 0; z < to[0]; z++) {
        t[0] = tap_at(z, from[0], to[0], nearest_axis == 0);
        for (int y = 0; y < to[1]; y++) {
            t[1] = tap_at(y, from[1], to[1], nearest_axis == 1);
            for (int x = 0; x < to[2]; x++, out++) {
                t[2] = tap_at(x, from[2], to[2], nearest_axis == 2);
                neighbours n = neighbours_of(t, from);
                *out = label != NULL ? label_at(label, &n) : largest_at(score, classes, &n);
            }
        }
    }
}

ps_status ps_resample_labels(const int16_t *in, const int from[3], int nearest_axis, const int to[3], int16_t *out) {
    each_position(in, NULL, 0, from, nearest_axis, to, out);
    return PS_OK;
}

ps_status ps_resample_scores(const float *in, const int from[3], int classes, int nearest_axis, const int to[3],
                             int16_t *out) {
    each_position(NULL, in, (size_t)classes, from, nearest_axis, to, out);
    return PS_OK;
}
