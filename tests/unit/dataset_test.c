/* Data sets: tiny files of every format - right, cut short and wrong - and what the opened set promises. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "core/file.h"
#include "core/memory.h"
#include "core/rng.h"
#include "data/dataset.h"
#include "data/source.h"
#include "tests/lib/folder.h"

enum { CIFAR_PIXELS = 3072, PATH_SIZE = 512 };

/* ---- a folder for each test ---- */

static void write_file(const char *name, const void *bytes, size_t size) {
    char path[2 * PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, size, stream), size);
    assert_int_equal(fclose(stream), 0);
}

static void write_text(const char *name, const char *text) { write_file(name, text, strlen(text)); }

static void write_gz(const char *name, const void *bytes, size_t size) {
    char path[2 * PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    gzFile stream = gzopen(path, "wb");
    assert_non_null(stream);
    assert_int_equal(gzwrite(stream, bytes, (unsigned)size), (int)size);
    assert_int_equal(gzclose(stream), Z_OK);
}

static void remove_file(const char *name) {
    char path[2 * PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
}

/* Opens "format:folder". */
static ps_status open_folder(const char *format, ps_dataset_options options, ps_dataset **out) {
    char source[2 * PATH_SIZE];
    snprintf(source, sizeof source, "%s:%s", format, folder);
    return ps_dataset_open(source, &options, out);
}

static ps_dataset *must_open(const char *format, ps_dataset_options options) {
    ps_dataset *dataset;
    held(open_folder(format, options, &dataset));
    return dataset;
}

/* The set must be refused with this code and a sentence that holds every one of the words. */
static void must_refuse(const char *format, ps_dataset_options options, ps_status code, const char *const *words) {
    ps_dataset *dataset;
    ps_status status = open_folder(format, options, &dataset);
    if (status == PS_OK) fail_msg("opened, though \"%s\" was expected", words[0]);
    assert_int_equal(status, code);
    assert_null(dataset);
    for (; *words != NULL; words++) {
        if (strstr(ps_status_message(), *words) == NULL)
            fail_msg("\"%s\" is missing in: %s", *words, ps_status_message());
    }
    assert_null(strchr(ps_status_message(), '\n'));
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
static const ps_dataset_options as_stored;

/* ---- CIFAR ---- */

/* Pixel of record `record`, colour plane c, place i: distinct enough that a swapped plane or record shows. */
static uint8_t cifar_pixel(int record, int c, int i) { return (uint8_t)(record * 31 + c * 85 + i * 7 + i / 32 * 3); }

static size_t fill_cifar(uint8_t *bytes, int label_bytes, int first, int records) {
    uint8_t *p = bytes;
    for (int r = first; r < first + records; r++) {
        if (label_bytes == 2) *p++ = (uint8_t)(r % 20);
        *p++ = (uint8_t)(r % 10 + (label_bytes == 2 ? 80 : 0));
        for (int c = 0; c < 3; c++) {
            for (int i = 0; i < 1024; i++) *p++ = cifar_pixel(r, c, i);
        }
    }
    return (size_t)(p - bytes);
}

static uint8_t scratch[64 * (2 + CIFAR_PIXELS)];

static void write_cifar(const char *name, int label_bytes, int first, int records) {
    write_file(name, scratch, fill_cifar(scratch, label_bytes, first, records));
}

/* Moments of the given records by the definition, in double, to undo the normalisation independently. */
static void cifar_moments(int first, int records, double mean[3], double deviation[3]) {
    for (int c = 0; c < 3; c++) {
        double sum = 0, squares = 0;
        for (int r = first; r < first + records; r++) {
            for (int i = 0; i < 1024; i++) sum += cifar_pixel(r, c, i);
        }
        mean[c] = sum / (records * 1024);
        for (int r = first; r < first + records; r++) {
            for (int i = 0; i < 1024; i++) squares += pow(cifar_pixel(r, c, i) - mean[c], 2);
        }
        deviation[c] = sqrt(squares / (records * 1024));
    }
}

static void expect_cifar_sample(const ps_dataset *dataset, ps_split split, int index, int record, int label_offset,
                                const double mean[3], const double deviation[3]) {
    float x[CIFAR_PIXELS];
    int32_t label;
    held(ps_dataset_sample(dataset, split, index, x, &label));
    assert_int_equal(label, record % 10 + label_offset);
    for (int i = 0; i < 1024; i++) {
        for (int c = 0; c < 3; c++) {
            double expected = (cifar_pixel(record, c, i) - mean[c]) / deviation[c];
            assert_true(fabs(x[i * 3 + c] - expected) < 1e-5);
        }
    }
}

static void cifar10_reads_all_files_in_order(void **state) {
    (void)state;
    write_cifar("data_batch_1.bin", 1, 0, 3);
    write_cifar("data_batch_3.bin", 1, 3, 2);
    write_cifar("test_batch.bin", 1, 20, 2);
    write_text("batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nlast\n\n");
    ps_dataset *dataset = must_open("cifar10", (ps_dataset_options){.probe_count = 1});
    assert_true(ps_shape_equal(ps_dataset_sample_shape(dataset), (ps_shape){1, 3, 1, 32, 32}));
    assert_int_equal(ps_dataset_classes(dataset), 10);
    assert_int_equal(ps_dataset_labels_per_sample(dataset), 1);
    assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_TRAIN), 4);
    assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_PROBE), 1);
    assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_TEST), 2);
    assert_string_equal(ps_dataset_class_name(dataset, 9), "last");
    assert_string_equal(ps_dataset_class_name(dataset, 10), "?");
    assert_string_equal(ps_dataset_class_name(dataset, -1), "?");
    double mean[3], deviation[3];
    cifar_moments(0, 4, mean, deviation); /* not the probe, not the test */
    for (int i = 0; i < 4; i++) expect_cifar_sample(dataset, PS_SPLIT_TRAIN, i, i, 0, mean, deviation);
    expect_cifar_sample(dataset, PS_SPLIT_PROBE, 0, 4, 0, mean, deviation);
    for (int i = 0; i < 2; i++) expect_cifar_sample(dataset, PS_SPLIT_TEST, i, 20 + i, 0, mean, deviation);
    ps_dataset_close(dataset);
}

static void cifar100_uses_the_fine_label(void **state) {
    (void)state;
    write_cifar("train.bin", 2, 0, 4);
    ps_dataset *dataset = must_open("cifar100", as_stored);
    double mean[3], deviation[3];
    assert_int_equal(ps_dataset_classes(dataset), 100);
    assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_TEST), 0);
    assert_string_equal(ps_dataset_class_name(dataset, 83), "83");
    cifar_moments(0, 4, mean, deviation);
    for (int i = 0; i < 4; i++) expect_cifar_sample(dataset, PS_SPLIT_TRAIN, i, i, 80, mean, deviation);
    ps_dataset_close(dataset);
}

static void cifar_folder_may_be_the_unpacked_archives_parent(void **state) {
    (void)state;
    char inner[2 * PATH_SIZE];
    snprintf(inner, sizeof inner, "%s/cifar-10-batches-bin", folder);
    assert_int_equal(mkdir(inner, 0777), 0);
    write_cifar("cifar-10-batches-bin/data_batch_5.bin", 1, 0, 2);
    ps_dataset *dataset = must_open("cifar10", as_stored);
    assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_TRAIN), 2);
    ps_dataset_close(dataset);
}

static void broken_names_files_leave_numbers(void **state) {
    (void)state;
    write_cifar("data_batch_1.bin", 1, 0, 2);
    write_file("batches.meta.txt", "only\none\0more\n", 14);
    ps_dataset *dataset = must_open("cifar10", as_stored);
    assert_string_equal(ps_dataset_class_name(dataset, 0), "0");
    ps_dataset_close(dataset);
    char text[10 * 82], *p = text;
    for (int i = 0; i < 10; i++, p += 82) {
        memset(p, 'x', 81);
        p[1] = '\033';
        p[81] = '\n';
    }
    write_file("batches.meta.txt", text, sizeof text);
    dataset = must_open("cifar10", as_stored);
    assert_int_equal(strlen(ps_dataset_class_name(dataset, 9)), PS_CLASS_NAME_SIZE - 1);
    assert_int_equal(ps_dataset_class_name(dataset, 9)[1], '?');
    ps_dataset_close(dataset);
}

static void cifar_faults_are_named(void **state) {
    (void)state;
    must_refuse("cifar10", as_stored, PS_ERR_INPUT,
                WORDS(folder, "no training file", "data_batch_1.bin", "give the folder"));
    must_refuse("cifar100", as_stored, PS_ERR_INPUT, WORDS(folder, "train.bin"));
    write_cifar("test_batch.bin", 1, 0, 1);
    must_refuse("cifar10", as_stored, PS_ERR_INPUT, WORDS("no training file")); /* a test file alone is not enough */
    size_t size = fill_cifar(scratch, 1, 0, 3);
    write_file("data_batch_2.bin", scratch, size - 1);
    must_refuse("cifar10", as_stored, PS_ERR_INPUT,
                WORDS("data_batch_2.bin", "record 2", "byte 6146", "9218 bytes", "3073"));
    write_file("data_batch_2.bin", scratch, 0);
    must_refuse("cifar10", as_stored, PS_ERR_INPUT, WORDS("data_batch_2.bin", "record 0", "0 bytes"));
    write_file("data_batch_2.bin", scratch, size + 1);
    must_refuse("cifar10", as_stored, PS_ERR_INPUT, WORDS("record 3", "byte 9219"));
    scratch[2 * 3073] = 10;
    write_file("data_batch_2.bin", scratch, size);
    must_refuse("cifar10", as_stored, PS_ERR_INPUT,
                WORDS("data_batch_2.bin", "record 2", "byte 6146", "label 10", "0 to 9"));
    write_cifar("data_batch_2.bin", 1, 0, 3);
    write_file("test_batch.bin", scratch, 17);
    must_refuse("cifar10", as_stored, PS_ERR_INPUT, WORDS("test_batch.bin", "record 0"));
    remove_file("data_batch_2.bin");
    char path[2 * PATH_SIZE];
    snprintf(path, sizeof path, "%s/data_batch_2.bin", folder);
    assert_int_equal(mkdir(path, 0777), 0);
    must_refuse("cifar10", as_stored, PS_ERR_INPUT, WORDS("data_batch_2.bin", "regular file"));
}

/* ---- IDX ---- */

static void put_u32(uint8_t *p, uint32_t v) {
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static uint8_t idx_pixel(int image, int i) { return (uint8_t)(image * 50 + i * 11); }

static size_t fill_idx_images(uint8_t *bytes, int count, int rows, int columns) {
    put_u32(bytes, 0x803);
    put_u32(bytes + 4, (uint32_t)count);
    put_u32(bytes + 8, (uint32_t)rows);
    put_u32(bytes + 12, (uint32_t)columns);
    for (int n = 0; n < count; n++) {
        for (int i = 0; i < rows * columns; i++) bytes[16 + n * rows * columns + i] = idx_pixel(n, i);
    }
    return (size_t)(16 + count * rows * columns);
}

static size_t fill_idx_labels(uint8_t *bytes, int count) {
    put_u32(bytes, 0x801);
    put_u32(bytes + 4, (uint32_t)count);
    for (int n = 0; n < count; n++) bytes[8 + n] = (uint8_t)((n * 3 + 1) % 10);
    return (size_t)(8 + count);
}

static void write_idx(const char *images, const char *labels, int count, int rows, int columns, bool packed) {
    void (*write)(const char *, const void *, size_t) = packed ? write_gz : write_file;
    write(images, scratch, fill_idx_images(scratch, count, rows, columns));
    write(labels, scratch, fill_idx_labels(scratch, count));
}

static void expect_idx(const ps_dataset *dataset, int count) {
    float x[20];
    int32_t label;
    double sum = 0, squares = 0;
    assert_true(ps_shape_equal(ps_dataset_sample_shape(dataset), (ps_shape){1, 1, 1, 5, 4}));
    assert_int_equal(ps_dataset_classes(dataset), 10);
    assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_TRAIN), count);
    for (int n = 0; n < count; n++) {
        for (int i = 0; i < 20; i++) sum += idx_pixel(n, i);
    }
    double mean = sum / (20 * count);
    for (int n = 0; n < count; n++) {
        for (int i = 0; i < 20; i++) squares += pow(idx_pixel(n, i) - mean, 2);
    }
    double deviation = sqrt(squares / (20 * count));
    for (int n = 0; n < count; n++) {
        held(ps_dataset_sample(dataset, PS_SPLIT_TRAIN, n, x, &label));
        assert_int_equal(label, (n * 3 + 1) % 10);
        for (int i = 0; i < 20; i++) assert_true(fabs(x[i] - (idx_pixel(n, i) - mean) / deviation) < 1e-5);
    }
}

static void idx_reads_plain_and_packed_under_all_names(void **state) {
    (void)state;
    static const char *const names[4][2] = {{"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
                                            {"train-images.idx3-ubyte", "train-labels.idx1-ubyte"},
                                            {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"},
                                            {"train-images.idx3-ubyte.gz", "train-labels.idx1-ubyte.gz"}};
    char digest[17] = "";
    for (int i = 0; i < 4; i++) {
        write_idx(names[i][0], names[i][1], 7, 5, 4, i >= 2);
        ps_dataset *dataset = must_open("idx", as_stored);
        expect_idx(dataset, 7);
        assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_TEST), 0);
        if (i > 0) assert_string_equal(digest, ps_dataset_digest(dataset)); /* the packing is not the content */
        memcpy(digest, ps_dataset_digest(dataset), sizeof digest);
        ps_dataset_close(dataset);
        remove_file(names[i][0]);
        remove_file(names[i][1]);
    }
    write_idx(names[0][0], names[2][1], 7, 5, 4, false); /* plain bytes under a .gz name: zlib sees through it */
    write_idx("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz", 3, 5, 4, true);
    ps_dataset *dataset = must_open("idx", as_stored);
    expect_idx(dataset, 7);
    assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_TEST), 3);
    ps_dataset_close(dataset);
}

static void idx_faults_are_named(void **state) {
    (void)state;
    const char *images = "train-images-idx3-ubyte", *labels = "train-labels-idx1-ubyte";
    must_refuse("idx", as_stored, PS_ERR_INPUT, WORDS(folder, "train-images-idx3-ubyte", ".gz", "give the folder"));
    size_t size = fill_idx_images(scratch, 7, 5, 4);
    write_file(images, scratch, size);
    must_refuse("idx", as_stored, PS_ERR_INPUT, WORDS("train-labels-idx1-ubyte"));
    write_idx(images, labels, 7, 5, 4, false);

    uint8_t bytes[256];
    fill_idx_images(bytes, 7, 5, 4);
    write_file(images, bytes, size - 1);
    must_refuse("idx", as_stored, PS_ERR_INPUT, WORDS(images, "156"));
    write_file(images, bytes, 10);
    must_refuse("idx", as_stored, PS_ERR_INPUT, WORDS(images, "header"));
    write_file(images, bytes, 0);
    must_refuse("idx", as_stored, PS_ERR_INPUT, WORDS(images));
    bytes[size] = 1;
    write_file(images, bytes, size + 1);
    must_refuse("idx", as_stored, PS_ERR_INPUT, WORDS(images, "goes on after", "156"));
    bytes[3] = 1;
    write_file(images, bytes, size);
    must_refuse("idx", as_stored, PS_ERR_INPUT, WORDS(images, "0x00000801", "0x00000803", "right file"));
    bytes[3] = 3;
    for (int field = 1; field <= 3; field++) {
        const uint32_t lies[] = {0, 0xFFFFFFFFu, 0x7FFFFFFFu, 4000};
        for (size_t i = 0; i < 4; i++) {
            fill_idx_images(bytes, 7, 5, 4);
            put_u32(bytes + 4 * field, lies[i]);
            write_file(images, bytes, size);
            must_refuse("idx", as_stored, PS_ERR_INPUT, WORDS(images, "header"));
        }
    }
    fill_idx_images(bytes, 7, 5, 4);
    write_file(images, bytes, size);

    size_t label_size = fill_idx_labels(bytes, 7);
    bytes[8 + 5] = 10;
    write_file(labels, bytes, label_size);
    must_refuse("idx", as_stored, PS_ERR_INPUT, WORDS(labels, "record 5", "byte 13", "label 10"));
    fill_idx_labels(bytes, 8);
    write_file(labels, bytes, label_size + 1);
    must_refuse("idx", as_stored, PS_ERR_INPUT, WORDS(labels, "8 labels", "7 images", images));
    fill_idx_labels(bytes, 7);
    write_file(labels, bytes, label_size - 2);
    must_refuse("idx", as_stored, PS_ERR_INPUT, WORDS(labels, "past byte 13"));
    write_file(labels, bytes, label_size);

    write_idx("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", 2, 4, 5, false);
    must_refuse("idx", as_stored, PS_ERR_INPUT, WORDS("t10k-images", "4 x 5", "5 x 4"));
}

/* Letters are 1 to 26, other sets 0 to 61: classes come from the labels. */
static void idx_classes_come_from_the_labels(void **state) {
    (void)state;
    static const struct {
        int first, count, classes, test; /* labels of the set, classes, a label of a test image */
        bool test_taken;
    } sets[] = {{0, 10, 10, 9, true},   {0, 3, 10, 9, true},     {1, 9, 10, 0, true},   {1, 10, 10, 10, true},
                {1, 26, 26, 26, true},  {1, 26, 26, 0, false},   {0, 47, 47, 46, true}, {0, 62, 62, 62, false},
                {1, 10, 10, 11, false}, {0, 256, 256, 255, true}};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        int count = 2 * sets[i].count, shift = sets[i].first > 0 && sets[i].count + sets[i].first > 10 ? 1 : 0;
        write_file("train-images-idx3-ubyte", scratch, fill_idx_images(scratch, count, 2, 2));
        size_t size = fill_idx_labels(scratch, count);
        for (int n = 0; n < count; n++) scratch[8 + n] = (uint8_t)(sets[i].first + n % sets[i].count);
        write_file("train-labels-idx1-ubyte", scratch, size);
        write_file("t10k-images-idx3-ubyte", scratch, fill_idx_images(scratch, 1, 2, 2));
        size = fill_idx_labels(scratch, 1);
        scratch[8] = (uint8_t)sets[i].test;
        write_file("t10k-labels-idx1-ubyte", scratch, size);
        if (!sets[i].test_taken) {
            must_refuse("idx", as_stored, PS_ERR_INPUT, WORDS("t10k-labels", "record 0 (byte 8)", "training images"));
            continue;
        }
        ps_dataset *dataset = must_open("idx", as_stored);
        float x[4];
        int32_t label;
        assert_int_equal(ps_dataset_classes(dataset), sets[i].classes);
        for (int n = 0; n < count; n++) {
            held(ps_dataset_sample(dataset, PS_SPLIT_TRAIN, n, x, &label));
            assert_int_equal(label, sets[i].first + n % sets[i].count - shift);
        }
        held(ps_dataset_sample(dataset, PS_SPLIT_TEST, 0, x, &label));
        assert_int_equal(label, sets[i].test - shift);
        ps_dataset_close(dataset);
    }
}

static void damaged_gz_is_refused(void **state) {
    (void)state;
    char path[2 * PATH_SIZE], *packed;
    size_t size;
    write_idx("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", 7, 5, 4, true);
    snprintf(path, sizeof path, "%s/train-images-idx3-ubyte.gz", folder);
    held(ps_file_read(path, &packed, &size));
    for (size_t keep = 0; keep < size; keep += 3) {
        write_file("train-images-idx3-ubyte.gz", packed, keep);
        must_refuse("idx", as_stored, PS_ERR_INPUT, WORDS("train-images-idx3-ubyte.gz"));
    }
    packed[size - 5] ^= 1; /* the checksum */
    write_file("train-images-idx3-ubyte.gz", packed, size);
    must_refuse("idx", as_stored, PS_ERR_INPUT,
                WORDS("train-images-idx3-ubyte.gz", "checksum", "fetch the file again"));
    free(packed);
}

/* Random damage to a right file must be refused or read, never more; the sanitizers watch. */
static void random_damage_never_crashes(void **state) {
    (void)state;
    ps_rng_key key = ps_rng_key_of(1, "damage");
    size_t image_size = fill_idx_images(scratch, 7, 5, 4), draw = 0;
    uint8_t bytes[256];
    write_idx("train-images-idx3-ubyte", "train-labels-idx1-ubyte", 7, 5, 4, false);
    for (int i = 0; i < 400; i++) {
        fill_idx_images(bytes, 7, 5, 4);
        for (int k = 0; k < 3; k++) {
            uint32_t place = ps_rng_below(key, draw++, k < 2 ? 16 : (uint32_t)image_size);
            bytes[place] = (uint8_t)ps_rng_u32(key, draw++);
        }
        write_file("train-images-idx3-ubyte", bytes,
                   ps_rng_below(key, draw++, 2) ? image_size : ps_rng_below(key, draw++, 200));
        ps_dataset *dataset;
        if (open_folder("idx", as_stored, &dataset) == PS_OK) ps_dataset_close(dataset);
        else assert_true(strlen(ps_status_message()) > 20);
    }
}

/* ---- sources and options ---- */

static void expect_error(const char *source, ps_status code, const char *const *words) {
    ps_dataset *dataset;
    assert_int_equal(ps_dataset_open(source, &as_stored, &dataset), code);
    assert_null(dataset);
    for (; *words != NULL; words++) {
        if (strstr(ps_status_message(), *words) == NULL)
            fail_msg("\"%s\" is missing in: %s", *words, ps_status_message());
    }
}

static void wrong_sources_are_explained(void **state) {
    (void)state;
    char long_source[2000];
    expect_error("cifr10:/x", PS_ERR_USAGE, WORDS("cifr10", "did you mean cifar10"));
    expect_error("imagenet:/x", PS_ERR_USAGE, WORDS("imagenet", "cifar10:DIR", "cifar100:DIR", "idx:DIR", "synthetic"));
    expect_error("", PS_ERR_USAGE, WORDS("FORMAT:DIR"));
    expect_error(":", PS_ERR_USAGE, WORDS("FORMAT:DIR"));
    expect_error("cifar10", PS_ERR_USAGE, WORDS("cifar10:DIR"));
    expect_error("idx:", PS_ERR_USAGE, WORDS("idx:DIR"));
    expect_error("synthetic:/x", PS_ERR_USAGE, WORDS("no argument"));
    expect_error("cifar10:/no/such/folder", PS_ERR_INPUT,
                 WORDS("/no/such/folder", "no such folder", "give the folder"));
    expect_error("idx:/no/such/folder", PS_ERR_INPUT, WORDS("/no/such/folder", "no such folder"));
    write_file("plain", "x", 1);
    char source[2 * PATH_SIZE];
    snprintf(source, sizeof source, "cifar10:%s/plain", folder);
    expect_error(source, PS_ERR_INPUT, WORDS("is no folder"));
    memset(long_source, 'a', sizeof long_source - 1);
    long_source[sizeof long_source - 1] = '\0';
    expect_error(long_source, PS_ERR_USAGE, WORDS("no format"));
}

static void limits_keep_the_first_images_and_the_probe_the_last(void **state) {
    (void)state;
    float x[CIFAR_PIXELS], y[CIFAR_PIXELS];
    int32_t label;
    write_cifar("data_batch_1.bin", 1, 0, 10);
    write_cifar("test_batch.bin", 1, 20, 5);
    ps_dataset *dataset =
        must_open("cifar10", (ps_dataset_options){.probe_count = 3, .train_limit = 4, .test_limit = 2});
    double mean[3], deviation[3];
    cifar_moments(0, 4, mean, deviation);
    assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_TRAIN), 4);
    for (int i = 0; i < 4; i++) expect_cifar_sample(dataset, PS_SPLIT_TRAIN, i, i, 0, mean, deviation);
    assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_PROBE), 3);
    for (int i = 0; i < 3; i++) expect_cifar_sample(dataset, PS_SPLIT_PROBE, i, 7 + i, 0, mean, deviation);
    assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_TEST), 2);
    held(ps_dataset_sample(dataset, PS_SPLIT_TRAIN, 0, x, &label));
    held(ps_dataset_sample(dataset, PS_SPLIT_TRAIN, 0, y, &label));
    assert_memory_equal(x, y, sizeof x);
    ps_dataset_close(dataset);
}

static void impossible_options_are_refused(void **state) {
    (void)state;
    write_cifar("data_batch_1.bin", 1, 0, 10);
    write_cifar("test_batch.bin", 1, 20, 5);
    must_refuse("cifar10", (ps_dataset_options){.probe_count = 10}, PS_ERR_USAGE,
                WORDS("probe of 10", "smaller --probe"));
    must_refuse("cifar10", (ps_dataset_options){.probe_count = 3, .train_limit = 8}, PS_ERR_USAGE,
                WORDS("8 training", "7", "fewer"));
    must_refuse("cifar10", (ps_dataset_options){.test_limit = 6}, PS_ERR_USAGE, WORDS("6 test images", "5"));
    must_refuse("cifar10", (ps_dataset_options){.probe_count = -1}, PS_ERR_USAGE, WORDS("probe"));
    must_refuse("cifar10", (ps_dataset_options){.train_limit = -2}, PS_ERR_USAGE, WORDS("-2"));
    must_refuse("cifar10", (ps_dataset_options){.test_limit = -3}, PS_ERR_USAGE, WORDS("-3"));
    must_refuse("cifar10", (ps_dataset_options){.size = -1}, PS_ERR_USAGE, WORDS("size"));
    must_refuse("cifar10", (ps_dataset_options){.size = 1 << 20}, PS_ERR_USAGE, WORDS("size"));
}

static void digest_tells_contents_apart(void **state) {
    (void)state;
    char first[17];
    size_t size = fill_cifar(scratch, 1, 0, 6);
    write_file("data_batch_1.bin", scratch, size);
    ps_dataset_options options = {.probe_count = 2};
    ps_dataset *dataset = must_open("cifar10", options);
    memcpy(first, ps_dataset_digest(dataset), sizeof first);
    assert_int_equal(strlen(first), 16);
    ps_dataset_close(dataset);
    dataset = must_open("cifar10", options);
    assert_string_equal(ps_dataset_digest(dataset), first);
    ps_dataset_close(dataset);
    /* One pixel or label, of the first and of the last record (the probe's). */
    const size_t places[] = {0, 1, 3072, 5 * 3073, 6 * 3073 - 1};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        fill_cifar(scratch, 1, 0, 6);
        scratch[places[i]] ^= 1;
        write_file("data_batch_1.bin", scratch, size);
        dataset = must_open("cifar10", options);
        assert_string_not_equal(ps_dataset_digest(dataset), first);
        ps_dataset_close(dataset);
    }
    write_cifar("data_batch_1.bin", 1, 0, 6);
    const ps_dataset_options other[] = {
        {.probe_count = 1}, {.probe_count = 2, .train_limit = 3}, {.probe_count = 2, .size = 16}};
    for (int i = 0; i < 3; i++) {
        dataset = must_open("cifar10", other[i]);
        assert_string_not_equal(ps_dataset_digest(dataset), first);
        ps_dataset_close(dataset);
    }
}

static void a_constant_channel_is_only_centred(void **state) {
    (void)state;
    float x[CIFAR_PIXELS];
    int32_t label;
    memset(scratch, 9, 2 * 3073);
    write_file("data_batch_1.bin", scratch, 2 * 3073);
    ps_dataset *dataset = must_open("cifar10", as_stored);
    held(ps_dataset_sample(dataset, PS_SPLIT_TRAIN, 1, x, &label));
    for (int i = 0; i < CIFAR_PIXELS; i++) assert_true(x[i] == 0.0f);
    ps_dataset_close(dataset);
}

/* ---- synthetic ---- */

static ps_dataset *open_synthetic(ps_dataset_options options) {
    ps_dataset *dataset;
    held(ps_dataset_open("synthetic", &options, &dataset));
    return dataset;
}

static void synthetic_is_a_function_of_the_seed(void **state) {
    (void)state;
    const ps_dataset_options options = {.seed = 5, .probe_count = 20, .train_limit = 40, .test_limit = 30};
    ps_dataset *one = open_synthetic(options), *two = open_synthetic(options);
    assert_string_equal(ps_dataset_digest(one), ps_dataset_digest(two));
    ps_dataset_close(two);
    ps_dataset_options other = options;
    other.seed = 6;
    two = open_synthetic(other);
    assert_string_not_equal(ps_dataset_digest(one), ps_dataset_digest(two));
    ps_dataset_close(two);
    ps_dataset_close(one);
}

/* All arithmetic is exactly rounded, so these bytes hold on every machine and for every compiler. */
static void synthetic_is_the_same_everywhere(void **state) {
    (void)state;
    ps_dataset *dataset =
        open_synthetic((ps_dataset_options){.seed = 1, .probe_count = 10, .train_limit = 50, .test_limit = 20});
    assert_string_equal(ps_dataset_digest(dataset), "2ba418f5da2c0ae1");
    ps_dataset_close(dataset);
}

static void synthetic_has_the_counts_asked_for(void **state) {
    (void)state;
    ps_dataset *dataset = open_synthetic((ps_dataset_options){.probe_count = 100});
    assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_TRAIN), 4096);
    assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_PROBE), 100);
    assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_TEST), 1024);
    assert_true(ps_shape_equal(ps_dataset_sample_shape(dataset), (ps_shape){1, 3, 1, 16, 16}));
    assert_string_equal(ps_dataset_class_name(dataset, 1), "coarse rows");
    ps_dataset_close(dataset);
    dataset = open_synthetic((ps_dataset_options){.size = 33, .train_limit = 5000, .test_limit = 7});
    assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_TRAIN), 5000);
    assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_PROBE), 0);
    assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_TEST), 7);
    assert_true(ps_shape_equal(ps_dataset_sample_shape(dataset), (ps_shape){1, 3, 1, 33, 33}));
    ps_dataset_close(dataset);
    const int sizes[] = {7, 513};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ps_dataset_open("synthetic", &(ps_dataset_options){.size = sizes[i]}, &dataset), PS_ERR_USAGE);
        assert_non_null(strstr(ps_status_message(), "8 to 512"));
    }
    const ps_dataset_options many[] = {
        {.train_limit = 2000000000}, {.probe_count = 2000000000}, {.test_limit = 1000001}};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ps_dataset_open("synthetic", &many[i], &dataset), PS_ERR_USAGE);
        assert_non_null(strstr(ps_status_message(), "1000000"));
    }
}

static void training_images_are_normalised(void **state) {
    (void)state;
    enum { COUNT = 300, ELEMENTS = 768 };
    ps_dataset *dataset = open_synthetic((ps_dataset_options){.train_limit = COUNT, .probe_count = 50});
    double sum[3] = {0}, squares[3] = {0};
    float x[ELEMENTS];
    int32_t label;
    for (int n = 0; n < COUNT; n++) {
        held(ps_dataset_sample(dataset, PS_SPLIT_TRAIN, n, x, &label));
        for (int i = 0; i < ELEMENTS; i++) {
            sum[i % 3] += x[i];
            squares[i % 3] += (double)x[i] * x[i];
        }
    }
    for (int c = 0; c < 3; c++) {
        assert_true(fabs(sum[c] / (COUNT * 256)) < 1e-5);
        assert_true(fabs(squares[c] / (COUNT * 256) - 1.0) < 1e-5);
    }
    ps_dataset_close(dataset);
}

/* A linear softmax model on all pixels, by gradient descent on mini-batches; returns its best test accuracy seen. */
enum { CLASSES = 10, INPUTS = 768 };

static int predict(const float *weight, const float *x, float score[CLASSES]) {
    int best = 0;
    for (int k = 0; k < CLASSES; k++) {
        const float *row = weight + k * (INPUTS + 1);
        score[k] = row[INPUTS];
        for (int i = 0; i < INPUTS; i++) score[k] += row[i] * x[i];
        if (score[k] > score[best]) best = k;
    }
    return best;
}

static void linear_step(float *weight, const float *x, int label, float rate) {
    float score[CLASSES], total = 0.0f;
    int best = predict(weight, x, score);
    float top = score[best];
    for (int k = 0; k < CLASSES; k++) total += score[k] = expf(score[k] - top);
    for (int k = 0; k < CLASSES; k++) {
        float pull = rate * ((k == label) - score[k] / total), *row = weight + k * (INPUTS + 1);
        for (int i = 0; i < INPUTS; i++) row[i] += pull * x[i];
        row[INPUTS] += pull;
    }
}

static double linear_accuracy(const ps_dataset *dataset, ps_split split, const float *weight) {
    float x[INPUTS], score[CLASSES];
    int32_t label;
    int right = 0, count = ps_dataset_count(dataset, split);
    for (int n = 0; n < count; n++) {
        held(ps_dataset_sample(dataset, split, n, x, &label));
        right += predict(weight, x, score) == label;
    }
    return (double)right / count;
}

static void synthetic_defeats_a_linear_model(void **state) {
    (void)state;
    ps_dataset *dataset = open_synthetic((ps_dataset_options){.seed = 1, .probe_count = 64});
    float *weight, x[INPUTS];
    int32_t label;
    double best = 0.0;
    held(PS_ALLOC(CLASSES * (INPUTS + 1), &weight, "test"));
    int count = ps_dataset_count(dataset, PS_SPLIT_TRAIN);
    for (int epoch = 0; epoch < 8; epoch++) {
        float rate = 1e-3f / (float)(1 + epoch);
        for (int n = 0; n < count; n++) {
            held(ps_dataset_sample(dataset, PS_SPLIT_TRAIN, (int)((n * 2654435761u) % (unsigned)count), x, &label));
            linear_step(weight, x, label, rate);
        }
        best = fmax(best, linear_accuracy(dataset, PS_SPLIT_TEST, weight));
    }
    print_message("# linear model on synthetic: best test accuracy %.3f, training %.3f\n", best,
                  linear_accuracy(dataset, PS_SPLIT_TRAIN, weight));
    assert_true(best < 0.5);
    assert_true(best > 0.15); /* it did learn: the tint is there, so a low figure above is no broken model */
    ps_free(weight);
    ps_dataset_close(dataset);
}

/* ---- real data, where it is ---- */

static void real_cifar10_reads(void **state) {
    (void)state;
    char path[PATH_SIZE], source[PATH_SIZE + 16];
    const char *base = getenv("PS_DATA");
    snprintf(path, sizeof path, "%s/cifar10", base != NULL ? base : "../shared/data");
    if (!ps_file_is_directory(path)) {
        print_message("# skipped: no real data (set PS_DATA to a folder that holds cifar10)\n");
        skip();
    }
    snprintf(source, sizeof source, "cifar10:%s", path);
    ps_dataset *dataset;
    held(ps_dataset_open(source, &(ps_dataset_options){.size = 16, .probe_count = 512}, &dataset));
    assert_int_equal(ps_dataset_classes(dataset), 10);
    assert_true(ps_dataset_count(dataset, PS_SPLIT_TRAIN) > 0);
    int seen[10] = {0};
    float x[768];
    int32_t label;
    for (int i = 0; i < ps_dataset_count(dataset, PS_SPLIT_TRAIN); i++) {
        held(ps_dataset_sample(dataset, PS_SPLIT_TRAIN, i, x, &label));
        seen[label]++;
    }
    for (int k = 0; k < 10; k++) assert_true(seen[k] > 0);
    ps_dataset_close(dataset);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        IN_FOLDER(cifar10_reads_all_files_in_order),
        IN_FOLDER(cifar100_uses_the_fine_label),
        IN_FOLDER(cifar_folder_may_be_the_unpacked_archives_parent),
        IN_FOLDER(broken_names_files_leave_numbers),
        IN_FOLDER(cifar_faults_are_named),
        IN_FOLDER(idx_reads_plain_and_packed_under_all_names),
        IN_FOLDER(idx_classes_come_from_the_labels),
        IN_FOLDER(idx_faults_are_named),
        IN_FOLDER(damaged_gz_is_refused),
        IN_FOLDER(random_damage_never_crashes),
        IN_FOLDER(wrong_sources_are_explained),
        IN_FOLDER(limits_keep_the_first_images_and_the_probe_the_last),
        IN_FOLDER(impossible_options_are_refused),
        IN_FOLDER(digest_tells_contents_apart),
        IN_FOLDER(a_constant_channel_is_only_centred),
        cmocka_unit_test(synthetic_is_a_function_of_the_seed),
        cmocka_unit_test(synthetic_is_the_same_everywhere),
        cmocka_unit_test(synthetic_has_the_counts_asked_for),
        cmocka_unit_test(training_images_are_normalised),
        cmocka_unit_test(synthetic_defeats_a_linear_model),
        cmocka_unit_test(real_cifar10_reads),
    };
    return cmocka_run_group_tests_name("dataset", tests, NULL, NULL);
}
