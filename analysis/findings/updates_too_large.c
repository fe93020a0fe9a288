/* Steps that are long for their weights. CS231n: an update is about a thousandth of the weights; a tenth each step
 * leaves nothing of the weights after ten. */
#include <math.h>

#include "analysis/findings/by_layer.h"
#include "analysis/findings/curve.h"

static const double large = 0.1, far = 0.5;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    int known = 0, worst = -1;
    double most = 0;
    char text[256];
    for (int l = 0; l < facts->layer_count; l++) {
        const ps_fact_series *series = &facts->layers[l].series[PS_FACT_update_ratio];
        double ratio = ps_curve_tail(series, 0.5);
        if (!facts->layers[l].own_gate || ps_is_absent(ratio)) continue;
        known++;
        if (!(ratio >= large)) continue;
        ps_finding_add_layer(out, l);
        if (worst >= 0 && !(ratio > most)) continue;
        most = ratio;
        worst = l;
    }
    if (known == 0) return PS_JUDGED_UNKNOWN;
    if (worst < 0) return PS_JUDGED_NOTHING;
    const ps_fact_series *series = &facts->layers[worst].series[PS_FACT_update_ratio];
    double middle = ps_curve_of_layers(facts, PS_FACT_update_ratio, false), lr = ps_curve_tail(&facts->lr, 0.5);
    out->level = middle >= far ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->since = ps_layers_since(series, large);
    out->strength = isfinite(most) ? most / large : 1e9;
    ps_finding_say(out, "Each step moves the weights of %s by up to %.2g of their norm; about 0.001 is usual.",
                   ps_layers_words(out, facts, text, sizeof text), most);
    ps_layers_evidence(out, facts, worst, PS_FACT_update_ratio, PS_AT_LAST, large);
    ps_finding_add_evidence(out, "update_ratio, median over layers", middle, large, 0);
    ps_finding_add_cause(out, "the learning rate is too high", "it is %.3g", lr);
    if (!(facts->warmup > 0) && out->since >= 0 && out->since < facts->window)
        ps_finding_add_cause(out, "no warm-up", "it is so from the first window on");
    ps_finding_add_cause(out, "weights that start at 0 or very small", "their root mean square is %.2g at the start",
                         ps_fact_first(&facts->layers[worst].series[PS_FACT_weight_rms]));
    ps_finding_try(out, "A learning rate of about %.2g: it would bring the steps to a hundredth of the weights.",
                   isfinite(middle) && middle > 0 ? lr * 0.01 / (middle > large ? middle : large) : lr / 10);
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_updates_too_large = {
    .id = "updates_too_large",
    .title = "steps are long for their weights",
    .group = PS_GROUP_OF_UPDATES,
    .level = PS_LEVEL_SERIOUS,
    .rank = 33,
    .at_rest = false,
    .needs = "updates and weights of a window, by layer",
    .source = "CS231n: about 1e-3 of the weights a step; a tenth by simulation",
    .judge = judge,
};
