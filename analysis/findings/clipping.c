/* Clipping is meant for the rare step (Pascanu et al. 2013 set its limit above the usual norm): where it is active on
 * most steps the limit, and not the gradient, decides how long steps are. */
#include "analysis/findings/curve.h"

static const double most = 0.5, hundredth = 0.01;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    const ps_fact_series *clip = &facts->clip;
    size_t half = clip->count / 2, active = 0;
    if (clip->count == 0) return PS_JUDGED_UNKNOWN;
    for (size_t i = half; i < clip->count; i++) active += clip->value[i] < 1;
    double share = (double)active / (double)(clip->count - half), factor = ps_curve_median(clip, half, clip->count);
    if (clip->count < 20 || !(share > most)) return PS_JUDGED_NOTHING;
    bool stuck = ps_curve_learned(facts) == PS_JUDGED_NOTHING;
    out->level = !(factor < hundredth) ? PS_LEVEL_WARNING : stuck ? PS_LEVEL_CRITICAL : PS_LEVEL_SERIOUS;
    out->strength = share / most;
    out->since = clip->step[half];
    for (size_t i = half; i-- > 0 && clip->value[i] < 1;) out->since = clip->step[i];
    ps_finding_say(out,
                   "The gradient is clipped on %.0f %% of the steps of the last half, in the median to %.2g of "
                   "itself: the limit decides how long steps are.",
                   100 * share, factor);
    ps_finding_add_evidence(out, "share of clipped steps", share, most, ps_curve_last_line(clip));
    ps_finding_add_evidence(out, "clip (median)", factor, 1, ps_curve_last_line(clip));
    ps_finding_add_cause(out, "a limit below the usual norm", "the limit is %.3g, the norm %.3g in the median",
                         facts->clip_limit, ps_curve_tail(&facts->grad_norm, 0.5));
    ps_finding_add_cause(out, "gradients that are too large: the start or the learning rate", "%s", "");
    double norm = ps_curve_tail(&facts->grad_norm, 0.5);
    if (norm > 0)
        ps_finding_try(out, "Set the limit (--clip) above the usual norm, %.3g, and judge the learning rate anew.",
                       2 * norm);
    else ps_finding_try(out, "Set the limit (--clip) above the usual norm, and judge the learning rate anew.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_clipping = {
    .id = "clipping",
    .title = "clipping is active on most steps",
    .group = PS_GROUP_OF_GRADIENTS,
    .level = PS_LEVEL_CRITICAL,
    .rank = 20,
    .at_rest = false,
    .needs = "the clipping factor of each step",
    .source = "Pascanu et al. 2013: a limit above the usual norm",
    .judge = judge,
};
