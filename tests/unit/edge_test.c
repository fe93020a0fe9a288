/* Nodes on the edge: neither dead nor alive, and no step into or out of it is a death or a revival. Traces written by
 * hand, one letter a node and probe, every expected number worked out by hand. */
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

#include "analysis/predictions/predictions.h"
#include "analysis/causes.h"
#include "analysis/check/rule.h"
#include "analysis/compare.h"
#include "analysis/metric.h"
#include "analysis/view.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/text.h"
#include "tests/lib/folder.h"
#include "tests/lib/trace_fixture.h"
#include "watch/view.h"

enum { MOST_NODES = 16, STEPS = 10, ELEMENTS = 100 };

/* What is recorded of a node: A alive, n near-dead, D dead, Z dead with every term exactly 0, e on the edge with no
 * output above 0, E on the edge with one, ? nothing. Dead in evaluation mode wherever no output is above 0. */
static int nonzero_of(char letter) { return letter == 'A' ? 50 : letter == 'n' || letter == 'E' ? 1 : 0; }
static double low_of(char letter) {
    return letter == 'A' ? 0.5 : letter == 'n' ? 1e-7 : letter == 'Z' ? 0 : letter == 'D' ? -1 : -1e-7;
}
static double high_of(char letter) {
    return letter == 'A' ? 0.6 : letter == 'n' ? 1e-6 : letter == 'Z' ? 0 : letter == 'D' ? -0.5 : 1e-7;
}

static void write_array(FILE *out, const char *name, const char *const *nodes, int count, int probe,
                        double (*value)(char)) {
    fprintf(out, ",\"%s\":[", name);
    for (int node = 0; node < count; node++) {
        char letter = nodes[node][probe];
        if (node > 0) putc(',', out);
        if (letter == '?') fputs("null", out);
        else fprintf(out, "%.9g", value(letter));
    }
    putc(']', out);
}

static double nonzero_value(char letter) { return nonzero_of(letter); }
static double mean_abs(char letter) { return nonzero_of(letter) * 0.01; }

#define QUANTITY(name, per) \
    "{\"name\":\"" name "\",\"unit\":\"1\",\"per\":\"" per "\",\"record\":\"probe\",\"description\":\"\"}"

/* One layer, a string a node, a letter a probe. bounds: pre_max_low and pre_max_high are recorded. */
static const char *write_trace(const char *name, const char *const *nodes, int count, bool bounds) {
    static char path[128];
    int probes = (int)strlen(nodes[0]);
    snprintf(path, sizeof path, "%s/%s.jsonl", folder, name);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fprintf(
        out,
        "{\"type\":\"header\",\"format\":\"poolscope-trace\",\"version\":1,\"producer\":\"t\",\"arm\":\"\",\"seed\":1,"
        "\"config\":{},\"pairing\":{},\"data\":{},\"machine\":{},\"model\":{},\"window\":%d,\"steps\":%d,"
        "\"quantities\":[" QUANTITY("in", "layer") "," QUANTITY("nonzero", "node") ","
        QUANTITY("nonzero_eval", "node") "," QUANTITY("mean_abs", "node") "," QUANTITY("pre_max_low", "node") ","
        QUANTITY("pre_max_high", "node") "],"
        "\"layers\":[{\"name\":\"a\",\"gate\":\"r\",\"kind\":\"conv\",\"channels\":%d,\"position\":0,\"depth\":0,"
        "\"stage\":\"\","
        "\"activation\":\"relu\",\"norm\":null,\"pool_skip\":null,\"bias\":true,\"fan_in\":9,\"inputs\":[],"
        "\"elements\":10}]}\n",
        STEPS, (probes - 1) * STEPS, count);
    for (int probe = 0; probe < probes; probe++) {
        for (int s = 0; probe > 0 && s < STEPS; s++)
            fprintf(out, "{\"type\":\"step\",\"step\":%d,\"loss\":1,\"lr\":0.5}\n", (probe - 1) * STEPS + s);
        fprintf(out,
                "{\"type\":\"probe\",\"step\":%d,\"layer\":\"a\",\"images\":10,\"elements\":%d,\"values\":{\"in\":0",
                probe * STEPS, ELEMENTS);
        write_array(out, "nonzero", nodes, count, probe, nonzero_value);
        write_array(out, "nonzero_eval", nodes, count, probe, nonzero_value);
        write_array(out, "mean_abs", nodes, count, probe, mean_abs);
        if (bounds) write_array(out, "pre_max_low", nodes, count, probe, low_of);
        if (bounds) write_array(out, "pre_max_high", nodes, count, probe, high_of);
        fputs("}}\n", out);
    }
    fprintf(out, "{\"type\":\"end\",\"steps\":%d,\"status\":\"finished\"}\n", (probes - 1) * STEPS);
    assert_int_equal(fclose(out), 0);
    return path;
}

static ps_run *open_trace(const char *const *nodes, int count, bool bounds) {
    ps_run *run;
    held(ps_run_open(write_trace("trace", nodes, count, bounds), "arm", &run));
    return run;
}

static void expect_lifelines(const ps_run *run, const char *const *expected) {
    for (int node = 0; node < run->node_count; node++) {
        char seen[32] = "";
        for (int p = 0; p < run->probe_count; p++) seen[p] = ps_activity_letter(ps_run_node_state(run, p, node));
        if (strcmp(seen, expected[node]) != 0) fail_msg("node %d: %s, not %s", node, seen, expected[node]);
    }
}

static void bounds_decide_what_a_node_is(void **state) {
    static const char *const nodes[] = {"AnDZeE?"};
    static const char *const bounded[] = {"AnDDee?"}, *const unbounded[] = {"AnDDDn?"};
    (void)state;
    ps_run *run = open_trace(nodes, 1, true);
    expect_lifelines(run, bounded);
    assert_true(ps_run_knows_edge(run));
    ps_run_close(run);
    run = open_trace(nodes, 1, false); /* its meaning stays: dead is nonzero = 0 */
    expect_lifelines(run, unbounded);
    assert_false(ps_run_knows_edge(run));
    ps_run_close(run);
}

/* The edge is that of batch mode on the whole probe set; other definitions judge the same nodes as if it were not. */
static void other_definitions_have_no_edge(void **state) {
    static const char *const nodes[] = {"AneED"}, *const evaluated[] = {"AnDAD"}, *const near_counts[] = {"ADeeD"};
    (void)state;
    int count;
    const ps_variation *list = ps_variations(&count);
    ps_run *run = open_trace(nodes, 1, true);
    for (int v = 0; v < count; v++) {
        ps_view view;
        held(ps_view_init(&view, run, &list[v]));
        if (strcmp(list[v].id, "dead_eval") == 0) expect_lifelines(&view.run, evaluated);
        if (strcmp(list[v].id, "near_dead") == 0) expect_lifelines(&view.run, near_counts);
        ps_view_clear(&view);
    }
    ps_run_close(run);
}

static const char *const lives[] = {"DDeAAA", /* one revival, seen at probe 3 */
                                    "DEDeDD", /* one spell through all of the run */
                                    "AeDDDD", /* one death, seen at probe 2 */
                                    "AAeAEA", /* no death */
                                    "eDDDDD", /* dead since nobody knows when; not in the cohort */
                                    "EAAADD", /* one death; not in the cohort */
                                    "eEeEeE", /* never known */
                                    "AAAAAA"};
enum { LIVES = sizeof lives / sizeof *lives };

static void summarise(const char *const *nodes, int count, bool bounds, ps_summary *summary) {
    ps_file_set *set;
    ps_tables *tables;
    memset(summary, 0, sizeof *summary);
    ps_run *run = open_trace(nodes, count, bounds);
    held(ps_file_set_begin(folder, "tables", "", &set));
    held(ps_tables_open(set, &run->header->task, &tables));
    held(ps_metrics_run(run, tables, summary, NULL));
    held(ps_tables_check(tables));
    held(ps_file_set_commit(set));
    ps_tables_close(tables);
    ps_run_close(run);
}

static void expect(const ps_summary *summary, const char *name, double value) {
    double found = ps_summary_get(summary, name);
    if (!(fabs(found - value) < 1e-12)) fail_msg("%s is %.17g, not %.17g", name, found, value);
}

static void spells_and_lives_go_on_through_the_edge(void **state) {
    static const ps_summary_spell spells[] = {{0, 0, 0, 0, 30, true, true},
                                              {0, 1, 1, 0, 50, false, true},
                                              {0, 2, 2, 20, 50, false, false},
                                              {0, 4, 4, 10, 50, false, true},
                                              {0, 5, 5, 40, 50, false, false}};
    static const ps_summary_cohort cohort[] = {
        {0, 2, 2, 20, true, 1}, {0, 3, 3, 50, false, 1}, {0, 7, 7, 50, false, 1}};
    ps_summary s;
    (void)state;
    summarise(lives, LIVES, true, &s);
    assert_int_equal(s.spell_count, 5);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(s.spells[i].node, spells[i].node);
        assert_int_equal(s.spells[i].start, spells[i].start);
        assert_int_equal(s.spells[i].end, spells[i].end);
        assert_int_equal(s.spells[i].revived, spells[i].revived);
        assert_int_equal(s.spells[i].at_start, spells[i].at_start);
    }
    assert_int_equal(s.alive_count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(s.alive[i].node, cohort[i].node);
        assert_int_equal(s.alive[i].end, cohort[i].end);
        assert_int_equal(s.alive[i].died, cohort[i].died);
    }
    ps_summary_clear(&s);
}

static void shares_are_of_all_nodes(void **state) {
    ps_summary s;
    (void)state;
    summarise(lives, LIVES, true, &s);
    expect(&s, "revival_rate", 1.0 / 16); /* nodes 0 1 2 4 5 are dead at the start of 3 5 3 4 1 windows */
    expect(&s, "death_rate", 2.0 / 17);   /* nodes 0 2 3 5 7 are not, of 2 2 5 3 5 */
    expect(&s, "dead_mean", (2 + 2 + 3 + 2 + 4 + 4) / 48.0);
    expect(&s, "dead_start", 2.0 / 8);
    expect(&s, "dead_end", 4.0 / 8);
    expect(&s, "edge_mean", (3 + 3 + 3 + 2 + 2 + 1) / 48.0);
    expect(&s, "edge_end", 1.0 / 8);
    expect(&s, "edge_nodes", 7);
    expect(&s, "never_alive", 2.0 / 8); /* nodes 1 and 4; of node 6 nobody knows */
    assert_float_equal(ps_summary_find(&s, "edge_nodes")->cases, 8, 0);
    ps_summary_clear(&s);
}

static void a_trace_without_bounds_knows_no_edge(void **state) {
    ps_summary s;
    (void)state;
    summarise(lives, LIVES, false, &s);
    assert_true(ps_is_absent(ps_summary_get(&s, "edge_mean")));
    assert_true(ps_is_absent(ps_summary_get(&s, "edge_end")));
    assert_true(ps_is_absent(ps_summary_get(&s, "edge_nodes")));
    assert_true(isfinite(ps_summary_get(&s, "dead_mean")));
    ps_summary_clear(&s);
}

/* Only rounding moves these: without the bounds they die and revive, with them nothing happens. */
static void rounding_alone_is_no_death_and_no_revival(void **state) {
    static const char *const nodes[] = {"DeEDEe", "eEeEEe", "AAEeAA", "neEnEn", "EeEeDD", "eEeAAA"};
    ps_summary s;
    (void)state;
    summarise(nodes, 6, true, &s);
    expect(&s, "revival_rate", 0);
    expect(&s, "death_rate", 0);
    for (size_t i = 0; i < s.spell_count; i++) assert_false(s.spells[i].revived);
    for (size_t i = 0; i < s.alive_count; i++) assert_false(s.alive[i].died);
    ps_summary_clear(&s);
    summarise(nodes, 6, false, &s);
    assert_true(ps_summary_get(&s, "revival_rate") > 0 && ps_summary_get(&s, "death_rate") > 0);
    ps_summary_clear(&s);
}

/* ---- tables ---- */

/* Cell of the first row whose cells fit `key=value` pairs. */
static const char *cell(const char *table, const char *column, const char *const *pairs) {
    static char found[512];
    char path[128], *text, *save_line;
    snprintf(path, sizeof path, "%s/tables/%s.tsv", folder, table);
    assert_int_equal(ps_file_read(path, &text, NULL), PS_OK);
    char *line = strtok_r(text, "\n", &save_line), *names[64];
    int columns = 0;
    for (char *at = line; at != NULL; columns++) names[columns] = strsep(&at, "\t");
    found[0] = '\0';
    while (found[0] == '\0' && (line = strtok_r(NULL, "\n", &save_line)) != NULL) {
        char *cells[64], *at = line, *wanted = NULL;
        bool fits = true;
        for (int c = 0; c < columns; c++) cells[c] = strsep(&at, "\t");
        for (int c = 0; c < columns; c++) {
            if (strcmp(names[c], column) == 0) wanted = cells[c];
            for (int p = 0; pairs[p] != NULL; p += 2)
                fits = fits && (strcmp(names[c], pairs[p]) != 0 || strcmp(cells[c], pairs[p + 1]) == 0);
        }
        assert_non_null(wanted);
        if (fits) snprintf(found, sizeof found, "%s", wanted);
    }
    free(text);
    return found[0] != '\0' ? found : "no row";
}

#define CELL(table, column, ...) cell((table), (column), (const char *const[]){__VA_ARGS__, NULL})

static void tables_show_the_edge(void **state) {
    static const char *const by_node[][5] = {
        /* lifeline, state, condition, revivals, deaths */
        {"DDeAAA", "alive", "none", "1", "0"}, {"DeDeDD", "dead", "dead", "0", "0"},
        {"AeDDDD", "dead", "dead", "0", "1"},  {"AAeAeA", "alive", "none", "0", "0"},
        {"eDDDDD", "dead", "dead", "0", "0"},  {"eAAADD", "dead", "dead", "0", "1"},
        {"eeeeee", "edge", "edge", "0", "0"},  {"AAAAAA", "alive", "none", "0", "0"}};
    static const char *const columns[] = {"lifeline", "state", "condition", "revivals", "deaths"};
    ps_summary s;
    (void)state;
    summarise(lives, LIVES, true, &s);
    ps_summary_clear(&s);
    for (int node = 0; node < LIVES; node++)
        for (int c = 0; c < 5; c++) {
            char channel[8];
            snprintf(channel, sizeof channel, "%d", node);
            assert_string_equal(CELL("nodes", columns[c], "channel", channel), by_node[node][c]);
        }
    assert_string_equal(CELL("nodes", "dead_share", "channel", "2"), "0.666666667"); /* of all six probes */
    assert_string_equal(CELL("dead_time", "edge", "step", "20", "level", "network"), "3");
    assert_string_equal(CELL("dead_time", "edge_share", "step", "20", "level", "network"), "0.375");
    assert_string_equal(CELL("dead_time", "dead", "step", "20", "level", "network"), "3");
    assert_string_equal(CELL("dead_time", "alive", "step", "20", "level", "network"), "2");
    assert_string_equal(CELL("dead_time", "nodes", "step", "20", "level", "network"), "8");
    assert_string_equal(CELL("layer_time", "edge_share", "step", "50"), "0.125");
    assert_string_equal(CELL("flow", "revivals", "first", "20", "level", "network"), "1");
    assert_string_equal(CELL("transitions", "count", "axis", "activity", "from", "dead", "to", "edge"), "3");
    assert_string_equal(CELL("transitions", "count", "axis", "activity", "from", "edge", "to", "alive"), "4");
    summarise(lives, LIVES, false, &s);
    ps_summary_clear(&s);
    assert_string_equal(CELL("dead_time", "edge", "step", "20", "level", "network"), "NA");
    assert_string_equal(CELL("dead_time", "edge_share", "step", "20", "level", "network"), "NA");
    assert_string_equal(CELL("transitions", "count", "axis", "activity", "from", "edge"), "no row");
}

/* ---- rules, the live view, causes ---- */

static void rules_ask_for_the_edge(void **state) {
    static const char *const rules[] = {"edge_share.final == 0.125",
                                        "max(edge_nodes) == 3",
                                        "edge_share.first == 0.375",
                                        "dead_share.final == 0.5",
                                        "dead_nodes.first == 2",
                                        "revivals == 1",
                                        "deaths == 2",
                                        "edge_share[node=\"a:6\"].final == 1"};
    ps_rule_outcome outcome;
    ps_rule *rule;
    (void)state;
    ps_run *run = open_trace(lives, LIVES, true);
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        held(ps_rule_parse(rules[i], "a test", &rule));
        held(ps_rule_evaluate(rule, run, &outcome));
        if (!outcome.held) fail_msg("%s: %s", rules[i], outcome.detail);
        ps_rule_destroy(rule);
    }
    ps_run_close(run);
    run = open_trace(lives, LIVES, false);
    held(ps_rule_parse("edge_share.final < 1", "a test", &rule));
    held(ps_rule_evaluate(rule, run, &outcome));
    assert_true(!outcome.held && outcome.not_recorded);
    ps_rule_destroy(rule);
    ps_run_close(run);
}

static void watch(bool bounds, ps_watch_model *model, char **drawn) {
    char *text, *save;
    size_t size;
    memset(model, 0, sizeof *model);
    assert_int_equal(ps_file_read(write_trace("trace", lives, LIVES, bounds), &text, NULL), PS_OK);
    for (char *line = strtok_r(text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
        held(ps_watch_model_take(model, line));
    free(text);
    FILE *stream = open_memstream(drawn, &size);
    held(ps_watch_draw(stream, model, &(ps_watch_view){.path = "trace.jsonl", .width = 80}));
    fclose(stream);
}

static void the_live_view_counts_them(void **state) {
    ps_watch_model model;
    char *drawn;
    (void)state;
    watch(true, &model, &drawn);
    assert_int_equal(model.change_count, 3); /* the revival and the two deaths */
    assert_float_equal(ps_series_last(&model.dead_share), 0.5, 0);
    assert_non_null(strstr(drawn, "on the edge       1  of 8 nodes"));
    free(drawn);
    ps_watch_model_clear(&model);
    watch(false, &model, &drawn);
    assert_non_null(strstr(drawn, "on the edge: not known"));
    free(drawn);
    ps_watch_model_clear(&model);
}

/* A condition of its own, without a cause; what is wrong with the weights goes before it. */
static void the_edge_is_a_condition_without_a_cause(void **state) {
    ps_cause_evidence e;
    ps_condition condition;
    char evidence[256];
    (void)state;
    memset(&e, 0, sizeof e);
    e.state = PS_STATE_EDGE | PS_STATE_EDGE_KNOWN | PS_STATE_EVAL_KNOWN | PS_STATE_EVAL_DEAD;
    e.weight_l2 = e.out_l2 = e.inputs_alive = 1;
    e.bias = e.gamma = e.beta = ps_absent();
    e.pre_max_low = -1e-7;
    e.pre_max_high = 2e-7;
    e.mobility = PS_MOBILITY_INERT;
    assert_int_equal(ps_cause_of(&e, &condition), PS_CAUSE_NONE);
    assert_int_equal(condition, PS_CONDITION_EDGE);
    assert_string_equal(ps_condition_name(condition), "edge");
    assert_true(ps_condition_shows_at_rest(condition));
    ps_cause_explain(&e, PS_CAUSE_NONE, evidence, sizeof evidence);
    assert_string_equal(evidence, "pre_max_low=-1e-07 pre_max_high=2e-07");
    e.out_l2 = 0;
    assert_int_equal(ps_cause_of(&e, &condition), PS_CAUSE_ZERO_OUTGOING);
    assert_int_equal(condition, PS_CONDITION_UNUSED);
}

/* ---- two arms ---- */

static cJSON *compare(double edge, bool known, char path[2][64][128], int seeds) {
    const char *list[2][64];
    for (int s = 0; s < seeds; s++)
        for (int a = 0; a < 2; a++) {
            ps_fixture f = ps_fixture_default(a == 0 ? "baseline" : "ps2", (uint64_t)(s + 1));
            f.start_by_seed = true;
            f.edge_known = known;
            f.edge = edge;
            f.death = f.revival = 0;
            f.near_leave = 0;
            f.module = a == 1;
            f.pool_size = 2;
            snprintf(path[a][s], sizeof path[a][s], "%s/%s%d.jsonl", folder, f.arm, s);
            held(ps_fixture_write(&f, path[a][s]));
            list[a][s] = path[a][s];
        }
    ps_compare_arm arms[] = {{"baseline", list[0], seeds}, {"ps2", list[1], seeds}};
    held(ps_compare_run(arms, 2, &(ps_compare_options){.out_directory = folder, .quiet = true}));
    char verdict[128];
    cJSON *document;
    snprintf(verdict, sizeof verdict, "%s/verdict.json", folder);
    held(ps_json_read(verdict, &document));
    return document;
}

static const cJSON *get(const cJSON *object, const char *key) { return cJSON_GetObjectItemCaseSensitive(object, key); }

static bool says(const cJSON *document, const char *words) {
    const cJSON *sentence;
    cJSON_ArrayForEach(sentence,
                       get(document, "summary")) if (strstr(sentence->valuestring, words) != NULL) return true;
    return false;
}

static const cJSON *first_run(const cJSON *document) {
    return cJSON_GetArrayItem(get(cJSON_GetArrayItem(get(document, "arms"), 0), "runs"), 0);
}

static void verdicts_say_how_many(void **state) {
    static char path[2][64][128];
    (void)state;
    cJSON *document = compare(0.3, true, path, 3);
    assert_true(says(document, "On the edge, where rounding decides whether a gate ever opens, stood"));
    const cJSON *sentence;
    cJSON_ArrayForEach(sentence, get(document, "summary")) {
        const char *counts = strstr(sentence->valuestring, "on average over the seeds: ");
        double nodes, all;
        int length = 0;
        if (counts == NULL) continue;
        /* At most one decimal stands to be read. */
        assert_int_equal(sscanf(strchr(counts, ':'), ": %lf of %lf nodes of baseline%n", &nodes, &all, &length), 2);
        assert_true(length > 0 && length <= (int)strlen(": 12.3 of 123 nodes of baseline"));
        assert_true(fabs(10 * nodes - round(10 * nodes)) < 1e-9 && nodes > 0 && nodes < all);
    }
    assert_false(says(document, "is not known of"));
    assert_true(get(first_run(document), "edge_nodes")->valuedouble > 0);
    double mean = get(first_run(document), "edge_mean")->valuedouble, expected = 0;
    ps_fixture f = ps_fixture_default("baseline", 1);
    f.edge = 0.3;
    for (int probe = 0; probe <= f.windows; probe++)
        for (int node = 0; node < f.layers * f.channels; node++) expected += ps_fixture_on_edge(&f, probe, node);
    assert_float_equal(mean, expected / ((f.windows + 1) * f.layers * f.channels), 1e-12);
    cJSON_Delete(document);
    document = compare(0, false, path, 3);
    assert_true(says(document, "is not known of baseline, ps2"));
    assert_true(cJSON_IsNull(get(first_run(document), "edge_nodes")));
    cJSON_Delete(document);
}

/* Bounds that leave no node on the edge change no number. */
static void bounds_without_an_edge_change_nothing(void **state) {
    ps_summary with, without;
    static const char *const nodes[] = {"DDAAnD", "AAnDDA", "nnDAAA", "DDDDDD"};
    (void)state;
    summarise(nodes, 4, true, &with);
    summarise(nodes, 4, false, &without);
    assert_int_equal(with.item_count, without.item_count);
    for (size_t i = 0; i < with.item_count; i++) {
        const ps_summary_item *a = &with.items[i], *b = &without.items[i];
        if (strncmp(a->name, "edge", 4) == 0 || strncmp(a->name, "check_edge", 10) == 0) continue;
        if (memcmp(&a->value, &b->value, sizeof a->value) != 0) fail_msg("%s: %g, not %g", a->name, a->value, b->value);
    }
    assert_int_equal(with.spell_count, without.spell_count);
    ps_summary_clear(&with);
    ps_summary_clear(&without);
}

/* together: as under a variation, which writes no tables. */
static void summarise_cohort(const char *const *nodes, int count, bool together, ps_summary *summary) {
    if (!together) {
        summarise(nodes, count, true, summary);
        return;
    }
    memset(summary, 0, sizeof *summary);
    ps_run *run = open_trace(nodes, count, true);
    held(ps_metrics_run(run, NULL, summary, NULL));
    ps_run_close(run);
}

static void measure_hazard(const ps_summary *reference, const ps_summary *arm, bool reopening, ps_prediction_value *v) {
    ps_stats_risk_set *sets = NULL;
    size_t count;
    held(ps_prediction_log_hazard_ratio(reference, arm, reopening, 0, v, &sets, &count));
    ps_free(sets);
}

/* Who is in the cohorts of a pair: nodes that either run saw on the edge at the first probe are in neither, also where
 * nodes of one fate are counted together, as under the variations. */
static void a_pair_leaves_out_the_edge_of_both(void **state) {
    static const char *const one[] = {"AAAAAA", "AAAAAA", "AADDDD", "EAAAAA", "AADDDD", "DDAAAA", "DDDDDD", "eDDDDD"};
    static const char *const two[] = {"AAAAAA", "EAAAAA", "AADDDD", "AAAAAA", "eAAAAA", "DDDDAA", "eDDDDD", "DDDDDD"};
    ps_summary a, b;
    ps_prediction_value dying, reopening, turned;
    (void)state;
    for (int together = 0; together < 2; together++) {
        summarise_cohort(one, 8, together, &a);
        summarise_cohort(two, 8, together, &b);
        assert_true((a.alive_count < 4) == together);
        measure_hazard(&a, &b, false, &dying);
        measure_hazard(&b, &a, false, &turned);
        measure_hazard(&a, &b, true, &reopening);
        assert_float_equal(dying.cases, 2 * 2, 0); /* nodes 0 and 2 of each */
        assert_float_equal(turned.cases, 2 * 2, 0);
        assert_float_equal(reopening.cases, 2 * 1, 0);             /* node 5 */
        assert_float_equal(dying.observed, dying.expected, 1e-12); /* the two live alike in both */
        ps_summary_clear(&a);
        ps_summary_clear(&b);
    }
}

/* Nothing moves, some nodes stand on the edge at some probes, in each arm at others: no event, and the cohorts are
 * those of one function all the same. */
static void a_run_in_which_nothing_moves_has_no_event(void **state) {
    static char path[2][64][128];
    (void)state;
    cJSON *document = compare(0.4, true, path, 6);
    const cJSON *prediction, *value;
    for (int i = 0; i < 2; i++) cJSON_ArrayForEach(prediction, get(document, "predictions")) {
            if (strcmp(get(prediction, "id")->valuestring, i == 0 ? "P2" : "P3") != 0) continue;
            const char *sentence = get(prediction, "sentence")->valuestring;
            assert_null(strstr(sentence, "are in other states"));
            cJSON_ArrayForEach(value, get(prediction, "values")) assert_true(cJSON_IsTrue(get(value, "no_event")));
        }
    cJSON_Delete(document);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_decide_what_a_node_is),
        cmocka_unit_test(other_definitions_have_no_edge),
        cmocka_unit_test(spells_and_lives_go_on_through_the_edge),
        cmocka_unit_test(shares_are_of_all_nodes),
        cmocka_unit_test(a_trace_without_bounds_knows_no_edge),
        cmocka_unit_test(rounding_alone_is_no_death_and_no_revival),
        cmocka_unit_test(tables_show_the_edge),
        cmocka_unit_test(rules_ask_for_the_edge),
        cmocka_unit_test(the_live_view_counts_them),
        cmocka_unit_test(the_edge_is_a_condition_without_a_cause),
        cmocka_unit_test(verdicts_say_how_many),
        cmocka_unit_test(bounds_without_an_edge_change_nothing),
        cmocka_unit_test(a_pair_leaves_out_the_edge_of_both),
        cmocka_unit_test(a_run_in_which_nothing_moves_has_no_event),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
