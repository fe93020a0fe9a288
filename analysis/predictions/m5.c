/* M5: it gains less than {points} where nothing can die. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_m5 = {
    .id = "M5",
    .title = "it gains less than {points} where nothing can die",
    .statement =
        "Negative control: with LeakyReLU, where there is nothing to free, Pool Skip {raises} test {measure} by "
        "less than {points in words}. (A gain there is not a gain by freeing dead nodes.)",
    .population = "test split, end of the run",
    .statistic = "paired difference of test {measure}",
    .absent = "has no measured test {measure}",
    .claim_of = "poolscope: a control that the paper lacks",
    .greater = false,
    .rests = 0,
    .needs = "",
    .tables = "runs pairs eval",
    PS_PREDICTION_PARTS({PS_TEST_MEASURE, PS_ARM_LEAKY_MODULE, PS_ARM_LEAKY, .margin = 0.01, .unit = PS_UNIT_SHARE}),
};
