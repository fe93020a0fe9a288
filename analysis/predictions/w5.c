/* W5: near-dead nodes slow down more, by {size} decades. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_w5 = {
    .id = "W5",
    .title = "near-dead nodes slow down more, by {size} decades",
    .statement =
        "Update path length over the sum of learning rates falls over time by at least {size} decades more "
        "for near-dead than for alive nodes.",
    .population = "baseline: private layers that hold near-dead and alive nodes early and late",
    .statistic =
        "late less early, near-dead less alive, of log10(path / (weights x sum of learning rates)), mean "
        "over layers",
    .fixed = {{"early_and_late_windows_share", 1.0 / PS_FIXED_PARTS},
              {"near_dead_from_zeros_share", PS_FIXED_NEAR_DEAD}},
    .claim_of = "poolscope, to test the Weight Inertia hypothesis of the paper",
    .greater = false,
    .rests = PS_RESTS_DEATH | PS_RESTS_WINDOWS | PS_RESTS_NEAR,
    .needs = "nonzero path weight_start_l2",
    .tables = "inertia_time",
    PS_PREDICTION_PARTS({"near_dead_slowing", PS_ARM_BASELINE, PS_ARM_BASELINE, .margin = -0.1}),
};
