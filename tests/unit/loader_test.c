/* Batches: a pure function of (data set, seed, step), whatever the number of threads; augmentation against its
 * definition.
 */
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
#include "parallel/threads.h"
#include "data/loader.h"
#include "tests/lib/images.h"

enum { BATCH = 32 };

static void check(ps_status status) {
    if (status != PS_OK) fail_msg("%s (%s)", ps_status_message(), ps_status_origin());
}

/* Every pixel value tells its sample and position: sample s, position p, channel c is (s * positions + p) * channels +
 * c. Channel 0 of a labelled volume equals the label, so that a moved label shows. */
static ps_dataset *make_numbered(ps_shape shape, int train, int test, int probe, bool per_position) {
    size_t positions = ps_shape_positions(shape), channels = (size_t)shape.c;
    ps_images images = {.shape = shape, .type = PS_PIXEL_FLOAT, .classes = per_position ? (int)positions : 10};
    images.labels_per_sample = per_position ? positions : 1;
    ps_image_split *splits[2] = {&images.train, &images.test};
    int counts[2] = {train, test}, number = 0;
    for (int k = 0; k < 2; k++) {
        check(ps_images_reserve(&images, splits[k], (size_t)counts[k]));
        splits[k]->count = counts[k];
        for (int s = 0; s < counts[k]; s++, number++) {
            float *pixel = (float *)splits[k]->pixel + (size_t)s * positions * channels;
            for (size_t i = 0; i < positions * channels; i++)
                pixel[i] = (float)number * (float)(positions * channels) + (float)i;
            int16_t *label = splits[k]->label + (size_t)s * images.labels_per_sample;
            for (size_t i = 0; i < images.labels_per_sample; i++)
                label[i] = (int16_t)(per_position ? (int)i : number % 10);
        }
    }
    ps_dataset *dataset;
    check(ps_dataset_from_images("numbered", &(ps_dataset_options){.probe_count = probe}, &images, &dataset));
    return dataset;
}

static ps_dataset *make_synthetic(void) {
    ps_dataset *dataset;
    check(ps_dataset_open("synthetic",
                          &(ps_dataset_options){.size = 12, .train_limit = 200, .test_limit = 50, .probe_count = 30},
                          &dataset));
    return dataset;
}

static ps_loader_options options_of(int batch, uint64_t seed, int crop_pad, bool flip) {
    return (ps_loader_options){.batch = batch, .seed = seed, .augment = {.crop_pad = crop_pad, .flip = flip}};
}

/* All that is done to images, as strong as is usual. */
static ps_loader_options everything(int batch, uint64_t seed) {
    ps_loader_options options = options_of(batch, seed, 3, true);
    options.augment.crop_scale = (ps_augment_range){0.5, 1};
    options.augment.crop_ratio = (ps_augment_range){0.75, 1.3333};
    options.augment.rotate = 15;
    options.augment.erase = 0.5;
    check(ps_rand_augment_parse("m9-mstd0.5-inc1", &options.augment.rand));
    options.mix = (ps_mix_options){.mixup = 0.8, .cutmix = 1, .cutmix_share = 0.5};
    return options;
}

static ps_loader *make_loader(const ps_dataset *dataset, ps_loader_options options) {
    ps_loader *loader;
    check(ps_loader_create(dataset, &options, &loader));
    return loader;
}

typedef struct {
    size_t elements, labels;
    float *x;
    int32_t *label;
} batch;

static batch make_batch(const ps_dataset *dataset, int rows) {
    batch b = {.elements = ps_shape_elements(ps_dataset_sample_shape(dataset)),
               .labels = ps_dataset_labels_per_sample(dataset)};
    check(PS_ALLOC(b.elements * (size_t)rows, &b.x, "test"));
    check(PS_ALLOC(b.labels * (size_t)rows, &b.label, "test"));
    return b;
}

/* How many rows of it are real. */
static int plain_batch(ps_loader *loader, ps_split split, int index, const batch *b) {
    int real;
    check(ps_loader_plain_batch(loader, split, index, b->x, b->label, &real, NULL));
    return real;
}

static void free_batch(batch b) {
    ps_free(b.x);
    ps_free(b.label);
}

static void batches_do_not_depend_on_threads_or_history(void **state) {
    (void)state;
    ps_dataset *dataset = make_synthetic();
    ps_loader_options options = everything(BATCH, 7);
    batch expected = make_batch(dataset, BATCH), got = make_batch(dataset, BATCH);
    const uint64_t steps[] = {0, 5, 6, 11, 12, 1000, 3};
    for (int threads = 1; threads <= 3; threads++) {
        ps_threads *pool;
        check(ps_threads_create(threads, &pool));
        ps_loader *used = make_loader(dataset, options);
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
            ps_loader *fresh = make_loader(dataset, options);
            check(ps_loader_train_batch(fresh, steps[i], expected.x, expected.label, NULL));
            check(ps_loader_train_batch(used, steps[i], got.x, got.label, pool));
            assert_memory_equal(expected.x, got.x, BATCH * expected.elements * sizeof(float));
            assert_memory_equal(expected.label, got.label, BATCH * sizeof(int32_t));
            ps_loader_destroy(fresh);
        }
        ps_loader_destroy(used);
        ps_threads_destroy(pool);
    }
    free_batch(expected);
    free_batch(got);
    ps_dataset_close(dataset);
}

/* Whatever the cut, the shards of a batch are the rows of the whole; the last plain batch is partly filling. */
static void shards_are_rows_of_the_whole_batch(void **state) {
    (void)state;
    ps_dataset *dataset = make_synthetic();
    ps_loader *loader = make_loader(dataset, everything(BATCH, 7));
    batch whole = make_batch(dataset, BATCH), shard = make_batch(dataset, BATCH);
    int32_t other[BATCH], parts[BATCH];
    int last = (ps_dataset_count(dataset, PS_SPLIT_TEST) - 1) / BATCH;
    for (int count = 1; count <= BATCH; count += 5) {
        for (int plain = 0; plain < 2; plain++) {
            int real = 0, sum = 0;
            if (plain) check(ps_loader_plain_batch(loader, PS_SPLIT_TEST, last, whole.x, whole.label, &real, NULL));
            else check(ps_loader_train_batch(loader, 5, whole.x, whole.label, NULL));
            if (!plain) memcpy(other, ps_loader_mixed_with(loader).other, sizeof other);
            memset(shard.x, 0, BATCH * shard.elements * sizeof(float));
            for (int first = 0; first < BATCH; first += count) {
                ps_loader_rows rows = {first, first + count > BATCH ? BATCH - first : count};
                float *x = shard.x + (size_t)first * shard.elements;
                int32_t *label = shard.label + first;
                int part = 0;
                if (plain) check(ps_loader_plain_rows(loader, PS_SPLIT_TEST, last, rows, x, label, &part, NULL));
                else check(ps_loader_train_rows(loader, 5, rows, x, label, NULL));
                if (!plain)
                    memcpy(parts + first, ps_loader_mixed_with(loader).other, (size_t)rows.count * sizeof *parts);
                sum += part;
            }
            assert_int_equal(sum, real);
            assert_memory_equal(whole.x, shard.x, BATCH * whole.elements * sizeof(float));
            assert_memory_equal(whole.label, shard.label, BATCH * sizeof(int32_t));
            if (!plain) assert_memory_equal(other, parts, sizeof other);
        }
    }
    free_batch(whole);
    free_batch(shard);
    ps_loader_destroy(loader);
    ps_dataset_close(dataset);
}

/* Which sample a row of a numbered data set shows; the pixels must be that sample's own. */
static int identify(const ps_dataset *dataset, const float *x, int32_t label) {
    size_t elements = ps_shape_elements(ps_dataset_sample_shape(dataset));
    float *own = malloc(elements * sizeof *own);
    int32_t own_label;
    int found = -1;
    for (int i = 0; i < ps_dataset_count(dataset, PS_SPLIT_TRAIN); i++) {
        check(ps_dataset_sample(dataset, PS_SPLIT_TRAIN, i, own, &own_label));
        if (memcmp(own, x, elements * sizeof *own) == 0 && own_label == label) found = i;
    }
    free(own);
    return found;
}

static void each_epoch_is_one_permutation_without_probe_images(void **state) {
    (void)state;
    enum { TRAIN = 100, PROBE = 20, STEPS = 3 };
    ps_dataset *dataset = make_numbered((ps_shape){1, 2, 1, 3, 3}, TRAIN + PROBE, 4, PROBE, false);
    ps_loader *loader = make_loader(dataset, options_of(BATCH, 3, 0, false));
    batch b = make_batch(dataset, BATCH);
    int order[2][STEPS * BATCH];
    assert_int_equal(ps_loader_steps_per_epoch(loader), STEPS);
    for (int epoch = 0; epoch < 2; epoch++) {
        int seen[TRAIN] = {0};
        for (int i = 0; i < STEPS * BATCH; i++) {
            if (i % BATCH == 0)
                check(ps_loader_train_batch(loader, (uint64_t)(epoch * STEPS + i / BATCH), b.x, b.label, NULL));
            int found = identify(dataset, b.x + (size_t)(i % BATCH) * b.elements, b.label[i % BATCH]);
            assert_in_range(found, 0, TRAIN - 1); /* a probe image would be no training image */
            assert_int_equal(seen[found]++, 0);
            order[epoch][i] = found;
        }
    }
    assert_memory_not_equal(order[0], order[1], sizeof order[0]);
    free_batch(b);
    ps_loader_destroy(loader);
    ps_dataset_close(dataset);
}

static void seeds_differ(void **state) {
    (void)state;
    ps_dataset *dataset = make_synthetic();
    ps_loader *one = make_loader(dataset, options_of(BATCH, 1, 0, false));
    ps_loader *two = make_loader(dataset, options_of(BATCH, 2, 0, false));
    batch a = make_batch(dataset, BATCH), b = make_batch(dataset, BATCH);
    check(ps_loader_train_batch(one, 0, a.x, a.label, NULL));
    check(ps_loader_train_batch(two, 0, b.x, b.label, NULL));
    assert_memory_not_equal(a.x, b.x, BATCH * a.elements * sizeof(float));
    free_batch(a);
    free_batch(b);
    ps_loader_destroy(one);
    ps_loader_destroy(two);
    ps_dataset_close(dataset);
}

/* The definition of a shifted, flipped view, written the slow way. `fill` outside. */
static void reference_view(ps_shape s, const float *x, int dz, int dy, int dx, bool flip, float *out) {
    for (int z = 0; z < s.d; z++) {
        for (int y = 0; y < s.h; y++) {
            for (int w = 0; w < s.w; w++) {
                int from_w = (flip ? s.w - 1 - w : w) + dx, from_y = y + dy, from_z = z + dz;
                bool inside = from_w >= 0 && from_w < s.w && from_y >= 0 && from_y < s.h && from_z >= 0 && from_z < s.d;
                for (int c = 0; c < s.c; c++)
                    *out++ = inside ? x[((from_z * s.h + from_y) * s.w + from_w) * s.c + c] : 0.0f;
            }
        }
    }
}

typedef struct {
    int z, y, x, flip;
} found_view;

/* Finds the one view of a sample that gives this row; fails where there is none. */
static found_view find_view(const ps_dataset *dataset, const float *row, int pad) {
    ps_shape s = ps_dataset_sample_shape(dataset);
    size_t elements = ps_shape_elements(s), labels = ps_dataset_labels_per_sample(dataset);
    float *own = malloc(elements * sizeof *own), *moved = malloc(elements * sizeof *moved);
    int32_t *label = malloc(labels * sizeof *label);
    found_view found = {0, 0, 0, -1};
    int deep = s.d > 1 ? pad : 0, matches = 0;
    for (int i = 0; i < ps_dataset_count(dataset, PS_SPLIT_TRAIN); i++) {
        check(ps_dataset_sample(dataset, PS_SPLIT_TRAIN, i, own, label));
        for (int z = -deep; z <= deep; z++) {
            for (int y = -pad; y <= pad; y++) {
                for (int x = -pad; x <= pad; x++) {
                    for (int flip = 0; flip < 2; flip++) {
                        reference_view(s, own, z, y, x, flip, moved);
                        if (memcmp(moved, row, elements * sizeof *row) != 0) continue;
                        found = (found_view){z, y, x, flip};
                        matches++;
                    }
                }
            }
        }
    }
    free(own);
    free(moved);
    free(label);
    assert_int_equal(matches, 1);
    return found;
}

static void augmentation_is_crop_then_flip(void **state) {
    (void)state;
    enum { PAD = 2, ROWS = 8, STEPS = 40 };
    ps_dataset *dataset = make_numbered((ps_shape){1, 3, 1, 5, 4}, ROWS, 1, 0, false);
    ps_loader *loader = make_loader(dataset, options_of(ROWS, 11, PAD, true));
    batch b = make_batch(dataset, ROWS);
    int flips = 0, down[2 * PAD + 1] = {0}, right[2 * PAD + 1] = {0};
    for (int step = 0; step < STEPS; step++) {
        check(ps_loader_train_batch(loader, (uint64_t)step, b.x, b.label, NULL));
        for (size_t row = 0; row < ROWS; row++) {
            found_view v = find_view(dataset, b.x + row * b.elements, PAD);
            flips += v.flip;
            down[v.y + PAD]++;
            right[v.x + PAD]++;
        }
    }
    /* 320 draws: a fair coin stays within 4.5 standard deviations (40), a fair die of five likewise (32). */
    assert_in_range(flips, 160 - 40, 160 + 40);
    for (int i = 0; i <= 2 * PAD; i++) {
        assert_in_range(down[i], 64 - 32, 64 + 32);
        assert_in_range(right[i], 64 - 32, 64 + 32);
    }
    free_batch(b);
    ps_loader_destroy(loader);
    ps_dataset_close(dataset);
}

static void volumes_move_with_their_labels(void **state) {
    (void)state;
    enum { PAD = 1, ROWS = 4, STEPS = 12 };
    ps_dataset *dataset = make_numbered((ps_shape){1, 1, 3, 4, 3}, ROWS, 1, 0, true);
    ps_loader *loader = make_loader(dataset, options_of(ROWS, 5, PAD, true));
    batch b = make_batch(dataset, ROWS);
    size_t positions = b.labels;
    int deep = 0, outside = 0;
    float first[36];
    int32_t labels[36];
    for (int step = 0; step < STEPS; step++) {
        check(ps_loader_train_batch(loader, (uint64_t)step, b.x, b.label, NULL));
        for (size_t row = 0; row < ROWS; row++) {
            found_view v = find_view(dataset, b.x + row * positions, PAD);
            deep += v.z != 0;
            /* One label names one position: it must sit where that position's pixel went. */
            int matched = 0;
            for (int i = 0; i < ROWS; i++) {
                check(ps_dataset_sample(dataset, PS_SPLIT_TRAIN, i, first, labels));
                size_t agreeing = 0;
                for (size_t p = 0; p < positions; p++) {
                    int32_t at = b.label[row * positions + p];
                    agreeing += at < 0 ? b.x[row * positions + p] == 0.0f : b.x[row * positions + p] == first[at];
                }
                matched += agreeing == positions;
            }
            assert_int_equal(matched, 1);
            for (size_t p = 0; p < positions; p++) outside += b.label[row * positions + p] == -1;
        }
    }
    assert_true(deep > 0);
    assert_true(outside > 0);
    free_batch(b);
    ps_loader_destroy(loader);
    ps_dataset_close(dataset);
}

/* The draw belongs to (seed, epoch, sample): the batch size changes where a sample comes, not how it looks. */
static void a_sample_looks_the_same_in_any_batch_size(void **state) {
    (void)state;
    enum { COUNT = 24 };
    ps_dataset *dataset = make_numbered((ps_shape){1, 1, 1, 6, 6}, COUNT, 1, 0, false);
    ps_loader *small = make_loader(dataset, options_of(6, 2, 2, true));
    ps_loader *large = make_loader(dataset, options_of(COUNT, 2, 2, true));
    batch a = make_batch(dataset, COUNT), b = make_batch(dataset, COUNT);
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        for (size_t i = 0; i < 4; i++)
            check(ps_loader_train_batch(small, epoch * 4 + i, a.x + i * 6 * a.elements, a.label + i * 6, NULL));
        check(ps_loader_train_batch(large, epoch, b.x, b.label, NULL));
        assert_memory_equal(a.x, b.x, COUNT * a.elements * sizeof(float));
        assert_memory_equal(a.label, b.label, COUNT * sizeof(int32_t));
    }
    free_batch(a);
    free_batch(b);
    ps_loader_destroy(small);
    ps_loader_destroy(large);
    ps_dataset_close(dataset);
}

static void plain_batches_are_in_stored_order_and_marked_past_the_end(void **state) {
    (void)state;
    enum { ROWS = 8, TEST = 19 };
    ps_dataset *dataset = make_numbered((ps_shape){1, 2, 1, 3, 3}, 20, TEST, 5, false);
    ps_loader *loader = make_loader(dataset, options_of(ROWS, 1, 1, true));
    batch b = make_batch(dataset, ROWS);
    float *own = malloc(b.elements * sizeof *own);
    int32_t label;
    const int real[] = {8, 8, 3, 0};
    for (int index = 0; index < 4; index++) {
        assert_int_equal(plain_batch(loader, PS_SPLIT_TEST, index, &b), real[index]);
        for (int row = 0; row < ROWS; row++) {
            int at = index * ROWS + row;
            check(ps_dataset_sample(dataset, PS_SPLIT_TEST, at < TEST ? at : TEST - 1, own, &label));
            assert_memory_equal(own, b.x + (size_t)row * b.elements, b.elements * sizeof(float));
            assert_int_equal(b.label[row], at < TEST ? label : -1);
        }
    }
    assert_int_equal(plain_batch(loader, PS_SPLIT_PROBE, 0, &b), 5);
    check(ps_dataset_sample(dataset, PS_SPLIT_PROBE, 4, own, &label));
    assert_memory_equal(own, b.x + 4 * b.elements, b.elements * sizeof(float));
    free(own);
    free_batch(b);
    ps_loader_destroy(loader);
    ps_dataset_close(dataset);
}

static void an_empty_split_gives_no_rows(void **state) {
    (void)state;
    ps_dataset *dataset = make_numbered((ps_shape){1, 2, 1, 3, 3}, 8, 0, 0, false);
    ps_loader *loader = make_loader(dataset, options_of(4, 1, 0, false));
    batch b = make_batch(dataset, 4);
    assert_int_equal(plain_batch(loader, PS_SPLIT_TEST, 0, &b), 0);
    assert_int_equal(plain_batch(loader, PS_SPLIT_PROBE, 0, &b), 0);
    for (int i = 0; i < 4; i++) assert_int_equal(b.label[i], -1);
    free_batch(b);
    ps_loader_destroy(loader);
    ps_dataset_close(dataset);
}

static void impossible_options_are_refused(void **state) {
    (void)state;
    ps_dataset *dataset = make_numbered((ps_shape){1, 2, 1, 3, 4}, 8, 0, 0, false);
    const ps_loader_options wrong[] = {options_of(9, 1, 0, false), options_of(0, 1, 0, false),
                                       options_of(-1, 1, 0, false), options_of(4, 1, -1, false),
                                       options_of(4, 1, 3, false)};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ps_loader *loader;
        assert_int_equal(ps_loader_create(dataset, &wrong[i], &loader), PS_ERR_USAGE);
        assert_null(loader);
        assert_true(strlen(ps_status_message()) > 20);
    }
    ps_loader_destroy(NULL);
    ps_dataset_close(dataset);
}

/* ---- mixing ---- */

enum { MIXED_STEPS = 2000 };

/* Share of a row's own image, in each of many steps: mean 1/2 and variance 1 / (4 (2 alpha + 1)) of Beta(alpha, alpha);
 * half of them are below 1/2. */
static void shares_are_beta_distributed(void **state) {
    (void)state;
    const double alphas[] = {0.05, 0.2, 0.8, 1, 5};
    for (size_t a = 0; a < sizeof alphas / sizeof alphas[0]; a++) {
        ps_mix_options options = {.mixup = alphas[a]};
        double sum = 0, squares = 0, wanted = 1 / (4 * (2 * alphas[a] + 1));
        int below = 0;
        for (uint64_t step = 0; step < MIXED_STEPS; step++) {
            ps_mix mix = ps_mix_draw(&options, ps_rng_key_of(3, "data/mix"), step, 0, (ps_shape){1, 3, 1, 8, 8});
            assert_true(!mix.cut && mix.share >= 0 && mix.share <= 1);
            sum += mix.share;
            squares += (mix.share - 0.5) * (mix.share - 0.5);
            below += mix.share < 0.5;
        }
        /* 4.5 standard deviations of each; the fourth moment about 1/2 is at most a quarter of the second. */
        assert_true(fabs(sum / MIXED_STEPS - 0.5) < 4.5 * sqrt(wanted / MIXED_STEPS));
        assert_true(fabs(squares / MIXED_STEPS - wanted) < 4.5 * sqrt(wanted / 4 / MIXED_STEPS));
        assert_in_range(below, MIXED_STEPS / 2 - 101, MIXED_STEPS / 2 + 101);
    }
}

/* The share is that of the pixels outside of the box, whatever is cut off at the border. */
static void boxes_leave_the_share_that_they_say(void **state) {
    (void)state;
    const ps_shape shape = {1, 3, 1, 7, 12};
    ps_mix_options options = {.mixup = 0.8, .cutmix = 1, .cutmix_share = 0.25, .until_epoch = 2};
    int cut = 0, empty = 0;
    for (uint64_t step = 0; step < MIXED_STEPS; step++) {
        ps_mix mix = ps_mix_draw(&options, ps_rng_key_of(3, "data/mix"), step, 1, shape);
        assert_true(ps_mix_draw(&options, ps_rng_key_of(3, "data/mix"), step, 2, shape).share == 1);
        cut += mix.cut;
        if (!mix.cut) continue;
        assert_true(mix.top >= 0 && mix.top <= mix.bottom && mix.bottom <= 7 && mix.left >= 0 &&
                    mix.left <= mix.right && mix.right <= 12);
        int area = (mix.bottom - mix.top) * (mix.right - mix.left);
        assert_true(mix.share == 1 - area / 84.0);
        empty += area == 0;
    }
    assert_in_range(cut, MIXED_STEPS / 4 - 88, MIXED_STEPS / 4 + 88);
    assert_true(empty > 0); /* shares of nearly 1 leave none */
}

/* Row r of n with row n - 1 - r, pixel by pixel; labels with the share; the middle row stays. */
static void rows_are_mixed_with_their_opposites(void **state) {
    (void)state;
    enum { ROWS = 7, STEPS = 30 };
    ps_dataset *dataset = make_numbered((ps_shape){1, 2, 1, 5, 4}, 20, 1, 0, false);
    ps_loader_options options = options_of(ROWS, 11, 1, true);
    ps_loader *plain = make_loader(dataset, options);
    options.mix = (ps_mix_options){.mixup = 0.8, .cutmix = 1, .cutmix_share = 0.5};
    ps_loader *mixing = make_loader(dataset, options);
    batch a = make_batch(dataset, ROWS), b = make_batch(dataset, ROWS);
    int added = 0, cut = 0;
    for (uint64_t step = 0; step < STEPS; step++) {
        check(ps_loader_train_batch(plain, step, a.x, a.label, NULL));
        check(ps_loader_train_batch(mixing, step, b.x, b.label, NULL));
        ps_loader_mixed with = ps_loader_mixed_with(mixing);
        assert_null(ps_loader_mixed_with(plain).other);
        if (with.other == NULL) assert_memory_equal(a.x, b.x, ROWS * a.elements * sizeof(float));
        for (size_t row = 0; with.other != NULL && row < ROWS; row++) {
            const float *own = a.x + row * a.elements, *other = a.x + (ROWS - 1 - row) * a.elements;
            const float *got = b.x + row * a.elements;
            size_t sum = 0, of_other = 0;
            assert_int_equal(b.label[row], a.label[row]);
            assert_int_equal(with.other[row], a.label[ROWS - 1 - row]);
            for (size_t i = 0; i < a.elements; i++) {
                sum += got[i] == (float)with.share * own[i] + (float)(1 - with.share) * other[i];
                of_other += got[i] == other[i] && other[i] != own[i];
                assert_true(sum == i + 1 || got[i] == own[i] || got[i] == other[i]);
            }
            if (row == ROWS / 2) assert_memory_equal(own, got, a.elements * sizeof(float));
            if (row != 0) continue;
            added += sum == a.elements;
            cut += sum < a.elements;
        }
    }
    assert_true(added > 5 && cut > 5);
    free_batch(a);
    free_batch(b);
    ps_loader_destroy(plain);
    ps_loader_destroy(mixing);
    ps_dataset_close(dataset);
}

/* Against targets written out; smoothing alone, mixing alone, neither. */
static void targets_have_their_entropy(void **state) {
    (void)state;
    for (int smooth = 0; smooth < 2; smooth++) {
        for (double share = 0; share <= 1; share += 0.25) {
            for (int same = 0; same < 2; same++) {
                double target[5], s = smooth * 0.2, sum = 0;
                for (int k = 0; k < 5; k++) target[k] = s / 5;
                target[1] += (1 - s) * share;
                target[same ? 1 : 3] += (1 - s) * (1 - share);
                for (int k = 0; k < 5; k++) sum -= target[k] > 0 ? target[k] * log(target[k]) : 0;
                assert_true(fabs(ps_mix_entropy(share, same != 0, s, 5) - sum) < 1e-12);
            }
        }
    }
    ps_dataset *dataset = make_synthetic();
    ps_loader_options options = {.batch = BATCH, .seed = 1, .mix = {.mixup = 1, .until_epoch = 3}};
    ps_loader *loader = make_loader(dataset, options);
    /* Mean entropy of Beta(1, 1) is 1/2; of 200 images in batches of 32 an epoch is 6 steps, and the last tenth of 1000
     * steps is mixed no more. */
    assert_true(ps_loader_target_entropy(loader, 0, 1000) == 0);
    double mixed = ps_loader_target_entropy(loader, 0, 18);
    assert_true(mixed > 0 && mixed < log(2));
    assert_true(fabs(ps_loader_target_entropy(loader, 0.1, 1000) - ps_mix_entropy(1, true, 0.1, 10)) < 1e-12);
    ps_loader_destroy(loader);
    options.mix.until_epoch = 0;
    loader = make_loader(dataset, options);
    assert_true(fabs(ps_loader_target_entropy(loader, 0, 10000) - 0.5 * 0.9) < 0.05); /* a tenth of pairs are twins */
    ps_loader_destroy(loader);
    ps_dataset_close(dataset);
}

static void mixing_that_makes_no_sense_is_refused(void **state) {
    (void)state;
    ps_dataset *classes = make_numbered((ps_shape){1, 1, 1, 4, 4}, 8, 0, 0, false),
               *masks = make_numbered((ps_shape){1, 1, 1, 4, 4}, 8, 0, 0, true);
    const struct {
        const ps_dataset *dataset;
        ps_loader_options options;
        const char *word;
    } wrong[] = {{masks, {.batch = 4, .mix = {.mixup = 1}}, "masks"},
                 {classes, {.batch = 1, .mix = {.cutmix = 1}}, "batch of 1"},
                 {classes, {.batch = 4, .mix = {.mixup = 1}, .stored_order = true}, "shuffle"},
                 {classes, {.batch = 4, .mix = {.mixup = -1}}, "-1"},
                 {classes, {.batch = 4, .mix = {.mixup = (double)NAN}}, "nan"},
                 {classes, {.batch = 4, .mix = {.mixup = 1, .cutmix = 1, .cutmix_share = 2}}, "0 to 1"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ps_loader *loader;
        assert_int_equal(ps_loader_create(wrong[i].dataset, &wrong[i].options, &loader), PS_ERR_USAGE);
        if (strstr(ps_status_message(), wrong[i].word) == NULL) fail_msg("%s", ps_status_message());
    }
    ps_dataset_close(classes);
    ps_dataset_close(masks);
}

/* What an operation draws does not depend on which others are in use: images that two loaders show differ only by what
 * one of them does besides. */
static void operations_draw_from_streams_of_their_own(void **state) {
    (void)state;
    ps_dataset *dataset = make_synthetic();
    ps_loader_options more = options_of(BATCH, 7, 3, true);
    more.augment.erase = 0.3;
    ps_loader *plain = make_loader(dataset, options_of(BATCH, 7, 3, true)), *erased = make_loader(dataset, more);
    batch a = make_batch(dataset, BATCH), b = make_batch(dataset, BATCH);
    int same = 0;
    for (uint64_t step = 0; step < 10; step++) {
        check(ps_loader_train_batch(plain, step, a.x, a.label, NULL));
        check(ps_loader_train_batch(erased, step, b.x, b.label, NULL));
        for (size_t row = 0; row < BATCH; row++)
            same += memcmp(a.x + row * a.elements, b.x + row * a.elements, a.elements * sizeof(float)) == 0;
    }
    assert_in_range(same, 224 - 40, 224 + 40); /* of 320, with probability 0.7; 4.5 standard deviations are 37 */
    free_batch(a);
    free_batch(b);
    ps_loader_destroy(plain);
    ps_loader_destroy(erased);
    ps_dataset_close(dataset);
}

static void refused(const ps_dataset *dataset, ps_augment_options augment, const char *word) {
    ps_loader *loader;
    ps_loader_options options = {.batch = 4, .seed = 1, .augment = augment};
    assert_int_equal(ps_loader_create(dataset, &options, &loader), PS_ERR_USAGE);
    if (strstr(ps_status_message(), word) == NULL) fail_msg("no \"%s\" in: %s", word, ps_status_message());
}

static void augmentation_that_data_do_not_allow_is_refused(void **state) {
    (void)state;
    ps_rand_augment rand;
    check(ps_rand_augment_parse("m9", &rand));
    const ps_augment_range scale = {0.8, 1}, ratio = {1, 1};
    ps_dataset *floats = make_numbered((ps_shape){1, 3, 1, 4, 4}, 8, 0, 0, false),
               *volume = make_numbered((ps_shape){1, 1, 2, 4, 4}, 8, 0, 0, false),
               *masks = make_numbered((ps_shape){1, 1, 1, 4, 4}, 8, 0, 0, true),
               *pair = make_numbered((ps_shape){1, 2, 1, 4, 4}, 8, 0, 0, false);
    refused(floats, (ps_augment_options){.rotate = 15}, "8-bit");
    refused(floats, (ps_augment_options){.rand = rand}, "8-bit");
    refused(floats, (ps_augment_options){.crop_scale = scale, .crop_ratio = ratio}, "8-bit");
    refused(volume, (ps_augment_options){.erase = 0.5}, "depth");
    refused(volume, (ps_augment_options){.rotate = 15}, "depth");
    refused(masks, (ps_augment_options){.erase = 0.5}, "masks");
    refused(masks, (ps_augment_options){.rotate = 15}, "masks");
    refused(pair, (ps_augment_options){.rand = rand}, "channels");
    ps_dataset_close(floats);
    ps_dataset_close(volume);
    ps_dataset_close(masks);
    ps_dataset_close(pair);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_do_not_depend_on_threads_or_history),
        cmocka_unit_test(shards_are_rows_of_the_whole_batch),
        cmocka_unit_test(each_epoch_is_one_permutation_without_probe_images),
        cmocka_unit_test(seeds_differ),
        cmocka_unit_test(augmentation_is_crop_then_flip),
        cmocka_unit_test(volumes_move_with_their_labels),
        cmocka_unit_test(a_sample_looks_the_same_in_any_batch_size),
        cmocka_unit_test(plain_batches_are_in_stored_order_and_marked_past_the_end),
        cmocka_unit_test(an_empty_split_gives_no_rows),
        cmocka_unit_test(impossible_options_are_refused),
        cmocka_unit_test(operations_draw_from_streams_of_their_own),
        cmocka_unit_test(shares_are_beta_distributed),
        cmocka_unit_test(boxes_leave_the_share_that_they_say),
        cmocka_unit_test(rows_are_mixed_with_their_opposites),
        cmocka_unit_test(targets_have_their_entropy),
        cmocka_unit_test(mixing_that_makes_no_sense_is_refused),
        cmocka_unit_test(augmentation_that_data_do_not_allow_is_refused),
    };
    return cmocka_run_group_tests_name("loader", tests, NULL, NULL);
}
