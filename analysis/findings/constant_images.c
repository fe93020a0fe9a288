/* Images that are all one value carry nothing but their label. */
#include "analysis/findings/finding.h"
#include "analysis/json_scan.h"

static const double some = 0.01, many = 0.2, nearly_all = 0.9;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    const ps_data_facts *data = &facts->data;
    if (ps_is_absent(data->constant) || !(data->train > 0)) return PS_JUDGED_UNKNOWN;
    double share = data->constant / data->train;
    if (!(share >= some)) return PS_JUDGED_NOTHING;
    out->level = share >= nearly_all ? PS_LEVEL_CRITICAL : share >= many ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->strength = share / some;
    ps_finding_say(out, "%.0f of %.0f training images (%.3g %%) are of one value all over.", data->constant,
                   data->train, 100 * share);
    ps_finding_add_evidence(out, "share of images of one value", share, some, facts->at_rest ? 0 : 1);
    ps_finding_add_cause(out, "files that were not read or not written whole, and are filled up", "%s", "");
    ps_finding_add_cause(out, "a window of grey values that cuts everything off", "%s", "");
    ps_finding_try(out, "Look at these images where they come from; leave out what is empty.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_constant_images = {
    .id = "constant_images",
    .title = "images are of one value",
    .group = PS_GROUP_OF_DATA,
    .level = PS_LEVEL_CRITICAL,
    .rank = 4,
    .at_rest = true,
    .needs = "number of images of one value",
    .source = "shares by simulation",
    .judge = judge,
};
