/* The exponential function of vectors, for files compiled once per instruction set (*.simd.c). Include nowhere else. */
#ifndef PS_KERNELS_SIMD_EXP_H
#define PS_KERNELS_SIMD_EXP_H

#include "kernels/simd_vector.h"

INLINE vf horner(const float *coefficient, int degree, vf x) {
    vf sum = splat(coefficient[degree]);
#pragma GCC unroll 16
    for (int i = degree - 1; i >= 0; i--) sum = fma_(sum, x, splat(coefficient[i]));
    return sum;
}

/* exp(x) = scale (1 + rest) for x <= 0: 2^k with k whole, and exp(r) - 1 with |r| below log(2) / 2. Below LEAST, where
 * the result is no longer a normal number, x is taken for LEAST. Polynomial: Moshier, Cephes. */
#define LEAST -87.33f
INLINE void exp_parts(vf x, vf *scale, vf *rest) {
    static const float coefficient[] = {5.0000001201e-1f, 1.6666665459e-1f, 4.1665795894e-2f,
                                        8.3334519073e-3f, 1.3981999507e-3f, 1.9875691500e-4f};
    const vf rounder = splat(12582912.0f); /* 1.5 2^23: adding it rounds to a whole number, which its last bits are */
    x = pick(x < splat(LEAST), splat(LEAST), x);
    vf shifted = fma_(x, splat(1.44269504f), rounder), k = shifted - rounder;
    vf r = fma_(k, splat(2.12194440e-4f), fma_(k, splat(-0.693359375f), x));
    *rest = fma_(r * r, horner(coefficient, 5, r), r);
    *scale = (vf)(((vi)shifted - (vi)rounder + 127) << 23);
}

INLINE vf exp_of(vf x) {
    vf scale, rest;
    exp_parts(x, &scale, &rest);
    return pick(x < splat(LEAST), splat(0.0f), fma_(scale, rest, scale));
}

#endif
