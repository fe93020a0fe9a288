#include "data/dataset.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/digest.h"
#include "core/memory.h"
#include "core/text.h"
#include "data/format.h"
#include "data/resize.h"

enum { BYTE_VALUES = 256 };

typedef struct {
    const char *name, *argument, *help;
    ps_format_read *read;
} format;

#define PS_FORMAT(name, argument, read, help) {#name, argument, help, read},
static const format formats[] = {
#include "data/dataset_list.def"
};
#undef PS_FORMAT
enum { FORMATS = sizeof formats / sizeof formats[0] };

/* images.train holds the training images in use and after them, from probe_start on, the probe. */
struct ps_dataset {
    char *source;
    ps_images images;
    int probe_start;
    double *mean, *deviation; /* [c], of the training images in use */
    float *byte_value;        /* [c][256]: every byte normalised; NULL for float pixels */
    char digest[17];
};

/* ---- opening ---- */

static void list_formats(char *text, size_t size) {
    size_t used = 0;
    text[0] = '\0';
    for (int i = 0; i < FORMATS && used < size; i++) {
        const format *f = &formats[i];
        used += (size_t)snprintf(text + used, size - used, "%s%s%s%s", i ? ", " : "", f->name,
                                 f->argument[0] ? ":" : "", f->argument);
    }
}

static ps_status find_format(const char *source, const format **out) {
    size_t length = strcspn(source, ":");
    char known[256], word[64];
    const format *nearest = &formats[0];
    snprintf(word, sizeof word, "%.*s", (int)(length < sizeof word ? length : sizeof word - 1), source);
    for (int i = 0; i < FORMATS; i++) {
        if (strcmp(formats[i].name, word) == 0) {
            *out = &formats[i];
            return PS_OK;
        }
        if (ps_text_distance(word, formats[i].name) < ps_text_distance(word, nearest->name)) nearest = &formats[i];
    }
    list_formats(known, sizeof known);
    if (ps_text_distance(word, nearest->name) <= 2)
        return ps_fail(PS_ERR_USAGE, "data \"%s\": no format \"%s\"; did you mean %s? Known are %s", source, word,
                       nearest->name, known);
    return ps_fail(PS_ERR_USAGE, "data \"%s\": no format \"%s\"; write FORMAT:DIR, one of %s", source, word, known);
}

static ps_status split_source(const char *source, const format **found, const char **argument) {
    PS_TRY(find_format(source, found));
    const char *colon = strchr(source, ':');
    *argument = colon != NULL && colon[1] != '\0' ? colon + 1 : NULL;
    bool wants = (*found)->argument[0] != '\0';
    if (wants && *argument == NULL)
        return ps_fail(PS_ERR_USAGE, "data \"%s\": say where the files are, as %s:%s", source, (*found)->name,
                       (*found)->argument);
    if (!wants && *argument != NULL)
        return ps_fail(PS_ERR_USAGE, "data \"%s\": %s takes no argument; write just %s", source, (*found)->name,
                       (*found)->name);
    return PS_OK;
}

static ps_status check_options(const ps_dataset_options *options) {
    enum { LARGEST = 4096 };
    if (options->size < 0 || options->size > LARGEST)
        return ps_fail(PS_ERR_USAGE, "size must be 1 to %d, or 0 for the size as stored, not %d", LARGEST,
                       options->size);
    if (options->probe_count < 0)
        return ps_fail(PS_ERR_USAGE, "the probe cannot hold %d images; give 0 or more", options->probe_count);
    if (options->train_limit < 0 || options->test_limit < 0)
        return ps_fail(PS_ERR_USAGE, "a limit of %d images makes no sense; give 1 or more, or 0 for all",
                       options->train_limit < 0 ? options->train_limit : options->test_limit);
    return PS_OK;
}

/* What formats promise in format.h; a broken promise would be a wild read later. */
static ps_status check_images(const char *source, const ps_images *images) {
    size_t positions = ps_shape_positions(images->shape);
    if (images->shape.n != 1 || images->shape.c < 1 || positions < 1 || images->classes < 1 ||
        (images->labels_per_sample != 1 && images->labels_per_sample != positions))
        return ps_fail(PS_ERR_INTERNAL, "data \"%s\": the format gave an impossible shape", source);
    const ps_image_split *splits[2] = {&images->train, &images->test};
    for (int s = 0; s < 2; s++) {
        for (size_t i = 0; i < (size_t)splits[s]->count * images->labels_per_sample; i++) {
            int label = splits[s]->label[i];
            if (label < -1 || label >= images->classes)
                return ps_fail(PS_ERR_INTERNAL, "data \"%s\": the format gave label %d of %d classes", source, label,
                               images->classes);
        }
    }
    return PS_OK;
}

/* Keeps the first `limit` training images and the last `probe` ones, and moves the probe up behind them. */
static ps_status select_images(ps_dataset *dataset, const ps_dataset_options *options) {
    ps_images *images = &dataset->images;
    int stored = images->train.count, probe = options->probe_count, limit = options->train_limit;
    if (probe >= stored)
        return ps_fail(PS_ERR_USAGE,
                       "%s: a probe of %d images leaves none of its %d for training; make the probe smaller",
                       dataset->source, probe, stored);
    int left = stored - probe;
    if (limit > left)
        return ps_fail(PS_ERR_USAGE,
                       "%s: %d training images wanted, but there are %d (%d less a probe of %d); ask for fewer",
                       dataset->source, limit, left, stored, probe);
    if (options->test_limit > images->test.count)
        return ps_fail(PS_ERR_USAGE, "%s: %d test images wanted, but there are %d; ask for fewer", dataset->source,
                       options->test_limit, images->test.count);
    int used = limit > 0 ? limit : left;
    size_t sample = ps_images_sample_bytes(images), labels = images->labels_per_sample;
    memmove((char *)images->train.pixel + (size_t)used * sample, (char *)images->train.pixel + (size_t)left * sample,
            (size_t)probe * sample);
    memmove(images->train.label + (size_t)used * labels, images->train.label + (size_t)left * labels,
            (size_t)probe * labels * sizeof(int16_t));
    images->train.count = used + probe;
    dataset->probe_start = used;
    if (options->test_limit > 0) images->test.count = options->test_limit;
    return PS_OK;
}

static ps_status resize_split(const ps_images *from, const ps_image_split *source, ps_images *to,
                              ps_image_split *target, ps_resizer *resizer) {
    size_t source_size = ps_images_sample_bytes(from), target_size = ps_images_sample_bytes(to);
    PS_TRY(ps_images_reserve(to, target, (size_t)source->count));
    for (int i = 0; i < source->count; i++) {
        const void *pixel = (const char *)source->pixel + (size_t)i * source_size;
        void *resized = (char *)target->pixel + (size_t)i * target_size;
        if (from->type == PS_PIXEL_BYTE) ps_resize_bytes(resizer, pixel, resized);
        else ps_resize_floats(resizer, pixel, resized);
        const int16_t *label = source->label + (size_t)i * from->labels_per_sample;
        int16_t *out = target->label + (size_t)i * to->labels_per_sample;
        if (from->labels_per_sample == 1) *out = *label;
        else ps_resize_labels(resizer, label, out);
    }
    target->count = source->count;
    return PS_OK;
}

static ps_status resize_images(ps_images *images, int size) {
    ps_shape target = ps_resize_target(images->shape, size);
    ps_images resized = {target, images->type, images->classes, images->labels_per_sample, {0}, {0}, NULL};
    ps_resizer *resizer = NULL;
    if (ps_shape_equal(target, images->shape)) return PS_OK;
    if (images->labels_per_sample > 1) resized.labels_per_sample = ps_shape_positions(target);
    PS_TRY(ps_resizer_create(images->shape, target, &resizer));
    ps_status status = resize_split(images, &images->train, &resized, &resized.train, resizer);
    if (status == PS_OK) status = resize_split(images, &images->test, &resized, &resized.test, resizer);
    if (status == PS_OK) {
        resized.class_names = images->class_names;
        images->class_names = NULL;
        ps_images_clear(images);
        *images = resized;
    } else {
        ps_images_clear(&resized);
    }
    ps_resizer_destroy(resizer);
    return status;
}

static ps_status name_classes(ps_images *images) {
    if (images->class_names != NULL) return PS_OK;
    PS_TRY(PS_ALLOC((size_t)images->classes, &images->class_names, "class names"));
    for (int i = 0; i < images->classes; i++) snprintf(images->class_names[i], PS_CLASS_NAME_SIZE, "%d", i);
    return PS_OK;
}

/* ---- normalisation and identity ---- */

/* Mean and standard deviation of one channel over the training images in use. Bytes are counted, so their moments are
 * exact; floats take two passes in double. */
static void byte_moments(const uint8_t *pixel, size_t positions, size_t channels, double *mean, double *deviation) {
    uint64_t sum = 0, squares = 0;
    for (size_t i = 0; i < positions; i++) {
        uint64_t value = pixel[i * channels];
        sum += value;
        squares += value * value;
    }
    *mean = (double)sum / (double)positions;
    *deviation = sqrt(fmax(0.0, (double)squares / (double)positions - *mean * *mean));
}

static void float_moments(const float *pixel, size_t positions, size_t channels, double *mean, double *deviation) {
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < positions; i++) sum += pixel[i * channels];
    *mean = sum / (double)positions;
    for (size_t i = 0; i < positions; i++) {
        double from_mean = pixel[i * channels] - *mean;
        squares += from_mean * from_mean;
    }
    *deviation = sqrt(squares / (double)positions);
}

static ps_status compute_normalisation(ps_dataset *dataset) {
    const ps_images *images = &dataset->images;
    size_t channels = (size_t)images->shape.c,
           positions = ps_shape_positions(images->shape) * (size_t)dataset->probe_start;
    bool bytes = images->type == PS_PIXEL_BYTE;
    PS_TRY(PS_ALLOC(channels, &dataset->mean, "data set"));
    PS_TRY(PS_ALLOC(channels, &dataset->deviation, "data set"));
    if (bytes) PS_TRY(PS_ALLOC(channels * BYTE_VALUES, &dataset->byte_value, "data set"));
    for (size_t c = 0; c < channels; c++) {
        double *mean = &dataset->mean[c], *deviation = &dataset->deviation[c];
        if (bytes) byte_moments((const uint8_t *)images->train.pixel + c, positions, channels, mean, deviation);
        else float_moments((const float *)images->train.pixel + c, positions, channels, mean, deviation);
        if (!(*deviation > 0.0)) *deviation = 1.0; /* a channel that never changes is only centred */
        for (size_t v = 0; bytes && v < BYTE_VALUES; v++)
            dataset->byte_value[c * BYTE_VALUES + v] = (float)(((double)v - *mean) / *deviation);
    }
    return PS_OK;
}

static void digest_split(ps_digest *digest, const ps_images *images, const ps_image_split *split, int first,
                         int count) {
    size_t sample = ps_images_sample_bytes(images), labels = images->labels_per_sample;
    ps_digest_u64(digest, (uint64_t)count);
    if (count == 0) return;
    ps_digest_bytes(digest, (const char *)split->pixel + (size_t)first * sample, (size_t)count * sample);
    ps_digest_bytes(digest, split->label + (size_t)first * labels, (size_t)count * labels * sizeof(int16_t));
}

static void compute_digest(ps_dataset *dataset) {
    const ps_images *images = &dataset->images;
    const int shape[6] = {images->shape.c, images->shape.d, images->shape.h,
                          images->shape.w, images->classes, images->type};
    ps_digest digest = ps_digest_start();
    for (int i = 0; i < 6; i++) ps_digest_u64(&digest, (uint64_t)shape[i]);
    digest_split(&digest, images, &images->train, 0, dataset->probe_start);
    digest_split(&digest, images, &images->train, dataset->probe_start, images->train.count - dataset->probe_start);
    digest_split(&digest, images, &images->test, 0, images->test.count);
    ps_digest_hex(&digest, dataset->digest);
}

ps_status ps_dataset_from_images(const char *source, const ps_dataset_options *options, ps_images *images,
                                 ps_dataset **out) {
    ps_dataset *dataset = NULL;
    *out = NULL;
    ps_status status = PS_ALLOC(1, &dataset, "data set");
    if (status != PS_OK) {
        ps_images_clear(images);
        return status;
    }
    dataset->images = *images;
    memset(images, 0, sizeof *images);
    PS_TRY_CLEANUP(ps_string_copy(source, &dataset->source));
    PS_TRY_CLEANUP(check_options(options));
    PS_TRY_CLEANUP(check_images(source, &dataset->images));
    PS_TRY_CLEANUP(select_images(dataset, options));
    PS_TRY_CLEANUP(resize_images(&dataset->images, options->size));
    PS_TRY_CLEANUP(name_classes(&dataset->images));
    PS_TRY_CLEANUP(compute_normalisation(dataset));
    compute_digest(dataset);
    *out = dataset;
    return PS_OK;
cleanup:
    ps_dataset_close(dataset);
    return status;
}

ps_status ps_dataset_open(const char *source, const ps_dataset_options *options, ps_dataset **out) {
    const format *found = NULL;
    const char *argument = NULL;
    ps_images images = {0};
    *out = NULL;
    PS_TRY(check_options(options));
    PS_TRY(split_source(source, &found, &argument));
    ps_status status = found->read(argument, options, &images);
    if (status == PS_OK) return ps_dataset_from_images(source, options, &images, out);
    ps_images_clear(&images);
    return status;
}

void ps_dataset_close(ps_dataset *dataset) {
    if (dataset == NULL) return;
    ps_images_clear(&dataset->images);
    ps_free(dataset->mean);
    ps_free(dataset->deviation);
    ps_free(dataset->byte_value);
    free(dataset->source);
    ps_free(dataset);
}

/* ---- use ---- */

ps_shape ps_dataset_sample_shape(const ps_dataset *dataset) { return dataset->images.shape; }
int ps_dataset_classes(const ps_dataset *dataset) { return dataset->images.classes; }
size_t ps_dataset_labels_per_sample(const ps_dataset *dataset) { return dataset->images.labels_per_sample; }
const char *ps_dataset_source(const ps_dataset *dataset) { return dataset->source; }
const char *ps_dataset_digest(const ps_dataset *dataset) { return dataset->digest; }

const char *ps_dataset_class_name(const ps_dataset *dataset, int class_index) {
    if (class_index < 0 || class_index >= dataset->images.classes) return "?";
    return dataset->images.class_names[class_index];
}

int ps_dataset_count(const ps_dataset *dataset, ps_split split) {
    switch (split) {
        case PS_SPLIT_TRAIN: return dataset->probe_start;
        case PS_SPLIT_PROBE: return dataset->images.train.count - dataset->probe_start;
        case PS_SPLIT_TEST: return dataset->images.test.count;
        default: return 0;
    }
}

static void normalise_bytes(const ps_dataset *dataset, const uint8_t *pixel, size_t positions, size_t channels,
                            float *x) {
    for (size_t i = 0; i < positions; i++) {
        for (size_t c = 0; c < channels; c++) *x++ = dataset->byte_value[c * BYTE_VALUES + *pixel++];
    }
}

static void normalise_floats(const ps_dataset *dataset, const float *pixel, size_t positions, size_t channels,
                             float *x) {
    for (size_t i = 0; i < positions; i++) {
        for (size_t c = 0; c < channels; c++) *x++ = (float)((*pixel++ - dataset->mean[c]) / dataset->deviation[c]);
    }
}

size_t ps_dataset_count_labels(const ps_dataset *dataset, ps_split split, int class_index) {
    const ps_images *images = &dataset->images;
    const ps_image_split *from = split == PS_SPLIT_TEST ? &images->test : &images->train;
    size_t first = split == PS_SPLIT_PROBE ? (size_t)dataset->probe_start : 0, found = 0;
    const int16_t *label = from->label + first * images->labels_per_sample;
    size_t labels = (size_t)ps_dataset_count(dataset, split) * images->labels_per_sample;
    for (size_t i = 0; i < labels; i++) found += label[i] == class_index;
    return found;
}

void ps_dataset_sample(const ps_dataset *dataset, ps_split split, int index, float *x, int32_t *label) {
    const ps_images *images = &dataset->images;
    const ps_image_split *from = split == PS_SPLIT_TEST ? &images->test : &images->train;
    size_t row = (size_t)index + (split == PS_SPLIT_PROBE ? (size_t)dataset->probe_start : 0);
    size_t channels = (size_t)images->shape.c, positions = ps_shape_positions(images->shape),
           labels = images->labels_per_sample;
    const void *pixel = (const char *)from->pixel + row * ps_images_sample_bytes(images);
    if (images->type == PS_PIXEL_BYTE) normalise_bytes(dataset, pixel, positions, channels, x);
    else normalise_floats(dataset, pixel, positions, channels, x);
    for (size_t i = 0; i < labels; i++) label[i] = from->label[row * labels + i];
}
