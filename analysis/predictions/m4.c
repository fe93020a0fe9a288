/* M4: fewer than {percent} of nodes are dead with LeakyReLU. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_m4 = {
    .id = "M4",
    .title = "fewer than {percent} of nodes are dead with LeakyReLU",
    .statement =
        "Negative control: where the gate cannot shut, the time-averaged share of exactly dead nodes stays "
        "below {points in words}.",
    .population =
        "LeakyReLU arm: private nodes, all probes (the time average is the plain mean over probes, whatever "
        "lies between them)",
    .statistic = "time-averaged dead share",
    .claim_of = "poolscope: a control that the paper lacks",
    .greater = false,
    .level = true,
    .rests = PS_RESTS_DEATH | PS_RESTS_WINDOWS,
    .needs = "nonzero",
    .tables = "runs dead_time",
    PS_PREDICTION_PARTS({"dead_mean", PS_ARM_LEAKY, PS_ARM_LEAKY, .margin = 0.005, .unit = PS_UNIT_SHARE}),
};
