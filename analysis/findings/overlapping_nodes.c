/* Nodes that are not copies of each other, and yet do the same or what others do together: their incoming weights
 * point one way, or are a sum of other nodes' (overlap and linear dependence, Orhan and Pitkow 2018, Skip connections
 * eliminate singularities). It needs the weights themselves, which no trace holds: of a run its checkpoint is asked. */
#include "analysis/findings/by_layer.h"

static const double some = 0.25, most = 0.9;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    char text[256];
    ps_layers_share now = ps_layers_share_of(facts, PS_FACT_overlapping, PS_AT_LAST, true),
                    twins = ps_layers_share_of(facts, PS_FACT_alike, PS_AT_LAST, true);
    if (now.known == 0) return PS_JUDGED_UNKNOWN;
    if (!(now.largest >= some) || twins.largest >= now.largest) return PS_JUDGED_NOTHING; /* twins are named as such */
    out->level = now.share >= most ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->strength = now.largest / some;
    ps_layers_add(out, facts, PS_FACT_overlapping, PS_AT_LAST, some, true);
    ps_finding_say(
        out,
        "Nodes of %s do what others do (%.0f %% of all nodes: their weights point where another's do, or are "
        "a sum of others').",
        ps_layers_words(out, facts, text, sizeof text), 100 * now.share);
    ps_layers_evidence(out, facts, now.layer, PS_FACT_overlapping, PS_AT_LAST, some);
    ps_finding_add_cause(out, "weights that were copied, tied, or grown from a smaller network", "%s", "");
    ps_finding_add_cause(out, "weight decay that left few directions", "%s", "");
    ps_finding_try(out, "See `poolscope ranks` on the checkpoint: it names the nodes. A narrower layer would do.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_overlapping_nodes = {
    .id = "overlapping_nodes",
    .title = "nodes do what others do",
    .group = PS_GROUP_OF_NODES,
    .level = PS_LEVEL_SERIOUS,
    .rank = 36,
    .at_rest = true,
    .needs = "incoming weights of a checkpoint (no trace holds them)",
    .source = "Orhan and Pitkow 2018: cosine 0.999, a residual of 0.001; shares by simulation",
    .judge = judge,
};
