/* S4: incoming weights of saturated nodes move in more than {share} of the windows. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_s4 = {
    .id = "S4",
    .title = "incoming weights of saturated nodes move in more than {share} of the windows",
    .statement =
        "The counterpart of the claim that incoming weights of dead nodes move, for networks none of whose nodes can "
        "be exactly dead: with Pool Skip the incoming weights of saturated nodes move by their gradient in more than "
        "{share} of the windows they begin saturated. (Fixed before any such network was run.)",
    .population = "Pool Skip arm: private nodes saturated at the probe before a window, all windows",
    .statistic = "share of node-windows in which the incoming weights move",
    .fixed = {{"inert_below", PS_FIXED_INERT}},
    .claim_of = "poolscope, to test how the paper says Pool Skip works where nothing can be exactly dead",
    .greater = true,
    .level = true,
    .rests = PS_RESTS_MOBILITY | PS_RESTS_WINDOWS,
    .needs = "saturated path_gradient weight_start_l2",
    .tables = "saturation",
    PS_PREDICTION_PARTS({"saturated_moving_share", PS_ARM_MODULE, PS_ARM_MODULE, .margin = 0.5, .unit = PS_UNIT_SHARE}),
};
