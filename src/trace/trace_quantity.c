#include "trace/trace_quantity.h"

#include <string.h>

enum { ALWAYS = false, RECTIFIED = true };

const ps_trace_quantity_line ps_trace_quantities[PS_Q_COUNT] = {
#define PS_TRACE_STEP_QUANTITY(...)
#define PS_TRACE_QUANTITY(name, unit, per, record, range, known, joined, instrument, description, more) \
    {#name,                                                                                             \
     unit,                                                                                              \
     description,                                                                                       \
     more,                                                                                              \
     sizeof #name - 1,                                                                                  \
     PS_PER_##per,                                                                                      \
     PS_RECORD_##record,                                                                                \
     PS_RANGE_##range,                                                                                  \
     known,                                                                                             \
     PS_JOIN_##joined},
#include "trace/quantity_list.def"
#undef PS_TRACE_QUANTITY
#undef PS_TRACE_STEP_QUANTITY
};

const ps_trace_quantity_line ps_trace_step_quantities[PS_STEP_COUNT] = {
#define PS_TRACE_QUANTITY(...)
#define PS_TRACE_STEP_QUANTITY(name, unit, range, description)                \
    {#name,       unit,           description,      "",     sizeof #name - 1, \
     PS_PER_STEP, PS_RECORD_STEP, PS_RANGE_##range, ALWAYS, PS_JOIN_NOT},
#include "trace/quantity_list.def"
#undef PS_TRACE_STEP_QUANTITY
#undef PS_TRACE_QUANTITY
};

const ps_trace_quantity_line *ps_trace_quantity_find(const char *name) {
    for (int q = 0; q < PS_Q_COUNT; q++)
        if (strcmp(ps_trace_quantities[q].name, name) == 0) return &ps_trace_quantities[q];
    for (int q = 0; q < PS_STEP_COUNT; q++)
        if (strcmp(ps_trace_step_quantities[q].name, name) == 0) return &ps_trace_step_quantities[q];
    return NULL;
}
