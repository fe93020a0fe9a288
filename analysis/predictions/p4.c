/* P4: incoming weights of dead nodes move (in {share 1} of windows), outgoing ones after reopening. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_p4 = {
    .id = "P4",
    .title = "incoming weights of dead nodes move (in {share 1} of windows), outgoing ones after reopening",
    .statement =
        "With Pool Skip the incoming weights of dead nodes move by their gradient in more than {share 1} of "
        "the windows they begin dead. Their outgoing weights do not move by gradient in more than {share 2} "
        "of the windows in which they stay dead on the probe set (where the gate is shut on the training "
        "batches that is an identity; there it may fire), and do in more than {share 3} of the windows that "
        "follow a reopening. (The threshold is one, the measures are two: incoming weights by the length of "
        "the path their gradient makes them go in the window, outgoing ones by their net displacement by it, "
        "which is at most that length. Outgoing weights therefore pass for still more easily, and for moving "
        "less easily, than incoming ones.)",
    .population =
        "Pool Skip arm: private nodes dead at the start of a window (incoming), at both of its ends "
        "(outgoing), nodes that reopened at a window's start and are open at its end (outgoing after "
        "reopening)",
    .statistic =
        "share of node-windows in which the incoming weights move (part 1), the outgoing ones are still (2), "
        "the outgoing ones move after reopening (3)",
    .fixed = {{"inert_below", PS_FIXED_INERT}},
    .claim_of = "poolscope, to test how the paper says Pool Skip works",
    .supports = "above {margin 1}, above {margin 2} and above {margin 3}",
    .refutes = "one of them below",
    .greater = true,
    .level = true,
    .rests = PS_RESTS_DEATH | PS_RESTS_MOBILITY | PS_RESTS_WINDOWS | PS_RESTS_STAYING,
    .needs = "nonzero path_gradient weight_start_l2 out_net_gradient out_start_l2",
    .tables = "inertia_time inertia",
    PS_PREDICTION_PARTS(
        {"dead_moving_share", PS_ARM_MODULE, PS_ARM_MODULE, .margin = 0.5, .unit = PS_UNIT_SHARE},
        {"dead_outgoing_still", PS_ARM_MODULE, PS_ARM_MODULE, .margin = 0.95, .unit = PS_UNIT_SHARE},
        {"reopened_outgoing_moving", PS_ARM_MODULE, PS_ARM_MODULE, .margin = 0.5, .unit = PS_UNIT_SHARE}),
};
