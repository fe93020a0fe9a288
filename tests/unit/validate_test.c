/* The validator: a sound trace passes, and every planted fault is found, on its line and in its own words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analysis/run.h"
#include "core/file.h"
#include "core/rng.h"
#include "core/status.h"
#include "tests/lib/folder.h"
#include "trace/validate.h"

static char path[128], report_path[128];

static int make_paths(void **state) {
    if (make_folder(state) != 0) return 1;
    snprintf(path, sizeof path, "%s/trace.jsonl", folder);
    snprintf(report_path, sizeof report_path, "%s/report", folder);
    return 0;
}

#define LAYER(name, position, kind, channels, inputs)                                                                  \
    "{\"name\":\"" name "\",\"gate\":\"relu_" name "\",\"kind\":\"" kind "\",\"channels\":" channels                   \
    ",\"position\":" position                                                                                          \
    ",\"depth\":1,\"stage\":\"\",\"activation\":\"relu\",\"norm\":null,\"pool_skip\":null,\"bias\":true,\"fan_in\":9," \
    "\"inputs\":[" inputs "],\"elements\":4}"
#define QUANTITY(name, per, record) \
    "{\"name\":\"" name "\",\"unit\":\"1\",\"per\":\"" per "\",\"record\":\"" record "\",\"description\":\"\"}"
#define HEADER_HEAD                                                                                                   \
    "{\"type\":\"header\",\"format\":\"poolscope-trace\",\"version\":1,\"producer\":\"test\",\"arm\":\"a\",\"seed\":" \
    "1,\"config\":{},"                                                                                                \
    "\"pairing\":{\"data\":\"x\"},\"data\":{},\"machine\":{},\"model\":{},\"window\":2,\"steps\":4,"
#define SEEDED(seed)                                                                                         \
    "{\"type\":\"header\",\"format\":\"poolscope-trace\",\"version\":1,\"producer\":\"test\",\"arm\":\"a\"," \
    "\"seed\":" seed                                                                                         \
    ",\"config\":{},\"pairing\":{},\"data\":{},\"machine\":{},\"model\":{},\"window\":2,"                    \
    "\"steps\":4,\"layers\":[],\"quantities\":[]}"
#define HEADER \
    HEADER_HEAD "\"layers\":[" LAYER("c1", "0", "conv", "3", "") ","                           \
                LAYER("c2", "1", "shared", "2", "\"c1\"") "],\"quantities\":["                 \
                QUANTITY("zeros", "node", "window") "," QUANTITY("path", "node", "window") "," \
                QUANTITY("nonzero", "node", "probe") "," QUANTITY("in_alive", "layer", "probe") ","\
                QUANTITY("loss", "step", "step") "]}"
#define STEP(t) "{\"type\":\"step\",\"step\":" t ",\"loss\":1.5,\"lr\":0.1}"
#define WINDOW(k, a, b, layer, values)                                                                                 \
    "{\"type\":\"window\",\"window\":" k ",\"first\":" a ",\"last\":" b ",\"layer\":\"" layer "\",\"values\":{" values \
    "}}"
#define PROBE(t, layer, values) \
    "{\"type\":\"probe\",\"step\":" t ",\"layer\":\"" layer "\",\"images\":5,\"elements\":20,\"values\":{" values "}}"
#define THREE "\"zeros\":[0,0.5,1],\"path\":[1,null,\"NaN\"]"
#define TWO "\"zeros\":[0,0.25]"
#define NONZERO3 "\"nonzero\":[0,20,7],\"in_alive\":null"
#define NONZERO2 "\"nonzero\":[0,20],\"in_alive\":2"

static const char *const sound[] = {
    /* 1 */ HEADER,
    /* 2 */
    "{\"type\":\"event\",\"step\":0,\"event\":\"planted\",\"layer\":\"c1\",\"channels\":[0,2],\"cause\":\"bias\"}",
    /* 3 */ PROBE("0", "c1", NONZERO3),
    /* 4 */ PROBE("0", "c2", NONZERO2),
    /* 5 */ STEP("0"),
    /* 6 */ STEP("1"),
    /* 7 */ WINDOW("0", "0", "1", "c1", THREE),
    /* 8 */ WINDOW("0", "0", "1", "c2", TWO),
    /* 9 */ PROBE("2", "c1", NONZERO3),
    /* 10 */ PROBE("2", "c2", NONZERO2),
    /* 11 */ "{\"type\":\"timing\",\"step\":2,\"threads\":2,\"anything\":[1,{}]}",
    /* 12 */ STEP("2"),
    /* 13 */ "{\"type\":\"step\",\"step\":3,\"loss\":\"Infinity\",\"unknown\":{}}",
    /* 14 */ WINDOW("1", "2", "3", "c1", THREE),
    /* 15 */ WINDOW("1", "2", "3", "c2", TWO),
    /* 16 */ PROBE("4", "c1", NONZERO3),
    /* 17 */ PROBE("4", "c2", NONZERO2),
    /* 18 */ "{\"type\":\"something new\",\"x\":1}",
    /* 19 */ "{\"type\":\"eval\",\"step\":4,\"split\":\"test\",\"loss\":1,\"accuracy\":0.5,\"count\":10}",
    /* 20 */ "{\"type\":\"end\",\"steps\":4,\"status\":\"finished\",\"loss\":1,\"accuracy\":null}",
};

enum { LINES = sizeof sound / sizeof *sound };

/* The sound trace with line `line` (from 1; 0: none) replaced, or left out (NULL). */
static void write_trace(int line, const char *replacement) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (int i = 1; i <= LINES; i++) {
        const char *text = i == line ? replacement : sound[i - 1];
        if (text != NULL) fprintf(file, "%s\n", text);
    }
    assert_int_equal(fclose(file), 0);
}

/* What the validator says; free it. */
static char *say(uint64_t limit, ps_trace_check *check, ps_status *status) {
    char *text;
    FILE *file = fopen(report_path, "wb");
    assert_non_null(file);
    *status = ps_trace_validate(path, file, limit, check);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(ps_file_read(report_path, &text, NULL), PS_OK);
    return text;
}

static ps_status keep_going(void *context, const ps_frame *frame) {
    (void)context;
    (void)frame;
    return PS_OK;
}

static ps_status keep_on(void *context, const ps_trace_record *record) {
    (void)context;
    (void)record;
    return PS_OK;
}

/* What the analysis says to the same trace: nothing, or the place of its first fault. */
static ps_status read_trace(void) {
    ps_run *run;
    ps_run_visitor visitor = {NULL, keep_going, keep_on};
    ps_status status = ps_run_open(path, "", &run);
    if (status == PS_OK) status = ps_run_stream(run, &visitor);
    ps_run_close(run);
    return status;
}

static void check_reader(const char *report) {
    size_t place = strlen(path) + 1 + strcspn(report + strlen(path) + 1, ":");
    assert_int_equal(read_trace(), PS_ERR_INPUT);
    if (strncmp(ps_status_message(), report, place) != 0)
        fail_msg("the analysis says \"%s\", the validator\n%s", ps_status_message(), report);
}

static void sound_trace_passes(void **state) {
    (void)state;
    ps_trace_check check;
    ps_status status;
    write_trace(0, NULL);
    char *text = say(0, &check, &status);
    assert_string_equal(text, "");
    assert_int_equal(status, PS_OK);
    assert_int_equal(read_trace(), PS_OK);
    assert_int_equal(check.lines, LINES);
    assert_int_equal(check.layers, 2);
    assert_int_equal(check.steps, 4);
    assert_int_equal(check.windows, 2);
    assert_int_equal(check.probings, 3);
    assert_int_equal(check.unknown_records, 1);
    assert_true(check.ended);
    assert_false(check.cut_off);
    free(text);
}

static void every_fault_is_found(void **state) {
    (void)state;
    static const struct {
        int line;
        const char *replacement;
        int reported; /* line that is blamed */
        const char *needle;
    } cases[] = {
        {1, "{\"type\":\"step\",\"step\":0}", 1, "must be the header"},
        {1, NULL, 1, "must be the header"},
        {2, HEADER, 2, "second header"},
        {1, "{\"type\":\"header\"}", 1, "\"layers\" must be an array"},
        {1,
         HEADER_HEAD
         "\"layers\":[" LAYER("c1", "0", "conv", "3", "") "," LAYER("c1", "1", "conv", "2", "") "],\"quantities\":[]}",
         1, "two layers \"c1\""},
        {1, HEADER_HEAD "\"layers\":[" LAYER("c1", "0", "cow", "3", "") "],\"quantities\":[]}", 1, "\"kind\""},
        {1, HEADER_HEAD "\"layers\":[" LAYER("c1", "0", "conv", "0", "") "],\"quantities\":[]}", 1, "\"channels\""},
        {1, HEADER_HEAD "\"layers\":[" LAYER("c1", "1", "conv", "3", "") "],\"quantities\":[]}", 1, "\"position\""},
        {1, HEADER_HEAD "\"layers\":[" LAYER("c1", "0", "conv", "3", "\"c7\"") "],\"quantities\":[]}", 1,
         "\"c7\" is no layer before it"},
        {1, HEADER_HEAD "\"layers\":[],\"quantities\":[" QUANTITY("zeros", "cow", "window") "]}", 1, "\"per\""},
        {1,
         HEADER_HEAD
         "\"layers\":[],\"quantities\":[" QUANTITY("a", "node", "probe") "," QUANTITY("a", "node", "probe") "]}",
         1, "two quantities \"a\""},
        {2,
         "{\"type\":\"event\",\"step\":0,\"event\":\"planted\",\"layer\":\"c1\",\"channels\":[3],\"cause\":\"bias\"}",
         2, "channels 0 to 2"},
        {2, "{\"type\":\"event\",\"step\":0}", 2, "\"event\" must be a text"},
        {3, PROBE("0", "c9", NONZERO3), 3, "\"c9\" is not in the header"},
        {3, PROBE("0", "c1", "\"nonzero\":[0,21,7]"), 3, "from 0 to 20"},
        {3, PROBE("0", "c1", "\"nonzero\":[0,1.5,7]"), 3, "is a count"},
        {3, PROBE("0", "c1", "\"nonzero\":[0,-1,7]"), 3, "from 0"},
        {3, PROBE("0", "c1", "\"nonzero\":[0,7]"), 3, "has 2 values, but the layer has 3 channels"},
        {3, PROBE("0", "c1", "\"nonzero\":7"), 3, "must be an array"},
        {3, PROBE("0", "c1", "\"in_alive\":[1,2,3]"), 3, "must be one number"},
        {3, PROBE("0", "c1", "\"zeros\":[0,0,0]"), 3, "belongs into records of type window"},
        {3, PROBE("0", "c1", "\"rms\":[0,0,0]"), 3, "\"rms\" is not in the header"},
        {3, "{\"type\":\"probe\",\"step\":0,\"layer\":\"c1\",\"images\":5,\"elements\":21,\"values\":{}}", 3,
         "\"elements\" is 21"},
        {4, "{\"type\":\"probe\",\"step\":0,\"layer\":\"c2\",\"images\":6,\"elements\":24,\"values\":{}}", 4,
         "6 images here and 5 before"},
        {4, PROBE("0", "c1", NONZERO3), 4, "two records of layer \"c1\""},
        {9, PROBE("3", "c1", NONZERO3), 10, "before step 2, but the next step is 3"},
        {9, PROBE("1", "c1", NONZERO3), 9, "before step 1, but the next step is 2"},
        {10, NULL, 11, "the probing at step 2 has no record of layer \"c2\""},
        {9, PROBE("0", "c1", NONZERO3), 9, "the next step is 2"},
        {10, "{\"type\":\"step\",\"step\":2}", 10, "the probing at step 2 has no record of layer \"c2\""},
        {3, STEP("0"), 3, "comes before any probe record"},
        {3, PROBE("1", "c1", NONZERO3), 3, "a trace begins with the probing of step 0"},
        {3, PROBE("0", "c1", "\"nonzero\":[0,20,7],\"nonzero\":[0,20,7]"), 3, "\"nonzero\" stands twice"},
        {3, "{\"type\":\"probe\",\"step\":0,\"step\":0,\"layer\":\"c1\",\"images\":5,\"elements\":20,\"values\":{}}", 3,
         "the key \"step\" stands twice"},
        {3, "{\"type\":\"probe\",\"step\":0,\"layer\":\"c1\",\"elements\":20,\"values\":{}}", 3, "\"images\" must be"},
        {3, PROBE("0", "c1", "\"nonzero\":null"), 3, "must be an array"},
        {3, PROBE("0", "c1", "\"nonzero\":[0,Infinity,7]"), 3, "bare Infinity"},
        {3, PROBE("0", "c1", "\"nonzero\":[0,-Infinity,7]"), 3, "bare -Infinity"},
        {3, PROBE("0", "c1", "\"nonzero\":[0,07,7]"), 3, "leading zero"},
        {3, PROBE("0", "c1", "\"nonzero\":[0,7,7,]"), 3, "a comma too many"},
        {3, PROBE("0", "c1", "\"nonzero\":[0,7 7]"), 3, "lacks a comma"},
        {3, PROBE("0", "c\xe9_1", "\"nonzero\":[0,7,7]"), 3, "no UTF-8"},
        {3, PROBE("0", "c\t1", "\"nonzero\":[0,7,7]"), 3, "control character"},
        {6, "{\"type\":\"step\",\"step\":1,\"x\":[1,2..3]}", 6, "lacks a digit"},
        {18, "{\"type\":\"something new\",\"x\":[1,02]}", 18, "leading zero"},
        {18, "\xEF\xBB\xBF{\"type\":\"something new\"}", 18, "byte order mark"},
        {18, "{\"x\":1}", 18, "no \"type\""},
        {11, "{\"type\":\"timing\",\"step\":3}", 12, "step 2 follows where step 3 or a later one is due"},
        {11, WINDOW("0", "0", "1", "c1", THREE), 11, "window 0 stands twice"},
        {11, "{\"type\":\"event\",\"step\":2,\"event\":\"forked\"}", 11, "\"checkpoint\" must be a text"},
        {12, PROBE("2", "c1", NONZERO3), 12, "two records of layer \"c1\""},
        {1, HEADER_HEAD "\"layers\":[{\"name\":\"c1\"}],\"quantities\":[]}", 1, "\"depth\""},
        {1, HEADER_HEAD "\"layers\":[],\"quantities\":[{\"name\":\"a\",\"per\":\"node\",\"record\":\"probe\"}]}", 1,
         "\"unit\""},
        {7, WINDOW("0", "0", "1", "c1", "\"zeros\":[0,0.5,\"Infinity\"]"), 7, "from 0 to 1"},
        {4, NULL, 9, "which the first probing lacks"},
        {6, STEP("2"), 7, "window 0 ends at step 1, but records before it are of step 2"},
        {6, STEP("0"), 6, "step 0 follows where step 1 or a later one is due"},
        {12, STEP("1"), 12, "step 1 follows where step 2 or a later one is due"},
        {6, "{\"type\":\"step\",\"step\":1.5}", 6, "\"step\" must be a whole number"},
        {6, "{\"type\":\"step\",\"step\":\"1\"}", 6, "\"step\" must be a whole number"},
        {6, "{\"type\":\"step\",\"step\":1,\"loss\":\"nan\"}", 6, "\"loss\" must be a number"},
        {6, "{\"type\":\"step\",\"step\":1,\"loss\":NaN}", 6, "not valid JSON from column 32 on: it holds a bare NaN"},
        {6, "{\"step\":1}", 6, "no \"type\""},
        {6, "[1]", 6, "not a JSON object"},
        {6, "", 6, "is empty"},
        {7, WINDOW("0", "0", "1", "c1", "\"zeros\":[0,0.5,1.5]"), 7, "from 0 to 1"},
        {7, WINDOW("0", "0", "1", "c1", "\"zeros\":[0,0.5,\"1\"]"), 7, "\"zeros\"[2] must be"},
        {7, WINDOW("0", "0", "1", "c1", "\"path\":[0,0.5,-1]"), 7, "\"path\" is -1"},
        {7, WINDOW("0", "1", "1", "c1", THREE), 7, "begins at step 1, but step 0 is due"},
        {7, WINDOW("0", "0", "2", "c1", THREE), 7, "more than the header's 2"},
        {7, WINDOW("1", "0", "1", "c1", THREE), 7, "window 1 follows where window 0 is due"},
        {8, WINDOW("0", "0", "0", "c2", TWO), 8, "covers steps 0 to 0 here and 0 to 1 before"},
        {8, WINDOW("0", "0", "1", "c1", THREE), 8, "two records of layer \"c1\""},
        {15, NULL, 15, "window 1 has no record of layer \"c2\""},
        {8, NULL, 14, "which the first window lacks"},
        {11, "{\"type\":\"timing\",\"step\":1}", 11, "step 1 comes after step 2"},
        {6, "{\"type\":\"step\",\"step\":1,\"lr\":-0.1}", 6, "\"lr\" is -0.1, which must not be below 0"},
        {6, "{\"type\":\"step\",\"step\":1,\"grad_norm\":-1}", 6, "\"grad_norm\" is -1"},
        {6, "{\"type\":\"step\",\"step\":1,\"grad_norm_module\":\"-Infinity\"}", 6, "\"grad_norm_module\" is -inf"},
        {6, "{\"type\":\"step\",\"step\":1,\"clip\":1.5}", 6, "\"clip\" is 1.5, which must be from 0 to 1"},
        {6, "{\"type\":\"step\",\"step\":1,\"clip_module\":-1}", 6, "\"clip_module\" is -1"},
        {6, "{\"type\":\"step\",\"step\":1,\"clip\":\"Infinity\"}", 6, "\"clip\" is inf"},
        {19, "{\"type\":\"eval\",\"step\":4,\"split\":\"test\",\"loss\":1,\"accuracy\":0.5}", 19,
         "\"count\" must be a whole number from 0"},
        {19, "{\"type\":\"eval\",\"step\":4,\"split\":\"test\",\"accuracy\":\"Infinity\",\"count\":1}", 19,
         "from 0 to 1"},
        {19, "{\"type\":\"eval\",\"step\":4,\"split\":\"test\",\"accuracy\":50,\"count\":1}", 19, "from 0 to 1"},
        {1, SEEDED("18446744073709551616"), 1,
         "\"seed\" must be a whole number from -9007199254740992 to 9007199254740992"},
        {1, SEEDED("0.5"), 1, "\"seed\" must be a whole number"},
        {19, "{\"type\":\"end\",\"steps\":4,\"status\":\"finished\"}", 20, "follows the end record"},
        {20, "{\"type\":\"end\",\"steps\":3,\"status\":\"finished\"}", 20, "records before it are of 4 steps"},
        {20, "{\"type\":\"end\",\"steps\":5,\"status\":\"finished\"}", 20,
         "the last window ends at step 3, but the last step is 4"},
        {20, "{\"type\":\"end\",\"steps\":4,\"status\":\"fine\"}", 20, "finished or diverged"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char where[160];
        ps_trace_check check;
        ps_status status;
        write_trace(cases[i].line, cases[i].replacement);
        char *text = say(0, &check, &status);
        snprintf(where, sizeof where, "%s:%d: ", path, cases[i].reported);
        bool found = false;
        for (char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
            *strchr(line, '\n') = '\0';
            found = found || (strncmp(line, where, strlen(where)) == 0 && strstr(line, cases[i].needle) != NULL);
            line[strlen(line)] = '\n';
        }
        if (!found) fail_msg("case %zu: no \"%s\" at line %d in:\n%s", i, cases[i].needle, cases[i].reported, text);
        assert_int_equal(status, PS_ERR_CHECK);
        assert_true(check.problems > 0);
        /* What nothing was measured on is said, and taken as not recorded. */
        if (strstr(cases[i].needle, "is 0") != NULL) assert_int_equal(read_trace(), PS_OK);
        else check_reader(text);
        free(text);
    }
}

static void cut_off_trace_says_so(void **state) {
    (void)state;
    char *whole, *text;
    size_t size;
    ps_trace_check check;
    ps_status status;
    write_trace(0, NULL);
    assert_int_equal(ps_file_read(path, &whole, &size), PS_OK);
    for (size_t length = 0; length < size; length++) {
        assert_int_equal(ps_file_write(path, whole, length), PS_OK);
        text = say(0, &check, &status);
        /* A last line that only lacks its end is whole. */
        bool at_line_end = length > 0 && (whole[length - 1] == '\n' || (whole[length] == '\n'));
        assert_int_equal(check.cut_off, length > 0 && !at_line_end);
        if (check.cut_off) assert_non_null(strstr(text, "cut off"));
        /* A trace that lacks only its rest is sound: the run may go on. */
        if (at_line_end) assert_int_equal(status, PS_OK);
        if (at_line_end) assert_int_equal(check.ended, length >= size - 1);
        if (!at_line_end) assert_int_equal(status, PS_ERR_CHECK);
        free(text);
    }
    free(whole);
}

/* Bytes changed at random: what one reader takes the other takes. */
static void both_readers_take_the_same(void **state) {
    char *whole;
    size_t size;
    ps_rng_key key = ps_rng_key_of(7, "damage");
    int taken = 0;
    (void)state;
    write_trace(0, NULL);
    assert_int_equal(ps_file_read(path, &whole, &size), PS_OK);
    static const char replacements[] = "0123456789,:[]{}\"-.e nN\\\n\xc3\xa4";
    char *copy = malloc(size + 1);
    assert_non_null(copy);
    for (uint64_t trial = 0; trial < 4000; trial++) {
        ps_trace_check check;
        ps_status status;
        memcpy(copy, whole, size + 1);
        for (uint64_t hit = 0; hit <= trial % 2; hit++)
            copy[ps_rng_below(key, 4 * trial + 2 * hit, (uint32_t)size)] =
                replacements[ps_rng_below(key, 4 * trial + 2 * hit + 1, sizeof replacements - 1)];
        FILE *file = fopen(path, "wb");
        assert_non_null(file);
        fwrite(copy, 1, size, file);
        fclose(file);
        char *text = say(0, &check, &status);
        bool passes = status == PS_OK || (check.cut_off && check.problems == 1);
        if ((read_trace() == PS_OK) != passes)
            fail_msg("trial %llu: the analysis: %s\nthe validator: %s", (unsigned long long)trial, ps_status_message(),
                     text);
        ps_status_reset();
        taken += passes;
        free(text);
    }
    if (taken < 100 || taken > 3900) fail_msg("%d of 4000 damaged traces are taken: the test asks little", taken);
    free(copy);
    free(whole);
}

static void list_of_problems_is_limited(void **state) {
    (void)state;
    ps_trace_check check;
    ps_status status;
    write_trace(1, "{\"type\":\"header\"}");
    char *text = say(3, &check, &status);
    int lines = 0;
    for (char *p = text; *p != '\0'; p++) lines += *p == '\n';
    assert_int_equal(lines, 4);
    assert_true(check.problems > 3);
    assert_non_null(strstr(text, " more"));
    free(text);
}

static void what_is_no_trace_is_said(void **state) {
    (void)state;
    ps_trace_check check;
    ps_status status;
    const char zero[] = "{\"type\":\0\"x\"}\n";
    assert_int_equal(ps_file_write(path, zero, sizeof zero - 1), PS_OK);
    char *text = say(0, &check, &status);
    assert_non_null(strstr(text, "zero byte"));
    free(text);
    assert_int_equal(ps_file_write(path, "", 0), PS_OK);
    text = say(0, &check, &status);
    assert_non_null(strstr(text, "no header"));
    assert_int_equal(status, PS_ERR_CHECK);
    free(text);
    assert_int_equal(ps_trace_validate("/nonexistent/trace", stderr, 0, NULL), PS_ERR_IO);
    assert_int_equal(ps_trace_validate(folder, stderr, 0, NULL), PS_ERR_INPUT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound_trace_passes),          cmocka_unit_test(every_fault_is_found),
        cmocka_unit_test(cut_off_trace_says_so),       cmocka_unit_test(both_readers_take_the_same),
        cmocka_unit_test(list_of_problems_is_limited), cmocka_unit_test(what_is_no_trace_is_said),
    };
    return cmocka_run_group_tests(tests, make_paths, remove_folder);
}
