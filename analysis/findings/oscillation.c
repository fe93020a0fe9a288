/* The loss leaps from step to step: by half of itself in the median, over the last half of the run, while it is not
 * small (small losses are made by few images, and leap in every run). */
#include <math.h>
#include <stdlib.h>

#include "analysis/findings/curve.h"

enum { FEWEST_STEPS = 40 };
static const double leaps = 0.5, high = 0.3;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    const ps_fact_series *loss = &facts->loss;
    ps_fact_series leap = {0};
    if (loss->count < FEWEST_STEPS || !(facts->chance_loss > 0)) return PS_JUDGED_UNKNOWN;
    for (size_t i = loss->count / 2 + 1; i < loss->count; i++)
        if (ps_fact_add(&leap, loss->step[i], fabs(loss->value[i] - loss->value[i - 1]), loss->line[i]) != PS_OK) break;
    double level = ps_curve_tail(loss, 0.5), size = ps_curve_median(&leap, 0, leap.count);
    ps_fact_clear(&leap);
    if (!(level >= ps_curve_level(facts, high)) || !(size >= leaps * level)) return PS_JUDGED_NOTHING;
    out->since = loss->step[loss->count / 2];
    out->strength = size / (leaps * level);
    ps_finding_say(out, "The loss leaps by %.0f %% of itself from one step to the next, around %.3g.",
                   100 * size / level, level);
    ps_finding_add_evidence(out, "leap of the loss (median)", size, leaps * level, ps_curve_last_line(loss));
    double ratio = ps_curve_of_layers(facts, PS_FACT_update_ratio, false);
    ps_finding_add_cause(out, "the learning rate is too high", "steps move weights by %.2g of their norm", ratio);
    ps_finding_add_cause(out, "batches too small, or too unlike each other", "batches of %.0f images", facts->batch);
    ps_finding_try(out, "A learning rate a third as high, or larger batches; see that images are shuffled.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_oscillation = {
    .id = "oscillation",
    .title = "the loss leaps from step to step",
    .group = PS_GROUP_OF_LEARNING,
    .level = PS_LEVEL_WARNING,
    .rank = 51,
    .at_rest = false,
    .needs = "loss of 40 steps or more, and the number of classes",
    .by_guess = true,
    .source = "by simulation",
    .judge = judge,
};
