/* Lines of depthwise convolution for one instruction set; see conv_depthwise.h. A line is walked in blocks of
 * neighbouring positions, one vector of channels after another, so that the weights of a small kernel stay in
 * registers. Blocks that reach into the padding read zeros there; the others need no checks. */
#include "kernels/conv_depthwise.h"
#include "kernels/simd_vector.h"

enum { BLOCK = 4, MOST_TAPS = 7, MOST_STEP = 2, MOST_SPAN = (BLOCK - 1) * MOST_STEP + MOST_TAPS };

/* One vector of channels of one axis: what a block of positions needs to know. */
typedef struct {
    const ps_conv_axis *axis;
    const ps_depthwise_lines *lines;
    size_t all;      /* channels of the arrays */
    int c, channels; /* first channel, and how many when fewer than a vector */
    int first, last; /* positions whose taps all lie inside the source */
    bool accumulate;
    vf bias;
    float *target; /* the first position's */
} walk;

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

static bool taps_are_neighbours(const ps_conv_axis *a) {
    for (int t = 1; t < a->taps; t++) {
        if (a->delta[t] != a->delta[t - 1] + 1) return false;
    }
    return a->taps > 0;
}

/* Position `at` of a source line, zero in the padding; checked only at an edge. */
INLINE vf source_at(bool edge, const float *line, int at, int size, size_t all, int channels) {
    if (edge && (unsigned)at >= (unsigned)size) return splat(0.0f);
    return load_upto(line + (ptrdiff_t)at * (ptrdiff_t)all, channels);
}

/* Stores the block's sums of the positions that exist. */
INLINE void finish(const walk *k, int channels, int w, const vf sum[BLOCK]) {
    size_t step = (size_t)k->axis->target_step * k->all;
    float *to = k->target + (size_t)w * step;
    int positions = k->axis->count - w;
#pragma GCC unroll 4
    for (int i = 0; i < BLOCK; i++, to += step) {
        if (i >= positions) break;
        store_upto(to, k->accumulate ? sum[i] + load_upto(to, channels) : sum[i], channels);
    }
}

/* sum[i] += the products of `taps` neighbours from at + i * step on (constants: taps, step, edge). */
INLINE void add_span(int taps, int step, bool edge, const walk *k, int channels, const float *line, int at,
                     const vf *weight, vf sum[BLOCK]) {
    vf source[MOST_SPAN];
#pragma GCC unroll 13
    for (int i = 0; i < (BLOCK - 1) * step + taps; i++) {
        source[i] = source_at(edge, line, at + i, k->axis->source_size, k->all, channels);
    }
#pragma GCC unroll 7
    for (int t = 0; t < taps; t++) {
#pragma GCC unroll 4
        for (int i = 0; i < BLOCK; i++) sum[i] = fma_(source[i * step + t], weight[t], sum[i]);
    }
}

INLINE void load_weights(int taps, const walk *k, int channels, int line, vf *weight) {
    const float *from = k->lines->weights[line] + k->c;
#pragma GCC unroll 7
    for (int t = 0; t < taps; t++) weight[t] = load_upto(from + (size_t)k->axis->tap[t] * k->all, channels);
}

INLINE void fetch(const float *from, int count, size_t step) {
    for (int i = 0; i < count; i++, from += step) __builtin_prefetch(from);
}

/* While a block is worked on, the same places of the lines that come next are fetched (past the end of a line too,
 * which does no harm): the processor's own prefetching follows the walk by vectors of channels badly. */
INLINE void fetch_ahead(const walk *k, int w) {
    const ps_conv_axis *a = k->axis;
    const ps_depthwise_lines *lines = k->lines;
    for (int i = 0; i < lines->ahead_count; i++) {
        fetch(lines->ahead[i] + (size_t)(w * a->source_step) * k->all + k->c, BLOCK * a->source_step, k->all);
    }
    if (lines->target_ahead == NULL) return;
    size_t step = (size_t)a->target_step * k->all;
    const float *target = lines->target_ahead + (size_t)w * step + (size_t)a->target_first * k->all + k->c;
    for (int i = 0; i < BLOCK; i++, target += step) __builtin_prefetch(target, 1);
}

INLINE bool at_edge(const walk *k, int w) { return w < k->first || w + BLOCK > k->last; }

/* At most three lines of at most three taps: the weights stay in registers. */
INLINE void small_block(int count, int taps, int step, bool edge, const walk *k, int channels, int w,
                        const vf weight[3][3]) {
    vf sum[BLOCK] = {k->bias, k->bias, k->bias, k->bias};
#pragma GCC unroll 3
    for (int line = 0; line < count; line++) {
        add_span(taps, step, edge, k, channels, k->lines->source[line] + k->c, w * step + k->axis->delta[0],
                 weight[line], sum);
    }
    finish(k, channels, w, sum);
}

INLINE void small_kernel(int count, int taps, int step, const walk *k, int channels) {
    vf weight[3][3];
#pragma GCC unroll 3
    for (int line = 0; line < count; line++) load_weights(taps, k, channels, line, weight[line]);
    for (int w = 0; w < k->axis->count; w += BLOCK) {
        fetch_ahead(k, w);
        if (at_edge(k, w)) small_block(count, taps, step, true, k, channels, w, weight);
        else small_block(count, taps, step, false, k, channels, w, weight);
    }
}

INLINE void large_block(int taps, int step, bool edge, const walk *k, int channels, int w) {
    vf sum[BLOCK] = {k->bias, k->bias, k->bias, k->bias}, weight[MOST_TAPS];
    for (int line = 0; line < k->lines->count; line++) {
        load_weights(taps, k, channels, line, weight);
        add_span(taps, step, edge, k, channels, k->lines->source[line] + k->c, w * step + k->axis->delta[0], weight,
                 sum);
    }
    finish(k, channels, w, sum);
}

INLINE void large_kernel(int taps, int step, const walk *k, int channels) {
    for (int w = 0; w < k->axis->count; w += BLOCK) {
        fetch_ahead(k, w);
        if (at_edge(k, w)) large_block(taps, step, true, k, channels, w);
        else large_block(taps, step, false, k, channels, w);
    }
}

/* Any taps, any steps: dilation, and whatever has no kernel of its own. */
INLINE void any_block(bool edge, const walk *k, int channels, int w) {
    const ps_conv_axis *a = k->axis;
    vf sum[BLOCK] = {k->bias, k->bias, k->bias, k->bias};
    for (int line = 0; line < k->lines->count; line++) {
        const float *source = k->lines->source[line] + k->c, *weights = k->lines->weights[line] + k->c;
        for (int t = 0; t < a->taps; t++) {
            vf weight = load_upto(weights + (size_t)a->tap[t] * k->all, channels);
            int at = w * a->source_step + a->delta[t];
#pragma GCC unroll 4
            for (int i = 0; i < BLOCK; i++, at += a->source_step) {
                sum[i] = fma_(source_at(edge, source, at, a->source_size, k->all, channels), weight, sum[i]);
            }
        }
    }
    finish(k, channels, w, sum);
}

INLINE void any_kernel(const walk *k, int channels) {
    for (int w = 0; w < k->axis->count; w += BLOCK) {
        fetch_ahead(k, w);
        if (at_edge(k, w)) any_block(true, k, channels, w);
        else any_block(false, k, channels, w);
    }
}

/* A case per lines, taps and step that have a kernel of their own; lines 0: any number. */
enum { CASE_TAPS = 8, CASE_STEPS = 3 };
#define CASE(lines, taps, step) (((lines) * CASE_TAPS + (taps)) * CASE_STEPS + (step))

static int kernel_case(const ps_conv_axis *a, int lines) {
    if (!taps_are_neighbours(a) || a->taps > MOST_TAPS || a->source_step > MOST_STEP) return -1;
    return CASE(lines, a->taps, a->source_step);
}

INLINE void walk_large(const walk *k, int channels) {
#define LARGE(taps, step) \
    case CASE(0, taps, step): large_kernel(taps, step, k, channels); break
    switch (kernel_case(k->axis, 0)) {
        LARGE(2, 1);
        LARGE(3, 1);
        LARGE(4, 1);
        LARGE(5, 1);
        LARGE(7, 1);
        LARGE(3, 2);
        LARGE(5, 2);
        LARGE(7, 2);
        default: any_kernel(k, channels);
    }
#undef LARGE
}

/* `channels` is the constant LANES but in the last vector, which is not worth so many kernels. */
INLINE void walk_axis(const walk *k, bool whole, int channels) {
#define SMALL(lines, taps, step) \
    case CASE(lines, taps, step): small_kernel(lines, taps, step, k, channels); break
    switch (kernel_case(k->axis, k->lines->count)) {
        SMALL(1, 1, 1);
        SMALL(1, 2, 1);
        SMALL(2, 1, 1);
        SMALL(2, 2, 1);
        SMALL(2, 3, 1);
        SMALL(3, 3, 1);
        SMALL(2, 3, 2);
        SMALL(3, 3, 2);
        default:
            if (whole) walk_large(k, channels);
            else any_kernel(k, channels);
    }
#undef SMALL
}

static void line(const ps_conv_axis *axes, int count, int channels, const ps_depthwise_lines *lines, const float *bias,
                 bool accumulate, float *target) {
    walk k = {.lines = lines, .all = (size_t)channels, .accumulate = accumulate};
    for (k.c = 0; k.c < channels; k.c += LANES) {
        k.channels = channels - k.c;
        k.bias = bias != NULL ? load_upto(bias + k.c, k.channels) : splat(0.0f);
        for (int i = 0; i < count; i++) {
            k.axis = &axes[i];
            inner_positions(k.axis, &k.first, &k.last);
            k.target = target + (size_t)k.axis->target_first * k.all + k.c;
            if (k.channels >= LANES) walk_axis(&k, true, LANES);
            else walk_axis(&k, false, k.channels);
        }
    }
}

/* The products of lines [line, line + rows) of the kernel. */
typedef struct {
    const ps_conv_axis *axis;
    const ps_depthwise_products *products;
    int count, line;
    size_t all;
    int c, first, last;
    float *dw;
} gradient_walk;

/* `positions` neighbours from w on; constants: rows, taps, step, positions, edge. */
INLINE void gradient_block(int rows, int taps, int step, int positions, bool edge, const gradient_walk *k, int channels,
                           const ps_depthwise_products *p, int w, vf *sum) {
    vf g[BLOCK], source[MOST_SPAN];
#pragma GCC unroll 4
    for (int i = 0; i < positions; i++) g[i] = load_upto(p->dy + (size_t)(w + i) * k->all + k->c, channels);
    int at = w * step + k->axis->delta[0];
#pragma GCC unroll 3
    for (int r = 0; r < rows; r++) {
        const float *line = p->source[k->line + r];
        if (line == NULL) continue;
#pragma GCC unroll 13
        for (int i = 0; i < (positions - 1) * step + taps; i++) {
            source[i] = source_at(edge, line + k->c, at + i, k->axis->source_size, k->all, channels);
        }
#pragma GCC unroll 4
        for (int i = 0; i < positions; i++) {
#pragma GCC unroll 7
            for (int t = 0; t < taps; t++) sum[r * taps + t] = fma_(source[i * step + t], g[i], sum[r * taps + t]);
        }
    }
}

INLINE void fetch_products(const gradient_walk *k, const ps_depthwise_products *p, int w, int positions) {
    int step = k->axis->source_step;
    for (int i = 0; i < p->ahead_count; i++) {
        fetch(p->ahead[i] + (size_t)(w * step) * k->all + k->c, positions * step, k->all);
    }
    if (p->dy_ahead != NULL) fetch(p->dy_ahead + (size_t)w * k->all + k->c, positions, k->all);
}

INLINE void load_sums(int count, const gradient_walk *k, int channels, const float *dw, vf *sum) {
#pragma GCC unroll 9
    for (int i = 0; i < count; i++) sum[i] = load_upto(dw + (size_t)i * k->all, channels);
}

INLINE void store_sums(int count, const gradient_walk *k, int channels, const vf *sum, float *dw) {
#pragma GCC unroll 9
    for (int i = 0; i < count; i++) store_upto(dw + (size_t)i * k->all, sum[i], channels);
}

INLINE void gradient_rows(int rows, int taps, int step, const gradient_walk *k, int channels) {
    vf sum[9];
    float *dw = k->dw + (size_t)(k->line * taps) * k->all + k->c;
    load_sums(rows * taps, k, channels, dw, sum);
    for (const ps_depthwise_products *p = k->products; p < k->products + k->count; p++) {
        int w = 0, count = k->axis->count;
        for (; w + BLOCK <= count; w += BLOCK) {
            if (k->line == 0) fetch_products(k, p, w, BLOCK);
            bool edge = w < k->first || w + BLOCK > k->last;
            if (edge) gradient_block(rows, taps, step, BLOCK, true, k, channels, p, w, sum);
            else gradient_block(rows, taps, step, BLOCK, false, k, channels, p, w, sum);
        }
        if (w < count && k->line == 0) fetch_products(k, p, w, count - w);
        if (w + 2 <= count) gradient_block(rows, taps, step, 2, true, k, channels, p, w, sum), w += 2;
        if (w < count) gradient_block(rows, taps, step, 1, true, k, channels, p, w, sum);
    }
    store_sums(rows * taps, k, channels, sum, dw);
}

/* The same for taps that lie apart (dilation), any step, a position at a time. */
INLINE void spread_rows(int rows, int taps, const gradient_walk *k, int channels) {
    const ps_conv_axis *a = k->axis;
    vf sum[9];
    float *dw = k->dw + (size_t)(k->line * taps) * k->all + k->c;
    load_sums(rows * taps, k, channels, dw, sum);
    for (const ps_depthwise_products *p = k->products; p < k->products + k->count; p++) {
        for (int w = 0; w < a->count; w++) {
            if (k->line == 0) fetch_products(k, p, w, 1);
            vf g = load_upto(p->dy + (size_t)w * k->all + k->c, channels);
#pragma GCC unroll 3
            for (int r = 0; r < rows; r++) {
                const float *line = p->source[k->line + r];
                if (line == NULL) continue;
#pragma GCC unroll 3
                for (int t = 0; t < taps; t++) {
                    vf x = source_at(true, line + k->c, w * a->source_step + a->delta[t], a->source_size, k->all,
                                     channels);
                    sum[r * taps + t] = fma_(x, g, sum[r * taps + t]);
                }
            }
        }
    }
    store_sums(rows * taps, k, channels, sum, dw);
}

/* One tap of one line of the kernel at a time. */
INLINE void gradient_tap(const gradient_walk *k, int tap, int channels) {
    const ps_conv_axis *a = k->axis;
    float *dw = k->dw + (size_t)(k->line * a->taps + tap) * k->all + k->c;
    vf sum[2] = {load_upto(dw, channels), splat(0.0f)};
    for (const ps_depthwise_products *p = k->products; p < k->products + k->count; p++) {
        const float *line = p->source[k->line];
        if (line == NULL) continue;
        for (int w = 0; w < a->count; w++) {
            int at = w * a->source_step + a->delta[tap];
            if (at < 0 || at >= a->source_size) continue;
            vf g = load_upto(p->dy + (size_t)w * k->all + k->c, channels);
            vf x = load_upto(line + (size_t)at * k->all + k->c, channels);
            if (w % 2 == 0) sum[0] = fma_(x, g, sum[0]);
            else sum[1] = fma_(x, g, sum[1]);
        }
    }
    store_upto(dw, sum[0] + sum[1], channels);
}

/* Takes as many lines of the kernel as have sums in registers; returns how many. */
INLINE int gradient_lines(const gradient_walk *k, int left, int channels) {
#define ROWS_OF(rows, taps, step) \
    case CASE(rows, taps, step): gradient_rows(rows, taps, step, k, channels); return rows
    int rows = k->axis->taps > 3 ? 1 : left < 3 ? left : 3;
    switch (kernel_case(k->axis, rows)) {
        ROWS_OF(1, 3, 1);
        ROWS_OF(2, 3, 1);
        ROWS_OF(3, 3, 1);
        ROWS_OF(1, 3, 2);
        ROWS_OF(2, 3, 2);
        ROWS_OF(3, 3, 2);
        ROWS_OF(1, 5, 1);
        ROWS_OF(1, 7, 1);
        ROWS_OF(1, 5, 2);
        ROWS_OF(1, 7, 2);
        default:
            if (k->axis->taps == 3 && rows == 3) return spread_rows(3, 3, k, channels), 3;
            for (int tap = 0; tap < k->axis->taps; tap++) gradient_tap(k, tap, channels);
            return 1;
    }
#undef ROWS_OF
}

static void gradient(const ps_conv_axis *axis, int channels, const ps_depthwise_products *products, int count,
                     int lines, float *dw) {
    int first, last;
    inner_positions(axis, &first, &last);
    gradient_walk k = {.axis = axis,
                       .products = products,
                       .count = count,
                       .all = (size_t)channels,
                       .first = first,
                       .last = last,
                       .dw = dw};
    for (k.c = 0; k.c < channels; k.c += LANES) {
        int part = channels - k.c;
        for (k.line = 0; k.line < lines;) {
            k.line +=
                part >= LANES ? gradient_lines(&k, lines - k.line, LANES) : gradient_lines(&k, lines - k.line, part);
        }
    }
}

const ps_depthwise_kernels *PS_SIMD_NAME(ps_depthwise_kernels_of)(void) {
    static const ps_depthwise_kernels kernels = {line, gradient};
    return &kernels;
}
