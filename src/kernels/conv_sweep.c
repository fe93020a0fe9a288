#include "kernels/conv_sweep.h"

/* More residues than this would each be too small a sweep to be worth its start. */
enum { MOST_STRIDE = 8, MOST_RESIDUES = 64 };

int ps_conv_sweep_residues(const ps_conv_shape *s) { return s->stride_d * s->stride_h * s->stride_w; }

bool ps_conv_sweep_fits(const ps_conv_shape *s) {
    if (s->kd > PS_SWEEP_TAPS || s->kh > PS_SWEEP_TAPS || s->kw > PS_SWEEP_TAPS) return false;
    if (s->stride_d > MOST_STRIDE || s->stride_h > MOST_STRIDE || s->stride_w > MOST_STRIDE) return false;
    return ps_conv_sweep_residues(s) <= MOST_RESIDUES;
}

static ps_conv_axis forward_axis(int size, int out, int kernel, int stride, int pad, int dilation) {
    ps_conv_axis a = {
        .count = out, .source_size = size, .source_step = stride, .target_size = out, .target_step = 1, .taps = kernel};
    for (int t = 0; t < kernel; t++) a.tap[t] = t, a.delta[t] = t * dilation - pad;
    return a;
}

/* Inputs residue, residue + stride, ... of an axis: output o = q + (residue + pad - t * dilation) / stride for the taps
 * that divide; taps in rising order of o. */
static ps_conv_axis backward_axis(int size, int out, int kernel, int stride, int pad, int dilation, int residue) {
    ps_conv_axis a = {
        .source_size = out, .source_step = 1, .target_size = size, .target_step = stride, .target_first = residue};
    a.count = residue < size ? (size - residue + stride - 1) / stride : 0;
    for (int t = kernel - 1; t >= 0; t--) {
        int reach = residue + pad - t * dilation;
        if (reach % stride != 0) continue;
        a.tap[a.taps] = t;
        a.delta[a.taps++] = reach / stride;
    }
    return a;
}

static void finish_sweep(ps_conv_sweep *s) {
    s->depth = (size_t)s->d.taps * (size_t)s->h.taps * (size_t)s->w.taps * (size_t)s->source_group;
    s->positions = (size_t)s->n * (size_t)s->d.count * (size_t)s->h.count * (size_t)s->w.count;
    s->wide_rows = s->groups == 1;
    for (int t = 1; t < s->w.taps; t++) s->wide_rows = s->wide_rows && s->w.delta[t] == s->w.delta[t - 1] + 1;
    const ps_conv_axis *axes[3] = {&s->d, &s->h, &s->w};
    s->in_place = true;
    for (int i = 0; i < 3; i++) {
        s->in_place = s->in_place && axes[i]->taps == 1 && axes[i]->delta[0] == 0 && axes[i]->source_step == 1 &&
                      axes[i]->count == axes[i]->source_size;
    }
    /* Rows a multiple of 2 KiB apart share cache sets: gathering is cheaper then. */
    if (s->source_channels % 512 == 0) s->in_place = false;
}

ps_conv_sweep ps_conv_sweep_forward(const ps_conv_shape *s) {
    ps_conv_sweep sweep = {.n = s->n,
                           .source_channels = s->c,
                           .target_channels = s->k,
                           .groups = s->groups,
                           .source_group = s->c / s->groups,
                           .target_group = s->k / s->groups};
    sweep.d = forward_axis(s->d, ps_conv_out_d(s), s->kd, s->stride_d, s->pad_d, s->dilation_d);
    sweep.h = forward_axis(s->h, ps_conv_out_h(s), s->kh, s->stride_h, s->pad_h, s->dilation_h);
    sweep.w = forward_axis(s->w, ps_conv_out_w(s), s->kw, s->stride_w, s->pad_w, s->dilation_w);
    finish_sweep(&sweep);
    return sweep;
}

ps_conv_sweep ps_conv_sweep_backward(const ps_conv_shape *s, int residue) {
    ps_conv_sweep sweep = {.n = s->n,
                           .source_channels = s->k,
                           .target_channels = s->c,
                           .groups = s->groups,
                           .source_group = s->k / s->groups,
                           .target_group = s->c / s->groups};
    int rw = residue % s->stride_w, rh = residue / s->stride_w % s->stride_h, rd = residue / s->stride_w / s->stride_h;
    sweep.d = backward_axis(s->d, ps_conv_out_d(s), s->kd, s->stride_d, s->pad_d, s->dilation_d, rd);
    sweep.h = backward_axis(s->h, ps_conv_out_h(s), s->kh, s->stride_h, s->pad_h, s->dilation_h, rh);
    sweep.w = backward_axis(s->w, ps_conv_out_w(s), s->kw, s->stride_w, s->pad_w, s->dilation_w, rw);
    finish_sweep(&sweep);
    return sweep;
}
