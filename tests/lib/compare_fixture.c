#include "tests/lib/compare_fixture.h"

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

#include "core/file.h"
#include "core/json.h"

static char registered[4096]; /* "": nothing */

void ct_register(const char *questions, int seeds) {
    registered[0] = '\0';
    if (questions == NULL) return;
    int used = snprintf(registered, sizeof registered, "{%s,\"seeds\":[", questions);
    for (int s = 1; s <= seeds; s++)
        used += snprintf(registered + used, sizeof registered - (size_t)used, "%s%d", s > 1 ? "," : "", s);
    used += snprintf(registered + used, sizeof registered - (size_t)used, "]}");
    assert_true((size_t)used < sizeof registered);
}

void ct_add(ct_runs *list, const ps_fixture *fixture) {
    ps_fixture f = *fixture;
    assert_true(list->count < CT_MOST_RUNS);
    if (f.registration == NULL && registered[0] != '\0') f.registration = registered;
    snprintf(list->text[list->count], sizeof list->text[0], "%s/%s%d.jsonl", folder, fixture->arm, (int)fixture->seed);
    assert_int_equal(ps_fixture_write(&f, list->text[list->count]), PS_OK);
    list->paths[list->count] = list->text[list->count];
    list->count++;
}

void ct_rewrite(const ct_runs *list, const char *from, const char *to) {
    const char *path = list->paths[list->count - 1];
    char *content;
    assert_int_equal(ps_file_read(path, &content, NULL), PS_OK);
    char *place = strstr(content, from);
    assert_non_null(place);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "%.*s%s%s", (int)(place - content), content, to, place + strlen(from));
    assert_int_equal(fclose(file), 0);
    free(content);
}

void ct_start_at_zero(const ct_runs *list) { ct_rewrite(list, "\"zero_init\":false", "\"zero_init\":true"); }

/* A baseline and a module that start alike; how often its dead nodes come back is the caller's. */
static void make_pair(int seed, ps_fixture *b, ps_fixture *m) {
    *b = ps_fixture_default("baseline", (uint64_t)seed);
    *m = ps_fixture_default("ps2", (uint64_t)seed);
    b->start_by_seed = m->start_by_seed = true;
    b->channels = m->channels = 24;
    b->revival = 0.02;
    m->module = true;
    m->pool_size = 2;
    m->dead_ratio = 0.2;
}

void ct_make_arms(ct_runs *base, ct_runs *module, int seeds) {
    memset(base, 0, sizeof *base);
    memset(module, 0, sizeof *module);
    for (int s = 1; s <= seeds; s++) {
        ps_fixture b, m;
        make_pair(s, &b, &m);
        m.revival = 0.5;
        m.death = 0.002;
        m.accuracy = 0.55;
        ct_add(base, &b);
        ct_add(module, &m);
        ct_start_at_zero(module);
    }
}

ps_status ct_compare(const ct_runs *base, const ct_runs *module) {
    ps_compare_arm arms[] = {{"ps2", module->paths, module->count}, {"baseline", base->paths, base->count}};
    return ps_compare_run(arms, 2, &(ps_compare_options){.out_directory = folder, .quiet = getenv("PS_SHOW") == NULL});
}

cJSON *ct_compare_alone(const ct_runs *runs) {
    ps_compare_arm arm = {"baseline", runs->paths, runs->count};
    held(ps_compare_run(&arm, 1, &(ps_compare_options){.out_directory = folder, .quiet = getenv("PS_SHOW") == NULL}));
    return ct_read_verdict();
}

cJSON *ct_read_verdict(void) {
    char path[128];
    cJSON *document;
    snprintf(path, sizeof path, "%s/verdict.json", folder);
    assert_int_equal(ps_json_read(path, &document), PS_OK);
    return document;
}

const cJSON *ct_entry(const cJSON *document, const char *list, const char *key, const char *value) {
    const cJSON *item;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(
                                 document, list)) if (strcmp(cJSON_GetObjectItemCaseSensitive(item, key)->valuestring,
                                                             value) == 0) return item;
    fail_msg("%s has no ct_entry with %s = %s", list, key, value);
    return NULL;
}

double ct_number_in(const cJSON *item, const char *key) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(item, key);
    assert_true(cJSON_IsNumber(value));
    return value->valuedouble;
}

const char *ct_verdict_of(const cJSON *document, const char *id) {
    return cJSON_GetObjectItemCaseSensitive(ct_entry(document, "predictions", "id", id), "verdict")->valuestring;
}

const cJSON *ct_prediction_of(const cJSON *document, const char *id) {
    return ct_entry(document, "predictions", "id", id);
}

const char *ct_sentence_of(const cJSON *document, const char *id) {
    return cJSON_GetObjectItemCaseSensitive(ct_prediction_of(document, id), "sentence")->valuestring;
}

int ct_left_out_of(const cJSON *document, const char *id) {
    const cJSON *part =
        cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(ct_prediction_of(document, id), "parts"), 0);
    return cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(part, "left_out"));
}

cJSON *ct_compare_controls(int controls_size, int odd_seed) {
    static const char *const names[] = {"baseline", "ps", "grid", "energy", "conv"};
    static const char *const modes[] = {NULL, "full", "grid+conv+skip", "grid-energy+conv+skip", "conv+skip"};
    static ct_runs lists[5];
    ps_compare_arm arms[5];
    memset(lists, 0, sizeof lists);
    for (int a = 0; a < 5; a++) {
        for (int s = 1; s <= 6; s++) {
            ps_fixture f = ps_fixture_default(names[a], (uint64_t)s);
            f.module = a > 0;
            f.pool_size = a == 1 ? 4 : controls_size;
            f.mode = modes[a];
            /* The reference lacks this seed, so that nothing has compared these two before. */
            if (s == odd_seed && a == 2) f.order = "another";
            f.start_by_seed = true;
            if (s != odd_seed || a > 0) ct_add(&lists[a], &f);
            if (a > 0) ct_start_at_zero(&lists[a]);
        }
        arms[a] = (ps_compare_arm){names[a], lists[a].paths, lists[a].count};
    }
    held(ps_compare_run(arms, 5, &(ps_compare_options){.out_directory = folder, .quiet = true}));
    return ct_read_verdict();
}

const cJSON *ct_variation_of(const cJSON *document, const char *id, const char *variation) {
    const cJSON *all = cJSON_GetObjectItemCaseSensitive(ct_entry(document, "predictions", "id", id), "sensitivity");
    return ct_entry(all, "variations", "variation", variation);
}

const char *ct_text_in(const cJSON *item, const char *key) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(item, key);
    assert_true(cJSON_IsString(value));
    return value->valuestring;
}

void ct_expect_row(const cJSON *document, const char *id, const char *variation, const char *verdict, int same) {
    const cJSON *row = ct_variation_of(document, id, variation), *flag = cJSON_GetObjectItemCaseSensitive(row, "same");
    if (strcmp(ct_text_in(row, "verdict"), verdict) != 0)
        fail_msg("%s under %s is %s, not %s: %s", id, variation, ct_text_in(row, "verdict"), verdict, cJSON_Print(row));
    assert_true(same < 0 ? cJSON_IsNull(flag) : same == 1 ? cJSON_IsTrue(flag) : cJSON_IsFalse(flag));
}

void ct_make_changed_arms(ct_runs *base, ct_runs *module, int seeds, ct_change_fixture *change) {
    memset(base, 0, sizeof *base);
    memset(module, 0, sizeof *module);
    for (int s = 1; s <= seeds; s++) {
        ps_fixture b, m;
        make_pair(s, &b, &m);
        m.revival = 0.3;
        change(&b);
        change(&m);
        ct_add(base, &b);
        ct_add(module, &m);
    }
}
