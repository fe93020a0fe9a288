/* Walking the weights that read a node. */
#ifndef PS_PROBE_Q_OUTGOING_H
#define PS_PROBE_Q_OUTGOING_H

#include "probe/quantity.h"

/* Adds, to squares[channel] of the layer's unit, value^2 over the reader's weights that read the channel; values lie as
 * its weights do. */
void ps_outgoing_add_squares(const ps_probe_layer *layer, const ps_unit_reader *reader, const float *values,
                             double *squares);

/* Of heads: adds, to squares[head], value^2 over the head's columns of what lies as "proj.weight" does. */
void ps_head_squares(const ps_probe_layer *layer, const float *values, double *squares);

#endif
