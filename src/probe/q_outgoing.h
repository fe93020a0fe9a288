/* Walking the weights that read a node. */
#ifndef PS_PROBE_Q_OUTGOING_H
#define PS_PROBE_Q_OUTGOING_H

#include "probe/quantity.h"

typedef double ps_weight_at(const void *context, size_t at); /* at: index into the weight's memory */

/* Adds, to squares[channel] of the layer's unit, value^2 over the reader's weights that read the channel. */
void ps_outgoing_add_squares(const ps_probe_layer *layer, const ps_unit_reader *reader, ps_weight_at *value,
                             const void *context, double *squares);

/* Of heads: adds, to squares[head], value^2 over the head's columns of what lies as "proj.weight" does. */
void ps_head_squares(const ps_probe_layer *layer, const float *values, double *squares);

#endif
