/* Samples on demand: a bounded cache and threads of its own change nothing of what is seen; large sets open without
 * reading; what cannot be decoded is named, or left out. The source is made up, and counts what is decoded. */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/memory.h"
#include "data/cache.h"
#include "data/census.h"
#include "data/loader.h"
#include "data/source.h"
#include "parallel/threads.h"
#include "tests/lib/folder.h"

/* ---- the cache alone ---- */

enum { BLOCKS = 40, BLOCK = 1000 };

typedef struct {
    int filled[BLOCKS], broken;
} maker;

static size_t block_size(void *self, size_t number) {
    (void)self;
    return BLOCK + number;
}

static ps_status fill(void *self, size_t number, void *block) {
    maker *m = self;
    __atomic_add_fetch(&m->filled[number], 1, __ATOMIC_RELAXED);
    if ((int)number == m->broken) return ps_fail(PS_ERR_IO, "block %zu is broken", number);
    memset(block, (int)number + 1, BLOCK + number);
    return PS_OK;
}

static void expect_block(ps_cache *cache, size_t number) {
    const void *block;
    held(ps_cache_get(cache, number, &block));
    for (size_t i = 0; i < BLOCK + number; i++) assert_int_equal(((const uint8_t *)block)[i], number + 1);
    ps_cache_release(cache, number);
}

static void the_last_used_stay(void **state) {
    (void)state;
    maker m = {.broken = -1};
    ps_cache *cache;
    held(ps_cache_create(&(ps_cache_maker){&m, block_size, fill}, BLOCKS, 4 * (BLOCK + BLOCKS), 0, &cache));
    for (size_t i = 0; i < 4; i++) expect_block(cache, i);
    expect_block(cache, 0);
    expect_block(cache, 9); /* 1 goes, the first that was used least lately */
    for (size_t i = 0; i < 4; i++) assert_int_equal(m.filled[i], 1);
    expect_block(cache, 0);
    expect_block(cache, 2);
    assert_int_equal(m.filled[0] + m.filled[2], 2);
    expect_block(cache, 1);
    assert_int_equal(m.filled[1], 2);
    assert_true(ps_cache_bytes(cache) <= 4 * (BLOCK + BLOCKS));
    ps_cache_forget(cache);
    assert_int_equal(ps_cache_bytes(cache), 0);
    ps_cache_destroy(cache);
}

static void what_is_in_use_comes_on_top_and_goes(void **state) {
    (void)state;
    maker m = {.broken = -1};
    ps_cache *cache;
    const void *block[6];
    held(ps_cache_create(&(ps_cache_maker){&m, block_size, fill}, BLOCKS, 1, 2, &cache));
    for (size_t i = 0; i < 6; i++) held(ps_cache_get(cache, i, &block[i]));
    for (size_t i = 0; i < 6; i++) assert_int_equal(*(const uint8_t *)block[i], i + 1);
    assert_true(ps_cache_bytes(cache) >= 6 * BLOCK);
    ps_cache_expect(cache, (size_t[]){7, 8}, 2);
    for (size_t i = 0; i < 6; i++) ps_cache_release(cache, i);
    assert_int_equal(ps_cache_bytes(cache), 0);
    assert_int_equal(m.filled[7] + m.filled[8], 0);
    ps_cache_destroy(cache);
}

static void wait_for(const maker *m, ps_cache *cache, size_t number) {
    for (int i = 0; i < 2000 && __atomic_load_n(&m->filled[number], __ATOMIC_RELAXED) == 0; i++)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    expect_block(cache, number);
}

static void what_is_expected_is_made_beforehand(void **state) {
    (void)state;
    maker m = {.broken = 12};
    ps_cache *cache;
    const void *block;
    held(ps_cache_create(&(ps_cache_maker){&m, block_size, fill}, BLOCKS, 8 * (BLOCK + BLOCKS), 3, &cache));
    ps_cache_expect(cache, (size_t[]){10, 11, 12, 13, 14, 15}, 6);
    for (size_t i = 10; i < 14; i++)
        if (i != 12) wait_for(&m, cache, i);
    for (size_t i = 10; i < 14; i++) assert_true(m.filled[i] <= 1);
    assert_int_equal(m.filled[14] + m.filled[15], 0); /* half of the memory is for them */
    assert_int_equal(ps_cache_get(cache, 12, &block), PS_ERR_IO);
    assert_string_equal(ps_status_message(), "block 12 is broken");
    m.broken = -1;
    expect_block(cache, 12);
    ps_cache_destroy(cache);
}

typedef struct {
    ps_cache *cache;
    unsigned seed;
} reader;

static void *read_many(void *context) {
    reader *r = context;
    for (int i = 0; i < 3000; i++) {
        const void *block;
        size_t number = (r->seed = r->seed * 1103515245 + 12345) / 65536 % BLOCKS;
        if (i % 7 == 0) ps_cache_expect(r->cache, (size_t[]){(number + 1) % BLOCKS, (number + 2) % BLOCKS}, 2);
        if (ps_cache_get(r->cache, number, &block) != PS_OK) return r;
        if (((const uint8_t *)block)[BLOCK - 1] != number + 1) return r;
        ps_cache_release(r->cache, number);
    }
    return NULL;
}

static void many_threads_read_at_once(void **state) {
    (void)state;
    maker m = {.broken = -1};
    for (size_t most = 1; most < 40000; most = most * 12 + 500) {
        pthread_t thread[4];
        reader readers[4];
        void *failed;
        ps_cache *cache;
        held(ps_cache_create(&(ps_cache_maker){&m, block_size, fill}, BLOCKS, most, 2, &cache));
        for (unsigned i = 0; i < 4; i++) {
            readers[i] = (reader){cache, i};
            assert_int_equal(pthread_create(&thread[i], NULL, read_many, &readers[i]), 0);
        }
        for (int i = 0; i < 4; i++) {
            assert_int_equal(pthread_join(thread[i], &failed), 0);
            assert_null(failed);
        }
        ps_cache_destroy(cache);
    }
}

/* ---- a made-up source ---- */

enum { SIDE = 12, VALUES = SIDE * SIDE, CLASSES = 3 };

typedef struct {
    int train, test, decoded, most_at_once, at_once;
    int broken; /* every so manieth training sample cannot be decoded; 0: all can */
    int scale;  /* of the sides */
} store;

static void size_of(const ps_source *source, ps_source_part part, int index, ps_sample_size *out) {
    const store *s = source->state;
    (void)part;
    out->pixels = out->mask = (ps_shape){1, 1, 1, SIDE * s->scale, (SIDE - index % 4) * s->scale};
}

static ps_status decode(const ps_source *source, ps_source_part part, int index, void *pixel, int16_t *label) {
    store *s = source->state;
    ps_sample_size size;
    __atomic_add_fetch(&s->decoded, 1, __ATOMIC_RELAXED);
    if (part == PS_SOURCE_TRAIN && s->broken > 0 && index % s->broken == s->broken - 1)
        return ps_fail(PS_ERR_INPUT, "store/%d: holds no picture; put one there", index);
    size_of(source, part, index, &size);
    for (size_t i = 0; i < ps_shape_positions(size.pixels); i++) {
        ((float *)pixel)[i] = (float)(index % 50) + 0.01f * (float)(i % 97);
        label[i] = (int16_t)((index + (int)i / 5) % CLASSES);
    }
    return PS_OK;
}

static const char *name_of(const ps_source *source, ps_source_part part, int index) {
    static _Thread_local char name[32];
    (void)source;
    snprintf(name, sizeof name, "%c%07d", part == PS_SOURCE_TEST ? 't' : 'c', index);
    return name;
}

static void close_store(ps_source *source) { (void)source; }

static ps_status open_store(store *s, ps_dataset_options options, ps_dataset **out) {
    static const ps_source_functions functions = {
        .size = size_of, .decode = decode, .close = close_store, .name = name_of};
    ps_source source = {.functions = &functions,
                        .state = s,
                        .count = {s->train, s->test},
                        .type = PS_PIXEL_FLOAT,
                        .labels = PS_LABEL_MASK,
                        .classes = CLASSES};
    return ps_dataset_of_source("store", &options, &source, out);
}

/* ---- the same batches, whatever is held ---- */

enum { BATCH = 5, STEPS = 14, PATCH = 6 * 6 };
typedef struct {
    float x[STEPS][BATCH * PATCH];
    int32_t label[STEPS][BATCH * PATCH];
    char digest[17];
} seen;

/* Over the ends of epochs; a probe between. */
static void see(store *s, ps_dataset_options options, int epoch_steps, int threads, seen *out) {
    static float x[BATCH * PATCH];
    static int32_t label[BATCH * PATCH];
    ps_dataset *dataset;
    ps_loader *loader;
    ps_threads *pool;
    ps_loader_options batches = {
        .batch = BATCH, .seed = 5, .epoch_steps = epoch_steps, .foreground = 0.5, .augment = {.flip = true}};
    options.patch_sides = 1;
    for (int i = 0; i < 3; i++) options.patch[i] = 6;
    options.probe_count = 6;
    held(ps_threads_create(threads, &pool));
    held(open_store(s, options, &dataset));
    held(ps_loader_create(dataset, &batches, &loader));
    memcpy(out->digest, ps_dataset_digest(dataset), sizeof out->digest);
    for (uint64_t step = 0; step < STEPS; step++) {
        held(ps_loader_train_batch(loader, step, out->x[step], out->label[step], pool));
        if (step % 5 == 0) held(ps_loader_plain_batch(loader, PS_SPLIT_PROBE, 0, x, label, NULL, pool));
    }
    ps_loader_destroy(loader);
    ps_dataset_close(dataset);
    ps_threads_destroy(pool);
}

static void cache_and_threads_change_nothing(void **state) {
    (void)state;
    static const size_t most[] = {0, 1, 900, 4000, 20000, 1 << 20};
    static seen first, other;
    for (int epoch_steps = 0; epoch_steps < 8; epoch_steps += 7) {
        for (int large = 0; large < 2; large++) {
            for (size_t i = 0; i < sizeof most / sizeof *most; i++) {
                store s = {.train = 33, .test = 4, .scale = 1};
                ps_dataset_options options = {.most_bytes = most[i], .large_bytes = large ? 1000 : 0};
                see(&s, options, epoch_steps, 1 + (int)i % 3, i == 0 ? &first : &other);
                if (i > 0) assert_memory_equal(&first, &other, sizeof first);
            }
        }
    }
}

/* Nothing is decoded twice where all of it fits, and what is needed next was decoded before it is asked for. */
static void a_cache_that_holds_all_decodes_each_once(void **state) {
    (void)state;
    static seen out;
    store s = {.train = 33, .test = 0, .scale = 1};
    see(&s, (ps_dataset_options){.most_bytes = 1 << 20, .large_bytes = 1000}, 0, 2, &out);
    assert_true(s.decoded <= 33 + 33 + 6); /* opening looked at some, and forgot them */
    s.decoded = 0;
    see(&s, (ps_dataset_options){0}, 0, 2, &out);
    assert_int_equal(s.decoded, 33);
}

/* ---- large sets ---- */

/* 40,000 samples of 600 kB: 20 GB and more. */
static void a_large_set_opens_at_once(void **state) {
    (void)state;
    store s = {.train = 39000, .test = 1000, .scale = 27};
    ps_dataset *dataset;
    double mean, deviation, counted = 0;
    size_t before = ps_memory_peak_bytes();
    time_t start = time(NULL);
    held(open_store(&s, (ps_dataset_options){.probe_count = 100, .most_bytes = (size_t)1 << 30}, &dataset));
    assert_true(time(NULL) - start < 60);
#ifndef __SANITIZE_ADDRESS__ /* which keeps what was freed */
    assert_true(ps_memory_peak_bytes() - before < (size_t)200 << 20);
#endif
    (void)before;
    assert_in_range(s.decoded, 4, 1200);
    int looked = ps_dataset_looked_at(dataset);
    assert_in_range(looked, 4, 1000);
    ps_dataset_input_moments(dataset, 0, &mean, &deviation);
    assert_float_equal(mean, 0, 1e-4);
    assert_float_equal(deviation, 1, 1e-4);
    assert_true(isnan(ps_dataset_census(dataset)->probe_distance));
    for (int k = 0; k < CLASSES; k++) counted += (double)ps_dataset_count_labels(dataset, PS_SPLIT_TRAIN, k);
    assert_true(counted > (double)looked * 300 * 200 && counted < (double)looked * 330 * 330);
    ps_dataset_close(dataset);
}

/* Of names and sizes, of moments that were given, and of what was looked at. */
static void digests_of_large_sets_tell_them_apart(void **state) {
    (void)state;
    char digest[5][17];
    for (int i = 0; i < 5; i++) {
        store s = {.train = i == 1 ? 101 : 100, .test = i == 2 ? 9 : 8, .scale = 1};
        ps_dataset_options options = {.large_bytes = 1000, .raw = i == 3};
        ps_dataset *dataset;
        if (i == 4) options.moments = 1, options.mean[0] = 3, options.deviation[0] = 2;
        held(open_store(&s, options, &dataset));
        memcpy(digest[i], ps_dataset_digest(dataset), sizeof digest[i]);
        for (int j = 0; j < i; j++) assert_string_not_equal(digest[i], digest[j]);
        ps_dataset_close(dataset);
    }
}

static void given_moments_are_used(void **state) {
    (void)state;
    store s = {.train = 5, .test = 0, .scale = 1};
    ps_dataset *dataset;
    float x[VALUES];
    int32_t label[VALUES];
    ps_dataset_options options = {.moments = 1, .mean = {3}, .deviation = {2}};
    held(open_store(&s, options, &dataset));
    held(ps_dataset_sample(dataset, PS_SPLIT_TRAIN, 4, x, label));
    for (int i = 0; i < 90; i++) assert_float_equal(x[i], (4 + 0.01 * i - 3) / 2, 1e-5);
    ps_dataset_close(dataset);
    options.moments = 2;
    options.deviation[1] = 1;
    assert_int_equal(open_store(&s, options, &dataset), PS_ERR_USAGE);
    assert_non_null(strstr(ps_status_message(), "2 channels are given, and images have 1"));
    options.deviation[1] = 0;
    assert_int_equal(open_store(&s, options, &dataset), PS_ERR_USAGE);
}

/* ---- what cannot be decoded ---- */

static void bad_samples_are_named_or_left_out(void **state) {
    (void)state;
    for (size_t most = 0; most < 2; most++) {
        store s = {.train = 21, .test = 2, .broken = 7, .scale = 1};
        ps_dataset *dataset;
        ps_dataset_options options = {.probe_count = 3, .most_bytes = most};
        assert_int_equal(open_store(&s, options, &dataset), PS_ERR_INPUT);
        for (int i = 6; i < 21; i += 7) {
            char sentence[48];
            snprintf(sentence, sizeof sentence, "store/%d: holds no picture", i);
            assert_non_null(strstr(ps_status_message(), sentence));
        }
        assert_non_null(strstr(ps_status_message(), "3 samples cannot be read"));
        options.skip_bad = true;
        held(open_store(&s, options, &dataset));
        assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_TRAIN), 15);
        assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_PROBE), 3);
        assert_string_equal(ps_dataset_file_of(dataset, PS_SPLIT_TRAIN, 6).name, "c0000007");
        assert_string_equal(ps_dataset_file_of(dataset, PS_SPLIT_PROBE, 2).name, "c0000019");
        assert_non_null(ps_dataset_left_out(dataset, 2));
        assert_null(ps_dataset_left_out(dataset, 3));
        ps_dataset_close(dataset);
        options.fold = 1;
        options.folds = 5;
        held(open_store(&s, options, &dataset));
        assert_int_equal(ps_dataset_count(dataset, PS_SPLIT_TRAIN) + ps_dataset_count(dataset, PS_SPLIT_TEST), 15);
        ps_dataset_close(dataset);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_used_stay),
        cmocka_unit_test(what_is_in_use_comes_on_top_and_goes),
        cmocka_unit_test(what_is_expected_is_made_beforehand),
        cmocka_unit_test(many_threads_read_at_once),
        cmocka_unit_test(cache_and_threads_change_nothing),
        cmocka_unit_test(a_cache_that_holds_all_decodes_each_once),
        cmocka_unit_test(a_large_set_opens_at_once),
        cmocka_unit_test(digests_of_large_sets_tell_them_apart),
        cmocka_unit_test(given_moments_are_used),
        cmocka_unit_test(bad_samples_are_named_or_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
