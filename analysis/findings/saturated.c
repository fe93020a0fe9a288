/* Gates in the flat part of their activation (sigmoid, tanh and their like, a ReLU6 at its ceiling) hand back hardly
 * any gradient (Glorot and Bengio 2010, 3.2). Of a ReLU the flat part is 0, which other rules count. */
#include <string.h>

#include "analysis/findings/by_layer.h"

static const double some = 0.25, many = 0.5;

static bool can_saturate(const ps_layer_facts *layer) {
    return layer->activation != NULL && layer->activation[0] != '\0' && strcmp(layer->activation, "relu") != 0 &&
           strcmp(layer->activation, "leaky_relu") != 0;
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    char text[256];
    bool may = false;
    for (int l = 0; l < facts->layer_count; l++) may |= can_saturate(&facts->layers[l]);
    if (facts->layer_count > 0 && !may) return PS_JUDGED_NOTHING;
    ps_layers_share now = ps_layers_share_of(facts, PS_FACT_saturated, PS_AT_LAST, false);
    if (now.known == 0) return PS_JUDGED_UNKNOWN;
    if (!(now.largest >= some)) return PS_JUDGED_NOTHING;
    out->level = now.share >= many ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->strength = now.largest / some;
    out->since = facts->at_rest ? -1 : ps_layers_since(&facts->layers[now.layer].series[PS_FACT_saturated], some);
    if (out->since == 0) out->rank = PS_RANK_START - 1;
    ps_layers_add(out, facts, PS_FACT_saturated, PS_AT_LAST, some, false);
    ps_finding_say(out, "%.0f %% of the outputs of %s are saturated: their gates hand back hardly any gradient.",
                   100 * now.largest, ps_layers_words(out, facts, text, sizeof text));
    ps_layers_evidence(out, facts, now.layer, PS_FACT_saturated, PS_AT_LAST, some);
    ps_finding_add_cause(out, "weights too large for this activation", "%s", "");
    ps_finding_add_cause(out, "inputs that are not normalised", "%s", now.layer == 0 ? "it is the first layer" : "");
    ps_finding_try(out, "Smaller starting weights (Glorot's), a normalisation before the gate, or a ReLU.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_saturated = {
    .id = "saturated",
    .title = "gates are saturated",
    .group = PS_GROUP_OF_NODES,
    .level = PS_LEVEL_SERIOUS,
    .rank = 36,
    .at_rest = true,
    .needs = "share of outputs in the flat part, or at the ceiling, of gates other than ReLU",
    .source = "Glorot and Bengio 2010; shares by simulation",
    .judge = judge,
};
