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

static inline double linear(double a, double b, double d) { return a + (b - a) * d; }

/* Through b and c; all four alike give that value exactly. */
static inline double cubic(double a, double b, double c, double e, double d) {
    double p2 = -a + c, p3 = 2 * (a - b) + c - e, p4 = -a + b - c + e;
    return b + d * (p2 + d * (p3 + d * p4));
}

/* Where a value lies among pixels: between number `first` + taps / 2 - 1 and the next one, by `part` of the way. */
typedef struct {
    int first;
    double part;
} place;

/* at: not negative. */
static place place_of(double at, int taps) {
    double centre = at - 0.5;
    int whole = (int)(centre + 1) - 1;
    return (place){whole - (taps / 2 - 1), centre - whole};
}

/* One channel of one row. Where no part of the way is left it is a pixel's own value, as the formulas have it. */
static inline double along_row(const uint8_t *row, const int column[4], double part, int taps) {
    if (part == 0) return row[column[taps / 2 - 1]];
    if (taps == 2) return linear(row[column[0]], row[column[1]], part);
    return cubic(row[column[0]], row[column[1]], row[column[2]], row[column[3]], part);
}

/* From a grid of taps x taps neighbours. Beyond the border its last ones go on. */
static void interpolate(const ps_image *image, int taps, double from_x, double from_y, uint8_t *out) {
    place x = place_of(from_x, taps), y = place_of(from_y, taps);
    int column[4] = {0}, low = y.part == 0 ? taps / 2 - 1 : 0, high = y.part == 0 ? taps / 2 : taps;
    const uint8_t *row[4] = {NULL};
    for (int i = 0; i < taps; i++) column[i] = clamp(x.first + i, image->w) * image->c;
    for (int j = low; j < high; j++) row[j] = image->room + (size_t)clamp(y.first + j, image->h) * row_bytes(image);
    for (int c = 0; c < image->c; c++) {
        double line[4] = {0};
        for (int j = low; j < high; j++) line[j] = along_row(row[j] + c, column, x.part, taps);
        double v = line[low];
        if (y.part != 0)
            v = taps == 2 ? linear(line[0], line[1], y.part) : cubic(line[0], line[1], line[2], line[3], y.part);
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

enum { PRECISION = 22, TAPS = 5 };

/* What one value of a line is made of: values of the line it comes from, weighted in fixed point; some weigh 0. */
typedef struct {
    int weight[TAPS];
    size_t place[TAPS];
} taps;

static double kernel(ps_image_filter filter, double x) {
    x = fabs(x);
    if (filter == PS_FILTER_BILINEAR) return x < 1 ? 1 - x : 0;
    if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
}

/* A part is never larger than what is made of it, so that nothing shrinks. Places are `step` apart. */
static taps taps_of(ps_image_filter filter, int from, int to, int index, size_t step) {
    double scale = (double)from / to, centre = (index + 0.5) * scale, reach = filter == PS_FILTER_BILINEAR ? 1 : 2;
    double value[TAPS] = {0}, sum = 0;
    int first = (int)fmax(0, centre - reach + 0.5), last = (int)fmin(from, centre + reach + 0.5);
    taps t;
    for (int i = 0; i < last - first && i < TAPS; i++) {
        value[i] = kernel(filter, first + i - centre + 0.5);
        sum += value[i];
    }
    for (int i = 0; i < TAPS; i++) {
        t.weight[i] = (int)(value[i] / sum * (1 << PRECISION) + (value[i] < 0 ? -0.5 : 0.5));
        t.place[i] = (size_t)clamp(first + i, from) * step;
    }
    return t;
}

static uint8_t rounded(int sum) { return (uint8_t)clamp(sum >> PRECISION, 256); }

/* lines x cells values, target[i][k] of what stands at source[i][k] and the taps' places behind it. */
static void weigh(const taps *t, const uint8_t *source, uint8_t *target, size_t lines, size_t step, size_t cells) {
    const uint8_t *p0 = source + t->place[0], *p1 = source + t->place[1], *p2 = source + t->place[2],
                  *p3 = source + t->place[3], *p4 = source + t->place[4];
    const int w0 = t->weight[0], w1 = t->weight[1], w2 = t->weight[2], w3 = t->weight[3], w4 = t->weight[4];
    for (size_t i = 0; i < lines; i++) {
        for (size_t at = i * step; at < i * step + cells; at++)
            target[at] =
                rounded((1 << (PRECISION - 1)) + p0[at] * w0 + p1[at] * w1 + p2[at] * w2 + p3[at] * w3 + p4[at] * w4);
    }
}

/* The part's rows, as wide as the image, go into the room; then its columns. */
void ps_image_resize_part(ps_image *image, ps_image_part part, ps_image_filter filter) {
    size_t cell = (size_t)image->c, row = row_bytes(image);
    const uint8_t *corner = image->pixel + (size_t)part.top * row + (size_t)part.left * cell;
    for (int x = 0; x < image->w; x++) {
        taps t = taps_of(filter, part.w, image->w, x, cell);
        weigh(&t, corner, image->room + (size_t)x * cell, (size_t)part.h, row, cell);
    }
    for (int y = 0; y < image->h; y++) {
        taps t = taps_of(filter, part.h, image->h, y, row);
        weigh(&t, image->room, image->pixel + (size_t)y * row, 1, row, row);
    }
}
