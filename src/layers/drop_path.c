/* Drop path, or stochastic depth (Huang et al. 2016), in training mode: each sample's values are all kept with
 * probability 1 - p and scaled by 1 / (1 - p), or all become 0. The choice is a function of the call's key and the
 * sample's place in the batch, so forward and backward agree without storing it. A factor of 0 multiplies (it does not
 * select), so NaN survives. */
#include "kernels/keep.h"
#include "kernels/pointwise.h"
#include "layers/attributes.h"
#include "layers/list.h"
#include "layers/rounding.h"
#include "layers/tangent.h"

typedef struct {
    double p;
} path_config;

static const ps_attribute path_attributes[] = {{"p", PS_ATTRIBUTE_NUMBER, offsetof(path_config, p), "0.1", 0, 1, NULL,
                                                "share of the samples that become 0 in training"},
                                               {0}};

static bool active(const ps_layer_call *call) {
    return call->mode == PS_MODE_TRAIN && ((const path_config *)call->config)->p > 0;
}

/* x times the samples' factors. */
static void scale_samples(const ps_layer_call *call, const float *x, bool add, float *y) {
    double p = ((const path_config *)call->config)->p;
    ps_keep keep = {call->key, (float)p, p < 1 ? (float)(1.0 / (1.0 - p)) : 0.0f};
    size_t count = ps_shape_elements(ps_shape_with_batch(call->out_shape, 1));
    ps_keep_scale_blocks(&keep, x, (size_t)call->out_shape.n, count, add, y, call->threads);
}

static void path_forward(const ps_layer_call *call) {
    size_t count = ps_shape_elements(call->out_shape);
    if (active(call)) scale_samples(call, call->x[0], false, call->y);
    else if (call->y != call->x[0]) ps_vector_copy(call->x[0], count, call->y, call->threads);
}

static void path_backward(const ps_layer_call *call) {
    size_t count = ps_shape_elements(call->out_shape);
    if (call->dx[0] == NULL) return;
    if (active(call)) scale_samples(call, call->dy, call->accumulate[0], call->dx[0]);
    else if (call->accumulate[0]) ps_vector_add(call->dx[0], call->dy, count, call->dx[0], call->threads);
    else if (call->dx[0] != call->dy) ps_vector_copy(call->dy, count, call->dx[0], call->threads);
}

static const char *const path_samples[] = {"{\"inputs\": [[9, 3, 1, 4, 3]], \"attributes\": {\"p\": 0.4}}",
                                           "{\"inputs\": [[6, 3, 2, 3, 2]], \"attributes\": {}}",
                                           "{\"inputs\": [[2, 3, 1, 1, 1]], \"attributes\": {\"p\": 0}}",
                                           "{\"inputs\": [[2, 3, 1, 1, 1]], \"attributes\": {\"p\": 1}}", NULL};

const ps_layer_type ps_layer_drop_path = {
    .name = "drop_path",
    .summary = "zeroes whole samples at random in training and scales the rest",
    .attributes = path_attributes,
    .config_bytes = sizeof(path_config),
    .role = PS_ROLE_HANDS_ON,
    .min_inputs = 1,
    .max_inputs = 1,
    .in_place = true,
    .infer = ps_infer_same,
    .forward = path_forward,
    .backward = path_backward,
    .rounding = ps_rounding_hand_on,
    .carries_bounds = true,
    .tangent_forward = ps_tangent_linear_forward,
    .tangent_backward = ps_tangent_linear_backward,
    .samples = path_samples,
};
