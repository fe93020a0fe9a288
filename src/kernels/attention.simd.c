#include "kernels/attention_simd.h"
#include "kernels/simd_exp.h"

INLINE vf larger_of(vf a, vf b) { return pick(a > b, a, b); }

/* The lanes one after the other. */
INLINE float sum_of(vf v) {
    float sum = 0;
    for (int i = 0; i < LANES; i++) sum += v[i];
    return sum;
}

INLINE float largest_of(const float *x, size_t count, float scale) {
    vf most = splat(-__builtin_inff()), factor = splat(scale);
    size_t j = 0;
    for (; j + LANES <= count; j += LANES) most = larger_of(load(x + j) * factor, most);
    float largest = -__builtin_inff();
    for (int i = 0; i < LANES; i++)
        if (most[i] > largest) largest = most[i];
    for (; j < count; j++)
        if (x[j] * scale > largest) largest = x[j] * scale;
    return largest;
}

/* x becomes exp(scale x - largest); returns the sum. A whole vector's sum at a time, so that long rows round little. */
INLINE float exponentials(float *x, size_t count, float scale, float largest) {
    vf sum = splat(0.0f), factor = splat(scale), most = splat(largest);
    size_t j = 0;
    for (; j + LANES <= count; j += LANES) {
        vf e = exp_of(load(x + j) * factor - most);
        store(x + j, e);
        sum += e;
    }
    if (j == count) return sum_of(sum);
    int rest = (int)(count - j);
    vf e = exp_of(load_part(x + j, rest) * factor - most);
    store_part(x + j, e, rest);
    return sum_of(sum + load_part(x + j, rest));
}

INLINE void scale_row(float *x, size_t count, float by) {
    for (size_t j = 0; j < count; j++) x[j] *= by;
}

void PS_SIMD_NAME(ps_attention_weigh)(float *scores, size_t rows, size_t columns, float scale, float *kept, int again) {
    for (size_t r = 0; r < rows; r++, scores += columns, kept += 2) {
        if (!again) kept[0] = largest_of(scores, columns, scale);
        float sum = exponentials(scores, columns, scale, kept[0]);
        if (!again) kept[1] = 1.0f / sum;
        scale_row(scores, columns, kept[1]);
    }
}

void PS_SIMD_NAME(ps_attention_multiply)(const float *factor, size_t count, float *weights) {
    for (size_t j = 0; j < count; j++) weights[j] *= factor[j];
}

void PS_SIMD_NAME(ps_attention_row_gradient)(float *weights, float *gradient, const float *factor, size_t count,
                                             float mean, float scale) {
    if (factor == NULL) {
        for (size_t j = 0; j < count; j++) gradient[j] = weights[j] * (gradient[j] - mean) * scale;
        return;
    }
    for (size_t j = 0; j < count; j++) {
        float p = weights[j], kept = p * factor[j];
        weights[j] = kept;
        gradient[j] = (kept * gradient[j] - p * mean) * scale;
    }
}

void PS_SIMD_NAME(ps_attention_below)(const float *scores, size_t count, float scale, float largest, float *below) {
    for (size_t j = 0; j < count; j++) below[j] = scores[j] * scale - largest;
}

double PS_SIMD_NAME(ps_attention_dot)(const float *a, const float *b, size_t count) {
    vf sum = splat(0.0f);
    size_t j = 0;
    for (; j + LANES <= count; j += LANES) sum = fma_(load(a + j), load(b + j), sum);
    double total = (double)sum_of(sum);
    for (; j < count; j++) total += (double)a[j] * (double)b[j];
    return total;
}
