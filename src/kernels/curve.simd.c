#include "kernels/curve_simd.h"
#include "kernels/rows_simd.h"
#include "kernels/simd_exp.h"

INLINE vf expm1_of(vf x) {
    vf scale, rest;
    exp_parts(1, &x, &scale, &rest);
    return fma_(scale, rest, scale - splat(1.0f));
}

INLINE vf size_of(vf x) { return (vf)((vi)x & 0x7fffffff); }

/* Phi(x), and exp(-x^2 / 2) in density. The tail beyond a = |x| is exp(-a^2 / 2) R(a); R(a) (a + 2.5) is a polynomial
 * in t = (a - 2.5) / (a + 2.5), fitted for a from 0 to 13.4, behind which the tail is no normal number: relative error
 * 2e-8. The rounding of a^2 is made good. */
INLINE void normal_share(int n, const vf *x, vf *share, vf *density) {
    static const float coefficient[] = {0.706656658f,     -0.433692015f,   0.131987067f,   0.00923596556f,
                                        -0.0163869027f,   -0.00160150773f, 0.00252569176f, 0.000686102132f,
                                        -0.000312853854f, -0.000158904507f};
    vf one = splat(1.0f), half = splat(-0.5f), a[ABREAST], u[ABREAST], t[ABREAST], tail[ABREAST];
    EACH a[i] = smaller_of(splat(14.0f), size_of(x[i]));
    EACH u[i] = one / (a[i] + splat(2.5f));
    EACH t[i] = half * (a[i] * a[i]);
    exp_of(n, t, density);
    EACH {
        vf square = a[i] * a[i], high = (vf)((vi)a[i] & ~0xfff);
        vf lost = fma_(high + a[i], a[i] - high, high * high - square);
        density[i] = fma_(density[i], half * lost, density[i]);
    }
    EACH t[i] = fma_(u[i], splat(-5.0f), one);
    horner(n, coefficient, 9, t, tail);
    EACH tail[i] = density[i] * (tail[i] * u[i]);
    EACH share[i] = pick(x[i] < splat(0.0f), tail[i], one - tail[i]);
}

/* 1 / (1 + exp(-x)), and what is left to 1. */
INLINE void logistic(int n, const vf *x, vf *share, vf *left) {
    vf e[ABREAST], one = splat(1.0f);
    EACH e[i] = -size_of(x[i]);
    exp_of(n, e, e);
    EACH {
        vf near = one / (one + e[i]), far = e[i] * near;
        vi below = x[i] < splat(0.0f);
        left[i] = pick(below, near, far);
        share[i] = pick(below, far, near);
    }
}

INLINE vf kink_of(ps_curve_kind kind, vf alpha, vf x) {
    vf zero = splat(0.0f);
    if (kind == PS_CURVE_ELU) return pick(x > zero, x, alpha * expm1_of(pick(x > zero, zero, x)));
    x = pick(x <= zero, zero, x);
    return pick(x >= splat(PS_CURVE_CEILING), splat(PS_CURVE_CEILING), x);
}

INLINE void values_of(int n, ps_curve_kind kind, vf alpha, const vf *x, vf *y) {
    vf share[ABREAST], ignored[ABREAST];
    switch (kind) {
        case PS_CURVE_GELU: normal_share(n, x, share, ignored); break;
        case PS_CURVE_SILU: logistic(n, x, share, ignored); break;
        default: EACH y[i] = kink_of(kind, alpha, x[i]); return;
    }
    EACH y[i] = x[i] * share[i];
}

INLINE vf slope_of(ps_curve_kind kind, vf alpha, vf x) {
    vf zero = splat(0.0f), one = splat(1.0f), e = pick(x > zero, zero, x);
    if (kind != PS_CURVE_ELU) return pick((x <= zero) | (x >= splat(PS_CURVE_CEILING)), zero, one);
    exp_of(1, &e, &e);
    return pick(x > zero, one, alpha * e);
}

INLINE void derivatives_of(int n, ps_curve_kind kind, vf alpha, const vf *x, vf *slope) {
    vf share[ABREAST], other[ABREAST];
    switch (kind) {
        case PS_CURVE_GELU:
            normal_share(n, x, share, other);
            EACH slope[i] = fma_(x[i], other[i] * splat(0.398942280f), share[i]);
            break;
        case PS_CURVE_SILU:
            logistic(n, x, share, other);
            EACH slope[i] = share[i] * fma_(x[i], other[i], splat(1.0f));
            break;
        default: EACH slope[i] = slope_of(kind, alpha, x[i]); break;
    }
}

/* A shut gate gives exactly 0, whatever dy is. */
INLINE void gradients_of(int n, ps_curve_kind kind, vf alpha, const vf *x, const vf *dy, vf *dx) {
    if (kind == PS_CURVE_RELU6) {
        EACH dx[i] = pick((x[i] <= splat(0.0f)) | (x[i] >= splat(PS_CURVE_CEILING)), splat(0.0f), dy[i]);
        return;
    }
    derivatives_of(n, kind, alpha, x, dx);
    EACH dx[i] *= dy[i];
}

INLINE vf one_where(vi mask) { return pick(mask, splat(1.0f), splat(0.0f)); }

/* What the vectors of a chunk are for. */
typedef enum { VALUE, GRADIENT, FLATNESS } task;

INLINE void add_upto(float *sum, vf v, int count) { store_upto(sum, load_upto(sum, count) + v, count); }

/* n vectors, each whole or, the only one, of `count` floats. sum: of their columns, or NULL. */
INLINE void some_vectors(int n, const ps_curve_job *job, size_t at, int count, task what, ps_curve_kind kind,
                         float *sum) {
    vf x[ABREAST], found[ABREAST], alpha = splat(job->curve.alpha);
    EACH x[i] = load_upto(job->x + at + i * LANES, count);
    if (what == FLATNESS) {
        if (sum == NULL) return;
        derivatives_of(n, kind, alpha, x, found);
        EACH add_upto(sum + i * LANES, one_where(size_of(found[i]) < splat(job->least)), count);
        return;
    }
    if (what == VALUE) values_of(n, kind, alpha, x, found);
    else {
        vf dy[ABREAST];
        EACH dy[i] = load_upto(job->dy + at + i * LANES, count);
        gradients_of(n, kind, alpha, x, dy, found);
    }
    if (sum != NULL) {
        EACH add_upto(sum + i * LANES, what == VALUE ? one_where(found[i] == splat(0.0f)) : found[i] * found[i], count);
    }
    float *to = (what == VALUE ? job->y : job->dx) + at;
    if (what == GRADIENT && job->accumulate) EACH found[i] = load_upto(to + i * LANES, count) + found[i];
    EACH store_upto(to + i * LANES, found[i], count);
}

/* sum: of the columns; NULL: none, and the floats need not be a row. */
INLINE void run_floats(const ps_curve_job *job, size_t at, size_t length, task what, ps_curve_kind kind, float *sum) {
    size_t j = 0;
    for (; j + ABREAST * LANES <= length; j += ABREAST * LANES)
        some_vectors(ABREAST, job, at + j, LANES, what, kind, sum != NULL ? sum + j : NULL);
    for (; j < length; j += LANES)
        some_vectors(1, job, at + j, length - j < LANES ? (int)(length - j) : LANES, what, kind,
                     sum != NULL ? sum + j : NULL);
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
