/* P6: accuracy is not lower. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_p6 = {
    .id = "P6",
    .title = "accuracy is not lower",
    .statement = "Test accuracy with Pool Skip is not lower by {points in words} or more.",
    .population = "test split, end of the run",
    .statistic = "paired difference of test accuracy",
    .absent = "has no measured test accuracy",
    .test = "sign-flip over seeds",
    .greater = true,
    .divergence_decides = true,
    .rests = 0,
    .needs = "",
    .tables = "runs pairs eval",
    PS_PREDICTION_PARTS({"test_accuracy", PS_ARM_MODULE, PS_ARM_BASELINE, .margin = -0.01}),
};
