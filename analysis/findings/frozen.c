/* Weights that never move although a gradient reaches them: frozen, left out of the optimiser, or a learning rate of
 * 0. */
#include <math.h>

#include "analysis/findings/by_layer.h"
#include "analysis/findings/curve.h"

static bool no_rate(const ps_facts *facts) {
    for (size_t i = 0; i < facts->lr.count; i++)
        if (facts->lr.value[i] != 0) return false;
    return facts->lr.count > 0;
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    int known = 0, first = -1, said = 0;
    char text[256];
    for (int l = 0; l < facts->layer_count; l++) {
        const ps_layer_facts *layer = &facts->layers[l];
        const ps_fact_series *ratio = &layer->series[PS_FACT_update_ratio];
        if (!layer->own_gate || ratio->count == 0) continue;
        known++;
        if (ps_layers_peak(ratio) != 0 || !(ps_layers_peak(&layer->series[PS_FACT_grad_rms]) > 0)) continue;
        ps_finding_add_layer(out, l);
        said += layer->frozen;
        if (first < 0) first = l;
    }
    if (known == 0) return PS_JUDGED_UNKNOWN;
    if (first < 0) return PS_JUDGED_NOTHING;
    out->level = out->layers == known ? PS_LEVEL_CRITICAL : PS_LEVEL_SERIOUS;
    out->since = facts->layers[first].series[PS_FACT_update_ratio].step[0];
    out->strength = out->layers;
    ps_finding_say(out, "The weights of %s never move, although a gradient reaches them (%d of %d layers).",
                   ps_layers_words(out, facts, text, sizeof text), out->layers, known);
    ps_layers_evidence(out, facts, first, PS_FACT_update_ratio, PS_AT_LAST, 0);
    ps_layers_evidence(out, facts, first, PS_FACT_grad_rms, PS_AT_LAST, ps_absent());
    if (no_rate(facts)) ps_finding_add_cause(out, "the learning rate is 0", "on all %zu steps", facts->lr.count);
    double gradient = ps_layers_peak(&facts->layers[first].series[PS_FACT_grad_rms]);
    if (said == out->layers) ps_finding_add_cause(out, "they are frozen, as the trace says", "gradient %.2g", gradient);
    else
        ps_finding_add_cause(out, "they are frozen, or were not given to the optimiser", "their gradient is %.2g",
                             gradient);
    ps_finding_try(out,
                   "See what is frozen (--freeze), and that every parameter is in the optimiser; ignore this "
                   "finding where it is meant.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_frozen = {
    .id = "frozen",
    .title = "weights never move although a gradient reaches them",
    .group = PS_GROUP_OF_UPDATES,
    .level = PS_LEVEL_CRITICAL,
    .rank = 13,
    .at_rest = false,
    .needs = "updates and gradients of a window, by layer",
    .source = "exactly 0",
    .judge = judge,
};
