#include <stdbool.h>
#include <string.h>

#include "data/image.h"

enum { VALUES = 256 };

static size_t positions(const ps_image *image) { return (size_t)image->h * (size_t)image->w; }

/* ---- by tables ---- */

static void look_up(ps_image *image, int channel, const uint8_t table[VALUES]) {
    uint8_t *pixel = image->pixel + channel;
    for (size_t i = 0; i < positions(image); i++, pixel += image->c) *pixel = table[*pixel];
}

static void look_up_all(ps_image *image, const uint8_t table[VALUES]) {
    for (size_t i = 0; i < positions(image) * (size_t)image->c; i++) image->pixel[i] = table[image->pixel[i]];
}

static void count_values(const ps_image *image, int channel, size_t count[VALUES]) {
    const uint8_t *pixel = image->pixel + channel;
    memset(count, 0, VALUES * sizeof *count);
    for (size_t i = 0; i < positions(image); i++, pixel += image->c) count[*pixel]++;
}

/* Whether there is more than one value; the darkest and the lightest. */
static bool find_ends(const size_t count[VALUES], int *low, int *high) {
    for (*low = 0; *low < VALUES - 1 && count[*low] == 0;) ++*low;
    for (*high = VALUES - 1; *high > 0 && count[*high] == 0;) --*high;
    return *high > *low;
}

static uint8_t to_byte(double value) { return value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)value; }

void ps_image_autocontrast(ps_image *image) {
    size_t count[VALUES];
    uint8_t table[VALUES];
    for (int c = 0; c < image->c; c++) {
        int low, high;
        count_values(image, c, count);
        if (!find_ends(count, &low, &high)) continue;
        double scale = 255.0 / (high - low), offset = -low * scale;
        for (int v = 0; v < VALUES; v++) table[v] = to_byte(v * scale + offset);
        look_up(image, c, table);
    }
}

/* Each value becomes the share of pixels below it, in steps that leave the lightest value's pixels out. */
void ps_image_equalize(ps_image *image) {
    size_t count[VALUES];
    uint8_t table[VALUES];
    for (int c = 0; c < image->c; c++) {
        int low, high;
        count_values(image, c, count);
        bool several = find_ends(count, &low, &high);
        size_t step = (positions(image) - count[high]) / 255, sum = step / 2;
        if (!several || step == 0) continue;
        for (int v = 0; v < VALUES; v++) {
            table[v] = (uint8_t)(sum / step < 255 ? sum / step : 255);
            sum += count[v];
        }
        look_up(image, c, table);
    }
}

void ps_image_invert(ps_image *image) { ps_image_solarize(image, 0); }

void ps_image_posterize(ps_image *image, int bits) {
    uint8_t table[VALUES];
    for (int v = 0; v < VALUES; v++) table[v] = (uint8_t)(v & ~((1 << (8 - bits)) - 1));
    look_up_all(image, table);
}

void ps_image_solarize(ps_image *image, int threshold) {
    uint8_t table[VALUES];
    for (int v = 0; v < VALUES; v++) table[v] = (uint8_t)(v < threshold ? v : 255 - v);
    look_up_all(image, table);
}

void ps_image_solarize_add(ps_image *image, int add) {
    uint8_t table[VALUES];
    for (int v = 0; v < VALUES; v++) table[v] = v < 128 ? to_byte(v + add) : (uint8_t)v;
    look_up_all(image, table);
}

/* ---- blends with a degenerate image ---- */

static uint8_t blend(uint8_t from, uint8_t to, float factor) {
    float value = (float)from + factor * (float)((int)to - (int)from);
    return value <= 0.0f ? 0 : value >= 255.0f ? 255 : (uint8_t)value;
}

/* ITU-R 601-2, in 16-bit fixed point. */
static uint8_t grey_of(const ps_image *image, const uint8_t *pixel) {
    if (image->c < 3) return pixel[0];
    return (uint8_t)((pixel[0] * 19595 + pixel[1] * 38470 + pixel[2] * 7471 + 0x8000) >> 16);
}

void ps_image_color(ps_image *image, float factor) {
    uint8_t *pixel = image->pixel;
    for (size_t i = 0; i < positions(image); i++, pixel += image->c) {
        uint8_t grey = grey_of(image, pixel);
        for (int c = 0; c < image->c; c++) pixel[c] = blend(grey, pixel[c], factor);
    }
}

static void blend_with(ps_image *image, uint8_t value, float factor) {
    uint8_t table[VALUES];
    for (int v = 0; v < VALUES; v++) table[v] = blend(value, (uint8_t)v, factor);
    look_up_all(image, table);
}

void ps_image_contrast(ps_image *image, float factor) {
    const uint8_t *pixel = image->pixel;
    size_t sum = 0;
    for (size_t i = 0; i < positions(image); i++, pixel += image->c) sum += grey_of(image, pixel);
    blend_with(image, (uint8_t)((double)sum / (double)positions(image) + 0.5), factor);
}

void ps_image_brightness(ps_image *image, float factor) { blend_with(image, 0, factor); }

/* Smoothed by 1 1 1, 1 5 1, 1 1 1 over 13, rounded; the border stays as it is. */
void ps_image_sharpness(ps_image *image, float factor) {
    size_t cell = (size_t)image->c, row = (size_t)image->w * cell;
    if (image->h < 3 || image->w < 3) return;
    memcpy(image->room, image->pixel, (size_t)image->h * row);
    for (size_t y = 1; y + 1 < (size_t)image->h; y++) {
        for (size_t i = y * row + cell; i < (y + 1) * row - cell; i++) {
            const uint8_t *at = image->room + i, *above = at - row, *below = at + row;
            int sum = above[0] + *(above - cell) + above[cell] + 5 * at[0] + *(at - cell) + at[cell] + below[0] +
                      *(below - cell) + below[cell];
            image->pixel[i] = blend((uint8_t)((2 * sum + 13) / 26), *at, factor);
        }
    }
}
