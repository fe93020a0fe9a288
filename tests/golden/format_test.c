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

#include "tests/lib/golden.h"
#include "probe/quantity.h"
#include "trace/trace_arm.h"
#include "trace/trace_schema.h"

static const char *const range_words[] = {
#define RANGE(name, words) words,
    PS_TRACE_RANGES(RANGE)
#undef RANGE
};

/* ---- tables ---- */

static void write_more(FILE *out, const char *meaning, const char *more) {
    fprintf(out, " %s%s%s |\n", meaning, more[0] != '\0' ? "; " : "", more);
}

static void write_quantities(FILE *out) {
    fputs("| name | unit | per | record | range | meaning |\n|---|---|---|---|---|---|\n", out);
    for (int i = 0; i < PS_Q_COUNT; i++) {
        const ps_trace_quantity_line *q = &ps_trace_quantities[i];
        fprintf(out, "| %s | %s | %s | %s | %s |", q->name, q->unit, ps_words_at(PS_WORDS_PER, (int)q->per),
                ps_record_word(q->record), range_words[q->range]);
        write_more(out, q->description, q->more);
    }
}

static void write_step_quantities(FILE *out) {
    fputs("| key | unit | range | meaning |\n|---|---|---|---|\n", out);
    for (int i = 0; i < PS_STEP_COUNT; i++) {
        const ps_trace_quantity_line *q = &ps_trace_step_quantities[i];
        fprintf(out, "| %s | %s | %s |", q->name, q->unit, range_words[q->range]);
        write_more(out, q->description, q->more);
    }
}

static void write_roles(FILE *out) {
    fputs("| role | module | cut | activation | reinit_dead | what it is |\n|---|---|---|---|---|---|\n", out);
    for (int role = 0; role < PS_ARM_COUNT; role++) {
        const ps_arm_role_line *line = &ps_arm_roles[role];
        if (role == PS_ARM_OTHER) fprintf(out, "| %s | any | any | any | any | %s |\n", line->word, line->meaning);
        else
            fprintf(out, "| %s | %s | %s | %s | %s | %s |\n", line->word, line->module ? "yes" : "no",
                    ps_arm_cut_word(line->cut), line->leaky ? "leaky_relu" : "any", line->renewed ? "1 or more" : "0",
                    line->meaning);
    }
}

/* "`cause`, `layer`": those of an event beside its step and kind; "" where it has none. */
static void write_event_keys(FILE *out, ps_trace_object event) {
    for (int k = 0, written = 0; k < PS_KEY_COUNT; k++) {
        const ps_trace_key_line *key = &ps_trace_keys[k];
        if (key->object != event) continue;
        fprintf(out, "%s`%s`: %s%s%s", written++ > 0 ? "; " : "", key->name, key->meaning,
                key->more[0] != '\0' ? ", " : "", key->more);
    }
}

static void write_events(FILE *out) {
    fputs("| event | what happened | keys |\n|---|---|---|\n", out);
#define PS_TRACE_EVENT(id, word, meaning)        \
    fprintf(out, "| %s | %s | ", word, meaning); \
    write_event_keys(out, PS_OBJECT_##id);       \
    fputs(" |\n", out);
#include "trace/event_list.def"
#undef PS_TRACE_EVENT
}

/* That whole numbers end at 2^53 is said once, for all of them. */
static const char *demand_of(const ps_trace_key_line *key, char *text, size_t size) {
    char *end = strstr((char *)(uintptr_t)ps_key_demand(key, text, size), " to 9007199254740992 (2^53)");
    if (end != NULL && key->kind.low >= 0) strcpy(end, " on");
    return text;
}

static void write_keys(FILE *out, ps_trace_object object) {
    char demand[512];
    fputs("| key | value | needed | meaning |\n|---|---|---|---|\n", out);
    for (int k = 0; k < PS_KEY_COUNT; k++) {
        const ps_trace_key_line *key = &ps_trace_keys[k];
        if (key->object != object) continue;
        fprintf(out, "| %s | %s | ", key->name, demand_of(key, demand, sizeof demand));
        if (key->need > 1) fprintf(out, "from version %d on |", key->need);
        else fprintf(out, "%s |", key->need == 1 ? "yes" : "no");
        write_more(out, key->meaning, key->more);
    }
}

static const char document[] = "src/trace/FORMAT.md";

static void check_table(const char *head, void (*write)(FILE *out)) {
    char *rows = NULL;
    size_t size;
    FILE *stream = open_memstream(&rows, &size);
    assert_non_null(stream);
    write(stream);
    assert_int_equal(fclose(stream), 0);
    golden_table(document, head, rows);
    free(rows);
}

static void tables_are_what_the_lists_say(void **state) {
    (void)state;
    check_table("<!-- table of quantity_list.def -->", write_quantities);
    check_table("<!-- table of quantity_list.def: step -->", write_step_quantities);
    check_table("<!-- table of arm_role_list.def -->", write_roles);
    check_table("<!-- table of event_list.def -->", write_events);
}

static void check_keys(ps_trace_object object, const char *word) {
    char *rows = NULL, head[64];
    size_t size;
    FILE *stream = open_memstream(&rows, &size);
    assert_non_null(stream);
    write_keys(stream, object);
    assert_int_equal(fclose(stream), 0);
    snprintf(head, sizeof head, "<!-- table of key_list.def: %s -->", word);
    golden_table(document, head, rows);
    free(rows);
}

/* Of every record and part; those of events stand in the table of events. */
static void keys_are_what_the_list_says(void **state) {
    (void)state;
#define PS_TRACE_RECORD(id, word, quantities) check_keys(PS_OBJECT_##id, word);
#include "trace/record_list.def"
#undef PS_TRACE_RECORD
#define PS_TRACE_PART(id, word) check_keys(PS_OBJECT_##id, word);
#include "trace/part_list.def"
#undef PS_TRACE_PART
}

/* ---- lists ---- */

/* The rows of an object stand together, and no key twice in one. */
static void keys_agree_with_themselves(void **state) {
    (void)state;
    for (int k = 0; k < PS_KEY_COUNT; k++) {
        const ps_trace_key_line *key = &ps_trace_keys[k];
        assert_true(key->need >= 0 && key->need <= PS_TRACE_VERSION);
        assert_true(key->meaning[0] != '\0' && strchr(key->meaning, '`') == NULL);
        for (int l = 0; l < k; l++)
            if (ps_trace_keys[l].object == key->object) {
                assert_string_not_equal(ps_trace_keys[l].name, key->name);
                assert_int_equal(ps_trace_keys[k - 1].object, key->object);
            }
    }
}

static void words_are_told_apart(void **state) {
    (void)state;
    for (int list = 0; list <= PS_WORDS_HOLDER; list++) {
        assert_non_null(ps_words_at((ps_trace_words)list, 0));
        for (int i = 0; ps_words_at((ps_trace_words)list, i) != NULL; i++)
            assert_int_equal(ps_words_find((ps_trace_words)list, ps_words_at((ps_trace_words)list, i)), i);
        assert_int_equal(ps_words_find((ps_trace_words)list, "no such word"), -1);
    }
    assert_string_equal(PS_WORD(KIND, CONV), "conv");
    assert_int_equal(ps_record_find("windows", 6), PS_RECORD_WINDOW);
    assert_int_equal(ps_record_find("win", 3), PS_RECORD_UNKNOWN);
    assert_int_equal(ps_event_find("no such event"), PS_OBJECT_COUNT);
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
        cmocka_unit_test(tables_are_what_the_lists_say),    cmocka_unit_test(keys_are_what_the_list_says),
        cmocka_unit_test(keys_agree_with_themselves),       cmocka_unit_test(words_are_told_apart),
        cmocka_unit_test(roles_are_what_their_lines_say),   cmocka_unit_test(quantities_are_told_apart),
        cmocka_unit_test(quantities_agree_with_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
