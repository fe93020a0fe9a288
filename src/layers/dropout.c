/* Dropout (Srivastava et al. 2014), in training mode: each element is kept with probability 1 - p and scaled by 1 / (1
 * - p). The mask is a function of the call's key and the element's index, so forward and backward agree without storing
 * it and any number of threads draws the same one. A factor of 0 multiplies (it does not select), so NaN survives. */
#include "core/json.h"
#include "core/memory.h"
#include "kernels/pointwise.h"
#include "layers/attributes.h"
#include "layers/list.h"
#include "layers/rounding.h"
#include "layers/tangent.h"

enum { GRAIN = 1 << 14 };

typedef struct {
    double given;
    float p, scale;
} dropout_config;

static const ps_attribute dropout_attributes[] = {{"p", PS_ATTRIBUTE_NUMBER, offsetof(dropout_config, given), "0.5", 0,
                                                   1, NULL, "share of the elements that become 0 in training"},
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

static void split(const ps_layer_call *call, size_t chunk, size_t *first, size_t *end) {
    size_t count = ps_shape_elements(call->out_shape), chunks = ps_threads_chunks(count, GRAIN);
    *first = ps_threads_chunk_start(count, chunks, chunk);
    *end = ps_threads_chunk_start(count, chunks, chunk + 1);
}

static float factor(const ps_layer_call *call, size_t index) {
    const dropout_config *config = call->config;
    return ps_rng_uniform(call->key, index) < config->p ? 0.0f : config->scale;
}

static void forward_chunk(void *context, size_t chunk, int worker) {
    (void)worker;
    const ps_layer_call *call = context;
    size_t first, end;
    split(call, chunk, &first, &end);
    for (size_t i = first; i < end; i++) call->y[i] = call->x[0][i] * factor(call, i);
}

static void backward_chunk(void *context, size_t chunk, int worker) {
    (void)worker;
    const ps_layer_call *call = context;
    size_t first, end;
    float *dx = call->dx[0];
    split(call, chunk, &first, &end);
    if (call->accumulate[0])
        for (size_t i = first; i < end; i++) dx[i] += call->dy[i] * factor(call, i);
    else
        for (size_t i = first; i < end; i++) dx[i] = call->dy[i] * factor(call, i);
}

static void dropout_forward(const ps_layer_call *call) {
    size_t count = ps_shape_elements(call->out_shape);
    if (active(call)) ps_threads_run(call->threads, ps_threads_chunks(count, GRAIN), forward_chunk, (void *)call);
    else if (call->y != call->x[0]) ps_vector_copy(call->x[0], count, call->y, call->threads);
}

static void dropout_backward(const ps_layer_call *call) {
    size_t count = ps_shape_elements(call->out_shape);
    if (call->dx[0] == NULL) return;
    if (active(call)) ps_threads_run(call->threads, ps_threads_chunks(count, GRAIN), backward_chunk, (void *)call);
    else if (call->accumulate[0]) ps_vector_add(call->dx[0], call->dy, count, call->dx[0], call->threads);
    else if (call->dx[0] != call->dy) ps_vector_copy(call->dy, count, call->dx[0], call->threads);
}

static const char *const dropout_samples[] = {"{\"inputs\": [[3, 5, 1, 4, 3]], \"attributes\": {}}",
                                              "{\"inputs\": [[2, 3, 2, 3, 2]], \"attributes\": {\"p\": 0.2}}",
                                              "{\"inputs\": [[2, 3, 1, 1, 1]], \"attributes\": {\"p\": 0}}",
                                              "{\"inputs\": [[2, 3, 1, 1, 1]], \"attributes\": {\"p\": 1}}", NULL};

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
    .forward = dropout_forward,
    .backward = dropout_backward,
    .rounding = ps_rounding_hand_on,
    .carries_bounds = true,
    .tangent_forward = ps_tangent_linear_forward,
    .tangent_backward = ps_tangent_linear_backward,
    .samples = dropout_samples,
};
