/* Live nodes whose output is the same for every probe image: they are a bias, no more. */
#include "analysis/findings/by_layer.h"

static const double some = 0.2;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    char text[256];
    ps_layers_share now = ps_layers_share_of(facts, PS_FACT_constant, PS_AT_LAST, true);
    if (now.known == 0) return PS_JUDGED_UNKNOWN;
    if (!(now.largest >= some) || !(now.share >= some / 4)) return PS_JUDGED_NOTHING;
    bool stops = now.largest >= 1 && !ps_layers_passed(facts, now.layer);
    out->level = stops ? PS_LEVEL_CRITICAL : now.share >= 0.5 ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->strength = now.largest / some;
    out->since = facts->at_rest ? -1 : ps_layers_since(&facts->layers[now.layer].series[PS_FACT_constant], some);
    ps_layers_add(out, facts, PS_FACT_constant, PS_AT_LAST, some, true);
    ps_finding_say(out, "%.0f %% of the nodes of %s give the same output for every probe image%s.", 100 * now.largest,
                   ps_layers_words(out, facts, text, sizeof text),
                   stops ? ", and so does what lies behind: the output does not depend on the input" : "");
    ps_layers_evidence(out, facts, now.layer, PS_FACT_constant, PS_AT_LAST, some);
    ps_layers_evidence(out, facts, now.layer, PS_FACT_weight_rms, PS_AT_LAST, ps_absent());
    if (facts->layers[now.layer].normalised)
        ps_finding_add_cause(out, "weights so small beside the shift that rounding swallows what they add", "%s",
                             "a normalisation stands behind them, under decay its weights shrink for nothing");
    ps_finding_add_cause(out, "inputs that are all alike", "%s", now.layer == 0 ? "it begins in the first layer" : "");
    ps_finding_add_cause(out, "weights of 0", "%s", "");
    ps_finding_try(out, "Look at the images as the network gets them; less weight decay before normalisations.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_constant_nodes = {
    .id = "constant_nodes",
    .title = "nodes do not depend on the input",
    .group = PS_GROUP_OF_NODES,
    .level = PS_LEVEL_CRITICAL,
    .rank = 31,
    .at_rest = true,
    .needs = "image_spread and mean_abs at a probe",
    .source = "the same for every image within sixteen roundings (causes.h); shares by simulation",
    .judge = judge,
};
