/* A layer whose incoming weights are all exactly 0 sees nothing of its input, and gives none of it a gradient. */
#include "analysis/findings/by_layer.h"

static int add_zero_layers(const ps_facts *facts, ps_finding *out, int *known) {
    for (int l = 0; l < facts->layer_count; l++) {
        const ps_fact_series *series = &facts->layers[l].series[PS_FACT_weight_rms];
        if (series->count == 0) continue;
        ++*known;
        if (series->value[0] == 0 || ps_fact_last(series) == 0) ps_finding_add_layer(out, l);
    }
    return out->layers;
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    char text[256];
    int known = 0, found = add_zero_layers(facts, out, &known);
    if (known == 0) return PS_JUDGED_UNKNOWN;
    if (found == 0) return PS_JUDGED_NOTHING;
    const ps_fact_series *series = &facts->layers[out->layer[0]].series[PS_FACT_weight_rms];
    bool at_start = series->value[0] == 0;
    out->strength = found;
    out->since = facts->at_rest ? -1 : at_start ? series->step[0] : series->step[series->count - 1];
    ps_finding_say(out, "All incoming weights of %s are exactly 0%s: nothing of the input gets through.",
                   ps_layers_words(out, facts, text, sizeof text),
                   facts->at_rest ? ""
                   : at_start     ? " from the start"
                                  : "");
    ps_layers_evidence(out, facts, out->layer[0], PS_FACT_weight_rms, at_start ? PS_AT_FIRST : PS_AT_LAST, 0);
    if (at_start)
        ps_finding_add_cause(out, "a start at zero: every node of a layer is the same, and stays so", "%s",
                             facts->at_rest ? "" : "the weights are 0 at the first probe");
    ps_finding_add_cause(out, "a mask, pruning or weight decay that took the weights to 0", "%s",
                         at_start ? "" : "they were not 0 at the first probe");
    ps_finding_try(out,
                   "Draw the weights at random (--init-scheme he or torch; in PyTorch leave the default of the "
                   "module).");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_zero_weights = {
    .id = "zero_weights",
    .title = "a layer's weights are all 0",
    .group = PS_GROUP_OF_NODES,
    .level = PS_LEVEL_CRITICAL,
    .rank = 10,
    .at_rest = true,
    .needs = "weight_l2 of the layers at a probe",
    .source = "none: exactly 0",
    .judge = judge,
};
