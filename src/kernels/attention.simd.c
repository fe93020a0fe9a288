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

/* Philox 4x32-10 of core/rng.c, a vector of counters at a time. */
typedef unsigned vu __attribute__((vector_size(4 * LANES)));
#define LANE_ITSELF(lane, bit) (lane) + 0 * (bit)
#define LANE_NUMBERS EVERY_LANE(LANE_ITSELF, 0)
typedef struct {
    vu low, high;
} wide_product;

#if defined(PS_ISA_avx512)
INLINE wide_product multiply(vu a, unsigned by) {
    __m512i factor = _mm512_set1_epi32((int)by), even = _mm512_mul_epu32((__m512i)a, factor),
            odd = _mm512_mul_epu32(_mm512_srli_epi64((__m512i)a, 32), factor);
    return (wide_product){(vu)_mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32)),
                          (vu)_mm512_mask_blend_epi32(0xaaaa, _mm512_srli_epi64(even, 32), odd)};
}
#elif defined(PS_ISA_avx2)
INLINE wide_product multiply(vu a, unsigned by) {
    __m256i factor = _mm256_set1_epi32((int)by), even = _mm256_mul_epu32((__m256i)a, factor),
            odd = _mm256_mul_epu32(_mm256_srli_epi64((__m256i)a, 32), factor);
    return (wide_product){(vu)_mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa),
                          (vu)_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa)};
}
#else
typedef uint64_t vl __attribute__((vector_size(8 * LANES)));
INLINE wide_product multiply(vu a, unsigned by) {
    vl product = __builtin_convertvector(a, vl) * by;
    return (wide_product){__builtin_convertvector(product, vu), __builtin_convertvector(product >> 32, vu)};
}
#endif

INLINE vu draw(ps_rng_key key, uint64_t first) {
    static const vu lane = LANE_NUMBERS;
    vu low = lane + (unsigned)first; /* where it overflows, the upper word is one more */
    vu c[4] = {low, (unsigned)(first >> 32) - (vu)(low < lane), {0}, {0}};
    unsigned k0 = key.word[0], k1 = key.word[1];
#pragma GCC unroll 10
    for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
        wide_product a = multiply(c[0], 0xD2511F53u), b = multiply(c[2], 0xCD9E8D57u);
        c[0] = b.high ^ c[1] ^ k0;
        c[2] = a.high ^ c[3] ^ k1;
        c[1] = b.low;
        c[3] = a.low;
    }
    return c[0];
}

/* 24 bits of a number below p 2^24, all of which floats have exactly, as p 2^24 is. */
void PS_SIMD_NAME(ps_attention_factors)(ps_rng_key key, uint64_t first, size_t count, float p, float scale,
                                        float *factor) {
    vf limit = splat(p * 0x1p24f);
    for (size_t j = 0; j < count; j += LANES) {
        vf drawn = __builtin_convertvector((vi)(draw(key, first + j) >> 8), vf);
        store_upto(factor + j, pick(drawn < limit, splat(0.0f), splat(scale)), (int)(count - j));
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
