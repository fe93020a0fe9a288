/* The same traces under other definitions. */
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

#include "tests/lib/compare_fixture.h"

static void rare(ps_fixture *fixture) {
    fixture->rare = true;
    fixture->dead_start = 0.1;
    fixture->near_leave = 0.3;
}

/* Near-dead nodes, which get a gradient, pass for dead on a quarter of the images and not on half of them. */
static void a_verdict_turns_under_one_variation_and_not_under_another(void **state) {
    ct_runs base, module;
    (void)state;
    ct_register("\"primary\":\"W1\",\"secondary\":[\"P6\"]", 12);
    ct_make_changed_arms(&base, &module, 12, rare);
    held(ct_compare(&base, &module));
    cJSON *document = ct_read_verdict();
    assert_string_equal(ct_verdict_of(document, "W1"), "shown");
    ct_expect_row(document, "W1", "probe_half", "shown", 1);
    ct_expect_row(document, "W1", "probe_quarter", "shown_not", 0);
    ct_expect_row(document, "W1", "dead_eval", "shown", 1);
    ct_expect_row(document, "W1", "dormant_0", "shown", 1);
    ct_expect_row(document, "W1", "inert_1e-2", "not_affected", -1);
    /* 99.76 % of the outputs of a near-dead node are 0: by the upper threshold there is none. */
    ct_expect_row(document, "W1", "near_dead_0.95", "not_affected", -1);
    /* What was not registered has numbers, and none of the words. */
    ct_expect_row(document, "W2", "near_dead_0.95", "beyond_margin", 1);
    ct_expect_row(document, "W2", "near_dead_0.999", "not_testable", -1);
    ct_expect_row(document, "W5", "near_dead_0.999", "not_testable", -1);
    ct_expect_row(document, "P4", "inert_1e-4", "beyond_margin", 1);
    ct_expect_row(document, "P4", "inert_1e-2", "short_of_margin", 0); /* dead nodes move by 0.4 % */
    ct_expect_row(document, "P6", "near_dead", "not_affected", -1);
    ct_expect_row(document, "P5", "windows_4", "not_affected", -1);
    /* The same states counted in another way give the same numbers. */
    const cJSON *w1 = ct_entry(document, "predictions", "id", "W1");
    assert_float_equal(ct_number_in(ct_variation_of(document, "W1", "probe_half"), "estimate"),
                       ct_number_in(w1, "estimate"), 0);
    assert_float_equal(ct_number_in(ct_variation_of(document, "W1", "dormant_0"), "low"), ct_number_in(w1, "low"), 0);
    const char *sentence = ct_text_in(cJSON_GetObjectItemCaseSensitive(w1, "sensitivity"), "sentence");
    assert_non_null(strstr(sentence, "Shown under"));
    assert_non_null(strstr(sentence, "a quarter of the probe images"));
    assert_null(strstr(sentence, "half of the probe images"));
    cJSON_Delete(document);
}

/* Those alive at the first probe are others where near-dead nodes pass for alive. */
static void who_is_near_dead_decides_who_may_die(void **state) {
    ct_runs base, module;
    (void)state;
    ct_register(NULL, 0);
    memset(&base, 0, sizeof base);
    memset(&module, 0, sizeof module);
    for (int s = 1; s <= 5; s++) {
        ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
        b.start_by_seed = m.start_by_seed = m.module = true;
        b.channels = m.channels = 24;
        b.death = m.death = 0.1;
        m.pool_size = 2;
        ct_add(&base, &b);
        ct_add(&module, &m);
        ct_start_at_zero(&module);
    }
    held(ct_compare(&base, &module));
    cJSON *document = ct_read_verdict();
    double primary = ct_number_in(ct_prediction_of(document, "P3"), "estimate");
    assert_float_equal(ct_number_in(ct_variation_of(document, "P3", "near_dead_0.95"), "estimate"), primary, 0);
    assert_true(fabs(ct_number_in(ct_variation_of(document, "P3", "near_dead_0.999"), "estimate") - primary) > 1e-9);
    cJSON_Delete(document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_verdict_turns_under_one_variation_and_not_under_another, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(who_is_near_dead_decides_who_may_die, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
