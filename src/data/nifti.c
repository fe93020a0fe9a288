/* The header is understood by libnifti2 (byte order, types, quaternions, the orientation of an affine). Its functions
 * that open files are not used: they print, they allocate what a header claims before they look at the file, and they
 * keep what they are told in variables of the whole process. The bytes are read here by zlib, which takes .gz and plain
 * files alike; the functions of the library that are left are pure. */
#include "data/nifti.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "data/nifti_file.h"
#include "data/unpack.h"

enum {
    HEADER_ONE = 348,
    HEADER_TWO = 540,
    EXTENSION_FLAG = 4, /* bytes behind either header */
    SIDE_MOST = 65535,
    BUFFER = 1 << 17,
    DEFLATE_MOST = 1032 /* bytes that a deflated byte can give (zlib's documentation) */
};
static const double voxels_most = 2147483647.0, mm_least = 1e-4, mm_most = 1e4;

/* ---- bytes ---- */

static ps_status read_bytes(ps_nifti_file *file, void *bytes, size_t size) {
    z_off_t at = gztell(file->stream);
    int got = gzread(file->stream, bytes, (unsigned)size);
    if (got >= 0 && (size_t)got == size) return PS_OK;
    return ps_unpack_refuse(file->path, file->stream, (uint64_t)at + (got > 0 ? (uint64_t)got : 0),
                            " of what it holds");
}

static ps_status skip_bytes(ps_nifti_file *file, uint64_t count) {
    char nothing[4096];
    for (; count > 0; count -= count < sizeof nothing ? count : sizeof nothing)
        PS_TRY(read_bytes(file, nothing, count < sizeof nothing ? (size_t)count : sizeof nothing));
    return PS_OK;
}

/* How much may stand behind the voxels: some programs fill a file up. As much as the smallest face of the volume has is
 * more than that: a side is then another than the header says, and every row would be read from the wrong place. */
static uint64_t padding_most(const ps_nifti *h) {
    enum { MOST = 4096 };
    const ps_shape *s = &h->shape;
    int longest = s->d > s->h ? s->d : s->h;
    if (s->w > longest) longest = s->w;
    uint64_t face = (uint64_t)ps_shape_positions(*s) / (uint64_t)longest * (uint64_t)h->type_bytes;
    return face - 1 < MOST ? face - 1 : MOST;
}

static uint64_t bytes_wanted(const ps_nifti *h) {
    return h->offset + (uint64_t)ps_shape_elements(h->shape) * (uint64_t)h->type_bytes;
}

static ps_status refuse_rest(const ps_nifti_file *file, const ps_nifti *h) {
    return ps_fail(
        PS_ERR_INPUT,
        "%s: goes on for more than %llu bytes behind the %llu that its header calls for (%d x %d x %d voxels "
        "of %d bytes): its sides or its type are not those of its voxels; write the true ones into the "
        "header, or fetch the file again",
        file->path, (unsigned long long)padding_most(h), (unsigned long long)bytes_wanted(h), h->shape.w, h->shape.h,
        h->shape.d, h->type_bytes);
}

/* Behind the voxels: little else, and in a .gz file a trailer whose checksum holds. */
static ps_status check_end(ps_nifti_file *file, const ps_nifti *h) {
    char nothing[4096];
    uint64_t behind = 0, most = padding_most(h);
    int code, got = 1;
    while (got > 0 && behind <= most) {
        got = gzread(file->stream, nothing, sizeof nothing);
        if (got > 0) behind += (uint64_t)got;
    }
    if (behind > most) return refuse_rest(file, h);
    gzerror(file->stream, &code);
    return got < 0 || code != Z_OK ? ps_unpack_refuse_end(file->path, file->stream) : PS_OK;
}

/* ---- the header as it stands ---- */

static void take_first_version(const nifti_1_header *one, nifti_2_header *two) {
    two->datatype = one->datatype;
    for (int i = 0; i < 8; i++) two->dim[i] = one->dim[i], two->pixdim[i] = one->pixdim[i];
    two->scl_slope = one->scl_slope, two->scl_inter = one->scl_inter;
    two->qform_code = one->qform_code, two->sform_code = one->sform_code;
    two->qoffset_x = one->qoffset_x, two->qoffset_y = one->qoffset_y, two->qoffset_z = one->qoffset_z;
    two->quatern_b = one->quatern_b, two->quatern_c = one->quatern_c, two->quatern_d = one->quatern_d;
    for (int i = 0; i < 4; i++)
        two->srow_x[i] = one->srow_x[i], two->srow_y[i] = one->srow_y[i], two->srow_z[i] = one->srow_z[i];
    two->xyzt_units = one->xyzt_units;
    /* A float of any value: what is no offset becomes one that no file has. */
    bool possible = one->vox_offset >= 0 && one->vox_offset < 2e9f;
    two->vox_offset = possible ? (int64_t)one->vox_offset : -1;
}

static ps_status refuse_kind(const ps_nifti_file *file) {
    return ps_fail(
        PS_ERR_INPUT,
        "%s: does not begin as a NIfTI-1 or NIfTI-2 file does (348 or 540 in its first four bytes and n+1 or "
        "n+2 in its header); a pair of .hdr and .img wants to be made one .nii file",
        file->path);
}

static ps_status read_header_bytes(ps_nifti_file *file) {
    int32_t length;
    char *rest;
    PS_TRY(read_bytes(file, &length, sizeof length));
    int32_t turned = (int32_t)__builtin_bswap32((uint32_t)length);
    bool second = length == HEADER_TWO || turned == HEADER_TWO;
    if (!second && length != HEADER_ONE && turned != HEADER_ONE) return refuse_kind(file);
    file->header.version = second ? 2 : 1;
    file->header.swapped = length != HEADER_ONE && length != HEADER_TWO;
    rest = second ? (char *)&file->two : (char *)&file->one;
    memcpy(rest, &length, sizeof length);
    PS_TRY(read_bytes(file, rest + sizeof length, (second ? HEADER_TWO : HEADER_ONE) - sizeof length));
    if (memcmp(second ? file->two.magic : file->one.magic, second ? "n+2" : "n+1", 4) != 0) return refuse_kind(file);
    if (file->header.swapped) {
        if (second) nifti_swap_as_nifti2(&file->two);
        else nifti_swap_as_nifti1(&file->one);
    }
    if (!second) take_first_version(&file->one, &file->two);
    return PS_OK;
}

/* ---- what it says ---- */

static ps_status check_sides(ps_nifti_file *file, int64_t side[4]) {
    int64_t dim[8]; /* the library's header is packed: nothing may point into it */
    memcpy(dim, file->two.dim, sizeof dim);
    if (dim[0] < 2 || dim[0] > 7)
        return ps_fail(PS_ERR_INPUT,
                       "%s: its header says that it has %lld dimensions; a volume has 3, or 4 with channels",
                       file->path, (long long)dim[0]);
    double voxels = 1;
    for (int i = 0; i < 7; i++) {
        int64_t n = i < dim[0] ? dim[i + 1] : 1;
        if (n < 1 || n > SIDE_MOST)
            return ps_fail(PS_ERR_INPUT, "%s: its header says that dimension %d is %lld long; it must be 1 to %d",
                           file->path, i + 1, (long long)n, SIDE_MOST);
        if (i >= 4 && n > 1)
            return ps_fail(PS_ERR_INPUT,
                           "%s: has a dimension %d of %lld; what can be read is a volume, or a fourth dimension of "
                           "channels",
                           file->path, i + 1, (long long)n);
        if (i < 4) side[i] = n;
        voxels *= (double)n;
    }
    if (voxels > voxels_most)
        return ps_fail(PS_ERR_INPUT, "%s: its header claims %.0f voxels, and no more than %.0f can be read; cut it",
                       file->path, voxels, voxels_most);
    return PS_OK;
}

static ps_status check_type(ps_nifti_file *file) {
    static const int known[] = {DT_UINT8,  DT_INT8,  DT_INT16,  DT_UINT16,  DT_INT32,
                                DT_UINT32, DT_INT64, DT_UINT64, DT_FLOAT32, DT_FLOAT64};
    int swap_size;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (file->two.datatype != known[i]) continue;
        file->header.type = known[i];
        nifti_datatype_sizes(known[i], &file->header.type_bytes, &swap_size);
        return PS_OK;
    }
    return ps_fail(PS_ERR_INPUT,
                   "%s: its voxels are of type %d (%s); those that can be read are whole numbers of 8 to 64 bits, "
                   "FLOAT32 and FLOAT64; convert it",
                   file->path, file->two.datatype, nifti_datatype_to_string(file->two.datatype));
}

/* A slope of 0 means that there is none (the standard), and so does NaN (nibabel writes it). */
static ps_status take_scale(ps_nifti_file *file) {
    double slope = file->two.scl_slope, intercept = file->two.scl_inter;
    file->header.slope = 1;
    if (!isfinite(slope) || slope == 0) return PS_OK;
    if (!isfinite(intercept))
        return ps_fail(PS_ERR_INPUT,
                       "%s: its header has a slope (scl_slope %g), but scl_inter is no number; mend the header",
                       file->path, slope);
    file->header.slope = slope;
    file->header.intercept = intercept;
    file->header.scaled = slope != 1 || intercept != 0;
    return PS_OK;
}

static double unit_in_mm(const ps_nifti_file *file) {
    int unit = XYZT_TO_SPACE(file->two.xyzt_units);
    return unit == NIFTI_UNITS_METER ? 1e3 : unit == NIFTI_UNITS_MICRON ? 1e-3 : 1;
}

/* Signs of spacings are dropped, as nibabel does; 0 or NaN has no such reading. */
static ps_status take_spacing(ps_nifti_file *file, double mm[3]) {
    double to_mm = unit_in_mm(file);
    bool flat = file->two.dim[0] < 3;
    for (int i = 0; i < 3; i++) {
        double stored = file->two.pixdim[i + 1];
        mm[i] = fabs(stored) * to_mm;
        if (flat && i == 2 && !(mm[i] > 0)) mm[i] = 1;
        if (!(mm[i] >= mm_least && mm[i] <= mm_most))
            return ps_fail(
                PS_ERR_INPUT,
                "%s: its header says that voxels are %g mm along axis %d (pixdim); %g to %g mm are possible; "
                "write the true spacing into it",
                file->path, stored * to_mm, i + 1, mm_least, mm_most);
    }
    return PS_OK;
}

static bool axes_of_affine(const nifti_dmat44 *affine, ps_nifti *header) {
    int code[3];
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            if (!(fabs(affine->m[i][j]) < 1e9)) return false;
    nifti_dmat44_to_orientation(*affine, &code[0], &code[1], &code[2]);
    bool found[3] = {false, false, false};
    for (int i = 0; i < 3; i++) {
        if (code[i] < NIFTI_L2R || code[i] > NIFTI_S2I) return false;
        int canonical = (code[i] - 1) / 2; /* L2R, R2L, P2A, A2P, I2S, S2I */
        header->axis[canonical] = i;
        header->flip[canonical] = (code[i] - 1) % 2 == 1;
        found[canonical] = true;
    }
    return found[0] && found[1] && found[2];
}

static void take_place(const nifti_dmat44 *affine, double to_mm, ps_nifti *header) {
    header->placed = true;
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 4; j++) {
            header->place[i][j] = affine->m[i][j] * to_mm;
            header->placed = header->placed && fabs(header->place[i][j]) < 1e9;
        }
    }
}

/* The qform, its columns as long as voxels are. */
static nifti_dmat44 place_of_qform(const nifti_2_header *two) {
    return nifti_quatern_to_dmat44(two->quatern_b, two->quatern_c, two->quatern_d, two->qoffset_x, two->qoffset_y,
                                   two->qoffset_z, fabs(two->pixdim[1]), fabs(two->pixdim[2]), fabs(two->pixdim[3]),
                                   two->pixdim[0] < 0 ? -1 : 1);
}

/* By the sform, else the qform; a file without either, or with such that say nothing, is taken to run to the left. */
static void take_axes(ps_nifti_file *file) {
    const nifti_2_header *two = &file->two;
    ps_nifti *header = &file->header;
    nifti_dmat44 affine = {{{0}}};
    if (two->sform_code > 0) {
        memcpy(affine.m[0], two->srow_x, sizeof affine.m[0]);
        memcpy(affine.m[1], two->srow_y, sizeof affine.m[1]);
        memcpy(affine.m[2], two->srow_z, sizeof affine.m[2]);
        take_place(&affine, unit_in_mm(file), header);
        if (axes_of_affine(&affine, header)) return;
    }
    if (two->qform_code > 0) {
        affine = nifti_quatern_to_dmat44(two->quatern_b, two->quatern_c, two->quatern_d, 0, 0, 0, 1, 1, 1,
                                         two->pixdim[0] < 0 ? -1 : 1);
        nifti_dmat44 place = place_of_qform(two);
        take_place(&place, unit_in_mm(file), header);
        if (axes_of_affine(&affine, header)) return;
    }
    header->placed = false;
    for (int k = 0; k < 3; k++) header->axis[k] = k, header->flip[k] = k == 0;
}

/* ---- its length ---- */

static ps_status refuse_claim(const ps_nifti_file *file, uint64_t wanted) {
    return ps_fail(PS_ERR_INPUT,
                   "%s: its header calls for %llu bytes, and the file of %llu bytes does not hold them; fetch the file "
                   "again",
                   file->path, (unsigned long long)wanted, (unsigned long long)file->size);
}

/* The last four bytes of a .gz file: how long what it holds is, modulo 2^32, where it was packed in one piece. */
static bool ends_with_length(const ps_nifti_file *file, uint64_t wanted) {
    uint8_t bytes[4] = {0};
    FILE *stream = fopen(file->path, "rb");
    bool got = stream != NULL && fseeko(stream, -4, SEEK_END) == 0 && fread(bytes, 1, 4, stream) == 4;
    if (stream != NULL) fclose(stream);
    uint32_t length = (uint32_t)bytes[3] << 24 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[1] << 8 | bytes[0];
    return got && length == (uint32_t)wanted;
}

static ps_status check_length(ps_nifti_file *file) {
    const ps_nifti *h = &file->header;
    uint64_t wanted = bytes_wanted(h), possible = h->compressed ? file->size * DEFLATE_MOST : file->size;
    if (wanted > possible) return refuse_claim(file, wanted);
    if (!h->compressed) return file->size - wanted > padding_most(h) ? refuse_rest(file, h) : PS_OK;
    if (ends_with_length(file, wanted)) return PS_OK;
    /* Packed in several pieces, with something behind the voxels, cut, or a lie: all of it says which. */
    ps_nifti_file again = {.path = file->path, .stream = gzopen(file->path, "rb")};
    if (again.stream == NULL) return ps_fail(PS_ERR_IO, "%s: %s; check its permissions", file->path, strerror(errno));
    ps_status status = skip_bytes(&again, wanted);
    if (status == PS_OK) status = check_end(&again, h);
    gzclose(again.stream);
    return status;
}

/* ---- opening ---- */

static ps_status understand(ps_nifti_file *file) {
    ps_nifti *h = &file->header;
    int64_t side[4];
    double mm[3];
    PS_TRY(read_header_bytes(file));
    PS_TRY(check_sides(file, side));
    PS_TRY(check_type(file));
    PS_TRY(take_scale(file));
    PS_TRY(take_spacing(file, mm));
    take_axes(file);
    int first = (h->version == 2 ? HEADER_TWO : HEADER_ONE) + EXTENSION_FLAG;
    int64_t offset = file->two.vox_offset == 0 ? first : file->two.vox_offset;
    if (offset < first)
        return ps_fail(PS_ERR_INPUT, "%s: its header says that voxels begin inside of it (vox_offset); mend the header",
                       file->path);
    h->offset = (uint64_t)offset;
    h->shape = (ps_shape){1, (int)side[3], (int)side[h->axis[2]], (int)side[h->axis[1]], (int)side[h->axis[0]]};
    for (int k = 0; k < 3; k++) h->mm[k] = mm[h->axis[2 - k]];
    return check_length(file);
}

ps_status ps_nifti_file_open(const char *path, ps_nifti_file *out) {
    memset(out, 0, sizeof *out);
    out->path = path;
    PS_TRY(ps_file_size(path, &out->size));
    out->stream = gzopen(path, "rb");
    if (out->stream == NULL) return ps_fail(PS_ERR_IO, "%s: %s; check its permissions", path, strerror(errno));
    gzbuffer(out->stream, BUFFER / 8);
    out->header.compressed = !gzdirect(out->stream);
    return understand(out);
}

void ps_nifti_file_close(ps_nifti_file *file) {
    if (file->stream != NULL) gzclose(file->stream);
    file->stream = NULL;
}

ps_status ps_nifti_open(const char *path, ps_nifti *out) {
    ps_nifti_file file;
    ps_status status = ps_nifti_file_open(path, &file);
    *out = file.header;
    ps_nifti_file_close(&file);
    return status;
}

/* ---- voxels ---- */

ps_nifti_walk ps_nifti_walk_of(const ps_nifti *header) {
    const int side[3] = {header->shape.w, header->shape.h, header->shape.d};
    ps_nifti_walk walk = {.start = 0};
    int64_t step = 1;
    for (int k = 0; k < 3; step *= side[k], k++) {
        int axis = header->axis[k];
        walk.count[axis] = side[k];
        walk.step[axis] = header->flip[k] ? -step : step;
        if (header->flip[k]) walk.start += step * (side[k] - 1);
    }
    return walk;
}

/* A row of the file: where it lies in the canonical array, and in the file. */
typedef struct {
    ps_nifti_row row;
    int y, z;
} row_place;
typedef ps_status row_taker(void *context, const row_place *place, const double *value);

#define CONVERT(kind)                                               \
    do {                                                            \
        const kind *from = raw;                                     \
        for (int i = 0; i < count; i++) value[i] = (double)from[i]; \
    } while (0)

static void convert(const ps_nifti *header, void *raw, int count, double *value) {
    if (header->swapped && header->type_bytes > 1) nifti_swap_Nbytes(count, header->type_bytes, raw);
    switch (header->type) {
        case DT_UINT8: CONVERT(uint8_t); break;
        case DT_INT8: CONVERT(int8_t); break;
        case DT_INT16: CONVERT(int16_t); break;
        case DT_UINT16: CONVERT(uint16_t); break;
        case DT_INT32: CONVERT(int32_t); break;
        case DT_UINT32: CONVERT(uint32_t); break;
        case DT_INT64: CONVERT(int64_t); break;
        case DT_UINT64: CONVERT(uint64_t); break;
        case DT_FLOAT32: CONVERT(float); break;
        default: CONVERT(double); break;
    }
    for (int i = 0; header->scaled && i < count; i++) value[i] = header->slope * value[i] + header->intercept;
}

static ps_status each_row(ps_nifti_file *file, row_taker *take, void *context) {
    const ps_nifti *h = &file->header;
    ps_nifti_walk walk = ps_nifti_walk_of(h);
    size_t count = (size_t)walk.count[0];
    void *raw = NULL;
    double *value = NULL;
    ps_status status = ps_alloc(count, (size_t)h->type_bytes, "a row of voxels", &raw);
    if (status == PS_OK) status = PS_ALLOC(count, &value, "a row of voxels");
    row_place place = {.row = {.step = walk.step[0], .count = walk.count[0]}};
    for (int t = 0; status == PS_OK && t < h->shape.c; t++) {
        for (int64_t row = 0; status == PS_OK && row < (int64_t)walk.count[1] * walk.count[2]; row++) {
            place.row.channel = t;
            place.y = (int)(row % walk.count[1]), place.z = (int)(row / walk.count[1]);
            place.row.first = walk.start + place.y * walk.step[1] + place.z * walk.step[2];
            status = read_bytes(file, raw, count * (size_t)h->type_bytes);
            if (status != PS_OK) break;
            convert(h, raw, place.row.count, value);
            status = take(context, &place, value);
        }
    }
    ps_free(raw);
    ps_free(value);
    return status;
}

/* Opens the file anew, which must still be what it was. */
static ps_status read_rows(const char *path, const ps_nifti *header, row_taker *take, void *context) {
    ps_nifti_file file;
    ps_status status = ps_nifti_file_open(path, &file);
    const ps_nifti *now = &file.header;
    size_t begin = (size_t)(now->version == 2 ? HEADER_TWO : HEADER_ONE);
    if (status == PS_OK && (!ps_shape_equal(now->shape, header->shape) || now->type != header->type ||
                            memcmp(now->axis, header->axis, sizeof now->axis) != 0))
        status =
            ps_fail(PS_ERR_INPUT, "%s: has changed since it was opened; leave data alone while they are in use", path);
    if (status == PS_OK) status = skip_bytes(&file, now->offset - begin);
    if (status == PS_OK) status = each_row(&file, take, context);
    if (status == PS_OK) status = check_end(&file, now);
    ps_nifti_file_close(&file);
    return status;
}

typedef struct {
    const char *path;
    float *value; /* a row */
    ps_nifti_row_taker *take;
    void *context;
} float_target;

static ps_status take_floats(void *context, const row_place *place, const double *value) {
    const float_target *to = context;
    for (int i = 0; i < place->row.count; i++) {
        to->value[i] = (float)value[i];
        if (!isfinite(to->value[i]))
            return ps_fail(PS_ERR_INPUT,
                           "%s: voxel (%d, %d, %d) is %g, which no network can be given; put a number in its place, or "
                           "leave the case out",
                           to->path, i, place->y, place->z, value[i]);
    }
    return to->take(to->context, &place->row, to->value);
}

static size_t row_length(const ps_nifti *header) { return (size_t)ps_nifti_walk_of(header).count[0]; }

ps_status ps_nifti_each_row(const char *path, const ps_nifti *header, ps_nifti_row_taker *take, void *context) {
    float_target to = {path, NULL, take, context};
    PS_TRY(PS_ALLOC(row_length(header), &to.value, "a row of voxels"));
    ps_status status = read_rows(path, header, take_floats, &to);
    ps_free(to.value);
    return status;
}

typedef struct {
    float *value;
    int channel, width;
} volume_target;

static ps_status put_row(void *context, const ps_nifti_row *row, const float *value) {
    const volume_target *to = context;
    float *at = to->value + row->first * to->width + to->channel + row->channel;
    for (int i = 0; i < row->count; i++) at[i * row->step * to->width] = value[i];
    return PS_OK;
}

ps_status ps_nifti_read(const char *path, const ps_nifti *header, int channel, int width, float *value) {
    volume_target to = {value, channel, width};
    return ps_nifti_each_row(path, header, put_row, &to);
}

/* The whole number that a value is meant to be; -1: it is none. */
static int whole(double value, int below) {
    double rounded = rint(value);
    return fabs(value - rounded) <= 1e-3 && rounded >= 0 && rounded < below ? (int)rounded : -1;
}

typedef struct {
    const char *path;
    const ps_nifti_labels *labels;
    int16_t *label; /* a row */
    ps_nifti_label_taker *take;
    void *context;
} label_target;

static ps_status take_labels(void *context, const row_place *place, const double *value) {
    const label_target *to = context;
    int ignored = to->labels->ignored, below = ignored >= to->labels->classes ? ignored + 1 : to->labels->classes;
    for (int i = 0; i < place->row.count; i++) {
        int found = whole(value[i], below);
        bool known = found >= 0 && (found < to->labels->classes || found == ignored);
        if (!known && to->labels->looked_at > 0)
            return ps_fail(
                PS_ERR_INPUT,
                "%s: voxel (%d, %d, %d) has label %g, but the %d label maps that were looked at for what "
                "labels there are have 0 to %d; name them in a dataset.json: {\"labels\": {\"name\": 0, ..}}",
                to->path, i, place->y, place->z, value[i], to->labels->looked_at, to->labels->classes - 1);
        if (!known)
            return ps_fail(
                PS_ERR_INPUT,
                "%s: voxel (%d, %d, %d) has label %g, but labels are the whole numbers 0 to %d; mend the file, "
                "or leave the case out",
                to->path, i, place->y, place->z, value[i], to->labels->classes - 1);
        to->label[i] = (int16_t)(found == ignored ? -1 : found);
    }
    return to->take(to->context, &place->row, to->label);
}

ps_status ps_nifti_each_label_row(const char *path, const ps_nifti *header, const ps_nifti_labels *labels,
                                  ps_nifti_label_taker *take, void *context) {
    label_target to = {path, labels, NULL, take, context};
    PS_TRY(PS_ALLOC(row_length(header), &to.label, "a row of labels"));
    ps_status status = read_rows(path, header, take_labels, &to);
    ps_free(to.label);
    return status;
}

static ps_status put_labels(void *context, const ps_nifti_row *row, const int16_t *label) {
    int16_t *at = (int16_t *)context + row->first;
    for (int i = 0; i < row->count; i++) at[i * row->step] = label[i];
    return PS_OK;
}

ps_status ps_nifti_read_labels(const char *path, const ps_nifti *header, const ps_nifti_labels *labels,
                               int16_t *label) {
    return ps_nifti_each_label_row(path, header, labels, put_labels, label);
}

typedef struct {
    const char *path;
    bool *seen;
} seen_target;

static ps_status mark_labels(void *context, const row_place *place, const double *value) {
    const seen_target *to = context;
    for (int i = 0; i < place->row.count; i++) {
        int found = whole(value[i], PS_NIFTI_LABELS);
        if (found < 0)
            return ps_fail(
                PS_ERR_INPUT,
                "%s: voxel (%d, %d, %d) has label %g, but labels are the whole numbers 0 to %d; is it a label "
                "map?",
                to->path, i, place->y, place->z, value[i], PS_NIFTI_LABELS - 1);
        to->seen[found] = true;
    }
    return PS_OK;
}

ps_status ps_nifti_find_labels(const char *path, const ps_nifti *header, bool seen[PS_NIFTI_LABELS]) {
    seen_target to = {path, seen};
    return read_rows(path, header, mark_labels, &to);
}
