/* The tables of src/trace/FORMAT.md are those that the lists in src/trace say. Where one of these was changed, `make
 * golden-update` renews the document. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/json.h"
#include "probe/quantity.h"
#include "trace/trace_arm.h"

static const char *const per_name[] = {
#define PER(name, word) word,
    PS_QUANTITY_PERS(PER)
#undef PER
};
static const char *const record_name[] = {
#define RECORD(name, word) word,
    PS_QUANTITY_RECORDS(RECORD)
#undef RECORD
};
static const char *const range_words[] = {
#define RANGE(name, words) words,
    PS_TRACE_RANGES(RANGE)
#undef RANGE
};

/* ---- tables ---- */

static void write_quantities(FILE *out) {
    for (int i = 0; i < PS_Q_COUNT; i++) {
        const ps_trace_quantity_line *q = &ps_trace_quantities[i];
        fprintf(out, "| %s | %s | %s | %s | %s | %s%s%s |\n", q->name, q->unit, per_name[q->per],
                record_name[q->record], range_words[q->range], q->description, q->more[0] != '\0' ? "; " : "", q->more);
    }
}

static void write_roles(FILE *out) {
    for (int role = 0; role < PS_ARM_COUNT; role++) {
        const ps_arm_role_line *line = &ps_arm_roles[role];
        if (role == PS_ARM_OTHER) fprintf(out, "| %s | any | any | any | any | %s |\n", line->word, line->meaning);
        else
            fprintf(out, "| %s | %s | %s | %s | %s | %s |\n", line->word, line->module ? "yes" : "no",
                    ps_arm_cut_word(line->cut), line->leaky ? "leaky_relu" : "another",
                    line->renewed ? "1 or more" : "0", line->meaning);
    }
}

static const struct table {
    const char *path, *head; /* the row of titles, by which it is found */
    void (*write)(FILE *out);
} tables[] = {
    {"src/trace/FORMAT.md", "| name | unit | per | record | range | meaning |\n", write_quantities},
    {"src/trace/FORMAT.md", "| role | module | cut | activation | reinit_dead | what it is |\n", write_roles},
};

static void read_document(const char *path, char **text) {
    if (ps_file_read(path, text, NULL) != PS_OK) fail_msg("run the tests from the top folder: %s", ps_status_message());
}

/* The rows behind the titles and the line under them, and where they end. */
static char *find_rows(char *text, const char *head, char **end) {
    char *at = strstr(text, head);
    if (at == NULL) fail_msg("there is no table %s", head);
    for (int i = 0; i < 2; i++) at = strchr(at, '\n') + 1;
    for (*end = at; **end == '|';) *end = strchr(*end, '\n') + 1;
    return at;
}

static void replace_rows(const char *path, const char *text, const char *at, const char *end, const char *rows) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fprintf(file, "%.*s%s%s", (int)(at - text), text, rows, end);
    assert_int_equal(fclose(file), 0);
}

static void check_table(const struct table *table) {
    char *text, *rows = NULL, *end;
    size_t size;
    FILE *stream = open_memstream(&rows, &size);
    assert_non_null(stream);
    table->write(stream);
    assert_int_equal(fclose(stream), 0);
    read_document(table->path, &text);
    char *at = find_rows(text, table->head, &end);
    bool same = (size_t)(end - at) == size && memcmp(at, rows, size) == 0;
    if (!same && getenv("PS_GOLDEN_UPDATE") != NULL) replace_rows(table->path, text, at, end, rows);
    else if (!same)
        fail_msg("%s: the table %s is not what the lists say; make golden-update", table->path, table->head);
    free(text);
    free(rows);
}

static void tables_are_what_the_lists_say(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) check_table(&tables[i]);
}

/* ---- schema.json ---- */

static const cJSON *member(const cJSON *item, const char *path) {
    char key[64];
    while (*path != '\0') {
        size_t length = strcspn(path, "/");
        snprintf(key, sizeof key, "%.*s", (int)length, path);
        item = cJSON_GetObjectItemCaseSensitive(item, key);
        if (item == NULL) fail_msg("schema.json has no %s", path);
        path += length + (path[length] == '/');
    }
    return item;
}

static void assert_words(const cJSON *list, const char *(*word)(int), int count) {
    assert_int_equal(cJSON_GetArraySize(list), count);
    for (int i = 0; i < count; i++) assert_string_equal(cJSON_GetArrayItem(list, i)->valuestring, word(i));
}

static const char *role_word(int role) { return ps_arm_roles[role].word; }
static const char *cut_word(int cut) { return ps_arm_cut_word((ps_arm_cut)cut); }

static void the_schema_has_the_same_words(void **state) {
    (void)state;
    char *text;
    cJSON *schema;
    read_document("src/trace/schema.json", &text);
    assert_int_equal(ps_json_parse(text, "schema.json", &schema), PS_OK);
    const cJSON *arm_is = member(schema, "definitions/arm_is/properties");
    assert_words(member(arm_is, "role/enum"), role_word, PS_ARM_COUNT);
    assert_words(member(arm_is, "cut/enum"), cut_word, PS_CUT_COUNT);
    cJSON_Delete(schema);
    free(text);
}

/* Every combination of what an arm can be has one role, whose line says the same; what no line says is OTHER. */
static void roles_are_what_their_lines_say(void **state) {
    (void)state;
    static const char *const modes[] = {"full", "conv+skip", "grid+conv+skip", "grid-energy+conv+skip", "pool+skip"};
    for (int i = 0; i < 6 * PS_CUT_COUNT * 4; i++) {
        bool module = i % 6 > 0, leaky = i / 6 / PS_CUT_COUNT % 2 > 0, renewed = i / 6 / PS_CUT_COUNT / 2 > 0;
        ps_arm_cut cut = (ps_arm_cut)(i / 6 % PS_CUT_COUNT);
        ps_arm_role role = ps_arm_role_of(module, module ? modes[i % 6 - 1] : "", cut, leaky, renewed);
        const ps_arm_role_line *line = &ps_arm_roles[role];
        if (role == PS_ARM_OTHER) continue;
        assert_int_equal(line->module, module);
        if (module) assert_int_equal(line->cut, cut);
        assert_int_equal(line->leaky, leaky);
        assert_int_equal(line->renewed, renewed);
        bool treatment = i % 6 == 1 && cut == PS_CUT_NONE && !leaky && !renewed;
        assert_int_equal(role == PS_ARM_MODULE, treatment);
    }
}

/* ---- quantities ---- */

static void quantities_are_told_apart(void **state) {
    (void)state;
    int count;
    const ps_quantity *q = ps_quantities(&count);
    assert_int_equal(count, PS_Q_COUNT + PS_STEP_COUNT);
    for (int i = 0; i < count; i++) {
        assert_int_equal(ps_quantity_find(q[i].name), i);
        assert_string_equal(ps_trace_quantity_find(q[i].name)->name, q[i].name);
        assert_true(q[i].description[0] != '\0' && q[i].unit[0] != '\0');
        assert_int_equal(q[i].record == PS_RECORD_STEP, q[i].per == PS_PER_STEP);
        assert_int_equal(q[i].record == PS_RECORD_STEP, q[i].compute == NULL);
    }
    assert_int_equal(ps_quantity_find("no such thing"), -1);
    assert_null(ps_trace_quantity_find("no such thing"));
}

/* What is counted over steps or outputs is whole; only windows are joined. */
static void quantities_agree_with_themselves(void **state) {
    (void)state;
    for (int i = 0; i < PS_Q_COUNT; i++) {
        const ps_trace_quantity_line *q = &ps_trace_quantities[i];
        assert_int_equal(ps_trace_range_is_whole(q->range), strcmp(q->unit, "count") == 0);
        if (q->record != PS_RECORD_WINDOW || q->per != PS_PER_NODE) assert_int_equal(q->joined, PS_JOIN_NOT);
        assert_int_equal(q->range == PS_RANGE_STEPS && q->record != PS_RECORD_WINDOW, 0);
        assert_int_equal(q->range > PS_RANGE_STEPS && q->record != PS_RECORD_PROBE, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_what_the_lists_say),    cmocka_unit_test(the_schema_has_the_same_words),
        cmocka_unit_test(roles_are_what_their_lines_say),   cmocka_unit_test(quantities_are_told_apart),
        cmocka_unit_test(quantities_agree_with_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
