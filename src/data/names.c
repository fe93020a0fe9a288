#include "data/names.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "core/text.h"

ps_status ps_names_add(ps_names *names, const char *name, size_t length) {
    char *copy;
    PS_TRY(PS_GROW(&names->name, &names->room, names->count + 1, "names of files"));
    PS_TRY(ps_string_format(&copy, "%.*s", (int)length, name));
    names->name[names->count++] = copy;
    return PS_OK;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

ps_status ps_names_add_folder(ps_names *names, const char *folder, const char *looked_for) {
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    ps_status status = PS_OK;
    size_t before = names->count;
    if (directory == NULL)
        return ps_fail(PS_ERR_INPUT, "%s: %s; it should hold %s", folder, strerror(errno), looked_for);
    while (status == PS_OK && (entry = readdir(directory)) != NULL)
        if (entry->d_name[0] != '.') status = ps_names_add(names, entry->d_name, strlen(entry->d_name));
    closedir(directory);
    if (names->count > before) qsort(names->name + before, names->count - before, sizeof *names->name, by_bytes);
    return status;
}

ps_status ps_names_add_list(ps_names *names, const char *path) {
    char *text = NULL;
    ps_status status = ps_file_read(path, &text, NULL);
    const char *at = text != NULL ? ps_text_skip_mark(text) : "";
    while (status == PS_OK && *at != '\0') {
        at += strspn(at, " \t\r\n");
        size_t length = strcspn(at, " \t\r\n");
        if (length > 0) status = ps_names_add(names, at, length);
        at += strcspn(at, "\n");
    }
    free(text);
    return status;
}

void ps_names_merge(ps_names *names) {
    size_t kept = 0;
    if (names->count == 0) return;
    qsort(names->name, names->count, sizeof *names->name, by_bytes);
    for (size_t i = 1; i < names->count; i++) {
        if (strcmp(names->name[kept], names->name[i]) == 0) free(names->name[i]);
        else names->name[++kept] = names->name[i];
    }
    names->count = kept + 1;
}

void ps_names_clear(ps_names *names) {
    for (size_t i = 0; i < names->count; i++) free(names->name[i]);
    ps_free_array(names->name);
    memset(names, 0, sizeof *names);
}
