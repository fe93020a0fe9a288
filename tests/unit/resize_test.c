/* Resizing: known answers, and the properties that hold for every size. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/rng.h"
#include "data/resize.h"
#include "tests/lib/images.h"

enum { MOST = 4096 };

static void check(ps_status status) {
    if (status != PS_OK) fail_msg("%s (%s)", ps_status_message(), ps_status_origin());
}

static void resize_floats(ps_shape from, ps_shape to, const float *x, float *y) {
    ps_resizer *resizer;
    check(ps_resizer_create(from, to, &resizer));
    ps_resize_floats(resizer, x, y);
    ps_resizer_destroy(resizer);
}

static void expect_row(int from, const float *x, int to, const float *expected) {
    float y[16];
    resize_floats((ps_shape){1, 1, 1, 1, from}, (ps_shape){1, 1, 1, 1, to}, x, y);
    for (int i = 0; i < to; i++) {
        if (fabsf(y[i] - expected[i]) > 1e-5f)
            fail_msg("%d -> %d at %d: %g, expected %g", from, to, i, y[i], expected[i]);
    }
}

static void rows_have_known_answers(void **state) {
    (void)state;
    const float x[6] = {1, 3, 5, 7, 2, 4};
    expect_row(6, x, 3, (const float[]){2, 6, 3});
    expect_row(6, x, 2, (const float[]){3, 13.0f / 3});
    expect_row(6, x, 1, (const float[]){22.0f / 6});
    /* 6 -> 4: each target covers 1.5 sources. */
    expect_row(6, x, 4, (const float[]){(1 + 1.5f) / 1.5f, (1.5f + 5) / 1.5f, (7 + 1) / 1.5f, (1 + 4) / 1.5f});
    /* 3 -> 2: each covers 1.5. */
    expect_row(3, x, 2, (const float[]){(1 + 1.5f) / 1.5f, (1.5f + 5) / 1.5f});
    /* 2 -> 4: centres at -0.25, 0.25, 0.75, 1.25. */
    expect_row(2, x, 4, (const float[]){1, 1.5f, 2.5f, 3});
    /* 2 -> 3: centres at -1/6, 0.5, 7/6. */
    expect_row(2, x, 3, (const float[]){1, 2, 3});
    expect_row(1, x, 4, (const float[]){1, 1, 1, 1});
    expect_row(4, x, 4, (const float[]){1, 3, 5, 7});
}

static void planes_average_both_ways_and_keep_channels_apart(void **state) {
    (void)state;
    float x[4 * 4 * 2], y[2 * 2 * 2];
    for (int i = 0; i < 16; i++) {
        x[2 * i] = (float)i;
        x[2 * i + 1] = 100;
    }
    resize_floats((ps_shape){1, 2, 1, 4, 4}, (ps_shape){1, 2, 1, 2, 2}, x, y);
    const float expected[8] = {2.5f, 100, 4.5f, 100, 10.5f, 100, 12.5f, 100};
    for (int i = 0; i < 8; i++) assert_true(fabsf(y[i] - expected[i]) < 1e-5f);
}

static void volumes_average_all_three_ways(void **state) {
    (void)state;
    float x[4 * 2 * 2], y[2];
    for (int i = 0; i < 16; i++) x[i] = (float)i;
    resize_floats((ps_shape){1, 1, 4, 2, 2}, (ps_shape){1, 1, 2, 1, 1}, x, y);
    assert_true(fabsf(y[0] - 3.5f) < 1e-5f && fabsf(y[1] - 11.5f) < 1e-5f);
}

static void constants_stay_and_means_are_kept(void **state) {
    (void)state;
    static float x[MOST], y[MOST];
    ps_rng_key key = ps_rng_key_of(3, "resize");
    for (int i = 0; i < MOST; i++) x[i] = ps_rng_uniform(key, (uint64_t)i);
    for (int from = 1; from <= 40; from++) {
        for (int to = 1; to <= 40; to++) {
            ps_shape f = {1, 1, 1, 3, from}, t = {1, 1, 1, 3, to};
            double before = 0, after = 0;
            resize_floats(f, t, x, y);
            for (int i = 0; i < 3 * from; i++) before += x[i] / (3.0 * from);
            for (int i = 0; i < 3 * to; i++) after += y[i] / (3.0 * to);
            if (to <= from) assert_true(fabs(before - after) < 1e-5); /* an area average loses nothing */
            float ones[120], out[120];
            for (int i = 0; i < 3 * from; i++) ones[i] = 7.0f;
            resize_floats(f, t, ones, out);
            for (int i = 0; i < 3 * to; i++) assert_true(fabsf(out[i] - 7.0f) < 1e-5f);
        }
    }
}

static void bytes_round_to_nearest_and_stay_in_range(void **state) {
    (void)state;
    ps_resizer *resizer;
    uint8_t y[64];
    check(ps_resizer_create((ps_shape){1, 1, 1, 1, 4}, (ps_shape){1, 1, 1, 1, 2}, &resizer));
    ps_resize_bytes(resizer, (const uint8_t[]){1, 2, 200, 200}, y);
    assert_int_equal(y[0], 2); /* 1.5: halves go up */
    assert_int_equal(y[1], 200);
    ps_resizer_destroy(resizer);
    for (int from = 1; from <= 30; from++) {
        for (int to = 1; to <= 30; to++) {
            uint8_t white[900], out[900];
            for (int i = 0; i < from * from; i++) white[i] = 255;
            check(ps_resizer_create((ps_shape){1, 1, 1, from, from}, (ps_shape){1, 1, 1, to, to}, &resizer));
            ps_resize_bytes(resizer, white, out);
            for (int i = 0; i < to * to; i++) assert_int_equal(out[i], 255);
            ps_resizer_destroy(resizer);
        }
    }
}

static void a_nan_stays_where_it_counts(void **state) {
    (void)state;
    float y[2];
    resize_floats((ps_shape){1, 1, 1, 1, 4}, (ps_shape){1, 1, 1, 1, 2}, (const float[]){NAN, 2, 3, 5}, y);
    assert_true(isnan(y[0]));
    assert_true(y[1] == 4.0f);
}

static void labels_take_the_place_under_the_centre(void **state) {
    (void)state;
    ps_resizer *resizer;
    int16_t y[16];
    check(ps_resizer_create((ps_shape){1, 1, 1, 2, 4}, (ps_shape){1, 1, 1, 4, 2}, &resizer));
    ps_resize_labels(resizer, (const int16_t[]){0, 1, 2, 3, 4, 5, 6, -1}, y);
    const int16_t expected[8] = {1, 3, 1, 3, 5, -1, 5, -1};
    assert_memory_equal(y, expected, sizeof expected);
    ps_resizer_destroy(resizer);
}

static void targets_follow_the_stored_shape(void **state) {
    (void)state;
    ps_shape flat = {1, 3, 1, 20, 30}, volume = {1, 2, 9, 20, 30};
    assert_true(ps_shape_equal(ps_resize_target(flat, 0), flat));
    assert_true(ps_shape_equal(ps_resize_target(flat, 8), (ps_shape){1, 3, 1, 8, 8}));
    assert_true(ps_shape_equal(ps_resize_target(volume, 8), (ps_shape){1, 2, 8, 8, 8}));
    ps_resizer *resizer;
    assert_int_equal(ps_resizer_create(flat, volume, &resizer), PS_ERR_INTERNAL);
    assert_null(resizer);
}

/* Through a data set: a volume with float pixels and a label per position. */
static void data_sets_resize_pixels_and_labels_together(void **state) {
    (void)state;
    ps_images images = {.shape = {1, 1, 2, 4, 4}, .type = PS_PIXEL_FLOAT, .classes = 32, .labels_per_sample = 32};
    check(ps_images_reserve(&images, &images.train, 2));
    images.train.count = 2;
    for (int i = 0; i < 64; i++) {
        ((float *)images.train.pixel)[i] = (float)(i % 32);
        images.train.label[i] = (int16_t)(i % 32);
    }
    ps_dataset *dataset;
    check(ps_dataset_from_images("volumes", &(ps_dataset_options){.size = 2}, &images, &dataset));
    assert_true(ps_shape_equal(ps_dataset_sample_shape(dataset), (ps_shape){1, 1, 2, 2, 2}));
    assert_int_equal(ps_dataset_labels_per_sample(dataset), 8);
    float x[8];
    int32_t label[8];
    check(ps_dataset_sample(dataset, PS_SPLIT_TRAIN, 1, x, label));
    const int32_t expected[8] = {5, 7, 13, 15, 21, 23, 29, 31};
    assert_memory_equal(label, expected, sizeof expected);
    double mean = 15.5, variance = 0;
    for (int i = 0; i < 8; i++)
        variance += pow(expected[i] - 2.5 - mean, 2) / 8; /* each mean lies 2.5 before its label */
    for (int i = 0; i < 8; i++) assert_true(fabs(x[i] - (expected[i] - 2.5 - mean) / sqrt(variance)) < 1e-5);
    ps_dataset_close(dataset);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_have_known_answers),
        cmocka_unit_test(planes_average_both_ways_and_keep_channels_apart),
        cmocka_unit_test(volumes_average_all_three_ways),
        cmocka_unit_test(constants_stay_and_means_are_kept),
        cmocka_unit_test(bytes_round_to_nearest_and_stay_in_range),
        cmocka_unit_test(a_nan_stays_where_it_counts),
        cmocka_unit_test(labels_take_the_place_under_the_centre),
        cmocka_unit_test(targets_follow_the_stored_shape),
        cmocka_unit_test(data_sets_resize_pixels_and_labels_together),
    };
    return cmocka_run_group_tests_name("resize", tests, NULL, NULL);
}
