#include "cli/command_line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/text.h"

/* ---- what is no option ---- */

static void consider(const char *word, const char *name, const char **best, int *best_distance) {
    char dashed[128];
    ps_option_with_dashes(word, dashed, sizeof dashed);
    int distance = ps_text_distance(dashed, name);
    if (distance < *best_distance) {
        *best_distance = distance;
        *best = name;
    }
}

typedef struct {
    const char *word;
    char best[128];
    int distance;
} guess;

static void consider_option(void *self, const ps_option_text *o) {
    guess *g = self;
    const char *best = NULL;
    consider(g->word, o->name, &best, &g->distance);
    if (best != NULL) snprintf(g->best, sizeof g->best, "%s", best);
}

static ps_status refuse(const ps_command *command, const char *name) {
    guess g = {name, "", 4};
    for (const ps_option_hint *h = command->hints; h != NULL && h->name != NULL; h++)
        if (strcmp(h->name, name) == 0)
            return ps_fail(PS_ERR_USAGE, "%s: there is no --%s here: %s", command->name, name, h->advice);
    ps_command_each_option(command, consider_option, &g);
    if (ps_run_config_knows(name) && g.distance > 1)
        return ps_fail(PS_ERR_USAGE, "%s: --%s is a setting of runs and does nothing here; leave it out", command->name,
                       name);
    if (g.best[0] == '\0')
        return ps_fail(PS_ERR_USAGE, "%s: unknown option --%s; `poolscope %s --help` lists them", command->name, name,
                       command->name);
    return ps_fail(PS_ERR_USAGE, "%s: unknown option --%s; did you mean --%s?", command->name, name, g.best);
}

typedef struct {
    int argc, at;
    char **argv;
} cursor;

/* The option's value: behind "=", else the next word. */
static ps_status take_value(cursor *c, const char *name, const char *inline_value, const char **value) {
    *value = inline_value;
    if (inline_value != NULL) return PS_OK;
    if (c->at + 1 >= c->argc) return ps_fail(PS_ERR_USAGE, "--%s needs a value", name);
    *value = c->argv[++c->at];
    return PS_OK;
}

static ps_status take_option(const ps_command *command, cursor *c, ps_arguments *arguments) {
    char name[128];
    const char *word = c->argv[c->at] + 2, *equals = strchr(word, '='), *value;
    snprintf(name, sizeof name, "%.*s", equals != NULL ? (int)(equals - word) : (int)strlen(word), word);
    const ps_option *o = ps_command_find_option(command, name);
    value = equals != NULL ? equals + 1 : NULL;
    if (o != NULL) {
        if (o->kind != PS_OPTION_FLAG) PS_TRY(take_value(c, name, value, &value));
        return ps_option_set(o, value);
    }
    if (!ps_run_config_in(command->run_options, name)) return refuse(command, name);
    if (!ps_run_config_is_flag(name)) PS_TRY(take_value(c, name, value, &value));
    return ps_run_settings_add(&arguments->run, word, value);
}

ps_status ps_command_parse(const ps_command *command, int argc, char **argv, ps_arguments *arguments) {
    cursor c = {argc, 0, argv};
    bool options_ended = false;
    memset(arguments, 0, sizeof *arguments);
    ps_options_reset(command->options);
    ps_options_reset(command->common);
    for (; c.at < argc; c.at++) {
        const char *word = argv[c.at];
        if (!options_ended && strcmp(word, "--") == 0) options_ended = true;
        else if (!options_ended && strncmp(word, "--", 2) == 0) PS_TRY(take_option(command, &c, arguments));
        else if (!options_ended && word[0] == '-' && word[1] != '\0')
            return ps_fail(PS_ERR_USAGE, "%s: options have two dashes: -%s", command->name, word);
        else if (word[0] == '\0')
            return ps_fail(
                PS_ERR_USAGE,
                "%s: argument %d is empty (a variable of the shell that is not set?); usage: poolscope %s %s",
                command->name, c.at + 1, command->name, command->usage);
        else if (arguments->positional_count == command->max_positional)
            return ps_fail(PS_ERR_USAGE, "%s: \"%s\" is one argument too many; usage: poolscope %s %s", command->name,
                           word, command->name, command->usage);
        else {
            PS_TRY(ps_file_refuse_tilde(word));
            arguments->positional[arguments->positional_count++] = word;
        }
    }
    if (arguments->positional_count < command->min_positional)
        return ps_fail(PS_ERR_USAGE, "%s: something is missing; usage: poolscope %s %s", command->name, command->name,
                       command->usage);
    return PS_OK;
}
