/* CIFAR-10 and CIFAR-100, binary version (Krizhevsky 2009): records of label byte(s) and 3072 pixel bytes, the red,
 * green and blue planes of 32 x 32 in turn. CIFAR-100 has two label bytes, coarse then fine; the fine one is used. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "data/format.h"

enum { SIDE = 32, CHANNELS = 3, PLANE = SIDE * SIDE, PIXELS = CHANNELS * PLANE, LABELS_MOST = 2 };

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

/* Planes to interleaved. */
static void interleave(const uint8_t *planes, uint8_t *pixel) {
    for (int i = 0; i < PLANE; i++) {
        for (int c = 0; c < CHANNELS; c++) pixel[i * CHANNELS + c] = planes[c * PLANE + i];
    }
}

static ps_status read_record(FILE *stream, const char *path, const cifar_kind *kind, uint64_t record,
                             ps_image_split *split) {
    uint8_t bytes[LABELS_MOST + PIXELS];
    size_t size = (size_t)kind->label_bytes + PIXELS;
    if (fread(bytes, 1, size, stream) != size)
        return ps_fail(PS_ERR_IO, "%s: could not be read at record %llu (%s); check the disk", path,
                       (unsigned long long)record, ferror(stream) ? strerror(errno) : "the file became shorter");
    int label = bytes[kind->label_bytes - 1];
    if (label >= kind->classes)
        return ps_fail(
            PS_ERR_INPUT,
            "%s: record %llu (byte %llu) has label %d, but labels are 0 to %d; is this the binary version of CIFAR-%d?",
            path, (unsigned long long)record, (unsigned long long)(record * size), label, kind->classes - 1,
            kind->classes);
    split->label[split->count] = (int16_t)label;
    interleave(bytes + kind->label_bytes, (uint8_t *)split->pixel + (size_t)split->count * PIXELS);
    split->count++;
    return PS_OK;
}

static ps_status read_file(const char *path, const cifar_kind *kind, const ps_images *images, ps_image_split *split) {
    uint64_t size, record_size = (uint64_t)kind->label_bytes + PIXELS;
    PS_TRY(ps_file_size(path, &size));
    uint64_t records = size / record_size;
    if (records == 0 || size % record_size != 0)
        return ps_fail(
            PS_ERR_INPUT,
            "%s: ends inside record %llu, which starts at byte %llu: %llu bytes are no multiple of %llu; fetch "
            "the file again",
            path, (unsigned long long)records, (unsigned long long)(records * record_size), (unsigned long long)size,
            (unsigned long long)record_size);
    PS_TRY(ps_images_reserve(images, split, (size_t)split->count + (size_t)records));
    FILE *stream = fopen(path, "rb");
    if (stream == NULL) return ps_fail(PS_ERR_IO, "%s: %s; check its permissions", path, strerror(errno));
    ps_status status = PS_OK;
    for (uint64_t i = 0; i < records && status == PS_OK; i++) status = read_record(stream, path, kind, i, split);
    fclose(stream);
    return status;
}

static ps_status read_if_present(const char *directory, const char *name, const cifar_kind *kind,
                                 const ps_images *images, ps_image_split *split) {
    char *path;
    PS_TRY(ps_file_join(directory, name, &path));
    ps_status status = ps_file_exists(path) ? read_file(path, kind, images, split) : PS_OK;
    free(path);
    return status;
}

static ps_status read_directory(const char *directory, const cifar_kind *kind, ps_images *out) {
    char *names = NULL;
    out->shape = (ps_shape){1, CHANNELS, 1, SIDE, SIDE};
    out->type = PS_PIXEL_BYTE;
    out->classes = kind->classes;
    out->labels_per_sample = 1;
    for (const char *const *name = kind->train_files; *name != NULL; name++)
        PS_TRY(read_if_present(directory, *name, kind, out, &out->train));
    if (out->train.count == 0)
        return ps_fail(PS_ERR_INPUT,
                       "%s: holds no training file of CIFAR-%d (looked for %s); give the folder of the binary version",
                       directory, kind->classes, kind->looked_for);
    PS_TRY(read_if_present(directory, kind->test_file, kind, out, &out->test));
    PS_TRY(ps_file_join(directory, kind->names_file, &names));
    ps_status status = ps_images_read_class_names(out, names);
    free(names);
    return status;
}

/* The official archive unpacks into a folder of its own; its parent is as good. */
static ps_status read_cifar(const char *argument, const cifar_kind *kind, ps_images *out) {
    char *inner = NULL;
    if (!ps_file_is_directory(argument))
        return ps_fail(PS_ERR_INPUT, "%s: %s; give the folder that holds %s", argument,
                       ps_file_exists(argument) ? "is no folder" : "there is no such folder", kind->looked_for);
    PS_TRY(ps_file_join(argument, kind->folder, &inner));
    ps_status status = read_directory(ps_file_is_directory(inner) ? inner : argument, kind, out);
    free(inner);
    return status;
}

ps_status ps_cifar10_read(const char *argument, const ps_dataset_options *options, ps_images *out) {
    (void)options;
    return read_cifar(argument, &cifar10, out);
}

ps_status ps_cifar100_read(const char *argument, const ps_dataset_options *options, ps_images *out) {
    (void)options;
    return read_cifar(argument, &cifar100, out);
}
