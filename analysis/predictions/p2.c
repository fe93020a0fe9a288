/* P2: dead nodes reopen sooner, at a hazard {change} higher. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_p2 = {
    .id = "P2",
    .title = "dead nodes reopen sooner, at a hazard {change} higher",
    .statement =
        "In a cohort fixed where both arms still compute the same function, dead nodes reopen at a hazard at "
        "least {change} higher with Pool Skip.",
    .population =
        "private nodes dead at the first probe, both arms in equal states there (a fork with "
        "zero-initialised modules)",
    .statistic = "log hazard ratio of reopening, from the score of the log-rank test stratified by layer",
    .claim_of = "poolscope, to test how the paper says Pool Skip works",
    .supports = "above {margin} (log {factor})",
    .greater = true,
    .rests = PS_RESTS_DEATH | PS_RESTS_WINDOWS,
    .needs = "nonzero",
    .tables = "spells survival",
    PS_PREDICTION_PARTS({"@reopening", PS_ARM_MODULE, PS_ARM_BASELINE, .margin = 0.0953, .unit = PS_UNIT_LOG_RATIO}),
};
