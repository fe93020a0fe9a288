/* From a verdict back to the rows of the trace. */
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

#include "analysis/explain.h"
#include "core/file.h"
#include "tests/lib/compare_fixture.h"

static void explain_leads_to_the_trace(void **state) {
    ct_runs base, module;
    char *text = NULL;
    size_t size = 0;
    (void)state;
    ct_make_arms(&base, &module, 2);
    held(ct_compare(&base, &module));
    FILE *stream = open_memstream(&text, &size);
    assert_int_equal(ps_explain(folder, "w1", stream), PS_OK);
    assert_int_equal(ps_explain(folder, "P5", stream), PS_OK);
    assert_int_equal(ps_explain(folder, NULL, stream), PS_OK);
    fclose(stream);
    assert_non_null(strstr(text, "baseline1.jsonl:"));
    assert_non_null(strstr(text, "\"type\":\"window\""));
    assert_non_null(strstr(text, "grad_dead.tsv"));
    free(text);
    assert_int_equal(ps_explain(folder, "X9", stdout), PS_ERR_USAGE);
}

static int count_in(const char *text, const char *what) {
    int count = 0;
    for (const char *p = text; (p = strstr(p, what)) != NULL; p++) count++;
    return count;
}

/* Every value of every part is added up again from its terms; how many there are. */
static int check_explained(const cJSON *prediction) {
    char *text = NULL;
    size_t size = 0;
    int values = 0;
    const cJSON *part, *value;
    cJSON_ArrayForEach(part, cJSON_GetObjectItemCaseSensitive(prediction, "parts")) {
        values += cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(part, "values"));
        cJSON_ArrayForEach(value, cJSON_GetObjectItemCaseSensitive(part, "values")) values -=
            cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(value, "diverged"));
    }
    FILE *stream = open_memstream(&text, &size);
    held(ps_explain(folder, ct_text_in(prediction, "id"), stream));
    fclose(stream);
    int again = count_in(text, "recomputed: ");
    if (again != values) fail_msg("%s: %d of %d values recomputed", ct_text_in(prediction, "id"), again, values);
    assert_null(strstr(text, ": 0 rows"));
    free(text);
    return values;
}

/* W3, a fit, needs stages in which several layers read others. */
static void explain_adds_a_fit_up_again(void **state) {
    ct_runs runs = {0};
    (void)state;
    for (int s = 1; s <= 3; s++) {
        ps_fixture f = ps_fixture_default("baseline", (uint64_t)s);
        f.layers = 6;
        f.noise = true;
        f.cascade = 0.3;
        ct_add(&runs, &f);
    }
    ps_compare_arm arm = {"baseline", runs.paths, runs.count};
    held(ps_compare_run(&arm, 1, &(ps_compare_options){.out_directory = folder, .quiet = true}));
    cJSON *document = ct_read_verdict();
    assert_int_equal(check_explained(ct_prediction_of(document, "W3")), 3);
    cJSON_Delete(document);
}

static void explain_adds_every_number_up_again(void **state) {
    ct_runs base, module;
    (void)state;
    for (int normed = 0; normed < 2; normed++) {
        ct_make_arms(&base, &module, normed ? 0 : 3);
        for (int s = 4; s <= 5; s++) {
            ps_fixture b = ps_fixture_default("baseline", (uint64_t)s), m = ps_fixture_default("ps2", (uint64_t)s);
            b.channels = m.channels = 24;
            b.start_by_seed = m.start_by_seed = m.module = true;
            b.norm = m.norm = normed;
            m.pool_size = 2;
            m.diverged = s == 5;
            ct_add(&base, &b);
            ct_add(&module, &m);
            ct_start_at_zero(&module);
        }
        held(ct_compare(&base, &module));
        cJSON *document = ct_read_verdict();
        const cJSON *prediction;
        cJSON_ArrayForEach(prediction, cJSON_GetObjectItemCaseSensitive(document, "predictions"))
            check_explained(prediction);
        cJSON_Delete(document);
    }
    cJSON *document = ct_compare_controls(4, 0);
    check_explained(ct_prediction_of(document, "P7"));
    cJSON_Delete(document);
}

/* A table that is not of this verdict is found out: by its digest, and by its numbers where nothing has digests. */
static void terms_that_give_another_number_are_refused(void **state) {
    ct_runs base, module, table = {0};
    char *text = NULL, manifest[1024];
    size_t size = 0;
    (void)state;
    ct_make_arms(&base, &module, 2);
    held(ct_compare(&base, &module));
    snprintf(table.text[0], sizeof table.text[0], "%s/tables/prediction_rows.tsv", folder);
    table.paths[0] = table.text[0];
    table.count = 1;
    ct_rewrite(&table, "test_accuracy\tbaseline\t1\tNA\tNA\t80\t0.5", "test_accuracy\tbaseline\t1\tNA\tNA\t80\t0.6");
    FILE *stream = open_memstream(&text, &size);
    assert_int_equal(ps_explain(folder, "P6", stream), PS_ERR_INPUT);
    assert_non_null(strstr(ps_status_message(), "prediction_rows.tsv: is not the file that belongs to the comparison"));
    snprintf(manifest, sizeof manifest, "%s/comparison.manifest.tsv", folder);
    assert_int_equal(remove(manifest), 0);
    assert_int_equal(ps_explain(folder, "P6", stream), PS_ERR_INPUT);
    fclose(stream);
    assert_non_null(strstr(ps_status_message(), "prediction_rows.tsv give"));
    free(text);
}

static char *explained(const char *id) {
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    held(ps_explain(folder, id, stream));
    fclose(stream);
    return text;
}

/* All that was fixed beforehand, all p-values and the sensitivity; and which quantities the runs lack. */
static void explain_says_how_it_was_tested(void **state) {
    static const char *const words[] = {"whose claim:  poolscope, to test the Weight Inertia hypothesis",
                                        "place:        exploratory",
                                        "direction:    less than the margin -0.02",
                                        "fixed:        near_dead_from_zeros_share = 0.99",
                                        "needs:        nonzero",
                                        "not recorded: -",
                                        "no bounds: fewer than 5 seeds",
                                        "2 of 2 seeds beyond the margin",
                                        "sensitivity: ",
                                        "windows joined in pairs"};
    ct_runs base, module, sparse = {0};
    (void)state;
    ct_make_arms(&base, &module, 2);
    held(ct_compare(&base, &module));
    char *text = explained("W2");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(text, words[i]) == NULL) fail_msg("explain lacks \"%s\" in:\n%s", words[i], text);
    free(text);
    ps_fixture b = ps_fixture_default("baseline", 3);
    b.sparse = true;
    ct_add(&sparse, &b);
    ps_compare_arm arm = {"baseline", sparse.paths, 1};
    held(ps_compare_run(&arm, 1, &(ps_compare_options){.out_directory = folder, .quiet = true}));
    text = explained("W1");
    assert_non_null(strstr(text, "not recorded: grad_zero_steps"));
    free(text);
}

typedef struct {
    char arm[16], ended[12], layer[16];
    int seed, present;
    long long start, end, start_line, end_line;
} spell_row;

static int read_spells(spell_row *rows, int room) {
    char path[128], line[512];
    int count = 0;
    snprintf(path, sizeof path, "%s/tables/spells.tsv", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    for (; count < room && fgets(line, sizeof line, file) != NULL; count++) {
        spell_row *r = &rows[count];
        assert_int_equal(
            sscanf(line, "%15s\t%d\t%15s\t%*s\t%*s\t%*s\t%lld\t%lld\t%*s\t%11s\t%d\t%lld\t%lld", r->arm, &r->seed,
                   r->layer, &r->start, &r->end, r->ended, &r->present, &r->start_line, &r->end_line),
            9);
    }
    assert_true(feof(file));
    fclose(file);
    return count;
}

/* The line of the trace is the layer's probe at that step. */
static void expect_probe(const char *trace, long long line, long long step, const char *layer) {
    char *content, *rest, *text = NULL, wanted[96];
    assert_int_equal(ps_file_read(trace, &content, NULL), PS_OK);
    rest = content;
    for (long long l = 0; l < line; l++) text = strsep(&rest, "\n");
    snprintf(wanted, sizeof wanted, "{\"type\":\"probe\",\"step\":%lld,\"layer\":\"%s\"", step, layer);
    if (text == NULL || strncmp(text, wanted, strlen(wanted)) != 0)
        fail_msg("%s:%lld is no probe of %s at step %lld: %.80s", trace, line, layer, step, text != NULL ? text : "");
    free(content);
}

/* O - E at the margin of P2 and the events of one layer and step, from the rows of spells.tsv. */
static void logrank_from_spells(const spell_row *rows, int count, int seed, const char *layer, long long step,
                                double *amount, double *weight) {
    double n = 0, n_arm = 0, d = 0, d_arm = 0;
    for (int i = 0; i < count; i++) {
        const spell_row *r = &rows[i];
        bool arm = strcmp(r->arm, "ps2") == 0, event = r->end == step && strcmp(r->ended, "revived") == 0;
        if (r->seed != seed || !r->present || strcmp(r->layer, layer) != 0 || r->end < step) continue;
        n++;
        n_arm += arm;
        d += event;
        d_arm += event && arm;
    }
    assert_true(d > 0);
    double ratio = exp(0.0953);
    *amount = d_arm - d * ratio * n_arm / (ratio * n_arm + n - n_arm);
    *weight = d;
}

static void hazards_are_traced_event_by_event(void **state) {
    enum { ROOM = 4000 };
    static spell_row spells[ROOM];
    ct_runs base, module;
    char path[128], line[1024];
    int events[2] = {0, 0};
    (void)state;
    ct_make_arms(&base, &module, 3);
    held(ct_compare(&base, &module));
    int count = read_spells(spells, ROOM);
    for (int i = 0; i < count; i++) {
        const char *trace = (strcmp(spells[i].arm, "ps2") == 0 ? module : base).text[spells[i].seed - 1];
        expect_probe(trace, spells[i].start_line, spells[i].start, spells[i].layer);
        expect_probe(trace, spells[i].end_line, spells[i].end, spells[i].layer);
    }
    snprintf(path, sizeof path, "%s/tables/prediction_rows.tsv", folder);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL) {
        char measure[32], arm[16], trace[128], against[128], layer[16];
        int seed, index;
        long long step, own, other;
        double amount, weight, again, over;
        if (line[0] != '@') continue;
        assert_int_equal(sscanf(line, "%31s\t%15s\t%d\t#%d\tNA\t%lld\t%lf\t%lf\t%lld\t%127s\t%lld\t%127s", measure, arm,
                                &seed, &index, &step, &amount, &weight, &own, trace, &other, against),
                         11);
        snprintf(layer, sizeof layer, "conv%d", index);
        assert_string_equal(trace, module.text[seed - 1]);
        assert_string_equal(against, base.text[seed - 1]);
        expect_probe(trace, own, step, layer);
        expect_probe(against, other, step, layer);
        bool reopening = strcmp(measure, "@reopening") == 0;
        events[reopening]++;
        if (!reopening) continue;
        logrank_from_spells(spells, count, seed, layer, step, &again, &over);
        assert_float_equal(amount, again, 1e-6);
        assert_float_equal(weight, over, 1e-6);
    }
    fclose(file);
    assert_true(events[0] >= 9 && events[1] >= 9);
}

/* Paths that were given relative to one directory are found from another. */
static void explain_works_from_anywhere(void **state) {
    ct_runs base, module;
    char *start = getcwd(NULL, 0), *kept = strdup(folder);
    (void)state;
    assert_non_null(start);
    ct_make_arms(&base, &module, 2);
    assert_int_equal(chdir(folder), 0);
    for (int i = 0; i < 2; i++) {
        base.paths[i] += strlen(folder) + 1;
        module.paths[i] += strlen(folder) + 1;
    }
    snprintf(folder, sizeof folder, "compared");
    held(ct_compare(&base, &module));
    snprintf(folder, sizeof folder, "%s/compared", kept);
    assert_int_equal(chdir("/"), 0);
    char *text = explained("W1");
    assert_non_null(strstr(text, "compared/../baseline1.jsonl:"));
    free(text);
    assert_int_equal(chdir(kept), 0);
    text = explained("W1");
    assert_non_null(strstr(text, "  baseline1.jsonl:"));
    free(text);
    assert_int_equal(chdir(start), 0);
    snprintf(folder, sizeof folder, "%s", kept);
    free(start);
    free(kept);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(explain_leads_to_the_trace, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(explain_adds_every_number_up_again, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(explain_adds_a_fit_up_again, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(terms_that_give_another_number_are_refused, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(explain_says_how_it_was_tested, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(hazards_are_traced_event_by_event, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(explain_works_from_anywhere, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
