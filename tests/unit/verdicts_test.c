/* Verdicts of made-up traces with known truth: what is there is found, and nothing else is. */
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

#include "analysis/fixed.h"
#include "tests/lib/compare_fixture.h"

static void known_effects_get_their_verdicts(void **state) {
    ct_runs base, module;
    (void)state;
    ct_register("\"primary\":\"W1\",\"secondary\":[\"P1\",\"P2\",\"P3\",\"P6\",\"C2\",\"P5\",\"C1\"]", 12);
    ct_make_arms(&base, &module, 12);
    held(ct_compare(&base, &module));
    cJSON *document = ct_read_verdict();
    assert_string_equal(cJSON_GetObjectItemCaseSensitive(document, "reference")->valuestring, "baseline");
    assert_string_equal(ct_verdict_of(document, "W1"), "shown");        /* no dead node gets a gradient */
    assert_string_equal(ct_verdict_of(document, "W3"), "not_testable"); /* no stage in which two layers read others */
    assert_string_equal(ct_verdict_of(document, "P1"), "shown");        /* ratio 0.2 by construction */
    assert_string_equal(ct_verdict_of(document, "P2"), "shown");        /* revival 0.5 against 0.02 */
    assert_string_equal(ct_verdict_of(document, "P3"), "shown");        /* death 0.002 against 0.02 */
    assert_string_equal(ct_verdict_of(document, "P6"), "shown");        /* accuracy + 0.05 */
    assert_string_equal(ct_verdict_of(document, "C2"), "shown");
    assert_string_equal(ct_verdict_of(document, "P5"), "shown_not");  /* l2/l1 is equal: it does not fall by 2 % */
    assert_string_equal(ct_verdict_of(document, "C1"), "not_judged"); /* true, but behind a claim that was not shown */
    assert_non_null(strstr(ct_sentence_of(document, "C1"), "not judged, for P5, registered before it, was not shown"));
    assert_string_equal(ct_verdict_of(document, "P4"), "not_judged"); /* not registered */
    assert_string_equal(ct_verdict_of(document, "P7"), "not_testable");
    assert_string_equal(ct_verdict_of(document, "P9"), "not_testable");
    const cJSON *accuracy = ct_entry(document, "comparison", "measure", "test_accuracy");
    assert_float_equal(ct_number_in(accuracy, "mean_difference"), 0.05, 1e-6);
    assert_float_equal(ct_number_in(accuracy, "p"), ldexp(1, -11), 1e-12);
    cJSON_Delete(document);
}

static void make_smooth(ps_fixture *fixture) { fixture->smooth = true; }

/* The same effects where nobody can be exactly dead: the counterparts find them, and what speaks of death is not
 * asked. */
static void saturation_has_predictions_of_its_own(void **state) {
    ct_runs base, module;
    (void)state;
    ct_register("\"primary\":\"S1\",\"secondary\":[\"S2\",\"S3\"]", 12);
    ct_make_changed_arms(&base, &module, 12, make_smooth);
    held(ct_compare(&base, &module));
    cJSON *document = ct_read_verdict();
    assert_string_equal(ct_verdict_of(document, "S1"), "shown");
    assert_string_equal(ct_verdict_of(document, "S2"), "shown"); /* no saturated node gets a gradient */
    assert_string_equal(ct_verdict_of(document, "S3"), "shown"); /* ratio 0.2 by construction */
    assert_string_equal(ct_verdict_of(document, "S4"), "not_judged");
    static const char *const of_death[] = {"C1", "W1", "W2", "W5", "P1", "P2", "P3", "P4", "P9"};
    for (size_t i = 0; i < sizeof of_death / sizeof *of_death; i++) {
        assert_string_equal(ct_verdict_of(document, of_death[i]), "not_testable");
        assert_non_null(strstr(ct_sentence_of(document, of_death[i]), "can be exactly dead (its activations, gelu"));
    }
    assert_string_equal(ct_verdict_of(document, "C2"), "not_judged"); /* of accuracy, which asks nobody's death */
    cJSON_Delete(document);
    ct_register("\"primary\":\"W1\"", 12);
    ct_make_arms(&base, &module, 12);
    held(ct_compare(&base, &module));
    document = ct_read_verdict();
    static const char *const of_saturation[] = {"S1", "S2", "S3", "S4"};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(ct_verdict_of(document, of_saturation[i]), "not_testable");
        assert_non_null(strstr(ct_sentence_of(document, of_saturation[i]), "relu first, are rectifiers"));
    }
    cJSON_Delete(document);
}

/* Deaths and inertia that both fall over the run, in every layer: only what deaths cause beyond that counts. */
static void a_common_course_is_no_cascade(void **state) {
    static const double effects[] = {0, 0.3};
    (void)state;
    ct_register("\"primary\":\"W3\"", 12);
    for (int i = 0; i < 2; i++) {
        ct_runs runs;
        memset(&runs, 0, sizeof runs);
        for (int s = 1; s <= 12; s++) {
            ps_fixture f = ps_fixture_default("baseline", (uint64_t)s);
            f.layers = 6;
            f.channels = 24;
            f.windows = 16;
            f.noise = true;
            f.trend = 3;
            f.cascade = effects[i];
            ct_add(&runs, &f);
        }
        cJSON *document = ct_compare_alone(&runs);
        assert_int_equal(strcmp(ct_verdict_of(document, "W3"), "shown") == 0, effects[i] > 0);
        double estimate = ct_number_in(ct_entry(document, "predictions", "id", "W3"), "estimate");
        if (!(estimate > effects[i] / 3 - 0.01 && estimate < effects[i] * 2 + 0.01)) fail_msg("estimate %g", estimate);
        cJSON_Delete(document);
    }
}

/* Courses of all layers and of each, noise with a memory, l2/l1 that answers deaths: only an l2/l1 that raises later
 * deaths is a lead. */
static void no_course_is_a_lead(void **state) {
    static const double effects[] = {0, 3};
    (void)state;
    ct_register("\"primary\":\"W4\"", 12);
    for (int i = 0; i < 2; i++) {
        ct_runs runs;
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
            ct_add(&runs, &f);
        }
        cJSON *document = ct_compare_alone(&runs);
        double estimate = ct_number_in(ct_entry(document, "predictions", "id", "W4"), "estimate");
        if (i == 0 ? fabs(estimate) > 0.1 : estimate < 0.15) fail_msg("estimate %g", estimate);
        if ((strcmp(ct_verdict_of(document, "W4"), "shown") == 0) != (effects[i] > 0))
            fail_msg("%s, estimate %g", ct_verdict_of(document, "W4"), estimate);
        cJSON_Delete(document);
    }
}

static void too_short_runs_have_no_lead(void **state) {
    ct_runs runs;
    (void)state;
    ct_register("\"primary\":\"W4\"", 6);
    memset(&runs, 0, sizeof runs);
    for (int s = 1; s <= 6; s++) {
        ps_fixture f = ps_fixture_default("baseline", (uint64_t)s);
        f.noise = true;
        f.death = 0.1;
        f.windows = PS_FIXED_LEAD_INTERVALS - 1;
        ct_add(&runs, &f);
    }
    cJSON *document = ct_compare_alone(&runs);
    const cJSON *w4 = ct_entry(document, "predictions", "id", "W4");
    assert_string_equal(ct_verdict_of(document, "W4"), "not_testable");
    assert_non_null(
        strstr(cJSON_GetObjectItemCaseSensitive(w4, "sentence")->valuestring, "fewer than 2 layers with 6 intervals"));
    cJSON_Delete(document);
}

static void few_seeds_cannot_decide(void **state) {
    ct_runs base, module;
    (void)state;
    for (int seeds = 3; seeds <= 5; seeds++) { /* all of them on one side: five can show it, fewer have no bounds */
        ct_register("\"primary\":\"W1\"", seeds);
        ct_make_arms(&base, &module, seeds);
        held(ct_compare(&base, &module));
        cJSON *document = ct_read_verdict();
        const cJSON *w1 = ct_entry(document, "predictions", "id", "W1");
        assert_string_equal(ct_verdict_of(document, "W1"), seeds < 5 ? "undecided" : "shown");
        assert_float_equal(ct_number_in(w1, "p"), ldexp(1, -seeds), 1e-12);
        assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(w1, "coverage")) == (seeds < 5));
        if (seeds == 5) assert_float_equal(ct_number_in(w1, "coverage"), 0.9375, 1e-12);
        assert_true((strstr(ct_sentence_of(document, "W1"), "fewer than 5 seeds have none") != NULL) == (seeds < 5));
        cJSON_Delete(document);
    }
}

static void a_cohort_without_events_stays_in(void **state) {
    ct_runs base, module;
    (void)state;
    ct_register("\"primary\":\"P2\"", 12);
    ct_make_arms(&base, &module, 8);
    for (int s = 9; s <= 12; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
        b.channels = m.channels = 24;
        b.start_by_seed = m.start_by_seed = m.module = true;
        b.revival = m.revival = 0;
        m.pool_size = 2;
        ct_add(&base, &b);
        ct_add(&module, &m);
        ct_start_at_zero(&module);
    }
    held(ct_compare(&base, &module));
    cJSON *document = ct_read_verdict();
    const cJSON *p2 = ct_prediction_of(document, "P2"), *values = cJSON_GetObjectItemCaseSensitive(p2, "values");
    assert_float_equal(ct_number_in(p2, "n"), 12, 0);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(values, 11), "no_event")));
    assert_true(cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(values, 11), "value")));
    /* For neither side, and of twelve all the same: eight are too few. */
    assert_float_equal(ct_number_in(p2, "beyond"), 8, 0);
    assert_float_equal(ct_number_in(p2, "neither"), 4, 0);
    assert_float_equal(ct_number_in(p2, "p"), 794.0 / 4096, 1e-12);
    assert_string_equal(ct_verdict_of(document, "P2"), "undecided");
    cJSON_Delete(document);
}

static void set_fork(const ct_runs *list, const char *digest) {
    char event[160];
    snprintf(event, sizeof event, "\n{\"type\":\"event\",\"step\":0,\"event\":\"forked\",\"checkpoint\":\"%s\"}\n",
             digest);
    ct_rewrite(list, "\n", event);
}

/* Equal states in every seed are not enough: modules that do not start at zero need a fork from one checkpoint, in all
 * pairs. */
static void cohorts_need_a_design(void **state) {
    static const char *const digests[] = {"", "a", "b"};
    (void)state;
    for (int d = 0; d < 3; d++) {
        ct_runs base = {0}, module = {0};
        for (int s = 1; s <= 6; s++) {
            ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
            b.start_by_seed = m.start_by_seed = m.module = true;
            m.pool_size = 2;
            ct_add(&base, &b);
            ct_add(&module, &m);
            if (d > 0) set_fork(&base, "a");
            if (d > 0) set_fork(&module, s == 4 ? digests[d] : "a");
        }
        held(ct_compare(&base, &module));
        cJSON *document = ct_read_verdict();
        assert_true((strcmp(ct_verdict_of(document, "P2"), "not_testable") == 0) == (d != 1));
        if (d != 1)
            assert_non_null(strstr(ct_sentence_of(document, "P3"), d == 0 ? "in 6 of 6 pairs" : "in 1 of 6 pairs"));
        cJSON_Delete(document);
    }
}

/* Nine seeds, one or two of them short of the margin: the verdict is where the bound lies, p says the same. */
static void the_bound_is_the_verdict(void **state) {
    (void)state;
    for (int fallen = 1; fallen <= 2; fallen++) {
        ct_runs base = {0}, module = {0};
        ct_register("\"primary\":\"P6\"", 9);
        for (int s = 1; s <= 9; s++) {
            ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
            m.module = b.sparse = m.sparse = true;
            m.accuracy = s <= fallen ? 0.47 : 0.6;
            ct_add(&base, &b);
            ct_add(&module, &m);
        }
        held(ct_compare(&base, &module));
        cJSON *document = ct_read_verdict();
        const cJSON *p6 = ct_prediction_of(document, "P6");
        assert_float_equal(ct_number_in(p6, "p"), fallen == 1 ? 10 / 512.0 : 46 / 512.0, 1e-12);
        assert_float_equal(ct_number_in(p6, "low"), fallen == 1 ? 0.1 : -0.03, 1e-9); /* the second smallest */
        assert_float_equal(ct_number_in(p6, "coverage"), 1 - 20 / 512.0, 1e-12);
        assert_string_equal(ct_verdict_of(document, "P6"), fallen == 1 ? "shown" : "undecided");
        cJSON_Delete(document);
    }
}

/* What is fixed beforehand is said for every prediction, and is what the metrics count by. */
static void fixed_numbers_are_said(void **state) {
    ct_runs base, module;
    const cJSON *prediction;
    (void)state;
    ct_register(NULL, 0);
    ct_make_arms(&base, &module, 1);
    held(ct_compare(&base, &module));
    cJSON *document = ct_read_verdict();
    cJSON_ArrayForEach(prediction, cJSON_GetObjectItemCaseSensitive(document, "predictions"))
        assert_true(cJSON_GetObjectItemCaseSensitive(prediction, "claim_of")->valuestring[0] != '\0');
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
            ct_number_in(ct_entry(ct_prediction_of(document, numbers[i].id), "fixed", "name", numbers[i].name),
                         "value"),
            numbers[i].value, 0);
    assert_non_null(strstr(cJSON_GetObjectItemCaseSensitive(ct_prediction_of(document, "P9"), "statement")->valuestring,
                           "shut_gate_no_beta_gradient"));
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
    ct_change_fixture *const changes[] = {ajar, reopened_by_gradient};
    (void)state;
    ct_register("\"primary\":\"P9\"", 12);
    for (int i = 0; i < 2; i++) {
        ct_runs base, module;
        ct_make_changed_arms(&base, &module, 12, changes[i]);
        held(ct_compare(&base, &module));
        cJSON *document = ct_read_verdict();
        const cJSON *p9 = ct_prediction_of(document, "P9");
        double estimate = ct_number_in(p9, "estimate");
        if (i == 0 ? fabs(estimate) > 0.05 : estimate < 0.1) fail_msg("estimate %g", estimate);
        assert_int_equal(strcmp(ct_verdict_of(document, "P9"), "shown") == 0, i == 1);
        assert_float_equal(ct_number_in(p9, "n"), 12, 0);
        /* Batches that shut a gate add up over joined windows. */
        assert_string_not_equal(ct_text_in(ct_variation_of(document, "P9", "windows_2"), "verdict"), "not_testable");
        cJSON_Delete(document);
    }
}

static void outgoing_move(ps_fixture *fixture) { fixture->out_dead = 0.05; }

static void outgoing_frozen(ps_fixture *fixture) { fixture->out_frozen = true; }

static void both_clauses_about_outgoing_weights_count(void **state) {
    ct_change_fixture *const changes[] = {outgoing_move, outgoing_frozen};
    static const char *const measures[] = {"dead_outgoing_still", "reopened_outgoing_moving"};
    (void)state;
    ct_register("\"primary\":\"P4\"", 10);
    for (int i = 0; i < 2; i++) {
        ct_runs base, module;
        ct_make_changed_arms(&base, &module, 10, changes[i]);
        held(ct_compare(&base, &module));
        cJSON *document = ct_read_verdict();
        assert_string_equal(ct_verdict_of(document, "P4"), "shown_not");
        assert_string_equal(ct_text_in(ct_entry(document, "predictions", "id", "P4"), "measure"), measures[i]);
        cJSON_Delete(document);
    }
}

/* Whole statistics and names, each sentence to its end, with what so many seeds can show. */
static void sentences_are_whole(void **state) {
    static const char *const names[] = {
        "baseline_of_a_comparison_whose_arms_have_long_names_so_that_a_sentence_with_them_has_no_room_to_spare",
        "module_of_a_comparison_whose_arms_have_long_names_so_that_a_sentence_with_them_has_no_room_to_spare"};
    ct_runs base = {0}, module = {0};
    int tested = 0;
    const cJSON *prediction;
    (void)state;
    ct_register("\"primary\":\"P6\",\"secondary\":[\"P4\",\"P7\"]", 8);
    for (int s = 1; s <= 8; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
        b.start_by_seed = m.start_by_seed = m.module = b.norm = m.norm = b.noise = m.noise = true;
        b.layers = m.layers = 6;
        b.cascade = 0.3;
        m.pool_size = 2;
        m.diverged = s == 5;
        m.cut = s == 6;
        ct_add(&base, &b);
        ct_add(&module, &m);
        ct_start_at_zero(&module);
    }
    ps_compare_arm arms[] = {{names[0], base.paths, base.count}, {names[1], module.paths, module.count}};
    held(ps_compare_run(arms, 2, &(ps_compare_options){.out_directory = folder, .quiet = true}));
    cJSON *document = ct_read_verdict();
    cJSON_ArrayForEach(prediction, cJSON_GetObjectItemCaseSensitive(document, "predictions")) {
        const char *sentence = ct_text_in(prediction, "sentence"), *id = ct_text_in(prediction, "id");
        if (sentence[strlen(sentence) - 1] != '.') fail_msg("%s is cut: %s", id, sentence);
        if (strcmp(ct_text_in(prediction, "verdict"), "not_testable") == 0) continue;
        tested++;
        if (strstr(sentence, ct_text_in(prediction, "statistic")) == NULL ||
            strstr(sentence, ct_text_in(prediction, "arm")) == NULL || strstr(sentence, "median ") == NULL ||
            strstr(sentence, ", bounds ") == NULL || strstr(sentence, ", p = ") == NULL)
            fail_msg("%s does not say all of it: %s", id, sentence);
    }
    assert_string_not_equal(ct_verdict_of(document, "W3"), "not_testable"); /* the longest statistic */
    assert_true(tested >= 8);
    cJSON_Delete(document);
}

static void one_arm_alone_is_described(void **state) {
    ct_runs base, module;
    (void)state;
    ct_register(NULL, 0);
    ct_make_arms(&base, &module, 1);
    ps_compare_arm arm = {"only", base.paths, 1};
    assert_int_equal(ps_compare_run(&arm, 1, &(ps_compare_options){.out_directory = folder, .quiet = true}), PS_OK);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(known_effects_get_their_verdicts, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(saturation_has_predictions_of_its_own, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_common_course_is_no_cascade, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(no_course_is_a_lead, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(too_short_runs_have_no_lead, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(few_seeds_cannot_decide, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_cohort_without_events_stays_in, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(cohorts_need_a_design, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(the_bound_is_the_verdict, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(only_shut_nodes_tell_of_reopening, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(both_clauses_about_outgoing_weights_count, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(fixed_numbers_are_said, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(sentences_are_whole, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(one_arm_alone_is_described, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
