/* P6: what the task measures is not worse. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_p6 = {
    .id = "P6",
    .title = "{measure} is not {lower}",
    .statement = "Test {measure} with Pool Skip is not {lower} by {points in words} or more.",
    .population = "test split, end of the run",
    .statistic = "paired difference of test {measure}",
    .absent = "has no measured test {measure}",
    .test = "sign-flip over seeds",
    .greater = true,
    .divergence_decides = true,
    .rests = 0,
    .needs = "",
    .tables = "runs pairs eval",
    PS_PREDICTION_PARTS({PS_TEST_MEASURE, PS_ARM_MODULE, PS_ARM_BASELINE, .margin = -0.01}),
};
