/* Steps that are long for their weights. CS231n: an update is about a thousandth of the weights; a tenth each step
 * leaves nothing of the weights after ten. They show in three ways: by their length over the run, by their length in
 * the window where they were longest, and by gates that close all at once, as nothing but a step closes a gate that was
 * open. What they leave behind is found by other rules, and follows from this one. */
#include <math.h>

#include "analysis/findings/by_layer.h"
#include "analysis/findings/curve.h"

static const double large = 0.1, far = 0.5, wanted = 0.005;
/* In the window where they were longest: by simulation sound runs stay below. */
static const double early = 0.05;
/* Of all nodes, from one probe to the next: by simulation sound runs stay below a tenth. */
static const double killed = 0.3, usual = 1e-3;
#define WHAT_FOLLOWS PS_FINDINGS_OF_SHUT_GATES ",overflow,divergence,oscillation,no_warmup"
#define WHAT_IS_OUTRUN ",mode_loss,running_statistics"
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

/* The rate that would bring steps of this length to a two-hundredth of the weights; what is far off is not reckoned
 * further than a hundredth at a time, as weights that were moved so far are others. */
static void try_rate(ps_finding *out, double lr, double length) {
    double factor = isfinite(length) && length > 0 ? wanted / length : 0;
    factor = fmin(fmax(factor, 0.01), 0.5);
    if (lr > 0)
        ps_finding_try(out, "A learning rate of about %.2g, so that steps are a hundredth of the weights or less.",
                       lr * factor);
    else ps_finding_try(out, "A learning rate %.2g times as high.", factor);
}

/* Long steps at the start: where they wrecked the network, what they left moves little, and the loss has not come
 * down; where it learned all the same, behind normalisations for one, it did so from a start that they threw away. */
static ps_judgement judge_start(const ps_facts *facts, ps_finding *out) {
    double peak = ps_curve_of_layers(facts, PS_FACT_update_ratio, true), lr = ps_layers_peak(&facts->lr);
    double loss = ps_curve_tail(&facts->loss, 0.1), first = facts->loss.count > 0 ? ps_fact_first(&facts->loss) : NAN;
    double guess = ps_is_absent(facts->chance_loss) ? first : facts->chance_loss;
    if (!(peak >= early) || facts->loss.count == 0) return PS_JUDGED_NOTHING;
    bool never = ps_curve_learned(facts) == PS_JUDGED_NOTHING, slow = peak >= long_steps && loss >= undone * guess;
    out->level = never || slow ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->since = facts->loss.step[0];
    out->strength = peak / early;
    ps_finding_say(out,
                   "Steps were too long for the weights: they moved them by up to %.2g of their norm (about 0.001 is "
                   "usual), and the loss %s (%.3g at the end).",
                   peak,
                   never  ? "has not come down since"
                   : slow ? "is still high"
                          : "came down all the same",
                   loss);
    ps_finding_add_evidence(out, "update_ratio where it was largest, median over layers", peak, early, 0);
    ps_finding_add_cause(out, "the learning rate is too high", "it was up to %.3g", lr);
    if (!(facts->warmup > 0)) ps_finding_add_cause(out, "no warm-up", "%s", "");
    try_rate(out, lr, peak);
    return PS_JUDGED_FOUND;
}

/* Dead nodes at the probe of this index, and whether a layer died as a whole since the one before, for good. */
typedef struct {
    double dead, nodes;
    bool whole;
} deaths;

static deaths deaths_at(const ps_facts *facts, size_t index) {
    deaths d = {0, 0, false};
    for (int l = 0; l < facts->layer_count; l++) {
        const ps_layer_facts *layer = &facts->layers[l];
        const ps_fact_series *dead = &layer->series[PS_FACT_dead];
        if (!layer->own_gate || index >= dead->count || !isfinite(dead->value[index])) continue;
        d.dead += dead->value[index] * layer->nodes;
        d.nodes += layer->nodes;
        d.whole |=
            index > 0 && dead->value[index] >= 1 && dead->value[index - 1] <= 1 - killed && ps_fact_last(dead) >= 1;
    }
    return d;
}

static void describe_deaths(const ps_facts *facts, size_t at, double died, ps_finding *out) {
    double lr = ps_layers_peak(&facts->lr), peak = ps_curve_of_layers(facts, PS_FACT_update_ratio, true);
    long long from = -1, to = -1;
    char text[256];
    for (int l = 0; l < facts->layer_count; l++) {
        const ps_fact_series *dead = &facts->layers[l].series[PS_FACT_dead];
        if (!facts->layers[l].own_gate || at >= dead->count) continue;
        from = dead->step[at - 1];
        to = dead->step[at];
        if (!(dead->value[at] - dead->value[at - 1] >= killed)) continue;
        ps_finding_add_layer(out, l);
        if (out->layers > 2) continue;
        ps_finding_add_evidence(out, "share of its nodes that died at once", dead->value[at] - dead->value[at - 1],
                                killed, dead->line[at]);
    }
    out->since = from;
    ps_finding_say(
        out, "Steps were too long: between steps %lld and %lld they shut %.0f %% of all gates at once, most in %s.",
        from, to, 100 * died, ps_layers_words(out, facts, text, sizeof text));
    ps_finding_add_cause(out, "the learning rate is too high", "it was up to %.3g", lr);
    ps_finding_add_evidence(out, "update_ratio where it was largest, median over layers", peak, ps_absent(), 0);
    ps_finding_add_cause(out, "single large gradients, which nothing clips", "%s",
                         facts->clip_limit > 0 ? "" : "clipping is off");
    try_rate(out, lr, 10 * wanted); /* a tenth */
}

/* Gates that close all at once, between one probe and the next: many of the network, or a whole layer. */
static ps_judgement judge_deaths(const ps_facts *facts, ps_finding *out) {
    double most = 0;
    size_t at = 0;
    bool whole = false;
    deaths before = deaths_at(facts, 0);
    for (size_t i = 1; before.nodes > 0; i++) { /* until there is no such probe */
        deaths now = deaths_at(facts, i);
        if (now.nodes == 0) break;
        double died = now.dead / now.nodes - before.dead / before.nodes;
        if ((now.whole && !whole) || (now.whole == whole && died > most)) {
            most = died;
            whole = now.whole;
            at = i;
        }
        before = now;
    }
    /* Where not even the usual thousandth moved, it is no length of steps that shut them, but biases that outweigh what
     * hardly reaches the gates. */
    if (ps_curve_of_layers(facts, PS_FACT_update_ratio, true) < usual) return PS_JUDGED_NOTHING;
    bool stay = before.dead >= 0.5 * most * before.nodes;
    if (!whole && !(most >= killed && stay)) return PS_JUDGED_NOTHING;
    out->level = PS_LEVEL_SERIOUS;
    out->strength = whole ? fmax(most / killed, 1) : most / killed;
    describe_deaths(facts, at, most, out);
    return PS_JUDGED_FOUND;
}

/* Nothing of the last half says so: the graver of what the start and the deaths tell. */
static ps_judgement judge_without(const ps_facts *facts, ps_finding *out) {
    ps_finding start = *out;
    bool early_on = judge_start(facts, &start) == PS_JUDGED_FOUND;
    if (!(early_on && start.level >= PS_LEVEL_SERIOUS) && judge_deaths(facts, out) == PS_JUDGED_FOUND)
        return PS_JUDGED_FOUND;
    if (early_on) *out = start;
    return early_on ? PS_JUDGED_FOUND : PS_JUDGED_NOTHING;
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    int known = 0, worst = -1;
    double most = 0;
    char text[256];
    bool stuck = ps_curve_learned(facts) == PS_JUDGED_NOTHING;
    /* Running statistics that follow, and are off all the same, are outrun. */
    bool outrun = ps_curve_of_layers(facts, PS_FACT_mode_follow, false) >= PS_FINDINGS_FOLLOWS;
    out->explains = outrun ? WHAT_FOLLOWS WHAT_IS_OUTRUN : WHAT_FOLLOWS;
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
    if (worst < 0) return judge_without(facts, out);
    double middle = ps_curve_of_layers(facts, PS_FACT_update_ratio, stuck), lr = ps_curve_tail(&facts->lr, 0.5);
    /* What is another network every ten steps no running mean follows. */
    if (middle >= large) out->explains = WHAT_FOLLOWS WHAT_IS_OUTRUN;
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
    try_rate(out, lr, isfinite(middle) && middle > 0 ? fmax(middle, large) : INFINITY);
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
