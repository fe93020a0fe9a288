/* Nodes of a layer that are copies of each other: a start at one constant makes them, and neither a convolution nor the
 * gradient ever tells them apart, so that the layer has the rank of one node (Goodfellow et al. 2016, Deep Learning,
 * 8.4: the start must break the symmetry). */
#include "analysis/findings/by_layer.h"

static const double some = 0.25, most = 0.9;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    char text[256];
    ps_layers_share now = ps_layers_share_of(facts, PS_FACT_alike, PS_AT_LAST, true),
                    then = ps_layers_share_of(facts, PS_FACT_alike, PS_AT_FIRST, true);
    if (now.known == 0) return PS_JUDGED_UNKNOWN;
    /* Twins that have died or run out of range since were twins all the same. */
    bool from_start = then.share >= now.share;
    ps_layers_when when = from_start ? PS_AT_FIRST : PS_AT_LAST;
    if (from_start) now = then;
    if (!(now.largest >= some)) return PS_JUDGED_NOTHING;
    const ps_fact_series *series = &facts->layers[now.layer].series[PS_FACT_alike];
    out->level = now.share >= most ? PS_LEVEL_CRITICAL : now.largest >= most ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->strength = now.largest / some;
    out->since = facts->at_rest ? -1 : from_start ? series->step[0] : ps_layers_since(series, some);
    ps_layers_add(out, facts, PS_FACT_alike, when, some, true);
    ps_finding_say(out,
                   "Nodes of %s are copies of each other (%.0f %% of all nodes have a twin in weights and outputs): a "
                   "layer of copies is worth one node.",
                   ps_layers_words(out, facts, text, sizeof text), 100 * now.share);
    ps_layers_evidence(out, facts, now.layer, PS_FACT_alike, when, some);
    ps_finding_add_cause(out, "a start at one constant, which no step breaks", "%s",
                         out->since == 0 ? "they are the same at the first probe" : "");
    ps_finding_add_cause(out, "weights that were copied, or tied on purpose", "%s", "");
    ps_finding_try(out, "Draw the weights at random (--init-scheme he or torch); the biases may start at one value.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_twin_nodes = {
    .id = "twin_nodes",
    .title = "nodes are copies of each other",
    .group = PS_GROUP_OF_NODES,
    .level = PS_LEVEL_CRITICAL,
    .rank = 11,
    .at_rest = true,
    .needs = "weight_l2, weight_l1, mean and rms at a probe",
    .source = "equal bit for bit: nodes that started apart are not; shares by simulation",
    .judge = judge,
};
