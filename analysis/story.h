/* One node over a whole run: what it was at each probe and why, by the rules of causes.h, and what moved it in each
 * window. */
#ifndef PS_ANALYSIS_STORY_H
#define PS_ANALYSIS_STORY_H

#include "analysis/causes.h"

/* A window or a probe; of a window condition and cause are those of the probe before it. frame's values are those of
 * all nodes. */
typedef struct {
    const ps_frame *frame;
    ps_cause_evidence evidence;
    ps_condition condition;
    ps_cause cause;
} ps_node_moment;

/* Hands out every moment in the order of the trace. */
typedef ps_status ps_story_visitor(void *self, const ps_node_moment *moment);
ps_status ps_node_story(ps_run *run, int node, ps_story_visitor *visit, void *self);

#endif
