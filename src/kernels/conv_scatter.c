/* Backward-data for few input channels (stems), where vectors along them would be mostly empty: vectors run along
 * positions. For a run of lines of dy every product with the filters is formed, [tap and channel][position], and each
 * of its rows is added to where its tap lies in dx. A unit is a box of dx, padded along w, its channels and the
 * residues of the stride apart, so that every such addition is of neighbours; units compute the dy lines at their edges
 * again rather than share sums. One group. Relative L2 error: one sum over the filters, then one over the taps: 4e-7 in
 * the tests. */
#include "kernels/conv_scatter.h"

#include <string.h>

#include "kernels/conv_method.h"
#include "kernels/processor.h"

enum {
    RUN_POSITIONS = 128, /* of dy turned at once */
    WANTED_UNITS = 16,
    EDGE_LINES = 4, /* a unit is at least this many times as high as the taps reach beyond it */
    MOST_CHANNELS = 16,
    BOX_FLOATS = 256 * 1024,     /* of a unit's sums: 1 MiB; larger ones are left to other methods */
    PRODUCT_FLOATS = 256 * 1024, /* of the products of a run, likewise */
    SMALL_FLOATS = 64 * 1024     /* of either, where a second-level cache is small */
};

typedef struct {
    const ps_scatter_kernels *kernels;
    const ps_conv_shape *s;
    const float *dy, *w;
    float *dx, *workspace;
    int od, oh, ow;
    size_t row;              /* taps * channels */
    size_t cuts;             /* of an image along its outer axis: d in 3D, h in 2D */
    size_t run, step;        /* lines of dy turned at once; their positions rounded up */
    size_t phase, line, box; /* floats of a line's channel and residue, of a line, of a unit */
    size_t turned, products; /* floats */
    bool accumulate;
} scatter_job;

static size_t round_up(size_t count, size_t step) { return (count + step - 1) / step * step; }

static size_t cuts_of(const ps_conv_shape *s) {
    int size = s->d > 1 ? s->d : s->h, reach = s->d > 1 ? (s->kd - 1) * s->dilation_d : (s->kh - 1) * s->dilation_h;
    size_t least = (size_t)EDGE_LINES * (size_t)(reach + 1), cuts = (size_t)size / least;
    size_t wanted = (WANTED_UNITS + (size_t)s->n - 1) / (size_t)s->n;
    if (cuts > wanted) cuts = wanted;
    return cuts < 1 ? 1 : cuts;
}

static scatter_job plan_scatter(const ps_conv_shape *s) {
    scatter_job job = {.kernels = PS_SIMD_SELECT(ps_scatter_kernels_of)(), .s = s};
    job.od = ps_conv_out_d(s), job.oh = ps_conv_out_h(s), job.ow = ps_conv_out_w(s);
    job.row = ps_conv_taps(s) * (size_t)s->c;
    job.cuts = cuts_of(s);
    job.run = RUN_POSITIONS / (size_t)job.ow;
    if (job.run < 1) job.run = 1;
    if (job.run > (size_t)job.oh) job.run = (size_t)job.oh;
    job.step = round_up(job.run * (size_t)job.ow, PS_SCATTER_GRAIN);
    size_t columns = (size_t)(job.ow - 1) * (size_t)s->stride_w + (size_t)(s->kw - 1) * (size_t)s->dilation_w + 1;
    job.phase = columns / (size_t)s->stride_w + 1;
    job.line = job.phase * (size_t)s->stride_w * (size_t)s->c;
    size_t outer = (size_t)(s->d > 1 ? s->d : s->h), inner = s->d > 1 ? (size_t)s->h : 1;
    job.box = round_up((outer + job.cuts - 1) / job.cuts * inner * job.line, 16);
    job.turned = (size_t)s->k * job.step;
    job.products = job.row * job.step;
    return job;
}

/* A box of dx: planes [d0, d1), lines [h0, h1). */
typedef struct {
    int n, d0, d1, h0, h1;
    float *sums, *turned, *products;
} unit;

static unit unit_of(const scatter_job *job, size_t chunk, int worker) {
    const ps_conv_shape *s = job->s;
    size_t cut = chunk % job->cuts, size = (size_t)(s->d > 1 ? s->d : s->h);
    int first = (int)ps_threads_chunk_start(size, job->cuts, cut),
        last = (int)ps_threads_chunk_start(size, job->cuts, cut + 1);
    unit u = {.n = (int)(chunk / job->cuts), .d1 = 1, .h1 = s->h};
    if (s->d > 1) u.d0 = first, u.d1 = last;
    else u.h0 = first, u.h1 = last;
    u.sums = job->workspace + (size_t)worker * (job->box + job->turned + job->products);
    u.turned = u.sums + job->box;
    u.products = u.turned + job->turned;
    return u;
}

/* Outputs [first, last) of an axis that reach inputs [low, high) through any tap. */
static void reach_of(int low, int high, int out, int kernel, int stride, int pad, int dilation, int *first, int *last) {
    int begin = low + pad - (kernel - 1) * dilation, end = high - 1 + pad;
    *first = begin <= 0 ? 0 : (begin + stride - 1) / stride;
    *last = end < 0 ? 0 : end / stride + 1 < out ? end / stride + 1 : out;
}

/* Adds the products of one line of dy, rows `step` apart, to the lines of the box that its taps reach. */
static void add_line(const scatter_job *job, const unit *u, int zd, int zh, const float *products, size_t step) {
    const ps_conv_shape *s = job->s;
    for (int td = 0; td < s->kd; td++) {
        int d = zd * s->stride_d - s->pad_d + td * s->dilation_d;
        for (int th = 0; th < s->kh; th++) {
            int h = zh * s->stride_h - s->pad_h + th * s->dilation_h;
            if (d < u->d0 || d >= u->d1 || h < u->h0 || h >= u->h1) continue;
            float *line = u->sums + ((size_t)(d - u->d0) * (size_t)(u->h1 - u->h0) + (size_t)(h - u->h0)) * job->line;
            for (int tw = 0; tw < s->kw; tw++) {
                const float *from = products + (size_t)((td * s->kh + th) * s->kw + tw) * (size_t)s->c * step;
                size_t column = (size_t)tw * (size_t)s->dilation_w, stride = (size_t)s->stride_w;
                float *to = line + column % stride * (size_t)s->c * job->phase + column / stride;
                for (int c = 0; c < s->c; c++)
                    job->kernels->add(from + (size_t)c * step, (size_t)job->ow, to + (size_t)c * job->phase);
            }
        }
    }
}

/* The sums of a line to dx, residue by residue of the stride. */
static void write_line(const scatter_job *job, const float *sums, float *dx) {
    const ps_conv_shape *s = job->s;
    int columns = (job->ow - 1) * s->stride_w + (s->kw - 1) * s->dilation_w + 1;
    for (int w = 0; w < s->w; w++, dx += s->c) {
        int column = w + s->pad_w;
        const float *from = sums + (size_t)(column % s->stride_w) * (size_t)s->c * job->phase + column / s->stride_w;
        for (int c = 0; c < s->c; c++) {
            float value = column < columns ? from[(size_t)c * job->phase] : 0.0f;
            dx[c] = job->accumulate ? dx[c] + value : value;
        }
    }
}

static void scatter_unit(void *context, size_t chunk, int worker) {
    const scatter_job *job = context;
    const ps_conv_shape *s = job->s;
    unit u = unit_of(job, chunk, worker);
    memset(u.sums, 0, job->box * sizeof(float));
    int first_d, last_d, first_h, last_h;
    reach_of(u.d0, u.d1, job->od, s->kd, s->stride_d, s->pad_d, s->dilation_d, &first_d, &last_d);
    reach_of(u.h0, u.h1, job->oh, s->kh, s->stride_h, s->pad_h, s->dilation_h, &first_h, &last_h);
    for (int zd = first_d; zd < last_d; zd++) {
        for (int zh = first_h; zh < last_h; zh += (int)job->run) {
            int lines = last_h - zh < (int)job->run ? last_h - zh : (int)job->run;
            size_t count = (size_t)lines * (size_t)job->ow, step = round_up(count, PS_SCATTER_GRAIN);
            size_t place =
                (((size_t)u.n * (size_t)job->od + (size_t)zd) * (size_t)job->oh + (size_t)zh) * (size_t)job->ow;
            job->kernels->turn(job->dy + place * (size_t)s->k, count, (size_t)s->k, u.turned, step);
            job->kernels->multiply(job->w, job->row, (size_t)s->k, u.turned, step, u.products);
            for (int i = 0; i < lines; i++)
                add_line(job, &u, zd, zh + i, u.products + (size_t)i * (size_t)job->ow, step);
        }
    }
    const float *sums = u.sums;
    for (int d = u.d0; d < u.d1; d++) {
        for (int h = u.h0; h < u.h1; h++, sums += job->line) {
            size_t line = ((size_t)u.n * (size_t)s->d + (size_t)d) * (size_t)s->h + (size_t)h;
            write_line(job, sums, job->dx + line * (size_t)s->w * (size_t)s->c);
        }
    }
}

static void scatter_backward_data(const ps_conv_shape *s, const float *dy, const float *w, const float *bias, float *dx,
                                  bool accumulate, void *workspace, ps_threads *threads) {
    (void)bias;
    scatter_job job = plan_scatter(s);
    job.dy = dy, job.w = w, job.dx = dx, job.workspace = workspace, job.accumulate = accumulate;
    ps_threads_run(threads, (size_t)s->n * job.cuts, scatter_unit, &job);
}

static size_t scatter_workspace(const ps_conv_shape *s, ps_conv_pass pass, int threads) {
    (void)pass;
    scatter_job job = plan_scatter(s);
    return (size_t)threads * (job.box + job.turned + job.products) * sizeof(float);
}

static double scatter_cost(const ps_conv_shape *s, ps_conv_pass pass) {
    if (pass != PS_CONV_BACKWARD_DATA || s->groups > 1 || s->c > MOST_CHANNELS) return -1.0;
    scatter_job job = plan_scatter(s);
    if (job.box > ps_processor_choose(BOX_FLOATS, SMALL_FLOATS)) return -1.0;
    if (job.products + job.turned > ps_processor_choose(PRODUCT_FLOATS, SMALL_FLOATS)) return -1.0;
    double positions = (double)ps_conv_out_positions(s), row = (double)job.row;
    return 1500.0 + ps_conv_macs(s) / 85.0 + positions * (0.4 * row + 0.25 * s->k);
}

const ps_conv_method ps_conv_method_scatter = {
    "scatter", false, false, scatter_cost, scatter_workspace, NULL, scatter_backward_data, NULL};
