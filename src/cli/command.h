/* What a command is: a name, sentences, and tables of options. Parsing (cli/command_line.h), --help, manual pages and
 * completions (cli/help.h) all go by it. */
#ifndef PS_CLI_COMMAND_H
#define PS_CLI_COMMAND_H

#include <stddef.h>

#include "core/option.h"

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
/* Its own or common option of that name; NULL: it has none (run options stand in run/config.h). */
const ps_option *ps_command_find_option(const ps_command *command, const char *name);
/* For tests: of all kinds, --help too. */
bool ps_command_has_option(const ps_command *command, const char *name);

#endif
