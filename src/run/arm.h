/* What a run's arm is, told by its network: the modules that stand in it and the activation of its gates, whether a
 * named model or a graph of one's own brought them, and whether dead nodes are drawn anew. */
#ifndef PS_RUN_ARM_H
#define PS_RUN_ARM_H

#include "net/net.h"
#include "trace/trace_arm.h"

/* reinit_dead: as the configuration has it. To be asked when the weights are those of step 0. Borrows from the net. */
void ps_run_arm_of(ps_net *net, int reinit_dead, ps_trace_arm *arm);

#endif
