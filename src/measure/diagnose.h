/* Diagnosis of a network at rest: what every node is (of condition_list.def what shows at rest) and why, from one look
 * at the probe set. Inertia needs a window of training and stands in traces only. */
#ifndef PS_MEASURE_DIAGNOSE_H
#define PS_MEASURE_DIAGNOSE_H

#include "analysis/causes.h"
#include "probe/probe.h"

typedef struct {
    const char *layer; /* borrowed from the net */
    int channel;
    double images_active;
    ps_cause_evidence evidence;
    ps_condition condition; /* PS_CONDITION_NONE: nothing wrong */
    ps_cause cause;
} ps_diagnosed_node;

typedef struct {
    ps_diagnosed_node *node; /* every node, layer by layer */
    int count;
} ps_diagnosis;

ps_status ps_diagnose(ps_net *net, const ps_probe_source *source, ps_diagnosis *out);
void ps_diagnosis_clear(ps_diagnosis *diagnosis);
/* How many nodes are in this condition. */
int ps_diagnosis_count(const ps_diagnosis *diagnosis, ps_condition condition);

#endif
