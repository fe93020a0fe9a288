/* How each prediction's verdict depends on the rules: judged again under every variation, one row each, and a
 * sentence. */
#ifndef PS_ANALYSIS_SENSITIVITY_H
#define PS_ANALYSIS_SENSITIVITY_H

#include "analysis/predictions/predictions.h"
#include "analysis/variation.h"

typedef struct {
    const ps_variation *variation;
    bool affected;      /* false: the prediction does not rest on what is varied; the numbers are ps_absent() then */
    ps_verdict verdict; /* of a judged prediction; NOT_JUDGED of another, which has a side of its margin alone */
    double beyond;      /* 1 or 0: the median lies beyond the margin in the predicted direction, of the deciding part */
    int n;
    double estimate, low, high;
    char note[PS_SENTENCE]; /* why it is not testable, or not affected; "" */
} ps_sensitivity_row;

typedef struct {
    const ps_prediction *prediction;
    ps_sensitivity_row primary; /* under the primary rules; variation NULL */
    int count;
    ps_sensitivity_row rows[PS_MOST_VARIATIONS];
    char sentence[1024];
} ps_sensitivity;

/* out has room for every question; primary holds their results under the primary rules. */
ps_status ps_sensitivity_judge(const ps_arms *arms, const ps_questions *questions, bool faulty,
                               const ps_prediction_result *primary, ps_sensitivity *out);
/* "not_affected"; the verdict's name; of one that is not judged "beyond_margin" or "short_of_margin". */
const char *ps_sensitivity_verdict_name(const ps_sensitivity_row *row);
/* 1 or 0: what the row says is what the primary rules say, or not; ps_absent() where the variation says nothing. */
double ps_sensitivity_same(const ps_sensitivity *sensitivity, const ps_sensitivity_row *row);

#endif
