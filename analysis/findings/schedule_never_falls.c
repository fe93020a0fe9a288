/* The learning rate is as high at the end as it ever was, after five epochs or more: the last steps leap about what
 * they could settle in. */
#include "analysis/findings/by_layer.h"
#include "analysis/findings/curve.h"

static const double epochs = 5, high = 0.9;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    double last = ps_fact_last(&facts->lr), peak = ps_layers_peak(&facts->lr);
    if (facts->lr.count == 0 || !(facts->epoch_steps > 0) || !(facts->steps > 0)) return PS_JUDGED_UNKNOWN;
    if (facts->unfinished || facts->diverged) return PS_JUDGED_UNKNOWN; /* it may fall yet */
    if (!(facts->steps >= epochs * facts->epoch_steps) || !(last >= high * peak)) return PS_JUDGED_NOTHING;
    out->since = 0;
    out->strength = facts->steps / facts->epoch_steps / epochs;
    ps_finding_say(out, "The learning rate never falls: it is %.3g at the end of %.1f epochs, as high as it ever was.",
                   last, facts->steps / facts->epoch_steps);
    ps_finding_add_evidence(out, "lr at the end", last, high * peak, ps_curve_last_line(&facts->lr));
    ps_finding_add_cause(out, "a constant schedule", "%s", "");
    ps_finding_try(out, "--schedule cosine, or step.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_schedule_never_falls = {
    .id = "schedule_never_falls",
    .title = "the learning rate never falls",
    .group = PS_GROUP_OF_SETUP,
    .level = PS_LEVEL_NOTE,
    .rank = 70,
    .at_rest = false,
    .needs = "learning rate, steps and epochs of a finished run",
    .source = "five epochs; nine tenths of the peak",
    .judge = judge,
};
