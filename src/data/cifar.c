/* CIFAR-10 and CIFAR-100, binary version (Krizhevsky 2009): records of label byte(s) and 3072 pixel bytes, the red,
 * green and blue planes of 32 x 32 in turn. CIFAR-100 has two label bytes, coarse then fine; the fine one is used.
 * Records are all of one length, so that the size of a file says how many there are, and each is read by itself. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/memory.h"
#include "data/source.h"

enum { SIDE = 32, CHANNELS = 3, PLANE = SIDE * SIDE, PIXELS = CHANNELS * PLANE, LABELS_MOST = 2, FILES_MOST = 6 };

typedef struct {
    int classes, label_bytes;       /* the last label byte is the one used */
    const char *const *train_files; /* NULL-terminated, in order */
    const char *test_file, *names_file, *folder, *looked_for;
} cifar_kind;

static const char *const cifar10_train[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                            "data_batch_4.bin", "data_batch_5.bin", NULL};
static const char *const cifar100_train[] = {"train.bin", NULL};
static const cifar_kind cifar10 = {10,
                                   1,
                                   cifar10_train,
                                   "test_batch.bin",
                                   "batches.meta.txt",
                                   "cifar-10-batches-bin",
                                   "data_batch_1.bin to data_batch_5.bin"};
static const cifar_kind cifar100 = {
    100, 2, cifar100_train, "test.bin", "fine_label_names.txt", "cifar-100-binary", "train.bin"};

typedef struct {
    char *path;
    int descriptor;
    ps_source_part part;
    int first, records; /* in its part */
} record_file;

typedef struct {
    const cifar_kind *kind;
    record_file file[FILES_MOST];
    int files;
} record_files;

/* Planes to interleaved. */
static void interleave(const uint8_t *planes, uint8_t *pixel) {
    for (int i = 0; i < PLANE; i++) {
        for (int c = 0; c < CHANNELS; c++) pixel[i * CHANNELS + c] = planes[c * PLANE + i];
    }
}

/* pread leaves the descriptor's place alone: threads may read one file at a time. */
static ps_status read_record(const record_file *file, int record, uint8_t *bytes, size_t size) {
    size_t done = 0;
    while (done < size) {
        off_t at = (off_t)((uint64_t)record * size + done);
        ssize_t got = pread(file->descriptor, bytes + done, size - done, at);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            return ps_fail(PS_ERR_IO, "%s: could not be read at record %d (%s); check the disk", file->path, record,
                           got < 0 ? strerror(errno) : "the file became shorter");
        done += (size_t)got;
    }
    return PS_OK;
}

static const record_file *file_of(const record_files *files, ps_source_part part, int index) {
    const record_file *file = files->file;
    while (file->part != part || index < file->first || index >= file->first + file->records) file++;
    return file;
}

static ps_status decode(const ps_source *source, ps_source_part part, int index, void *pixel, int16_t *label) {
    const record_files *files = source->state;
    const cifar_kind *kind = files->kind;
    const record_file *file = file_of(files, part, index);
    int record = index - file->first;
    uint8_t bytes[LABELS_MOST + PIXELS];
    size_t size = (size_t)kind->label_bytes + PIXELS;
    PS_TRY(read_record(file, record, bytes, size));
    int found = bytes[kind->label_bytes - 1];
    if (found >= kind->classes)
        return ps_fail(
            PS_ERR_INPUT,
            "%s: record %d (byte %llu) has label %d, but labels are 0 to %d; is this the binary version of CIFAR-%d?",
            file->path, record, (unsigned long long)((uint64_t)record * size), found, kind->classes - 1, kind->classes);
    *label = (int16_t)found;
    interleave(bytes + kind->label_bytes, pixel);
    return PS_OK;
}

static void size_of(const ps_source *source, ps_source_part part, int index, ps_sample_size *out) {
    (void)source;
    (void)part;
    (void)index;
    *out = (ps_sample_size){.pixels = {1, CHANNELS, 1, SIDE, SIDE}};
}

static void close_files(ps_source *source) {
    record_files *files = source->state;
    for (int i = 0; i < files->files; i++) {
        if (files->file[i].descriptor >= 0) close(files->file[i].descriptor);
        free(files->file[i].path);
    }
    ps_free(files);
}

static const ps_source_functions functions = {.size = size_of, .decode = decode, .close = close_files};

/* What a file's size says of it. */
static ps_status count_records(const char *path, const cifar_kind *kind, uint64_t *records) {
    uint64_t size, record_size = (uint64_t)kind->label_bytes + PIXELS;
    PS_TRY(ps_file_size(path, &size));
    *records = size / record_size;
    if (*records == 0 || size % record_size != 0)
        return ps_fail(
            PS_ERR_INPUT,
            "%s: ends inside record %llu, which starts at byte %llu: %llu bytes are no multiple of %llu; fetch "
            "the file again",
            path, (unsigned long long)*records, (unsigned long long)(*records * record_size), (unsigned long long)size,
            (unsigned long long)record_size);
    return PS_OK;
}

static ps_status open_if_present(const char *directory, const char *name, ps_source_part part, ps_source *source) {
    record_files *files = source->state;
    record_file *file = &files->file[files->files];
    uint64_t records;
    file->descriptor = -1;
    PS_TRY(ps_file_join(directory, name, &file->path));
    if (!ps_file_exists(file->path)) {
        free(file->path);
        return PS_OK;
    }
    files->files++;
    PS_TRY(count_records(file->path, files->kind, &records));
    if (records > (uint64_t)(INT_MAX - source->count[part]))
        return ps_fail(PS_ERR_INPUT, "%s: a data set may hold at most %d samples; split it", file->path, INT_MAX);
    file->descriptor = open(file->path, O_RDONLY | O_CLOEXEC);
    if (file->descriptor < 0) return ps_fail(PS_ERR_IO, "%s: %s; check its permissions", file->path, strerror(errno));
    file->part = part;
    file->first = source->count[part];
    file->records = (int)records;
    source->count[part] += file->records;
    return PS_OK;
}

static ps_status open_directory(const char *directory, const cifar_kind *kind, ps_source *out) {
    char *names = NULL;
    for (const char *const *name = kind->train_files; *name != NULL; name++)
        PS_TRY(open_if_present(directory, *name, PS_SOURCE_TRAIN, out));
    if (out->count[PS_SOURCE_TRAIN] == 0)
        return ps_fail(PS_ERR_INPUT,
                       "%s: holds no training file of CIFAR-%d (looked for %s); give the folder of the binary version",
                       directory, kind->classes, kind->looked_for);
    PS_TRY(open_if_present(directory, kind->test_file, PS_SOURCE_TEST, out));
    PS_TRY(ps_file_join(directory, kind->names_file, &names));
    ps_status status = ps_source_read_class_names(out, names);
    free(names);
    return status;
}

/* The official archive unpacks into a folder of its own; its parent is as good. */
static ps_status open_cifar(const char *argument, const cifar_kind *kind, ps_source *out) {
    char *inner = NULL;
    record_files *files = NULL;
    if (!ps_file_is_directory(argument))
        return ps_fail(PS_ERR_INPUT, "%s: %s; give the folder that holds %s", argument,
                       ps_file_exists(argument) ? "is no folder" : "there is no such folder", kind->looked_for);
    PS_TRY(PS_ALLOC(1, &files, "data set"));
    files->kind = kind;
    *out = (ps_source){.functions = &functions,
                       .state = files,
                       .type = PS_PIXEL_BYTE,
                       .labels = PS_LABEL_CLASS,
                       .classes = kind->classes};
    PS_TRY(ps_file_join(argument, kind->folder, &inner));
    ps_status status = open_directory(ps_file_is_directory(inner) ? inner : argument, kind, out);
    free(inner);
    return status;
}

ps_status ps_cifar10_open(const char *argument, const ps_dataset_options *options, ps_source *out) {
    (void)options;
    return open_cifar(argument, &cifar10, out);
}

ps_status ps_cifar100_open(const char *argument, const ps_dataset_options *options, ps_source *out) {
    (void)options;
    return open_cifar(argument, &cifar100, out);
}
