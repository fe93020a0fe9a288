/* The trace reader: numbers against cJSON and strtod, damaged and foreign traces, speed of nothing but correctness. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "analysis/run.h"
#include "core/file.h"
#include "core/rng.h"
#include "tests/lib/trace_fixture.h"

static char path[64];

static int setup(void **state) {
    (void)state;
    snprintf(path, sizeof path, "/tmp/ps_reader_XXXXXX");
    int file = mkstemp(path);
    return file < 0 || close(file) != 0;
}

static int teardown(void **state) {
    (void)state;
    return unlink(path);
}

/* ---- numbers ---- */

static void same_bits(double a, double b, const char *text) {
    if (memcmp(&a, &b, sizeof a) != 0) fail_msg("%s: %.17g is not %.17g", text, a, b);
}

static void numbers_round_as_strtod(void **state) {
    static const char *const hard[] = {"0",
                                       "-0",
                                       "1",
                                       "0.1",
                                       "9007199254740993",
                                       "1e22",
                                       "1e23",
                                       "123456789012345678901234567890",
                                       "4.9e-324",
                                       "1.7976931348623157e308",
                                       "2.2250738585072011e-308",
                                       "0.000000000000000000000000000000000000001",
                                       "1E5",
                                       "1e+5",
                                       "-2.5e-3",
                                       "8.98846567431158e307",
                                       "1e400",
                                       "1e-400",
                                       "5e-7",
                                       "3.4028235e38"};
    ps_rng_key key = ps_rng_key_of(1, "numbers");
    double value;
    (void)state;
    for (size_t i = 0; i < sizeof hard / sizeof *hard; i++) {
        const char *end = ps_scan_number(hard[i], &value);
        assert_non_null(end);
        assert_int_equal(*end, 0);
        same_bits(value, strtod(hard[i], NULL), hard[i]);
    }
    for (uint64_t i = 0; i < 200000; i++) {
        char text[64];
        uint64_t bits = (uint64_t)ps_rng_u32(key, 2 * i) << 32 | ps_rng_u32(key, 2 * i + 1);
        uint32_t half = ps_rng_u32(key, i);
        double number;
        float single;
        memcpy(&number, &bits, sizeof number);
        memcpy(&single, &half, sizeof single);
        if (!isfinite(number) || !isfinite(single)) continue;
        snprintf(text, sizeof text, i % 2 ? "%.17g" : "%.9g", i % 2 ? number : (double)single);
        const char *end = ps_scan_number(text, &value);
        assert_true(end != NULL && *end == 0);
        same_bits(value, strtod(text, NULL), text);
    }
}

static void values_json_has_no_numbers_for(void **state) {
    double value;
    (void)state;
    assert_non_null(ps_scan_number("\"NaN\"", &value));
    assert_true(isnan(value) && !ps_is_absent(value));
    assert_non_null(ps_scan_number("\"-Infinity\"", &value));
    assert_true(isinf(value) && value < 0);
    assert_non_null(ps_scan_number("null", &value));
    assert_true(ps_is_absent(value) && isnan(value));
    static const char *const wrong[] = {"",      "-",    "+1",  ".5", "1.",  "1e",  "01",  "\"1\"",    "nul",
                                        "\"NaN", "true", "[1]", "e5", "--1", "NaN", "nan", "Infinity", "-Infinity"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *end = ps_scan_number(wrong[i], &value);
        if (end != NULL && *end == 0) fail_msg("\"%s\" was taken for a number", wrong[i]);
    }
}

/* Arrays of random lines against cJSON. */
static void arrays_agree_with_cjson(void **state) {
    ps_rng_key key = ps_rng_key_of(2, "arrays");
    uint64_t draw = 0;
    (void)state;
    for (int trial = 0; trial < 300; trial++) {
        char text[8192] = "[";
        int count = (int)ps_rng_below(key, draw++, 200), used = 1;
        for (int i = 0; i < count; i++) {
            double scale = pow(10, (double)ps_rng_below(key, draw++, 60) - 30);
            used += snprintf(text + used, sizeof text - (size_t)used, "%s%s", i ? "," : "",
                             ps_rng_below(key, draw++, 4) == 0 ? " " : "");
            if (ps_rng_below(key, draw++, 10) == 0) used += snprintf(text + used, sizeof text - (size_t)used, "null");
            else
                used += snprintf(text + used, sizeof text - (size_t)used, "%.9g",
                                 scale * (double)(ps_rng_uniform(key, draw++) - 0.5f));
        }
        snprintf(text + used, sizeof text - (size_t)used, "]");
        double values[256];
        size_t found;
        const char *end = ps_scan_array(text, values, 256, &found);
        cJSON *tree = cJSON_Parse(text);
        assert_true(end != NULL && *end == 0);
        assert_int_equal(found, cJSON_GetArraySize(tree));
        int i = 0;
        const cJSON *item;
        cJSON_ArrayForEach(item, tree) {
            if (cJSON_IsNull(item)) assert_true(ps_is_absent(values[i]));
            else same_bits(values[i], item->valuedouble, text);
            i++;
        }
        cJSON_Delete(tree);
    }
}

/* Arrays are scanned eight digits at a time where there is room behind a number: it must take and refuse what the plain
 * scanner does, and give the same bits. Numbers are put together from parts of every length. */
static void arrays_agree_with_single_numbers(void **state) {
    static const char *const whole[] = {"",   "0",      "00",      "01",       "7",
                                        "42", "123456", "1234567", "12345678", "123456789012345678901"};
    static const char *const part[] = {"",
                                       ".",
                                       ".5",
                                       ".05",
                                       ".1234567",
                                       ".12345678",
                                       ".123456789",
                                       ".0000000001",
                                       ".12345678901",
                                       ".123456789012345",
                                       ".1234567890123456",
                                       ".00000000000000000001",
                                       ".1x",
                                       ".12345678:",
                                       ".123/"};
    static const char *const power[] = {"",  "e5", "E-7",  "e+22",   "e-22", "e-23", "e23",
                                        "e", "e-", "e005", "e-0007", "e400", "e5.5", "x"};
    static const char room[] = ",0.123456789,0.123456789,0.123456789]";
    int taken = 0, refused = 0;
    (void)state;
    for (size_t i = 0; i < 2 * sizeof whole / sizeof *whole; i++)
        for (size_t j = 0; j < sizeof part / sizeof *part; j++)
            for (size_t k = 0; k < sizeof power / sizeof *power; k++) {
                char text[160];
                double alone = 0, values[4];
                size_t found;
                snprintf(text, sizeof text, "[%s%s%s%s%s", i % 2 ? "-" : "", whole[i / 2], part[j], power[k], room);
                const char *end = ps_scan_number(text + 1, &alone);
                bool good = end != NULL && strcmp(end, room) == 0;
                const char *stop = ps_scan_array(text, values, 4, &found);
                if ((stop != NULL) != good) fail_msg("%s was %s", text, good ? "refused" : "taken");
                if (good) same_bits(values[0], alone, text);
                if (good) assert_int_equal(found, 4);
                taken += good;
                refused += !good;
            }
    assert_true(taken > 1000 && refused > 1000);
}

/* Cut anywhere or with a stray character anywhere, also at the edges of the blocks that are looked at in one go; the
 * text lies at the end of its memory, so that the sanitizers see a look beyond it. */
static void long_arrays_are_checked_to_their_end(void **state) {
    static const char good[] =
        "[0.123456789,-1.5e-07,0.25,3,1024,0.987654321,null,7.25,-0.0009765625,12,13.75,0.123456789,5]";
    double values[32];
    size_t found, length = sizeof good - 1;
    (void)state;
    for (size_t cut = 0; cut < length; cut++) {
        char *text = malloc(cut + 1);
        memcpy(text, good, cut);
        text[cut] = '\0';
        assert_null(ps_scan_skip(text));
        assert_null(ps_scan_array(text, values, 32, &found));
        free(text);
    }
    for (size_t place = 1; place + 1 < length; place++) {
        char text[sizeof good];
        memcpy(text, good, sizeof good);
        text[place] = ';';
        assert_null(ps_scan_skip(text));
        assert_null(ps_scan_array(text, values, 32, &found));
    }
    assert_non_null(ps_scan_array(good, values, 32, &found));
    assert_int_equal(found, 13);
}

/* What is counted without being worked out is an array of so many numbers, and none below 0 where that is asked; what
 * is common is counted. Arrays of every length, so that numbers lie across the edges of the blocks that are looked at
 * in one go, whole and with one character in the place of another; they end where their memory ends. */
static void counted_arrays_are_arrays(void **state) {
    static const char *const numbers[] = {"0",    "7",   "0.123456789", "1.5e-07",  "4096",      "2E+5",
                                          "0.25", "1e5", "13.75",       "-0.5e-10", "123456789", "-3"};
    static const char others[] = "0123456789.,-+eE []x\"\x80/:";
    ps_rng_key key = ps_rng_key_of(4, "counted");
    uint64_t draw = 0;
    int counted = 0, refused = 0;
    (void)state;
    for (int trial = 0; trial < 40000; trial++) {
        char line[2048] = "[";
        int count = 1 + (int)ps_rng_below(key, draw++, 30), used = 1;
        uint32_t kinds = trial % 3 == 0 ? 12 : 9; /* with signs, or without */
        for (int i = 0; i < count; i++)
            used += snprintf(line + used, sizeof line - (size_t)used, "%s%s", i ? "," : "",
                             numbers[ps_rng_below(key, draw++, kinds)]);
        line[used++] = ']';
        bool sound = trial % 2 == 0;
        uint32_t place = 1 + ps_rng_below(key, draw++, (uint32_t)used - 1);
        if (!sound) line[place] = others[ps_rng_below(key, draw++, sizeof others - 1)];
        char *text = malloc((size_t)used + 1);
        memcpy(text, line, (size_t)used);
        text[used] = '\0';
        double values[64];
        size_t seen, found;
        const char *end = ps_scan_count(text, false, &seen), *stop = ps_scan_array(text, values, 64, &found);
        if (end != NULL && (end != stop || seen != found)) fail_msg("counted: %s", text);
        if (sound && (end != text + used || seen != (size_t)count)) fail_msg("not counted: %s", text);
        counted += end != NULL;
        refused += end == NULL;
        end = ps_scan_count(text, true, &seen);
        for (size_t i = 0; end != NULL && i < seen; i++) assert_true(values[i] >= 0 && !signbit(values[i]));
        if (sound && kinds == 9 && end == NULL) fail_msg("taken for negative: %s", text);
        free(text);
    }
    assert_true(counted > 20000 && refused > 5000);
}

/* What the scanner passes over cJSON must accept, and the other way round, for texts made by damaging a good line. */
static void skipping_agrees_with_cjson(void **state) {
    static const char good[] =
        "{\"a\":[1,2.5,-3e4,null],\"b\":{\"c\":\"x\\\"y\",\"d\":[]},\"e\":true,\"f\":[[1],[\"s\",{}]],\"g\":-0.5}";
    ps_rng_key key = ps_rng_key_of(3, "damage");
    int agreed = 0;
    (void)state;
    for (uint64_t trial = 0; trial < 20000; trial++) {
        char text[sizeof good];
        memcpy(text, good, sizeof good);
        uint32_t place = ps_rng_below(key, 3 * trial, (uint32_t)sizeof good - 1);
        static const char alphabet[] = "{}[]\",:\\x"; /* cJSON takes "2." and "01" for numbers; this reader does not */
        text[place] = alphabet[ps_rng_below(key, 3 * trial + 1, sizeof alphabet - 1)];
        const char *end = ps_scan_skip(text);
        bool mine = end != NULL && *ps_scan_blanks(end) == 0;
        cJSON *tree = cJSON_ParseWithOpts(text, NULL, true);
        /* The scanner may be laxer inside flat arrays it only passes over; it must never refuse what is right. */
        if (tree != NULL && !mine) fail_msg("refused: %s", text);
        agreed += (tree != NULL) == mine;
        cJSON_Delete(tree);
    }
    assert_true(agreed > 18000);
}

/* ---- whole traces ---- */

/* Without the fsync of ps_file_write: these tests write thousands of files. */
static void put_bytes(const char *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static void put(const char *text) { put_bytes(text, strlen(text)); }

#define LAYER(name, position, kind, channels, inputs)                                                                  \
    "{\"name\":\"" name "\",\"gate\":\"relu_" name "\",\"kind\":\"" kind "\",\"channels\":" channels                   \
    ",\"position\":" position                                                                                          \
    ",\"depth\":1,\"stage\":\"\",\"activation\":\"relu\",\"norm\":null,\"pool_skip\":null,\"bias\":true,\"fan_in\":9," \
    "\"inputs\":[" inputs "],\"elements\":4}"
#define QUANTITY(name, per, record) \
    "{\"name\":\"" name "\",\"unit\":\"1\",\"per\":\"" per "\",\"record\":\"" record "\",\"description\":\"\"}"
#define HEADER_HEAD                                                                                                   \
    "{\"type\":\"header\",\"format\":\"poolscope-trace\",\"version\":1,\"producer\":\"test\",\"arm\":\"a\",\"seed\":" \
    "3,\"config\":{},\"pairing\":{},\"data\":{},\"machine\":{},\"model\":{},\"window\":4,\"steps\":8,"
#define LAYERS "\"layers\":[" LAYER("a", "0", "conv", "2", "") "," LAYER("b", "1", "shared", "3", "\"a\"") "],"
#define QUANTITIES                                                                                               \
    "\"quantities\":[" QUANTITY("nonzero", "node", "probe") "," QUANTITY(                                        \
        "nonzero_eval", "node",                                                                                  \
        "probe") "," QUANTITY("mean_abs", "node",                                                                \
                              "probe") "," QUANTITY("in_alive", "layer",                                         \
                                                    "probe") "," QUANTITY("mystery", "layer",                    \
                                                                          "probe") "," QUANTITY("zeros", "node", \
                                                                                                "window") "]}\n"
#define HEADER HEADER_HEAD LAYERS QUANTITIES
#define PROBE(step, layer, images, elements, values)                                                             \
    "{\"type\":\"probe\",\"step\":" step ",\"layer\":\"" layer "\",\"images\":" images ",\"elements\":" elements \
    ",\"values\":{" values "}}\n"

static ps_run *open_run(void) {
    ps_run *run;
    ps_status status = ps_run_open(path, "arm", &run);
    if (status != PS_OK) fail_msg("%s", ps_status_message());
    return run;
}

static void refuses(const char *text, const char *sentence_part) {
    ps_run *run;
    put(text);
    ps_status status = ps_run_open(path, "arm", &run);
    if (status == PS_OK) fail_msg("was accepted: %s", text);
    assert_int_equal(status, PS_ERR_INPUT);
    assert_null(run);
    if (strstr(ps_status_message(), sentence_part) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", ps_status_message(), sentence_part);
    assert_non_null(strstr(ps_status_message(), path));
}

/* Breaches of the rules between and within records are tested where the validator is (validate_test.c), for both. */
static void wrong_traces_are_refused_by_name_and_line(void **state) {
    (void)state;
    refuses("", "is empty");
    refuses("hello\n", ":1: is no trace header");
    refuses("{\"type\":\"step\",\"step\":0}\n", ":1: is no trace header");
    refuses("{\"format\":\"poolscope-trace\",\"version\":3,\"layers\":[]}\n", "version 3");
    refuses(HEADER_HEAD QUANTITIES, "\"layers\"");
    refuses(HEADER_HEAD "\"layers\":[" LAYER("a", "0", "conv", "0", "") "]," QUANTITIES, "\"channels\"");
    refuses(HEADER_HEAD
            "\"layers\":[" LAYER("a", "0", "conv", "1", "") "," LAYER("a", "1", "conv", "1", "") "]," QUANTITIES,
            "two layers");
    refuses(HEADER "{\"type\":\"step\",\"step\":0\n{\"type\":\"step\",\"step\":1}\n",
            ":2: is not valid JSON from column 24 on: it ends within an object or array");
    refuses("{\"format\":\"poolscope-trace\",\"config\":{\"best\":Infinity}}\n",
            ":1: is not valid JSON from column 46 on: it holds a bare Infinity");
    refuses("\x1f\x8b\x08garbage", "what gzip packed cannot be unpacked");
    refuses("\xff\xfe{", "is UTF-16");
    refuses(HEADER PROBE("0", "c", "1", "4", ""), ":2: layer \"c\"");
    refuses(HEADER "{\"type\":\"probe\",\"step\":0,\"layer\":\"a\"}\n", "no object \"values\"");
    refuses(HEADER PROBE("0", "a", "1", "4", "\"nonzero\":[1]"), "1 values, but the layer has 2 channels");
    refuses(HEADER PROBE("0", "a", "1", "4", "\"nonzero\":\"x\""), "must be an array");
    refuses(HEADER PROBE("0", "a", "1", "4", "\"nonzero\":null"), "must be an array");
    refuses(HEADER PROBE("0", "a", "1", "4", "\"nonzero\":[1,NaN]"), "a bare NaN");
    refuses(HEADER PROBE("0", "a", "1", "4", "\"nonzero\":[1,2],\"extra\":[1]"),
            "\"extra\" is not in the header's list");
    ps_run *run;
    assert_int_equal(ps_run_open("/nowhere/at/all", "arm", &run), PS_ERR_IO);
}

static void foreign_traces_are_read(void **state) {
    (void)state;
    /* A byte order mark; keys in any order, unknown types and keys, quantities nobody asks for, escapes, blanks, no end
     * of line at the end. */
    put("\xEF\xBB\xBF" HEADER
        "{ \"values\" : { \"mystery\" : 7 , \"nonzero\" : [ 0 , 5 ] }, \"layer\" : \"a\", \"extra\":[\"a\\u0041\"], "
        "\"images\":2,\"elements\":8,\"type\":\"probe\", \"step\":0 }\r\n"
        "{\"type\":\"weather\",\"rain\":[true,false,{\"a\":null}]}\n"
        "{\"type\":\"probe\",\"step\":0,\"layer\":\"\\u0062\",\"images\":2,\"elements\":8,\"values\":{\"nonzero\":["
        "null,null,"
        "null],\"in_alive\":null}}\n"
        "{\"type\":\"end\",\"steps\":0,\"status\":\"finished\"}");
    ps_run *run = open_run();
    assert_int_equal(run->probe_count, 1);
    assert_int_equal(run->status, PS_RUN_UNFINISHED); /* it ends before the last planned step */
    assert_int_equal(run->header->seed, 3);
    assert_true(ps_state_dead(ps_run_node_state(run, 0, 0)));
    assert_true(ps_state_alive(ps_run_node_state(run, 0, 1)));
    assert_false(ps_state_known(ps_run_node_state(run, 0, 2)));
    assert_int_equal(run->layers[1].input_count, 1);
    ps_run_close(run);
}

/* What GELU rounds to 0 is no dead node. */
static void activations_nobody_knows_leave_deadness_unknown(void **state) {
    static const char *const names[] = {"gelu", "relu6", "identity"}, *const misspelt[] = {"ReLU", "LeakyReLU",
                                                                                           "Leaky ReLU"};
    char text[4096];
    (void)state;
    for (int i = 0; i < 3; i++) {
        const char *format = HEADER_HEAD
            "\"layers\":[{\"name\":\"a\",\"gate\":\"g\",\"kind\":\"conv\",\"channels\":2,\"position\":0,"
            "\"depth\":0,\"stage\":\"\",\"activation\":\"%s\",\"norm\":null,\"pool_skip\":null,"
            "\"bias\":true,\"fan_in\":9,\"inputs\":[],\"elements\":4}]," QUANTITIES PROBE(
                "0", "a", "1", "4", "\"nonzero\":[0,3],\"nonzero_eval\":[0,0],\"mean_abs\":[0,1]");
        snprintf(text, sizeof text, format, names[i]);
        put(text);
        ps_run *run = open_run();
        for (int node = 0; node < 2; node++) {
            assert_false(ps_state_known(ps_run_node_state(run, 0, node)));
            assert_int_equal(ps_run_node_state(run, 0, node) & PS_STATE_EVAL_KNOWN, 0);
            assert_int_not_equal(ps_run_node_state(run, 0, node) & PS_STATE_DORMANT_KNOWN,
                                 0); /* small outputs are small */
        }
        ps_run_close(run);
        snprintf(text, sizeof text, format, misspelt[i]);
        refuses(text, i == 0 ? "write \"relu\"" : "write \"leaky_relu\"");
    }
}

static void states_follow_the_definitions(void **state) {
    (void)state;
    put(HEADER PROBE("0", "a", "500", "2000", "\"nonzero\":[20,21],\"nonzero_eval\":[0,1],\"mean_abs\":[0.05,1.95]")
            PROBE("0", "b", "500", "2000", "\"nonzero\":[0,\"NaN\",2000],\"mean_abs\":[0,0,0]"));
    ps_run *run = open_run();
    assert_true(ps_state_near(ps_run_node_state(run, 0, 0))); /* 1 - 20 / 2000 = 0.99 */
    assert_true(ps_state_alive(ps_run_node_state(run, 0, 1)));
    assert_int_equal(ps_run_node_state(run, 0, 0) & PS_STATE_EVAL_DEAD, PS_STATE_EVAL_DEAD);
    assert_int_equal(ps_run_node_state(run, 0, 1) & PS_STATE_EVAL_DEAD, 0);
    unsigned dormant = PS_STATE_DORMANT_0 | PS_STATE_DORMANT_025 | PS_STATE_DORMANT_100;
    assert_int_equal(ps_run_node_state(run, 0, 0) & dormant, PS_STATE_DORMANT_100); /* 0.05 over a mean of 1 */
    assert_int_equal(ps_run_node_state(run, 0, 2) & dormant, dormant);              /* a layer silent throughout */
    assert_true(ps_state_dead(ps_run_node_state(run, 0, 2)));
    assert_false(ps_state_known(ps_run_node_state(run, 0, 3)));
    ps_run_close(run);
}

static ps_status count_frame(void *context, const ps_frame *frame) {
    int *counts = context;
    counts[frame->is_window]++;
    return PS_OK;
}

static ps_status count_record(void *context, const ps_trace_record *record) {
    (void)record;
    ((int *)context)[2]++;
    return PS_OK;
}

/* Cut anywhere, a trace is read up to its last whole line, in both passes. */
static void cut_traces_are_read_to_the_last_whole_line(void **state) {
    char *text;
    size_t size;
    (void)state;
    ps_fixture fixture = ps_fixture_default("baseline", 1);
    fixture.windows = 3;
    assert_int_equal(ps_fixture_write(&fixture, path), PS_OK);
    assert_int_equal(ps_file_read(path, &text, &size), PS_OK);
    size_t header = (size_t)(strchr(text, '\n') - text) + 1;
    for (size_t cut = header; cut <= size; cut += 37) {
        int counts[3] = {0}, whole = 0;
        put_bytes(text, cut);
        for (size_t i = 0; i < cut; i++) whole += text[i] == '\n';
        ps_run *run = open_run();
        ps_run_visitor visitor = {counts, count_frame, count_record};
        assert_int_equal(ps_run_stream(run, &visitor), PS_OK);
        assert_int_equal(counts[0], run->probe_count);
        assert_int_equal(counts[1], run->window_count);
        assert_true(run->lines == (uint64_t)whole || (cut == size || text[cut] == '\n'));
        ps_run_close(run);
    }
    free(text);
}

/* Random damage never crashes and never runs away (under the sanitizers this is the point of the test). */
static void damaged_traces_end_in_a_sentence(void **state) {
    char *text, *copy;
    size_t size;
    ps_rng_key key = ps_rng_key_of(4, "damage");
    (void)state;
    ps_fixture fixture = ps_fixture_default("baseline", 1);
    fixture.windows = 2;
    fixture.channels = 3;
    assert_int_equal(ps_fixture_write(&fixture, path), PS_OK);
    assert_int_equal(ps_file_read(path, &text, &size), PS_OK);
    copy = malloc(size);
    for (uint64_t trial = 0; trial < 1500; trial++) {
        int counts[3] = {0};
        ps_run *run;
        memcpy(copy, text, size);
        for (uint64_t hit = 0; hit < 1 + trial % 3; hit++)
            copy[ps_rng_below(key, 8 * trial + 2 * hit, (uint32_t)size)] =
                (char)ps_rng_below(key, 8 * trial + 2 * hit + 1, 128);
        put_bytes(copy, size);
        ps_status_reset();
        ps_status status = ps_run_open(path, "arm", &run);
        ps_run_visitor visitor = {counts, count_frame, count_record};
        if (status == PS_OK) status = ps_run_stream(run, &visitor);
        if (status != PS_OK) assert_true(strlen(ps_status_message()) > 10);
        ps_run_close(run);
    }
    free(copy);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_round_as_strtod),
        cmocka_unit_test(values_json_has_no_numbers_for),
        cmocka_unit_test(arrays_agree_with_cjson),
        cmocka_unit_test(arrays_agree_with_single_numbers),
        cmocka_unit_test(long_arrays_are_checked_to_their_end),
        cmocka_unit_test(counted_arrays_are_arrays),
        cmocka_unit_test(skipping_agrees_with_cjson),
        cmocka_unit_test_setup_teardown(wrong_traces_are_refused_by_name_and_line, setup, teardown),
        cmocka_unit_test_setup_teardown(foreign_traces_are_read, setup, teardown),
        cmocka_unit_test_setup_teardown(activations_nobody_knows_leave_deadness_unknown, setup, teardown),
        cmocka_unit_test_setup_teardown(states_follow_the_definitions, setup, teardown),
        cmocka_unit_test_setup_teardown(cut_traces_are_read_to_the_last_whole_line, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_traces_end_in_a_sentence, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
