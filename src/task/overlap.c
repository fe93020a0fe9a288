#include "task/overlap.h"

#include <math.h>

void ps_confusion_add(uint64_t *count, int classes, const int16_t *truth, const int16_t *predicted, size_t positions) {
    for (size_t i = 0; i < positions; i++)
        if (truth[i] >= 0 && truth[i] < classes) count[(size_t)truth[i] * (size_t)classes + (size_t)predicted[i]]++;
}

void ps_confusion_sum(uint64_t *count, int classes, const uint64_t *more) {
    for (size_t i = 0; i < (size_t)classes * (size_t)classes; i++) count[i] += more[i];
}

double ps_confusion_right(const uint64_t *count, int classes) {
    uint64_t right = 0, all = 0;
    for (size_t i = 0; i < (size_t)classes; i++) {
        right += count[i * (size_t)classes + i];
        for (size_t k = 0; k < (size_t)classes; k++) all += count[i * (size_t)classes + k];
    }
    return all > 0 ? (double)right / (double)all : (double)NAN;
}

typedef struct {
    double both, truth, predicted;
} overlap;

static overlap overlap_of(const uint64_t *count, int classes, int k) {
    size_t c = (size_t)classes, own = (size_t)k;
    overlap o = {.both = (double)count[own * c + own]};
    for (size_t i = 0; i < c; i++) {
        o.truth += (double)count[own * c + i];
        o.predicted += (double)count[i * c + own];
    }
    return o;
}

double ps_confusion_iou(const uint64_t *count, int classes, int k) {
    overlap o = overlap_of(count, classes, k);
    double either = o.truth + o.predicted - o.both;
    return either > 0 ? o.both / either : (double)NAN;
}

double ps_confusion_dice(const uint64_t *count, int classes, int k) {
    overlap o = overlap_of(count, classes, k);
    double all = o.truth + o.predicted;
    return all > 0 ? 2 * o.both / all : (double)NAN;
}

double ps_mean_of_numbers(const double *values, size_t count) {
    double sum = 0;
    size_t numbers = 0;
    for (size_t i = 0; i < count; i++) {
        if (isnan(values[i])) continue;
        sum += values[i];
        numbers++;
    }
    return numbers > 0 ? sum / (double)numbers : (double)NAN;
}
