/* A schedule that is over before the training: nearly all of what the learning rates of all steps add up to was spent
 * in the first steps, and the loss was still high then. Usual schedules (cosine, or a tenth at each of three
 * milestones) spend 99 % of it after half of the run; nothing is learned with the rest. */
#include <math.h>

#include "analysis/findings/by_layer.h"
#include "analysis/findings/curve.h"

enum { FEWEST_STEPS = 40 };
static const double nearly_all = 0.99, early = 0.25, high = 0.3;

/* By which index of the steps that share of the sum of all learning rates was spent. */
static size_t spent_by(const ps_fact_series *lr) {
    double sum = 0, part = 0;
    size_t at = 0;
    for (size_t i = 0; i < lr->count; i++) sum += lr->value[i];
    while (at < lr->count && (part += lr->value[at]) < nearly_all * sum) at++;
    return at;
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    const ps_fact_series *lr = &facts->lr;
    double peak = ps_layers_peak(lr), loss = ps_curve_tail(&facts->loss, 0.1);
    if (lr->count < FEWEST_STEPS || !(facts->chance_loss > 0) || ps_is_absent(loss)) return PS_JUDGED_UNKNOWN;
    size_t at = spent_by(lr);
    if (!(peak > 0) || !((double)(at + 1) <= early * (double)lr->count) || !(loss >= ps_curve_level(facts, high)))
        return PS_JUDGED_NOTHING;
    double last = ps_fact_last(lr);
    out->since = lr->step[at];
    out->strength = early * (double)lr->count / (double)(at + 1);
    out->explains = "stagnation,updates_too_small,inert_nodes,momentum_carries,decay_over_gradients";
    ps_finding_say(
        out,
        "The learning rate is spent by step %lld of %.0f: from %.3g it falls to %.3g, while the loss is still "
        "%.3g (a guess costs %.3g).",
        out->since, (double)lr->count, peak, last, loss, facts->chance_loss);
    ps_finding_add_evidence(out, "lr where it is spent", lr->value[at], ps_absent(), lr->line[at]);
    ps_finding_add_evidence(out, "lr at the end", last, ps_absent(), ps_curve_last_line(lr));
    ps_finding_add_evidence(out, "loss at the end (median)", loss, ps_curve_level(facts, high),
                            ps_curve_last_line(&facts->loss));
    ps_finding_add_cause(out, "milestones that are too early, or a factor that is too small", "%s", "");
    ps_finding_add_cause(out, "a schedule made for fewer steps, or counted in epochs where steps were meant", "%s", "");
    ps_finding_try(out, "A schedule as long as the run: --schedule cosine, or milestones at 0.3, 0.6 and 0.8 of it.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_schedule_falls_early = {
    .id = "schedule_falls_early",
    .title = "the learning rate falls too early",
    .group = PS_GROUP_OF_SETUP,
    .level = PS_LEVEL_SERIOUS,
    .rank = PS_RANK_START + 1,
    .at_rest = false,
    .needs = "learning rate and loss of 40 steps or more, and the number of classes",
    .by_guess = true,
    .source = "the schedules in use spend 99 % of it after half of the run",
    .judge = judge,
};
