/* The common body of ReLU and leaky ReLU, y = x > 0 ? x : slope x on [n][d][h][w][c]: their slope is what their `gate`
 * says. Backward reads the sign of y, so slope >= 0; the derivative at 0 is the slope. */
#ifndef PS_LAYERS_RECTIFIER_H
#define PS_LAYERS_RECTIFIER_H

#include "layers/layer.h"

ps_status ps_rectifier_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads, void **plan,
                            ps_layer_sizes *sizes);
void ps_rectifier_forward(const ps_layer_call *call);
void ps_rectifier_backward(const ps_layer_call *call);
void ps_rectifier_tangent_forward(const ps_layer_call *call, const ps_layer_tangent *tangent);

/* Adds to count[c] the values v that are not above 0, where the slope is flat: slope[c], or with step 0 one for all
 * channels. */
void ps_flat_below_zero(const float *v, ps_shape shape, const float *slope, size_t step, double *count);

#endif
