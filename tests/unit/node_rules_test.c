/* The rules of findings about nodes and normalisation, on made-up facts: each finds what it is for at the level it
 * should, is silent right before its threshold, and cannot judge where nothing was recorded. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/findings/alike.h"
#include "analysis/findings/by_layer.h"
#include "core/memory.h"

enum { LAYERS = 4, NODES = 20, PROBES = 9, EVERY = 20, CLASSES = 10 };
static const double chance = 2.302585092994046;

static void check(ps_status status) { assert_int_equal(status, PS_OK); }

static void set_series(ps_fact_series *series, double first, double last) {
    ps_fact_clear(series);
    for (int i = 0; i < PROBES; i++) /* the last value stands from the fifth probe on */
        check(ps_fact_add(series, i * EVERY, i < 4 ? first : last, (uint64_t)(100 + i)));
}

/* A sound run of normalised layers, of which everything is known. */
static void make(ps_facts *facts) {
    ps_facts_init(facts);
    facts->chance_loss = chance;
    facts->steps = facts->steps_planned = EVERY * (PROBES - 1);
    facts->batch = 32;
    facts->data.classes = CLASSES;
    check(PS_ALLOC(LAYERS, &facts->layers, "layers"));
    facts->layer_count = LAYERS;
    for (int l = 0; l < LAYERS; l++) {
        ps_layer_facts *layer = &facts->layers[l];
        check(ps_string_format(&layer->name, "conv%d", l));
        check(ps_string_copy("relu", &layer->activation));
        layer->position = l;
        layer->nodes = NODES;
        layer->fan_in = 27;
        layer->own_gate = layer->normalised = layer->over_batch = true;
        for (int f = 0; f < PS_FACT_COUNT; f++) {
            bool one = f == PS_FACT_rank_share || f == PS_FACT_weight_rms || f == PS_FACT_output_rms;
            double value = one ? 1 : f == PS_FACT_update_ratio || f == PS_FACT_grad_rms ? 0.005 : 0;
            set_series(&layer->series[f], value, value);
        }
    }
    set_series(&facts->probe_loss_batch, chance, 1);
    set_series(&facts->probe_loss_eval, chance, 1);
    for (int i = 0; i < EVERY * (PROBES - 1); i++) {
        check(ps_fact_add(&facts->loss, i, chance - 0.005 * i, (uint64_t)i + 1));
        check(ps_fact_add(&facts->lr, i, 0.1, (uint64_t)i + 1));
    }
}

typedef struct {
    const char *id;
    ps_layer_fact fact;
    int from, to;       /* of these layers */
    double first, last; /* at the first probes and from step 80 on */
    bool found;
    ps_finding_level level;
    long long since; /* -2: not asked */
} node_case;

static const node_case cases[] = {
    {"zero_weights", PS_FACT_weight_rms, 1, 2, 0, 0, true, PS_LEVEL_CRITICAL, 0},
    {"zero_weights", PS_FACT_weight_rms, 1, 2, 1e-30, 1e-30, false, 0, 0},
    {"twin_nodes", PS_FACT_alike, 0, LAYERS, 1, 1, true, PS_LEVEL_CRITICAL, 0},
    {"twin_nodes", PS_FACT_alike, 0, LAYERS, 1, 0, true, PS_LEVEL_CRITICAL, 0}, /* they died since */
    {"twin_nodes", PS_FACT_alike, 1, 2, 0, 0.3, true, PS_LEVEL_WARNING, 80},
    {"twin_nodes", PS_FACT_alike, 0, LAYERS, 0.2, 0.2, false, 0, 0},
    {"overlapping_nodes", PS_FACT_overlapping, 0, LAYERS, 0, 0.95, true, PS_LEVEL_SERIOUS, -1},
    {"overlapping_nodes", PS_FACT_overlapping, 1, 2, 0, 0.3, true, PS_LEVEL_WARNING, -1},
    {"overlapping_nodes", PS_FACT_overlapping, 0, LAYERS, 1, 0.2, false, 0, 0},
    {"linear_gates", PS_FACT_linear, 0, LAYERS, 1, 1, true, PS_LEVEL_SERIOUS, 0},
    {"linear_gates", PS_FACT_linear, 0, LAYERS, 0, 0.95, true, PS_LEVEL_SERIOUS, 80},
    {"linear_gates", PS_FACT_linear, 0, LAYERS / 2, 0, 1, true, PS_LEVEL_WARNING, 80},
    {"linear_gates", PS_FACT_linear, 0, LAYERS, 1, 0, true, PS_LEVEL_SERIOUS, 0}, /* they closed since */
    {"linear_gates", PS_FACT_linear, 0, LAYERS, 0.85, 0.85, false, 0, 0},
    {"dead_layer", PS_FACT_dead, 2, LAYERS, 0, 1, true, PS_LEVEL_CRITICAL, 80},
    {"dead_layer", PS_FACT_dead, 1, 2, 0, 1, true, PS_LEVEL_SERIOUS, 80}, /* something lives behind */
    {"dead_layer", PS_FACT_dead, 0, LAYERS, 0.95, 0.95, false, 0, 0},
    {"dead_start", PS_FACT_dead, 0, LAYERS, 0.5, 0.1, true, PS_LEVEL_SERIOUS, 0},
    {"dead_start", PS_FACT_dead, 0, LAYERS, 0.2, 0, true, PS_LEVEL_WARNING, 0},
    {"dead_start", PS_FACT_dead, 0, LAYERS, 0.1, 1, false, 0, 0},
    {"dead_start", PS_FACT_rarely_open, 0, LAYERS, 0.6, 0.2, true, PS_LEVEL_SERIOUS, 0},
    {"dead_start", PS_FACT_rarely_open, 0, LAYERS, 0.45, 1, false, 0, 0},
    {"constant_nodes", PS_FACT_constant, 0, LAYERS, 0, 1, true, PS_LEVEL_CRITICAL, 80},
    {"constant_nodes", PS_FACT_constant, 1, 2, 0, 0.4, true, PS_LEVEL_WARNING, 80},
    {"constant_nodes", PS_FACT_constant, 0, LAYERS, 0.15, 0.15, false, 0, 0},
    {"bottleneck", PS_FACT_rank_share, 1, 2, 1, 0.2, true, PS_LEVEL_SERIOUS, -2}, /* 4 of 20 for 10 classes */
    {"bottleneck", PS_FACT_rank_share, 1, 2, 1, 0.3, false, 0, 0},
    {"bottleneck", PS_FACT_rank_share, 1, 2, 1, 0, false, 0, 0}, /* a dead layer, which is another finding's */
    {"dead_nodes", PS_FACT_dead, 0, LAYERS, 0, 0.6, true, PS_LEVEL_SERIOUS, 80},
    {"dead_nodes", PS_FACT_dead, 0, LAYERS, 0, 0.3, true, PS_LEVEL_WARNING, 80},
    {"dead_nodes", PS_FACT_dead, 0, LAYERS, 0, 0.12, true, PS_LEVEL_NOTE, 80},
    {"dead_nodes", PS_FACT_dead, 0, LAYERS, 1, 0.05, false, 0, 0},
    {"near_dead", PS_FACT_near_dead, 0, LAYERS, 0, 0.55, true, PS_LEVEL_SERIOUS, 80},
    {"near_dead", PS_FACT_near_dead, 0, LAYERS, 0, 0.15, false, 0, 0},
    {"inert_nodes", PS_FACT_inert_alive, 0, LAYERS, 0, 0.95, true, PS_LEVEL_SERIOUS, 80},
    {"inert_nodes", PS_FACT_inert_alive, 0, LAYERS, 0, 0.6, true, PS_LEVEL_WARNING, 80},
    {"inert_nodes", PS_FACT_inert_alive, 0, LAYERS, 1, 0.4, false, 0, 0},
    {"edge_nodes", PS_FACT_edge, 0, LAYERS, 0, 0.1, true, PS_LEVEL_NOTE, 80},
    {"edge_nodes", PS_FACT_edge, 0, LAYERS, 0, 0.04, false, 0, 0},
    {"running_statistics", PS_FACT_mode_gap, 0, LAYERS, 0, 2, true, PS_LEVEL_SERIOUS, 80},
    {"running_statistics", PS_FACT_mode_scale, 1, 2, 0, 2, true, PS_LEVEL_WARNING, -2},
    {"running_statistics", PS_FACT_mode_gap, 0, LAYERS, 5, 0.9, false, 0, 0},
    {"running_statistics", PS_FACT_mode_scale, 0, LAYERS, 5, 1.3, false, 0, 0},
    {"shut_by_norm", PS_FACT_shut_by_norm, 0, LAYERS, 1, 1, true, PS_LEVEL_SERIOUS, 0},
    {"shut_by_norm", PS_FACT_shut_by_norm, 0, LAYERS, 0, 0.2, true, PS_LEVEL_WARNING, 80},
    {"shut_by_norm", PS_FACT_shut_by_norm, 0, LAYERS, 0, 0.05, false, 0, 0},
    {"variance_low", PS_FACT_variance_low, 0, LAYERS, 0, 0.7, true, PS_LEVEL_SERIOUS, 80},
    {"variance_low", PS_FACT_variance_low, 1, 2, 0, 0.2, true, PS_LEVEL_WARNING, 80},
    {"variance_low", PS_FACT_variance_low, 0, LAYERS, 0, 0.05, false, 0, 0},
};

static void judge(const ps_facts *facts, const char *id, ps_findings *findings) {
    check(ps_findings_judge(facts, id, NULL, findings));
}

static void expect_nothing(const ps_facts *facts, const char *rule) {
    ps_findings findings;
    judge(facts, rule, &findings);
    assert_int_equal(findings.count, 0);
    ps_findings_clear(&findings);
}

static bool is_whole(const ps_finding *f) {
    size_t length = strlen(f->sentence);
    bool whole = length > 20 && length < PS_FINDING_TEXT - 1 && f->sentence[length - 1] == '.' &&
                 strstr(f->sentence, "nan") == NULL && f->evidences > 0 && f->causes > 0 && f->remedy[0] != '\0' &&
                 f->strength >= 0.99 && f->level <= f->rule->level;
    for (int i = 0; i < f->causes; i++) whole = whole && strstr(f->cause[i].speaks, "nan") == NULL;
    for (int i = 0; i < f->layers; i++) whole = whole && f->layer[i] >= 0 && f->layer[i] < LAYERS;
    return whole;
}

static void judge_case(const node_case *c) {
    ps_facts facts;
    ps_findings findings;
    make(&facts);
    for (int l = c->from; l < c->to; l++) set_series(&facts.layers[l].series[c->fact], c->first, c->last);
    judge(&facts, c->id, &findings);
    bool right = findings.count == c->found && findings.unknown_count == 0;
    if (right && c->found) {
        const ps_finding *f = findings.list;
        right = f->level == c->level && (c->since == -2 || f->since == c->since) && is_whole(f);
        if (!right) print_message("# %s since %lld: %s\n", ps_finding_level_name(f->level), f->since, f->sentence);
    }
    if (!right)
        print_message("# %s: %s %g to %g in layers %d to %d\n", c->id, ps_layer_fact_name(c->fact), c->first, c->last,
                      c->from, c->to - 1);
    assert_true(right);
    ps_findings_clear(&findings);
    ps_facts_clear(&facts);
}

static void each_rule_finds_what_it_is_for_and_nothing_before(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) judge_case(&cases[i]);
}

/* A number that is none stands in the texts of a finding. */
static bool says_nan(const ps_finding *f) {
    bool says = strstr(f->sentence, "NaN") != NULL || strstr(f->remedy, "NaN") != NULL;
    for (int i = 0; i < f->causes; i++) says = says || strstr(f->cause[i].speaks, "NaN") != NULL;
    return says;
}

/* What a rule can judge by without some fact of the layers, or without what is known of the run, it says without it. */
static void no_finding_speaks_of_what_was_not_recorded(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int without = 0; without <= PS_FACT_COUNT; without++) {
            ps_facts facts;
            ps_findings findings;
            make(&facts);
            for (int l = cases[i].from; l < cases[i].to; l++)
                set_series(&facts.layers[l].series[cases[i].fact], cases[i].first, cases[i].last);
            if (without == PS_FACT_COUNT) {
                facts.batch = facts.weight_decay = facts.window = facts.steps_planned = ps_absent();
                ps_fact_clear(&facts.lr);
            } else
                for (int l = 0; l < LAYERS; l++) ps_fact_clear(&facts.layers[l].series[without]);
            judge(&facts, NULL, &findings);
            for (int k = 0; k < findings.count; k++)
                if (says_nan(&findings.list[k]))
                    fail_msg("%s without %d: %s: %s", cases[i].id, without, findings.list[k].rule->id,
                             findings.list[k].sentence);
            ps_findings_clear(&findings);
            ps_facts_clear(&facts);
        }
}

static bool is_mine(const ps_finding_rule *rule) {
    return rule->group == PS_GROUP_OF_NODES || rule->group == PS_GROUP_OF_NORMALISATION;
}

static void a_sound_run_has_no_finding(void **state) {
    (void)state;
    ps_facts facts;
    ps_findings findings;
    make(&facts);
    judge(&facts, NULL, &findings);
    for (int i = 0; i < findings.count; i++)
        if (is_mine(findings.list[i].rule)) fail_msg("%s", findings.list[i].sentence);
    ps_findings_clear(&findings);
    ps_facts_clear(&facts);
}

static void what_was_not_recorded_is_not_judged(void **state) {
    (void)state;
    ps_facts facts;
    ps_findings findings;
    int rules, mine = 0, unknown = 0;
    const ps_finding_rule *const *rule = ps_finding_rules(&rules);
    ps_facts_init(&facts);
    judge(&facts, NULL, &findings);
    for (int i = 0; i < rules; i++) mine += is_mine(rule[i]);
    for (int i = 0; i < findings.unknown_count; i++) unknown += is_mine(findings.unknown[i]);
    assert_int_equal(findings.count, 0);
    assert_int_equal(unknown, mine);
    ps_findings_clear(&findings);
    ps_facts_clear(&facts);
}

/* ---- rules that go by more than one fact ---- */

static const ps_finding *only(const ps_findings *findings) {
    assert_int_equal(findings->count, 1);
    assert_true(is_whole(findings->list));
    return findings->list;
}

static void modes_must_differ_for_long(void **state) {
    (void)state;
    ps_facts facts;
    ps_findings findings;
    make(&facts);
    set_series(&facts.probe_loss_eval, chance, 3);
    judge(&facts, "mode_loss", &findings);
    assert_int_equal(only(&findings)->level, PS_LEVEL_CRITICAL);
    assert_int_equal(findings.list[0].since, 80);
    ps_findings_clear(&findings);
    set_series(&facts.probe_loss_eval, chance, 1.5);
    judge(&facts, "mode_loss", &findings);
    assert_int_equal(only(&findings)->level, PS_LEVEL_WARNING);
    ps_findings_clear(&findings);
    facts.probe_loss_eval.value[PROBES - 2] = 1.1; /* a step that went astray is no fault */
    expect_nothing(&facts, "mode_loss");
    /* Evaluation mode may have been looked at now and then only, and is held against the same steps. */
    set_series(&facts.probe_loss_eval, chance, 3);
    ps_fact_series *eval = &facts.probe_loss_eval;
    const size_t kept[] = {PROBES - 4, PROBES - 2, PROBES - 1};
    for (size_t i = 0; i < 3; i++) eval->value[i] = eval->value[kept[i]], eval->step[i] = eval->step[kept[i]];
    eval->count = 3;
    double before = facts.probe_loss_batch.value[PROBES - 3];
    facts.probe_loss_batch.value[PROBES - 3] = 100;
    judge(&facts, "mode_loss", &findings);
    assert_int_equal(only(&findings)->level, PS_LEVEL_CRITICAL);
    ps_findings_clear(&findings);
    facts.probe_loss_batch.value[PROBES - 3] = before;
    set_series(&facts.probe_loss_eval, chance, 3);
    facts.steps = 20; /* running means have not got there yet */
    judge(&facts, "mode_loss", &findings);
    assert_int_equal(findings.unknown_count, 1);
    ps_findings_clear(&findings);
    facts.steps = 160;
    for (int l = 0; l < LAYERS; l++) facts.layers[l].normalised = facts.layers[l].over_batch = false;
    judge(&facts, "mode_loss", &findings);
    assert_int_equal(findings.count + findings.unknown_count, 0); /* nothing to disagree in */
    ps_findings_clear(&findings);
    ps_facts_clear(&facts);
}

/* Of gates with a Pool Skip before them, and of normalisations before a sum, nothing is known: the rest being sound
 * does not make them so. */
static void what_is_known_in_part_is_not_sound(void **state) {
    (void)state;
    static const struct {
        const char *rule;
        ps_layer_fact fact, other;
    } parts[] = {{"shut_by_norm", PS_FACT_shut_by_norm, PS_FACT_shut_by_norm},
                 {"running_statistics", PS_FACT_mode_gap, PS_FACT_variance_low}};
    for (int i = 0; i < 2; i++)
        for (int bad = 0; bad < 2; bad++) {
            ps_facts facts;
            ps_findings findings;
            make(&facts);
            facts.layers[1].own_gate = i == 0;
            ps_fact_clear(&facts.layers[1].series[parts[i].fact]);
            ps_fact_clear(&facts.layers[1].series[parts[i].other]);
            ps_fact_clear(&facts.layers[1].series[PS_FACT_mode_scale]);
            for (int l = 2; l < LAYERS; l++)
                if (bad) set_series(&facts.layers[l].series[parts[i].fact], 0, 2);
            judge(&facts, parts[i].rule, &findings);
            assert_int_equal(findings.count, bad);
            assert_int_equal(findings.unknown_count, !bad);
            ps_findings_clear(&findings);
            ps_facts_clear(&facts);
        }
}

static void small_batches_matter_to_normalisation(void **state) {
    (void)state;
    static const struct {
        double batch;
        int found;
        ps_finding_level level;
    } sizes[] = {{2, 1, PS_LEVEL_SERIOUS}, {8, 1, PS_LEVEL_WARNING}, {9, 0, 0}};
    ps_facts facts;
    ps_findings findings;
    make(&facts);
    for (int i = 0; i < 3; i++) {
        facts.batch = sizes[i].batch;
        judge(&facts, "small_batches", &findings);
        assert_int_equal(findings.count, sizes[i].found);
        if (sizes[i].found) assert_int_equal(only(&findings)->level, sizes[i].level);
        ps_findings_clear(&findings);
    }
    facts.batch = 2; /* statistics of each sample know no batch */
    for (int l = 0; l < LAYERS; l++) facts.layers[l].over_batch = false;
    expect_nothing(&facts, "small_batches");
    ps_facts_clear(&facts);
}

static void what_has_settled_need_not_move(void **state) {
    (void)state;
    ps_facts facts;
    make(&facts);
    for (int l = 0; l < LAYERS; l++) set_series(&facts.layers[l].series[PS_FACT_inert_alive], 1, 1);
    for (size_t i = 0; i < facts.loss.count; i++) facts.loss.value[i] = 0.01;
    expect_nothing(&facts, "inert_nodes");
    for (size_t i = 0; i < facts.loss.count; i++) facts.loss.value[i] = chance;
    for (int l = 0; l < LAYERS; l++) set_series(&facts.layers[l].series[PS_FACT_inert_alive], 0, 1);
    for (size_t i = 0; i < facts.lr.count; i++) facts.lr.value[i] = i < 70 ? 0.1 : 0.001; /* the schedule is over */
    expect_nothing(&facts, "inert_nodes");
    ps_facts_clear(&facts);
}

static void saturation_is_of_smooth_gates(void **state) {
    (void)state;
    ps_facts facts;
    ps_findings findings;
    make(&facts);
    for (int l = 0; l < LAYERS; l++) set_series(&facts.layers[l].series[PS_FACT_saturated], 0, 0.8);
    expect_nothing(&facts, "saturated");
    strcpy(facts.layers[0].activation, "tanh");
    judge(&facts, "saturated", &findings);
    assert_int_equal(only(&findings)->level, PS_LEVEL_SERIOUS);
    ps_findings_clear(&findings);
    ps_facts_clear(&facts);
}

static void at_rest_nothing_has_a_beginning(void **state) {
    (void)state;
    ps_facts facts;
    ps_findings findings;
    make(&facts);
    facts.at_rest = true;
    for (int l = 0; l < LAYERS; l++) {
        set_series(&facts.layers[l].series[PS_FACT_dead], 1, 1);
        set_series(&facts.layers[l].series[PS_FACT_weight_rms], 0, 0);
        set_series(&facts.layers[l].series[PS_FACT_alike], 1, 1);
    }
    judge(&facts, "zero_weights,twin_nodes,dead_layer,dead_nodes,dead_start", &findings);
    assert_int_equal(findings.count, 4);
    assert_int_equal(findings.unknown_count, 1); /* the start is not there to be seen */
    assert_string_equal(findings.list[0].rule->id, "zero_weights");
    for (int i = 0; i < findings.count; i++) assert_int_equal(findings.list[i].since, -1);
    ps_findings_clear(&findings);
    ps_facts_clear(&facts);
}

static void twins_are_alive_and_equal(void **state) {
    (void)state;
    double l2[] = {1, 1, 1, 2, 1}, l1[] = {3, 3, 3, 4, 3}, mean[] = {5, 5, 5, 5, 0}, rms[] = {6, 6, 6.5, 6, 0};
    assert_true(ps_findings_alike(5, l2, l1, mean, rms) == 2.0 / 5);
    assert_true(ps_findings_alike(1, l2, l1, mean, rms) == 0);
    for (int i = 0; i < 5; i++) rms[i] = 0; /* dead nodes are equal for another reason */
    assert_true(ps_findings_alike(5, l2, l1, mean, rms) == 0);
    for (int i = 0; i < 5; i++) rms[i] = ps_absent();
    assert_true(ps_is_absent(ps_findings_alike(5, l2, l1, mean, rms)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_finds_what_it_is_for_and_nothing_before),
        cmocka_unit_test(no_finding_speaks_of_what_was_not_recorded),
        cmocka_unit_test(a_sound_run_has_no_finding),
        cmocka_unit_test(what_was_not_recorded_is_not_judged),
        cmocka_unit_test(modes_must_differ_for_long),
        cmocka_unit_test(what_is_known_in_part_is_not_sound),
        cmocka_unit_test(small_batches_matter_to_normalisation),
        cmocka_unit_test(what_has_settled_need_not_move),
        cmocka_unit_test(saturation_is_of_smooth_gates),
        cmocka_unit_test(at_rest_nothing_has_a_beginning),
        cmocka_unit_test(twins_are_alive_and_equal),
    };
    return cmocka_run_group_tests_name("node_rules", tests, NULL, NULL);
}
