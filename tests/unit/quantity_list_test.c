/* quantity_list.def, FORMAT.md, trace_format.h and the probe's README list the same quantities. The README's table can
 *   be renewed: PS_QUANTITY_TABLE=1 build/release/tests/unit/quantity_list_test */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "probe/quantity.h"

static const char *const per_name[] = {"node", "layer", "step"};
static const char *const record_name[] = {"step", "window", "probe"};

static void read_source(const char *path, char **text) {
    if (ps_file_read(path, text, NULL) != PS_OK) fail_msg("run the tests from the top folder: %s", ps_status_message());
}

static void table_row(const ps_quantity *q, char *row, size_t size) {
    snprintf(row, size, "| %s | %s | %s | %s | %s |\n", q->name, q->unit, per_name[q->per], record_name[q->record],
             q->description);
}

static void readme_has_the_table(void **state) {
    (void)state;
    int count;
    const ps_quantity *q = ps_quantities(&count);
    char *text, row[512];
    read_source("src/probe/README.md", &text);
    const char *at = strstr(text, "| name | unit | per | record | meaning |\n|---|---|---|---|---|\n");
    assert_non_null(at);
    at = strchr(strchr(at, '\n') + 1, '\n') + 1;
    for (int i = 0; i < count; i++) {
        table_row(&q[i], row, sizeof row);
        if (strncmp(at, row, strlen(row)) != 0) fail_msg("README.md lacks at its place: %s", row);
        at += strlen(row);
    }
    assert_true(*at != '|'); /* and no row more */
    free(text);
}

/* True where `name` stands in a row's first cell, which may list several: "| net_gradient, net_decay | node | window
 * |". */
static bool row_lists(const char *row, const char *name, const char *per, const char *record) {
    char cells[64];
    size_t length = strlen(name);
    const char *end = strstr(row + 2, " |");
    snprintf(cells, sizeof cells, " | %s | %s |", per, record);
    if (end == NULL || strncmp(end, cells, strlen(cells)) != 0) return false;
    for (const char *p = row + 2; p < end; p++) {
        bool starts = p[-1] == ' ', stops = p[length] == ',' || p[length] == ' ';
        if (starts && strncmp(p, name, length) == 0 && stops) return true;
    }
    return false;
}

static void format_lists_every_quantity(void **state) {
    (void)state;
    int count, listed = 0, expected = 0;
    const ps_quantity *q = ps_quantities(&count);
    char *text;
    read_source("src/trace/FORMAT.md", &text);
    const char *table = strstr(text, "| name | per | record | meaning |\n");
    assert_non_null(table);
    for (int i = 0; i < count; i++) {
        bool found = false;
        if (q[i].per == PS_PER_STEP) continue; /* described with the step record */
        expected++;
        for (const char *row = table; *row == '|'; row = strchr(row, '\n') + 1)
            found = found || row_lists(row, q[i].name, per_name[q[i].per], record_name[q[i].record]);
        if (!found)
            fail_msg("FORMAT.md has no row for %s (%s, %s)", q[i].name, per_name[q[i].per], record_name[q[i].record]);
    }
    for (const char *row = strchr(strchr(table, '\n') + 1, '\n') + 1; *row == '|'; row = strchr(row, '\n') + 1) {
        listed++;
        for (const char *p = row; *p != '\n' && strncmp(p, " | ", 3) != 0; p++) listed += *p == ',';
    }
    assert_int_equal(listed, expected); /* and none that does not exist */
    free(text);
}

static void words_have_every_quantity(void **state) {
    (void)state;
    int count;
    const ps_quantity *q = ps_quantities(&count);
    char *text;
    read_source("src/trace/trace_format.h", &text);
    for (int i = 0; i < count; i++) {
        char line[160] = "#define PS_TRACE_";
        for (const char *p = q[i].name; *p != '\0'; p++)
            snprintf(line + strlen(line), 2, "%c", toupper((unsigned char)*p));
        snprintf(line + strlen(line), sizeof line - strlen(line), " \"%s\"\n", q[i].name);
        if (strstr(text, line) == NULL) fail_msg("trace_format.h lacks: %s", line);
    }
    free(text);
}

static void names_are_unique(void **state) {
    (void)state;
    int count;
    const ps_quantity *q = ps_quantities(&count);
    for (int i = 0; i < count; i++) {
        assert_int_equal(ps_quantity_find(q[i].name), i);
        assert_true(q[i].description[0] != '\0' && q[i].unit[0] != '\0');
        assert_int_equal(q[i].record == PS_RECORD_STEP, q[i].per == PS_PER_STEP);
        assert_int_equal(q[i].record == PS_RECORD_STEP, q[i].compute == NULL);
    }
    assert_int_equal(ps_quantity_find("no such thing"), -1);
}

int main(void) {
    if (getenv("PS_QUANTITY_TABLE") != NULL) {
        int count;
        char row[512];
        const ps_quantity *q = ps_quantities(&count);
        printf("| name | unit | per | record | meaning |\n|---|---|---|---|---|\n");
        for (int i = 0; i < count; i++) {
            table_row(&q[i], row, sizeof row);
            fputs(row, stdout);
        }
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readme_has_the_table),
        cmocka_unit_test(format_lists_every_quantity),
        cmocka_unit_test(words_have_every_quantity),
        cmocka_unit_test(names_are_unique),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
