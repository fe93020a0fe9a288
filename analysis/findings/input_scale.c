/* The input is not of mean 0 and deviation 1, by channel (LeCun et al. 1998, Efficient BackProp): starting weights are
 * chosen for that, and learning rates, too. Values from 0 to 1 pass. */
#include <math.h>

#include "analysis/findings/curve.h"

static const double off = 2, far_off = 10, flat = 0.05;

static double badness_of(double mean, double sd) {
    double off_centre = fabs(mean) / off, wide = sd / (1.5 * off), narrow = sd > 0 ? flat / sd : 0;
    return fmax(off_centre, fmax(wide, narrow));
}

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    const ps_data_facts *data = &facts->data;
    int worst = -1, bad = 0;
    if (!data->known) return PS_JUDGED_UNKNOWN;
    for (int c = 0; c < data->channels; c++) {
        double badness = badness_of(data->mean[c], data->sd[c]);
        if (!(badness >= 1)) continue;
        bad++;
        if (worst < 0 || badness > badness_of(data->mean[worst], data->sd[worst])) worst = c;
    }
    if (worst < 0) return PS_JUDGED_NOTHING;
    double mean = data->mean[worst], sd = data->sd[worst];
    out->strength = badness_of(mean, sd);
    out->level = fabs(mean) >= far_off || sd >= far_off ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    ps_finding_say(out,
                   "The input is not normalised: channel %d has mean %.3g and standard deviation %.3g (%d of %d "
                   "channels; 0 and 1 are usual).",
                   worst, mean, sd, bad, data->channels);
    ps_finding_add_evidence(out, "mean of the input channel", mean, off, facts->at_rest ? 0 : 1);
    ps_finding_add_evidence(out, "standard deviation of the input channel", sd, 1.5 * off, facts->at_rest ? 0 : 1);
    if (mean > 10 && mean < 256 && sd < 128)
        ps_finding_add_cause(out, "bytes are given as they are stored", "values up to 255 would have such a mean");
    ps_finding_add_cause(out, "the input is not normalised by the training images' moments", "%s", "");
    ps_finding_add_cause(out, "it is, but by moments of other data", "%s", "");
    ps_finding_try(out,
                   "Normalise by the training images (leave out --no-normalise): subtract the mean, divide by the "
                   "standard deviation.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_input_scale = {
    .id = "input_scale",
    .title = "the input is not normalised",
    .group = PS_GROUP_OF_DATA,
    .level = PS_LEVEL_SERIOUS,
    .rank = 7,
    .at_rest = true,
    .needs = "moments of the input",
    .source = "LeCun et al. 1998: mean 0 and deviation 1; factors by simulation",
    .judge = judge,
};
