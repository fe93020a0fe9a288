/* What is recorded: the --record option. Comma-separated items, read from left to right:
 *   all | none            every quantity, or none
 *   PATTERN               quantities whose names match (* and ?): "zeros", "path*"
 *   -PATTERN              takes matching quantities out again (first item: out of all)
 *   layer:PATTERN         only layers whose names match (several add up): "layer:conv4*"
 *   -layer:PATTERN        takes matching layers out
 * Without a quantity item all are recorded; without a layer item all layers are. A pattern that matches nothing is an
 * error. */
#ifndef PS_PROBE_RECORD_H
#define PS_PROBE_RECORD_H

#include <stdbool.h>

#include "core/status.h"
#include "graph/units.h"

/* quantity[count of ps_quantities], layer[units->count]; NULL or "" is "all". units may be NULL (layer items are then
 * only read). */
ps_status ps_record_parse(const char *text, const ps_units *units, bool *quantity, bool *layer);

#endif
