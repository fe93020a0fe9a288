/* Running statistics that are not those of the batches, whatever it does to the loss. */
#include <math.h>

#include "analysis/findings/by_layer.h"
#include "analysis/findings/curve.h"

/* A mean off by a deviation, or a variance by a factor of four (a scale of two): half of the layer's values lie
 * elsewhere. */
static const double gap_allowed = 1, factor_allowed = 4;
/* Less than that in a window of ten steps or more is a momentum of under 0.03: statistics of the start. */
static const double stands = 0.25;
enum { FEWEST_STEPS = 30, SHORTEST_WINDOW = 10 };

static bool is_off(const ps_layer_facts *layer) {
    return ps_fact_last(&layer->series[PS_FACT_mode_gap]) >= gap_allowed ||
           ps_fact_last(&layer->series[PS_FACT_mode_scale]) >= log(factor_allowed);
}

static bool stands_still(const ps_facts *facts, const ps_layer_facts *layer) {
    return facts->window >= SHORTEST_WINDOW && ps_curve_tail(&layer->series[PS_FACT_mode_follow], 0.5) < stands;
}

static int add_layers(const ps_facts *facts, ps_finding *out, bool off, int *known) {
    for (int l = 0; l < facts->layer_count; l++) {
        const ps_layer_facts *layer = &facts->layers[l];
        *known += !isnan(ps_fact_last(&layer->series[PS_FACT_mode_gap])) ||
                  !isnan(ps_fact_last(&layer->series[PS_FACT_mode_scale]));
        if (off ? is_off(layer) : stands_still(facts, layer)) ps_finding_add_layer(out, l);
    }
    return out->layers;
}

/* A trace holds running statistics of normalisations with a gate of their own: of those before a sum, whose gate is
 * shared, nothing is known. */
static bool knows_all(const ps_facts *facts) {
    for (int l = 0; l < facts->layer_count; l++) {
        const ps_layer_facts *layer = &facts->layers[l];
        if (layer->own_gate ? !layer->over_batch : facts->at_rest && !layer->over_batch) continue;
        if (layer->series[PS_FACT_mode_gap].count == 0 && layer->series[PS_FACT_variance_low].count == 0) return false;
    }
    return true;
}

static void add_causes(const ps_facts *facts, ps_finding *out) {
    int first = out->layer[0];
    double follow = ps_curve_tail(&facts->layers[first].series[PS_FACT_mode_follow], 0.5);
    ps_layers_evidence(out, facts, first, PS_FACT_mode_gap, PS_AT_LAST, gap_allowed);
    ps_layers_evidence(out, facts, first, PS_FACT_mode_scale, PS_AT_LAST, log(factor_allowed));
    ps_layers_evidence(out, facts, first, PS_FACT_mode_follow, PS_AT_LAST, stands);
    if (!(follow >= PS_FINDINGS_FOLLOWS))
        ps_finding_add_cause(out, "a momentum of the running statistics near 0, or statistics that were never computed",
                             "%s", follow < stands ? "they hardly move towards those of the batches" : "");
    ps_finding_add_cause(out, "batches too small, or weights that move faster than the running mean follows",
                         "batches of %.0f images", facts->batch);
    ps_finding_try(out, "Set --norm-momentum to 0.1, or compute the statistics anew over the training images.");
}

/* They are not off by much, or not yet, but they do not follow: what is trained on goes on without them. */
static ps_judgement judge_lag(const ps_facts *facts, ps_finding *out) {
    char text[256];
    int known = 0;
    if (add_layers(facts, out, false, &known) == 0) return knows_all(facts) ? PS_JUDGED_NOTHING : PS_JUDGED_UNKNOWN;
    int first = out->layer[0];
    double follow = ps_curve_tail(&facts->layers[first].series[PS_FACT_mode_follow], 0.5);
    out->level = PS_LEVEL_WARNING;
    out->strength = stands / fmax(follow, 1e-9);
    out->since = facts->layers[first].series[PS_FACT_mode_follow].step[0];
    ps_finding_say(out,
                   "Running statistics of %s hardly follow the batches: in a window they close %.2g %% of what they "
                   "are off.",
                   ps_layers_words(out, facts, text, sizeof text), 100 * follow);
    add_causes(facts, out);
    return PS_JUDGED_FOUND;
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    int known = 0, found = add_layers(facts, out, true, &known), normalised = 0;
    char text[256];
    for (int l = 0; l < facts->layer_count; l++) normalised += facts->layers[l].over_batch;
    if (facts->layer_count > 0 && normalised == 0) return PS_JUDGED_NOTHING;
    if (known == 0 || facts->steps < FEWEST_STEPS) return PS_JUDGED_UNKNOWN;
    if (found == 0) return judge_lag(facts, out);
    int first = out->layer[0];
    double gap = ps_fact_last(&facts->layers[first].series[PS_FACT_mode_gap]),
           scale = ps_fact_last(&facts->layers[first].series[PS_FACT_mode_scale]);
    out->level = 2 * found > known ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->strength = fmax(gap / gap_allowed, scale / log(factor_allowed)); /* of the one that is known */
    out->since = ps_layers_since(&facts->layers[first].series[PS_FACT_mode_gap], gap_allowed);
    if (out->since < 0)
        out->since = ps_layers_since(&facts->layers[first].series[PS_FACT_mode_scale], log(factor_allowed));
    if (facts->at_rest) out->since = -1;
    ps_layers_words(out, facts, text, sizeof text);
    if (isnan(scale) || isnan(gap))
        ps_finding_say(out,
                       isnan(gap) ? "Running statistics of %s are not those of the batches: the variance is off by a "
                                    "factor of %.2g."
                                  : "Running statistics of %s are not those of the batches: the mean is off by %.2g "
                                    "deviations.",
                       text, isnan(gap) ? exp(scale) : gap);
    else
        ps_finding_say(out,
                       "Running statistics of %s are not those of the batches: the mean is off by %.2g deviations, the "
                       "variance by a factor of %.2g.",
                       text, gap, exp(scale));
    add_causes(facts, out);
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_running_statistics = {
    .id = "running_statistics",
    .title = "running statistics do not fit the batches",
    .group = PS_GROUP_OF_NORMALISATION,
    .level = PS_LEVEL_SERIOUS,
    .rank = 18,
    .at_rest = true,
    .needs =
        "running statistics and moments of all normalisations at a probe (before a sum: a checkpoint), over 30 steps "
        "or more",
    .source = "a deviation, a factor of two in scale; by simulation",
    .judge = judge,
};
