/* What is said of an arm that is missing: every prediction, every part of it, every role. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/predictions/predictions.h"
#include "analysis/relation.h"

/* A word that names the role and no other one, written down here once more. */
static const struct {
    ps_arm_role role;
    const char *word;
} told[] = {
    {PS_ARM_BASELINE, "baseline"},
    {PS_ARM_MODULE, "with Pool Skip"},
    {PS_ARM_GRID, "with a grid mask"},
    {PS_ARM_GRID_ENERGY, "energy-matched"},
    {PS_ARM_CONV_SKIP, "conv+skip"},
    {PS_ARM_CUT_GRADIENT, "gradient is cut"},
    {PS_ARM_CUT_FORWARD, "output is cut"},
    {PS_ARM_LEAKY, "LeakyReLU and no module"},
    {PS_ARM_LEAKY_MODULE, "LeakyReLU and Pool Skip"},
    {PS_ARM_REINIT, "re-initialised"},
    {PS_ARM_OTHER, "another kind"},
};
_Static_assert(sizeof told / sizeof *told == PS_ARM_COUNT, "a word for every role");

static void every_role_has_its_own_words(void **state) {
    (void)state;
    for (int i = 0; i < PS_ARM_COUNT; i++) {
        const char *words = ps_role_words(told[i].role);
        if (strstr(words, told[i].word) == NULL) fail_msg("role %d is called \"%s\"", i, words);
        for (int k = 0; k < i; k++) assert_string_not_equal(words, ps_role_words(told[k].role));
    }
}

static bool has_module(ps_arm_role role) {
    return role != PS_ARM_BASELINE && role != PS_ARM_LEAKY && role != PS_ARM_REINIT && role != PS_ARM_OTHER;
}

/* One run for all arms, which has recorded everything and has a value for every statistic, so that each part of a
 * prediction can be measured and the next one is looked at. */
static ps_arm_run run = {.seed = 1, .status = PS_RUN_FINISHED, .path = (char *)"made-up", .fork = (char *)"made-up"};

static int setup(void **state) {
    int predictions;
    (void)state;
    const ps_prediction *const *list = ps_predictions(&predictions);
    run.pairing = cJSON_Parse("{\"order\": \"1\"}");
    run.quantities = cJSON_CreateArray();
    for (int q = 0; q < PS_Q_COUNT; q++) {
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", ps_quantity_name((ps_trace_quantity)q));
        cJSON_AddItemToArray(run.quantities, item);
    }
    for (int p = 0; p < predictions; p++)
        for (int part = 0; part < list[p]->part_count; part++)
            if (ps_summary_find(&run.summary, list[p]->parts[part].statistic) == NULL &&
                ps_summary_set(&run.summary, list[p]->parts[part].statistic, 0.5, 1, 1) != PS_OK)
                return -1;
    return 0;
}

static int teardown(void **state) {
    (void)state;
    cJSON_Delete(run.pairing);
    cJSON_Delete(run.quantities);
    ps_summary_clear(&run.summary);
    return 0;
}

/* Arms of all roles but one; modules with e = 2 and e = 4, or with one size alone. */
static int all_but(ps_arm_role missing, int only_size, ps_arm *arms) {
    int count = 0;
    for (int role = 0; role < PS_ARM_COUNT; role++)
        for (int size = 2; size <= 4; size += 2) {
            bool module = has_module((ps_arm_role)role);
            if ((ps_arm_role)role == missing || (!module && size > 2) ||
                (module && only_size != 0 && size != only_size))
                continue;
            arms[count++] = (ps_arm){.name = "made-up",
                                     .role = (ps_arm_role)role,
                                     .pool_size = module ? size : 0,
                                     .has_module = module,
                                     .runs = &run,
                                     .run_count = 1};
        }
    return count;
}

static const ps_prediction_result *judge(ps_arm *arms, int count, int prediction) {
    static ps_prediction_result results[PS_MOST_PREDICTIONS];
    ps_arms all = {.arms = arms, .count = count};
    ps_questions questions;
    ps_trace_task_default(&all.task);
    for (int a = 0; a < count; a++) arms[a].index = a;
    assert_int_equal(ps_relations_find(&all), PS_OK);
    assert_int_equal(ps_questions_of(&all, NULL, &questions), PS_OK);
    assert_int_equal(ps_predictions_judge(&all, &questions, false, results), PS_OK);
    ps_predictions_clear(results, questions.count);
    ps_questions_clear(&questions);
    ps_relations_clear(&all);
    return &results[prediction];
}

static bool needs_role(const ps_prediction *prediction, ps_arm_role role) {
    for (int i = 0; i < prediction->part_count; i++)
        if (prediction->parts[i].arm == role || prediction->parts[i].against == role) return true;
    return false;
}

static void a_missing_arm_is_called_by_its_name(void **state) {
    ps_arm arms[2 * PS_ARM_COUNT];
    int predictions, named = 0;
    (void)state;
    const ps_prediction *const *list = ps_predictions(&predictions);
    for (int i = 0; i < PS_ARM_COUNT; i++) {
        int count = all_but(told[i].role, 0, arms);
        for (int p = 0; p < predictions; p++) {
            const ps_prediction_result *result = judge(arms, count, p);
            bool says = strstr(result->sentence, "there is no arm ") != NULL;
            if (says && result->verdict != PS_VERDICT_NOT_TESTABLE) fail_msg("%s is judged all the same", list[p]->id);
            if (says != needs_role(list[p], told[i].role) || (says && strstr(result->sentence, told[i].word) == NULL))
                fail_msg("%s without role \"%s\": %s", list[p]->id, told[i].word, result->sentence);
            named += says;
        }
    }
    assert_true(named >= predictions);
}

static void a_missing_pool_size_is_said(void **state) {
    ps_arm arms[2 * PS_ARM_COUNT];
    int predictions, seen = 0;
    (void)state;
    const ps_prediction *const *list = ps_predictions(&predictions);
    for (int p = 0; p < predictions; p++)
        for (int part = 0; part < list[p]->part_count; part++) {
            int sizes[] = {list[p]->parts[part].arm_size, list[p]->parts[part].against_size};
            for (int side = 0; side < 2; side++) {
                char wanted[32];
                if (sizes[side] == 0) continue;
                snprintf(wanted, sizeof wanted, "with Pool Skip e = %d.", sizes[side]);
                const ps_prediction_result *result =
                    judge(arms, all_but(PS_ARM_COUNT, sizes[side] == 2 ? 4 : 2, arms), p);
                if (strstr(result->sentence, wanted) == NULL) fail_msg("%s: %s", list[p]->id, result->sentence);
                seen++;
            }
        }
    assert_true(seen > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_role_has_its_own_words),
        cmocka_unit_test(a_missing_arm_is_called_by_its_name),
        cmocka_unit_test(a_missing_pool_size_is_said),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
