/* Only the last layer's biases learn: there is a gradient, but none of it in the weights of any layer with a gate, and
 * the last of these hands on nothing. Then the network learns how often each class comes, and nothing else. */
#include <math.h>

#include "analysis/findings/by_layer.h"
#include "analysis/findings/curve.h"

static const double none = 0.999;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    int known = 0, shut = -1;
    double norm = ps_curve_tail(&facts->grad_norm, 0.5);
    for (int l = 0; l < facts->layer_count; l++) {
        const ps_layer_facts *layer = &facts->layers[l];
        if (ps_fact_last(&layer->series[PS_FACT_dead]) >= 1 || ps_fact_last(&layer->series[PS_FACT_output_rms]) == 0)
            shut = l;
        if (!layer->own_gate || layer->series[PS_FACT_grad_zero].count == 0) continue;
        known++;
        if (!(ps_curve_tail(&layer->series[PS_FACT_grad_zero], 0.5) >= none)) return PS_JUDGED_NOTHING;
    }
    if (known == 0 || facts->grad_norm.count == 0) return PS_JUDGED_UNKNOWN;
    if (!(norm > 0) || shut < 0) return PS_JUDGED_NOTHING;
    for (int l = shut; l < facts->layer_count && l < shut + 1; l++) ps_finding_add_layer(out, l);
    out->since = ps_layers_since(&facts->layers[shut].series[PS_FACT_dead], 1);
    out->strength = 1;
    ps_finding_say(out,
                   "Only the biases behind the last gate learn: %s hands on nothing, and the gradient of every "
                   "weight before it is exactly 0.",
                   facts->layers[shut].name);
    ps_layers_evidence(out, facts, shut, PS_FACT_dead, PS_AT_LAST, 1);
    ps_finding_add_evidence(out, "grad_norm (median)", norm, ps_absent(), ps_curve_last_line(&facts->grad_norm));
    ps_layers_add_causes(out, facts, shut, out->since);
    ps_finding_try(out, "Mend what shut %s: its start (step 0), or a lower learning rate with warm-up (later).",
                   facts->layers[shut].name);
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_only_last_bias = {
    .id = "only_last_bias",
    .title = "only the last biases learn",
    .group = PS_GROUP_OF_GRADIENTS,
    .level = PS_LEVEL_CRITICAL,
    .rank = 39,
    .at_rest = false,
    .needs = "gradients, and dead nodes, by layer",
    .source = "exactly 0",
    .judge = judge,
};
