/* The common body of activations with a curve (kernels/curve.h), elementwise on [n][d][h][w][c]. */
#ifndef PS_LAYERS_CURVED_H
#define PS_LAYERS_CURVED_H

#include "kernels/curve.h"
#include "layers/layer.h"

/* Workspace of the activations of kernels/curve.h, PReLU and what enters a rectifier's edges included. */
ps_status ps_curved_plan(const void *config, const ps_shape *in, int inputs, ps_shape out, int threads, void **plan,
                         ps_layer_sizes *sizes);
/* What the gates have in common: 0 stays 0, no side is straight or cut off. Always true, as a type's gate wants it. */
bool ps_curved_gate(const char *activation, ps_gate *gate);
void ps_curved_forward(const ps_layer_call *call, ps_curve curve);
/* From `from`: x[0], or y where the curve allows it. */
void ps_curved_backward(const ps_layer_call *call, ps_curve curve, const float *from);
void ps_curved_flat(const ps_layer_call *call, ps_curve curve, const float *v, double *count);
/* Of a function that nowhere rises faster than `steepest`: its inputs' bounds, and some units of the output. */
void ps_curved_rounding(const ps_layer_call *call, float steepest);

/* f'(x) and f''(x) in double precision. */
typedef struct {
    double first, second;
} ps_curve_slopes;
typedef ps_curve_slopes (*ps_curve_slopes_of)(double alpha, double x);
void ps_curved_tangent_forward(const ps_layer_call *call, const ps_layer_tangent *tangent, ps_curve_slopes_of slopes,
                               double alpha);
void ps_curved_tangent_backward(const ps_layer_call *call, const ps_layer_tangent *tangent, ps_curve_slopes_of slopes,
                                double alpha);

#endif
