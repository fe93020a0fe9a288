/* Gradients that grow on their way back through the layers, or in the course of the run. */
#include <math.h>
#include <stdio.h>

#include "analysis/findings/by_depth.h"
#include "analysis/findings/curve.h"

static const double exploded = 1e3, growth = 100;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    const ps_fact_series *norm = &facts->grad_norm;
    ps_depth_gradients g = ps_depth_gradients_of(facts);
    bool over_time = norm->count >= 20;
    if (g.layers < 3 && !over_time) return PS_JUDGED_UNKNOWN;
    double first = over_time ? ps_curve_head(norm, 0.1) : ps_absent(),
           last = over_time ? ps_curve_tail(norm, 0.1) : ps_absent(), grows = last / first;
    bool deep = g.ratio >= exploded, late = first > 0 && grows >= growth;
    if (!deep && !late) return PS_JUDGED_NOTHING;
    char what[96];
    out->strength = late ? grows / growth : g.ratio / exploded;
    if (late) {
        ps_finding_say(out, "The gradient explodes in the course of the run: its norm has grown %.3g-fold, to %.3g.",
                       grows, last);
        ps_finding_add_evidence(out, "grad_norm at the end (median)", last, growth * first, ps_curve_last_line(norm));
        for (size_t i = norm->count; i-- > 0 && !(norm->value[i] < growth * first);) out->since = norm->step[i];
    } else {
        out->level = PS_LEVEL_WARNING;
        ps_finding_say(out,
                       "Gradients grow on their way back: in the first layers they are %.3g times those in the "
                       "last (%s against %s, of one weight).",
                       g.ratio, facts->layers[g.first].name, facts->layers[g.last].name);
        ps_finding_add_layer(out, g.first);
        const ps_fact_series *series = &facts->layers[g.first].series[PS_FACT_grad_rms];
        snprintf(what, sizeof what, "grad_rms of %s (median)", facts->layers[g.first].name);
        ps_finding_add_evidence(out, what, ps_curve_tail(series, 0.5), ps_absent(), ps_curve_last_line(series));
        if (!facts->at_rest) out->since = series->step[0];
    }
    double ratio = ps_curve_of_layers(facts, PS_FACT_update_ratio, true), lr = ps_curve_head(&facts->lr, 1);
    if (late)
        ps_finding_add_cause(
            out, "the learning rate is too high",
            ratio >= 0.05 ? "it is %.3g, and a step moved weights by up to %.2g of their norm" : "it is %.3g", lr,
            ratio);
    ps_finding_add_cause(out, "starting weights that are too large for their fan-in", "%s", "");
    if (!(facts->clip_limit > 0)) ps_finding_add_cause(out, "nothing clips the gradient", "clipping is off");
    ps_finding_try(out, "A lower learning rate and clipping of the gradient (--clip 1); normalise the layers.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_exploding_gradients = {
    .id = "exploding_gradients",
    .title = "gradients explode",
    .group = PS_GROUP_OF_GRADIENTS,
    .level = PS_LEVEL_SERIOUS,
    .rank = 26,
    .at_rest = true,
    .needs = "gradients of three layers, or their norm over 20 steps",
    .source = "Pascanu et al. 2013; factors by simulation",
    .judge = judge,
};
