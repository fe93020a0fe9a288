/* How far rounding may move what the common kinds of layers compute: their `rounding` and `edges` (layer.h). */
#ifndef PS_LAYERS_ROUNDING_H
#define PS_LAYERS_ROUNDING_H

#include "kernels/rounding.h"
#include "layers/layer.h"

/* Layers that hand their inputs on as they are (concat, flattening, fixed masks): the map itself, applied to the
 * bounds. */
void ps_rounding_hand_on(const ps_layer_call *call);
/* Layers of one input whose outputs are means or sums of its elements: the map itself, applied to the bounds and some
 * units of what is added up. Workspace: ps_rounding_means_bytes of the input. */
void ps_rounding_means(const ps_layer_call *call);
size_t ps_rounding_means_bytes(ps_shape in);
/* Activations, elementwise: what enters the gate is the input itself. Workspace: ps_rounding_entry_bytes. The rounding
 * is a rectifier's. */
void ps_rounding_rectifier(const ps_layer_call *call);
void ps_edges_activation(const ps_layer_call *call, int images, ps_layer_edges edges);

#endif
