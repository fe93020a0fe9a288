/* One way of computing a convolution. A method is one source file that defines `const ps_conv_method
 * ps_conv_method_<name>` and one line in conv_method_list.def. Private to src/kernels. Methods are constants; nothing
 * is owned. */
#ifndef PS_KERNELS_CONV_METHOD_H
#define PS_KERNELS_CONV_METHOD_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/conv_shape.h"
#include "kernels/gradient_cut.h"

typedef struct ps_conv_method {
    const char *name;
    /* Forward errs as a plain sum does (see rounding.h) and adds up every output position in the same order: equal
     * patches give equal bits wherever they lie, and a patch of zeros gives the bias itself. Matrix products of a
     * library promise neither, the fewer multiplications of Winograd's algorithm cost both. */
    bool plain;
    bool adds_bias; /* backward_data takes a bias [c] that it adds to every sum; else that is NULL */
    /* Estimated time of a pass on one core in nanoseconds, a pure function of shape and processor class; the plan takes
     * the smallest. Negative: this method cannot do that pass of that shape. */
    double (*cost)(const ps_conv_shape *shape, ps_conv_pass pass);
    size_t (*workspace_bytes)(const ps_conv_shape *shape, ps_conv_pass pass, int threads);
    /* As in conv.h, but for dbias and for other processes' sums (ps_reduce_across), which conv.c sees to. */
    void (*forward)(const ps_conv_shape *shape, const float *x, const float *w, const float *bias, float *y,
                    void *workspace, ps_threads *threads);
    void (*backward_data)(const ps_conv_shape *shape, const float *dy, const float *w, const float *bias, float *dx,
                          bool accumulate, void *workspace, ps_threads *threads);
    void (*backward_weights)(const ps_conv_shape *shape, const float *x, const float *dy, float *dw, void *workspace,
                             ps_threads *threads);
} ps_conv_method;

#define PS_CONV_METHOD(name) extern const ps_conv_method ps_conv_method_##name;
#include "kernels/conv_method_list.def"
#undef PS_CONV_METHOD

static inline size_t ps_conv_out_positions(const ps_conv_shape *s) {
    return (size_t)s->n * (size_t)ps_conv_out_d(s) * (size_t)ps_conv_out_h(s) * (size_t)ps_conv_out_w(s);
}
static inline size_t ps_conv_taps(const ps_conv_shape *s) { return (size_t)s->kd * (size_t)s->kh * (size_t)s->kw; }
static inline size_t ps_conv_weights(const ps_conv_shape *s) {
    return (size_t)s->k * ps_conv_taps(s) * (size_t)(s->c / s->groups);
}
/* Nanoseconds, a part of a cost: weights so many that they are beyond the caches take `each` more to go there and
 * back. */
static inline double ps_conv_far_weights(const ps_conv_shape *s, double each) {
    double weights = (double)ps_conv_weights(s);
    return weights > 1 << 19 ? each * weights : 0.0;
}
/* Rounds a number of floats up to whole cache lines. */
static inline size_t ps_conv_round16(size_t floats) { return (floats + 15) / 16 * 16; }

#endif
