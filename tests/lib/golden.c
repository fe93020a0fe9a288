#include "tests/lib/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"

static void read_file(const char *path, char **text) {
    if (ps_file_read(path, text, NULL) != PS_OK) fail_msg("run the tests from the top folder: %s", ps_status_message());
}

/* What stands between `at` and `end` of the text becomes `made`. */
static void replace(const char *path, const char *text, const char *at, const char *end, const char *made) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fprintf(file, "%.*s%s%s", (int)(at - text), text, made, end);
    assert_int_equal(fclose(file), 0);
}

static void compare(const char *path, const char *what, const char *text, const char *at, const char *end,
                    const char *made) {
    size_t size = strlen(made);
    if ((size_t)(end - at) == size && memcmp(at, made, size) == 0) return;
    if (getenv("PS_GOLDEN_UPDATE") != NULL) replace(path, text, at, end, made);
    else fail_msg("%s: %s is not what the lists say; make golden-update", path, what);
}

void golden_file(const char *path, const char *text) {
    char *old;
    read_file(path, &old);
    compare(path, "the file", old, old, old + strlen(old), text);
    free(old);
}

void golden_table(const char *path, const char *head, const char *rows) {
    char *text, line[256], *end;
    snprintf(line, sizeof line, "\n%s\n", head);
    read_file(path, &text);
    char *at = strstr(text, line);
    if (at == NULL) fail_msg("%s: there is no line %s", path, head);
    at += strlen(line);
    for (end = at; *end == '|';) end = strchr(end, '\n') + 1;
    compare(path, head, text, at, end, rows);
    free(text);
}
