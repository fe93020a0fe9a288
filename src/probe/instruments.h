/* Declares every instrument and quantity of trace/quantity_list.def, for the .c files that define them. */
#ifndef PS_PROBE_INSTRUMENTS_H
#define PS_PROBE_INSTRUMENTS_H

#include "probe/quantity.h"

#define PS_TRACE_STEP_QUANTITY(...)
#define PS_TRACE_QUANTITY(name, unit, per, record, range, known, joined, instrument, description, more) \
    bool ps_quantity_##name(const ps_probe_layer *layer, const double *state, double *out);             \
    extern const ps_instrument ps_instrument_##instrument;
#include "trace/quantity_list.def"
#undef PS_TRACE_QUANTITY
#undef PS_TRACE_STEP_QUANTITY

/* The L2 norm of every row of a parameter, the incoming weights of one node each; always true. q_weights.c. */
bool ps_probe_row_norms(const ps_probe_layer *layer, int param, double *out);

#endif
