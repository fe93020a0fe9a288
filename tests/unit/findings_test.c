/* Facts of made-up runs, and how findings are asked for and put in order. The rules themselves have tests of their
 * own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/findings/finding_write.h"
#include "analysis/json_scan.h"
#include "tests/lib/folder.h"
#include "tests/lib/trace_fixture.h"

static const char *test_path(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void facts_of(const ps_fixture *fixture, ps_facts *facts) {
    const char *path = test_path("trace.jsonl");
    assert_int_equal(ps_fixture_write(fixture, path), PS_OK);
    assert_int_equal(ps_facts_of_trace(path, facts), PS_OK);
}

static void series_grow_together(void **state) {
    (void)state;
    ps_fact_series series = {0};
    assert_true(ps_is_absent(ps_fact_first(&series)) && ps_is_absent(ps_fact_last(&series)));
    for (int i = 0; i < 1000; i++) assert_int_equal(ps_fact_add(&series, i, 2.0 * i, (uint64_t)i + 1), PS_OK);
    assert_int_equal((int)series.count, 1000);
    assert_true(ps_fact_first(&series) == 0 && ps_fact_last(&series) == 1998);
    for (int i = 0; i < 1000; i++)
        assert_true(series.value[i] == 2.0 * i && series.step[i] == i && series.line[i] == (uint64_t)i + 1);
    ps_facts facts;
    ps_facts_init(&facts);
    facts.loss = series;
    ps_facts_clear(&facts);
    assert_null(facts.loss.value);
}

/* Points stand where windows and probes do, and shares are shares. */
static void facts_stand_at_their_steps(void **state) {
    (void)state;
    ps_facts facts;
    ps_fixture fixture = ps_fixture_default("baseline", 3);
    facts_of(&fixture, &facts);
    assert_int_equal(facts.layer_count, fixture.layers);
    assert_false(facts.unfinished);
    assert_true(facts.steps == fixture.windows * fixture.window_steps);
    assert_int_equal((int)facts.loss.count, fixture.windows * fixture.window_steps);
    for (int l = 0; l < facts.layer_count; l++) {
        const ps_fact_series *dead = &facts.layers[l].series[PS_FACT_dead];
        const ps_fact_series *moved = &facts.layers[l].series[PS_FACT_grad_rms];
        assert_int_equal(facts.layers[l].nodes, fixture.channels);
        assert_int_equal((int)dead->count, fixture.windows + 1);
        assert_int_equal((int)moved->count, fixture.windows);
        for (size_t i = 0; i < dead->count; i++) {
            assert_true(dead->value[i] >= 0 && dead->value[i] <= 1 && dead->line[i] > 1);
            assert_true(dead->step[i] == (long long)i * fixture.window_steps);
        }
        for (size_t i = 0; i < moved->count; i++)
            assert_true(moved->step[i] == (long long)(i + 1) * fixture.window_steps - 1);
    }
    ps_facts_clear(&facts);
}

/* Every node of a layer is in some state: shares of a network that only dies add up from the states themselves. */
static void dead_shares_are_counted(void **state) {
    (void)state;
    ps_facts facts;
    ps_fixture fixture = ps_fixture_default("baseline", 1);
    fixture.dead_start = 1;
    fixture.revival = 0;
    facts_of(&fixture, &facts);
    for (int l = 0; l < facts.layer_count; l++) {
        const ps_layer_facts *layer = &facts.layers[l];
        assert_true(ps_fact_first(&layer->series[PS_FACT_dead]) == 1);
        assert_true(ps_fact_last(&layer->series[PS_FACT_dead]) == 1);
        assert_true(ps_fact_last(&layer->series[PS_FACT_rank_share]) == 0);
        assert_int_equal((int)layer->series[PS_FACT_inert_alive].count, 0); /* none is alive */
    }
    ps_facts_clear(&facts);
}

/* What was not recorded has no point at all. */
static void nothing_is_made_up(void **state) {
    (void)state;
    ps_facts facts;
    ps_fixture fixture = ps_fixture_default("baseline", 1);
    fixture.sparse = true;
    facts_of(&fixture, &facts);
    for (int l = 0; l < facts.layer_count; l++)
        for (int f = 0; f < PS_FACT_COUNT; f++) {
            bool of_nonzero = f == PS_FACT_dead || f == PS_FACT_near_dead || f == PS_FACT_rarely_open ||
                              f == PS_FACT_rank_share || f == PS_FACT_linear;
            size_t count = facts.layers[l].series[f].count;
            if (of_nonzero != (count > 0)) fail_msg("%s: %zu points", ps_layer_fact_name((ps_layer_fact)f), count);
        }
    assert_true(ps_is_absent(facts.batch) && ps_is_absent(facts.weight_decay) && facts.optimiser == NULL);
    ps_facts_clear(&facts);
}

static void a_run_that_was_cut_is_unfinished(void **state) {
    (void)state;
    ps_facts facts;
    ps_fixture fixture = ps_fixture_default("baseline", 1);
    fixture.cut = true;
    facts_of(&fixture, &facts);
    assert_true(facts.unfinished && !facts.diverged);
    ps_facts_clear(&facts);
    fixture = ps_fixture_default("baseline", 1);
    fixture.diverged = true;
    facts_of(&fixture, &facts);
    assert_true(facts.diverged);
    ps_facts_clear(&facts);
    assert_int_equal(ps_facts_of_trace(test_path("none.jsonl"), &facts), PS_ERR_IO);
}

/* The worst first: level, then rank, then strength. */
static void findings_are_in_order(void **state) {
    (void)state;
    ps_facts facts;
    ps_findings findings;
    ps_fixture fixture = ps_fixture_default("baseline", 1);
    fixture.dead_start = 1;
    fixture.revival = 0;
    facts_of(&fixture, &facts);
    assert_int_equal(ps_findings_judge(&facts, NULL, NULL, &findings), PS_OK);
    assert_true(findings.count > 0);
    for (int i = 1; i < findings.count; i++) {
        const ps_finding *a = &findings.list[i - 1], *b = &findings.list[i];
        bool upper = a->level >= PS_LEVEL_SERIOUS;
        if (upper && b->level >= PS_LEVEL_SERIOUS) assert_true(a->rank <= b->rank);
        else assert_true(a->level > b->level || (a->level == b->level && a->rank <= b->rank));
    }
    for (int i = 0; i < findings.count; i++) {
        assert_true(findings.list[i].sentence[0] != '\0' && findings.list[i].level <= findings.list[i].rule->level);
        for (int l = 0; l < findings.list[i].layers; l++)
            assert_in_range(findings.list[i].layer[l], 0, facts.layer_count - 1);
    }
    const ps_finding *worst = ps_findings_wanted(&findings, "note");
    assert_ptr_equal(worst, &findings.list[0]);
    assert_null(ps_findings_wanted(&findings, ""));
    const char *id = findings.list[findings.count - 1].rule->id;
    assert_string_equal(ps_findings_wanted(&findings, id)->rule->id, id);
    ps_findings_clear(&findings);
    ps_facts_clear(&facts);
}

static void names_are_checked(void **state) {
    (void)state;
    ps_facts facts;
    ps_findings findings;
    ps_finding_level level;
    ps_facts_init(&facts);
    assert_int_equal(ps_findings_judge(&facts, "dead_layer,nonsense", NULL, &findings), PS_ERR_USAGE);
    assert_non_null(strstr(ps_status_message(), "\"nonsense\""));
    assert_int_equal(ps_findings_judge(&facts, NULL, "dead", &findings), PS_ERR_USAGE); /* no part of a name */
    assert_int_equal(ps_findings_check_wanted("critical,dead_layer"), PS_OK);
    assert_int_equal(ps_findings_check_wanted("worse"), PS_ERR_USAGE);
    assert_int_equal(ps_finding_level_read("serious", &level), PS_OK);
    assert_int_equal(level, PS_LEVEL_SERIOUS);
    assert_int_equal(ps_findings_judge(&facts, "dead_layer", NULL, &findings), PS_OK);
    assert_int_equal(findings.count + findings.unknown_count, 1);
    ps_findings_clear(&findings);
    assert_int_equal(ps_findings_judge(&facts, "dead_layer", "dead_layer", &findings), PS_OK);
    assert_int_equal(findings.count + findings.unknown_count, 0);
    ps_findings_clear(&findings);
}

/* printf has other words for what is not finite than traces. */
static void what_is_not_finite_is_spelt_as_in_a_trace(void **state) {
    (void)state;
    ps_finding finding = {0};
    ps_finding_say(&finding, "loss %g, then %g; %g-fold, in banana.inference", INFINITY, (double)-NAN, -INFINITY);
    assert_string_equal(finding.sentence, "loss Infinity, then NaN; -Infinity-fold, in banana.inference");
    ps_finding_try(&finding, "%g", (double)NAN);
    assert_string_equal(finding.remedy, "NaN");
}

static void a_number_that_is_not_known_speaks_for_nothing(void **state) {
    (void)state;
    ps_finding finding = {0};
    ps_finding_add_cause(&finding, "small batches", "batches of %.0f images", 16.0);
    ps_finding_add_cause(&finding, "small batches", "batches of %.0f images", ps_absent());
    ps_finding_add_cause(&finding, "steps", "%s %d of %zu and %lld: 100 %% of %-5.3g", "step", 1, (size_t)2, 3LL, 0.5);
    ps_finding_add_cause(&finding, "steps", "%s %d of %zu and %lld: 100 %% of %-5.3g", "step", 1, (size_t)2, 3LL,
                         ps_absent());
    ps_finding_add_evidence(&finding, "loss", ps_absent(), 1, 7);
    assert_string_equal(finding.cause[0].speaks, "batches of 16 images");
    assert_string_equal(finding.cause[1].speaks, "");
    assert_string_equal(finding.cause[2].speaks, "step 1 of 2 and 3: 100 % of 0.5  ");
    assert_string_equal(finding.cause[3].speaks, "");
    assert_int_equal(finding.evidences, 0);
}

/* Parts that are too long or too many are cut to their room. */
static void parts_have_their_room(void **state) {
    (void)state;
    ps_finding finding = {0};
    char text[3 * PS_FINDING_TEXT];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ps_finding_say(&finding, "%s", text);
    ps_finding_try(&finding, "%s", text);
    for (int i = 0; i < 100; i++) {
        ps_finding_add_layer(&finding, i);
        ps_finding_add_evidence(&finding, text, i, ps_absent(), 1);
        ps_finding_add_cause(&finding, text, "%s", text);
    }
    assert_int_equal(strlen(finding.sentence), PS_FINDING_TEXT - 1);
    assert_int_equal(finding.layers, PS_FINDING_MOST_LAYERS);
    assert_int_equal(finding.evidences, PS_FINDING_MOST_EVIDENCE);
    assert_int_equal(finding.causes, PS_FINDING_MOST_CAUSES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(series_grow_together),
        cmocka_unit_test(facts_stand_at_their_steps),
        cmocka_unit_test(dead_shares_are_counted),
        cmocka_unit_test(nothing_is_made_up),
        cmocka_unit_test(findings_are_in_order),
        cmocka_unit_test(a_run_that_was_cut_is_unfinished),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(parts_have_their_room),
        cmocka_unit_test(what_is_not_finite_is_spelt_as_in_a_trace),
        cmocka_unit_test(a_number_that_is_not_known_speaks_for_nothing),
    };
    return cmocka_run_group_tests_name("findings", tests, make_folder, remove_folder);
}
