#include "core/option.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"

const ps_option *ps_option_find(const ps_option *table, const char *name) {
    for (const ps_option *o = table; o != NULL && o->name != NULL; o++)
        if (strcmp(o->name, name) == 0) return o;
    return NULL;
}

void ps_option_with_dashes(const char *name, char *out, size_t size) {
    snprintf(out, size, "%s", name);
    for (char *p = out; *p != '\0'; p++)
        if (*p == '_') *p = '-';
}

void ps_options_reset(const ps_option *table) {
    for (const ps_option *o = table; o != NULL && o->name != NULL; o++)
        if (o->standard != NULL) (void)ps_option_set(o, o->standard);
}

static ps_status store_int(const ps_option *o, const char *value) {
    char *end;
    errno = 0;
    long number = strtol(value, &end, 10);
    if (end != value && *end == '\0' && errno == 0 && number >= o->low && number <= o->high) {
        *(int *)o->target = (int)number;
        return PS_OK;
    }
    if (o->high >= PS_OPTION_ANY)
        return ps_fail(PS_ERR_USAGE, "--%s needs a whole number from %g, not \"%s\"", o->name, o->low, value);
    return ps_fail(PS_ERR_USAGE, "--%s needs a whole number from %g to %g, not \"%s\"", o->name, o->low, o->high,
                   value);
}

static ps_status store_number(const ps_option *o, const char *value) {
    char *end;
    double number = strtod(value, &end);
    if (end == value || *end != '\0' || !(number >= o->low && number <= o->high))
        return ps_fail(PS_ERR_USAGE, "--%s needs a number from %g to %g, not \"%s\"", o->name, o->low, o->high, value);
    *(double *)o->target = number;
    return PS_OK;
}

ps_status ps_option_add_value(ps_option_values *values, const char *value) {
    if (values->count == PS_OPTION_MAX_VALUES)
        return ps_fail(PS_ERR_USAGE, "more than %d values on the command line", PS_OPTION_MAX_VALUES);
    values->value[values->count++] = value;
    return PS_OK;
}

ps_status ps_option_set(const ps_option *o, const char *value) {
    if (o->kind == PS_OPTION_FLAG) {
        if (value != NULL) return ps_fail(PS_ERR_USAGE, "--%s takes no value", o->name);
        *(bool *)o->target = true;
        return PS_OK;
    }
    if (value == NULL) return ps_fail(PS_ERR_USAGE, "--%s needs a value", o->name);
    if (o->kind == PS_OPTION_INT) return store_int(o, value);
    if (o->kind == PS_OPTION_NUMBER) return store_number(o, value);
    PS_TRY(ps_file_refuse_tilde(value));
    if (o->kind == PS_OPTION_REPEATED) return ps_option_add_value(o->target, value);
    *(const char **)o->target = value;
    return PS_OK;
}
