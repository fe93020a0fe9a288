#include "tests/lib/pictures.h"

#include <png.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jpeglib.h>

enum { EXIF = 26 };

/* A TIFF block of one entry, the orientation; the low bytes first where it is even. */
static void fill_exif(uint8_t block[EXIF], int orientation) {
    static const uint8_t big[EXIF] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1};
    static const uint8_t little[EXIF] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1};
    memcpy(block, orientation % 2 == 0 ? little : big, EXIF);
    block[orientation % 2 == 0 ? 18 : 19] = (uint8_t)orientation;
}

void write_png(const char *path, const png_kind *kind, const uint8_t *bytes) {
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    int bits = kind->bits > 0 ? kind->bits : 8;
    int colour = (kind->palette  ? PNG_COLOR_TYPE_PALETTE
                  : kind->colour ? PNG_COLOR_TYPE_RGB
                                 : PNG_COLOR_TYPE_GRAY) |
                 (kind->alpha ? PNG_COLOR_MASK_ALPHA : 0);
    png_color palette[256];
    png_bytep rows[512];
    uint8_t exif[EXIF];
    assert_true(kind->h <= 512);
    png_init_io(png, stream);
    png_set_IHDR(png, info, (png_uint_32)kind->w, (png_uint_32)kind->h, bits, colour,
                 kind->interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    for (int i = 0; i < 256; i++) palette[i] = (png_color){(png_byte)i, (png_byte)(255 - i), (png_byte)(i * 7)};
    if (kind->palette) png_set_PLTE(png, info, palette, 1 << bits);
    fill_exif(exif, kind->orientation);
    if (kind->orientation > 0) png_set_eXIf_1(png, info, EXIF, exif);
    png_write_info(png, info);
    size_t row = png_get_rowbytes(png, info);
    for (int y = 0; y < kind->h; y++) rows[y] = (png_bytep)(uintptr_t)(bytes + (size_t)y * row);
    png_write_image(png, rows);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    assert_int_equal(fclose(stream), 0);
}

void write_flat_png(const char *path, int h, int w, uint8_t value) {
    uint8_t bytes[4096];
    png_kind kind = {.h = h, .w = w};
    assert_true((size_t)h * (size_t)w <= sizeof bytes);
    memset(bytes, value, sizeof bytes);
    write_png(path, &kind, bytes);
}

void write_jpeg(const char *path, const jpeg_kind *kind, const uint8_t *bytes) {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    uint8_t exif[6 + EXIF] = "Exif\0";
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, stream);
    jpeg.image_width = (JDIMENSION)kind->w;
    jpeg.image_height = (JDIMENSION)kind->h;
    jpeg.input_components = kind->channels;
    jpeg.in_color_space = kind->channels == 1 ? JCS_GRAYSCALE : kind->channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&jpeg);
    if (kind->ycck) jpeg_set_colorspace(&jpeg, JCS_YCCK);
    jpeg_set_quality(&jpeg, kind->quality > 0 ? kind->quality : 95, TRUE);
    if (kind->progressive) jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    fill_exif(exif + 6, kind->orientation);
    if (kind->orientation > 0) jpeg_write_marker(&jpeg, JPEG_APP0 + 1, exif, sizeof exif);
    while (jpeg.next_scanline < jpeg.image_height) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(bytes + (size_t)jpeg.next_scanline * (size_t)(kind->w * kind->channels));
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    assert_int_equal(fclose(stream), 0);
}

void cut_file(const char *path, long size) { assert_int_equal(truncate(path, size), 0); }

void set_byte(const char *path, long place, uint8_t value) {
    FILE *stream = fopen(path, "r+b");
    assert_non_null(stream);
    assert_int_equal(fseek(stream, place, SEEK_SET), 0);
    assert_int_equal(fputc(value, stream), value);
    assert_int_equal(fclose(stream), 0);
}

long file_length(const char *path) {
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    assert_int_equal(fseek(stream, 0, SEEK_END), 0);
    long size = ftell(stream);
    fclose(stream);
    return size;
}
