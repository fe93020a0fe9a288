/* Golden checks catch planted changes and name them: each test changes one thing in a copy of a trace. */
#include <float.h>
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

#include "analysis/check/check.h"
#include "analysis/check/golden.h"
#include "analysis/check/calibrate.h"
#include "analysis/check/tolerance.h"
#include "core/file.h"
#include "core/memory.h"
#include "tests/lib/trace_fixture.h"

enum { MOST_LINES = 512 };

static char golden[64], changed[64], spare[64], other[64];
static FILE *notes;
static char *notes_text;
static size_t notes_size;
static char *lines[MOST_LINES];
static int line_count;
static ps_check_report report;

static void make_path(char *path) {
    snprintf(path, 64, "/tmp/ps_check_XXXXXX");
    int file = mkstemp(path);
    assert_true(file >= 0);
    close(file);
}

static void read_lines(const char *path) {
    char *content, *rest, *line;
    size_t size;
    assert_int_equal(ps_file_read(path, &content, &size), PS_OK);
    rest = content;
    line_count = 0;
    while ((line = strsep(&rest, "\n")) != NULL)
        if (line[0] != '\0') lines[line_count++] = strdup(line);
    free(content);
}

static int setup(void **state) {
    (void)state;
    ps_fixture fixture = ps_fixture_default("base", 1);
    make_path(golden);
    make_path(changed);
    make_path(spare);
    make_path(other);
    notes = open_memstream(&notes_text, &notes_size);
    if (ps_fixture_write(&fixture, golden) != PS_OK) return 1;
    read_lines(golden);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    for (int i = 0; i < line_count; i++) free(lines[i]);
    ps_check_report_clear(&report);
    fclose(notes);
    free(notes_text);
    return unlink(golden) + unlink(changed) + unlink(spare) + unlink(other);
}

static void write_lines(void) {
    FILE *stream = fopen(changed, "w");
    assert_non_null(stream);
    for (int i = 0; i < line_count; i++)
        if (lines[i] != NULL) fprintf(stream, "%s\n", lines[i]);
    fclose(stream);
}

static int line_with(const char *begin, const char *part) {
    for (int i = 0; i < line_count; i++)
        if (strncmp(lines[i], begin, strlen(begin)) == 0 && strstr(lines[i], part) != NULL) return i;
    fail_msg("no line with %s and %s", begin, part);
    return -1;
}

/* Replaces one value of an array (or, channel < 0, a single value) by a text. Returns what it was. */
static double plant(int line, const char *key, int channel, const char *text) {
    char name[64], *grown = malloc(strlen(lines[line]) + 64);
    snprintf(name, sizeof name, "\"%s\":", key);
    char *value = strstr(lines[line], name);
    assert_non_null(value);
    value += strlen(name) + (channel >= 0);
    for (int c = 0; c < channel; c++) value = strchr(value, ',') + 1;
    size_t length = strcspn(value, ",]}");
    double before = strtod(value, NULL);
    sprintf(grown, "%.*s%s%s", (int)(value - lines[line]), lines[line], text, value + length);
    free(lines[line]);
    lines[line] = grown;
    return before;
}

static void drop(int line) {
    free(lines[line]);
    memmove(&lines[line], &lines[line + 1], (size_t)(--line_count - line) * sizeof *lines);
}

static void swap(int a, int b) {
    char *kept = lines[a];
    lines[a] = lines[b];
    lines[b] = kept;
}

static const ps_check_suite *compare_with(const ps_tolerances *tolerances, long long first_steps) {
    ps_check_suite *suite;
    ps_check_report_clear(&report);
    assert_int_equal(ps_check_report_add_suite(&report, changed, golden, &suite), PS_OK);
    if (ps_golden_compare(changed, golden, tolerances, first_steps, suite) != PS_OK)
        fail_msg("%s", ps_status_message());
    return &report.suites[0];
}

static const ps_check_suite *compare(void) {
    write_lines();
    return compare_with(NULL, 0);
}

static const ps_check_finding *finding_of(const ps_check_suite *suite, ps_check_finding_kind kind) {
    for (size_t i = 0; i < suite->finding_count; i++)
        if (suite->findings[i].kind == kind) return &suite->findings[i];
    fail_msg("nothing of kind %s among %zu findings", ps_check_finding_id(kind), suite->finding_count);
    return NULL;
}

static size_t count_of(const ps_check_suite *suite, ps_check_finding_kind kind) {
    size_t count = 0;
    for (size_t i = 0; i < suite->finding_count; i++)
        count += suite->findings[i].kind == kind ? suite->findings[i].count : 0;
    return count;
}

static const char *detail_of(const ps_check_suite *suite, const char *name) {
    for (size_t i = 0; i < suite->result_count; i++)
        if (strcmp(suite->results[i].name, name) == 0) return suite->results[i].detail ? suite->results[i].detail : "";
    fail_msg("no result %s", name);
    return "";
}

/* ---- tests ---- */

static void the_same_trace_passes_and_clocks_do_not_count(void **state) {
    (void)state;
    plant(line_with("{\"type\":\"timing\"", ""), "record_ns", -1, "77");
    const ps_check_suite *suite = compare();
    assert_int_equal(suite->findings_total, 0);
    assert_non_null(
        strstr(detail_of(suite, "golden coverage"), "80 of 80 steps (100 %), 8 of 8 windows, 9 of 9 probings"));
}

static void one_flipped_node_is_named(void **state) {
    (void)state;
    int line = line_with("{\"type\":\"probe\",\"step\":40", "\"conv1\"");
    double before = plant(line, "nonzero", 3, "0");
    if (before == 0) plant(line, "nonzero", 3, "3000");
    const ps_check_suite *suite = compare();
    const ps_check_finding *f = finding_of(suite, PS_CHECK_FINDING_VALUE);
    assert_int_equal(count_of(suite, PS_CHECK_FINDING_VALUE), 1);
    assert_string_equal(f->node, "conv1:3");
    assert_string_equal(f->quantity, "probe.nonzero");
    assert_true(f->step == 40 && f->line == (uint64_t)line + 1);
    assert_true(strtod(f->expected, NULL) == before && f->absolute_error > 0 && f->relative_error == 1);
    assert_non_null(
        strstr(detail_of(suite, "golden coverage"), "80 of 80 steps (100 %), 8 of 8 windows, 8 of 9 probings"));
    assert_int_equal(count_of(suite, PS_CHECK_FINDING_PARTIAL), 1);
}

static void a_gradient_off_by_a_thousandth_is_named(void **state) {
    (void)state;
    int line = line_with("{\"type\":\"window\",\"window\":2", "\"conv2\""), channel = 0;
    char text[32];
    double before = plant(line, "grad_norm_rms", channel, "1");
    while (before == 0) {
        plant(line, "grad_norm_rms", channel, "0");
        before = plant(line, "grad_norm_rms", ++channel, "1");
    }
    snprintf(text, sizeof text, "%.12g", before * 1.001);
    plant(line, "grad_norm_rms", channel, text);
    const ps_check_finding *f = finding_of(compare(), PS_CHECK_FINDING_VALUE);
    assert_string_equal(f->quantity, "window.grad_norm_rms");
    assert_true(f->window == 2 && f->step == 29);
    assert_true(fabs(f->relative_error - 1e-3 / 1.001) < 1e-9);
    assert_true(fabs(f->absolute_error - before * 1e-3) < 1e-9);
    char *sentence = ps_check_finding_text(f);
    assert_non_null(strstr(sentence, "window 2, step 29, window.grad_norm_rms: expected "));
    free(sentence);

    ps_tolerances loose = {0};
    ps_tolerance *entry;
    assert_int_equal(ps_tolerances_at(&loose, "window.grad_norm_rms", &entry), PS_OK);
    entry->absolute = before * 2e-3;
    entry->relative = 2e-3;
    assert_int_equal(compare_with(&loose, 0)->findings_total, 0);
    loose.entries[0].relative = 5e-4; /* both errors must be within */
    assert_int_equal(count_of(compare_with(&loose, 0), PS_CHECK_FINDING_VALUE), 1);
    ps_tolerances_clear(&loose);
}

static void a_missing_probing_is_named(void **state) {
    (void)state;
    for (int l = 0; l < 3; l++) drop(line_with("{\"type\":\"probe\",\"step\":40", ""));
    const ps_check_suite *suite = compare();
    assert_int_equal(count_of(suite, PS_CHECK_FINDING_MISSING_RECORD), 3);
    assert_int_equal(count_of(suite, PS_CHECK_FINDING_REORDERED_RECORD), 0);
    assert_string_equal(finding_of(suite, PS_CHECK_FINDING_MISSING_RECORD)->record, "probe 40 conv0");
    assert_non_null(strstr(finding_of(suite, PS_CHECK_FINDING_PARTIAL)->message, "8 of 9 probings"));
}

static void an_extra_record_is_named(void **state) {
    (void)state;
    free(lines[line_with("{\"type\":\"timing\"", "")]);
    lines[line_with("{\"type\":\"probe\",\"step\":10", "") + 3] =
        strdup("{\"type\":\"event\",\"step\":10,\"event\":\"nonfinite\",\"what\":\"loss\",\"layer\":\"\"}");
    const ps_check_suite *suite = compare();
    assert_int_equal(suite->findings_total, 1);
    assert_string_equal(finding_of(suite, PS_CHECK_FINDING_EXTRA_RECORD)->record, "event 10 nonfinite");
}

static void insert(int line, const char *text) {
    assert_true(line_count < MOST_LINES);
    memmove(&lines[line + 1], &lines[line], (size_t)(line_count++ - line) * sizeof *lines);
    lines[line] = strdup(text);
}

static void a_repeated_record_is_extra(void **state) {
    (void)state;
    int eval = line_with("{\"type\":\"eval\"", "");
    insert(eval, lines[eval]);
    assert_string_equal(finding_of(compare(), PS_CHECK_FINDING_EXTRA_RECORD)->record, "eval 80 test #2");
}

static void reordered_records_are_told_from_missing_ones(void **state) {
    (void)state;
    swap(line_with("{\"type\":\"eval\"", ""), line_with("{\"type\":\"probe\",\"step\":80", "\"conv2\""));
    const ps_check_suite *suite = compare();
    assert_int_equal(count_of(suite, PS_CHECK_FINDING_REORDERED_RECORD), 1);
    assert_int_equal(suite->findings_total, 1);
    assert_non_null(strstr(finding_of(suite, PS_CHECK_FINDING_REORDERED_RECORD)->message, "stands behind"));
}

/* What no trace may be is no matter of a golden one: it is refused, with the line. */
static void a_trace_that_breaks_the_format_is_refused(void **state) {
    ps_check_suite *suite;
    char where[160];
    (void)state;
    int step = line_with("{\"type\":\"step\",\"step\":12,", "");
    insert(step, lines[step]);
    write_lines();
    ps_check_report_clear(&report);
    assert_int_equal(ps_check_report_add_suite(&report, changed, golden, &suite), PS_OK);
    assert_int_equal(ps_golden_compare(changed, golden, NULL, 0, suite), PS_ERR_INPUT);
    snprintf(where, sizeof where, "%s:%d: step 12 follows where step 13 or a later one is due", changed, step + 2);
    assert_string_equal(ps_status_message(), where);
    assert_int_equal(ps_golden_compare(golden, changed, NULL, 0, suite), PS_ERR_INPUT);
}

/* One finding for all values of a layer and quantity: the first, the worst, and how many. */
static void failures_are_told_by_layer_and_quantity(void **state) {
    (void)state;
    static const struct {
        const char *window, *layer, *value;
        int channel;
    } changes[] = {{"1", "\"conv1\"", "11", 2},
                   {"4", "\"conv1\"", "1e6", 5},
                   {"5", "\"conv1\"", "12", 1},
                   {"3", "\"conv2\"", "13", 0}};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char begin[64];
        snprintf(begin, sizeof begin, "{\"type\":\"window\",\"window\":%s,", changes[i].window);
        plant(line_with(begin, changes[i].layer), "path", changes[i].channel, changes[i].value);
    }
    const ps_check_suite *suite = compare();
    assert_int_equal(count_of(suite, PS_CHECK_FINDING_VALUE), 4);
    assert_int_equal(suite->findings_total, 5); /* with that only a part matched */
    assert_int_equal(suite->finding_count, 3);
    const ps_check_finding *f = finding_of(suite, PS_CHECK_FINDING_VALUE);
    assert_string_equal(f->layer, "conv1");
    assert_string_equal(f->node, "conv1:2");
    assert_int_equal(f->count, 3);
    assert_true(f->window == 1 && f->worst != NULL && f->worst->window == 4);
    assert_string_equal(f->worst->node, "conv1:5");
    char *sentence = ps_check_finding_text(f);
    assert_non_null(strstr(sentence, "conv1:2, window 1, step 19, window.path: expected "));
    assert_non_null(strstr(sentence, "; the first of 3 such in layer conv1, the worst conv1:5, window 4, "));
    free(sentence);
}

/* Every format tells at most so many findings, and counts the rest. */
static void what_is_left_out_is_counted(void **state) {
    static const struct {
        const char *format, *words;
    } cases[] = {{"json", "\"findings_left_out\":81"}, {"junit", "and 80 more\n"}, {"sarif", "and 81 more failures"}};
    (void)state;
    for (int t = 0; t < 80; t++) {
        char begin[64];
        snprintf(begin, sizeof begin, "{\"type\":\"step\",\"step\":%d,", t);
        plant(line_with(begin, ""), "loss", -1, "7");
        plant(line_with(begin, ""), "lr", -1, "7");
    }
    const ps_check_suite *suite = compare();
    assert_int_equal(suite->findings_total, 161); /* losses, rates, and that only a part matched */
    assert_int_equal(ps_check_suite_tell(&report.suites[0]), PS_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ps_check_suite_tell(&report.suites[0]), PS_OK);
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);
        ps_check_writer_find(cases[i].format)(stream, &report, 1);
        fclose(stream);
        if (strstr(text, cases[i].words) == NULL)
            fail_msg("%s: no \"%s\" in\n%s", cases[i].format, cases[i].words, text);
        free(text);
    }
}

static void nan_never_equals_a_number(void **state) {
    (void)state;
    int line = line_with("{\"type\":\"step\",\"step\":7,", "");
    plant(line, "loss", -1, "\"NaN\"");
    const ps_check_finding *f = finding_of(compare(), PS_CHECK_FINDING_NAN);
    assert_true(f->step == 7 && isnan(f->absolute_error));
    assert_string_equal(f->found, "NaN");

    ps_tolerances boundless = {0};
    ps_tolerance *entry;
    assert_int_equal(ps_tolerances_at(&boundless, "step.loss", &entry), PS_OK);
    entry->absolute = entry->relative = HUGE_VAL;
    assert_int_equal(count_of(compare_with(&boundless, 0), PS_CHECK_FINDING_NAN), 1);
    ps_tolerances_clear(&boundless);

    uint64_t records;
    assert_int_equal(ps_golden_bless(changed, golden, &records), PS_OK);
    const ps_check_suite *suite = compare();
    assert_int_equal(suite->findings_total, 0);
    assert_non_null(strstr(detail_of(suite, "golden step.loss"), "1 of them NaN in both"));
    plant(line, "loss", -1, "\"Infinity\"");
    assert_int_equal(count_of(compare(), PS_CHECK_FINDING_NAN), 1);
    plant(line, "loss", -1, "null");
    assert_int_equal(count_of(compare(), PS_CHECK_FINDING_NAN), 1);
}

static void replace_everywhere(const char *from, const char *to) {
    for (int i = 0; i < line_count; i++)
        for (char *at; (at = strstr(lines[i], from)) != NULL;) {
            char *grown = malloc(strlen(lines[i]) + strlen(to) + 1);
            sprintf(grown, "%.*s%s%s", (int)(at - lines[i]), lines[i], to, at + strlen(from));
            free(lines[i]);
            lines[i] = grown;
        }
}

static void a_renamed_layer_is_one_finding(void **state) {
    (void)state;
    replace_everywhere("\"conv1\"", "\"block.conv\"");
    const ps_check_suite *suite = compare();
    assert_int_equal(suite->findings_total, 1);
    assert_string_equal(finding_of(suite, PS_CHECK_FINDING_RENAMED_LAYER)->message,
                        "layer \"conv1\" is called \"block.conv\" now");
    plant(line_with("{\"type\":\"probe\",\"step\":40", "block.conv"), "rms", 2, "1e9");
    assert_string_equal(finding_of(compare(), PS_CHECK_FINDING_VALUE)->node,
                        "conv1:2"); /* its values are still compared */
}

static void a_truncated_trace_says_how_much_matched(void **state) {
    (void)state;
    int keep = line_with("{\"type\":\"step\",\"step\":40,", "");
    while (line_count > keep) free(lines[--line_count]);
    const ps_check_suite *suite = compare();
    assert_non_null(strstr(finding_of(suite, PS_CHECK_FINDING_PARTIAL)->message,
                           "40 of 80 steps (50 %), 4 of 8 windows, 5 of 9 probings"));
    assert_true(count_of(suite, PS_CHECK_FINDING_MISSING_RECORD) >= 40 + 4 * 3 + 4 * 3);
    assert_int_equal(count_of(suite, PS_CHECK_FINDING_REORDERED_RECORD), 0);
    assert_int_equal(compare_with(NULL, 40)->findings_total, 0); /* the first 40 steps are all there */
    assert_true(compare_with(NULL, 41)->findings_total > 0);
}

static void a_trace_cut_within_a_line_says_so(void **state) {
    (void)state;
    write_lines();
    FILE *stream = fopen(changed, "a");
    fputs("{\"type\":\"st", stream);
    fclose(stream);
    assert_non_null(strstr(finding_of(compare_with(NULL, 0), PS_CHECK_FINDING_PARTIAL)->message, "ends within a line"));
}

static void missing_and_extra_quantities_are_told_apart(void **state) {
    (void)state;
    int line = line_with("{\"type\":\"probe\",\"step\":40", "\"conv1\"");
    char *name = strstr(lines[line], "\"rms\"");
    memcpy(name, "\"rmz\"", 5);
    replace_everywhere("\"quantities\":[{\"name\":\"nonzero\"",
                       "\"quantities\":[{\"name\":\"rmz\",\"unit\":\"1\",\"per\":\"node\",\"record\":\"probe\","
                       "\"description\":\"\"},{\"name\":\"nonzero\"");
    const ps_check_suite *suite = compare();
    assert_string_equal(finding_of(suite, PS_CHECK_FINDING_MISSING_VALUE)->quantity, "probe.rms");
    assert_string_equal(finding_of(suite, PS_CHECK_FINDING_EXTRA_VALUE)->quantity, "probe.rmz");
}

static void another_configuration_is_named(void **state) {
    (void)state;
    replace_everywhere("\"config\":{\"lr\":0.1}", "\"config\":{\"lr\":0.2}");
    const ps_check_finding *f = finding_of(compare(), PS_CHECK_FINDING_HEADER);
    assert_string_equal(f->quantity, "config.lr");
    assert_string_equal(f->expected, "0.1");
    assert_string_equal(f->found, "0.2");
}

static void reordered_arms_are_one_finding_each(void **state) {
    (void)state;
    ps_fixture fixture = ps_fixture_default("ps2", 1);
    fixture.death = 0.3;
    assert_int_equal(ps_fixture_write(&fixture, spare), PS_OK);
    const char *traces[] = {spare, golden}, *goldens[] = {golden, spare};
    ps_check_request request = {.traces = traces, .trace_count = 2, .goldens = goldens, .golden_count = 2};
    assert_int_equal(ps_check_run(&request, &report), PS_OK);
    assert_int_equal(report.count, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(report.suites[i].findings_total, 1);
        assert_non_null(
            strstr(finding_of(&report.suites[i], PS_CHECK_FINDING_REORDERED_ARM)->message, "by arm and seed"));
    }
    ps_check_report_clear(&report);
    request.traces = goldens;
    assert_int_equal(ps_check_run(&request, &report), PS_OK);
    assert_int_equal(ps_check_report_failures(&report), 0);
}

static void calibration_covers_its_own_runs_and_no_more(void **state) {
    (void)state;
    const char *runs[] = {golden, changed};
    ps_tolerances tolerances;
    int line = line_with("{\"type\":\"step\",\"step\":7,", "");
    char text[32];
    double before = plant(line, "loss", -1, "0");
    snprintf(text, sizeof text, "%.17g", before * (1 + 1e-4));
    plant(line, "loss", -1, text);
    write_lines();
    assert_int_equal(ps_tolerances_calibrate(runs, 2, 20, 1.5, spare, notes), PS_OK);
    if (ps_tolerances_read(spare, &tolerances) != PS_OK) fail_msg("%s", ps_status_message());
    const ps_tolerance *loss = ps_tolerances_find(&tolerances, "step.loss"),
                       *rms = ps_tolerances_find(&tolerances, "probe.rms");
    assert_true(fabs(loss->absolute / (1.5e-4 * before) - 1) < 1e-6 && fabs(loss->relative / 1.5e-4 - 1) < 1e-3);
    assert_true(rms->relative == 1.5 * FLT_EPSILON && tolerances.first_steps == 20); /* never differed: one rounding */
    assert_int_equal(compare_with(&tolerances, 20)->findings_total, 0);
    snprintf(text, sizeof text, "%.17g", before * (1 + 1.6e-4));
    plant(line, "loss", -1, text);
    write_lines();
    assert_int_equal(count_of(compare_with(&tolerances, 20), PS_CHECK_FINDING_VALUE), 1);
    plant(line, "loss", -1, "\"NaN\"");
    write_lines();
    assert_int_equal(ps_tolerances_calibrate(runs, 2, 20, 1.5, spare, notes), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "one side only"));
    ps_tolerances_clear(&tolerances);
}

static void dead_or_alive_is_no_matter_of_tolerance(void **state) {
    (void)state;
    static const char *const names[] = {"nonzero", "nonzero_eval", "nonzero_half", "nonzero_quarter", "images_active"};
    int line = line_with("{\"type\":\"probe\",\"step\":40", "\"conv1\"");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ps_tolerances boundless = {0};
        ps_tolerance *entry;
        char quantity[32], kept[32];
        snprintf(quantity, sizeof quantity, "probe.%s", names[i]);
        assert_int_equal(ps_tolerances_at(&boundless, quantity, &entry), PS_OK);
        entry->absolute = entry->relative = HUGE_VAL;
        int channel = 0;
        double before = plant(line, names[i], channel, "1");
        for (; before == 0; before = plant(line, names[i], ++channel, "1")) plant(line, names[i], channel, "0");
        write_lines();
        assert_int_equal(compare_with(&boundless, 0)->findings_total, 0); /* alive in both: a matter of tolerance */
        plant(line, names[i], channel, "0");
        write_lines();
        const ps_check_finding *f = finding_of(compare_with(&boundless, 0), PS_CHECK_FINDING_VALUE);
        assert_string_equal(f->message, "dead in one trace only");
        assert_string_equal(f->quantity, quantity);
        snprintf(kept, sizeof kept, "%.0f", before);
        plant(line, names[i], channel, kept);
        ps_tolerances_clear(&boundless);
    }
}

/* Where both traces hold the bounds: with a tolerance it passes and is counted, without one it is a value that differs,
 * but in no case another state. Of a node that the bounds call dead or alive in both, it is. */
static void a_node_on_the_edge_is_no_other_state(void **state) {
    (void)state;
    ps_fixture fixture = ps_fixture_default("base", 1);
    fixture.edge_known = true;
    assert_int_equal(ps_fixture_write(&fixture, golden), PS_OK);
    for (int i = 0; i < line_count; i++) free(lines[i]);
    read_lines(golden);
    int line = line_with("{\"type\":\"probe\",\"step\":40", "\"conv1\""), channel = 0;
    ps_tolerances wide = {0};
    ps_tolerance *entry;
    static const char *const quantities[] = {"probe.nonzero", "probe.pre_max_low", "probe.pre_max_high"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ps_tolerances_at(&wide, quantities[i], &entry), PS_OK);
        entry->absolute = entry->relative = HUGE_VAL;
    }
    while (plant(line, "nonzero", channel, "0") == 0) plant(line, "nonzero", channel++, "0");
    write_lines(); /* alive by the bounds of both */
    assert_string_equal(finding_of(compare_with(&wide, 0), PS_CHECK_FINDING_VALUE)->message, "dead in one trace only");
    plant(line, "pre_max_low", channel, "-1e-7");
    plant(line, "pre_max_high", channel, "1e-7");
    write_lines();
    const ps_check_suite *suite = compare_with(&wide, 0);
    assert_int_equal(suite->findings_total, 0);
    assert_non_null(strstr(detail_of(suite, "golden probe.nonzero"), "1 of them 0 in one trace only"));
    suite = compare_with(NULL, 0);
    bool told = false;
    for (size_t i = 0; i < suite->finding_count; i++) {
        const char *message = suite->findings[i].message;
        assert_true(message == NULL || strstr(message, "dead in one") == NULL);
        told = told || (message != NULL && strstr(message, "on the edge") != NULL);
    }
    assert_true(told);
    ps_tolerances_clear(&wide);
}

static void calibration_counts_flips_and_warns(void **state) {
    (void)state;
    const char *runs[] = {golden, changed};
    int line = line_with("{\"type\":\"probe\",\"step\":10", "\"conv1\""), channel = 0;
    while (plant(line, "nonzero", channel, "0") == 0) channel++;
    write_lines();
    assert_int_equal(ps_tolerances_calibrate(runs, 2, 20, 1.5, spare, notes), PS_OK);
    fflush(notes);
    assert_non_null(strstr(notes_text, "probe.nonzero: 1 times a node was dead in one run"));
    assert_non_null(strstr(notes_text, "relative tolerance of 1 or more lets a value vanish"));
    const char *same[] = {golden, golden};
    assert_int_equal(ps_tolerances_calibrate(same, 2, 20, 1.5, spare, notes), PS_OK);
    fflush(notes);
    assert_non_null(strstr(notes_text, "do not differ anywhere"));
    ps_tolerances tolerances;
    assert_int_equal(ps_tolerances_read(spare, &tolerances), PS_OK);
    for (size_t i = 0; i < tolerances.count; i++)
        assert_true(tolerances.entries[i].absolute == 0 && tolerances.entries[i].relative == 0);
    ps_tolerances_clear(&tolerances);
}

static double loss_tolerance(const char *const *runs, int count) {
    ps_tolerances tolerances;
    if (ps_tolerances_calibrate(runs, count, 20, 1, spare, notes) != PS_OK) fail_msg("%s", ps_status_message());
    assert_int_equal(ps_tolerances_read(spare, &tolerances), PS_OK);
    double relative = ps_tolerances_find(&tolerances, "step.loss")->relative;
    ps_tolerances_clear(&tolerances);
    return relative;
}

/* Two seeds with two runs each: the deviation within seed 2 counts, that between the seeds does not. */
static void calibration_pools_groups_of_one_seed(void **state) {
    (void)state;
    ps_fixture fixture = ps_fixture_default("base", 2);
    char text[32];
    assert_int_equal(ps_fixture_write(&fixture, other), PS_OK);
    for (int i = 0; i < line_count; i++) free(lines[i]);
    read_lines(other);
    int line = line_with("{\"type\":\"step\",\"step\":7,", "");
    double loss = 1.5 * plant(line, "loss", -1, "0");
    snprintf(text, sizeof text, "%.17g", loss);
    plant(line, "loss", -1, text);
    write_lines();
    assert_int_equal(rename(changed, other), 0);
    snprintf(text, sizeof text, "%.17g", loss * (1 + 1e-3));
    plant(line, "loss", -1, text);
    write_lines();
    const char *runs[] = {golden, other, golden, changed}, *seeds[] = {golden, other},
               *alone[] = {golden, golden, other};
    double pooled = loss_tolerance(runs, 4);
    assert_true(fabs(pooled / 1e-3 - 1) < 2e-3);
    char *content;
    assert_int_equal(ps_file_read(spare, &content, NULL), PS_OK);
    assert_non_null(strstr(content, "with the first of its arm and seed"));
    char expected[160];
    snprintf(expected, sizeof expected, "\"seed\":2,\"compared_with\":\"%s\"", other);
    assert_non_null(strstr(content, expected));
    free(content);
    assert_true(fabs(loss_tolerance(seeds, 2) - 1.0 / 3) < 1e-6); /* the spread over seeds */
    assert_int_equal(ps_tolerances_calibrate(alone, 3, 20, 1, spare, notes), PS_ERR_USAGE);
    assert_non_null(strstr(ps_status_message(), "only run of seed 2"));
}

static void an_unfinished_run_is_not_blessed(void **state) {
    (void)state;
    uint64_t records;
    drop(line_with("{\"type\":\"end\"", ""));
    write_lines();
    assert_int_equal(ps_golden_bless(changed, spare, &records), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "no end record"));
    FILE *stream = fopen(changed, "a");
    fputs("{\"type\":\"end\",", stream);
    fclose(stream);
    assert_int_equal(ps_golden_bless(changed, spare, &records), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "ends within a line"));
}

/* Nothing is recorded beyond step 39, and what is there holds. */
static void rules_on_a_trace_without_end_do_not_pass(void **state) {
    (void)state;
    int keep = line_with("{\"type\":\"step\",\"step\":40,", "");
    while (line_count > keep) free(lines[--line_count]);
    write_lines();
    const char *traces[] = {changed}, *rules[] = {"steps == 40"};
    ps_check_request request = {.traces = traces, .trace_count = 1, .expectations = rules, .expectation_count = 1};
    assert_int_equal(ps_check_run(&request, &report), PS_OK);
    assert_int_equal(ps_check_report_failures(&report), 1);
    assert_string_equal(finding_of(&report.suites[0], PS_CHECK_FINDING_UNFINISHED)->message,
                        "the trace has none: 40 of 80 steps are there");
    ps_check_report_clear(&report);
    request.unfinished = true;
    assert_int_equal(ps_check_run(&request, &report), PS_OK);
    assert_int_equal(ps_check_report_failures(&report), 0);
    assert_non_null(strstr(detail_of(&report.suites[0], "end record"), "40 of 80"));
}

static void too_few_golden_steps_are_an_error(void **state) {
    (void)state;
    ps_check_suite *suite;
    write_lines();
    assert_int_equal(ps_check_report_add_suite(&report, changed, golden, &suite), PS_OK);
    assert_int_equal(ps_golden_compare(changed, golden, NULL, 81, suite), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "has 80 steps"));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_same_trace_passes_and_clocks_do_not_count),
        TEST(one_flipped_node_is_named),
        TEST(a_gradient_off_by_a_thousandth_is_named),
        TEST(a_missing_probing_is_named),
        TEST(an_extra_record_is_named),
        TEST(a_repeated_record_is_extra),
        TEST(reordered_records_are_told_from_missing_ones),
        TEST(failures_are_told_by_layer_and_quantity),
        TEST(what_is_left_out_is_counted),
        TEST(nan_never_equals_a_number),
        TEST(a_renamed_layer_is_one_finding),
        TEST(a_truncated_trace_says_how_much_matched),
        TEST(a_trace_cut_within_a_line_says_so),
        TEST(missing_and_extra_quantities_are_told_apart),
        TEST(a_trace_that_breaks_the_format_is_refused),
        TEST(another_configuration_is_named),
        TEST(reordered_arms_are_one_finding_each),
        TEST(calibration_covers_its_own_runs_and_no_more),
        TEST(dead_or_alive_is_no_matter_of_tolerance),
        TEST(a_node_on_the_edge_is_no_other_state),
        TEST(calibration_counts_flips_and_warns),
        TEST(calibration_pools_groups_of_one_seed),
        TEST(an_unfinished_run_is_not_blessed),
        TEST(rules_on_a_trace_without_end_do_not_pass),
        TEST(too_few_golden_steps_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
