#include "kernels/conv_shape.h"

#include <limits.h>

static int out_size(int size, int kernel, int stride, int pad, int dilation) {
    long long room = (long long)size + 2LL * pad - (long long)dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : (int)(room / stride) + 1;
}

int ps_conv_out_d(const ps_conv_shape *s) { return out_size(s->d, s->kd, s->stride_d, s->pad_d, s->dilation_d); }
int ps_conv_out_h(const ps_conv_shape *s) { return out_size(s->h, s->kh, s->stride_h, s->pad_h, s->dilation_h); }
int ps_conv_out_w(const ps_conv_shape *s) { return out_size(s->w, s->kw, s->stride_w, s->pad_w, s->dilation_w); }

double ps_conv_macs(const ps_conv_shape *s) {
    return (double)s->n * ps_conv_out_d(s) * ps_conv_out_h(s) * ps_conv_out_w(s) * s->k * (s->c / s->groups) * s->kd *
           s->kh * s->kw;
}

/* Row sizes are kept within int, as BLAS takes them. */
enum { LARGEST = PS_CONV_LARGEST, LARGEST_ROW = 1 << 28 };

static ps_status check_axis(const char *axis, int size, int kernel, int stride, int pad, int dilation) {
    if (size < 1 || size > LARGEST)
        return ps_fail(PS_ERR_USAGE, "convolution input %s is %d, must be 1 to %d", axis, size, LARGEST);
    if (kernel < 1 || kernel > LARGEST || stride < 1 || stride > LARGEST || dilation < 1 || dilation > LARGEST) {
        return ps_fail(PS_ERR_USAGE, "convolution %s: kernel %d, stride %d and dilation %d must each be 1 to %d", axis,
                       kernel, stride, dilation, LARGEST);
    }
    if (pad < 0 || pad > LARGEST)
        return ps_fail(PS_ERR_USAGE, "convolution %s: padding %d must be 0 to %d", axis, pad, LARGEST);
    if (out_size(size, kernel, stride, pad, dilation) < 1) {
        return ps_fail(
            PS_ERR_USAGE,
            "convolution %s: a kernel of %d with dilation %d does not fit an input of %d with padding %d; use a larger "
            "input, more padding or a smaller kernel",
            axis, kernel, dilation, size, pad);
    }
    return PS_OK;
}

ps_status ps_conv_shape_check(const ps_conv_shape *s) {
    if (s->n < 1 || s->n > LARGEST)
        return ps_fail(PS_ERR_USAGE, "convolution batch is %d, must be 1 to %d", s->n, LARGEST);
    if (s->c < 1 || s->c > LARGEST || s->k < 1 || s->k > LARGEST) {
        return ps_fail(PS_ERR_USAGE, "convolution of %d to %d channels: both must be 1 to %d", s->c, s->k, LARGEST);
    }
    if (s->groups < 1 || s->c % s->groups != 0 || s->k % s->groups != 0) {
        return ps_fail(PS_ERR_USAGE, "convolution of %d to %d channels cannot have %d groups; they must divide both",
                       s->c, s->k, s->groups);
    }
    PS_TRY(check_axis("depth", s->d, s->kd, s->stride_d, s->pad_d, s->dilation_d));
    PS_TRY(check_axis("height", s->h, s->kh, s->stride_h, s->pad_h, s->dilation_h));
    PS_TRY(check_axis("width", s->w, s->kw, s->stride_w, s->pad_w, s->dilation_w));
    double row = (double)s->kd * s->kh * s->kw * (s->c / s->groups);
    double positions = (double)s->n * ps_conv_out_d(s) * ps_conv_out_h(s) * ps_conv_out_w(s);
    if (row > LARGEST_ROW || positions > INT_MAX || (double)s->n * s->d * s->h * s->w > INT_MAX) {
        return ps_fail(PS_ERR_USAGE,
                       "convolution is too large (%.0f weights per filter, %.0f output positions); reduce the batch",
                       row, positions);
    }
    return PS_OK;
}
