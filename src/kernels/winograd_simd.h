/* Transforms of Winograd's algorithm along one axis, F(4, 3) and F(2, 5), for files compiled once per instruction set;
 * see conv_winograd.h for the source. Include nowhere else. */
#ifndef PS_KERNELS_WINOGRAD_SIMD_H
#define PS_KERNELS_WINOGRAD_SIMD_H

#include "kernels/simd_vector.h"

/* Interpolation points +-A and +-B, their squares and cubes. All exact in binary. */
#define A 0.625f
#define B 1.5f
#define A2 0.390625f
#define B2 2.25f
#define A3 0.244140625f
#define B3 3.375f
#define A4 0.152587890625f
#define B4 5.0625f

/* Rows of the input transform: coefficients of m(x) / (x - p) for m = x (x^2 - A2) (x^2 - B2). */
INLINE void unit_input_line(const vf d[6], vf out[6]) {
    vf even_a = fma_(splat(-B2), d[2], d[4]), odd_a = splat(A) * fma_(splat(-B2), d[1], d[3]);
    vf even_b = fma_(splat(-A2), d[2], d[4]), odd_b = splat(B) * fma_(splat(-A2), d[1], d[3]);
    out[0] = fma_(splat(A2 * B2), d[0], fma_(splat(-(A2 + B2)), d[2], d[4]));
    out[1] = even_a + odd_a;
    out[2] = even_a - odd_a;
    out[3] = even_b + odd_b;
    out[4] = even_b - odd_b;
    out[5] = fma_(splat(A2 * B2), d[1], fma_(splat(-(A2 + B2)), d[3], d[5]));
}

/* Values of the polynomial with these coefficients at the points (the transpose of output_line). */
INLINE void unit_gradient_line(const vf y[4], vf out[6]) {
    vf even_a = fma_(splat(A2), y[2], y[0]), odd_a = fma_(splat(A3), y[3], splat(A) * y[1]);
    vf even_b = fma_(splat(B2), y[2], y[0]), odd_b = fma_(splat(B3), y[3], splat(B) * y[1]);
    out[0] = y[0];
    out[1] = even_a + odd_a;
    out[2] = even_a - odd_a;
    out[3] = even_b + odd_b;
    out[4] = even_b - odd_b;
    out[5] = y[3];
}

INLINE void unit_output_line(const vf m[6], vf out[4]) {
    vf sum_a = m[1] + m[2], difference_a = m[1] - m[2], sum_b = m[3] + m[4], difference_b = m[3] - m[4];
    out[0] = m[0] + sum_a + sum_b;
    out[1] = fma_(splat(A), difference_a, splat(B) * difference_b);
    out[2] = fma_(splat(A2), sum_a, splat(B2) * sum_b);
    out[3] = fma_(splat(A3), difference_a, fma_(splat(B3), difference_b, m[5]));
}

/* The filter at the points, over N(p) = product of the distances to the other points. */
#define N0 (1.0f / (A2 * B2))
#define NA (1.0f / (2.0f * A2 * (A2 - B2)))
#define NB (1.0f / (2.0f * B2 * (B2 - A2)))

INLINE void unit_weights_line(const vf g[3], vf out[6]) {
    vf even_a = fma_(splat(A2 * NA), g[2], splat(NA) * g[0]), odd_a = splat(A * NA) * g[1];
    vf even_b = fma_(splat(B2 * NB), g[2], splat(NB) * g[0]), odd_b = splat(B * NB) * g[1];
    out[0] = splat(N0) * g[0];
    out[1] = even_a + odd_a;
    out[2] = even_a - odd_a;
    out[3] = even_b + odd_b;
    out[4] = even_b - odd_b;
    out[5] = g[2];
}

/* The transpose of weights_line. */
INLINE void unit_weights_gradient_line(const vf u[6], vf out[3]) {
    vf sum_a = u[1] + u[2], sum_b = u[3] + u[4];
    out[0] = fma_(splat(N0), u[0], fma_(splat(NA), sum_a, splat(NB) * sum_b));
    out[1] = fma_(splat(A * NA), u[1] - u[2], splat(B * NB) * (u[3] - u[4]));
    out[2] = fma_(splat(A2 * NA), sum_a, fma_(splat(B2 * NB), sum_b, u[5]));
}

/* Kernels of 5 and tiles of 2 with the same points: the same input transform, the others' counterparts. */
INLINE void five_gradient_line(const vf y[2], vf out[6]) {
    vf odd_a = splat(A) * y[1], odd_b = splat(B) * y[1];
    out[0] = y[0];
    out[1] = y[0] + odd_a;
    out[2] = y[0] - odd_a;
    out[3] = y[0] + odd_b;
    out[4] = y[0] - odd_b;
    out[5] = y[1];
}

INLINE void five_output_line(const vf m[6], vf out[2]) {
    out[0] = m[0] + (m[1] + m[2]) + (m[3] + m[4]);
    out[1] = fma_(splat(A), m[1] - m[2], fma_(splat(B), m[3] - m[4], m[5]));
}

INLINE void five_weights_line(const vf g[5], vf out[6]) {
    vf even_a = fma_(splat(A4 * NA), g[4], fma_(splat(A2 * NA), g[2], splat(NA) * g[0]));
    vf odd_a = fma_(splat(A3 * NA), g[3], splat(A * NA) * g[1]);
    vf even_b = fma_(splat(B4 * NB), g[4], fma_(splat(B2 * NB), g[2], splat(NB) * g[0]));
    vf odd_b = fma_(splat(B3 * NB), g[3], splat(B * NB) * g[1]);
    out[0] = splat(N0) * g[0];
    out[1] = even_a + odd_a;
    out[2] = even_a - odd_a;
    out[3] = even_b + odd_b;
    out[4] = even_b - odd_b;
    out[5] = g[4];
}

INLINE void five_weights_gradient_line(const vf u[6], vf out[5]) {
    vf sum_a = u[1] + u[2], sum_b = u[3] + u[4], difference_a = u[1] - u[2], difference_b = u[3] - u[4];
    out[0] = fma_(splat(N0), u[0], fma_(splat(NA), sum_a, splat(NB) * sum_b));
    out[1] = fma_(splat(A * NA), difference_a, splat(B * NB) * difference_b);
    out[2] = fma_(splat(A2 * NA), sum_a, splat(B2 * NB) * sum_b);
    out[3] = fma_(splat(A3 * NA), difference_a, splat(B3 * NB) * difference_b);
    out[4] = fma_(splat(A4 * NA), sum_a, fma_(splat(B4 * NB), sum_b, u[5]));
}

#endif
