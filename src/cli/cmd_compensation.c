#include "cli/commands.h"
#include "cli/measure_command.h"

const ps_command ps_command_compensation = {
    .name = "compensation",
    .usage = PS_SUBJECT_USAGE " [--batches N] [--out DIR]",
    .summary =
        "Takes apart what every Pool Skip of a checkpoint adds, on its probe set (statistics of the "
        "batch, no dropout): energies and cross terms of\n"
        "affine compensation (inputs inside the receptive field of the output position), dimensional "
        "compensation (outside it) and bias, each from the\n"
        "same channel and from others; how the non-positive region changes (signs after the "
        "normalisation behind the module of o against those of y, with\n"
        "o's statistics and with y's own); and the gradient that reaches the convolution, split into "
        "identity and pool path, for dead and living channels.\n"
        "Exit status 1 when the parts do not add up to the whole (relative error above 1e-5).",
    .examples = "  poolscope compensation runs/a --out runs/a\n",
    .options = ps_compensation_options,
    .min_positional = 1,
    .max_positional = 1,
    .common = ps_measure_common_options,
    .run_options = PS_SUBJECT_OPTIONS,
};

ps_status ps_cmd_compensation(int argc, char **argv) {
    return ps_measure_command(&ps_command_compensation, &ps_measurement_compensation, argc, argv);
}
