/* P8: e = 2 acts more strongly than e = 4, by {points} of the dead share. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_p8 = {
    .id = "P8",
    .title = "e = 2 acts more strongly than e = 4, by {points} of the dead share",
    .statement = "The time-averaged dead share is lower with e = 2 than with e = 4, by at least {points in words}.",
    .population =
        "private nodes, all probes (the time average is the plain mean over probes, whatever lies between "
        "them), both arms in equal states at the first one (a fork with zero-initialised modules) and "
        "probed at the same steps",
    .statistic = "paired difference of the time-averaged dead share",
    .claim_of = "poolscope, from the pool sizes that the paper chose",
    .greater = false,
    .rests = PS_RESTS_DEATH | PS_RESTS_WINDOWS,
    .needs = "nonzero",
    .tables = "runs dead_time",
    PS_PREDICTION_PARTS({"dead_mean", PS_ARM_MODULE, PS_ARM_MODULE, .arm_size = 2, .against_size = 4, .margin = -0.005,
                         .unit = PS_UNIT_SHARE}),
};
