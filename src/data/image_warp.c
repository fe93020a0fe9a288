#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "data/image.h"

static const double pi = 3.14159265358979323846;

static size_t row_bytes(const ps_image *image) { return (size_t)image->w * (size_t)image->c; }

static void put_outside(const ps_image *image, const uint8_t *fill, uint8_t *out) {
    if (fill != NULL) memcpy(out, fill, (size_t)image->c);
    else memset(out, 0, (size_t)image->c);
}

static int clamp(int i, int size) { return i < 0 ? 0 : i < size ? i : size - 1; }

/* ---- one value between others ---- */

static double linear(const double v[2], double d) { return v[0] + (v[1] - v[0]) * d; }

/* Through v[1] and v[2]; all four alike give that value exactly. */
static double cubic(const double v[4], double d) {
    double p2 = -v[0] + v[2], p3 = 2 * (v[0] - v[1]) + v[2] - v[3], p4 = -v[0] + v[1] - v[2] + v[3];
    return v[1] + d * (p2 + d * (p3 + d * p4));
}

/* From a grid of taps x taps neighbours, the first at (x, y); beyond the border its last ones go on. */
static void interpolate(const ps_image *image, int taps, double from_x, double from_y, uint8_t *out) {
    double place_x = from_x - 0.5, place_y = from_y - 0.5, dx = place_x - floor(place_x), dy = place_y - floor(place_y);
    int x = (int)floor(place_x) - (taps / 2 - 1), y = (int)floor(place_y) - (taps / 2 - 1);
    const uint8_t *row[4];
    size_t column[4];
    for (int i = 0; i < taps; i++) {
        row[i] = image->room + (size_t)clamp(y + i, image->h) * row_bytes(image);
        column[i] = (size_t)clamp(x + i, image->w) * (size_t)image->c;
    }
    for (int c = 0; c < image->c; c++) {
        double line[4] = {0}, value[4] = {0};
        for (int j = 0; j < taps; j++) {
            for (int i = 0; i < taps; i++) value[i] = row[j][column[i] + (size_t)c];
            line[j] = taps == 2 ? linear(value, dx) : cubic(value, dx);
        }
        double v = taps == 2 ? linear(line, dy) : cubic(line, dy);
        out[c] = v <= 0.0 ? 0 : v >= 255.0 ? 255 : (uint8_t)v;
    }
}

static void warp_smooth(ps_image *image, const double m[6], int taps, const uint8_t *fill) {
    uint8_t *out = image->pixel;
    for (int y = 0; y < image->h; y++) {
        for (int x = 0; x < image->w; x++, out += image->c) {
            double at_x = x + 0.5, at_y = y + 0.5;
            double from_x = m[0] * at_x + m[1] * at_y + m[2], from_y = m[3] * at_x + m[4] * at_y + m[5];
            bool inside = from_x >= 0 && from_x < image->w && from_y >= 0 && from_y < image->h;
            if (inside) interpolate(image, taps, from_x, from_y, out);
            else put_outside(image, fill, out);
        }
    }
}

/* In 16.16 fixed point, as Pillow has it. */
static int fixed(double value) { return (int)floor(value * 65536.0 + 0.5); }

static void warp_nearest(ps_image *image, const double m[6], const uint8_t *fill) {
    size_t cell = (size_t)image->c;
    int first_x = fixed(m[2] + m[0] * 0.5 + m[1] * 0.5), first_y = fixed(m[5] + m[3] * 0.5 + m[4] * 0.5);
    int step[4] = {fixed(m[0]), fixed(m[1]), fixed(m[3]), fixed(m[4])};
    uint8_t *out = image->pixel;
    for (int y = 0; y < image->h; y++, first_x += step[1], first_y += step[3]) {
        int at_x = first_x, at_y = first_y;
        for (int x = 0; x < image->w; x++, out += cell, at_x += step[0], at_y += step[2]) {
            int from_x = at_x >> 16, from_y = at_y >> 16;
            bool inside = from_x >= 0 && from_x < image->w && from_y >= 0 && from_y < image->h;
            if (inside) memcpy(out, image->room + (size_t)from_y * row_bytes(image) + (size_t)from_x * cell, cell);
            else put_outside(image, fill, out);
        }
    }
}

void ps_image_warp(ps_image *image, const double m[6], ps_image_filter filter, const uint8_t *fill) {
    memcpy(image->room, image->pixel, (size_t)image->h * row_bytes(image));
    if (filter == PS_FILTER_NEAREST) warp_nearest(image, m, fill);
    else warp_smooth(image, m, filter == PS_FILTER_BILINEAR ? 2 : 4, fill);
}

void ps_image_rotation(const ps_image *image, double degrees, double m[6]) {
    const double digits = 1e15; /* Pillow keeps fifteen */
    double angle = -degrees * pi / 180, centre_x = image->w / 2.0, centre_y = image->h / 2.0;
    m[0] = m[4] = nearbyint(cos(angle) * digits) / digits;
    m[1] = nearbyint(sin(angle) * digits) / digits;
    m[3] = -m[1];
    m[2] = m[0] * -centre_x + m[1] * -centre_y + centre_x;
    m[5] = m[3] * -centre_x + m[4] * -centre_y + centre_y;
}

/* ---- a part, resized ---- */

enum { PRECISION = 22, MOST_TAPS = 6 };

/* What one value of a line is made of: `count` values of the line it comes from, weighted in fixed point. */
typedef struct {
    int first, count, weight[MOST_TAPS];
} taps;

static double kernel(ps_image_filter filter, double x) {
    x = fabs(x);
    if (filter == PS_FILTER_BILINEAR) return x < 1 ? 1 - x : 0;
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
}

/* A part is never larger than what is made of it, so that nothing shrinks. */
static taps taps_of(ps_image_filter filter, int from, int to, int index) {
    double scale = (double)from / to, centre = (index + 0.5) * scale, reach = filter == PS_FILTER_BILINEAR ? 1 : 2;
    double value[MOST_TAPS], sum = 0;
    int first = (int)fmax(0, centre - reach + 0.5), last = (int)fmin(from, centre + reach + 0.5);
    taps t = {.first = first, .count = last - first};
    for (int i = 0; i < t.count; i++) {
        value[i] = kernel(filter, first + i - centre + 0.5);
        sum += value[i];
    }
    for (int i = 0; i < t.count; i++)
        t.weight[i] = (int)(value[i] / sum * (1 << PRECISION) + (value[i] < 0 ? -0.5 : 0.5));
    return t;
}

static uint8_t weigh(const taps *t, const uint8_t *source, size_t step) {
    int sum = 1 << (PRECISION - 1);
    for (int i = 0; i < t->count; i++) sum += source[(size_t)(t->first + i) * step] * t->weight[i];
    return (uint8_t)clamp(sum >> PRECISION, 256);
}

/* Lines to their columns first: the part's rows, as wide as the image, go into the room. */
static void widen(ps_image *image, ps_image_part part, ps_image_filter filter) {
    size_t cell = (size_t)image->c, row = row_bytes(image);
    const uint8_t *corner = image->pixel + (size_t)part.top * row + (size_t)part.left * cell;
    for (int x = 0; x < image->w; x++) {
        taps t = taps_of(filter, part.w, image->w, x);
        for (int y = 0; y < part.h; y++)
            for (size_t c = 0; c < cell; c++)
                image->room[(size_t)y * row + (size_t)x * cell + c] = weigh(&t, corner + (size_t)y * row + c, cell);
    }
}

void ps_image_resize_part(ps_image *image, ps_image_part part, ps_image_filter filter) {
    size_t row = row_bytes(image);
    widen(image, part, filter);
    for (int y = 0; y < image->h; y++) {
        taps t = taps_of(filter, part.h, image->h, y);
        for (size_t i = 0; i < row; i++) image->pixel[(size_t)y * row + i] = weigh(&t, image->room + i, row);
    }
}
