/* A batch variance below what is added to it (epsilon): the normalisation divides by epsilon, and blows up noise or
 * hands on a constant. */
#include "analysis/findings/by_layer.h"

static const double some = 0.1, many = 0.5;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    int normalised = 0;
    char text[256];
    for (int l = 0; l < facts->layer_count; l++) normalised += facts->layers[l].over_batch;
    if (facts->layer_count > 0 && normalised == 0) return PS_JUDGED_NOTHING;
    ps_layers_share now = ps_layers_share_of(facts, PS_FACT_variance_low, PS_AT_LAST, false);
    if (now.known == 0) return PS_JUDGED_UNKNOWN;
    if (!(now.largest >= some)) return PS_JUDGED_NOTHING;
    out->level = now.share >= many ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->strength = now.largest / some;
    out->since = facts->at_rest ? -1 : ps_layers_since(&facts->layers[now.layer].series[PS_FACT_variance_low], some);
    ps_layers_add(out, facts, PS_FACT_variance_low, PS_AT_LAST, some, false);
    ps_finding_say(out, "Before the normalisation of %s the variance is below epsilon, in %.0f %% of the nodes.",
                   ps_layers_words(out, facts, text, sizeof text), 100 * now.largest);
    ps_layers_evidence(out, facts, now.layer, PS_FACT_variance_low, PS_AT_LAST, some);
    ps_layers_evidence(out, facts, now.layer, PS_FACT_weight_rms, PS_AT_LAST, ps_absent());
    ps_finding_add_cause(out, "weights before the normalisation that vanish", "their root mean square is %.2g",
                         ps_fact_last(&facts->layers[now.layer].series[PS_FACT_weight_rms]));
    ps_finding_add_cause(out, "inputs that do not vary: dead or constant nodes before it, or images that are alike",
                         "%s", now.layer == 0 ? "it is the first layer" : "");
    ps_finding_try(out, "Less weight decay on weights before a normalisation; look at the layer before.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_variance_low = {
    .id = "variance_low",
    .title = "a normalisation divides by almost nothing",
    .group = PS_GROUP_OF_NORMALISATION,
    .level = PS_LEVEL_SERIOUS,
    .rank = 32,
    .at_rest = true,
    .needs = "variance of the batch before normalisations at a probe",
    .source = "epsilon itself; shares by simulation",
    .judge = judge,
};
