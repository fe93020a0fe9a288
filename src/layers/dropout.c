/* Dropout (Srivastava et al. 2014), in training mode: each element is kept with probability 1 - p and scaled by 1 / (1
 * - p). The mask is a function of the call's key and the element's index, so forward and backward agree without storing
 * it and any number of threads draws the same one. A factor of 0 multiplies (it does not select), so NaN survives.
 * With `channels` a channel of a sample is kept whole or dropped whole (Tompson et al. 2015; PyTorch's Dropout2d and
 * Dropout3d), by the number of sample and channel. */
#include "core/json.h"
#include "core/memory.h"
#include "kernels/keep.h"
#include "kernels/pointwise.h"
#include "layers/attributes.h"
#include "layers/list.h"
#include "layers/rounding.h"
#include "layers/tangent.h"

typedef struct {
    double given;
    bool channels;
    float p, scale;
} dropout_config;

static const ps_attribute dropout_attributes[] = {
    {"p", PS_ATTRIBUTE_NUMBER, offsetof(dropout_config, given), "0.5", 0, 1, NULL,
     "share of the elements that become 0 in training"},
    {"channels", PS_ATTRIBUTE_FLAG, offsetof(dropout_config, channels), "false", 0, 0, NULL,
     "whole channels of a sample become 0, not elements each by itself"},
    {0}};

static ps_status dropout_complete(void *config_, const char *where) {
    (void)where;
    dropout_config *config = config_;
    config->p = (float)config->given;
    config->scale = config->p < 1.0f ? (float)(1.0 / (1.0 - config->given)) : 0.0f;
    return PS_OK;
}

static bool active(const ps_layer_call *call) {
    return call->mode == PS_MODE_TRAIN && ((const dropout_config *)call->config)->p > 0.0f;
}

/* save: factors [n][c] of whole channels. */
static ps_status dropout_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads,
                              void **plan, ps_layer_sizes *sizes) {
    (void)in, (void)inputs, (void)threads;
    *plan = NULL;
    if (((const dropout_config *)config)->channels) sizes->save_bytes = (size_t)out.n * (size_t)out.c * sizeof(float);
    return PS_OK;
}

static void draw_channels(const ps_layer_call *call) {
    const dropout_config *config = call->config;
    float *factors = call->save;
    for (size_t i = 0; i < (size_t)call->out_shape.n * (size_t)call->out_shape.c; i++)
        factors[i] = ps_rng_uniform(call->key, i) < config->p ? 0.0f : config->scale;
}

/* Whole channels, a sample's position at a time; x may be y. */
static void scale_row(void *context, size_t row, int worker) {
    (void)worker;
    const ps_layer_call *call = context;
    size_t c = (size_t)call->out_shape.c, line = (size_t)call->out_shape.w * c;
    const float *factors = (const float *)call->save + row / (size_t)call->out_shape.h / (size_t)call->out_shape.d * c;
    const float *from = (call->dy != NULL ? call->dy : call->x[0]) + row * line;
    float *to = (call->dy != NULL ? call->dx[0] : call->y) + row * line;
    bool add = call->dy != NULL && call->accumulate[0];
    for (size_t at = 0; at < line; at += c)
        for (size_t k = 0; k < c; k++) {
            float value = from[at + k] * factors[k];
            to[at + k] = add ? to[at + k] + value : value;
        }
}

static void scale_channels(const ps_layer_call *call) {
    size_t rows = (size_t)call->out_shape.n * (size_t)call->out_shape.d * (size_t)call->out_shape.h;
    ps_threads_run(call->threads, rows, scale_row, (void *)call);
}

/* x times the elements' factors. */
static void scale_elements(const ps_layer_call *call, const float *x, bool add, float *y) {
    const dropout_config *config = call->config;
    ps_keep keep = {call->key, config->p, config->scale};
    ps_keep_scale(&keep, x, ps_shape_elements(call->out_shape), add, y, call->threads);
}

static void dropout_forward(const ps_layer_call *call) {
    size_t count = ps_shape_elements(call->out_shape);
    if (active(call) && ((const dropout_config *)call->config)->channels) {
        ps_layer_call forward = *call;
        forward.dy = NULL;
        draw_channels(call);
        scale_channels(&forward);
    } else if (active(call)) scale_elements(call, call->x[0], false, call->y);
    else if (call->y != call->x[0]) ps_vector_copy(call->x[0], count, call->y, call->threads);
}

static void dropout_backward(const ps_layer_call *call) {
    size_t count = ps_shape_elements(call->out_shape);
    if (call->dx[0] == NULL) return;
    if (active(call) && ((const dropout_config *)call->config)->channels) scale_channels(call);
    else if (active(call)) scale_elements(call, call->dy, call->accumulate[0], call->dx[0]);
    else if (call->accumulate[0]) ps_vector_add(call->dx[0], call->dy, count, call->dx[0], call->threads);
    else if (call->dx[0] != call->dy) ps_vector_copy(call->dy, count, call->dx[0], call->threads);
}

static const char *const dropout_samples[] = {
    "{\"inputs\": [[3, 5, 1, 4, 3]], \"attributes\": {}}",
    "{\"inputs\": [[2, 3, 2, 3, 2]], \"attributes\": {\"p\": 0.2}}",
    "{\"inputs\": [[2, 3, 1, 1, 1]], \"attributes\": {\"p\": 0}}",
    "{\"inputs\": [[2, 3, 1, 1, 1]], \"attributes\": {\"p\": 1}}",
    "{\"inputs\": [[3, 5, 2, 3, 2]], \"attributes\": {\"p\": 0.4, \"channels\": true}}",
    NULL};

const ps_layer_type ps_layer_dropout = {
    .name = "dropout",
    .summary = "zeroes elements at random in training and scales the rest",
    .attributes = dropout_attributes,
    .config_bytes = sizeof(dropout_config),
    .role = PS_ROLE_HANDS_ON,
    .min_inputs = 1,
    .max_inputs = 1,
    .in_place = true,
    .complete = dropout_complete,
    .infer = ps_infer_same,
    .plan = dropout_plan,
    .forward = dropout_forward,
    .backward = dropout_backward,
    .rounding = ps_rounding_hand_on,
    .carries_bounds = true,
    .tangent_forward = ps_tangent_linear_forward,
    .tangent_backward = ps_tangent_linear_backward,
    .samples = dropout_samples,
};
