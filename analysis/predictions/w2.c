/* W2: dead nodes stay longer than near-dead ones. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_w2 = {
    .id = "W2",
    .title = "dead nodes stay longer than near-dead ones",
    .statement =
        "Per window, dead nodes move towards life less often than near-dead nodes of the same layer, by at "
        "least {points}.",
    .population = "baseline: private nodes, layers that hold dead and near-dead nodes at one probe",
    .statistic =
        "difference of the shares that leave towards life (dead less near-dead), Mantel-Haenszel over layers "
        "and probes",
    .fixed = {{"near_dead_from_zeros_share", PS_FIXED_NEAR_DEAD}},
    .test = "sign-flip over seeds",
    .greater = false,
    .rests = PS_RESTS_DEATH | PS_RESTS_WINDOWS | PS_RESTS_NEAR,
    .needs = "nonzero",
    .tables = "transitions flow",
    PS_PREDICTION_PARTS({"leave_difference", PS_ARM_BASELINE, PS_ARM_BASELINE, .margin = -0.02}),
};
