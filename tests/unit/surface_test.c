/* Measures of label maps: overlap by hand, areas of surface elements by closed forms, distances and surface measures
 * against brute force on small random maps. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/rng.h"
#include "task/overlap.h"
#include "task/surface.h"

static const double mm[3] = {2.5, 0.7, 1.2};

/* ---- overlap ---- */

/* Truth 0 0 1 1 2 -1, predicted 0 1 1 1 0 0, of four classes: class 3 is in neither. */
static void test_overlap_by_hand(void **state) {
    (void)state;
    const int16_t truth[6] = {0, 0, 1, 1, 2, -1}, predicted[6] = {0, 1, 1, 1, 0, 0};
    uint64_t count[16] = {0};
    double iou[4];
    ps_confusion_add(count, 4, truth, predicted, 6);
    assert_true(ps_confusion_right(count, 4) == 3.0 / 5.0);
    for (int k = 0; k < 4; k++) iou[k] = ps_confusion_iou(count, 4, k);
    assert_true(iou[0] == 1.0 / 3.0 && iou[1] == 2.0 / 3.0 && iou[2] == 0 && isnan(iou[3]));
    assert_true(fabs(ps_mean_of_numbers(iou, 4) - 1.0 / 3.0) < 1e-15);
    assert_true(ps_confusion_dice(count, 4, 0) == 0.5 && ps_confusion_dice(count, 4, 1) == 0.8);
    assert_true(ps_confusion_dice(count, 4, 2) == 0 && isnan(ps_confusion_dice(count, 4, 3)));
    uint64_t none[16] = {0};
    assert_true(isnan(ps_confusion_right(none, 4)) && isnan(ps_mean_of_numbers(iou + 3, 1)));
    ps_confusion_sum(none, 4, count);
    assert_memory_equal(none, count, sizeof count);
}

/* ---- areas ---- */

static void test_areas_by_closed_forms(void **state) {
    (void)state;
    double area[256], length[16];
    ps_surface_areas(mm, area);
    ps_surface_lengths(mm, length);
    double x = mm[0], y = mm[1], z = mm[2];
    double corner = sqrt(pow(y * z, 2) + pow(x * z, 2) + pow(x * y, 2)) / 8;
    assert_true(area[0] == 0 && area[255] == 0);
    for (int i = 0; i < 8; i++) {
        assert_true(fabs(area[1 << i] - corner) < 1e-12);
        assert_true(fabs(area[255 - (1 << i)] - corner) < 1e-12);
    }
    assert_true(fabs(area[0xf0] - y * z) < 1e-12); /* one half of the cube along d */
    assert_true(fabs(area[0xcc] - x * z) < 1e-12);
    assert_true(fabs(area[0xaa] - x * y) < 1e-12);
    assert_true(fabs(area[0xc0] - z * sqrt(x * x + y * y) / 2) < 1e-12); /* two corners along w */
    assert_true(fabs(area[0x81] - 2 * corner) < 1e-12);                  /* two opposite corners */
    for (int code = 0; code < 256; code++) assert_true(fabs(area[code] - area[255 - code]) < 1e-12);
    double half = sqrt(y * y + z * z) / 2;
    const double lengths[16] = {0, half, half, z, half, y, 2 * half, half, half, 2 * half, y, half, z, half, half, 0};
    for (int code = 0; code < 16; code++) assert_true(fabs(length[code] - lengths[code]) < 1e-12);
}

/* ---- brute force ---- */

enum { MOST = 9 * 10 * 11 };

static void draw_map(ps_rng_key key, ps_shape shape, int classes, int16_t *map) {
    for (size_t i = 0; i < ps_shape_positions(shape); i++) map[i] = (int16_t)ps_rng_below(key, i, (uint32_t)classes);
}

static void place_of(ps_shape shape, size_t i, int place[3]) {
    place[2] = (int)(i % (size_t)shape.w);
    place[1] = (int)(i / (size_t)shape.w % (size_t)shape.h);
    place[0] = (int)(i / (size_t)shape.w / (size_t)shape.h);
}

static double square_between(ps_shape shape, size_t i, size_t j) {
    int a[3], b[3];
    double sum = 0;
    place_of(shape, i, a), place_of(shape, j, b);
    for (int axis = 0; axis < 3; axis++) sum += pow((a[axis] - b[axis]) * mm[axis], 2);
    return sum;
}

static void test_distances_are_exact(void **state) {
    (void)state;
    const ps_shape shapes[] = {{1, 1, 5, 6, 7}, {1, 1, 1, 9, 8}, {1, 1, 1, 1, 11}, {1, 1, 4, 1, 1}};
    static double square[MOST], start[MOST];
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (uint32_t rare = 1; rare < 60; rare += 29) {
            size_t count = ps_shape_positions(shapes[s]);
            ps_rng_key key = ps_rng_key_of(s * 100 + rare, "places");
            for (size_t i = 0; i < count; i++)
                square[i] = start[i] = ps_rng_below(key, i, rare + 1) == 0 ? 0.0 : (double)INFINITY;
            assert_int_equal(ps_surface_distances(square, shapes[s], mm, NULL), PS_OK);
            for (size_t i = 0; i < count; i++) {
                double least = INFINITY;
                for (size_t j = 0; j < count; j++)
                    if (start[j] == 0) least = fmin(least, square_between(shapes[s], i, j));
                assert_true(isinf(least) ? isinf(square[i]) : fabs(square[i] - least) < 1e-9 * (1 + least));
            }
        }
}

/* The elements of a map: squares of distances are not needed for that, so corners are walked one by one. */
typedef struct {
    size_t at[MOST * 2];
    double area[MOST * 2];
    size_t count;
} elements;

static void find_elements(const int16_t *map, ps_shape shape, int k, ps_shape grid, elements *out) {
    double area[256], length[16];
    ps_surface_areas(mm, area);
    ps_surface_lengths(mm, length);
    bool flat = shape.d == 1;
    out->count = 0;
    for (size_t i = 0; i < ps_shape_positions(grid); i++) {
        int place[3], code = 0, most = flat ? 4 : 8;
        place_of(grid, i, place);
        for (int n = 0; n < most; n++) {
            int z = flat ? 0 : place[0] - 1 + (n >> 2 & 1), y = place[1] - 1 + (n >> 1 & 1), x = place[2] - 1 + (n & 1);
            bool inside = z >= 0 && z < shape.d && y >= 0 && y < shape.h && x >= 0 && x < shape.w;
            if (inside && map[(z * shape.h + y) * shape.w + x] == k) code |= (flat ? 8 : 128) >> n;
        }
        if (code == 0 || code == (flat ? 15 : 255)) continue;
        out->at[out->count] = i;
        out->area[out->count++] = flat ? length[code] : area[code];
    }
}

static double away_from(const elements *other, ps_shape grid, size_t at) {
    double least = INFINITY;
    for (size_t j = 0; j < other->count; j++) least = fmin(least, square_between(grid, at, other->at[j]));
    return sqrt(least);
}

/* The smallest distance within which so much of the area lies. */
static double percentile(const elements *own, const elements *other, ps_shape grid) {
    double all = 0, best = INFINITY;
    for (size_t i = 0; i < own->count; i++) all += own->area[i];
    for (size_t i = 0; i < own->count; i++) {
        double limit = away_from(other, grid, own->at[i]), within = 0;
        for (size_t j = 0; j < own->count; j++)
            if (away_from(other, grid, own->at[j]) <= limit) within += own->area[j];
        if (within / all >= 0.95 - 1e-12) best = fmin(best, limit);
    }
    return best;
}

static void test_surfaces_by_brute_force(void **state) {
    (void)state;
    static int16_t truth[MOST], predicted[MOST];
    static elements side[2];
    const ps_shape shapes[] = {{1, 1, 3, 4, 3}, {1, 1, 1, 6, 5}};
    for (int s = 0; s < 2; s++)
        for (uint64_t seed = 0; seed < 6; seed++) {
            ps_shape grid = shapes[s];
            grid.d += s == 0, grid.h++, grid.w++;
            draw_map(ps_rng_key_of(seed, "truth"), shapes[s], 4, truth);
            draw_map(ps_rng_key_of(seed, "predicted"), shapes[s], 4, predicted);
            find_elements(truth, shapes[s], 1, grid, &side[0]);
            find_elements(predicted, shapes[s], 1, grid, &side[1]);
            ps_surface_agreement found;
            double tolerance = 0.9, near = 0, all = 0;
            assert_int_equal(ps_surface_compare(truth, predicted, shapes[s], 1, mm, tolerance, NULL, &found), PS_OK);
            for (int which = 0; which < 2; which++)
                for (size_t i = 0; i < side[which].count; i++) {
                    all += side[which].area[i];
                    if (away_from(&side[1 - which], grid, side[which].at[i]) <= tolerance) near += side[which].area[i];
                }
            assert_true(fabs(found.nsd - near / all) < 1e-12);
            double wanted = fmax(percentile(&side[0], &side[1], grid), percentile(&side[1], &side[0], grid));
            assert_true(fabs(found.hd95 - wanted) < 1e-12);
        }
}

/* A cube of one voxel against itself moved by one along w, cells of 1 mm: all corners are 0 or 1 mm away. */
static void test_surfaces_by_hand(void **state) {
    (void)state;
    const double one[3] = {1, 1, 1};
    int16_t a[4] = {1, 0, 0, 0}, b[4] = {0, 1, 0, 0}, none[4] = {0};
    ps_shape line = {1, 1, 1, 1, 4}, volume = {1, 1, 2, 1, 2};
    ps_surface_agreement found;
    assert_int_equal(ps_surface_compare(a, b, line, 1, one, 0.5, NULL, &found), PS_OK);
    assert_true(fabs(found.nsd - 0.5) < 1e-12 && found.hd95 == 1);
    assert_int_equal(ps_surface_compare(a, b, volume, 1, one, 0.99, NULL, &found), PS_OK);
    assert_true(fabs(found.nsd - 0.5) < 1e-12 && found.hd95 == 1);
    assert_int_equal(ps_surface_compare(a, b, volume, 1, one, 1, NULL, &found), PS_OK);
    assert_true(found.nsd == 1 && found.hd95 == 1);
    assert_int_equal(ps_surface_compare(a, a, volume, 1, one, 0, NULL, &found), PS_OK);
    assert_true(found.nsd == 1 && found.hd95 == 0);
    assert_int_equal(ps_surface_compare(a, none, volume, 1, one, 9, NULL, &found), PS_OK);
    assert_true(found.nsd == 0 && isinf(found.hd95));
    assert_int_equal(ps_surface_compare(none, none, volume, 1, one, 9, NULL, &found), PS_OK);
    assert_true(isnan(found.nsd) && isnan(found.hd95));
    int16_t unknown[4] = {1, -1, 0, 0}, both[4] = {1, 1, 0, 0}; /* what is not known counts on neither side */
    assert_int_equal(ps_surface_compare(unknown, both, line, 1, one, 0, NULL, &found), PS_OK);
    assert_true(found.nsd == 1 && found.hd95 == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overlap_by_hand),     cmocka_unit_test(test_areas_by_closed_forms),
        cmocka_unit_test(test_distances_are_exact), cmocka_unit_test(test_surfaces_by_brute_force),
        cmocka_unit_test(test_surfaces_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
