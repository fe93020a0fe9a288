/* Who is compared with whom: seeds, layers and pool sizes that make no pair, and those left out. */
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

#include "core/file.h"
#include "tests/lib/compare_fixture.h"

/* Takes the records of one type of a layer out of the latest trace. */
static void drop_layer(const ct_runs *list, const char *layer, const char *type) {
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

static const cJSON *difference_of(const cJSON *document, const char *list, const char *key) {
    return ct_entry(ct_entry(document, "arms", "name", "ps2"), list, "key", key);
}

/* Runs that differ in more than the arm are no pairs, and are compared as wholes. */
static void unlike_runs_are_compared_as_wholes(void **state) {
    ct_runs base = {0}, module = {0};
    (void)state;
    ps_fixture b = ps_fixture_default("baseline", 1), m = ps_fixture_default("ps2", 1);
    m.order = "another";
    m.module = true;
    ct_add(&base, &b);
    ct_add(&module, &m);
    held(ct_compare(&base, &module));
    cJSON *document = ct_read_verdict();
    assert_string_equal(ct_text_in(difference_of(document, "differs", "order"), "arm"), "another");
    assert_string_equal(ct_text_in(difference_of(document, "differs", "order"), "reference"), "o1");
    assert_float_equal(ct_number_in(ct_entry(document, "comparison", "measure", "dead_end"), "n"), 1, 0);
    assert_string_equal(ct_verdict_of(document, "P6"), "not_testable");
    assert_non_null(strstr(ct_sentence_of(document, "P6"), "arms ps2 and baseline differ in order, too"));
    cJSON_Delete(document);
}

static void twice_the_same_seed_is_refused(void **state) {
    ct_runs base = {0}, module = {0};
    (void)state;
    ps_fixture b = ps_fixture_default("baseline", 1), m = ps_fixture_default("ps2", 1);
    ct_add(&base, &b);
    ct_add(&module, &m);
    ct_add(&module, &m);
    assert_int_equal(ct_compare(&base, &module), PS_ERR_USAGE);
    assert_non_null(strstr(ps_status_message(), "two runs of seed 1"));
}

static void unpaired_seeds_are_said_and_left_out(void **state) {
    ct_runs base, module;
    (void)state;
    ct_make_arms(&base, &module, 4);
    base.count = 3;
    held(ct_compare(&base, &module));
    cJSON *document = ct_read_verdict();
    const cJSON *unpaired =
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(document, "seeds"), "unpaired");
    assert_int_equal(cJSON_GetArraySize(unpaired), 1);
    assert_string_equal(cJSON_GetArrayItem(unpaired, 0)->valuestring, "ps2: seed 4");
    assert_float_equal(ct_number_in(ct_entry(document, "comparison", "measure", "dead_mean"), "n"), 3, 0);
    cJSON_Delete(document);
}

static void left_out_seeds_are_named(void **state) {
    (void)state;
    for (int cut = 2; cut <= 5; cut++) {
        ct_runs base, module;
        ct_register("\"primary\":\"P6\"", 12);
        ct_make_arms(&base, &module, 12 - cut);
        for (int s = 13 - cut; s <= 12; s++) {
            ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
            b.channels = m.channels = 24;
            m.module = m.cut = true;
            m.pool_size = 2;
            ct_add(&base, &b);
            ct_add(&module, &m);
        }
        held(ct_compare(&base, &module));
        cJSON *document = ct_read_verdict();
        assert_int_equal(ct_left_out_of(document, "P6"), cut);
        assert_int_equal(ct_left_out_of(document, "P1"), cut); /* a full value in no prediction about one arm either */
        assert_int_equal(ct_left_out_of(document, "W1"), 0);
        /* A registered seed without a value is for neither side, and there are twelve all the same: ten must agree. */
        const cJSON *p6 = ct_prediction_of(document, "P6");
        assert_float_equal(ct_number_in(p6, "n"), 12, 0);
        assert_float_equal(ct_number_in(p6, "neither"), cut, 0);
        assert_float_equal(ct_number_in(p6, "beyond"), 12 - cut, 0);
        assert_string_equal(ct_verdict_of(document, "P6"), cut == 2 ? "shown" : "undecided");
        assert_non_null(
            strstr(ct_sentence_of(document, "P6"), cut < 5 ? "seed 12 has no end in arm ps2" : "and 1 more"));
        ct_register(NULL, 0);
        cJSON_Delete(document);
    }
}

static void only_equal_pool_sizes_are_contrasted(void **state) {
    (void)state;
    cJSON *document = ct_compare_controls(2, 0);
    assert_string_equal(ct_verdict_of(document, "P7"), "not_testable");
    assert_non_null(strstr(ct_sentence_of(document, "P7"), "pool size of arm ps (4)"));
    cJSON_Delete(document);
    document = ct_compare_controls(4, 0);
    assert_string_not_equal(ct_verdict_of(document, "P7"), "not_testable");
    cJSON_Delete(document);
}

static void pairs_are_checked_between_the_arms_contrasted(void **state) {
    (void)state;
    cJSON *document = ct_compare_controls(4, 5);
    assert_int_equal(ct_left_out_of(document, "P7"), 1);
    const cJSON *part =
        cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(ct_prediction_of(document, "P7"), "parts"), 0);
    const cJSON *left = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(part, "left_out"), 0);
    assert_float_equal(ct_number_in(left, "seed"), 5, 0);
    assert_non_null(strstr(cJSON_GetObjectItemCaseSensitive(left, "reason")->valuestring, "differs in order"));
    cJSON_Delete(document);
}

static void traces_without_pairing_judge_no_contrast(void **state) {
    ct_runs base = {0}, module = {0};
    (void)state;
    for (int s = 1; s <= 6; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
        m.module = true;
        ct_add(&base, &b);
        ct_rewrite(&base, "\"pairing\":", "\"pairing\":{},\"other\":");
        ct_add(&module, &m);
        ct_rewrite(&module, "\"pairing\":", "\"pairing\":{},\"other\":");
    }
    held(ct_compare(&base, &module));
    cJSON *document = ct_read_verdict();
    assert_string_equal(ct_verdict_of(document, "P6"), "not_testable");
    assert_non_null(strstr(ct_sentence_of(document, "P6"), "pairing objects of its traces are empty"));
    assert_string_not_equal(ct_verdict_of(document, "W1"), "not_testable");
    cJSON_Delete(document);
}

static void replace_all(const ct_runs *list, const char *from, const char *to) {
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

static void expect_words(const char *text, const char *const *words) {
    for (; *words != NULL; words++)
        if (strstr(text, *words) == NULL) fail_msg("\"%s\" does not say \"%s\"", text, *words);
}

/* A recorder that inserts a module renumbers what follows: nothing may be compared by names that only one arm has. */
static void unlike_layers_are_told(void **state) {
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        ct_runs base = {0}, module = {0};
        ps_fixture b = ps_fixture_default("baseline", 1), m = ps_fixture_default("ps2", 1);
        b.layers = m.layers = 5;
        m.module = true;
        if (kind == 2) m.channels = 6;
        ct_add(&base, &b);
        ct_add(&module, &m);
        if (kind <= 1) replace_all(&module, "\"conv2\"", "\"conv2.renamed\"");
        if (kind == 1) replace_all(&module, "\"conv4\"", "\"conv4.renamed\"");
        if (kind == 3) { /* the same, and nothing to verify pairs by */
            replace_all(&base, "\"pairing\":", "\"pairing\":{},\"other\":");
            replace_all(&module, "\"pairing\":", "\"pairing\":{},\"other\":");
            replace_all(&module, "\"conv3\"", "\"conv3.renamed\"");
        }
        const char *const *const own[] = {WORDS("conv2.renamed (8 nodes)"),
                                          WORDS("conv2.renamed (8 nodes), conv4.renamed (8 nodes)"),
                                          WORDS("conv0 (6 nodes)"), WORDS("conv3.renamed (8 nodes)")};
        const char *const *const other[] = {WORDS("conv2 (8 nodes)"), WORDS("conv2 (8 nodes), conv4 (8 nodes)"),
                                            WORDS("conv0 (8 nodes)"), WORDS("conv3 (8 nodes)")};
        held(ct_compare(&base, &module));
        cJSON *document = ct_read_verdict();
        expect_words(ct_text_in(difference_of(document, "differs", "layers"), "arm"), own[kind]);
        expect_words(ct_text_in(difference_of(document, "differs", "layers"), "reference"), other[kind]);
        static const char *const of_nodes[] = {"P2", "P3", "P6"};
        for (size_t i = 0; i < sizeof of_nodes / sizeof *of_nodes; i++) {
            assert_string_equal(ct_verdict_of(document, of_nodes[i]), "not_testable");
            expect_words(ct_sentence_of(document, of_nodes[i]), WORDS("differ in layers, too"));
        }
        assert_float_equal(ct_number_in(ct_entry(document, "comparison", "measure", "dead_end"), "n"), 1, 0);
        cJSON_Delete(document);
    }
}

/* Of one network the same layers must have been recorded: shares of others would be of other nodes. */
static void other_recorded_layers_are_refused(void **state) {
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        ct_runs base = {0}, module = {0};
        ps_fixture b = ps_fixture_default("baseline", 1), m = ps_fixture_default("ps2", 1);
        if (wide) m.channels = 12;
        ct_add(&base, &b);
        ct_add(&module, &m);
        drop_layer(&module, "conv1", "probe");
        refused_as(ct_compare(&base, &module),
                   WORDS("other layers were recorded", "conv1 (", "nodes, no probe records)", "record the same ones"));
    }
}

/* What a layer is stands in its header: a pair that differs there compares two networks. An activation may differ. */
static void layers_of_another_kind_are_told(void **state) {
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
        ct_runs base = {0}, module = {0};
        ps_fixture b = ps_fixture_default("baseline", 1), m = ps_fixture_default("ps2", 1);
        ct_add(&base, &b);
        ct_add(&module, &m);
        bool wide = strcmp(rows[i].key, "elements") == 0;
        if (wide) replace_all(&module, "\"elements\":8192", "\"elements\":16384");
        (wide ? replace_all : ct_rewrite)(&module, rows[i].from, rows[i].to);
        held(ct_compare(&base, &module));
        cJSON *document = ct_read_verdict();
        const cJSON *arm = ct_entry(document, "arms", "name", "ps2");
        int differs = cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(arm, "differs"));
        assert_int_equal(differs, rows[i].mine != NULL);
        if (differs > 0) {
            snprintf(sentence, sizeof sentence, "\"%s\" of layer conv%d: %s", rows[i].key, wide ? 0 : 2, rows[i].mine);
            assert_string_equal(ct_text_in(difference_of(document, "differs", "layers"), "arm"), sentence);
            assert_string_equal(ct_text_in(difference_of(document, "differs", "layers"), "reference"), rows[i].theirs);
        }
        cJSON_Delete(document);
    }
}

/* Two seeds of one arm are one network. */
static void runs_of_an_arm_have_the_same_layers(void **state) {
    ct_runs base = {0};
    (void)state;
    for (int s = 1; s <= 2; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s);
        ct_add(&base, &b);
    }
    replace_all(&base, "\"conv2\"", "\"conv2.renamed\"");
    ps_compare_arm arm = {"baseline", base.paths, base.count};
    refused_as(ps_compare_run(&arm, 1, &(ps_compare_options){.out_directory = folder, .quiet = true}),
               WORDS("the other runs of the arm", "conv2.renamed"));
}

/* Of a run that was cut off before its first window nobody knows which layers its windows would have had. */
static void a_run_without_windows_pairs(void **state) {
    ct_runs base = {0}, module = {0};
    (void)state;
    ps_fixture b = ps_fixture_default("baseline", 1), m = ps_fixture_default("ps2", 1);
    ct_add(&base, &b);
    ct_add(&module, &m);
    char *content;
    assert_int_equal(ps_file_read(module.paths[0], &content, NULL), PS_OK);
    const char *window = strstr(content, "{\"type\":\"window\"");
    assert_int_equal(ps_file_write(module.paths[0], content, (size_t)(window - content)), PS_OK);
    free(content);
    held(ct_compare(&base, &module));
}

/* GELU: nothing is dead, and the answer says why. */
static void unknown_activations_are_said(void **state) {
    ct_runs base = {0};
    (void)state;
    ps_fixture b = ps_fixture_default("baseline", 1);
    b.dead_start = 0.5;
    ct_add(&base, &b);
    replace_all(&base, "\"activation\":\"relu\"", "\"activation\":\"gelu\"");
    ps_compare_arm arm = {"baseline", base.paths, base.count};
    held(ps_compare_run(&arm, 1, &(ps_compare_options){.out_directory = folder, .quiet = true}));
    cJSON *document = ct_read_verdict();
    const cJSON *sentence;
    int said = 0;
    cJSON_ArrayForEach(sentence, cJSON_GetObjectItemCaseSensitive(document, "summary")) said +=
        strstr(sentence->valuestring, "In 3 of 3 layers of arm baseline (conv0 first: gelu)") != NULL;
    assert_int_equal(said, 1);
    const cJSON *prediction;
    cJSON_ArrayForEach(prediction, cJSON_GetObjectItemCaseSensitive(document, "predictions")) {
        const char *id = cJSON_GetObjectItemCaseSensitive(prediction, "id")->valuestring;
        if (strcmp(id, "P1") == 0 || strcmp(id, "P3") == 0)
            assert_string_equal(ct_verdict_of(document, id), "not_testable");
    }
    cJSON_Delete(document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(unlike_runs_are_compared_as_wholes, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(twice_the_same_seed_is_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(unpaired_seeds_are_said_and_left_out, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(left_out_seeds_are_named, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(only_equal_pool_sizes_are_contrasted, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(pairs_are_checked_between_the_arms_contrasted, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(traces_without_pairing_judge_no_contrast, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(unlike_layers_are_told, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(other_recorded_layers_are_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(layers_of_another_kind_are_told, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(runs_of_an_arm_have_the_same_layers, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_run_without_windows_pairs, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(unknown_activations_are_said, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
