/* Vectors of floats for files compiled once per instruction set (*.simd.c): the width of the set, loads and stores that
 * need no alignment, parts of a vector at the end of a row, and a fused multiply-add by name. Include nowhere else. */
#ifndef PS_KERNELS_SIMD_VECTOR_H
#define PS_KERNELS_SIMD_VECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(PS_ISA_avx512) || defined(PS_ISA_avx2)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#if defined(PS_ISA_avx512)
#define LANES 16
#define ROWS 12 /* of a product held in registers, two vectors each: 24 of 32 */
#elif defined(PS_ISA_avx2)
#define LANES 8
#define ROWS 6
#else
#define LANES 4
#define ROWS 6
#endif

#define INLINE static inline __attribute__((always_inline, unused))

typedef float vf __attribute__((vector_size(4 * LANES)));
typedef float vf_unaligned __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int vi __attribute__((vector_size(4 * LANES)));

INLINE vf load(const float *p) { return *(const vf_unaligned *)p; }
INLINE void store(float *p, vf v) { *(vf_unaligned *)p = v; }

/* Fetches the cache line `floats` after p, to be read or written. It may lie beyond the array, where no pointer of the
 * language may point: hence the numbers. */
INLINE void fetch_after(const float *p, size_t floats) {
    __builtin_prefetch((const void *)((uintptr_t)p + floats * sizeof *p));
}
INLINE void fetch_to_write(const float *p, size_t floats) {
    __builtin_prefetch((const void *)((uintptr_t)p + floats * sizeof *p), 1);
}

#if defined(PS_ISA_avx512)
INLINE vf splat(float x) { return (vf)_mm512_set1_ps(x); }
INLINE vf fma_(vf a, vf b, vf c) { return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
INLINE vf load_part(const float *p, int count) { return (vf)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1u), p); }
INLINE void store_part(float *p, vf v, int count) {
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << count) - 1u), (__m512)v);
}
#elif defined(PS_ISA_avx2)
INLINE vf splat(float x) { return (vf)_mm256_set1_ps(x); }
INLINE vf fma_(vf a, vf b, vf c) { return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
INLINE __m256i first_lanes(int count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
INLINE vf load_part(const float *p, int count) { return (vf)_mm256_maskload_ps(p, first_lanes(count)); }
INLINE void store_part(float *p, vf v, int count) { _mm256_maskstore_ps(p, first_lanes(count), (__m256)v); }
#else
INLINE vf splat(float x) { return (vf){x, x, x, x}; }
#if defined(__ARM_NEON) && defined(__aarch64__)
INLINE vf fma_(vf a, vf b, vf c) { return (vf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
#else
INLINE vf fma_(vf a, vf b, vf c) { return a * b + c; }
#endif
INLINE vf load_part(const float *p, int count) {
    vf v = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int i = 0; i < LANES; i++) {
        if (i < count) v[i] = p[i];
    }
    return v;
}
INLINE void store_part(float *p, vf v, int count) {
    for (int i = 0; i < LANES; i++) {
        if (i < count) p[i] = v[i];
    }
}
#endif

/* yes where the mask is all ones, no where it is zero. */
INLINE vf pick(vi mask, vf yes, vf no) { return (vf)(((vi)yes & mask) | ((vi)no & ~mask)); }

/* a > b ? a : b, and a < b ? a : b: where either is no number, b. */
#if defined(PS_ISA_avx512)
INLINE vf larger_of(vf a, vf b) { return (vf)_mm512_max_ps((__m512)a, (__m512)b); }
INLINE vf smaller_of(vf a, vf b) { return (vf)_mm512_min_ps((__m512)a, (__m512)b); }
#elif defined(PS_ISA_avx2)
INLINE vf larger_of(vf a, vf b) { return (vf)_mm256_max_ps((__m256)a, (__m256)b); }
INLINE vf smaller_of(vf a, vf b) { return (vf)_mm256_min_ps((__m256)a, (__m256)b); }
#else
INLINE vf larger_of(vf a, vf b) { return pick(a > b, a, b); }
INLINE vf smaller_of(vf a, vf b) { return pick(a < b, a, b); }
#endif

/* count >= LANES: the whole vector; otherwise its first lanes, the others zero. */
INLINE vf load_upto(const float *p, int count) { return count >= LANES ? load(p) : load_part(p, count); }
INLINE void store_upto(float *p, vf v, int count) {
    if (count >= LANES) store(p, v);
    else store_part(p, v, count);
}

/* Choices of lanes from a pair of vectors (a, b), for exchanges between lanes whose numbers differ in one bit; spelled
 * out, since the compiler would build such constants lane by lane at run time. */
#define LANE_LOW(lane, bit) (((lane) & (bit)) == 0 ? (lane) : (lane) - (bit) + LANES)
#define LANE_HIGH(lane, bit) (((lane) & (bit)) == 0 ? (lane) + (bit) : (lane) + LANES)
#define LANES_4(f, first, bit) f(first, bit), f((first) + 1, bit), f((first) + 2, bit), f((first) + 3, bit)
#if LANES == 16
#define EVERY_LANE(f, bit) {LANES_4(f, 0, bit), LANES_4(f, 4, bit), LANES_4(f, 8, bit), LANES_4(f, 12, bit)}
#elif LANES == 8
#define EVERY_LANE(f, bit) {LANES_4(f, 0, bit), LANES_4(f, 4, bit)}
#else
#define EVERY_LANE(f, bit) {LANES_4(f, 0, bit)}
#endif
#define PER_BIT(f) {EVERY_LANE(f, 1), EVERY_LANE(f, 2), EVERY_LANE(f, 4), EVERY_LANE(f, 8)}
static const vi lanes_low[4] __attribute__((unused)) = PER_BIT(LANE_LOW);
static const vi lanes_high[4] __attribute__((unused)) = PER_BIT(LANE_HIGH);

#if defined(__clang__)
/* clang has no shuffle by a vector; it folds these loops itself once the rounds are unrolled. */
INLINE vf choose(vf a, vf b, vi pattern) {
    vf r = a;
    for (int i = 0; i < LANES; i++) r[i] = pattern[i] < LANES ? a[pattern[i]] : b[pattern[i] - LANES];
    return r;
}
#else
INLINE vf choose(vf a, vf b, vi pattern) { return __builtin_shuffle(a, b, pattern); }
#endif

INLINE void exchange(vf v[LANES], int round) {
    vi low = lanes_low[round], high = lanes_high[round];
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) {
        int other = i | 1 << round;
        if (other == i) continue;
        vf a = v[i], b = v[other];
        v[i] = choose(a, b, low);
        v[other] = choose(a, b, high);
    }
}

/* Transposes LANES vectors in place: log2(LANES) rounds of exchanges between vectors whose numbers differ in one
 * bit. */
INLINE void transpose(vf v[LANES]) {
    exchange(v, 0), exchange(v, 1);
    if (LANES > 4) exchange(v, 2);
    if (LANES > 8) exchange(v, 3);
}

/* Adds up the pairs of a round: v[i] of every second vector left. */
INLINE void fold(vf v[LANES], int round) {
    vi low = lanes_low[round], high = lanes_high[round];
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++) {
        if (i % (2 << round) != 0) continue;
        vf a = v[i], b = v[i + (1 << round)];
        v[i] = choose(a, b, low) + choose(a, b, high);
    }
}

/* Lane i of the result: the sum of all lanes of v[i]. Half the exchanges of a transposition. v is spent. */
INLINE vf sum_lanes(vf v[LANES]) {
    fold(v, 0), fold(v, 1);
    if (LANES > 4) fold(v, 2);
    if (LANES > 8) fold(v, 3);
    return v[0];
}

/* Of pairs of lanes, pairs of pairs and so on: no chain is long. The result stands in every lane. */
INLINE vf sum_in_each(vf v) {
#pragma GCC unroll 4
    for (int round = 0; 1 << round < LANES; round++)
        v = choose(v, v, lanes_low[round]) + choose(v, v, lanes_high[round]);
    return v;
}

/* Blocks of `rows` x `vectors` sums held in registers. rows <= 12 and vectors <= 2 are constants at every call, so that
 * the loops unroll. */
typedef vf sums_block[12][2];

/* sum[r] = bias[0..channels), or 0. */
INLINE void start_block(int rows, int vectors, const float *bias, int channels, sums_block sum) {
    vf first[2];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++)
        first[v] = bias != NULL ? load_upto(bias + v * LANES, channels - v * LANES) : splat(0.0f);
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) sum[r][v] = first[v];
    }
}

/* sum[r][0..vectors) += sum over i of a[r * row_step + i * depth_step] * b[i * b_step + ...]. */
INLINE void add_products(int rows, int vectors, const float *a, size_t row_step, size_t depth_step, const float *b,
                         size_t b_step, size_t depth, sums_block sum) {
    /* Three rows to an address (row, row + step and row + 2 step), so that all addresses stay in registers; rows that
     * lie a known step apart need only one. */
    bool known = __builtin_constant_p(row_step);
    int together = known ? rows : 3;
    const float *at[4] = {a};
#pragma GCC unroll 4
    for (int t = 1; t < 4; t++) {
        if (t * together >= rows) break; /* there is no such row */
        at[t] = a + (size_t)(t * together) * row_step;
        __asm__("" : "+r"(at[t]));
    }
    for (size_t i = 0; i < depth; i++, b += b_step) {
        vf right[2];
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) right[v] = load(b + v * LANES);
#pragma GCC unroll 12
        for (int r = 0; r < rows; r++) {
            vf left = splat(at[r / together][(size_t)(r % together) * row_step]);
#pragma GCC unroll 2
            for (int v = 0; v < vectors; v++) sum[r][v] = fma_(left, right[v], sum[r][v]);
        }
#pragma GCC unroll 4
        for (int t = 0; t * together < rows; t++) at[t] += depth_step;
    }
}

/* c[r][0..vectors) (+)= the products of add_products. */
INLINE void product_block(int rows, int vectors, const float *a, size_t row_step, size_t depth_step, const float *b,
                          size_t b_step, size_t depth, float *c, size_t c_step, int accumulate) {
    sums_block sum;
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++)
            sum[r][v] = accumulate ? load(c + (size_t)r * c_step + v * LANES) : splat(0.0f);
    }
    add_products(rows, vectors, a, row_step, depth_step, b, b_step, depth, sum);
#pragma GCC unroll 12
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) store(c + (size_t)r * c_step + v * LANES, sum[r][v]);
    }
}

/* Calls CALL(n) with the constant n = rows, 1 to 6 or to 12. */
#define WITH_ROWS_TO_6(rows, CALL) \
    switch (rows) {                \
        case 1: CALL(1); break;    \
        case 2: CALL(2); break;    \
        case 3: CALL(3); break;    \
        case 4: CALL(4); break;    \
        case 5: CALL(5); break;    \
        default: CALL(6); break;   \
    }
#define WITH_ROWS_TO_12(rows, CALL) \
    switch (rows) {                 \
        case 1: CALL(1); break;     \
        case 2: CALL(2); break;     \
        case 3: CALL(3); break;     \
        case 4: CALL(4); break;     \
        case 5: CALL(5); break;     \
        case 6: CALL(6); break;     \
        case 7: CALL(7); break;     \
        case 8: CALL(8); break;     \
        case 9: CALL(9); break;     \
        case 10: CALL(10); break;   \
        case 11: CALL(11); break;   \
        default: CALL(12); break;   \
    }
/* Rows of a block of one vector: there are registers for 12 in every set. */
#define ROWS_OF_ONE 12
#if ROWS == 12
#define WITH_CONSTANT_ROWS WITH_ROWS_TO_12
#else
#define WITH_CONSTANT_ROWS WITH_ROWS_TO_6
#endif

#endif
