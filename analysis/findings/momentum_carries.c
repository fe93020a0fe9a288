/* Most of what moves weights comes from gradients before the window: those within it do little. With windows of 20
 * steps and a momentum of 0.9 a quarter is carried where gradients stay alike. */
#include <math.h>

#include "analysis/findings/by_layer.h"
#include "analysis/findings/curve.h"

/* Where there is a gradient all the same: without one, momentum is all that is left, and nothing follows from it. */
static const char what_follows[] =
    PS_FINDINGS_OF_SHUT_GATES ",updates_too_large,overflow,divergence,oscillation,mode_loss,running_statistics";

enum { SHORTEST_WINDOW = 20 };
static const double most = 0.8, nearly_all = 0.93, settled = 0.3;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    int known = 0, worst = -1;
    double largest = 0;
    char text[256];
    if (!(facts->window >= SHORTEST_WINDOW)) return PS_JUDGED_UNKNOWN;
    for (int l = 0; l < facts->layer_count; l++) {
        const ps_fact_series *series = &facts->layers[l].series[PS_FACT_carried_ratio];
        double ratio = ps_curve_tail(series, 0.5);
        if (!facts->layers[l].own_gate || ps_is_absent(ratio) || series->count < 2) continue;
        known++;
        if (!(ratio >= most)) continue;
        ps_finding_add_layer(out, l);
        if (worst >= 0 && !(ratio > largest)) continue;
        largest = ratio;
        worst = l;
    }
    if (known == 0) return PS_JUDGED_UNKNOWN;
    if (worst < 0) return PS_JUDGED_NOTHING;
    out->since = ps_layers_since(&facts->layers[worst].series[PS_FACT_carried_ratio], most);
    out->strength = largest / most;
    if (!(ps_curve_tail(&facts->layers[worst].series[PS_FACT_grad_zero], 0.5) >= 0.5)) out->explains = what_follows;
    double no_gradient = ps_curve_tail(&facts->layers[worst].series[PS_FACT_grad_zero], 0.5);
    bool grave = ps_curve_of_layers(facts, PS_FACT_carried_ratio, false) >= nearly_all && !(no_gradient >= 0.5) &&
                 ps_curve_tail(&facts->loss, 0.1) >= ps_curve_level(facts, settled);
    out->level = grave ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    ps_finding_say(out,
                   "Momentum from before the window carries up to %.0f %% of what moves %s; the gradients of the "
                   "window do little.",
                   100 * largest, ps_layers_words(out, facts, text, sizeof text));
    ps_layers_evidence(out, facts, worst, PS_FACT_carried_ratio, PS_AT_LAST, most);
    ps_layers_evidence(out, facts, worst, PS_FACT_grad_zero, PS_AT_LAST, ps_absent());
    double zero = ps_curve_tail(&facts->layers[worst].series[PS_FACT_grad_zero], 0.5);
    if (zero >= 0.5)
        ps_finding_add_cause(out, "no gradient reaches the layer any more", "it is exactly 0 on %.0f %% of the steps",
                             100 * zero);
    ps_finding_add_cause(out, "a momentum close to 1", "%s", "");
    ps_finding_add_cause(out, "one early step with a gradient far larger than all after it", "%s", "");
    ps_finding_try(out, "A lower momentum, warm-up or clipping; see the findings about gradients.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_momentum_carries = {
    .id = "momentum_carries",
    .title = "momentum carries most of the updates",
    .group = PS_GROUP_OF_UPDATES,
    .level = PS_LEVEL_SERIOUS,
    .rank = 16,
    .at_rest = false,
    .needs = "parts of the updates of two windows of 20 steps or more, by layer",
    .source = "by simulation",
    .judge = judge,
};
