/* Patches: where they are cut, what lies beyond, turns, the foreground; folds as scikit-learn cuts them; and batches of
 * patches of a made-up source of unlike volumes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/memory.h"
#include "data/choice.h"
#include "data/foreground.h"
#include "data/loader.h"
#include "data/patch.h"
#include "data/source.h"
#include "parallel/threads.h"
#include "tests/lib/folder.h"

/* ---- where ---- */

static void random_cuts_reach_every_place_and_stay_inside(void **state) {
    (void)state;
    const ps_shape sample = {1, 1, 5, 9, 4}, patch = {1, 1, 3, 9, 7};
    int seen[3][8] = {{0}};
    for (uint64_t i = 0; i < 400; i++) {
        ps_cut cut = ps_cut_random(sample, patch, ps_rng_key_fold(ps_rng_key_of(1, "test"), i));
        assert_false(cut.turned);
        assert_in_range(cut.shift[0], 0, 2);
        assert_int_equal(cut.shift[1], 0);
        assert_true(cut.shift[2] == -2 || cut.shift[2] == -1); /* three cells over: one to one side, two to the other */
        seen[0][cut.shift[0]]++;
        seen[2][cut.shift[2] + 2]++;
    }
    for (int i = 0; i < 3; i++) assert_in_range(seen[0][i], 90, 180);
    for (int i = 0; i < 2; i++) assert_in_range(seen[2][i], 150, 250);
    ps_cut middle = ps_cut_centre(sample, patch);
    assert_int_equal(middle.shift[0], 1);
    assert_int_equal(middle.shift[2], -1);
}

static void cuts_around_a_position_hold_it(void **state) {
    (void)state;
    const ps_shape sample = {1, 1, 6, 7, 8}, patch = {1, 1, 3, 3, 4};
    for (size_t at = 0; at < ps_shape_positions(sample); at++) {
        ps_cut cut = ps_cut_around(sample, patch, at, false), reaching = ps_cut_around(sample, patch, at, true);
        const int place[3] = {(int)(at / 56), (int)(at / 8 % 7), (int)(at % 8)}, side[3] = {3, 3, 4},
                  whole[3] = {6, 7, 8};
        for (int i = 0; i < 3; i++) {
            int in = place[i] - cut.shift[i];
            assert_true(cut.shift[i] >= 0 && cut.shift[i] + side[i] <= whole[i]);
            assert_true(in >= 0 && in < side[i]);
            if (cut.shift[i] > 0 && cut.shift[i] + side[i] < whole[i]) assert_int_equal(in, side[i] / 2);
            /* nnU-Net's: held at the near ends alone, so that there is the middle of the patch, or before it */
            int first = place[i] - side[i] / 2;
            assert_int_equal(reaching.shift[i], first < 0 ? 0 : first);
        }
    }
}

/* ---- cutting ---- */

enum { D = 3, H = 4, W = 5, C = 2 };
static const ps_shape volume = {1, C, D, H, W};

static float value_at(int z, int y, int x, int c) { return (float)(100 * z + 10 * y + x) + 1000.0f * (float)c; }
static int label_at(int z, int y, int x) { return (z + y + x) % 3; }
static bool is_inside(int z, int y, int x) { return z >= 0 && z < D && y >= 0 && y < H && x >= 0 && x < W; }

typedef struct {
    float pixel[D * H * W * C];
    uint8_t byte[D * H * W * C];
    float byte_value[C * 256];
    int16_t mask[D * H * W];
} sample_room;

static void fill_sample(sample_room *s) {
    size_t at = 0;
    for (int z = 0; z < D; z++)
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++, at++) {
                s->mask[at] = (int16_t)label_at(z, y, x);
                for (int c = 0; c < C; c++) s->pixel[at * C + (size_t)c] = value_at(z, y, x, c);
                for (int c = 0; c < C; c++) s->byte[at * C + (size_t)c] = (uint8_t)(50 * z + 10 * y + x + 100 * c);
            }
    for (int i = 0; i < C * 256; i++) s->byte_value[i] = (float)(i % 256) / 4;
}

/* Every shift, also those that see nothing of the sample; with and without a turn that changes nothing. */
static void shifts_see_the_sample_and_what_lies_beyond(void **state) {
    (void)state;
    static const double mean[C] = {1, 2}, deviation[C] = {2, 4}, still[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
    static const float outside[C] = {-7, -9};
    static const uint8_t outside_bytes[C] = {7, 9};
    const ps_shape patch = {1, C, 2, 6, 3};
    sample_room s;
    fill_sample(&s);
    const ps_cut_source floats = {volume, s.pixel, NULL, mean, deviation}, bytes = {volume, s.byte, s.byte_value, 0, 0};
    for (int turned = 0; turned < 2; turned++) {
        for (int k = 0; k < 6 * 12 * 10; k++) {
            ps_cut cut = {.shift = {k % 6 - 3, k / 6 % 12 - 7, k / 72 - 4}};
            float x[2 * 6 * 3 * C], y[2 * 6 * 3 * C];
            uint8_t b[2 * 6 * 3 * C];
            int32_t label[2 * 6 * 3];
            if (turned) ps_cut_turn(&cut, patch, still);
            ps_cut_floats(&cut, &floats, patch, outside, x);
            ps_cut_floats(&cut, &bytes, patch, outside, y);
            ps_cut_bytes(&cut, volume, s.byte, patch, outside_bytes, b);
            ps_cut_labels(&cut, volume, s.mask, patch, -1, label);
            for (int i = 0; i < 2 * 6 * 3; i++) {
                int z = i / 18 + cut.shift[0], h = i / 3 % 6 + cut.shift[1], w = i % 3 + cut.shift[2];
                bool inside = is_inside(z, h, w);
                assert_int_equal(label[i], inside ? label_at(z, h, w) : -1);
                for (int c = 0; c < C; c++) {
                    int byte = inside ? 50 * z + 10 * h + w + 100 * c : c ? 9 : 7;
                    double wanted = inside ? (value_at(z, h, w, c) - mean[c]) / deviation[c] : (double)outside[c];
                    assert_float_equal(x[i * C + c], wanted, 1e-4);
                    assert_float_equal(y[i * C + c], inside ? byte / 4.0 : (double)outside[c], 1e-5);
                    assert_int_equal(b[i * C + c], byte);
                }
            }
        }
    }
}

/* A linear ramp stays one under any affine map, where it is seen whole. */
static void turns_go_about_the_centre_and_interpolate(void **state) {
    (void)state;
    const double angle = 0.3, scale = 0.5;
    const double turn[3][3] = {
        {scale, 0, 0}, {0, scale * cos(angle), -scale * sin(angle)}, {0, scale * sin(angle), scale * cos(angle)}};
    static const double mean[C] = {0, 0}, deviation[C] = {1, 1};
    static const float outside[C] = {0, 0};
    const ps_shape patch = {1, C, 3, 3, 3};
    sample_room s;
    float x[27 * C];
    fill_sample(&s);
    const ps_cut_source source = {volume, s.pixel, NULL, mean, deviation};
    ps_cut cut = {.shift = {0, 0, 1}};
    ps_cut_turn(&cut, patch, turn);
    ps_cut_floats(&cut, &source, patch, outside, x);
    for (int i = 0; i < 27; i++) {
        double p[3] = {i / 9 - 1.0, i / 3 % 3 - 1.0, i % 3 - 1.0}, at[3] = {1, 1, 2};
        for (int a = 0; a < 3; a++)
            for (int b = 0; b < 3; b++) at[a] += turn[a][b] * p[b];
        assert_float_equal(x[i * C], 100 * at[0] + 10 * at[1] + at[2], 1e-3);
    }
}

/* A quarter turn of a slice moves labels to where their pixels go. */
static void labels_turn_with_their_pixels(void **state) {
    (void)state;
    enum { SIDE = 7 };
    const double quarter[3][3] = {{1, 0, 0}, {0, 0, -1}, {0, 1, 0}};
    const ps_shape slice = {1, 1, 1, SIDE, SIDE};
    static const double mean[1] = {0}, deviation[1] = {1};
    static const float outside[1] = {-1};
    float pixel[SIDE * SIDE], x[SIDE * SIDE];
    int16_t mask[SIDE * SIDE];
    int32_t label[SIDE * SIDE];
    for (int i = 0; i < SIDE * SIDE; i++) pixel[i] = mask[i] = (int16_t)i;
    ps_cut cut = ps_cut_centre(slice, slice);
    ps_cut_turn(&cut, slice, quarter);
    ps_cut_floats(&cut, &(ps_cut_source){slice, pixel, NULL, mean, deviation}, slice, outside, x);
    ps_cut_labels(&cut, slice, mask, slice, -1, label);
    for (int y = 0; y < SIDE; y++)
        for (int w = 0; w < SIDE; w++) {
            assert_int_equal(label[y * SIDE + w], (SIDE - 1 - w) * SIDE + y);
            assert_float_equal(x[y * SIDE + w], label[y * SIDE + w], 0);
        }
}

/* A sample that is a ramp, and whose label is the number of the cell: at every place it is seen at, and beyond. */
static void resized_samples_are_seen_through_their_cuts(void **state) {
    (void)state;
    enum { TALL = 6, WIDE = 9, SIDE = 7 };
    static const double mean[1] = {0}, deviation[1] = {1}, factors[] = {0.5, 0.77, 1, 1.4, 2};
    static const float outside[1] = {-5};
    const ps_shape sample = {1, 1, 1, TALL, WIDE}, patch = {1, 1, 1, SIDE, SIDE};
    float pixel[TALL * WIDE], x[SIDE * SIDE];
    int16_t mask[TALL * WIDE];
    int32_t label[SIDE * SIDE];
    for (int i = 0; i < TALL * WIDE; i++) pixel[i] = (float)(10 * (i / WIDE) + i % WIDE), mask[i] = (int16_t)i;
    for (size_t f = 0; f < sizeof factors / sizeof *factors; f++) {
        ps_shape scaled = ps_cut_scaled_shape(sample, factors[f]);
        assert_int_equal(scaled.h, floor(TALL * factors[f]));
        assert_int_equal(scaled.w, floor(WIDE * factors[f]));
        for (uint64_t n = 0; n < 20; n++) {
            ps_cut drawn = ps_cut_random(scaled, patch, ps_rng_key_fold(ps_rng_key_of(1, "scale"), n)), cut = drawn;
            ps_cut_scale(&cut, sample, scaled);
            ps_cut_floats(&cut, &(ps_cut_source){sample, pixel, NULL, mean, deviation}, patch, outside, x);
            ps_cut_labels(&cut, sample, mask, patch, -1, label);
            for (int i = 0; i < SIDE * SIDE; i++) {
                int row = i / SIDE + drawn.shift[1], column = i % SIDE + drawn.shift[2];
                double y = (row + 0.5) * TALL / scaled.h - 0.5, w = (column + 0.5) * WIDE / scaled.w - 0.5;
                bool inside = row >= 0 && row < scaled.h && column >= 0 && column < scaled.w;
                if (!inside) assert_int_equal(label[i], -1);
                else if (fabs(y - rint(y)) < 0.499 && fabs(w - rint(w)) < 0.499)
                    assert_int_equal(label[i], rint(y) * WIDE + rint(w));
                if (y >= 0 && y <= TALL - 1 && w >= 0 && w <= WIDE - 1) assert_float_equal(x[i], 10 * y + w, 1e-4);
            }
        }
    }
}

/* The middle of a cell lies in the cell of the resized sample that is said to hold it. */
static void positions_move_with_their_sample(void **state) {
    (void)state;
    const ps_shape sample = {1, 1, 2, 7, 5};
    for (int h = 1; h < 20; h += 3) {
        for (int w = 1; w < 20; w += 2) {
            const ps_shape scaled = {1, 1, 2, h, w};
            for (size_t i = 0; i < ps_shape_positions(sample); i++) {
                size_t to = ps_cut_scaled_position(sample, scaled, i);
                double y = ((double)(i / 5 % 7) + 0.5) * h / 7, x = ((double)(i % 5) + 0.5) * w / 5;
                assert_int_equal(to / (size_t)(h * w), i / 35);
                assert_true(fabs((double)(to / (size_t)w % (size_t)h) + 0.5 - y) <= 0.5 + 1e-9);
                assert_true(fabs((double)(to % (size_t)w) + 0.5 - x) <= 0.5 + 1e-9);
            }
        }
    }
}

/* ---- flat samples with masks ---- */

enum { FLAT = 5, TALL = 20, WIDE = 16, CELL = 4, PART = 12 };

/* Blocks of 4 x 4 cells of one class, which say their class by their grey. */
static int block_class(int image, int y, int x) { return (image + y / CELL * 3 + x / CELL) % 4; }
static int block_grey(int class_index) { return 60 + 45 * class_index; }

static void flat_size(const ps_source *source, ps_source_part part, int index, ps_sample_size *out) {
    (void)source, (void)part, (void)index;
    *out = (ps_sample_size){.pixels = {1, 3, 1, TALL, WIDE}, .mask = {1, 1, 1, TALL, WIDE}};
}

static ps_status flat_decode(const ps_source *source, ps_source_part part, int index, void *pixel, int16_t *label) {
    uint8_t *byte = pixel;
    (void)source, (void)part;
    for (int i = 0; i < TALL * WIDE; i++) {
        label[i] = (int16_t)block_class(index, i / WIDE, i % WIDE);
        for (int c = 0; c < 3; c++) byte[3 * i + c] = (uint8_t)block_grey(label[i]);
    }
    return PS_OK;
}

static void flat_close(ps_source *source) { (void)source; }

static ps_status open_flat(ps_dataset_options options, ps_dataset **out) {
    static const ps_source_functions flat = {.size = flat_size, .decode = flat_decode, .close = flat_close};
    ps_source source = {
        .functions = &flat, .count = {FLAT + 1, 0}, .type = PS_PIXEL_BYTE, .labels = PS_LABEL_MASK, .classes = 4};
    options.probe_count = 1;
    return ps_dataset_of_source("flat", &options, &source, out);
}

static const ps_dataset_options parts = {.patch = {PART, PART, PART}, .patch_sides = 1, .raw = true};

/* Pixels whose neighbourhood is of one class show its grey, however the sample was resized and mirrored. */
static int check_greys(const float *x, const int32_t *label) {
    int judged = 0;
    for (int i = 2; i < PART - 2; i++) {
        for (int j = 2; j < PART - 2; j++) {
            bool flat = true;
            for (int k = 0; k < 25; k++)
                flat = flat && label[(i - 2 + k / 5) * PART + j - 2 + k % 5] == label[i * PART + j];
            if (!flat || label[i * PART + j] < 0) continue;
            judged++;
            for (int c = 0; c < 3; c++)
                assert_float_equal(x[3 * (i * PART + j) + c], block_grey(label[i * PART + j]), 0.51);
        }
    }
    return judged;
}

static void labels_are_resized_with_their_pixels(void **state) {
    (void)state;
    static float x[FLAT * PART * PART * 3];
    static int32_t label[FLAT * PART * PART];
    for (int background = 0; background < 2; background++) {
        ps_dataset_options asked = parts;
        ps_loader_options options = {
            .batch = FLAT, .seed = 5, .augment = {.patch_scale = {0.5, 2}, .flip = true, .crop_black = true}};
        ps_dataset *dataset;
        ps_loader *loader;
        int judged = 0, beyond = 0, black = 0;
        asked.pad_background = background;
        held(open_flat(asked, &dataset));
        held(ps_loader_create(dataset, &options, &loader));
        for (uint64_t step = 0; step < 30; step++) {
            held(ps_loader_train_batch(loader, step, x, label, NULL));
            for (int row = 0; row < FLAT && !background; row++)
                judged += check_greys(x + row * PART * PART * 3, label + row * PART * PART);
            for (int i = 0; i < FLAT * PART * PART; i++) beyond += label[i] < 0, black += x[3 * i] == 0;
        }
        if (background) assert_int_equal(beyond, 0);
        else assert_true(judged > 100 && beyond > 100);
        assert_true(black > 100); /* factors below 0.75 leave some of the patch empty */
        ps_loader_destroy(loader);
        ps_dataset_close(dataset);
    }
}

/* Jitter changes every pixel of a patch in one way, and no label; rows are the same in any parts and on any threads. */
static void jitter_leaves_masks_alone(void **state) {
    (void)state;
    enum { ROW = PART * PART };
    static float x[FLAT * ROW * 3], y[FLAT * ROW * 3];
    static int32_t label[FLAT * ROW], same[FLAT * ROW];
    ps_loader_options plain = {.batch = FLAT, .seed = 5, .augment = {.patch_scale = {0.5, 2}, .flip = true}},
                      options = plain;
    ps_dataset *dataset;
    ps_loader *jittered, *as_stored;
    ps_threads *threads;
    int changed = 0;
    for (int i = 0; i < 3; i++) options.augment.jitter[i] = 0.5;
    held(ps_threads_create(3, &threads));
    held(open_flat(parts, &dataset));
    held(ps_loader_create(dataset, &options, &jittered));
    held(ps_loader_create(dataset, &plain, &as_stored));
    for (uint64_t step = 0; step < 10; step++) {
        held(ps_loader_train_batch(jittered, step, x, label, NULL));
        held(ps_loader_train_batch(as_stored, step, y, same, NULL));
        assert_memory_equal(label, same, sizeof label);
        for (int row = 0; row < FLAT; row++) {
            const float *to = x + row * ROW * 3, *from = y + row * ROW * 3;
            for (int i = 1; i < ROW; i++) /* what is lighter stays so */
                assert_true((from[3 * i] - from[0]) * (to[3 * i] - to[0]) >= -1);
            changed += memcmp(to, from, ROW * 3 * sizeof *to) != 0;
        }
        held(ps_loader_train_rows(jittered, step, (ps_loader_rows){1, 3}, y, same, threads));
        assert_memory_equal(x + ROW * 3, y, 3 * ROW * 3 * sizeof *x);
        assert_memory_equal(label + ROW, same, 3 * ROW * sizeof *label);
    }
    assert_true(changed > 40);
    ps_loader_destroy(jittered);
    ps_loader_destroy(as_stored);
    ps_dataset_close(dataset);
    ps_threads_destroy(threads);
}

static void scales_that_make_no_sense_are_refused(void **state) {
    (void)state;
    const ps_augment_range wrong[] = {{0, 1}, {2, 1}, {0.5, 11}, {NAN, 1}, {0.5, NAN}, {-1, 1}};
    ps_dataset *dataset;
    ps_loader *loader;
    held(open_flat(parts, &dataset));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ps_loader_options options = {.batch = 2, .augment = {.patch_scale = wrong[i]}};
        assert_int_equal(ps_loader_create(dataset, &options, &loader), PS_ERR_USAGE);
        assert_non_null(strstr(ps_status_message(), "patch_scale needs two numbers"));
    }
    ps_loader_options moving = {.batch = 2, .augment = {.rotate = 5}};
    assert_int_equal(ps_loader_create(dataset, &moving, &loader), PS_ERR_USAGE);
    assert_non_null(strstr(ps_status_message(), "masks"));
    ps_dataset_close(dataset);
    held(open_flat((ps_dataset_options){.size = 0}, &dataset));
    ps_loader_options whole = {.batch = 2, .augment = {.patch_scale = {0.5, 2}}};
    assert_int_equal(ps_loader_create(dataset, &whole, &loader), PS_ERR_USAGE);
    assert_non_null(strstr(ps_status_message(), "patch_size"));
    ps_dataset_close(dataset);
}

/* ---- foreground ---- */

static void foreground_is_drawn_evenly_over_classes_and_positions(void **state) {
    (void)state;
    enum { POSITIONS = 20000, CLASSES = 5, DRAWS = 3000 };
    static int16_t mask[POSITIONS];
    static int hit[POSITIONS];
    int class_hits[CLASSES] = {0};
    uint32_t *count;
    size_t at;
    memset(mask, 0, sizeof mask);
    for (int i = 0; i < 10; i++) mask[1999 * i + 7] = 1; /* few, of which the next line takes three */
    for (int i = 9000; i < 15000; i++) mask[i] = 3;      /* many */
    for (int i = 0; i < 50; i++) mask[19000 + i] = -1;   /* no label */
    assert_int_equal(PS_ALLOC(ps_foreground_counts(POSITIONS, CLASSES), &count, "test"), PS_OK);
    ps_foreground_count(mask, POSITIONS, CLASSES, count);
    for (uint64_t i = 0; i < DRAWS; i++) {
        assert_true(
            ps_foreground_draw(mask, POSITIONS, CLASSES, count, ps_rng_key_fold(ps_rng_key_of(1, "test"), i), &at));
        assert_true(mask[at] == 1 || mask[at] == 3);
        class_hits[mask[at]]++;
        hit[at]++;
    }
    assert_in_range(class_hits[1], DRAWS / 2 - 150, DRAWS / 2 + 150);
    for (int i = 0; i < 10; i++)
        if (mask[1999 * i + 7] == 1) assert_in_range(hit[1999 * i + 7], 150, 290);
    memset(mask, 0, sizeof mask);
    ps_foreground_count(mask, POSITIONS, CLASSES, count);
    assert_false(ps_foreground_draw(mask, POSITIONS, CLASSES, count, ps_rng_key_of(1, "test"), &at));
    ps_free(count);
}

/* ---- folds ---- */

/* A probe of samples that are in groups is spread over them; all others keep their order. */
static void probes_are_spread_over_groups(void **state) {
    (void)state;
    static const ps_source_functions none = {0};
    static const int ends[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, spread[10] = {0, 2, 3, 4, 6, 7, 9, 1, 5, 8};
    for (int groups = 0; groups < 2; groups++) {
        const ps_source source = {.functions = &none, .count = {10, 0}, .in_groups = groups};
        const ps_dataset_options options = {.probe_count = 3};
        ps_choice choice;
        held(ps_choice_make("made up", &source, &options, NULL, &choice));
        for (int i = 0; i < 10; i++) assert_int_equal(choice.place[i].index, (groups ? spread : ends)[i]);
        ps_choice_clear(&choice);
    }
}

/* numpy.random.RandomState(12345).shuffle(numpy.arange(20)), and of 7. */
static void folds_are_those_of_scikit_learn(void **state) {
    (void)state;
    static const uint32_t twenty[20] = {13, 8, 16, 3, 15, 12, 0, 10, 7, 11, 6, 17, 19, 18, 14, 9, 4, 1, 5, 2},
                          seven[7] = {6, 3, 4, 0, 1, 5, 2};
    static const int first[6] = {0, 2, 4, 5, 6, 7}; /* folds of 2, 2, 1, 1, 1 */
    uint32_t order[20];
    bool in[20];
    ps_choice_fold(20, 5, 0, order, in);
    assert_memory_equal(order, twenty, sizeof twenty);
    for (int fold = 0; fold < 5; fold++) {
        int held = 0;
        ps_choice_fold(7, 5, fold, order, in);
        assert_memory_equal(order, seven, sizeof seven);
        for (int i = 0; i < 7; i++) held += in[i];
        assert_int_equal(held, first[fold + 1] - first[fold]);
        for (int i = first[fold]; i < first[fold + 1]; i++) assert_true(in[seven[i]]);
    }
}

/* ---- a made-up source of unlike volumes ---- */

enum { CASES = 12, TESTS = 2, CLASSES = 3 };

typedef struct {
    bool unnamed;
    int bad; /* this many cases could not be opened */
} ward;

static ps_shape case_shape(ps_source_part part, int index) {
    return (ps_shape){1, 1, 4 + index % 3, 6 + (int)part, 5 + index % 4};
}

static void size_of(const ps_source *source, ps_source_part part, int index, ps_sample_size *out) {
    (void)source;
    out->pixels = out->mask = case_shape(part, index);
}

/* Pixels tell case and position; a label is 0 but at two positions, and in case 5 nowhere. */
static int16_t case_label(int index, size_t position) {
    return index == 5 ? 0 : position == 3 ? 1 : position == 60 ? 2 : 0;
}

static ps_status decode(const ps_source *source, ps_source_part part, int index, void *pixel, int16_t *label) {
    (void)source;
    for (size_t i = 0; i < ps_shape_positions(case_shape(part, index)); i++) {
        ((float *)pixel)[i] = (float)(1000 * (index + 1) + (int)i);
        label[i] = case_label(index, i);
    }
    return PS_OK;
}

/* Names in another order than numbers. */
static const char *name_of(const ps_source *source, ps_source_part part, int index) {
    static const char names[PS_SOURCE_PARTS][CASES][4] = {
        {"c11", "c10", "c09", "c08", "c07", "c06", "c05", "c04", "c03", "c02", "c01", "c00"}, {"t0", "t1"}};
    const ward *w = source->state;
    return w->unnamed ? NULL : names[part][index];
}

static void close_ward(ps_source *source) { (void)source; }

static ps_status open_ward(ward *w, ps_dataset_options options, ps_dataset **out) {
    static const ps_source_functions functions = {
        .size = size_of, .decode = decode, .close = close_ward, .name = name_of};
    ps_source source = {.functions = &functions,
                        .state = w,
                        .count = {CASES, TESTS},
                        .type = PS_PIXEL_FLOAT,
                        .labels = PS_LABEL_MASK,
                        .classes = CLASSES};
    options.raw = true;
    for (int i = 0; i < w->bad; i++) {
        ps_status status = ps_fail(PS_ERR_INPUT, "ward/bad%d: is no volume; put one there", i);
        assert_int_equal(ps_source_leave_out(&source, status), PS_OK);
    }
    return ps_dataset_of_source("ward", &options, &source, out);
}

static const char *case_name(const ps_dataset *dataset, ps_split split, int index) {
    return ps_dataset_file_of(dataset, split, index).name;
}

static void a_fold_is_the_test_split(void **state) {
    (void)state;
    ward w = {0};
    int held_out[CASES] = {0};
    for (int fold = 0; fold < 5; fold++) {
        ps_dataset *dataset;
        uint32_t order[CASES];
        bool in[CASES];
        char name[8];
        held(open_ward(&w, (ps_dataset_options){.probe_count = 2, .fold = fold, .folds = 5}, &dataset));
        ps_choice_fold(CASES, 5, fold, order, in);
        int test = 0, train = 0;
        for (int i = 0; i < CASES; i++) {
            snprintf(name, sizeof name, "c%02d", i); /* the i-th name in order */
            bool probe = !in[i] && train >= CASES - ps_dataset_count(dataset, PS_SPLIT_TEST) - 2;
            ps_split split = in[i] ? PS_SPLIT_TEST : probe ? PS_SPLIT_PROBE : PS_SPLIT_TRAIN;
            int at = in[i] ? test++ : probe ? train++ - ps_dataset_count(dataset, PS_SPLIT_TRAIN) : train++;
            assert_string_equal(case_name(dataset, split, at), name);
            held_out[i] += in[i];
        }
        assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_TEST), test);
        assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_PROBE), 2);
        ps_dataset_close(dataset);
    }
    for (int i = 0; i < CASES; i++) assert_int_equal(held_out[i], 1);
}

static ps_status open_listed(ward *w, const char *lists, int fold, ps_dataset **out) {
    char path[600];
    snprintf(path, sizeof path, "%s/splits.json", folder);
    FILE *stream = fopen(path, "w");
    assert_int_equal(fputs(lists, stream) >= 0, 1);
    assert_int_equal(fclose(stream), 0);
    return open_ward(w, (ps_dataset_options){.fold = fold, .split_file = path}, out);
}

static void published_lists_choose_by_name(void **state) {
    (void)state;
    static const struct {
        const char *lists, *sentence;
        int fold;
    } wrong[] = {{"[{\"train\": [\"c01\"], \"val\": [\"c99\"]}]", "\"c99\", and the data have no such case", 0},
                 {"[{\"train\": [\"c01\"], \"val\": [\"c01\"]}]", "trains on \"c01\" and holds it out", 0},
                 {"[{\"train\": [\"c01\", \"c01\"], \"val\": [\"c02\"]}]", "names \"c01\" twice", 0},
                 {"[]", "holds no folds", 0},
                 {"[{\"train\": [\"c01\"], \"val\": [\"c02\"]}]", "holds 1 folds, 0 to 0, and no fold 1", 1},
                 {"[{\"val\": [\"c02\"]}]", "no list \"train\"", 0},
                 {"[{\"train\": [\"c01\"]}]", "no list \"val\"", 0},
                 {"[{\"train\": [1], \"val\": []}]", "something that is no name", 0},
                 {"[", "is not valid JSON", 0}};
    ward w = {0}, unnamed = {.unnamed = true};
    ps_dataset *dataset;
    held(open_listed(&w, "[{\"train\": [], \"val\": []}, {\"train\": [\"c07\", \"c02\"], \"val\": [\"c05\"]}]", 1,
                     &dataset));
    assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_TRAIN), 2);
    assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_TEST), 1);
    assert_string_equal(case_name(dataset, PS_SPLIT_TRAIN, 0), "c02");
    assert_string_equal(case_name(dataset, PS_SPLIT_TRAIN, 1), "c07");
    assert_string_equal(case_name(dataset, PS_SPLIT_TEST, 0), "c05");
    ps_dataset_close(dataset);
    held(open_listed(&w, "{\"train\": [\"c07\"], \"test\": [\"c05\", \"c06\"]}", 0, &dataset));
    assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_TEST), 2);
    ps_dataset_close(dataset);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_not_equal(open_listed(&w, wrong[i].lists, wrong[i].fold, &dataset), PS_OK);
        if (strstr(ps_status_message(), wrong[i].sentence) == NULL) fail_msg("%s", ps_status_message());
    }
    assert_int_equal(open_listed(&unnamed, "[{\"train\": [\"c01\"], \"val\": [\"c02\"]}]", 0, &dataset), PS_ERR_USAGE);
    assert_non_null(strstr(ps_status_message(), "have no names"));
}

static void what_cannot_be_opened_is_named_or_left_out(void **state) {
    (void)state;
    ward w = {.bad = 3};
    ps_dataset *dataset;
    assert_int_equal(open_ward(&w, (ps_dataset_options){0}, &dataset), PS_ERR_INPUT);
    for (int i = 0; i < w.bad; i++) {
        char sentence[64];
        snprintf(sentence, sizeof sentence, "ward/bad%d: is no volume", i);
        assert_non_null(strstr(ps_status_message(), sentence));
    }
    assert_non_null(strstr(ps_status_message(), "--skip-bad"));
    held(open_ward(&w, (ps_dataset_options){.skip_bad = true}, &dataset));
    assert_string_equal(ps_dataset_left_out(dataset, 2), "ward/bad2: is no volume; put one there");
    assert_null(ps_dataset_left_out(dataset, 3));
    ps_dataset_close(dataset);
}

/* ---- batches of patches ---- */

enum { PATCH = 3 * 4 * 4, BATCH = 4 };
static const ps_dataset_options cut = {.probe_count = 3, .patch = {3, 4, 4}, .patch_sides = 3};

static int case_of(float value) { return (int)value / 1000 - 1; }

/* A patch is one of its case; what it shows follows from where it lies. */
static void expect_patch(const float *x, const int32_t *label) {
    int which = case_of(x[0]);
    ps_shape shape = case_shape(PS_SOURCE_TRAIN, which);
    int first = (int)x[0] % 1000;
    for (int i = 0; i < PATCH; i++) {
        int at = first + ((i / 16 * shape.h) + i / 4 % 4) * shape.w + i % 4;
        assert_float_equal(x[i], 1000 * (which + 1) + at, 0);
        assert_int_equal(label[i], case_label(which, (size_t)at));
    }
}

static int labels_above_0(const int32_t *label) {
    int count = 0;
    for (int i = 0; i < PATCH; i++) count += label[i] > 0;
    return count;
}

static void batches_are_patches_of_unlike_volumes(void **state) {
    (void)state;
    ward w = {0};
    ps_dataset *dataset;
    ps_loader *loader, *other;
    ps_loader_options options = {.batch = BATCH, .seed = 3, .epoch_steps = 25, .foreground = 0.33};
    static float x[BATCH * PATCH], y[BATCH * PATCH];
    static int32_t label[BATCH * PATCH], again[BATCH * PATCH];
    int seen[CASES] = {0}, foreground = 0, anywhere = 0;
    ps_threads *threads;
    held(ps_threads_create(3, &threads));
    held(open_ward(&w, cut, &dataset));
    assert_true(ps_shape_equal(ps_dataset_sample_shape(dataset), (ps_shape){1, 1, 3, 4, 4}));
    assert_int_equal(ps_dataset_labels_per_sample(dataset), PATCH);
    held(ps_loader_create(dataset, &options, &loader));
    held(ps_loader_create(dataset, &options, &other));
    assert_int_equal(ps_loader_steps_per_epoch(loader), 25);
    for (uint64_t step = 0; step < 50; step++) {
        held(ps_loader_train_batch(loader, step, x, label, NULL));
        for (int row = 0; row < BATCH; row++) {
            expect_patch(x + row * PATCH, label + row * PATCH);
            int which = case_of(x[row * PATCH]), found = labels_above_0(label + row * PATCH);
            seen[which]++;
            if (row == BATCH - 1) assert_true(which == 5 ? found == 0 : found > 0); /* round(4 x 0.67) = 3 */
            else anywhere += found > 0;
            foreground += row == BATCH - 1 && found > 0;
        }
        held(ps_loader_train_rows(other, step, (ps_loader_rows){1, 3}, y, again, threads));
        assert_memory_equal(x + PATCH, y, 3 * PATCH * sizeof *x);
        assert_memory_equal(label + PATCH, again, 3 * PATCH * sizeof *label);
    }
    assert_true(anywhere < 3 * foreground);                              /* patches elsewhere often show none */
    for (int i = 0; i < CASES - 3; i++) assert_in_range(seen[i], 5, 50); /* 200 draws of 9 */
    for (int i = CASES - 3; i < CASES; i++) assert_int_equal(seen[i], 0);
    ps_loader_destroy(loader);
    ps_loader_destroy(other);
    ps_dataset_close(dataset);
    ps_threads_destroy(threads);
}

/* An epoch without replacement shows every case once, from another place in each epoch. */
static void epochs_are_permutations_where_no_steps_are_given(void **state) {
    (void)state;
    ward w = {0};
    ps_dataset *dataset;
    ps_loader *loader;
    static float x[3 * PATCH];
    static int32_t label[3 * PATCH];
    float first[8][CASES] = {{0}};
    int moved = 0;
    held(open_ward(&w, cut, &dataset));
    held(ps_loader_create(dataset, &(ps_loader_options){.batch = 3, .seed = 1}, &loader));
    for (uint64_t step = 0; step < 3 * 8; step++) {
        held(ps_loader_train_batch(loader, step, x, label, NULL));
        for (int row = 0; row < 3; row++) first[step / 3][case_of(x[row * PATCH])] = x[row * PATCH];
    }
    for (int epoch = 0; epoch < 8; epoch++)
        for (int i = 0; i < CASES - 3; i++) {
            assert_true(first[epoch][i] > 0);
            moved += first[epoch][i] != first[0][i];
        }
    assert_true(moved > 30);
    ps_loader_destroy(loader);
    ps_dataset_close(dataset);
}

static void probe_patches_are_the_same_for_every_seed(void **state) {
    (void)state;
    ward w = {0};
    static float x[2][3 * PATCH];
    static int32_t label[2][3 * PATCH];
    for (int seed = 0; seed < 2; seed++) {
        ps_dataset *dataset;
        ps_loader *loader;
        held(open_ward(&w, cut, &dataset));
        held(ps_loader_create(dataset, &(ps_loader_options){.batch = 3, .seed = (uint64_t)seed, .foreground = 1},
                              &loader));
        held(ps_loader_plain_batch(loader, PS_SPLIT_PROBE, 0, x[seed], label[seed], NULL, NULL));
        for (int row = 0; row < 3; row++) {
            expect_patch(x[seed] + row * PATCH, label[seed] + row * PATCH);
            assert_int_equal(case_of(x[seed][row * PATCH]), CASES - 3 + row);
            assert_true(labels_above_0(label[seed] + row * PATCH) > 0);
        }
        ps_loader_destroy(loader);
        ps_dataset_close(dataset);
    }
    assert_memory_equal(x[0], x[1], sizeof x[0]);
}

/* Whole samples are there beside patches; a patch beyond its sample says so, or calls it background. */
static void whole_samples_and_padding(void **state) {
    (void)state;
    ward w = {0};
    enum { LARGE = 9 * 9 * 9 };
    static float x[LARGE];
    static int32_t label[LARGE];
    for (int background = 0; background < 2; background++) {
        ps_dataset *dataset;
        ps_dataset_options large = {.patch = {9, 9, 9}, .patch_sides = 1, .pad_background = background};
        held(open_ward(&w, large, &dataset));
        ps_shape shape = ps_dataset_shape_of(dataset, PS_SPLIT_TEST, 1, NULL);
        assert_true(ps_shape_equal(shape, case_shape(PS_SOURCE_TEST, 1)));
        held(ps_dataset_sample(dataset, PS_SPLIT_TEST, 1, x, label));
        for (size_t i = 0; i < ps_shape_positions(shape); i++) {
            assert_float_equal(x[i], 2000 + (float)i, 0);
            assert_int_equal(label[i], case_label(1, i));
        }
        held(ps_dataset_fixed(dataset, PS_SPLIT_TEST, 1, x, label));
        int beyond = 0;
        for (int i = 0; i < LARGE; i++) {
            beyond += x[i] == 0;
            if (x[i] == 0) assert_int_equal(label[i], background ? 0 : -1);
        }
        assert_int_equal(beyond, LARGE - (int)ps_shape_positions(shape));
        ps_dataset_close(dataset);
    }
}

static void what_makes_no_patch_is_refused(void **state) {
    (void)state;
    ward w = {0};
    ps_dataset *dataset;
    ps_loader *loader;
    static const struct {
        ps_dataset_options data;
        ps_loader_options loader;
        const char *sentence;
    } wrong[] = {
        {{.patch = {0, 1, 1}, .patch_sides = 3}, {.batch = 1}, "sides of a patch must be 1"},
        {{.fold = 5, .folds = 5}, {.batch = 1}, "fold 5 of 5 makes no sense"},
        {{.fold = 0, .folds = 13}, {.batch = 1}, "cannot be cut into 13 folds"},
        {{.size = 8}, {.batch = 1, .foreground = 0.5}, "give patch_size, too"},
        {{.patch = {3, 4, 4}, .patch_sides = 3}, {.batch = 1, .epoch_steps = 2, .stored_order = true}, "epoch_steps"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ps_status status = open_ward(&w, wrong[i].data, &dataset);
        if (status == PS_OK) status = ps_loader_create(dataset, &wrong[i].loader, &loader);
        assert_int_equal(status, PS_ERR_USAGE);
        if (strstr(ps_status_message(), wrong[i].sentence) == NULL) fail_msg("%s", ps_status_message());
        ps_dataset_close(dataset);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_cuts_reach_every_place_and_stay_inside),
        cmocka_unit_test(cuts_around_a_position_hold_it),
        cmocka_unit_test(shifts_see_the_sample_and_what_lies_beyond),
        cmocka_unit_test(turns_go_about_the_centre_and_interpolate),
        cmocka_unit_test(labels_turn_with_their_pixels),
        cmocka_unit_test(resized_samples_are_seen_through_their_cuts),
        cmocka_unit_test(positions_move_with_their_sample),
        cmocka_unit_test(labels_are_resized_with_their_pixels),
        cmocka_unit_test(jitter_leaves_masks_alone),
        cmocka_unit_test(scales_that_make_no_sense_are_refused),
        cmocka_unit_test(foreground_is_drawn_evenly_over_classes_and_positions),
        cmocka_unit_test(probes_are_spread_over_groups),
        cmocka_unit_test(folds_are_those_of_scikit_learn),
        cmocka_unit_test(a_fold_is_the_test_split),
        cmocka_unit_test(published_lists_choose_by_name),
        cmocka_unit_test(what_cannot_be_opened_is_named_or_left_out),
        cmocka_unit_test(batches_are_patches_of_unlike_volumes),
        cmocka_unit_test(epochs_are_permutations_where_no_steps_are_given),
        cmocka_unit_test(probe_patches_are_the_same_for_every_seed),
        cmocka_unit_test(whole_samples_and_padding),
        cmocka_unit_test(what_makes_no_patch_is_refused),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
