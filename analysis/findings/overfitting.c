/* The training loss falls while that of images it does not train on rises: of the test images where three evaluations
 * or more were made, else of the probe images, which are held apart. */
#include <math.h>

#include "analysis/findings/curve.h"

enum { FEWEST = 3 };
static const double rise = 1.2, far = 2;

static double loss_at(const ps_fact_series *loss, long long step) {
    size_t end = 0;
    while (end < loss->count && loss->step[end] < step) end++;
    return ps_curve_median(loss, end > 10 ? end - 10 : 0, end > 0 ? end : 1);
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    const ps_fact_series *held = facts->test_loss.count >= FEWEST ? &facts->test_loss : &facts->probe_loss_batch;
    bool test = held == &facts->test_loss;
    if (held->count < FEWEST || facts->loss.count == 0 || !(facts->chance_loss > 0)) return PS_JUDGED_UNKNOWN;
    size_t low = 0;
    for (size_t i = 1; i < held->count; i++)
        if (held->value[i] < held->value[low]) low = i;
    double last = ps_fact_last(held), least = held->value[low];
    double then = loss_at(&facts->loss, held->step[low]), now = ps_curve_tail(&facts->loss, 0.1);
    bool rises = last >= rise * least && last >= least + 0.1 * facts->chance_loss;
    if (!rises || !(now < 0.9 * then) || !(least < facts->chance_loss)) return PS_JUDGED_NOTHING;
    out->level = last >= far * least && last >= facts->chance_loss ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->since = held->step[low];
    out->strength = last / (rise * least);
    ps_finding_say(out,
                   "Since step %lld the training loss falls (%.3g to %.3g) while that of the %s images rises "
                   "(%.3g to %.3g): the network learns its images by heart.",
                   held->step[low], then, now, test ? "test" : "probe", least, last);
    ps_finding_add_evidence(out, test ? "lowest test loss" : "lowest loss of the probe images", least, ps_absent(),
                            held->line[low]);
    ps_finding_add_evidence(out, test ? "test loss at the end" : "loss of the probe images at the end", last,
                            rise * least, ps_curve_last_line(held));
    ps_finding_add_cause(out, "too few images for so large a network, or for so many epochs",
                         "%.0f images, %.1f epochs", facts->data.train, facts->steps / facts->epoch_steps);
    if (facts->weight_decay == 0) ps_finding_add_cause(out, "nothing holds weights back", "there is no weight decay");
    ps_finding_add_cause(out, "images that are never varied", "%s", "");
    ps_finding_try(out, "Augmentation (--flip, --crop-pad 4), weight decay, drop-out; or stop at step %lld.",
                   held->step[low]);
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_overfitting = {
    .id = "overfitting",
    .title = "training falls while test rises",
    .group = PS_GROUP_OF_LEARNING,
    .level = PS_LEVEL_SERIOUS,
    .rank = 53,
    .at_rest = false,
    .needs = "three evaluations, or losses of the probe images, and the training loss",
    .by_guess = true,
    .source = "by simulation",
    .judge = judge,
};
