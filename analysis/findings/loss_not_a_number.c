/* A loss that is not a number: nothing is learned from such a step, and most often from none after it. */
#include <math.h>

#include "analysis/findings/curve.h"

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    const ps_fact_series *loss = &facts->loss;
    size_t bad = 0, first = loss->count;
    if (loss->count == 0) return PS_JUDGED_UNKNOWN;
    for (size_t i = loss->count; i-- > 0;) {
        if (isfinite(loss->value[i])) continue;
        bad++;
        first = i;
    }
    if (bad == 0) return PS_JUDGED_NOTHING;
    double before = first > 0 ? loss->value[first - 1] : ps_absent();
    out->since = loss->step[first];
    out->strength = (double)bad;
    if (out->since > 0) out->rank = PS_RANK_START;
    ps_finding_say(out, "The loss is not a finite number on %zu of %zu steps, first at step %lld.", bad, loss->count,
                   loss->step[first]);
    ps_finding_add_evidence(out, "loss", loss->value[first], ps_absent(), loss->line[first]);
    if (first > 0) ps_finding_add_evidence(out, "loss of the step before", before, ps_absent(), loss->line[first - 1]);
    if (first == 0)
        ps_finding_add_cause(out, "images, labels or starting weights that are not finite",
                             "it is so at the first step");
    else if (before > 2 * ps_fact_first(loss))
        ps_finding_add_cause(out, "divergence: the learning rate is too high", "the loss had grown from %.3g to %.3g",
                             ps_fact_first(loss), before);
    else ps_finding_add_cause(out, "one step that was too long", "the loss was %.3g the step before", before);
    ps_finding_try(out, "A lower learning rate, warm-up, clipping of the gradient; at step 0 look at the data first.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_loss_not_a_number = {
    .id = "loss_not_a_number",
    .title = "the loss is not a number",
    .group = PS_GROUP_OF_NUMBERS,
    .level = PS_LEVEL_CRITICAL,
    .rank = 13,
    .at_rest = false,
    .needs = "loss of each step",
    .source = "every such value counts",
    .judge = judge,
};
