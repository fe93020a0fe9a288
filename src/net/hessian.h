/* Hessian-vector products of the training loss (without the decay term), exact up to rounding: forward-mode
 * differentiation of the gradient (Pearlmutter 1994), layer by layer (layers/layer.h: ps_layer_tangent). Where a gate
 * or a maximum switches, the loss has no second derivative; as in PyTorch's double backward, the switch itself is left
 * out.
 *
 * Runs on the network written out (modules expanded, nothing fused) with arrays of its own and no reuse of memory:
 * about six times the memory of the activations of one batch. Vectors are the learned parameters one behind the other,
 * in the order of the net's parameters. */
#ifndef PS_NET_HESSIAN_H
#define PS_NET_HESSIAN_H

#include "net/net.h"

typedef struct ps_hessian ps_hessian;

/* Fixed batches the loss is averaged over: fills x [batch][d][h][w][c] and label; all rows count. loss must have a
 * tangent. */
typedef struct {
    void *self;
    int batches;
    ps_status (*batch)(void *self, int index, float *x, int32_t *label);
    const ps_loss_function *loss;
} ps_hessian_source;

/* graph: as the user gave it (unfused), of the net whose weights are used (borrowed; as they are at each call). mode:
 * PS_MODE_PROBE (batch statistics) or PS_MODE_EVAL (running statistics). */
ps_status ps_hessian_create(const ps_graph *graph, ps_net *net, ps_mode mode, const ps_hessian_source *source,
                            ps_hessian **out);
void ps_hessian_destroy(ps_hessian *hessian);

/* Number of learned values; where parameter `param` of the net begins in a vector. */
size_t ps_hessian_dimension(const ps_hessian *hessian);
size_t ps_hessian_offset(const ps_hessian *hessian, int param);

/* product = H direction, both [dimension]. gradient [dimension] (NULL: not wanted); *loss (NULL: not wanted): mean over
 * the batches. */
ps_status ps_hessian_product(ps_hessian *hessian, const float *direction, float *product, float *gradient,
                             double *loss);

#endif
