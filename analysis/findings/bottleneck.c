/* A layer that so few live nodes are left of that it cannot hand on what the classes need: the logits of c classes want
 * c - 1 directions, and no layer behind it has more than it has live nodes (times positions, in a convolution). */
#include "analysis/findings/by_layer.h"

static const double share_left = 0.25;

/* Live nodes left of a layer at the end; below 0: not known. */
static double left(const ps_layer_facts *layer) {
    double share = ps_fact_last(&layer->series[PS_FACT_rank_share]);
    return share >= 0 ? share * layer->nodes : -1;
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    int known = 0, narrowest = -1, classes = facts->data.classes;
    char text[256];
    for (int l = 0; l < facts->layer_count; l++) {
        const ps_layer_facts *layer = &facts->layers[l];
        double nodes = left(layer);
        if (nodes < 0) continue;
        known++;
        if (nodes < 0.5 || nodes > share_left * layer->nodes) continue; /* none at all is a dead layer */
        ps_finding_add_layer(out, l);
        if (narrowest < 0 || nodes < left(&facts->layers[narrowest])) narrowest = l;
    }
    if (known == 0) return PS_JUDGED_UNKNOWN;
    if (narrowest < 0) return PS_JUDGED_NOTHING;
    const ps_layer_facts *layer = &facts->layers[narrowest];
    double nodes = left(layer), wanted = classes > 1 ? classes - 1 : 0;
    out->level = nodes < wanted || nodes < 2.5 ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->strength = share_left * layer->nodes / nodes;
    out->since = facts->at_rest ? -1 : ps_layers_since(&layer->series[PS_FACT_dead], 1 - share_left);
    ps_finding_say(out,
                   "Of %d nodes of %s %.0f are left that say something of the input (%s): what lies behind has no "
                   "more to work with.",
                   layer->nodes, layer->name, nodes, ps_layers_words(out, facts, text, sizeof text));
    ps_layers_evidence(out, facts, narrowest, PS_FACT_rank_share, PS_AT_LAST, share_left);
    ps_layers_evidence(out, facts, narrowest, PS_FACT_dead, PS_AT_LAST, ps_absent());
    ps_layers_evidence(out, facts, narrowest, PS_FACT_constant, PS_AT_LAST, ps_absent());
    ps_layers_add_causes(out, facts, narrowest, out->since);
    ps_finding_try(out, "See why its nodes died (dead_nodes); `poolscope ranks` says which of the rest overlap.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_bottleneck = {
    .id = "bottleneck",
    .title = "a layer has few live nodes left",
    .group = PS_GROUP_OF_NODES,
    .level = PS_LEVEL_SERIOUS,
    .rank = 33,
    .at_rest = true,
    .needs = "nonzero at a probe",
    .source = "rank: c classes want c - 1 directions; the share by simulation",
    .judge = judge,
};
