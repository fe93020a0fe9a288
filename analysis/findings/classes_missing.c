/* Classes without a training label cannot be learned. */
#include <stdio.h>
#include <string.h>

#include "analysis/findings/finding.h"
#include "analysis/json_scan.h"

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    const ps_data_facts *data = &facts->data;
    char names[128] = "";
    int missing = 0;
    if (data->class_count == NULL || data->classes < 2) return PS_JUDGED_UNKNOWN;
    for (int i = 0; i < data->classes; i++) {
        size_t length = strlen(names);
        if (data->class_count[i] > 0) continue;
        missing++;
        if (missing <= 10) snprintf(names + length, sizeof names - length, "%s%d", missing > 1 ? ", " : "", i);
    }
    if (missing == 0 || missing >= data->classes - 1) return PS_JUDGED_NOTHING; /* see one_class */
    double share = (double)missing / data->classes;
    out->level = share >= 0.2 ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->strength = missing;
    ps_finding_say(out, "%d of %d classes have no training label: %s%s.", missing, data->classes, names,
                   missing > 10 ? ", ..." : "");
    ps_finding_add_evidence(out, "classes without a label", missing, 0, facts->at_rest ? 0 : 1);
    ps_finding_add_cause(out, "the first images of files that are sorted by class", "%.0f images are trained on",
                         data->train);
    ps_finding_add_cause(out, "classes that these data do not hold", "%s", "");
    ps_finding_try(out,
                   "Shuffle the files before some of them are taken (--train-limit takes the first ones), or name "
                   "as many classes as there are.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_classes_missing = {
    .id = "classes_missing",
    .title = "classes have no images",
    .group = PS_GROUP_OF_DATA,
    .level = PS_LEVEL_SERIOUS,
    .rank = 6,
    .at_rest = true,
    .needs = "training labels of each class",
    .source = "a count of 0",
    .judge = judge,
};
