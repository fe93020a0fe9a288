/* Running statistics that are not those of the batches, whatever it does to the loss. */
#include <math.h>

#include "analysis/findings/by_layer.h"

/* A mean off by a deviation, or a variance by a factor of four (a scale of two): half of the layer's values lie
 * elsewhere. */
static const double gap_allowed = 1, factor_allowed = 4;
enum { FEWEST_STEPS = 30 };

static int add_layers(const ps_facts *facts, ps_finding *out, int *known) {
    for (int l = 0; l < facts->layer_count; l++) {
        const ps_layer_facts *layer = &facts->layers[l];
        double gap = ps_fact_last(&layer->series[PS_FACT_mode_gap]),
               scale = ps_fact_last(&layer->series[PS_FACT_mode_scale]);
        *known += !isnan(gap);
        if (gap >= gap_allowed || scale >= log(factor_allowed)) ps_finding_add_layer(out, l);
    }
    return out->layers;
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    int known = 0, found = add_layers(facts, out, &known), normalised = 0;
    char text[256];
    for (int l = 0; l < facts->layer_count; l++) normalised += facts->layers[l].normalised;
    if (facts->layer_count > 0 && normalised == 0) return PS_JUDGED_NOTHING;
    if (known == 0 || facts->steps < FEWEST_STEPS) return PS_JUDGED_UNKNOWN;
    if (found == 0) return PS_JUDGED_NOTHING;
    int first = out->layer[0];
    double gap = ps_fact_last(&facts->layers[first].series[PS_FACT_mode_gap]),
           scale = ps_fact_last(&facts->layers[first].series[PS_FACT_mode_scale]);
    out->level = 2 * found > known ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->strength = fmax(gap / gap_allowed, scale / log(factor_allowed));
    out->since = facts->at_rest ? -1 : ps_layers_since(&facts->layers[first].series[PS_FACT_mode_gap], gap_allowed);
    ps_finding_say(out,
                   "Running statistics of %s are not those of the batches: the mean is off by %.2g deviations, the "
                   "variance by a factor of %.2g.",
                   ps_layers_words(out, facts, text, sizeof text), gap, exp(scale));
    ps_layers_evidence(out, facts, first, PS_FACT_mode_gap, PS_AT_LAST, gap_allowed);
    ps_layers_evidence(out, facts, first, PS_FACT_mode_scale, PS_AT_LAST, log(factor_allowed));
    ps_finding_add_cause(out, "a momentum of the running statistics near 0, or statistics that were never computed",
                         "%s", "");
    ps_finding_add_cause_of(out, "batches too small, or weights that move faster than the running mean follows",
                            "batches of ", facts->batch, " images");
    ps_finding_try(out, "Set --norm-momentum to 0.1, or compute the statistics anew over the training images.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_running_statistics = {
    .id = "running_statistics",
    .title = "running statistics do not fit the batches",
    .group = PS_GROUP_OF_NORMALISATION,
    .level = PS_LEVEL_SERIOUS,
    .rank = 18,
    .at_rest = true,
    .needs = "running statistics and moments of the batch at a probe, over 30 steps or more",
    .source = "a deviation, a factor of two in scale; by simulation",
    .judge = judge,
};
