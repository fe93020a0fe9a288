/* What the commands' tables say, written out: help on the terminal, manual pages, completions of shells. Files that
 * help names (examples/, analysis/) are named as they are found from here: in the source tree, or where they were
 * installed; lines of examples whose files are nowhere are left out. */
#ifndef PS_CLI_HELP_H
#define PS_CLI_HELP_H

#include <stdio.h>

#include "cli/command.h"
#include "core/status.h"

/* What `poolscope --help` shows. */
ps_status ps_help_print_commands(FILE *stream);
/* What `poolscope COMMAND --help` shows. */
ps_status ps_help_print_command(const ps_command *command, FILE *stream);

/* The manual page of a command, as roff; NULL: that of the program. */
ps_status ps_help_print_man(const ps_command *command, FILE *stream);
/* shell: bash, zsh or fish; PS_ERR_USAGE for another. */
ps_status ps_help_print_completion(const char *shell, FILE *stream);

#endif
