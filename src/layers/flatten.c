/* Flatten to a vector in PyTorch's order: x [n][d][h][w][c] -> y [n][c * d * h * w], feature ((c_ d + z) h + y) w + x.
 * Memory is channels-last, so each image is transposed; linear weights of PyTorch files then fit as they are. */
#include "layers/attributes.h"
#include "layers/list.h"
#include "layers/rounding.h"
#include "layers/tangent.h"

static ps_status flatten_infer(const void *config, const ps_layer_input *in, int inputs, const char *where,
                               ps_shape *out) {
    (void)config, (void)inputs;
    ps_shape x = ps_shape_with_batch(in[0].shape, 1);
    if (ps_shape_elements(x) > (size_t)1 << 30)
        return ps_fail(PS_ERR_INPUT, "%s: flatten would make a vector of more than %d features; pool the map first",
                       where, 1 << 30);
    *out = (ps_shape){in[0].shape.n, (int)ps_shape_elements(x), 1, 1, 1};
    return PS_OK;
}

static void forward_image(void *context, size_t image, int worker) {
    (void)worker;
    const ps_layer_call *call = context;
    size_t c = (size_t)call->in_shape[0].c, features = (size_t)call->out_shape.c, positions = features / c;
    const float *x = call->x[0] + image * features;
    float *y = call->y + image * features;
    for (size_t p = 0; p < positions; p++)
        for (size_t j = 0; j < c; j++) y[j * positions + p] = x[p * c + j];
}

static void backward_image(void *context, size_t image, int worker) {
    (void)worker;
    const ps_layer_call *call = context;
    size_t c = (size_t)call->in_shape[0].c, features = (size_t)call->out_shape.c, positions = features / c;
    const float *dy = call->dy + image * features;
    float *dx = call->dx[0] + image * features;
    bool add = call->accumulate[0];
    for (size_t p = 0; p < positions; p++)
        for (size_t j = 0; j < c; j++) dx[p * c + j] = (add ? dx[p * c + j] : 0.0f) + dy[j * positions + p];
}

static void flatten_forward(const ps_layer_call *call) {
    ps_threads_run(call->threads, (size_t)call->in_shape[0].n, forward_image, (void *)call);
}

static void flatten_backward(const ps_layer_call *call) {
    if (call->dx[0] == NULL) return;
    ps_threads_run(call->threads, (size_t)call->in_shape[0].n, backward_image, (void *)call);
}

static const char *const flatten_samples[] = {"{\"inputs\": [[3, 5, 1, 4, 3]], \"attributes\": {}}",
                                              "{\"inputs\": [[2, 3, 2, 3, 5]], \"attributes\": {}}",
                                              "{\"inputs\": [[2, 7, 1, 1, 1]], \"attributes\": {}}", NULL};

const ps_layer_type ps_layer_flatten = {
    .name = "flatten",
    .summary = "map to vector, features in the order c, d, h, w",
    .role = PS_ROLE_HANDS_ON,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = flatten_infer,
    .forward = flatten_forward,
    .backward = flatten_backward,
    .rounding = ps_rounding_hand_on,
    .carries_bounds = true,
    .tangent_forward = ps_tangent_linear_forward,
    .tangent_backward = ps_tangent_linear_backward,
    .samples = flatten_samples,
};
