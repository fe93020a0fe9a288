#include "kernels/attention_simd.h"
#include "kernels/simd_exp.h"

/* The largest, in every lane. */
INLINE vf most_in_each(vf v) {
#pragma GCC unroll 4
    for (int round = 0; 1 << round < LANES; round++)
        v = larger_of(choose(v, v, lanes_low[round]), choose(v, v, lanes_high[round]));
    return v;
}

#define LANE_ITSELF(lane, bit) (lane) + 0 * (bit)
static const vi lane_numbers = EVERY_LANE(LANE_ITSELF, 0);

/* The first lanes of v; in the others `other`. */
INLINE vf first_of(vf v, int count, float other) { return pick(lane_numbers < count, v, splat(other)); }

INLINE vf largest_of(const float *x, size_t count, vf scale) {
    vf most = splat(-__builtin_inff());
    size_t j = 0;
    for (; j + LANES <= count; j += LANES) most = larger_of(load(x + j) * scale, most);
    int rest = (int)(count - j);
    if (rest > 0) most = larger_of(first_of(load(x + j) * scale, rest, -__builtin_inff()), most);
    return most_in_each(most);
}

/* x = exp(scale x - largest) of n rows `step` apart, up to whole vectors; returns their sums in *sum. A whole vector's
 * sum at a time, so that long rows round little. */
INLINE void exponentials(int n, float *x, size_t step, size_t count, vf scale, const vf *largest, vf *sum) {
    EACH sum[i] = splat(0.0f);
    for (size_t j = 0; j < count; j += LANES) {
        vf e[ABREAST];
        EACH e[i] = load(x + (size_t)i * step + j) * scale - largest[i];
        exp_of(n, e, e);
        EACH store(x + (size_t)i * step + j, e[i]);
        if (count - j < LANES) EACH e[i] = first_of(e[i], (int)(count - j), 0.0f);
        EACH sum[i] += e[i];
    }
    EACH sum[i] = sum_in_each(sum[i]);
}

INLINE void scale_row(const float *x, size_t count, vf by, float *y) {
    for (size_t j = 0; j < count; j += LANES)
        store_upto(y + j, load(x + j) * by, count - j < LANES ? (int)(count - j) : LANES);
}

INLINE void weigh_rows(int n, const ps_attention_scores *s, float *x, float *kept, float *weights, size_t step) {
    vf largest[ABREAST], share[ABREAST];
    EACH largest[i] = largest_of(x + (size_t)i * s->step, s->columns, splat(s->scale));
    exponentials(n, x, s->step, s->columns, splat(s->scale), largest, share);
    EACH share[i] = splat(1.0f) / share[i];
    EACH scale_row(x + (size_t)i * s->step, s->columns, share[i], weights + (size_t)i * step);
    EACH kept[2 * i] = largest[i][0], kept[2 * i + 1] = share[i][0];
}

void PS_SIMD_NAME(ps_attention_weigh)(const ps_attention_scores *s, float *kept, float *weights, size_t step) {
    size_t r = 0;
    for (; r + ABREAST <= s->rows; r += ABREAST)
        weigh_rows(ABREAST, s, s->scores + r * s->step, kept + 2 * r, weights + r * step, step);
    for (; r < s->rows; r++) weigh_rows(1, s, s->scores + r * s->step, kept + 2 * r, weights + r * step, step);
}

INLINE void weigh_rows_again(int n, const ps_attention_scores *s, float *x, const float *kept) {
    vf largest[ABREAST], ignored[ABREAST];
    EACH largest[i] = splat(kept[2 * i]);
    exponentials(n, x, s->step, s->columns, splat(s->scale), largest, ignored);
    EACH scale_row(x + (size_t)i * s->step, s->columns, splat(kept[2 * i + 1]), x + (size_t)i * s->step);
}

void PS_SIMD_NAME(ps_attention_weigh_again)(const ps_attention_scores *s, const float *kept) {
    size_t r = 0;
    for (; r + ABREAST <= s->rows; r += ABREAST) weigh_rows_again(ABREAST, s, s->scores + r * s->step, kept + 2 * r);
    for (; r < s->rows; r++) weigh_rows_again(1, s, s->scores + r * s->step, kept + 2 * r);
}

void PS_SIMD_NAME(ps_attention_multiply)(const float *weights, const float *factor, size_t count, float *dropped) {
    for (size_t j = 0; j < count; j++) dropped[j] = weights[j] * factor[j];
}

void PS_SIMD_NAME(ps_attention_row_gradient)(const float *weights, float *gradient, const float *factor, size_t count,
                                             float mean, float scale, float *dropped) {
    if (factor == NULL) {
#pragma GCC ivdep
        for (size_t j = 0; j < count; j++) gradient[j] = weights[j] * (gradient[j] - mean) * scale;
        return;
    }
#pragma GCC ivdep
    for (size_t j = 0; j < count; j++) {
        float p = weights[j], kept = p * factor[j];
        dropped[j] = kept;
        gradient[j] = (kept * gradient[j] - p * mean) * scale;
    }
}

/* Of LANES rows at a time, whose sums over the lanes are formed together. */
INLINE void dot_rows(const float *a, size_t a_row, const float *b, size_t size, float *out, size_t out_row) {
    vf sum[LANES];
    for (int r = 0; r < LANES; r++) sum[r] = splat(0.0f);
    size_t j = 0;
    for (; j + LANES <= size; j += LANES) {
        vf right = load(b + j);
#pragma GCC unroll 16
        for (int r = 0; r < LANES; r++) sum[r] = fma_(load(a + (size_t)r * a_row + j), right, sum[r]);
    }
    int rest = (int)(size - j);
    if (rest > 0) {
        vf right = load_part(b + j, rest);
#pragma GCC unroll 16
        for (int r = 0; r < LANES; r++) sum[r] = fma_(load_part(a + (size_t)r * a_row + j, rest), right, sum[r]);
    }
    vf total = sum_lanes(sum);
    for (int r = 0; r < LANES; r++) out[(size_t)r * out_row] = total[r];
}

INLINE vf dot_of(const float *a, const float *b, size_t count) {
    vf sum = splat(0.0f);
    size_t j = 0;
    for (; j + LANES <= count; j += LANES) sum = fma_(load(a + j), load(b + j), sum);
    int rest = (int)(count - j);
    if (rest > 0) sum = fma_(load_part(a + j, rest), load_part(b + j, rest), sum);
    return sum_in_each(sum);
}

void PS_SIMD_NAME(ps_attention_dots)(const float *a, size_t a_row, size_t rows, const float *b, size_t size, float *out,
                                     size_t out_row) {
    size_t r = 0;
    for (; r + LANES <= rows; r += LANES) dot_rows(a + r * a_row, a_row, b, size, out + r * out_row, out_row);
    for (; r < rows; r++) out[r * out_row] = dot_of(a + r * a_row, b, size)[0];
}

void PS_SIMD_NAME(ps_attention_below)(const float *scores, size_t count, float scale, float largest, float *below) {
    for (size_t j = 0; j < count; j++) below[j] = scores[j] * scale - largest;
}

float PS_SIMD_NAME(ps_attention_dot)(const float *a, const float *b, size_t count) { return dot_of(a, b, count)[0]; }
