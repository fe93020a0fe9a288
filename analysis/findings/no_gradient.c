/* Layers that no gradient reaches: that of all incoming weights was exactly 0 on every step of the last half of the
 * run. */
#include <math.h>

#include "analysis/findings/by_layer.h"
#include "analysis/findings/curve.h"

static const double none = 0.999;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    int known = 0, first = -1;
    char text[256];
    for (int l = 0; l < facts->layer_count; l++) {
        const ps_layer_facts *layer = &facts->layers[l];
        const ps_fact_series *zero = &layer->series[PS_FACT_grad_zero];
        if (!layer->own_gate || zero->count == 0) continue;
        known++;
        if (!(ps_curve_tail(zero, 0.5) >= none) || !(ps_fact_last(zero) >= none)) continue;
        ps_finding_add_layer(out, l);
        if (first < 0) first = l;
    }
    if (known == 0) return PS_JUDGED_UNKNOWN;
    if (first < 0) return PS_JUDGED_NOTHING;
    const ps_fact_series *zero = &facts->layers[first].series[PS_FACT_grad_zero];
    out->strength = out->layers;
    out->since = facts->at_rest ? -1 : ps_layers_since(zero, none);
    out->level = out->layers == known ? PS_LEVEL_CRITICAL : PS_LEVEL_SERIOUS;
    ps_finding_say(out, "No gradient reaches %s: it is exactly 0 on every step (%d of %d layers).",
                   ps_layers_words(out, facts, text, sizeof text), out->layers, known);
    ps_layers_evidence(out, facts, first, PS_FACT_grad_zero, PS_AT_LAST, none);
    for (int i = 0; i < out->layers; i++) {
        int l = out->layer[i];
        if (!(ps_fact_last(&facts->layers[l].series[PS_FACT_dead]) >= 1)) continue;
        ps_finding_add_cause(out, "a layer whose nodes are all dead: it lets no gradient through", "%s is",
                             facts->layers[l].name);
        ps_layers_evidence(out, facts, l, PS_FACT_dead, PS_AT_LAST, 1);
        break;
    }
    ps_finding_add_cause(out, "the layer behind reads it with weights of 0", "%s", "");
    ps_finding_add_cause(out, "its output does not reach the loss", "%s", "");
    ps_finding_try(out, "See the findings about dead layers first; then what reads these layers.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_no_gradient = {
    .id = "no_gradient",
    .title = "no gradient reaches a layer",
    .group = PS_GROUP_OF_GRADIENTS,
    .level = PS_LEVEL_CRITICAL,
    .rank = 38,
    .at_rest = true,
    .needs = "steps with a gradient of 0, by layer",
    .source = "exactly 0",
    .judge = judge,
};
