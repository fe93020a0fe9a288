/* Re-initialising dead nodes, the plainest cure of all: every so many windows, each node with a gate of its own that is
 * exactly dead on the probe set is drawn anew. A mechanism arm: what it achieves, a module that revives dead nodes must
 * surpass. A node is its incoming weights and bias and its normalisation's scale and shift; all start again as the
 * scheme says, and what the optimiser remembers of them is forgotten. What reads the node stays as it is. Drawn per
 * (seed, parameter name, window): a resumed run does the same. */
#ifndef PS_PROBE_REINIT_H
#define PS_PROBE_REINIT_H

#include "net/optimiser.h"
#include "probe/probe.h"

typedef struct ps_reinit ps_reinit;

/* All borrowed; they outlive it. */
typedef struct {
    ps_net *net;
    ps_optimiser *optimiser;
    const char *scheme; /* as in ps_net_init */
    uint64_t seed;
    ps_probe_source source;
    ps_trace_writer *trace;
} ps_reinit_options;

ps_status ps_reinit_create(const ps_reinit_options *options, ps_reinit **out);
void ps_reinit_destroy(ps_reinit *reinit);
/* Between windows: finds the dead nodes, draws them anew and records one `reinitialised` event per layer that has any.
 * window: the one that has ended; step: how many steps are done. *count: nodes drawn anew (may be NULL). */
ps_status ps_reinit_run(ps_reinit *reinit, uint64_t window, uint64_t step, int *count);

#endif
