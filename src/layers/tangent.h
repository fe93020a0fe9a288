/* Tangents of the common kinds of layers, in terms of their own forward and backward. */
#ifndef PS_LAYERS_TANGENT_H
#define PS_LAYERS_TANGENT_H

#include "layers/layer.h"

/* Layers linear in their inputs and parameters together (add, concat, pooling by means, fixed masks, what they learn
 * added): the map itself, applied to tangents. */
void ps_tangent_linear_forward(const ps_layer_call *call, const ps_layer_tangent *tangent);
void ps_tangent_linear_backward(const ps_layer_call *call, const ps_layer_tangent *tangent);

/* Layers bilinear in input 0 and parameter 0, with an added bias as parameter 1 or none (conv, linear):
 *   dot y = F(dot x; w, 0) + F(x; dot w, dot b)        dot dx = Bx(dot dy; w) + Bx(dy; dot w)       dot dw = Bw(dot x,
 *   dy) + Bw(x, dot dy) */
void ps_tangent_bilinear_forward(const ps_layer_call *call, const ps_layer_tangent *tangent);
void ps_tangent_bilinear_backward(const ps_layer_call *call, const ps_layer_tangent *tangent);

#endif
