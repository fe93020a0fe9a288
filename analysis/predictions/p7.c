/* P7: the maximum matters, by {points} of the dead share. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_p7 = {
    .id = "P7",
    .title = "the maximum matters, by {points} of the dead share",
    .statement =
        "Pool Skip lowers the time-averaged dead share below that of the grid mask, of the energy-matched "
        "grid mask and of conv+skip, each by at least {points in words}.",
    .population =
        "private nodes, all probes (the time average is the plain mean over probes, whatever lies between "
        "them), both arms in equal states at the first one (a fork with zero-initialised modules) and "
        "probed at the same steps",
    .statistic = "paired difference of the time-averaged dead share (largest p of the three contrasts)",
    .claim_of = "poolscope: a control that the paper lacks",
    .supports = "below {margin} in all three",
    .refutes = "above {margin} in one of them",
    .greater = false,
    .rests = PS_RESTS_DEATH | PS_RESTS_WINDOWS,
    .needs = "nonzero",
    .tables = "runs dead_time",
    PS_PREDICTION_PARTS({"dead_mean", PS_ARM_MODULE, PS_ARM_GRID, .margin = -0.005, .unit = PS_UNIT_SHARE},
                        {"dead_mean", PS_ARM_MODULE, PS_ARM_GRID_ENERGY, .margin = -0.005, .unit = PS_UNIT_SHARE},
                        {"dead_mean", PS_ARM_MODULE, PS_ARM_CONV_SKIP, .margin = -0.005, .unit = PS_UNIT_SHARE}),
};
