/* Sum of 2 to 16 arrays of one shape. */
#include "kernels/pointwise.h"
#include "layers/attributes.h"
#include "layers/list.h"
#include "layers/rounding.h"
#include "layers/tangent.h"

static ps_status add_infer(const void *config, const ps_layer_input *in, int inputs, const char *where, ps_shape *out) {
    (void)config;
    *out = in[0].shape;
    return ps_inputs_equal(in, inputs, "add", where);
}

static void add_forward(const ps_layer_call *call) {
    size_t count = ps_shape_elements(call->out_shape);
    ps_vector_add(call->x[0], call->x[1], count, call->y, call->threads);
    for (int i = 2; i < call->inputs; i++) ps_vector_add(call->y, call->x[i], count, call->y, call->threads);
}

static void add_rounding(const ps_layer_call *call) {
    size_t count = ps_shape_elements(call->out_shape);
    ps_vector_copy(call->in_bound[0], count, call->bound, call->threads);
    for (int i = 1; i < call->inputs; i++)
        ps_vector_add(call->bound, call->in_bound[i], count, call->bound, call->threads);
    for (int i = 0; i < call->inputs; i++) ps_rounding_add_few(call->x[i], count, call->bound, call->threads);
}

/* In order of the inputs: where one node is read twice, its second share is added to the first. */
static void add_backward(const ps_layer_call *call) {
    size_t count = ps_shape_elements(call->out_shape);
    for (int i = 0; i < call->inputs; i++) {
        if (call->dx[i] == NULL) continue;
        if (call->accumulate[i]) ps_vector_add(call->dx[i], call->dy, count, call->dx[i], call->threads);
        else if (call->dx[i] != call->dy) ps_vector_copy(call->dy, count, call->dx[i], call->threads);
    }
}

static const char *const add_samples[] = {
    "{\"inputs\": [[2, 3, 1, 5, 3], [2, 3, 1, 5, 3]], \"attributes\": {}}",
    "{\"inputs\": [[1, 3, 2, 2, 3], [1, 3, 2, 2, 3], [1, 3, 2, 2, 3], [1, 3, 2, 2, 3]], \"attributes\": {}}", NULL};

const ps_layer_type ps_layer_add = {
    .name = "add",
    .summary = "sum of its inputs",
    .role = PS_ROLE_SUM,
    .min_inputs = 2,
    .max_inputs = PS_LAYER_MAX_INPUTS,
    .gradient_in_place = true,
    .infer = add_infer,
    .forward = add_forward,
    .backward = add_backward,
    .rounding = add_rounding,
    .carries_bounds = true,
    .tangent_forward = ps_tangent_linear_forward,
    .tangent_backward = ps_tangent_linear_backward,
    .samples = add_samples,
};
