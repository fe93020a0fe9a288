/* The first window kills: at full learning rate from the first step on, nodes die between the first probe and the next,
 * and most of the deaths of the run are of that time (Goyal et al. 2017 warm up for this). */
#include <math.h>

#include "analysis/findings/by_layer.h"
#include "analysis/findings/curve.h"

static const double killed = 0.1, many = 0.3, of_all = 0.5;

/* Share of all nodes with a gate of their own that are dead at the probe of this index. */
static double dead_at(const ps_facts *facts, size_t index) {
    double sum = 0, nodes = 0;
    for (int l = 0; l < facts->layer_count; l++) {
        const ps_fact_series *dead = &facts->layers[l].series[PS_FACT_dead];
        if (!facts->layers[l].own_gate || index >= dead->count || !isfinite(dead->value[index])) continue;
        sum += dead->value[index] * facts->layers[l].nodes;
        nodes += facts->layers[l].nodes;
    }
    return nodes > 0 ? sum / nodes : ps_absent();
}

static bool starts_full(const ps_facts *facts) {
    double peak = ps_layers_peak(&facts->lr);
    return facts->lr.count > 0 && facts->lr.value[0] >= 0.9 * peak && peak > 0;
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    double start = dead_at(facts, 0), after = dead_at(facts, 1),
           end = ps_layers_share_of(facts, PS_FACT_dead, PS_AT_LAST, true).share;
    if (ps_is_absent(start) || ps_is_absent(after) || facts->lr.count == 0) return PS_JUDGED_UNKNOWN;
    double died = after - start;
    if (!starts_full(facts) || !(died >= killed) || !(died >= of_all * (end - start))) return PS_JUDGED_NOTHING;
    out->level = died >= many ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->since = 0;
    out->explains = PS_FINDINGS_OF_SHUT_GATES;
    out->strength = died / killed;
    ps_finding_say(out,
                   "The first window kills %.0f %% of the nodes, at the full learning rate of %.3g from the first "
                   "step on.",
                   100 * died, facts->lr.value[0]);
    ps_finding_add_evidence(out, "share of nodes that died in the first window", died, killed, 0);
    ps_finding_add_evidence(out, "lr of the first step", facts->lr.value[0], ps_absent(), facts->lr.line[0]);
    for (int l = 0; l < facts->layer_count; l++) {
        const ps_fact_series *dead = &facts->layers[l].series[PS_FACT_dead];
        if (facts->layers[l].own_gate && dead->count > 1 && dead->value[1] - dead->value[0] >= killed)
            ps_finding_add_layer(out, l);
    }
    for (int i = 0; i < out->layers && i < 2; i++)
        ps_layers_evidence(out, facts, out->layer[i], PS_FACT_dead, PS_AT_LAST, killed);
    ps_finding_add_cause(out, "no warm-up", "the first step has the highest learning rate of the run");
    double ratio = ps_curve_of_layers(facts, PS_FACT_update_ratio, true);
    if (ratio < 0.01) ps_finding_add_cause(out, "the learning rate is too high", "it is %.3g", facts->lr.value[0]);
    else
        ps_finding_add_cause(out, "the learning rate is too high", "steps moved weights by up to %.2g of their norm",
                             ratio);
    ps_finding_try(out, "Warm up over some hundred steps, or the first epoch (--warmup), or lower the learning rate.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_no_warmup = {
    .id = "no_warmup",
    .title = "the first window kills",
    .group = PS_GROUP_OF_SETUP,
    .level = PS_LEVEL_SERIOUS,
    .rank = 22,
    .at_rest = false,
    .needs = "dead nodes at the first two probes, and the learning rate",
    .source = "Goyal et al. 2017; shares by simulation",
    .judge = judge,
};
