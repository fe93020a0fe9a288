/* W1: dead nodes get gradient in less than {percent} of the steps. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_w1 = {
    .id = "W1",
    .title = "dead nodes get gradient in less than {percent} of the steps",
    .statement =
        "Among nodes that are dead on the probe set at both ends of a window the share of training steps with a "
        "non-zero gradient is "
        "below {percent}.",
    .population = "baseline: private nodes dead at the probes before and after a window, all windows",
    .statistic = "share of steps with a non-zero gradient",
    .claim_of = "poolscope, to test the Weight Inertia hypothesis of the paper",
    .supports = "below {percent}",
    .refutes = "at least {percent}",
    .greater = false,
    .level = true,
    .rests = PS_RESTS_DEATH | PS_RESTS_WINDOWS | PS_RESTS_LEAVING,
    .needs = "nonzero grad_zero_steps",
    .tables = "grad_dead",
    PS_PREDICTION_PARTS(
        {"dead_gradient_steps", PS_ARM_BASELINE, PS_ARM_BASELINE, .margin = 0.05, .unit = PS_UNIT_SHARE}),
};
