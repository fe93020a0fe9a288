/* W3: deaths upstream are followed by inertia downstream, {points} more often than else. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_w3 = {
    .id = "W3",
    .title = "deaths upstream are followed by inertia downstream, {points} more often than else",
    .statement =
        "After a window with new deaths in the layers it reads, a layer's moving nodes turn inert within two "
        "windows more often, by at least {points}, than its own level and the layers of its stage after the "
        "same window let expect.",
    .population =
        "baseline: private nodes that move in a window and are not dead at its end, layers with recorded "
        "inputs, stages with several of them",
    .statistic =
        "difference of the shares that turn inert within two windows, after deaths upstream less otherwise, "
        "by least squares with effects of layer and of window and stage",
    .fixed = {{"windows_ahead", PS_FIXED_AHEAD}, {"inert_below", PS_FIXED_INERT}},
    .claim_of = "poolscope, to test the Weight Inertia hypothesis of the paper",
    .greater = true,
    .rests = PS_RESTS_DEATH | PS_RESTS_MOBILITY | PS_RESTS_WINDOWS,
    .needs = "nonzero path_gradient weight_start_l2",
    .tables = "transitions inertia_time flow",
    PS_PREDICTION_PARTS(
        {"cascade_difference", PS_ARM_BASELINE, PS_ARM_BASELINE, .margin = 0.01, .unit = PS_UNIT_SHARE}),
};
