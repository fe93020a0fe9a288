#include "kernels/curve_simd.h"
#include "kernels/rows_simd.h"
#include "kernels/simd_exp.h"

INLINE vf expm1_of(vf x) {
    vf scale, rest;
    exp_parts(x, &scale, &rest);
    return fma_(scale, rest, scale - splat(1.0f));
}

INLINE vf size_of(vf x) { return (vf)((vi)x & 0x7fffffff); }

/* Phi(x), and exp(-x^2 / 2) in *density. The tail beyond a = |x| is exp(-a^2 / 2) R(a); R(a) (a + 2.5) is a polynomial
 * in t = (a - 2.5) / (a + 2.5), fitted for a from 0 to 13.4, behind which the tail is no normal number: relative error
 * 2e-8. The rounding of a^2 is made good. */
INLINE vf normal_share(vf x, vf *density) {
    static const float coefficient[] = {0.706656658f,     -0.433692015f,   0.131987067f,   0.00923596556f,
                                        -0.0163869027f,   -0.00160150773f, 0.00252569176f, 0.000686102132f,
                                        -0.000312853854f, -0.000158904507f};
    vf a = size_of(x), one = splat(1.0f), half = splat(-0.5f);
    a = pick(a > splat(14.0f), splat(14.0f), a);
    vf square = a * a, e = exp_of(half * square);
    vf high = (vf)((vi)a & ~0xfff), lost = fma_(high + a, a - high, high * high - square);
    e = fma_(e, half * lost, e);
    vf u = one / (a + splat(2.5f)), t = fma_(u, splat(-5.0f), one);
    vf tail = e * (horner(coefficient, 9, t) * u);
    *density = e;
    return pick(x < splat(0.0f), tail, one - tail);
}

/* 1 / (1 + exp(-x)), and what is left to 1. */
INLINE vf logistic(vf x, vf *left) {
    vf e = exp_of(-size_of(x)), near = splat(1.0f) / (splat(1.0f) + e), far = e * near;
    vi below = x < splat(0.0f);
    *left = pick(below, near, far);
    return pick(below, far, near);
}

INLINE vf value_of(ps_curve_kind kind, vf alpha, vf x) {
    vf zero = splat(0.0f), ignored;
    switch (kind) {
        case PS_CURVE_GELU: return x * normal_share(x, &ignored);
        case PS_CURVE_SILU: return x * logistic(x, &ignored);
        case PS_CURVE_ELU: return pick(x > zero, x, alpha * expm1_of(pick(x > zero, zero, x)));
        default: break;
    }
    x = pick(x <= zero, zero, x);
    return pick(x >= splat(PS_CURVE_CEILING), splat(PS_CURVE_CEILING), x);
}

INLINE vf derivative_of(ps_curve_kind kind, vf alpha, vf x) {
    vf zero = splat(0.0f), one = splat(1.0f), other;
    switch (kind) {
        case PS_CURVE_GELU: {
            vf share = normal_share(x, &other);
            return fma_(x, other * splat(0.398942280f), share);
        }
        case PS_CURVE_SILU: {
            vf share = logistic(x, &other);
            return share * fma_(x, other, one);
        }
        case PS_CURVE_ELU: return pick(x > zero, one, alpha * exp_of(pick(x > zero, zero, x)));
        default: return pick((x <= zero) | (x >= splat(PS_CURVE_CEILING)), zero, one);
    }
}

/* A shut gate gives exactly 0, whatever dy is. */
INLINE vf gradient_of(ps_curve_kind kind, vf alpha, vf x, vf dy) {
    if (kind != PS_CURVE_RELU6) return derivative_of(kind, alpha, x) * dy;
    return pick((x <= splat(0.0f)) | (x >= splat(PS_CURVE_CEILING)), splat(0.0f), dy);
}

INLINE vf one_where(vi mask) { return pick(mask, splat(1.0f), splat(0.0f)); }

/* What one vector of a chunk is for. */
typedef enum { VALUE, GRADIENT, FLATNESS } task;

INLINE void add_upto(float *sum, vf v, int count) { store_upto(sum, load_upto(sum, count) + v, count); }

INLINE void one_vector(const ps_curve_job *job, size_t at, int count, task what, ps_curve_kind kind, vf alpha,
                       float *sum) {
    vf x = load_upto(job->x + at, count);
    if (what == FLATNESS) {
        add_upto(sum, one_where(size_of(derivative_of(kind, alpha, x)) < splat(job->least)), count);
        return;
    }
    vf found = what == VALUE ? value_of(kind, alpha, x) : gradient_of(kind, alpha, x, load_upto(job->dy + at, count));
    if (sum != NULL) add_upto(sum, what == VALUE ? one_where(found == splat(0.0f)) : found * found, count);
    if (what == GRADIENT && job->accumulate) found = load_upto(job->dx + at, count) + found;
    store_upto((what == VALUE ? job->y : job->dx) + at, found, count);
}

/* sum: of the columns; NULL: none, and the floats need not be a row. */
INLINE void run_floats(const ps_curve_job *job, size_t at, size_t length, task what, ps_curve_kind kind, float *sum) {
    vf alpha = splat(job->curve.alpha);
    size_t whole = length / LANES * LANES;
    for (size_t j = 0; j < whole; j += LANES)
        one_vector(job, at + j, LANES, what, kind, alpha, sum != NULL ? sum + j : NULL);
    if (whole < length)
        one_vector(job, at + whole, (int)(length - whole), what, kind, alpha, sum != NULL ? sum + whole : NULL);
}

INLINE void run_chunk(const ps_curve_job *job, size_t begin, size_t end, double *slot, task what, ps_curve_kind kind) {
    if (slot == NULL) {
        run_floats(job, begin, end - begin, what, kind, NULL);
        return;
    }
    float *running = slot_clear(slot, job->width, 1);
    for (row_walk walk = walk_start(begin, end, job->width); walk_next(&walk);) {
        for (size_t r = 0; r < walk.rows; r++)
            run_floats(job, walk.at + r * job->width, walk.length, what, kind, running);
        if (walk_flushes(&walk)) flush(slot, running, job->width);
    }
}

INLINE void run_kind(const ps_curve_job *job, size_t begin, size_t end, double *slot, task what) {
    switch (job->curve.kind) {
        case PS_CURVE_GELU: run_chunk(job, begin, end, slot, what, PS_CURVE_GELU); break;
        case PS_CURVE_SILU: run_chunk(job, begin, end, slot, what, PS_CURVE_SILU); break;
        case PS_CURVE_ELU: run_chunk(job, begin, end, slot, what, PS_CURVE_ELU); break;
        case PS_CURVE_RELU6: run_chunk(job, begin, end, slot, what, PS_CURVE_RELU6); break;
    }
}

void PS_SIMD_NAME(ps_curve_forward_chunk)(const ps_curve_job *job, size_t begin, size_t end, double *slot) {
    run_kind(job, begin, end, slot, VALUE);
}

void PS_SIMD_NAME(ps_curve_backward_chunk)(const ps_curve_job *job, size_t begin, size_t end, double *slot) {
    run_kind(job, begin, end, slot, GRADIENT);
}

void PS_SIMD_NAME(ps_curve_flat_chunk)(const ps_curve_job *job, size_t begin, size_t end, double *slot) {
    run_kind(job, begin, end, slot, FLATNESS);
}

/* ---- PReLU ---- */

PS_INLINE void prelu_row(const ps_curve_job *job, size_t at, size_t length, int count_zeros, float *zeros) {
    const float *x = job->x + at, *slope = job->slope;
    float *y = job->y + at;
#pragma GCC ivdep
    for (size_t j = 0; j < length; j++) {
        float v = x[j] > 0 ? x[j] : slope[j] * x[j];
        y[j] = v;
        if (count_zeros) zeros[j] += v == 0 ? 1.0f : 0.0f;
    }
}

void PS_SIMD_NAME(ps_prelu_forward_chunk)(const ps_curve_job *job, size_t begin, size_t end, double *slot) {
    float *running = slot != NULL ? slot_clear(slot, job->width, 1) : NULL;
    for (row_walk walk = walk_start(begin, end, job->width); walk_next(&walk);) {
        for (size_t r = 0; r < walk.rows; r++) {
            size_t at = walk.at + r * job->width;
            if (slot != NULL) prelu_row(job, at, walk.length, 1, running);
            else prelu_row(job, at, walk.length, 0, NULL);
        }
        if (walk_flushes(&walk) && slot != NULL) flush(slot, running, job->width);
    }
}

PS_INLINE void prelu_gradient_row(const ps_curve_job *job, size_t at, size_t length, int want, int accumulate,
                                  int square, float *dslope, float *squares) {
    const float *x = job->x + at, *dy = job->dy + at, *slope = job->slope;
    float *dx = want ? job->dx + at : NULL;
#pragma GCC ivdep
    for (size_t j = 0; j < length; j++) {
        float d = x[j] > 0 ? dy[j] : slope[j] * dy[j];
        dslope[j] += x[j] > 0 ? 0.0f : x[j] * dy[j];
        if (square) squares[j] += d * d;
        if (want) dx[j] = accumulate ? dx[j] + d : d;
    }
}

void PS_SIMD_NAME(ps_prelu_backward_chunk)(const ps_curve_job *job, size_t begin, size_t end, double *slot) {
    int sums = 1 + job->square;
    float *dslope = slot_clear(slot, job->width, sums), *squares = dslope + job->width;
    for (row_walk walk = walk_start(begin, end, job->width); walk_next(&walk);) {
        for (size_t r = 0; r < walk.rows; r++) {
            size_t at = walk.at + r * job->width;
#define ROW(want, accumulate, square) \
    prelu_gradient_row(job, at, walk.length, want, accumulate, square, dslope, squares)
            if (job->dx == NULL) ROW(0, 0, 0);
            else if (job->square && job->accumulate) ROW(1, 1, 1);
            else if (job->square) ROW(1, 0, 1);
            else if (job->accumulate) ROW(1, 1, 0);
            else ROW(1, 0, 0);
#undef ROW
        }
        if (walk_flushes(&walk)) flush(slot, dslope, (size_t)sums * job->width);
    }
}
