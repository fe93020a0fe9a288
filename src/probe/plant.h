/* Planting: makes nodes dead on purpose, in the weights of a network at rest, so that what the instruments say can be
 * checked against a known truth.
 *
 * Text: "share=0.25,cause=bias,seed=1,layers=*,value=-4"; several plantings are separated by ';'. Keys:
 *   share   part of the nodes of each chosen layer (0.25), rounded
 *   count   instead of share: that many nodes of each chosen layer; one that has fewer is an error
 *   cause   bias         the bias, or the normalisation's beta, is set to `value`
 *           weights-in   incoming weights zero, bias and beta not above zero: the gate is shut
 *           weights-out  all weights that read the node are zero: it may be active, and nothing hears it
 *           gamma        gamma zero, beta not above zero; of a layer norm right before the gate, too
 *           ceiling      the bias, or beta, is set to the activation's ceiling and the size of `value` above it: not
 *                        dead, but stuck there
 *           upstream     one layer, all of whose nodes find nothing but dead inputs: all nodes it reads get `value`
 *                        (cause bias), its own bias and beta are not above zero; so it goes on with every layer that
 *                        then has only dead inputs
 *           overlap      incoming weights and bias point the way of another node's, at the angle whose tangent is
 *                        `noise`: the length stays
 *           dependent    incoming weights and bias are a combination of three other nodes', plus `noise` of their
 *                        length at right angles to it
 *           near-miss    bias or beta is shifted until one image of the probe set is active: not dead
 *           several joined by '+' are dealt out in turn
 *   seed    which nodes (0)
 *   layers  pattern of layer names (*); layers that cannot take a cause are passed over
 *   value   of bias, ceiling and upstream (-4)
 *   noise   of overlap and dependent (0)
 * A node is planted once. Which ones depends on seed and layer name alone, so arms of an experiment get the same. Pool
 * Skip mixes channels behind the bias: where one stands between, only beta shuts a gate for good. */
#ifndef PS_PROBE_PLANT_H
#define PS_PROBE_PLANT_H

#include "net/net.h"
#include "probe/probe.h"

typedef struct {
    const char *layer; /* borrowed from the net's units */
    const char *cause; /* static */
    int *channel;      /* ascending; owned by the list */
    int channels;
    int partners; /* other nodes that each one is made of: 1 for overlap, 3 for dependent, else 0 */
    /* [channels][partners], none of them planted or used twice; owned by the list; NULL without partners */
    int *partner;
    double noise; /* of overlap and dependent */
    uint64_t seed;
} ps_planting;

typedef struct {
    ps_planting *planting;
    int count;
    size_t capacity;
} ps_planting_list;

/* Changes the net's parameters. source: probe batches, needed for near-miss only (else NULL). Nothing chosen is an
 * error. */
ps_status ps_plant(ps_net *net, const char *text, const ps_probe_source *source, ps_planting_list *out);
void ps_planting_list_clear(ps_planting_list *list);

#endif
