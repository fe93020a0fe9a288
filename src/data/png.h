/* PNG files (ISO/IEC 15948), read and written through libpng: of any depth and kind of colour, interlaced or not. See
 * picture.h for what pictures are here. */
#ifndef PS_DATA_PNG_H
#define PS_DATA_PNG_H

#include <stdint.h>

#include "data/picture.h"

/* As those of pictures, for files that are PNG. */
ps_status ps_png_read_header(const char *path, ps_picture_header *out);
ps_status ps_png_read_rgb(const char *path, int h, int w, uint8_t *pixel);
/* A label map [h][w]: the numbers that stand in the file, of palettes the index, of grey the value as stored, whatever
 * its depth. Colour has no such number and is refused. */
ps_status ps_png_read_labels(const char *path, int h, int w, uint16_t *value);

enum { PS_PNG_PALETTE = 256, PS_PNG_IGNORED = 255 /* what is written for -1, and read back as such by PASCAL VOC */ };
/* PASCAL VOC's colour of a class: bit 3 i + j of the class is bit 7 - i of red, green, blue (j = 0, 1, 2). */
void ps_png_voc_colour(int class_index, uint8_t rgb[3]);
/* Writes a label map [h][w] of classes 0 to 254 and -1 as an 8-bit palette picture. palette [256][3]; NULL: VOC's. */
ps_status ps_png_write_labels(const char *path, int h, int w, const int16_t *label, const uint8_t (*palette)[3]);
/* Writes a picture [h][w][4] of red, green, blue and opacity. */
ps_status ps_png_write_rgba(const char *path, int h, int w, const uint8_t *pixel);

#endif
