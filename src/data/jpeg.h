/* JPEG files (ISO/IEC 10918-1), read through libjpeg: baseline and progressive, grey, colour, CMYK and YCCK. See
 * picture.h for what pictures are here. */
#ifndef PS_DATA_JPEG_H
#define PS_DATA_JPEG_H

#include <stdint.h>

#include "data/picture.h"

/* As those of pictures, for files that are JPEG. */
ps_status ps_jpeg_read_header(const char *path, ps_picture_header *out);
ps_status ps_jpeg_read_rgb(const char *path, int h, int w, uint8_t *pixel);

#endif
