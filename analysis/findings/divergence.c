/* The loss grows: above what it started at and a guess costs, or back to a guess after it had come down. */
#include <math.h>

#include "analysis/findings/curve.h"

static const double above = 1.5, back = 0.97, came_down = 0.8;

static long long since(const ps_fact_series *loss, double limit, size_t from) {
    for (size_t i = from; i < loss->count; i++)
        if (!(loss->value[i] <= limit)) return loss->step[i];
    return loss->count > 0 ? loss->step[loss->count - 1] : -1;
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    ps_loss_course c;
    double chance = facts->chance_loss;
    if (!ps_loss_course_of(facts, &c) && !facts->diverged) return PS_JUDGED_UNKNOWN;
    if (facts->loss.count == 0) return PS_JUDGED_UNKNOWN;
    if (!ps_loss_course_of(facts, &c)) {
        c.start = c.low = ps_fact_first(&facts->loss);
        c.last = ps_fact_last(&facts->loss);
        c.low_at = 0;
    }
    double floor = chance > c.start ? chance : c.start;
    bool grows = c.last >= above * floor, lost = c.last >= back * chance && c.low <= ps_curve_level(facts, came_down);
    if (!facts->diverged && !grows && !lost) return PS_JUDGED_NOTHING;
    double limit = grows ? floor : lost ? (c.low + chance) / 2 : floor;
    out->since = since(&facts->loss, limit, c.low_at);
    out->strength = isfinite(c.last) ? c.last / limit : 1e9;
    if (grows || facts->diverged)
        ps_finding_say(out, "The training diverges: the loss is %.3g at the end, from %.3g at the start%s.", c.last,
                       c.start, facts->diverged ? ", and the run was given up" : "");
    else
        ps_finding_say(out,
                       "What was learned is lost again: the loss had come down to %.3g and is back at %.3g, where "
                       "a guess is.",
                       c.low, c.last);
    ps_finding_add_evidence(out, "loss at the end (median)", c.last, limit, ps_curve_last_line(&facts->loss));
    ps_finding_add_evidence(out, "lowest loss (median)", c.low, ps_absent(), ps_curve_line(&facts->loss, c.low_at));
    double ratio = ps_curve_of_layers(facts, PS_FACT_update_ratio, true), lr = ps_curve_head(&facts->lr, 1);
    if (ratio >= 0.05) ps_finding_add_evidence(out, "update_ratio, largest, median over layers", ratio, 0.1, 0);
    ps_finding_add_cause(
        out, "the learning rate is too high",
        ratio >= 0.05 ? "it is %.3g, and a step moved weights by up to %.2g of their norm" : "it is %.3g", lr, ratio);
    if (!(facts->warmup > 0) && out->since >= 0 && out->since < 0.2 * facts->steps)
        ps_finding_add_cause(out, "no warm-up", "it begins in the first fifth of the run");
    if (!(facts->clip_limit > 0))
        ps_finding_add_cause(out, "single large gradients, which nothing clips", "clipping is off");
    ps_finding_try(out, "A learning rate a third to a tenth as high; then warm-up (--warmup) and clipping (--clip 1).");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_divergence = {
    .id = "divergence",
    .title = "the training diverges",
    .group = PS_GROUP_OF_LEARNING,
    .level = PS_LEVEL_CRITICAL,
    .rank = 23,
    .at_rest = false,
    .needs = "loss of ten steps or more",
    .source = "the loss of a uniform guess; factors by simulation",
    .judge = judge,
};
