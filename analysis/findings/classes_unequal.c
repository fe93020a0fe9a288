/* Classes of very unequal size: Buda et al. 2018 find what is learned to suffer from ratios of 10 on, and much from 50.
 * Of labels per image; where every position has its own, a large background is usual. */
#include <string.h>

#include "analysis/findings/finding.h"
#include "analysis/json_scan.h"

static const double unequal = 10, very_unequal = 50;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    const ps_data_facts *data = &facts->data;
    int most = -1, least = -1;
    if (data->class_count == NULL || data->classes < 2) return PS_JUDGED_UNKNOWN;
    if (strcmp(facts->task.name, "classification") != 0) return PS_JUDGED_UNKNOWN;
    for (int i = 0; i < data->classes; i++) {
        double count = data->class_count[i];
        if (!(count > 0)) continue;
        if (most < 0 || count > data->class_count[most]) most = i;
        if (least < 0 || count < data->class_count[least]) least = i;
    }
    if (most < 0 || most == least) return PS_JUDGED_NOTHING;
    double ratio = data->class_count[most] / data->class_count[least];
    if (!(ratio >= unequal)) return PS_JUDGED_NOTHING;
    out->level = ratio >= very_unequal ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->strength = ratio / unequal;
    ps_finding_say(out, "Classes are very unequal: class %d has %.0f training labels, class %d has %.0f.", most,
                   data->class_count[most], least, data->class_count[least]);
    ps_finding_add_evidence(out, "largest class over smallest", ratio, unequal, facts->at_rest ? 0 : 1);
    ps_finding_add_cause(out, "the data are so", "%s", "");
    ps_finding_add_cause(out, "files that are sorted by class, and only some of them taken",
                         "%.0f images are trained on", data->train);
    ps_finding_try(
        out, "Sample small classes more often, or weight the loss; judge class by class, not by all images at once.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_classes_unequal = {
    .id = "classes_unequal",
    .title = "classes are very unequal",
    .group = PS_GROUP_OF_DATA,
    .level = PS_LEVEL_SERIOUS,
    .rank = 9,
    .at_rest = true,
    .needs = "training labels of each class, of a classification",
    .source = "Buda et al. 2018: ratios of 10 and of 50",
    .judge = judge,
};
