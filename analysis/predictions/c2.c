/* C2: {measure} is {better}, by {points}. */
#include "analysis/predictions/prediction.h"

const ps_prediction ps_prediction_c2 = {
    .id = "C2",
    .title = "{measure} is {better}, by {points}",
    .statement =
        "Pool Skip {raises} test {measure} by more than {points in words}. (Of the ten gains of top-1 error that the "
        "paper reports for convolutional networks the middle two are 0.50 and 0.59 points; its four gains of mean IoU "
        "with DeepLabv3+ are 0.16 to 0.53 points, its four of mean Dice in volumes 0.03 to 2.87.)",
    .population = "test split, end of the run",
    .statistic = "paired difference of test {measure}",
    .absent = "has no measured test {measure}",
    .claim_of = "the paper (its tables of results)",
    .greater = true,
    .divergence_decides = true,
    .rests = 0,
    .needs = "",
    .tables = "runs pairs eval",
    PS_PREDICTION_PARTS({PS_TEST_MEASURE, PS_ARM_MODULE, PS_ARM_BASELINE, .margin = 0.005, .unit = PS_UNIT_SHARE}),
};
