/* Tables of options: one line says name, kind, place, argument and help. Command lines, the files of experiments,
 * --help, manual pages and completions are made from it. */
#ifndef PS_CORE_OPTION_H
#define PS_CORE_OPTION_H

#include <stdbool.h>
#include <stddef.h>

#include "core/status.h"

typedef enum { PS_OPTION_FLAG, PS_OPTION_TEXT, PS_OPTION_INT, PS_OPTION_NUMBER, PS_OPTION_REPEATED } ps_option_kind;

/* A repeatable option's values; borrowed from whoever gave them. */
enum { PS_OPTION_MAX_VALUES = 256 };
typedef struct {
    const char *value[PS_OPTION_MAX_VALUES];
    int count;
} ps_option_values;

/* Rows are written with the macros below; {0} ends a table. */
typedef struct {
    const char *name; /* without the dashes; NULL ends a table */
    ps_option_kind kind;
    void *target;         /* bool *, const char **, int *, double *, ps_option_values * */
    const char *argument; /* placeholder in --help; "" for flags */
    const char *standard; /* the default, as one would type it; NULL: none, and the target is left as it is */
    double low, high;     /* of numbers */
    const char *help;     /* without the default */
} ps_option;

#define PS_OPTION_ANY 2147483647.0 /* high: as large as can be */
#define PS_FLAG(name, target, help) {name, PS_OPTION_FLAG, &(target), "", NULL, 0, 0, help}
#define PS_TEXT(name, target, argument, standard, help) \
    {name, PS_OPTION_TEXT, &(target), argument, standard, 0, 0, help}
#define PS_WHOLE(name, target, argument, standard, low, high, help) \
    {name, PS_OPTION_INT, &(target), argument, standard, low, high, help}
#define PS_NUMBER(name, target, argument, standard, low, high, help) \
    {name, PS_OPTION_NUMBER, &(target), argument, standard, low, high, help}
#define PS_REPEATED(name, target, argument, help) {name, PS_OPTION_REPEATED, &(target), argument, NULL, 0, 0, help}
/* Everything can use so many threads. */
#define PS_THREADS(target) PS_WHOLE("threads", target, "N", NULL, 0, 1024, "threads [all processors]")

/* NULL where the table (which may be NULL) has none of that name. */
const ps_option *ps_option_find(const ps_option *table, const char *name);
/* "pool_skip" as one types it: "pool-skip". */
void ps_option_with_dashes(const char *name, char *out, size_t size);
/* Sets what has a default to it. */
void ps_options_reset(const ps_option *table);
/* Stores a value at the option's place, NULL for a flag; texts are borrowed. PS_ERR_USAGE with a sentence where it is
 * no value for that option. */
ps_status ps_option_set(const ps_option *option, const char *value);
/* PS_ERR_USAGE where there are too many. */
ps_status ps_option_add_value(ps_option_values *values, const char *value);

#endif
