/* Command lines: each command describes its options in a table; parsing, --help and "did you mean" come from it.
 * Options may be written --name VALUE or --name=VALUE, before or after positional arguments; "--" ends options. */
#ifndef PS_CLI_COMMAND_LINE_H
#define PS_CLI_COMMAND_LINE_H

#include <stdbool.h>

#include "cli/command.h"
#include "run/config.h"

typedef struct {
    const char *positional[PS_OPTION_MAX_VALUES];
    int positional_count;
    ps_run_settings run; /* run options in order; applied after a configuration file is read */
} ps_arguments;

/* argv starts after the command's name. */
ps_status ps_command_parse(const ps_command *command, int argc, char **argv, ps_arguments *arguments);

#endif
