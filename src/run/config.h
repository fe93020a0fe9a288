/* The configuration of one run: a struct whose fields are the lines of option_list.def, filled from defaults, then
 * a JSON file, then the command line (later wins). Texts are owned by the struct. */
#ifndef PS_RUN_CONFIG_H
#define PS_RUN_CONFIG_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "core/option.h"
#include "core/status.h"

/* PS_GIVEN_lr: of ps_run_config.given. */
typedef enum {
#define PS_RUN_GROUP(title)
#define PS_RUN_TEXT(name, value, argument, help) PS_GIVEN_##name,
#define PS_RUN_FLAG(name, value, help) PS_GIVEN_##name,
#define PS_RUN_INT(name, value, low, high, help) PS_GIVEN_##name,
#define PS_RUN_NUMBER(name, value, low, high, help) PS_GIVEN_##name,
#include "run/option_list.def"
#undef PS_RUN_GROUP
#undef PS_RUN_TEXT
#undef PS_RUN_FLAG
#undef PS_RUN_INT
#undef PS_RUN_NUMBER
    PS_RUN_OPTIONS
} ps_run_given;

typedef struct {
#define PS_RUN_GROUP(title)
#define PS_RUN_TEXT(name, value, argument, help) char *name;
#define PS_RUN_FLAG(name, value, help) bool name;
#define PS_RUN_INT(name, value, low, high, help) int name;
#define PS_RUN_NUMBER(name, value, low, high, help) double name;
#include "run/option_list.def"
#undef PS_RUN_GROUP
#undef PS_RUN_TEXT
#undef PS_RUN_FLAG
#undef PS_RUN_INT
#undef PS_RUN_NUMBER
    bool given[PS_RUN_OPTIONS]; /* by a file or a command line; the others stand at their defaults */
} ps_run_config;

ps_status ps_run_config_init(ps_run_config *config);
void ps_run_config_clear(ps_run_config *config);
ps_status ps_run_config_copy(const ps_run_config *from, ps_run_config *to);

/* Takes over the keys of a JSON object; unknown keys are refused. skip: keys to pass over (NULL-terminated; may be
 * NULL). */
ps_status ps_run_config_read_json(ps_run_config *config, const cJSON *object, const char *where,
                                  const char *const *skip);
/* The configuration of a run that was forked within an experiment names the checkpoint as seen from that run's
 * directory ("run:PATH"); from now on as seen from here. path: the file it was read from. */
ps_status ps_run_config_resolve_fork(ps_run_config *config, const char *path);
/* Takes one option of the command line ("lr", "0.1"); *known is false where there is no such option. value NULL: option
 * without one. */
ps_status ps_run_config_set(ps_run_config *config, const char *name, const char *value, bool *known);
bool ps_run_config_knows(const char *name);

/* Options as they were given (on a command line), to be applied to a configuration later: "lr", or "lr=0.1" with the
 * value behind it; borrowed. */
typedef struct {
    ps_option_values name, value; /* value NULL: an option without one */
} ps_run_settings;
ps_status ps_run_settings_add(ps_run_settings *settings, const char *name, const char *value);
ps_status ps_run_settings_apply(const ps_run_settings *settings, ps_run_config *config);
/* The first that belongs to a list as ps_run_config_in takes it, as it was given; NULL: none. settings may be NULL. */
const char *ps_run_settings_find(const ps_run_settings *settings, const char *list);

/* Whether this option is a flag, which takes no value ("--flip", "--no-flip"). */
bool ps_run_config_is_flag(const char *name);

/* Which of these options a command takes is written as a list with commas between: titles of groups ("Pool Skip"),
 * names with underscores, "*" for all; "!" before one leaves it out again. NULL is none. */
bool ps_run_config_in(const char *list, const char *name);

/* The first option of such a list that is not at its default; NULL: all are. */
const char *ps_run_config_first_changed(const ps_run_config *config, const char *list);
/* All of them, as " name=value name=value"; "" where there are none. */
void ps_run_config_say_changed(const ps_run_config *config, const char *list, char *text, size_t size);

/* One option of two configurations: whether it was given to this one, is the same in both, is taken over, is shown. */
bool ps_run_config_has(const ps_run_config *config, const char *name);
bool ps_run_config_agree(const ps_run_config *a, const ps_run_config *b, const char *name);
ps_status ps_run_config_take(ps_run_config *to, const ps_run_config *from, const char *name);
void ps_run_config_show(const ps_run_config *config, const char *name, char *text, size_t size);

/* An option as documents show it. */
typedef struct {
    const char *group;    /* title of its group */
    const char *name;     /* with underscores */
    const char *argument; /* "" for a flag */
    char help[400];       /* with the default in brackets */
    bool is_flag;
} ps_run_option_text;
/* Option `index`; false past the last. */
bool ps_run_config_describe(int index, ps_run_option_text *text);

/* The whole configuration as one JSON object, `model` "" where `graph` is the network; the caller frees with
 * cJSON_Delete. */
ps_status ps_run_config_to_json(const ps_run_config *config, cJSON **object);

/* "3,4,6,3" -> values[]; at most `limit`; *count. what names the option in errors. */
ps_status ps_parse_int_list(const char *text, const char *what, int limit, int *values, int *count);
ps_status ps_parse_number_list(const char *text, const char *what, int limit, double *values, int *count);

#endif
