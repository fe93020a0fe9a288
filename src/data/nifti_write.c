/* Label maps in the geometry of a file that was read (nifti.h). */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "data/nifti_file.h"

enum { HEADER_ONE = 348, HEADER_TWO = 540, EXTENSION_FLAG = 4 };

static const char description[] = "label map of poolscope";

static bool fits_bytes(const int16_t *label, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (label[i] < 0 || label[i] > 255) return false;
    return true;
}

/* What both versions call by the same names. */
#define SET_HEADER(h, bytes, length)                           \
    do {                                                       \
        (h)->sizeof_hdr = (length);                            \
        (h)->datatype = (bytes) == 1 ? DT_UINT8 : DT_INT16;    \
        (h)->bitpix = (short)(8 * (bytes));                    \
        if ((h)->dim[0] > 3) (h)->dim[0] = 3;                  \
        for (int i = 4; i < 8; i++) (h)->dim[i] = 1;           \
        (h)->vox_offset = (length) + EXTENSION_FLAG;           \
        (h)->scl_slope = 1, (h)->scl_inter = 0;                \
        (h)->cal_max = (h)->cal_min = 0;                       \
        (h)->intent_code = 0;                                  \
        memset((h)->intent_name, 0, sizeof(h)->intent_name);   \
        memset((h)->descrip, 0, sizeof(h)->descrip);           \
        memcpy((h)->descrip, description, sizeof description); \
    } while (0)

static ps_status write_bytes(gzFile stream, const char *path, const void *bytes, size_t size) {
    if (gzwrite(stream, bytes, (unsigned)size) == (int)size) return PS_OK;
    return ps_fail(PS_ERR_IO, "%s: could not be written (%s); %s", path, strerror(errno), ps_file_remedy(errno));
}

static ps_status write_header(ps_nifti_file *like, gzFile stream, const char *path, int bytes) {
    const char flag[EXTENSION_FLAG] = {0};
    bool second = like->header.version == 2;
    if (second) SET_HEADER(&like->two, bytes, HEADER_TWO);
    else SET_HEADER(&like->one, bytes, HEADER_ONE);
    PS_TRY(write_bytes(stream, path, second ? (const void *)&like->two : &like->one, second ? HEADER_TWO : HEADER_ONE));
    return write_bytes(stream, path, flag, sizeof flag);
}

static ps_status write_rows(const ps_nifti *header, const int16_t *label, gzFile stream, const char *path, int bytes) {
    ps_nifti_walk walk = ps_nifti_walk_of(header);
    size_t count = (size_t)walk.count[0];
    uint8_t *narrow = NULL;
    int16_t *wide = NULL;
    ps_status status = PS_ALLOC(count, &narrow, "a row of labels");
    if (status == PS_OK) status = PS_ALLOC(count, &wide, "a row of labels");
    for (int z = 0; status == PS_OK && z < walk.count[2]; z++) {
        for (int y = 0; status == PS_OK && y < walk.count[1]; y++) {
            const int16_t *from = label + walk.start + y * walk.step[1] + z * walk.step[2];
            for (int x = 0; x < walk.count[0]; x++) {
                wide[x] = from[x * walk.step[0]];
                narrow[x] = (uint8_t)wide[x];
            }
            const void *row = bytes == 1 ? (const void *)narrow : wide;
            status = write_bytes(stream, path, row, count * (size_t)bytes);
        }
    }
    ps_free(narrow);
    ps_free(wide);
    return status;
}

static ps_status write_all(ps_nifti_file *like, const int16_t *label, gzFile stream, const char *path) {
    int bytes = fits_bytes(label, ps_shape_positions(like->header.shape)) ? 1 : 2;
    PS_TRY(write_header(like, stream, path, bytes));
    return write_rows(&like->header, label, stream, path, bytes);
}

/* zlib writes to the same open file as the writer, which puts it in its place. */
static ps_status write_file(ps_nifti_file *like, const int16_t *label, const char *path) {
    size_t length = strlen(path);
    bool compress = length > 3 && strcmp(path + length - 3, ".gz") == 0;
    ps_file_writer writer;
    PS_TRY(ps_file_writer_open(&writer, path));
    int handle = dup(fileno(writer.stream));
    gzFile stream = handle < 0 ? NULL : gzdopen(handle, compress ? "wb6" : "wbT");
    ps_status status = PS_OK;
    if (stream == NULL) {
        if (handle >= 0) close(handle);
        status = ps_fail(PS_ERR_IO, "%s: could not be written (%s)", path, strerror(errno));
    } else {
        status = write_all(like, label, stream, path);
        if (gzclose(stream) != Z_OK && status == PS_OK)
            status =
                ps_fail(PS_ERR_IO, "%s: could not be written (%s); %s", path, strerror(errno), ps_file_remedy(errno));
    }
    if (status == PS_OK) return ps_file_writer_commit(&writer);
    ps_file_writer_discard(&writer);
    return status;
}

ps_status ps_nifti_write_like(const char *input, const int16_t *label, const char *path) {
    ps_nifti_file like;
    ps_status status = ps_nifti_file_open(input, &like);
    if (status == PS_OK) status = write_file(&like, label, path);
    ps_nifti_file_close(&like);
    return status;
}

ps_status ps_nifti_write_plain(ps_shape shape, const double mm[3], const int16_t *label, const char *path) {
    const int side[3] = {shape.w, shape.h, shape.d};
    ps_nifti_file plain = {.header = {.version = 1, .shape = shape, .axis = {0, 1, 2}}};
    nifti_1_header *h = &plain.one;
    plain.header.shape.n = plain.header.shape.c = 1;
    h->dim[0] = 3;
    h->pixdim[0] = 1;
    float *rows[3] = {h->srow_x, h->srow_y, h->srow_z};
    for (int k = 0; k < 3; k++) {
        h->dim[k + 1] = (short)side[k];
        h->pixdim[k + 1] = rows[k][k] = (float)mm[2 - k];
    }
    h->sform_code = NIFTI_XFORM_SCANNER_ANAT;
    h->xyzt_units = NIFTI_UNITS_MM;
    memcpy(h->magic, "n+1", 4);
    return write_file(&plain, label, path);
}
