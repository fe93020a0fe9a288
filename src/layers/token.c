/* One position of a map as a vector: y [n][c] = x [n][index][c], positions counted in scan order. */
#include <string.h>

#include "layers/attributes.h"
#include "layers/list.h"
#include "layers/rounding.h"
#include "layers/tangent.h"

typedef struct {
    int index;
} token_config;

static const ps_attribute token_attributes[] = {{"index", PS_ATTRIBUTE_INT, offsetof(token_config, index), "0", 0,
                                                 1 << 24, NULL, "which position, counted from 0 in scan order"},
                                                {0}};

static ps_status token_infer(const void *config_, const ps_layer_input *in, int inputs, const char *where,
                             ps_shape *out) {
    (void)inputs;
    const token_config *config = config_;
    ps_shape x = in[0].shape;
    int positions = x.d * x.h * x.w;
    if (config->index >= positions)
        return ps_fail(PS_ERR_INPUT, "%s: \"index\" is %d, but the input has %d position%s, counted from 0", where,
                       config->index, positions, positions == 1 ? "" : "s");
    *out = (ps_shape){x.n, x.c, 1, 1, 1};
    return PS_OK;
}

static void token_forward(const ps_layer_call *call) {
    const token_config *config = call->config;
    size_t c = (size_t)call->out_shape.c, image = ps_shape_elements(ps_shape_with_batch(call->in_shape[0], 1));
    const float *x = call->x[0] + (size_t)config->index * c;
    for (size_t i = 0; i < (size_t)call->out_shape.n; i++) memcpy(call->y + i * c, x + i * image, c * sizeof *x);
}

static void backward_image(void *context, size_t image, int worker) {
    (void)worker;
    const ps_layer_call *call = context;
    const token_config *config = call->config;
    size_t c = (size_t)call->out_shape.c, count = ps_shape_elements(ps_shape_with_batch(call->in_shape[0], 1));
    const float *dy = call->dy + image * c;
    float *dx = call->dx[0] + image * count, *at = dx + (size_t)config->index * c;
    if (!call->accumulate[0]) memset(dx, 0, count * sizeof *dx);
    for (size_t j = 0; j < c; j++) at[j] += dy[j];
}

static void token_backward(const ps_layer_call *call) {
    if (call->dx[0] != NULL) ps_threads_run(call->threads, (size_t)call->out_shape.n, backward_image, (void *)call);
}

static const char *const token_samples[] = {"{\"inputs\": [[3, 5, 1, 4, 3]], \"attributes\": {}}",
                                            "{\"inputs\": [[2, 3, 2, 3, 2]], \"attributes\": {\"index\": 7}}",
                                            "{\"inputs\": [[2, 3, 1, 1, 1]], \"attributes\": {\"index\": 0}}", NULL};

const ps_layer_type ps_layer_token = {
    .name = "token",
    .summary = "one position of a map, as a vector",
    .attributes = token_attributes,
    .config_bytes = sizeof(token_config),
    .role = PS_ROLE_HANDS_ON,
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = token_infer,
    .forward = token_forward,
    .backward = token_backward,
    .rounding = ps_rounding_hand_on,
    .carries_bounds = true,
    .tangent_forward = ps_tangent_linear_forward,
    .tangent_backward = ps_tangent_linear_backward,
    .samples = token_samples,
};
