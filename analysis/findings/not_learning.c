/* No better than a guess at the end: the loss has not come down by a twentieth, and what is measured on the test images
 * is not above chance by two standard errors (or it is, a little, but every image was seen three times); or the loss
 * has come down, by heart, and the test images say so. */
#include <math.h>

#include "analysis/findings/curve.h"

enum { FEWEST_STEPS = 40 };
static const double down = 0.95, learned = 0.8, seen = 3;

/* Two standard errors above the chance level, of a share. */
static bool beats_chance(const ps_facts *facts) {
    const ps_trace_measure *m = &facts->task.measure[0];
    double value = ps_fact_last(&facts->test_measure), chance = facts->task.measures > 0 ? m->chance : NAN;
    if (ps_is_absent(value) || !isfinite(value) || !isfinite(chance) || !m->higher_is_better) return false;
    double error = facts->test_images > 0 ? sqrt(chance * (1 - chance) / facts->test_images) : 0;
    return value > chance + 2 * error;
}

static void add_causes(const ps_facts *facts, ps_finding *out) {
    double ratio = ps_curve_of_layers(facts, PS_FACT_update_ratio, true), lr = ps_curve_head(&facts->lr, 1),
           zero = ps_curve_of_layers(facts, PS_FACT_grad_zero, false);
    if (ratio < 1e-4)
        ps_finding_add_cause(out, "the learning rate is too low",
                             "it is %.3g, and no step moved weights by more than %.2g of their norm", lr, ratio);
    if (zero >= 0.9)
        ps_finding_add_cause(out, "no gradient reaches the weights", "it is exactly 0 on %.0f %% of all steps",
                             100 * zero);
    if (ratio >= 0.05)
        ps_finding_add_cause(out, "the learning rate is too high",
                             "it is %.3g, and a step moved weights by up to %.2g of their norm", lr, ratio);
    if (facts->data.constant > 0.5 * facts->data.train)
        ps_finding_add_cause(out, "the images say nothing", "%.0f of %.0f are of one value", facts->data.constant,
                             facts->data.train);
    ps_finding_add_cause(out, "labels that do not belong to the images", "%s", "");
    if (facts->steps < facts->epoch_steps)
        ps_finding_add_cause(out, "too few steps", "%.0f, and an epoch has %.0f", facts->steps, facts->epoch_steps);
}

/* Images of a class are alike, so that a network that knows them by heart under labels drawn at random is right on some
 * classes by luck: twice the chance level is no more than that. */
static bool doubles_chance(const ps_facts *facts) {
    return beats_chance(facts) && ps_fact_last(&facts->test_measure) >= 2 * facts->task.measure[0].chance;
}

/* The training loss has come down, and nothing of it holds elsewhere. */
static ps_judgement judge_by_heart(const ps_facts *facts, const ps_loss_course *c, ps_finding *out) {
    double value = ps_fact_last(&facts->test_measure), loss = ps_fact_last(&facts->test_loss);
    if (ps_is_absent(value) || !isfinite(value) || !(loss >= down * facts->chance_loss)) return PS_JUDGED_NOTHING;
    if (doubles_chance(facts) || !(loss - c->last >= (1 - down) * facts->chance_loss)) return PS_JUDGED_NOTHING;
    out->level = PS_LEVEL_SERIOUS;
    out->since = facts->loss.step[0];
    out->strength = loss / (down * facts->chance_loss);
    ps_finding_say(out,
                   "The training loss comes down to %.3g, but on the test images the network is no better than a guess "
                   "(%.3g; guessing costs %.3g).",
                   c->last, loss, facts->chance_loss);
    ps_finding_add_evidence(out, facts->task.measure[0].name, value, facts->task.measure[0].chance,
                            ps_curve_last_line(&facts->test_measure));
    ps_finding_add_evidence(out, "test loss at the end", loss, down * facts->chance_loss,
                            ps_curve_last_line(&facts->test_loss));
    ps_finding_add_cause(out, "labels that do not belong to the images: what is learned is learned by heart", "%s", "");
    ps_finding_add_cause(
        out, "test images unlike those trained on, or evaluation mode that does not do what was trained", "%s", "");
    ps_finding_try(out, "Look at twenty training images with their labels, and at findings of normalisations.");
    return PS_JUDGED_FOUND;
}

/* Of a loss whose guess nobody knows: by what is measured, where that of a guess is known. */
static ps_judgement judge_by_measure(const ps_facts *facts, ps_finding *out) {
    const ps_trace_measure *m = &facts->task.measure[0];
    double value = ps_fact_last(&facts->test_measure);
    char title[PS_TRACE_TASK_TEXT];
    if (facts->loss.count < FEWEST_STEPS || facts->task.measures == 0 || !isfinite(m->chance) || ps_is_absent(value))
        return PS_JUDGED_UNKNOWN;
    if (!m->higher_is_better || !isfinite(value)) return PS_JUDGED_UNKNOWN;
    if (beats_chance(facts)) return PS_JUDGED_NOTHING;
    out->level = PS_LEVEL_SERIOUS;
    out->since = facts->loss.step[0];
    out->strength = value > 0 ? fmax(1, m->chance / value) : 1e9;
    ps_finding_say(out, "After %zu steps the network is no better than a guess: its %s is %.3g, and a guess has %.3g.",
                   facts->loss.count, ps_trace_measure_title(m, title), value, m->chance);
    ps_finding_add_evidence(out, m->name, value, m->chance, ps_curve_last_line(&facts->test_measure));
    add_causes(facts, out);
    ps_finding_try(out, "More steps; else train on two samples alone until the loss is near its least.");
    return PS_JUDGED_FOUND;
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    ps_loss_course c;
    if (ps_is_absent(facts->chance_loss) && facts->task.loss[0] != '\0') return judge_by_measure(facts, out);
    double chance = facts->chance_loss;
    if (!ps_loss_course_of(facts, &c) || !(chance > 0) || facts->loss.count < FEWEST_STEPS) return PS_JUDGED_UNKNOWN;
    if (c.last < ps_curve_level(facts, down)) return judge_by_heart(facts, &c, out);
    bool beats = beats_chance(facts);
    if (beats && !(facts->steps >= seen * facts->epoch_steps)) return PS_JUDGED_NOTHING;
    if (c.low <= ps_curve_level(facts, learned)) return PS_JUDGED_NOTHING; /* it had: divergence */
    out->level = beats ? PS_LEVEL_SERIOUS : PS_LEVEL_CRITICAL;
    out->since = facts->loss.step[0];
    out->strength = c.last / ps_curve_level(facts, down);
    ps_finding_say(out, "After %zu steps the network is %s a guess: its loss is %.4g, and %.4g is what guessing costs.",
                   facts->loss.count, beats ? "hardly better than" : "no better than", c.last, chance);
    ps_finding_add_evidence(out, "loss at the end (median)", c.last, ps_curve_level(facts, down),
                            ps_curve_last_line(&facts->loss));
    if (facts->test_measure.count > 0)
        ps_finding_add_evidence(out, facts->task.measure[0].name, ps_fact_last(&facts->test_measure),
                                isfinite(facts->task.measure[0].chance) ? facts->task.measure[0].chance : ps_absent(),
                                ps_curve_last_line(&facts->test_measure));
    add_causes(facts, out);
    ps_finding_try(out,
                   "Train on 32 images alone until the loss is near 0: where that fails it is the network or the "
                   "learning rate, else the data.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_not_learning = {
    .id = "not_learning",
    .title = "no better than a guess",
    .group = PS_GROUP_OF_LEARNING,
    .level = PS_LEVEL_CRITICAL,
    .rank = 50,
    .at_rest = false,
    .needs = "loss of 40 steps or more, and the number of classes",
    .by_guess = true,
    .source = "the loss of a uniform guess; two standard errors of a share",
    .judge = judge,
};
