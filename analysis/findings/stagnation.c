/* The loss has stopped to fall although it is far from 0: its medians over the third and over the last quarter of the
 * steps differ by less than one in a hundred, and by less than two of their standard errors. */
#include <math.h>

#include "analysis/findings/curve.h"

enum { FEWEST_STEPS = 100 };
static const double share = 0.01, high = 0.5;

typedef struct {
    double mean, error;
} level;

static level level_of(const ps_fact_series *s, size_t first, size_t end) {
    double sum = 0, squares = 0, n = (double)(end - first);
    for (size_t i = first; i < end; i++) sum += s->value[i];
    for (size_t i = first; i < end; i++) squares += (s->value[i] - sum / n) * (s->value[i] - sum / n);
    return (level){sum / n, sqrt(squares / (n - 1) / n)};
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    const ps_fact_series *loss = &facts->loss;
    size_t n = loss->count;
    ps_loss_course c;
    if (n < FEWEST_STEPS || !(facts->chance_loss > 0) || !ps_loss_course_of(facts, &c)) return PS_JUDGED_UNKNOWN;
    if (c.low >= ps_curve_level(facts, 0.95)) return PS_JUDGED_NOTHING; /* it never began to learn */
    level before = level_of(loss, n / 2, 3 * n / 4), last = level_of(loss, 3 * n / 4, n);
    double fall = before.mean - last.mean, error = sqrt(before.error * before.error + last.error * last.error);
    bool still = fabs(fall) < share * before.mean && fabs(fall) < 2 * error;
    if (!(last.mean >= ps_curve_level(facts, high)) || !still) return PS_JUDGED_NOTHING;
    out->since = loss->step[n / 2];
    out->strength = last.mean / ps_curve_level(facts, high);
    ps_finding_say(out, "The loss has stood at %.3g for the last half of the run; a guess costs %.3g.", last.mean,
                   facts->chance_loss);
    ps_finding_add_evidence(out, "mean loss, third quarter", before.mean, ps_absent(), loss->line[3 * n / 4 - 1]);
    ps_finding_add_evidence(out, "mean loss, last quarter", last.mean, before.mean * (1 - share), loss->line[n - 1]);
    double ratio = ps_curve_of_layers(facts, PS_FACT_update_ratio, false), lr = ps_fact_last(&facts->lr);
    if (ratio < 1e-4)
        ps_finding_add_cause(out, "the learning rate is too low by now", "steps move weights by %.2g of their norm",
                             ratio);
    if (ratio >= 0.02)
        ps_finding_add_cause(out, "the learning rate is too high for the valley it is in",
                             "it is %.3g, and steps move weights by %.2g of their norm", lr, ratio);
    ps_finding_add_cause(out, "a network that is too small, or one in which too few nodes live", "%s", "");
    ps_finding_try(out, "A schedule that falls (--schedule cosine); look at the findings about nodes and gradients.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_stagnation = {
    .id = "stagnation",
    .title = "the loss stands still",
    .group = PS_GROUP_OF_LEARNING,
    .level = PS_LEVEL_WARNING,
    .rank = 52,
    .at_rest = false,
    .needs = "loss of 100 steps or more, and the number of classes",
    .by_guess = true,
    .source = "two standard errors; shares by simulation",
    .judge = judge,
};
