#include <stdio.h>

#include "analysis/plan.h"
#include "analysis/predictions/predictions.h"
#include "cli/command_line.h"
#include "cli/commands.h"
#include "run/experiment.h"

static const char *pilot_directory;
static double power = 0.8;

static const ps_option options[] = {
    PS_TEXT("pilot", pilot_directory, "DIR", NULL,
            "an experiment of 3 to 5 other seeds that was compared: its spread from seed to seed is used, never its "
            "effect"),
    PS_NUMBER("power", power, "P", "0.8", 0.05, 0.999, "wanted chance of showing the registered effect"),
    {0},
};

const ps_command ps_command_plan_seeds = {
    .name = "plan-seeds",
    .usage = "EXPERIMENT.json [--pilot DIR] [options]",
    .summary =
        "Says how many seeds the primary question of an experiment needs, by the exact sign test that will judge it, "
        "and "
        "what the seeds\n"
        "in the file can decide. The effect is the one that is registered (\"effect\" in the question), the spread its "
        "\"sd\" "
        "or a pilot's.\n"
        "Numbers of seeds on offer are 5, 8, 11, 13, 16, 18, 21, 23: between them power does not grow.",
    .examples =
        "  poolscope plan-seeds examples/quickstart/experiment.json\n"
        "  poolscope plan-seeds mine.json --pilot runs/pilot --power 0.9\n",
    .options = options,
    .min_positional = 1,
    .max_positional = 1,
};

static ps_status plan(const char *path, const ps_experiment *experiment) {
    ps_pilot pilot = {.seeds = 0};
    if (!experiment->registered)
        return ps_fail(
            PS_ERR_INPUT,
            "%s: registers no question to plan for; write \"primary\": \"P2\" into it, or a contrast of your "
            "own (`poolscope experiment --help`)",
            path);
    PS_TRY(ps_questions_check(&experiment->registration, path));
    if (pilot_directory != NULL) PS_TRY(ps_pilot_read(pilot_directory, &experiment->registration.primary, &pilot));
    PS_TRY(ps_pilot_check(&pilot, &experiment->registration));
    return ps_plan_print(&experiment->registration, &pilot, power, stdout);
}

ps_status ps_cmd_plan_seeds(int argc, char **argv) {
    ps_arguments arguments;
    ps_experiment experiment;
    PS_TRY(ps_command_parse(&ps_command_plan_seeds, argc, argv, &arguments));
    PS_TRY(ps_experiment_read(arguments.positional[0], ".", NULL, NULL, NULL, &experiment));
    ps_status status = plan(arguments.positional[0], &experiment);
    ps_experiment_clear(&experiment);
    return status;
}
