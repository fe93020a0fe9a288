/* The shape of a convolution, and its passes. */
#ifndef PS_KERNELS_CONV_SHAPE_H
#define PS_KERNELS_CONV_SHAPE_H

#include "core/status.h"

typedef struct ps_conv_shape {
    int n, c, d, h, w; /* input */
    int k;             /* output channels; c and k are multiples of groups */
    int kd, kh, kw;    /* kernel */
    int stride_d, stride_h, stride_w;
    int pad_d, pad_h, pad_w;
    int dilation_d, dilation_h, dilation_w;
    int groups; /* groups == c: depthwise */
} ps_conv_shape;

int ps_conv_out_d(const ps_conv_shape *shape);
int ps_conv_out_h(const ps_conv_shape *shape);
int ps_conv_out_w(const ps_conv_shape *shape);
/* Multiplications of the direct algorithm, forward. */
double ps_conv_macs(const ps_conv_shape *shape);
/* Fails (PS_ERR_USAGE, one sentence) where the shape makes no sense: empty output, groups that do not divide, ... */
ps_status ps_conv_shape_check(const ps_conv_shape *shape);

#define PS_CONV_PASS_LIST(PASS)          \
    PASS(FORWARD, "forward")             \
    PASS(BACKWARD_DATA, "backward-data") \
    PASS(BACKWARD_WEIGHTS, "backward-weights")
typedef enum {
#define PASS(name, word) PS_CONV_##name,
    PS_CONV_PASS_LIST(PASS)
#undef PASS
        PS_CONV_PASSES
} ps_conv_pass;

enum { PS_CONV_LARGEST = 1 << 20 }; /* of channels and of a map's sizes */

#endif
