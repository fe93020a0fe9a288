#include "cli/commands.h"

#include <string.h>

#include "core/text.h"

const ps_command_entry ps_commands[] = {
#define PS_COMMAND(id, name, summary) {name, summary, ps_cmd_##id, &ps_command_##id},
#include "cli/command_list.def"
#undef PS_COMMAND
    {0}};

ps_status ps_command_find(const char *name, const ps_command_entry **found) {
    const char *best = NULL;
    int best_distance = 4;
    for (*found = ps_commands; (*found)->name != NULL; ++*found) {
        if (strcmp(name, (*found)->name) == 0) return PS_OK;
        int distance = ps_text_distance(name, (*found)->name);
        if (distance >= best_distance) continue;
        best_distance = distance;
        best = (*found)->name;
    }
    if (best != NULL) return ps_fail(PS_ERR_USAGE, "unknown command \"%s\"; did you mean \"%s\"?", name, best);
    return ps_fail(PS_ERR_USAGE, "unknown command \"%s\"; `poolscope --help` lists the commands", name);
}
