/* P5: l2/l1 falls by {percent 1} in shallow layers and does not rise by {percent 2} in late ones. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_p5 = {
    .id = "P5",
    .title = "l2/l1 falls by {percent 1} in shallow layers and does not rise by {percent 2} in late ones",
    .statement =
        "At the end l2/l1 of the weights is at least {percent 1} lower with Pool Skip in shallow layers, and "
        "less than {percent 2} higher in late ones.",
    .population = "private layers, last probe",
    .statistic = "paired difference of the mean log of l2/l1 over the layers (shallow; late)",
    .fixed = {{"shallow_and_late_layers_share", 1.0 / PS_FIXED_PARTS}},
    .claim_of = "the paper (figure of l2/l1 by layer), in poolscope's margins",
    .supports = "below {margin 1} in shallow and below {margin 2} in late layers",
    .refutes = "either is not so",
    .greater = false,
    .rests = 0,
    .needs = "weight_l1 weight_l2",
    .tables = "l2l1 l2l1_arm",
    PS_PREDICTION_PARTS(
        {"l2l1_shallow_log", PS_ARM_MODULE, PS_ARM_BASELINE, .margin = -0.02, .unit = PS_UNIT_LOG_RATIO},
        {"l2l1_late_log", PS_ARM_MODULE, PS_ARM_BASELINE, .margin = 0.02, .unit = PS_UNIT_LOG_RATIO}),
};
