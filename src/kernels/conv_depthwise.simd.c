/* Lines of depthwise convolution for one instruction set; see conv_depthwise.h. */
#include "kernels/conv_depthwise.h"
#include "kernels/simd_vector.h"

enum { BLOCK = 4 }; /* positions that share the load of a weight */

/* Positions of an axis whose taps all lie inside the source: [first, last). */
static void inner_positions(const ps_conv_axis *w, int *first, int *last) {
    *first = *last = 0;
    if (w->taps == 0) return;
    int low = w->delta[0], high = w->delta[w->taps - 1];
    *first = low >= 0 ? 0 : (-low + w->source_step - 1) / w->source_step;
    *last = w->source_size - high <= 0 ? 0 : (w->source_size - 1 - high) / w->source_step + 1;
    if (*last > w->count) *last = w->count;
    if (*first > *last) *first = *last;
}

INLINE void finish(vf sum, int channels, bool accumulate, float *to) {
    if (accumulate) sum += load_upto(to, channels);
    store_upto(to, sum, channels);
}

/* `positions` (a constant) neighbours from w on, all taps inside. */
INLINE void inner_block(int positions, const ps_conv_sweep *s, const ps_depthwise_lines *lines, int w, int c, int channels, vf bias,
                        bool accumulate, float *target) {
    size_t step = (size_t)s->w.source_step * (size_t)s->source_channels, all = (size_t)s->source_channels;
    vf sum[BLOCK];
#pragma GCC unroll 4
    for (int i = 0; i < positions; i++) sum[i] = bias;
    for (int line = 0; line < lines->count; line++) {
        const float *from = lines->source[line] + (size_t)w * step + (size_t)c;
        for (int t = 0; t < s->w.taps; t++) {
            vf weight = load_upto(lines->weights[line] + (size_t)s->w.tap[t] * all + c, channels);
            const float *x = from + (ptrdiff_t)s->w.delta[t] * (ptrdiff_t)all;
#pragma GCC unroll 4
            for (int i = 0; i < positions; i++) sum[i] = fma_(load_upto(x + (size_t)i * step, channels), weight, sum[i]);
        }
    }
#pragma GCC unroll 4
    for (int i = 0; i < positions; i++) {
        finish(sum[i], channels, accumulate, target + (size_t)(w + i) * (size_t)s->w.target_step * all + c);
    }
}

static void edge_position(const ps_conv_sweep *s, const ps_depthwise_lines *lines, int w, int c, int channels, vf bias,
                          bool accumulate, float *target) {
    size_t all = (size_t)s->source_channels;
    vf sum = bias;
    for (int line = 0; line < lines->count; line++) {
        for (int t = 0; t < s->w.taps; t++) {
            int at = w * s->w.source_step + s->w.delta[t];
            if (at < 0 || at >= s->w.source_size) continue;
            vf weight = load_upto(lines->weights[line] + (size_t)s->w.tap[t] * all + c, channels);
            sum = fma_(load_upto(lines->source[line] + (size_t)at * all + c, channels), weight, sum);
        }
    }
    finish(sum, channels, accumulate, target + (size_t)w * (size_t)s->w.target_step * all + c);
}

/* Positions [w, last) of a small kernel, all taps inside: the weights stay in registers; where taps and positions are
 * neighbours (`sliding`), so do the sources that several positions share. Constants: count, taps, sliding. */
INLINE int inner_small(int count, int taps, bool sliding, const ps_conv_sweep *s, const ps_depthwise_lines *lines, int w, int last,
                       int c, int channels, vf bias, bool accumulate, float *target) {
    size_t all = (size_t)s->source_channels, step = (size_t)s->w.source_step * all, target_step = (size_t)s->w.target_step * all;
    vf weight[3][3];
    const float *from[3];
    ptrdiff_t tap_at[3];
#pragma GCC unroll 3
    for (int t = 0; t < taps; t++) tap_at[t] = (ptrdiff_t)s->w.delta[t] * (ptrdiff_t)all;
#pragma GCC unroll 3
    for (int line = 0; line < count; line++) {
        from[line] = lines->source[line] + (size_t)w * step + (size_t)c;
#pragma GCC unroll 3
        for (int t = 0; t < taps; t++) {
            weight[line][t] = load_upto(lines->weights[line] + (size_t)s->w.tap[t] * all + c, channels);
        }
    }
    float *to = target + (size_t)w * target_step + c;
    for (; w + BLOCK <= last; w += BLOCK, to += BLOCK * target_step) {
        vf sum[BLOCK] = {bias, bias, bias, bias};
#pragma GCC unroll 3
        for (int line = 0; line < count; line++) {
            const float *x = from[line];
            if (sliding) {
                vf source[BLOCK + 2];
#pragma GCC unroll 6
                for (int i = 0; i < BLOCK + taps - 1; i++) source[i] = load_upto(x + tap_at[0] + (ptrdiff_t)(i * all), channels);
#pragma GCC unroll 3
                for (int t = 0; t < taps; t++) {
#pragma GCC unroll 4
                    for (int i = 0; i < BLOCK; i++) sum[i] = fma_(source[i + t], weight[line][t], sum[i]);
                }
            } else {
#pragma GCC unroll 3
                for (int t = 0; t < taps; t++) {
#pragma GCC unroll 4
                    for (int i = 0; i < BLOCK; i++) {
                        sum[i] = fma_(load_upto(x + tap_at[t] + (ptrdiff_t)(i * step), channels), weight[line][t], sum[i]);
                    }
                }
            }
            from[line] = x + BLOCK * step;
        }
#pragma GCC unroll 4
        for (int i = 0; i < BLOCK; i++) finish(sum[i], channels, accumulate, to + (size_t)i * target_step);
    }
    return w;
}

/* Returns the first position left to do. */
INLINE int inner_positions_of(const ps_conv_sweep *s, const ps_depthwise_lines *lines, int w, int last, int c, int channels, vf bias,
                              bool accumulate, float *target) {
    bool sliding = s->w.source_step == 1 && s->w.taps == 3 && s->w.delta[1] == s->w.delta[0] + 1 && s->w.delta[2] == s->w.delta[1] + 1;
#define SMALL(count, taps, slides) inner_small(count, taps, slides, s, lines, w, last, c, channels, bias, accumulate, target)
    switch (lines->count * 4 + s->w.taps) {
        case 4 * 1 + 1: return SMALL(1, 1, false);
        case 4 * 1 + 2: return SMALL(1, 2, false);
        case 4 * 1 + 3: return sliding ? SMALL(1, 3, true) : SMALL(1, 3, false);
        case 4 * 2 + 1: return SMALL(2, 1, false);
        case 4 * 2 + 2: return SMALL(2, 2, false);
        case 4 * 2 + 3: return sliding ? SMALL(2, 3, true) : SMALL(2, 3, false);
        case 4 * 3 + 3: return sliding ? SMALL(3, 3, true) : SMALL(3, 3, false);
        default: break;
    }
#undef SMALL
    for (; w + BLOCK <= last; w += BLOCK) inner_block(BLOCK, s, lines, w, c, channels, bias, accumulate, target);
    return w;
}

INLINE void line_vector(const ps_conv_sweep *s, const ps_depthwise_lines *lines, const float *bias, bool accumulate, int c,
                        int channels, float *target) {
    int first, last, w = 0;
    inner_positions(&s->w, &first, &last);
    vf start = bias != NULL ? load_upto(bias + c, channels) : splat(0.0f);
    for (; w < first; w++) edge_position(s, lines, w, c, channels, start, accumulate, target);
    w = inner_positions_of(s, lines, w, last, c, channels, start, accumulate, target);
    for (; w < last; w++) inner_block(1, s, lines, w, c, channels, start, accumulate, target);
    for (; w < s->w.count; w++) edge_position(s, lines, w, c, channels, start, accumulate, target);
}

static void line(const ps_conv_sweep *s, const ps_depthwise_lines *lines, const float *bias, bool accumulate, float *target) {
    int c = 0;
    for (; c + LANES <= s->source_channels; c += LANES) line_vector(s, lines, bias, accumulate, c, LANES, target);
    if (c < s->source_channels) line_vector(s, lines, bias, accumulate, c, s->source_channels - c, target);
}

/* `taps` (a constant) sums at a time stay in registers. */
INLINE void gradient_taps(int taps, const ps_conv_sweep *s, int tap, const float *source, const float *dy, int c, int channels,
                          float *dw) {
    size_t all = (size_t)s->source_channels;
    vf sum[8];
    int first, last, w = 0;
    inner_positions(&s->w, &first, &last);
#pragma GCC unroll 8
    for (int t = 0; t < taps; t++) sum[t] = load_upto(dw + (size_t)(tap + t) * all + c, channels);
    for (; w < s->w.count; w++) {
        vf g = load_upto(dy + (size_t)w * all + c, channels);
        int at = w * s->w.source_step;
        bool inner = w >= first && w < last;
#pragma GCC unroll 8
        for (int t = 0; t < taps; t++) {
            int x = at + s->w.delta[tap + t];
            if (inner || (x >= 0 && x < s->w.source_size)) {
                sum[t] = fma_(load_upto(source + (size_t)x * all + c, channels), g, sum[t]);
            }
        }
    }
#pragma GCC unroll 8
    for (int t = 0; t < taps; t++) store_upto(dw + (size_t)(tap + t) * all + c, sum[t], channels);
}

INLINE void gradient_vector(const ps_conv_sweep *s, const float *source, const float *dy, int c, int channels, float *dw) {
    int taps = s->w.taps;
    if (taps == 3) gradient_taps(3, s, 0, source, dy, c, channels, dw);
    else if (taps == 5) gradient_taps(5, s, 0, source, dy, c, channels, dw);
    else if (taps == 7) gradient_taps(7, s, 0, source, dy, c, channels, dw);
    else for (int tap = 0; tap < taps; tap++) gradient_taps(1, s, tap, source, dy, c, channels, dw);
}

static void gradient(const ps_conv_sweep *s, const float *source, const float *dy, float *dw) {
    int c = 0;
    for (; c + LANES <= s->source_channels; c += LANES) gradient_vector(s, source, dy, c, LANES, dw);
    if (c < s->source_channels) gradient_vector(s, source, dy, c, s->source_channels - c, dw);
}

const ps_depthwise_kernels *PS_SIMD_NAME(ps_depthwise_kernels_of)(void) {
    static const ps_depthwise_kernels kernels = {line, gradient};
    return &kernels;
}
