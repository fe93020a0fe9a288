/* What nnU-Net does to training patches: each operation by what it must do to any sample, and by its statistics over
 * many; labels move with pixels, and batches are the same for any number of threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/augment_turn.h"
#include "data/augment_values.h"
#include "data/loader.h"
#include "data/source.h"
#include "parallel/threads.h"
#include "tests/lib/folder.h"

enum { D = 4, H = 6, W = 8, C = 2, POSITIONS = D * H * W, VALUES = POSITIONS * C, MANY = 2000 };
static const ps_shape shape = {1, C, D, H, W};

static ps_rng_key key_of(int number) { return ps_rng_key_fold(ps_rng_key_of(7, "test"), (uint64_t)number); }

static void fill(float *x) {
    for (int i = 0; i < VALUES; i++) x[i] = ps_rng_normal(ps_rng_key_of(9, "pixels"), (uint64_t)i) + (i % C ? 3 : 0);
}

static void apply(const ps_augmentation *operation, const ps_augment_options *options, int number, float *x,
                  int32_t *label) {
    ps_augment_sample sample = {.shape = shape, .pixel = x, .cell = C * sizeof *x, .label = label};
    operation->apply(options, key_of(number), &sample);
}

static const ps_augment_options all = {.noise = 1,
                                       .blur = 1,
                                       .brightness = 1,
                                       .contrast = 1,
                                       .low_resolution = 1,
                                       .gamma_inverted = 1,
                                       .gamma = 1,
                                       .mirror = true};
static const ps_augmentation *const operations[] = {
    &ps_augment_noise,          &ps_augment_blur,           &ps_augment_brightness, &ps_augment_contrast,
    &ps_augment_low_resolution, &ps_augment_gamma_inverted, &ps_augment_gamma};
enum { OPERATIONS = sizeof operations / sizeof *operations };

/* With probability 0 nothing is done, with 0.3 to about three of ten; the same key does the same. */
static void operations_happen_as_often_as_asked(void **state) {
    (void)state;
    const ps_augment_options some = {.noise = 0.3,
                                     .blur = 0.3,
                                     .brightness = 0.3,
                                     .contrast = 0.3,
                                     .low_resolution = 0.3,
                                     .gamma_inverted = 0.3,
                                     .gamma = 0.3};
    const ps_augment_options none = {.noise = 0};
    float start[VALUES], x[VALUES], again[VALUES];
    fill(start);
    for (int o = 0; o < OPERATIONS; o++) {
        int changed = 0;
        assert_true(operations[o]->used(&some));
        assert_false(operations[o]->used(&none));
        for (int i = 0; i < MANY; i++) {
            memcpy(x, start, sizeof x);
            memcpy(again, start, sizeof x);
            apply(operations[o], &some, i, x, NULL);
            apply(operations[o], &some, i, again, NULL);
            assert_memory_equal(x, again, sizeof x);
            changed += memcmp(x, start, sizeof x) != 0;
        }
        /* Blur and low resolution spare a channel every second time, so a quarter of the samples whole. */
        bool spares = operations[o] == &ps_augment_blur || operations[o] == &ps_augment_low_resolution;
        double expected = MANY * (spares ? 0.225 : 0.3);
        assert_in_range(changed, (int)(expected - 90), (int)(expected + 90));
    }
}

static double mean_of(const float *x, int channel) {
    double sum = 0;
    for (int i = channel; i < VALUES; i += C) sum += (double)x[i];
    return sum / POSITIONS;
}

static double deviation_of(const float *x, int channel) {
    double sum = 0, mean = mean_of(x, channel);
    for (int i = channel; i < VALUES; i += C) sum += ((double)x[i] - mean) * ((double)x[i] - mean);
    return sqrt(sum / POSITIONS);
}

static void noise_has_the_deviation_that_was_drawn(void **state) {
    (void)state;
    double sum = 0, squares = 0;
    for (int i = 0; i < MANY; i++) {
        float x[VALUES] = {0};
        apply(&ps_augment_noise, &all, i, x, NULL);
        double deviation = sqrt((pow(deviation_of(x, 0), 2) + pow(deviation_of(x, 1), 2)) / 2);
        assert_true(deviation < 0.125);
        assert_true(fabs(mean_of(x, 0)) < 0.05);
        sum += deviation;
        squares += deviation * deviation;
    }
    assert_float_equal(sum / MANY, 0.05, 0.004); /* evenly from 0 to 0.1 */
    assert_float_equal(sqrt(squares / MANY - pow(sum / MANY, 2)), 0.0289, 0.003);
}

static void factors_lie_on_both_sides_of_one(void **state) {
    (void)state;
    float start[VALUES], x[VALUES];
    int below[2] = {0, 0};
    double least[2] = {9, 9}, most[2] = {0, 0};
    fill(start);
    for (int i = 0; i < MANY; i++) {
        for (int o = 0; o < 2; o++) {
            memcpy(x, start, sizeof x);
            apply(o == 0 ? &ps_augment_brightness : &ps_augment_contrast, &all, i, x, NULL);
            double factor = o == 0 ? mean_of(x, 1) / mean_of(start, 1) : deviation_of(x, 1) / deviation_of(start, 1);
            below[o] += factor < 1;
            least[o] = fmin(least[o], factor);
            most[o] = fmax(most[o], factor);
            for (int k = 1; o == 1 && k < VALUES; k += C) assert_true(x[k] <= 7.0f && x[k] >= -1.0f);
        }
    }
    for (int o = 0; o < 2; o++) {
        assert_in_range(below[o], MANY / 2 - 130, MANY / 2 + 130);
        assert_true(least[o] >= 0.7499 && least[o] < 0.76);
        assert_true(most[o] <= 1.2501 && most[o] > (o == 0 ? 1.24 : 1.15)); /* clipped where the range ends */
    }
}

static void contrast_stays_in_the_range(void **state) {
    (void)state;
    float start[VALUES], x[VALUES];
    fill(start);
    ps_augment_sample sample = {.shape = shape, .pixel = start};
    for (int c = 0; c < C; c++) {
        ps_values v = ps_values_of(&sample, c);
        ps_values_moments m = ps_values_measure(&v);
        assert_float_equal(m.mean, mean_of(start, c), 1e-9);
        assert_float_equal(m.deviation, deviation_of(start, c), 1e-9);
        for (int i = 0; i < 100; i++) {
            memcpy(x, start, sizeof x);
            apply(&ps_augment_contrast, &all, i, x, NULL);
            for (int k = c; k < VALUES; k += C) assert_true(x[k] >= m.least && x[k] <= m.most);
        }
    }
}

/* The order of values stays, and so do mean and deviation; values bend up or down. */
static void gamma_keeps_moments_and_order(void **state) {
    (void)state;
    float start[VALUES], x[VALUES];
    fill(start);
    for (int i = 0; i < 200; i++) {
        const ps_augmentation *operation = i % 2 ? &ps_augment_gamma : &ps_augment_gamma_inverted;
        memcpy(x, start, sizeof x);
        apply(operation, &all, i, x, NULL);
        for (int c = 0; c < C; c++) {
            assert_float_equal(mean_of(x, c), mean_of(start, c), 1e-4);
            assert_float_equal(deviation_of(x, c), deviation_of(start, c), 1e-4);
        }
        for (int k = 2; k < VALUES; k += 2)
            if (start[k] > start[k - 2] + 1e-3f) assert_true(x[k] >= x[k - 2]);
    }
    float constant[VALUES];
    for (int k = 0; k < VALUES; k++) constant[k] = 2;
    apply(&ps_augment_gamma, &all, 1, constant, NULL);
    for (int k = 0; k < VALUES; k++) assert_float_equal(constant[k], 2, 0);
}

/* Both keep constants, and take from what changes fast. */
static void blur_and_low_resolution_smooth(void **state) {
    (void)state;
    float start[VALUES], x[VALUES];
    fill(start);
    for (int i = 0; i < 300; i++) {
        const ps_augmentation *operation = i % 2 ? &ps_augment_blur : &ps_augment_low_resolution;
        float constant[VALUES];
        for (int k = 0; k < VALUES; k++) constant[k] = 2;
        apply(operation, &all, i, constant, NULL);
        for (int k = 0; k < VALUES; k++) assert_float_equal(constant[k], 2, 1e-5);
        memcpy(x, start, sizeof x);
        apply(operation, &all, i, x, NULL);
        for (int c = 0; c < C; c++) {
            assert_true(deviation_of(x, c) <= 1.15 * deviation_of(start, c));
            bool same = true;
            for (int k = c; k < VALUES; k += C) same = same && x[k] == start[k];
            if (!same && i % 2) assert_true(deviation_of(x, c) < 0.9 * deviation_of(start, c));
        }
    }
}

static void mirrors_move_labels_with_pixels(void **state) {
    (void)state;
    int seen[8] = {0};
    for (int i = 0; i < MANY; i++) {
        float x[VALUES];
        int32_t label[POSITIONS];
        for (int k = 0; k < POSITIONS; k++) label[k] = k;
        for (int k = 0; k < VALUES; k++) x[k] = (float)k;
        apply(&ps_augment_mirror, &all, i, x, label);
        int z = label[0] / (H * W), y = label[0] / W % H, w = label[0] % W;
        assert_true((z == 0 || z == D - 1) && (y == 0 || y == H - 1) && (w == 0 || w == W - 1));
        for (int k = 0; k < POSITIONS; k++) {
            int from = ((z ? D - 1 - k / (H * W) : k / (H * W)) * H + (y ? H - 1 - k / W % H : k / W % H)) * W +
                       (w ? W - 1 - k % W : k % W);
            assert_int_equal(label[k], from);
            for (int c = 0; c < C; c++) assert_float_equal(x[k * C + c], from * C + c, 0);
        }
        seen[(z > 0) * 4 + (y > 0) * 2 + (w > 0)]++;
    }
    for (int i = 0; i < 8; i++) assert_in_range(seen[i], MANY / 8 - 70, MANY / 8 + 70);
}

/* ---- turns ---- */

static double determinant(double m[3][3]) {
    return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
           m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
}

/* A rotation times a scale: columns are orthogonal and of one length, and of slices the first axis is left alone. */
static void turns_are_rotations_within_their_ranges(void **state) {
    (void)state;
    static const struct {
        ps_shape patch;
        double degrees;
        bool flat;
    } kinds[] = {{{1, 1, 40, 56, 40}, 30, false},
                 {{1, 1, 16, 56, 40}, 180, true},
                 {{1, 1, 1, 56, 40}, 180, true},
                 {{1, 1, 1, 64, 40}, 15, true}};
    const ps_augment_options options = {.patch_turn = 0.2, .patch_zoom = 0.2};
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        int turned = 0, scaled = 0, anything = 0;
        double widest = 0;
        for (int i = 0; i < MANY; i++) {
            double m[3][3];
            anything += ps_augment_turn_draw(&options, kinds[kind].patch, key_of(i), m);
            int first = kinds[kind].flat;
            double scale = sqrt(m[0][2] * m[0][2] + m[1][2] * m[1][2] + m[2][2] * m[2][2]);
            for (int a = first; a < 3; a++)
                for (int b = first; b < 3; b++) {
                    double dot = m[0][a] * m[0][b] + m[1][a] * m[1][b] + m[2][a] * m[2][b];
                    assert_float_equal(dot, a == b ? scale * scale : 0, 1e-9);
                }
            assert_true(determinant(m) > 0);
            if (first) assert_true(m[0][0] == 1 && m[0][1] == 0 && m[0][2] == 0 && m[1][0] == 0 && m[2][0] == 0);
            double degrees = atan2(m[2][1], m[1][1]) * 180 / 3.14159265358979;
            if (first) widest = fmax(widest, fabs(degrees));
            turned += fabs(m[1][2]) > 1e-9 || fabs(m[0][1]) > 1e-9;
            scaled += fabs(scale - 1) > 1e-9;
            assert_true(scale >= 0.7 - 1e-9 && scale <= 1.4 + 1e-9);
        }
        assert_in_range(turned, MANY / 5 - 80, MANY / 5 + 80);
        assert_in_range(scaled, MANY / 5 - 80, MANY / 5 + 80);
        assert_in_range(anything, (int)(0.36 * MANY) - 90, (int)(0.36 * MANY) + 90);
        if (kinds[kind].flat) assert_true(widest <= kinds[kind].degrees && widest > 0.9 * kinds[kind].degrees);
    }
}

/* ---- batches ---- */

enum { CASES = 6, CASE_SIDE = 20, PATCH = 8 * 8 * 8, BATCH = 3 };

static void size_of(const ps_source *source, ps_source_part part, int index, ps_sample_size *out) {
    (void)source, (void)part;
    out->pixels = out->mask = (ps_shape){1, 1, CASE_SIDE - index, CASE_SIDE, CASE_SIDE};
}

/* A pixel is 1 where its label is, and 0 elsewhere. */
static ps_status decode(const ps_source *source, ps_source_part part, int index, void *pixel, int16_t *label) {
    ps_sample_size size;
    size_of(source, part, index, &size);
    for (size_t i = 0; i < ps_shape_positions(size.pixels); i++) {
        int x = (int)i % CASE_SIDE, y = (int)i / CASE_SIDE % CASE_SIDE;
        label[i] = (x - 10) * (x - 10) + (y - 8) * (y - 8) < 30;
        ((float *)pixel)[i] = label[i];
    }
    return PS_OK;
}

static void close_cases(ps_source *source) { (void)source; }

static void open_cases(bool patches, ps_dataset **out) {
    static const ps_source_functions functions = {.size = size_of, .decode = decode, .close = close_cases};
    ps_dataset_options options = {.raw = true, .patch = {8, 8, 8}, .patch_sides = patches ? 3 : 0};
    options.size = patches ? 0 : 8;
    ps_source source = {
        .functions = &functions, .count = {CASES, 0}, .type = PS_PIXEL_FLOAT, .labels = PS_LABEL_MASK, .classes = 2};
    held(ps_dataset_of_source("cases", &options, &source, out));
}

static void batches_are_the_same_for_any_number_of_threads(void **state) {
    (void)state;
    ps_dataset *dataset;
    ps_loader *loader[2];
    ps_threads *threads;
    ps_loader_options options = {.batch = BATCH, .seed = 4, .epoch_steps = 20, .foreground = 0.33, .augment = all};
    static float x[2][BATCH * PATCH];
    static int32_t label[2][BATCH * PATCH];
    options.augment.patch_turn = options.augment.patch_zoom = 0.5;
    held(ps_threads_create(3, &threads));
    open_cases(true, &dataset);
    for (int i = 0; i < 2; i++) held(ps_loader_create(dataset, &options, &loader[i]));
    for (uint64_t step = 0; step < 30; step++) { /* the second begins in the middle, as a run that goes on */
        held(ps_loader_train_batch(loader[0], step, x[0], label[0], NULL));
        if (step < 11) continue;
        held(ps_loader_train_batch(loader[1], step, x[1], label[1], threads));
        assert_memory_equal(x[0], x[1], sizeof x[0]);
        assert_memory_equal(label[0], label[1], sizeof label[0]);
    }
    for (int i = 0; i < 2; i++) ps_loader_destroy(loader[i]);
    ps_dataset_close(dataset);
    ps_threads_destroy(threads);
}

/* Turned, scaled and mirrored patches still show 1 where the label is 1: but for cells on its edge. */
static void labels_stay_on_their_pixels(void **state) {
    (void)state;
    ps_dataset *dataset;
    ps_loader *loader;
    ps_loader_options options = {
        .batch = BATCH, .seed = 4, .epoch_steps = 50, .augment = {.patch_turn = 1, .patch_zoom = 1, .mirror = true}};
    static float x[BATCH * PATCH];
    static int32_t label[BATCH * PATCH];
    int ones = 0;
    open_cases(true, &dataset);
    held(ps_loader_create(dataset, &options, &loader));
    for (uint64_t step = 0; step < 50; step++) {
        held(ps_loader_train_batch(loader, step, x, label, NULL));
        for (int i = 0; i < BATCH * PATCH; i++) {
            assert_in_range(label[i] + 1, 0, 2);
            if (x[i] > 0.9f) assert_int_equal(label[i], 1);
            if (x[i] < 0.1f) assert_int_not_equal(label[i], 1);
            ones += label[i] == 1;
        }
    }
    assert_true(ones > 1000);
    ps_loader_destroy(loader);
    ps_dataset_close(dataset);
    open_cases(false, &dataset);
    assert_int_equal(ps_loader_create(dataset, &options, &loader), PS_ERR_USAGE);
    assert_non_null(strstr(ps_status_message(), "give patch_size, too"));
    ps_dataset_close(dataset);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operations_happen_as_often_as_asked),
        cmocka_unit_test(noise_has_the_deviation_that_was_drawn),
        cmocka_unit_test(factors_lie_on_both_sides_of_one),
        cmocka_unit_test(contrast_stays_in_the_range),
        cmocka_unit_test(gamma_keeps_moments_and_order),
        cmocka_unit_test(blur_and_low_resolution_smooth),
        cmocka_unit_test(mirrors_move_labels_with_pixels),
        cmocka_unit_test(turns_are_rotations_within_their_ranges),
        cmocka_unit_test(batches_are_the_same_for_any_number_of_threads),
        cmocka_unit_test(labels_stay_on_their_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
