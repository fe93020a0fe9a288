/* C3: the largest l2/l1 of a layer is lower, at most {factor} times the baseline's. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_c3 = {
    .id = "C3",
    .title = "the largest l2/l1 of a layer is lower, at most {factor} times the baseline's",
    .statement =
        "At the end the largest l2/l1 of the weights of a layer is with Pool Skip at most {factor} times that of the "
        "baseline. (What the paper's figure shows of its deep networks: 0.35 to 0.1, 0.7 to 0.1, 1 to 0.15 and, the "
        "least of the four, 0.4 to 0.15.)",
    .population = "layers with a gate of their own, last probe",
    .statistic = "paired difference of the log of the largest l2/l1 over the layers",
    .claim_of = "the paper (figure of l2/l1 by layer)",
    .greater = false,
    .rests = 0,
    .needs = "weight_l1 weight_l2",
    .tables = "runs pairs l2l1",
    PS_PREDICTION_PARTS(
        {"l2l1_largest_log", PS_ARM_MODULE, PS_ARM_BASELINE, .margin = -0.9808, .unit = PS_UNIT_LOG_RATIO}),
};
