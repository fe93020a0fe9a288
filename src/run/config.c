#include "run/config.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "run/network.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/text.h"

typedef enum { GROUP, TEXT, FLAG, INT, NUMBER } kind;

typedef struct {
    kind kind;
    const char *name, *argument, *help;
    size_t offset;
    const char *text;         /* default of TEXT */
    double number, low, high; /* default and range of the others */
} option;

static const option options[] = {
#define PS_RUN_GROUP(title) {GROUP, NULL, NULL, title, 0, NULL, 0, 0, 0},
#define PS_RUN_TEXT(name, value, argument, help) \
    {TEXT, #name, argument, help, offsetof(ps_run_config, name), value, 0, 0, 0},
#define PS_RUN_FLAG(name, value, help) {FLAG, #name, "", help, offsetof(ps_run_config, name), NULL, value, 0, 1},
#define PS_RUN_INT(name, value, low, high, help) \
    {INT, #name, "N", help, offsetof(ps_run_config, name), NULL, value, low, high},
#define PS_RUN_NUMBER(name, value, low, high, help) \
    {NUMBER, #name, "X", help, offsetof(ps_run_config, name), NULL, value, low, high},
#include "run/option_list.def"
#undef PS_RUN_GROUP
#undef PS_RUN_TEXT
#undef PS_RUN_FLAG
#undef PS_RUN_INT
#undef PS_RUN_NUMBER
};
enum { OPTIONS = sizeof options / sizeof *options };

static char **text_field(ps_run_config *c, const option *o) { return (char **)((char *)c + o->offset); }
static bool *flag_field(ps_run_config *c, const option *o) { return (bool *)((char *)c + o->offset); }
static int *int_field(ps_run_config *c, const option *o) { return (int *)((char *)c + o->offset); }
static double *number_field(ps_run_config *c, const option *o) { return (double *)((char *)c + o->offset); }

/* Options without the groups' titles are numbered as PS_GIVEN_... are. */
static int number_of(const option *o) {
    int index = 0;
    for (const option *before = options; before < o; before++) index += before->kind != GROUP;
    return index;
}

static void mark_given(ps_run_config *config, const option *o) { config->given[number_of(o)] = true; }

static const option *find(const char *name) {
    for (int i = 0; i < OPTIONS; i++)
        if (options[i].kind != GROUP && strcmp(options[i].name, name) == 0) return &options[i];
    return NULL;
}

/* "pool-skip" and "pool_skip" are the same option. */
static void with_underscores(const char *name, char *out, size_t size) {
    snprintf(out, size, "%s", name);
    for (char *p = out; *p != '\0'; p++)
        if (*p == '-') *p = '_';
}

static ps_status set_text(ps_run_config *config, const option *o, const char *value) {
    char *copy;
    PS_TRY(ps_file_refuse_tilde(value));
    if (ps_text_find_foreign(value) != NULL) /* configuration and trace are JSON, which has no other texts */
        return ps_fail(
            PS_ERR_USAGE,
            "%s: \"%s\" is no UTF-8, so configuration and trace cannot name it; give it a name in UTF-8 (for "
            "a path, that of a link to it)",
            o->name, value);
    PS_TRY(ps_string_copy(value, &copy));
    free(*text_field(config, o));
    *text_field(config, o) = copy;
    return PS_OK;
}

static ps_status set_number(ps_run_config *config, const option *o, double value, const char *where) {
    if (!(value >= o->low && value <= o->high))
        return ps_fail(PS_ERR_USAGE, "%s: %s must be from %.10g to %.10g", where, o->name, o->low, o->high);
    if (o->kind == NUMBER) {
        *number_field(config, o) = value;
        return PS_OK;
    }
    if (value != floor(value))
        return ps_fail(PS_ERR_USAGE, "%s: %s must be a whole number, not %g", where, o->name, value);
    *int_field(config, o) = (int)value;
    return PS_OK;
}

ps_status ps_run_config_init(ps_run_config *config) {
    memset(config, 0, sizeof *config);
    for (int i = 0; i < OPTIONS; i++) {
        const option *o = &options[i];
        if (o->kind == TEXT) PS_TRY(set_text(config, o, o->text));
        if (o->kind == FLAG) *flag_field(config, o) = o->number != 0;
        if (o->kind == INT || o->kind == NUMBER) PS_TRY(set_number(config, o, o->number, "defaults"));
    }
    return PS_OK;
}

void ps_run_config_clear(ps_run_config *config) {
    for (int i = 0; i < OPTIONS; i++)
        if (options[i].kind == TEXT) free(*text_field(config, &options[i]));
    memset(config, 0, sizeof *config);
}

ps_status ps_run_config_copy(const ps_run_config *from, ps_run_config *to) {
    *to = *from;
    for (int i = 0; i < OPTIONS; i++)
        if (options[i].kind == TEXT) *text_field(to, &options[i]) = NULL;
    for (int i = 0; i < OPTIONS; i++)
        if (options[i].kind == TEXT) PS_TRY(set_text(to, &options[i], *text_field((ps_run_config *)from, &options[i])));
    return PS_OK;
}

static bool listed(const char *const *list, const char *word) {
    for (int i = 0; list != NULL && list[i] != NULL; i++)
        if (strcmp(list[i], word) == 0) return true;
    return false;
}

static ps_status refuse_unknown(const cJSON *object, const char *where, const char *const *skip) {
    const char *known[OPTIONS + 32];
    int count = 0;
    for (int i = 0; i < OPTIONS; i++)
        if (options[i].kind != GROUP) known[count++] = options[i].name;
    for (int i = 0; skip != NULL && skip[i] != NULL && count < OPTIONS + 31; i++) known[count++] = skip[i];
    known[count] = NULL;
    return ps_json_check_keys(object, known, where);
}

/* Lists may be written as JSON arrays ([3, 3, 3]) although the option is a text ("3,3,3"). */
static ps_status set_array(ps_run_config *config, const option *o, const cJSON *array, const char *where) {
    char text[512] = "";
    const cJSON *item;
    cJSON_ArrayForEach(item, array) {
        if (!cJSON_IsNumber(item)) return ps_fail(PS_ERR_INPUT, "%s: \"%s\" must hold numbers only", where, o->name);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%.9g", text[0] ? "," : "", item->valuedouble);
    }
    return set_text(config, o, text);
}

static ps_status set_item(ps_run_config *config, const option *o, const cJSON *item, const char *where) {
    if (o->kind == TEXT && cJSON_IsString(item)) return set_text(config, o, item->valuestring);
    if (o->kind == TEXT && cJSON_IsArray(item)) return set_array(config, o, item, where);
    if (o->kind == TEXT && cJSON_IsBool(item)) return set_text(config, o, cJSON_IsTrue(item) ? "yes" : "no");
    if (o->kind == TEXT) return ps_fail(PS_ERR_INPUT, "%s: \"%s\" must be a text in quotes", where, o->name);
    if (o->kind == FLAG) {
        if (!cJSON_IsBool(item)) return ps_fail(PS_ERR_INPUT, "%s: \"%s\" must be true or false", where, o->name);
        *flag_field(config, o) = cJSON_IsTrue(item);
        return PS_OK;
    }
    if (!cJSON_IsNumber(item)) return ps_fail(PS_ERR_INPUT, "%s: \"%s\" must be a number", where, o->name);
    return set_number(config, o, item->valuedouble, where);
}

ps_status ps_run_config_read_json(ps_run_config *config, const cJSON *object, const char *where,
                                  const char *const *skip) {
    PS_TRY(refuse_unknown(object, where, skip));
    for (const cJSON *item = object->child; item != NULL; item = item->next)
        if (!listed(skip, item->string)) {
            PS_TRY(set_item(config, find(item->string), item, where));
            mark_given(config, find(item->string));
        }
    return PS_OK;
}

ps_status ps_run_config_resolve_fork(ps_run_config *config, const char *path) {
    const char *slash = strrchr(path, '/');
    char *resolved;
    if (strncmp(config->fork, "run:", 4) != 0) return PS_OK;
    PS_TRY(ps_string_format(&resolved, "%.*s%s", slash != NULL ? (int)(slash + 1 - path) : 0, path, config->fork + 4));
    free(config->fork);
    config->fork = resolved;
    return PS_OK;
}

static ps_status set_flag(ps_run_config *config, const option *o, bool on, const char *value) {
    if (value != NULL && strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        return ps_fail(PS_ERR_USAGE, "--%s takes yes or no, not \"%s\"", o->name, value);
    if (value != NULL && strcmp(value, "no") == 0) on = !on;
    *flag_field(config, o) = on;
    return PS_OK;
}

/* "flip" and "no_flip" both name the flag; *on says which. */
static const option *find_flag(const char *name, bool *on) {
    const option *o = find(name);
    *on = true;
    if (o == NULL && strncmp(name, "no_", 3) == 0) {
        o = find(name + 3);
        *on = false;
    }
    return o != NULL && o->kind == FLAG ? o : NULL;
}

bool ps_run_config_is_flag(const char *name) {
    char key[128];
    bool on;
    with_underscores(name, key, sizeof key);
    return find_flag(key, &on) != NULL;
}

bool ps_run_config_knows(const char *name) {
    char key[128];
    bool on;
    with_underscores(name, key, sizeof key);
    return find(key) != NULL || find_flag(key, &on) != NULL;
}

/* The title above a line of the list. */
static const char *group_of(const option *o) {
    while (o > options && o->kind != GROUP) o--;
    return o->help;
}

bool ps_run_config_in(const char *list, const char *name) {
    char key[128], entry[128];
    with_underscores(name, key, sizeof key);
    const option *o = find(key);
    bool on, in = false;
    if (o == NULL) o = find_flag(key, &on);
    for (const char *p = list; o != NULL && p != NULL && *p != '\0';
         p += strcspn(p, ",") + (p[strcspn(p, ",")] == ',')) {
        bool takes_out = *p == '!';
        snprintf(entry, sizeof entry, "%.*s", (int)strcspn(p, ",") - takes_out, p + takes_out);
        if (strcmp(entry, "*") == 0 || strcmp(entry, o->name) == 0 || strcmp(entry, group_of(o)) == 0) in = !takes_out;
    }
    return in;
}

static bool at_default(const ps_run_config *config, const option *o) {
    const char *field = (const char *)config + o->offset;
    switch (o->kind) {
        case TEXT: return strcmp(*(char *const *)field, o->text) == 0;
        case FLAG: return *(const bool *)field == (o->number != 0);
        case INT: return *(const int *)field == o->number;
        case NUMBER: return *(const double *)field == o->number;
        case GROUP: break;
    }
    return true;
}

const char *ps_run_config_first_changed(const ps_run_config *config, const char *list) {
    for (int i = 0; i < OPTIONS; i++)
        if (options[i].kind != GROUP && ps_run_config_in(list, options[i].name) && !at_default(config, &options[i]))
            return options[i].name;
    return NULL;
}

static void say_value(const ps_run_config *config, const option *o, char *text, size_t size) {
    ps_run_config *c = (ps_run_config *)config; /* the field accessors are shared with the setters */
    if (o->kind == TEXT) snprintf(text, size, "%s", *text_field(c, o));
    if (o->kind == FLAG) snprintf(text, size, "%s", *flag_field(c, o) ? "yes" : "no");
    if (o->kind == INT) snprintf(text, size, "%d", *int_field(c, o));
    if (o->kind == NUMBER) snprintf(text, size, "%.9g", *number_field(c, o));
}

void ps_run_config_say_changed(const ps_run_config *config, const char *list, char *text, size_t size) {
    text[0] = '\0';
    for (int i = 0; i < OPTIONS; i++) {
        const option *o = &options[i];
        char value[256];
        size_t used = strlen(text);
        if (o->kind == GROUP || !ps_run_config_in(list, o->name) || at_default(config, o)) continue;
        say_value(config, o, value, sizeof value);
        snprintf(text + used, size - used, " %s=%s", o->name, value);
    }
}

bool ps_run_config_has(const ps_run_config *config, const char *name) { return config->given[number_of(find(name))]; }

bool ps_run_config_agree(const ps_run_config *a_, const ps_run_config *b_, const char *name) {
    ps_run_config *a = (ps_run_config *)a_, *b = (ps_run_config *)b_; /* the field accessors are shared with setters */
    const option *o = find(name);
    switch (o->kind) {
        case TEXT: return strcmp(*text_field(a, o), *text_field(b, o)) == 0;
        case FLAG: return *flag_field(a, o) == *flag_field(b, o);
        case INT: return *int_field(a, o) == *int_field(b, o);
        case NUMBER: return *number_field(a, o) == *number_field(b, o);
        case GROUP: break;
    }
    return true;
}

ps_status ps_run_config_take(ps_run_config *to, const ps_run_config *from_, const char *name) {
    ps_run_config *from = (ps_run_config *)from_;
    const option *o = find(name);
    if (o->kind == TEXT) return set_text(to, o, *text_field(from, o));
    if (o->kind == FLAG) *flag_field(to, o) = *flag_field(from, o);
    if (o->kind == INT) *int_field(to, o) = *int_field(from, o);
    if (o->kind == NUMBER) *number_field(to, o) = *number_field(from, o);
    return PS_OK;
}

void ps_run_config_show(const ps_run_config *config, const char *name, char *text, size_t size) {
    ps_run_config *c = (ps_run_config *)config;
    const option *o = find(name);
    if (o->kind == TEXT) snprintf(text, size, "\"%s\"", *text_field(c, o));
    if (o->kind == FLAG) snprintf(text, size, "%s", *flag_field(c, o) ? "yes" : "no");
    if (o->kind == INT) snprintf(text, size, "%d", *int_field(c, o));
    if (o->kind == NUMBER) snprintf(text, size, "%.9g", *number_field(c, o));
}

ps_status ps_run_config_set(ps_run_config *config, const char *name, const char *value, bool *known) {
    char key[128], where[160];
    bool on;
    with_underscores(name, key, sizeof key);
    const option *flag = find_flag(key, &on), *o = find(key);
    *known = flag != NULL || o != NULL;
    if (*known) mark_given(config, flag != NULL ? flag : o);
    if (flag != NULL) return set_flag(config, flag, on, value);
    if (o == NULL) return PS_OK;
    if (value == NULL) return ps_fail(PS_ERR_USAGE, "--%s needs a value (%s)", name, o->help);
    if (o->kind == TEXT) return set_text(config, o, value);
    char *end;
    errno = 0;
    double number = strtod(value, &end);
    if (end == value || *end != '\0' || errno != 0)
        return ps_fail(PS_ERR_USAGE, "--%s needs a number, not \"%s\"", name, value);
    snprintf(where, sizeof where, "--%s %s", name, value);
    return set_number(config, o, number, where);
}

/* A network of one's own is none of the named ones, whichever is the default; how weights start is written out. */
static const char *text_to_write(const ps_run_config *c, const option *o) {
    if (o->offset == offsetof(ps_run_config, init_scheme)) return ps_network_init_scheme(c);
    bool unused = o->offset == offsetof(ps_run_config, model) && c->graph[0] != '\0';
    return unused ? "" : *text_field((ps_run_config *)c, o);
}

ps_status ps_run_config_to_json(const ps_run_config *config, cJSON **object) {
    ps_run_config *c = (ps_run_config *)config; /* the field accessors are shared with the setters */
    cJSON *json = cJSON_CreateObject();
    bool whole = json != NULL;
    for (int i = 0; i < OPTIONS && whole; i++) {
        const option *o = &options[i];
        if (o->kind == TEXT) whole = cJSON_AddStringToObject(json, o->name, text_to_write(c, o)) != NULL;
        if (o->kind == FLAG) whole = cJSON_AddBoolToObject(json, o->name, *flag_field(c, o)) != NULL;
        if (o->kind == INT) whole = cJSON_AddNumberToObject(json, o->name, *int_field(c, o)) != NULL;
        if (o->kind == NUMBER) whole = cJSON_AddNumberToObject(json, o->name, *number_field(c, o)) != NULL;
    }
    *object = json;
    return whole ? PS_OK : ps_fail(PS_ERR_MEMORY, "no memory for the configuration");
}

bool ps_run_config_describe(int index, ps_run_option_text *text) {
    const option *o = options;
    while (o < options + OPTIONS && (o->kind == GROUP || index-- > 0)) o++;
    if (o == options + OPTIONS) return false;
    *text = (ps_run_option_text){group_of(o), o->name, o->argument, "", o->kind == FLAG};
    if (o->kind == TEXT && o->text[0] != '\0') snprintf(text->help, sizeof text->help, "%s [%s]", o->help, o->text);
    else if (o->kind == INT || o->kind == NUMBER)
        snprintf(text->help, sizeof text->help, "%s [%g]", o->help, o->number);
    else snprintf(text->help, sizeof text->help, "%s", o->help);
    return true;
}

ps_status ps_parse_number_list(const char *text, const char *what, int limit, double *values, int *count) {
    *count = 0;
    for (const char *p = text; *p != '\0';) {
        char *end;
        double value = strtod(p, &end);
        if (end == p || (*end != ',' && *end != '\0') || *count >= limit || !isfinite(value))
            return limit == 1 ? ps_fail(PS_ERR_USAGE, "%s must be a number, not \"%s\"", what, text)
                              : ps_fail(PS_ERR_USAGE, "%s must be up to %d numbers with commas between, not \"%s\"",
                                        what, limit, text);
        values[(*count)++] = value;
        p = *end == ',' ? end + 1 : end;
    }
    return PS_OK;
}

ps_status ps_parse_int_list(const char *text, const char *what, int limit, int *values, int *count) {
    double numbers[64];
    PS_TRY(ps_parse_number_list(text, what, limit < 64 ? limit : 64, numbers, count));
    for (int i = 0; i < *count; i++) {
        if (numbers[i] != floor(numbers[i]) || fabs(numbers[i]) > 1e9)
            return ps_fail(PS_ERR_USAGE, "%s must be whole numbers with commas between, not \"%s\"", what, text);
        values[i] = (int)numbers[i];
    }
    return PS_OK;
}

/* ---- settings ---- */

enum { NAME_ROOM = 128 };

static const char *name_of(const ps_run_settings *settings, int index, char name[NAME_ROOM]) {
    const char *word = settings->name.value[index];
    snprintf(name, NAME_ROOM, "%.*s", (int)strcspn(word, "="), word);
    return name;
}

ps_status ps_run_settings_add(ps_run_settings *settings, const char *name, const char *value) {
    PS_TRY(ps_option_add_value(&settings->name, name));
    return ps_option_add_value(&settings->value, value);
}

/* One of the two on the command line takes the place of both in a file; both beside each other must agree. */
static void replace_length(const ps_run_settings *settings, ps_run_config *config) {
    bool steps = ps_run_settings_find(settings, "steps") != NULL,
         epochs = ps_run_settings_find(settings, "epochs") != NULL;
    if (steps && !epochs) config->epochs = 0;
    if (epochs && !steps) config->given[PS_GIVEN_steps] = false;
}

ps_status ps_run_settings_apply(const ps_run_settings *settings, ps_run_config *config) {
    replace_length(settings, config);
    for (int i = 0; i < settings->name.count; i++) {
        char name[NAME_ROOM];
        bool known;
        PS_TRY(ps_run_config_set(config, name_of(settings, i, name), settings->value.value[i], &known));
    }
    return PS_OK;
}

const char *ps_run_settings_find(const ps_run_settings *settings, const char *list) {
    for (int i = 0; settings != NULL && i < settings->name.count; i++) {
        char name[NAME_ROOM];
        if (ps_run_config_in(list, name_of(settings, i, name))) return settings->name.value[i];
    }
    return NULL;
}
