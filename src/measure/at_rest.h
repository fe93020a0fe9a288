/* What the rules of findings look at (analysis/findings/facts.h) of a network at rest: a checkpoint, or plain weights
 * with the network named, and data to look with. No training step is made: one look at the probe set with the
 * statistics of the batch and with running ones, and the gradient of one training batch. */
#ifndef PS_MEASURE_AT_REST_H
#define PS_MEASURE_AT_REST_H

#include "analysis/findings/facts.h"
#include "run/session.h"

/* target: the path, for sentences. Weights and running statistics are what they were afterwards. *facts is cleared by
 * the caller, on failure too. */
ps_status ps_facts_at_rest(ps_checkpoint_session *checkpoint, const char *target, ps_facts *facts);

#endif
