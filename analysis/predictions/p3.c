/* P3: fewer alive nodes die, at a hazard {change} lower. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_p3 = {
    .id = "P3",
    .title = "fewer alive nodes die, at a hazard {change} lower",
    .statement = "In the same design alive nodes die at a hazard at least {change} lower with Pool Skip.",
    .population =
        "private nodes alive at the first probe (neither dead nor near-dead), both arms in equal states "
        "there",
    .statistic = "log hazard ratio of the first death, from the score of the log-rank test stratified by layer",
    .fixed = {{"near_dead_from_zeros_share", PS_FIXED_NEAR_DEAD}},
    .claim_of = "poolscope, to test how the paper says Pool Skip works",
    .supports = "below {margin} (log {factor})",
    .greater = false,
    .rests = PS_RESTS_DEATH | PS_RESTS_WINDOWS | PS_RESTS_COHORT | PS_RESTS_NEAR,
    .needs = "nonzero",
    .tables = "spells flow",
    PS_PREDICTION_PARTS({"@dying", PS_ARM_MODULE, PS_ARM_BASELINE, .margin = -0.1054, .unit = PS_UNIT_LOG_RATIO}),
};
