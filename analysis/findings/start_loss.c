/* The loss at the start against that of a uniform guess, which a network that knows nothing should cost: CS231n,
 * \"look for correct loss at chance performance\". Much more: it is sure of what it does not know. Much less: it has
 * seen the answer. */
#include <math.h>

#include "analysis/findings/curve.h"

static const double more = 2, much_more = 4, less = 0.5;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    double start = facts->at_rest ? ps_absent() : ps_fact_first(&facts->loss), chance = facts->chance_loss;
    if (facts->loss.count > 0 && facts->loss.step[0] != 0) return PS_JUDGED_UNKNOWN;
    if (ps_is_absent(start) || !(chance > 0) || !isfinite(start)) return PS_JUDGED_UNKNOWN;
    if (start < more * chance && start > less * chance) return PS_JUDGED_NOTHING;
    bool high = start >= more * chance;
    out->level = start >= much_more * chance ? PS_LEVEL_SERIOUS : high ? PS_LEVEL_WARNING : PS_LEVEL_NOTE;
    out->since = 0;
    out->strength = high ? start / (more * chance) : less * chance / (start > 0 ? start : 1e-9);
    ps_finding_say(out, "The loss at the start is %.3g, where a uniform guess costs %.3g: the network %s.", start,
                   chance, high ? "is sure of what it cannot know" : "knows the answer before it is trained");
    ps_finding_add_evidence(out, "loss of the first step", start, high ? more * chance : less * chance,
                            facts->loss.line[0]);
    double outputs = ps_absent();
    for (int l = 0; l < facts->layer_count; l++) {
        double rms = ps_fact_first(&facts->layers[l].series[PS_FACT_output_rms]);
        if (!ps_is_absent(rms)) outputs = rms;
    }
    if (high) {
        for (int c = 0; facts->data.known && c < facts->data.channels; c++) {
            if (!(fabs(facts->data.mean[c]) > 2 || facts->data.sd[c] > 3)) continue;
            ps_finding_add_cause(out, "the input is not normalised", "mean %.3g, standard deviation %.3g",
                                 facts->data.mean[c], facts->data.sd[c]);
            break;
        }
        ps_finding_add_cause(out, "starting weights of the last layer that are too large",
                             "what reaches it is of size %.3g", outputs);
        ps_finding_add_cause(out, "weights of another task, or labels in another order", "%s", "");
        ps_finding_try(out, "Start the last layer at zero or small; normalise the input; try the other --init-scheme.");
    } else {
        ps_finding_add_cause(out, "the run starts from trained weights", "%s", "");
        ps_finding_add_cause(out, "the answer stands in the images, or one class is most of them", "%s", "");
        ps_finding_try(out, "Nothing, where the weights are trained; else look at the images of one batch.");
    }
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_start_loss = {
    .id = "start_loss",
    .title = "the loss at the start is not that of a guess",
    .group = PS_GROUP_OF_LEARNING,
    .level = PS_LEVEL_SERIOUS,
    .rank = 14,
    .at_rest = false,
    .needs = "loss of the first step, and the number of classes",
    .by_guess = true,
    .source = "CS231n: the loss at the start is that of a guess; factors by simulation",
    .judge = judge,
};
