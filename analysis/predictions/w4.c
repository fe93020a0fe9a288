/* W4: sparse layers die afterwards, by {size} in rank correlation. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_w4 = {
    .id = "W4",
    .title = "sparse layers die afterwards, by {size} in rank correlation",
    .statement =
        "Within a layer, a rise of l2/l1 of its weights between two probes goes with deaths between the next "
        "two more than with deaths between the two before, by {size} in rank correlation, after effects of "
        "interval and of layer and a line in time per layer are taken out of both by least squares.",
    .population =
        "baseline: private layers with deaths (2 at least), over the intervals between their probes (6 at "
        "least)",
    .statistic =
        "rank cross-correlation of the change of log l2/l1 with the share of nodes that die, one interval "
        "ahead less one behind, mean over layers",
    .fixed = {{"least_layers", PS_FIXED_LEAD_LAYERS}, {"least_intervals", PS_FIXED_LEAD_INTERVALS}},
    .absent = "has deaths in fewer than 2 layers with 6 intervals between probes",
    .claim_of = "poolscope, to test the Weight Inertia hypothesis of the paper",
    .greater = true,
    .rests = PS_RESTS_DEATH | PS_RESTS_WINDOWS,
    .needs = "nonzero weight_l1 weight_l2",
    .tables = "l2l1 flow",
    PS_PREDICTION_PARTS({"sparsity_lead", PS_ARM_BASELINE, PS_ARM_BASELINE, .margin = 0.1}),
};
