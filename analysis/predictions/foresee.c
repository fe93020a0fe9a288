#include "analysis/predictions/foresee.h"

#include "analysis/predictions/predictions_internal.h"
#include "analysis/relation.h"
#include "core/memory.h"

/* The first part whose arms are no pairs. */
static bool foresee(const ps_arms *arms, const ps_prediction *prediction, ps_foreseen *out) {
    const ps_arm *arm = ps_prediction_arm(arms, prediction);
    for (int i = 0; arm != NULL && i < prediction->part_count; i++) {
        const ps_prediction_part *part = &prediction->parts[i];
        const ps_arm *against = ps_prediction_alone(part) ? NULL : ps_prediction_partner(arms, part, arm);
        if (against == NULL || ps_relation_of(arm, against)->differs[0] == '\0') continue;
        *out = (ps_foreseen){prediction->id, arm->index, against->index};
        return true;
    }
    return false;
}

/* Arms without runs: of a relation only what it differs in is known, and nothing of this is freed with it. */
static ps_status make_arms(const ps_foreseen_arm *given, int count, const char *const *differs, ps_arms *arms) {
    PS_TRY(PS_ALLOC((size_t)count, &arms->arms, "arms"));
    arms->count = count;
    for (int a = 0; a < count; a++) {
        ps_arm *arm = &arms->arms[a];
        PS_TRY(PS_ALLOC((size_t)count, &arm->relations, "relations of arms"));
        arm->name = given[a].name;
        arm->index = a;
        arm->role = given[a].role;
        arm->pool_size = given[a].pool_size;
        arm->has_module = ps_arm_roles[arm->role].module;
        for (int b = 0; b < count; b++) arm->relations[b].differs = (char *)differs[a * count + b];
    }
    return PS_OK;
}

ps_status ps_predictions_foresee(const ps_foreseen_arm *given, int count, const char *const *differs,
                                 ps_foreseen *foreseen, int *found) {
    ps_arms arms = {0};
    int predictions;
    const ps_prediction *const *list = ps_predictions(&predictions);
    *found = 0;
    ps_status status = make_arms(given, count, differs, &arms);
    for (int p = 0; status == PS_OK && p < predictions; p++) *found += foresee(&arms, list[p], &foreseen[*found]);
    for (int a = 0; a < arms.count; a++) ps_free(arms.arms[a].relations);
    ps_free(arms.arms);
    return status;
}
