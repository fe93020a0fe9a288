/* What a node is at a probe, by what probe records hold of it (FORMAT.md): one rule for all that judge it. */
#ifndef PS_TRACE_NODE_STATE_H
#define PS_TRACE_NODE_STATE_H

#include <math.h>

typedef enum {
    PS_NODE_ALIVE,
    PS_NODE_DEAD, /* no rounding lets anything above 0 enter its gate; without bounds: no output differs from 0 */
    PS_NODE_EDGE  /* one rounding does and another does not: neither dead nor alive */
} ps_node_state;

/* low, high: pre_max_low and pre_max_high, NaN where they were not recorded. */
static inline ps_node_state ps_node_state_of(double nonzero, double low, double high) {
    if (isnan(low) || isnan(high)) return nonzero == 0 ? PS_NODE_DEAD : PS_NODE_ALIVE;
    return high <= 0 ? PS_NODE_DEAD : low > 0 ? PS_NODE_ALIVE : PS_NODE_EDGE;
}

#endif
