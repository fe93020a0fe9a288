/* Nodes that answer to less than 1 % of what they see: what they learn they learn from a few images. */
#include "analysis/findings/by_layer.h"

static const double some = 0.2, many = 0.5;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    char text[256];
    ps_layers_share now = ps_layers_share_of(facts, PS_FACT_near_dead, PS_AT_LAST, true);
    if (now.known == 0) return PS_JUDGED_UNKNOWN;
    if (!(now.share >= some)) return PS_JUDGED_NOTHING;
    out->level = now.share >= many ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->strength = now.share / some;
    out->since = facts->at_rest ? -1 : ps_layers_since(&facts->layers[now.layer].series[PS_FACT_near_dead], some);
    ps_layers_add(out, facts, PS_FACT_near_dead, PS_AT_LAST, some, true);
    ps_finding_say(out, "%.0f %% of the nodes are near-dead, open on less than 1 %% of the probe set, most in %s.",
                   100 * now.share, ps_layers_words(out, facts, text, sizeof text));
    ps_layers_evidence(out, facts, now.layer, PS_FACT_near_dead, PS_AT_LAST, some);
    ps_layers_evidence(out, facts, now.layer, PS_FACT_dead, PS_AT_LAST, ps_absent());
    ps_layers_add_causes(out, facts, now.layer, out->since);
    ps_finding_try(out, "A lower learning rate or warm-up before they die; biases and shifts at or above 0.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_near_dead = {
    .id = "near_dead",
    .title = "many nodes are near-dead",
    .group = PS_GROUP_OF_NODES,
    .level = PS_LEVEL_SERIOUS,
    .rank = 35,
    .at_rest = true,
    .needs = "nonzero at a probe",
    .source = "simulation",
    .judge = judge,
};
