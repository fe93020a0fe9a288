/* S3: Pool Skip brings saturated nodes a hundredth of their layer's gradient in {share} of windows. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_s3 = {
    .id = "S3",
    .title = "Pool Skip brings saturated nodes a hundredth of their layer's gradient in {share} of windows",
    .statement =
        "The counterpart of the claim that Pool Skip brings dead nodes gradient, for networks none of whose nodes can "
        "be exactly dead: with Pool Skip the gradient of nodes that begin a window saturated reaches a hundredth of "
        "the median of their layer's other nodes in more than {share} of these windows. (Fixed before any such network "
        "was run.)",
    .population = "Pool Skip arm: private nodes saturated at the probe before a window, all windows",
    .statistic = "share of node-windows whose gradient norm reaches a hundredth of the median of the layer's others",
    .fixed = {{"saturated_gradient_of_median", PS_FIXED_SATURATED_GRADIENT}},
    .claim_of = "poolscope, to test how the paper says Pool Skip works where nothing can be exactly dead",
    .greater = true,
    .level = true,
    .rests = PS_RESTS_WINDOWS,
    .needs = "saturated grad_norm_rms",
    .tables = "saturation",
    PS_PREDICTION_PARTS(
        {"saturated_gradient_share", PS_ARM_MODULE, PS_ARM_MODULE, .margin = 0.5, .unit = PS_UNIT_SHARE}),
};
