/* How many are dead, by the two populations that are told apart everywhere under these names: nodes with a gate of
 * their own, whose weights alone decide what enters it, and all gates' channels, those behind sums among them. A share
 * is of the channels whose state is known or on the edge. */
#ifndef PS_TRACE_DEAD_SHARES_H
#define PS_TRACE_DEAD_SHARES_H

#include <stdbool.h>

#define PS_DEAD_OWN "nodes with a gate of their own"
#define PS_DEAD_ALL "all gates' channels"

/* NaN: not measured, there is none that can be dead, or outputs are not finite (blown). edge: of the nodes with a gate
 * of their own, those on the edge, neither dead nor alive. */
typedef struct {
    double own, all, edge;
    bool blown;
} ps_dead_shares;

#endif
