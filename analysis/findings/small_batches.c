/* Batch normalisation over few images: the error grows steeply below 16 (Wu and He 2018, figure 1, where 2 images cost
 * 10 points of what is measured), and statistics of single batches say little of the data. Of maps images count, too,
 * and not their positions, which are alike: DeepLabv3 on crops of 513 x 513 loses 13 points with 4 images, 1.5 with 8
 * (Chen et al. 2017, batch size under appendix A). Instance, layer and group normalisation know no batch. */
#include "analysis/findings/by_layer.h"

static const double few = 8, very_few = 4;

static ps_judgement judge(const ps_facts *facts, ps_finding *out) {
    if (facts->layer_count > 0) {
        for (int l = 0; l < facts->layer_count; l++)
            if (facts->layers[l].over_batch) ps_finding_add_layer(out, l);
        if (out->layers == 0) return PS_JUDGED_NOTHING;
    }
    if (!(facts->batch > 0)) return PS_JUDGED_UNKNOWN;
    if (facts->batch > few) {
        out->layers = 0;
        return PS_JUDGED_NOTHING;
    }
    out->level = facts->batch <= very_few ? PS_LEVEL_SERIOUS : PS_LEVEL_WARNING;
    out->strength = few / facts->batch;
    out->since = facts->at_rest ? -1 : 0;
    ps_finding_say(out,
                   "Normalisations take their statistics from batches of %.0f images: they are noise, more than "
                   "the data.",
                   facts->batch);
    ps_finding_add_evidence(out, "images in a batch", facts->batch, few, facts->at_rest ? 0 : 1);
    ps_finding_add_cause(out, "a batch too small for batch normalisation", "%.0f images", facts->batch);
    ps_finding_try(out, "Batches of 16 or more (--batch), or a network without batch normalisation.");
    return PS_JUDGED_FOUND;
}

const ps_finding_rule ps_finding_small_batches = {
    .id = "small_batches",
    .title = "batches are too small for their normalisation",
    .group = PS_GROUP_OF_NORMALISATION,
    .level = PS_LEVEL_SERIOUS,
    .rank = 16,
    .at_rest = true,
    .needs = "images in a batch",
    .source = "Wu and He 2018, figure 1; of maps Chen et al. 2017 (DeepLabv3), appendix A",
    .judge = judge,
};
