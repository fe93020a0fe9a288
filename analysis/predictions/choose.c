/* Who is compared: the arms of a prediction, by their roles and pool sizes. */
#include "analysis/predictions/predictions_internal.h"

#include <string.h>

#include "analysis/relation.h"

bool ps_prediction_alone(const ps_prediction_part *part) {
    if (part->against_name != NULL) return false;
    return part->arm == part->against && part->arm_size == part->against_size;
}

bool ps_prediction_over_time(const ps_prediction_part *part) {
    return part->statistic[0] == '@' || strcmp(part->statistic, "dead_mean") == 0;
}

bool ps_prediction_needs_cohort(const ps_prediction *prediction, const ps_prediction_part *part) {
    bool hazard = part->statistic[0] == '@';
    return !ps_prediction_alone(part) && ps_prediction_over_time(part) && (hazard || !prediction->any_start);
}

bool ps_prediction_size_fits(const ps_arm *arm, int wanted) { return wanted == 0 || arm->pool_size == wanted; }

static bool same_size(const ps_arm *a, const ps_arm *b) {
    return a->pool_size == 0 || b->pool_size == 0 || a->pool_size == b->pool_size;
}

static const ps_arm *find_named(const ps_arms *arms, const char *name) {
    for (int a = 0; a < arms->count; a++)
        if (strcmp(arms->arms[a].name, name) == 0) return &arms->arms[a];
    return NULL;
}

static bool are_pairs(const ps_arm *arm, const ps_arm *against) {
    return ps_relation_of(arm, against)->differs[0] == '\0';
}

/* Whether a run of the arm says that it was trained for the questions that are judged. */
static bool is_registered(const ps_arms *arms, const ps_arm *arm) {
    for (int r = 0; arms->registered && r < arm->run_count; r++)
        if (strcmp(arm->runs[r].registration, arms->registration.digest) == 0) return true;
    return false;
}

/* Of several, those registered go before the others; then the first that differs from the arm in nothing else. */
const ps_arm *ps_prediction_partner(const ps_arms *arms, const ps_prediction_part *part, const ps_arm *arm) {
    const ps_arm *chosen = NULL;
    int best = -1;
    if (part->against_name != NULL) return find_named(arms, part->against_name);
    for (int a = 0; a < arms->count; a++) {
        const ps_arm *other = &arms->arms[a];
        if (other->role != part->against || !ps_prediction_size_fits(other, part->against_size)) continue;
        if (other == arm || (part->against_size == 0 && !same_size(arm, other))) continue;
        int rank = 2 * is_registered(arms, other) + are_pairs(arm, other);
        if (rank <= best) continue;
        best = rank;
        chosen = other;
    }
    return chosen;
}

static bool is_cohort(const ps_arms *arms, const ps_arm *arm, const ps_arm *against) {
    ps_cohort_check check = ps_cohort_check_of(arm, against, PS_PRIMARY, arms->registered ? &arms->registration : NULL);
    return check.other_function == 0 && check.other_states == 0;
}

/* Whether the arm has a partner for every part. */
static bool serves(const ps_arms *arms, const ps_prediction *prediction, const ps_arm *arm) {
    for (int i = 0; i < prediction->part_count; i++) {
        const ps_prediction_part *part = &prediction->parts[i];
        const ps_arm *against = ps_prediction_alone(part) ? NULL : ps_prediction_partner(arms, part, arm);
        if (ps_prediction_alone(part)) continue;
        if (against == NULL || (!prediction->any_pair && !are_pairs(arm, against))) return false;
        if (ps_prediction_needs_cohort(prediction, part) && !is_cohort(arms, arm, against)) return false;
    }
    return true;
}

const ps_arm *ps_prediction_arm(const ps_arms *arms, const ps_prediction *prediction) {
    const ps_arm *first = NULL;
    if (prediction->parts[0].arm_name != NULL) return find_named(arms, prediction->parts[0].arm_name);
    for (int pass = 0; pass < 4; pass++) /* registered and e = 2, registered, e = 2, the others */
        for (int a = 0; a < arms->count; a++) {
            const ps_arm *arm = &arms->arms[a];
            if (arm->role != prediction->parts[0].arm || !ps_prediction_size_fits(arm, prediction->parts[0].arm_size))
                continue;
            if (2 * !is_registered(arms, arm) + (arm->pool_size != 2) != pass) continue;
            if (first == NULL) first = arm;
            if (serves(arms, prediction, arm)) return arm;
        }
    return first;
}
