/* Values that grow towards overflow. Half precision ends at 65504 (IEEE 754 binary16), which is where mixed precision
 * breaks first (Micikevicius et al. 2018); single precision squares overflow at 1.8e19. */
#include <math.h>
#include <stdio.h>

#include "analysis/findings/curve.h"

static const double half = 65504, half_room = 0.1; /* what is within a factor of ten of its end */
/* A normal start after He has weights of sqrt(2) over the root of the fan-in. */
static const double growth = 10, far_growth = 100, he = 1.4142135623730951, scales = 10;

typedef struct {
    int layer;
    ps_layer_fact fact;
    double factor, value; /* over its start */
    double badness;       /* 1: at the threshold */
} grown;

static double first_positive(const ps_fact_series *series) {
    for (size_t i = 0; i < series->count; i++)
        if (series->value[i] > 0) return series->value[i];
    return ps_absent();
}

/* Large outputs; or weights that are large for their fan-in and have grown. */
static grown look(const ps_facts *facts, int l) {
    const ps_layer_facts *layer = &facts->layers[l];
    const ps_fact_series *weights = &layer->series[PS_FACT_weight_rms], *outputs = &layer->series[PS_FACT_output_rms];
    double out = ps_fact_last(outputs), weight = ps_fact_last(weights);
    grown o = {l, PS_FACT_output_rms, out / first_positive(outputs), out, out / (half * half_room)};
    grown w = {l, PS_FACT_weight_rms, weight / first_positive(weights), weight, 0};
    bool large = weight * sqrt(layer->fan_in) >= he * scales;
    if (large && w.factor >= growth) w.badness = w.factor / growth;
    return w.badness >= 1 && !(o.badness >= 1) ? w : o;
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    grown worst = {-1, PS_FACT_output_rms, 0, 0, 0};
    int known = 0;
    for (int l = 0; l < facts->layer_count; l++) {
        known += facts->layers[l].series[PS_FACT_output_rms].count > 0 ||
                 facts->layers[l].series[PS_FACT_weight_rms].count > 0;
        grown g = look(facts, l);
        if (!(g.badness >= 1) || !isfinite(g.value)) continue;
        ps_finding_add_layer(out, l);
        if (worst.layer < 0 || g.badness > worst.badness) worst = g;
    }
    if (known == 0) return PS_JUDGED_UNKNOWN;
    if (worst.layer < 0) return PS_JUDGED_NOTHING;
    bool outputs = worst.fact == PS_FACT_output_rms;
    const ps_fact_series *series = &facts->layers[worst.layer].series[worst.fact];
    char what[96];
    out->level = (outputs && worst.value >= half) || (!outputs && worst.factor >= far_growth) ? PS_LEVEL_SERIOUS
                                                                                              : PS_LEVEL_WARNING;
    out->strength = worst.badness;
    if (!facts->at_rest)
        for (size_t i = series->count; i-- > 0 && series->value[i] >= worst.value / 2;) out->since = series->step[i];
    if (facts->at_rest || !(worst.factor >= 2))
        ps_finding_say(out, "%s of %s are of size %.3g; half precision ends at 65504.", outputs ? "Outputs" : "Weights",
                       facts->layers[worst.layer].name, worst.value);
    else
        ps_finding_say(out,
                       "%s of %s have grown %.3g-fold, to %.3g: towards overflow, and half precision ends at 65504.",
                       outputs ? "Outputs" : "Weights", facts->layers[worst.layer].name, worst.factor, worst.value);
    snprintf(what, sizeof what, "%s of %s", ps_layer_fact_name(worst.fact), facts->layers[worst.layer].name);
    ps_finding_add_evidence(out, what, worst.value, outputs ? half * half_room : worst.value / worst.factor * growth,
                            ps_curve_last_line(series));
    double ratio = ps_curve_of_layers(facts, PS_FACT_update_ratio, true);
    if (ratio >= 0.1)
        ps_finding_add_cause(out, "the learning rate is too high", "a step moved weights by up to %.2g of their norm",
                             ratio);
    for (int c = 0; facts->data.known && c < facts->data.channels; c++) {
        if (!(fabs(facts->data.mean[c]) > 10 || facts->data.sd[c] > 10)) continue;
        ps_finding_add_cause(out, "the input is not normalised", "mean %.3g, standard deviation %.3g",
                             facts->data.mean[c], facts->data.sd[c]);
        break;
    }
    if (facts->weight_decay == 0) ps_finding_add_cause(out, "nothing holds weights back", "there is no weight decay");
    ps_finding_add_cause(out, "starting weights that are too large for so many layers without normalisation", "%s", "");
    ps_finding_try(out, "A lower learning rate; normalisation; weight decay; an input of mean 0 and deviation 1.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_overflow = {
    .id = "overflow",
    .title = "values grow towards overflow",
    .group = PS_GROUP_OF_NUMBERS,
    .level = PS_LEVEL_SERIOUS,
    .rank = 24,
    .at_rest = true,
    .needs = "sizes of weights or outputs by layer",
    .source = "65504, the end of half precision (Micikevicius et al. 2018); growth by simulation",
    .judge = judge,
};
