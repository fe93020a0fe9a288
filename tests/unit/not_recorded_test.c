/* What a trace contradicts makes its run faulty; what it does not hold is never guessed. */
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

/* Takes a quantity out of the latest trace of the list: from its header and from every record. */
static void forget(const ct_runs *list, const char *quantity) {
    const char *path = list->paths[list->count - 1];
    char *content, key[64], ct_entry[64];
    assert_int_equal(ps_file_read(path, &content, NULL), PS_OK);
    snprintf(key, sizeof key, "\"%s\":[", quantity);
    snprintf(ct_entry, sizeof ct_entry, "{\"name\":\"%s\",", quantity);
    char *to = strstr(content, ct_entry);
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

static const char *const check_ids[] = {
#define PS_CHECK(id, statement) #id,
#include "analysis/check_list.def"
#undef PS_CHECK
};

enum { CHECKS = sizeof check_ids / sizeof *check_ids };

/* The verdict on a pair of runs in which the contradiction is planted. Many nodes, of which some die and some
 * reopen. */
static cJSON *compare_with_fault(const char *fault, ps_status expected) {
    ct_runs base = {0}, module = {0};
    ps_fixture b = ps_fixture_default("baseline", 1), m = ps_fixture_default("ps2", 1);
    b.fault = m.fault = fault;
    b.dead_start = m.dead_start = 0.5;
    b.channels = m.channels = 32;
    b.norm = m.norm = m.module = b.edge_known = m.edge_known = true;
    m.pool_size = 2;
    m.dead_ratio = 0.2;
    ct_add(&base, &b);
    ct_add(&module, &m);
    ps_status status = ct_compare(&base, &module);
    if (status != expected) fail_msg("%s: status %d", fault != NULL ? fault : "no fault", (int)status);
    return ct_read_verdict();
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
        const cJSON *check = ct_entry(document, "checks", "id", check_ids[c]);
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
        assert_string_equal(ct_verdict_of(document, "W1"), "not_testable");
        cJSON_Delete(document);
    }
}

static void every_check_judges_a_sound_run(void **state) {
    (void)state;
    cJSON *document = compare_with_fault(NULL, PS_OK);
    for (int c = 0; c < CHECKS; c++) {
        const cJSON *check = ct_entry(document, "checks", "id", check_ids[c]);
        if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(check, "holds"))) fail_msg("%s does not hold", check_ids[c]);
        assert_true(ct_number_in(check, "cases") > 0);
    }
    cJSON_Delete(document);
}

static void missing_quantities_are_not_guessed(void **state) {
    ct_runs base = {0}, module = {0};
    (void)state;
    for (int s = 1; s <= 6; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
        b.sparse = m.sparse = m.module = true;
        b.cut = s == 2;
        ct_add(&base, &b);
        ct_add(&module, &m);
    }
    held(ct_compare(&base, &module));
    cJSON *document = ct_read_verdict();
    assert_string_equal(ct_verdict_of(document, "W1"), "not_testable");
    assert_string_equal(ct_verdict_of(document, "W5"), "not_testable");
    assert_string_equal(ct_verdict_of(document, "P1"), "not_testable");
    const cJSON *missing = cJSON_GetObjectItemCaseSensitive(ct_entry(document, "predictions", "id", "W1"), "missing");
    assert_string_equal(cJSON_GetArrayItem(missing, 0)->valuestring, "grad_zero_steps");
    for (int c = 0; c < CHECKS; c++) /* nothing that a check needs was recorded: it neither holds nor fails */
        assert_true(
            cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(ct_entry(document, "checks", "id", check_ids[c]), "holds")));
    cJSON_Delete(document);
}

static const char *first_missing_of(const cJSON *document, const char *id) {
    const cJSON *first =
        cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(ct_prediction_of(document, id), "missing"), 0);
    return first != NULL ? first->valuestring : "";
}

/* Three runs of twelve lack one quantity of W1, and none has recorded what P9's instrument check judges. */
static void every_run_is_asked_what_it_recorded(void **state) {
    ct_runs base, module;
    (void)state;
    memset(&base, 0, sizeof base);
    memset(&module, 0, sizeof module);
    for (int s = 1; s <= 12; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
        b.channels = m.channels = 24;
        m.module = b.norm = m.norm = m.noise = true;
        m.pool_size = 2;
        m.dead_ratio = 0.2;
        ct_add(&base, &b);
        if (s > 9) forget(&base, "grad_zero_steps");
        ct_add(&module, &m);
        forget(&module, "shut_beta_grad_steps");
    }
    held(ct_compare(&base, &module));
    cJSON *document = ct_read_verdict();
    assert_float_equal(ct_number_in(ct_prediction_of(document, "W1"), "n"), 9, 0);
    assert_int_equal(ct_left_out_of(document, "W1"), 3);
    assert_non_null(strstr(ct_sentence_of(document, "W1"), "seed 10 has not recorded grad_zero_steps"));
    assert_string_equal(first_missing_of(document, "W1"), "grad_zero_steps");
    assert_string_equal(first_missing_of(document, "W2"), "");
    assert_string_equal(ct_verdict_of(document, "P9"), "not_testable");
    assert_non_null(strstr(ct_sentence_of(document, "P9"), "not recorded in arm ps2: shut_beta_grad_steps"));
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
        ct_runs runs = {0};
        ps_fixture f = ps_fixture_default("baseline", 1);
        f.sparse = sparse;
        ct_add(&runs, &f);
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

static void no_parts(ps_fixture *fixture) { fixture->no_parts = true; }

static void what_was_not_recorded_is_not_guessed(void **state) {
    ct_runs base, module;
    (void)state;
    ct_register("\"primary\":\"W1\"", 8);
    ct_make_changed_arms(&base, &module, 8, no_parts);
    ct_register(NULL, 0);
    held(ct_compare(&base, &module));
    cJSON *document = ct_read_verdict();
    ct_expect_row(document, "W1", "probe_half", "not_testable", -1);
    ct_expect_row(document, "W1", "probe_quarter", "not_testable", -1);
    assert_non_null(strstr(ct_text_in(ct_variation_of(document, "W1", "probe_half"), "note"),
                           "not recorded in arm baseline: nonzero_half"));
    ct_expect_row(document, "W1", "dead_train", "shown", 1);
    /* A first state after one window is common to both arms no more. */
    ct_expect_row(document, "P2", "dead_train", "not_testable", -1);
    cJSON_Delete(document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(contradictions_make_a_run_faulty, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(every_check_judges_a_sound_run, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(missing_quantities_are_not_guessed, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(every_run_is_asked_what_it_recorded, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(causes_are_not_guessed, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_was_not_recorded_is_not_guessed, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
