/* Cohorts fixed at the first probe: whether two arms have one in common, and the nodes that are in it. */
#include "analysis/predictions/predictions_internal.h"

#include <string.h>

#include "analysis/relation.h"
#include "core/memory.h"

static bool common_function(const ps_arm_run *a, const ps_arm_run *b) {
    return (a->fork != NULL && b->fork != NULL && strcmp(a->fork, b->fork) == 0) || (a->starts_zero && b->starts_zero);
}

ps_cohort_check ps_cohort_check_of(const ps_arm *arm, const ps_arm *against, int variation,
                                   const ps_registration *registration) {
    ps_cohort_check check = {0, 0, 0};
    for (int i = 0; i < arm->run_count; i++) {
        const ps_arm_run *run = &arm->runs[i];
        const ps_relation_pair *pair = ps_relation_pair_of(arm, run, against);
        const ps_arm_run *partner = pair->partner;
        if (partner == NULL || pair->differs[0] != '\0') continue; /* no pairs, which are left out for that */
        if (registration != NULL && !ps_registration_has_seed(registration, run->seed)) continue;
        check.pairs++;
        check.other_function += !common_function(run, partner);
        check.other_states +=
            !ps_summary_same_start(ps_prediction_summary(run, variation), ps_prediction_summary(partner, variation));
    }
    return check;
}

static size_t cohort_size(const ps_summary *summary) {
    size_t nodes = 0;
    for (size_t i = 0; i < summary->alive_count; i++) nodes += (size_t)summary->alive[i].nodes;
    return nodes;
}

/* How many of the nodes that an entry of the cohort stands for the other run saw on the edge at the first probe. */
static int on_edge_of(const ps_summary *own, const ps_summary *other, size_t entry) {
    int nodes = 0;
    if (own->alive_of == NULL) return ps_summary_starts_on_edge(other, own->alive[entry].node);
    for (int node = own->alive[entry].node; node < other->start_nodes && nodes < own->alive[entry].nodes; node++)
        nodes += own->alive_of[node] == (int)entry && ps_summary_starts_on_edge(other, node);
    return nodes;
}

ps_status ps_cohort_gather(const ps_summary *reference, const ps_summary *arm, bool reopening, int layer,
                           ps_stats_spell **out, size_t *nodes) {
    size_t room = reference->spell_count + arm->spell_count + cohort_size(reference) + cohort_size(arm) + 1, count = 0;
    ps_stats_spell *spells;
    PS_TRY(PS_ALLOC(room, &spells, "cohort"));
    for (int treated = 0; treated < 2; treated++) {
        const ps_summary *s = treated ? arm : reference, *other = treated ? reference : arm;
        for (size_t i = 0; reopening && i < s->spell_count; i++) {
            const ps_summary_spell *spell = &s->spells[i];
            if (spell->at_start && spell->start == s->start_step && !ps_summary_starts_on_edge(other, spell->node) &&
                (layer == PS_COHORT_ALL_LAYERS || spell->layer == layer))
                spells[count++] =
                    (ps_stats_spell){0, (double)(spell->end - spell->start), spell->layer, spell->revived, treated};
        }
        for (size_t i = 0; !reopening && i < s->alive_count; i++) {
            const ps_summary_cohort *member = &s->alive[i];
            bool in = layer == PS_COHORT_ALL_LAYERS || member->layer == layer;
            int members = in ? member->nodes - on_edge_of(s, other, i) : 0;
            for (int node = 0; node < members; node++)
                spells[count++] = (ps_stats_spell){0, (double)member->end, member->layer, member->died, treated};
        }
    }
    *out = spells;
    *nodes = count;
    return PS_OK;
}
