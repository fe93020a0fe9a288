/* Processor classes: their names, which caches are large, what the environment may ask for, and what a run that goes on
 * may take. Of another processor than this one only what PS_SIMD_MOST stands for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/file.h"
#include "kernels/processor.h"
#include "tests/lib/folder.h"

/* NULL: not set. */
static void set_environment(const char *most, const char *simd, const char *class) {
    const char *const name[] = {"PS_SIMD_MOST", "PS_SIMD", "PS_CLASS"}, *const value[] = {most, simd, class};
    for (int i = 0; i < 3; i++) {
        if (value[i] != NULL) setenv(name[i], value[i], 1);
        else unsetenv(name[i]);
    }
    atomic_store(&ps_processor_code, 0);
}

static ps_processor_class named(const char *name) {
    ps_processor_class class;
    assert_true(ps_processor_named(name, &class));
    return class;
}

static void assert_in_use(const char *name) {
    char is[PS_PROCESSOR_NAME];
    assert_string_equal(ps_processor_name(ps_processor_in_use(), is), name);
    assert_int_equal(ps_simd_detect(), named(name).simd);
}

static void every_class_has_a_name_that_is_read_back(void **state) {
    (void)state;
    static const char *const names[] = {"base-small", "base-large",   "avx2-small",
                                        "avx2-large", "avx512-small", "avx512-large"};
    static const char *const none[] = {"",           "avx2",       "small",       "avx2-",        "-small",
                                       "avx2_small", "AVX2-small", "avx2-small ", "avx2-smaller", "?"};
    char again[PS_PROCESSOR_NAME];
    ps_processor_class class;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_string_equal(ps_processor_name(named(names[i]), again), names[i]);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) assert_false(ps_processor_named(none[i], &class));
}

static void a_cache_is_large_from_one_megabyte(void **state) {
    (void)state;
    assert_true(ps_processor_is_large(1 << 20));
    assert_true(ps_processor_is_large(2 << 20));
    assert_false(ps_processor_is_large((1 << 20) - 1));
    assert_false(ps_processor_is_large(0)); /* not known */
}

static void put(const char *caches, int index, const char *file, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/index%d", caches, index);
    held(ps_file_make_directories(path));
    snprintf(path, sizeof path, "%s/index%d/%s", caches, index, file);
    FILE *stream = fopen(path, "w");
    assert_non_null(stream);
    fputs(text, stream);
    fclose(stream);
}

static void the_systems_description_is_read(void **state) {
    (void)state;
    static const struct {
        const char *size;
        size_t bytes;
    } cases[] = {{"1024K\n", 1 << 20}, {"2M\n", 2 << 20}, {"512K", 512 << 10}, {"", 0},
                 {"many\n", 0},        {"-1K\n", 0},      {"1024\n", 0},       {"99999999999999999999K\n", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char caches[128];
        snprintf(caches, sizeof caches, "%s/case%zu", folder, i);
        assert_int_equal(ps_processor_described_cache(caches), 0); /* nothing there */
        put(caches, 0, "level", "1\n");
        put(caches, 0, "size", "48K\n");
        assert_int_equal(ps_processor_described_cache(caches), 0);
        put(caches, 1, "level", "2\n");
        put(caches, 1, "size", cases[i].size);
        put(caches, 2, "level", "3\n");
        put(caches, 2, "size", "32768K\n");
        assert_int_equal(ps_processor_described_cache(caches), cases[i].bytes);
    }
}

static void the_environment_chooses(void **state) {
    (void)state;
    set_environment("base-small", NULL, NULL);
    assert_in_use("base-small");
    set_environment("base-large", NULL, NULL);
    assert_in_use("base-large");
    set_environment("base-small", NULL, "base-large"); /* the cache may be chosen either way */
    assert_in_use("base-large");
    set_environment("base-large", "base", "base-small");
    assert_in_use("base-small");
    assert_int_equal(ps_processor_choose(2, 1), 1);
    set_environment(NULL, NULL, "base-large");
    assert_in_use("base-large");
    assert_int_equal(ps_processor_choose(2, 1), 2);
}

static void what_would_have_no_effect_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *most, *simd, *class, *word; /* NULL word: allowed */
    } cases[] = {
        {NULL, NULL, NULL, NULL},
        {"base", "base", "base-small", NULL},
        {"base", NULL, "base-large", NULL},
        {NULL, "avx", NULL, "no such instruction set"},
        {"base", "avx2", NULL, "no more than base"},
        {NULL, NULL, "avx2", "no such processor class"},
        {NULL, NULL, "", "no such processor class"},
        {"base", NULL, "avx2-small", "no more than base"},
        {"base-small", NULL, "avx512-small", "no more than base"},
        {"base", "avx2", "avx2-small", "no more than base"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set_environment(cases[i].most, cases[i].simd, cases[i].class);
        assert_int_equal(ps_processor_check(), cases[i].word == NULL ? PS_OK : PS_ERR_USAGE);
        if (cases[i].word != NULL) assert_non_null(strstr(ps_status_message(), cases[i].word));
    }
    set_environment(NULL, NULL, NULL);
    if (ps_simd_most() == PS_SIMD_BASE) return;
    set_environment(NULL, "base", "avx2-small");
    assert_int_equal(ps_processor_check(), PS_ERR_USAGE);
    assert_non_null(strstr(ps_status_message(), "two instruction sets"));
}

static void a_run_keeps_its_class_where_that_is_possible(void **state) {
    (void)state;
    set_environment(NULL, NULL, NULL);
    assert_true(ps_processor_can_use(named("base-small")));
    assert_int_equal(ps_processor_use(named("base-small"), "t"), PS_OK);
    assert_in_use("base-small");
    assert_int_equal(ps_processor_use(named("base-large"), "t"), PS_OK);
    assert_in_use("base-large");
    set_environment("base", NULL, NULL);
    assert_false(ps_processor_can_use(named("avx2-small")));
    assert_int_equal(ps_processor_use(named("avx2-small"), "runs/a"), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(),
                           "runs/a: the run was begun in the processor class avx2-small, and this "
                           "processor has no more than base"));
    set_environment(NULL, NULL, "base-large");
    assert_int_equal(ps_processor_use(named("base-large"), "t"), PS_OK);
    assert_false(ps_processor_can_use(named("base-small")));
    assert_int_equal(ps_processor_use(named("base-small"), "t"), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "PS_CLASS=base-large asks for another"));
    assert_in_use("base-large");
    set_environment(NULL, "base", NULL);
    assert_int_equal(ps_processor_use(named("base-small"), "t"), PS_OK);
    if (ps_simd_most() == PS_SIMD_BASE) return;
    assert_int_equal(ps_processor_use(named("avx2-small"), "t"), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "PS_SIMD=base asks for another"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_class_has_a_name_that_is_read_back),
        cmocka_unit_test(a_cache_is_large_from_one_megabyte),
        cmocka_unit_test(the_systems_description_is_read),
        cmocka_unit_test(the_environment_chooses),
        cmocka_unit_test(what_would_have_no_effect_is_refused),
        cmocka_unit_test(a_run_keeps_its_class_where_that_is_possible),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
