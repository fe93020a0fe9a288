/* The loss on the probe set in evaluation mode, with running statistics, against that with statistics of the batch:
 * the same weights, the same images. Where they differ much, what is trained is not what is used. */
#include <math.h>

#include "analysis/findings/by_layer.h"
#include "analysis/findings/curve.h"

/* Of the loss of a uniform guess. Running statistics of momentum 0.1 need about 30 steps to forget their start. */
static const double some = 0.15, much = 0.5;
enum { FEWEST_STEPS = 30 };

static bool normalised(const ps_facts *facts) {
    for (int l = 0; l < facts->layer_count; l++)
        if (facts->layers[l].over_batch) return true;
    return false;
}

/* By how much the loss is larger in evaluation mode; NaN: batch statistics give none that is finite. Not every probe
 * has both modes, so that the two are matched by their steps, *at being where to look for the latter's. */
static double gap_at(const ps_facts *facts, size_t probe, size_t *at) {
    const ps_fact_series *batch = &facts->probe_loss_batch, *eval = &facts->probe_loss_eval;
    while (*at > 0 && batch->step[*at - 1] > eval->step[probe]) (*at)--;
    if (*at == 0 || batch->step[*at - 1] != eval->step[probe] || !isfinite(batch->value[*at - 1])) return NAN;
    return isfinite(eval->value[probe]) ? eval->value[probe] - batch->value[*at - 1] : INFINITY;
}

/* The smallest gap of the latest probes: one probe alone may stand on a step that went astray. */
static double lasting_gap(const ps_facts *facts) {
    enum { PROBES = 3 };
    size_t count = facts->probe_loss_eval.count, at = facts->probe_loss_batch.count;
    double smallest = INFINITY;
    for (size_t i = 0; i < PROBES && i < count; i++) {
        double gap = gap_at(facts, count - 1 - i, &at);
        if (!isnan(gap)) smallest = fmin(smallest, gap);
    }
    return smallest;
}

/* The first step from which on the gap is at least this. */
static long long since(const ps_facts *facts, double least) {
    size_t at = facts->probe_loss_batch.count;
    long long step = -1;
    for (size_t i = facts->probe_loss_eval.count; i > 0; i--) {
        if (!(gap_at(facts, i - 1, &at) >= least)) break;
        step = facts->probe_loss_eval.step[i - 1];
    }
    return step;
}

/* Statistics that close a window's gap and are off again at its end are outrun; those that do not close it stand
 * still. */
static void add_causes(const ps_facts *facts, ps_finding *out) {
    ps_layers_share gap = ps_layers_share_of(facts, PS_FACT_mode_gap, PS_AT_LAST, false),
                    scale = ps_layers_share_of(facts, PS_FACT_mode_scale, PS_AT_LAST, false);
    double follow = ps_curve_of_layers(facts, PS_FACT_mode_follow, false);
    if (gap.known > 0) {
        ps_layers_evidence(out, facts, gap.layer, PS_FACT_mode_gap, PS_AT_LAST, 1);
        ps_layers_evidence(out, facts, gap.layer, PS_FACT_mode_follow, PS_AT_LAST, PS_FINDINGS_FOLLOWS);
        ps_finding_add_layer(out, gap.layer);
    }
    if (scale.known > 0) ps_layers_evidence(out, facts, scale.layer, PS_FACT_mode_scale, PS_AT_LAST, log(4));
    if (follow >= PS_FINDINGS_FOLLOWS)
        ps_finding_add_cause(out, "weights that move faster than the running mean follows: a learning rate too high",
                             "a window closes %.0f %% of what it is off, and it is off again behind it", 100 * follow);
    if (gap.largest >= 1 || scale.largest >= log(4) || follow < PS_FINDINGS_FOLLOWS)
        ps_finding_add_cause(out,
                             "running statistics that were never brought up to date: a momentum near 0, or weights "
                             "without them",
                             "the running mean of %s is %.2g deviations off", facts->layers[gap.layer].name,
                             gap.largest);
    ps_finding_add_cause(out, "batches too small or too unlike each other for a running mean", "batches of %.0f images",
                         facts->batch);
    if (!(follow >= PS_FINDINGS_FOLLOWS))
        ps_finding_add_cause(out, "weights that move faster than the running mean follows", "%s", "");
    if (follow >= PS_FINDINGS_FOLLOWS)
        ps_finding_try(out,
                       "A learning rate a third as high, or one that falls (--schedule cosine): the statistics follow, "
                       "but the weights move on; or compute them anew over the training images.");
    else
        ps_finding_try(out,
                       "Set the momentum of the normalisations (--norm-momentum 0.1), or compute the running "
                       "statistics anew over the training images; the weights are good.");
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    double batch = ps_fact_last(&facts->probe_loss_batch), eval = ps_fact_last(&facts->probe_loss_eval);
    double chance = facts->chance_loss;
    if (facts->layer_count > 0 && !normalised(facts)) return PS_JUDGED_NOTHING;
    if (ps_is_absent(batch) || ps_is_absent(eval) || !(chance > 0)) return PS_JUDGED_UNKNOWN;
    if (facts->steps < FEWEST_STEPS) return PS_JUDGED_UNKNOWN;
    double gap = isfinite(batch) ? lasting_gap(facts) : 0;
    if (!(gap >= some * chance) || !(eval >= 1.2 * batch)) return PS_JUDGED_NOTHING;
    bool useless = eval >= chance && batch < 0.9 * chance;
    out->level = useless ? PS_LEVEL_CRITICAL : gap >= much * chance ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->strength = isfinite(gap) ? gap / (some * chance) : 1e9;
    out->since = facts->at_rest ? -1 : since(facts, some * chance);
    ps_finding_say(out,
                   "Evaluation mode does not do what was trained: on the same images the loss is %.3g with running "
                   "statistics and %.3g with those of the batch%s.",
                   eval, batch, useless ? ", no better than a guess" : "");
    ps_finding_add_evidence(out, "loss in evaluation mode on the probe set", eval, batch + some * chance,
                            facts->probe_loss_eval.line[facts->probe_loss_eval.count - 1]);
    ps_finding_add_evidence(out, "loss with batch statistics on the probe set", batch, ps_absent(),
                            facts->probe_loss_batch.line[facts->probe_loss_batch.count - 1]);
    add_causes(facts, out);
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_mode_loss = {
    .id = "mode_loss",
    .title = "evaluation mode does not do what was trained",
    .group = PS_GROUP_OF_NORMALISATION,
    .level = PS_LEVEL_CRITICAL,
    .rank = 17,
    .at_rest = true,
    .needs = "loss on the probe set in both modes, over 30 steps or more",
    .by_guess = true,
    .source = "shares of the loss of a uniform guess, by simulation",
    .judge = judge,
};
