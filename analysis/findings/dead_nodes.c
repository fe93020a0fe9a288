/* Dead nodes of the whole network, and since when. Sound short trainings have few of them (`make
 * calibrate-diagnoses`). */
#include <math.h>

#include "analysis/findings/by_layer.h"

static const double some = 0.1, many = 0.25, most = 0.5;

/* The first step by which half of the nodes that are dead in the end were; -1: not known. */
static long long onset(const ps_facts *facts, double end) {
    const ps_fact_series *longest = NULL;
    for (int l = 0; l < facts->layer_count; l++) {
        const ps_fact_series *dead = &facts->layers[l].series[PS_FACT_dead];
        if (longest == NULL || dead->count > longest->count) longest = dead;
    }
    for (size_t i = 0; longest != NULL && i < longest->count; i++) {
        double sum = 0, nodes = 0;
        for (int l = 0; l < facts->layer_count; l++) {
            const ps_layer_facts *layer = &facts->layers[l];
            const ps_fact_series *dead = &layer->series[PS_FACT_dead];
            if (!layer->own_gate || i >= dead->count || !isfinite(dead->value[i])) continue;
            sum += dead->value[i] * layer->nodes;
            nodes += layer->nodes;
        }
        if (nodes > 0 && sum / nodes >= end / 2) return longest->step[i];
    }
    return -1;
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    char text[256];
    ps_layers_share now = ps_layers_share_of(facts, PS_FACT_dead, PS_AT_LAST, true),
                    then = ps_layers_share_of(facts, PS_FACT_dead, PS_AT_FIRST, true);
    if (now.known == 0) return PS_JUDGED_UNKNOWN;
    if (!(now.share >= some)) return PS_JUDGED_NOTHING;
    out->level = now.share >= most ? PS_LEVEL_SERIOUS : now.share >= many ? PS_LEVEL_WARNING : PS_LEVEL_NOTE;
    out->strength = now.share / some;
    out->since = facts->at_rest ? -1 : onset(facts, now.share);
    ps_layers_add(out, facts, PS_FACT_dead, PS_AT_LAST, now.share, true);
    ps_layers_words(out, facts, text, sizeof text);
    if (facts->at_rest)
        ps_finding_say(out, "%.0f %% of the nodes are dead, most of them in %s.", 100 * now.share, text);
    else
        ps_finding_say(out,
                       "%.0f %% of the nodes are dead (%.0f %% at the start), half of them since step %lld, most in "
                       "%s.",
                       100 * now.share, 100 * then.share, out->since, text);
    ps_layers_evidence(out, facts, now.layer, PS_FACT_dead, PS_AT_LAST, some);
    ps_layers_evidence(out, facts, now.layer, PS_FACT_grad_zero, PS_AT_LAST, ps_absent());
    ps_layers_add_causes(out, facts, now.layer, out->since);
    ps_finding_try(out,
                   "A lower learning rate or warm-up; biases and shifts at or above 0; a path around the gates "
                   "(Pool Skip, residual). `poolscope diagnose` lists every one.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_dead_nodes = {
    .id = "dead_nodes",
    .title = "many nodes are dead",
    .group = PS_GROUP_OF_NODES,
    .level = PS_LEVEL_SERIOUS,
    .rank = 34,
    .at_rest = true,
    .needs = "nonzero at a probe",
    .source = "simulation",
    .judge = judge,
};
