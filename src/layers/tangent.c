#include "layers/tangent.h"

#include <string.h>

#include "kernels/pointwise.h"

void ps_tangent_linear_forward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    ps_layer_call moved = *call;
    moved.x = tangent->x;
    moved.y = tangent->y;
    moved.param = tangent->param;
    call->type->forward(&moved);
}

void ps_tangent_linear_backward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    ps_layer_call moved = *call;
    moved.dy = tangent->dy;
    moved.dx = tangent->dx;
    moved.grad = tangent->grad;
    call->type->backward(&moved);
}

static size_t bias_count(const ps_layer_call *call) { return call->param[1] != NULL ? (size_t)call->out_shape.c : 0; }

void ps_tangent_bilinear_forward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    ps_layer_call moved = *call;
    float *by_weights = tangent->scratch[0], *no_bias = tangent->scratch[1];
    moved.param = tangent->param;
    moved.y = by_weights;
    call->type->forward(&moved);
    memset(no_bias, 0, bias_count(call) * sizeof *no_bias);
    float *const param[PS_LAYER_MAX_PARAMS] = {call->param[0], call->param[1] != NULL ? no_bias : NULL};
    moved = *call;
    moved.param = param;
    moved.x = tangent->x;
    moved.y = tangent->y;
    call->type->forward(&moved);
    ps_vector_add(tangent->y, by_weights, ps_shape_elements(call->out_shape), tangent->y, call->threads);
}

void ps_tangent_bilinear_backward(const ps_layer_call *call, const ps_layer_tangent *tangent) {
    static const bool add[PS_LAYER_MAX_INPUTS] = {true};
    static float *const no_dx[PS_LAYER_MAX_INPUTS] = {NULL};
    ps_layer_call moved = *call;
    /* x, dot dy: dot dw's second part, the bias's gradient, and dx's first part. */
    moved.dy = tangent->dy;
    moved.dx = tangent->dx;
    moved.grad = tangent->grad;
    call->type->backward(&moved);
    /* dot x, dy: dw's other part (what it says of the bias has no place here). */
    float *const aside[PS_LAYER_MAX_PARAMS] = {tangent->scratch[0],
                                               call->param[1] != NULL ? tangent->scratch[1] : NULL};
    moved = *call;
    moved.x = tangent->x;
    moved.dx = no_dx;
    moved.grad = aside;
    call->type->backward(&moved);
    size_t weights = call->param_count[0];
    ps_vector_add(tangent->grad[0], aside[0], weights, tangent->grad[0], call->threads);
    if (tangent->dx[0] == NULL) return;
    /* dy through dot w, added to dx. */
    moved = *call;
    moved.param = tangent->param;
    moved.dx = tangent->dx;
    moved.accumulate = add;
    moved.grad = aside;
    call->type->backward(&moved);
}
