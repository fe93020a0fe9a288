/* Scale and shift that shut gates whatever comes: values normalised over the batch have mean 0 and deviation 1, and
 * less than one in a thousand passes a shift of more than 3.09 scales below 0. */
#include "analysis/findings/by_layer.h"

static const double some = 0.1, many = 0.4;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    int normalised = 0, unknown = 0;
    char text[256];
    for (int l = 0; l < facts->layer_count; l++) {
        const ps_layer_facts *layer = &facts->layers[l];
        normalised += layer->normalised;
        unknown += layer->normalised && layer->own_gate && layer->series[PS_FACT_shut_by_norm].count == 0;
    }
    if (facts->layer_count > 0 && normalised == 0) return PS_JUDGED_NOTHING;
    ps_layers_share now = ps_layers_share_of(facts, PS_FACT_shut_by_norm, PS_AT_LAST, true);
    if (now.known == 0) return PS_JUDGED_UNKNOWN;
    if (!(now.share >= some)) return unknown > 0 ? PS_JUDGED_UNKNOWN : PS_JUDGED_NOTHING;
    const ps_fact_series *series = &facts->layers[now.layer].series[PS_FACT_shut_by_norm];
    out->level = now.share >= many ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->strength = now.share / some;
    out->since = facts->at_rest ? -1 : ps_layers_since(series, some);
    if (out->since == 0) out->rank = PS_RANK_START;
    ps_layers_add(out, facts, PS_FACT_shut_by_norm, PS_AT_LAST, some, true);
    ps_finding_say(out, "Scale and shift of the normalisation shut %.0f %% of the gates whatever comes, most in %s.",
                   100 * now.share, ps_layers_words(out, facts, text, sizeof text));
    ps_layers_evidence(out, facts, now.layer, PS_FACT_shut_by_norm, PS_AT_LAST, some);
    ps_layers_evidence(out, facts, now.layer, PS_FACT_dead, PS_AT_LAST, ps_absent());
    if (out->since == 0)
        ps_finding_add_cause(out, "shifts that start far below 0", "%s", "they are so at the first probe");
    ps_finding_add_cause(out, "steps that pushed shifts down faster than the scales follow: a learning rate too high",
                         "it was up to %.3g", ps_layers_peak(&facts->lr));
    ps_finding_add_cause(out, "weight decay of the scales", "%s", "");
    ps_finding_try(out, "Start shifts at 0; a lower learning rate or warm-up; no weight decay of scales.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_shut_by_norm = {
    .id = "shut_by_norm",
    .title = "scale and shift shut gates",
    .group = PS_GROUP_OF_NORMALISATION,
    .level = PS_LEVEL_SERIOUS,
    .rank = 29,
    .at_rest = true,
    .needs = "gamma and beta at a probe, of gates with no Pool Skip before them",
    .source = "the normal distribution: P(active) < 1e-3; shares by simulation",
    .judge = judge,
};
