#include "layers/norm_end.h"

#include <math.h>

#include "core/json.h"
#include "kernels/norm.h"
#include "kernels/pointwise.h"
#include "layers/list.h"
#include "layers/rectifier.h"

const char *const ps_norm_end_activations[] = {
#define ACTIVATION(name, word) word,
    PS_ACTIVATIONS(ACTIVATION)
#undef ACTIVATION
        NULL};

ps_status ps_norm_end_complete(void *config_, const char *where) {
    (void)where;
    ps_norm_end *config = config_;
    config->slope = config->activation == PS_ACT_LEAKY_RELU ? (float)config->given_slope : 0.0f;
    return PS_OK;
}

bool ps_norm_end_gate(const void *config_, ps_gate *gate) {
    const ps_norm_end *config = config_;
    bool straight = config->slope != 0;
    *gate = (ps_gate){.activation = straight ? "leaky_relu" : "relu",
                      .rectifies = !straight,
                      .keeps_zero = true,
                      .slope = config->slope,
                      .ceiling = INFINITY};
    return config->activation != PS_ACT_NONE;
}

void ps_norm_end_flat(const ps_layer_call *call, const float *v, double *count) {
    ps_flat_below_zero(v, call->out_shape, &((const ps_norm_end *)call->config)->slope, 0, count);
}

bool ps_norm_end_merges(const ps_layer_type *gate) { return gate == &ps_layer_relu || gate == &ps_layer_leaky_relu; }

/* The slope goes through the text of the gate's own attribute where it has one, so that not even a rounding differs. */
cJSON *ps_norm_end_merged(const cJSON *own, const ps_layer_type *gate, const void *gate_config,
                          const cJSON *gate_attributes) {
    ps_gate found;
    gate->gate(gate_config, &found);
    cJSON *merged;
    if (ps_json_copy(own, &merged) != PS_OK || merged == NULL) return NULL;
    cJSON_DeleteItemFromObjectCaseSensitive(merged, "activation");
    cJSON_DeleteItemFromObjectCaseSensitive(merged, "slope");
    const cJSON *slope = cJSON_GetObjectItemCaseSensitive(gate_attributes, "slope");
    bool whole = cJSON_AddStringToObject(merged, "activation", gate->name) != NULL;
    if (gate == &ps_layer_leaky_relu)
        whole = whole && cJSON_AddNumberToObject(merged, "slope",
                                                 slope != NULL ? slope->valuedouble : (double)found.slope) != NULL;
    if (whole) return merged;
    cJSON_Delete(merged);
    return NULL;
}

const char *ps_norm_end_tangent_refuse(const void *config_) {
    const ps_norm_end *config = config_;
    return config->activation == PS_ACT_NONE
               ? NULL
               : "products run on the network before normalisation and activation are fused";
}

void ps_norm_end_backward_residual(const ps_layer_call *call) {
    const ps_norm_end *config = call->config;
    size_t count = ps_shape_elements(call->out_shape);
    if (config->activation != PS_ACT_NONE)
        ps_activation_backward(call->y, call->dy, call->out_shape, config->slope, call->dx[1], call->accumulate[1],
                               NULL, call->workspace, call->threads);
    else if (call->accumulate[1]) ps_vector_add(call->dx[1], call->dy, count, call->dx[1], call->threads);
    else ps_vector_copy(call->dy, count, call->dx[1], call->threads);
}
