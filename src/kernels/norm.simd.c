#include "kernels/norm_simd.h"
#include "kernels/rows_simd.h"

PS_INLINE void moments_group(const float *x, const float *pivot, size_t width, size_t length, size_t rows, float *sum,
                             float *squares) {
#pragma GCC ivdep
    for (size_t j = 0; j < length; j++) {
        float s = 0, q = 0;
#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++) {
            float v = x[r * width + j] - pivot[j];
            s += v;
            q += v * v;
        }
        sum[j] += s;
        squares[j] += q;
    }
}

void PS_SIMD_NAME(ps_norm_moments_chunk)(const float *x, const float *pivot, size_t width, size_t begin, size_t end,
                                         double *slot) {
    float *running = slot_clear(slot, width, PS_NORM_MOMENT_SUMS);
    for (row_walk walk = walk_start(begin, end, width); walk_next(&walk);) {
        if (walk.rows == GROUP) moments_group(x + walk.at, pivot, width, width, GROUP, running, running + width);
        else moments_group(x + walk.at, pivot, width, walk.length, 1, running, running + width);
        if (walk_flushes(&walk)) flush(slot, running, PS_NORM_MOMENT_SUMS * width);
    }
}

PS_INLINE void apply_group(const ps_norm_apply_job *job, size_t at, size_t length, size_t rows,
                           ps_activation activation, int add_residual, int count_zeros, float *zeros) {
    size_t width = job->width;
    const float *x = job->x + at, *mean = job->mean, *scale = job->scale, *beta = job->beta;
    const float *residual = add_residual ? job->residual + at : NULL;
    float *y = job->y + at, slope = job->slope;
#pragma GCC ivdep
    for (size_t j = 0; j < length; j++) {
        float found = 0;
#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++) {
            float v = (x[r * width + j] - mean[j]) * scale[j] + beta[j];
            if (add_residual) v += residual[r * width + j];
            v = activate(activation, slope, v);
            y[r * width + j] = v;
            if (count_zeros) found += v == 0 ? 1.0f : 0.0f;
        }
        if (count_zeros) zeros[j] += found;
    }
}

PS_INLINE void apply_chunk(const ps_norm_apply_job *job, size_t begin, size_t end, double *slot,
                           ps_activation activation, int add_residual, int count_zeros) {
    float *running = count_zeros ? slot_clear(slot, job->width, PS_NORM_APPLY_SUMS) : NULL;
    for (row_walk walk = walk_start(begin, end, job->width); walk_next(&walk);) {
        if (walk.rows == GROUP)
            apply_group(job, walk.at, job->width, GROUP, activation, add_residual, count_zeros, running);
        else apply_group(job, walk.at, walk.length, 1, activation, add_residual, count_zeros, running);
        if (walk_flushes(&walk) && count_zeros) flush(slot, running, PS_NORM_APPLY_SUMS * job->width);
    }
}

void PS_SIMD_NAME(ps_norm_apply_chunk)(const ps_norm_apply_job *job, size_t begin, size_t end, double *slot) {
#define APPLY(activation)                                                                \
    do {                                                                                 \
        if (job->residual && slot) apply_chunk(job, begin, end, slot, activation, 1, 1); \
        else if (job->residual) apply_chunk(job, begin, end, slot, activation, 1, 0);    \
        else if (slot) apply_chunk(job, begin, end, slot, activation, 0, 1);             \
        else apply_chunk(job, begin, end, slot, activation, 0, 0);                       \
    } while (0)
    if (job->activation == PS_ACT_NONE) APPLY(PS_ACT_NONE);
    else if (job->activation == PS_ACT_RELU) APPLY(PS_ACT_RELU);
    else APPLY(PS_ACT_LEAKY_RELU);
#undef APPLY
}

PS_INLINE void reduce_group(const ps_norm_backward_job *job, size_t at, size_t length, size_t rows,
                            ps_activation activation, int square, float *sum, float *products, float *squares) {
    size_t width = job->width;
    const float *x = job->x + at, *y = job->y + at, *dy = job->dy + at, *mean = job->mean,
                *inverse_std = job->inverse_std;
    float slope = job->slope;
#pragma GCC ivdep
    for (size_t j = 0; j < length; j++) {
        float s = 0, p = 0, q = 0;
#pragma GCC unroll 4
        for (size_t r = 0; r < rows; r++) {
            float g = activate_gradient(activation, slope, y[r * width + j], dy[r * width + j]);
            s += g;
            p += g * (x[r * width + j] - mean[j]);
            if (square) q += g * g;
        }
        sum[j] += s;
        products[j] += p * inverse_std[j];
        if (square) squares[j] += q;
    }
}

PS_INLINE void reduce_chunk(const ps_norm_backward_job *job, size_t begin, size_t end, double *slot,
                            ps_activation activation, int square) {
    size_t width = job->width;
    int sums = PS_NORM_REDUCE_SUMS + square;
    float *sum = slot_clear(slot, width, sums), *products = sum + width, *squares = products + width;
    for (row_walk walk = walk_start(begin, end, width); walk_next(&walk);) {
        if (walk.rows == GROUP) reduce_group(job, walk.at, width, GROUP, activation, square, sum, products, squares);
        else reduce_group(job, walk.at, walk.length, 1, activation, square, sum, products, squares);
        if (walk_flushes(&walk)) flush(slot, sum, (size_t)sums * width);
    }
}

void PS_SIMD_NAME(ps_norm_reduce_chunk)(const ps_norm_backward_job *job, bool squares, size_t begin, size_t end,
                                        double *slot) {
#define REDUCE(activation)                                               \
    do {                                                                 \
        if (squares) reduce_chunk(job, begin, end, slot, activation, 1); \
        else reduce_chunk(job, begin, end, slot, activation, 0);         \
    } while (0)
    if (job->activation == PS_ACT_NONE) REDUCE(PS_ACT_NONE);
    else if (job->activation == PS_ACT_RELU) REDUCE(PS_ACT_RELU);
    else REDUCE(PS_ACT_LEAKY_RELU);
#undef REDUCE
}

/* One row at a time: this pass moves four or five streams, so the running squares in L1 cost nothing. */
PS_INLINE void dx_row(const ps_norm_backward_job *job, size_t at, size_t length, ps_activation activation, int residual,
                      int square, float *squares) {
    const float *x = job->x + at, *y = job->y + at, *dy = job->dy + at;
    const float *mean = job->mean, *scale = job->scale, *offset = job->offset, *slant = job->slant;
    const float *old_x = job->accumulate_x ? job->dx + at : job->zero_row;
    const float *old_residual = residual && job->accumulate_residual ? job->dresidual + at : job->zero_row;
    float *dx = job->dx + at, *dresidual = residual ? job->dresidual + at : NULL, slope = job->slope;
#pragma GCC ivdep
    for (size_t j = 0; j < length; j++) {
        float g = activate_gradient(activation, slope, y[j], dy[j]);
        float d = scale[j] * g - offset[j] - slant[j] * (x[j] - mean[j]);
        if (residual) dresidual[j] = old_residual[j] + g;
        if (square) squares[j] += d * d;
        dx[j] = old_x[j] + d;
    }
}

PS_INLINE void dx_chunk(const ps_norm_backward_job *job, size_t begin, size_t end, double *slot,
                        ps_activation activation, int residual, int square) {
    float *running = square ? slot_clear(slot, job->width, PS_NORM_DX_SUMS) : NULL;
    for (row_walk walk = walk_start(begin, end, job->width); walk_next(&walk);) {
        for (size_t r = 0; r < walk.rows; r++)
            dx_row(job, walk.at + r * job->width, walk.length, activation, residual, square, running);
        if (walk_flushes(&walk) && square) flush(slot, running, PS_NORM_DX_SUMS * job->width);
    }
}

void PS_SIMD_NAME(ps_norm_dx_chunk)(const ps_norm_backward_job *job, size_t begin, size_t end, double *slot) {
#define DX(activation)                                                                 \
    do {                                                                               \
        if (job->dresidual && slot) dx_chunk(job, begin, end, slot, activation, 1, 1); \
        else if (job->dresidual) dx_chunk(job, begin, end, slot, activation, 1, 0);    \
        else if (slot) dx_chunk(job, begin, end, slot, activation, 0, 1);              \
        else dx_chunk(job, begin, end, slot, activation, 0, 0);                        \
    } while (0)
    if (job->activation == PS_ACT_NONE) DX(PS_ACT_NONE);
    else if (job->activation == PS_ACT_RELU) DX(PS_ACT_RELU);
    else DX(PS_ACT_LEAKY_RELU);
#undef DX
}
