/* Plans for volumes: check values of nnU-Net's rules, properties that hold for every set, and plans as files. Held
 * against nnU-Net itself in tests/cli/plan_test.py. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/file.h"
#include "core/rng.h"
#include "data/crop_box.h"
#include "data/marks.h"
#include "data/plan.h"
#include "tests/lib/folder.h"

enum { CASES_MOST = 60 };

static int shapes[CASES_MOST][3];
static double spacings[CASES_MOST][3];

/* Cases that are all alike. */
static ps_fingerprint alike(int cases, int classes, const double mm[3], const int shape[3]) {
    ps_fingerprint f = {.cases = cases, .channels = 1, .classes = classes, .kept = 1, .shape = shapes, .mm = spacings};
    for (int i = 0; i < cases; i++) {
        memcpy(spacings[i], mm, 3 * sizeof *mm);
        memcpy(shapes[i], shape, 3 * sizeof *shape);
    }
    return f;
}

static void same_row(const int found[3], int a, int b, int c) {
    if (found[0] != a || found[1] != b || found[2] != c)
        fail_msg("%d %d %d instead of %d %d %d", found[0], found[1], found[2], a, b, c);
}

static void abdominal_scans(void **state) {
    (void)state;
    ps_plan plan;
    ps_fingerprint f = alike(24, 14, (double[]){3, 0.76, 0.76}, (int[]){148, 512, 512});
    strcpy(f.channel_name[0], "ct");
    held(ps_plan_make(&f, &plan));
    same_row(plan.axis, 0, 1, 2);
    same_row(plan.full.patch, 48, 192, 192);
    assert_int_equal(plan.full.batch, 2);
    assert_int_equal(plan.full.stages, 6);
    static const int strides[6][3] = {{1, 1, 1}, {1, 2, 2}, {2, 2, 2}, {2, 2, 2}, {2, 2, 2}, {1, 2, 2}},
                     features[6] = {32, 64, 128, 256, 320, 320};
    for (int s = 0; s < 6; s++) {
        same_row(plan.full.stride[s], strides[s][0], strides[s][1], strides[s][2]);
        same_row(plan.full.kernel[s], s == 0 ? 1 : 3, 3, 3);
        assert_int_equal(plan.full.features[s], features[s]);
    }
    assert_true(plan.full.estimate == 495203328);
    assert_true(plan.low_resolution && plan.full.batch_dice && plan.flat.batch_dice);
    same_row(plan.flat.patch, 1, 512, 512);
    assert_int_equal(plan.flat.batch, 12);
    assert_int_equal(plan.flat.stages, 8);
    assert_int_equal(plan.flat.features[7], 512);
    assert_int_equal(plan.channel[0].normalisation, PS_NORMALISE_CT);
}

/* The coarsest axis of the files may be any. */
static void axes_are_ordered(void **state) {
    (void)state;
    ps_plan plan;
    ps_fingerprint f = alike(24, 14, (double[]){0.76, 0.76, 3}, (int[]){512, 512, 148});
    held(ps_plan_make(&f, &plan));
    same_row(plan.axis, 2, 0, 1);
    same_row(plan.full.patch, 48, 192, 192);
    assert_true(plan.full.spacing[0] == 3 && plan.full.spacing[2] == 0.76);
}

static void small_heads(void **state) {
    (void)state;
    ps_plan plan;
    ps_fingerprint f = alike(60, 3, (double[]){1, 1, 1}, (int[]){37, 50, 36});
    shapes[0][1] = 51; /* medians of even numbers of cases lie between two */
    for (int i = 1; i < 30; i++) shapes[i][1] = 51;
    held(ps_plan_make(&f, &plan));
    same_row(plan.full.patch, 40, 56, 40);
    assert_true(plan.full.median[1] == 50.5 && plan.full.estimate == 19174400);
    assert_int_equal(plan.full.batch, 2);
    assert_int_equal(plan.full.stages, 4);
    same_row(plan.flat.patch, 1, 56, 40);
    assert_int_equal(plan.flat.batch, 90);
    assert_false(plan.low_resolution || plan.full.batch_dice);
}

static void images_without_depth(void **state) {
    (void)state;
    ps_plan plan;
    ps_fingerprint f = alike(50, 2, (double[]){999, 1, 1}, (int[]){1, 300, 200});
    held(ps_plan_make(&f, &plan));
    assert_int_equal(plan.full.dimensions, 0);
    assert_int_equal(plan.flat.dimensions, 2);
    assert_true(plan.flat.patch[1] >= 300 && plan.flat.patch[2] >= 200);
}

/* Thin slices of some cases are kept where the median is coarse. */
static void spacing_of_coarse_slices(void **state) {
    (void)state;
    ps_plan plan;
    ps_fingerprint f = alike(20, 2, (double[]){10, 1, 1}, (int[]){12, 200, 200});
    for (int i = 0; i < 4; i++) spacings[i][0] = 5;
    held(ps_plan_make(&f, &plan));
    assert_true(plan.full.spacing[0] == 5);
    for (int i = 0; i < 4; i++) spacings[i][0] = 0.5; /* but never finer than the other axes */
    held(ps_plan_make(&f, &plan));
    assert_true(fabs(plan.full.spacing[0] - 1.00001) < 1e-12 || fabs(plan.full.spacing[1] - 1.00001) < 1e-12);
    f = alike(20, 2, (double[]){10, 1, 1}, (int[]){80, 200, 200});
    for (int i = 0; i < 4; i++) spacings[i][0] = 5;
    held(ps_plan_make(&f, &plan)); /* as many slices as pixels, almost: the median */
    assert_true(plan.full.spacing[0] == 10);
}

static void check_network(const ps_plan_network *n, double most) {
    int patch[3];
    memcpy(patch, n->patch, sizeof patch);
    assert_true(n->stages >= 1 && n->batch >= 2 && n->estimate <= most);
    for (int s = 0; s < n->stages; s++) {
        bool halved = s == 0;
        for (int i = 0; i < 3; i++) {
            assert_int_equal(patch[i] % n->stride[s][i], 0);
            patch[i] /= n->stride[s][i];
            halved = halved || n->stride[s][i] == 2;
            assert_true(n->stride[s][i] == 1 || patch[i] >= 4);
            assert_true(n->kernel[s][i] == 1 || n->kernel[s][i] == 3);
            assert_true(s == 0 || n->kernel[s][i] >= n->kernel[s - 1][i]);
        }
        assert_true(halved);
    }
}

static void networks_fit_whatever_the_data(void **state) {
    (void)state;
    ps_rng_key key = ps_rng_key_of(11, "plans");
    for (uint64_t t = 0; t < 300; t++) {
        ps_rng_key k = ps_rng_key_fold(key, t);
        ps_plan plan;
        ps_fingerprint f = alike(1 + (int)ps_rng_below(k, 0, 50), 2 + (int)ps_rng_below(k, 1, 30), (double[]){1, 1, 1},
                                 (int[]){1, 1, 1});
        for (int i = 0; i < f.cases; i++) {
            for (uint64_t a = 0; a < 3; a++) {
                shapes[i][a] = 1 + (int)ps_rng_below(k, 10 + 6 * (uint64_t)i + a, t % 2 ? 600 : 60);
                spacings[i][a] = 0.2 + 8 * pow(ps_rng_uniform(k, 13 + 6 * (uint64_t)i + a), 3);
            }
        }
        held(ps_plan_make(&f, &plan));
        if (plan.full.dimensions == 3) check_network(&plan.full, 560e6);
        check_network(&plan.flat, 510e6);
    }
}

/* ---- files ---- */

static void plans_are_read_as_they_were_written(void **state) {
    (void)state;
    char path[128], *text[2] = {NULL, NULL};
    size_t size;
    ps_plan plan, again;
    ps_fingerprint f = alike(24, 14, (double[]){0.76, 0.7654321, 3}, (int[]){512, 500, 148});
    f.kept = 0.5;
    strcpy(f.channel_name[0], "T1 \"x\"");
    f.intensity[0] = (ps_intensity){1.0 / 3, 2, -7, 1e9, {0.1, 0.2, 0.3}};
    held(ps_plan_make(&f, &plan));
    snprintf(path, sizeof path, "%s/plan.json", folder);
    for (int i = 0; i < 2; i++) {
        FILE *stream = open_memstream(&text[i], &size);
        ps_plan_write(i == 0 ? &plan : &again, stream);
        fclose(stream);
        held(ps_file_write(path, text[i], size));
        held(ps_plan_read(path, &again));
    }
    assert_string_equal(text[0], text[1]);
    assert_memory_equal(&plan, &again, sizeof plan);
    free(text[0]);
    free(text[1]);
}

static void damaged_plans_are_refused(void **state) {
    (void)state;
    static const char *const changes[][3] = {{"poolscope-plan-1", "another-plan-1", "is no plan"},
                                             {"\"axes\": [0, 1, 2]", "\"axes\": [0, 1, 1]", "axes"},
                                             {"\"batch\": 2", "\"batch\": 0", "batch"},
                                             {"\"patch\": [48,", "\"patch\": [49,", "cannot be halved"},
                                             {"[1, 3, 3]", "[1, 2, 3]", "odd"},
                                             {"[1, 3, 3]", "[1, 3]", "kernels"},
                                             {"\"zscore\"", "\"z\"", "normalisation"},
                                             {"\"features\": [32,", "\"features\": [0,", "features"},
                                             {"\"features\": [32,", "\"features\": [32, 32,", "strides"},
                                             {"\"2d\"", "\"4d\"", "4d"},
                                             {"\"masked\": false", "\"masked\": 1", "masked"},
                                             {"\"mean\"", "\"meen\"", "mean"},
                                             {"\"spacing\": [3", "\"spacing\": [-3", "spacing"},
                                             {"{", "[", "JSON"}};
    char path[128], *text = NULL;
    size_t size;
    ps_plan plan;
    ps_fingerprint f = alike(24, 14, (double[]){3, 0.76, 0.76}, (int[]){148, 512, 512});
    held(ps_plan_make(&f, &plan));
    FILE *stream = open_memstream(&text, &size);
    ps_plan_write(&plan, stream);
    fclose(stream);
    snprintf(path, sizeof path, "%s/plan.json", folder);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        char damaged[8192];
        const char *at = strstr(text, changes[i][0]);
        if (at == NULL) fail_msg("no %s in the plan", changes[i][0]);
        snprintf(damaged, sizeof damaged, "%.*s%s%s", (int)(at - text), text, changes[i][1],
                 at + strlen(changes[i][0]));
        held(ps_file_write(path, damaged, strlen(damaged)));
        ps_status status = ps_plan_read(path, &plan);
        if (status != PS_ERR_INPUT || strstr(ps_status_message(), changes[i][2]) == NULL ||
            strstr(ps_status_message(), path) == NULL)
            fail_msg("%s: \"%s\"", changes[i][1], status == PS_OK ? "nothing" : ps_status_message());
    }
    free(text);
}

/* ---- what a fingerprint is made of ---- */

/* Of pixels [d][h][w][c], by rows along axis 0 (d), 1 or 2, from the last position of each to the first where
 * `backwards`. */
static ps_crop_box box_of(const float *pixel, ps_shape shape, int along, bool backwards) {
    const int side[3] = {shape.d, shape.h, shape.w}, step[3] = {shape.h * shape.w, shape.w, 1};
    int one = along == 0 ? 1 : 0, other = along == 2 ? 1 : 2, count = side[along];
    float row[8];
    ps_crop_search search;
    ps_crop_begin(&search, shape);
    for (int i = 0; i < side[one] * side[other] * shape.c; i++) {
        int c = i % shape.c, a = i / shape.c % side[one], b = i / shape.c / side[one];
        int first = a * step[one] + b * step[other] + (backwards ? (count - 1) * step[along] : 0);
        int by = backwards ? -step[along] : step[along];
        for (int k = 0; k < count; k++) row[k] = pixel[(first + k * by) * shape.c + c];
        ps_crop_add(&search, first, by, row, count);
    }
    return ps_crop_end(&search);
}

static void has_box(const float *pixel, ps_shape shape, const int first[3], const int count[3]) {
    for (int way = 0; way < 6; way++) {
        ps_crop_box box = box_of(pixel, shape, way / 2, way % 2 == 1);
        same_row(box.first, first[0], first[1], first[2]);
        same_row(box.count, count[0], count[1], count[2]);
    }
}

static void boxes_of_what_is_not_zero(void **state) {
    (void)state;
    float pixel[4 * 5 * 6 * 2] = {0};
    const ps_shape shape = {1, 2, 4, 5, 6};
    has_box(pixel, shape, (int[]){0, 0, 0}, (int[]){4, 5, 6}); /* nothing to crop to */
    pixel[((1 * 5 + 2) * 6 + 3) * 2 + 1] = -1;
    has_box(pixel, shape, (int[]){1, 2, 3}, (int[]){1, 1, 1});
    pixel[((3 * 5 + 0) * 6 + 5) * 2] = 1e-30f;
    has_box(pixel, shape, (int[]){1, 0, 3}, (int[]){3, 3, 3});
}

static void marked_positions_are_counted_and_found(void **state) {
    (void)state;
    enum { MOST = 700 };
    for (size_t positions = 1; positions < MOST; positions += 37) {
        bool in[MOST];
        size_t before = 0;
        ps_marks marks;
        held(ps_marks_create(&marks, positions));
        for (size_t i = 0; i < positions; i++) {
            in[i] = ps_rng_below(ps_rng_key_of(positions, "marks"), i, 3) == 0 && (i < 100 || i > 300);
            if (in[i]) ps_marks_add(&marks, i);
        }
        ps_marks_count(&marks);
        for (size_t i = 0; i < positions; i++) {
            assert_true(ps_marks_have(&marks, i) == in[i] && ps_marks_rank(&marks, i) == before);
            if (in[i]) assert_int_equal(ps_marks_at(&marks, before++), i);
        }
        assert_int_equal(marks.count, before);
        ps_marks_clear(&marks);
    }
}

static void percentiles_lie_between_neighbours(void **state) {
    (void)state;
    double value[4] = {4, 1, 3, 2};
    assert_true(ps_percentile(value, 4, 0.5) == 2.5);
    assert_true(fabs(ps_percentile(value, 4, 0.1) - 1.3) < 1e-12);
    assert_true(ps_percentile(value, 4, 1) == 4 && ps_percentile(value, 1, 0.7) == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(abdominal_scans),
        cmocka_unit_test(axes_are_ordered),
        cmocka_unit_test(small_heads),
        cmocka_unit_test(images_without_depth),
        cmocka_unit_test(spacing_of_coarse_slices),
        cmocka_unit_test(networks_fit_whatever_the_data),
        cmocka_unit_test(plans_are_read_as_they_were_written),
        cmocka_unit_test(damaged_plans_are_refused),
        cmocka_unit_test(boxes_of_what_is_not_zero),
        cmocka_unit_test(marked_positions_are_counted_and_found),
        cmocka_unit_test(percentiles_lie_between_neighbours),
    };
    return cmocka_run_group_tests_name("plans for volumes", tests, make_folder, remove_folder);
}
