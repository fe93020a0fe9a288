#include "kernels/keep_simd.h"
#include "kernels/simd_vector.h"

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

/* The upper 24 bits of a vector of numbers, all of which floats have exactly. */
INLINE vf upper_bits(ps_rng_key key, uint64_t first) {
    return __builtin_convertvector((vi)(draw(key, first) >> 8), vf);
}

/* Below p 2^24, which is exact, too. */
INLINE vf factors_of(ps_rng_key key, uint64_t first, float p, float scale) {
    vf drawn = upper_bits(key, first);
    return pick(drawn < splat(p * 0x1p24f), splat(0.0f), splat(scale));
}

void PS_SIMD_NAME(ps_keep_factors)(ps_rng_key key, uint64_t first, size_t count, float p, float scale, float *factor) {
    for (size_t j = 0; j < count; j += LANES)
        store_upto(factor + j, factors_of(key, first + j, p, scale), (int)(count - j));
}

void PS_SIMD_NAME(ps_keep_scale_span)(const ps_keep *keep, const float *x, size_t first, size_t count, bool add,
                                      float *y) {
    for (size_t j = 0; j < count; j += LANES) {
        int lanes = count - j < LANES ? (int)(count - j) : LANES;
        vf value = load_upto(x + j, lanes) * factors_of(keep->key, first + j, keep->p, keep->scale);
        store_upto(y + j, add ? load_upto(y + j, lanes) + value : value, lanes);
    }
}

void PS_SIMD_NAME(ps_keep_scale_by)(const float *x, float factor, size_t count, bool add, float *y) {
    for (size_t j = 0; j < count; j += LANES) {
        int lanes = count - j < LANES ? (int)(count - j) : LANES;
        vf value = load_upto(x + j, lanes) * splat(factor);
        store_upto(y + j, add ? load_upto(y + j, lanes) + value : value, lanes);
    }
}

void PS_SIMD_NAME(ps_keep_uniform_span)(ps_rng_key key, uint64_t first, size_t count, float *out) {
    for (size_t j = 0; j < count; j += LANES)
        store_upto(out + j, upper_bits(key, first + j) * splat(0x1p-24f), count - j < LANES ? (int)(count - j) : LANES);
}
