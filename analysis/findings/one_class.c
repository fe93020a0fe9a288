/* All labels are of one class: there is nothing to tell apart. */
#include "analysis/findings/finding.h"
#include "analysis/json_scan.h"

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    const ps_data_facts *data = &facts->data;
    int seen = 0, only = -1;
    if (data->class_count == NULL || data->classes < 2) return PS_JUDGED_UNKNOWN;
    for (int i = 0; i < data->classes; i++) {
        if (!(data->class_count[i] > 0)) continue;
        seen++;
        only = i;
    }
    if (seen != 1) return PS_JUDGED_NOTHING;
    out->strength = data->classes;
    ps_finding_say(out, "All %.0f training labels are of class %d: there is nothing to tell apart.",
                   data->class_count[only], only);
    ps_finding_add_evidence(out, "classes with labels", 1, 2, facts->at_rest ? 0 : 1);
    ps_finding_add_cause(out, "the first images of files that are sorted by class", "%.0f images are trained on",
                         data->train);
    ps_finding_add_cause(out, "labels that are read from the wrong place", "%s", "");
    ps_finding_try(out, "Shuffle the files before some of them are taken (--train-limit takes the first ones).");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_one_class = {
    .id = "one_class",
    .title = "there is only one class",
    .group = PS_GROUP_OF_DATA,
    .level = PS_LEVEL_CRITICAL,
    .rank = 3,
    .at_rest = true,
    .needs = "training labels of each class",
    .source = "a count of 1",
    .judge = judge,
};
