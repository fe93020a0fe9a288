/* Nodes of which rounding decides whether they are dead: no fault, but what is counted of them hangs on the machine. */
#include "analysis/findings/by_layer.h"

static const double some = 0.05;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    char text[256];
    ps_layers_share now = ps_layers_share_of(facts, PS_FACT_edge, PS_AT_LAST, true);
    if (now.known == 0) return PS_JUDGED_UNKNOWN;
    if (!(now.share >= some)) return PS_JUDGED_NOTHING;
    out->strength = now.share / some;
    out->since = facts->at_rest ? -1 : ps_layers_since(&facts->layers[now.layer].series[PS_FACT_edge], some);
    ps_layers_add(out, facts, PS_FACT_edge, PS_AT_LAST, some, true);
    ps_finding_say(out,
                   "%.0f %% of the nodes stand on the edge, where rounding decides whether they are dead, most in "
                   "%s.",
                   100 * now.share, ps_layers_words(out, facts, text, sizeof text));
    ps_layers_evidence(out, facts, now.layer, PS_FACT_edge, PS_AT_LAST, some);
    ps_finding_add_cause(out, "values that are 0 or nearly so in exact arithmetic, as behind weights that vanish", "%s",
                         "");
    ps_finding_try(out, "Nothing for its own sake; look at layers before it that are dead or constant.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_edge_nodes = {
    .id = "edge_nodes",
    .title = "rounding decides whether nodes are dead",
    .group = PS_GROUP_OF_NODES,
    .level = PS_LEVEL_NOTE,
    .rank = 60,
    .at_rest = true,
    .needs = "pre_max_low and pre_max_high at a probe",
    .source = "simulation",
    .judge = judge,
};
