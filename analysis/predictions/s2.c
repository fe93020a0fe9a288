/* S2: saturated nodes get a hundredth of their layer's gradient in less than {percent} of the windows. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_s2 = {
    .id = "S2",
    .title = "saturated nodes get a hundredth of their layer's gradient in less than {percent} of the windows",
    .statement =
        "The counterpart of the claim that dead nodes get hardly any gradient, for networks none of whose nodes can "
        "be exactly dead: among nodes that begin a window saturated, the share whose gradient in it reaches a "
        "hundredth of the median of their layer's other nodes is below {percent}. (Their gradient is small, not "
        "nothing. Fixed before any such network was run.)",
    .population = "baseline: private nodes saturated at the probe before a window, all windows",
    .statistic = "share of node-windows whose gradient norm reaches a hundredth of the median of the layer's others",
    .fixed = {{"saturated_gradient_of_median", PS_FIXED_SATURATED_GRADIENT}},
    .claim_of = "poolscope, to test the Weight Inertia hypothesis of the paper where nothing can be exactly dead",
    .greater = false,
    .level = true,
    .rests = PS_RESTS_WINDOWS,
    .needs = "saturated grad_norm_rms",
    .tables = "saturation",
    PS_PREDICTION_PARTS(
        {"saturated_gradient_share", PS_ARM_BASELINE, PS_ARM_BASELINE, .margin = 0.05, .unit = PS_UNIT_SHARE}),
};
