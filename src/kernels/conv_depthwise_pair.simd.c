/* Pairs of lines of depthwise convolution for one instruction set; see conv_depthwise_pair.h. A block of four
 * neighbouring positions of both lines is summed in registers, one vector of channels after another: what it reads of
 * each line is loaded once for all products, and the channels, neighbours in memory, run through the caches in order.
 * Reads in the padding are left out by branches that a whole walk over the channels takes alike. */
#include "kernels/conv_depthwise_pair.h"
#include "kernels/simd_vector.h"

enum { BLOCK = 4, TAPS = 3, SPAN = (BLOCK - 1) * 2 + TAPS };

/* Weights or sums of the block that channel c belongs to. */
INLINE size_t place_of(int c) { return (size_t)(c / PS_PAIR_BLOCK * PS_PAIR_TAPS * PS_PAIR_BLOCK + c % PS_PAIR_BLOCK); }

/* A block of positions from w on: its first column of x, and whether that and the last one lie in the padding. */
typedef struct {
    ptrdiff_t x_first;
    size_t y_first;
    bool left, right;
} place;

INLINE place place_at(const ps_depthwise_pair *k, int stride, int positions, int w) {
    int at = w * stride + k->low, span = (positions - 1) * stride + TAPS;
    return (place){(ptrdiff_t)at * (ptrdiff_t)k->x_step, (size_t)w * k->y_step, at<0, at + span> k->columns};
}

/* The columns of one line that a block reads. */
INLINE void load_span(int span, const ps_depthwise_pair *k, const place *p, int channels, const float *line,
                      vf source[SPAN]) {
    source[0] = p->left ? splat(0.0f) : load_upto(line, channels);
#pragma GCC unroll 9
    for (int i = 1; i < span - 1; i++) source[i] = load_upto(line + (size_t)i * k->x_step, channels);
    source[span - 1] = p->right ? splat(0.0f) : load_upto(line + (size_t)(span - 1) * k->x_step, channels);
}

/* The share of every vector of channels in what is fetched ahead. */
typedef struct {
    const float *from;
    int lines; /* of the cache, a vector */
} ahead;

enum { CACHE_LINE = 16 };

INLINE void start_ahead(const ps_depthwise_pair *k, ahead next[2]) {
    size_t vectors = (size_t)((k->count + BLOCK - 1) / BLOCK * (k->channels / LANES)) * CACHE_LINE;
    for (int i = 0; i < 2; i++) {
        next[i].from = k->ahead[i].from;
        next[i].lines = next[i].from != NULL && vectors > 0 ? (int)((k->ahead[i].floats + vectors - 1) / vectors) : 0;
    }
}

INLINE void fetch_ahead(ahead next[2]) {
    for (int i = 0; i < 2; i++) {
        for (int line = 0; line < next[i].lines; line++, next[i].from += CACHE_LINE)
            __builtin_prefetch(next[i].from, 0, 2);
    }
}

INLINE void store_sums(int rows, int positions, const ps_depthwise_pair *k, int channels, float *const y[2], int c,
                       const vf sum[2][BLOCK]) {
#pragma GCC unroll 2
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
        for (int i = 0; i < positions; i++) {
            float *to = y[r] + (size_t)i * k->y_step + c;
            store_upto(to, k->accumulate ? sum[r][i] + load_upto(to, channels) : sum[r][i], channels);
        }
    }
}

/* One vector of channels of a block; constants: stride, rows, positions. */
INLINE void sweep_vector(int stride, int rows, int positions, const ps_depthwise_pair *k, const place *p, int channels,
                         const float *const *x, const float *weights, vf first, float *const y[2], int c) {
    vf sum[2][BLOCK], source[SPAN];
#pragma GCC unroll 4
    for (int i = 0; i < positions; i++) sum[0][i] = sum[1][i] = first;
#pragma GCC unroll 5
    for (int line = 0; line < (rows - 1) * stride + TAPS; line++) {
        if (x[line] == NULL) continue;
        load_span((positions - 1) * stride + TAPS, k, p, channels, x[line] + c, source);
#pragma GCC unroll 2
        for (int r = 0; r < rows; r++) {
            int th = line - r * stride;
            if (th < 0 || th >= TAPS) continue;
#pragma GCC unroll 3
            for (int t = 0; t < TAPS; t++) {
                vf weight = load(weights + (th * TAPS + t) * PS_PAIR_BLOCK);
#pragma GCC unroll 4
                for (int i = 0; i < positions; i++) sum[r][i] = fma_(source[i * stride + t], weight, sum[r][i]);
            }
        }
    }
    store_sums(rows, positions, k, channels, y, c, sum);
}

/* What a block reads and writes, lines in the padding NULL. */
INLINE void lines_at(int stride, int rows, const ps_depthwise_pair *k, const place *p, const float *x[PS_PAIR_LINES]) {
#pragma GCC unroll 5
    for (int line = 0; line < (rows - 1) * stride + TAPS; line++)
        x[line] = k->x[line] == NULL ? NULL : k->x[line] + p->x_first;
}

INLINE void sweep_block(int stride, int rows, int positions, const ps_depthwise_pair *k, const float *weights,
                        const float *bias, float *const *y, int w, ahead next[2]) {
    place p = place_at(k, stride, positions, w);
    const float *x[PS_PAIR_LINES];
    float *to[2] = {y[0] + p.y_first, rows > 1 ? y[1] + p.y_first : NULL};
    lines_at(stride, rows, k, &p, x);
    for (int c = 0; c + LANES <= k->channels; c += LANES) {
        vf first = bias != NULL ? load(bias + c) : splat(0.0f);
        fetch_ahead(next);
        sweep_vector(stride, rows, positions, k, &p, LANES, x, weights + place_of(c), first, to, c);
    }
}

/* The channels beyond the last whole vector, a position at a time. */
INLINE void sweep_rest(int stride, int rows, const ps_depthwise_pair *k, const float *weights, const float *bias,
                       float *const *y) {
    int c = k->channels / LANES * LANES, channels = k->channels - c;
    if (channels == 0) return;
    vf first = bias != NULL ? load_upto(bias + c, channels) : splat(0.0f);
    for (int w = 0; w < k->count; w++) {
        place p = place_at(k, stride, 1, w);
        const float *x[PS_PAIR_LINES];
        float *to[2] = {y[0] + p.y_first, rows > 1 ? y[1] + p.y_first : NULL};
        lines_at(stride, rows, k, &p, x);
        sweep_vector(stride, rows, 1, k, &p, channels, x, weights + place_of(c), first, to, c);
    }
}

INLINE void sweep_lines(int stride, int rows, const ps_depthwise_pair *k, const float *weights, const float *bias,
                        float *const *y) {
    ahead next[2];
    start_ahead(k, next);
    int w = 0;
    for (; w + BLOCK <= k->count; w += BLOCK) sweep_block(stride, rows, BLOCK, k, weights, bias, y, w, next);
    switch (k->count - w) {
        case 3: sweep_block(stride, rows, 3, k, weights, bias, y, w, next); break;
        case 2: sweep_block(stride, rows, 2, k, weights, bias, y, w, next); break;
        case 1: sweep_block(stride, rows, 1, k, weights, bias, y, w, next); break;
        default: break;
    }
    sweep_rest(stride, rows, k, weights, bias, y);
}

static void sweep(const ps_depthwise_pair *pair, int stride, const float *weights, const float *bias, float *const *y) {
    ps_depthwise_pair k = *pair; /* a copy that stores to y cannot change */
    if (stride == 1 && k.rows == 2) sweep_lines(1, 2, &k, weights, bias, y);
    else if (stride == 1) sweep_lines(1, 1, &k, weights, bias, y);
    else if (k.rows == 2) sweep_lines(2, 2, &k, weights, bias, y);
    else sweep_lines(2, 1, &k, weights, bias, y);
}

/* ---- Backward-data of stride 2: squares of dx, each of them from the corners that it shares with dy ---- */

/* sum[i] += dy[i + next] * the weight of tap (th, tw). */
INLINE void add_tap(int positions, int th, int tw, int next, const float *weights, const vf dy[BLOCK + 1],
                    vf sum[BLOCK]) {
    vf weight = load(weights + (th * TAPS + tw) * PS_PAIR_BLOCK);
#pragma GCC unroll 4
    for (int i = 0; i < positions; i++) sum[i] = fma_(dy[i + next], weight, sum[i]);
}

/* Even and odd columns of a line of dx. */
INLINE void store_columns(int positions, const ps_depthwise_pair *k, bool last_odd, int channels, float *to,
                          const vf even[BLOCK], const vf odd[BLOCK]) {
#pragma GCC unroll 4
    for (int i = 0; i < positions; i++, to += 2 * k->x_step) {
        store_upto(to, k->accumulate ? even[i] + load_upto(to, channels) : even[i], channels);
        if (i == positions - 1 && !last_odd) break;
        float *next = to + k->x_step;
        store_upto(next, k->accumulate ? odd[i] + load_upto(next, channels) : odd[i], channels);
    }
}

/* Positions w to w + positions of dy, columns 2 w to 2 (w + positions) of dx; the last odd column may not exist. */
INLINE void spread_vector(int rows, int positions, const ps_depthwise_pair *k, int w, int channels,
                          const float *weights, float *const *dx, int c) {
    bool right = w + positions >= k->count, last_odd = 2 * (w + positions) <= k->columns;
    vf dy[2][BLOCK + 1];
#pragma GCC unroll 2
    for (int line = 0; line < rows; line++) {
        const float *from = k->x[line];
        if (from != NULL) from += (size_t)w * k->y_step + (size_t)c;
#pragma GCC unroll 5
        for (int i = 0; i <= positions; i++) {
            bool out = from == NULL || (i == positions && right);
            dy[line][i] = out ? splat(0.0f) : load_upto(from + (size_t)i * k->y_step, channels);
        }
    }
    size_t start = (size_t)(2 * w) * k->x_step + (size_t)c;
    vf none = splat(0.0f), even[BLOCK] = {none, none, none, none}, odd[BLOCK] = {none, none, none, none};
    add_tap(positions, 1, 1, 0, weights, dy[0], even);
    add_tap(positions, 1, 2, 0, weights, dy[0], odd);
    add_tap(positions, 1, 0, 1, weights, dy[0], odd);
    store_columns(positions, k, last_odd, channels, dx[0] + start, even, odd);
    if (rows == 1) return;
#pragma GCC unroll 4
    for (int i = 0; i < positions; i++) even[i] = odd[i] = none;
    add_tap(positions, 2, 1, 0, weights, dy[0], even);
    add_tap(positions, 0, 1, 0, weights, dy[1], even);
    add_tap(positions, 2, 2, 0, weights, dy[0], odd);
    add_tap(positions, 2, 0, 1, weights, dy[0], odd);
    add_tap(positions, 0, 2, 0, weights, dy[1], odd);
    add_tap(positions, 0, 0, 1, weights, dy[1], odd);
    store_columns(positions, k, last_odd, channels, dx[1] + start, even, odd);
}

INLINE void spread_block(int rows, int positions, const ps_depthwise_pair *k, const float *weights, float *const *dx,
                         int w, ahead next[2]) {
    for (int c = 0; c + LANES <= k->channels; c += LANES) {
        fetch_ahead(next);
        spread_vector(rows, positions, k, w, LANES, weights + place_of(c), dx, c);
    }
}

INLINE void spread_lines(int rows, const ps_depthwise_pair *k, const float *weights, float *const *dx) {
    ahead next[2];
    start_ahead(k, next);
    int w = 0, c = k->channels / LANES * LANES;
    for (; w + BLOCK <= k->count; w += BLOCK) spread_block(rows, BLOCK, k, weights, dx, w, next);
    if (w + 2 <= k->count) spread_block(rows, 2, k, weights, dx, w, next), w += 2;
    if (w < k->count) spread_block(rows, 1, k, weights, dx, w, next);
    for (w = 0; w < k->count && c < k->channels; w++)
        spread_vector(rows, 1, k, w, k->channels - c, weights + place_of(c), dx, c);
}

static void spread(const ps_depthwise_pair *pair, const float *weights, float *const *dx) {
    ps_depthwise_pair k = *pair;
    float *const to[2] = {dx[0], k.rows > 1 ? dx[1] : NULL};
    if (k.rows > 1) spread_lines(2, &k, weights, to);
    else spread_lines(1, &k, weights, to);
}

/* ---- The gradient of the weights ---- */

/* One vector of channels of a block: every column of x is loaded once, for all products that it has a part in.
 * Constants: stride, rows, positions. */
INLINE void gradient_vector(int stride, int rows, int positions, const ps_depthwise_pair *k, const place *p,
                            int channels, const float *const *x, const float *const *dy, float *sums, int c) {
    vf sum[PS_PAIR_TAPS], g[2][BLOCK];
    int span = (positions - 1) * stride + TAPS;
#pragma GCC unroll 9
    for (int t = 0; t < PS_PAIR_TAPS; t++) sum[t] = load(sums + t * PS_PAIR_BLOCK);
#pragma GCC unroll 2
    for (int r = 0; r < rows; r++) {
#pragma GCC unroll 4
        for (int i = 0; i < positions; i++) g[r][i] = load_upto(dy[r] + (size_t)i * k->y_step + c, channels);
    }
#pragma GCC unroll 5
    for (int line = 0; line < (rows - 1) * stride + TAPS; line++) {
        if (x[line] == NULL) continue;
#pragma GCC unroll 9
        for (int column = 0; column < span; column++) {
            if ((column == 0 && p->left) || (column == span - 1 && p->right)) continue;
            vf source = load_upto(x[line] + (size_t)column * k->x_step + c, channels);
#pragma GCC unroll 2
            for (int r = 0; r < rows; r++) {
                int th = line - r * stride;
                if (th < 0 || th >= TAPS) continue;
#pragma GCC unroll 3
                for (int t = 0; t < TAPS; t++) {
                    int i = column - t;
                    if (i < 0 || i % stride != 0 || i / stride >= positions) continue;
                    sum[th * TAPS + t] = fma_(source, g[r][i / stride], sum[th * TAPS + t]);
                }
            }
        }
    }
#pragma GCC unroll 9
    for (int t = 0; t < PS_PAIR_TAPS; t++) store(sums + t * PS_PAIR_BLOCK, sum[t]);
}

INLINE void gradient_block(int stride, int rows, int positions, const ps_depthwise_pair *k, const float *const *dy,
                           float *sums, int w, ahead next[2]) {
    place p = place_at(k, stride, positions, w);
    const float *x[PS_PAIR_LINES], *from[2] = {dy[0] + p.y_first, rows > 1 ? dy[1] + p.y_first : NULL};
    lines_at(stride, rows, k, &p, x);
    for (int c = 0; c + LANES <= k->channels; c += LANES) {
        fetch_ahead(next);
        gradient_vector(stride, rows, positions, k, &p, LANES, x, from, sums + place_of(c), c);
    }
}

/* The channels beyond the last whole vector, a position at a time. */
INLINE void gradient_rest(int stride, int rows, const ps_depthwise_pair *k, const float *const *dy, float *sums) {
    int c = k->channels / LANES * LANES, channels = k->channels - c;
    if (channels == 0) return;
    for (int w = 0; w < k->count; w++) {
        place p = place_at(k, stride, 1, w);
        const float *x[PS_PAIR_LINES], *from[2] = {dy[0] + p.y_first, rows > 1 ? dy[1] + p.y_first : NULL};
        lines_at(stride, rows, k, &p, x);
        gradient_vector(stride, rows, 1, k, &p, channels, x, from, sums + place_of(c), c);
    }
}

INLINE void gradient_lines(int stride, int rows, const ps_depthwise_pair *k, const float *const *dy, float *sums) {
    ahead next[2];
    start_ahead(k, next);
    int w = 0;
    for (; w + BLOCK <= k->count; w += BLOCK) gradient_block(stride, rows, BLOCK, k, dy, sums, w, next);
    switch (k->count - w) {
        case 3: gradient_block(stride, rows, 3, k, dy, sums, w, next); break;
        case 2: gradient_block(stride, rows, 2, k, dy, sums, w, next); break;
        case 1: gradient_block(stride, rows, 1, k, dy, sums, w, next); break;
        default: break;
    }
    gradient_rest(stride, rows, k, dy, sums);
}

static void gradient(const ps_depthwise_pair *pair, int stride, const float *const *dy, float *sums) {
    ps_depthwise_pair k = *pair;
    if (stride == 1 && k.rows == 2) gradient_lines(1, 2, &k, dy, sums);
    else if (stride == 1) gradient_lines(1, 1, &k, dy, sums);
    else if (k.rows == 2) gradient_lines(2, 2, &k, dy, sums);
    else gradient_lines(2, 1, &k, dy, sums);
}

const ps_depthwise_pair_kernels *PS_SIMD_NAME(ps_depthwise_pair_kernels_of)(void) {
    static const ps_depthwise_pair_kernels kernels = {sweep, spread, gradient};
    return &kernels;
}
