/* Zeros around a map, or positions cut off: x [n][d][h][w][c] -> y [n][od][oh][ow][c]. Along each dimension `before`
 * and `after` positions are added; where they are negative so many are cut off. With input 1, of which nothing but the
 * size is used (it gets no gradient): as large as that, the map in the middle. */
#include <string.h>

#include "core/json.h"
#include "core/memory.h"
#include "kernels/conv_shape.h"
#include "kernels/pointwise.h"
#include "layers/attributes.h"
#include "layers/list.h"
#include "layers/rounding.h"
#include "layers/tangent.h"

typedef struct {
    ps_extent before, after;
} pad_config;

#define AT(field) offsetof(pad_config, field)
static const ps_attribute pad_attributes[] = {
    {"before", PS_ATTRIBUTE_EXTENT, AT(before), "", -65536, 65536, NULL,
     "positions of zeros added at the start of each dimension, cut off where negative; left out: as input 1 says"},
    {"after", PS_ATTRIBUTE_EXTENT, AT(after), "", -65536, 65536, NULL, "the same at its end, `before` where left out"},
    {0}};
#undef AT

static ps_status pad_complete(void *config_, const char *where) {
    pad_config *config = config_;
    const ps_extent *extents[] = {&config->before, &config->after};
    int dims;
    if (config->before.length == 0 && config->after.length > 0)
        return ps_fail(PS_ERR_INPUT, "%s: \"after\" needs \"before\"; it may be 0", where);
    if (config->after.length == 0) config->after = config->before;
    return ps_extent_dims(extents, 2, where, &dims);
}

/* What is added before and after along d, h, w. */
static void resolve(const pad_config *config, const ps_shape *in, int inputs, int before[3], int after[3]) {
    if (inputs > 1) {
        const int from[3] = {in[0].d, in[0].h, in[0].w}, to[3] = {in[1].d, in[1].h, in[1].w};
        for (int i = 0; i < 3; i++) {
            int more = to[i] - from[i];
            before[i] = more < 0 ? -(-more / 2) : more / 2;
            after[i] = more - before[i];
        }
        return;
    }
    int longest = config->before.length > config->after.length ? config->before.length : config->after.length;
    int dims = longest > 1 ? longest : in[0].d > 1 ? 3 : 2;
    ps_extent_resolve(&config->before, dims, 0, before);
    ps_extent_resolve(&config->after, dims, 0, after);
}

static ps_status pad_infer(const void *config_, const ps_layer_input *in, int inputs, const char *where,
                           ps_shape *out) {
    const pad_config *config = config_;
    ps_shape shapes[2] = {in[0].shape, inputs > 1 ? in[1].shape : in[0].shape};
    int before[3], after[3], size[3] = {shapes[0].d, shapes[0].h, shapes[0].w};
    if ((inputs > 1) == (config->before.length > 0))
        return ps_fail(PS_ERR_INPUT,
                       "%s: pad needs either \"before\" or a second input that is as large as the output is to be",
                       where);
    resolve(config, shapes, inputs, before, after);
    for (int i = 0; i < 3; i++) {
        int made = size[i] + before[i] + after[i];
        if (made < 1 || made > PS_CONV_LARGEST || -before[i] >= size[i] || -after[i] >= size[i])
            return ps_fail(PS_ERR_INPUT,
                           "%s: of %d positions along a dimension, %d more before and %d more after leave %d; at least "
                           "one position of the input must stay",
                           where, size[i], before[i], after[i], made);
        size[i] = made;
    }
    *out = (ps_shape){shapes[0].n, shapes[0].c, size[0], size[1], size[2]};
    return PS_OK;
}

/* Copies between boxes: target position p comes from source position p - shift, 0 where there is none. Forward from x
 * to y, backward from dy to dx. */
typedef struct {
    const float *from;
    float *to;
    ps_shape source, target;
    int shift[3];
    bool accumulate;
} pad_job;

static void copy_line(void *context, size_t line, int worker) {
    (void)worker;
    const pad_job *job = context;
    ps_shape s = job->source, t = job->target;
    size_t n = line / (size_t)t.h / (size_t)t.d, c = (size_t)t.c;
    int h = (int)(line % (size_t)t.h) - job->shift[1], d = (int)(line / (size_t)t.h % (size_t)t.d) - job->shift[0];
    int first = job->shift[2] > 0 ? job->shift[2] : 0, end = s.w + job->shift[2] < t.w ? s.w + job->shift[2] : t.w;
    if (h < 0 || h >= s.h || d < 0 || d >= s.d || end < first) first = end = 0;
    float *to = job->to + line * (size_t)t.w * c;
    if (!job->accumulate) {
        memset(to, 0, (size_t)first * c * sizeof *to);
        memset(to + (size_t)end * c, 0, (size_t)(t.w - end) * c * sizeof *to);
    }
    if (first == end) return;
    size_t row = (n * (size_t)s.d + (size_t)d) * (size_t)s.h + (size_t)h;
    const float *from = job->from + (row * (size_t)s.w + (size_t)(first - job->shift[2])) * c;
    size_t count = (size_t)(end - first) * c;
    to += (size_t)first * c;
    if (!job->accumulate) memcpy(to, from, count * sizeof *to);
    for (size_t i = 0; job->accumulate && i < count; i++) to[i] += from[i];
}

static void copy_box(const ps_layer_call *call, pad_job *job, int sign) {
    int after[3];
    resolve(call->config, call->in_shape, call->inputs, job->shift, after);
    for (int i = 0; i < 3; i++) job->shift[i] *= sign;
    ps_threads_run(call->threads, (size_t)job->target.n * (size_t)job->target.d * (size_t)job->target.h, copy_line,
                   job);
}

static void pad_forward(const ps_layer_call *call) {
    pad_job job = {.from = call->x[0], .to = call->y, .source = call->in_shape[0], .target = call->out_shape};
    copy_box(call, &job, 1);
}

static void pad_backward(const ps_layer_call *call) {
    pad_job job = {.from = call->dy, .to = call->dx[0], .source = call->out_shape, .target = call->in_shape[0]};
    job.accumulate = call->accumulate[0];
    if (call->dx[0] != NULL) copy_box(call, &job, -1);
    if (call->inputs > 1 && call->dx[1] != NULL && !call->accumulate[1])
        memset(call->dx[1], 0, ps_shape_elements(call->in_shape[1]) * sizeof(float));
}

static const char *const pad_samples[] = {
    "{\"inputs\": [[2, 3, 1, 4, 5]], \"attributes\": {\"before\": 1}}",
    "{\"inputs\": [[2, 3, 1, 4, 5]], \"attributes\": {\"before\": [0, 2], \"after\": [3, 1]}}",
    "{\"inputs\": [[1, 2, 4, 5, 6]], \"attributes\": {\"before\": -1}}",
    "{\"inputs\": [[1, 5, 3, 4, 5]], \"attributes\": {\"before\": [-1, 2, 0], \"after\": [1, -2, -3]}}",
    "{\"inputs\": [[2, 3, 1, 7, 6], [2, 4, 1, 4, 9]], \"attributes\": {}}",
    "{\"inputs\": [[1, 3, 4, 6, 3], [1, 1, 3, 3, 3]], \"attributes\": {}}",
    NULL};

const ps_layer_type ps_layer_pad = {
    .name = "pad",
    .summary = "zeros around a map, positions cut off where negative; or as large as input 1, in its middle",
    .attributes = pad_attributes,
    .config_bytes = sizeof(pad_config),
    .role = PS_ROLE_HANDS_ON,
    .min_inputs = 1,
    .max_inputs = 2,
    .value_inputs = 1,
    .sizes_only = true,
    .complete = pad_complete,
    .infer = pad_infer,
    .forward = pad_forward,
    .backward = pad_backward,
    .rounding = ps_rounding_hand_on,
    .carries_bounds = true,
    .tangent_forward = ps_tangent_linear_forward,
    .tangent_backward = ps_tangent_linear_backward,
    .samples = pad_samples,
};
