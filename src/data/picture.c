#include "data/picture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/file.h"
#include "data/jpeg.h"
#include "data/png.h"

/* ---- kinds of files ---- */

typedef enum { KIND_PNG, KIND_JPEG } picture_kind;

static ps_status find_kind(const char *path, picture_kind *out) {
    static const uint8_t png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'}, jpeg[3] = {0xFF, 0xD8, 0xFF};
    uint8_t begins[8] = {0};
    uint64_t size;
    PS_TRY(ps_file_size(path, &size));
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) return ps_fail(PS_ERR_IO, "%s: %s; check its permissions", path, strerror(errno));
    size_t got = fread(begins, 1, sizeof begins, stream);
    fclose(stream);
    *out = memcmp(begins, jpeg, sizeof jpeg) == 0 ? KIND_JPEG : KIND_PNG;
    if (got == 0) return ps_fail(PS_ERR_INPUT, "%s: is empty; put a PNG or JPEG picture there", path);
    if (*out == KIND_JPEG || memcmp(begins, png, got) == 0) return PS_OK;
    return ps_fail(
        PS_ERR_INPUT,
        "%s: begins with bytes %02x %02x %02x %02x, but a PNG file does with 89 50 4e 47 and a JPEG file with "
        "ff d8 ff; convert the picture to one of them",
        path, begins[0], begins[1], begins[2], begins[3]);
}

ps_status ps_picture_read_header(const char *path, ps_picture_header *out) {
    picture_kind kind;
    PS_TRY(find_kind(path, &kind));
    return kind == KIND_PNG ? ps_png_read_header(path, out) : ps_jpeg_read_header(path, out);
}

ps_status ps_picture_read_rgb(const char *path, int h, int w, uint8_t *pixel) {
    picture_kind kind;
    PS_TRY(find_kind(path, &kind));
    return kind == KIND_PNG ? ps_png_read_rgb(path, h, w, pixel) : ps_jpeg_read_rgb(path, h, w, pixel);
}

/* ---- what is refused ---- */

ps_status ps_picture_check_claim(const char *path, uint64_t h, uint64_t w, uint64_t claimed, uint64_t most) {
    unsigned long long high = h, wide = w;
    if (h < 1 || w < 1 || h > PS_PICTURE_SIDE_MOST || w > PS_PICTURE_SIDE_MOST || h * w > PS_PICTURE_PIXELS_MOST)
        return ps_fail(
            PS_ERR_INPUT,
            "%s: its header claims %llu x %llu pixels (height x width), but sides must be 1 to %d and at most "
            "%d pixels in all; cut or shrink the picture",
            path, high, wide, PS_PICTURE_SIDE_MOST, PS_PICTURE_PIXELS_MOST);
    if (claimed > most)
        return ps_fail(
            PS_ERR_INPUT,
            "%s: its header claims %llu x %llu pixels (height x width), but a file of its length cannot hold "
            "them; fetch the file again",
            path, high, wide);
    return PS_OK;
}

ps_status ps_picture_check_size(const char *path, const ps_picture_header *header, int h, int w) {
    if (header->h == h && header->w == w) return PS_OK;
    return ps_fail(PS_ERR_INPUT,
                   "%s: is %d x %d pixels (height x width) now, but was %d x %d when the data were opened; leave the "
                   "files alone while they are in use",
                   path, header->h, header->w, h, w);
}

/* ---- orientation ---- */

bool ps_picture_is_turned(int orientation) { return orientation >= 5; }

/* Exif's names say which sides of the picture the first row and the first column as stored are: 1 top, left; 2 top,
 * right; 3 bottom, right; 4 bottom, left; 5 left, top; 6 right, top; 7 right, bottom; 8 left, bottom. */
ps_picture_way ps_picture_way_of(int orientation, int h, int w) {
    ptrdiff_t high = h, wide = w;
    switch (orientation) {
        case 2: return (ps_picture_way){wide - 1, wide, -1};
        case 3: return (ps_picture_way){high * wide - 1, -wide, -1};
        case 4: return (ps_picture_way){(high - 1) * wide, -wide, 1};
        case 5: return (ps_picture_way){0, 1, high};
        case 6: return (ps_picture_way){high - 1, -1, high};
        case 7: return (ps_picture_way){high * wide - 1, -1, -high};
        case 8: return (ps_picture_way){(wide - 1) * high, 1, -high};
        default: return (ps_picture_way){0, wide, 1};
    }
}

static uint32_t number(const uint8_t *bytes, int count, bool little) {
    uint32_t value = 0;
    for (int i = 0; i < count; i++) value = value << 8 | bytes[little ? count - 1 - i : i];
    return value;
}

int ps_exif_orientation(const uint8_t *bytes, size_t size) {
    enum { HEADER = 8, COUNT = 2, ENTRY = 12, TAG = 0x0112, TYPE_SHORT = 3 };
    if (size < HEADER || bytes[0] != bytes[1] || (bytes[0] != 'I' && bytes[0] != 'M')) return 1;
    bool little = bytes[0] == 'I';
    size_t at = number(bytes + 4, 4, little);
    if (at > size || size - at < COUNT) return 1;
    uint32_t entries = number(bytes + at, COUNT, little);
    for (at += COUNT; entries > 0 && size - at >= ENTRY; entries--, at += ENTRY) {
        if (number(bytes + at, 2, little) != TAG || number(bytes + at + 2, 2, little) != TYPE_SHORT) continue;
        uint32_t value = number(bytes + at + HEADER, 2, little);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}
