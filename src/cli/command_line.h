/* Command lines: each command describes its options in a table; parsing, --help and "did you mean" come from it.
 * Options may be written --name VALUE or --name=VALUE, before or after positional arguments; "--" ends options. */
#ifndef PS_CLI_COMMAND_LINE_H
#define PS_CLI_COMMAND_LINE_H

#include <stdbool.h>

#include "core/option.h"
#include "run/config.h"

/* An option that the command does not have although one might look for it there, and the sentence that leads right. */
typedef struct {
    const char *name, *advice; /* name NULL ends a table */
} ps_option_hint;

typedef struct {
    const char *name;            /* of the command */
    const char *usage;           /* after "poolscope NAME " */
    const char *summary;         /* what it does: a sentence or a few */
    const char *examples;        /* lines to copy; may be NULL */
    const ps_option *options;    /* its own; may be NULL */
    const ps_option *common;     /* those it shares with its kind; may be NULL */
    const char *run_options;     /* which of option_list.def, as ps_run_config_in takes it; NULL: none */
    const ps_option_hint *hints; /* may be NULL */
    int min_positional, max_positional;
} ps_command;

typedef struct {
    const char *positional[PS_OPTION_MAX_VALUES];
    int positional_count;
    ps_run_settings run; /* run options in order; applied after a configuration file is read */
    bool help;           /* --help was asked for and printed: the command returns at once */
} ps_arguments;

/* An option as help, manual pages and completions show it; texts hold until the next one is shown. */
typedef struct {
    const char *group; /* title above it */
    const char *name;  /* without the dashes, words joined by '-' */
    const char *argument, *help;
    bool is_flag, is_repeated;
} ps_option_text;
typedef void ps_option_visitor(void *self, const ps_option_text *option);
/* Every option of a command, --help last, in the order of its help. */
void ps_command_each_option(const ps_command *command, ps_option_visitor *visit, void *self);
/* For tests. */
bool ps_command_has_option(const ps_command *command, const char *name);

/* argv starts after the command's name. */
ps_status ps_command_parse(const ps_command *command, int argc, char **argv, ps_arguments *arguments);

#endif
