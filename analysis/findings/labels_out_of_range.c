/* Labels that are no class: no loss counts them, so their images are carried along for nothing. */
#include <string.h>

#include "analysis/findings/finding.h"
#include "analysis/json_scan.h"

static const double some = 0.001, many = 0.1;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    const ps_data_facts *data = &facts->data;
    if (ps_is_absent(data->out_of_range) || !(data->train > 0)) return PS_JUDGED_UNKNOWN;
    if (strcmp(facts->task.name, "classification") != 0) return PS_JUDGED_UNKNOWN;
    double share = data->out_of_range / data->train;
    if (!(share >= some)) return PS_JUDGED_NOTHING;
    out->level = share >= many ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->strength = share / some;
    ps_finding_say(out, "%.0f of %.0f training labels (%.3g %%) are no class, and no loss counts them.",
                   data->out_of_range, data->train, 100 * share);
    ps_finding_add_evidence(out, "share of labels that are no class", share, some, facts->at_rest ? 0 : 1);
    ps_finding_add_cause(out, "images without a label", "%s", "");
    ps_finding_add_cause(out, "classes that are numbered from 1 on, or a table of fewer classes than there are",
                         "%d are "
                         "known",
                         data->classes);
    ps_finding_try(out, "Number classes from 0 on; leave out what has no label.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_labels_out_of_range = {
    .id = "labels_out_of_range",
    .title = "labels are no class",
    .group = PS_GROUP_OF_DATA,
    .level = PS_LEVEL_SERIOUS,
    .rank = 5,
    .at_rest = true,
    .needs = "number of labels that are no class, of a classification",
    .source = "shares by simulation",
    .judge = judge,
};
