/* S1: fewer nodes are saturated than in the baseline, by {points}, on average over time and at the end. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_s1 = {
    .id = "S1",
    .title = "fewer nodes are saturated than in the baseline, by {points}, on average over time and at the end",
    .statement =
        "The counterpart of the claim that fewer nodes are dead, for networks none of whose nodes can be exactly "
        "dead: the share of nodes that are saturated is lower with Pool Skip than in the baseline by at least "
        "{points in words}, averaged over the probes and at the last of them. (Saturated: the gate is flat "
        "at every output on the probe set. Fixed before any such network was run.)",
    .population = "private nodes whose gates cannot be exactly dead, all probes; last probe",
    .statistic = "paired difference of the saturated share (time average; end)",
    .claim_of = "poolscope, to ask the paper's claim where nothing can be exactly dead",
    .supports = "below {margin 1} and below {margin 2}",
    .refutes = "one of them above",
    .greater = false,
    .any_start = true,
    .rests = PS_RESTS_WINDOWS,
    .needs = "saturated",
    .tables = "saturation",
    PS_PREDICTION_PARTS({"saturated_mean", PS_ARM_MODULE, PS_ARM_BASELINE, .margin = -0.005, .unit = PS_UNIT_SHARE},
                        {"saturated_end", PS_ARM_MODULE, PS_ARM_BASELINE, .margin = -0.005, .unit = PS_UNIT_SHARE}),
};
