/* The trace writer: values that read back, names that try to break out, cutting back, a full disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/file.h"
#include "core/rng.h"
#include "core/status.h"
#include "tests/lib/folder.h"
#include "trace/trace_writer.h"

static char path[128];

static int make_paths(void **state) {
    if (make_folder(state) != 0) return 1;
    snprintf(path, sizeof path, "%s/trace.jsonl", folder);
    return 0;
}

static char *content(void) {
    char *text;
    assert_int_equal(ps_file_read(path, &text, NULL), PS_OK);
    return text;
}

static void assert_formats(double value) {
    char expected[32], got[40] = "";
    snprintf(expected, sizeof expected, "%.9g", value);
    got[ps_trace_format_value(got, value)] = '\0';
    assert_string_equal(got, expected);
}

static uint64_t scramble(uint64_t x) { /* splitmix64 */
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static void numbers_are_those_of_printf(void **state) {
    (void)state;
    static const double cases[] = {0,
                                   1,
                                   -1,
                                   0.1,
                                   -0.0,
                                   9.9999999949e8,
                                   999999999,
                                   1e9,
                                   1e10,
                                   1e-4,
                                   1e-5,
                                   9.99999999e-5,
                                   9.999999995e-5,
                                   123456.789,
                                   0.5,
                                   1e22,
                                   1e23,
                                   1e-22,
                                   1e-300,
                                   1e300,
                                   5e-324,
                                   2.5,
                                   0.99999999999,
                                   1e8 + 0.5,
                                   12345678.25,
                                   123456789.5,
                                   99999999.95,
                                   3.0000000005};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) assert_formats(cases[i]);
    for (uint64_t i = 0; i < 200000; i++) {
        union {
            uint32_t bits;
            float value;
        } single = {.bits = (uint32_t)scramble(i)};
        union {
            uint64_t bits;
            double value;
        } twofold = {.bits = scramble(i + 1000000)};
        if (isfinite(single.value)) assert_formats((double)single.value);
        if (isfinite(twofold.value)) assert_formats(twofold.value);
        assert_formats((double)(scramble(i) % 100000) / 1000.0); /* short decimals and ties */
    }
}

static void floats_read_back_bit_for_bit(void **state) {
    (void)state;
    for (uint64_t i = 0; i < 200000; i++) {
        union {
            uint32_t bits;
            float value;
        } number = {.bits = (uint32_t)scramble(i)};
        char text[40];
        if (!isfinite(number.value)) continue;
        text[ps_trace_format_value(text, (double)number.value)] = '\0';
        assert_true(strtof(text, NULL) == number.value);
    }
}

static void record_has_all_kinds_of_values(void **state) {
    (void)state;
    ps_trace_writer *writer;
    const double floats[] = {1.5, NAN, INFINITY, -INFINITY, (double)0.1f};
    const double doubles[] = {1e-50, 1.0 / 3, 1e300};
    const int wholes[] = {-3, 0, 2000000000};
    assert_int_equal(ps_trace_create(path, &writer), PS_OK);
    ps_trace_begin_record(writer, PS_RECORD_EVENT);
    ps_trace_add_text(writer, "text", "a\"b\\c\n\td\x01\x7f\xc3\xa4\",\"type\":\"end\"}");
    ps_trace_add_text(writer, "ke\"y", NULL);
    ps_trace_add_whole(writer, "whole", INT64_C(-9007199254740993));
    ps_trace_add_bool(writer, "yes", true);
    ps_trace_add_value(writer, "value", 1.0 / 3);
    ps_trace_add_double(writer, "double", 1.0 / 3);
    ps_trace_add_double(writer, "nan", NAN);
    ps_trace_add_json(writer, "config", "{\n \"a\": [1,\r\n2]}");
    ps_trace_begin_object(writer, "object");
    ps_trace_begin_array(writer, "empty");
    ps_trace_close_scope(writer);
    ps_trace_add_values(writer, "floats", floats, 5);
    ps_trace_add_values(writer, "doubles", doubles, 3);
    ps_trace_add_wholes(writer, "wholes", wholes, 3);
    ps_trace_add_nulls(writer, "nulls", 2);
    ps_trace_add_values(writer, "none", floats, 0);
    ps_trace_close_scope(writer);
    ps_trace_add_whole(writer, "last", 1);
    assert_int_equal(ps_trace_end_record(writer), PS_OK);
    assert_int_equal(ps_trace_close(writer), PS_OK);
    char *text = content();
    assert_string_equal(
        text,
        "{\"type\":\"event\",\"text\":\"a\\\"b\\\\c\\u000a\\u0009d\\u0001\\u007f\xc3\xa4\\\",\\\"type\\\":\\\"end\\\"}"
        "\","
        "\"ke\\\"y\":null,\"whole\":-9007199254740993,\"yes\":true,\"value\":0.333333333,"
        "\"double\":0.33333333333333331,\"nan\":\"NaN\",\"config\":{  \"a\": [1,  2]},\"object\":{\"empty\":[],"
        "\"floats\":[1.5,\"NaN\",\"Infinity\",\"-Infinity\",0.100000001],\"doubles\":[1e-50,0.333333333,1e+300],"
        "\"wholes\":[-3,0,2000000000],\"nulls\":[null,null],\"none\":[]},\"last\":1}\n");
    cJSON *record = cJSON_Parse(text);
    assert_non_null(record);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(record, "text")),
                        "a\"b\\c\n\td\x01\x7f\xc3\xa4\",\"type\":\"end\"}");
    cJSON_Delete(record);
    free(text);
}

static void names_that_are_not_utf8_are_mended(void **state) {
    (void)state;
    ps_trace_writer *writer;
    assert_int_equal(ps_trace_create(path, &writer), PS_OK);
    ps_trace_begin_record(writer, PS_RECORD_EVENT);
    ps_trace_add_text(writer, "a", "x\xff\xc3(\xe2\x82\xac\xe2\x82\xf0\x9f\x98\x80\xc0\xaf\xed\xa0\x80");
    assert_int_equal(ps_trace_end_record(writer), PS_OK);
    assert_int_equal(ps_trace_close(writer), PS_OK);
    char *text = content();
    assert_string_equal(text,
                        "{\"type\":\"event\",\"a\":\"x\\ufffd\\ufffd(\xe2\x82\xac\\ufffd\\ufffd\xf0\x9f\x98\x80"
                        "\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd\"}\n");
    free(text);
}

static void unfinished_records_are_dropped(void **state) {
    (void)state;
    ps_trace_writer *writer;
    assert_int_equal(ps_trace_create(path, &writer), PS_OK);
    ps_trace_begin_record(writer, PS_RECORD_EVENT);
    ps_trace_begin_array(writer, "half");
    ps_trace_begin_record(writer, PS_RECORD_STEP);
    assert_int_equal(ps_trace_end_record(writer), PS_OK);
    assert_int_equal(ps_trace_offset(writer), 16);
    ps_trace_begin_record(writer, PS_RECORD_EVENT);
    ps_trace_add_text(writer, "half", "half");
    assert_int_equal(ps_trace_close(writer), PS_OK);
    char *text = content();
    assert_string_equal(text, "{\"type\":\"step\"}\n");
    free(text);
}

static void deep_nesting_is_an_error_not_an_overflow(void **state) {
    (void)state;
    ps_trace_writer *writer;
    assert_int_equal(ps_trace_create(path, &writer), PS_OK);
    ps_trace_begin_record(writer, PS_RECORD_EVENT);
    for (int i = 0; i < 40; i++) ps_trace_begin_array(writer, i ? NULL : "deep");
    assert_int_equal(ps_trace_end_record(writer), PS_ERR_INTERNAL);
    assert_int_equal(ps_trace_close(writer), PS_ERR_INTERNAL);
}

/* ---- cutting back ---- */

static void write_step(ps_trace_writer *writer, int step) {
    ps_trace_begin_record(writer, PS_RECORD_STEP);
    ps_trace_add_whole(writer, "step", step);
    assert_int_equal(ps_trace_end_record(writer), PS_OK);
}

static void write_at(ps_trace_writer *writer, ps_record_type type, int step) {
    ps_trace_begin_record(writer, type);
    ps_trace_add_whole(writer, "step", step);
    ps_trace_add_text(writer, "layer", "conv1");
    assert_int_equal(ps_trace_end_record(writer), PS_OK);
}

/* Two windows of three steps each, as a run writes them; *state_end[k]: the length when the state at step 3 k was
 * complete. */
static void write_run(ps_trace_writer *writer, int first_window, int windows, uint64_t *state_end) {
    for (int k = first_window; k < windows; k++) {
        for (int t = 3 * k; t < 3 * k + 3; t++) write_step(writer, t);
        write_at(writer, PS_RECORD_EVENT, 3 * k + 2);
        ps_trace_begin_record(writer, PS_RECORD_WINDOW);
        ps_trace_add_whole(writer, "window", k);
        ps_trace_add_whole(writer, "first", 3 * k);
        ps_trace_add_whole(writer, "last", 3 * k + 2);
        assert_int_equal(ps_trace_end_record(writer), PS_OK);
        write_at(writer, PS_RECORD_PROBE, 3 * k + 3);
        write_at(writer, PS_RECORD_TIMING, 3 * k + 3);
        write_at(writer, PS_RECORD_EVAL, 3 * k + 3);
        state_end[k + 1] = ps_trace_offset(writer);
    }
}

static char *whole_run(uint64_t *state_end) {
    ps_trace_writer *writer;
    assert_int_equal(ps_trace_create(path, &writer), PS_OK);
    ps_trace_begin_record(writer, PS_RECORD_HEADER);
    assert_int_equal(ps_trace_end_record(writer), PS_OK);
    write_at(writer, PS_RECORD_EVENT, 0);
    write_at(writer, PS_RECORD_PROBE, 0);
    state_end[0] = ps_trace_offset(writer);
    write_run(writer, 0, 3, state_end);
    ps_trace_begin_record(writer, PS_RECORD_END);
    assert_int_equal(ps_trace_end_record(writer), PS_OK);
    assert_int_equal(ps_trace_close(writer), PS_OK);
    return content();
}

static void resume_cuts_back_to_the_state(void **state) {
    (void)state;
    uint64_t end[4], again[4];
    char *whole = whole_run(end);
    size_t length = strlen(whole);
    /* Killed after any byte at all: once the state at step 3 k is whole, going on from there ends in the same trace. */
    for (int k = 0; k <= 3; k++) {
        for (size_t cut_at = (size_t)end[k]; cut_at <= length; cut_at++) {
            ps_trace_writer *writer;
            assert_int_equal(ps_file_write(path, whole, cut_at), PS_OK);
            assert_int_equal(ps_trace_resume_at(path, end[k], NULL, &writer), PS_OK);
            assert_int_equal(ps_trace_offset(writer), end[k]);
            if (cut_at % 37 == 0 || cut_at == length) {
                write_run(writer, k, 3, again);
                ps_trace_begin_record(writer, PS_RECORD_END);
                assert_int_equal(ps_trace_end_record(writer), PS_OK);
                assert_int_equal(ps_trace_close(writer), PS_OK);
                char *text = content();
                assert_string_equal(text, whole);
                free(text);
            } else {
                assert_int_equal(ps_trace_close(writer), PS_OK);
            }
        }
    }
    free(whole);
}

static void resume_at_an_offset(void **state) {
    (void)state;
    uint64_t end[4];
    ps_trace_writer *writer;
    char *whole = whole_run(end);
    assert_int_equal(ps_trace_resume_at(path, end[2] - 1, NULL, &writer), PS_ERR_INPUT); /* inside a record */
    assert_int_equal(ps_trace_resume_at(path, strlen(whole) + 1, NULL, &writer), PS_ERR_INPUT);
    assert_null(writer);
    assert_int_equal(ps_trace_resume_at("/nonexistent/trace", 0, NULL, &writer), PS_ERR_IO);
    assert_null(writer);
    assert_int_equal(ps_trace_resume_at(path, end[2], NULL, &writer), PS_OK);
    assert_int_equal(ps_trace_offset(writer), end[2]);
    write_run(writer, 2, 3, end);
    assert_int_equal(ps_trace_close(writer), PS_OK);
    char *text = content();
    assert_int_equal(strncmp(text, whole, strlen(text)), 0);
    assert_int_equal(strlen(text), end[3]);
    free(text);
    free(whole);
}

/* ---- failures ---- */

static void full_disk_is_one_sentence(void **state) {
    (void)state;
    ps_trace_writer *writer;
    if (access("/dev/full", W_OK) != 0) skip();
    assert_int_equal(ps_trace_create("/dev/full", &writer), PS_OK);
    write_step(writer, 0); /* still in the buffer */
    assert_int_equal(ps_trace_flush(writer, true), PS_ERR_IO);
    assert_non_null(strstr(ps_status_message(), "/dev/full"));
    assert_non_null(strstr(ps_status_message(), "No space left"));
    ps_trace_begin_record(writer, PS_RECORD_STEP);
    assert_int_equal(ps_trace_end_record(writer), PS_ERR_IO); /* the failure stays */
    assert_int_equal(ps_trace_close(writer), PS_ERR_IO);
}

static void full_disk_is_seen_without_a_flush(void **state) {
    (void)state;
    ps_trace_writer *writer;
    double values[4096] = {0};
    ps_status status = PS_OK;
    if (access("/dev/full", W_OK) != 0) skip();
    assert_int_equal(ps_trace_create("/dev/full", &writer), PS_OK);
    for (int i = 0; i < 1000 && status == PS_OK; i++) {
        ps_trace_begin_record(writer, PS_RECORD_WINDOW);
        ps_trace_add_values(writer, "values", values, 4096);
        status = ps_trace_end_record(writer);
    }
    assert_int_equal(status, PS_ERR_IO);
    assert_int_equal(ps_trace_close(writer), PS_ERR_IO);
}

/* The remedy goes by the reason: where files may not grow, freed space helps nothing. */
static void limited_file_size_is_called_that(void **state) {
    (void)state;
    char limited[] = "/tmp/ps_limited_XXXXXX";
    struct rlimit before, small;
    ps_trace_writer *writer;
    close(mkstemp(limited));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = 16;
    assert_int_equal(ps_trace_create(limited, &writer), PS_OK);
    write_step(writer, 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    ps_status status = ps_trace_flush(writer, true);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, PS_ERR_IO);
    assert_non_null(strstr(ps_status_message(), "ulimit -f"));
    assert_non_null(strstr(ps_status_message(), "can go on from its last checkpoint"));
    assert_null(strstr(ps_status_message(), "free some space"));
    assert_int_equal(ps_trace_close(writer), PS_ERR_IO);
    unlink(limited);
}

static void unwritable_place_is_one_sentence(void **state) {
    (void)state;
    ps_trace_writer *writer;
    assert_int_equal(ps_trace_create("/nonexistent/folder/trace.jsonl", &writer), PS_ERR_IO);
    assert_null(writer);
    assert_non_null(strstr(ps_status_message(), "/nonexistent/folder/trace.jsonl"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_those_of_printf),      cmocka_unit_test(floats_read_back_bit_for_bit),
        cmocka_unit_test(record_has_all_kinds_of_values),   cmocka_unit_test(names_that_are_not_utf8_are_mended),
        cmocka_unit_test(unfinished_records_are_dropped),   cmocka_unit_test(deep_nesting_is_an_error_not_an_overflow),
        cmocka_unit_test(resume_cuts_back_to_the_state),    cmocka_unit_test(resume_at_an_offset),
        cmocka_unit_test(full_disk_is_one_sentence),        cmocka_unit_test(full_disk_is_seen_without_a_flush),
        cmocka_unit_test(limited_file_size_is_called_that), cmocka_unit_test(unwritable_place_is_one_sentence),
    };
    return cmocka_run_group_tests(tests, make_paths, remove_folder);
}
