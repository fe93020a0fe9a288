/* Gates that do nothing: a ReLU that never closes, or a LeakyReLU whose slope is nearly 1, hands on what enters it, and
 * layers with such gates between them are worth one layer (Goodfellow et al. 2016, Deep Learning, 6.1: without a
 * nonlinearity the network is a linear function of its input). */
#include <math.h>
#include <string.h>

#include "analysis/findings/by_layer.h"

/* Of a layer's nodes: a sound ReLU network has hardly a node whose gate never closes. */
static const double all = 0.9, half = 0.5;

static bool has_slope(const ps_facts *facts, int layer) {
    return strcmp(facts->layers[layer].activation, "leaky_relu") == 0;
}

static double share_at(const ps_layer_facts *layer, ps_layers_when when) {
    const ps_fact_series *series = &layer->series[PS_FACT_linear];
    return when == PS_AT_FIRST ? ps_fact_first(series) : ps_fact_last(series);
}

/* Share of the nodes that stand in layers of which nearly all gates do nothing; ps_absent(): of none known. */
static double linear_share(const ps_facts *facts, ps_layers_when when) {
    double nodes = 0, linear = 0;
    for (int l = 0; l < facts->layer_count; l++) {
        double share = share_at(&facts->layers[l], when);
        if (isnan(share)) continue;
        nodes += facts->layers[l].nodes;
        linear += share >= all ? facts->layers[l].nodes : 0;
    }
    return nodes > 0 ? linear / nodes : ps_absent();
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    char text[256];
    double then = linear_share(facts, PS_AT_FIRST), now = linear_share(facts, PS_AT_LAST);
    if (ps_is_absent(now)) return PS_JUDGED_UNKNOWN;
    /* Gates that did nothing at the start and have closed for good since were open first. */
    ps_layers_when when = then >= now ? PS_AT_FIRST : PS_AT_LAST;
    double linear = then >= now ? then : now;
    if (!(linear >= half)) return PS_JUDGED_NOTHING;
    ps_layers_add(out, facts, PS_FACT_linear, when, all, false);
    int first = out->layer[0];
    const ps_fact_series *series = &facts->layers[first].series[PS_FACT_linear];
    out->level = linear >= 1 ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->strength = linear / half;
    out->since = facts->at_rest ? -1 : when == PS_AT_FIRST ? series->step[0] : ps_layers_since(series, all);
    if (out->since == 0) out->rank = PS_RANK_START - 1;
    ps_finding_say(out, "The gates of %s %s nothing (%s): %s is a linear function of what it reads.",
                   ps_layers_words(out, facts, text, sizeof text), now >= half ? "do" : "did",
                   has_slope(facts, first) ? "what is below 0 passes, too" : "they are open on all images",
                   linear >= 1 ? "the network" : "the stack of them");
    ps_layers_evidence(out, facts, first, PS_FACT_linear, when, all);
    if (has_slope(facts, first))
        ps_finding_add_cause(out, "a slope of nearly 1 on the negative side", "the gates are LeakyReLUs");
    else {
        if (out->since == 0)
            ps_finding_add_cause(out, "biases or shifts that start far above 0", "they are open at the first probe");
        ps_finding_add_cause(out, "inputs of one sign and weights of one sign", "%s", "");
        ps_finding_add_cause(out, "steps that pushed biases or shifts up", "%s", "");
    }
    ps_finding_try(out, "%s",
                   has_slope(facts, first) ? "ReLU, or a slope of 0.01 (--leaky-slope 0.01)."
                                           : "Start biases and shifts at 0; normalise the input.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_linear_gates = {
    .id = "linear_gates",
    .title = "gates do nothing",
    .group = PS_GROUP_OF_NODES,
    .level = PS_LEVEL_SERIOUS,
    .rank = 30,
    .at_rest = true,
    .needs = "nonzero of ReLUs at a probe, or the slope of LeakyReLUs",
    .source = "none: gates that never close; shares by simulation",
    .judge = judge,
};
