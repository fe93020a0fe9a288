/* Single convolutions against oneDNN, forward, backward-data and backward-weights, as a Markdown table.
 *   conv_bench [--threads N] [--rounds N] [--method NAME] [--clock wall|cpu] [--bound 0|1] [--simd avx2] [NAME...]
 * NAME: only shapes whose name contains one of the words. --simd avx2: all sides by AVX2 (PS_SIMD, DNNL_MAX_CPU_ISA,
 * OPENBLAS_CORETYPE). --clock cpu: one thread, processor time, best instead of
 * median, for a machine that others use.
 *
 * Both sides run interleaved in one process; times are medians. oneDNN works in layouts of its own choice, without
 * reorders, so it is given every advantage; "direct" is the algorithm PyTorch uses, "Winograd" is oneDNN's own where it
 * has one. "of bound": the rate against the smaller of sgemm's at the same m, n, k and of memory bandwidth (100 % is
 * the bound; fewer multiplications than the direct algorithm can pass it). For depthwise convolution, which is no
 * matrix product, the bound is memory bandwidth alone: every array read or written once at the triad's rate. Arrays
 * that fit the last cache can pass it. The lines below the table sum it up: the medians of
 * direct / poolscope by kind, the passes below half of the bound, and the geometric mean. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <oneapi/dnnl/dnnl.h>

#include "core/clock.h"
#include "core/memory.h"
#include "parallel/threads.h"
#include "kernels/conv.h"
#include "kernels/conv_method.h"
#include "kernels/gemm.h"
#include "kernels/processor.h"

typedef struct {
    const char *name;
    ps_conv_shape s;
} named_shape;

#define CONV2(name, n, c, h, k, kernel, stride, pad, groups)                                           \
    {                                                                                                  \
        name, { n, c, 1, h, h, k, 1, kernel, kernel, 1, stride, stride, 0, pad, pad, 1, 1, 1, groups } \
    }
#define DEPTHWISE(name, n, c, h, kernel, stride, pad, dilation)                                                 \
    {                                                                                                           \
        name, { n, c, 1, h, h, c, 1, kernel, kernel, 1, stride, stride, 0, pad, pad, 1, dilation, dilation, c } \
    }
#define CONV3(name, n, c, d, k, kernel, stride, pad) \
    {name, {n, c, d, d, d, k, kernel, kernel, kernel, stride, stride, stride, pad, pad, pad, 1, 1, 1, 1}}
#define VOLUME(name, c, d, h, w, k, kernel, stride, pad) \
    {name, {2, c, d, h, w, k, kernel, kernel, kernel, stride, stride, stride, pad, pad, pad, 1, 1, 1, 1}}

static const named_shape shapes[] = {
    CONV2("resnet18 stem", 64, 3, 32, 64, 3, 1, 1, 1),
    CONV2("resnet18 64@32", 64, 64, 32, 64, 3, 1, 1, 1),
    CONV2("resnet18 64-128@32/2", 64, 64, 32, 128, 3, 2, 1, 1),
    CONV2("resnet18 64-128@32/2 1x1", 64, 64, 32, 128, 1, 2, 0, 1),
    CONV2("resnet18 128@16", 64, 128, 16, 128, 3, 1, 1, 1),
    CONV2("resnet18 128-256@16/2", 64, 128, 16, 256, 3, 2, 1, 1),
    CONV2("resnet18 256@8", 64, 256, 8, 256, 3, 1, 1, 1),
    CONV2("resnet18 256-512@8/2", 64, 256, 8, 512, 3, 2, 1, 1),
    CONV2("resnet18 256-512@8/2 1x1", 64, 256, 8, 512, 1, 2, 0, 1),
    CONV2("resnet18 512@4", 64, 512, 4, 512, 3, 1, 1, 1),
    CONV2("resnet18-b8 64@32", 8, 64, 32, 64, 3, 1, 1, 1),
    CONV2("resnet18-b8 256@8", 8, 256, 8, 256, 3, 1, 1, 1),
    CONV2("resnet18-b8 512@4", 8, 512, 4, 512, 3, 1, 1, 1),
    CONV2("resnet50-b8 512@8/2", 8, 512, 8, 512, 3, 2, 1, 1),
    CONV2("resnet50-b8 512-2048@4 1x1", 8, 512, 4, 2048, 1, 1, 0, 1),
    CONV2("resnet18-b8 256-512@8/2", 8, 256, 8, 512, 3, 2, 1, 1),
    CONV2("vgg16-b8 512@2", 8, 512, 2, 512, 3, 1, 1, 1),
    CONV2("vgg16-b8 4096-4096 1x1", 8, 4096, 1, 4096, 1, 1, 0, 1),
    CONV2("vgg16 128@16", 64, 64, 16, 128, 3, 1, 1, 1),
    CONV2("vgg16 256@8", 64, 128, 8, 256, 3, 1, 1, 1),
    CONV2("vgg16 512@4", 64, 256, 4, 512, 3, 1, 1, 1),
    CONV2("vgg16 512@2", 64, 512, 2, 512, 3, 1, 1, 1),
    CONV2("resnet50 64-256@32 1x1", 64, 64, 32, 256, 1, 1, 0, 1),
    CONV2("resnet50 256-64@32 1x1", 64, 256, 32, 64, 1, 1, 0, 1),
    CONV2("resnet50 512-128@16 1x1", 64, 512, 16, 128, 1, 1, 0, 1),
    CONV2("resnet50 1024-256@8 1x1", 64, 1024, 8, 256, 1, 1, 0, 1),
    CONV2("resnet50 512-2048@4 1x1", 64, 512, 4, 2048, 1, 1, 0, 1),
    CONV2("resnet50 1024-2048@8/2 1x1", 64, 1024, 8, 2048, 1, 2, 0, 1),
    CONV2("resnet50 128@32/2", 64, 128, 32, 128, 3, 2, 1, 1),
    CONV2("resnet50 256@16/2", 64, 256, 16, 256, 3, 2, 1, 1),
    CONV2("resnet50 512@8/2", 64, 512, 8, 512, 3, 2, 1, 1),
    CONV2("resnet50 256-512@32/2 1x1", 64, 256, 32, 512, 1, 2, 0, 1),
    CONV2("resnet50 stem 7x7@112", 8, 3, 112, 64, 7, 2, 3, 1),
    CONV2("narrow 8@32", 64, 8, 32, 8, 3, 1, 1, 1),
    CONV2("narrow 8-32@32 1x1", 64, 8, 32, 32, 1, 1, 0, 1),
    CONV2("narrow 32-8@32 1x1", 64, 32, 32, 8, 1, 1, 0, 1),
    CONV2("narrow 16@16", 64, 16, 16, 16, 3, 1, 1, 1),
    CONV2("narrow 64-16@16 1x1", 64, 64, 16, 16, 1, 1, 0, 1),
    CONV2("narrow 32@8", 64, 32, 8, 32, 3, 1, 1, 1),
    CONV2("narrow 64@4", 64, 64, 4, 64, 3, 1, 1, 1),
    CONV2("plain 12@16", 64, 12, 16, 12, 3, 1, 1, 1),
    CONV2("plain 24@8", 64, 24, 8, 24, 3, 1, 1, 1),
    CONV2("plain 48@4", 64, 48, 4, 48, 3, 1, 1, 1),
    CONV2("plain20 16@32 b8", 8, 16, 32, 16, 3, 1, 1, 1),
    CONV2("plain20 32@16 b8", 8, 32, 16, 32, 3, 1, 1, 1),
    CONV2("plain20 64@8 b8", 8, 64, 8, 64, 3, 1, 1, 1),
    DEPTHWISE("mobilenet depthwise 32@32", 64, 32, 32, 3, 1, 1, 1),
    DEPTHWISE("mobilenet depthwise 64@32", 64, 64, 32, 3, 1, 1, 1),
    DEPTHWISE("mobilenet depthwise 64@32/2", 64, 64, 32, 3, 2, 1, 1),
    DEPTHWISE("mobilenet depthwise 128@32/2", 64, 128, 32, 3, 2, 1, 1),
    DEPTHWISE("mobilenet depthwise 128@16", 64, 128, 16, 3, 1, 1, 1),
    DEPTHWISE("mobilenet depthwise 128@16/2", 64, 128, 16, 3, 2, 1, 1),
    DEPTHWISE("mobilenet depthwise 256@8", 64, 256, 8, 3, 1, 1, 1),
    DEPTHWISE("mobilenet depthwise 256@8/2", 64, 256, 8, 3, 2, 1, 1),
    DEPTHWISE("mobilenet depthwise 512@8", 64, 512, 8, 3, 1, 1, 1),
    DEPTHWISE("mobilenet depthwise 512@4", 64, 512, 4, 3, 1, 1, 1),
    DEPTHWISE("mobilenet depthwise 512@4/2", 64, 512, 4, 3, 2, 1, 1),
    DEPTHWISE("mobilenet depthwise 1024@2", 64, 1024, 2, 3, 1, 1, 1),
    DEPTHWISE("depthwise 5x5 128@16", 64, 128, 16, 5, 1, 2, 1),
    DEPTHWISE("depthwise 7x7 128@16", 64, 128, 16, 7, 1, 3, 1),
    DEPTHWISE("depthwise dilated 128@16", 64, 128, 16, 3, 1, 2, 2),
    {"depthwise 3d 32@16", {2, 32, 16, 16, 16, 32, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 32}},
    CONV2("grouped 128@16 g4", 64, 128, 16, 128, 3, 1, 1, 4),
    {"dilated 64@16", {64, 64, 1, 16, 16, 64, 1, 3, 3, 1, 1, 1, 0, 2, 2, 1, 2, 2, 1}},
    {"dilated by 4 64@16", {64, 64, 1, 16, 16, 64, 1, 3, 3, 1, 1, 1, 0, 4, 4, 1, 4, 4, 1}},
    CONV2("unet2d 32-64@128/2 2x2", 4, 32, 128, 64, 2, 2, 0, 1),
    CONV2("unet2d 256-512@16/2 2x2", 4, 256, 16, 512, 2, 2, 0, 1),
    CONV3("unet3d 1-16@32", 2, 1, 32, 16, 3, 1, 1),
    CONV3("unet3d 16@32", 2, 16, 32, 16, 3, 1, 1),
    CONV3("unet3d 32@16", 2, 32, 16, 32, 3, 1, 1),
    CONV3("unet3d 64@8", 2, 64, 8, 64, 3, 1, 1),
    CONV3("unet3d 128@4", 2, 128, 4, 128, 3, 1, 1),
    CONV3("unet3d 16-32@32/2", 2, 16, 32, 32, 2, 2, 0),
    CONV3("unet3d 32-64@16/2", 2, 32, 16, 64, 2, 2, 0),
    CONV3("unet3d 64-128@8/2", 2, 64, 8, 128, 2, 2, 0),
    VOLUME("nnunet 1-32@40x56x40", 1, 40, 56, 40, 32, 3, 1, 1),
    VOLUME("nnunet 32@40x56x40", 32, 40, 56, 40, 32, 3, 1, 1),
    VOLUME("nnunet 64-32@40x56x40", 64, 40, 56, 40, 32, 3, 1, 1),
    VOLUME("nnunet 32-64@40x56x40/2", 32, 40, 56, 40, 64, 3, 2, 1),
    VOLUME("nnunet 64@20x28x20", 64, 20, 28, 20, 64, 3, 1, 1),
    VOLUME("nnunet 64-128@20x28x20/2", 64, 20, 28, 20, 128, 3, 2, 1),
    VOLUME("nnunet 128@10x14x10", 128, 10, 14, 10, 128, 3, 1, 1),
    VOLUME("nnunet 256@5x7x5", 256, 5, 7, 5, 256, 3, 1, 1),
    {"nnunet 32@12x96x96 1x3x3", {2, 32, 12, 96, 96, 32, 1, 3, 3, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1}},
    {"nnunet 32-64@12x96x96/1x2x2", {2, 32, 12, 96, 96, 64, 3, 3, 3, 1, 2, 2, 1, 1, 1, 1, 1, 1, 1}},
    CONV3("vnet 1-16@48 5x5x5", 2, 1, 48, 16, 5, 1, 2),
    CONV3("vnet 16@48 5x5x5", 2, 16, 48, 16, 5, 1, 2),
    CONV3("vnet 16-32@48/2", 2, 16, 48, 32, 2, 2, 0),
    CONV3("vnet 32@24 5x5x5", 2, 32, 24, 32, 5, 1, 2),
    CONV3("vnet 64@12 5x5x5", 2, 64, 12, 64, 5, 1, 2),
    CONV3("vnet 128@6 5x5x5", 2, 128, 6, 128, 5, 1, 2),
    CONV3("vnet 32-4@48 5x5x5", 2, 32, 48, 4, 5, 1, 2),
    {"aspp 320-256@33 by 6", {4, 320, 1, 33, 33, 256, 1, 3, 3, 1, 1, 1, 0, 6, 6, 1, 6, 6, 1}},
    {"aspp 320-256@33 by 12", {4, 320, 1, 33, 33, 256, 1, 3, 3, 1, 1, 1, 0, 12, 12, 1, 12, 12, 1}},
    {"aspp 320-256@33 by 18", {4, 320, 1, 33, 33, 256, 1, 3, 3, 1, 1, 1, 0, 18, 18, 1, 18, 18, 1}},
};

static const char *const pass_names[PS_CONV_PASSES] = {"forward", "backward-data", "backward-weights"};

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool cpu_clock;

static double typical(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    if (cpu_clock) return values[0];
    return count % 2 ? values[count / 2] : 0.5 * (values[count / 2 - 1] + values[count / 2]);
}

static void die(const char *what) {
    fprintf(stderr, "conv_bench: %s\n", what);
    exit(2);
}

static float *filled(size_t count) {
    float *values = NULL;
    if (PS_ALLOC(count, &values, "benchmark data") != PS_OK) die(ps_status_message());
    for (size_t i = 0; i < count; i++) values[i] = (float)((i * 2654435761u >> 8) % 1000) * 1e-3f - 0.5f;
    return values;
}

/* One oneDNN convolution, with its own memory. */
typedef struct {
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[4];
    int arguments;
} onednn;

static dnnl_engine_t engine;
static dnnl_stream_t stream;

static void onednn_add(onednn *o, int which, const_dnnl_primitive_desc_t pd, dnnl_query_t query) {
    const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(pd, query, 0);
    dnnl_memory_t memory;
    if (md == NULL || dnnl_memory_create(&memory, md, engine, DNNL_MEMORY_ALLOCATE) != dnnl_success)
        die("oneDNN memory");
    void *data;
    dnnl_memory_get_data_handle(memory, &data);
    float *values = data;
    for (size_t i = 0; i < dnnl_memory_desc_get_size(md) / sizeof *values; i++)
        values[i] = (float)(i % 100) * 0.01f - 0.5f;
    o->args[o->arguments++] = (dnnl_exec_arg_t){which, memory};
}

static bool onednn_create(const ps_conv_shape *s, ps_conv_pass pass, dnnl_alg_kind_t algorithm, onednn *o) {
    bool deep = s->kd > 1 || s->d > 1;
    int od = ps_conv_out_d(s), oh = ps_conv_out_h(s), ow = ps_conv_out_w(s), g = s->groups;
    int first = deep ? 0 : 1, sizes = deep ? 5 : 4;
    dnnl_dims_t src_dims = {s->n, s->c}, dst_dims = {s->n, s->k}, w_dims; /* of the longest kind, as the header asks */
    const int spatial_in[3] = {s->d, s->h, s->w}, spatial_out[3] = {od, oh, ow}, kernel[3] = {s->kd, s->kh, s->kw};
    const int stride[3] = {s->stride_d, s->stride_h, s->stride_w}, pad[3] = {s->pad_d, s->pad_h, s->pad_w};
    const int dilation[3] = {s->dilation_d, s->dilation_h, s->dilation_w};
    dnnl_dims_t strides, pads, dilates;
    int w_sizes = 0;
    if (g > 1) w_dims[w_sizes++] = g;
    w_dims[w_sizes++] = s->k / g;
    w_dims[w_sizes++] = s->c / g;
    for (int i = first; i < 3; i++) {
        src_dims[2 + i - first] = spatial_in[i];
        dst_dims[2 + i - first] = spatial_out[i];
        w_dims[w_sizes++] = kernel[i];
        strides[i - first] = stride[i];
        pads[i - first] = pad[i];
        dilates[i - first] = dilation[i] - 1;
    }
    dnnl_memory_desc_t src, dst, w;
    dnnl_memory_desc_init_by_tag(&src, sizes, src_dims, dnnl_f32, dnnl_format_tag_any);
    dnnl_memory_desc_init_by_tag(&dst, sizes, dst_dims, dnnl_f32, dnnl_format_tag_any);
    dnnl_memory_desc_init_by_tag(&w, w_sizes, w_dims, dnnl_f32, dnnl_format_tag_any);
    dnnl_convolution_desc_t forward, backward;
    if (dnnl_dilated_convolution_forward_desc_init(&forward, dnnl_forward_training, algorithm, &src, &w, NULL, &dst,
                                                   strides, dilates, pads, pads) != dnnl_success)
        return false;
    dnnl_primitive_desc_t hint, pd;
    if (dnnl_primitive_desc_create(&hint, &forward, NULL, engine, NULL) != dnnl_success) return false;
    *o = (onednn){0};
    dnnl_status_t status = dnnl_success;
    if (pass == PS_CONV_FORWARD) {
        pd = hint;
    } else if (pass == PS_CONV_BACKWARD_DATA) {
        dnnl_dilated_convolution_backward_data_desc_init(&backward, algorithm, &src, &w, &dst, strides, dilates, pads,
                                                         pads);
        status = dnnl_primitive_desc_create(&pd, &backward, NULL, engine, hint);
    } else {
        dnnl_dilated_convolution_backward_weights_desc_init(&backward, algorithm, &src, &w, NULL, &dst, strides,
                                                            dilates, pads, pads);
        status = dnnl_primitive_desc_create(&pd, &backward, NULL, engine, hint);
    }
    if (status != dnnl_success || dnnl_primitive_create(&o->primitive, pd) != dnnl_success) return false;
    if (pass == PS_CONV_BACKWARD_DATA) onednn_add(o, DNNL_ARG_DIFF_SRC, pd, dnnl_query_diff_src_md);
    else onednn_add(o, DNNL_ARG_SRC, pd, dnnl_query_src_md);
    if (pass == PS_CONV_BACKWARD_WEIGHTS) onednn_add(o, DNNL_ARG_DIFF_WEIGHTS, pd, dnnl_query_diff_weights_md);
    else onednn_add(o, DNNL_ARG_WEIGHTS, pd, dnnl_query_weights_md);
    if (pass == PS_CONV_FORWARD) onednn_add(o, DNNL_ARG_DST, pd, dnnl_query_dst_md);
    else onednn_add(o, DNNL_ARG_DIFF_DST, pd, dnnl_query_diff_dst_md);
    if (pass != PS_CONV_FORWARD) dnnl_primitive_desc_destroy(pd);
    dnnl_primitive_desc_destroy(hint);
    return true;
}

static void onednn_destroy(onednn *o) {
    for (int i = 0; i < o->arguments; i++) dnnl_memory_destroy(o->args[i].memory);
    dnnl_primitive_destroy(o->primitive);
}

static void onednn_run(const onednn *o) {
    dnnl_primitive_execute(o->primitive, stream, o->arguments, o->args);
    dnnl_stream_wait(stream);
}

typedef struct {
    ps_conv_plan plan;
    float *x, *w, *y;
    void *workspace;
    ps_threads *pool;
} ours;

static void ours_run(const ours *u, ps_conv_pass pass) {
    if (pass == PS_CONV_FORWARD) ps_conv_forward(&u->plan, u->x, u->w, NULL, u->y, u->workspace, u->pool);
    else if (pass == PS_CONV_BACKWARD_DATA)
        ps_conv_backward_data(&u->plan, u->y, u->w, u->x, false, u->workspace, u->pool);
    else ps_conv_backward_weights(&u->plan, u->x, u->y, u->w, NULL, u->workspace, u->pool);
}

/* OpenMP's threads spin for some milliseconds after their work; ours must not share the cores with them. */
static void let_spinning_end(void) {
    struct timespec pause = {0, 20000000};
    nanosleep(&pause, NULL);
}

/* Milliseconds per call, over as many calls as fill about 3 ms (at least one). */
static uint64_t now_ns(void) {
    struct timespec t;
    if (!cpu_clock) return ps_clock_ns();
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

typedef void timed(const void *, int);
static double time_calls(timed *call, const void *what, int pass) {
    uint64_t start = now_ns(), now = start;
    int calls = 0;
    do {
        call(what, pass);
        calls++;
        now = now_ns();
    } while (now - start < 3000000);
    return (double)(now - start) / 1e6 / calls;
}
static void call_ours(const void *what, int pass) { ours_run(what, (ps_conv_pass)pass); }
static void call_onednn(const void *what, int pass) {
    (void)pass;
    onednn_run(what);
}

/* GFLOP/s of sgemm at m, n, k, each capped so that the measurement stays short. */
static double sgemm_rate(int m, int n, int k, ps_threads *pool) {
    if (m > 4096) m = 4096;
    if (k > 8192) k = 8192;
    float *a = filled((size_t)m * (size_t)k), *b = filled((size_t)k * (size_t)n), *c = filled((size_t)m * (size_t)n);
    double best = 0.0, flops = 2.0 * m * n * k;
    for (int i = 0; i < 5; i++) {
        uint64_t start = now_ns();
        int calls = 0;
        do ps_gemm_parallel(false, false, m, n, k, a, k, b, n, false, c, n, pool), calls++;
        while (now_ns() - start < 2000000);
        double rate = flops * calls / (double)(now_ns() - start);
        if (rate > best) best = rate;
    }
    ps_free(a), ps_free(b), ps_free(c);
    return best;
}

typedef struct {
    float *a, *b, *c;
    size_t count;
} triad_job;

static void triad_chunk(void *context, size_t chunk, int worker) {
    (void)worker;
    const triad_job *job = context;
    size_t each = job->count / 64;
    for (size_t i = chunk * each; i < (chunk + 1) * each; i++) job->a[i] = job->b[i] + 0.5f * job->c[i];
}

static double triad_bandwidth(ps_threads *pool) {
    triad_job job = {.count = 16 << 20};
    job.a = filled(job.count), job.b = filled(job.count), job.c = filled(job.count);
    double best = 0.0;
    for (int i = 0; i < 7; i++) {
        uint64_t start = now_ns();
        ps_threads_run(pool, 64, triad_chunk, &job);
        double rate = 3.0 * (double)job.count * sizeof(float) / (double)(now_ns() - start);
        if (rate > best) best = rate;
    }
    ps_free(job.a), ps_free(job.b), ps_free(job.c);
    return best;
}

/* Milliseconds of the bound: sgemm's rate at the same m, n, k, or reading and writing every array once; for depthwise
 * the latter. */
static double bound_ms(const ps_conv_shape *s, ps_conv_pass pass, double bandwidth, ps_threads *pool) {
    int positions = (int)ps_conv_out_positions(s), taps = (int)ps_conv_taps(s), cg = s->c / s->groups,
        kg = s->k / s->groups;
    double x = (double)s->n * s->d * s->h * s->w * s->c, y = (double)positions * s->k, w = (double)s->k * taps * cg;
    double memory = 4.0 * (x + y + w) / bandwidth / 1e6;
    if (s->groups > 1 && cg == 1 && kg == 1) return memory;
    double rate = pass == PS_CONV_FORWARD         ? sgemm_rate(positions, kg, taps * cg, pool)
                  : pass == PS_CONV_BACKWARD_DATA ? sgemm_rate(positions, taps * cg, kg, pool)
                                                  : sgemm_rate(kg, taps * cg, positions, pool);
    double compute = 2.0 * ps_conv_macs(s) / rate / 1e6;
    return compute > memory ? compute : memory;
}

/* Kinds of convolutions, the first that fits; below the table stands the median of each. */
static const char *const group_names[] = {"depthwise", "grouped or dilated", "1x1",     "first layers", "3D, strided",
                                          "3D",        "stride 2",           "batch 8", "3x3"};
enum { GROUPS = sizeof group_names / sizeof *group_names, MOST_PASSES = 1024 };

static int group_of(const ps_conv_shape *s) {
    bool strided = s->stride_d > 1 || s->stride_h > 1, deep = s->d > 1;
    if (s->groups == s->c && s->groups > 1) return 0;
    if (s->groups > 1 || s->dilation_h > 1) return 1;
    if (ps_conv_taps(s) == 1) return 2;
    if (s->c <= 3) return 3;
    if (deep) return strided ? 4 : 5;
    return strided ? 6 : s->n == 8 ? 7 : 8;
}

/* What the lines below the table say. */
static struct {
    int passes, compared, slow;
    double log_ratios, ratio[MOST_PASSES];
    int group[MOST_PASSES];
    char slow_names[8192];
} summary;

static void sum_up(const named_shape *shape, ps_conv_pass pass, double ratio, double of_bound) {
    const char *name = shape->name;
    if (summary.passes == MOST_PASSES) die("more passes than the summary holds");
    summary.ratio[summary.passes] = ratio, summary.group[summary.passes] = group_of(&shape->s);
    summary.passes++;
    summary.log_ratios += log(ratio);
    if (of_bound < 0.0) return;
    summary.compared++;
    if (of_bound >= 0.5) return;
    size_t used = strlen(summary.slow_names);
    snprintf(summary.slow_names + used, sizeof summary.slow_names - used, "- %s %s\n", name, pass_names[pass]);
    summary.slow++;
}

/* group < 0: of all. */
static void print_median(const char *name, int group) {
    double ratio[MOST_PASSES];
    int count = 0, low = 0;
    for (int i = 0; i < summary.passes; i++) {
        if (group >= 0 && summary.group[i] != group) continue;
        ratio[count++] = summary.ratio[i];
        low += summary.ratio[i] < 0.85;
    }
    if (count == 0) return;
    qsort(ratio, (size_t)count, sizeof *ratio, compare_doubles);
    printf("| %s | %d | %.2f | %d |\n", name, count, 0.5 * (ratio[(count - 1) / 2] + ratio[count / 2]), low);
}

static void print_medians(void) {
    printf("\n| direct / poolscope | passes | median | below 0.85 |\n|---|---|---|---|\n");
    for (int group = 0; group < GROUPS; group++) print_median(group_names[group], group);
    print_median("all", -1);
}

static void print_summary(void) {
    if (summary.passes == 0) return;
    print_medians();
    printf(
        "\nBound: sgemm's rate at the same m, n, k or memory bandwidth, whichever is slower; for depthwise memory "
        "bandwidth alone.\n\n");
    if (summary.compared > 0) printf("Below 50 %% of the bound: %d of %d passes; ", summary.slow, summary.compared);
    printf("geometric mean of direct / poolscope: %.2f\n", exp(summary.log_ratios / summary.passes));
    if (summary.slow > 0) printf("\n%s", summary.slow_names);
}

static void bench_pass(const named_shape *shape, ps_conv_pass pass, ours *u, int rounds, double bandwidth) {
    enum { MOST_ROUNDS = 101 };
    double mine[MOST_ROUNDS], direct[MOST_ROUNDS], wino[MOST_ROUNDS];
    const ps_conv_shape *s = &shape->s;
    onednn d, o;
    if (!onednn_create(s, pass, dnnl_convolution_direct, &d)) die("oneDNN cannot do this convolution");
    bool winograd = onednn_create(s, pass, dnnl_convolution_winograd, &o);
    ours_run(u, pass);
    onednn_run(&d);
    if (winograd) onednn_run(&o);
    for (int i = 0; i < rounds; i++) {
        direct[i] = time_calls(call_onednn, &d, pass);
        if (winograd) wino[i] = time_calls(call_onednn, &o, pass);
        let_spinning_end();
        mine[i] = time_calls(call_ours, u, pass);
    }
    double us = typical(mine, rounds), them = typical(direct, rounds), gflops = 2e-6 * ps_conv_macs(s) / us;
    printf("| %s | %s | %s | %.3f | %.0f | %.3f | %.2f |", shape->name, pass_names[pass], u->plan.method[pass]->name,
           us, gflops, them, them / us);
    if (winograd) printf(" %.2f |", typical(wino, rounds) / us);
    else printf(" - |");
    double of_bound = bandwidth > 0.0 ? bound_ms(s, pass, bandwidth, u->pool) / us : -1.0;
    if (of_bound >= 0.0) printf(" %.0f %% |\n", 100.0 * of_bound);
    else printf(" - |\n");
    sum_up(shape, pass, them / us, of_bound);
    fflush(stdout);
    onednn_destroy(&d);
    if (winograd) onednn_destroy(&o);
}

static void bench_shape(const named_shape *shape, const char *method, int rounds, double bandwidth, ps_threads *pool) {
    const ps_conv_shape *s = &shape->s;
    ours u = {.pool = pool};
    if (ps_conv_plan_init(&u.plan, s) != PS_OK) die(ps_status_message());
    if (method != NULL) ps_conv_plan_force(&u.plan, method);
    u.x = filled((size_t)s->n * (size_t)s->d * (size_t)s->h * (size_t)s->w * (size_t)s->c);
    u.w = filled((size_t)s->k * ps_conv_taps(s) * (size_t)(s->c / s->groups));
    u.y = filled(ps_conv_out_positions(s) * (size_t)s->k);
    if (ps_alloc(ps_conv_workspace_bytes(&u.plan, ps_threads_count(pool)), 1, "workspace", &u.workspace) != PS_OK)
        die("memory");
    for (int pass = 0; pass < PS_CONV_PASSES; pass++) bench_pass(shape, (ps_conv_pass)pass, &u, rounds, bandwidth);
    ps_free(u.x), ps_free(u.w), ps_free(u.y), ps_free(u.workspace);
}

static bool wanted(const char *name, char **words, int count) {
    for (int i = 0; i < count; i++) {
        if (strstr(name, words[i]) != NULL) return true;
    }
    return count == 0;
}

/* oneDNN's OpenMP reads its number of threads at start-up. */
static void fix_openmp_threads(char **argv, int threads) {
    char text[16];
    if (getenv("OMP_NUM_THREADS") != NULL) return;
    snprintf(text, sizeof text, "%d", threads);
    setenv("OMP_NUM_THREADS", text, 1);
    execv("/proc/self/exe", argv);
}

/* Libraries choose their kernels as they are loaded. */
static void hold_to(const char *simd, char **argv) {
    static const char *const held[][2] = {
        {"PS_SIMD", "avx2"}, {"DNNL_MAX_CPU_ISA", "AVX2"}, {"OPENBLAS_CORETYPE", "Haswell"}};
    bool all = true;
    if (strcmp(simd, "avx2") != 0) die("--simd takes avx2");
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) {
        const char *now = getenv(held[i][0]);
        all = all && now != NULL && strcmp(now, held[i][1]) == 0;
        setenv(held[i][0], held[i][1], 1);
    }
    if (!all) execv("/proc/self/exe", argv);
}

static const char *onednn_instructions(void) {
    dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa();
    bool wide = (isa & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core;
    return wide ? "avx512" : (isa & dnnl_cpu_isa_avx2) == dnnl_cpu_isa_avx2 ? "avx2" : "below avx2";
}

int main(int argc, char **argv) {
    int threads = 0, rounds = 9, first = 1;
    const char *method = NULL;
    const char *simd = NULL;
    bool bound = true;
    for (; first + 1 < argc && strncmp(argv[first], "--", 2) == 0; first += 2) {
        if (strcmp(argv[first], "--threads") == 0) threads = atoi(argv[first + 1]);
        else if (strcmp(argv[first], "--rounds") == 0) rounds = atoi(argv[first + 1]);
        else if (strcmp(argv[first], "--method") == 0) method = argv[first + 1];
        else if (strcmp(argv[first], "--clock") == 0) cpu_clock = strcmp(argv[first + 1], "cpu") == 0;
        else if (strcmp(argv[first], "--bound") == 0) bound = atoi(argv[first + 1]) != 0;
        else if (strcmp(argv[first], "--simd") == 0) simd = argv[first + 1];
        else
            die("unknown option; use --threads N, --rounds N, --method NAME, --clock wall|cpu, --bound 0|1, --simd "
                "avx2");
    }
    if (simd != NULL) hold_to(simd, argv);
    if (cpu_clock) threads = 1;
    if (rounds < 1 || rounds > 101) die("--rounds must be 1 to 101");
    ps_threads *pool = NULL;
    if (ps_threads_create(threads, &pool) != PS_OK) die(ps_status_message());
    fix_openmp_threads(argv, ps_threads_count(pool));
    ps_gemm_setup();
    dnnl_engine_create(&engine, dnnl_cpu, 0);
    dnnl_stream_create(&stream, engine, dnnl_stream_default_flags);
    const dnnl_version_t *version = dnnl_version();
    char class[PS_PROCESSOR_NAME];
    double bandwidth = triad_bandwidth(pool);
    printf("%d threads, %s time, %s; oneDNN %d.%d.%d (%s); sgemm 2048^3 %.0f GFLOP/s (%s), triad %.1f GB/s\n\n",
           ps_threads_count(pool), cpu_clock ? "processor" : "wall", ps_processor_name(ps_processor_in_use(), class),
           version->major, version->minor, version->patch, onednn_instructions(), sgemm_rate(2048, 2048, 2048, pool),
           ps_gemm_library(), bandwidth);
    printf(
        "| convolution | pass | method | ms | GFLOP/s | oneDNN direct ms | direct / poolscope | Winograd / poolscope | "
        "of bound |\n");
    printf("|---|---|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        if (wanted(shapes[i].name, argv + first, argc - first))
            bench_shape(&shapes[i], method, rounds, bound ? bandwidth : 0.0, pool);
    }
    print_summary();
    ps_threads_destroy(pool);
    return 0;
}
