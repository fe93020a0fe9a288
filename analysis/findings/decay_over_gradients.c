/* Weight decay moves weights further than gradients do: they go towards 0 whatever the data say. */
#include <math.h>
#include <string.h>

#include "analysis/findings/by_layer.h"
#include "analysis/findings/curve.h"

static const double more = 1, shrunk = 0.5;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    int known = 0, worst = -1, smaller = 0;
    double most = 0;
    char text[256];
    for (int l = 0; l < facts->layer_count; l++) {
        const ps_layer_facts *layer = &facts->layers[l];
        double ratio = ps_curve_tail(&layer->series[PS_FACT_decay_ratio], 0.5);
        if (!layer->own_gate || ps_is_absent(ratio)) continue;
        known++;
        if (!(ratio >= more)) continue;
        ps_finding_add_layer(out, l);
        smaller += ps_fact_last(&layer->series[PS_FACT_weight_rms]) <
                   shrunk * ps_fact_first(&layer->series[PS_FACT_weight_rms]);
        if (worst >= 0 && !(ratio > most)) continue;
        most = ratio;
        worst = l;
    }
    if (known == 0) return facts->weight_decay == 0 ? PS_JUDGED_NOTHING : PS_JUDGED_UNKNOWN;
    if (worst < 0) return PS_JUDGED_NOTHING;
    const ps_fact_series *weights = &facts->layers[worst].series[PS_FACT_weight_rms];
    bool most_layers = 2 * out->layers >= known && smaller > 0;
    out->level = !most_layers                                   ? PS_LEVEL_WARNING
                 : ps_curve_learned(facts) == PS_JUDGED_NOTHING ? PS_LEVEL_CRITICAL
                                                                : PS_LEVEL_SERIOUS;
    out->since = ps_layers_since(&facts->layers[worst].series[PS_FACT_decay_ratio], more);
    out->strength = isfinite(most) ? most / more : 1e9;
    ps_finding_say(out, "Weight decay moves the weights of %s up to %.2g times as far as the gradient does.",
                   ps_layers_words(out, facts, text, sizeof text), most);
    ps_layers_evidence(out, facts, worst, PS_FACT_decay_ratio, PS_AT_LAST, more);
    ps_layers_evidence(out, facts, worst, PS_FACT_weight_rms, PS_AT_FIRST, ps_absent());
    ps_layers_evidence(out, facts, worst, PS_FACT_weight_rms, PS_AT_LAST, shrunk * ps_fact_first(weights));
    ps_finding_add_cause(out, "weight decay is too strong", "it is %.3g", facts->weight_decay);
    ps_finding_add_cause(out, "gradients that have become small: the loss is near 0, or the layer is cut off",
                         "the loss is %.3g at the end", ps_curve_tail(&facts->loss, 0.1));
    /* As it was before the weights had shrunk, and the gradients with them. */
    double then = ps_fact_first(&facts->layers[worst].series[PS_FACT_decay_ratio]);
    double factor = isfinite(then) && then > 1 ? then : 1;
    bool decoupled = facts->optimiser != NULL && strcmp(facts->optimiser, "adamw") == 0;
    double usual = decoupled ? 0.01 : 5e-4; /* He et al. 2015, Loshchilov and Hutter 2019 */
    ps_finding_try(out, "A weight decay of about %.1g.",
                   facts->weight_decay > 0 ? fmin(facts->weight_decay / factor / 10, usual) : usual);
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_decay_over_gradients = {
    .id = "decay_over_gradients",
    .title = "weight decay moves more than gradients do",
    .group = PS_GROUP_OF_UPDATES,
    .level = PS_LEVEL_CRITICAL,
    .rank = 16,
    .at_rest = false,
    .needs = "parts of the updates of a window, by layer",
    .source = "the longer of both paths; shares by simulation",
    .judge = judge,
};
