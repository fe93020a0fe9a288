#include <math.h>
#include <string.h>

#include "kernels/rounding_simd.h"
#include "kernels/rows_simd.h"

enum { CHAINS = 16 };

/* Squares in double: their range must hold what a float's does. Sums of their own, so that they do not wait for each
 * other. */
static double squares_of(const float *x, size_t length) {
    double sum[CHAINS] = {0}, total = 0;
    size_t i = 0;
    for (; i + CHAINS <= length; i += CHAINS)
        for (size_t k = 0; k < CHAINS; k++) sum[k] += (double)x[i + k] * (double)x[i + k];
    for (; i < length; i++) total += (double)x[i] * (double)x[i];
    for (size_t k = 0; length >= CHAINS && k < CHAINS; k++) total += sum[k];
    return total;
}

void PS_SIMD_NAME(ps_rounding_norms_chunk)(const float *x, size_t count, size_t length, float *norm) {
    if (length == 1)
        for (size_t i = 0; i < count; i++) norm[i] = fabsf(x[i]);
    else
        for (size_t i = 0; i < count; i++) norm[i] = (float)sqrt(squares_of(x + i * length, length));
}

void PS_SIMD_NAME(ps_rounding_largest_chunk)(const float *x, size_t count, size_t length, float *most) {
    for (size_t i = 0; i < count; i++) {
        float found[CHAINS] = {0}, all = 0;
        const float *from = x + i * length;
        size_t k = 0;
        for (; k + CHAINS <= length; k += CHAINS)
            for (size_t j = 0; j < CHAINS; j++) found[j] = from[k + j] > found[j] ? from[k + j] : found[j];
        for (; k < length; k++) all = from[k] > all ? from[k] : all;
        for (size_t j = 0; j < CHAINS; j++) all = found[j] > all ? found[j] : all;
        most[i] = all;
    }
}

static const float few = (float)PS_ROUNDING_FEW;

PS_INLINE float smaller(float a, float b) { return b < a ? b : a; }

PS_INLINE void spread(const ps_rounding_spread_job *job, size_t count, int moves, int adds, int biased) {
    const float *added_to = job->added_to, *start = job->start, *row = job->row, *row_moved = job->row_moved,
                *bias = job->bias;
    float norm = job->norm, moved = job->moved, factor = job->factor, *bound = job->bound;
    int reads = norm > 0;
#pragma GCC ivdep
    for (size_t k = 0; k < count; k++) {
        float b = norm * row[k], own = biased ? fabsf(bias[k]) : 0.0f, other = adds ? fabsf(added_to[k]) : 0.0f;
        if (moves) b += moved * row_moved[k];
        if (adds) b += start[k] + smaller(few * (own + other), smaller(norm * row_moved[k] + own, other));
        if (reads) b += factor * own;
        bound[k] = b;
    }
}

void PS_SIMD_NAME(ps_rounding_spread_row)(const ps_rounding_spread_job *job, size_t count) {
    int biased = job->bias != NULL;
    if (job->row_moved && job->start) spread(job, count, 1, 1, biased);
    else if (job->row_moved) spread(job, count, 1, 0, biased);
    else if (biased) spread(job, count, 0, 0, 1);
    else spread(job, count, 0, 0, 0);
}

void PS_SIMD_NAME(ps_rounding_spread_rows)(const ps_rounding_spread_job *first, const double *squares,
                                           const float *moved, size_t positions, size_t step, size_t count) {
    ps_rounding_spread_job job = *first;
    for (size_t i = 0; i < positions; i++) {
        job.norm = (float)sqrt(squares[i]);
        job.moved = moved[i];
        PS_SIMD_NAME(ps_rounding_spread_row)(&job, count);
        job.bound += step;
        if (job.start) job.start += step, job.added_to += step;
    }
}

enum { DEPTHWISE = 64 }; /* channels whose sums are under way */

PS_INLINE void add_depthwise(const ps_rounding_depthwise_job *job, size_t channel, size_t length, double *squares) {
    for (size_t d = 0; d < job->taps[0]; d++)
        for (size_t h = 0; h < job->taps[1]; h++)
            for (size_t w = 0; w < job->taps[2]; w++) {
                const float *x = job->x + channel + d * job->step[0] + h * job->step[1] + w * job->step[2];
                for (size_t j = 0; j < length; j++) squares[j] += (double)x[j] * (double)x[j];
            }
}

PS_INLINE void spread_depthwise(const ps_rounding_depthwise_job *job, size_t channel, size_t length) {
    const float *row = job->row + channel, *bias = job->bias ? job->bias + channel : NULL;
    float *bound = job->bound + channel, factor = job->factor;
    double squares[DEPTHWISE] = {0};
    add_depthwise(job, channel, length, squares);
#pragma GCC ivdep
    for (size_t j = 0; j < length; j++) {
        float norm = (float)sqrt(squares[j]), own = bias ? fabsf(bias[j]) : 0.0f;
        bound[j] = norm * row[j] + (norm > 0 ? factor * own : 0.0f);
    }
}

/* The same loops for a constant length, which stay in registers. */
void PS_SIMD_NAME(ps_rounding_spread_depthwise)(const ps_rounding_depthwise_job *job, size_t count) {
    size_t channel = 0;
    for (; channel + DEPTHWISE <= count; channel += DEPTHWISE) spread_depthwise(job, channel, DEPTHWISE);
    if (channel < count) spread_depthwise(job, channel, count - channel);
}

/* NaN wins and stays. */
PS_INLINE float larger(float a, float b) { return (b > a) | (b != b) ? b : a; }

/* Constants at every call: a normalisation before the gate, something added, bounds of both, and whether edges are
 * wanted rather than bounds. */
PS_INLINE void entry_row(const ps_rounding_entry_job *job, size_t at, size_t length, int normed, int residual,
                         int bounded, int edges) {
    const float *x = job->x + at, *other = residual ? job->residual + at : NULL;
    const float *own_bound = bounded ? job->x_bound + at : NULL;
    const float *other_bound = residual && bounded ? job->residual_bound + at : NULL;
    const float *mean = job->mean, *scale = job->scale, *beta = job->beta, *size = job->size;
    float *bound = edges ? NULL : job->bound + at, *low = job->low, *high = job->high, *most = job->most;
    float *sum = job->running, *squares = edges ? sum + job->width : NULL, least = job->rectified ? 0.0f : -INFINITY;
#pragma GCC ivdep
    for (size_t j = 0; j < length; j++) {
        float v = x[j], b = bounded ? own_bound[j] : 0.0f;
        if (normed) {
            b = b * fabsf(scale[j]) + few * fabsf(v * scale[j]) + size[j];
            v = (v - mean[j]) * scale[j] + beta[j];
        }
        if (residual) {
            b += few * fabsf(other[j]) + (bounded ? other_bound[j] : 0.0f);
            v += other[j];
        }
        if (edges) {
            low[j] = larger(low[j], v - b);
            high[j] = larger(high[j], v + b);
            most[j] = larger(most[j], v);
            sum[j] += v;
            squares[j] += v * v;
        } else {
            bound[j] = v + b <= least ? 0.0f : b;
        }
    }
}

static void begin_edges(const ps_rounding_entry_job *job) {
    for (size_t j = 0; j < job->width; j++) job->low[j] = job->high[j] = job->most[j] = -INFINITY;
    memset(job->running, 0, 2 * job->width * sizeof *job->running);
    memset(job->sums, 0, 2 * job->width * sizeof *job->sums);
}

PS_INLINE void entry_rows(const ps_rounding_entry_job *job, size_t begin, size_t end, int normed, int residual,
                          int bounded, int edges) {
    size_t depth = 0;
    if (edges) begin_edges(job);
    for (size_t at = begin; at < end; at += job->width) {
        entry_row(job, at, end - at < job->width ? end - at : job->width, normed, residual, bounded, edges);
        if (!edges || (++depth < PS_ROWS_FLOAT_DEPTH && at + job->width < end)) continue;
        flush(job->sums, job->running, 2 * job->width);
        depth = 0;
    }
}

PS_INLINE void entry_kind(const ps_rounding_entry_job *job, size_t begin, size_t end, int bounded, int edges) {
    if (job->mean && job->residual) entry_rows(job, begin, end, 1, 1, bounded, edges);
    else if (job->mean) entry_rows(job, begin, end, 1, 0, bounded, edges);
    else if (job->residual) entry_rows(job, begin, end, 0, 1, bounded, edges);
    else entry_rows(job, begin, end, 0, 0, bounded, edges);
}

void PS_SIMD_NAME(ps_rounding_entry_chunk)(const ps_rounding_entry_job *job, size_t begin, size_t end) {
    if (job->x_bound && !job->bound) entry_kind(job, begin, end, 1, 1);
    else if (job->x_bound) entry_kind(job, begin, end, 1, 0);
    else if (!job->bound) entry_kind(job, begin, end, 0, 1);
    else entry_kind(job, begin, end, 0, 0);
}

/* ---- within reach of a kernel ---- */

void PS_SIMD_NAME(ps_rounding_add_reach)(const float *norm, const float *moved, size_t step, size_t count,
                                         double *squares, float *most) {
    if (step == 1)
        for (size_t i = 0; i < count; i++) squares[i] += (double)norm[i] * (double)norm[i];
    else
        for (size_t i = 0; i < count; i++) squares[i] += (double)norm[i * step] * (double)norm[i * step];
    if (moved == NULL) return;
    for (size_t i = 0; i < count; i++) most[i] = moved[i * step] > most[i] ? moved[i * step] : most[i];
}
