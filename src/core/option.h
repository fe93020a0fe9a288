/* Tables of options: one line says name, kind, place, argument and help. Command lines, the files of experiments,
 * --help, manual pages and completions are made from it. */
#ifndef PS_CORE_OPTION_H
#define PS_CORE_OPTION_H

#include <stdbool.h>

#include "core/status.h"

typedef enum { PS_OPTION_FLAG, PS_OPTION_TEXT, PS_OPTION_INT, PS_OPTION_REPEATED } ps_option_kind;

/* A repeatable option's values; borrowed from whoever gave them. */
enum { PS_OPTION_MAX_VALUES = 256 };
typedef struct {
    const char *value[PS_OPTION_MAX_VALUES];
    int count;
} ps_option_values;

typedef struct {
    const char *name; /* without the dashes; NULL ends a table */
    ps_option_kind kind;
    void *target;         /* bool *, const char **, int *, ps_option_values * */
    const char *argument; /* placeholder in --help; "" for flags */
    const char *help;
} ps_option;

/* NULL where the table (which may be NULL) has none of that name. */
const ps_option *ps_option_find(const ps_option *table, const char *name);
/* Stores a value at the option's place, NULL for a flag; texts are borrowed. PS_ERR_USAGE with a sentence where it is
 * no value for that option. */
ps_status ps_option_set(const ps_option *option, const char *value);
/* PS_ERR_USAGE where there are too many. */
ps_status ps_option_add_value(ps_option_values *values, const char *value);

#endif
