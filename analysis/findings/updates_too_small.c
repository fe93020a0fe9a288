/* Steps that are short for their weights: not one was longer than a ten-thousandth, in the median over layers, while
 * the loss has not come down (CS231n: about a thousandth). Layers that never move at all are another finding's. */
#include <math.h>

#include "analysis/findings/by_layer.h"
#include "analysis/findings/curve.h"

static const double small = 1e-4, tiny = 1e-5, wanted = 0.005;
/* Sound starts keep the size of the signal (He et al. 2015), to a factor of two in simulation. */
static const double faded = 0.1;
enum { FEWEST_STEPS = 40 };

/* What leaves the last gate at the start over what leaves the first: where the signal vanishes on its way, so do all
 * gradients, each by the part of the way before it and the part behind it. */
static double signal_left(const ps_facts *facts) {
    double first = ps_absent(), last = ps_absent();
    for (int l = 0; l < facts->layer_count; l++) {
        double rms = ps_fact_first(&facts->layers[l].series[PS_FACT_output_rms]);
        if (!isfinite(rms)) continue;
        if (ps_is_absent(first)) first = rms;
        last = rms;
    }
    return first > 0 ? last / first : ps_absent();
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    double peak = ps_curve_of_layers(facts, PS_FACT_update_ratio, true), lr = ps_curve_head(&facts->lr, 1);
    ps_judgement learned = ps_curve_learned(facts);
    if (ps_is_absent(peak) || learned == PS_JUDGED_UNKNOWN || facts->loss.count < FEWEST_STEPS)
        return PS_JUDGED_UNKNOWN;
    bool stuck = learned == PS_JUDGED_NOTHING;
    if (peak == 0 || !(peak < (stuck ? 10 * small : small))) return PS_JUDGED_NOTHING;
    if (stuck && peak >= small && !(ps_curve_of_layers(facts, PS_FACT_grad_zero, false) < 0.5))
        return PS_JUDGED_NOTHING; /* no gradient, no step */
    if (ps_curve_tail(&facts->loss, 0.1) < ps_curve_level(facts, 0.3)) return PS_JUDGED_NOTHING; /* it is done */
    out->level = stuck && peak < small ? PS_LEVEL_CRITICAL : stuck || peak < tiny ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->since = facts->loss.step[0];
    out->strength = small / peak;
    for (int l = 0; l < facts->layer_count; l++) {
        double of = ps_layers_peak(&facts->layers[l].series[PS_FACT_update_ratio]);
        if (facts->layers[l].own_gate && of > 0 && of < small) ps_finding_add_layer(out, l);
    }
    ps_finding_say(out,
                   "Steps are too short: none moved the weights by more than %.2g of their norm (about 0.001 is "
                   "usual)%s.",
                   peak, stuck ? ", and the loss has not come down" : "");
    for (int l = 0; l < facts->layer_count; l++) {
        if (facts->layers[l].series[PS_FACT_update_ratio].count == 0) continue;
        ps_layers_evidence(out, facts, l, PS_FACT_update_ratio, PS_AT_LAST, small);
        break;
    }
    ps_finding_add_evidence(out, "loss at the end (median)", ps_curve_tail(&facts->loss, 0.1),
                            ps_is_absent(facts->chance_loss) ? ps_absent() : ps_curve_level(facts, 0.95),
                            ps_curve_last_line(&facts->loss));
    double left = signal_left(facts);
    if (left < faded)
        ps_finding_add_cause(out, "a start at which the signal vanishes with depth",
                             "of its size in the first layer %.2g is left in the last, before any step", left);
    ps_finding_add_cause(out, "the learning rate is too low", "it is %.3g", lr);
    double clip = ps_curve_tail(&facts->clip, 0.5);
    if (clip < 0.1) ps_finding_add_cause(out, "clipping leaves little of the gradient", "%.2g of it", clip);
    ps_finding_add_cause(out, "gradients that are small for their weights", "the norm is %.3g in the median",
                         ps_curve_tail(&facts->grad_norm, 0.5));
    if (left < faded)
        ps_finding_try(out,
                       "A start that keeps the size of the signal (--init-scheme he), or normalisation; then judge the "
                       "learning rate anew.");
    else if (lr > 0)
        ps_finding_try(out,
                       "A learning rate of about %.2g: it would bring the steps to a two-hundredth of the weights.",
                       lr * wanted / peak);
    else ps_finding_try(out, "A learning rate %.2g times as high.", wanted / peak);
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_updates_too_small = {
    .id = "updates_too_small",
    .title = "steps are short for their weights",
    .group = PS_GROUP_OF_UPDATES,
    .level = PS_LEVEL_CRITICAL,
    .rank = 21,
    .at_rest = false,
    .needs = "updates of a window by layer, and the loss of 40 steps",
    .source = "CS231n: about 1e-3 of the weights a step; a tenth of it by simulation",
    .judge = judge,
};
