/* Data sources: a made-up one with masks and samples of unlike sizes, through the interface that formats have; and the
 * formats by that interface alone: headers when it is opened, samples in any order when they are asked for. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "core/memory.h"
#include "data/loader.h"
#include "data/source.h"
#include "parallel/threads.h"
#include "task/task.h"
#include "tests/lib/folder.h"

enum { TRAIN = 9, TEST = 2, CHANNELS = 2, CLASSES = 3, SIDE_MOST = 8 };

/* ---- a made-up source ---- */

typedef struct {
    bool unlike;     /* samples differ in size */
    bool small_mask; /* masks of half the sides */
    int closed, decoded;
    int broken; /* this training sample cannot be read from now on; -1: all can */
} shelf;

static ps_shape shape_of(const shelf *s, ps_source_part part, int index) {
    if (!s->unlike) return (ps_shape){1, CHANNELS, 1, 4, 6};
    return (ps_shape){1, CHANNELS, 1, 3 + index % 4, part == PS_SOURCE_TEST ? SIDE_MOST : 5 + index % 3};
}

static void size_of(const ps_source *source, ps_source_part part, int index, ps_sample_size *out) {
    const shelf *s = source->state;
    out->pixels = out->mask = shape_of(s, part, index);
    out->mask.c = 1;
    if (s->small_mask) out->mask.h = out->pixels.h / 2, out->mask.w = out->pixels.w / 2;
}

static float pixel_at(ps_source_part part, int index, size_t element) {
    return (float)((int)part * 500 + index * 31 + (int)element * 3 % 17);
}

static int label_at(ps_source_part part, int index, size_t position) {
    return position == 0 ? -1 : ((int)part + index + (int)position) % CLASSES;
}

static ps_status decode(const ps_source *source, ps_source_part part, int index, void *pixel, int16_t *label) {
    shelf *s = source->state;
    ps_sample_size size;
    __atomic_add_fetch(&s->decoded, 1, __ATOMIC_RELAXED);
    if (part == PS_SOURCE_TRAIN && index == s->broken)
        return ps_fail(PS_ERR_IO, "shelf/%d: is gone; put it back", index);
    size_of(source, part, index, &size);
    for (size_t i = 0; i < ps_shape_elements(size.pixels); i++) ((float *)pixel)[i] = pixel_at(part, index, i);
    for (size_t i = 0; i < ps_shape_positions(size.mask); i++) label[i] = (int16_t)label_at(part, index, i);
    return PS_OK;
}

static void close_shelf(ps_source *source) { ((shelf *)source->state)->closed++; }

static const ps_source_functions functions = {.size = size_of, .decode = decode, .close = close_shelf};

static ps_status open_shelf(shelf *s, ps_dataset_options options, ps_dataset **out) {
    ps_source source = {.functions = &functions,
                        .state = s,
                        .count = {TRAIN, TEST},
                        .type = PS_PIXEL_FLOAT,
                        .labels = PS_LABEL_MASK,
                        .classes = CLASSES};
    return ps_dataset_of_source("shelf", &options, &source, out);
}

static const shelf whole = {.broken = -1}, unlike = {.broken = -1, .unlike = true};

/* ---- masks, unlike sizes, on demand ---- */

static void expect_sample(const ps_dataset *dataset, ps_split split, int index, const double mean[CHANNELS],
                          const double deviation[CHANNELS]) {
    float x[SIDE_MOST * SIDE_MOST * CHANNELS];
    int32_t label[SIDE_MOST * SIDE_MOST];
    ps_source_part part = split == PS_SPLIT_TEST ? PS_SOURCE_TEST : PS_SOURCE_TRAIN;
    int stored = split == PS_SPLIT_PROBE ? TRAIN - 2 + index : index;
    ps_shape mask, shape = ps_dataset_shape_of(dataset, split, index, &mask);
    assert_true(ps_shape_equal(shape, shape_of(&unlike, part, stored)));
    assert_int_equal(ps_shape_positions(mask), ps_shape_positions(shape));
    held(ps_dataset_sample(dataset, split, index, x, label));
    for (size_t i = 0; i < ps_shape_elements(shape); i++) {
        double expected = (pixel_at(part, stored, i) - mean[i % CHANNELS]) / deviation[i % CHANNELS];
        assert_true(fabs(x[i] - expected) < 1e-5);
    }
    for (size_t i = 0; i < ps_shape_positions(mask); i++) assert_int_equal(label[i], label_at(part, stored, i));
}

static void shelf_moments(double mean[CHANNELS], double deviation[CHANNELS]) {
    for (size_t c = 0; c < CHANNELS; c++) {
        double count = 0, sum = 0, squares = 0;
        for (int pass = 0; pass < 2; pass++) {
            for (int n = 0; n < TRAIN - 2; n++) {
                ps_shape shape = shape_of(&unlike, PS_SOURCE_TRAIN, n);
                for (size_t i = c; i < ps_shape_elements(shape); i += CHANNELS) {
                    double v = (double)pixel_at(PS_SOURCE_TRAIN, n, i);
                    if (pass == 0) count++, sum += v;
                    else squares += pow(v - sum / count, 2);
                }
            }
        }
        mean[c] = sum / count;
        deviation[c] = sqrt(squares / count);
    }
}

/* Held in memory, and decoded anew each time: the same set. */
static void samples_of_unlike_sizes_come_with_their_masks(void **state) {
    (void)state;
    double mean[CHANNELS], deviation[CHANNELS];
    char digest[17] = "";
    shelf_moments(mean, deviation);
    for (size_t most = 0; most < 2; most++) { /* no bound, and one byte */
        shelf s = unlike;
        ps_dataset *dataset;
        held(open_shelf(&s, (ps_dataset_options){.probe_count = 2, .most_bytes = most}, &dataset));
        assert_int_equal(s.closed, most == 0); /* what is held needs its files no more */
        int decoded = s.decoded;
        assert_true(ps_dataset_samples_differ(dataset));
        assert_true(ps_shape_equal(ps_dataset_sample_shape(dataset), (ps_shape){1, CHANNELS, 0, 0, 0}));
        assert_int_equal(ps_dataset_labels_per_sample(dataset), 0);
        for (int split = 0; split < PS_SPLITS; split++)
            for (int i = ps_dataset_count(dataset, (ps_split)split) - 1; i >= 0; i--)
                expect_sample(dataset, (ps_split)split, i, mean, deviation);
        assert_int_equal(s.decoded - decoded, most == 0 ? 0 : TRAIN + TEST);
        if (most > 0) assert_string_equal(ps_dataset_digest(dataset), digest);
        memcpy(digest, ps_dataset_digest(dataset), sizeof digest);
        size_t counted = 0;
        for (int k = 0; k < CLASSES; k++) counted += ps_dataset_count_labels(dataset, PS_SPLIT_TEST, k);
        assert_int_equal(counted, SIDE_MOST * 3 + SIDE_MOST * 4 - TEST); /* less one position each without a label */
        ps_dataset_close(dataset);
        assert_int_equal(s.closed, 1);
    }
}

static void unlike_sizes_become_one_or_are_refused(void **state) {
    (void)state;
    shelf s = unlike;
    ps_dataset *dataset;
    ps_loader *loader;
    ps_loader_options options = {.batch = 2, .seed = 1, .augment = {.crop_pad = 1, .flip = true}};
    float x[2][2 * 5 * 5 * CHANNELS];
    int32_t label[2][2 * 5 * 5];
    held(open_shelf(&s, (ps_dataset_options){.probe_count = 0}, &dataset));
    assert_int_equal(ps_loader_create(dataset, &options, &loader), PS_ERR_USAGE);
    assert_non_null(strstr(ps_status_message(), "1 x 3 x 5 and 1 x 4 x 6"));
    assert_non_null(strstr(ps_status_message(), "--size"));
    ps_dataset_close(dataset);
    for (size_t most = 0; most < 2; most++) {
        s = unlike;
        held(open_shelf(&s, (ps_dataset_options){.size = 5, .most_bytes = most}, &dataset));
        assert_true(ps_shape_equal(ps_dataset_sample_shape(dataset), (ps_shape){1, CHANNELS, 1, 5, 5}));
        assert_int_equal(ps_dataset_labels_per_sample(dataset), 25);
        held(ps_loader_create(dataset, &options, &loader));
        held(ps_loader_train_batch(loader, 3, x[most], label[most], NULL));
        ps_loader_destroy(loader);
        ps_dataset_close(dataset);
    }
    assert_memory_equal(x[0], x[1], sizeof x[0]);
    assert_memory_equal(label[0], label[1], sizeof label[0]);
}

static void masks_of_their_own_size_stay_what_they_are(void **state) {
    (void)state;
    shelf s = whole;
    ps_dataset *dataset;
    ps_loader *loader;
    float x[4 * 6 * CHANNELS];
    int32_t label[6];
    s.small_mask = true;
    held(open_shelf(&s, (ps_dataset_options){.probe_count = 1}, &dataset));
    assert_int_equal(ps_dataset_labels_per_sample(dataset), 6);
    assert_int_equal(
        ps_loader_create(dataset, &(ps_loader_options){.batch = 1, .seed = 1, .augment = {.crop_pad = 0, .flip = true}},
                         &loader),
        PS_ERR_USAGE);
    assert_non_null(strstr(ps_status_message(), "masks of 1 x 2 x 3"));
    held(ps_loader_create(
        dataset, &(ps_loader_options){.batch = 1, .seed = 1, .augment = {.crop_pad = 0, .flip = false}}, &loader));
    held(ps_loader_plain_batch(loader, PS_SPLIT_TEST, 1, x, label, NULL, NULL));
    for (size_t i = 0; i < 6; i++) assert_int_equal(label[i], label_at(PS_SOURCE_TEST, 1, i));
    ps_loader_destroy(loader);
    ps_dataset_close(dataset);
}

static ps_status open_unlabelled(shelf *s, ps_dataset **out) {
    static const ps_source_functions bare = {.size = size_of, .decode = decode, .close = close_shelf};
    ps_source source = {.functions = &bare, .state = s, .count = {TRAIN, TEST}, .type = PS_PIXEL_FLOAT};
    return ps_dataset_of_source("shelf", &(ps_dataset_options){0}, &source, out);
}

static void no_mask_size(const ps_source *source, ps_source_part part, int index, ps_sample_size *out) {
    size_of(source, part, index, out);
    out->mask = (ps_shape){0, 0, 0, 0, 0};
}

static ps_status decode_pixels(const ps_source *source, ps_source_part part, int index, void *pixel, int16_t *label) {
    (void)source;
    assert_null(label); /* there is no room for any */
    for (size_t i = 0; i < 4 * 6 * CHANNELS; i++) ((float *)pixel)[i] = pixel_at(part, index, i);
    return PS_OK;
}

/* To look at, or to predict on: batches come without labels, and nothing can be learned from them. */
static void samples_without_labels_are_served(void **state) {
    (void)state;
    static const ps_source_functions bare = {.size = no_mask_size, .decode = decode_pixels, .close = close_shelf};
    float x[2 * 24 * CHANNELS];
    for (size_t most = 0; most < 2; most++) {
        shelf s = whole;
        ps_source source = {.functions = &bare, .state = &s, .count = {TRAIN, TEST}, .type = PS_PIXEL_FLOAT};
        ps_dataset *dataset;
        ps_loader *loader;
        const ps_task *task;
        held(ps_dataset_of_source("shelf", &(ps_dataset_options){.most_bytes = most}, &source, &dataset));
        assert_int_equal(ps_dataset_classes(dataset), 0);
        assert_int_equal(ps_dataset_labels_per_sample(dataset), 0);
        held(ps_loader_create(
            dataset, &(ps_loader_options){.batch = 2, .seed = 1, .augment = {.crop_pad = 1, .flip = true}}, &loader));
        held(ps_loader_train_batch(loader, 0, x, NULL, NULL));
        held(ps_loader_plain_batch(loader, PS_SPLIT_TEST, 1, x, NULL, NULL, NULL));
        assert_int_equal(ps_task_of(dataset, &task), PS_ERR_INPUT);
        assert_non_null(strstr(ps_status_message(), "no task takes labels such as these"));
        ps_loader_destroy(loader);
        ps_dataset_close(dataset);
    }
}

/* A format that says one thing and does another: whoever writes one is told. */
static void broken_promises_are_told(void **state) {
    (void)state;
    shelf s = whole;
    ps_dataset *dataset;
    assert_int_equal(open_unlabelled(&s, &dataset), PS_ERR_INTERNAL); /* no labels, and yet masks */
    assert_null(dataset);
    assert_int_equal(s.closed, 1);
}

/* ---- failures on demand ---- */

static void what_cannot_be_read_is_named(void **state) {
    (void)state;
    shelf s = whole;
    ps_dataset *dataset;
    ps_loader *loader;
    float x[TRAIN * 24 * CHANNELS];
    int32_t label[TRAIN * 24];
    s.broken = 4;
    assert_int_equal(open_shelf(&s, (ps_dataset_options){0}, &dataset), PS_ERR_INPUT);
    assert_string_equal(ps_status_message(), "shelf/4: is gone; put it back (or leave it out with --skip-bad)");
    assert_null(dataset);
    assert_int_equal(s.closed, 1);
    for (int threads = 1; threads <= 3; threads++) {
        ps_threads *pool;
        s = whole;
        held(ps_threads_create(threads, &pool));
        held(open_shelf(&s, (ps_dataset_options){.most_bytes = 1}, &dataset));
        held(ps_loader_create(
            dataset, &(ps_loader_options){.batch = TRAIN, .seed = 1, .augment = {.crop_pad = 0, .flip = false}},
            &loader));
        held(ps_loader_train_batch(loader, 0, x, label, pool));
        s.broken = 4; /* every epoch shows it */
        assert_int_equal(ps_loader_train_batch(loader, 0, x, label, pool), PS_ERR_IO);
        assert_string_equal(ps_status_message(), "shelf/4: is gone; put it back");
        assert_int_equal(ps_loader_plain_batch(loader, PS_SPLIT_TRAIN, 0, x, label, NULL, pool), PS_ERR_IO);
        s.broken = -1;
        held(ps_loader_train_batch(loader, 0, x, label, pool));
        ps_loader_destroy(loader);
        ps_dataset_close(dataset);
        ps_threads_destroy(pool);
    }
}

/* ---- formats ---- */

static void write_bytes(const char *name, const uint8_t *bytes, size_t size, bool packed) {
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (packed) {
        gzFile stream = gzopen(path, "wb");
        assert_int_equal(gzwrite(stream, bytes, (unsigned)size), (int)size);
        assert_int_equal(gzclose(stream), Z_OK);
        return;
    }
    FILE *stream = fopen(path, "wb");
    assert_int_equal(fwrite(bytes, 1, size, stream), size);
    assert_int_equal(fclose(stream), 0);
}

static void open_source(const char *format, ps_source *source) {
    char name[600];
    snprintf(name, sizeof name, "%s:%s", format, folder);
    held(ps_source_open(name, &(ps_dataset_options){0}, source));
}

/* A wrong label in the last record, which only decoding sees; the samples before it are served, in any order. */
static void cifar_reads_sizes_first(void **state) {
    (void)state;
    enum { RECORD = 3073, RECORDS = 3 };
    static uint8_t bytes[RECORDS * RECORD], pixel[RECORD];
    for (int i = 0; i < RECORDS * RECORD; i++) bytes[i] = (uint8_t)(i % RECORD == 0 ? i / RECORD : i % 251);
    bytes[2 * RECORD] = 77;
    write_bytes("data_batch_1.bin", bytes, 2 * RECORD, false);
    write_bytes("data_batch_3.bin", bytes + 2 * RECORD, RECORD, false);
    ps_source source;
    ps_sample_size size;
    int16_t label;
    open_source("cifar10", &source);
    assert_int_equal(source.count[PS_SOURCE_TRAIN], RECORDS);
    assert_int_equal(source.count[PS_SOURCE_TEST], 0);
    source.functions->size(&source, PS_SOURCE_TRAIN, 0, &size);
    assert_true(ps_shape_equal(size.pixels, (ps_shape){1, 3, 1, 32, 32}));
    for (int i = 1; i >= 0; i--) {
        held(source.functions->decode(&source, PS_SOURCE_TRAIN, i, pixel, &label));
        assert_int_equal(label, i);
        for (int p = 0; p < 3072; p++) assert_int_equal(pixel[p], bytes[i * RECORD + 1 + p % 3 * 1024 + p / 3]);
    }
    assert_int_equal(source.functions->decode(&source, PS_SOURCE_TRAIN, 2, pixel, &label), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "data_batch_3.bin: record 0 (byte 0) has label 77"));
    write_bytes("data_batch_3.bin", bytes, 10, false); /* cut while it is in use */
    assert_int_equal(source.functions->decode(&source, PS_SOURCE_TRAIN, 2, pixel, &label), PS_ERR_IO);
    assert_non_null(strstr(ps_status_message(), "data_batch_3.bin: could not be read at record 0"));
    ps_source_close(&source);
}

static void idx_serves_images_in_any_order(void **state) {
    (void)state;
    enum { COUNT = 9, PIXELS = 6 };
    static const int order[] = {8, 0, 3, 3, 8, 1};
    for (int packed = 0; packed < 2; packed++) {
        uint8_t images[16 + COUNT * PIXELS] = {0, 0, 8, 3, 0, 0, 0, COUNT, 0, 0, 0, 2, 0, 0, 0, 3},
                                    labels[8 + COUNT] = {0, 0, 8, 1, 0, 0, 0, COUNT}, pixel[PIXELS];
        for (int i = 0; i < COUNT * PIXELS; i++) images[16 + i] = (uint8_t)(i * 5);
        for (int i = 0; i < COUNT; i++) labels[8 + i] = (uint8_t)i;
        write_bytes(packed ? "train-images-idx3-ubyte.gz" : "train-images-idx3-ubyte", images, sizeof images, packed);
        write_bytes("train-labels-idx1-ubyte", labels, sizeof labels, false);
        ps_source source;
        int16_t label;
        open_source("idx", &source);
        for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
            held(source.functions->decode(&source, PS_SOURCE_TRAIN, order[i], pixel, &label));
            assert_int_equal(label, order[i]);
            assert_memory_equal(pixel, images + 16 + order[i] * PIXELS, PIXELS);
        }
        ps_source_close(&source);
        /* The last image is cut: headers say nothing of it, and the others are as good as before. */
        if (packed) continue;
        write_bytes("train-images-idx3-ubyte", images, sizeof images - 1, false);
        open_source("idx", &source);
        held(source.functions->decode(&source, PS_SOURCE_TRAIN, 7, pixel, &label));
        assert_int_equal(source.functions->decode(&source, PS_SOURCE_TRAIN, 8, pixel, &label), PS_ERR_INPUT);
        assert_non_null(strstr(ps_status_message(), "train-images-idx3-ubyte"));
        ps_source_close(&source);
        char path[600];
        snprintf(path, sizeof path, "%s/train-images-idx3-ubyte", folder);
        assert_int_equal(remove(path), 0);
    }
}

typedef struct {
    const ps_source *source;
    const uint8_t *expected;
    size_t bytes;
    int count, wrong;
} reading;

static void read_one(void *context, size_t chunk, int worker) {
    reading *r = context;
    int16_t label;
    uint8_t *pixel = malloc(r->bytes);
    int index = (int)(chunk * 7 % (size_t)r->count);
    (void)worker;
    if (r->source->functions->decode(r->source, PS_SOURCE_TRAIN, index, pixel, &label) != PS_OK ||
        memcmp(pixel, r->expected + (size_t)index * r->bytes, r->bytes) != 0)
        __atomic_add_fetch(&r->wrong, 1, __ATOMIC_RELAXED);
    free(pixel);
}

/* Any samples from any threads at a time; the sanitizers watch. */
static void formats_are_read_by_many_threads(void **state) {
    (void)state;
    enum { COUNT = 12, RECORD = 3073 };
    static uint8_t file[COUNT * RECORD], images[16 + COUNT * 3072] = {0, 0, 8, 3, 0, 0, 0, COUNT, 0, 0, 0, 48, 0, 0, 0},
                                                             labels[8 + COUNT] = {0, 0, 8, 1, 0, 0, 0, COUNT};
    images[15] = 64;
    for (int i = 0; i < COUNT * RECORD; i++) file[i] = (uint8_t)(i % RECORD == 0 ? 3 : i * 7 % 253);
    for (int i = 0; i < COUNT * 3072; i++) images[16 + i] = (uint8_t)(i * 11 % 255);
    write_bytes("data_batch_1.bin", file, sizeof file, false);
    write_bytes("train-images-idx3-ubyte.gz", images, sizeof images, true);
    write_bytes("train-labels-idx1-ubyte", labels, sizeof labels, false);
    ps_threads *pool;
    held(ps_threads_create(3, &pool));
    for (int format = 0; format < 3; format++) {
        ps_source source;
        ps_sample_size size;
        int16_t label;
        if (format == 2) held(ps_source_open("synthetic", &(ps_dataset_options){.train_limit = COUNT}, &source));
        else open_source(format == 0 ? "cifar10" : "idx", &source);
        source.functions->size(&source, PS_SOURCE_TRAIN, 0, &size);
        size_t bytes = ps_shape_elements(size.pixels);
        uint8_t *expected = malloc(COUNT * bytes);
        for (int i = 0; i < COUNT; i++)
            held(source.functions->decode(&source, PS_SOURCE_TRAIN, i, expected + (size_t)i * bytes, &label));
        reading r = {&source, expected, bytes, COUNT, 0};
        ps_threads_run(pool, 60, read_one, &r);
        assert_int_equal(r.wrong, 0);
        free(expected);
        ps_source_close(&source);
    }
    ps_threads_destroy(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_of_unlike_sizes_come_with_their_masks),
        cmocka_unit_test(unlike_sizes_become_one_or_are_refused),
        cmocka_unit_test(masks_of_their_own_size_stay_what_they_are),
        cmocka_unit_test(samples_without_labels_are_served),
        cmocka_unit_test(broken_promises_are_told),
        cmocka_unit_test(what_cannot_be_read_is_named),
        cmocka_unit_test_setup_teardown(cifar_reads_sizes_first, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(idx_serves_images_in_any_order, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(formats_are_read_by_many_threads, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
