/* What a prediction needs recorded, and what the runs lack of it. */
#include "analysis/predictions/predictions_internal.h"

#include <stdio.h>
#include <string.h>

#include "analysis/variation.h"

/* Whether the run's trace announces the quantity; runs of one arm may differ in it. */
static bool recorded(const ps_arm_run *run, ps_trace_quantity quantity) {
    const cJSON *item;
    cJSON_ArrayForEach(item, run->quantities) {
        const cJSON *known = cJSON_GetObjectItemCaseSensitive(item, PS_KEY(QUANTITY, name));
        if (cJSON_IsString(known) && strcmp(known->valuestring, ps_quantity_name(quantity)) == 0) return true;
    }
    return false;
}

/* Whether the words, separated by blanks, name the quantity. */
static bool lists(const char *words, ps_trace_quantity quantity) {
    const char *name = ps_quantity_name(quantity);
    size_t length = strlen(name);
    for (const char *at = words; (at = strstr(at, name)) != NULL; at += length)
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0')) return true;
    return false;
}

bool ps_prediction_asks_for(const ps_prediction *prediction, ps_trace_quantity quantity) {
    return prediction->needs != NULL && lists(prediction->needs, quantity);
}

static bool needs(const ps_prediction *prediction, int variation, ps_trace_quantity quantity) {
    int count;
    return lists(prediction->needs, quantity) ||
           (variation != PS_PRIMARY && lists(ps_variations(&count)[variation].needs, quantity));
}

const char *ps_prediction_first_missing(const ps_prediction *prediction, int variation, const ps_arm_run *run,
                                        const ps_arm_run *partner) {
    for (int q = 0; q < PS_Q_COUNT; q++)
        if (needs(prediction, variation, (ps_trace_quantity)q) &&
            (!recorded(run, (ps_trace_quantity)q) || (partner != NULL && !recorded(partner, (ps_trace_quantity)q))))
            return ps_quantity_name((ps_trace_quantity)q);
    return NULL;
}

static bool all_recorded(const ps_arm *arm, ps_trace_quantity quantity) {
    for (int i = 0; i < arm->run_count; i++)
        if (!recorded(&arm->runs[i], quantity)) return false;
    return true;
}

void ps_prediction_list_missing(const ps_prediction *prediction, int variation, const ps_prediction_part_result *part,
                                char *missing, size_t size) {
    missing[0] = '\0';
    for (int q = 0; q < PS_Q_COUNT; q++) {
        size_t used = strlen(missing);
        ps_trace_quantity quantity = (ps_trace_quantity)q;
        if (!needs(prediction, variation, quantity)) continue;
        if (all_recorded(part->arm, quantity) && (part->against == NULL || all_recorded(part->against, quantity)))
            continue;
        snprintf(missing + used, size - used, "%s%s", used > 0 ? " " : "", ps_quantity_name(quantity));
    }
}
