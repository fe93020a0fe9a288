#include "kernels/pooling_simd.h"

#include <string.h>

/* A NaN takes over from anything, a number never from a NaN: the last NaN of a window wins, as in PyTorch. */
static inline bool takes_over(float value, float best) { return value > best || value != value; }

void PS_SIMD_NAME(ps_pool_max_tap)(const float *x, size_t c, int32_t place, bool first, float *best, int32_t *index) {
    if (first) {
        memcpy(best, x, c * sizeof *best);
        for (size_t k = 0; index != NULL && k < c; k++) index[k] = place;
        return;
    }
    if (index == NULL) {
#pragma GCC ivdep
        for (size_t k = 0; k < c; k++) best[k] = takes_over(x[k], best[k]) ? x[k] : best[k];
        return;
    }
#pragma GCC ivdep
    for (size_t k = 0; k < c; k++) {
        bool take = takes_over(x[k], best[k]);
        best[k] = take ? x[k] : best[k];
        index[k] = take ? place : index[k];
    }
}

void PS_SIMD_NAME(ps_pool_mean_strip)(const float *x, size_t count, size_t c, size_t c_used, float *mean) {
    enum { STRIP = 64 };
    double sum[STRIP] = {0};
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < c_used; k++) sum[k] += (double)x[i * c + k];
    for (size_t k = 0; k < c_used; k++) mean[k] = (float)(sum[k] / (double)count);
}
