/* Nodes that are dead before any training. Of a random start with biases around 0 hardly any is: about half of the
 * values that enter a gate are above 0 (He et al. 2015, 2.2). Nor is a gate that opens for less than a tenth of what it
 * sees of a usual start: after a normalisation its shift lies 1.3 scales below 0. */
#include <math.h>

#include "analysis/findings/by_layer.h"

static const double some = 0.15, many = 0.4, rare = 0.5;

static bool at_start(const ps_facts *facts) {
    for (int l = 0; l < facts->layer_count; l++) {
        const ps_fact_series *dead = &facts->layers[l].series[PS_FACT_dead];
        if (dead->count > 0) return dead->step[0] == 0;
    }
    return false;
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    char text[256];
    ps_layers_share then = ps_layers_share_of(facts, PS_FACT_dead, PS_AT_FIRST, true),
                    now = ps_layers_share_of(facts, PS_FACT_dead, PS_AT_LAST, true);
    if (then.known == 0 || !at_start(facts)) return PS_JUDGED_UNKNOWN;
    ps_layers_share rarely = ps_layers_share_of(facts, PS_FACT_rarely_open, PS_AT_FIRST, true);
    bool shut = then.share >= some;
    if (!shut && !(rarely.share >= rare)) return PS_JUDGED_NOTHING;
    out->level = then.share >= many || rarely.share >= rare ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->strength = fmax(then.share / some, rarely.share / rare);
    out->since = 0;
    out->explains = PS_FINDINGS_OF_SHUT_GATES;
    if (shut) ps_layers_add(out, facts, PS_FACT_dead, PS_AT_FIRST, some, true);
    else ps_layers_add(out, facts, PS_FACT_rarely_open, PS_AT_FIRST, rare, true);
    if (!shut) then.layer = rarely.layer;
    if (!shut)
        ps_finding_say(out,
                       "%.0f %% of the gates open for less than a tenth of what they see before the first step (%s).",
                       100 * rarely.share, ps_layers_words(out, facts, text, sizeof text));
    else
        ps_finding_say(out, "%.0f %% of the nodes are dead before the first step (%s); %.0f %% are at the end.",
                       100 * then.share, ps_layers_words(out, facts, text, sizeof text), 100 * now.share);
    ps_layers_evidence(out, facts, then.layer, PS_FACT_dead, PS_AT_FIRST, some);
    ps_layers_evidence(out, facts, then.layer, PS_FACT_rarely_open, PS_AT_FIRST, rare);
    ps_layers_evidence(out, facts, then.layer, PS_FACT_dead, PS_AT_LAST, ps_absent());
    ps_layers_evidence(out, facts, then.layer, PS_FACT_shut_by_norm, PS_AT_FIRST, ps_absent());
    ps_finding_add_cause(out, "biases or shifts that start far below 0", "%s",
                         ps_fact_first(&facts->layers[then.layer].series[PS_FACT_shut_by_norm]) > 0
                             ? "scale and shift of normalisations shut gates at the first probe"
                             : "");
    ps_finding_add_cause(out, "weights of another training, or planted faults", "%s", "");
    ps_finding_try(out, "Start biases and shifts at 0; look at what --init, --fork or --plant brought in.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_dead_start = {
    .id = "dead_start",
    .title = "gates are shut at the start, or nearly",
    .group = PS_GROUP_OF_NODES,
    .level = PS_LEVEL_SERIOUS,
    .rank = PS_RANK_START - 1,
    .needs = "nonzero at the first probe, before any step",
    .source = "simulation",
    .judge = judge,
};
