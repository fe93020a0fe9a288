/* The probe set is unlike the training set: its mean lies further off than chance has it. Its images are the last of
 * the training files; of n images alike to them the mean lies within 3 / sqrt(n) deviations. */
#include <math.h>

#include "analysis/findings/finding.h"
#include "analysis/json_scan.h"

static const double unlike = 0.3, very_unlike = 1;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    const ps_data_facts *data = &facts->data;
    if (ps_is_absent(data->probe_distance)) return PS_JUDGED_UNKNOWN;
    if (!(data->probe_distance >= unlike)) return PS_JUDGED_NOTHING;
    out->level = data->probe_distance >= very_unlike ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->strength = data->probe_distance / unlike;
    ps_finding_say(out,
                   "The probe images are unlike the training images: their mean is %.2g standard deviations off, so "
                   "who is dead on them need not be so in training.",
                   data->probe_distance);
    ps_finding_add_evidence(out, "distance of the probe set's mean", data->probe_distance, unlike,
                            facts->at_rest ? 0 : 1);
    ps_finding_add_cause(out, "files that are sorted, by class or by source: the probe set is their end", "%s", "");
    ps_finding_try(out, "Shuffle the files once, before the probe set is cut off their end.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_probe_unlike = {
    .id = "probe_unlike",
    .title = "the probe set is unlike the training set",
    .group = PS_GROUP_OF_DATA,
    .level = PS_LEVEL_SERIOUS,
    .rank = 9,
    .at_rest = true,
    .needs = "moments of probe and training images",
    .source = "3 / sqrt(n) deviations are chance; shares by simulation",
    .judge = judge,
};
