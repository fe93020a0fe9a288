/* PNG and JPEG files: what is in them, whatever their kind, and one sentence each for what cannot be read. Pillow's
 * word on exotic ones is heard in tests/cli/images_test.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/memory.h"
#include "data/picture.h"
#include "data/png.h"
#include "tests/lib/folder.h"
#include "tests/lib/pictures.h"

enum { H = 5, W = 7, PATH_SIZE = 256 };

static char path[PATH_SIZE];

static const char *in_folder(const char *name) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void refused(ps_status status, ps_status expected, const char *first, const char *second) {
    assert_int_equal(status, expected);
    assert_non_null(strstr(ps_status_message(), first));
    assert_non_null(strstr(ps_status_message(), second));
    assert_true(strstr(ps_status_message(), path) == ps_status_message());
    assert_non_null(strchr(ps_status_message(), ';')); /* and what to do */
}

static uint8_t value_at(int y, int x, int c) { return (uint8_t)(y * 40 + x * 9 + c * 3); }

/* ---- PNG ---- */

static void check_rgb(int h, int w, int channels, int step, int shift) {
    ps_picture_header header;
    uint8_t rgb[H * W * 3];
    held(ps_picture_read_header(path, &header));
    assert_int_equal(header.h, h);
    assert_int_equal(header.w, w);
    held(ps_picture_read_rgb(path, h, w, rgb));
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++)
                assert_int_equal(rgb[(y * w + x) * 3 + c], (value_at(y, x, channels == 3 ? c : 0) >> shift) * step);
}

static void colour_and_grey_of_8_and_16_bits(void **state) {
    (void)state;
    for (int variant = 0; variant < 16; variant++) {
        png_kind kind = {.h = H,
                         .w = W,
                         .bits = variant & 1 ? 16 : 8,
                         .colour = variant & 2,
                         .alpha = variant & 4,
                         .interlaced = variant & 8};
        uint8_t bytes[H * W * 8], *to = bytes;
        int colours = kind.colour ? 3 : 1;
        for (int y = 0; y < H; y++) {
            for (int x = 0; x < W; x++) {
                for (int c = 0; c < colours + kind.alpha; c++) {
                    *to++ = c < colours ? value_at(y, x, c) : (uint8_t)(x * 30); /* alpha, which is dropped */
                    if (kind.bits == 16) *to++ = 0xFF;                           /* as are the lower 8 bits */
                }
            }
        }
        write_png(in_folder("a.png"), &kind, bytes);
        check_rgb(H, W, colours, 1, 0);
    }
}

static void palettes_and_few_bits(void **state) {
    (void)state;
    for (int bits = 1; bits <= 8; bits *= 2) {
        for (int variant = 0; variant < 4; variant++) {
            png_kind kind = {.h = H, .w = W, .bits = bits, .palette = variant & 1, .interlaced = variant & 2};
            uint8_t bytes[H * W] = {0}, rgb[H * W * 3];
            uint16_t number[H * W];
            size_t row = (size_t)(W * bits + 7) / 8;
            for (int y = 0; y < H; y++)
                for (int x = 0; x < W; x++)
                    bytes[(size_t)y * row + (size_t)(x * bits / 8)] |=
                        (uint8_t)(value_at(y, x, 0) >> (8 - bits) << (8 - bits - x * bits % 8));
            write_png(in_folder("few.png"), &kind, bytes);
            held(ps_png_read_labels(path, H, W, number));
            held(ps_picture_read_rgb(path, H, W, rgb));
            for (int i = 0; i < H * W; i++) {
                int index = value_at(i / W, i % W, 0) >> (8 - bits);
                assert_int_equal(number[i], index);
                assert_int_equal(rgb[3 * i], kind.palette ? index : index * 255 / ((1 << bits) - 1));
                if (kind.palette) assert_int_equal(rgb[3 * i + 1], 255 - index);
            }
        }
    }
}

static void label_maps_of_16_bits_keep_them(void **state) {
    (void)state;
    png_kind kind = {.h = 2, .w = 3, .bits = 16, .interlaced = true};
    const uint8_t bytes[] = {0, 1, 1, 0, 0xFF, 0xFE, 0, 0, 0x12, 0x34, 0, 255};
    const uint16_t expected[] = {1, 256, 0xFFFE, 0, 0x1234, 255};
    uint16_t number[6];
    write_png(in_folder("wide.png"), &kind, bytes);
    held(ps_png_read_labels(path, 2, 3, number));
    assert_memory_equal(number, expected, sizeof number);
}

static void colour_is_no_label_map(void **state) {
    (void)state;
    png_kind kind = {.h = 2, .w = 2, .colour = true};
    uint8_t bytes[12] = {0};
    uint16_t number[4];
    write_png(in_folder("colour.png"), &kind, bytes);
    refused(ps_png_read_labels(path, 2, 2, number), PS_ERR_INPUT, "colour picture", "convert it");
}

/* ---- orientation ---- */

/* Where a pixel of the picture as seen lies in the stored one, for each orientation of Exif. */
static void stored_place(int orientation, int h, int w, int y, int x, int *row, int *column) {
    bool turned = orientation >= 5;
    *row = turned ? x : y;
    *column = turned ? y : x;
    if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7) *row = h - 1 - *row;
    if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8) *column = w - 1 - *column;
}

static void pictures_are_turned_as_exif_says(void **state) {
    (void)state;
    uint8_t bytes[H * W];
    for (int i = 0; i < H * W; i++) bytes[i] = (uint8_t)(7 * i);
    for (int orientation = 1; orientation <= 8; orientation++) {
        png_kind kind = {.h = H, .w = W, .orientation = orientation};
        int h = orientation >= 5 ? W : H, w = orientation >= 5 ? H : W;
        ps_picture_header header;
        uint8_t rgb[H * W * 3];
        write_png(in_folder("turned.png"), &kind, bytes);
        held(ps_picture_read_header(path, &header));
        assert_int_equal(header.orientation, orientation);
        assert_int_equal(header.h, h);
        assert_int_equal(header.w, w);
        held(ps_picture_read_rgb(path, h, w, rgb));
        for (int y = 0; y < h; y++) {
            for (int x = 0; x < w; x++) {
                int row, column;
                stored_place(orientation, H, W, y, x, &row, &column);
                assert_int_equal(rgb[(y * w + x) * 3], bytes[row * W + column]);
            }
        }
    }
}

/* A picture of two flat halves, left black and right white: where the halves are says how it was turned. */
static void jpeg_pictures_are_turned_too(void **state) {
    (void)state;
    enum { HIGH = 16, WIDE = 32 };
    static uint8_t bytes[HIGH * WIDE * 3], rgb[HIGH * WIDE * 3];
    for (int i = 0; i < HIGH * WIDE * 3; i++) bytes[i] = i / 3 % WIDE < WIDE / 2 ? 0 : 255;
    for (int orientation = 1; orientation <= 8; orientation++) {
        jpeg_kind kind = {.h = HIGH, .w = WIDE, .channels = 3, .orientation = orientation};
        int h = orientation >= 5 ? WIDE : HIGH, w = orientation >= 5 ? HIGH : WIDE;
        ps_picture_header header;
        write_jpeg(in_folder("turned.jpg"), &kind, bytes);
        held(ps_picture_read_header(path, &header));
        assert_int_equal(header.h, h);
        assert_int_equal(header.w, w);
        held(ps_picture_read_rgb(path, h, w, rgb));
        for (int y = 0; y < h; y++) {
            for (int x = 0; x < w; x++) {
                int row, column;
                stored_place(orientation, HIGH, WIDE, y, x, &row, &column);
                assert_int_equal(rgb[(y * w + x) * 3] > 127, column >= WIDE / 2);
            }
        }
    }
}

static void exif_of_any_bytes_is_read_within_its_bounds(void **state) {
    (void)state;
    uint8_t block[26] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6};
    assert_int_equal(ps_exif_orientation(block, sizeof block), 6);
    for (size_t size = 0; size < 20; size++) {
        uint8_t *copy = malloc(size + 1); /* valgrind and the sanitizers watch its end */
        memcpy(copy, block, size);
        assert_int_equal(ps_exif_orientation(copy, size), 1);
        free(copy);
    }
    block[19] = 9; /* there is none such */
    assert_int_equal(ps_exif_orientation(block, sizeof block), 1);
    memset(block + 4, 0xFF, 4); /* far away */
    assert_int_equal(ps_exif_orientation(block, sizeof block), 1);
}

/* ---- JPEG ---- */

static void fill_smooth(uint8_t *bytes, int h, int w, int channels) {
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < channels; c++) *bytes++ = (uint8_t)(60 + 2 * y + (c + 1) * x);
}

static void near(int a, int b) {
    if (abs(a - b) > 6) fail_msg("%d is not near %d", a, b);
}

static void jpeg_of_all_kinds(void **state) {
    (void)state;
    enum { SIDE = 24 };
    static uint8_t bytes[SIDE * SIDE * 4], rgb[SIDE * SIDE * 3];
    const int channels[] = {1, 3, 4, 4};
    for (int variant = 0; variant < 8; variant++) {
        int c = channels[variant / 2];
        jpeg_kind kind = {
            .h = SIDE, .w = SIDE, .channels = c, .progressive = variant & 1, .ycck = variant >= 6, .quality = 100};
        fill_smooth(bytes, SIDE, SIDE, c);
        write_jpeg(in_folder("a.jpg"), &kind, bytes);
        held(ps_picture_read_rgb(path, SIDE, SIDE, rgb));
        for (int i = 0; i < SIDE * SIDE; i++) {
            const uint8_t *p = bytes + i * c;
            for (int k = 0; k < 3; k++) near(rgb[3 * i + k], c == 4 ? p[k] * p[3] / 255 : p[c == 3 ? k : 0]);
        }
    }
}

/* ---- what cannot be read ---- */

static void every_cut_of_a_png_is_refused(void **state) {
    (void)state;
    uint8_t bytes[H * W], rgb[H * W * 3];
    png_kind kind = {.h = H, .w = W};
    memset(bytes, 77, sizeof bytes);
    write_png(in_folder("whole.png"), &kind, bytes);
    for (long size = file_length(path) - 1; size > 0; size--) {
        cut_file(path, size);
        refused(ps_picture_read_rgb(path, H, W, rgb), PS_ERR_INPUT, "damaged PNG file", "the file ends there");
    }
    cut_file(path, 0);
    refused(ps_picture_read_rgb(path, H, W, rgb), PS_ERR_INPUT, "is empty", "PNG or JPEG");
}

static void every_damaged_pixel_byte_of_a_png_is_refused(void **state) {
    (void)state;
    enum { PIXELS_BEGIN = 8 + 25 + 8 };
    uint8_t bytes[H * W], rgb[H * W * 3];
    png_kind kind = {.h = H, .w = W};
    for (int i = 0; i < H * W; i++) bytes[i] = (uint8_t)(i * 31);
    write_png(in_folder("whole.png"), &kind, bytes);
    long size = file_length(path);
    for (long place = PIXELS_BEGIN; place < size - 16; place++) { /* data, and their checksum */
        write_png(path, &kind, bytes);
        set_byte(path, place, 0x5A);
        if (ps_picture_read_rgb(path, H, W, rgb) != PS_OK) assert_non_null(strstr(ps_status_message(), path));
        else assert_int_equal(rgb[3 * (H * W - 1)], bytes[H * W - 1]); /* it was 5A before */
    }
}

/* The last two bytes of a JPEG file mark its end. */
static void cuts_of_a_jpeg_are_refused_and_not_shown_in_grey(void **state) {
    (void)state;
    enum { SIDE = 32 };
    static uint8_t bytes[SIDE * SIDE * 3], rgb[SIDE * SIDE * 3];
    for (int progressive = 0; progressive < 2; progressive++) {
        jpeg_kind kind = {.h = SIDE, .w = SIDE, .channels = 3, .progressive = progressive};
        for (int i = 0; i < SIDE * SIDE * 3; i++) bytes[i] = (uint8_t)(i * 67 % 251);
        write_jpeg(in_folder("whole.jpg"), &kind, bytes);
        for (long size = file_length(path) - 6; size > 2; size -= 1 + size / 40) {
            cut_file(path, size);
            refused(ps_picture_read_rgb(path, SIDE, SIDE, rgb), PS_ERR_INPUT, "damaged JPEG", "fetch");
        }
    }
}

static void put_sides(uint8_t *bytes, uint32_t w, uint32_t h) {
    for (int i = 0; i < 4; i++) bytes[i] = (uint8_t)(w >> (24 - 8 * i)), bytes[4 + i] = (uint8_t)(h >> (24 - 8 * i));
}

static uint32_t crc_of(const uint8_t *bytes, size_t size) {
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
    }
    return ~crc;
}

/* A header with a checksum that holds, of a picture that the file cannot hold. */
static void claim_in_png(uint32_t w, uint32_t h) {
    uint8_t chunk[17] = {'I', 'H', 'D', 'R'};
    write_flat_png(in_folder("claim.png"), 4, 4, 9);
    put_sides(chunk + 4, w, h);
    chunk[12] = 8;
    uint32_t crc = crc_of(chunk, sizeof chunk);
    for (long i = 0; i < 17; i++) set_byte(path, 12 + i, chunk[i]);
    for (int i = 0; i < 4; i++) set_byte(path, 29 + i, (uint8_t)(crc >> (24 - 8 * i)));
}

static void claims_are_held_against_the_file(void **state) {
    (void)state;
    ps_picture_header header;
    claim_in_png(4, 4);
    held(ps_picture_read_header(path, &header));
    claim_in_png(10000, 10000);
    refused(ps_picture_read_header(path, &header), PS_ERR_INPUT, "10000 x 10000", "cannot hold");
    claim_in_png(65535, 65535);
    refused(ps_picture_read_header(path, &header), PS_ERR_INPUT, "65535 x 65535", "at most");
    claim_in_png(0x7FFFFFFF, 0x7FFFFFFF);
    refused(ps_picture_read_header(path, &header), PS_ERR_INPUT, "2147483647 x 2147483647", "sides");
    jpeg_kind kind = {.h = 8, .w = 8, .channels = 1};
    uint8_t bytes[64] = {0};
    write_jpeg(in_folder("claim.jpg"), &kind, bytes);
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    long at = 0;
    for (int last = 0, byte; (byte = fgetc(stream)) != EOF && !(last == 0xFF && byte == 0xC0); last = byte) {
    }
    at = ftell(stream); /* behind the marker: length, depth, sides */
    fclose(stream);
    for (long i = 3; i < 7; i++) set_byte(path, at + i, 0x27);
    refused(ps_picture_read_header(path, &header), PS_ERR_INPUT, "10023 x 10023", "cannot hold");
    size_t peak = ps_memory_peak_bytes();
    assert_true(peak < 512u << 20);
}

static void other_files_are_named(void **state) {
    (void)state;
    ps_picture_header header;
    uint8_t rgb[64 * 3];
    FILE *stream = fopen(in_folder("text.png"), "wb");
    assert_non_null(stream);
    fputs("BM no picture", stream);
    fclose(stream);
    refused(ps_picture_read_header(path, &header), PS_ERR_INPUT, "42 4d 20 6e", "convert");
    in_folder("none.png");
    refused(ps_picture_read_header(path, &header), PS_ERR_IO, "No such file", "check");
    snprintf(path, sizeof path, "%s", folder);
    refused(ps_picture_read_header(path, &header), PS_ERR_INPUT, "not a regular file", "give");
    write_flat_png(in_folder("grown.png"), 8, 8, 1);
    refused(ps_picture_read_rgb(path, 8, 7, rgb), PS_ERR_INPUT, "is 8 x 8", "was 8 x 7");
}

/* ---- writing ---- */

static void labels_are_written_and_read_back(void **state) {
    (void)state;
    int16_t label[H * W];
    uint16_t number[H * W];
    uint8_t rgb[H * W * 3], palette[256][3] = {{0}};
    for (int i = 0; i < H * W; i++) label[i] = (int16_t)(i * 11 % 256 - 1);
    held(ps_png_write_labels(in_folder("map.png"), H, W, label, NULL));
    held(ps_png_read_labels(path, H, W, number));
    held(ps_png_read_rgb(path, H, W, rgb));
    for (int i = 0; i < H * W; i++) {
        uint8_t colour[3];
        assert_int_equal(number[i], label[i] < 0 ? 255 : label[i]);
        ps_png_voc_colour(number[i], colour);
        assert_memory_equal(rgb + 3 * i, colour, 3);
    }
    palette[label[5]][1] = 200;
    held(ps_png_write_labels(path, H, W, label, palette));
    held(ps_png_read_rgb(path, H, W, rgb));
    assert_int_equal(rgb[16], 200);
    label[0] = 255;
    assert_int_equal(ps_png_write_labels(path, H, W, label, NULL), PS_ERR_INTERNAL);
}

/* As the development kit of PASCAL VOC has them. */
static void colours_of_voc(void **state) {
    (void)state;
    const struct {
        int index;
        uint8_t rgb[3];
    } known[] = {{0, {0, 0, 0}},  {1, {128, 0, 0}},      {2, {0, 128, 0}},   {3, {128, 128, 0}},    {4, {0, 0, 128}},
                 {8, {64, 0, 0}}, {15, {192, 128, 128}}, {20, {0, 64, 128}}, {255, {224, 224, 192}}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        uint8_t rgb[3];
        ps_png_voc_colour(known[i].index, rgb);
        assert_memory_equal(rgb, known[i].rgb, 3);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(colour_and_grey_of_8_and_16_bits),
        cmocka_unit_test(palettes_and_few_bits),
        cmocka_unit_test(label_maps_of_16_bits_keep_them),
        cmocka_unit_test(colour_is_no_label_map),
        cmocka_unit_test(pictures_are_turned_as_exif_says),
        cmocka_unit_test(jpeg_pictures_are_turned_too),
        cmocka_unit_test(exif_of_any_bytes_is_read_within_its_bounds),
        cmocka_unit_test(jpeg_of_all_kinds),
        cmocka_unit_test(every_cut_of_a_png_is_refused),
        cmocka_unit_test(every_damaged_pixel_byte_of_a_png_is_refused),
        cmocka_unit_test(cuts_of_a_jpeg_are_refused_and_not_shown_in_grey),
        cmocka_unit_test(claims_are_held_against_the_file),
        cmocka_unit_test(other_files_are_named),
        cmocka_unit_test(labels_are_written_and_read_back),
        cmocka_unit_test(colours_of_voc),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
