#include "layers/rectifier.h"

#include <math.h>

#include "kernels/pointwise.h"
#include "layers/rounding.h"

ps_status ps_rectifier_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads, void **plan,
                            ps_layer_sizes *sizes) {
    (void)config, (void)in, (void)inputs, (void)threads;
    *plan = NULL;
    size_t forward = ps_pointwise_workspace_bytes(out), edges = ps_rounding_entry_bytes(out);
    *sizes = (ps_layer_sizes){.workspace_bytes = forward > edges ? forward : edges};
    return PS_OK;
}

static float slope_of(const ps_layer_call *call) {
    ps_gate gate;
    call->type->gate(call->config, &gate);
    return gate.slope;
}

void ps_rectifier_forward(const ps_layer_call *call) {
    ps_activation_forward(call->x[0], call->out_shape, slope_of(call), call->y, call->sums[PS_SUM_ZEROS],
                          call->workspace, call->threads);
}

void ps_rectifier_backward(const ps_layer_call *call) {
    if (call->dx[0] == NULL) return;
    ps_activation_backward(call->y, call->dy, call->out_shape, slope_of(call), call->dx[0], call->accumulate[0],
                           call->sums[PS_SUM_INPUT_GRAD_SQUARES], call->workspace, call->threads);
}

/* The mask is fixed: a tangent passes where the output did. */
void ps_rectifier_tangent_forward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    ps_activation_backward(call->y, tangent->x[0], call->out_shape, slope_of(call), tangent->y, false, NULL,
                           call->workspace, call->threads);
}

void ps_flat_below_zero(const float *v, ps_shape shape, const float *slope, size_t step, double *count) {
    size_t c = (size_t)shape.c, all = ps_shape_elements(shape);
    for (size_t k = 0; k < c; k++) {
        if (!(fabsf(slope[k * step]) < PS_GATE_FLAT)) continue;
        for (size_t i = k; i < all; i += c) count[k] += v[i] <= 0;
    }
}
