/* What nodes are judged by: plain convolutions treat every position alike, bounds of rounding hold against double
 * precision, near-ties are turned and exact ties are not, and a node is on the edge where either decides it. */
#include "kernels/rounding.h"
#include "layers/list.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"
#include "kernels/conv_method.h"
#include "kernels/pooling.h"
#include "probe/probe.h"
#include "tests/lib/gradcheck.h"
#include "tests/lib/kernel_test.h"
#include "tests/ref/ref_layers.h"

/* ---- plain convolutions ---- */

static const ps_conv_method *const methods[] = {
#define PS_CONV_METHOD(name) &ps_conv_method_##name,
#include "kernels/conv_method_list.def"
#undef PS_CONV_METHOD
};
enum { METHODS = sizeof methods / sizeof methods[0] };

#define SHAPE2(n, c, h, w, k, kernel, stride, pad, groups) \
    {n, c, 1, h, w, k, 1, kernel, kernel, 1, stride, stride, 0, pad, pad, 1, 1, 1, groups}

static const ps_conv_shape shapes[] = {SHAPE2(2, 32, 12, 12, 32, 3, 1, 1, 1),
                                       SHAPE2(3, 3, 16, 13, 16, 3, 1, 1, 1),
                                       SHAPE2(2, 17, 9, 11, 33, 3, 2, 1, 1),
                                       SHAPE2(1, 160, 12, 12, 24, 3, 1, 1, 1),
                                       SHAPE2(2, 64, 6, 6, 40, 1, 1, 0, 1),
                                       SHAPE2(2, 24, 12, 10, 24, 3, 1, 1, 24),
                                       SHAPE2(2, 8, 10, 10, 16, 5, 1, 2, 2),
                                       SHAPE2(1, 600, 5, 5, 8, 3, 1, 1, 1),
                                       {2, 24, 1, 14, 13, 20, 1, 3, 3, 1, 1, 1, 0, 4, 4, 1, 4, 4, 1},
                                       {1, 6, 6, 8, 8, 10, 3, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}};
enum { SHAPES = sizeof shapes / sizeof shapes[0], PERIOD = 2 };

static size_t outputs_of(const ps_conv_shape *s) { return ps_conv_out_positions(s) * (size_t)s->k; }

static size_t inputs_of(const ps_conv_shape *s) {
    return (size_t)s->n * (size_t)s->c * (size_t)s->d * (size_t)s->h * (size_t)s->w;
}

static size_t weights_of(const ps_conv_shape *s) { return (size_t)s->k * ps_conv_taps(s) * (size_t)(s->c / s->groups); }

static void forward(const ps_conv_method *method, const ps_conv_shape *s, const float *x, const float *w,
                    const float *bias, float *y, ps_threads *pool) {
    void *workspace = kt_workspace(method->workspace_bytes(s, PS_CONV_FORWARD, ps_threads_count(pool)));
    method->forward(s, x, w, bias, y, workspace, pool);
    kt_workspace_free(workspace);
}

/* Repeats along every axis, so that positions a period apart read equal patches where none of them reaches into the
 * padding. */
static float *periodic(const ps_conv_shape *s, int period) {
    size_t c = (size_t)s->c;
    float *tile = kt_numbers("tile", (size_t)(period * period * period) * c), *x = malloc(inputs_of(s) * sizeof *x);
    size_t at = 0;
    for (int n = 0; n < s->n; n++)
        for (int d = 0; d < s->d; d++)
            for (int h = 0; h < s->h; h++)
                for (int w = 0; w < s->w; w++, at += c)
                    memcpy(x + at, tile + (size_t)((d % period * period + h % period) * period + w % period) * c,
                           c * sizeof *x);
    free(tile);
    return x;
}

static bool reads_padding(int out, int stride, int pad, int kernel, int dilation, int size) {
    return out * stride - pad < 0 || out * stride - pad + (kernel - 1) * dilation >= size;
}

/* Every position that reads no padding against the first of its residue. */
static void expect_alike(const ps_conv_method *method, const ps_conv_shape *s, const float *y) {
    int od = ps_conv_out_d(s), oh = ps_conv_out_h(s), ow = ps_conv_out_w(s), compared = 0;
    const float *first[PERIOD][PERIOD][PERIOD] = {{{NULL}}};
    for (size_t p = 0; p < ps_conv_out_positions(s); p++) {
        int w = (int)(p % (size_t)ow), h = (int)(p / (size_t)ow % (size_t)oh),
            d = (int)(p / (size_t)ow / (size_t)oh % (size_t)od);
        if (reads_padding(w, s->stride_w, s->pad_w, s->kw, s->dilation_w, s->w) ||
            reads_padding(h, s->stride_h, s->pad_h, s->kh, s->dilation_h, s->h) ||
            reads_padding(d, s->stride_d, s->pad_d, s->kd, s->dilation_d, s->d))
            continue;
        const float **alike = &first[d * s->stride_d % PERIOD][h * s->stride_h % PERIOD][w * s->stride_w % PERIOD];
        const float *here = y + p * (size_t)s->k;
        if (*alike == NULL) *alike = here;
        else if (memcmp(*alike, here, (size_t)s->k * sizeof *here) != 0)
            fail_msg("%s: equal patches differ at (%d, %d, %d), c %d, k %d", method->name, d, h, w, s->c, s->k);
        else compared++;
    }
    assert_true(compared > 0);
}

static void equal_patches_give_equal_bits(void **state) {
    (void)state;
    for (int i = 0; i < SHAPES; i++) {
        const ps_conv_shape *s = &shapes[i];
        float *x = periodic(s, PERIOD), *w = kt_numbers("w", weights_of(s)), *bias = kt_numbers("b", (size_t)s->k);
        float *y = malloc(outputs_of(s) * sizeof *y);
        int plain = 0;
        for (int m = 0; m < METHODS; m++) {
            if (!methods[m]->plain || methods[m]->cost(s, PS_CONV_FORWARD) < 0) continue;
            plain++;
            for (int with_bias = 0; with_bias < 2; with_bias++) {
                forward(methods[m], s, x, w, with_bias ? bias : NULL, y, kt_pool(with_bias));
                expect_alike(methods[m], s, y);
            }
        }
        assert_true(plain >= 2); /* the reference, and a fast one */
        free(x), free(w), free(bias), free(y);
    }
}

static void zeros_give_the_bias_itself(void **state) {
    (void)state;
    for (int i = 0; i < SHAPES; i++) {
        const ps_conv_shape *s = &shapes[i];
        float *x = kt_room(inputs_of(s), sizeof *x), *w = kt_numbers("w", weights_of(s)),
              *bias = kt_numbers("b", (size_t)s->k), *y = malloc(outputs_of(s) * sizeof *y),
              *bound = malloc(outputs_of(s) * sizeof *bound);
        for (int m = 0; m < METHODS; m++) {
            if (!methods[m]->plain || methods[m]->cost(s, PS_CONV_FORWARD) < 0) continue;
            forward(methods[m], s, x, w, bias, y, kt_pool(0));
            for (size_t o = 0; o < outputs_of(s); o++) assert_true(y[o] == bias[o % (size_t)s->k]);
        }
        void *workspace = kt_workspace(ps_rounding_conv_bytes(s));
        ps_rounding_conv(s, x, w, bias, bound, workspace, kt_pool(1));
        for (size_t o = 0; o < outputs_of(s); o++) assert_true(bound[o] == 0);
        kt_workspace_free(workspace);
        free(x), free(w), free(bias), free(y), free(bound);
    }
}

/* The norm of what a node of a depthwise convolution reads, at one output position. */
static double depthwise_norm(const ps_conv_shape *s, const float *x, size_t position, int c) {
    int ow = ps_conv_out_w(s), oh = ps_conv_out_h(s), od = ps_conv_out_d(s);
    int at_w = (int)position % ow, at_h = (int)position / ow % oh, at_d = (int)position / ow / oh % od,
        n = (int)position / ow / oh / od;
    double squares = 0;
    for (int t = 0; t < (int)ps_conv_taps(s); t++) {
        int w = at_w * s->stride_w - s->pad_w + t % s->kw * s->dilation_w,
            h = at_h * s->stride_h - s->pad_h + t / s->kw % s->kh * s->dilation_h,
            d = at_d * s->stride_d - s->pad_d + t / s->kw / s->kh * s->dilation_d;
        if (w < 0 || w >= s->w || h < 0 || h >= s->h || d < 0 || d >= s->d) continue;
        double v = (double)x[((((size_t)n * s->d + d) * s->h + h) * s->w + w) * (size_t)s->c + (size_t)c];
        squares += v * v;
    }
    return sqrt(squares);
}

/* Lines wider than what is held at a time, strides, dilations, a kernel wider than that, and channels that fill no
 * block. */
static void bounds_of_depthwise_ones_go_by_their_reach(void **state) {
    (void)state;
    static const ps_conv_shape wide[] = {SHAPE2(1, 40, 5, 150, 40, 3, 1, 1, 40),
                                         SHAPE2(2, 33, 9, 131, 33, 5, 2, 2, 33),
                                         {1, 7, 1, 9, 100, 7, 1, 3, 3, 1, 1, 1, 0, 4, 31, 1, 4, 31, 7},
                                         {1, 3, 1, 2, 140, 3, 1, 1, 3, 1, 1, 1, 0, 0, 40, 1, 1, 40, 3},
                                         {1, 6, 4, 4, 5, 6, 3, 3, 3, 2, 1, 1, 1, 1, 1, 1, 1, 1, 6}};
    for (size_t i = 0; i < sizeof wide / sizeof *wide; i++) {
        const ps_conv_shape *s = &wide[i];
        size_t taps = ps_conv_taps(s);
        float *x = kt_numbers("x", inputs_of(s)), *w = kt_numbers("w", weights_of(s)),
              *bias = kt_numbers("b", (size_t)s->k), *bound = malloc(outputs_of(s) * sizeof *bound);
        void *workspace = kt_workspace(ps_rounding_conv_bytes(s));
        memset(x, 0, (size_t)s->c * 8 * sizeof *x);
        ps_rounding_conv(s, x, w, i % 2 == 0 ? bias : NULL, bound, workspace, kt_pool((int)i % KT_POOLS));
        for (size_t o = 0; o < outputs_of(s); o++) {
            size_t k = o % (size_t)s->k;
            double norm = depthwise_norm(s, x, o / (size_t)s->k, (int)k), row = 0;
            for (size_t t = 0; t < taps; t++) row += (double)w[k * taps + t] * (double)w[k * taps + t];
            double own = i % 2 == 0 && norm > 0 ? fabs((double)bias[k]) : 0;
            double wanted = (double)ps_rounding_of_sum((double)taps) * (norm * sqrt(row) + own);
            kt_assert_near((double)bound[o] / PS_ROUNDING_UNIT, wanted / PS_ROUNDING_UNIT, 1e-5);
        }
        kt_workspace_free(workspace);
        free(x), free(w), free(bias), free(bound);
    }
}

/* Of a transposed convolution too, whatever method its backward-data is, and no bound is left beside it. */
static void zeros_give_the_bias_of_transposed_ones(void **state) {
    (void)state;
    static const char *const attributes[] = {
        "\"channels\": 20", "\"channels\": 3", "\"channels\": 24, \"groups\": 24",
        "\"channels\": 10, \"kernel\": 3, \"stride\": 2, \"padding\": 1, \"output_padding\": 1",
        "\"channels\": 10, \"kernel\": 2, \"stride\": 3"};
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        char sample[256];
        gradcheck_rig rig;
        snprintf(sample, sizeof sample, "{\"inputs\": [[2, 24, 2, 5, 6]], \"attributes\": {%s}}", attributes[i]);
        assert_int_equal(
            gradcheck_rig_create(&ps_layer_conv_transpose, sample, PS_MODE_PROBE, kt_pool((int)i % KT_POOLS), &rig),
            PS_OK);
        size_t count = ps_shape_elements(rig.out_shape);
        float *bound = kt_room(count, sizeof *bound);
        memset(rig.x[0], 0, ps_shape_elements(rig.in_shape[0]) * sizeof(float));
        rig.call.plain = true, rig.call.bound = bound;
        rig.type->forward(&rig.call);
        rig.type->rounding(&rig.call);
        for (size_t o = 0; o < count; o++)
            assert_true(rig.y[o] == rig.param[1][o % (size_t)rig.out_shape.c] && bound[o] == 0);
        free(bound);
        gradcheck_rig_clear(&rig);
    }
}

/* PS_CONV chooses how networks are trained; what judges nodes only where the method is plain. */
static void plans_hold_a_plain_method(void **state) {
    (void)state;
    for (int m = -1; m < METHODS; m++) {
        if (m >= 0) setenv("PS_CONV", methods[m]->name, 1);
        for (int i = 0; i < SHAPES; i++) {
            ps_conv_plan plan;
            assert_int_equal(ps_conv_plan_init(&plan, &shapes[i]), PS_OK);
            assert_true(plan.plain->plain);
            if (m >= 0 && methods[m]->plain && methods[m]->cost(&shapes[i], PS_CONV_FORWARD) >= 0)
                assert_ptr_equal(plan.plain, methods[m]);
        }
    }
    unsetenv("PS_CONV");
}

/* Values on one point of a map, as large as an activation gets: Winograd's transforms spread their error over the
 * tiles they share with positions that read nothing but zeros. */
static void large_neighbours_stay_where_they_are(void **state) {
    (void)state;
    const ps_conv_shape *s = &shapes[0];
    float *x = kt_room(inputs_of(s), sizeof *x), *w = kt_numbers("w", weights_of(s)), *bias = malloc(32 * sizeof *bias),
          *y = malloc(outputs_of(s) * sizeof *y), *bound = malloc(outputs_of(s) * sizeof *bound);
    for (int c = 0; c < 32; c++) {
        bias[c] = -1;
        x[(5 * 12 + 5) * 32 + c] = 3e18f;
    }
    ps_conv_plan plan;
    assert_int_equal(ps_conv_plan_init(&plan, s), PS_OK);
    void *workspace = kt_workspace(ps_conv_workspace_bytes(&plan, 1));
    ps_conv_forward_plain(&plan, x, w, bias, y, workspace, kt_pool(0));
    kt_workspace_free(workspace);
    workspace = kt_workspace(ps_rounding_conv_bytes(s));
    ps_rounding_conv(s, x, w, bias, bound, workspace, kt_pool(0));
    kt_workspace_free(workspace);
    for (size_t o = 0; o < outputs_of(s); o++) {
        int h = (int)(o / 32 / 12 % 12), v = (int)(o / 32 % 12), image = (int)(o / 32 / 144);
        bool reached = image == 0 && abs(h - 5) <= 1 && abs(v - 5) <= 1;
        if (!reached) assert_true(y[o] == -1 && bound[o] == 0);
        else assert_true(isfinite(bound[o]) && bound[o] > 1e9f);
    }
    free(x), free(w), free(bias), free(y), free(bound);
}

/* ---- bounds of every layer type ---- */

static void reference(const gradcheck_rig *rig, double *y) {
    double *x[PS_LAYER_MAX_INPUTS] = {NULL}, *param[PS_LAYER_MAX_PARAMS] = {NULL}, *pool_x = NULL;
    for (int i = 0; i < rig->inputs; i++) {
        x[i] = kt_room(ps_shape_elements(rig->in_shape[i]), sizeof(double));
        for (size_t k = 0; k < ps_shape_elements(rig->in_shape[i]); k++) x[i][k] = (double)rig->x[i][k];
    }
    for (int i = 0; i < rig->params; i++) {
        size_t count = gradcheck_param_elements(&rig->param_spec[i]);
        param[i] = kt_room(count, sizeof(double));
        for (size_t k = 0; k < count; k++) param[i][k] = (double)rig->param[i][k];
    }
    if (rig->pool_x != NULL) {
        pool_x = kt_room(ps_shape_elements(rig->pool_shape), sizeof(double));
        for (size_t k = 0; k < ps_shape_elements(rig->pool_shape); k++) pool_x[k] = (double)rig->pool_x[k];
    }
    ref_call call = {.type = rig->type->name,
                     .attributes = rig->attributes,
                     .inputs = rig->inputs,
                     .in_shape = rig->in_shape,
                     .out_shape = rig->out_shape,
                     .x = (const double *const *)x,
                     .param = (const double *const *)param,
                     .pool = cJSON_GetObjectItemCaseSensitive(rig->document, "pool"),
                     .pool_shape = rig->pool_shape,
                     .pool_x = pool_x};
    assert_true(ref_forward(&call, y));
    for (int i = 0; i < PS_LAYER_MAX_INPUTS; i++) free(x[i]);
    for (int i = 0; i < PS_LAYER_MAX_PARAMS; i++) free(param[i]);
    free(pool_x);
}

typedef struct {
    gradcheck_rig rig;
    float *in_bound[PS_LAYER_MAX_INPUTS], *bound;
} bounded;

static void run_bounded(bounded *b, const ps_layer_type *type, const char *sample, float in_bound, ps_threads *pool) {
    memset(b, 0, sizeof *b);
    assert_int_equal(gradcheck_rig_create(type, sample, PS_MODE_PROBE, pool, &b->rig), PS_OK);
    for (int i = 0; i < b->rig.inputs; i++) {
        size_t count = ps_shape_elements(b->rig.in_shape[i]);
        b->in_bound[i] = kt_room(count, sizeof(float));
        for (size_t k = 0; k < count; k++) b->in_bound[i][k] = in_bound;
    }
    b->bound = kt_room(ps_shape_elements(b->rig.out_shape), sizeof(float));
    ps_layer_call *call = &b->rig.call;
    call->type = type;
    call->plain = true;
    call->in_bound = (const float *const *)b->in_bound;
    call->bound = b->bound;
    double *const no_sums[PS_SUMS] = {NULL};
    call->sums = no_sums;
    if (type->in_place) type->rounding(call);
    type->forward(call);
    if (!type->in_place) type->rounding(call);
    call->sums = b->rig.sums;
}

static void bounded_clear(bounded *b) {
    for (int i = 0; i < b->rig.inputs; i++) free(b->in_bound[i]);
    free(b->bound);
    gradcheck_rig_clear(&b->rig);
}

static void expect_within(bounded *b, const char *sample) {
    size_t count = ps_shape_elements(b->rig.out_shape);
    double *y = kt_room(count, sizeof *y);
    reference(&b->rig, y);
    for (size_t i = 0; i < count; i++) {
        double error = fabs((double)b->rig.y[i] - y[i]);
        if (!(error <= (double)b->bound[i]))
            fail_msg("%s %s: output %zu is %.9g, in double precision %.9g: not within its bound %.3g",
                     b->rig.type->name, sample, i, (double)b->rig.y[i], y[i], (double)b->bound[i]);
        assert_true((double)b->bound[i] < 0.02 * (1 + fabs(y[i]))); /* and it is no excuse */
    }
    free(y);
}

/* How far rounding moves a softmax's weights is not bounded: what is behind these has bounds from the next linear layer
 * on. */
static bool has_softmax(const ps_layer_type *type) {
    return type == &ps_layer_attention || type == &ps_layer_sequence_pool;
}

static void outputs_lie_within_their_bounds(void **state) {
    (void)state;
    for (const ps_layer_type *const *type = ps_layer_types(); *type != NULL; type++)
        for (const char *const *sample = (*type)->samples; *sample != NULL && !has_softmax(*type); sample++) {
            bounded b, other;
            if ((*type)->rounding == NULL) fail_msg("%s does not state its rounding", (*type)->name);
            run_bounded(&b, *type, *sample, 0, kt_pool(0));
            expect_within(&b, *sample);
            run_bounded(&other, *type, *sample, 0, kt_pool(2));
            size_t count = ps_shape_elements(b.rig.out_shape);
            assert_memory_equal(b.bound, other.bound, count * sizeof(float));
            assert_memory_equal(b.rig.y, other.rig.y, count * sizeof(float));
            bounded_clear(&b), bounded_clear(&other);
        }
}

/* Inputs that are off by up to their bounds, of either sign: the output stays within its own (by half as much more
 * where the few values of a sample move the batch's statistics too). */
static void bounds_of_inputs_are_handed_on(void **state) {
    (void)state;
    const float most = 1e-4f;
    for (const ps_layer_type *const *type = ps_layer_types(); *type != NULL; type++)
        for (const char *const *sample = (*type)->samples; *sample != NULL && (*type)->carries_bounds; sample++) {
            bounded b;
            run_bounded(&b, *type, *sample, most, kt_pool(0));
            size_t count = ps_shape_elements(b.rig.out_shape);
            for (int i = 0; i < b.rig.inputs; i++) {
                float *off = kt_numbers("off", ps_shape_elements(b.rig.in_shape[i]));
                for (size_t k = 0; k < ps_shape_elements(b.rig.in_shape[i]); k++)
                    b.rig.x[i][k] += most * fmaxf(-1, fminf(1, off[k] / 3));
                free(off);
            }
            double *y = kt_room(count, sizeof *y);
            reference(&b.rig, y);
            for (size_t i = 0; i < count; i++)
                if (!(fabs((double)b.rig.y[i] - y[i]) <= 1.5 * (double)b.bound[i]))
                    fail_msg("%s %s: output %zu moves by %.3g, its bound is %.3g", (*type)->name, *sample, i,
                             fabs((double)b.rig.y[i] - y[i]), (double)b.bound[i]);
            free(y);
            bounded_clear(&b);
        }
}

/* ---- edges ---- */

typedef struct {
    float *x, *residual, *x_bound, *residual_bound, *mean, *scale, *beta;
} entry_arrays;

static double size_of(const ps_rounding_entry *e, size_t i, int c, double *v) {
    double bound = e->x_bound != NULL ? (double)e->x_bound[i] : 0;
    *v = (double)e->x[i];
    if (e->mean != NULL) {
        double scale = (double)e->scale[c], mean = (double)e->mean[c], beta = (double)e->beta[c];
        bound = bound * fabs(scale) + PS_ROUNDING_FEW * (fabs(*v * scale) + fabs(mean * scale) + fabs(beta));
        *v = (*v - mean) * scale + beta;
    }
    if (e->residual != NULL) {
        *v += (double)e->residual[i];
        bound += PS_ROUNDING_FEW * fabs((double)e->residual[i]);
        if (e->residual_bound != NULL) bound += (double)e->residual_bound[i];
    }
    return bound;
}

static void expect_edges(const ps_rounding_entry *e, ps_threads *pool) {
    size_t c = (size_t)e->shape.c, rows = (size_t)e->shape.n;
    float *low = malloc(4 * c * sizeof *low), *high = low + c, *variance = high + c, *largest = variance + c,
          *bound = malloc(rows * c * sizeof *bound);
    double *square = malloc(c * sizeof *square);
    void *workspace = kt_workspace(ps_rounding_entry_bytes(e->shape));
    ps_rounding_edges(e, (ps_rounding_extremes){low, high, largest, variance, square}, workspace, pool);
    ps_rounding_entry_bound(e, bound, workspace, pool);
    kt_workspace_free(workspace);
    for (int k = 0; k < e->shape.c; k++) {
        double least = -INFINITY, most = -INFINITY, itself = -INFINITY, sum = 0, squares = 0, v;
        for (size_t i = (size_t)k; i < rows * c; i += c) {
            double b = size_of(e, i, k, &v);
            kt_assert_near((double)bound[i], b, 1e-6);
            least = fmax(least, v - b), most = fmax(most, v + b), itself = fmax(itself, v), sum += v, squares += v * v;
        }
        kt_assert_near((double)low[k], least, 1e-6);
        kt_assert_near((double)high[k], most, 1e-6);
        kt_assert_near((double)largest[k], itself, 1e-6);
        kt_assert_near(square[k], squares, 1e-6);
        double mean = sum / (double)rows;
        kt_assert_near((double)variance[k], squares / (double)rows - mean * mean, 1e-4);
    }
    free(low), free(square), free(bound);
}

static void edges_are_those_of_every_element(void **state) {
    (void)state;
    static const struct {
        size_t rows;
        int c;
    } sizes[] = {{1, 1}, {7, 3}, {129, 16}, {1000, 40}, {700, 130}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int kind = 0; kind < 8; kind++) {
            size_t count = sizes[i].rows * (size_t)sizes[i].c, c = (size_t)sizes[i].c;
            entry_arrays a = {kt_numbers("x", count),  kt_numbers("r", count), kt_numbers("xb", count),
                              kt_numbers("rb", count), kt_numbers("m", c),     kt_numbers("s", c),
                              kt_numbers("b", c)};
            for (size_t k = 0; k < count; k++)
                a.x_bound[k] = 0.01f * fabsf(a.x_bound[k]), a.residual_bound[k] = 0.01f * fabsf(a.residual_bound[k]);
            ps_rounding_entry e = {.x = a.x, .shape = {(int)sizes[i].rows, sizes[i].c, 1, 1, 1}};
            if (kind & 1) e.mean = a.mean, e.scale = a.scale, e.beta = a.beta;
            if (kind & 2) e.residual = a.residual;
            if (kind & 4) e.x_bound = a.x_bound;
            if ((kind & 6) == 6) e.residual_bound = a.residual_bound;
            expect_edges(&e, kt_pool(kind % KT_POOLS));
            free(a.x), free(a.residual), free(a.x_bound), free(a.residual_bound), free(a.mean), free(a.scale),
                free(a.beta);
        }
}

static void not_a_number_stays_one(void **state) {
    (void)state;
    float x[] = {1, 2, NAN, 1, 5, -1}, low[2], high[2], variance[2], most[2];
    double squares[2];
    ps_rounding_entry e = {.x = x, .shape = {3, 2, 1, 1, 1}};
    void *workspace = kt_workspace(ps_rounding_entry_bytes(e.shape));
    ps_rounding_edges(&e, (ps_rounding_extremes){low, high, most, variance, squares}, workspace, kt_pool(0));
    kt_workspace_free(workspace);
    assert_true(isnan(low[0]) && isnan(high[0]) && isnan(most[0]) && isnan(squares[0]));
    assert_true(low[1] == 2 && high[1] == 2 && most[1] == 2 && squares[1] == 6);
}

/* ---- near-ties ---- */

static void pooling_turns_near_ties_alone(void **state) {
    (void)state;
    /* four windows of 2 x 2: a near-tie, an exact one, one out of reach, and a near-tie of three */
    float x[] = {1, 1 - 1e-7f, 2, 2, 0, 0, 1, 0, /**/ 3, 2, 5, 5 - 1e-6f, 0, 0, 5 - 1e-6f, 0}, bound[16], y[4],
          whole[4];
    int32_t index[4], before[4];
    ps_pool_window window = {.in = {1, 1, 1, 4, 4}, .out = {1, 1, 1, 2, 2}, .kd = 1, .kh = 2, .kw = 2};
    window.stride_d = 1, window.stride_h = window.stride_w = 2;
    for (int i = 0; i < 16; i++) bound[i] = 1e-5f;
    ps_maxpool_forward(&window, x, whole, before, kt_pool(0));
    memcpy(y, whole, sizeof y), memcpy(index, before, sizeof index);
    ps_maxpool_turn(&window, x, bound, y, index, kt_pool(1));
    assert_true(y[0] == x[1] && index[0] == 1);
    assert_true(y[1] == 2 && index[1] == 2);
    assert_true(y[2] == 3 && index[2] == 8);
    assert_true(y[3] == x[14] && index[3] == 14); /* the last one within reach */
    bound[3] = 2e-5f; /* equal values whose bounds differ came about differently: another rounding may part them */
    memcpy(y, whole, sizeof y), memcpy(index, before, sizeof index);
    ps_maxpool_turn(&window, x, bound, y, index, kt_pool(1));
    assert_true(y[1] == 2 && index[1] == 3);
}

/* ---- a network ---- */

enum { CHANNELS = 64, SIDE = 2, BATCH = 2 };

typedef struct {
    ps_graph *graph;
    ps_net *net;
    ps_probe *probe;
    float x[BATCH * SIDE * SIDE * CHANNELS];
} small_net;

static void add(ps_graph *g, const char *name, const char *type, int first, int second, const char *attributes) {
    ps_op_spec spec = {.name = name, .type = type, .inputs = second >= -1 ? 2 : 1, .input = {first, second}};
    assert_int_equal(ps_graph_add(g, &spec, NULL, "%s", attributes), PS_OK);
}

static ps_status batch(void *self, int index, float *x, int *images) {
    (void)index;
    const small_net *n = self;
    memcpy(x, n->x, sizeof n->x);
    *images = BATCH;
    return PS_OK;
}

/* conv (1 x 1, two channels out), Pool Skip as one node or in its parts, gate. */
static void build(small_net *n, bool expanded) {
    memset(n, 0, sizeof *n);
    assert_int_equal(ps_graph_create("edge", (ps_shape){1, CHANNELS, 1, SIDE, SIDE}, &n->graph), PS_OK);
    ps_graph *g = n->graph;
    add(g, "conv", "conv", -1, -2, "{\"channels\":2,\"kernel\":1}");
    if (expanded) {
        add(g, "pool", "max_pool", 0, -2, "{}");
        add(g, "unpool", "max_unpool", 1, 1, "{}");
        add(g, "path", "conv", 2, -2, "{\"channels\":2,\"padding\":1}");
        add(g, "sum", "add", 0, 3, "{}");
    } else {
        add(g, "skip", "pool_skip", 0, -2, "{}");
    }
    add(g, "gate", "relu", expanded ? 4 : 1, -2, "{}");
    add(g, "head", "global_avg_pool", expanded ? 5 : 2, -2, "{}");
    assert_int_equal(ps_net_create(g, BATCH, kt_pool(0), &n->net), PS_OK);
    ps_probe_options options = {.steps = 1, .window = 1, .source = {n, 1, batch}};
    assert_int_equal(ps_probe_create(n->net, NULL, &options, &n->probe), PS_OK);
}

static float *param(const small_net *n, const char *name) {
    int index = ps_net_find_param(n->net, name);
    assert_true(index >= 0);
    return ps_net_param(n->net, index)->value;
}

static void close_net(small_net *n) {
    ps_probe_destroy(n->probe);
    ps_net_destroy(n->net);
    ps_graph_destroy(n->graph);
}

/* Channel 0 is the sum of the inputs: 64 in the window's first position, and 64 - short in its last. Channel 1 is -10
 * everywhere; the module adds to it, at the first position alone, what channel 0 hands on at the last. */
static void set_weights(small_net *n, float shortfall, bool expanded) {
    float *w = param(n, "conv.weight"), *path = param(n, expanded ? "path.weight" : "skip.conv.weight");
    for (int c = 0; c < CHANNELS; c++) w[c] = 1, w[CHANNELS + c] = 0;
    param(n, "conv.bias")[0] = 0, param(n, "conv.bias")[1] = -10;
    const char *bias = expanded ? "path.bias" : "skip.conv.bias";
    param(n, bias)[0] = param(n, bias)[1] = 0;
    memset(path, 0, 2 * 9 * 2 * sizeof *path);
    path[(9 + 8) * 2] = 1; /* row 1, the last of nine taps, channel 0 */
    for (int image = 0; image < BATCH; image++)
        for (int c = 0; c < CHANNELS; c++) {
            float *x = n->x + (size_t)image * SIDE * SIDE * CHANNELS + c;
            x[0] = 1;
            x[CHANNELS] = x[2 * CHANNELS] = 0;
            x[3 * CHANNELS] = c == 0 ? 1 - shortfall : 1;
        }
}

typedef struct {
    double nonzero[2], pre_max[2], low[2], high[2];
} readings;

static readings measure(small_net *n) {
    readings r;
    int unit = 0;
    assert_int_equal(ps_net_units(n->net)->count, 1);
    assert_int_equal(ps_probe_measure(n->probe), PS_OK);
    assert_true(ps_probe_read(n->probe, "nonzero", unit, r.nonzero));
    assert_true(ps_probe_read(n->probe, "pre_max", unit, r.pre_max));
    assert_true(ps_probe_read(n->probe, "pre_max_low", unit, r.low));
    assert_true(ps_probe_read(n->probe, "pre_max_high", unit, r.high));
    return r;
}

static void a_near_tie_puts_on_the_edge_what_it_may_open(void **state) {
    (void)state;
    for (int expanded = 0; expanded < 2; expanded++) {
        small_net n;
        build(&n, expanded);
        set_weights(&n, 1e-5f, expanded); /* a few units of 64 */
        readings r = measure(&n);
        assert_true(r.nonzero[1] == 0 && r.pre_max[1] == -10); /* the first one wins, and the node looks dead */
        assert_true(r.low[1] <= -10 && r.high[1] > 0);
        assert_true(r.low[0] > 0);
        set_weights(&n, 1.0f / 64, expanded); /* out of reach */
        r = measure(&n);
        assert_true(r.nonzero[1] == 0 && r.high[1] <= 0);
        set_weights(&n, 0, expanded); /* an exact tie: the first one, whatever the rounding */
        r = measure(&n);
        assert_true(r.nonzero[1] == 0 && r.high[1] <= 0);
        assert_true(r.high[1] - r.low[1] < 0.01);
        close_net(&n);
    }
}

/* Channel 1: the sum of 64 numbers of either sign that cancel but for what is asked. */
static void set_sum(small_net *n, float rest) {
    set_weights(n, 1, false);
    float *w = param(n, "conv.weight") + CHANNELS;
    param(n, "conv.bias")[1] = 0;
    memset(param(n, "skip.conv.weight"), 0, 36 * sizeof(float));
    for (int c = 0; c < CHANNELS; c++) w[c] = c % 2 == 0 ? 1 : -1;
    for (size_t i = 0; i < sizeof n->x / sizeof *n->x; i++) n->x[i] = 0.37f;
    for (int image = 0; image < BATCH; image++) n->x[(size_t)image * SIDE * SIDE * CHANNELS] = 0.37f + rest;
}

static void a_sum_that_cancels_is_on_the_edge(void **state) {
    (void)state;
    small_net n;
    build(&n, false);
    set_sum(&n, 1e-6f);
    readings r = measure(&n);
    assert_true(r.low[1] <= 0 && r.high[1] > 0);
    set_sum(&n, 0.01f);
    r = measure(&n);
    assert_true(r.low[1] > 0 && r.low[1] <= r.pre_max[1] && r.pre_max[1] <= r.high[1]);
    memset(n.x, 0, sizeof n.x); /* every term is exactly zero: nothing to round, and dead */
    r = measure(&n);
    assert_true(r.low[1] == 0 && r.high[1] == 0);
    close_net(&n);
}

int main(int argc, char **argv) {
    (void)argc;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_patches_give_equal_bits),
        cmocka_unit_test(zeros_give_the_bias_itself),
        cmocka_unit_test(bounds_of_depthwise_ones_go_by_their_reach),
        cmocka_unit_test(zeros_give_the_bias_of_transposed_ones),
        cmocka_unit_test(plans_hold_a_plain_method),
        cmocka_unit_test(large_neighbours_stay_where_they_are),
        cmocka_unit_test(outputs_lie_within_their_bounds),
        cmocka_unit_test(bounds_of_inputs_are_handed_on),
        cmocka_unit_test(edges_are_those_of_every_element),
        cmocka_unit_test(not_a_number_stays_one),
        cmocka_unit_test(pooling_turns_near_ties_alone),
        cmocka_unit_test(a_near_tie_puts_on_the_edge_what_it_may_open),
        cmocka_unit_test(a_sum_that_cancels_is_on_the_edge),
    };
    return kt_main(argv[0], tests);
}
