#include "data/patch.h"

#include <limits.h>
#include <math.h>
#include <string.h>

static void sides_of(ps_shape shape, int side[3]) {
    side[0] = shape.d;
    side[1] = shape.h;
    side[2] = shape.w;
}

/* ---- where ---- */

/* First and last shift along an axis. */
typedef struct {
    int low, high;
} shifts;

static int half_up(int value) { return (value + 1) / 2; }

static shifts shifts_of(int sample, int patch) {
    int over = patch - sample;
    return over > 0 ? (shifts){-half_up(over), -(over / 2)} : (shifts){0, -over};
}

ps_cut ps_cut_random(ps_shape sample, ps_shape patch, ps_rng_key key) {
    int from[3], to[3];
    ps_cut cut = {.turned = false};
    sides_of(sample, from);
    sides_of(patch, to);
    for (int i = 0; i < 3; i++) {
        shifts may = shifts_of(from[i], to[i]);
        cut.shift[i] = may.low + (int)ps_rng_below(key, (uint64_t)i, (uint32_t)(may.high - may.low) + 1);
    }
    return cut;
}

ps_cut ps_cut_centre(ps_shape sample, ps_shape patch) {
    int from[3], to[3];
    ps_cut cut = {.turned = false};
    sides_of(sample, from);
    sides_of(patch, to);
    for (int i = 0; i < 3; i++) cut.shift[i] = to[i] > from[i] ? -((to[i] - from[i]) / 2) : (from[i] - to[i]) / 2;
    return cut;
}

ps_cut ps_cut_around(ps_shape sample, ps_shape patch, size_t position, bool beyond) {
    size_t row = position / (size_t)sample.w;
    int from[3], to[3];
    const int at[3] = {(int)(row / (size_t)sample.h), (int)(row % (size_t)sample.h),
                       (int)(position % (size_t)sample.w)};
    ps_cut cut = {.turned = false};
    sides_of(sample, from);
    sides_of(patch, to);
    for (int i = 0; i < 3; i++) {
        shifts may = shifts_of(from[i], to[i]);
        int first = at[i] - to[i] / 2;
        cut.shift[i] = first < may.low ? may.low : first > may.high && !beyond ? may.high : first;
    }
    return cut;
}

ps_shape ps_cut_scaled_shape(ps_shape sample, double factor) {
    ps_shape scaled = sample;
    scaled.h = (int)fmax(1, floor(sample.h * factor));
    scaled.w = (int)fmax(1, floor(sample.w * factor));
    return scaled;
}

size_t ps_cut_scaled_position(ps_shape sample, ps_shape scaled, size_t position) {
    size_t h = (size_t)sample.h, w = (size_t)sample.w, row = position / w;
    size_t y = (2 * (row % h) + 1) * (size_t)scaled.h / (2 * h);
    size_t x = (2 * (position % w) + 1) * (size_t)scaled.w / (2 * w);
    return (row / h * (size_t)scaled.h + y) * (size_t)scaled.w + x;
}

void ps_cut_scale(ps_cut *cut, ps_shape sample, ps_shape scaled) {
    int from[3], to[3];
    sides_of(sample, from);
    sides_of(scaled, to);
    if (ps_shape_equal(sample, scaled)) return;
    for (int i = 0; i < 3; i++) {
        double step = (double)from[i] / to[i];
        cut->origin[i] = (cut->shift[i] + 0.5) * step - 0.5;
        for (int j = 0; j < 3; j++) cut->turn[i][j] = i == j ? step : 0;
    }
    cut->turned = true;
}

/* place = origin + turn p. About the centre m of the patch the new map takes p to m + more (p - m) first. */
void ps_cut_turn(ps_cut *cut, ps_shape patch, const double more[3][3]) {
    int side[3];
    double origin[3], turn[3][3], middle[3], moved[3];
    sides_of(patch, side);
    for (int i = 0; i < 3; i++) {
        origin[i] = cut->turned ? cut->origin[i] : cut->shift[i];
        middle[i] = 0.5 * (side[i] - 1);
        for (int j = 0; j < 3; j++) turn[i][j] = cut->turned ? cut->turn[i][j] : (double)(i == j);
    }
    for (int i = 0; i < 3; i++) {
        moved[i] = middle[i];
        for (int j = 0; j < 3; j++) moved[i] -= more[i][j] * middle[j];
    }
    for (int i = 0; i < 3; i++) {
        cut->origin[i] = origin[i];
        for (int j = 0; j < 3; j++) {
            cut->origin[i] += turn[i][j] * moved[j];
            cut->turn[i][j] = 0;
            for (int k = 0; k < 3; k++) cut->turn[i][j] += turn[i][k] * more[k][j];
        }
    }
    cut->turned = cut->votes = true;
}

/* ---- rows of a shift ---- */

/* Cells of one row of the patch: outside before `first`, then those of the sample from `at` on, up to `last`. */
typedef struct {
    int first, last;
    size_t at;
} row_part;

static row_part row_of(const ps_cut *cut, ps_shape from, ps_shape to, int z, int y) {
    int in_z = z + cut->shift[0], in_y = y + cut->shift[1], low = -cut->shift[2], high = from.w - cut->shift[2];
    row_part part = {to.w, to.w, 0};
    if (in_z < 0 || in_z >= from.d || in_y < 0 || in_y >= from.h) return part;
    part.first = low < 0 ? 0 : low;
    part.last = high > to.w ? to.w : high;
    if (part.first >= part.last) return (row_part){to.w, to.w, 0};
    part.at = ((size_t)in_z * (size_t)from.h + (size_t)in_y) * (size_t)from.w + (size_t)(part.first + cut->shift[2]);
    return part;
}

static float *fill_floats(float *x, int cells, size_t channels, const float *outside) {
    for (int i = 0; i < cells; i++, x += channels) memcpy(x, outside, channels * sizeof *x);
    return x;
}

static float *normalise(const ps_cut_source *source, size_t at, int cells, float *x) {
    size_t channels = (size_t)source->shape.c, values = (size_t)cells * channels;
    if (source->byte_value != NULL) {
        const uint8_t *pixel = (const uint8_t *)source->pixel + at * channels;
        for (size_t i = 0; i < values; i += channels)
            for (size_t c = 0; c < channels; c++) x[i + c] = source->byte_value[c * 256 + pixel[i + c]];
    } else {
        const float *pixel = (const float *)source->pixel + at * channels;
        for (size_t i = 0; i < values; i += channels)
            for (size_t c = 0; c < channels; c++)
                x[i + c] = (float)((pixel[i + c] - source->mean[c]) / source->deviation[c]);
    }
    return x + values;
}

static void shift_floats(const ps_cut *cut, const ps_cut_source *source, ps_shape patch, const float *outside,
                         float *x) {
    size_t channels = (size_t)source->shape.c;
    for (int z = 0; z < patch.d; z++) {
        for (int y = 0; y < patch.h; y++) {
            row_part part = row_of(cut, source->shape, patch, z, y);
            x = fill_floats(x, part.first, channels, outside);
            x = normalise(source, part.at, part.last - part.first, x);
            x = fill_floats(x, patch.w - part.last, channels, outside);
        }
    }
}

static uint8_t *fill_bytes(uint8_t *x, int cells, size_t channels, const uint8_t *outside) {
    for (int i = 0; i < cells; i++, x += channels) memcpy(x, outside, channels);
    return x;
}

static void shift_bytes(const ps_cut *cut, ps_shape shape, const uint8_t *pixel, ps_shape patch, const uint8_t *outside,
                        uint8_t *x) {
    size_t channels = (size_t)shape.c;
    for (int z = 0; z < patch.d; z++) {
        for (int y = 0; y < patch.h; y++) {
            row_part part = row_of(cut, shape, patch, z, y);
            size_t bytes = (size_t)(part.last - part.first) * channels;
            x = fill_bytes(x, part.first, channels, outside);
            memcpy(x, pixel + part.at * channels, bytes);
            x = fill_bytes(x + bytes, patch.w - part.last, channels, outside);
        }
    }
}

static void shift_labels(const ps_cut *cut, ps_shape shape, const int16_t *mask, ps_shape patch, int outside,
                         int32_t *label) {
    for (int z = 0; z < patch.d; z++) {
        for (int y = 0; y < patch.h; y++, label += patch.w) {
            row_part part = row_of(cut, shape, patch, z, y);
            for (int x = 0; x < part.first; x++) label[x] = outside;
            for (int x = part.first; x < part.last; x++) label[x] = mask[part.at + (size_t)(x - part.first)];
            for (int x = part.last; x < patch.w; x++) label[x] = outside;
        }
    }
}

/* ---- turned ---- */

static void place_of(const ps_cut *cut, int z, int y, int x, double place[3]) {
    for (int i = 0; i < 3; i++)
        place[i] = cut->origin[i] + cut->turn[i][0] * z + cut->turn[i][1] * y + cut->turn[i][2] * x;
}

/* The two cells around a place along each axis, and the weight of the second. */
typedef struct {
    int cell[3];
    double share[3];
} corner;

/* false: all of it lies outside. */
static bool corner_of(const double place[3], const int side[3], corner *out) {
    for (int i = 0; i < 3; i++) {
        if (!(place[i] > -1 && place[i] < side[i])) return false;
        double below = floor(place[i]);
        out->cell[i] = (int)below;
        out->share[i] = place[i] - below;
    }
    return true;
}

/* Weight of one of the eight cells of a corner, and the cell; weight 0: it does not count. */
static double weight_of(const corner *c, int which, const int side[3], size_t *cell, bool *inside) {
    double weight = 1;
    *cell = 0;
    *inside = true;
    for (int i = 0; i < 3; i++) {
        int second = which >> (2 - i) & 1, at = c->cell[i] + second;
        weight *= second ? c->share[i] : 1 - c->share[i];
        *inside = *inside && at >= 0 && at < side[i];
        *cell = *cell * (size_t)side[i] + (size_t)(at < 0 ? 0 : at);
    }
    return weight;
}

static double float_of(const ps_cut_source *source, size_t cell, size_t channel) {
    size_t at = cell * (size_t)source->shape.c + channel;
    if (source->byte_value != NULL)
        return (double)source->byte_value[channel * 256 + ((const uint8_t *)source->pixel)[at]];
    return (((const float *)source->pixel)[at] - source->mean[channel]) / source->deviation[channel];
}

static void turn_float(const ps_cut_source *source, const corner *c, const int side[3], const float *outside,
                       float *x) {
    size_t channels = (size_t)source->shape.c, cell[8];
    double weight[8];
    bool inside[8];
    for (int i = 0; i < 8; i++) weight[i] = weight_of(c, i, side, &cell[i], &inside[i]);
    for (size_t k = 0; k < channels; k++) {
        double sum = 0;
        for (int i = 0; i < 8; i++) {
            if (weight[i] == 0) continue;
            sum += weight[i] * (inside[i] ? float_of(source, cell[i], k) : (double)outside[k]);
        }
        x[k] = (float)sum;
    }
}

void ps_cut_floats(const ps_cut *cut, const ps_cut_source *source, ps_shape patch, const float *outside, float *x) {
    size_t channels = (size_t)source->shape.c;
    int side[3];
    double place[3];
    corner at;
    if (!cut->turned) {
        shift_floats(cut, source, patch, outside, x);
        return;
    }
    sides_of(source->shape, side);
    for (int z = 0; z < patch.d; z++) {
        for (int y = 0; y < patch.h; y++) {
            for (int w = 0; w < patch.w; w++, x += channels) {
                place_of(cut, z, y, w, place);
                if (corner_of(place, side, &at)) turn_float(source, &at, side, outside, x);
                else memcpy(x, outside, channels * sizeof *x);
            }
        }
    }
}

static void turn_byte(ps_shape shape, const uint8_t *pixel, const corner *c, const int side[3], const uint8_t *outside,
                      uint8_t *x) {
    size_t channels = (size_t)shape.c, cell[8];
    double weight[8];
    bool inside[8];
    for (int i = 0; i < 8; i++) weight[i] = weight_of(c, i, side, &cell[i], &inside[i]);
    for (size_t k = 0; k < channels; k++) {
        double sum = 0;
        for (int i = 0; i < 8; i++) {
            if (weight[i] > 0) sum += weight[i] * (inside[i] ? pixel[cell[i] * channels + k] : outside[k]);
        }
        x[k] = (uint8_t)floor(sum + 0.5);
    }
}

void ps_cut_bytes(const ps_cut *cut, ps_shape shape, const uint8_t *pixel, ps_shape patch, const uint8_t *outside,
                  uint8_t *x) {
    size_t channels = (size_t)shape.c;
    int side[3];
    double place[3];
    corner at;
    if (!cut->turned) {
        shift_bytes(cut, shape, pixel, patch, outside, x);
        return;
    }
    sides_of(shape, side);
    for (int z = 0; z < patch.d; z++) {
        for (int y = 0; y < patch.h; y++) {
            for (int w = 0; w < patch.w; w++, x += channels) {
                place_of(cut, z, y, w, place);
                if (corner_of(place, side, &at)) turn_byte(shape, pixel, &at, side, outside, x);
                else memcpy(x, outside, channels);
            }
        }
    }
}

static int nearest_label(const double place[3], ps_shape shape, const int16_t *mask, int outside) {
    double z = floor(place[0] + 0.5), y = floor(place[1] + 0.5), x = floor(place[2] + 0.5);
    bool inside = z >= 0 && z < shape.d && y >= 0 && y < shape.h && x >= 0 && x < shape.w;
    return inside ? mask[((size_t)z * (size_t)shape.h + (size_t)y) * (size_t)shape.w + (size_t)x] : outside;
}

enum { BEYOND = INT_MIN }; /* stands for the label of what lies outside, which is told apart from what is labelled so */

/* Of eight cells, weighed. */
static int most_voted(const double weight[8], const int label[8], int nearest) {
    int best = label[0];
    double most = -1;
    for (int i = 0; i < 8; i++) {
        double votes = 0;
        for (int j = 0; j < 8; j++) votes += label[j] == label[i] ? weight[j] : 0;
        bool even = fabs(votes - most) < 1e-6, better = label[i] == nearest || (best != nearest && label[i] < best);
        if (votes > most + 1e-6 || (even && better)) {
            most = votes;
            best = label[i];
        }
    }
    return best;
}

static int voted_label(const double place[3], const int side[3], ps_shape shape, const int16_t *mask) {
    double weight[8];
    int label[8];
    size_t cell;
    bool inside, same = true;
    corner at;
    if (!corner_of(place, side, &at)) return BEYOND;
    for (int i = 0; i < 8; i++) {
        weight[i] = weight_of(&at, i, side, &cell, &inside);
        label[i] = inside ? mask[cell] : BEYOND;
        same = same && label[i] == label[0];
    }
    return same ? label[0] : most_voted(weight, label, nearest_label(place, shape, mask, BEYOND));
}

void ps_cut_labels(const ps_cut *cut, ps_shape shape, const int16_t *mask, ps_shape patch, int outside,
                   int32_t *label) {
    double place[3];
    int side[3];
    if (!cut->turned) {
        shift_labels(cut, shape, mask, patch, outside, label);
        return;
    }
    sides_of(shape, side);
    for (int z = 0; z < patch.d; z++) {
        for (int y = 0; y < patch.h; y++) {
            for (int x = 0; x < patch.w; x++) {
                place_of(cut, z, y, x, place);
                int found =
                    cut->votes ? voted_label(place, side, shape, mask) : nearest_label(place, shape, mask, BEYOND);
                *label++ = found == BEYOND ? outside : found;
            }
        }
    }
}
