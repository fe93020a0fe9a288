#include "cli/commands.h"
#include "cli/measure_command.h"

const ps_command ps_command_ranks = {
    .name = "ranks",
    .usage = PS_SUBJECT_USAGE " [--cosine X] [--residual X] [--out DIR]",
    .summary =
        "Overlap and linear dependence of a checkpoint's nodes, layer by layer: effective rank (exp of "
        "the entropy of the singular values' shares)\n"
        "and stable rank (sum of squares over the largest) of the incoming weights and of the gate's "
        "outputs on the probe set; saturation (share\n"
        "of channels that 99 % of the outputs' variance needs); pairs of nodes whose incoming weights "
        "point the same way (they overlap), and apart from\n"
        "them opposite pairs (behind a gate one is active where the other is shut); nodes whose "
        "incoming weights others combine to. The bias counts\n"
        "among the weights, unless a normalisation follows directly, which takes it out again and "
        "leaves only the direction. Nodes without incoming\n"
        "weights are passed over: `poolscope diagnose` lists them. Dependence is not tested where nodes "
        "are nearly as many as weights of each: there\n"
        "it is chance.",
    .examples = "  poolscope ranks runs/a --out runs/a\n",
    .options = ps_ranks_options,
    .min_positional = 1,
    .max_positional = 1,
    .common = ps_measure_common_options,
    .run_options = PS_SUBJECT_OPTIONS,
};

ps_status ps_cmd_ranks(int argc, char **argv) {
    return ps_measure_command(&ps_command_ranks, &ps_measurement_ranks, argc, argv);
}
