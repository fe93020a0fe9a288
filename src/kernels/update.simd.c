#include <math.h>
#include <string.h>

#include "kernels/update_simd.h"

#define PS_INLINE static inline __attribute__((always_inline))

/* Row sums run in LANES doubles that are added in order at the row's end: the same on every instruction set. */
enum { LANES = 16, SQUARES = 6 };

typedef struct {
    float dw, gradient, carried, decay, residual, g;
} step_parts;

/* The one place where w and its buffer are computed, so that accounting cannot change them. */
PS_INLINE float sgd_step(const ps_update_sgd_job *job, float g, float w, float *buffer) {
    float total = job->clip * g + job->decay * w;
    *buffer = job->momentum * *buffer + total;
    return w - job->lr * (job->nesterov ? total + job->momentum * *buffer : *buffer);
}

/* Update vector of one part of the momentum whose newest term is `term`. */
PS_INLINE float part_step(const ps_update_sgd_job *job, float term, float buffer) {
    return -job->lr * (job->nesterov ? term + job->momentum * buffer : buffer);
}

/* What this window's gradients and what was carried leave of the momentum. */
PS_INLINE float decay_share(float buffer, float window, float carried) { return buffer - (window + carried); }

PS_INLINE step_parts sgd_accounted(const ps_update_sgd_job *job, bool decays, size_t i) {
    step_parts p = {.g = job->g[i]};
    float w = job->w[i], buffer = job->buffer[i], clipped = job->clip * p.g, decayed = job->decay * w;
    float after = sgd_step(job, p.g, w, &buffer);
    float window = job->momentum * job->window_buffer[i] + clipped;
    float carried = job->carried * job->carried_start[i];
    p.dw = after - w;
    p.gradient = part_step(job, clipped, window);
    p.carried = part_step(job, 0, carried);
    p.decay = decays ? part_step(job, decayed, decay_share(buffer, window, carried)) : 0;
    p.residual = p.dw - (p.gradient + p.carried + p.decay);
    job->w[i] = after;
    job->buffer[i] = buffer;
    job->window_buffer[i] = window;
    job->gradient_sum[i] += p.gradient;
    if (decays) job->decay_sum[i] += p.decay;
    return p;
}

PS_INLINE float adamw_part(const ps_update_adamw_job *job, float m, float denominator) {
    return -(job->scale * m / denominator);
}

PS_INLINE float adamw_step(const ps_update_adamw_job *job, float g, float w, float *m, float *v, float *denominator) {
    float clipped = job->clip * g;
    *m = job->beta1 * *m + job->rest1 * clipped;
    *v = job->beta2 * *v + job->rest2 * clipped * clipped;
    *denominator = sqrtf(*v) / job->root + job->eps;
    return w * job->keep + adamw_part(job, *m, *denominator);
}

/* Where all of m is this window's, or none of it, the parts are so to the last bit: the window's moment then went
 * through the same operations as m. */
PS_INLINE step_parts adamw_accounted(const ps_update_adamw_job *job, bool decays, size_t i) {
    step_parts p = {.g = job->g[i]};
    float w = job->w[i], m = job->m[i], v = job->v[i], denominator;
    float after = adamw_step(job, p.g, w, &m, &v, &denominator);
    float window = job->beta1 * job->window_buffer[i] + job->rest1 * (job->clip * p.g);
    p.dw = after - w;
    p.gradient = adamw_part(job, window, denominator);
    p.carried = adamw_part(job, m, denominator) - p.gradient;
    p.decay = -job->decay * w;
    p.residual = p.dw - (p.gradient + p.carried + p.decay);
    job->w[i] = after;
    job->m[i] = m;
    job->v[i] = v;
    job->window_buffer[i] = window;
    job->gradient_sum[i] += p.gradient;
    job->carried_sum[i] += p.carried;
    if (decays) job->decay_sum[i] += p.decay;
    return p;
}

void PS_SIMD_NAME(ps_update_sgd_span)(const ps_update_sgd_job *job, size_t begin, size_t end) {
    const ps_update_sgd_job local = *job;
#pragma GCC ivdep
    for (size_t i = begin; i < end; i++) {
        float buffer = local.buffer[i];
        local.w[i] = sgd_step(&local, local.g[i], local.w[i], &buffer);
        local.buffer[i] = buffer;
    }
}

void PS_SIMD_NAME(ps_update_adamw_span)(const ps_update_adamw_job *job, size_t begin, size_t end) {
    const ps_update_adamw_job local = *job;
#pragma GCC ivdep
    for (size_t i = begin; i < end; i++) {
        float m = local.m[i], v = local.v[i], denominator;
        local.w[i] = adamw_step(&local, local.g[i], local.w[i], &m, &v, &denominator);
        local.m[i] = m;
        local.v[i] = v;
    }
}

typedef struct {
    double square[SQUARES][LANES];
    float nonzero[LANES];
} row_sums;

PS_INLINE void add_parts(row_sums *sums, size_t lane, step_parts p) {
    sums->square[PS_UPDATE_PATH][lane] += (double)p.dw * (double)p.dw;
    sums->square[PS_UPDATE_PATH_GRADIENT][lane] += (double)p.gradient * (double)p.gradient;
    sums->square[PS_UPDATE_PATH_CARRIED][lane] += (double)p.carried * (double)p.carried;
    sums->square[PS_UPDATE_PATH_DECAY][lane] += (double)p.decay * (double)p.decay;
    sums->square[PS_UPDATE_PATH_RESIDUAL][lane] += (double)p.residual * (double)p.residual;
    sums->square[PS_UPDATE_GRAD_SQUARES][lane] += (double)p.g * (double)p.g;
    sums->nonzero[lane] += p.g == 0 ? 0.0f : 1.0f;
}

static void finish_row(const row_sums *sums, double *squares) {
    float nonzero = 0;
    for (int k = 0; k < SQUARES; k++) {
        squares[k] = 0;
        for (int lane = 0; lane < LANES; lane++) squares[k] += sums->square[k][lane];
    }
    for (int lane = 0; lane < LANES; lane++) nonzero += sums->nonzero[lane];
    squares[PS_UPDATE_ZERO_GRADIENT_STEPS] = nonzero == 0 ? 1 : 0;
}

/* nesterov and decays are constants at every call: a branch inside would keep the lanes from becoming vectors. */
PS_INLINE void sgd_row(const ps_update_sgd_job *job, bool nesterov, bool decays, size_t begin, size_t end,
                       double *squares) {
    ps_update_sgd_job local = *job;
    local.nesterov = nesterov;
    row_sums sums;
    memset(&sums, 0, sizeof sums);
    size_t i = begin;
    for (; i + LANES <= end; i += LANES) {
#pragma GCC ivdep
        for (size_t lane = 0; lane < LANES; lane++) add_parts(&sums, lane, sgd_accounted(&local, decays, i + lane));
    }
    for (size_t lane = 0; i + lane < end; lane++) add_parts(&sums, lane, sgd_accounted(&local, decays, i + lane));
    finish_row(&sums, squares);
}

void PS_SIMD_NAME(ps_update_sgd_row)(const ps_update_sgd_job *job, size_t begin, size_t end, double *squares) {
    bool decays = job->decay_sum != NULL;
    if (job->nesterov && decays) sgd_row(job, true, true, begin, end, squares);
    else if (job->nesterov) sgd_row(job, true, false, begin, end, squares);
    else if (decays) sgd_row(job, false, true, begin, end, squares);
    else sgd_row(job, false, false, begin, end, squares);
}

PS_INLINE void adamw_row(const ps_update_adamw_job *job, bool decays, size_t begin, size_t end, double *squares) {
    const ps_update_adamw_job local = *job;
    row_sums sums;
    memset(&sums, 0, sizeof sums);
    size_t i = begin;
    for (; i + LANES <= end; i += LANES) {
#pragma GCC ivdep
        for (size_t lane = 0; lane < LANES; lane++) add_parts(&sums, lane, adamw_accounted(&local, decays, i + lane));
    }
    for (size_t lane = 0; i + lane < end; lane++) add_parts(&sums, lane, adamw_accounted(&local, decays, i + lane));
    finish_row(&sums, squares);
}

void PS_SIMD_NAME(ps_update_adamw_row)(const ps_update_adamw_job *job, size_t begin, size_t end, double *squares) {
    if (job->decay_sum != NULL) adamw_row(job, true, begin, end, squares);
    else adamw_row(job, false, begin, end, squares);
}

void PS_SIMD_NAME(ps_update_carry_span)(const ps_update_carry_job *job, size_t begin, size_t end) {
    const ps_update_carry_job local = *job;
    float *carried = local.carried_start;
    if (local.open)
        for (size_t i = begin; i < end; i++) carried[i] = local.window_buffer[i] + local.factor * carried[i];
    else
        for (size_t i = begin; i < end; i++) carried[i] = local.momentum[i] - carried[i];
}

void PS_SIMD_NAME(ps_update_share_span)(const ps_update_carry_job *job, size_t begin, size_t end) {
    const ps_update_carry_job local = *job;
    float *carried = local.carried_start;
    for (size_t i = begin; i < end; i++)
        carried[i] = decay_share(local.momentum[i], local.window_buffer[i], local.factor * carried[i]);
}

PS_INLINE void add_net(const ps_update_net_job *job, bool decays, double sums[PS_UPDATE_NETS][LANES], size_t lane,
                       size_t i) {
    double w = (double)job->w[i], start = (double)job->start[i], moved = w - start;
    double driven = (double)job->gradient_sum[i] + job->factor * (double)job->carried[i],
           decayed = decays ? (double)job->decay_sum[i] : 0;
    sums[PS_UPDATE_NET][lane] += moved * moved;
    sums[PS_UPDATE_NET_GRADIENT][lane] += driven * driven;
    sums[PS_UPDATE_NET_DECAY][lane] += decayed * decayed;
    sums[PS_UPDATE_L1][lane] += fabs(w);
    sums[PS_UPDATE_L2][lane] += w * w;
    sums[PS_UPDATE_L2_START][lane] += start * start;
}

PS_INLINE void net_row(const ps_update_net_job *job, bool decays, size_t begin, size_t end, double *nets) {
    double sums[PS_UPDATE_NETS][LANES];
    memset(sums, 0, sizeof sums);
    for (size_t i = begin; i < end; i += LANES) {
        size_t lanes = end - i < LANES ? end - i : LANES;
        for (size_t lane = 0; lane < lanes; lane++) add_net(job, decays, sums, lane, i + lane);
    }
    for (int k = 0; k < PS_UPDATE_NETS; k++) {
        nets[k] = 0;
        for (int lane = 0; lane < LANES; lane++) nets[k] += sums[k][lane];
    }
}

void PS_SIMD_NAME(ps_update_net_row)(const ps_update_net_job *job, size_t begin, size_t end, double *nets) {
    if (job->decay_sum != NULL) net_row(job, true, begin, end, nets);
    else net_row(job, false, begin, end, nets);
}
