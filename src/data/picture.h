/* Pictures: PNG and JPEG files, told apart by their first bytes. What kind of file it is decides who reads it (png.h,
 * jpeg.h); what both must hold to stands here.
 *
 * A picture is as it is meant to be seen: where Exif (JEITA CP-3451, tag 0x0112) asks for a turn or a mirror, rows,
 * columns and sizes are those after it. No file is believed: a header that claims more than a file of its length can
 * hold is refused before memory is asked for, and what is cut short or damaged is refused, and not shown in grey. */
#ifndef PS_DATA_PICTURE_H
#define PS_DATA_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/status.h"

enum {
    PS_PICTURE_SIDE_MOST = 65535,
    PS_PICTURE_PIXELS_MOST = 1 << 27, /* what a picture may have whatever its file holds: 134 million */
    PS_PICTURE_RGB = 3
};

typedef struct {
    int h, w;        /* as it is to be seen */
    int channels;    /* as stored: 1 grey or palette, 2 grey with alpha, 3 colour, 4 colour with alpha, or CMYK */
    int bits;        /* of a channel, as stored */
    int orientation; /* 1 to 8, as Exif counts; 1: as stored */
    bool lossy;      /* a JPEG file, whose pixels are about what they were */
} ps_picture_header;

/* Reads the header alone. */
ps_status ps_picture_read_header(const char *path, ps_picture_header *out);
/* Pixels [h][w][3], red, green and blue; grey is all three, alpha is dropped, 16 bits become their upper 8. h and w: as
 * the header had them when room was made; a file that has changed since is refused. */
ps_status ps_picture_read_rgb(const char *path, int h, int w, uint8_t *pixel);

/* ---- for readers ---- */

/* Where the stored pixel (row, column) goes: to start + row * down + column * right. */
typedef struct {
    ptrdiff_t start, down, right;
} ps_picture_way;
/* h, w: as stored. Counted in pixels of the picture as it is to be seen. */
ps_picture_way ps_picture_way_of(int orientation, int h, int w);
bool ps_picture_is_turned(int orientation); /* rows become columns */

/* Of a block of Exif, from its TIFF header on; 1 where it says none that there is. */
int ps_exif_orientation(const uint8_t *bytes, size_t size);

/* Refuses sides that no picture has, and w x h pixels where a file of `most` bytes of content cannot hold `claimed`. */
ps_status ps_picture_check_claim(const char *path, uint64_t h, uint64_t w, uint64_t claimed, uint64_t most);
/* Refuses a picture that is not as large as it was when its header was read. */
ps_status ps_picture_check_size(const char *path, const ps_picture_header *header, int h, int w);

#endif
