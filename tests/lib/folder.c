#include "tests/lib/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

char folder[64];

int make_folder(void **state) {
    (void)state;
    const char *base = getenv("TMPDIR"), *const pattern = "poolscope_test_XXXXXX";
    int length = base != NULL ? snprintf(folder, sizeof folder, "%s/%s", base, pattern) : (int)sizeof folder;
    if (length >= (int)sizeof folder) snprintf(folder, sizeof folder, "/tmp/%s", pattern);
    return mkdtemp(folder) == NULL;
}

int remove_folder(void **state) {
    char command[sizeof folder + 16];
    (void)state;
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

void held_at(ps_status status, const char *file, int line) {
    if (status == PS_OK) return;
    print_error("%s (%s)\n", ps_status_message(), ps_status_origin());
    _fail(file, line);
}
