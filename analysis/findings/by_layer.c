#include "analysis/findings/by_layer.h"

#include <math.h>
#include <stdio.h>

static double value_at(const ps_fact_series *series, ps_layers_when when) {
    return when == PS_AT_FIRST ? ps_fact_first(series) : ps_fact_last(series);
}

ps_layers_share ps_layers_share_of(const ps_facts *facts, ps_layer_fact fact, ps_layers_when when, bool own) {
    ps_layers_share out = {ps_absent(), ps_absent(), -1, 0};
    double sum = 0, nodes = 0;
    for (int l = 0; l < facts->layer_count; l++) {
        const ps_layer_facts *layer = &facts->layers[l];
        double value = value_at(&layer->series[fact], when);
        if ((own && !layer->own_gate) || !isfinite(value)) continue;
        sum += value * layer->nodes;
        nodes += layer->nodes;
        if (out.known++ > 0 && !(value > out.largest)) continue;
        out.largest = value;
        out.layer = l;
    }
    if (nodes > 0) out.share = sum / nodes;
    return out;
}

long long ps_layers_since(const ps_fact_series *series, double threshold) {
    long long since = -1;
    for (size_t i = series->count; i > 0 && series->value[i - 1] >= threshold; i--) since = series->step[i - 1];
    return since;
}

int ps_layers_add(ps_finding *finding, const ps_facts *facts, ps_layer_fact fact, ps_layers_when when, double threshold,
                  bool own) {
    int added = 0;
    for (int l = 0; l < facts->layer_count; l++) {
        if (own && !facts->layers[l].own_gate) continue;
        if (!(value_at(&facts->layers[l].series[fact], when) >= threshold)) continue;
        ps_finding_add_layer(finding, l);
        added++;
    }
    return added;
}

const char *ps_layers_words(const ps_finding *finding, const ps_facts *facts, char *text, size_t size) {
    const ps_layer_facts *layers = facts->layers;
    int n = finding->layers;
    if (n == 0) snprintf(text, size, "the network");
    else if (n == 1) snprintf(text, size, "%s", layers[finding->layer[0]].name);
    else if (n == 2) snprintf(text, size, "%s and %s", layers[finding->layer[0]].name, layers[finding->layer[1]].name);
    else
        snprintf(text, size, "%s, %s and %d more", layers[finding->layer[0]].name, layers[finding->layer[1]].name,
                 n - 2);
    return text;
}

void ps_layers_evidence(ps_finding *finding, const ps_facts *facts, int layer, ps_layer_fact fact, ps_layers_when when,
                        double threshold) {
    const ps_fact_series *series = &facts->layers[layer].series[fact];
    char what[96];
    if (series->count == 0) return;
    snprintf(what, sizeof what, "%s in %s", ps_layer_fact_name(fact), facts->layers[layer].name);
    size_t at = when == PS_AT_FIRST ? 0 : series->count - 1;
    ps_finding_add_evidence(finding, what, series->value[at], threshold, series->line[at]);
}

double ps_layers_peak(const ps_fact_series *series) {
    double peak = ps_absent();
    for (size_t i = 0; i < series->count; i++)
        if (isfinite(series->value[i]) && !(series->value[i] <= peak)) peak = series->value[i];
    return peak;
}

bool ps_layers_passed(const ps_facts *facts, int layer) {
    for (int l = layer + 1; l < facts->layer_count; l++) {
        double dead = ps_fact_last(&facts->layers[l].series[PS_FACT_dead]),
               constant = ps_fact_last(&facts->layers[l].series[PS_FACT_constant]);
        if (isnan(dead)) continue;
        return dead + (isnan(constant) ? 0 : constant) < 1;
    }
    return false; /* the last gate, or nothing is known of those behind */
}

/* ---- causes ---- */

static double last(const ps_facts *facts, int layer, ps_layer_fact fact) {
    return ps_fact_last(&facts->layers[layer].series[fact]);
}

static bool shut_before(const ps_facts *facts, int layer) {
    return layer > 0 && last(facts, layer - 1, PS_FACT_dead) >= 1 && !ps_layers_passed(facts, layer - 1);
}

void ps_layers_add_causes(ps_finding *finding, const ps_facts *facts, int layer, long long since) {
    const ps_layer_facts *of = &facts->layers[layer];
    double ratio = ps_layers_peak(&of->series[PS_FACT_update_ratio]), peak_lr = ps_layers_peak(&facts->lr);
    double shut = last(facts, layer, PS_FACT_shut_by_norm), decay = last(facts, layer, PS_FACT_decay_ratio);
    if (last(facts, layer, PS_FACT_weight_rms) == 0)
        ps_finding_add_cause(finding, "its incoming weights are all 0", "their root mean square is exactly 0");
    if (shut_before(facts, layer))
        ps_finding_add_cause(finding, "nothing reaches it", "%s before it is dead", facts->layers[layer - 1].name);
    if (shut >= 0.5)
        ps_finding_add_cause(finding, "scale and shift of the normalisation shut the gate, whatever comes",
                             "so in %.0f %% of its nodes", 100 * shut);
    if (since == 0 && !facts->at_rest)
        ps_finding_add_cause(finding, "the start: biases or weights that shut the gates before any training",
                             "it was so at the first probe");
    if (since > 0 && ratio >= 0.05)
        ps_finding_add_cause(finding, "steps too long for these weights: the learning rate is too high",
                             "a step moved the weights by up to %.2g of their norm, at a learning rate of %.3g", ratio,
                             peak_lr);
    if (since > 0 && decay >= 1)
        ps_finding_add_cause(finding, "weight decay", "it moves the weights %.2g times as far as the gradient", decay);
    if (finding->causes == 0 && since > 0)
        ps_finding_add_cause(finding, "steps that pushed biases or shifts below what the inputs can lift",
                             "it came in training, by step %lld", since);
    if (finding->causes == 0)
        ps_finding_add_cause(finding,
                             "nothing that was recorded says why; `poolscope diagnose` on a checkpoint names the "
                             "cause of each node",
                             "%s", "");
}
