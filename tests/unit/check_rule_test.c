/* Rules: what parses, what is refused and where the caret stands, and what they say about a trace of known content. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "analysis/check/rule.h"
#include "core/rng.h"

static char path[64];

/* Two layers, three windows of 10 steps, probings at 0, 10, 20, 30; the truth is written out here. */
#define QUANTITY(name, per, record) \
    "{\"name\":\"" name "\",\"unit\":\"1\",\"per\":\"" per "\",\"record\":\"" record "\",\"description\":\"\"}"
#define LAYER(name, position, stage)                                                                            \
    "{\"name\":\"" name "\",\"gate\":\"relu_" name "\",\"kind\":\"conv\",\"channels\":2,\"position\":" position \
    ",\"depth\":0,\"stage\":\"" stage                                                                           \
    "\",\"activation\":\"relu\",\"norm\":null,\"pool_skip\":null,\"bias\":true,"                                \
    "\"fan_in\":9,\"inputs\":[],\"elements\":10}"
static const char header[] =
    "{\"type\":\"header\",\"format\":\"poolscope-trace\",\"version\":1,\"producer\":\"t\",\"arm\":\"\",\"seed\":1,"
    "\"config\":{},\"pairing\":{},"
    "\"data\":{},\"machine\":{},\"model\":{\"name\":\"m\"},\"window\":10,\"steps\":30,\"quantities\":["
    QUANTITY("nonzero", "node", "probe") "," QUANTITY("foreign", "node", "probe") ","
    QUANTITY("depth_of", "layer", "probe") "," QUANTITY("gamma", "node", "probe") ","
    QUANTITY("grad_norm_rms", "node", "window") "," QUANTITY("path_gradient", "node", "window") ","
    QUANTITY("weight_start_l2", "node", "window") "],"
    "\"layers\":[" LAYER("conv1", "0", "s1") "," LAYER("conv2.x", "1", "s2") "]}\n";

static void write_probe(FILE *out, int step, int a, int b, int c, int d) {
    fprintf(out,
            "{\"type\":\"probe\",\"step\":%d,\"layer\":\"conv1\",\"images\":10,\"elements\":100,\"values\":{"
            "\"nonzero\":[%d,"
            "%d],\"foreign\":[%d,%d]}}\n",
            step, a, b, step, step + 1);
    fprintf(out,
            "{\"type\":\"probe\",\"step\":%d,\"layer\":\"conv2.x\",\"images\":10,\"elements\":100,\"values\":{"
            "\"nonzero\":[%"
            "d,%d],\"depth_of\":%d,\"gamma\":[null,null]}}\n",
            step, c, d, step);
}

static void write_window(FILE *out, int window) {
    static const char *const norms[] = {"1,2", "3,\"NaN\"", "5,6"};
    for (int t = 10 * window; t < 10 * window + 10; t++)
        fprintf(out, "{\"type\":\"step\",\"step\":%d,\"loss\":%d,\"lr\":0.1}\n", t, 100 - t);
    fprintf(out,
            "{\"type\":\"window\",\"window\":%d,\"first\":%d,\"last\":%d,\"layer\":\"conv1\",\"values\":{\"grad_norm_"
            "rms\":["
            "%s],",
            window, 10 * window, 10 * window + 9, norms[window]);
    fprintf(out, "\"path_gradient\":[0.5,0.0001],\"weight_start_l2\":[1,1]}}\n");
}

static int setup(void **state) {
    (void)state;
    snprintf(path, sizeof path, "/tmp/ps_rule_XXXXXX");
    int file = mkstemp(path);
    FILE *out = fdopen(file, "w");
    if (out == NULL) return 1;
    fputs(header, out);
    write_probe(out, 0, 50, 50, 50, 50);
    write_window(out, 0);
    write_probe(out, 10, 0, 50, 0, 50); /* two deaths */
    write_window(out, 1);
    write_probe(out, 20, 40, 50, 0, 50); /* one revival */
    fputs("{\"type\":\"eval\",\"step\":20,\"split\":\"test\",\"loss\":2,\"accuracy\":0.4,\"count\":9}\n", out);
    write_window(out, 2);
    write_probe(out, 30, 40, 50, 0, 0); /* one death */
    fputs("{\"type\":\"eval\",\"step\":30,\"split\":\"test\",\"loss\":1,\"accuracy\":0.6,\"count\":9}\n", out);
    fputs("{\"type\":\"end\",\"steps\":30,\"status\":\"finished\"}\n", out);
    return fclose(out);
}

static int teardown(void **state) {
    (void)state;
    return unlink(path);
}

static ps_rule_outcome evaluate(const char *text) {
    ps_rule *rule;
    ps_run *run;
    ps_rule_outcome outcome;
    if (ps_rule_parse(text, "test", &rule) != PS_OK) fail_msg("%s", ps_status_message());
    if (ps_run_open(path, "", &run) != PS_OK) fail_msg("%s", ps_status_message());
    if (ps_rule_evaluate(rule, run, &outcome) != PS_OK) fail_msg("%s", ps_status_message());
    ps_run_close(run);
    ps_rule_destroy(rule);
    return outcome;
}

static void rules_with_known_answers(void **state) {
    static const char *const hold[] = {
        "dead_share.first == 0",
        "dead_share.final == 0.5",
        "max(dead_share) == 0.5",
        "dead_share[layer=\"conv1\"].final == 0",
        "dead_share[layer=~\"conv2.*\"].final == 1",
        "dead_share[stage=\"s2\", node=~\".*:0\"].final == 1",
        "dead_nodes.final == 2",
        "revivals == 1",
        "revivals[layer=\"conv1\"] == 1",
        "revivals[layer=\"conv2.x\"] == 0",
        "deaths == 3",
        "sum(deaths, last 1 windows) == 1",
        "sum(deaths, windows 0..0) == 2",
        "accuracy == 0.6",
        "accuracy.final > 0.5",
        "first(accuracy) == 0.4",
        "mean(loss) == 85.5",
        "median(loss) == 85.5",
        "mean(loss, last 10 steps) == 75.5",
        "mean(loss, first 10 steps) == 95.5",
        "mean(loss, steps 3..4) == 96.5",
        "count(loss, last 20%) == 6",
        "count(loss, first 20%) == 6",
        "mean(loss, last 1 windows) == 75.5",
        "count(dead_share, last 1 windows) == 1",
        "count(dead_share, first 1 windows) == 2",
        "grad_norm_rms[node=\"conv1:1\"].final == 6",
        "max(grad_norm_rms, last 1 windows) == 6",
        "min(grad_norm_rms, first 1 windows) == 1",
        "max(grad_norm_rms, windows 2..2) == 6",
        "foreign[node=\"conv1:1\"].final == 31",
        "depth_of.final == 30",
        "inert_share.final == 0.5",
        "inertia[node=\"conv1:0\"].final == 0.5",
        "steps == 30",
        "finished == 1",
        "diverged == 0",
        "nodes == 4",
        "nonfinite == 0",
        "1 + 2 * 3 == 7",
        "(1 + 2) * 3 == 9",
        "-2 - 3 == -5",
        "10 / 4 == 2.5",
        "20% == 0.2",
        "1 < 2 and 2 < 3 or 1 > 2",
        "1 > 2 and 1 < 2 or 1 < 2",
        "1e-3 < .5",
        "2 - - 2 == 4",
        "count(accuracy, first 1 windows) == 0 or max(accuracy, first 1 windows) > 1",
        "max(gamma) > 0 or steps == 30",
        "max(grad_norm_rms) > 0 or steps == 30",
        "steps / 0 > 1 or steps == 30",
        "0 / 5 == 0",
        "count(gamma) == 0",
        "count(grad_norm_rms) == 6",
    };
    (void)state;
    for (size_t i = 0; i < sizeof hold / sizeof *hold; i++) {
        ps_rule_outcome outcome = evaluate(hold[i]);
        if (!outcome.held) fail_msg("%s: %s", hold[i], outcome.detail);
    }
}

/* Another program's trace without step and end records: windows tell how far it went. */
/* Ten windows of ten steps, of which nothing is said but that they were. */
static void windows_are_cut_by_their_steps(void **state) {
    (void)state;
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    const char *list = strstr(header, "\"quantities\":["), *rest = strstr(header, "\"layers\":[");
    fprintf(out, "%.*s\"quantities\":[" QUANTITY("foreign", "node", "window") "],%s", (int)(list - header), header,
            rest);
    for (int w = 0; w < 10; w++) {
        for (int t = 10 * w; t < 10 * w + 10; t++) fprintf(out, "{\"type\":\"step\",\"step\":%d}\n", t);
        fprintf(
            out,
            "{\"type\":\"window\",\"window\":%d,\"first\":%d,\"last\":%d,\"layer\":\"conv1\",\"values\":{\"foreign\":[%"
            "d,%d]}}\n",
            w, 10 * w, 10 * w + 9, w, w);
    }
    fclose(out);
    static const char *const hold[] = {"min(foreign, last 20%) == 8", "max(foreign, first 20%) == 1",
                                       "count(foreign, last 30 steps) == 6", "max(foreign, steps 0..39) == 3"};
    for (size_t i = 0; i < sizeof hold / sizeof *hold; i++) {
        ps_rule_outcome outcome = evaluate(hold[i]);
        if (!outcome.held) fail_msg("%s: %s", hold[i], outcome.detail);
    }
    assert_true(evaluate("max(foreign, last 101 steps) > 0").not_recorded);
}

static void rules_that_fail_say_why(void **state) {
    static const struct {
        const char *text, *detail;
        bool not_recorded;
    } fail[] = {
        {"accuracy.final > 0.6", "accuracy.final = 0.6", false},
        {"not_there > 1", "not_there: not recorded; the task of this trace, classification, is measured by accuracy",
         true},
        {"accurcy > 1", "not recorded (did you mean accuracy?)", true},
        {"max(dead_share[layer=\"nowhere\"]) < 1", "no layer or node fits", true},
        {"loss > 1", "has 30 values; say max, min", true},
        {"nonzero.final > 1", "has 4 values at that time", true},
        {"max(gamma) > 0", "has no values (null)", true},
        {"max(loss, steps 20..30) > 0", "not recorded: the trace has 30 steps", true},
        {"max(loss, last 4 windows) > 0", "not recorded: the trace has 30 steps and 3 windows", true},
        {"max(loss, windows 1..3) > 0", "not recorded: the trace has 3 windows", true},
        {"max(loss, last 31 steps) > 0", "not recorded", true},
        {"clip.final < 2", "clip.final: not recorded", true},
        {"max(grad_norm_rms) > 0", "NaN compares with nothing", false},
        {"max(grad_norm_rms) <= 0", "NaN compares with nothing", false},
        {"max(grad_norm_rms) != 7", "NaN compares with nothing", false},
        {"max(grad_norm_rms[node=\"conv1:1\"], windows 1..1) < 7", "NaN compares with nothing", false},
        {"min(grad_norm_rms[node=\"conv1:1\"], windows 1..1) > 0", "NaN compares with nothing", false},
        {"median(grad_norm_rms[node=\"conv1:1\"], windows 1..1) < 7", "NaN compares with nothing", false},
        {"sum(grad_norm_rms[node=\"conv1:1\"], windows 1..1) < 7", "NaN compares with nothing", false},
        {"max(accuracy, first 1 windows) > 0", "has no values there", true},
        {"max(los) < 1 or steps > 1", "max(los): not recorded (did you mean loss?)", true},
        {"steps > 1 or not_there > 1", "not_there: not recorded", true},
        {"steps > 1 or max(loss, last 4 windows) > 0", "not recorded", true},
        {"steps > 1 or dead_share[layer=\"nowhere\"].final < 1", "no layer or node fits", true},
        {"steps > 1 or loss > 1", "has 30 values", true},
        {"steps / 0 > 1", "division by zero", false},
        {"-1 / 0 < 1", "division by zero", false},
        {"steps / (nonfinite - nonfinite) != 1", "division by zero", false},
        {"0 / 0 == 0", "division by zero: NaN", false},
        {"1e300 * 1e300 - 1e300 * 1e300 == 0", "arithmetic with infinity: NaN", false},
        {"2 < 1", "names no series of the trace", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof fail / sizeof *fail; i++) {
        ps_rule_outcome outcome = evaluate(fail[i].text);
        if (outcome.held || strstr(outcome.detail, fail[i].detail) == NULL)
            fail_msg("%s: %s", fail[i].text, outcome.detail);
        if (outcome.not_recorded != fail[i].not_recorded)
            fail_msg("%s: not_recorded is %d", fail[i].text, outcome.not_recorded);
    }
}

/* "accuracy" is no measure of every task. */
static void measures_of_another_task_are_answered_with_those_of_this_one(void **state) {
    (void)state;
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    const char *rest = strstr(header, "\"data\":{}");
    fprintf(out, "%.*s\"task\":{\"name\":\"segmentation\",\"measures\":[", (int)(rest - header), header);
    fprintf(out, "{\"name\":\"mean_iou\",\"unit\":\"%%\",\"better\":\"higher\"},");
    fprintf(out, "{\"name\":\"pixel_accuracy\",\"unit\":\"%%\",\"better\":\"higher\"},");
    fprintf(out, "{\"name\":\"mean_dice\",\"unit\":\"%%\",\"better\":\"higher\"}]},%s", rest);
    write_probe(out, 0, 50, 50, 50, 50);
    for (int t = 0; t < 30; t++) fprintf(out, "{\"type\":\"step\",\"step\":%d,\"loss\":1,\"lr\":0.1}\n", t);
    fprintf(out, "{\"type\":\"eval\",\"step\":30,\"split\":\"test\",\"loss\":1,\"count\":9,\"mean_iou\":0.5,");
    fprintf(out, "\"pixel_accuracy\":0.9,\"mean_dice\":0.6}\n");
    fclose(out);
    ps_rule_outcome outcome = evaluate("accuracy.final > 0.5");
    assert_false(outcome.held);
    assert_true(outcome.not_recorded);
    assert_string_equal(outcome.detail,
                        "accuracy.final: not recorded; the task of this trace, segmentation, is measured by mean_iou, "
                        "pixel_accuracy and mean_dice");
    assert_true(evaluate("mean_iou == 0.5").held);
    assert_non_null(strstr(evaluate("mean_io > 0").detail, "(did you mean mean_iou?)"));
    /* What the trace names, and has no record of, is no measure of another task. */
    assert_string_equal(evaluate("path_gradient.final > 0").detail, "path_gradient.final: not recorded");
}

static void mistakes_get_a_caret_under_the_place(void **state) {
    static const struct {
        const char *text, *sentence;
        int column;
    } mistakes[] = {
        {"", "empty", 0},
        {"   ", "empty", 0},
        {"loss", "expected a comparison", 4},
        {"loss <", "expected a number, a series", 6},
        {"a = 1", "equality is written ==", 2},
        {"maximum(loss) < 1", "there is no such function (known: max min mean median sum final first count only)", 0},
        {"men(loss) < 1", "did you mean", 0},
        {"max(loss < 1", "to close the function", 9},
        {"max() < 1", "expected the name of a series", 4},
        {"max(loss, last 5) < 1", "expected %, steps or windows", 16},
        {"max(loss, last 0%) < 1", "above 0", 15},
        {"max(loss, last 101%) < 1", "up to 100 %", 15},
        {"max(loss, last 1.5 steps) < 1", "whole", 15},
        {"max(loss, steps 5..2) < 1", "ends before it starts", 16},
        {"max(loss, steps 5) < 1", "between the ends", 17},
        {"max(loss, 20%) < 1", "expected a window", 10},
        {"max(dead_share[layr=\"a\"]) < 1", "expected layer, stage or node", 15},
        {"max(dead_share[layer \"a\"]) < 1", "expected = (this name)", 21},
        {"max(dead_share[layer=a]) < 1", "text in quotation marks", 21},
        {"max(dead_share[layer=~\"(\"]) < 1", "no regular expression", 22},
        {"max(dead_share[layer=~\"a{9}\"]) < 1", "repeat counts", 22},
        {"max(dead_share[layer=~\"a+++++++++\"]) < 1", "more than 8 +", 22},
        {"max(dead_share[layer=~\"(a)\\1\"]) < 1", "back references", 22},
        {"loss[layer=\"a\"] < 1", "no layers or nodes", 4},
        {"loss.last < 1", "no such function", 5},
        {"loss. < 1", "expected a function behind the point", 6},
        {"1 < 2 < 3", "do not chain", 6},
        {"1 < 2 3", "expected the end", 6},
        {"(1 < 2)", "to close the parenthesis", 3},
        {"1 < \"a\"", "expected a number", 4},
        {"1 < \"a", "no closing quotation mark", 4},
        {"1 < $", "means nothing", 4},
        {"12x < 1", "no number", 0},
        {"1e999 < 1", "too large", 0},
        {"and < 1", "expected a number, a series", 0},
        {"a[layer=\"\xc3\xa4\"].sum ! 1", "means nothing", 17},
    };
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        ps_rule *rule;
        char expected[200];
        assert_int_equal(ps_rule_parse(mistakes[i].text, "rules.txt:7", &rule), PS_ERR_USAGE);
        assert_null(rule);
        const char *message = ps_status_message();
        snprintf(expected, sizeof expected, "\n  %s\n  %*s^", mistakes[i].text, mistakes[i].column, "");
        size_t length = strlen(message), tail = strlen(expected);
        if (strncmp(message, "rules.txt:7: ", 13) != 0 || strstr(message, mistakes[i].sentence) == NULL ||
            length < tail || strcmp(message + length - tail, expected) != 0)
            fail_msg("%s gives\n%s\nnot \"%s\" with the caret at %d", mistakes[i].text, message, mistakes[i].sentence,
                     mistakes[i].column);
    }
}

static void long_and_deep_rules_are_refused(void **state) {
    char text[1200];
    ps_rule *rule;
    (void)state;
    memset(text, '(', sizeof text);
    text[600] = '\0';
    assert_int_equal(ps_rule_parse(text, "test", &rule), PS_ERR_USAGE);
    assert_non_null(strstr(ps_status_message(), "nested too deeply"));
    memset(text, '-', 600);
    assert_int_equal(ps_rule_parse(text, "test", &rule), PS_ERR_USAGE);
    memset(text, '1', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(ps_rule_parse(text, "test", &rule), PS_ERR_USAGE);
    strcpy(text, "1");
    for (int i = 0; i < 100; i++) strcat(text, "+1");
    strcat(text, ">0");
    assert_int_equal(ps_rule_parse(text, "test", &rule), PS_ERR_USAGE);
    assert_non_null(strstr(ps_status_message(), "too long"));
}

/* Pieces of the language in random order: a rule or a sentence, never a crash. */
static void random_rules_end_in_a_rule_or_a_sentence(void **state) {
    static const char *const pieces[] = {
        "max", "(",    ")",     "loss", "dead_share", "[",     "]",       "layer", "=", "=~", "\"conv1\"", "\"c.*\"",
        ",",   "last", "first", "20",   "%",          "steps", "windows", "..",    "<", ">=", "==",        "and",
        "or",  "+",    "-",     "*",    "/",          "1",     ".",       "final", " ", "\"", "node"};
    ps_rng_key key = ps_rng_key_of(1, "rules");
    uint64_t draw = 0;
    int parsed = 0;
    (void)state;
    for (int i = 0; i < 20000; i++) {
        char text[256] = "";
        ps_rule *rule;
        int length = 1 + (int)(ps_rng_u32(key, draw++) % 12);
        for (int p = 0; p < length; p++)
            strcat(text, pieces[ps_rng_u32(key, draw++) % (sizeof pieces / sizeof *pieces)]);
        ps_status_reset();
        ps_status status = ps_rule_parse(text, "test", &rule);
        assert_true(status == PS_OK || (status == PS_ERR_USAGE && ps_status_message()[0] != '\0'));
        parsed += status == PS_OK;
        ps_rule_destroy(rule);
    }
    assert_true(parsed > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(rules_with_known_answers, setup, teardown),
        cmocka_unit_test_setup_teardown(windows_are_cut_by_their_steps, setup, teardown),
        cmocka_unit_test_setup_teardown(rules_that_fail_say_why, setup, teardown),
        cmocka_unit_test_setup_teardown(measures_of_another_task_are_answered_with_those_of_this_one, setup, teardown),
        cmocka_unit_test(mistakes_get_a_caret_under_the_place),
        cmocka_unit_test(long_and_deep_rules_are_refused),
        cmocka_unit_test(random_rules_end_in_a_rule_or_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
