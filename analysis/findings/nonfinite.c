/* Values that are not finite: what was the first of them, in which node, and when. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/findings/curve.h"

/* Of what happened at one step the weights explain the outputs, these the gradient, and that the loss. */
static int order_of(const char *what) {
    static const char *const words[] = {"weight", "running", "activation", "output", "gradient", "loss"};
    int i = 0;
    while (i < 6 && strncmp(what, words[i], strlen(words[i])) != 0) i++;
    return i;
}

static const ps_nonfinite_fact *first_of(const ps_facts *facts) {
    const ps_nonfinite_fact *first = NULL;
    for (size_t i = 0; i < facts->nonfinite_count; i++) {
        const ps_nonfinite_fact *f = &facts->nonfinite[i];
        if (first == NULL || f->step < first->step ||
            (f->step == first->step && order_of(f->what) < order_of(first->what)))
            first = f;
    }
    return first;
}

static const char *words_of(const char *what) {
    static const char *const words[] = {"weights", "running statistics", "outputs", "outputs", "gradient", "loss"};
    int order = order_of(what);
    return order < 6 ? words[order] : what;
}

static void add_layers(const ps_facts *facts, ps_finding *out) {
    for (int l = 0; l < facts->layer_count; l++)
        for (size_t i = 0; i < facts->nonfinite_count; i++) {
            const char *layer = facts->nonfinite[i].layer;
            size_t length = strlen(facts->layers[l].name);
            bool named = layer != NULL && strncmp(layer, facts->layers[l].name, length) == 0 &&
                         (layer[length] == '\0' || layer[length] == '.');
            if (!named) continue;
            ps_finding_add_layer(out, l);
            break;
        }
}

static void add_causes(const ps_facts *facts, const ps_nonfinite_fact *first, ps_finding *out) {
    double ratio = ps_curve_of_layers(facts, PS_FACT_update_ratio, true), start = ps_fact_first(&facts->loss);
    bool sound = true;
    for (int c = 0; facts->data.known && c < facts->data.channels; c++) sound = sound && isfinite(facts->data.mean[c]);
    if (!sound) ps_finding_add_cause(out, "images hold values that are not finite", "so their mean is none");
    if (ratio >= 0.1)
        ps_finding_add_cause(out, "the learning rate is too high", "a step moved weights by up to %.2g of their norm",
                             ratio);
    if (first->step == 0 && !facts->at_rest)
        ps_finding_add_cause(out, "starting weights or images that are not finite, or too large", "it is so at step 0");
    else if (!facts->at_rest && !(ratio >= 0.1))
        ps_finding_add_cause(out, "the learning rate is too high", "the loss was %.3g at the start", start);
    if (facts->at_rest) ps_finding_add_cause(out, "the training that these weights come from diverged", "%s", "");
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    const ps_nonfinite_fact *first = first_of(facts);
    char where[160] = "";
    if (first == NULL && facts->loss.count == 0 && facts->layer_count == 0) return PS_JUDGED_UNKNOWN;
    if (first == NULL) return PS_JUDGED_NOTHING;
    bool many = strcmp(words_of(first->what), "weights") == 0 || strcmp(words_of(first->what), "outputs") == 0 ||
                strcmp(words_of(first->what), "running statistics") == 0;
    if (first->layer != NULL && first->channel >= 0)
        snprintf(where, sizeof where, " of %s:%d", first->layer, first->channel);
    else if (first->layer != NULL) snprintf(where, sizeof where, " of %s", first->layer);
    out->since = facts->at_rest ? -1 : first->step;
    out->explains = "loss_not_a_number,divergence,overflow,exploding_gradients";
    if (out->since > 0) out->rank = PS_RANK_START; /* what stood before the first step comes before it */
    out->strength = (double)facts->nonfinite_count;
    add_layers(facts, out);
    if (facts->at_rest)
        ps_finding_say(out, "The %s%s %s not finite.", words_of(first->what), where, many ? "are" : "is");
    else
        ps_finding_say(out, "The %s%s %s not finite from step %lld on, the first of all values.", words_of(first->what),
                       where, many ? "are" : "is", first->step);
    for (size_t i = 0; i < facts->nonfinite_count && i < 4; i++) {
        const ps_nonfinite_fact *f = &facts->nonfinite[i];
        snprintf(where, sizeof where, "%s not finite at step %lld%s%s", words_of(f->what), f->step,
                 f->layer != NULL ? ": " : "", f->layer != NULL ? f->layer : "");
        ps_finding_add_evidence(out, where, NAN, ps_absent(), f->line);
    }
    add_causes(facts, first, out);
    ps_finding_try(out,
                   "A learning rate a tenth as high, warm-up (--warmup) and clipping of the gradient (--clip 1); "
                   "see that images are finite and the input is normalised.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_nonfinite = {
    .id = "nonfinite",
    .title = "values are not finite",
    .group = PS_GROUP_OF_NUMBERS,
    .level = PS_LEVEL_CRITICAL,
    .rank = 12,
    .at_rest = true,
    .needs = "events of values that are not finite, or the loss of each step",
    .source = "every such value counts",
    .judge = judge,
};
