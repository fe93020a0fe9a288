/* P9: shut nodes with more gradient reopen more often, by {points}. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_p9 = {
    .id = "P9",
    .title = "shut nodes with more gradient reopen more often, by {points}",
    .statement =
        "Under normalisation, dead nodes that every training batch of a window shut, and whose gradient was "
        "in the upper half of such nodes of their layer, are open after the next window more often than the "
        "others, by at least {points}. An association: who gets more gradient was not drawn by lot. (That a "
        "shut gate gives gamma and beta of the normalisation no gradient, so that they cannot be what "
        "reopens it, is not tested here: the instrument checks shut_gate_no_gamma_gradient and "
        "shut_gate_no_beta_gradient hold the trace to it, a run in which either fails is faulty, and one "
        "that has not recorded what they judge is left out.)",
    .population =
        "Pool Skip arm: private nodes behind a normalisation, dead on the probe set at both ends of a "
        "window and shut on every training batch of it",
    .statistic =
        "difference of the shares open at the end of the next window, upper less lower half, Mantel-Haenszel "
        "over layers and windows",
    .claim_of = "poolscope, to test how the paper says Pool Skip works",
    .greater = true,
    .rests = PS_RESTS_DEATH | PS_RESTS_WINDOWS,
    .needs = "nonzero grad_norm_rms shut_steps shut_gamma_grad_steps shut_beta_grad_steps",
    .tables = "grad_dead spells",
    PS_PREDICTION_PARTS({"gradient_reopening", PS_ARM_MODULE, PS_ARM_MODULE, .margin = 0.01, .unit = PS_UNIT_SHARE}),
};
