/* W1: dead nodes get no gradient. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_w1 = {
    .id = "W1",
    .title = "dead nodes get no gradient",
    .statement =
        "Among nodes that are dead on the probe set the share of training steps with a non-zero gradient is "
        "below {percent}.",
    .population = "baseline: private nodes dead at the probe before a window, all windows",
    .statistic = "share of steps with a non-zero gradient",
    .test = "sign-flip over seeds",
    .supports = "below {percent} in every part of the interval",
    .refutes = "at least {percent} in every part of the interval",
    .greater = false,
    .rests = PS_RESTS_DEATH | PS_RESTS_WINDOWS,
    .needs = "nonzero grad_zero_steps",
    .tables = "grad_dead",
    PS_PREDICTION_PARTS({"dead_gradient_steps", PS_ARM_BASELINE, PS_ARM_BASELINE, .margin = 0.05}),
};
