#include "data/png.h"

#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"

/* A file being read, or written. libpng ends what it cannot do with a jump to where it was called: functions that it
 * may leave this way hold nothing of their own; what must be freed stands here. */
typedef struct {
    const char *path;
    FILE *stream;
    uint64_t read; /* bytes */
    png_structp png;
    png_infop info;
    png_bytepp rows;
    png_bytep bytes; /* the picture, where it cannot be read straight to its place */
    ps_picture_header header;
    int stored_h, stored_w;
    bool in_pixels;
    char reason[200];
} png_file;

static void on_error(png_structp png, png_const_charp text) {
    png_file *file = png_get_error_ptr(png);
    snprintf(file->reason, sizeof file->reason, "%s", text);
    png_longjmp(png, 1);
}

/* Of chunks that say nothing about pixels or labels. */
static void on_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

static void read_bytes(png_structp png, png_bytep bytes, size_t size) {
    png_file *file = png_get_io_ptr(png);
    size_t got = fread(bytes, 1, size, file->stream);
    file->read += got;
    if (got < size) png_error(png, ferror(file->stream) ? strerror(errno) : "the file ends there");
}

/* The sentence of what libpng has jumped back for. */
static ps_status fail(const png_file *file) {
    if (strcmp(file->reason, "Out of memory") == 0 || strcmp(file->reason, "out of memory") == 0)
        return ps_fail(PS_ERR_MEMORY, "%s: no memory to read it; make more available", file->path);
    return ps_fail(PS_ERR_INPUT, "%s: is a damaged PNG file, in its %s before byte %llu (%s); fetch the file again",
                   file->path, file->in_pixels ? "pixels" : "header", (unsigned long long)file->read, file->reason);
}

static void close_file(png_file *file) {
    png_destroy_read_struct(&file->png, &file->info, NULL);
    ps_free(file->rows);
    ps_free(file->bytes);
    if (file->stream != NULL) fclose(file->stream);
}

/* ---- header ---- */

/* Texts, colour profiles and the like may be large when they are unpacked, and are not wanted. */
static void leave_aside(png_structp png) {
    static const png_byte names[] = "iCCP\0iTXt\0tEXt\0zTXt\0sPLT\0hIST\0pCAL\0sCAL\0tIME";
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, names, (int)(sizeof names / 5));
}

static void fill_header(png_file *file) {
    png_bytep exif = NULL;
    png_uint_32 size = 0;
    file->stored_h = (int)png_get_image_height(file->png, file->info);
    file->stored_w = (int)png_get_image_width(file->png, file->info);
    file->header.channels = png_get_channels(file->png, file->info);
    file->header.bits = png_get_bit_depth(file->png, file->info);
    file->header.orientation = 1;
#ifdef PNG_eXIf_SUPPORTED
    if (png_get_eXIf_1(file->png, file->info, &size, &exif) != 0 && exif != NULL)
        file->header.orientation = ps_exif_orientation(exif, size);
#endif
    bool turned = ps_picture_is_turned(file->header.orientation);
    file->header.h = turned ? file->stored_w : file->stored_h;
    file->header.w = turned ? file->stored_h : file->stored_w;
}

static ps_status read_header(png_file *file) {
    if (setjmp(png_jmpbuf(file->png)) != 0) return fail(file);
    leave_aside(file->png);
    png_set_user_limits(file->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* the sides are checked with a sentence */
    png_set_read_fn(file->png, file, read_bytes);
    png_read_info(file->png, file->info);
    return PS_OK;
}

/* A deflated byte gives at most 1032 (zlib's documentation). */
static ps_status check_header(png_file *file) {
    enum { DEFLATE_MOST = 1032 };
    uint64_t size, h = png_get_image_height(file->png, file->info), w = png_get_image_width(file->png, file->info);
    PS_TRY(ps_file_size(file->path, &size));
    uint64_t row = (w * png_get_channels(file->png, file->info) * png_get_bit_depth(file->png, file->info) + 7) / 8;
    PS_TRY(ps_picture_check_claim(file->path, h, w, h * row, size * DEFLATE_MOST));
    fill_header(file);
    return PS_OK;
}

static ps_status open_file(const char *path, png_file *file) {
    *file = (png_file){.path = path};
    file->stream = fopen(path, "rb");
    if (file->stream == NULL) return ps_fail(PS_ERR_IO, "%s: %s; check the path", path, strerror(errno));
    file->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, file, on_error, on_warning);
    if (file->png != NULL) file->info = png_create_info_struct(file->png);
    if (file->info == NULL) return ps_fail(PS_ERR_MEMORY, "%s: no memory to read it; make more available", path);
    PS_TRY(read_header(file));
    return check_header(file);
}

ps_status ps_png_read_header(const char *path, ps_picture_header *out) {
    png_file file;
    ps_status status = open_file(path, &file);
    *out = file.header;
    close_file(&file);
    return status;
}

/* ---- pixels ---- */

typedef void transform(png_structp png);

/* 16 bits to their upper 8, as Pillow does. */
static void to_rgb(png_structp png) {
    png_set_strip_16(png);
    png_set_palette_to_rgb(png);
    png_set_expand_gray_1_2_4_to_8(png);
    png_set_gray_to_rgb(png);
    png_set_strip_alpha(png);
}

/* A byte or two for each pixel; the value stays what it is. */
static void to_numbers(png_structp png) {
    png_set_packing(png);
    png_set_strip_alpha(png);
}

static size_t start_pixels(png_file *file, transform *wanted) {
    if (setjmp(png_jmpbuf(file->png)) != 0) return 0;
    wanted(file->png);
    png_set_interlace_handling(file->png);
    png_read_update_info(file->png, file->info);
    return png_get_rowbytes(file->png, file->info);
}

static ps_status read_rows(png_file *file) {
    if (setjmp(png_jmpbuf(file->png)) != 0) return fail(file);
    png_read_image(file->png, file->rows);
    png_read_end(file->png, NULL);
    return PS_OK;
}

/* Reads into `pixel` where the picture lies in the file as it is to be seen, else beside it. cell: bytes of a pixel. */
static ps_status read_pixels(png_file *file, transform *wanted, size_t cell, uint8_t *pixel) {
    size_t rows = (size_t)file->stored_h, row = (size_t)file->stored_w * cell;
    bool as_stored = file->header.orientation == 1;
    file->in_pixels = true;
    size_t got = start_pixels(file, wanted);
    if (got == 0) return fail(file);
    if (got != row)
        return ps_fail(PS_ERR_INTERNAL, "%s: its rows have %zu bytes, but were to have %zu", file->path, got, row);
    PS_TRY(PS_ALLOC(rows, &file->rows, "picture"));
    if (!as_stored) PS_TRY(PS_ALLOC(rows * row, &file->bytes, "picture"));
    for (size_t y = 0; y < rows; y++) file->rows[y] = (as_stored ? pixel : file->bytes) + y * row;
    PS_TRY(read_rows(file));
    ps_picture_way way = ps_picture_way_of(file->header.orientation, file->stored_h, file->stored_w);
    for (int y = 0; !as_stored && y < file->stored_h; y++)
        for (int x = 0; x < file->stored_w; x++)
            memcpy(pixel + (size_t)(way.start + y * way.down + x * way.right) * cell, file->rows[y] + (size_t)x * cell,
                   cell);
    return PS_OK;
}

static ps_status read_rgb(png_file *file, int h, int w, uint8_t *pixel) {
    PS_TRY(ps_picture_check_size(file->path, &file->header, h, w));
    return read_pixels(file, to_rgb, PS_PICTURE_RGB, pixel);
}

ps_status ps_png_read_rgb(const char *path, int h, int w, uint8_t *pixel) {
    png_file file;
    ps_status status = open_file(path, &file);
    if (status == PS_OK) status = read_rgb(&file, h, w, pixel);
    close_file(&file);
    return status;
}

/* ---- label maps ---- */

/* In place, from the last to the first: a number never lies behind the byte that it is made of. */
static void widen(uint16_t *value, size_t count) {
    const uint8_t *byte = (const uint8_t *)value;
    for (size_t i = count; i-- > 0;) value[i] = byte[i];
}

static void join_bytes(uint16_t *value, size_t count) {
    const uint8_t *byte = (const uint8_t *)value;
    for (size_t i = 0; i < count; i++) value[i] = (uint16_t)(byte[2 * i] << 8 | byte[2 * i + 1]);
}

static ps_status read_labels(png_file *file, int h, int w, uint16_t *value) {
    size_t count = (size_t)h * (size_t)w;
    bool wide = file->header.bits == 16;
    PS_TRY(ps_picture_check_size(file->path, &file->header, h, w));
    if (file->header.channels > 2)
        return ps_fail(PS_ERR_INPUT,
                       "%s: is a colour picture, but a label map has one number a pixel, as grey or as an index into a "
                       "palette; convert it",
                       file->path);
    PS_TRY(read_pixels(file, to_numbers, wide ? 2 : 1, (uint8_t *)value));
    if (wide) join_bytes(value, count);
    else widen(value, count);
    return PS_OK;
}

ps_status ps_png_read_labels(const char *path, int h, int w, uint16_t *value) {
    png_file file;
    ps_status status = open_file(path, &file);
    if (status == PS_OK) status = read_labels(&file, h, w, value);
    close_file(&file);
    return status;
}

/* ---- writing ---- */

void ps_png_voc_colour(int class_index, uint8_t rgb[3]) {
    rgb[0] = rgb[1] = rgb[2] = 0;
    for (int bit = 0; bit < 8; bit++) rgb[bit % 3] |= (uint8_t)((class_index >> bit & 1) << (7 - bit / 3));
}

enum { RGBA = 4 };

typedef struct {
    const char *path;
    FILE *stream;
    png_structp png;
    png_infop info;
    const int16_t *label; /* [h][w], of a palette picture; else NULL, and pixel [h][w][RGBA] */
    const uint8_t *pixel;
    png_color palette[PS_PNG_PALETTE];
    png_bytep row; /* one */
    char reason[200];
} png_output;

static void on_write_error(png_structp png, png_const_charp text) {
    png_output *out = png_get_error_ptr(png);
    snprintf(out->reason, sizeof out->reason, "%s", text);
    png_longjmp(png, 1);
}

/* Whoever commits the file sees the stream's error. */
static void write_bytes(png_structp png, png_bytep bytes, size_t size) {
    png_output *out = png_get_io_ptr(png);
    fwrite(bytes, 1, size, out->stream);
}

static void flush_nothing(png_structp png) { (void)png; }

static void fill_row(png_bytep row, const int16_t *label, int w) {
    for (int x = 0; x < w; x++) row[x] = (png_byte)(label[x] < 0 ? PS_PNG_IGNORED : label[x]);
}

static void write_rows(png_output *out, int h, int w) {
    for (int y = 0; y < h; y++) {
        size_t first = (size_t)y * (size_t)w;
        if (out->label != NULL) fill_row(out->row, out->label + first, w);
        else memcpy(out->row, out->pixel + RGBA * first, RGBA * (size_t)w);
        png_write_row(out->png, out->row);
    }
}

static ps_status write_picture(png_output *out, int h, int w) {
    if (setjmp(png_jmpbuf(out->png)) != 0)
        return ps_fail(PS_ERR_MEMORY, "%s: could not be written (%s); make more memory available", out->path,
                       out->reason);
    png_set_write_fn(out->png, out, write_bytes, flush_nothing);
    png_set_IHDR(out->png, out->info, (png_uint_32)w, (png_uint_32)h, 8,
                 out->label != NULL ? PNG_COLOR_TYPE_PALETTE : PNG_COLOR_TYPE_RGB_ALPHA, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (out->label != NULL) png_set_PLTE(out->png, out->info, out->palette, PS_PNG_PALETTE);
    png_write_info(out->png, out->info);
    write_rows(out, h, w);
    png_write_end(out->png, NULL);
    return PS_OK;
}

static ps_status check_sides(const char *path, int h, int w) {
    if (h >= 1 && w >= 1 && h <= PS_PICTURE_SIDE_MOST && w <= PS_PICTURE_SIDE_MOST) return PS_OK;
    return ps_fail(PS_ERR_INTERNAL, "%s: a picture of %d x %d cannot be written as PNG", path, h, w);
}

static ps_status check_labels(const char *path, int h, int w, const int16_t *label) {
    PS_TRY(check_sides(path, h, w));
    for (size_t i = 0; i < (size_t)h * (size_t)w; i++)
        if (label[i] < -1 || label[i] >= PS_PNG_IGNORED)
            return ps_fail(PS_ERR_INTERNAL, "%s: class %d cannot be written as a palette picture of 0 to %d", path,
                           label[i], PS_PNG_IGNORED - 1);
    return PS_OK;
}

static ps_status write_through(png_output *out, int h, int w) {
    out->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, out, on_write_error, on_warning);
    if (out->png != NULL) out->info = png_create_info_struct(out->png);
    if (out->info == NULL) return ps_fail(PS_ERR_MEMORY, "%s: no memory to write it; make more available", out->path);
    PS_TRY(PS_ALLOC(RGBA * (size_t)w, &out->row, "picture"));
    return write_picture(out, h, w);
}

static ps_status write_file(png_output *out, int h, int w) {
    ps_file_writer writer;
    PS_TRY(ps_file_writer_open(&writer, out->path));
    out->stream = writer.stream;
    ps_status status = write_through(out, h, w);
    png_destroy_write_struct(&out->png, &out->info);
    ps_free(out->row);
    if (status == PS_OK) return ps_file_writer_commit(&writer);
    ps_file_writer_discard(&writer);
    return status;
}

ps_status ps_png_write_labels(const char *path, int h, int w, const int16_t *label, const uint8_t (*palette)[3]) {
    png_output out = {.path = path, .label = label};
    PS_TRY(check_labels(path, h, w, label));
    for (int i = 0; i < PS_PNG_PALETTE; i++) {
        uint8_t rgb[3];
        ps_png_voc_colour(i, rgb);
        if (palette != NULL) memcpy(rgb, palette[i], sizeof rgb);
        out.palette[i] = (png_color){rgb[0], rgb[1], rgb[2]};
    }
    return write_file(&out, h, w);
}

ps_status ps_png_write_rgba(const char *path, int h, int w, const uint8_t *pixel) {
    png_output out = {.path = path, .pixel = pixel};
    PS_TRY(check_sides(path, h, w));
    return write_file(&out, h, w);
}
