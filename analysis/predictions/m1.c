/* M1: it acts through its gradient, by {points} of the dead share. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_m1 = {
    .id = "M1",
    .title = "it acts through its gradient, by {points} of the dead share",
    .statement =
        "The time-averaged dead share is lower with Pool Skip than with the same module that sends no "
        "gradient back, by at least {points in words}.",
    .population =
        "private nodes, all probes (the time average is the plain mean over probes, whatever lies between "
        "them), both arms in equal states at the first one (a fork with zero-initialised modules) and "
        "probed at the same steps",
    .statistic = "paired difference of the time-averaged dead share",
    .claim_of = "poolscope: a control that the paper lacks",
    .greater = false,
    .rests = PS_RESTS_DEATH | PS_RESTS_WINDOWS,
    .needs = "nonzero",
    .tables = "runs dead_time",
    PS_PREDICTION_PARTS({"dead_mean", PS_ARM_MODULE, PS_ARM_CUT_GRADIENT, .margin = -0.005, .unit = PS_UNIT_SHARE}),
};
