#include <stdio.h>

#include "cli/command_line.h"
#include "cli/commands.h"
#include "cli/help.h"

static bool man;
static const char *completion;

static const ps_option options[] = {
    PS_FLAG("man", man, "print the manual page (roff) instead"),
    PS_TEXT("completion", completion, "SHELL", NULL, "print the completion for bash, zsh or fish instead"),
    {0},
};

const ps_command ps_command_help = {
    .name = "help",
    .usage = "[COMMAND] [--man] | --completion SHELL",
    .summary =
        "Explains a command, or lists them. Manual pages and completions come from the same tables; `make install` "
        "puts "
        "them where\n"
        "man and the shells look.",
    .examples =
        "  poolscope help train\n"
        "  poolscope help train --man | man -l -\n"
        "  poolscope help --completion bash > ~/.local/share/bash-completion/completions/poolscope\n",
    .options = options,
    .max_positional = 1,
};

ps_status ps_cmd_help(int argc, char **argv) {
    ps_arguments arguments;
    const ps_command_entry *entry = NULL;
    PS_TRY(ps_command_parse(&ps_command_help, argc, argv, &arguments));
    if (completion != NULL && (man || arguments.positional_count > 0))
        return ps_fail(PS_ERR_USAGE, "help: --completion is of the whole program; leave out --man and the command");
    if (completion != NULL) return ps_help_print_completion(completion, stdout);
    if (arguments.positional_count > 0) PS_TRY(ps_command_find(arguments.positional[0], &entry));
    if (man) return ps_help_print_man(entry != NULL ? entry->command : NULL, stdout);
    return entry != NULL ? ps_help_print_command(entry->command, stdout) : ps_help_print_commands(stdout);
}
