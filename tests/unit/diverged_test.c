/* Runs that diverged: what of them counts, and how. */
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

#include "analysis/metric.h"
#include "analysis/tables.h"
#include "core/file.h"
#include "tests/lib/compare_fixture.h"

static void diverged_runs_rank_worst(void **state) {
    ct_runs base, module;
    (void)state;
    ct_make_arms(&base, &module, 6);
    ps_fixture bad = ps_fixture_default("ps2", 7), good = ps_fixture_default("baseline", 7);
    bad.start_by_seed = good.start_by_seed = true;
    bad.channels = good.channels = 24;
    bad.accuracy = 0.9; /* its accuracy looks fine; it must not count as a win */
    bad.diverged = true;
    ct_add(&base, &good);
    ct_add(&module, &bad);
    held(ct_compare(&base, &module));
    cJSON *document = ct_read_verdict();
    const cJSON *accuracy = ct_entry(document, "comparison", "measure", "test_accuracy");
    /* Six pairs above and one below: twice the 8 of 128 assignments with six or more above. */
    assert_float_equal(ct_number_in(accuracy, "p"), 0.125, 1e-12);
    assert_true(ct_number_in(accuracy, "n") == 7);
    /* The medians: six differences of 0.05 and one of -Infinity; the mean would be that of a run that looks fine. */
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(accuracy, "centre")->valuestring, "median");
    assert_float_equal(ct_number_in(accuracy, "mean_difference"), 0.05, 1e-6);
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(accuracy, "low")->valuestring, "-Infinity");
    cJSON_Delete(document);
}

/* A run that ends whole with a measure of NaN is worse in it, neither as good nor left out. */
static void a_number_that_is_none_ranks_worst(void **state) {
    ct_runs base, module;
    (void)state;
    ct_make_arms(&base, &module, 6);
    ps_fixture bad = ps_fixture_default("ps2", 7), good = ps_fixture_default("baseline", 7);
    bad.start_by_seed = good.start_by_seed = true;
    bad.channels = good.channels = 24;
    ct_add(&base, &good);
    ct_add(&module, &bad);
    ct_rewrite(&module, "\"split\":\"test\",\"loss\":1.5", "\"split\":\"test\",\"loss\":\"NaN\"");
    held(ct_compare(&base, &module));
    cJSON *document = ct_read_verdict();
    const cJSON *loss = ct_entry(document, "comparison", "measure", "test_loss");
    assert_true(ct_number_in(loss, "n") == 7);
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(loss, "high")->valuestring, "Infinity");
    cJSON_Delete(document);
}

/* Four module runs diverge, and have no dead node to count: what came out counts them worst, what dead nodes do names
 * them as left out. */
static void diverged_runs_without_a_value_count_worst(void **state) {
    static const char *const alone[] = {"P1", "P4"};
    ct_runs base, module;
    (void)state;
    ct_register("\"primary\":\"P6\"", 12);
    ct_make_arms(&base, &module, 8);
    for (int s = 9; s <= 12; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
        b.channels = m.channels = 24;
        m.module = m.diverged = true;
        m.pool_size = 2;
        m.dead_start = m.death = 0;
        m.accuracy = 0.9;
        ct_add(&base, &b);
        ct_add(&module, &m);
    }
    held(ct_compare(&base, &module));
    cJSON *document = ct_read_verdict();
    const cJSON *p6 = ct_prediction_of(document, "P6"), *value;
    int diverged = 0;
    assert_string_equal(ct_verdict_of(document, "P6"), "undecided"); /* without the four, eight of eight */
    assert_float_equal(ct_number_in(p6, "n"), 12, 0);
    assert_float_equal(ct_number_in(p6, "against_it"), 4, 0);
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(p6, "low")->valuestring, "-Infinity");
    cJSON_ArrayForEach(value, cJSON_GetObjectItemCaseSensitive(p6, "values")) {
        if (!cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(value, "diverged"))) continue;
        diverged++;
        assert_string_equal(cJSON_GetObjectItemCaseSensitive(value, "value")->valuestring, "NaN");
    }
    assert_int_equal(diverged, 4);
    for (int i = 0; i < 2; i++) {
        assert_float_equal(ct_number_in(ct_prediction_of(document, alone[i]), "n"), 8, 0);
        assert_int_equal(ct_left_out_of(document, alone[i]), 4);
        assert_non_null(strstr(ct_sentence_of(document, alone[i]), "seed 9 diverged before it had a case to count"));
    }
    assert_float_equal(ct_number_in(ct_prediction_of(document, "P6"), "estimate"), 0.05,
                       1e-6); /* the median, not the mean */
    /* Their share of inert dead windows is absent, their dead share 0: neither speaks for the arm. */
    const cJSON *inert = ct_entry(document, "comparison", "measure", "inert_dead_share"),
                *dead = ct_entry(document, "comparison", "measure", "dead_mean");
    assert_float_equal(ct_number_in(inert, "n"), 12, 0);
    assert_float_equal(ct_number_in(dead, "n"), 12, 0);
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
    ct_register("\"primary\":\"W1\"", 12);
    for (int i = 0; i < 3; i++) {
        ct_runs runs = {0};
        for (int s = 1; s <= 12; s++) {
            ps_fixture f = ps_fixture_default("baseline", (uint64_t)s);
            f.channels = 24;
            f.revival = 0.02;
            f.diverged = i > 0;
            f.blown_from = i == 2;
            ct_add(&runs, &f);
        }
        ps_compare_arm arm = {"baseline", runs.paths, runs.count};
        held(ps_compare_run(&arm, 1, &(ps_compare_options){.out_directory = folder, .quiet = true}));
        cJSON *document = ct_read_verdict();
        for (int w = 0; i == 2 && w < 5; w++) assert_string_equal(ct_verdict_of(document, ids[w]), "not_testable");
        if (i == 2)
            assert_non_null(strstr(ct_sentence_of(document, "W1"), "seed 1 diverged before it had a case to count"));
        else assert_string_equal(ct_verdict_of(document, "W1"), "shown");
        if (i == 0) estimate = ct_number_in(ct_prediction_of(document, "W1"), "estimate");
        if (i == 1) assert_float_equal(ct_number_in(ct_prediction_of(document, "W1"), "estimate"), estimate, 0);
        cJSON_Delete(document);
    }
}

/* Every run of the arm diverged: that is an answer about accuracy, and none about l2/l1 or deaths. */
static void contrasts_need_a_number(void **state) {
    ct_runs base = {0}, module = {0};
    (void)state;
    ct_register("\"primary\":\"P6\"", 12);
    for (int s = 1; s <= 12; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
        b.start_by_seed = m.start_by_seed = m.module = m.diverged = true;
        m.pool_size = 2;
        ct_add(&base, &b);
        ct_add(&module, &m);
        ct_start_at_zero(&module);
    }
    held(ct_compare(&base, &module));
    cJSON *document = ct_read_verdict();
    assert_string_equal(ct_verdict_of(document, "P6"), "shown_not");
    for (int i = 0; i < 3; i++) {
        const char *id = (const char *const[]){"P2", "P3", "P5"}[i];
        assert_string_equal(ct_verdict_of(document, id), "not_testable");
        assert_non_null(strstr(ct_sentence_of(document, id), "a run of every pair diverged"));
    }
    cJSON_Delete(document);
}

/* The partner's divergence speaks for the arm; where both diverged nothing tells them apart. */
static void the_partner_may_diverge(void **state) {
    ct_runs base, module;
    (void)state;
    ct_register("\"primary\":\"P6\"", 10);
    ct_make_arms(&base, &module, 8);
    for (int s = 9; s <= 10; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
        b.channels = m.channels = 24;
        m.module = b.diverged = true;
        m.diverged = s == 10;
        m.pool_size = 2;
        ct_add(&base, &b);
        ct_add(&module, &m);
    }
    held(ct_compare(&base, &module));
    cJSON *document = ct_read_verdict();
    const cJSON *p6 = ct_prediction_of(document, "P6");
    /* Nine of ten in favour and one that says nothing, which may lie anywhere. */
    assert_float_equal(ct_number_in(p6, "p"), 11.0 / 1024, 1e-12);
    assert_float_equal(ct_number_in(p6, "beyond"), 9, 0);
    assert_float_equal(ct_number_in(p6, "neither"), 1, 0);
    assert_float_equal(ct_number_in(p6, "low"), 0.05, 1e-6); /* the second smallest of ten */
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(p6, "high")->valuestring, "Infinity");
    assert_float_equal(ct_number_in(p6, "coverage"), 1 - 22.0 / 1024, 1e-12);
    assert_string_equal(ct_verdict_of(document, "P6"), "shown");
    ct_register(NULL, 0);
    cJSON_Delete(document);
}

static void summarise(const ps_fixture *fixture, ps_summary *summary) {
    ct_runs list;
    ps_run *run;
    memset(&list, 0, sizeof list);
    memset(summary, 0, sizeof *summary);
    ct_add(&list, fixture);
    ps_file_set *set;
    ps_tables *tables;
    held(ps_file_set_begin(folder, "summaries", "", &set));
    held(ps_run_open(list.paths[0], fixture->arm, &run));
    held(ps_tables_open(set, &run->header->task, &tables)); /* every spell is kept, not the cohorts alone */
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

int main(void) {
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
