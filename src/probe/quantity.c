#include "probe/instruments.h"

#include <string.h>

static const ps_quantity quantities[] = {
#define PS_STEP_QUANTITY(name, unit, description) {#name, unit, description, PS_PER_STEP, PS_RECORD_STEP, NULL, NULL},
#define PS_QUANTITY(name, unit, per, record, instrument, description) \
    {#name, unit, description, PS_PER_##per, PS_RECORD_##record, &ps_instrument_##instrument, ps_quantity_##name},
#include "probe/quantity_list.def"
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
