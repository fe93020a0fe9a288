/* C1: fewer nodes are dead than in the baseline, by {points}, on average over time and at the end. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_c1 = {
    .id = "C1",
    .title = "fewer nodes are dead than in the baseline, by {points}, on average over time and at the end",
    .statement =
        "The dead share is lower with Pool Skip than in the baseline by at least {points in words}, averaged over the "
        "probes and at the last of them. (What the modules do to the function before the first step is part of it: "
        "hazards of reopening and dying are asked of nodes that were dead, or alive, when both arms still computed one "
        "function.)",
    .population = "private nodes, all probes; last probe",
    .statistic = "paired difference of the dead share (time average; end)",
    .claim_of = "the paper (its abstract: Pool Skip frees eliminated nodes); no margin is given there",
    .supports = "below {margin 1} and below {margin 2}",
    .refutes = "one of them above",
    .greater = false,
    .any_start = true,
    .rests = PS_RESTS_DEATH | PS_RESTS_WINDOWS,
    .needs = "nonzero",
    .tables = "runs pairs dead_time",
    PS_PREDICTION_PARTS({"dead_mean", PS_ARM_MODULE, PS_ARM_BASELINE, .margin = -0.005, .unit = PS_UNIT_SHARE},
                        {"dead_end", PS_ARM_MODULE, PS_ARM_BASELINE, .margin = -0.005, .unit = PS_UNIT_SHARE}),
};
