#include <stdio.h>
#include <string.h>

#include "analysis/explain.h"
#include "analysis/findings/finding_write.h"
#include "cli/command_line.h"
#include "cli/commands.h"

static const char *arm, *seed;
static bool causes;

static const ps_option options[] = {
    PS_TEXT("arm", arm, "NAME", NULL, "of a node: the runs of this arm"),
    PS_TEXT("seed", seed, "N", NULL, "of a node: the run of this seed"),
    PS_FLAG("causes", causes, "list what the conditions and causes of nodes mean instead"),
    {0},
};

const ps_command ps_command_explain = {
    .name = "explain",
    .usage = "DIR [PREDICTION] | DIR|RUN LAYER:CHANNEL | RUN FINDING | --causes",
    .summary =
        "Shows where a prediction's verdict in DIR comes from: statistic, the seeds' values, the table rows, and the "
        "trace rows they were\n"
        "counted from. Without a prediction, lists them. Of a node (LAYER:CHANNEL), of a run or of the runs of a "
        "comparison, it tells the story:\n"
        "what it was at each probe and why, with evidence, what moved it, and its values at the last one. Of a finding "
        "of a run (its id, as\n"
        "`poolscope diagnose` prints it) it shows the rows of the trace it rests on.",
    .examples =
        "  poolscope explain runs/quickstart\n"
        "  poolscope explain runs/quickstart P1\n"
        "  poolscope explain runs/quickstart stage1.0.conv:3 --arm ps2 --seed 1\n"
        "  poolscope explain runs/a stage1.0.conv:3\n"
        "  poolscope explain runs/a dead_layer\n",
    .options = options,
    .max_positional = 2,
};

ps_status ps_cmd_explain(int argc, char **argv) {
    ps_arguments arguments;
    PS_TRY(ps_command_parse(&ps_command_explain, argc, argv, &arguments));
    const char *directory = arguments.positional[0], *what = arguments.positional[1];
    if (causes) {
        if (directory != NULL) return ps_fail(PS_ERR_USAGE, "explain: --causes is about no run; leave out the rest");
        ps_explain_causes(stdout);
        return PS_OK;
    }
    if (directory == NULL)
        return ps_fail(PS_ERR_USAGE, "explain: something is missing; usage: poolscope explain %s",
                       ps_command_explain.usage);
    if (what != NULL && strchr(what, ':') != NULL)
        return ps_explain_node_story(&(ps_explain_node){directory, what, arm, seed}, stdout);
    if (arm != NULL || seed != NULL)
        return ps_fail(PS_ERR_USAGE,
                       "explain: --arm and --seed choose runs for a node (LAYER:CHANNEL); leave them out");
    if (what != NULL && ps_finding_rule_named(what) != NULL) return ps_finding_explain(directory, what, stdout);
    return ps_explain(directory, what, stdout);
}
