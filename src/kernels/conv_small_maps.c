/* Convolution of maps so small that most taps of most positions lie in the padding: 3x3 on 2x2 uses 16 of 36, on 1x1
 * one of 9. Each pair of an output position and an input position that a tap brings together is one matrix product over
 * the images of the batch (kernels/product.h), and what lies in the padding is never multiplied. Any kernel, stride,
 * padding and dilation; 2D and 3D.
 * Relative L2 error as the direct method's: sums in sequence. */
#include <string.h>

#include "kernels/conv_method.h"
#include "kernels/product.h"

enum { MOST_POSITIONS = 8, MOST_TAPS = 125, MOST_PAIRS = MOST_POSITIONS * MOST_TAPS, ROOM_FLOATS = 16 << 20 };

/* Positions of an image and a tap. */
typedef struct {
    int out, in, tap;
} pair;

typedef struct {
    pair pair[MOST_PAIRS];
    int count, ins, outs;
} pairing;

static bool inside(int i, int size) { return i >= 0 && i < size; }

/* The input position that a tap of an output position reads; -1: in the padding. */
static int input_of(const ps_conv_shape *s, int out, int tap) {
    int oh = ps_conv_out_h(s), ow = ps_conv_out_w(s);
    int d = out / ow / oh * s->stride_d - s->pad_d + tap / s->kw / s->kh * s->dilation_d;
    int h = out / ow % oh * s->stride_h - s->pad_h + tap / s->kw % s->kh * s->dilation_h;
    int w = out % ow * s->stride_w - s->pad_w + tap % s->kw * s->dilation_w;
    return inside(d, s->d) && inside(h, s->h) && inside(w, s->w) ? (d * s->h + h) * s->w + w : -1;
}

static bool can(const ps_conv_shape *s) {
    return s->groups == 1 && ps_conv_taps(s) <= MOST_TAPS && ps_conv_taps(s) > 1 &&
           ps_conv_out_positions(s) <= MOST_POSITIONS * (size_t)s->n &&
           (size_t)s->d * (size_t)s->h * (size_t)s->w <= (size_t)MOST_TAPS;
}

/* Output position by output position, taps in order. */
static void find_pairs(const ps_conv_shape *s, pairing *found) {
    found->count = 0, found->ins = s->d * s->h * s->w;
    found->outs = (int)(ps_conv_out_positions(s) / (size_t)s->n);
    for (int out = 0; out < found->outs; out++)
        for (int tap = 0; tap < (int)ps_conv_taps(s); tap++) {
            int in = input_of(s, out, tap);
            if (in >= 0) found->pair[found->count++] = (pair){out, in, tap};
        }
}

/* A position's rows start from the bias, or 0. */
static void start_position(const ps_conv_shape *s, const float *bias, float *to, size_t step, size_t channels) {
    for (int n = 0; n < s->n; n++, to += step) {
        if (bias != NULL) memcpy(to, bias, channels * sizeof *to);
        else memset(to, 0, channels * sizeof *to);
    }
}

/* One way through the pairs: from x to y, or from dy to dx. `source` and `target` are maps of so many channels. */
typedef struct {
    const float *source, *w, *bias;
    float *target;
    bool backward, accumulate;
} map_sweep;

static void run_sweep(const ps_conv_shape *s, const map_sweep *sweep, ps_threads *threads) {
    pairing found;
    find_pairs(s, &found);
    bool back = sweep->backward, begun[MOST_TAPS] = {false};
    int positions = back ? found.ins : found.outs;
    size_t c = (size_t)s->c, row = ps_conv_taps(s) * c, from = back ? (size_t)s->k : c, to = back ? c : (size_t)s->k;
    size_t from_row = (size_t)(back ? found.outs : found.ins) * from, to_row = (size_t)positions * to;
    for (int i = 0; i < found.count; i++) {
        pair p = found.pair[i];
        size_t source = (size_t)(back ? p.out : p.in), target = (size_t)(back ? p.in : p.out);
        const float *w = sweep->w + (size_t)p.tap * c;
        ps_product product = {.m = (size_t)s->n, .n = to, .k = from, .c_row = to_row};
        product.a = ps_matrix_rows(sweep->source + source * from, from_row);
        product.b = back ? ps_matrix_rows(w, row) : ps_matrix_turned(w, row);
        product.c = sweep->target + target * to;
        product.accumulate = sweep->accumulate || begun[target];
        product.bias = product.accumulate ? NULL : sweep->bias;
        begun[target] = true;
        ps_product_run(&product, threads);
    }
    for (int position = 0; position < positions && !sweep->accumulate; position++)
        if (!begun[position]) start_position(s, sweep->bias, sweep->target + (size_t)position * to, to_row, to);
}

static void maps_forward(const ps_conv_shape *s, const float *x, const float *w, const float *bias, float *y,
                         void *workspace, ps_threads *threads) {
    (void)workspace;
    map_sweep forward = {.source = x, .w = w, .bias = bias, .target = y};
    run_sweep(s, &forward, threads);
}

static void maps_backward_data(const ps_conv_shape *s, const float *dy, const float *w, const float *bias, float *dx,
                               bool accumulate, void *workspace, ps_threads *threads) {
    (void)workspace;
    map_sweep backward = {dy, w, bias, dx, true, accumulate};
    run_sweep(s, &backward, threads);
}

static void sum_shard(const ps_conv_shape *s, const pairing *found, size_t first, size_t samples, const float *x,
                      const float *dy, float *dw, ps_threads *threads) {
    size_t c = (size_t)s->c, k = (size_t)s->k, row = ps_conv_taps(s) * c;
    size_t in_row = (size_t)found->ins * c, out_row = (size_t)found->outs * k;
    bool begun[MOST_TAPS] = {false};
    for (int i = 0; i < found->count; i++) {
        pair p = found->pair[i];
        ps_product product = {.m = k, .n = c, .k = samples, .c = dw + (size_t)p.tap * c, .c_row = row};
        product.a = ps_matrix_turned(dy + first * out_row + (size_t)p.out * k, out_row);
        product.b = ps_matrix_rows(x + first * in_row + (size_t)p.in * c, in_row);
        product.accumulate = begun[p.tap];
        begun[p.tap] = true;
        ps_product_run(&product, threads);
    }
    for (size_t tap = 0; tap < ps_conv_taps(s); tap++)
        for (size_t filter = 0; filter < k && !begun[tap]; filter++)
            memset(dw + filter * row + tap * c, 0, c * sizeof *dw);
}

static void maps_backward_weights(const ps_conv_shape *s, const float *x, const float *dy, float *dw, void *workspace,
                                  ps_threads *threads) {
    pairing found;
    find_pairs(s, &found);
    ps_shards shards = ps_shards_of((size_t)s->n);
    size_t floats = ps_conv_weights(s);
    for (size_t shard = 0; shard < shards.count; shard++) {
        size_t first = ps_shards_start(&shards, shard), samples = ps_shards_start(&shards, shard + 1) - first;
        float *sum = ps_leaf_sum(workspace, dw, shards.count, floats, shard);
        sum_shard(s, &found, first, samples, x, dy, sum, threads);
    }
    ps_leaf_sums_add(workspace, dw, shards.count, floats, threads);
}

static size_t maps_workspace(const ps_conv_shape *s, ps_conv_pass pass, int threads) {
    (void)threads;
    if (pass != PS_CONV_BACKWARD_WEIGHTS) return 0;
    return ps_leaf_sums_floats(ps_shards_of((size_t)s->n).count, ps_conv_weights(s)) * sizeof(float);
}

/* In nanoseconds: 90 products each; a product of few images is mostly the packing of weights, in the weight gradient
 * the sums' way to memory and back. */
static double maps_cost(const ps_conv_shape *s, ps_conv_pass pass) {
    if (!can(s)) return -1.0;
    ps_shards shards = ps_shards_of((size_t)s->n);
    if (shards.whole > 1 && shards.whole * ps_conv_weights(s) > ROOM_FLOATS) return -1.0;
    pairing found;
    find_pairs(s, &found);
    double wide = pass == PS_CONV_FORWARD ? s->k : s->c;
    double waste = (double)ps_threads_chunks((size_t)wide, 16) * 16 / wide;
    double images = pass == PS_CONV_BACKWARD_WEIGHTS ? (double)s->n / (double)shards.whole : (double)s->n;
    double products = (double)found.count * s->n * s->c * s->k;
    return 2000.0 * found.count + products * waste * (1.0 + 20.0 / images) / 90.0;
}

const ps_conv_method ps_conv_method_small_maps = {
    "small-maps", true, true, maps_cost, maps_workspace, maps_forward, maps_backward_data, maps_backward_weights,
};
