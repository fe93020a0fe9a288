#include "probe/instruments.h"

#include <string.h>

static const ps_quantity quantities[] = {
#define PS_TRACE_STEP_QUANTITY(name, unit, range, description) \
    {#name, unit, description, PS_PER_STEP, PS_RECORD_STEP, NULL, NULL},
#define PS_TRACE_QUANTITY(name, unit, per, record, range, known, joined, instrument, description, more) \
    {#name, unit, description, PS_PER_##per, PS_RECORD_##record, &ps_instrument_##instrument, ps_quantity_##name},
#include "trace/quantity_list.def"
#undef PS_TRACE_QUANTITY
#undef PS_TRACE_STEP_QUANTITY
};

const ps_quantity *ps_quantities(int *count) {
    *count = (int)(sizeof quantities / sizeof *quantities);
    return quantities;
}

int ps_quantity_find(const char *name) {
    for (int i = 0; i < (int)(sizeof quantities / sizeof *quantities); i++)
        if (strcmp(quantities[i].name, name) == 0) return i;
    return -1;
}
