/* A learned position before all others: y [n][1 + positions][c], of which position 0 is the parameter. Positions stand
 * in scan order, one behind the other. The parameter is the operation itself, without a suffix, as a bare nn.Parameter
 * is named in PyTorch files. */
#include <string.h>

#include "kernels/projection.h"
#include "layers/attributes.h"
#include "layers/list.h"
#include "layers/rounding.h"
#include "layers/tangent.h"

static ps_status class_infer(const void *config, const ps_layer_input *in, int inputs, const char *where,
                             ps_shape *out) {
    (void)config, (void)inputs, (void)where;
    ps_shape x = in[0].shape;
    *out = (ps_shape){x.n, x.c, 1, 1, 1 + x.d * x.h * x.w};
    return PS_OK;
}

static int class_params(const void *config, const ps_shape *in, ps_shape out, ps_param_spec *specs) {
    (void)config, (void)in;
    specs[0] = (ps_param_spec){.suffix = "",
                               .embedding = true,
                               .rank = 3,
                               .dims = {1, 1, out.c},
                               .rows = 1,
                               .init = PS_INIT_ZEROS,
                               .fan_in = 1};
    return 1;
}

static ps_row_sums gradient_sums(ps_shape out) {
    size_t c = (size_t)out.c;
    return (ps_row_sums){(size_t)out.n, (size_t)out.w * c, 1, c};
}

static ps_status class_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads, void **plan,
                            ps_layer_sizes *sizes) {
    (void)config, (void)in, (void)inputs, (void)threads;
    ps_row_sums sums = gradient_sums(out);
    *plan = NULL;
    *sizes = (ps_layer_sizes){.workspace_bytes = ps_row_sums_bytes(&sums)};
    return PS_OK;
}

static size_t image_floats(const ps_layer_call *call) {
    return ps_shape_elements(ps_shape_with_batch(call->in_shape[0], 1));
}

static void forward_image(void *context, size_t image, int worker) {
    (void)worker;
    const ps_layer_call *call = context;
    size_t c = (size_t)call->out_shape.c, count = image_floats(call);
    float *y = call->y + image * (count + c);
    memcpy(y, call->param[0], c * sizeof *y);
    memcpy(y + c, call->x[0] + image * count, count * sizeof *y);
}

static void backward_image(void *context, size_t image, int worker) {
    (void)worker;
    const ps_layer_call *call = context;
    size_t c = (size_t)call->out_shape.c, count = image_floats(call);
    const float *dy = call->dy + image * (count + c) + c;
    float *dx = call->dx[0] + image * count;
    if (!call->accumulate[0]) memcpy(dx, dy, count * sizeof *dx);
    else
        for (size_t i = 0; i < count; i++) dx[i] += dy[i];
}

static void class_forward(const ps_layer_call *call) {
    ps_threads_run(call->threads, (size_t)call->out_shape.n, forward_image, (void *)call);
}

static void class_backward(const ps_layer_call *call) {
    ps_row_sums sums = gradient_sums(call->out_shape);
    ps_row_sums_add_up(&sums, call->dy, call->grad[0], call->workspace, call->threads);
    if (call->dx[0] != NULL) ps_threads_run(call->threads, (size_t)call->out_shape.n, backward_image, (void *)call);
}

static void bound_image(void *context, size_t image, int worker) {
    (void)worker;
    const ps_layer_call *call = context;
    size_t c = (size_t)call->out_shape.c, count = image_floats(call);
    float *bound = call->bound + image * (count + c);
    memset(bound, 0, c * sizeof *bound);
    memcpy(bound + c, call->in_bound[0] + image * count, count * sizeof *bound);
}

static void class_rounding(const ps_layer_call *call) {
    ps_threads_run(call->threads, (size_t)call->out_shape.n, bound_image, (void *)call);
}

static const char *const class_samples[] = {"{\"inputs\": [[3, 5, 1, 4, 3]], \"attributes\": {}}",
                                            "{\"inputs\": [[2, 3, 2, 3, 2]], \"attributes\": {}}",
                                            "{\"inputs\": [[70, 2, 1, 1, 1]], \"attributes\": {}}", NULL};

const ps_layer_type ps_layer_class_token = {
    .name = "class_token",
    .summary = "puts a learned position before all others",
    .role = PS_ROLE_HANDS_ON,
    .shifts = true,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = class_infer,
    .params = class_params,
    .plan = class_plan,
    .forward = class_forward,
    .backward = class_backward,
    .rounding = class_rounding,
    .carries_bounds = true,
    .tangent_forward = ps_tangent_linear_forward,
    .tangent_backward = ps_tangent_linear_backward,
    .samples = class_samples,
};
