#include <stdio.h>

#include "analysis/explain.h"
#include "cli/command_line.h"
#include "cli/commands.h"

const ps_command ps_command_explain = {
    .name = "explain",
    .usage = "DIR [PREDICTION]",
    .summary =
        "Shows where a prediction's verdict in DIR comes from: statistic, the seeds' values, the table rows, and the "
        "trace rows they were\n"
        "counted from. Without a prediction, lists them.",
    .examples = "  poolscope explain runs/quickstart\n  poolscope explain runs/quickstart P1\n",
    .min_positional = 1,
    .max_positional = 2,
};

ps_status ps_cmd_explain(int argc, char **argv) {
    ps_arguments arguments;
    PS_TRY(ps_command_parse(&ps_command_explain, argc, argv, &arguments));
    return arguments.help ? PS_OK : ps_explain(arguments.positional[0], arguments.positional[1], stdout);
}
