/* M3: it does more than drawing dead nodes anew, by {points} of the dead share. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_m3 = {
    .id = "M3",
    .title = "it does more than drawing dead nodes anew, by {points} of the dead share",
    .statement =
        "At the end the dead share is lower with Pool Skip than where dead nodes were re-initialised along "
        "the way, by at least {points in words}.",
    .population = "private nodes, last probe",
    .statistic = "paired difference of the dead share at the end",
    .claim_of = "poolscope: a control that the paper lacks",
    .greater = false,
    .rests = PS_RESTS_DEATH,
    .needs = "nonzero",
    .tables = "runs dead_time",
    PS_PREDICTION_PARTS({"dead_end", PS_ARM_MODULE, PS_ARM_REINIT, .margin = -0.005, .unit = PS_UNIT_SHARE}),
};
