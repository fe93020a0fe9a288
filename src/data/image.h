/* Operations on 8-bit images, as Pillow (the Python imaging library) defines them: each pixel of a result is within one
 * grey level of Pillow's, and most often the same. In place, channels-last, without memory of their own. */
#ifndef PS_DATA_IMAGE_H
#define PS_DATA_IMAGE_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int h, w, c;    /* c: 1 or 3 where an operation asks for the grey of a pixel */
    uint8_t *pixel; /* [h][w][c] */
    uint8_t *room;  /* as large; what stands there is lost */
} ps_image;

typedef enum { PS_FILTER_NEAREST, PS_FILTER_BILINEAR, PS_FILTER_BICUBIC } ps_image_filter;

/* ---- tones (image_tone.c) ---- */

/* Of each channel: darkest value to 0, lightest to 255. */
void ps_image_autocontrast(ps_image *image);
/* Of each channel: values as evenly spread as can be. */
void ps_image_equalize(ps_image *image);
void ps_image_invert(ps_image *image);
/* Keeps the highest bits, 0 to 8 of them; 0: black. */
void ps_image_posterize(ps_image *image, int bits);
/* Inverts values from the threshold (0 to 256) on. */
void ps_image_solarize(ps_image *image, int threshold);
/* Adds to values below 128. */
void ps_image_solarize_add(ps_image *image, int add);
/* Between a degenerate image (factor 0: grey of each pixel, grey of the whole, black, smoothed) and this one (1), or
 * beyond it. */
void ps_image_color(ps_image *image, float factor);
void ps_image_contrast(ps_image *image, float factor);
void ps_image_brightness(ps_image *image, float factor);
void ps_image_sharpness(ps_image *image, float factor);

/* ---- places (image_warp.c) ---- */

/* The value at (x, y) becomes what was at (m[0] x + m[1] y + m[2], m[3] x + m[4] y + m[5]), the centre of the first
 * pixel being (0.5, 0.5); fill [c] where that lies outside, or black (NULL). */
void ps_image_warp(ps_image *image, const double m[6], ps_image_filter filter, const uint8_t *fill);
/* The matrix that turns an image counter-clockwise about its centre. */
void ps_image_rotation(const ps_image *image, double degrees, double m[6]);

typedef struct {
    int top, left, h, w;
} ps_image_part;
/* A part of the image, resized to the whole, smoothed where it shrinks; bilinear or bicubic. */
void ps_image_resize_part(ps_image *image, ps_image_part part, ps_image_filter filter);

#endif
