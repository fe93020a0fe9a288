/* Gradients that vanish on their way back through the layers, or in the course of the run while the loss is still high.
 * With He's start the gradient keeps its size from layer to layer (He et al. 2015); Glorot & Bengio 2010 show what it
 * does without. */
#include <math.h>
#include <stdio.h>

#include "analysis/findings/by_depth.h"
#include "analysis/findings/curve.h"

static const double vanished = 1e-3, gone = 1e-5, fall = 1e-3, high = 0.7;

static bool falls_in_time(const ps_facts *facts, double *ratio) {
    const ps_fact_series *norm = &facts->grad_norm;
    double first = ps_curve_head(norm, 0.1), last = ps_curve_tail(norm, 0.1), loss = ps_curve_tail(&facts->loss, 0.1);
    *ratio = last / first;
    return norm->count >= 40 && first > 0 && *ratio <= fall && loss >= ps_curve_level(facts, high);
}

static void add_causes(const ps_facts *facts, ps_finding *out) {
    int normalised = 0, smooth = 0;
    for (int l = 0; l < facts->layer_count; l++) {
        normalised += facts->layers[l].normalised;
        smooth += ps_fact_last(&facts->layers[l].series[PS_FACT_saturated]) >= 0.5;
    }
    if (smooth > 0) ps_finding_add_cause(out, "saturated activations", "in %d layers half of the outputs", smooth);
    ps_finding_add_cause(out, "starting weights that are too small for their fan-in", "%s", "");
    if (normalised == 0 && facts->layer_count > 0)
        ps_finding_add_cause(out, "many layers without normalisation or identity paths", "%d layers, none normalised",
                             facts->layer_count);
    ps_finding_try(out, "Start by the rule of the activation (--init-scheme he), normalise, or add identity paths.");
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    ps_depth_gradients g = ps_depth_gradients_of(facts);
    double in_time;
    if (g.layers < 3 && facts->grad_norm.count < 40) return PS_JUDGED_UNKNOWN;
    bool deep = g.ratio <= vanished, late = falls_in_time(facts, &in_time);
    if (!deep && !late) return PS_JUDGED_NOTHING;
    char what[96];
    out->level = (deep && g.ratio > gone && !late) ? PS_LEVEL_WARNING : PS_LEVEL_SERIOUS;
    /* A hundred times less than what is normal costs those layers; only where the loss stays high it costs the run. */
    if (ps_curve_learned(facts) == PS_JUDGED_NOTHING) out->level = PS_LEVEL_SERIOUS;
    out->strength = deep ? vanished / g.ratio : fall / in_time;
    if (!deep) {
        ps_finding_say(out,
                       "The gradient has vanished in the course of the run, to %.2g of what it was at the start, "
                       "while the loss is still %.3g.",
                       in_time, ps_curve_tail(&facts->loss, 0.1));
        ps_finding_add_evidence(out, "grad_norm at the end (median)", ps_curve_tail(&facts->grad_norm, 0.1),
                                fall * ps_curve_head(&facts->grad_norm, 0.1), ps_curve_last_line(&facts->grad_norm));
    } else {
        ps_finding_say(out,
                       "Gradients vanish on their way back: in the first layers they are %.2g of those in the last "
                       "(%s against %s, of one weight).",
                       g.ratio, facts->layers[g.first].name, facts->layers[g.last].name);
        for (int l = g.first; l <= g.last; l++) {
            double rms = ps_curve_tail(&facts->layers[l].series[PS_FACT_grad_rms], 0.5) / sqrt(facts->layers[l].fan_in);
            if (facts->layers[l].own_gate && rms <= sqrt(vanished) * g.last_rms) ps_finding_add_layer(out, l);
        }
        const int ends[] = {g.first, g.last};
        for (int i = 0; i < 2; i++) {
            const ps_fact_series *series = &facts->layers[ends[i]].series[PS_FACT_grad_rms];
            snprintf(what, sizeof what, "grad_rms of %s (median)", facts->layers[ends[i]].name);
            ps_finding_add_evidence(out, what, ps_curve_tail(series, 0.5), ps_absent(), ps_curve_last_line(series));
        }
        if (!facts->at_rest) out->since = facts->layers[g.first].series[PS_FACT_grad_rms].step[0];
    }
    add_causes(facts, out);
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_vanishing_gradients = {
    .id = "vanishing_gradients",
    .title = "gradients vanish",
    .group = PS_GROUP_OF_GRADIENTS,
    .level = PS_LEVEL_SERIOUS,
    .rank = 27,
    .at_rest = true,
    .needs = "gradients of three layers, or their norm over 40 steps",
    .source = "He et al. 2015: a sound start keeps their size; factors by simulation",
    .judge = judge,
};
