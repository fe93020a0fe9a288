/* IDX files as MNIST (LeCun et al. 1998), Fashion-MNIST (Xiao et al. 2017) and EMNIST (Cohen et al. 2017) use them:
 * big-endian header (magic, counts), then bytes. zlib reads .gz and plain files alike; a .gz file is read from its
 * start, so that images in their order are cheap, and going back begins anew. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/file.h"
#include "core/memory.h"
#include "data/source.h"
#include "data/unpack.h"

enum {
    CLASSES_LEAST = 10,
    LABELS = 256,
    MAGIC_LABELS = 0x801,
    MAGIC_IMAGES = 0x803,
    SIDE_MOST = 4096,
    COUNTS_MOST = 3
};

typedef struct {
    gzFile stream;
    char *path;
    uint32_t count[COUNTS_MOST]; /* images, rows, columns; or labels */
} idx_file;

typedef struct {
    idx_file images;
    uint8_t *label; /* [count], as the file has them */
    ps_shape shape;
    int count;
} idx_part;

typedef struct {
    idx_part part[PS_SOURCE_PARTS];
    int first_label;
    pthread_mutex_t reading; /* one place in a stream */
} idx_set;

static uint32_t big_endian(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static ps_status read_exactly(idx_file *file, void *bytes, size_t size, size_t offset, size_t expected) {
    size_t done = 0;
    while (done < size) {
        size_t wanted = size - done < 1u << 20 ? size - done : 1u << 20;
        int got = gzread(file->stream, (char *)bytes + done, (unsigned)wanted);
        if (got <= 0) {
            char of[64];
            snprintf(of, sizeof of, " of the %zu its header calls for", expected);
            return ps_unpack_refuse(file->path, file->stream, offset + done, of);
        }
        done += (size_t)got;
    }
    return PS_OK;
}

static ps_status read_header(idx_file *file, uint32_t magic) {
    uint8_t bytes[4 * (COUNTS_MOST + 1)];
    size_t counts = magic & 0xFF, size = 4 * (counts + 1);
    PS_TRY(read_exactly(file, bytes, size, 0, size));
    if (big_endian(bytes) != magic)
        return ps_fail(
            PS_ERR_INPUT,
            "%s: starts with magic number 0x%08x, but an idx file of %s starts with 0x%08x; is it the right file?",
            file->path, (unsigned)big_endian(bytes), magic == MAGIC_LABELS ? "labels" : "images", (unsigned)magic);
    for (size_t i = 0; i < counts; i++) file->count[i] = big_endian(bytes + 4 * (i + 1));
    return PS_OK;
}

/* A header may claim anything; a deflated byte gives at most 1032 (zlib's documentation), so most lies show before
 * memory is asked for. */
static ps_status check_claim(const idx_file *file, uint64_t claimed) {
    enum { DEFLATE_MOST = 1032 };
    uint64_t size;
    PS_TRY(ps_file_size(file->path, &size));
    uint64_t possible = gzdirect(file->stream) ? size : size * DEFLATE_MOST;
    if (claimed > possible)
        return ps_fail(
            PS_ERR_INPUT,
            "%s: its header claims %llu bytes, but the file of %llu bytes cannot hold them; fetch the file again",
            file->path, (unsigned long long)claimed, (unsigned long long)size);
    return PS_OK;
}

/* Behind the last byte there must be nothing, and in a .gz file a whole trailer whose checksum holds. */
static ps_status check_end(idx_file *file, uint64_t size) {
    char extra;
    int code, got = gzread(file->stream, &extra, 1);
    gzerror(file->stream, &code);
    if (got > 0)
        return ps_fail(PS_ERR_INPUT, "%s: goes on after the %llu bytes its header calls for; fetch the file again",
                       file->path, (unsigned long long)size);
    return got < 0 || code != Z_OK ? ps_unpack_refuse_end(file->path, file->stream) : PS_OK;
}

enum { IMAGES_HEADER = 16 };

static ps_status open_images(idx_part *part, const idx_part *first) {
    idx_file *file = &part->images;
    PS_TRY(read_header(file, MAGIC_IMAGES));
    uint64_t count = file->count[0], rows = file->count[1], columns = file->count[2];
    if (count < 1 || rows < 1 || columns < 1 || rows > SIDE_MOST || columns > SIDE_MOST)
        return ps_fail(
            PS_ERR_INPUT,
            "%s: its header says %llu images of %llu x %llu, but sides must be 1 to %d; is it the right file?",
            file->path, (unsigned long long)count, (unsigned long long)rows, (unsigned long long)columns, SIDE_MOST);
    part->shape = (ps_shape){1, 1, 1, (int)rows, (int)columns};
    if (part != first && !ps_shape_equal(first->shape, part->shape))
        return ps_fail(PS_ERR_INPUT,
                       "%s: has images of %d x %d, but the training images are %d x %d; take both from one data set",
                       file->path, part->shape.h, part->shape.w, first->shape.h, first->shape.w);
    PS_TRY(check_claim(file, count * rows * columns)); /* 2^32 * 2^24 at most */
    if (count > INT_MAX)
        return ps_fail(PS_ERR_INPUT, "%s: a data set may hold at most %d samples; split it", file->path, INT_MAX);
    part->count = (int)count;
    return PS_OK;
}

/* Which numbers the labels of a set are. */
typedef struct {
    int first, classes; /* classes 0: not known yet */
} label_range;

/* Digits are 0 to 9, whichever of them occur; the letters of EMNIST are 1 to 26 and its other sets 0 to 61. More than
 * ten are believed where each of them occurs: a damaged file or one of another kind has gaps. */
static ps_status find_range(const idx_file *file, const idx_part *part, label_range *range) {
    enum { HEADER = 8 };
    int where[LABELS], last = 0, first = LABELS;
    for (int label = 0; label < LABELS; label++) where[label] = -1;
    for (int i = 0; i < part->count; i++) {
        int label = part->label[i];
        if (where[label] < 0) where[label] = i;
        if (label > last) last = label;
        if (label < first) first = label;
    }
    range->first = last >= CLASSES_LEAST && first > 0 ? 1 : 0;
    range->classes = last - range->first + 1 > CLASSES_LEAST ? last - range->first + 1 : CLASSES_LEAST;
    for (int label = range->first; last >= CLASSES_LEAST && label < last; label++)
        if (where[label] < 0)
            return ps_fail(
                PS_ERR_INPUT,
                "%s: record %d (byte %d) has label %d, but no record has label %d; labels count from 0 or 1, "
                "each of them in use; is it the right file?",
                file->path, where[last], HEADER + where[last], last, label);
    return PS_OK;
}

/* Training labels say which numbers there are; those of the test images must be among them. */
static ps_status read_labels(idx_file *file, idx_part *part, label_range *range) {
    enum { HEADER = 8 };
    PS_TRY(read_header(file, MAGIC_LABELS));
    if (file->count[0] != (uint32_t)part->count)
        return ps_fail(PS_ERR_INPUT, "%s: has %u labels for the %d images of %s; take both from one data set",
                       file->path, (unsigned)file->count[0], part->count, part->images.path);
    PS_TRY(check_claim(file, (uint64_t)part->count));
    PS_TRY(PS_ALLOC((size_t)part->count, &part->label, "labels"));
    PS_TRY(read_exactly(file, part->label, (size_t)part->count, HEADER, HEADER + (size_t)part->count));
    if (range->classes == 0) PS_TRY(find_range(file, part, range));
    for (int i = 0; i < part->count; i++) {
        int label = part->label[i] - range->first;
        if (label < 0 || label >= range->classes)
            return ps_fail(PS_ERR_INPUT,
                           "%s: record %d (byte %d) has label %d, but those of the training images are %d to %d; take "
                           "both from one data set",
                           file->path, i, HEADER + i, part->label[i], range->first, range->first + range->classes - 1);
    }
    return check_end(file, HEADER + (uint64_t)part->count);
}

/* The names in use: mnist.org's and the ones some unpackers make of them; plain first. *path is NULL where there is
 * none. */
static ps_status find_file(const char *directory, const char *stem, const char *kind, char **path) {
    static const char *const patterns[] = {"%s-%s-ubyte", "%s.%s-ubyte", "%s-%s-ubyte.gz", "%s.%s-ubyte.gz"};
    for (int i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, patterns[i], stem, kind);
        PS_TRY(ps_file_join(directory, name, path));
        if (ps_file_exists(*path)) return PS_OK;
        free(*path);
        *path = NULL;
    }
    return PS_OK;
}

static ps_status open_file(const char *directory, const char *stem, const char *kind, idx_file *file) {
    uint64_t size;
    PS_TRY(find_file(directory, stem, kind, &file->path));
    if (file->path == NULL)
        return ps_fail(
            PS_ERR_INPUT,
            "%s: holds no %s-%s-ubyte (nor %s.%s-ubyte, nor either with .gz); give the folder of the idx files",
            directory, stem, kind, stem, kind);
    PS_TRY(ps_file_size(file->path, &size));
    file->stream = gzopen(file->path, "rb");
    if (file->stream == NULL) return ps_fail(PS_ERR_IO, "%s: %s; check its permissions", file->path, strerror(errno));
    gzbuffer(file->stream, 1 << 17);
    return PS_OK;
}

static void close_file(idx_file *file) {
    if (file->stream != NULL) gzclose(file->stream);
    free(file->path);
}

static ps_status open_part(const char *directory, const char *stem, idx_set *set, ps_source_part which,
                           label_range *range) {
    idx_part *part = &set->part[which];
    idx_file labels = {0};
    ps_status status = PS_OK;
    char name[32];
    snprintf(name, sizeof name, "%s-images", stem);
    PS_TRY(open_file(directory, name, "idx3", &part->images));
    PS_TRY(open_images(part, &set->part[PS_SOURCE_TRAIN]));
    snprintf(name, sizeof name, "%s-labels", stem);
    PS_TRY_CLEANUP(open_file(directory, name, "idx1", &labels));
    PS_TRY_CLEANUP(read_labels(&labels, part, range));
cleanup:
    close_file(&labels);
    return status;
}

/* ---- on demand ---- */

static void size_of(const ps_source *source, ps_source_part part, int index, ps_sample_size *out) {
    const idx_set *set = source->state;
    (void)index;
    *out = (ps_sample_size){.pixels = set->part[part].shape};
}

static ps_status read_image(idx_part *part, int index, void *pixel) {
    size_t size = ps_shape_elements(part->shape), at = IMAGES_HEADER + (size_t)index * size,
           end = IMAGES_HEADER + (size_t)part->count * size;
    if (gzseek(part->images.stream, (z_off_t)at, SEEK_SET) != (z_off_t)at)
        return ps_unpack_refuse(part->images.path, part->images.stream, at, "");
    PS_TRY(read_exactly(&part->images, pixel, size, at, end));
    return index == part->count - 1 ? check_end(&part->images, end) : PS_OK;
}

static ps_status decode(const ps_source *source, ps_source_part part, int index, void *pixel, int16_t *label) {
    idx_set *set = source->state;
    *label = (int16_t)(set->part[part].label[index] - set->first_label);
    pthread_mutex_lock(&set->reading);
    ps_status status = read_image(&set->part[part], index, pixel);
    pthread_mutex_unlock(&set->reading);
    return status;
}

static void close_set(ps_source *source) {
    idx_set *set = source->state;
    for (int p = 0; p < PS_SOURCE_PARTS; p++) {
        close_file(&set->part[p].images);
        ps_free(set->part[p].label);
    }
    pthread_mutex_destroy(&set->reading);
    ps_free(set);
}

static const ps_source_functions functions = {.size = size_of, .decode = decode, .close = close_set};

ps_status ps_idx_open(const char *argument, const ps_dataset_options *options, ps_source *out) {
    (void)options;
    char *test = NULL;
    idx_set *set = NULL;
    label_range range = {0, 0};
    if (!ps_file_is_directory(argument))
        return ps_fail(PS_ERR_INPUT, "%s: %s; give the folder that holds train-images-idx3-ubyte", argument,
                       ps_file_exists(argument) ? "is no folder" : "there is no such folder");
    PS_TRY(PS_ALLOC(1, &set, "data set"));
    pthread_mutex_init(&set->reading, NULL);
    *out = (ps_source){.functions = &functions, .state = set, .type = PS_PIXEL_BYTE, .labels = PS_LABEL_CLASS};
    PS_TRY(open_part(argument, "train", set, PS_SOURCE_TRAIN, &range));
    out->classes = range.classes;
    set->first_label = range.first;
    PS_TRY(find_file(argument, "t10k-images", "idx3", &test));
    ps_status status = test != NULL ? open_part(argument, "t10k", set, PS_SOURCE_TEST, &range) : PS_OK;
    free(test);
    for (int p = 0; p < PS_SOURCE_PARTS; p++) out->count[p] = set->part[p].count;
    return status;
}
