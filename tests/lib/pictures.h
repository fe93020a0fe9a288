/* Picture files that a test writes through libpng and libjpeg. A failure to write fails the test. */
#ifndef PS_TESTS_PICTURES_H
#define PS_TESTS_PICTURES_H

#include <stdbool.h>
#include <stdint.h>

/* What a PNG file is to be; all zero but the sides: grey, 8 bits. */
typedef struct {
    int h, w;
    int bits; /* 0: 8 */
    bool palette, colour, alpha, interlaced;
    int orientation; /* in a block of Exif; 0: no such block */
} png_kind;
/* row bytes as PNG has them: [h][ceil(w channels bits / 8)]. */
void write_png(const char *path, const png_kind *kind, const uint8_t *bytes);
/* Grey of 8 bits, all the same or as given. */
void write_flat_png(const char *path, int h, int w, uint8_t value);

typedef struct {
    int h, w, channels; /* 1 grey, 3 RGB, 4 CMYK as Adobe has it */
    bool progressive, ycck;
    int orientation;
    int quality; /* 0: 95 */
} jpeg_kind;
void write_jpeg(const char *path, const jpeg_kind *kind, const uint8_t *bytes);

/* The first `size` bytes of a file, or with one byte changed, in its place. */
void cut_file(const char *path, long size);
void set_byte(const char *path, long place, uint8_t value);
long file_length(const char *path);

#endif
