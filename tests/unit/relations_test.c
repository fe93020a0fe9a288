/* Arms that differ in more than the arm: what they share is told, whole runs are compared, and nothing that needs pairs
 * is judged. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/file.h"
#include "tests/lib/compare_fixture.h"

enum { SEEDS = 6 };

/* An arm as its traces declare it. */
typedef struct {
    const char *backbone; /* a letter before the seed */
    const char *data, *optimiser, *config;
    int first_seed, channels;
    bool module;
} declared;

static const declared sgd = {"b", "d1", "sgd lr=0.1 momentum=0.9", "{\"lr\":0.1}", 1, 24, false};

static void replace(const ct_runs *list, const char *from, const char *format, const char *a, const char *b,
                    const char *c, int seed) {
    char to[512];
    snprintf(to, sizeof to, format, a, b, c, seed);
    ct_rewrite(list, from, to);
}

static void make_arm(ct_runs *list, const char *name, const declared *d) {
    memset(list, 0, sizeof *list);
    for (int s = 0; s < SEEDS; s++) {
        char from[64];
        int seed = d->first_seed + s;
        ps_fixture f = ps_fixture_default(name, (uint64_t)seed);
        f.start_by_seed = true;
        f.channels = d->channels;
        f.module = d->module;
        f.pool_size = d->module ? 2 : 0;
        f.accuracy = 0.5 + 0.01 * s + (strcmp(name, "baseline") != 0 ? 0.05 : 0);
        ct_add(list, &f);
        if (d->module) ct_start_at_zero(list);
        snprintf(from, sizeof from, "\"backbone\":\"b%d\"", seed);
        replace(list, from, "\"backbone\":\"%s%.0s%.0s%d\"", d->backbone, "", "", seed);
        replace(list, "\"pairing\":{", "\"pairing\":{\"data\":\"%s\",\"optimiser\":\"%s\",%.0s%.0d", d->data,
                d->optimiser, "", 0);
        replace(list, "\"config\":{\"lr\":0.1}", "\"config\":%s%.0s%.0s%.0d", d->config, "", "", 0);
    }
}

static ps_status compare_with(const char *name, const declared *d) {
    static ct_runs base, other;
    make_arm(&base, "baseline", &sgd);
    make_arm(&other, name, d);
    ps_compare_arm arms[] = {{"baseline", base.paths, base.count}, {name, other.paths, other.count}};
    return ps_compare_run(arms, 2, &(ps_compare_options){.out_directory = folder, .quiet = getenv("PS_SHOW") == NULL});
}

static const cJSON *get(const cJSON *item, const char *key) { return cJSON_GetObjectItemCaseSensitive(item, key); }

/* "optimiser,batch" of the arm's list, whose items are texts or have a key. */
static void list_of(const cJSON *document, const char *arm, const char *list, char *text, size_t size) {
    const cJSON *item;
    text[0] = '\0';
    cJSON_ArrayForEach(item, get(ct_entry(document, "arms", "name", arm), list)) {
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%s", used > 0 ? "," : "",
                 cJSON_IsString(item) ? item->valuestring : ct_text_in(item, "key"));
    }
}

static void expect_list(const cJSON *document, const char *arm, const char *list, const char *expected) {
    char text[256];
    list_of(document, arm, list, text, sizeof text);
    assert_string_equal(text, expected);
}

/* All numbers of whole runs, with the seeds that stand side by side. */
static void expect_compared(const cJSON *document, int shift) {
    static const char *const measures[] = {"dead_mean", "dead_end", "test_accuracy"};
    for (size_t m = 0; m < sizeof measures / sizeof *measures; m++) {
        const cJSON *row = ct_entry(document, "comparison", "measure", measures[m]), *pair;
        assert_float_equal(ct_number_in(row, "n"), SEEDS, 0);
        cJSON_ArrayForEach(pair, get(row, "differences")) {
            const cJSON *other = get(pair, "reference_seed");
            double other_seed = other != NULL ? other->valuedouble : ct_number_in(pair, "seed");
            assert_float_equal(ct_number_in(pair, "seed") - other_seed, shift, 0);
            assert_float_equal(ct_number_in(pair, "value"),
                               ct_number_in(pair, "value_arm") - ct_number_in(pair, "value_reference"), 1e-6);
        }
    }
    assert_float_equal(ct_number_in(ct_entry(document, "comparison", "measure", "test_accuracy"), "mean_difference"),
                       0.05, 1e-6);
}

static void expect_untestable(const cJSON *document, const char *keys) {
    static const char *const of_pairs[] = {"P2", "P3", "P5", "P6"};
    for (size_t i = 0; i < sizeof of_pairs / sizeof *of_pairs; i++) {
        assert_string_equal(ct_verdict_of(document, of_pairs[i]), "not_testable");
        if (strstr(ct_sentence_of(document, of_pairs[i]), keys) == NULL)
            fail_msg("\"%s\" does not name %s", ct_sentence_of(document, of_pairs[i]), keys);
    }
}

static bool says(const cJSON *document, const char *words) {
    const cJSON *sentence;
    bool found = false;
    cJSON_ArrayForEach(sentence, get(document, "summary")) found |= strstr(sentence->valuestring, words) != NULL;
    return found;
}

static void pairs_differ_in_nothing(void **state) {
    declared d = sgd;
    (void)state;
    d.module = true;
    held(compare_with("ps2", &d));
    cJSON *document = ct_read_verdict();
    expect_list(document, "ps2", "differs", "");
    expect_list(document, "ps2", "settings", "");
    expect_list(document, "ps2", "shares", "data,optimiser,backbone,order,steps,layers");
    assert_string_equal(ct_text_in(ct_entry(document, "arms", "name", "ps2"), "side_by_side"), "seed");
    assert_string_not_equal(ct_verdict_of(document, "P6"), "not_testable");
    expect_compared(document, 0);
    assert_false(says(document, "differ in more than the arm"));
    cJSON_Delete(document);
}

static void another_optimiser_is_compared_by_seed(void **state) {
    (void)state;
    for (int rate = 0; rate < 2; rate++) {
        declared d = sgd;
        d.module = true;
        d.optimiser = rate ? "sgd lr=0.01 momentum=0.9" : "adamw lr=0.001 momentum=0.9";
        d.config = rate ? "{\"lr\":0.01}" : "{\"lr\":0.001,\"optimiser\":\"adamw\"}";
        held(compare_with("ps2", &d));
        cJSON *document = ct_read_verdict();
        expect_list(document, "ps2", "differs", "optimiser");
        expect_list(document, "ps2", "settings", rate ? "lr" : "lr,optimiser");
        expect_list(document, "ps2", "shares", "data,backbone,order,steps,layers");
        expect_untestable(document, "arms ps2 and baseline differ in optimiser, too");
        expect_compared(document, 0);
        assert_true(says(document, "Arms ps2 and baseline differ in more than the arm: in optimiser"));
        assert_true(says(document, rate ? "lr (0.01 instead of 0.1)" : "lr (0.001 instead of 0.1)"));
        assert_true(says(document, "side by side by seed"));
        cJSON_Delete(document);
    }
}

/* Without a configuration the words of the keys are the settings. */
static void settings_come_from_the_keys(void **state) {
    declared d = sgd;
    (void)state;
    d.optimiser = "adamw lr=0.001 momentum=0.9";
    d.config = "{}";
    held(compare_with("adamw", &d));
    cJSON *document = ct_read_verdict();
    expect_list(document, "adamw", "settings", "lr,optimiser");
    assert_true(says(document, "optimiser (adamw instead of sgd)"));
    cJSON_Delete(document);
}

static void another_network_is_compared_by_index(void **state) {
    (void)state;
    for (int wide = 0; wide < 2; wide++)
        for (int shift = 0; shift <= 20; shift += 20) {
            declared d = sgd;
            d.module = true;
            d.backbone = "w";
            d.first_seed = 1 + shift;
            if (wide) d.channels = 16;
            held(compare_with("ps2", &d));
            cJSON *document = ct_read_verdict();
            assert_string_equal(ct_text_in(ct_entry(document, "arms", "name", "ps2"), "side_by_side"), "index");
            char keys[64];
            snprintf(keys, sizeof keys, "backbone%s%s", shift > 0 ? ",order" : "", wide ? ",layers" : "");
            expect_list(document, "ps2", "differs", keys);
            expect_untestable(document, "arms ps2 and baseline differ in backbone");
            expect_compared(document, shift);
            assert_true(says(document, "side by side by index"));
            cJSON_Delete(document);
        }
}

/* Seeds of their own are another start for every run, though all else agrees. */
static void other_seeds_are_compared_by_index(void **state) {
    declared d = sgd;
    (void)state;
    d.module = true;
    d.first_seed = 11;
    held(compare_with("ps2", &d));
    cJSON *document = ct_read_verdict();
    expect_list(document, "ps2", "differs", "backbone,order");
    expect_list(document, "ps2", "shares", "data,optimiser,steps,layers");
    expect_untestable(document, "differ in backbone, order, too");
    expect_compared(document, 10);
    assert_int_equal(cJSON_GetArraySize(get(get(document, "seeds"), "unpaired")), 0);
    cJSON_Delete(document);
}

/* Seeds in common stand side by side by seed, though each arm has others. */
static void seeds_in_common_go_first(void **state) {
    declared d = sgd;
    (void)state;
    d.module = true;
    d.first_seed = 3;
    held(compare_with("ps2", &d));
    cJSON *document = ct_read_verdict();
    expect_list(document, "ps2", "differs", "");
    assert_float_equal(ct_number_in(ct_entry(document, "comparison", "measure", "dead_end"), "n"), SEEDS - 2, 0);
    assert_int_equal(cJSON_GetArraySize(get(get(document, "seeds"), "unpaired")), 4);
    cJSON_Delete(document);
}

static void other_data_is_refused(void **state) {
    declared d = sgd;
    (void)state;
    d.data = "d2";
    for (int shift = 0; shift <= 20; shift += 20) {
        d.first_seed = 1 + shift;
        assert_int_equal(compare_with("other", &d), PS_ERR_INPUT);
        assert_non_null(strstr(ps_status_message(), "\"data\" is \"d2\""));
        assert_non_null(strstr(ps_status_message(), "\"d1\""));
        assert_non_null(strstr(ps_status_message(), "training, probe and test images"));
    }
}

/* A factorial: each module arm is compared with the baseline that it makes pairs with. */
static void the_arm_that_makes_pairs_goes_first(void **state) {
    static ct_runs lists[3];
    declared slow = sgd, module;
    (void)state;
    slow.optimiser = "sgd lr=0.01 momentum=0.9";
    slow.config = "{\"lr\":0.01}";
    module = slow;
    module.module = true;
    make_arm(&lists[0], "baseline", &sgd);
    make_arm(&lists[1], "slow", &slow);
    make_arm(&lists[2], "ps2", &module);
    ps_compare_arm arms[] = {
        {"baseline", lists[0].paths, SEEDS}, {"slow", lists[1].paths, SEEDS}, {"ps2", lists[2].paths, SEEDS}};
    held(ps_compare_run(arms, 3, &(ps_compare_options){.out_directory = folder, .quiet = true}));
    cJSON *document = ct_read_verdict();
    assert_string_equal(ct_text_in(ct_prediction_of(document, "P6"), "against"), "slow");
    assert_string_not_equal(ct_verdict_of(document, "P6"), "not_testable");
    cJSON_Delete(document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pairs_differ_in_nothing, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(another_optimiser_is_compared_by_seed, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(settings_come_from_the_keys, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(another_network_is_compared_by_index, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(other_seeds_are_compared_by_index, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(seeds_in_common_go_first, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(other_data_is_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(the_arm_that_makes_pairs_goes_first, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
