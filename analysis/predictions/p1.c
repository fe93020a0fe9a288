/* P1: Pool Skip brings dead nodes {percent} of the gradient of alive ones. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_p1 = {
    .id = "P1",
    .title = "Pool Skip brings dead nodes {percent} of the gradient of alive ones",
    .statement =
        "With Pool Skip the gradient of nodes that begin a window dead reaches {percent} of the median of "
        "their layer's alive nodes. (That all of it comes by the pool path is an identity, checked apart.)",
    .population = "Pool Skip arm: private nodes dead at the start of a window, whether they reopen in it or not",
    .statistic = "median of grad_norm_rms over the layer's alive median",
    .fixed = {{"near_dead_from_zeros_share", PS_FIXED_NEAR_DEAD}},
    .claim_of = "poolscope, to test how the paper says Pool Skip works",
    .greater = true,
    .level = true,
    .rests = PS_RESTS_DEATH | PS_RESTS_WINDOWS | PS_RESTS_STAYING | PS_RESTS_NEAR,
    .needs = "nonzero grad_norm_rms",
    .tables = "grad_dead",
    PS_PREDICTION_PARTS({"dead_gradient_ratio", PS_ARM_MODULE, PS_ARM_MODULE, .margin = 0.01}),
};
