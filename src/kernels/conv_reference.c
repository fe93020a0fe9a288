/* The definition, written down: one double-precision sum per output. Relative L2 error about 3e-8 (the final
 * rounding). */
#include "kernels/conv_method.h"

typedef struct {
    const ps_conv_shape *s;
    const float *x, *w, *dy, *bias;
    float *out;
    bool accumulate;
} reference_job;

/* The input coordinate an output position and a tap read; outside [0, size): padding. */
static int input_at(int o, int stride, int pad, int tap, int dilation) { return o * stride - pad + tap * dilation; }

static size_t at(int n, int d, int h, int w, int size_d, int size_h, int size_w) {
    return (((size_t)n * (size_t)size_d + (size_t)d) * (size_t)size_h + (size_t)h) * (size_t)size_w + (size_t)w;
}

static double output_value(const reference_job *job, int n, int od, int oh, int ow, int k) {
    const ps_conv_shape *s = job->s;
    int cg = s->c / s->groups, first = k / (s->k / s->groups) * cg;
    const float *w = job->w + (size_t)k * ps_conv_taps(s) * (size_t)cg;
    double sum = job->bias != NULL ? job->bias[k] : 0.0;
    for (int td = 0; td < s->kd; td++) {
        int d = input_at(od, s->stride_d, s->pad_d, td, s->dilation_d);
        for (int th = 0; th < s->kh; th++) {
            int h = input_at(oh, s->stride_h, s->pad_h, th, s->dilation_h);
            for (int tw = 0; tw < s->kw; tw++, w += cg) {
                int v = input_at(ow, s->stride_w, s->pad_w, tw, s->dilation_w);
                if (d < 0 || d >= s->d || h < 0 || h >= s->h || v < 0 || v >= s->w) continue;
                const float *x = job->x + at(n, d, h, v, s->d, s->h, s->w) * (size_t)s->c + first;
                for (int c = 0; c < cg; c++) sum += (double)x[c] * w[c];
            }
        }
    }
    return sum;
}

static void forward_row(void *context, size_t chunk, int worker) {
    (void)worker;
    const reference_job *job = context;
    const ps_conv_shape *s = job->s;
    int od = ps_conv_out_d(s), oh = ps_conv_out_h(s), ow = ps_conv_out_w(s);
    int h = (int)(chunk % (size_t)oh), d = (int)(chunk / (size_t)oh % (size_t)od),
        n = (int)(chunk / (size_t)oh / (size_t)od);
    float *y = job->out + chunk * (size_t)ow * (size_t)s->k;
    for (int v = 0; v < ow; v++) {
        for (int k = 0; k < s->k; k++) *y++ = (float)output_value(job, n, d, h, v, k);
    }
}

static void reference_forward(const ps_conv_shape *s, const float *x, const float *w, const float *bias, float *y,
                              void *workspace, ps_threads *threads) {
    (void)workspace;
    reference_job job = {.s = s, .x = x, .w = w, .bias = bias, .out = y};
    ps_threads_run(threads, (size_t)s->n * (size_t)ps_conv_out_d(s) * (size_t)ps_conv_out_h(s), forward_row, &job);
}

/* The output position that reads input i through this tap, or -1. */
static int output_at(int i, int stride, int pad, int tap, int dilation, int size) {
    int scaled = i + pad - tap * dilation;
    if (scaled < 0 || scaled % stride != 0 || scaled / stride >= size) return -1;
    return scaled / stride;
}

static double input_gradient(const reference_job *job, int n, int d, int h, int v, int c) {
    const ps_conv_shape *s = job->s;
    int od = ps_conv_out_d(s), oh = ps_conv_out_h(s), ow = ps_conv_out_w(s);
    int cg = s->c / s->groups, kg = s->k / s->groups, first = c / cg * kg;
    size_t taps = ps_conv_taps(s), tap = 0;
    double sum = job->bias != NULL ? job->bias[c] : 0.0;
    for (int td = 0; td < s->kd; td++) {
        int pd = output_at(d, s->stride_d, s->pad_d, td, s->dilation_d, od);
        for (int th = 0; th < s->kh; th++) {
            int ph = output_at(h, s->stride_h, s->pad_h, th, s->dilation_h, oh);
            for (int tw = 0; tw < s->kw; tw++, tap++) {
                int pw = output_at(v, s->stride_w, s->pad_w, tw, s->dilation_w, ow);
                if (pd < 0 || ph < 0 || pw < 0) continue;
                const float *dy = job->dy + at(n, pd, ph, pw, od, oh, ow) * (size_t)s->k + first;
                const float *w = job->w + ((size_t)first * taps + tap) * (size_t)cg + c % cg;
                for (int k = 0; k < kg; k++) sum += (double)dy[k] * w[(size_t)k * taps * (size_t)cg];
            }
        }
    }
    return sum;
}

static void data_row(void *context, size_t chunk, int worker) {
    (void)worker;
    const reference_job *job = context;
    const ps_conv_shape *s = job->s;
    int h = (int)(chunk % (size_t)s->h), d = (int)(chunk / (size_t)s->h % (size_t)s->d);
    int n = (int)(chunk / (size_t)s->h / (size_t)s->d);
    float *dx = job->out + chunk * (size_t)s->w * (size_t)s->c;
    for (int v = 0; v < s->w; v++) {
        for (int c = 0; c < s->c; c++, dx++)
            *dx = (job->accumulate ? *dx : 0.0f) + (float)input_gradient(job, n, d, h, v, c);
    }
}

static void reference_backward_data(const ps_conv_shape *s, const float *dy, const float *w, const float *bias,
                                    float *dx, bool accumulate, void *workspace, ps_threads *threads) {
    (void)workspace;
    reference_job job = {.s = s, .dy = dy, .w = w, .bias = bias, .out = dx, .accumulate = accumulate};
    ps_threads_run(threads, (size_t)s->n * (size_t)s->d * (size_t)s->h, data_row, &job);
}

/* Over samples [first, last). */
static double weight_gradient(const reference_job *job, size_t first, size_t last, int k, int td, int th, int tw,
                              int c) {
    const ps_conv_shape *s = job->s;
    int od = ps_conv_out_d(s), oh = ps_conv_out_h(s), ow = ps_conv_out_w(s);
    double sum = 0.0;
    for (int n = (int)first; n < (int)last; n++) {
        for (int pd = 0; pd < od; pd++) {
            int d = input_at(pd, s->stride_d, s->pad_d, td, s->dilation_d);
            for (int ph = 0; ph < oh && d >= 0 && d < s->d; ph++) {
                int h = input_at(ph, s->stride_h, s->pad_h, th, s->dilation_h);
                for (int pw = 0; pw < ow && h >= 0 && h < s->h; pw++) {
                    int v = input_at(pw, s->stride_w, s->pad_w, tw, s->dilation_w);
                    if (v < 0 || v >= s->w) continue;
                    sum += (double)job->dy[at(n, pd, ph, pw, od, oh, ow) * (size_t)s->k + (size_t)k] *
                           job->x[at(n, d, h, v, s->d, s->h, s->w) * (size_t)s->c + (size_t)c];
                }
            }
        }
    }
    return sum;
}

/* A shard's sum in double, the shards' along the tree as every method adds them. */
static float sum_of_shards(const reference_job *job, int k, int td, int th, int tw, int c) {
    float sums[PS_SHARDS_MOST];
    ps_shards shards = ps_shards_of((size_t)job->s->n);
    for (size_t i = 0; i < shards.count; i++)
        sums[i] =
            (float)weight_gradient(job, ps_shards_start(&shards, i), ps_shards_start(&shards, i + 1), k, td, th, tw, c);
    ps_reduce_floats(sums, shards.count, 1, 1, NULL);
    return sums[0];
}

static void filter_gradient(void *context, size_t chunk, int worker) {
    (void)worker;
    const reference_job *job = context;
    const ps_conv_shape *s = job->s;
    int cg = s->c / s->groups, k = (int)chunk, first = k / (s->k / s->groups) * cg;
    float *dw = job->out + chunk * ps_conv_taps(s) * (size_t)cg;
    for (int td = 0; td < s->kd; td++) {
        for (int th = 0; th < s->kh; th++) {
            for (int tw = 0; tw < s->kw; tw++) {
                for (int c = 0; c < cg; c++) *dw++ = sum_of_shards(job, k, td, th, tw, first + c);
            }
        }
    }
}

static void reference_backward_weights(const ps_conv_shape *s, const float *x, const float *dy, float *dw,
                                       void *workspace, ps_threads *threads) {
    (void)workspace;
    reference_job job = {.s = s, .x = x, .dy = dy, .out = dw};
    ps_threads_run(threads, (size_t)s->k, filter_gradient, &job);
}

/* It can do everything and is never the fastest. */
static double reference_cost(const ps_conv_shape *s, ps_conv_pass pass) {
    (void)pass;
    return 1e3 + 1e3 * ps_conv_macs(s);
}

static size_t reference_workspace(const ps_conv_shape *s, ps_conv_pass pass, int threads) {
    (void)s, (void)pass, (void)threads;
    return 0;
}

const ps_conv_method ps_conv_method_reference = {
    "reference",
    true,
    true,
    reference_cost,
    reference_workspace,
    reference_forward,
    reference_backward_data,
    reference_backward_weights,
};
