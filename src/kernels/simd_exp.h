/* The exponential function of vectors, for files compiled once per instruction set (*.simd.c). Include nowhere else. */
#ifndef PS_KERNELS_SIMD_EXP_H
#define PS_KERNELS_SIMD_EXP_H

#include "kernels/simd_vector.h"

/* Vectors worked on side by side, that one's arithmetic fills the time the others wait for theirs: a processor does not
 * look so far ahead as to find that by itself. As many as there are registers for. */
#if LANES == 16
#define ABREAST 4
#else
#define ABREAST 2
#endif
#define EACH _Pragma("GCC unroll 4") for (int i = 0; i < n; i++)

/* sum[i] = the polynomial in x[i]. n <= ABREAST is a constant at every call here and below. */
INLINE void horner(int n, const float *coefficient, int degree, const vf *x, vf *sum) {
    EACH sum[i] = splat(coefficient[degree]);
#pragma GCC unroll 16
    for (int d = degree - 1; d >= 0; d--) EACH sum[i] = fma_(sum[i], x[i], splat(coefficient[d]));
}

/* exp(x) = scale (1 + rest) for x <= 0: 2^k with k whole, and exp(r) - 1 with |r| below log(2) / 2. Below LEAST, where
 * the result is no longer a normal number, x is taken for LEAST. Polynomial: Moshier, Cephes. */
#define LEAST -87.33f
INLINE void exp_parts(int n, const vf *x, vf *scale, vf *rest) {
    static const float coefficient[] = {5.0000001201e-1f, 1.6666665459e-1f, 4.1665795894e-2f,
                                        8.3334519073e-3f, 1.3981999507e-3f, 1.9875691500e-4f};
    const vf rounder = splat(12582912.0f); /* 1.5 2^23: adding it rounds to a whole number, which its last bits are */
    vf r[ABREAST], k[ABREAST], sum[ABREAST];
    EACH r[i] = larger_of(splat(LEAST), x[i]);
    EACH scale[i] = fma_(r[i], splat(1.44269504f), rounder);
    EACH k[i] = scale[i] - rounder;
    EACH r[i] = fma_(k[i], splat(-0.693359375f), r[i]);
    EACH r[i] = fma_(k[i], splat(2.12194440e-4f), r[i]);
    horner(n, coefficient, 5, r, sum);
    EACH rest[i] = fma_(r[i] * r[i], sum[i], r[i]);
    EACH scale[i] = (vf)(((vi)scale[i] - (vi)rounder + 127) << 23);
}

/* y may be x. */
INLINE void exp_of(int n, const vf *x, vf *y) {
    vf scale[ABREAST], rest[ABREAST];
    exp_parts(n, x, scale, rest);
    EACH y[i] = pick(x[i] < splat(LEAST), splat(0.0f), fma_(scale[i], rest[i], scale[i]));
}

#endif
