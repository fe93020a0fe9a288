/* Images come in the order of their files: batches are then not drawn from the whole set (Bengio 2012, Practical
 * recommendations), and each epoch repeats the last. */
#include "analysis/findings/finding.h"
#include "analysis/json_scan.h"

static const double half = 0.5, all = 0.9;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    double repeats = facts->data.order_repeats;
    if (ps_is_absent(repeats)) return PS_JUDGED_UNKNOWN;
    if (!(repeats >= half)) return PS_JUDGED_NOTHING;
    out->since = facts->at_rest ? -1 : 0;
    out->level = repeats >= all ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->strength = repeats / half;
    ps_finding_say(out,
                   "Images are not shuffled: %.0f %% of neighbours in the first epoch are neighbours in the files.",
                   100 * repeats);
    ps_finding_add_evidence(out, "share of neighbours in the order of the files", repeats, half,
                            facts->at_rest ? 0 : 1);
    ps_finding_add_cause(out, "shuffling is off", "%s", "");
    ps_finding_try(out, "Shuffle in each epoch (leave out --no-shuffle).");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_not_shuffled = {
    .id = "not_shuffled",
    .title = "images are not shuffled",
    .group = PS_GROUP_OF_SETUP,
    .level = PS_LEVEL_SERIOUS,
    .rank = 9,
    .at_rest = true,
    .needs = "the order of the first epoch",
    .source = "Bengio 2012: batches drawn from the whole set",
    .judge = judge,
};
