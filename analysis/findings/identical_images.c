/* Images that are there more than once: what is learned of them counts twice, and where some of them are held apart
 * they tell nothing of other images (Barz & Denzler 2020 found 3.3 % of CIFAR-10's test images in its training set). */
#include "analysis/findings/finding.h"
#include "analysis/json_scan.h"

static const double some = 0.05, many = 0.5;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    const ps_data_facts *data = &facts->data;
    if (ps_is_absent(data->duplicates) || !(data->train > 0)) return PS_JUDGED_UNKNOWN;
    double share = data->duplicates / data->train;
    if (!(share >= some)) return PS_JUDGED_NOTHING;
    out->level = share >= many ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->strength = share / some;
    ps_finding_say(out, "%.0f of %.0f training images (%.3g %%) are identical to another one.", data->duplicates,
                   data->train, 100 * share);
    ps_finding_add_evidence(out, "share of identical images", share, some, facts->at_rest ? 0 : 1);
    if (data->constant >= 0.5 * data->duplicates)
        ps_finding_add_cause(out, "images of one value, which are alike", "there are %.0f of them", data->constant);
    ps_finding_add_cause(out, "files that were read or copied twice", "%s", "");
    ps_finding_add_cause(out, "classes that were made equal by repeating images", "%s", "");
    ps_finding_try(out, "Leave out what is there twice, before images are held apart for probe and test.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_identical_images = {
    .id = "identical_images",
    .title = "images are there twice",
    .group = PS_GROUP_OF_DATA,
    .level = PS_LEVEL_SERIOUS,
    .rank = 8,
    .at_rest = true,
    .needs = "number of identical images",
    .source = "shares by simulation",
    .judge = judge,
};
