/* Every convolution method against a naive double-precision reference, in every processor class of
 * kt_run_other_classes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/memory.h"
#include "parallel/threads.h"
#include "core/rng.h"
#include "kernels/conv.h"
#include "kernels/conv_method.h"
#include "kernels/gemm.h"
#include "kernels/processor.h"
#include "tests/lib/kernel_test.h"

static const ps_conv_method *const methods[] = {
#define PS_CONV_METHOD(name) &ps_conv_method_##name,
#include "kernels/conv_method_list.def"
#undef PS_CONV_METHOD
};
enum { METHODS = sizeof methods / sizeof methods[0] };

/* 2D with a square kernel; 3D with a cubic one. */
#define SHAPE2(n, c, h, w, k, kernel, stride, pad, dilation, groups) \
    {n, c, 1, h, w, k, 1, kernel, kernel, 1, stride, stride, 0, pad, pad, 1, dilation, dilation, groups}
#define SHAPE3(n, c, d, h, w, k, kernel, stride, pad, dilation, groups)           \
    {n,      c,      d,   h,   w,   k,        kernel,   kernel,   kernel, stride, \
     stride, stride, pad, pad, pad, dilation, dilation, dilation, groups}

static const ps_conv_shape shapes[] = {
    /* 3x3, stride 1, pad 1: sizes that divide by 4 and that do not, narrow and wide, small maps, small batches */
    SHAPE2(1, 1, 1, 1, 1, 3, 1, 1, 1, 1),
    SHAPE2(2, 3, 8, 8, 16, 3, 1, 1, 1, 1),
    SHAPE2(2, 32, 8, 8, 32, 3, 1, 1, 1, 1),
    SHAPE2(3, 12, 16, 16, 12, 3, 1, 1, 1, 1),
    SHAPE2(2, 24, 8, 8, 24, 3, 1, 1, 1, 1),
    SHAPE2(2, 48, 4, 4, 48, 3, 1, 1, 1, 1),
    SHAPE2(1, 64, 13, 11, 48, 3, 1, 1, 1, 1),
    SHAPE2(3, 17, 7, 5, 33, 3, 1, 1, 1, 1),
    SHAPE2(1, 4, 32, 32, 4, 3, 1, 1, 1, 1),
    SHAPE2(5, 8, 9, 10, 8, 3, 1, 1, 1, 1),
    SHAPE2(7, 96, 2, 2, 80, 3, 1, 1, 1, 1),
    SHAPE2(9, 40, 1, 1, 70, 3, 1, 1, 1, 1),
    SHAPE2(1, 160, 6, 6, 200, 3, 1, 1, 1, 1),
    SHAPE2(2, 512, 4, 4, 72, 3, 1, 1, 1, 1),
    SHAPE2(1, 33, 3, 19, 520, 3, 1, 1, 1, 1),
    SHAPE2(17, 64, 4, 4, 64, 3, 1, 1, 1, 1),
    SHAPE2(1, 3072, 28, 24, 3, 3, 1, 1, 1, 1), /* more tiles than Winograd's backward-weights takes in one round */
    SHAPE2(2, 20, 10, 10, 20, 3, 1, 0, 1, 1),
    SHAPE2(2, 20, 6, 6, 20, 3, 1, 2, 1, 1),
    SHAPE2(1, 8, 5, 5, 8, 3, 1, 4, 1, 1),
    /* strides */
    SHAPE2(2, 32, 9, 9, 40, 3, 2, 1, 1, 1),
    SHAPE2(2, 64, 8, 8, 64, 3, 2, 1, 1, 1),
    SHAPE2(3, 5, 11, 12, 7, 3, 3, 1, 1, 1),
    SHAPE2(2, 6, 14, 10, 9, 4, 3, 2, 1, 1),
    SHAPE2(1, 16, 12, 12, 24, 2, 2, 0, 1, 1),
    SHAPE2(2, 17, 13, 10, 21, 3, 2, 1, 1, 1),
    SHAPE2(3, 8, 4, 7, 8, 3, 2, 1, 1, 1),
    SHAPE2(1, 170, 7, 8, 170, 3, 2, 1, 1, 1),
    SHAPE2(1, 6, 1, 2, 5, 3, 2, 1, 1, 1),
    SHAPE2(2, 32, 8, 8, 64, 1, 2, 0, 1, 1),
    SHAPE2(2, 10, 9, 7, 11, 1, 3, 0, 1, 1),
    SHAPE2(1, 4, 7, 7, 4, 2, 5, 0, 1, 1),
    /* 1x1 */
    SHAPE2(2, 32, 8, 8, 8, 1, 1, 0, 1, 1),
    SHAPE2(2, 8, 9, 9, 32, 1, 1, 0, 1, 1),
    SHAPE2(1, 2048, 2, 2, 64, 1, 1, 0, 1, 1),
    SHAPE2(1, 64, 3, 3, 2048, 1, 1, 0, 1, 1),
    SHAPE2(4, 7, 5, 6, 13, 1, 1, 0, 1, 1),
    SHAPE2(2, 7, 5, 6, 13, 1, 1, 1, 1, 1),
    SHAPE2(300, 96, 1, 1, 10, 1, 1, 0, 1, 1),
    /* large kernels, dilation, stems */
    SHAPE2(1, 3, 23, 21, 16, 7, 2, 3, 1, 1),
    SHAPE2(2, 4, 9, 9, 6, 5, 1, 2, 1, 1),
    SHAPE2(1, 16, 15, 15, 16, 3, 1, 2, 2, 1),
    SHAPE2(2, 9, 16, 13, 10, 3, 2, 3, 3, 1),
    SHAPE2(1, 6, 12, 12, 6, 2, 2, 1, 3, 1),
    SHAPE2(2, 3, 37, 35, 20, 7, 2, 3, 1, 1),
    SHAPE2(1, 3, 80, 9, 10, 5, 3, 1, 2, 1),  /* few channels: an image in more than one part */
    SHAPE2(1, 2, 5, 6, 33, 3, 1, 5, 1, 1),   /* positions that read padding only */
    SHAPE2(1, 4, 26, 26, 4, 12, 1, 6, 2, 1), /* more stretches than the lines method's list holds */
    SHAPE2(1, 5, 3, 500, 9, 1, 2, 0, 1, 1),  /* lines longer than one piece, in place */
    SHAPE2(1, 5, 6, 430, 9, 3, 1, 0, 1, 1),
    SHAPE2(1, 5, 4, 430, 9, 3, 1, 1, 1, 1),
    SHAPE2(1, 450, 5, 6, 40, 1, 1, 0, 1, 1), /* depth in more than one block, cut within a stretch */
    SHAPE2(1, 200, 5, 14, 40, 3, 1, 1, 1, 1),
    {2, 5, 1, 9, 14, 6, 1, 1, 5, 1, 2, 1, 0, 0, 2, 1, 1, 2, 1},
    {2, 5, 1, 14, 9, 6, 1, 5, 1, 1, 1, 3, 0, 3, 0, 1, 2, 1, 1},
    /* taps apart: beyond the middle, the half and the whole of a line; strides; lines longer than one piece */
    SHAPE2(2, 20, 13, 17, 24, 3, 1, 6, 6, 1),
    SHAPE2(1, 20, 11, 9, 36, 3, 1, 12, 12, 1),
    SHAPE2(2, 33, 7, 7, 17, 5, 1, 6, 3, 1),
    SHAPE2(1, 16, 21, 22, 16, 3, 2, 4, 4, 1),
    SHAPE2(1, 9, 3, 500, 20, 3, 1, 2, 2, 1),
    SHAPE2(2, 450, 9, 10, 40, 3, 1, 3, 3, 1),
    /* Winograd's tiles in interleaved grids that differ in size, or are more than the outputs; groups; strides along
     * the depth, by slabs, with few tiles, in rounds, with slices that no tap reads */
    SHAPE2(1, 40, 19, 23, 36, 3, 1, 4, 4, 1),
    SHAPE2(2, 100, 21, 9, 110, 3, 1, 0, 2, 1),
    SHAPE2(2, 12, 3, 5, 10, 3, 1, 7, 7, 1),
    {2, 20, 1, 14, 9, 24, 1, 3, 3, 1, 1, 1, 0, 3, 1, 1, 3, 1, 1},
    SHAPE2(2, 66, 13, 9, 33, 3, 1, 2, 2, 3),
    SHAPE2(9, 40, 5, 9, 80, 3, 2, 1, 1, 2),
    SHAPE3(1, 40, 19, 20, 18, 40, 3, 2, 1, 1, 1),
    SHAPE3(1, 170, 5, 4, 6, 170, 3, 2, 1, 1, 1),
    SHAPE3(2, 60, 8, 9, 10, 100, 3, 2, 1, 1, 1),
    {2, 20, 7, 9, 9, 24, 3, 3, 3, 2, 1, 1, 0, 0, 1, 1, 1, 1, 1},
    {1, 18, 6, 9, 8, 20, 3, 3, 3, 2, 2, 2, 0, 1, 1, 1, 1, 1, 1},
    {2, 12, 4, 9, 8, 18, 3, 3, 3, 2, 1, 1, 2, 2, 2, 1, 2, 2, 3},
    /* 5x5: every padding, sizes that divide by 2 and that do not, many weights */
    SHAPE2(2, 17, 7, 6, 33, 5, 1, 0, 1, 1),
    SHAPE2(1, 8, 1, 3, 12, 5, 1, 4, 1, 1),
    SHAPE2(3, 100, 5, 8, 110, 5, 1, 2, 1, 1),
    SHAPE2(2, 170, 4, 4, 170, 5, 1, 1, 1, 1),
    {2, 21, 4, 7, 9, 20, 3, 5, 5, 1, 1, 1, 2, 3, 1, 1, 1, 1, 1},
    {1, 16, 3, 6, 7, 48, 5, 3, 3, 1, 1, 1, 4, 1, 2, 1, 1, 1, 1},
    {2, 9, 3, 14, 12, 24, 3, 3, 3, 1, 2, 2, 1, 1, 1, 1, 1, 1, 1},
    SHAPE3(1, 130, 3, 6, 5, 130, 5, 1, 2, 1, 1),
    SHAPE3(2, 60, 3, 4, 6, 100, 5, 1, 2, 1, 1), /* 3D: several images in a round, and with few tiles */
    SHAPE3(3, 24, 4, 5, 6, 80, 5, 1, 2, 1, 1),
    SHAPE3(1, 64, 30, 8, 7, 16, 3, 1, 1, 1, 1), /* more than one piece of the depth */
    /* in 3D, tap by tap */
    SHAPE3(2, 16, 6, 5, 7, 16, 5, 1, 2, 1, 1),
    SHAPE3(1, 40, 3, 4, 5, 33, 5, 1, 2, 1, 1),
    SHAPE3(3, 13, 5, 6, 7, 40, 3, 2, 1, 1, 1),
    SHAPE3(1, 8, 9, 8, 7, 12, 3, 1, 2, 2, 1),
    SHAPE3(70, 9, 2, 3, 2, 10, 3, 1, 1, 1, 1),
    SHAPE3(1, 12, 3, 3, 300, 5, 5, 1, 2, 1, 1),
    /* groups and depthwise */
    SHAPE2(2, 12, 7, 7, 18, 3, 1, 1, 1, 3),
    SHAPE2(2, 32, 8, 8, 64, 3, 2, 1, 1, 2),
    SHAPE2(2, 64, 6, 6, 32, 1, 1, 0, 1, 4),
    SHAPE2(2, 20, 9, 23, 40, 3, 1, 2, 2, 4),
    SHAPE2(1, 96, 7, 18, 192, 3, 1, 1, 1, 2),
    SHAPE2(1, 30, 9, 8, 30, 3, 1, 1, 1, 30),
    SHAPE2(3, 64, 8, 8, 64, 3, 1, 1, 1, 64),
    SHAPE2(2, 48, 9, 9, 48, 3, 2, 1, 1, 48),
    SHAPE2(2, 19, 10, 12, 38, 3, 1, 1, 1, 19),
    SHAPE2(1, 16, 14, 14, 16, 5, 1, 4, 2, 16),
    SHAPE2(2, 33, 4, 4, 33, 7, 1, 3, 1, 33),
    /* depthwise: one vector of channels and less, tails, lines of every length, strides, dilation, sizes the stride
     * leaves over */
    SHAPE2(2, 1, 9, 9, 1, 3, 1, 1, 1, 1),
    SHAPE2(3, 5, 7, 6, 5, 3, 1, 1, 1, 5),
    SHAPE2(2, 17, 11, 13, 17, 3, 2, 1, 1, 17),
    SHAPE2(2, 100, 14, 14, 100, 3, 2, 1, 1, 100),
    SHAPE2(1, 100, 7, 15, 100, 3, 1, 1, 1, 100),
    SHAPE2(9, 48, 2, 2, 48, 3, 1, 1, 1, 48),
    SHAPE2(5, 16, 1, 1, 16, 3, 1, 1, 1, 16),
    SHAPE2(2, 20, 3, 5, 20, 3, 1, 0, 1, 20),
    SHAPE2(2, 17, 10, 11, 17, 3, 3, 1, 1, 17),
    SHAPE2(1, 5, 13, 14, 5, 3, 3, 0, 1, 5),
    SHAPE2(2, 24, 9, 10, 24, 1, 1, 0, 1, 24),
    SHAPE2(2, 24, 9, 10, 24, 1, 2, 0, 1, 24),
    SHAPE2(2, 18, 9, 8, 18, 2, 1, 0, 1, 18),
    SHAPE2(2, 18, 9, 8, 18, 2, 2, 0, 1, 18),
    SHAPE2(2, 17, 12, 13, 17, 4, 1, 2, 1, 17),
    SHAPE2(2, 17, 12, 13, 17, 4, 2, 1, 1, 17),
    SHAPE2(2, 33, 13, 12, 33, 5, 1, 2, 1, 33),
    SHAPE2(2, 33, 13, 12, 33, 5, 2, 2, 1, 33),
    SHAPE2(1, 16, 15, 15, 16, 7, 1, 3, 1, 16),
    SHAPE2(1, 19, 15, 14, 19, 7, 2, 3, 1, 19),
    SHAPE2(1, 5, 14, 15, 5, 7, 3, 3, 1, 5),
    SHAPE2(1, 17, 14, 15, 17, 9, 1, 4, 1, 17),
    SHAPE2(2, 33, 16, 15, 33, 3, 1, 2, 2, 33),
    SHAPE2(1, 17, 17, 18, 17, 3, 1, 4, 4, 17),
    SHAPE2(1, 17, 17, 18, 17, 3, 2, 2, 2, 17),
    SHAPE2(1, 5, 17, 18, 5, 3, 3, 2, 2, 5),
    SHAPE2(2, 6, 6, 7, 6, 3, 1, 5, 1, 6),
    SHAPE2(1, 3, 20, 21, 3, 2, 8, 0, 1, 3),
    SHAPE2(2, 40, 13, 10, 40, 3, 2, 0, 1, 40),
    SHAPE2(2, 35, 8, 11, 35, 3, 1, 0, 2, 35),
    SHAPE2(33, 64, 17, 16, 64, 3, 1, 1, 1, 64), /* so much that lines are fetched ahead */
    SHAPE2(60, 64, 15, 16, 64, 3, 2, 1, 1, 64),
    {2, 17, 1, 9, 14, 17, 1, 1, 5, 1, 2, 1, 0, 0, 2, 1, 1, 2, 17},
    {2, 17, 1, 14, 9, 17, 1, 5, 1, 1, 1, 3, 0, 3, 0, 1, 2, 1, 17},
    {2, 20, 1, 14, 9, 20, 1, 3, 2, 1, 1, 2, 0, 1, 1, 1, 1, 1, 20},
    /* 3D */
    SHAPE3(1, 4, 5, 6, 7, 8, 3, 1, 1, 1, 1),
    SHAPE3(2, 16, 4, 4, 4, 16, 3, 1, 1, 1, 1),
    SHAPE3(1, 32, 3, 5, 6, 32, 3, 2, 1, 1, 1),
    SHAPE3(1, 8, 4, 4, 4, 8, 2, 2, 0, 1, 1),
    SHAPE3(2, 6, 3, 4, 5, 10, 1, 1, 0, 1, 1),
    SHAPE3(1, 12, 5, 5, 5, 12, 3, 1, 1, 1, 12),
    SHAPE3(1, 6, 7, 7, 7, 4, 3, 1, 2, 2, 2),
    SHAPE3(2, 17, 5, 6, 7, 17, 3, 2, 1, 1, 17),
    SHAPE3(1, 16, 4, 6, 5, 16, 2, 2, 0, 1, 16),
    SHAPE3(1, 5, 7, 8, 9, 5, 3, 1, 2, 2, 5),
    SHAPE3(1, 33, 6, 5, 7, 33, 5, 1, 2, 1, 33),
    SHAPE3(1, 5, 9, 8, 7, 5, 3, 3, 1, 1, 5),
    {1, 19, 6, 9, 8, 19, 3, 1, 3, 2, 1, 1, 1, 0, 1, 1, 1, 1, 19},
    SHAPE3(1, 1, 9, 10, 11, 16, 3, 1, 1, 1, 1),
    SHAPE3(1, 1, 26, 6, 5, 8, 3, 1, 1, 1, 1),
    SHAPE3(2, 2, 9, 9, 10, 5, 3, 2, 1, 1, 1),
    /* one channel, or filters of one: rows of the weight gradient in runs, tall blocks of positions */
    SHAPE3(1, 1, 7, 6, 53, 12, 5, 1, 2, 1, 1),
    SHAPE2(2, 1, 9, 40, 16, 4, 1, 2, 1, 1),
    SHAPE2(1, 12, 9, 53, 1, 3, 1, 1, 1, 1),
    /* stems by Winograd's tiles: up to four channels and five planes, every padding, one unit and more, edges */
    SHAPE2(2, 4, 13, 70, 21, 3, 1, 2, 1, 1),
    SHAPE2(1, 2, 9, 8, 40, 5, 1, 2, 1, 1),
    SHAPE2(1, 4, 12, 15, 5, 5, 1, 1, 1, 1),
    SHAPE3(2, 1, 4, 15, 17, 33, 3, 1, 0, 1, 1),
    SHAPE3(1, 1, 6, 40, 33, 18, 5, 1, 2, 1, 1),
    {3, 2, 3, 15, 14, 17, 2, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
    SHAPE2(33, 3, 32, 32, 32, 3, 1, 1, 1, 1), /* a target so large that it is fetched ahead */
    /* patches that do not overlap: lines long and short, inputs that no patch holds between, beside and below them,
     * depth and columns in more than one piece, one tap, more tasks than one */
    SHAPE2(2, 20, 27, 31, 40, 2, 2, 0, 1, 1),
    SHAPE2(3, 7, 9, 50, 5, 3, 4, 0, 1, 1),
    SHAPE2(1, 300, 6, 8, 36, 2, 2, 0, 1, 1),
    SHAPE2(2, 5, 4, 9, 500, 3, 3, 0, 1, 1),
    SHAPE2(1, 530, 7, 27, 530, 1, 2, 0, 1, 1),
    SHAPE2(65, 33, 10, 10, 34, 2, 2, 0, 1, 1),
    SHAPE3(2, 16, 9, 8, 28, 32, 2, 2, 0, 1, 1),
    SHAPE3(3, 9, 7, 5, 6, 70, 2, 3, 0, 1, 1),
    {2, 12, 5, 6, 30, 20, 1, 2, 2, 1, 2, 2, 0, 0, 0, 1, 1, 1, 1}, /* one plane at a time */
    {2, 6, 8, 4, 30, 17, 2, 1, 1, 3, 1, 2, 0, 0, 0, 1, 2, 3, 1},  /* taps of one axis alone, dilation of the others */
    {1, 3, 6, 9, 8, 5, 1, 3, 3, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1},
    {1, 3, 6, 9, 8, 5, 3, 1, 3, 2, 1, 1, 1, 0, 1, 1, 1, 1, 1},
};
enum { SHAPES = sizeof shapes / sizeof shapes[0] };

/* Relative L2 error each method may have on any shape of the table. */
static double error_bound(const char *method, ps_conv_pass pass) {
    if (strcmp(method, "reference") == 0) return 1e-7;
    if (strcmp(method, "depthwise") == 0) return 5e-7;
    if (strcmp(method, "winograd4") == 0) return pass == PS_CONV_BACKWARD_WEIGHTS ? 3e-6 : 6e-6;
    if (strcmp(method, "stem") == 0) return pass == PS_CONV_BACKWARD_WEIGHTS ? 3e-6 : 1e-6;
    if (strcmp(method, "direct") == 0 || strcmp(method, "lines") == 0) return 4e-6;
    if (strcmp(method, "scatter") == 0) return 5e-7;
    return 2e-6;
}

typedef struct {
    ps_conv_shape s;
    size_t xs, ws, ys, bs;
    float *x, *w, *bias, *dy, *dx0; /* inputs; dx0: what backward-data accumulates onto */
    double *y, *dx, *dw, *dbias;    /* the truth */
    float *out;                     /* room for any result */
} fixture;

static void *room(size_t count, size_t size) {
    void *block = NULL;
    if (ps_alloc(count, size, "test data", &block) != PS_OK) abort();
    return block;
}

static float *numbers(const char *name, size_t count) {
    float *values = room(count, sizeof(float));
    ps_rng_key key = ps_rng_key_of(7, name);
    for (size_t i = 0; i < count; i++) values[i] = 2.0f * ps_rng_uniform(key, i) - 1.0f;
    return values;
}

/* All three passes of the definition in one loop over outputs and taps, in double. */
static void naive(fixture *f) {
    const ps_conv_shape *s = &f->s;
    int od = ps_conv_out_d(s), oh = ps_conv_out_h(s), ow = ps_conv_out_w(s), cg = s->c / s->groups,
        kg = s->k / s->groups;
    size_t o = 0;
    for (int n = 0; n < s->n; n++)
        for (int zd = 0; zd < od; zd++)
            for (int zh = 0; zh < oh; zh++)
                for (int zw = 0; zw < ow; zw++)
                    for (int k = 0; k < s->k; k++, o++) {
                        f->y[o] = f->bias[k];
                        f->dbias[k] += f->dy[o];
                        for (int td = 0; td < s->kd; td++)
                            for (int th = 0; th < s->kh; th++)
                                for (int tw = 0; tw < s->kw; tw++) {
                                    int d = zd * s->stride_d - s->pad_d + td * s->dilation_d,
                                        h = zh * s->stride_h - s->pad_h + th * s->dilation_h;
                                    int v = zw * s->stride_w - s->pad_w + tw * s->dilation_w;
                                    if (d < 0 || d >= s->d || h < 0 || h >= s->h || v < 0 || v >= s->w) continue;
                                    size_t xi = ((((size_t)n * (size_t)s->d + (size_t)d) * (size_t)s->h + (size_t)h) *
                                                     (size_t)s->w +
                                                 (size_t)v) *
                                                    (size_t)s->c +
                                                (size_t)(k / kg * cg);
                                    size_t wi =
                                        ((((size_t)k * (size_t)s->kd + (size_t)td) * (size_t)s->kh + (size_t)th) *
                                             (size_t)s->kw +
                                         (size_t)tw) *
                                        (size_t)cg;
                                    double sum = 0.0, g = f->dy[o];
                                    for (int c = 0; c < cg; c++) {
                                        sum += (double)f->x[xi + (size_t)c] * f->w[wi + (size_t)c];
                                        f->dx[xi + (size_t)c] += g * f->w[wi + (size_t)c];
                                        f->dw[wi + (size_t)c] += g * f->x[xi + (size_t)c];
                                    }
                                    f->y[o] += sum;
                                }
                    }
}

static fixture fixture_of(const ps_conv_shape *s) {
    fixture f = {.s = *s, .bs = (size_t)s->k};
    f.xs = (size_t)s->n * (size_t)s->d * (size_t)s->h * (size_t)s->w * (size_t)s->c;
    f.ws = (size_t)s->k * ps_conv_taps(s) * (size_t)(s->c / s->groups);
    f.ys = ps_conv_out_positions(s) * (size_t)s->k;
    f.x = numbers("x", f.xs), f.w = numbers("w", f.ws), f.bias = numbers("bias", f.bs), f.dy = numbers("dy", f.ys);
    f.dx0 = numbers("dx0", f.xs);
    f.y = room(f.ys, sizeof(double)), f.dx = room(f.xs, sizeof(double)), f.dw = room(f.ws, sizeof(double));
    f.dbias = room(f.bs, sizeof(double));
    f.out = room(f.xs + f.ws + f.ys, sizeof(float));
    naive(&f);
    return f;
}

static void fixture_free(fixture *f) {
    void *blocks[] = {f->x, f->w, f->bias, f->dy, f->dx0, f->y, f->dx, f->dw, f->dbias, f->out};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) ps_free(blocks[i]);
}

/* ||value - (truth + base)|| / ||truth + base|| */
static double relative_error(const float *value, const double *truth, const float *base, size_t count) {
    double difference = 0.0, norm = 0.0;
    for (size_t i = 0; i < count; i++) {
        double t = truth[i] + (base != NULL ? base[i] : 0.0), e = value[i] - t;
        difference += e * e;
        norm += t * t;
    }
    return norm > 0.0 ? sqrt(difference / norm) : sqrt(difference);
}

static void shape_text(const ps_conv_shape *s, char *text, size_t size) {
    snprintf(text, size, "n%d c%d %dx%dx%d k%d kernel %dx%dx%d stride %d%d%d pad %d%d%d dilation %d%d%d groups %d",
             s->n, s->c, s->d, s->h, s->w, s->k, s->kd, s->kh, s->kw, s->stride_d, s->stride_h, s->stride_w, s->pad_d,
             s->pad_h, s->pad_w, s->dilation_d, s->dilation_h, s->dilation_w, s->groups);
}

static int wrong;
static double worst[METHODS][PS_CONV_PASSES];

static void expect_close(const fixture *f, int method, ps_conv_pass pass, const char *what, double error) {
    double bound = error_bound(methods[method]->name, pass);
    if (error > worst[method][pass]) worst[method][pass] = error;
    if (error <= bound) return;
    char text[256];
    shape_text(&f->s, text, sizeof text);
    print_message("# %s %s: relative error %.2e above %.0e at %s\n", methods[method]->name, what, error, bound, text);
    wrong++;
}

/* Poison shows every element that a method forgets to write, and every byte of scratch it trusts. */
static void poison(float *values, size_t count) {
    for (size_t i = 0; i < count; i++) values[i] = NAN;
}

static void *workspace_of(const ps_conv_plan *plan, int threads) {
    size_t bytes = ps_conv_workspace_bytes(plan, threads);
    void *workspace = room(bytes, 1);
    if (bytes > 0) memset(workspace, 0xff, bytes);
    return workspace;
}

/* With a bias for every input channel. */
static void check_transposed(fixture *f, int method, const ps_conv_plan *plan, ps_threads *pool) {
    void *workspace = room(ps_conv_transposed_bytes(plan, ps_threads_count(pool)) + 1, 1);
    float *start = room(f->xs, sizeof(float));
    for (size_t i = 0; i < f->xs; i++) start[i] = f->dx0[i % (size_t)f->s.c];
    poison(f->out, f->xs);
    ps_conv_transposed(plan, false, f->dy, f->w, f->dx0, f->out, workspace, pool);
    expect_close(f, method, PS_CONV_BACKWARD_DATA, "transposed", relative_error(f->out, f->dx, start, f->xs));
    ps_free(workspace);
    ps_free(start);
}

static void check_method(fixture *f, int method, ps_threads *pool) {
    ps_conv_plan plan;
    assert_int_equal(ps_conv_plan_init(&plan, &f->s), PS_OK);
    bool able[PS_CONV_PASSES], any = false;
    for (int pass = 0; pass < PS_CONV_PASSES; pass++) {
        able[pass] = methods[method]->cost(&f->s, (ps_conv_pass)pass) >= 0.0;
        any = any || able[pass];
    }
    assert_int_equal(ps_conv_plan_force(&plan, methods[method]->name), any ? PS_OK : PS_ERR_USAGE);
    if (!any) return;
    void *workspace = workspace_of(&plan, ps_threads_count(pool));
    if (able[PS_CONV_FORWARD]) {
        poison(f->out, f->ys);
        ps_conv_forward(&plan, f->x, f->w, f->bias, f->out, workspace, pool);
        expect_close(f, method, PS_CONV_FORWARD, "forward", relative_error(f->out, f->y, NULL, f->ys));
        ps_conv_forward(&plan, f->x, f->w, NULL, f->out, workspace, pool);
        for (size_t i = 0; i < f->ys; i++) f->out[i] += f->bias[i % f->bs];
        expect_close(f, method, PS_CONV_FORWARD, "forward without bias", relative_error(f->out, f->y, NULL, f->ys));
    }
    if (able[PS_CONV_BACKWARD_DATA]) {
        poison(f->out, f->xs);
        ps_conv_backward_data(&plan, f->dy, f->w, f->out, false, workspace, pool);
        expect_close(f, method, PS_CONV_BACKWARD_DATA, "backward-data", relative_error(f->out, f->dx, NULL, f->xs));
        memcpy(f->out, f->dx0, f->xs * sizeof(float));
        ps_conv_backward_data(&plan, f->dy, f->w, f->out, true, workspace, pool);
        expect_close(f, method, PS_CONV_BACKWARD_DATA, "backward-data added",
                     relative_error(f->out, f->dx, f->dx0, f->xs));
        check_transposed(f, method, &plan, pool);
    }
    if (able[PS_CONV_BACKWARD_WEIGHTS]) {
        poison(f->out, f->ws + f->bs);
        ps_conv_backward_weights(&plan, f->x, f->dy, f->out, f->out + f->ws, workspace, pool);
        expect_close(f, method, PS_CONV_BACKWARD_WEIGHTS, "backward-weights",
                     relative_error(f->out, f->dw, NULL, f->ws));
        expect_close(f, method, PS_CONV_BACKWARD_WEIGHTS, "bias gradient",
                     relative_error(f->out + f->ws, f->dbias, NULL, f->bs));
    }
    ps_free(workspace);
}

static void every_method_agrees_with_the_naive_reference(void **state) {
    (void)state;
    ps_threads *pool = NULL;
    assert_int_equal(ps_threads_create(2, &pool), PS_OK);
    wrong = 0;
    for (int i = 0; i < SHAPES; i++) {
        fixture f = fixture_of(&shapes[i]);
        for (int method = 0; method < METHODS; method++) check_method(&f, method, pool);
        fixture_free(&f);
    }
    ps_threads_destroy(pool);
    char class[PS_PROCESSOR_NAME];
    ps_processor_name(ps_processor_in_use(), class);
    for (int i = 0; i < METHODS; i++) {
        print_message("# %-10s worst relative error: forward %.1e, backward-data %.1e, backward-weights %.1e (%s)\n",
                      methods[i]->name, worst[i][0], worst[i][1], worst[i][2], class);
    }
    assert_int_equal(wrong, 0);
}

/* All results of one forced method after one another: y, dx, dw, dbias. */
static float *all_results(const fixture *f, const char *method, int threads) {
    ps_threads *pool = NULL;
    ps_conv_plan plan;
    assert_int_equal(ps_threads_create(threads, &pool), PS_OK);
    assert_int_equal(ps_conv_plan_init(&plan, &f->s), PS_OK);
    if (ps_conv_plan_force(&plan, method) != PS_OK) {
        ps_threads_destroy(pool);
        return NULL;
    }
    void *workspace = workspace_of(&plan, threads);
    float *out = room(f->ys + f->xs + f->ws + f->bs, sizeof(float));
    ps_conv_forward(&plan, f->x, f->w, f->bias, out, workspace, pool);
    ps_conv_backward_data(&plan, f->dy, f->w, out + f->ys, false, workspace, pool);
    ps_conv_backward_weights(&plan, f->x, f->dy, out + f->ys + f->xs, out + f->ys + f->xs + f->ws, workspace, pool);
    ps_free(workspace);
    ps_threads_destroy(pool);
    return out;
}

static void any_number_of_threads_gives_the_same_bits(void **state) {
    (void)state;
    static const ps_conv_shape some[] = {
        SHAPE2(9, 40, 13, 9, 36, 3, 1, 1, 1, 1),     SHAPE2(33, 64, 4, 4, 64, 3, 1, 1, 1, 1),
        SHAPE2(3, 8, 17, 16, 24, 3, 2, 1, 1, 1),     SHAPE2(16, 32, 8, 8, 8, 1, 1, 0, 1, 1),
        SHAPE2(4, 40, 12, 12, 40, 3, 1, 1, 1, 40),   SHAPE3(3, 8, 5, 6, 7, 8, 3, 1, 1, 1, 1),
        SHAPE2(2, 20, 27, 31, 40, 2, 2, 0, 1, 1),    SHAPE3(2, 16, 8, 8, 28, 32, 2, 2, 0, 1, 1),
        SHAPE2(4, 32, 9, 9, 64, 1, 2, 0, 1, 1),      SHAPE2(2, 3, 20, 20, 8, 7, 2, 3, 1, 1),
        SHAPE2(3, 16, 8, 8, 16, 3, 1, 1, 1, 4),      SHAPE2(1, 264, 6, 6, 264, 3, 1, 1, 1, 1),
        SHAPE2(5, 24, 11, 9, 20, 3, 2, 1, 1, 1),     SHAPE2(7, 80, 15, 14, 80, 3, 2, 1, 1, 80),
        SHAPE2(40, 200, 2, 2, 200, 3, 1, 1, 1, 200), SHAPE3(2, 1, 26, 9, 8, 16, 3, 1, 1, 1, 1),
        SHAPE2(2, 3, 80, 30, 70, 3, 1, 1, 1, 1),     SHAPE2(4, 128, 9, 16, 136, 1, 1, 0, 1, 1)};
    static const int counts[] = {2, 3, 8};
    for (size_t i = 0; i < sizeof some / sizeof some[0]; i++) {
        fixture f = fixture_of(&some[i]);
        size_t bytes = (f.ys + f.xs + f.ws + f.bs) * sizeof(float);
        for (int method = 0; method < METHODS; method++) {
            float *one = all_results(&f, methods[method]->name, 1);
            for (size_t t = 0; t < sizeof counts / sizeof counts[0] && one != NULL; t++) {
                float *many = all_results(&f, methods[method]->name, counts[t]);
                assert_memory_equal(one, many, bytes);
                ps_free(many);
            }
            ps_free(one);
        }
        fixture_free(&f);
    }
}

static void not_a_number_survives(void **state) {
    (void)state;
    static const ps_conv_shape shape = SHAPE2(2, 20, 9, 9, 20, 3, 1, 1, 1, 1);
    for (int method = 0; method < METHODS; method++) {
        fixture f = fixture_of(&shape);
        f.x[(4 * 9 + 4) * 20 + 3] = NAN;
        f.dy[(4 * 9 + 4) * 20 + 5] = NAN;
        float *out = all_results(&f, methods[method]->name, 2);
        if (out != NULL) {
            for (int k = 0; k < 20; k++) assert_true(isnan(out[(4 * 9 + 4) * 20 + k])); /* y of that position */
            for (int c = 0; c < 20; c++) assert_true(isnan(out[f.ys + (4 * 9 + 4) * 20 + (size_t)c])); /* and dx */
            assert_true(isnan(out[f.ys + f.xs + (5 * 9 + 4) * 20])); /* centre tap of the filter whose dy was spoilt */
            assert_true(isnan(out[f.ys + f.xs + f.ws + 5]));
            assert_false(isnan(out[f.ys / 2])); /* the other image is untouched */
        }
        ps_free(out);
        fixture_free(&f);
    }
}

static void senseless_shapes_are_refused(void **state) {
    (void)state;
    static const ps_conv_shape bad[] = {SHAPE2(0, 3, 8, 8, 4, 3, 1, 1, 1, 1),
                                        SHAPE2(1, 0, 8, 8, 4, 3, 1, 1, 1, 1),
                                        SHAPE2(1, 3, 8, 8, 0, 3, 1, 1, 1, 1),
                                        SHAPE2(1, 3, 0, 8, 4, 3, 1, 1, 1, 1),
                                        SHAPE2(1, 3, 8, 8, 4, 0, 1, 1, 1, 1),
                                        SHAPE2(1, 3, 8, 8, 4, 3, 0, 1, 1, 1),
                                        SHAPE2(1, 3, 8, 8, 4, 3, 1, -1, 1, 1),
                                        SHAPE2(1, 3, 8, 8, 4, 3, 1, 1, 0, 1),
                                        SHAPE2(1, 3, 8, 8, 4, 3, 1, 1, 1, 0),
                                        SHAPE2(1, 4, 8, 8, 6, 3, 1, 1, 1, 4),
                                        SHAPE2(1, 6, 8, 8, 4, 3, 1, 1, 1, 4),
                                        SHAPE2(1, 3, 2, 2, 4, 5, 1, 1, 1, 1),
                                        SHAPE2(1, 3, 4, 4, 4, 3, 1, 0, 2, 1),
                                        SHAPE2(1, 3, 8, 8, 4, INT32_MAX, 1, 1, 1, 1),
                                        SHAPE2(1 << 20, 3, 1 << 20, 8, 4, 3, 1, 1, 1, 1)};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        ps_conv_plan plan;
        ps_status_reset();
        assert_int_equal(ps_conv_plan_init(&plan, &bad[i]), PS_ERR_USAGE);
        assert_true(strlen(ps_status_message()) > 10);
    }
}

static void plans_name_their_methods(void **state) {
    (void)state;
    static const ps_conv_shape shape = SHAPE2(2, 8, 8, 8, 8, 3, 1, 1, 1, 1);
    ps_conv_plan plan;
    char text[200];
    assert_int_equal(ps_conv_plan_init(&plan, &shape), PS_OK);
    assert_int_equal(ps_conv_plan_force(&plan, "gemm"), PS_OK);
    ps_conv_plan_describe(&plan, text, sizeof text);
    assert_string_equal(text, "forward gemm, backward-data gemm, backward-weights gemm");
    assert_int_equal(ps_conv_plan_force(&plan, "magic"), PS_ERR_USAGE);
    assert_float_equal(ps_conv_macs(&shape), 2.0 * 8 * 8 * 8 * 8 * 9, 0.0);
}

/* Whatever the plan chooses must be right too, on one thread without a pool. */
static void the_plan_is_right_for_every_shape(void **state) {
    (void)state;
    wrong = 0;
    for (int i = 0; i < SHAPES; i++) {
        fixture f = fixture_of(&shapes[i]);
        ps_conv_plan plan;
        assert_int_equal(ps_conv_plan_init(&plan, &f.s), PS_OK);
        void *workspace = workspace_of(&plan, 1);
        ps_conv_forward(&plan, f.x, f.w, f.bias, f.out, workspace, NULL);
        assert_true(relative_error(f.out, f.y, NULL, f.ys) < 1e-5);
        ps_conv_backward_data(&plan, f.dy, f.w, f.out, false, workspace, NULL);
        assert_true(relative_error(f.out, f.dx, NULL, f.xs) < 1e-5);
        ps_conv_backward_weights(&plan, f.x, f.dy, f.out, NULL, workspace, NULL);
        assert_true(relative_error(f.out, f.dw, NULL, f.ws) < 1e-5);
        ps_free(workspace);
        fixture_free(&f);
    }
}

static void products_of_every_kind_are_right(void **state) {
    (void)state;
    enum { M = 37, N = 29, K = 21 };
    float *a = numbers("a", M * K), *b = numbers("b", K * N), *base = numbers("c", M * N),
          *c = room(M * N, sizeof(float));
    ps_threads *pool = NULL;
    assert_int_equal(ps_threads_create(3, &pool), PS_OK);
    for (int kind = 0; kind < 8; kind++) {
        bool ta = kind & 1, tb = kind & 2, accumulate = kind & 4;
        memcpy(c, base, M * N * sizeof *c);
        ps_gemm_parallel(ta, tb, M, N, K, a, ta ? M : K, b, tb ? K : N, accumulate, c, N, pool);
        for (int i = 0; i < M; i++) {
            for (int j = 0; j < N; j++) {
                double sum = accumulate ? base[i * N + j] : 0.0;
                for (int k = 0; k < K; k++)
                    sum += (double)(ta ? a[k * M + i] : a[i * K + k]) * (tb ? b[j * K + k] : b[k * N + j]);
                assert_float_equal(c[i * N + j], sum, 1e-5);
            }
        }
    }
    ps_gemm(false, false, 2, 2, 0, a, 1, b, 2, false, c, N);
    assert_float_equal(c[N + 1], 0.0, 0.0);
    assert_true(strlen(ps_gemm_library()) > 3);
    ps_threads_destroy(pool);
    ps_free(a), ps_free(b), ps_free(base), ps_free(c);
}

int main(int argc, char **argv) {
    (void)argc;
    int failures = kt_run_other_classes(argv[0]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_agrees_with_the_naive_reference),
        cmocka_unit_test(the_plan_is_right_for_every_shape),
        cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(not_a_number_survives),
        cmocka_unit_test(senseless_shapes_are_refused),
        cmocka_unit_test(plans_name_their_methods),
        cmocka_unit_test(products_of_every_kind_are_right),
    };
    return failures + cmocka_run_group_tests(tests, NULL, NULL);
}
