/* Steps that are long for their weights. CS231n: an update is about a thousandth of the weights; a tenth each step
 * leaves nothing of the weights after ten. */
#include <math.h>

#include "analysis/findings/by_layer.h"
#include "analysis/findings/curve.h"

static const double large = 0.1, far = 0.5;
/* In the window where they were longest, of a run that then did not learn: by simulation sound runs stay below. */
static const double early = 0.05;
/* So long that a network that learned all the same is the worse for it, where the loss is still this share of that of a
 * uniform guess. */
static const double long_steps = 0.1, undone = 0.5;

/* Of one layer: over the last half of the run; where nothing was learned, its longest of any window. */
static double ratio_of(const ps_facts *facts, int l, bool stuck) {
    const ps_fact_series *series = &facts->layers[l].series[PS_FACT_update_ratio];
    if (!facts->layers[l].own_gate) return ps_absent();
    return stuck ? ps_layers_peak(series) : ps_curve_tail(series, 0.5);
}

static long long since(const ps_fact_series *series) {
    for (size_t i = 0; i < series->count; i++)
        if (series->value[i] >= large) return series->step[i];
    return -1;
}

/* Long steps at the start that wrecked the network: what they left moves little, and the loss has not come down. */
static ps_judgement judge_start(const ps_facts *facts, ps_finding *out) {
    double peak = ps_curve_of_layers(facts, PS_FACT_update_ratio, true), lr = ps_layers_peak(&facts->lr);
    double loss = ps_curve_tail(&facts->loss, 0.1), first = facts->loss.count > 0 ? ps_fact_first(&facts->loss) : NAN;
    double guess = ps_is_absent(facts->chance_loss) ? first : facts->chance_loss;
    bool never = peak >= early && ps_curve_learned(facts) == PS_JUDGED_NOTHING;
    bool slow = peak >= long_steps && loss >= undone * guess;
    if (!never && !slow) return PS_JUDGED_NOTHING;
    out->level = PS_LEVEL_SERIOUS;
    out->since = facts->loss.step[0];
    out->strength = peak / early;
    ps_finding_say(out,
                   "Steps were too long for the weights: they moved them by up to %.2g of their norm (about 0.001 is "
                   "usual), and the loss %s (%.3g at the end).",
                   peak, never ? "has not come down since" : "is still high", loss);
    ps_finding_add_evidence(out, "update_ratio where it was largest, median over layers", peak, early, 0);
    ps_finding_add_cause(out, "the learning rate is too high", "it was up to %.3g", lr);
    ps_finding_try(out, "A learning rate of about %.2g: it would bring the steps to a two-hundredth of the weights.",
                   lr * 0.005 / peak);
    return PS_JUDGED_FOUND;
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    int known = 0, worst = -1;
    double most = 0;
    char text[256];
    bool stuck = ps_curve_learned(facts) == PS_JUDGED_NOTHING;
    for (int l = 0; l < facts->layer_count; l++) {
        double ratio = ratio_of(facts, l, stuck);
        if (ps_is_absent(ratio)) continue;
        known++;
        if (!(ratio >= large)) continue;
        ps_finding_add_layer(out, l);
        if (worst >= 0 && !(ratio > most)) continue;
        most = ratio;
        worst = l;
    }
    if (known == 0) return PS_JUDGED_UNKNOWN;
    if (worst < 0) return judge_start(facts, out);
    double middle = ps_curve_of_layers(facts, PS_FACT_update_ratio, stuck), lr = ps_curve_tail(&facts->lr, 0.5);
    out->level = stuck && middle >= large ? PS_LEVEL_CRITICAL : middle >= far ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->since = since(&facts->layers[worst].series[PS_FACT_update_ratio]);
    out->strength = isfinite(most) ? most / large : 1e9;
    ps_finding_say(out, "Each step %s the weights of %s by up to %.2g of their norm; about 0.001 is usual%s.",
                   stuck ? "moved" : "moves", ps_layers_words(out, facts, text, sizeof text), most,
                   stuck ? ", and the loss has not come down" : "");
    ps_layers_evidence(out, facts, worst, PS_FACT_update_ratio, stuck ? PS_AT_FIRST : PS_AT_LAST, large);
    ps_finding_add_evidence(out, "update_ratio, median over layers", middle, large, 0);
    ps_finding_add_cause(out, "the learning rate is too high", "it is %.3g", lr);
    if (!(facts->warmup > 0) && out->since >= 0 && out->since < facts->window)
        ps_finding_add_cause(out, "no warm-up", "it is so from the first window on");
    ps_finding_add_cause(out, "weights that start at 0 or very small", "their root mean square is %.2g at the start",
                         ps_fact_first(&facts->layers[worst].series[PS_FACT_weight_rms]));
    ps_finding_try(out, "A learning rate of about %.2g: it would bring the steps to a hundredth of the weights.",
                   isfinite(middle) && middle > 0 ? lr * 0.01 / (middle > large ? middle : large) : lr / 10);
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_updates_too_large = {
    .id = "updates_too_large",
    .title = "steps are long for their weights",
    .group = PS_GROUP_OF_UPDATES,
    .level = PS_LEVEL_CRITICAL,
    .rank = 20,
    .at_rest = false,
    .needs = "updates and weights of a window, by layer",
    .source = "CS231n: about 1e-3 of the weights a step; a tenth by simulation",
    .judge = judge,
};
