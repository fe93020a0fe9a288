#include <math.h>
#include <stdint.h>

#include "kernels/pointwise_simd.h"
#include "kernels/rows_simd.h"

PS_INLINE void forward_row(const float *x, float slope, float *y, size_t length, ps_activation activation,
                           float *zeros) {
#pragma GCC ivdep
    for (size_t j = 0; j < length; j++) {
        float v = activate(activation, slope, x[j]);
        y[j] = v;
        if (zeros) zeros[j] += v == 0 ? 1.0f : 0.0f;
    }
}

PS_INLINE void forward_chunk(const float *x, float slope, float *y, size_t width, size_t begin, size_t end,
                             double *slot, ps_activation activation, int count) {
    float *running = count ? slot_clear(slot, width, 1) : NULL;
    for (row_walk walk = walk_start(begin, end, width); walk_next(&walk);) {
        for (size_t r = 0; r < walk.rows; r++) {
            size_t at = walk.at + r * width;
            if (count) forward_row(x + at, slope, y + at, walk.length, activation, running);
            else forward_row(x + at, slope, y + at, walk.length, activation, NULL);
        }
        if (walk_flushes(&walk) && count) flush(slot, running, width);
    }
}

void PS_SIMD_NAME(ps_activation_forward_chunk)(const float *x, float slope, float *y, size_t width, size_t begin,
                                               size_t end, double *slot) {
    if (slope == 0 && slot) forward_chunk(x, slope, y, width, begin, end, slot, PS_ACT_RELU, 1);
    else if (slope == 0) forward_chunk(x, slope, y, width, begin, end, slot, PS_ACT_RELU, 0);
    else if (slot) forward_chunk(x, slope, y, width, begin, end, slot, PS_ACT_LEAKY_RELU, 1);
    else forward_chunk(x, slope, y, width, begin, end, slot, PS_ACT_LEAKY_RELU, 0);
}

PS_INLINE void backward_row(const float *y, const float *dy, float slope, const float *old, float *dx, size_t length,
                            ps_activation activation, float *squares) {
#pragma GCC ivdep
    for (size_t j = 0; j < length; j++) {
        float d = activate_gradient(activation, slope, y[j], dy[j]);
        if (squares) squares[j] += d * d;
        dx[j] = old[j] + d;
    }
}

PS_INLINE void backward_chunk(const float *y, const float *dy, float slope, float *dx, bool accumulate,
                              const float *zero_row, size_t width, size_t begin, size_t end, double *slot,
                              ps_activation activation, int square) {
    float *running = square ? slot_clear(slot, width, 1) : NULL;
    for (row_walk walk = walk_start(begin, end, width); walk_next(&walk);) {
        for (size_t r = 0; r < walk.rows; r++) {
            size_t at = walk.at + r * width;
            const float *old = accumulate ? dx + at : zero_row;
            if (square) backward_row(y + at, dy + at, slope, old, dx + at, walk.length, activation, running);
            else backward_row(y + at, dy + at, slope, old, dx + at, walk.length, activation, NULL);
        }
        if (walk_flushes(&walk) && square) flush(slot, running, width);
    }
}

void PS_SIMD_NAME(ps_activation_backward_chunk)(const float *y, const float *dy, float slope, float *dx,
                                                bool accumulate, const float *zero_row, size_t width, size_t begin,
                                                size_t end, double *slot) {
#define BACKWARD(activation, square) \
    backward_chunk(y, dy, slope, dx, accumulate, zero_row, width, begin, end, slot, activation, square)
    if (slope == 0 && slot) BACKWARD(PS_ACT_RELU, 1);
    else if (slope == 0) BACKWARD(PS_ACT_RELU, 0);
    else if (slot) BACKWARD(PS_ACT_LEAKY_RELU, 1);
    else BACKWARD(PS_ACT_LEAKY_RELU, 0);
#undef BACKWARD
}

/* running: non-zero elements of this image, then sum, sum of magnitudes and sum of squares. */
PS_INLINE void summary_group(const float *x, size_t width, size_t length, size_t rows, float *running) {
#pragma GCC ivdep
    for (size_t j = 0; j < length; j++) {
        float nonzero = 0, sum = 0, absolute = 0, squares = 0;
#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++) {
            float v = x[r * width + j];
            nonzero += v == 0 ? 0.0f : 1.0f;
            sum += v;
            absolute += fabsf(v);
            squares += v * v;
        }
        running[j] += nonzero;
        running[width + j] += sum;
        running[2 * width + j] += absolute;
        running[3 * width + j] += squares;
    }
}

/* Ends an image: its counts go to the slot, and each channel with any is one more image active. */
PS_INLINE void end_image(size_t c, size_t width, float *restrict here, double *restrict nonzero,
                         double *restrict active) {
    for (size_t j = 0; j < width; j++) nonzero[j] += (double)here[j];
    for (size_t j = c; j < width; j += c)
        for (size_t k = 0; k < c; k++) here[k] += here[j + k];
    for (size_t k = 0; k < c; k++) active[k] += here[k] != 0 ? 1.0 : 0.0;
    memset(here, 0, width * sizeof *here);
}

/* The sums run on over small images; only the non-zero counts must end with each. */
void PS_SIMD_NAME(ps_summarise_images)(const float *x, size_t images, size_t count, size_t c, size_t width,
                                       double *slot) {
    float *running = slot_clear(slot, width, PS_POINTWISE_MOST_SUMS);
    size_t depth = 0;
    for (size_t image = 0; image < images; image++, x += count) {
        for (row_walk walk = walk_start(0, count, width); walk_next(&walk);) {
            if (walk.rows == GROUP) summary_group(x + walk.at, width, width, GROUP, running);
            else summary_group(x + walk.at, width, walk.length, 1, running);
            depth += walk.rows;
            if (depth < PS_ROWS_FLOAT_DEPTH) continue;
            flush(slot + width, running + width, (PS_SUMMARY_SUMS - 1) * width);
            depth = 0;
        }
        end_image(c, width, running, slot, slot + PS_SUMMARY_SUMS * width);
    }
    flush(slot + width, running + width, (PS_SUMMARY_SUMS - 1) * width);
}

PS_INLINE void squares_group(const float *x, size_t width, size_t length, size_t rows, float *running) {
#pragma GCC ivdep
    for (size_t j = 0; j < length; j++) {
        float squares = 0;
#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++) squares += x[r * width + j] * x[r * width + j];
        running[j] += squares;
    }
}

void PS_SIMD_NAME(ps_squares_chunk)(const float *x, size_t width, size_t begin, size_t end, double *slot) {
    float *running = slot_clear(slot, width, 1);
    for (row_walk walk = walk_start(begin, end, width); walk_next(&walk);) {
        if (walk.rows == GROUP) squares_group(x + walk.at, width, width, GROUP, running);
        else squares_group(x + walk.at, width, walk.length, 1, running);
        if (walk_flushes(&walk)) flush(slot, running, width);
    }
}

void PS_SIMD_NAME(ps_vector_fill_span)(float *y, size_t count, float value) {
    for (size_t i = 0; i < count; i++) y[i] = value;
}

void PS_SIMD_NAME(ps_vector_add_span)(const float *a, const float *b, size_t count, float *y) {
#pragma GCC ivdep
    for (size_t i = 0; i < count; i++) y[i] = a[i] + b[i];
}

void PS_SIMD_NAME(ps_vector_axpy_span)(float alpha, const float *x, size_t count, float *y) {
#pragma GCC ivdep
    for (size_t i = 0; i < count; i++) y[i] += alpha * x[i];
}

void PS_SIMD_NAME(ps_vector_scale_span)(float alpha, size_t count, float *y) {
    for (size_t i = 0; i < count; i++) y[i] *= alpha;
}

/* Doubles throughout: the norm that decides gradient clipping must neither underflow nor overflow before its square
 * root. */
double PS_SIMD_NAME(ps_vector_squares_span)(const float *x, size_t count) {
    enum { LANES = 32 };
    double lane[LANES] = {0}, total = 0;
    size_t whole = count / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t j = 0; j < LANES; j++) lane[j] += (double)x[i + j] * (double)x[i + j];
    for (size_t j = 0; j < LANES; j++) total += lane[j];
    for (size_t i = whole; i < count; i++) total += (double)x[i] * (double)x[i];
    return total;
}

/* d - d is 0 for what is finite and NaN for the rest, which a sum keeps and a maximum does not. */
void PS_SIMD_NAME(ps_vector_spread_span)(const float *x, size_t images, size_t stride, size_t count, const float *first,
                                         float *most) {
    for (size_t image = 0; image < images; image++, x += stride) {
#pragma GCC ivdep
        for (size_t k = 0; k < count; k++) {
            float d = fabsf(x[k] - first[k]);
            most[k] = (d > most[k] ? d : most[k]) + (d - d);
        }
    }
}

bool PS_SIMD_NAME(ps_vector_finite_span)(const float *x, size_t count) {
    const uint32_t exponent = 0x7f800000u;
    uint32_t found = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof bits);
        found |= (bits & exponent) == exponent ? 1u : 0u;
    }
    return found == 0;
}
