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

static void rare(ps_fixture *fixture) { fixture->rare = true; }

/* Near-dead nodes, which get a gradient, pass for dead on a quarter of the images and not on half of them. */
static void a_verdict_turns_under_one_variation_and_not_under_another(void **state) {
    ct_runs base, module;
    (void)state;
    ct_make_changed_arms(&base, &module, 12, rare);
    held(ct_compare(&base, &module));
    cJSON *document = ct_read_verdict();
    assert_string_equal(ct_verdict_of(document, "W1"), "supported");
    ct_expect_row(document, "W1", "probe_half", "supported", 1);
    ct_expect_row(document, "W1", "probe_quarter", "refuted", 0);
    ct_expect_row(document, "W1", "dead_eval", "supported", 1);
    ct_expect_row(document, "W1", "dormant_0", "supported", 1);
    ct_expect_row(document, "W1", "inert_1e-2", "not_affected", -1);
    /* 99.76 % of the outputs of a near-dead node are 0: by the upper threshold there is none. */
    ct_expect_row(document, "W1", "near_dead_0.95", "not_affected", -1);
    ct_expect_row(document, "W2", "near_dead_0.95", ct_verdict_of(document, "W2"), 1);
    ct_expect_row(document, "W2", "near_dead_0.999", "not_testable", -1);
    ct_expect_row(document, "W5", "near_dead_0.999", "not_testable", -1);
    ct_expect_row(document, "P4", "inert_1e-4", "supported", 1);
    ct_expect_row(document, "P4", "inert_1e-2", "refuted", 0); /* dead nodes move by 0.4 % */
    ct_expect_row(document, "P6", "near_dead", "not_affected", -1);
    ct_expect_row(document, "P5", "windows_4", "not_affected", -1);
    /* The same states counted in another way give the same numbers. */
    const cJSON *w1 = ct_entry(document, "predictions", "id", "W1");
    assert_float_equal(ct_number_in(ct_variation_of(document, "W1", "probe_half"), "estimate"),
                       ct_number_in(w1, "estimate"), 0);
    assert_float_equal(ct_number_in(ct_variation_of(document, "W1", "dormant_0"), "low"), ct_number_in(w1, "low"), 0);
    const char *sentence = ct_text_in(cJSON_GetObjectItemCaseSensitive(w1, "sensitivity"), "sentence");
    assert_non_null(strstr(sentence, "Supported under"));
    assert_non_null(strstr(sentence, "a quarter of the probe images"));
    assert_null(strstr(sentence, "half of the probe images"));
    cJSON_Delete(document);
}

/* Those alive at the first probe are others where near-dead nodes pass for alive. */
static void who_is_near_dead_decides_who_may_die(void **state) {
    ct_runs base, module;
    (void)state;
    ct_make_arms(&base, &module, 4);
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
