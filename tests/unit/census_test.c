/* What is counted of training images at opening (src/data/census.h), of a source made up here, and how a shuffled order
 * is told from that of the files. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "data/census.h"
#include "data/loader.h"

enum { TRAIN = 6, PROBE = 2, SIDE = 2, CHANNELS = 2, VALUES = SIDE * SIDE * CHANNELS };

/* Channels-last: the second image is one colour, the fourth is the first again, the fifth is one colour, too; the last
 * two are the probe set. The second channel of all training images is 9. */
static const uint8_t image[TRAIN + PROBE][VALUES] = {
    {1, 9, 2, 9, 3, 9, 4, 9}, {5, 9, 5, 9, 5, 9, 5, 9}, {1, 9, 2, 9, 3, 9, 5, 9}, {1, 9, 2, 9, 3, 9, 4, 9},
    {0, 9, 0, 9, 0, 9, 0, 9}, {8, 9, 7, 9, 8, 9, 7, 9}, {9, 9, 9, 9, 9, 9, 9, 9}, {9, 9, 9, 9, 9, 9, 9, 9}};
static const int16_t label[TRAIN + PROBE] = {0, 1, -1, 0, 2, -1, -1, 0};

static void size(const ps_source *source, ps_source_part part, int index, ps_sample_size *out) {
    (void)source, (void)part, (void)index;
    *out = (ps_sample_size){.pixels = {1, CHANNELS, 1, SIDE, SIDE}};
}

static ps_status decode(const ps_source *source, ps_source_part part, int index, void *pixel, int16_t *out) {
    (void)part;
    for (int i = 0; i < VALUES; i++)
        if (source->type == PS_PIXEL_BYTE) ((uint8_t *)pixel)[i] = image[index][i];
        else ((float *)pixel)[i] = image[index][i];
    if (out != NULL) *out = label[index];
    return PS_OK;
}

static void close_source(ps_source *source) { (void)source; }

static ps_dataset *open_made_up(ps_pixel_type type, int probe, bool raw) {
    static const ps_source_functions functions = {.size = size, .decode = decode, .close = close_source};
    ps_source source = {
        .functions = &functions, .count = {TRAIN + PROBE, 0}, .type = type, .labels = PS_LABEL_CLASS, .classes = 3};
    ps_dataset *dataset;
    ps_dataset_options options = {.probe_count = probe, .raw = raw};
    assert_int_equal(ps_dataset_of_source("made up", &options, &source, &dataset), PS_OK);
    return dataset;
}

static void images_and_labels_are_counted(void **state) {
    (void)state;
    for (int type = 0; type < 2; type++) {
        ps_dataset *dataset = open_made_up(type == 0 ? PS_PIXEL_BYTE : PS_PIXEL_FLOAT, PROBE, false);
        const ps_census_counts *counts = ps_dataset_census(dataset);
        double mean, deviation, pixels = 0, squares = 0;
        assert_int_equal(counts->constant, 2);
        assert_int_equal(counts->identical, 1);
        assert_int_equal(counts->no_class, 2);
        for (int i = 0; i < TRAIN * VALUES; i += CHANNELS) pixels += image[i / VALUES][i % VALUES];
        pixels /= TRAIN * SIDE * SIDE;
        for (int i = 0; i < TRAIN * VALUES; i += CHANNELS)
            squares += (image[i / VALUES][i % VALUES] - pixels) * (image[i / VALUES][i % VALUES] - pixels);
        double expected = (9 - pixels) / sqrt(squares / (TRAIN * SIDE * SIDE));
        assert_true(fabs(counts->probe_distance - expected) < 1e-12 * expected);
        ps_dataset_input_moments(dataset, 0, &mean, &deviation);
        assert_true(mean == 0 && deviation == 1);
        ps_dataset_input_moments(dataset, 1, &mean, &deviation); /* it never changes */
        assert_true(mean == 0 && deviation == 0);
        ps_dataset_close(dataset);
        dataset = open_made_up(type == 0 ? PS_PIXEL_BYTE : PS_PIXEL_FLOAT, PROBE, true);
        ps_dataset_input_moments(dataset, 0, &mean, &deviation);
        assert_true(fabs(mean - pixels) < 1e-12 && fabs(deviation * expected - (9 - pixels)) < 1e-9);
        assert_true(fabs(ps_dataset_census(dataset)->probe_distance - expected) < 1e-12 * expected);
        ps_dataset_close(dataset);
    }
}

static void without_a_probe_set_there_is_no_distance(void **state) {
    (void)state;
    ps_dataset *dataset = open_made_up(PS_PIXEL_BYTE, 0, false);
    const ps_census_counts *counts = ps_dataset_census(dataset);
    assert_true(isnan(counts->probe_distance));
    assert_int_equal(counts->constant, 4);
    assert_int_equal(counts->identical, 2);
    ps_dataset_close(dataset);
}

static void a_shuffled_order_is_not_that_of_the_files(void **state) {
    (void)state;
    ps_dataset *dataset;
    ps_loader *loader;
    assert_int_equal(ps_dataset_open("synthetic", &(ps_dataset_options){.size = 8, .train_limit = 1000}, &dataset),
                     PS_OK);
    assert_int_equal(ps_loader_create(dataset, &(ps_loader_options){.batch = 10, .seed = 3}, &loader), PS_OK);
    assert_true(ps_loader_file_order(loader) < 0.02); /* 1 of 1000 is expected; 20 are one chance in 10^18 */
    ps_loader_destroy(loader);
    ps_loader_options stored = {.batch = 10, .seed = 3, .stored_order = true};
    assert_int_equal(ps_loader_create(dataset, &stored, &loader), PS_OK);
    assert_true(ps_loader_file_order(loader) == 1);
    ps_loader_destroy(loader);
    ps_dataset_close(dataset);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_and_labels_are_counted),
        cmocka_unit_test(without_a_probe_set_there_is_no_distance),
        cmocka_unit_test(a_shuffled_order_is_not_that_of_the_files),
    };
    return cmocka_run_group_tests_name("census", tests, NULL, NULL);
}
