/* compare, end to end on made-up traces with known truth. */
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

#include "analysis/compare.h"
#include "analysis/explain.h"
#include "analysis/fixed.h"
#include "analysis/metric.h"
#include "analysis/tables.h"
#include "core/file.h"
#include "core/json.h"
#include "tests/lib/folder.h"
#include "tests/lib/trace_fixture.h"

enum { MOST = 12 };

typedef struct {
    const char *paths[MOST];
    char text[MOST][128];
    int count;
} run_list;

static void add_run(run_list *list, const ps_fixture *fixture) {
    snprintf(list->text[list->count], sizeof list->text[0], "%s/%s%d.jsonl", folder, fixture->arm, (int)fixture->seed);
    assert_int_equal(ps_fixture_write(fixture, list->text[list->count]), PS_OK);
    list->paths[list->count] = list->text[list->count];
    list->count++;
}

/* Replaces the first `from` in the latest trace of the list. */
static void rewrite(const run_list *list, const char *from, const char *to) {
    const char *path = list->paths[list->count - 1];
    char *content;
    assert_int_equal(ps_file_read(path, &content, NULL), PS_OK);
    char *place = strstr(content, from);
    assert_non_null(place);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "%.*s%s%s", (int)(place - content), content, to, place + strlen(from));
    assert_int_equal(fclose(file), 0);
    free(content);
}

/* Takes a quantity out of the latest trace of the list: from its header and from every record. */
static void forget(const run_list *list, const char *quantity) {
    const char *path = list->paths[list->count - 1];
    char *content, key[64], entry[64];
    assert_int_equal(ps_file_read(path, &content, NULL), PS_OK);
    snprintf(key, sizeof key, "\"%s\":[", quantity);
    snprintf(entry, sizeof entry, "{\"name\":\"%s\",", quantity);
    char *to = strstr(content, entry);
    assert_non_null(to);
    const char *from = strchr(to, '}') + 2;
    for (const char *next; (next = strstr(from, key)) != NULL; from = strchr(next, ']') + 2) {
        memmove(to, from, (size_t)(next - from));
        to += next - from;
    }
    memmove(to, from, strlen(from) + 1);
    assert_int_equal(ps_file_write(path, content, strlen(content)), PS_OK);
    free(content);
}

/* Takes the records of one type of a layer out of the latest trace. */
static void drop_layer(const run_list *list, const char *layer, const char *type) {
    const char *path = list->paths[list->count - 1];
    char *content, *rest, *line, begin[64], name[64];
    assert_int_equal(ps_file_read(path, &content, NULL), PS_OK);
    snprintf(begin, sizeof begin, "{\"type\":\"%s\"", type);
    snprintf(name, sizeof name, "\"layer\":\"%s\"", layer);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    rest = content;
    while ((line = strsep(&rest, "\n")) != NULL)
        if (*line != '\0' && (strncmp(line, begin, strlen(begin)) != 0 || strstr(line, name) == NULL))
            fprintf(file, "%s\n", line);
    assert_int_equal(fclose(file), 0);
    free(content);
}

static void start_at_zero(const run_list *list) {
    rewrite(list, "\"pool_skip_mode\"", "\"pool_skip_zero_init\":true,\"pool_skip_mode\"");
}

static void make_arms(run_list *base, run_list *module, int seeds) {
    memset(base, 0, sizeof *base);
    memset(module, 0, sizeof *module);
    for (int s = 1; s <= seeds; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
        b.start_by_seed = m.start_by_seed = true;
        b.channels = m.channels = 24;
        b.revival = 0.02;
        m.module = true;
        m.pool_size = 2;
        m.dead_ratio = 0.2;
        m.revival = 0.5;
        m.death = 0.002;
        m.accuracy = 0.55;
        add_run(base, &b);
        add_run(module, &m);
        start_at_zero(module);
    }
}

static ps_status compare_two(const run_list *base, const run_list *module) {
    ps_compare_arm arms[] = {{"ps2", module->paths, module->count}, {"baseline", base->paths, base->count}};
    return ps_compare_run(arms, 2, &(ps_compare_options){.out_directory = folder, .quiet = getenv("PS_SHOW") == NULL});
}

static cJSON *read_verdict(void) {
    char path[128];
    cJSON *document;
    snprintf(path, sizeof path, "%s/verdict.json", folder);
    assert_int_equal(ps_json_read(path, &document), PS_OK);
    return document;
}

static const cJSON *entry(const cJSON *document, const char *list, const char *key, const char *value) {
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(
                                 document, list)) if (strcmp(cJSON_GetObjectItemCaseSensitive(item, key)->valuestring,
                                                             value) == 0) return item;
    fail_msg("%s has no entry with %s = %s", list, key, value);
    return NULL;
}

static double number_in(const cJSON *item, const char *key) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(item, key);
    assert_true(cJSON_IsNumber(value));
    return value->valuedouble;
}

static const char *verdict_of(const cJSON *document, const char *id) {
    return cJSON_GetObjectItemCaseSensitive(entry(document, "predictions", "id", id), "verdict")->valuestring;
}

static void known_effects_get_their_verdicts(void **state) {
    run_list base, module;
    (void)state;
    make_arms(&base, &module, 12);
    held(compare_two(&base, &module));
    cJSON *document = read_verdict();
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(document, "reference")->valuestring, "baseline");
    assert_string_equal(verdict_of(document, "W1"),
                        "supported"); /* 2 % of dead nodes reopen, no other gets a gradient */
    assert_string_equal(verdict_of(document, "W3"), "not_testable"); /* no stage in which two layers read others */
    assert_string_equal(verdict_of(document, "P1"), "supported");    /* ratio 0.2 by construction */
    assert_string_equal(verdict_of(document, "P2"), "supported");    /* revival 0.5 against 0.02 */
    assert_string_equal(verdict_of(document, "P3"), "supported");    /* death 0.002 against 0.02 */
    assert_string_equal(verdict_of(document, "P6"), "supported");    /* accuracy + 0.05 */
    assert_string_equal(verdict_of(document, "P5"), "refuted"); /* l2/l1 equal in both arms: does not fall by 2 % */
    assert_string_equal(verdict_of(document, "P7"), "not_testable");
    assert_string_equal(verdict_of(document, "P9"), "not_testable");
    const cJSON *accuracy = entry(document, "comparison", "measure", "test_accuracy");
    assert_float_equal(number_in(accuracy, "mean_difference"), 0.05, 1e-6);
    assert_float_equal(number_in(accuracy, "p"), ldexp(1, -11), 1e-12);
    cJSON_Delete(document);
}

/* Deaths and inertia that both fall over the run, in every layer: only what deaths cause beyond that counts. */
static void a_common_course_is_no_cascade(void **state) {
    static const double effects[] = {0, 0.3};
    (void)state;
    for (int i = 0; i < 2; i++) {
        run_list runs;
        memset(&runs, 0, sizeof runs);
        for (int s = 1; s <= 12; s++) {
            ps_fixture f = ps_fixture_default("baseline", (uint64_t)s);
            f.layers = 6;
            f.channels = 24;
            f.windows = 16;
            f.noise = true;
            f.trend = 3;
            f.cascade = effects[i];
            add_run(&runs, &f);
        }
        ps_compare_arm arm = {"baseline", runs.paths, runs.count};
        held(ps_compare_run(&arm, 1, &(ps_compare_options){.out_directory = folder, .quiet = true}));
        cJSON *document = read_verdict();
        assert_int_equal(strcmp(verdict_of(document, "W3"), "supported") == 0, effects[i] > 0);
        double estimate = number_in(entry(document, "predictions", "id", "W3"), "estimate");
        if (!(estimate > effects[i] / 3 - 0.01 && estimate < effects[i] * 2 + 0.01)) fail_msg("estimate %g", estimate);
        cJSON_Delete(document);
    }
}

/* Courses of all layers and of each, noise with a memory, l2/l1 that answers deaths: only an l2/l1 that raises later
 * deaths is a lead. */
static void no_course_is_a_lead(void **state) {
    static const double effects[] = {0, 3};
    (void)state;
    for (int i = 0; i < 2; i++) {
        run_list runs;
        memset(&runs, 0, sizeof runs);
        for (int s = 1; s <= 12; s++) {
            ps_fixture f = ps_fixture_default("baseline", (uint64_t)s);
            f.layers = 6;
            f.channels = 32;
            f.windows = 32;
            f.noise = true;
            f.death = 0.05;
            f.revival = 0.3;
            f.trend = f.own_trend = 2;
            f.memory = 0.7;
            f.answer = -0.1;
            f.lead = effects[i];
            add_run(&runs, &f);
        }
        ps_compare_arm arm = {"baseline", runs.paths, runs.count};
        held(ps_compare_run(&arm, 1, &(ps_compare_options){.out_directory = folder, .quiet = true}));
        cJSON *document = read_verdict();
        double estimate = number_in(entry(document, "predictions", "id", "W4"), "estimate");
        if (i == 0 ? fabs(estimate) > 0.1 : estimate < 0.15) fail_msg("estimate %g", estimate);
        if ((strcmp(verdict_of(document, "W4"), "supported") == 0) != (effects[i] > 0))
            fail_msg("%s, estimate %g", verdict_of(document, "W4"), estimate);
        cJSON_Delete(document);
    }
}

static void too_short_runs_have_no_lead(void **state) {
    run_list runs;
    (void)state;
    memset(&runs, 0, sizeof runs);
    for (int s = 1; s <= 6; s++) {
        ps_fixture f = ps_fixture_default("baseline", (uint64_t)s);
        f.noise = true;
        f.death = 0.1;
        f.windows = PS_FIXED_LEAD_INTERVALS - 1;
        add_run(&runs, &f);
    }
    ps_compare_arm arm = {"baseline", runs.paths, runs.count};
    held(ps_compare_run(&arm, 1, &(ps_compare_options){.out_directory = folder, .quiet = true}));
    cJSON *document = read_verdict();
    const cJSON *w4 = entry(document, "predictions", "id", "W4");
    assert_string_equal(verdict_of(document, "W4"), "not_testable");
    assert_non_null(
        strstr(cJSON_GetObjectItemCaseSensitive(w4, "sentence")->valuestring, "fewer than 2 layers with 6 intervals"));
    cJSON_Delete(document);
}

static void few_seeds_cannot_decide(void **state) {
    run_list base, module;
    (void)state;
    make_arms(&base, &module, 3);
    held(compare_two(&base, &module));
    cJSON *document = read_verdict();
    const cJSON *w1 = entry(document, "predictions", "id", "W1");
    assert_string_equal(verdict_of(document, "W1"), "inconclusive");
    assert_float_equal(number_in(w1, "best_p"), 0.125, 0);
    assert_float_equal(number_in(w1, "coverage"), 0.75, 0);
    assert_non_null(strstr(cJSON_GetObjectItemCaseSensitive(w1, "sentence")->valuestring, "at best"));
    cJSON_Delete(document);
}

static void differing_pairs_are_refused(void **state) {
    run_list base = {0}, module = {0};
    (void)state;
    ps_fixture b = ps_fixture_default("baseline", 1), m = ps_fixture_default("ps2", 1);
    m.order = "another";
    add_run(&base, &b);
    add_run(&module, &m);
    assert_int_equal(compare_two(&base, &module), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "\"order\""));
    assert_non_null(strstr(ps_status_message(), "\"another\""));
}

static void twice_the_same_seed_is_refused(void **state) {
    run_list base = {0}, module = {0};
    (void)state;
    ps_fixture b = ps_fixture_default("baseline", 1), m = ps_fixture_default("ps2", 1);
    add_run(&base, &b);
    add_run(&module, &m);
    add_run(&module, &m);
    assert_int_equal(compare_two(&base, &module), PS_ERR_USAGE);
    assert_non_null(strstr(ps_status_message(), "two runs of seed 1"));
}

static void unpaired_seeds_are_said_and_left_out(void **state) {
    run_list base, module;
    (void)state;
    make_arms(&base, &module, 4);
    base.count = 3;
    held(compare_two(&base, &module));
    cJSON *document = read_verdict();
    const cJSON *unpaired =
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(document, "seeds"), "unpaired");
    assert_int_equal(cJSON_GetArraySize(unpaired), 1);
    assert_string_equal(cJSON_GetArrayItem(unpaired, 0)->valuestring, "ps2: seed 4");
    assert_float_equal(number_in(entry(document, "comparison", "measure", "dead_mean"), "n"), 3, 0);
    cJSON_Delete(document);
}

static void diverged_runs_rank_worst(void **state) {
    run_list base, module;
    (void)state;
    make_arms(&base, &module, 6);
    ps_fixture bad = ps_fixture_default("ps2", 7), good = ps_fixture_default("baseline", 7);
    bad.start_by_seed = good.start_by_seed = true;
    bad.channels = good.channels = 24;
    bad.accuracy = 0.9; /* its accuracy looks fine; it must not count as a win */
    bad.diverged = true;
    add_run(&base, &good);
    add_run(&module, &bad);
    held(compare_two(&base, &module));
    cJSON *document = read_verdict();
    const cJSON *accuracy = entry(document, "comparison", "measure", "test_accuracy");
    /* Six wins of equal size (rank 3.5 each) and one loss of rank 7: sums of at least 14 of 28 come up with this
     * share. */
    assert_true(number_in(accuracy, "p") > 0.2);
    assert_true(number_in(accuracy, "n") == 7);
    /* The medians: six differences of 0.05 and one of -Infinity; the mean would be that of a run that looks fine. */
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(accuracy, "centre")->valuestring, "median");
    assert_float_equal(number_in(accuracy, "mean_difference"), 0.05, 1e-6);
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(accuracy, "low")->valuestring, "-Infinity");
    cJSON_Delete(document);
}

/* A run that ends whole with a measure of NaN is worse in it, neither as good nor left out. */
static void a_number_that_is_none_ranks_worst(void **state) {
    run_list base, module;
    (void)state;
    make_arms(&base, &module, 6);
    ps_fixture bad = ps_fixture_default("ps2", 7), good = ps_fixture_default("baseline", 7);
    bad.start_by_seed = good.start_by_seed = true;
    bad.channels = good.channels = 24;
    add_run(&base, &good);
    add_run(&module, &bad);
    rewrite(&module, "\"split\":\"test\",\"loss\":1.5", "\"split\":\"test\",\"loss\":\"NaN\"");
    held(compare_two(&base, &module));
    cJSON *document = read_verdict();
    const cJSON *loss = entry(document, "comparison", "measure", "test_loss");
    assert_true(number_in(loss, "n") == 7);
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(loss, "high")->valuestring, "Infinity");
    cJSON_Delete(document);
}

static const cJSON *prediction_of(const cJSON *document, const char *id) {
    return entry(document, "predictions", "id", id);
}

static const char *sentence_of(const cJSON *document, const char *id) {
    return cJSON_GetObjectItemCaseSensitive(prediction_of(document, id), "sentence")->valuestring;
}

static int left_out_of(const cJSON *document, const char *id) {
    const cJSON *part = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(prediction_of(document, id), "parts"), 0);
    return cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(part, "left_out"));
}

/* Four module runs diverge, and have no dead node to count: what came out counts them worst, what dead nodes do names
 * them as left out. */
static void diverged_runs_without_a_value_count_worst(void **state) {
    static const char *const alone[] = {"P1", "P4"};
    run_list base, module;
    (void)state;
    make_arms(&base, &module, 8);
    for (int s = 9; s <= 12; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
        b.channels = m.channels = 24;
        m.module = m.diverged = true;
        m.pool_size = 2;
        m.dead_start = m.death = 0;
        m.accuracy = 0.9;
        add_run(&base, &b);
        add_run(&module, &m);
    }
    held(compare_two(&base, &module));
    cJSON *document = read_verdict();
    const cJSON *p6 = prediction_of(document, "P6"), *value;
    int diverged = 0;
    assert_string_equal(verdict_of(document, "P6"), "inconclusive"); /* eight of twelve would be supported */
    assert_float_equal(number_in(p6, "n"), 12, 0);
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(p6, "interval")->valuestring, "median95");
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(p6, "low")->valuestring, "-Infinity");
    cJSON_ArrayForEach(value, cJSON_GetObjectItemCaseSensitive(p6, "values")) {
        if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(value, "diverged"))) continue;
        diverged++;
        assert_string_equal(cJSON_GetObjectItemCaseSensitive(value, "value")->valuestring, "NaN");
    }
    assert_int_equal(diverged, 4);
    for (int i = 0; i < 2; i++) {
        assert_float_equal(number_in(prediction_of(document, alone[i]), "n"), 8, 0);
        assert_int_equal(left_out_of(document, alone[i]), 4);
        assert_non_null(strstr(sentence_of(document, alone[i]), "seed 9 diverged before it had a case to count"));
    }
    assert_float_equal(number_in(prediction_of(document, "P6"), "estimate"), 0.05, 1e-6); /* the median, not the mean */
    /* Their share of inert dead windows is absent, their dead share 0: neither speaks for the arm. */
    const cJSON *inert = entry(document, "comparison", "measure", "inert_dead_share"),
                *dead = entry(document, "comparison", "measure", "dead_mean");
    assert_float_equal(number_in(inert, "n"), 12, 0);
    assert_float_equal(number_in(dead, "n"), 12, 0);
    for (int i = 8; i < 12; i++) {
        const cJSON *pair = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(inert, "differences"), i);
        assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(pair, "value")));
        assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(pair, "diverged")));
    }
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(inert, "high")->valuestring, "Infinity");
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(dead, "high")->valuestring, "Infinity");
    /* What has no direction cannot be ranked: means of what was recorded. */
    cJSON_ArrayForEach(
        inert, cJSON_GetObjectItemCaseSensitive(
                   document, "comparison")) if (strcmp(cJSON_GetObjectItemCaseSensitive(inert, "better")->valuestring,
                                                       "none") == 0)
        assert_string_equal(cJSON_GetObjectItemCaseSensitive(inert, "centre")->valuestring, "mean");
    cJSON_Delete(document);
}

/* Twelve baselines that diverged: before their first window ended, or with all of it recorded. What dead nodes receive
 * is not told by the divergence: not at all the first time, and as if it had not been the second. */
static void a_divergence_alone_decides_nothing_about_nodes(void **state) {
    static const char *const ids[] = {"W1", "W2", "W3", "W4", "W5"};
    double estimate = 0;
    (void)state;
    for (int i = 0; i < 3; i++) {
        run_list runs = {0};
        for (int s = 1; s <= 12; s++) {
            ps_fixture f = ps_fixture_default("baseline", (uint64_t)s);
            f.channels = 24;
            f.revival = 0.02;
            f.diverged = i > 0;
            f.blown_from = i == 2;
            add_run(&runs, &f);
        }
        ps_compare_arm arm = {"baseline", runs.paths, runs.count};
        held(ps_compare_run(&arm, 1, &(ps_compare_options){.out_directory = folder, .quiet = true}));
        cJSON *document = read_verdict();
        for (int w = 0; i == 2 && w < 5; w++) assert_string_equal(verdict_of(document, ids[w]), "not_testable");
        if (i == 2)
            assert_non_null(strstr(sentence_of(document, "W1"), "seed 1 diverged before it had a case to count"));
        else assert_string_equal(verdict_of(document, "W1"), "supported");
        if (i == 0) estimate = number_in(prediction_of(document, "W1"), "estimate");
        if (i == 1) assert_float_equal(number_in(prediction_of(document, "W1"), "estimate"), estimate, 0);
        cJSON_Delete(document);
    }
}

/* Every run of the arm diverged: that is an answer about accuracy, and none about l2/l1 or deaths. */
static void contrasts_need_a_number(void **state) {
    run_list base = {0}, module = {0};
    (void)state;
    for (int s = 1; s <= 12; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
        b.start_by_seed = m.start_by_seed = m.module = m.diverged = true;
        m.pool_size = 2;
        add_run(&base, &b);
        add_run(&module, &m);
        start_at_zero(&module);
    }
    held(compare_two(&base, &module));
    cJSON *document = read_verdict();
    assert_string_equal(verdict_of(document, "P6"), "refuted");
    for (int i = 0; i < 3; i++) {
        const char *id = (const char *const[]){"P2", "P3", "P5"}[i];
        assert_string_equal(verdict_of(document, id), "not_testable");
        assert_non_null(strstr(sentence_of(document, id), "a run of every pair diverged"));
    }
    cJSON_Delete(document);
}

/* The partner's divergence speaks for the arm; where both diverged nothing tells them apart. */
static void the_partner_may_diverge(void **state) {
    run_list base, module;
    (void)state;
    make_arms(&base, &module, 8);
    for (int s = 9; s <= 10; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
        b.channels = m.channels = 24;
        m.module = b.diverged = true;
        m.diverged = s == 10;
        m.pool_size = 2;
        add_run(&base, &b);
        add_run(&module, &m);
    }
    held(compare_two(&base, &module));
    cJSON *document = read_verdict();
    const cJSON *p6 = prediction_of(document, "P6");
    /* Nine of ten in favour and one that says nothing: 2 of the 1024 assignments give at least as much. */
    assert_float_equal(number_in(p6, "p"), ldexp(1, -9), 1e-12);
    assert_float_equal(number_in(p6, "low"), 0.05,
                       1e-6); /* second smallest of ten; the smallest stands at the margin */
    assert_float_equal(number_in(p6, "coverage"), 1 - 22.0 / 1024, 1e-12);
    cJSON_Delete(document);
}

static void left_out_seeds_are_named(void **state) {
    (void)state;
    for (int cut = 3; cut <= 5; cut += 2) {
        run_list base, module;
        make_arms(&base, &module, 12 - cut);
        for (int s = 13 - cut; s <= 12; s++) {
            ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
            b.channels = m.channels = 24;
            m.module = m.cut = true;
            m.pool_size = 2;
            add_run(&base, &b);
            add_run(&module, &m);
        }
        held(compare_two(&base, &module));
        cJSON *document = read_verdict();
        assert_int_equal(left_out_of(document, "P6"), cut);
        assert_int_equal(left_out_of(document, "P1"), cut); /* a full value in no prediction about one arm either */
        assert_int_equal(left_out_of(document, "W1"), 0);
        assert_string_equal(verdict_of(document, "P6"), cut == 3 ? "supported" : "not_testable");
        assert_non_null(strstr(sentence_of(document, "P6"), cut == 3 ? "seed 12 has no end in arm ps2" : "and 1 more"));
        if (cut == 5)
            assert_non_null(strstr(sentence_of(document, "P6"), "5 of 12 seeds give no value, more than a third"));
        cJSON_Delete(document);
    }
}

static void a_cohort_without_events_stays_in(void **state) {
    run_list base, module;
    (void)state;
    make_arms(&base, &module, 8);
    for (int s = 9; s <= 12; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
        b.channels = m.channels = 24;
        b.start_by_seed = m.start_by_seed = m.module = true;
        b.revival = m.revival = 0;
        m.pool_size = 2;
        add_run(&base, &b);
        add_run(&module, &m);
        start_at_zero(&module);
    }
    held(compare_two(&base, &module));
    cJSON *document = read_verdict();
    const cJSON *p2 = prediction_of(document, "P2"), *values = cJSON_GetObjectItemCaseSensitive(p2, "values");
    assert_float_equal(number_in(p2, "n"), 12, 0);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(values, 11), "no_event")));
    assert_float_equal(number_in(cJSON_GetArrayItem(values, 11), "value"), 0, 0);
    assert_float_equal(number_in(p2, "p"), ldexp(1, -8), 1e-12); /* effect 0: as if eight seeds spoke */
    cJSON_Delete(document);
}

static void set_fork(const run_list *list, const char *digest) {
    char event[160];
    snprintf(event, sizeof event, "\n{\"type\":\"event\",\"step\":0,\"event\":\"forked\",\"checkpoint\":\"%s\"}\n",
             digest);
    rewrite(list, "\n", event);
}

/* Equal states in every seed are not enough: modules that do not start at zero need a fork from one checkpoint, in all
 * pairs. */
static void cohorts_need_a_design(void **state) {
    static const char *const digests[] = {"", "a", "b"};
    (void)state;
    for (int d = 0; d < 3; d++) {
        run_list base = {0}, module = {0};
        for (int s = 1; s <= 6; s++) {
            ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
            b.start_by_seed = m.start_by_seed = m.module = true;
            m.pool_size = 2;
            add_run(&base, &b);
            add_run(&module, &m);
            if (d > 0) set_fork(&base, "a");
            if (d > 0) set_fork(&module, s == 4 ? digests[d] : "a");
        }
        held(compare_two(&base, &module));
        cJSON *document = read_verdict();
        assert_true((strcmp(verdict_of(document, "P2"), "not_testable") == 0) == (d != 1));
        if (d != 1)
            assert_non_null(strstr(sentence_of(document, "P3"), d == 0 ? "in 6 of 6 pairs" : "in 1 of 6 pairs"));
        cJSON_Delete(document);
    }
}

/* Module and controls of pool size e; with `other` the controls of P7 have another one. */
static cJSON *compare_controls(int controls_size, int odd_seed) {
    static const char *const names[] = {"baseline", "ps", "grid", "energy", "conv"};
    static const char *const modes[] = {NULL, "full", "grid+conv+skip", "grid-energy+conv+skip", "conv+skip"};
    static run_list lists[5];
    ps_compare_arm arms[5];
    memset(lists, 0, sizeof lists);
    for (int a = 0; a < 5; a++) {
        for (int s = 1; s <= 6; s++) {
            ps_fixture f = ps_fixture_default(names[a], (uint64_t)s);
            f.module = a > 0;
            f.pool_size = a == 1 ? 4 : controls_size;
            f.mode = modes[a];
            /* The reference lacks this seed, so that nothing has compared these two before. */
            if (s == odd_seed && a == 2) f.order = "another";
            f.start_by_seed = true;
            if (s != odd_seed || a > 0) add_run(&lists[a], &f);
            if (a > 0) start_at_zero(&lists[a]);
        }
        arms[a] = (ps_compare_arm){names[a], lists[a].paths, lists[a].count};
    }
    held(ps_compare_run(arms, 5, &(ps_compare_options){.out_directory = folder, .quiet = true}));
    return read_verdict();
}

static void only_equal_pool_sizes_are_contrasted(void **state) {
    (void)state;
    cJSON *document = compare_controls(2, 0);
    assert_string_equal(verdict_of(document, "P7"), "not_testable");
    assert_non_null(strstr(sentence_of(document, "P7"), "pool size of arm ps (4)"));
    cJSON_Delete(document);
    document = compare_controls(4, 0);
    assert_string_not_equal(verdict_of(document, "P7"), "not_testable");
    cJSON_Delete(document);
}

static void pairs_are_checked_between_the_arms_contrasted(void **state) {
    (void)state;
    cJSON *document = compare_controls(4, 5);
    assert_int_equal(left_out_of(document, "P7"), 1);
    const cJSON *part = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(prediction_of(document, "P7"), "parts"), 0);
    const cJSON *left = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(part, "left_out"), 0);
    assert_float_equal(number_in(left, "seed"), 5, 0);
    assert_non_null(strstr(cJSON_GetObjectItemCaseSensitive(left, "reason")->valuestring, "differs in order"));
    cJSON_Delete(document);
}

static void traces_without_pairing_judge_no_contrast(void **state) {
    run_list base = {0}, module = {0};
    (void)state;
    for (int s = 1; s <= 6; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
        m.module = true;
        add_run(&base, &b);
        rewrite(&base, "\"pairing\":", "\"pairing\":{},\"other\":");
        add_run(&module, &m);
        rewrite(&module, "\"pairing\":", "\"pairing\":{},\"other\":");
    }
    held(compare_two(&base, &module));
    cJSON *document = read_verdict();
    assert_string_equal(verdict_of(document, "P6"), "not_testable");
    assert_non_null(strstr(sentence_of(document, "P6"), "pairing objects of its traces are empty"));
    assert_string_not_equal(verdict_of(document, "W1"), "not_testable");
    cJSON_Delete(document);
}

static void replace_all(const run_list *list, const char *from, const char *to) {
    const char *path = list->paths[list->count - 1];
    char *content;
    assert_int_equal(ps_file_read(path, &content, NULL), PS_OK);
    assert_non_null(strstr(content, from));
    FILE *file = fopen(path, "w");
    const char *p = content;
    for (const char *next; (next = strstr(p, from)) != NULL; p = next + strlen(from))
        fprintf(file, "%.*s%s", (int)(next - p), p, to);
    fputs(p, file);
    assert_int_equal(fclose(file), 0);
    free(content);
}

static void refused_as(ps_status status, const char *const *words) {
    assert_int_equal(status, PS_ERR_INPUT);
    for (; *words != NULL; words++)
        if (strstr(ps_status_message(), *words) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", ps_status_message(), *words);
}
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* A recorder that inserts a module renumbers what follows: nothing may be compared by names that only one arm has. */
static void pairs_of_unlike_layers_are_refused(void **state) {
    (void)state;
    for (int kind = 0; kind < 5; kind++) {
        run_list base = {0}, module = {0};
        ps_fixture b = ps_fixture_default("baseline", 1), m = ps_fixture_default("ps2", 1);
        b.layers = m.layers = 5;
        if (kind == 2) m.channels = 6;
        add_run(&base, &b);
        add_run(&module, &m);
        if (kind == 0) held(compare_two(&base, &module));
        if (kind <= 1) replace_all(&module, "\"conv2\"", "\"conv2.renamed\"");
        if (kind == 1) replace_all(&module, "\"conv4\"", "\"conv4.renamed\"");
        if (kind == 3) { /* the same, and nothing to verify pairs by */
            replace_all(&base, "\"pairing\":", "\"pairing\":{},\"other\":");
            replace_all(&module, "\"pairing\":", "\"pairing\":{},\"other\":");
            replace_all(&module, "\"conv3\"", "\"conv3.renamed\"");
        }
        if (kind == 4) drop_layer(&module, "conv1", "probe");
        const char *const *const sentences[] = {
            WORDS("seed 1 of arm ps2", "conv2.renamed (8 nodes)", "conv2 (8 nodes)", "the same name in both"),
            WORDS("conv2.renamed (8 nodes), conv4.renamed (8 nodes)", "conv2 (8 nodes), conv4 (8 nodes)"),
            WORDS("conv0 (6 nodes)", "conv0 (8 nodes)"), WORDS("conv3.renamed (8 nodes)"),
            WORDS("other layers were recorded", "conv1 (8 nodes, no probe records)", "record the same ones")};
        refused_as(compare_two(&base, &module), sentences[kind]);
    }
}

/* What a layer is stands in its header: a pair that differs there compares two networks. An activation may differ. */
static void pairs_of_layers_of_another_kind_are_refused(void **state) {
    static const struct {
        const char *key, *from, *to, *mine, *theirs;
    } rows[] = {
        {"kind", "\"kind\":\"conv\",\"channels\":8,\"position\":2", "\"kind\":\"linear\",\"channels\":8,\"position\":2",
         "\"linear\"", "\"conv\""},
        {"depth", "\"position\":2,\"depth\":2", "\"position\":2,\"depth\":5", "5", "2"},
        {"stage", "\"stage\":\"s1\"", "\"stage\":\"s9\"", "\"s9\"", "\"s1\""},
        {"norm", "\"depth\":2,\"stage\":\"s1\",\"activation\":\"relu\",\"norm\":null",
         "\"depth\":2,\"stage\":\"s1\",\"activation\":\"relu\",\"norm\":\"bn\"", "\"bn\"", "null"},
        {"bias", "\"pool_skip\":null,\"bias\":true,\"fan_in\":27,\"inputs\":[\"conv1\"]",
         "\"pool_skip\":null,\"bias\":false,\"fan_in\":27,\"inputs\":[\"conv1\"]", "false", "true"},
        {"fan_in", "\"fan_in\":27,\"inputs\":[\"conv1\"]", "\"fan_in\":999,\"inputs\":[\"conv1\"]", "999", "27"},
        {"inputs", "\"inputs\":[\"conv1\"]", "\"inputs\":[\"conv0\"]", "[\"conv0\"]", "[\"conv1\"]"},
        {"elements", "\"elements\":16}", "\"elements\":32}", "32", "16"}, /* of all layers and records */
        {"activation", "\"depth\":2,\"stage\":\"s1\",\"activation\":\"relu\"",
         "\"depth\":2,\"stage\":\"s1\",\"activation\":\"leaky_relu\"", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char sentence[160];
        run_list base = {0}, module = {0};
        ps_fixture b = ps_fixture_default("baseline", 1), m = ps_fixture_default("ps2", 1);
        add_run(&base, &b);
        add_run(&module, &m);
        bool wide = strcmp(rows[i].key, "elements") == 0;
        if (wide) replace_all(&module, "\"elements\":8192", "\"elements\":16384");
        (wide ? replace_all : rewrite)(&module, rows[i].from, rows[i].to);
        ps_status status = compare_two(&base, &module);
        if (rows[i].mine == NULL) {
            held(status);
            continue;
        }
        snprintf(sentence, sizeof sentence, "\"%s\" of layer conv%d is %s in ", rows[i].key, wide ? 0 : 2,
                 rows[i].mine);
        refused_as(status, WORDS("seed 1 of arm ps2", sentence));
        snprintf(sentence, sizeof sentence, " and %s in ", rows[i].theirs);
        refused_as(status, WORDS(sentence));
    }
}

/* Two seeds of one arm are one network. */
static void runs_of_an_arm_have_the_same_layers(void **state) {
    run_list base = {0};
    (void)state;
    for (int s = 1; s <= 2; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s);
        add_run(&base, &b);
    }
    replace_all(&base, "\"conv2\"", "\"conv2.renamed\"");
    ps_compare_arm arm = {"baseline", base.paths, base.count};
    refused_as(ps_compare_run(&arm, 1, &(ps_compare_options){.out_directory = folder, .quiet = true}),
               WORDS("the other runs of the arm", "conv2.renamed"));
}

/* Of a run that was cut off before its first window nobody knows which layers its windows would have had. */
static void a_run_without_windows_pairs(void **state) {
    run_list base = {0}, module = {0};
    (void)state;
    ps_fixture b = ps_fixture_default("baseline", 1), m = ps_fixture_default("ps2", 1);
    add_run(&base, &b);
    add_run(&module, &m);
    char *content;
    assert_int_equal(ps_file_read(module.paths[0], &content, NULL), PS_OK);
    const char *window = strstr(content, "{\"type\":\"window\"");
    assert_int_equal(ps_file_write(module.paths[0], content, (size_t)(window - content)), PS_OK);
    free(content);
    held(compare_two(&base, &module));
}

/* GELU: nothing is dead, and the answer says why. */
static void unknown_activations_are_said(void **state) {
    run_list base = {0};
    (void)state;
    ps_fixture b = ps_fixture_default("baseline", 1);
    b.dead_start = 0.5;
    add_run(&base, &b);
    replace_all(&base, "\"activation\":\"relu\"", "\"activation\":\"gelu\"");
    ps_compare_arm arm = {"baseline", base.paths, base.count};
    held(ps_compare_run(&arm, 1, &(ps_compare_options){.out_directory = folder, .quiet = true}));
    cJSON *document = read_verdict();
    const cJSON *sentence;
    int said = 0;
    cJSON_ArrayForEach(sentence, cJSON_GetObjectItemCaseSensitive(document, "summary")) said +=
        strstr(sentence->valuestring, "In 3 of 3 layers of arm baseline (conv0 first: gelu)") != NULL;
    assert_int_equal(said, 1);
    const cJSON *prediction;
    cJSON_ArrayForEach(prediction, cJSON_GetObjectItemCaseSensitive(document, "predictions")) {
        const char *id = cJSON_GetObjectItemCaseSensitive(prediction, "id")->valuestring;
        if (strcmp(id, "P1") == 0 || strcmp(id, "P3") == 0)
            assert_string_equal(verdict_of(document, id), "not_testable");
    }
    cJSON_Delete(document);
}

/* Nine seeds, eight beyond the margin and one short of it: p alone would do, the printed range does not. */
static void the_printed_interval_must_agree(void **state) {
    run_list base = {0}, module = {0};
    (void)state;
    for (int s = 1; s <= 9; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
        m.module = b.sparse = m.sparse = true; /* few predictions are testable: the family is small */
        m.accuracy = s == 4 ? 0.485 : 0.6;
        add_run(&base, &b);
        add_run(&module, &m);
    }
    held(compare_two(&base, &module));
    cJSON *document = read_verdict();
    const cJSON *p6 = prediction_of(document, "P6");
    assert_float_equal(number_in(p6, "p"), ldexp(1, -8), 1e-12);
    assert_true(number_in(p6, "p_holm") <= 0.05);
    assert_float_equal(number_in(p6, "low"), -0.015, 1e-6);
    assert_string_equal(verdict_of(document, "P6"), "inconclusive");
    cJSON_Delete(document);
}

static void summarise(const ps_fixture *fixture, ps_summary *summary) {
    run_list list;
    ps_run *run;
    memset(&list, 0, sizeof list);
    memset(summary, 0, sizeof *summary);
    add_run(&list, fixture);
    ps_file_set *set;
    ps_tables *tables;
    held(ps_file_set_begin(folder, "summaries", "", &set));
    held(ps_tables_open(set, &tables)); /* every spell is kept, not the cohorts alone */
    held(ps_run_open(list.paths[0], fixture->arm, &run));
    held(ps_metrics_run(run, tables, summary, NULL));
    ps_run_close(run);
    ps_tables_close(tables);
    ps_file_set_discard(set);
}

/* What a diverged run says of its nodes is what the same run says that stops at its last finite probe. */
static void deaths_of_a_diverged_run_end_at_its_last_finite_probe(void **state) {
    static const char *const measures[] = {"dead_start",     "dead_end",        "dead_mean",    "near_dead_end",
                                           "never_alive",    "death_rate",      "revival_rate", "mean_dead_train",
                                           "mean_dormant_0", "leave_difference"};
    ps_summary whole, stopped;
    (void)state;
    ps_fixture f = ps_fixture_default("run", 5);
    f.revival = 0.3;
    f.windows = 9;
    f.blown_from = 6; /* probes 0 to 5 are finite */
    f.diverged = true;
    summarise(&f, &whole);
    f.windows = 5;
    f.blown_from = 0;
    summarise(&f, &stopped);
    for (size_t i = 0; i < sizeof measures / sizeof *measures; i++) {
        double expected = ps_summary_get(&stopped, measures[i]);
        assert_true(isfinite(expected));
        assert_float_equal(ps_summary_get(&whole, measures[i]), expected, 0);
    }
    assert_true(stopped.spell_count > 0 && stopped.alive_count > 0);
    assert_int_equal(whole.spell_count, stopped.spell_count);
    assert_int_equal(whole.alive_count, stopped.alive_count);
    for (size_t i = 0; i < whole.spell_count; i++) {
        assert_int_equal(whole.spells[i].end, stopped.spells[i].end);
        assert_int_equal(whole.spells[i].revived, stopped.spells[i].revived);
    }
    for (size_t i = 0; i < whole.alive_count; i++) assert_int_equal(whole.alive[i].end, stopped.alive[i].end);
    ps_summary_clear(&whole);
    ps_summary_clear(&stopped);
}

static void windows_of_a_diverged_run_end_at_its_last_finite_probe(void **state) {
    static const char *const measures[] = {
        "dead_gradient_steps",      "leave_difference",    "cascade_difference", "sparsity_lead",
        "near_dead_slowing",        "dead_gradient_ratio", "dead_moving_share",  "dead_outgoing_still",
        "reopened_outgoing_moving", "gradient_reopening",  "dead_mean"};
    ps_summary whole, stopped;
    (void)state;
    ps_fixture f = ps_fixture_default("run", 5);
    f.module = f.norm = f.noise = f.diverged = true;
    f.pool_size = 2;
    f.dead_ratio = 0.2;
    f.layers = 6;
    f.channels = 24;
    f.death = 0.05;
    f.revival = 0.3;
    f.near_leave = 0.3;
    f.windows = 12;
    f.blown_from = 9; /* probes 0 to 8 are finite; window 8 has no end */
    summarise(&f, &whole);
    f.windows = 8;
    f.blown_from = 0;
    f.diverged = false;
    summarise(&f, &stopped);
    for (size_t i = 0; i < sizeof measures / sizeof *measures; i++) {
        double expected = ps_summary_get(&stopped, measures[i]), found = ps_summary_get(&whole, measures[i]);
        if (!isfinite(expected) || fabs(found - expected) > 1e-12)
            fail_msg("%s: %.17g, not %.17g", measures[i], found, expected);
    }
    ps_summary_clear(&whole);
    ps_summary_clear(&stopped);
}

static const char *const check_ids[] = {
#define PS_CHECK(id, statement) #id,
#include "analysis/check_list.def"
#undef PS_CHECK
};
enum { CHECKS = sizeof check_ids / sizeof *check_ids };

/* The verdict on a pair of runs in which the contradiction is planted. Many nodes, of which some die and some
 * reopen. */
static cJSON *compare_with_fault(const char *fault, ps_status expected) {
    run_list base = {0}, module = {0};
    ps_fixture b = ps_fixture_default("baseline", 1), m = ps_fixture_default("ps2", 1);
    b.fault = m.fault = fault;
    b.dead_start = m.dead_start = 0.5;
    b.channels = m.channels = 32;
    b.norm = m.norm = m.module = b.edge_known = m.edge_known = true;
    m.pool_size = 2;
    m.dead_ratio = 0.2;
    add_run(&base, &b);
    add_run(&module, &m);
    ps_status status = compare_two(&base, &module);
    if (status != expected) fail_msg("%s: status %d", fault != NULL ? fault : "no fault", (int)status);
    return read_verdict();
}

/* A line of the trace by `path:number`. */
static void read_line(const char *place, char *line, int size) {
    char path[256];
    snprintf(path, sizeof path, "%s", place);
    char *colon = strrchr(path, ':');
    assert_non_null(colon);
    *colon = '\0';
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    for (long number = atol(colon + 1); number > 0; number--) assert_non_null(fgets(line, size, file));
    fclose(file);
}

/* Exactly the one check fails; its first line is one of those where the contradiction stands. */
static void check_is_the_only_one(const cJSON *document, const char *id, const char *fault) {
    static char line[1 << 16];
    char window[64], probe[64], layer[32];
    for (int c = 0; c < CHECKS; c++) {
        const cJSON *check = entry(document, "checks", "id", check_ids[c]);
        const cJSON *holds = cJSON_GetObjectItemCaseSensitive(check, "holds");
        bool planted = strcmp(id, check_ids[c]) == 0;
        if (planted ? !cJSON_IsFalse(holds) : !cJSON_IsTrue(holds))
            fail_msg("%s: %s is %s", fault, check_ids[c], cJSON_Print(holds));
        if (!planted) continue;
        read_line(cJSON_GetObjectItemCaseSensitive(check, "first_violation")->valuestring, line, sizeof line);
        snprintf(window, sizeof window, "\"window\":%d,", PS_FIXTURE_FAULT_WINDOW);
        snprintf(probe, sizeof probe, "\"step\":%d,", 10 * (PS_FIXTURE_FAULT_WINDOW + 1));
        snprintf(layer, sizeof layer, "\"layer\":\"conv%d\"", PS_FIXTURE_FAULT_LAYER);
        bool at_probe = strcmp(id, "dead_is_silent") == 0 || strcmp(id, "edge_holds_what_enters") == 0;
        assert_non_null(strstr(line, at_probe ? probe : window));
        assert_non_null(strstr(line, layer));
    }
}

static void contradictions_make_a_run_faulty(void **state) {
    static const char *const other_forms[] = {"shut_gate_no_gradient (window)", "shut_gate_no_row_gradient (window)",
                                              "shut_steps_agree (missed)", "dead_is_silent (entering)"};
    (void)state;
    for (int i = 0; i < CHECKS + (int)(sizeof other_forms / sizeof *other_forms); i++) {
        const char *fault = i < CHECKS ? check_ids[i] : other_forms[i - CHECKS];
        char id[64];
        snprintf(id, sizeof id, "%.*s", (int)strcspn(fault, " "), fault);
        cJSON *document = compare_with_fault(fault, PS_ERR_CHECK);
        check_is_the_only_one(document, id, fault);
        assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(document, "faulty")));
        assert_string_equal(verdict_of(document, "W1"), "not_testable");
        cJSON_Delete(document);
    }
}

static void every_check_judges_a_sound_run(void **state) {
    (void)state;
    cJSON *document = compare_with_fault(NULL, PS_OK);
    for (int c = 0; c < CHECKS; c++) {
        const cJSON *check = entry(document, "checks", "id", check_ids[c]);
        if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(check, "holds"))) fail_msg("%s does not hold", check_ids[c]);
        assert_true(number_in(check, "cases") > 0);
    }
    cJSON_Delete(document);
}

static void missing_quantities_are_not_guessed(void **state) {
    run_list base = {0}, module = {0};
    (void)state;
    for (int s = 1; s <= 6; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
        b.sparse = m.sparse = m.module = true;
        b.cut = s == 2;
        add_run(&base, &b);
        add_run(&module, &m);
    }
    held(compare_two(&base, &module));
    cJSON *document = read_verdict();
    assert_string_equal(verdict_of(document, "W1"), "not_testable");
    assert_string_equal(verdict_of(document, "W5"), "not_testable");
    assert_string_equal(verdict_of(document, "P1"), "not_testable");
    const cJSON *missing = cJSON_GetObjectItemCaseSensitive(entry(document, "predictions", "id", "W1"), "missing");
    assert_string_equal(cJSON_GetArrayItem(missing, 0)->valuestring, "grad_zero_steps");
    for (int c = 0; c < CHECKS; c++) /* nothing that a check needs was recorded: it neither holds nor fails */
        assert_true(
            cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(entry(document, "checks", "id", check_ids[c]), "holds")));
    cJSON_Delete(document);
}

static const char *first_missing_of(const cJSON *document, const char *id) {
    const cJSON *first =
        cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(prediction_of(document, id), "missing"), 0);
    return first != NULL ? first->valuestring : "";
}

/* Three runs of twelve lack one quantity of W1, and none has recorded what P9's instrument check judges. */
static void every_run_is_asked_what_it_recorded(void **state) {
    run_list base, module;
    (void)state;
    memset(&base, 0, sizeof base);
    memset(&module, 0, sizeof module);
    for (int s = 1; s <= 12; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
        b.channels = m.channels = 24;
        m.module = b.norm = m.norm = m.noise = true;
        m.pool_size = 2;
        m.dead_ratio = 0.2;
        add_run(&base, &b);
        if (s > 9) forget(&base, "grad_zero_steps");
        add_run(&module, &m);
        forget(&module, "shut_beta_grad_steps");
    }
    held(compare_two(&base, &module));
    cJSON *document = read_verdict();
    assert_float_equal(number_in(prediction_of(document, "W1"), "n"), 9, 0);
    assert_int_equal(left_out_of(document, "W1"), 3);
    assert_non_null(strstr(sentence_of(document, "W1"), "seed 10 has not recorded grad_zero_steps"));
    assert_string_equal(first_missing_of(document, "W1"), "grad_zero_steps");
    assert_string_equal(first_missing_of(document, "W2"), "");
    assert_string_equal(verdict_of(document, "P9"), "not_testable");
    assert_non_null(strstr(sentence_of(document, "P9"), "not recorded in arm ps2: shut_beta_grad_steps"));
    cJSON_Delete(document);
}

static char *read_nodes(void) {
    char path[128], *content;
    snprintf(path, sizeof path, "%s/tables/nodes.tsv", folder);
    assert_int_equal(ps_file_read(path, &content, NULL), PS_OK);
    return content;
}

/* A trace of nothing but zeros does not say why nodes are dead, and one that holds all leaves nothing unknown. */
static void causes_are_not_guessed(void **state) {
    (void)state;
    for (int sparse = 0; sparse < 2; sparse++) {
        run_list runs = {0};
        ps_fixture f = ps_fixture_default("baseline", 1);
        f.sparse = sparse;
        add_run(&runs, &f);
        ps_compare_arm arm = {"baseline", runs.paths, 1};
        held(ps_compare_run(&arm, 1, &(ps_compare_options){.out_directory = folder, .quiet = true}));
        char *nodes = read_nodes();
        assert_true((strstr(nodes, "\tunknown\tnot_recorded=weight_l2,bias,pre_max\t") != NULL) == (sparse == 1));
        assert_true((strstr(nodes, "\tunknown\t") != NULL) == (sparse == 1));
        assert_true((strstr(nodes, "\tnegative_bias\t") != NULL) == (sparse == 0));
        assert_null(strstr(nodes, "\tsilent\t"));
        free(nodes);
    }
}

/* What is fixed beforehand is said for every prediction, and is what the metrics count by. */
static void fixed_numbers_are_said(void **state) {
    run_list base, module;
    const cJSON *prediction;
    (void)state;
    make_arms(&base, &module, 1);
    held(compare_two(&base, &module));
    cJSON *document = read_verdict();
    cJSON_ArrayForEach(prediction, cJSON_GetObjectItemCaseSensitive(document, "predictions"))
        assert_true(cJSON_GetObjectItemCaseSensitive(prediction, "test")->valuestring[0] != '\0');
    static const struct {
        const char *id, *name;
        double value;
    } numbers[] = {{"W2", "near_dead_from_zeros_share", PS_FIXED_NEAR_DEAD},
                   {"W3", "windows_ahead", PS_FIXED_AHEAD},
                   {"W3", "inert_below", PS_FIXED_INERT},
                   {"W4", "least_layers", PS_FIXED_LEAD_LAYERS},
                   {"W4", "least_intervals", PS_FIXED_LEAD_INTERVALS},
                   {"W5", "near_dead_from_zeros_share", PS_FIXED_NEAR_DEAD},
                   {"P1", "near_dead_from_zeros_share", PS_FIXED_NEAR_DEAD},
                   {"P3", "near_dead_from_zeros_share", PS_FIXED_NEAR_DEAD},
                   {"P4", "inert_below", PS_FIXED_INERT}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        assert_float_equal(
            number_in(entry(prediction_of(document, numbers[i].id), "fixed", "name", numbers[i].name), "value"),
            numbers[i].value, 0);
    assert_non_null(strstr(cJSON_GetObjectItemCaseSensitive(prediction_of(document, "P9"), "statement")->valuestring,
                           "shut_gate_no_beta_gradient"));
    cJSON_Delete(document);
}

static const cJSON *variation_of(const cJSON *document, const char *id, const char *variation) {
    const cJSON *all = cJSON_GetObjectItemCaseSensitive(entry(document, "predictions", "id", id), "sensitivity");
    return entry(all, "variations", "variation", variation);
}

static const char *text_in(const cJSON *item, const char *key) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(item, key);
    assert_true(cJSON_IsString(value));
    return value->valuestring;
}

static void expect_row(const cJSON *document, const char *id, const char *variation, const char *verdict, int same) {
    const cJSON *row = variation_of(document, id, variation), *flag = cJSON_GetObjectItemCaseSensitive(row, "same");
    if (strcmp(text_in(row, "verdict"), verdict) != 0)
        fail_msg("%s under %s is %s, not %s", id, variation, text_in(row, "verdict"), verdict);
    assert_true(same < 0 ? cJSON_IsNull(flag) : same == 1 ? cJSON_IsTrue(flag) : cJSON_IsFalse(flag));
}

typedef void change_fixture(ps_fixture *fixture);

static void make_changed_arms(run_list *base, run_list *module, int seeds, change_fixture *change) {
    memset(base, 0, sizeof *base);
    memset(module, 0, sizeof *module);
    for (int s = 1; s <= seeds; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
        b.start_by_seed = m.start_by_seed = true;
        b.channels = m.channels = 24;
        b.revival = 0.02;
        m.module = true;
        m.pool_size = 2;
        m.dead_ratio = 0.2;
        m.revival = 0.3;
        change(&b);
        change(&m);
        add_run(base, &b);
        add_run(module, &m);
    }
}

static void rare(ps_fixture *fixture) { fixture->rare = true; }

/* Near-dead nodes, which get a gradient, pass for dead on a quarter of the images and not on half of them. */
static void a_verdict_turns_under_one_variation_and_not_under_another(void **state) {
    run_list base, module;
    (void)state;
    make_changed_arms(&base, &module, 12, rare);
    held(compare_two(&base, &module));
    cJSON *document = read_verdict();
    assert_string_equal(verdict_of(document, "W1"), "supported");
    expect_row(document, "W1", "probe_half", "supported", 1);
    expect_row(document, "W1", "probe_quarter", "refuted", 0);
    expect_row(document, "W1", "dead_eval", "supported", 1);
    expect_row(document, "W1", "dormant_0", "supported", 1);
    expect_row(document, "W1", "inert_1e-2", "not_affected", -1);
    /* 99.76 % of the outputs of a near-dead node are 0: by the upper threshold there is none. */
    expect_row(document, "W1", "near_dead_0.95", "not_affected", -1);
    expect_row(document, "W2", "near_dead_0.95", verdict_of(document, "W2"), 1);
    expect_row(document, "W2", "near_dead_0.999", "not_testable", -1);
    expect_row(document, "W5", "near_dead_0.999", "not_testable", -1);
    expect_row(document, "P4", "inert_1e-4", "supported", 1);
    expect_row(document, "P4", "inert_1e-2", "refuted", 0); /* dead nodes move by 0.4 % */
    expect_row(document, "P6", "near_dead", "not_affected", -1);
    expect_row(document, "P5", "windows_4", "not_affected", -1);
    /* The same states counted in another way give the same numbers. */
    const cJSON *w1 = entry(document, "predictions", "id", "W1");
    assert_float_equal(number_in(variation_of(document, "W1", "probe_half"), "estimate"), number_in(w1, "estimate"), 0);
    assert_float_equal(number_in(variation_of(document, "W1", "dormant_0"), "low"), number_in(w1, "low"), 0);
    const char *sentence = text_in(cJSON_GetObjectItemCaseSensitive(w1, "sensitivity"), "sentence");
    assert_non_null(strstr(sentence, "Supported under"));
    assert_non_null(strstr(sentence, "a quarter of the probe images"));
    assert_null(strstr(sentence, "half of the probe images"));
    cJSON_Delete(document);
}

static void ajar(ps_fixture *fixture) {
    fixture->norm = fixture->noise = true;
    fixture->revival = 0.1;
    fixture->ajar = 0.3;
}

static void reopened_by_gradient(ps_fixture *fixture) {
    fixture->norm = fixture->noise = true;
    fixture->channels = 48;
    fixture->reopening = 3;
}

/* Nodes that a batch opens, dead on the probe set as they are, get more gradient and reopen sooner: the gradient need
 * not be why. */
static void only_shut_nodes_tell_of_reopening(void **state) {
    change_fixture *const changes[] = {ajar, reopened_by_gradient};
    (void)state;
    for (int i = 0; i < 2; i++) {
        run_list base, module;
        make_changed_arms(&base, &module, 12, changes[i]);
        held(compare_two(&base, &module));
        cJSON *document = read_verdict();
        const cJSON *p9 = prediction_of(document, "P9");
        double estimate = number_in(p9, "estimate");
        if (i == 0 ? fabs(estimate) > 0.05 : estimate < 0.1) fail_msg("estimate %g", estimate);
        assert_int_equal(strcmp(verdict_of(document, "P9"), "supported") == 0, i == 1);
        assert_float_equal(number_in(p9, "n"), 12, 0);
        /* Batches that shut a gate add up over joined windows. */
        assert_string_not_equal(text_in(variation_of(document, "P9", "windows_2"), "verdict"), "not_testable");
        cJSON_Delete(document);
    }
}

/* Those alive at the first probe are others where near-dead nodes pass for alive. */
static void who_is_near_dead_decides_who_may_die(void **state) {
    run_list base, module;
    (void)state;
    make_arms(&base, &module, 4);
    held(compare_two(&base, &module));
    cJSON *document = read_verdict();
    double primary = number_in(prediction_of(document, "P3"), "estimate");
    assert_float_equal(number_in(variation_of(document, "P3", "near_dead_0.95"), "estimate"), primary, 0);
    assert_true(fabs(number_in(variation_of(document, "P3", "near_dead_0.999"), "estimate") - primary) > 1e-9);
    cJSON_Delete(document);
}

static void no_parts(ps_fixture *fixture) { fixture->no_parts = true; }

static void what_was_not_recorded_is_not_guessed(void **state) {
    run_list base, module;
    (void)state;
    make_changed_arms(&base, &module, 8, no_parts);
    held(compare_two(&base, &module));
    cJSON *document = read_verdict();
    expect_row(document, "W1", "probe_half", "not_testable", -1);
    expect_row(document, "W1", "probe_quarter", "not_testable", -1);
    assert_non_null(strstr(text_in(variation_of(document, "W1", "probe_half"), "note"),
                           "not recorded in arm baseline: nonzero_half"));
    expect_row(document, "W1", "dead_train", "supported", 1);
    /* A first state after one window is common to both arms no more. */
    expect_row(document, "P2", "dead_train", "not_testable", -1);
    cJSON_Delete(document);
}

static void outgoing_move(ps_fixture *fixture) { fixture->out_dead = 0.05; }
static void outgoing_frozen(ps_fixture *fixture) { fixture->out_frozen = true; }

static void both_clauses_about_outgoing_weights_count(void **state) {
    change_fixture *const changes[] = {outgoing_move, outgoing_frozen};
    static const char *const measures[] = {"dead_outgoing_still", "reopened_outgoing_moving"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        run_list base, module;
        make_changed_arms(&base, &module, 10, changes[i]);
        held(compare_two(&base, &module));
        cJSON *document = read_verdict();
        assert_string_equal(verdict_of(document, "P4"), "refuted");
        assert_string_equal(text_in(entry(document, "predictions", "id", "P4"), "measure"), measures[i]);
        cJSON_Delete(document);
    }
}

/* ---- curves of survival ---- */

typedef struct {
    char arm[16], seed[8], origin[8], low[16], high[16], level[8], name[16];
    double time, survival;
    int seeds;
} curve_row;

static int read_curves(curve_row *rows, int room) {
    char path[128], line[512];
    int count = 0;
    snprintf(path, sizeof path, "%s/tables/survival.tsv", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    for (; count < room && fgets(line, sizeof line, file) != NULL; count++)
        assert_int_equal(
            sscanf(line, "%15s\t%7s\t%7s\t%lf\t%*s\t%*s\t%*s\t%lf\t%15s\t%15s\t%7s\t%15s\t%d", rows[count].arm,
                   rows[count].seed, rows[count].origin, &rows[count].time, &rows[count].survival, rows[count].low,
                   rows[count].high, rows[count].level, rows[count].name, &rows[count].seeds),
            10);
    assert_true(feof(file));
    fclose(file);
    return count;
}

static bool same_curve(const curve_row *a, const curve_row *b) {
    return strcmp(a->arm, b->arm) == 0 && strcmp(a->origin, b->origin) == 0 && strcmp(a->level, b->level) == 0 &&
           strcmp(a->name, b->name) == 0;
}

/* A seed's survival at a time, and the last time of its curve (-1: none). */
static double seed_survival(const curve_row *rows, int count, const curve_row *of, int seed, double time,
                            double *last) {
    double survival = 1;
    *last = -1;
    for (int j = 0; j < count; j++) {
        if (!same_curve(&rows[j], of) || atoi(rows[j].seed) != seed) continue;
        if (rows[j].time <= time) survival = rows[j].survival;
        *last = fmax(*last, rows[j].time);
    }
    return survival;
}

/* An arm's curve from its seeds' rows: it falls from one time to the next as the mean of those observed at both falls,
 * so that it never rises where one leaves. A layer's and a stage's own curves stand beside it. */
static void survival_of_an_arm_is_the_mean_of_its_seeds(void **state) {
    enum { ROOM = 4000 };
    static curve_row rows[ROOM];
    run_list base, module;
    int means = 0, stages = 0, layers = 0, left = 0;
    (void)state;
    make_arms(&base, &module, 4);
    held(compare_two(&base, &module));
    int count = read_curves(rows, ROOM);
    for (int i = 0; i < count; i++) {
        stages += strcmp(rows[i].level, "stage") == 0;
        layers += strcmp(rows[i].level, "layer") == 0;
        if (strcmp(rows[i].seed, "all") != 0) {
            assert_string_equal(rows[i].low, "NA");
            continue;
        }
        const curve_row *before = i > 0 && rows[i - 1].time < rows[i].time && same_curve(&rows[i - 1], &rows[i]) &&
                                          strcmp(rows[i - 1].seed, "all") == 0
                                      ? &rows[i - 1]
                                      : NULL;
        double sum = 0, sum_before = 0, low = 2, high = -1;
        int seeds = 0, all = 0;
        for (int s = 1; s <= 4; s++) {
            double last, survival = seed_survival(rows, count, &rows[i], s, rows[i].time, &last);
            all += last >= 0;
            if (last < rows[i].time) continue;
            sum += survival;
            sum_before += before != NULL ? seed_survival(rows, count, &rows[i], s, before->time, &last) : survival;
            low = fmin(low, survival);
            high = fmax(high, survival);
            seeds++;
        }
        assert_int_equal(rows[i].seeds, seeds);
        if (before == NULL) assert_float_equal(rows[i].survival, 1, 0);
        else
            assert_float_equal(rows[i].survival,
                               sum_before > 0 ? before->survival * sum / sum_before : before->survival, 1e-6);
        assert_true(before == NULL ||
                    (rows[i].survival <= before->survival && atof(rows[i].high) <= atof(before->high)));
        assert_true(atof(rows[i].low) <= rows[i].survival + 1e-9 && rows[i].survival <= atof(rows[i].high) + 1e-9);
        assert_true(atof(rows[i].low) <= low + 1e-9 && atof(rows[i].high) >= high - 1e-9);
        if (seeds == all) {
            assert_float_equal(rows[i].survival, sum / seeds, 1e-6);
            assert_float_equal(atof(rows[i].low), low, 1e-6);
            assert_float_equal(atof(rows[i].high), high, 1e-6);
        } else left++;
        means++;
    }
    assert_true(means > 20 && stages > 0 && layers > 0 && left > 0);
}

/* Every row has as many cells as the header line. */
static void tables_are_rectangular(void **state) {
    run_list base, module;
    (void)state;
    make_arms(&base, &module, 2);
    held(compare_two(&base, &module));
    for (int t = 0; t < PS_TABLE_COUNT; t++) {
        char path[160], *content;
        snprintf(path, sizeof path, "%s/tables/%s.tsv", folder, ps_tables_name((ps_table_id)t));
        assert_int_equal(ps_file_read(path, &content, NULL), PS_OK);
        int columns = -1, cells = 1, rows = 0;
        for (char *p = content; *p != '\0'; p++) {
            cells += *p == '\t';
            if (*p != '\n') continue;
            if (columns < 0) columns = cells;
            assert_int_equal(cells, columns);
            cells = 1;
            rows++;
        }
        bool may_be_empty = t == PS_TABLE_events || t == PS_TABLE_planted;
        if (!may_be_empty && rows < 2) fail_msg("%s has no rows", path);
        free(content);
    }
}

/* TABLES.md names every table with exactly its columns. */
static void tables_match_their_document(void **state) {
    char *document, wanted[1024];
    (void)state;
    assert_int_equal(ps_file_read("analysis/TABLES.md", &document, NULL), PS_OK);
    for (int t = 0; t < PS_TABLE_COUNT; t++) {
        snprintf(wanted, sizeof wanted, "| %s.tsv | `%s`", ps_tables_name((ps_table_id)t),
                 ps_tables_columns((ps_table_id)t));
        if (strstr(document, wanted) == NULL) fail_msg("TABLES.md lacks: %s", wanted);
    }
    free(document);
}

static void explain_leads_to_the_trace(void **state) {
    run_list base, module;
    char *text = NULL;
    size_t size = 0;
    (void)state;
    make_arms(&base, &module, 2);
    held(compare_two(&base, &module));
    FILE *stream = open_memstream(&text, &size);
    assert_int_equal(ps_explain(folder, "w1", stream), PS_OK);
    assert_int_equal(ps_explain(folder, "P5", stream), PS_OK);
    assert_int_equal(ps_explain(folder, NULL, stream), PS_OK);
    fclose(stream);
    assert_non_null(strstr(text, "baseline1.jsonl:"));
    assert_non_null(strstr(text, "\"type\":\"window\""));
    assert_non_null(strstr(text, "grad_dead.tsv"));
    free(text);
    assert_int_equal(ps_explain(folder, "X9", stdout), PS_ERR_USAGE);
}

static int count_in(const char *text, const char *what) {
    int count = 0;
    for (const char *p = text; (p = strstr(p, what)) != NULL; p++) count++;
    return count;
}

/* Every value of every part is added up again from its terms; how many there are. */
static int check_explained(const cJSON *prediction) {
    char *text = NULL;
    size_t size = 0;
    int values = 0;
    const cJSON *part, *value;
    cJSON_ArrayForEach(part, cJSON_GetObjectItemCaseSensitive(prediction, "parts")) {
        values += cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(part, "values"));
        cJSON_ArrayForEach(value, cJSON_GetObjectItemCaseSensitive(part, "values")) values -=
            cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(value, "diverged"));
    }
    FILE *stream = open_memstream(&text, &size);
    held(ps_explain(folder, text_in(prediction, "id"), stream));
    fclose(stream);
    int again = count_in(text, "recomputed: ");
    if (again != values) fail_msg("%s: %d of %d values recomputed", text_in(prediction, "id"), again, values);
    assert_null(strstr(text, ": 0 rows"));
    free(text);
    return values;
}

/* W3, a fit, needs stages in which several layers read others. */
static void explain_adds_a_fit_up_again(void **state) {
    run_list runs = {0};
    (void)state;
    for (int s = 1; s <= 3; s++) {
        ps_fixture f = ps_fixture_default("baseline", (uint64_t)s);
        f.layers = 6;
        f.noise = true;
        f.cascade = 0.3;
        add_run(&runs, &f);
    }
    ps_compare_arm arm = {"baseline", runs.paths, runs.count};
    held(ps_compare_run(&arm, 1, &(ps_compare_options){.out_directory = folder, .quiet = true}));
    cJSON *document = read_verdict();
    assert_int_equal(check_explained(prediction_of(document, "W3")), 3);
    cJSON_Delete(document);
}

static void explain_adds_every_number_up_again(void **state) {
    run_list base, module;
    (void)state;
    for (int normed = 0; normed < 2; normed++) {
        make_arms(&base, &module, normed ? 0 : 3);
        for (int s = 4; s <= 5; s++) {
            ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
            b.channels = m.channels = 24;
            b.start_by_seed = m.start_by_seed = m.module = true;
            b.norm = m.norm = normed;
            m.pool_size = 2;
            m.diverged = s == 5;
            add_run(&base, &b);
            add_run(&module, &m);
            start_at_zero(&module);
        }
        held(compare_two(&base, &module));
        cJSON *document = read_verdict();
        const cJSON *prediction;
        cJSON_ArrayForEach(prediction, cJSON_GetObjectItemCaseSensitive(document, "predictions"))
            check_explained(prediction);
        cJSON_Delete(document);
    }
    cJSON *document = compare_controls(4, 0);
    check_explained(prediction_of(document, "P7"));
    cJSON_Delete(document);
}

/* A table that is not of this verdict is found out: by its digest, and by its numbers where nothing has digests. */
static void terms_that_give_another_number_are_refused(void **state) {
    run_list base, module, table = {0};
    char *text = NULL, manifest[1024];
    size_t size = 0;
    (void)state;
    make_arms(&base, &module, 2);
    held(compare_two(&base, &module));
    snprintf(table.text[0], sizeof table.text[0], "%s/tables/prediction_rows.tsv", folder);
    table.paths[0] = table.text[0];
    table.count = 1;
    rewrite(&table, "test_accuracy\tbaseline\t1\tNA\tNA\t80\t0.5", "test_accuracy\tbaseline\t1\tNA\tNA\t80\t0.6");
    FILE *stream = open_memstream(&text, &size);
    assert_int_equal(ps_explain(folder, "P6", stream), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "prediction_rows.tsv: is not the file that belongs to the comparison"));
    snprintf(manifest, sizeof manifest, "%s/comparison.manifest.tsv", folder);
    assert_int_equal(remove(manifest), 0);
    assert_int_equal(ps_explain(folder, "P6", stream), PS_ERR_INPUT);
    fclose(stream);
    assert_non_null(strstr(ps_status_message(), "prediction_rows.tsv give"));
    free(text);
}

static char *explained(const char *id) {
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    held(ps_explain(folder, id, stream));
    fclose(stream);
    return text;
}

/* All that was fixed beforehand, all p-values and the sensitivity; and which quantities the runs lack. */
static void explain_says_how_it_was_tested(void **state) {
    static const char *const words[] = {"test:         sign-flip over seeds",
                                        "direction:    less than the margin -0.02",
                                        "fixed:        near_dead_from_zeros_share = 0.99",
                                        "needs:        nonzero",
                                        "not recorded: -",
                                        "coverage",
                                        "Wilcoxon",
                                        "; against: p ",
                                        "; best possible p 0.25, after Holm 1",
                                        "sensitivity: ",
                                        "windows joined in pairs"};
    run_list base, module, sparse = {0};
    (void)state;
    make_arms(&base, &module, 2);
    held(compare_two(&base, &module));
    char *text = explained("W2");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(text, words[i]) == NULL) fail_msg("explain lacks \"%s\" in:\n%s", words[i], text);
    free(text);
    ps_fixture b = ps_fixture_default("baseline", 3);
    b.sparse = true;
    add_run(&sparse, &b);
    ps_compare_arm arm = {"baseline", sparse.paths, 1};
    held(ps_compare_run(&arm, 1, &(ps_compare_options){.out_directory = folder, .quiet = true}));
    text = explained("W1");
    assert_non_null(strstr(text, "not recorded: grad_zero_steps"));
    free(text);
}

/* Whole statistics and names, each sentence to its end, with what so many seeds can show. */
static void sentences_are_whole(void **state) {
    static const char *const names[] = {
        "baseline_of_a_comparison_whose_arms_have_long_names_so_that_a_sentence_with_them_has_no_room_to_spare",
        "module_of_a_comparison_whose_arms_have_long_names_so_that_a_sentence_with_them_has_no_room_to_spare"};
    run_list base = {0}, module = {0};
    int tested = 0;
    const cJSON *prediction;
    (void)state;
    for (int s = 1; s <= 8; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
        b.start_by_seed = m.start_by_seed = m.module = b.norm = m.norm = b.noise = m.noise = true;
        b.layers = m.layers = 6;
        b.cascade = 0.3;
        m.pool_size = 2;
        m.diverged = s == 5;
        m.cut = s == 6;
        add_run(&base, &b);
        add_run(&module, &m);
        start_at_zero(&module);
    }
    ps_compare_arm arms[] = {{names[0], base.paths, base.count}, {names[1], module.paths, module.count}};
    held(ps_compare_run(arms, 2, &(ps_compare_options){.out_directory = folder, .quiet = true}));
    cJSON *document = read_verdict();
    cJSON_ArrayForEach(prediction, cJSON_GetObjectItemCaseSensitive(document, "predictions")) {
        const char *sentence = text_in(prediction, "sentence"), *id = text_in(prediction, "id");
        if (sentence[strlen(sentence) - 1] != '.') fail_msg("%s is cut: %s", id, sentence);
        if (strcmp(text_in(prediction, "verdict"), "not_testable") == 0) continue;
        tested++;
        if (strstr(sentence, text_in(prediction, "statistic")) == NULL ||
            strstr(sentence, text_in(prediction, "arm")) == NULL || strstr(sentence, "at best (") == NULL ||
            strstr(sentence, " after Holm)") == NULL)
            fail_msg("%s does not say all of it: %s", id, sentence);
    }
    assert_string_not_equal(verdict_of(document, "W3"), "not_testable"); /* the longest statistic */
    assert_true(tested >= 8);
    cJSON_Delete(document);
}

/* ---- hazard ratios, event by event ---- */

typedef struct {
    char arm[16], ended[12], layer[16];
    int seed, present;
    long long start, end, start_line, end_line;
} spell_row;

static int read_spells(spell_row *rows, int room) {
    char path[128], line[512];
    int count = 0;
    snprintf(path, sizeof path, "%s/tables/spells.tsv", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    for (; count < room && fgets(line, sizeof line, file) != NULL; count++) {
        spell_row *r = &rows[count];
        assert_int_equal(
            sscanf(line, "%15s\t%d\t%15s\t%*s\t%*s\t%*s\t%lld\t%lld\t%*s\t%11s\t%d\t%lld\t%lld", r->arm, &r->seed,
                   r->layer, &r->start, &r->end, r->ended, &r->present, &r->start_line, &r->end_line),
            9);
    }
    assert_true(feof(file));
    fclose(file);
    return count;
}

/* The line of the trace is the layer's probe at that step. */
static void expect_probe(const char *trace, long long line, long long step, const char *layer) {
    char *content, *rest, *text = NULL, wanted[96];
    assert_int_equal(ps_file_read(trace, &content, NULL), PS_OK);
    rest = content;
    for (long long l = 0; l < line; l++) text = strsep(&rest, "\n");
    snprintf(wanted, sizeof wanted, "{\"type\":\"probe\",\"step\":%lld,\"layer\":\"%s\"", step, layer);
    if (text == NULL || strncmp(text, wanted, strlen(wanted)) != 0)
        fail_msg("%s:%lld is no probe of %s at step %lld: %.80s", trace, line, layer, step, text != NULL ? text : "");
    free(content);
}

/* O - E and V of one layer and step, from the rows of spells.tsv. */
static void logrank_from_spells(const spell_row *rows, int count, int seed, const char *layer, long long step,
                                double *amount, double *weight) {
    double n = 0, n_arm = 0, d = 0, d_arm = 0;
    for (int i = 0; i < count; i++) {
        const spell_row *r = &rows[i];
        bool arm = strcmp(r->arm, "ps2") == 0, event = r->end == step && strcmp(r->ended, "revived") == 0;
        if (r->seed != seed || !r->present || strcmp(r->layer, layer) != 0 || r->end < step) continue;
        n++;
        n_arm += arm;
        d += event;
        d_arm += event && arm;
    }
    assert_true(d > 0);
    *amount = d_arm - d * n_arm / n;
    *weight = n > 1 ? d * (n_arm / n) * (1 - n_arm / n) * (n - d) / (n - 1) : 0;
}

static void hazards_are_traced_event_by_event(void **state) {
    enum { ROOM = 4000 };
    static spell_row spells[ROOM];
    run_list base, module;
    char path[128], line[1024];
    int events[2] = {0, 0};
    (void)state;
    make_arms(&base, &module, 3);
    held(compare_two(&base, &module));
    int count = read_spells(spells, ROOM);
    for (int i = 0; i < count; i++) {
        const char *trace = (strcmp(spells[i].arm, "ps2") == 0 ? module : base).text[spells[i].seed - 1];
        expect_probe(trace, spells[i].start_line, spells[i].start, spells[i].layer);
        expect_probe(trace, spells[i].end_line, spells[i].end, spells[i].layer);
    }
    snprintf(path, sizeof path, "%s/tables/prediction_rows.tsv", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        char measure[32], arm[16], trace[128], against[128], layer[16];
        int seed, index;
        long long step, own, other;
        double amount, weight, again, over;
        if (line[0] != '@') continue;
        assert_int_equal(sscanf(line, "%31s\t%15s\t%d\t#%d\tNA\t%lld\t%lf\t%lf\t%lld\t%127s\t%lld\t%127s", measure, arm,
                                &seed, &index, &step, &amount, &weight, &own, trace, &other, against),
                         11);
        snprintf(layer, sizeof layer, "conv%d", index);
        assert_string_equal(trace, module.text[seed - 1]);
        assert_string_equal(against, base.text[seed - 1]);
        expect_probe(trace, own, step, layer);
        expect_probe(against, other, step, layer);
        bool reopening = strcmp(measure, "@reopening") == 0;
        events[reopening]++;
        if (!reopening) continue;
        logrank_from_spells(spells, count, seed, layer, step, &again, &over);
        assert_float_equal(amount, again, 1e-6);
        assert_float_equal(weight, over, 1e-6);
    }
    fclose(file);
    assert_true(events[0] >= 9 && events[1] >= 9);
}

/* Paths that were given relative to one directory are found from another. */
static void explain_works_from_anywhere(void **state) {
    run_list base, module;
    char *start = getcwd(NULL, 0), *kept = strdup(folder);
    (void)state;
    assert_non_null(start);
    make_arms(&base, &module, 2);
    assert_int_equal(chdir(folder), 0);
    for (int i = 0; i < 2; i++) {
        base.paths[i] += strlen(folder) + 1;
        module.paths[i] += strlen(folder) + 1;
    }
    snprintf(folder, sizeof folder, "compared");
    held(compare_two(&base, &module));
    snprintf(folder, sizeof folder, "%s/compared", kept);
    assert_int_equal(chdir("/"), 0);
    char *text = explained("W1");
    assert_non_null(strstr(text, "compared/../baseline1.jsonl:"));
    free(text);
    assert_int_equal(chdir(kept), 0);
    text = explained("W1");
    assert_non_null(strstr(text, "  baseline1.jsonl:"));
    free(text);
    assert_int_equal(chdir(start), 0);
    snprintf(folder, sizeof folder, "%s", kept);
    free(start);
    free(kept);
}

static void one_arm_alone_is_described(void **state) {
    run_list base, module;
    (void)state;
    make_arms(&base, &module, 1);
    ps_compare_arm arm = {"only", base.paths, 1};
    assert_int_equal(ps_compare_run(&arm, 1, &(ps_compare_options){.out_directory = folder, .quiet = true}), PS_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(known_effects_get_their_verdicts, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_common_course_is_no_cascade, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(no_course_is_a_lead, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(too_short_runs_have_no_lead, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(few_seeds_cannot_decide, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(differing_pairs_are_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(twice_the_same_seed_is_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(unpaired_seeds_are_said_and_left_out, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(diverged_runs_rank_worst, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_number_that_is_none_ranks_worst, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(deaths_of_a_diverged_run_end_at_its_last_finite_probe, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(diverged_runs_without_a_value_count_worst, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(windows_of_a_diverged_run_end_at_its_last_finite_probe, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_divergence_alone_decides_nothing_about_nodes, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(contrasts_need_a_number, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(the_partner_may_diverge, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(left_out_seeds_are_named, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_cohort_without_events_stays_in, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(cohorts_need_a_design, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(only_equal_pool_sizes_are_contrasted, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(pairs_are_checked_between_the_arms_contrasted, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(traces_without_pairing_judge_no_contrast, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(pairs_of_unlike_layers_are_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(pairs_of_layers_of_another_kind_are_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(runs_of_an_arm_have_the_same_layers, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_run_without_windows_pairs, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(unknown_activations_are_said, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(the_printed_interval_must_agree, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(contradictions_make_a_run_faulty, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(every_check_judges_a_sound_run, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(missing_quantities_are_not_guessed, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(every_run_is_asked_what_it_recorded, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(causes_are_not_guessed, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_verdict_turns_under_one_variation_and_not_under_another, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(who_is_near_dead_decides_who_may_die, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(only_shut_nodes_tell_of_reopening, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_was_not_recorded_is_not_guessed, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(both_clauses_about_outgoing_weights_count, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(survival_of_an_arm_is_the_mean_of_its_seeds, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(tables_are_rectangular, make_folder, remove_folder),
        cmocka_unit_test(tables_match_their_document),
        cmocka_unit_test_setup_teardown(explain_leads_to_the_trace, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(fixed_numbers_are_said, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(explain_adds_every_number_up_again, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(explain_adds_a_fit_up_again, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(terms_that_give_another_number_are_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(explain_says_how_it_was_tested, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(sentences_are_whole, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(hazards_are_traced_event_by_event, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(explain_works_from_anywhere, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(one_arm_alone_is_described, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
