/* The predictions in their order, and the words of verdicts. */
#include "analysis/predictions/predictions_internal.h"

#include "analysis/variation.h"

static const ps_prediction *const list[] = {
#define PS_PREDICTION(x) &ps_prediction_##x,
#include "analysis/predictions/prediction_list.def"
#undef PS_PREDICTION
};
enum { PREDICTIONS = sizeof list / sizeof *list };
_Static_assert((int)PREDICTIONS <= (int)PS_MOST_PREDICTIONS, "room for every prediction");

const ps_prediction *const *ps_predictions(int *count) {
    *count = PREDICTIONS;
    return list;
}

const char *ps_verdict_name(ps_verdict verdict) {
    static const char *const names[] = {
#define VERDICT(name, word, words) word,
        PS_VERDICTS(VERDICT)
#undef VERDICT
    };
    return names[verdict];
}

const char *ps_verdict_words(ps_verdict verdict) {
    static const char *const names[] = {
#define VERDICT(name, word, words) words,
        PS_VERDICTS(VERDICT)
#undef VERDICT
    };
    return names[verdict];
}

bool ps_prediction_affected(const ps_prediction *prediction, int variation) {
    int count;
    return variation == PS_PRIMARY ||
           (prediction->rests & ps_variation_touches(&ps_variations(&count)[variation])) != 0;
}
