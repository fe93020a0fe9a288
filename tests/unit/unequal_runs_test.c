/* Runs that do not say the same thing: stopped early, shorter than their partner, probed at other steps, begun with
 * other nodes dead. Made-up traces with known truth. */
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
#include "analysis/check/rule.h"
#include "analysis/compare.h"
#include "analysis/run.h"
#include "core/file.h"
#include "core/json.h"
#include "core/text.h"
#include "reports/plot_data.h"
#include "tests/lib/folder.h"
#include "tests/lib/trace_fixture.h"

enum { SEEDS = 3, ODD = 1, MOST_ARMS = 4 }; /* ODD: index of the seed that is unlike the others */

/* ---- arms ---- */

static ps_fixture arm_of(const char *name, int pool_size, int seed) {
    ps_fixture f = ps_fixture_default(name, (uint64_t)seed);
    f.start_by_seed = true;
    f.channels = 24;
    f.module = pool_size > 0;
    f.pool_size = pool_size;
    f.accuracy = 0.5 + 0.01 * pool_size;
    return f;
}

/* Replaces the first `from` in a trace. */
static void rewrite(const char *path, const char *from, const char *to) {
    char *content;
    held(ps_file_read(path, &content, NULL));
    char *place = strstr(content, from);
    assert_non_null(place);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "%.*s%s%s", (int)(place - content), content, to, place + strlen(from));
    assert_int_equal(fclose(file), 0);
    free(content);
}

typedef struct {
    char path[MOST_ARMS][SEEDS][128];
    const char *list[MOST_ARMS][SEEDS];
    ps_compare_arm arms[MOST_ARMS];
    int count;
} set_of_arms;

static const char *write_run(set_of_arms *set, int arm, int seed, const ps_fixture *f, bool at_zero) {
    char *path = set->path[arm][seed];
    snprintf(path, sizeof set->path[arm][seed], "%s/%s%d.jsonl", folder, f->arm, (int)f->seed);
    held(ps_fixture_write(f, path));
    if (at_zero && f->module) rewrite(path, "\"zero_init\":false", "\"zero_init\":true");
    set->list[arm][seed] = path;
    set->arms[arm] = (ps_compare_arm){f->arm, set->list[arm], SEEDS};
    if (set->count <= arm) set->count = arm + 1;
    return path;
}

/* Baseline and ps2; `odd` changes the odd seed's module run. */
static set_of_arms *two_arms(void (*odd)(ps_fixture *)) {
    static set_of_arms set;
    memset(&set, 0, sizeof set);
    for (int s = 0; s < SEEDS; s++) {
        ps_fixture base = arm_of("baseline", 0, s + 1), module = arm_of("ps2", 2, s + 1);
        if (s == ODD && odd != NULL) odd(&module);
        write_run(&set, 0, s, &base, true);
        write_run(&set, 1, s, &module, true);
    }
    return &set;
}

static cJSON *compare(const set_of_arms *set, bool quiet) {
    char path[128];
    cJSON *document;
    held(ps_compare_run(set->arms, set->count, &(ps_compare_options){.out_directory = folder, .quiet = quiet}));
    snprintf(path, sizeof path, "%s/verdict.json", folder);
    held(ps_json_read(path, &document));
    return document;
}

static const cJSON *get(const cJSON *object, const char *key) { return cJSON_GetObjectItemCaseSensitive(object, key); }

static const cJSON *entry(const cJSON *document, const char *list, const char *key, const char *value) {
    const cJSON *item;
    cJSON_ArrayForEach(item, get(document, list)) if (strcmp(get(item, key)->valuestring, value) == 0) return item;
    fail_msg("%s has no entry with %s = %s", list, key, value);
    return NULL;
}

static bool says(const cJSON *document, const char *words) {
    const cJSON *sentence;
    cJSON_ArrayForEach(sentence,
                       get(document, "summary")) if (strstr(sentence->valuestring, words) != NULL) return true;
    return false;
}

/* Cell of the first row that fits `key=value` pairs. */
static const char *cell(const char *table, const char *column, const char *const *pairs) {
    static char found[512];
    char path[128], *text, *save_line;
    snprintf(path, sizeof path, "%s/tables/%s.tsv", folder, table);
    held(ps_file_read(path, &text, NULL));
    char *line = strtok_r(text, "\n", &save_line), *names[64];
    int columns = 0;
    for (char *at = line; at != NULL; columns++) names[columns] = strsep(&at, "\t");
    snprintf(found, sizeof found, "no row");
    while (strcmp(found, "no row") == 0 && (line = strtok_r(NULL, "\n", &save_line)) != NULL) {
        char *cells[64], *at = line;
        const char *wanted = NULL;
        bool fits = true;
        for (int c = 0; c < columns; c++) cells[c] = strsep(&at, "\t");
        for (int c = 0; c < columns; c++) {
            if (strcmp(names[c], column) == 0) wanted = cells[c];
            for (int p = 0; pairs[p] != NULL; p += 2)
                fits = fits && (strcmp(names[c], pairs[p]) != 0 || strcmp(cells[c], pairs[p + 1]) == 0);
        }
        if (wanted == NULL) fail_msg("%s.tsv has no column %s", table, column);
        if (fits) snprintf(found, sizeof found, "%s", wanted);
    }
    free(text);
    return found;
}

#define CELL(table, column, ...) cell((table), (column), (const char *const[]){__VA_ARGS__, NULL})

/* ---- stopped early ---- */

static void without_end(ps_fixture *f) {
    f->stop_after = 4;
    f->no_end = true;
    f->accuracy = 0.1; /* half way: must count nowhere */
}

static void early_end(ps_fixture *f) {
    f->stop_after = 4;
    f->accuracy = 0.1;
}

/* Whether an end is missing or comes early: the same, but for the words. */
static void a_stopped_run_has_no_end_and_no_whole_course(void **state) {
    static const char *const of_end[] = {"dead_end",     "dead_mean",   "loss_end",       "test_accuracy",
                                         "revival_rate", "never_alive", "l2l1_weight_max"};
    static const char *const left_columns[] = {"loss_end",      "test_loss",     "test_accuracy",  "dead_end",
                                               "dead_mean",     "revival_rate",  "death_rate",     "never_alive",
                                               "near_dead_end", "dead_eval_end", "l2l1_weight_max"};
    (void)state;
    for (int early = 0; early < 2; early++) {
        cJSON *document = compare(two_arms(early ? early_end : without_end), true);
        const char *reason = early ? "has fewer steps than planned in arm ps2" : "has no end in arm ps2";
        assert_string_equal(CELL("runs", "status", "arm", "ps2", "seed", "2"), "unfinished");
        assert_string_equal(CELL("runs", "steps", "arm", "ps2", "seed", "2"), "40");
        assert_string_equal(CELL("runs", "steps_planned", "arm", "ps2", "seed", "2"), "80");
        for (size_t c = 0; c < sizeof left_columns / sizeof *left_columns; c++)
            assert_string_equal(CELL("runs", left_columns[c], "arm", "ps2", "seed", "2"), "NA");
        assert_string_not_equal(CELL("runs", "dead_start", "arm", "ps2", "seed", "2"), "NA");
        assert_string_equal(CELL("arms", "unfinished", "arm", "ps2"), "1");
        for (size_t m = 0; m < sizeof of_end / sizeof *of_end; m++) {
            const cJSON *row = entry(document, "comparison", "measure", of_end[m]);
            assert_float_equal(get(row, "n")->valuedouble, SEEDS - 1, 0);
            const cJSON *left = cJSON_GetArrayItem(get(row, "left_out"), 0);
            assert_float_equal(get(left, "seed")->valuedouble, ODD + 1, 0);
            assert_string_equal(get(left, "reason")->valuestring, reason);
            assert_string_equal(CELL("pairs", "left_out", "measure", of_end[m], "seed", "2"), reason);
            assert_string_equal(CELL("pairs", "difference", "measure", of_end[m], "seed", "2"), "NA");
            assert_string_equal(CELL("pairs", "value_arm", "measure", of_end[m], "seed", "2"), "NA");
            assert_string_equal(CELL("pairs", "left_out", "measure", of_end[m], "seed", "1"), "");
        }
        assert_float_equal(
            get(entry(document, "comparison", "measure", "test_accuracy"), "mean_difference")->valuedouble, 0.02, 1e-9);
        /* What was measured at the start stands for all of them. */
        assert_float_equal(get(entry(document, "comparison", "measure", "dead_start"), "n")->valuedouble, SEEDS, 0);
        assert_float_equal(get(entry(document, "predictions", "id", "P6"), "n")->valuedouble, SEEDS - 1, 0);
        assert_non_null(strstr(get(entry(document, "predictions", "id", "P6"), "sentence")->valuestring, reason));
        assert_true(says(document, "Seed 2 of arm ps2 stopped after 40 of 80 steps"));
        assert_string_equal(CELL("l2l1_arm", "seeds", "arm", "ps2"), "2");
        assert_string_equal(CELL("definitions", "n", "definition", "dead"), "2");
        assert_string_equal(CELL("prediction_rows", "seed", "arm", "ps2", "seed", "2"), "no row");
        cJSON_Delete(document);
    }
}

static void blown_at_the_end(ps_fixture *f) { f->blown_from = f->windows; }

/* Empties the values of the last probing. */
static void forget_last_probing(const char *path) {
    char *content, *save;
    held(ps_file_read(path, &content, NULL));
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (char *line = strtok_r(content, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
        bool last = strstr(line, "{\"type\":\"probe\",\"step\":80,") == line;
        if (last) fprintf(file, "%.*s{}}\n", (int)(strstr(line, "\"values\":") + 9 - line), line);
        else fprintf(file, "%s\n", line);
    }
    assert_int_equal(fclose(file), 0);
    free(content);
}

/* It came to its end, but what it was there was not probed: neither its last finite probe nor 0 stands in its place. */
static void a_run_not_finite_at_its_end_has_no_probed_end(void **state) {
    static const char *const probed[] = {"dead_end", "dead_mean", "revival_rate", "never_alive", "l2l1_weight_max"};
    static const char reason[] = "was not finite at its last probing in arm ps2";
    (void)state;
    for (int nulls = 0; nulls < 2; nulls++) {
        set_of_arms *set = two_arms(nulls ? NULL : blown_at_the_end);
        if (nulls) forget_last_probing(set->path[1][ODD]);
        cJSON *document = compare(set, true);
        assert_string_equal(CELL("runs", "status", "arm", "ps2", "seed", "2"), "nonfinite");
        assert_string_equal(CELL("runs", "status", "arm", "ps2", "seed", "1"), "finished");
        assert_string_equal(CELL("arms", "nonfinite", "arm", "ps2"), "1");
        assert_string_equal(CELL("arms", "unfinished", "arm", "ps2"), "0");
        assert_string_not_equal(CELL("runs", "dead_start", "arm", "ps2", "seed", "2"), "NA");
        for (size_t m = 0; m < sizeof probed / sizeof *probed; m++) {
            assert_string_equal(CELL("runs", probed[m], "arm", "ps2", "seed", "2"), "NA");
            assert_string_equal(CELL("pairs", "left_out", "measure", probed[m], "seed", "2"), reason);
            assert_float_equal(get(entry(document, "comparison", "measure", probed[m]), "n")->valuedouble, SEEDS - 1,
                               0);
        }
        /* What was measured at the end stands. */
        assert_string_not_equal(CELL("runs", "test_accuracy", "arm", "ps2", "seed", "2"), "NA");
        assert_float_equal(get(entry(document, "comparison", "measure", "test_accuracy"), "n")->valuedouble, SEEDS, 0);
        assert_float_equal(get(entry(document, "predictions", "id", "P6"), "n")->valuedouble, SEEDS, 0);
        assert_true(says(document, "Seed 2 of arm ps2 came to its end, but at its last probing"));
        assert_string_equal(CELL("l2l1_arm", "seeds", "arm", "ps2"), "2");
        cJSON_Delete(document);
    }
}

/* Its rules see the last finite probe as the last: they do not hold, unless that is asked for. */
static void rules_on_such_a_run_do_not_hold(void **state) {
    char path[128];
    (void)state;
    ps_fixture f = arm_of("run", 0, 1);
    blown_at_the_end(&f);
    snprintf(path, sizeof path, "%s/run.jsonl", folder);
    held(ps_fixture_write(&f, path));
    const char *rules[] = {"finished == 1", "steps == 80"};
    for (int asked = 0; asked < 2; asked++) {
        ps_check_report report;
        const char *traces[] = {path};
        ps_check_request request = {
            .traces = traces, .trace_count = 1, .expectations = rules, .expectation_count = 2, .unfinished = asked};
        memset(&report, 0, sizeof report);
        held(ps_check_run(&request, &report));
        assert_int_equal(ps_check_report_failures(&report), !asked);
        bool found = false;
        for (size_t i = 0; i < report.suites[0].finding_count; i++)
            found = found || report.suites[0].findings[i].kind == PS_CHECK_FINDING_NONFINITE_END;
        assert_int_equal(found, !asked);
        ps_check_report_clear(&report);
    }
}

/* What the terminal says of a run whose end is not like the others', whatever it has no room for. */
static void say_on_the_terminal(void (*end)(ps_fixture *), const char *says) {
    char path[128], *text;
    const set_of_arms *set = two_arms(end);
    snprintf(path, sizeof path, "%s/out.txt", folder);
    fflush(stdout);
    int kept = dup(1);
    assert_non_null(freopen(path, "w", stdout));
    cJSON *document = compare(set, false);
    fflush(stdout);
    assert_int_equal(dup2(kept, 1), 1);
    close(kept);
    cJSON_Delete(document);
    held(ps_file_read(path, &text, NULL));
    assert_non_null(strstr(text, says));
    free(text);
}

static void the_terminal_says_so(void **state) {
    (void)state;
    say_on_the_terminal(without_end, "Not whole: ps2 seed 2 has no end (40 of 80 steps)");
    say_on_the_terminal(blown_at_the_end, "Not whole: ps2 seed 2 was not finite at its last probing");
}

/* A seed of an experiment that is still running is read up to its last whole line. */
static void a_running_seed_is_a_stopped_one(void **state) {
    (void)state;
    set_of_arms *set = two_arms(NULL);
    char *path = set->path[1][ODD], *content;
    held(ps_file_read(path, &content, NULL));
    char *half = strstr(content, "{\"type\":\"step\",\"step\":37");
    assert_non_null(half);
    held(ps_file_write(path, content, (size_t)(half - content) + 10));
    free(content);
    cJSON *document = compare(set, true);
    assert_true(says(document, "Seed 2 of arm ps2 stopped after 37 of 80 steps (its trace has no end)"));
    assert_float_equal(get(entry(document, "comparison", "measure", "dead_end"), "n")->valuedouble, SEEDS - 1, 0);
    cJSON_Delete(document);
}

/* Plots of what is at the end of runs leave it out, and every legend says that there is one. */
static void plots_leave_it_out_where_the_end_is_shown(void **state) {
    char tables[128], data[128], path[160], *text;
    ps_plot_source source;
    (void)state;
    cJSON_Delete(compare(two_arms(without_end), true));
    snprintf(tables, sizeof tables, "%s/tables", folder);
    snprintf(data, sizeof data, "%s/data", folder);
    held(ps_file_make_directories(data));
    snprintf(path, sizeof path, "%s/plot.gp", folder);
    static const char script[] =
        "#data end from eval where split=test where step=@last split arm pick seed,accuracy\n"
        "#data all from eval where split=test split arm pick seed,accuracy\n"
        "#data causes pivot causes where state=dead columns state value nodes\n";
    held(ps_file_write(path, script, strlen(script)));
    held(ps_plot_source_open(tables, data, &source));
    held(ps_plot_data_write(&source, "plot", path));
    ps_plot_source_close(&source);
    snprintf(path, sizeof path, "%s/plot.end.tsv", data);
    held(ps_file_read(path, &text, NULL));
    assert_null(strstr(text, "2\t0.1\n"));
    assert_non_null(strstr(text, "3\t0.52\n"));
    free(text);
    snprintf(path, sizeof path, "%s/plot.all.tsv", data);
    held(ps_file_read(path, &text, NULL));
    assert_non_null(strstr(text, "2\t0.1\n"));
    free(text);
    double nodes = 0;
    for (int s = 1; s <= SEEDS; s += 2) { /* the mean over the two whole runs */
        char seed[8];
        snprintf(seed, sizeof seed, "%d", s);
        nodes += strtod(CELL("dead_time", "dead", "arm", "ps2", "seed", seed, "step", "80", "level", "network"), NULL);
    }
    snprintf(path, sizeof path, "%s/plot.causes.tsv", data);
    held(ps_file_read(path, &text, NULL));
    const char *row = strstr(text, "1\tps2\t");
    assert_non_null(row);
    assert_float_equal(strtod(row + 6, NULL), nodes / 2, 1e-6);
    free(text);
}

/* Rules do not take an early end for an end, and `finished` says so. */
static void rules_know_an_early_end(void **state) {
    ps_rule_outcome outcome;
    ps_rule *rule;
    ps_run *run;
    (void)state;
    ps_fixture f = arm_of("run", 0, 1);
    for (int early = 0; early < 2; early++) {
        char path[128];
        f.stop_after = early ? 4 : 0;
        snprintf(path, sizeof path, "%s/run.jsonl", folder);
        held(ps_fixture_write(&f, path));
        held(ps_run_open(path, "run", &run));
        held(ps_rule_parse("finished == 1", "a test", &rule));
        held(ps_rule_evaluate(rule, run, &outcome));
        assert_int_equal(outcome.held, !early);
        ps_rule_destroy(rule);
        ps_run_close(run);
    }
}

/* ---- other lengths, other probes, other starts ---- */

/* Without a pairing object nothing else stops runs of two lengths. */
static void a_shorter_partner_is_left_out(void **state) {
    (void)state;
    set_of_arms *set = two_arms(NULL);
    for (int a = 0; a < 2; a++)
        for (int s = 0; s < SEEDS; s++) {
            if (a == 1 && s == ODD) {
                ps_fixture f = arm_of("ps2", 2, ODD + 1);
                f.windows = 5;
                write_run(set, a, s, &f, true);
            }
            rewrite(set->path[a][s], "\"pairing\":", "\"pairing\":{},\"other\":");
        }
    cJSON *document = compare(set, true);
    assert_string_equal(CELL("runs", "status", "arm", "ps2", "seed", "2"), "finished");
    assert_string_not_equal(CELL("runs", "test_accuracy", "arm", "ps2", "seed", "2"),
                            "NA"); /* it has an end of its own */
    assert_string_equal(CELL("pairs", "left_out", "measure", "test_accuracy", "seed", "2"),
                        "has fewer steps than its partner in arm ps2");
    assert_float_equal(get(entry(document, "comparison", "measure", "dead_mean"), "n")->valuedouble, SEEDS - 1, 0);
    assert_float_equal(get(entry(document, "comparison", "measure", "dead_start"), "n")->valuedouble, SEEDS, 0);
    cJSON_Delete(document);
}

static void sparsely_probed(ps_fixture *f) { f->probe_every = 2; }

static void averages_need_the_same_probes(void **state) {
    static const char *const over_time[] = {"dead_mean", "revival_rate", "death_rate", "never_alive"};
    (void)state;
    cJSON *document = compare(two_arms(sparsely_probed), true);
    for (size_t m = 0; m < sizeof over_time / sizeof *over_time; m++) {
        assert_float_equal(get(entry(document, "comparison", "measure", over_time[m]), "n")->valuedouble, SEEDS - 1, 0);
        assert_string_equal(CELL("pairs", "left_out", "measure", over_time[m], "seed", "2"),
                            "was probed at other steps than its partner in arm ps2");
    }
    assert_float_equal(get(entry(document, "comparison", "measure", "dead_end"), "n")->valuedouble, SEEDS, 0);
    assert_float_equal(get(entry(document, "comparison", "measure", "test_accuracy"), "n")->valuedouble, SEEDS, 0);
    const cJSON *p2 = entry(document, "predictions", "id", "P2");
    const cJSON *left = cJSON_GetArrayItem(get(cJSON_GetArrayItem(get(p2, "parts"), 0), "left_out"), 0);
    assert_non_null(strstr(get(left, "reason")->valuestring, "was probed at other steps"));
    cJSON_Delete(document);
}

/* P8 has the rule of P2: modules that start at zero (or a fork), and equal states at the first probe. */
static void averages_start_from_one_function(void **state) {
    (void)state;
    for (int fault = 0; fault < 3;
         fault++) { /* none, modules that do not start at zero, other nodes dead at the start */
        static set_of_arms set;
        memset(&set, 0, sizeof set);
        for (int s = 0; s < SEEDS; s++) {
            ps_fixture two = arm_of("ps2", 2, s + 1), four = arm_of("ps4", 4, s + 1);
            four.start_by_seed = fault != 2;
            write_run(&set, 0, s, &two, fault != 1);
            write_run(&set, 1, s, &four, true);
        }
        cJSON *document = compare(&set, true);
        const cJSON *p8 = entry(document, "predictions", "id", "P8");
        assert_int_equal(strcmp(get(p8, "verdict")->valuestring, "not_testable") != 0, fault == 0);
        if (fault == 1) assert_non_null(strstr(get(p8, "sentence")->valuestring, "do not start as the same function"));
        if (fault == 2) assert_non_null(strstr(get(p8, "sentence")->valuestring, "in other states at the first probe"));
        cJSON_Delete(document);
    }
}

/* ---- margins and digits ---- */

/* Nine seeds whose accuracies differ by exactly the margin of P6, -0.01, but for what is left of it in binary. */
static void at_the_margin_nothing_is_decided_by_rounding(void **state) {
    static const double base[] = {0.3, 0.35, 0.41, 0.47, 0.53, 0.58, 0.64, 0.71, 0.9};
    enum { MANY = 9 };
    static char path[2][MANY][128];
    static const char *list[2][MANY];
    int above = 0, below = 0;
    (void)state;
    for (int s = 0; s < MANY; s++)
        for (int a = 0; a < 2; a++) {
            ps_fixture f = arm_of(a == 0 ? "baseline" : "ps2", 2 * a, s + 1);
            f.sparse = true;
            f.accuracy = base[s] - (a == 1 ? 0.01 : 0);
            snprintf(path[a][s], sizeof path[a][s], "%s/%s%d.jsonl", folder, f.arm, s);
            held(ps_fixture_write(&f, path[a][s]));
            list[a][s] = path[a][s];
        }
    for (int s = 0; s < MANY; s++) {
        char text[2][32];
        for (int a = 0; a < 2; a++) snprintf(text[a], sizeof text[a], "%.9g", base[s] - (a == 1 ? 0.01 : 0));
        double difference = strtod(text[1], NULL) - strtod(text[0], NULL);
        above += difference > -0.01;
        below += difference < -0.01;
    }
    assert_true(above + below > 0); /* rounding has something to decide */
    ps_compare_arm arms[] = {{"baseline", list[0], MANY}, {"ps2", list[1], MANY}};
    held(ps_compare_run(arms, 2, &(ps_compare_options){.out_directory = folder, .quiet = true}));
    char verdict[128];
    cJSON *document;
    snprintf(verdict, sizeof verdict, "%s/verdict.json", folder);
    held(ps_json_read(verdict, &document));
    const cJSON *p6 = entry(document, "predictions", "id", "P6");
    assert_float_equal(get(p6, "p")->valuedouble, 1, 0);
    assert_float_equal(get(p6, "p_against")->valuedouble, 1, 0);
    assert_float_equal(get(p6, "ties")->valuedouble, MANY, 0);
    assert_float_equal(get(p6, "low")->valuedouble, -0.01, 1e-12);
    assert_float_equal(get(p6, "high")->valuedouble, -0.01, 1e-12);
    cJSON_Delete(document);
}

/* The exact two-sided sign test of what pairs.tsv holds: a difference of 0 is for neither side. */
static double p_of(const double *values, int n) {
    int above = 0, below = 0, least = 0, most = 0, all = 1 << n;
    for (int i = 0; i < n; i++) above += values[i] > 1e-9, below += values[i] < -1e-9;
    for (int signs = 0; signs < all; signs++) {
        int heads = 0;
        for (int i = 0; i < n; i++) heads += signs >> i & 1;
        least += heads >= above;
        most += heads >= below;
    }
    return fmin(1, 2 * fmin(least, most) / (double)all);
}

static void p_values_come_out_again_from_the_tables(void **state) {
    enum { MANY = 8 };
    static char path[2][MANY][128];
    static const char *list[2][MANY];
    static const char *const measures[] = {"dead_mean", "dead_end", "revival_rate", "death_rate", "test_accuracy"};
    (void)state;
    for (int s = 0; s < MANY; s++)
        for (int a = 0; a < 2; a++) {
            ps_fixture f = arm_of(a == 0 ? "baseline" : "ps2", 2 * a, s + 1);
            f.channels = 7; /* shares in sevenths and ninths: no few digits hold them */
            f.revival = a == 0 ? 0.1 : 0.3;
            f.accuracy = (300 + 7 * s + a * (s % 3 - 1)) / 700.0;
            snprintf(path[a][s], sizeof path[a][s], "%s/%s%d.jsonl", folder, f.arm, s);
            held(ps_fixture_write(&f, path[a][s]));
            list[a][s] = path[a][s];
        }
    ps_compare_arm arms[] = {{"baseline", list[0], MANY}, {"ps2", list[1], MANY}};
    held(ps_compare_run(arms, 2, &(ps_compare_options){.out_directory = folder, .quiet = true}));
    for (size_t m = 0; m < sizeof measures / sizeof *measures; m++) {
        double difference[MANY], p = strtod(CELL("comparison", "p", "measure", measures[m]), NULL);
        for (int s = 0; s < MANY; s++) {
            char seed[8];
            snprintf(seed, sizeof seed, "%d", s + 1);
            difference[s] = strtod(CELL("pairs", "difference", "measure", measures[m], "seed", seed), NULL);
            double arm = strtod(CELL("pairs", "value_arm", "measure", measures[m], "seed", seed), NULL);
            double reference = strtod(CELL("pairs", "value_reference", "measure", measures[m], "seed", seed), NULL);
            assert_true(arm - reference == difference[s]); /* every digit is there */
        }
        if (strcmp(measures[m], "test_accuracy") == 0) continue; /* its numbers have the trace's 9 digits */
        if (fabs(p_of(difference, MANY) - p) > 1e-15)
            fail_msg("%s: %g, not %g", measures[m], p_of(difference, MANY), p);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stopped_run_has_no_end_and_no_whole_course),
        cmocka_unit_test(a_run_not_finite_at_its_end_has_no_probed_end),
        cmocka_unit_test(rules_on_such_a_run_do_not_hold),
        cmocka_unit_test(the_terminal_says_so),
        cmocka_unit_test(a_running_seed_is_a_stopped_one),
        cmocka_unit_test(plots_leave_it_out_where_the_end_is_shown),
        cmocka_unit_test(rules_know_an_early_end),
        cmocka_unit_test(a_shorter_partner_is_left_out),
        cmocka_unit_test(averages_need_the_same_probes),
        cmocka_unit_test(averages_start_from_one_function),
        cmocka_unit_test(at_the_margin_nothing_is_decided_by_rounding),
        cmocka_unit_test(p_values_come_out_again_from_the_tables),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
