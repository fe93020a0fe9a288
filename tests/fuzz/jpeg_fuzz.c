/* Input: a JPEG file. */
#include <stdlib.h>

#include "data/jpeg.h"
#include "fuzz.h"

enum { PIXELS_MOST = 1 << 20 };

void fuzz_input(const uint8_t *bytes, size_t size) {
    const char *path = fuzz_write("picture.jpg", bytes, size);
    ps_picture_header header;
    if (ps_jpeg_read_header(path, &header) != PS_OK) {
        if (ps_status_message()[0] == '\0') abort();
        return;
    }
    if (header.h < 1 || header.w < 1 || header.orientation < 1 || header.orientation > 8) abort();
    size_t pixels = (size_t)header.h * (size_t)header.w;
    if (pixels > PIXELS_MOST) return;
    uint8_t *rgb = malloc(pixels * PS_PICTURE_RGB); /* exactly: the sanitizers watch its end */
    if (rgb == NULL) abort();
    if (ps_jpeg_read_rgb(path, header.h, header.w, rgb) != PS_OK && ps_status_message()[0] == '\0') abort();
    free(rgb);
}
