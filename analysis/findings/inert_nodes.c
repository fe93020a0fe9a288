/* Nodes that are active and do not move: the gradient's part of their way in a window is below 1e-3 of their weights
 * (fixed.h). A schedule takes the learning rate to 0 in the end, and then everything is inert: windows count only where
 * the rate is at least a tenth of its largest. Nor has anything to move where the loss has settled, at a tenth of that
 * of a uniform guess or below. */
#include "analysis/findings/by_layer.h"
#include "analysis/findings/curve.h"

static const double some = 0.5, many = 0.9, rate_left = 0.1, settled = 0.1;

static double rate_at(const ps_facts *facts, long long step) {
    double rate = ps_fact_last(&facts->lr);
    for (size_t i = facts->lr.count; i > 0 && facts->lr.step[i - 1] >= step; i--) rate = facts->lr.value[i - 1];
    return rate;
}

/* Of the last fifth of the steps. */
static bool has_settled(const ps_facts *facts) {
    double sum = 0;
    size_t count = facts->loss.count, from = count - count / 5;
    for (size_t i = from; i < count; i++) sum += facts->loss.value[i];
    return count > from && sum / (double)(count - from) <= ps_curve_level(facts, settled);
}

/* The last point at which the rate is still there. */
static const double *last_point(const ps_facts *facts, const ps_fact_series *series, size_t *at) {
    double largest = ps_layers_peak(&facts->lr);
    for (size_t i = series->count; i > 0; i--) {
        if (rate_at(facts, series->step[i - 1]) < rate_left * largest) continue;
        *at = i - 1;
        return &series->value[i - 1];
    }
    return NULL;
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    double sum = 0, nodes = 0;
    int worst = -1;
    size_t at, worst_at = 0;
    char text[256];
    for (int l = 0; l < facts->layer_count; l++) {
        const ps_layer_facts *layer = &facts->layers[l];
        const double *value = layer->own_gate ? last_point(facts, &layer->series[PS_FACT_inert_alive], &at) : NULL;
        if (value == NULL || !(*value >= 0)) continue;
        sum += *value * layer->nodes;
        nodes += layer->nodes;
        if (*value >= some) ps_finding_add_layer(out, l);
        if (worst >= 0 && *value <= facts->layers[worst].series[PS_FACT_inert_alive].value[worst_at]) continue;
        worst = l;
        worst_at = at;
    }
    if (nodes == 0) return PS_JUDGED_UNKNOWN;
    double share = sum / nodes;
    if (!(share >= some) || has_settled(facts)) return PS_JUDGED_NOTHING;
    const ps_fact_series *series = &facts->layers[worst].series[PS_FACT_inert_alive];
    out->level = share >= many ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->strength = share / some;
    out->since = ps_layers_since(series, some);
    ps_finding_say(out,
                   "%.0f %% of the active nodes do not move (%s): in a window the gradient shifts their weights by "
                   "less than a thousandth.",
                   100 * share, ps_layers_words(out, facts, text, sizeof text));
    ps_finding_add_evidence(out, "inert_alive of the layer that moves least", series->value[worst_at], some,
                            series->line[worst_at]);
    ps_layers_evidence(out, facts, worst, PS_FACT_update_ratio, PS_AT_LAST, ps_absent());
    ps_finding_add_cause(out, "a learning rate too small for these weights", "it is %.3g", ps_fact_last(&facts->lr));
    ps_finding_add_cause(out, "gradients that vanish on their way back, or are clipped away", "%s", "");
    ps_finding_add_cause(out, "weights too large for their steps", "%s", "");
    ps_finding_try(out, "A learning rate ten times as large, if the loss has not settled.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_inert_nodes = {
    .id = "inert_nodes",
    .title = "active nodes do not move",
    .group = PS_GROUP_OF_NODES,
    .level = PS_LEVEL_SERIOUS,
    .rank = 40,
    .needs = "path_gradient and weight_start_l2 of a window, nonzero at a probe",
    .source = "inert as in the Weight Inertia hypothesis (arXiv 2409.13154), 1e-3 of the weights; shares by simulation",
    .judge = judge,
};
