/* Fewer steps than an epoch has: some images are never seen. */
#include "analysis/findings/finding.h"
#include "analysis/json_scan.h"

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    double steps = facts->steps_planned, epoch = facts->epoch_steps;
    if (ps_is_absent(steps) || !(epoch > 0)) return PS_JUDGED_UNKNOWN;
    if (steps >= epoch) return PS_JUDGED_NOTHING;
    out->since = facts->at_rest ? -1 : 0;
    out->strength = epoch / steps;
    if (facts->epoch_given)
        ps_finding_say(out, "%.0f steps are planned, and what is called an epoch has %.0f.", steps, epoch);
    else
        ps_finding_say(out, "%.0f steps are planned, and an epoch has %.0f: %.0f %% of the images are never seen.",
                       steps, epoch, 100 * (1 - steps / epoch));
    ps_finding_add_evidence(out, "steps planned", steps, epoch, facts->at_rest ? 0 : 1);
    ps_finding_add_cause(out, "a short run on purpose, or steps taken for epochs", "%s", "");
    ps_finding_try(out, "--steps %.0f for an epoch, more to learn.", epoch);
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_short_run = {
    .id = "short_run",
    .title = "fewer steps than an epoch",
    .group = PS_GROUP_OF_SETUP,
    .level = PS_LEVEL_NOTE,
    .rank = 71,
    .at_rest = true,
    .needs = "steps planned, training images and batch",
    .source = "one epoch",
    .judge = judge,
};
