/* W2: dead nodes stay longer than near-dead ones, by {points} a window. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_w2 = {
    .id = "W2",
    .title = "dead nodes stay longer than near-dead ones, by {points} a window",
    .statement =
        "Per window, dead nodes move towards life less often than near-dead nodes of the same layer, by at "
        "least {points}.",
    .population = "baseline: private nodes, layers that hold dead and near-dead nodes at one probe",
    .statistic =
        "difference of the shares that leave towards life (dead less near-dead), Mantel-Haenszel over layers "
        "and probes",
    .fixed = {{"near_dead_from_zeros_share", PS_FIXED_NEAR_DEAD}},
    .claim_of = "poolscope, to test the Weight Inertia hypothesis of the paper",
    .greater = false,
    .rests = PS_RESTS_DEATH | PS_RESTS_WINDOWS | PS_RESTS_NEAR,
    .needs = "nonzero",
    .tables = "transitions flow",
    PS_PREDICTION_PARTS({"leave_difference", PS_ARM_BASELINE, PS_ARM_BASELINE, .margin = -0.02, .unit = PS_UNIT_SHARE}),
};
