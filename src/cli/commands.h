/* The commands of command_list.def. argv starts behind the command's name. */
#ifndef PS_CLI_COMMANDS_H
#define PS_CLI_COMMANDS_H

#include "core/status.h"

#define PS_VERSION "0.1.0"

#define PS_COMMAND(name, summary) ps_status ps_cmd_##name(int argc, char **argv);
#include "cli/command_list.def"
#undef PS_COMMAND

#endif
