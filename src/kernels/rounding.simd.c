#include <math.h>
#include <string.h>

#include "kernels/rounding_simd.h"
#include "kernels/rows_simd.h"

enum { CHAINS = 16, FEW_CHAINS = 4 };

/* Squares in double: their range must hold what a float's does. Sums of their own, so that they do not wait for each
 * other; those of narrow maps are not many. */
PS_INLINE double squares_of(const float *x, size_t length) {
    double few[FEW_CHAINS] = {0};
    size_t i = 0;
    if (length >= CHAINS) {
        double sum[CHAINS] = {0};
        for (; i + CHAINS <= length; i += CHAINS)
            for (size_t k = 0; k < CHAINS; k++) sum[k] += (double)x[i + k] * (double)x[i + k];
        for (size_t k = 0; k < CHAINS / 2; k++) sum[k] += sum[k + CHAINS / 2];
        for (size_t k = 0; k < FEW_CHAINS; k++) few[k] = sum[k] + sum[k + FEW_CHAINS];
    }
    for (; i + FEW_CHAINS <= length; i += FEW_CHAINS)
        for (size_t k = 0; k < FEW_CHAINS; k++) few[k] += (double)x[i + k] * (double)x[i + k];
    double total = (few[0] + few[1]) + (few[2] + few[3]);
    for (; i < length; i++) total += (double)x[i] * (double)x[i];
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

/* Of a depthwise convolution: the squares of a source position's taps along d and h are added up once for all output
 * positions that reach it along w. */
enum { CHANNELS = 32, COLUMNS = 64 }; /* channels and source positions whose sums are under way: 16 KiB */

PS_INLINE void add_column(const ps_rounding_depthwise_job *job, const float *x, size_t length, double *squares) {
    for (size_t j = 0; j < length; j++) squares[j] = 0;
    for (size_t d = 0; d < job->taps[0]; d++)
        for (size_t h = 0; h < job->taps[1]; h++) {
            const float *at = x + d * job->step[0] + h * job->step[1];
            for (size_t j = 0; j < length; j++) squares[j] += (double)at[j] * (double)at[j];
        }
}

PS_INLINE void spread_reach(const ps_rounding_depthwise_job *job, size_t channel, size_t length,
                            double (*column)[CHANNELS], size_t columns, size_t step, float *bound) {
    const float *row = job->row + channel, *bias = job->bias ? job->bias + channel : NULL;
    float factor = job->factor, norm[CHANNELS];
    double squares[CHANNELS] = {0};
    for (size_t w = 0; w < columns; w++)
        for (size_t j = 0; j < length; j++) squares[j] += column[w * step][j];
    for (size_t j = 0; j < length; j++) norm[j] = (float)sqrt(squares[j]);
    for (size_t j = 0; j < length; j++) bound[j] = norm[j] * row[j];
    for (size_t j = 0; bias && j < length; j++) {
        float own = factor * fabsf(bias[j]);
        bound[j] += norm[j] > 0 ? own : 0.0f;
    }
}

PS_INLINE size_t first_in_line(size_t out, const ps_rounding_depthwise_job *job, size_t *taps) {
    size_t tap = 0, end = job->taps_w, at = out * job->stride;
    while (tap < end && at + tap * job->dilation < job->pad) tap++;
    while (end > tap && at + (end - 1) * job->dilation >= job->pad + job->w) end--;
    *taps = end - tap;
    return end > tap ? at + tap * job->dilation - job->pad : 0;
}

/* Output positions from `out` on whose sources fit into the columns; returns how many. */
PS_INLINE size_t spread_some(const ps_rounding_depthwise_job *job, size_t channel, size_t length, size_t out,
                             double (*column)[CHANNELS]) {
    size_t taps, first = first_in_line(out, job, &taps), count = job->w - first;
    if (count > COLUMNS) count = COLUMNS;
    for (size_t w = 0; w < count; w++)
        add_column(job, job->x + (first + w) * job->channels + channel, length, column[w]);
    size_t done = 0;
    for (; out + done < job->outputs; done++) {
        size_t at = first_in_line(out + done, job, &taps), behind = taps > 0 ? at + (taps - 1) * job->dilation + 1 : 0;
        if (behind > first + count) break;
        float *bound = job->bound + (out + done) * job->channels + channel;
        spread_reach(job, channel, length, column + (taps > 0 ? at - first : 0), taps, job->dilation, bound);
    }
    return done;
}

PS_INLINE void spread_line_of(const ps_rounding_depthwise_job *job, size_t channel, size_t length) {
    double column[COLUMNS][CHANNELS];
    for (size_t out = 0, done; out < job->outputs; out += done) done = spread_some(job, channel, length, out, column);
}

int PS_SIMD_NAME(ps_rounding_spread_depthwise)(const ps_rounding_depthwise_job *job) {
    size_t channel = 0;
    if ((job->taps_w - 1) * job->dilation >= COLUMNS) return 0;
    for (; channel + CHANNELS <= job->channels; channel += CHANNELS) spread_line_of(job, channel, CHANNELS);
    if (channel < job->channels) spread_line_of(job, channel, job->channels - channel);
    return 1;
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
