/* What facts say of a trace written out here: of the data, of both modes, of values that are not finite. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/findings/facts.h"
#include "analysis/json_scan.h"
#include "tests/lib/folder.h"

/* %s: keys of "data" behind its classes; the layer's norm_eps, with a comma; and records of a step, which %d counts. */
static const char text[] =
    "{\"type\":\"header\",\"format\":\"poolscope-trace\",\"version\":2,\"producer\":\"test\",\"arm\":\"\","
    "\"arm_is\":{\"role\":\"other\",\"pool_size\":0,\"zero_init\":false,\"cut\":\"none\",\"activation\":\"relu\","
    "\"reinit_dead\":0},\"seed\":1,\"config\":{},\"pairing\":{\"batch\":\"8\"},"
    "\"data\":{\"classes\":3,\"train\":100%s},\"machine\":{},\"model\":{},\"window\":1,\"steps\":0,"
    "\"layers\":[{\"name\":\"conv1\",\"gate\":\"relu1\",\"kind\":\"conv\",\"channels\":4,\"position\":0,\"depth\":1,"
    "\"stage\":\"\",\"activation\":\"relu\",\"norm\":\"bn1\",\"pool_skip\":null,%s\"bias\":false,\"fan_in\":9,"
    "\"inputs\":[],\"ungated_inputs\":true,\"elements\":16}],\"quantities\":["
    "{\"name\":\"norm_mean\",\"unit\":\"output\",\"per\":\"node\",\"record\":\"probe\",\"description\":\"\"},"
    "{\"name\":\"norm_var\",\"unit\":\"output^2\",\"per\":\"node\",\"record\":\"probe\",\"description\":\"\"},"
    "{\"name\":\"running_mean\",\"unit\":\"output\",\"per\":\"node\",\"record\":\"probe\",\"description\":\"\"},"
    "{\"name\":\"running_var\",\"unit\":\"output^2\",\"per\":\"node\",\"record\":\"probe\",\"description\":\"\"},"
    "{\"name\":\"saturated\",\"unit\":\"share\",\"per\":\"node\",\"record\":\"probe\",\"description\":\"\"}]}\n"
    "{\"type\":\"probe\",\"step\":0,\"layer\":\"conv1\",\"images\":2,\"elements\":32,\"values\":{"
    "\"norm_mean\":[1,2,3,5],\"norm_var\":[4,1,0.25,0.001],\"running_mean\":[0,2,4,5],\"running_var\":[4,2,0.25,1],"
    "\"saturated\":[1,0.5,0,0]}}\n"
    "{\"type\":\"eval\",\"step\":0,\"split\":\"probe\",\"loss\":2.5,\"loss_batch\":1.5,\"count\":2}\n"
    "{\"type\":\"eval\",\"step\":0,\"split\":\"test\",\"loss\":9,\"accuracy\":0.25,\"count\":8}\n"
    "{\"type\":\"event\",\"step\":0,\"event\":\"nonfinite\",\"what\":\"activation\",\"layer\":\"conv1\",\"channel\":2}"
    "\n%s"
    "{\"type\":\"end\",\"steps\":%d,\"status\":\"finished\"}\n";

static void facts_with(const char *data, const char *norm_eps, const char *step, ps_facts *facts) {
    char path[256];
    snprintf(path, sizeof path, "%s/trace.jsonl", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, text, data, norm_eps, step, step[0] != '\0');
    fclose(file);
    assert_int_equal(ps_facts_of_trace(path, facts), PS_OK);
}

static void facts_of(const char *data, const char *norm_eps, ps_facts *facts) { facts_with(data, norm_eps, "", facts); }

static bool near(double a, double b) { return fabs(a - b) <= 1e-9 * fabs(b); }

static double first(const ps_facts *facts, ps_layer_fact fact) { return ps_fact_first(&facts->layers[0].series[fact]); }

static void both_modes_are_held_against_each_other(void **state) {
    (void)state;
    ps_facts facts;
    facts_of("", "\"norm_eps\":0.01,", &facts);
    assert_true(ps_fact_first(&facts.probe_loss_eval) == 2.5 && ps_fact_first(&facts.probe_loss_batch) == 1.5);
    assert_true(facts.probe_loss_eval.line[0] == 3 && facts.probe_loss_eval.step[0] == 0);
    assert_int_equal((int)facts.test_loss.count, 1);
    assert_true(ps_fact_first(&facts.test_loss) == 9); /* the probe images are no test images */
    assert_true(near(first(&facts, PS_FACT_variance_low), 0.25));
    assert_true(near(first(&facts, PS_FACT_saturated), 0.375));
    assert_true(near(first(&facts, PS_FACT_mode_gap), (0.5 + 0 + 2) / 3)); /* of those that vary */
    assert_true(fabs(first(&facts, PS_FACT_mode_scale)) < 1e-12);          /* median of 0, log(2.01 / 1.01) and 0 */
    ps_facts_clear(&facts);
    facts_of("", "", &facts); /* 1e-5 where it is not said */
    assert_true(first(&facts, PS_FACT_variance_low) == 0);
    ps_facts_clear(&facts);
}

/* A mean that was off by a tenth of a deviation or more, and by how much of it the next probe finds it nearer. */
static void running_means_follow_or_not(void **state) {
    (void)state;
    ps_facts facts;
    facts_with("", "\"norm_eps\":0.01,",
               "{\"type\":\"step\",\"step\":0,\"loss\":1}\n"
               "{\"type\":\"probe\",\"step\":1,\"layer\":\"conv1\",\"images\":2,\"elements\":32,\"values\":{"
               "\"norm_mean\":[4,2.01,0,9],\"norm_var\":[1,1,1,0.001],\"running_mean\":[1,9,3.5,5],"
               "\"running_var\":[1,1,1,1]}}\n",
               &facts);
    /* 1 of 4; 2.01 was no more than 0.01 off, 9 does not vary; 0.5 of 4 */
    const ps_fact_series *follow = &facts.layers[0].series[PS_FACT_mode_follow];
    assert_int_equal((int)follow->count, 1);
    assert_true(follow->step[0] == 1 && near(follow->value[0], (0.25 + 0.125) / 2));
    ps_facts_clear(&facts);
}

static void data_are_known_as_far_as_the_header_says(void **state) {
    (void)state;
    ps_facts facts;
    facts_of(
        ",\"input_mean\":[0.5,\"NaN\"],\"input_sd\":[1,2],\"class_counts\":[90,0,7],\"no_class\":3,\"constant\":4,"
        "\"identical\":5,\"probe_distance\":0.5,\"file_order\":0.01,\"loss_floor\":0.75",
        "", &facts);
    const ps_data_facts *d = &facts.data;
    assert_true(d->known && d->channels == 2 && d->mean[0] == 0.5 && isnan(d->mean[1]) && d->sd[1] == 2);
    assert_true(d->class_count[0] == 90 && d->class_count[1] == 0 && d->class_count[2] == 7);
    assert_true(d->out_of_range == 3 && d->constant == 4 && d->duplicates == 5);
    assert_true(d->loss_floor == 0.75 && d->probe_distance == 0.5 && d->order_repeats == 0.01 && d->train == 100);
    ps_facts_clear(&facts);
    facts_of(",\"probe_distance\":null", "", &facts);
    assert_true(!d->known && d->class_count == NULL && ps_is_absent(d->probe_distance));
    assert_true(d->loss_floor == 0); /* a label is all of its target */
    assert_true(ps_is_absent(d->out_of_range) && ps_is_absent(d->constant) && ps_is_absent(d->order_repeats));
    ps_facts_clear(&facts);
}

static void the_node_that_is_not_finite_is_known(void **state) {
    (void)state;
    ps_facts facts;
    facts_of("", "", &facts);
    assert_int_equal((int)facts.nonfinite_count, 1);
    assert_string_equal(facts.nonfinite[0].layer, "conv1");
    assert_int_equal(facts.nonfinite[0].channel, 2);
    assert_true(facts.nonfinite[0].line == 5);
    ps_facts_clear(&facts);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_modes_are_held_against_each_other),
        cmocka_unit_test(running_means_follow_or_not),
        cmocka_unit_test(data_are_known_as_far_as_the_header_says),
        cmocka_unit_test(the_node_that_is_not_finite_is_known),
    };
    return cmocka_run_group_tests_name("finding_facts", tests, make_folder, remove_folder);
}
