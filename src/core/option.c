#include "core/option.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"

const ps_option *ps_option_find(const ps_option *table, const char *name) {
    for (const ps_option *o = table; o != NULL && o->name != NULL; o++)
        if (strcmp(o->name, name) == 0) return o;
    return NULL;
}

static ps_status store_int(const ps_option *o, const char *value) {
    char *end;
    errno = 0;
    long number = strtol(value, &end, 10);
    if (end == value || *end != '\0' || errno != 0 || number < 0 || number > 2147483647L)
        return ps_fail(PS_ERR_USAGE, "--%s needs a whole number from 0, not \"%s\"", o->name, value);
    *(int *)o->target = (int)number;
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
    PS_TRY(ps_file_refuse_tilde(value));
    if (o->kind == PS_OPTION_REPEATED) return ps_option_add_value(o->target, value);
    *(const char **)o->target = value;
    return PS_OK;
}
