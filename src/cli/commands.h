/* The commands of command_list.def. ps_cmd_id runs one, argv starts behind its name; ps_command_id is what it says
 * of itself. */
#ifndef PS_CLI_COMMANDS_H
#define PS_CLI_COMMANDS_H

#include "cli/command.h"
#include "core/status.h"
#include "core/version.h"

#define PS_COMMAND(id, name, summary)             \
    ps_status ps_cmd_##id(int argc, char **argv); \
    extern const ps_command ps_command_##id;
#include "cli/command_list.def"
#undef PS_COMMAND

typedef struct {
    const char *name, *summary; /* one line */
    ps_status (*run)(int argc, char **argv);
    const ps_command *command;
} ps_command_entry;

/* All of them, in the order of the list; name NULL ends it. */
extern const ps_command_entry ps_commands[];
/* PS_ERR_USAGE where there is no such command; the sentence names one that is nearly called so. */
ps_status ps_command_find(const char *name, const ps_command_entry **found);

#endif
