#include "data/jpeg.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* These want stdio.h, and size_t. */
#include <jpeglib.h>
#include <jerror.h>

#include "core/file.h"

/* A file being read. libjpeg would end the program where it cannot go on; here it jumps back to where it was called.
 * Functions that it may leave this way hold nothing of their own: what must be freed stands here, or is libjpeg's. */
typedef struct {
    const char *path;
    FILE *stream;
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    ps_picture_header header;
    bool in_pixels;
    char reason[JMSG_LENGTH_MAX];
} jpeg_file;

static void on_error(j_common_ptr common) {
    jpeg_file *file = common->client_data;
    (*common->err->format_message)(common, file->reason);
    longjmp(file->back, 1);
}

/* Warnings are of damaged content, which libjpeg would make up in grey, but for these, after which all pixels are what
 * they were meant to be. */
static void on_message(j_common_ptr common, int level) {
    int code = common->err->msg_code;
    if (level >= 0 || code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM || code == JWRN_JFIF_MAJOR) return;
    on_error(common);
}

static void print_nothing(j_common_ptr common) { (void)common; }

/* A small file may have thousands of scans, each of which goes over the whole picture; no program writes so many. */
static void on_progress(j_common_ptr common) {
    enum { SCANS_MOST = 200 };
    jpeg_file *file = common->client_data;
    if (file->jpeg.input_scan_number <= SCANS_MOST) return;
    snprintf(file->reason, sizeof file->reason, "it has more than %d scans", SCANS_MOST);
    longjmp(file->back, 1);
}

/* The sentence of what libjpeg has jumped back for. */
static ps_status fail(const jpeg_file *file) {
    char place[64] = "in its header";
    if (file->errors.msg_code == JERR_OUT_OF_MEMORY)
        return ps_fail(PS_ERR_MEMORY, "%s: no memory to read it; make more available", file->path);
    if (file->in_pixels)
        snprintf(place, sizeof place, "at row %u of %u", file->jpeg.output_scanline, file->jpeg.image_height);
    return ps_fail(PS_ERR_INPUT,
                   "%s: is a damaged JPEG file, or one of a rare kind, %s (%s); fetch the file again, or "
                   "convert it",
                   file->path, place, file->reason);
}

static void close_file(jpeg_file *file) {
    jpeg_destroy_decompress(&file->jpeg); /* frees what there is, and does not fail */
    if (file->stream != NULL) fclose(file->stream);
}

/* ---- header ---- */

static int find_orientation(const jpeg_file *file) {
    static const char name[6] = "Exif\0";
    for (jpeg_saved_marker_ptr marker = file->jpeg.marker_list; marker != NULL; marker = marker->next)
        if (marker->data_length > sizeof name && memcmp(marker->data, name, sizeof name) == 0)
            return ps_exif_orientation(marker->data + sizeof name, marker->data_length - sizeof name);
    return 1;
}

static void fill_header(jpeg_file *file) {
    int h = (int)file->jpeg.image_height, w = (int)file->jpeg.image_width, orientation = find_orientation(file);
    bool turned = ps_picture_is_turned(orientation);
    file->header = (ps_picture_header){.h = turned ? w : h,
                                       .w = turned ? h : w,
                                       .channels = file->jpeg.num_components,
                                       .bits = file->jpeg.data_precision,
                                       .orientation = orientation,
                                       .lossy = true};
}

static ps_status read_header(jpeg_file *file) {
    enum { MARKER_MOST = 0xFFFF };
    if (setjmp(file->back) != 0) return fail(file);
    jpeg_create_decompress(&file->jpeg);
    file->jpeg.client_data = file;
    file->progress.progress_monitor = on_progress;
    file->jpeg.progress = &file->progress;
    jpeg_save_markers(&file->jpeg, JPEG_APP0 + 1, MARKER_MOST);
    jpeg_stdio_src(&file->jpeg, file->stream);
    jpeg_read_header(&file->jpeg, TRUE);
    return PS_OK;
}

/* Every block of 8 x 8 pixels of the finest channel takes at least one bit, of its mean. */
static ps_status check_header(jpeg_file *file) {
    enum { PIXELS_A_BYTE = 8 * 64 };
    uint64_t size, h = file->jpeg.image_height, w = file->jpeg.image_width;
    PS_TRY(ps_file_size(file->path, &size));
    PS_TRY(ps_picture_check_claim(file->path, h, w, h * w, size * PIXELS_A_BYTE));
    fill_header(file);
    return PS_OK;
}

static ps_status open_file(const char *path, jpeg_file *file) {
    memset(file, 0, sizeof *file);
    file->path = path;
    file->jpeg.err = jpeg_std_error(&file->errors);
    file->errors.error_exit = on_error;
    file->errors.emit_message = on_message;
    file->errors.output_message = print_nothing;
    file->jpeg.client_data = file;
    file->stream = fopen(path, "rb");
    if (file->stream == NULL) return ps_fail(PS_ERR_IO, "%s: %s; check the path", path, strerror(errno));
    PS_TRY(read_header(file));
    return check_header(file);
}

ps_status ps_jpeg_read_header(const char *path, ps_picture_header *out) {
    jpeg_file file;
    ps_status status = open_file(path, &file);
    *out = file.header;
    close_file(&file);
    return status;
}

/* ---- pixels ---- */

static uint8_t part_of(uint32_t value, uint32_t whole) { return (uint8_t)((value * whole + 127) / 255); }

/* Ink to light. Adobe's programs store what is left of the paper, and say so with a marker of theirs. */
static void print_inks(const JSAMPLE *ink, bool adobe, uint8_t *rgb) {
    uint32_t paper = adobe ? ink[3] : 255u - ink[3];
    for (int c = 0; c < PS_PICTURE_RGB; c++) {
        uint32_t left = adobe ? ink[c] : 255u - ink[c];
        rgb[c] = part_of(left, paper);
    }
}

static void place_row(const jpeg_file *file, const JSAMPLE *row, int y, uint8_t *pixel) {
    int h = (int)file->jpeg.image_height, w = (int)file->jpeg.image_width;
    ps_picture_way way = ps_picture_way_of(file->header.orientation, h, w);
    bool inks = file->jpeg.out_color_space == JCS_CMYK;
    for (int x = 0; x < w; x++, row += file->jpeg.output_components) {
        uint8_t *to = pixel + (way.start + y * way.down + x * way.right) * PS_PICTURE_RGB;
        if (inks) print_inks(row, file->jpeg.saw_Adobe_marker, to);
        else memcpy(to, row, PS_PICTURE_RGB);
    }
}

/* What comes after the last row is not asked for: a file whose end marker alone is missing has all its pixels. */
static ps_status read_rows(jpeg_file *file, uint8_t *pixel) {
    struct jpeg_decompress_struct *jpeg = &file->jpeg;
    file->in_pixels = true;
    if (setjmp(file->back) != 0) return fail(file);
    jpeg->out_color_space =
        jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(jpeg);
    JSAMPARRAY row = (*jpeg->mem->alloc_sarray)((j_common_ptr)jpeg, JPOOL_IMAGE,
                                                jpeg->output_width * (JDIMENSION)jpeg->output_components, 1);
    while (jpeg->output_scanline < jpeg->output_height) {
        int y = (int)jpeg->output_scanline;
        jpeg_read_scanlines(jpeg, row, 1);
        place_row(file, row[0], y, pixel);
    }
    return PS_OK;
}

static ps_status read_rgb(jpeg_file *file, int h, int w, uint8_t *pixel) {
    PS_TRY(ps_picture_check_size(file->path, &file->header, h, w));
    return read_rows(file, pixel);
}

ps_status ps_jpeg_read_rgb(const char *path, int h, int w, uint8_t *pixel) {
    jpeg_file file;
    ps_status status = open_file(path, &file);
    if (status == PS_OK) status = read_rgb(&file, h, w, pixel);
    close_file(&file);
    return status;
}
