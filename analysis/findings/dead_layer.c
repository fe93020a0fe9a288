/* A whole layer of which no gate opens on any probe image. */
#include "analysis/findings/by_layer.h"

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    char text[256];
    bool stops = false;
    ps_layers_share now = ps_layers_share_of(facts, PS_FACT_dead, PS_AT_LAST, false);
    if (now.known == 0) return PS_JUDGED_UNKNOWN;
    if (ps_layers_add(out, facts, PS_FACT_dead, PS_AT_LAST, 1, false) == 0) return PS_JUDGED_NOTHING;
    for (int i = 0; i < out->layers; i++) stops |= !ps_layers_passed(facts, out->layer[i]);
    int first = out->layer[0];
    out->level = stops ? PS_LEVEL_CRITICAL : PS_LEVEL_SERIOUS;
    out->strength = out->layers;
    out->since = facts->at_rest ? -1 : ps_layers_since(&facts->layers[first].series[PS_FACT_dead], 1);
    if (out->since == 0) out->rank = PS_RANK_START;
    ps_finding_say(out, "All %d nodes of %s are dead%s%s.", facts->layers[first].nodes,
                   ps_layers_words(out, facts, text, sizeof text), out->since == 0 ? " from the start" : "",
                   stops ? ": nothing of the input reaches the output" : "; other paths lead past");
    ps_layers_evidence(out, facts, first, PS_FACT_dead, PS_AT_LAST, 1);
    ps_layers_evidence(out, facts, first, PS_FACT_grad_zero, PS_AT_LAST, 1);
    ps_layers_add_causes(out, facts, first, out->since);
    ps_finding_try(out, "%s",
                   out->since == 0
                       ? "Start anew with other weights and biases at 0; look at the first dead layer."
                       : "Start anew with a tenth of the learning rate, or warm-up; a layer that is dead as "
                         "a whole does not come back by itself.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_dead_layer = {
    .id = "dead_layer",
    .title = "a whole layer is dead",
    .group = PS_GROUP_OF_NODES,
    .level = PS_LEVEL_CRITICAL,
    .rank = 30,
    .at_rest = true,
    .needs = "nonzero at a probe",
    .source = "none: every node of the layer",
    .judge = judge,
};
