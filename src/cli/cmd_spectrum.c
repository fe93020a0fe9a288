#include "cli/commands.h"
#include "cli/measure_command.h"

const ps_command ps_command_spectrum = {
    .name = "spectrum",
    .usage = PS_SUBJECT_USAGE " [--probes N] [--steps N] [--out DIR]",
    .summary =
        "Spectrum of the loss's Hessian at a checkpoint: largest and smallest eigenvalues, trace, "
        "density (stochastic Lanczos quadrature), the share of\n"
        "the spectrum with |lambda| <= eps max |lambda|, swept over eps, steps and probes, and how the "
        "Hessian acts on the weights of dead and of alive\n"
        "nodes (||H P z|| / ||P z|| for random z): one Lanczos vector cannot span a degenerate null "
        "space, so this ties dead nodes to it. Most\n"
        "networks have directions without curvature anyway: --against shows what one has more of them "
        "than another, for example the network with\n"
        "planted dead nodes against the same without. Incoming weights are counted; what others read "
        "from a dead node has no curvature either.\n"
        "The decay term is left out; gates and maxima count as fixed, as in PyTorch's double backward.",
    .examples = "  poolscope spectrum runs/a --out runs/a\n",
    .options = ps_spectrum_options,
    .min_positional = 1,
    .max_positional = 1,
    .common = ps_measure_common_options,
    .run_options = PS_SUBJECT_OPTIONS,
};

ps_status ps_cmd_spectrum(int argc, char **argv) {
    return ps_measure_command(&ps_command_spectrum, &ps_measurement_spectrum, argc, argv);
}
