/* Names of classes, from a text file beside the data (source.h). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/memory.h"
#include "core/text.h"
#include "data/source.h"

/* One line of a names file; control characters and what is no UTF-8 would garble tables, terminals and JSON. */
static void copy_name(char name[PS_CLASS_NAME_SIZE], const char *line, size_t length) {
    if (length > PS_CLASS_NAME_SIZE - 1) length = PS_CLASS_NAME_SIZE - 1;
    memcpy(name, line, length);
    name[length] = '\0';
    ps_text_make_showable(name, false);
}

static int split_names(const char *text, int classes, char (*names)[PS_CLASS_NAME_SIZE]) {
    int found = 0;
    text = ps_text_skip_mark(text);
    while (*text != '\0' && found < classes) {
        size_t length = strcspn(text, "\r\n");
        if (length > 0) copy_name(names[found++], text, length);
        text += length;
        text += strspn(text, "\r\n");
    }
    return found;
}

ps_status ps_source_read_class_names(ps_source *source, const char *path) {
    char *text = NULL;
    char(*names)[PS_CLASS_NAME_SIZE] = NULL;
    if (!ps_file_exists(path)) return PS_OK;
    ps_status status = ps_file_read(path, &text, NULL);
    if (status == PS_OK) status = PS_ALLOC((size_t)source->classes, &names, "class names");
    if (status == PS_OK && split_names(text, source->classes, names) == source->classes) {
        ps_free(source->class_names);
        source->class_names = names;
        names = NULL;
    }
    ps_free(names);
    free(text);
    return status;
}
