/* Names: of what lies in a folder, or in the lines of a list. The caller clears. */
#ifndef PS_DATA_NAMES_H
#define PS_DATA_NAMES_H

#include <stddef.h>

#include "core/status.h"

typedef struct {
    char **name;
    size_t count, room;
} ps_names;

/* Adds what lies in a folder, but for what is hidden (".x"), in the order of the bytes of their names. looked_for: what
 * should be there, for the sentence where there is no such folder. */
ps_status ps_names_add_folder(ps_names *names, const char *folder, const char *looked_for);
/* Adds the first word of each line of a text file that has one. */
ps_status ps_names_add_list(ps_names *names, const char *path);
ps_status ps_names_add(ps_names *names, const char *name, size_t length);
/* Brings all of them into the order of their bytes, and leaves each once. */
void ps_names_merge(ps_names *names);
void ps_names_clear(ps_names *names);

#endif
