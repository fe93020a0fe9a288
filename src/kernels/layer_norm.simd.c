#include <math.h>

#include "kernels/layer_norm_simd.h"
#include "kernels/rows_simd.h"
#include "kernels/simd_vector.h"

INLINE float lanes_sum(vf v) { return sum_in_each(v)[0]; }

INLINE vf add_term(const float *x, vf about, int square, vf sum) {
    vf d = load(x) - about;
    return square ? fma_(d, d, sum) : sum + d;
}

/* Sums over a row of x - mean, or of its square. */
INLINE float row_sum(const float *x, float mean, size_t c, int square) {
    vf sum[4] = {splat(0.0f), splat(0.0f), splat(0.0f), splat(0.0f)}, about = splat(mean);
    size_t j = 0;
    for (; j + 4 * LANES <= c; j += 4 * LANES) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) sum[i] = add_term(x + j + i * LANES, about, square, sum[i]);
    }
    for (; j + LANES <= c; j += LANES) sum[0] = add_term(x + j, about, square, sum[0]);
    float total = lanes_sum((sum[0] + sum[1]) + (sum[2] + sum[3]));
    for (; j < c; j++) total += square ? (x[j] - mean) * (x[j] - mean) : x[j] - mean;
    return total;
}

void PS_SIMD_NAME(ps_layer_norm_forward_rows)(const ps_layer_norm_job *job, size_t first, size_t last) {
    size_t c = job->c;
    const float *gamma = job->gamma, *beta = job->beta;
    for (size_t row = first; row < last; row++) {
        const float *x = job->x + row * c;
        float *y = job->y + row * c, mean = x[0] + row_sum(x, x[0], c, 0) / (float)c;
        float inverse = (float)(1.0 / sqrt((double)row_sum(x, mean, c, 1) / (double)c + job->eps));
        job->mean[row] = mean, job->inverse_std[row] = inverse;
#pragma GCC ivdep
        for (size_t j = 0; j < c; j++) y[j] = (x[j] - mean) * inverse * gamma[j] + beta[j];
    }
}

/* Adds the row to the gradients of beta and gamma; *mean_g and *mean_product: means over the row of g = gamma dy and
 * of g xhat. */
INLINE void row_products(const ps_layer_norm_job *job, size_t row, float *dbeta, float *dgamma, float *mean_g,
                         float *mean_product) {
    size_t c = job->c, whole = c / LANES * LANES;
    const float *x = job->x + row * c, *dy = job->dy + row * c, *gamma = job->gamma;
    float mean = job->mean[row], inverse = job->inverse_std[row];
    vf sum_g = splat(0.0f), sum_product = splat(0.0f);
    for (size_t j = 0; j < whole; j += LANES) {
        vf d = load(dy + j), xhat = (load(x + j) - splat(mean)) * splat(inverse), g = d * load(gamma + j);
        store(dbeta + j, load(dbeta + j) + d);
        store(dgamma + j, fma_(d, xhat, load(dgamma + j)));
        sum_g += g;
        sum_product = fma_(g, xhat, sum_product);
    }
    float total_g = lanes_sum(sum_g), total_product = lanes_sum(sum_product);
    for (size_t j = whole; j < c; j++) {
        float xhat = (x[j] - mean) * inverse, g = dy[j] * gamma[j];
        dbeta[j] += dy[j];
        dgamma[j] += dy[j] * xhat;
        total_g += g;
        total_product += g * xhat;
    }
    *mean_g = total_g / (float)c;
    *mean_product = total_product / (float)c;
}

PS_INLINE void row_gradient(const ps_layer_norm_job *job, size_t row, float mean_g, float mean_product, int accumulate,
                            int square, float *squares) {
    size_t c = job->c;
    const float *x = job->x + row * c, *dy = job->dy + row * c, *gamma = job->gamma;
    float *dx = job->dx + row * c, mean = job->mean[row], inverse = job->inverse_std[row];
#pragma GCC ivdep
    for (size_t j = 0; j < c; j++) {
        float xhat = (x[j] - mean) * inverse, d = inverse * (gamma[j] * dy[j] - mean_g - xhat * mean_product);
        if (square) squares[j] += d * d;
        dx[j] = accumulate ? dx[j] + d : d;
    }
}

void PS_SIMD_NAME(ps_layer_norm_backward_rows)(const ps_layer_norm_job *job, size_t first, size_t last, double *slot) {
    float *dbeta = slot_clear(slot, job->width, PS_LAYER_NORM_SUMS), *dgamma = dbeta + job->width,
          *squares = dgamma + job->width;
    for (size_t row = first; row < last; row++) {
        float mean_g, mean_product;
        row_products(job, row, dbeta, dgamma, &mean_g, &mean_product);
#define GRADIENT(accumulate, square) row_gradient(job, row, mean_g, mean_product, accumulate, square, squares)
        if (job->dx != NULL) {
            if (job->accumulate && job->square) GRADIENT(1, 1);
            else if (job->accumulate) GRADIENT(1, 0);
            else if (job->square) GRADIENT(0, 1);
            else GRADIENT(0, 0);
        }
#undef GRADIENT
        if ((row - first) % PS_ROWS_FLOAT_DEPTH == PS_ROWS_FLOAT_DEPTH - 1 || row + 1 == last)
            flush(slot, dbeta, PS_LAYER_NORM_SUMS * job->width);
    }
}
