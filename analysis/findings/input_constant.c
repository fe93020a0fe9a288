/* Input channels that never change say nothing; and those whose moments are no numbers hold values that are none. */
#include <math.h>

#include "analysis/findings/finding.h"
#include "analysis/json_scan.h"

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    const ps_data_facts *data = &facts->data;
    int still = 0, broken = 0, first = -1;
    if (!data->known) return PS_JUDGED_UNKNOWN;
    for (int c = 0; c < data->channels; c++) {
        bool sound = isfinite(data->mean[c]) && isfinite(data->sd[c]);
        broken += !sound;
        still += sound && data->sd[c] == 0;
        if (first < 0 && (!sound || data->sd[c] == 0)) first = c;
    }
    if (first < 0) return PS_JUDGED_NOTHING;
    out->level = broken > 0 || still == data->channels ? PS_LEVEL_CRITICAL : PS_LEVEL_WARNING;
    out->strength = still + broken;
    if (broken > 0)
        ps_finding_say(out, "Images hold values that are not finite: the moments of input channel %d are no numbers.",
                       first);
    else
        ps_finding_say(out, "%d of %d input channels never change (the first is %d): they say nothing.", still,
                       data->channels, first);
    ps_finding_add_evidence(out, "standard deviation of the input channel", data->sd[first], 0, facts->at_rest ? 0 : 1);
    if (broken > 0) ps_finding_add_cause(out, "files that hold NaN or infinity", "%s", "");
    else
        ps_finding_add_cause(out, "a channel that is filled up with a constant, or read from the wrong place", "%s",
                             "");
    ps_finding_try(out, "Look at one image as the network gets it, channel by channel.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_input_constant = {
    .id = "input_constant",
    .title = "input channels say nothing",
    .group = PS_GROUP_OF_DATA,
    .level = PS_LEVEL_CRITICAL,
    .rank = 3,
    .at_rest = true,
    .needs = "moments of the input",
    .source = "a deviation of exactly 0",
    .judge = judge,
};
